
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Groups as a whole: names are resolved, what cannot be right is refused and
 * what is suspicious reported.
 */


#include <ngx_mtls_group.h>
#include <ngx_mtls_spiffe.h>


#define NGX_MTLS_GROUP_WARNINGS  8    /* of one kind, the rest is counted */


static ngx_int_t ngx_mtls_group_resolve(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_str_t *labels, ngx_uint_t nlabels,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_resolve_label(ngx_mtls_pattern_t *pattern,
    ngx_str_t *labels, ngx_uint_t nlabels, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_resolve_group(ngx_mtls_policy_t *policy,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_resolve_role(ngx_mtls_policy_t *policy,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_measure(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t **path, ngx_uint_t depth, ngx_mtls_error_t *err);
static void ngx_mtls_group_spiffe(ngx_mtls_group_t *group);
static ngx_int_t ngx_mtls_group_domain(ngx_mtls_pattern_t *pattern,
    ngx_str_t *domains, ngx_uint_t ndomains, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_cycle(ngx_mtls_group_t **path,
    ngx_uint_t depth, ngx_mtls_group_t *part, ngx_mtls_error_t *err);
static ngx_uint_t ngx_mtls_group_says_ca(ngx_mtls_group_t *group);
static void ngx_mtls_group_spread(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group);
static void ngx_mtls_group_reach(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group);
static ngx_int_t ngx_mtls_group_report(ngx_mtls_policy_t *policy,
    ngx_log_t *log);
static void ngx_mtls_group_warn_regex(ngx_mtls_group_t *group,
    ngx_log_t *log);
static void ngx_mtls_group_warn_fingerprint(ngx_mtls_policy_t *policy,
    ngx_log_t *log);
static ngx_int_t ngx_mtls_group_warn_identity(ngx_mtls_policy_t *policy,
    ngx_log_t *log);
static int ngx_libc_cdecl ngx_mtls_group_compare_prefix(const void *one,
    const void *two);


ngx_int_t
ngx_mtls_policy_compile(ngx_mtls_policy_t *policy, ngx_str_t *labels,
    ngx_uint_t nlabels, ngx_log_t *log, ngx_mtls_error_t *err)
{
    ngx_int_t          rc;
    ngx_uint_t         i, n;
    ngx_mtls_group_t **groups, *path[NGX_MTLS_GROUP_HEIGHT_MAX];

    groups = policy->groups.elts;
    n = policy->groups.nelts;

    for (i = 0; i < n; i++) {
        rc = ngx_mtls_group_resolve(policy, groups[i], labels, nlabels, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < n; i++) {
        path[0] = groups[i];

        rc = ngx_mtls_group_measure(policy, path, 1, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < n; i++) {

        if (nlabels > 1 && !ngx_mtls_group_says_ca(groups[i])) {
            err->file = groups[i]->file;
            err->line = groups[i]->line;
            (void) ngx_mtls_error(err, "group \"%V\" needs a \"ca\" line "
                                  "because several mtls_ca labels exist; "
                                  "add \"ca LABEL\" or \"ca any\"",
                                  &groups[i]->name);
            return NGX_DECLINED;
        }

        ngx_mtls_group_spread(policy, groups[i]);
    }

    if (ngx_mtls_index_build(policy) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mtls_group_report(policy, log);
}


static ngx_int_t
ngx_mtls_group_resolve(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group,
    ngx_str_t *labels, ngx_uint_t nlabels, ngx_mtls_error_t *err)
{
    ngx_int_t            rc;
    ngx_uint_t           i, k;
    ngx_mtls_line_t     *line;
    ngx_mtls_pattern_t  *pattern;

    err->file = group->file;
    err->line = group->line;

    if (group->lines.nelts == 0) {
        (void) ngx_mtls_error(err, "group \"%V\" has no lines and would be "
                              "true for every certificate; add a line, or "
                              "\"ca any\" if that is meant", &group->name);
        return NGX_DECLINED;
    }

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {
        err->file = line[i].file;
        err->line = line[i].line;

        for (k = 0; k < line[i].npatterns; k++) {
            pattern = &line[i].patterns[k];

            if (line[i].attr.id == NGX_MTLS_ATTR_CA) {
                rc = ngx_mtls_group_resolve_label(pattern, labels, nlabels,
                                                  err);

            } else if (line[i].attr.id == NGX_MTLS_ATTR_GROUP) {
                rc = ngx_mtls_group_resolve_group(policy, pattern, err);

            } else if (line[i].attr.id == NGX_MTLS_ATTR_PSD2_ROLE) {
                rc = ngx_mtls_group_resolve_role(policy, pattern, err);

            } else {
                break;
            }

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    if (group->identity == NULL) {
        return NGX_OK;
    }

    err->file = group->identity->file;
    err->line = group->identity->line;

    return ngx_mtls_identity_resolve(group->identity, group, err);
}


static ngx_int_t
ngx_mtls_group_resolve_label(ngx_mtls_pattern_t *pattern, ngx_str_t *labels,
    ngx_uint_t nlabels, ngx_mtls_error_t *err)
{
    ngx_uint_t  i;

    for (i = 0; i < nlabels; i++) {
        if (labels[i].len == pattern->value.len
            && ngx_memcmp(labels[i].data, pattern->value.data, labels[i].len)
               == 0)
        {
            pattern->number = i;
            return NGX_OK;
        }
    }

    (void) ngx_mtls_error(err, "unknown ca \"%V\"; give the label of an "
                          "mtls_ca directive, or \"any\"", &pattern->value);
    return NGX_DECLINED;
}


static ngx_int_t
ngx_mtls_group_resolve_group(ngx_mtls_policy_t *policy,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err)
{
    ngx_mtls_group_t  *group;

    group = ngx_mtls_policy_find(policy, &pattern->value);

    if (group == NULL) {
        (void) ngx_mtls_error(err, "unknown group \"%V\"; define it with "
                              "\"mtls_group %V { ... }\"",
                              &pattern->value, &pattern->value);
        return NGX_DECLINED;
    }

    pattern->number = group->index;

    return NGX_OK;
}


/* roles may be added by a line that stands below the group's */

static ngx_int_t
ngx_mtls_group_resolve_role(ngx_mtls_policy_t *policy,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err)
{
    if (ngx_mtls_psd2_grants(&policy->psd2, &pattern->value)) {
        return NGX_OK;
    }

    (void) ngx_mtls_error(err, "unknown PSD2 role \"%V\"; known are PSP_AS, "
                          "PSP_PI, PSP_AI, PSP_IC, PSP_CB, PSP_PA, VOP_RS, "
                          "VOP_VS and those of \"mtls_psd2 role=OID:NAME\"",
                          &pattern->value);
    return NGX_DECLINED;
}


/*
 * The height of path[depth - 1], whose callers are before it: no group may be
 * its own part, and evaluation recurses no deeper than the bound.
 */

static ngx_int_t
ngx_mtls_group_measure(ngx_mtls_policy_t *policy, ngx_mtls_group_t **path,
    ngx_uint_t depth, ngx_mtls_error_t *err)
{
    ngx_int_t          rc;
    ngx_uint_t         i, k, height;
    ngx_mtls_line_t   *line;
    ngx_mtls_group_t  *group, *part;

    group = path[depth - 1];

    if (group->height != 0) {
        return NGX_OK;
    }

    ngx_mtls_group_spiffe(group);

    height = 0;
    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        if (line[i].attr.id != NGX_MTLS_ATTR_GROUP) {
            continue;
        }

        err->file = line[i].file;
        err->line = line[i].line;

        for (k = 0; k < line[i].npatterns; k++) {
            part = ngx_mtls_policy_group(policy, line[i].patterns[k].number);

            rc = ngx_mtls_group_cycle(path, depth, part, err);
            if (rc != NGX_OK) {
                return rc;
            }

            if (depth < NGX_MTLS_GROUP_HEIGHT_MAX) {
                path[depth] = part;

                rc = ngx_mtls_group_measure(policy, path, depth + 1, err);
                if (rc != NGX_OK) {
                    return rc;
                }
            }

            if (depth == NGX_MTLS_GROUP_HEIGHT_MAX
                || part->height == NGX_MTLS_GROUP_HEIGHT_MAX)
            {
                (void) ngx_mtls_error(err, "group \"%V\" nests more than %d "
                                      "groups in each other",
                                      &group->name, NGX_MTLS_GROUP_HEIGHT_MAX);
                return NGX_DECLINED;
            }

            height = ngx_max(height, part->height);
            group->spiffe |= part->spiffe;
        }
    }

    group->height = height + 1;

    return NGX_OK;
}


/* whether a group itself asks for the SPIFFE ID, or is named by it */

static void
ngx_mtls_group_spiffe(ngx_mtls_group_t *group)
{
    ngx_uint_t                 i;
    ngx_mtls_line_t           *line;
    ngx_mtls_template_part_t  *part;

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {
        group->spiffe |= ngx_mtls_attribute_is_spiffe(line[i].attr.id);
    }

    if (group->identity == NULL) {
        return;
    }

    part = group->identity->parts.elts;

    for (i = 0; i < group->identity->parts.nelts; i++) {
        group->spiffe |= ngx_mtls_attribute_is_spiffe(part[i].attr.id);
    }
}


ngx_int_t
ngx_mtls_policy_domains(ngx_mtls_policy_t *policy, ngx_str_t *domains,
    ngx_uint_t ndomains, ngx_mtls_error_t *err)
{
    ngx_uint_t          i, k, n;
    ngx_mtls_line_t    *line;
    ngx_mtls_group_t  **groups;

    groups = policy->groups.elts;

    for (i = 0; i < policy->groups.nelts; i++) {
        line = groups[i]->lines.elts;

        for (k = 0; k < groups[i]->lines.nelts; k++) {

            if (line[k].attr.id != NGX_MTLS_ATTR_SPIFFE) {
                continue;
            }

            err->file = line[k].file;
            err->line = line[k].line;

            for (n = 0; n < line[k].npatterns; n++) {

                if (ngx_mtls_group_domain(&line[k].patterns[n], domains,
                                          ndomains, err)
                    != NGX_OK)
                {
                    return NGX_DECLINED;
                }
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_group_domain(ngx_mtls_pattern_t *pattern, ngx_str_t *domains,
    ngx_uint_t ndomains, ngx_mtls_error_t *err)
{
    u_char              text[NGX_MTLS_SPIFFE_DOMAIN_LEN];
    ngx_str_t           domain;
    ngx_uint_t          i;
    ngx_mtls_spiffe_t   spiffe;

    if (pattern->match == NGX_MTLS_MATCH_REGEX) {
        domain.data = text;

        if (ngx_mtls_spiffe_regex(&pattern->value, &domain) != NGX_OK) {
            (void) ngx_mtls_error(err, "regex \"%V\" must begin with its trust "
                                  "domain as a literal, as in "
                                  "\"~^spiffe://example\\.org/...\", because "
                                  "an mtls_ca has \"trust_domain=\"",
                                  &pattern->value);
            return NGX_DECLINED;
        }

    } else {
        (void) ngx_mtls_spiffe_pattern(&pattern->value, &spiffe);
        domain = spiffe.trust_domain;
    }

    for (i = 0; i < ndomains; i++) {
        if (domains[i].len == domain.len
            && ngx_memcmp(domains[i].data, domain.data, domain.len) == 0)
        {
            return NGX_OK;
        }
    }

    (void) ngx_mtls_error(err, "no mtls_ca may speak for trust domain \"%V\" "
                          "of \"%V\"; add \"trust_domain=%V\" to that of its "
                          "CA", &domain, &pattern->value, &domain);
    return NGX_DECLINED;
}


static ngx_int_t
ngx_mtls_group_cycle(ngx_mtls_group_t **path, ngx_uint_t depth,
    ngx_mtls_group_t *part, ngx_mtls_error_t *err)
{
    u_char      *p, *last, text[1024];
    ngx_uint_t   i;

    for (i = 0; i < depth; i++) {
        if (path[i] == part) {
            break;
        }
    }

    if (i == depth) {
        return NGX_OK;
    }

    p = text;
    last = text + sizeof(text);

    for ( /* void */ ; i < depth; i++) {
        p = ngx_slprintf(p, last, "%V -> ", &path[i]->name);
    }

    (void) ngx_mtls_error(err, "groups \"%*s%V\" form a cycle, remove one of "
                          "their \"group\" lines",
                          (size_t) (p - text), text, &part->name);

    return NGX_DECLINED;
}


/*
 * Lines are AND, so one that demands a CA is enough; every group is asked, so
 * those that a "group" line names demand one too.
 */

static ngx_uint_t
ngx_mtls_group_says_ca(ngx_mtls_group_t *group)
{
    ngx_uint_t        i;
    ngx_mtls_line_t  *line;

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {
        if (!line[i].negative
            && (line[i].attr.id == NGX_MTLS_ATTR_CA
                || line[i].attr.id == NGX_MTLS_ATTR_GROUP))
        {
            return 1;
        }
    }

    return 0;
}


/* "full" for what an mtls_deny or a "not group" line reaches */

static void
ngx_mtls_group_spread(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group)
{
    ngx_uint_t        i, k;
    ngx_mtls_line_t  *line;

    if (group->denied) {
        ngx_mtls_group_reach(policy, group);
    }

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        if (line[i].attr.id != NGX_MTLS_ATTR_GROUP || !line[i].negative) {
            continue;
        }

        for (k = 0; k < line[i].npatterns; k++) {
            ngx_mtls_group_reach(policy,
                                 ngx_mtls_policy_group(policy,
                                                line[i].patterns[k].number));
        }
    }
}


static void
ngx_mtls_group_reach(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group)
{
    ngx_uint_t        i, k;
    ngx_mtls_line_t  *line;

    if (group->full) {
        return;
    }

    group->full = 1;

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        if (line[i].attr.id != NGX_MTLS_ATTR_GROUP) {
            continue;
        }

        for (k = 0; k < line[i].npatterns; k++) {
            ngx_mtls_group_reach(policy,
                                 ngx_mtls_policy_group(policy,
                                                line[i].patterns[k].number));
        }
    }
}


static ngx_int_t
ngx_mtls_group_report(ngx_mtls_policy_t *policy, ngx_log_t *log)
{
    ngx_uint_t          i, n, scanned, full;
    ngx_mtls_group_t  **groups;

    scanned = 0;
    full = 0;

    groups = policy->groups.elts;
    n = policy->groups.nelts;

    for (i = 0; i < n; i++) {
        scanned += groups[i]->scanned;
        full += groups[i]->full;

        ngx_mtls_group_warn_regex(groups[i], log);
    }

    if (scanned != 0) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "%ui of %ui mtls groups have no exact line and are "
                      "tried one by one", scanned, n);
    }

    if (full != 0) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "%ui of %ui mtls groups are evaluated in full because "
                      "an \"mtls_deny\" or a \"not group\" reaches them",
                      full, n);
    }

    ngx_mtls_group_warn_fingerprint(policy, log);

    return ngx_mtls_group_warn_identity(policy, log);
}


static void
ngx_mtls_group_warn_regex(ngx_mtls_group_t *group, ngx_log_t *log)
{
    ngx_uint_t           i, k, n;
    ngx_mtls_line_t     *line;
    ngx_mtls_pattern_t  *pattern;

    static ngx_str_t  probes[] = {
        ngx_string("x"),
        ngx_string("0123456789ABCDEF"),
        ngx_string("../evil,CN=admin")
    };

    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        for (k = line[i].nexact; k < line[i].npatterns; k++) {
            pattern = &line[i].patterns[k];

            if (pattern->match != NGX_MTLS_MATCH_REGEX) {
                continue;
            }

            for (n = 0; n < sizeof(probes) / sizeof(ngx_str_t); n++) {
                if (ngx_mtls_regex_match(pattern->regex, &probes[n], 1, NULL)
                    != NGX_OK)
                {
                    break;
                }
            }

            if (n == sizeof(probes) / sizeof(ngx_str_t)) {
                ngx_log_error(NGX_LOG_WARN, log, 0,
                              "regex \"%V\" in group \"%V\" seems to match "
                              "any value, say more of what it should match "
                              "in %V:%ui", &pattern->value, &group->name,
                              &line[i].file, line[i].line);
            }
        }
    }
}


/*
 * A signature of ECDSA, which the fingerprint covers, has a twin that anybody
 * can compute: a certificate that is denied by its fingerprint comes back with
 * another one.  Said of the first such line.
 */

static void
ngx_mtls_group_warn_fingerprint(ngx_mtls_policy_t *policy, ngx_log_t *log)
{
    ngx_uint_t          i, k;
    ngx_mtls_line_t    *line;
    ngx_mtls_group_t  **groups;

    groups = policy->groups.elts;

    for (i = 0; i < policy->groups.nelts; i++) {
        line = groups[i]->lines.elts;

        for (k = 0; k < groups[i]->lines.nelts; k++) {

            if (line[k].attr.id != NGX_MTLS_ATTR_FINGERPRINT
                || (!groups[i]->full && !line[k].negative))
            {
                continue;
            }

            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "\"fingerprint\" in group \"%V\" denies, but the "
                          "holder of a certificate that was signed by ECDSA "
                          "can change its fingerprint; use \"serial\" with "
                          "\"ca\", or \"spki\", in %V:%ui",
                          &groups[i]->name, &line[k].file, line[k].line);
            return;
        }
    }
}


/*
 * Sorted by their literals, those that begin with another's follow it at once:
 * two certificates of such groups might be given one name.
 */

static ngx_int_t
ngx_mtls_group_warn_identity(ngx_mtls_policy_t *policy, ngx_log_t *log)
{
    ngx_str_t           literal, other;
    ngx_uint_t          i, n, warned;
    ngx_mtls_group_t  **groups, **sorted, *group;

    groups = policy->groups.elts;

    sorted = ngx_palloc(policy->pool, (policy->groups.nelts + 1)
                                      * sizeof(ngx_mtls_group_t *));
    if (sorted == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < policy->groups.nelts; i++) {
        if (groups[i]->identity != NULL) {
            sorted[n++] = groups[i];
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    ngx_qsort(sorted, n, sizeof(ngx_mtls_group_t *),
              ngx_mtls_group_compare_prefix);

    warned = 0;
    group = sorted[0];
    ngx_mtls_identity_prefix(group->identity, &literal);

    for (i = 1; i < n; i++) {
        ngx_mtls_identity_prefix(sorted[i]->identity, &other);

        if (other.len < literal.len
            || ngx_memcmp(other.data, literal.data, literal.len) != 0)
        {
            group = sorted[i];
            literal = other;
            continue;
        }

        if (++warned > NGX_MTLS_GROUP_WARNINGS) {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "identities of groups \"%V\" and \"%V\" may be spelled "
                      "alike, as they begin with \"%V\" and \"%V\"; begin "
                      "each with a literal of its own, in %V:%ui and %V:%ui",
                      &group->name, &sorted[i]->name, &literal, &other,
                      &group->identity->file, group->identity->line,
                      &sorted[i]->identity->file, sorted[i]->identity->line);
    }

    if (warned > NGX_MTLS_GROUP_WARNINGS) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "identities of %ui more pairs of groups may be spelled "
                      "alike", warned - NGX_MTLS_GROUP_WARNINGS);
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_mtls_group_compare_prefix(const void *one, const void *two)
{
    int                rc;
    ngx_str_t          a, b;
    ngx_mtls_group_t  *first, *second;

    first = *(ngx_mtls_group_t **) one;
    second = *(ngx_mtls_group_t **) two;

    ngx_mtls_identity_prefix(first->identity, &a);
    ngx_mtls_identity_prefix(second->identity, &b);

    rc = ngx_memcmp(a.data, b.data, ngx_min(a.len, b.len));

    if (rc != 0) {
        return rc;
    }

    if (a.len != b.len) {
        return (a.len < b.len) ? -1 : 1;
    }

    return (first->index < second->index) ? -1 : 1;
}
