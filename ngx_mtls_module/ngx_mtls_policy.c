
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Groups at run time: evaluated in three-valued logic, found by the index
 * where they can be, and explained.
 */


#include <ngx_mtls_group.h>
#include <ngx_mtls_pattern.h>
#include <ngx_mtls_spiffe.h>


#define NGX_MTLS_TRACE_LEN       2048

/* a group's value, if it is not known */
#define NGX_MTLS_UNKNOWN         3


typedef struct {
    ngx_mtls_policy_t            *policy;
    ngx_mtls_facts_t             *facts;
    ngx_pool_t                   *pool;
    ngx_log_t                    *log;
    ngx_array_t                   groups;    /* of ngx_uint_t: true */
    ngx_array_t                   undefined; /* of ngx_uint_t: with "full" */
} ngx_mtls_evaluation_t;


static void ngx_mtls_policy_start(ngx_mtls_evaluation_t *ev,
    ngx_mtls_policy_t *policy, ngx_mtls_facts_t *facts, ngx_pool_t *pool,
    ngx_log_t *log);
static void ngx_mtls_policy_meet(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group);
static ngx_int_t ngx_mtls_policy_candidates(ngx_mtls_evaluation_t *ev);
static ngx_int_t ngx_mtls_policy_lookup(ngx_mtls_evaluation_t *ev,
    ngx_uint_t attr, ngx_str_t *key);
static ngx_int_t ngx_mtls_policy_number(ngx_mtls_evaluation_t *ev,
    ngx_uint_t attr, ngx_uint_t number);
static ngx_int_t ngx_mtls_policy_try(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *known);
static ngx_int_t ngx_mtls_policy_append(ngx_mtls_evaluation_t *ev,
    ngx_array_t *list, ngx_uint_t index);
static ngx_int_t ngx_mtls_policy_result(ngx_mtls_evaluation_t *ev,
    ngx_mtls_policy_result_t *result);
static void ngx_mtls_policy_list(ngx_array_t *array, ngx_uint_t **list,
    ngx_uint_t *n);
static int ngx_libc_cdecl ngx_mtls_policy_order(const void *one,
    const void *two);
static ngx_int_t ngx_mtls_policy_value(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *known);
static ngx_int_t ngx_mtls_policy_named(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group);
static ngx_int_t ngx_mtls_policy_lines(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *known);
static ngx_int_t ngx_mtls_policy_judge(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_policy_ca(ngx_mtls_evaluation_t *ev,
    ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_policy_parts(ngx_mtls_evaluation_t *ev,
    ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_policy_attribute(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_policy_match(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_mtls_line_t *line, ngx_str_t *value,
    ngx_uint_t n);
static void ngx_mtls_policy_limit(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_str_t *file, ngx_uint_t line);
static ngx_int_t ngx_mtls_policy_reason(ngx_mtls_evaluation_t *ev,
    ngx_mtls_group_t *group, ngx_int_t value, u_char **pos, u_char *last);
static u_char *ngx_mtls_policy_escape(u_char *p, u_char *last,
    ngx_str_t *text);


ngx_int_t
ngx_mtls_policy_evaluate(ngx_mtls_policy_t *policy, ngx_mtls_facts_t *facts,
    ngx_pool_t *pool, ngx_log_t *log, ngx_mtls_policy_result_t *result)
{
    ngx_mtls_evaluation_t  ev;

    ngx_memzero(result, sizeof(ngx_mtls_policy_result_t));

    ngx_mtls_policy_start(&ev, policy, facts, pool, log);

    if (ngx_mtls_policy_candidates(&ev) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mtls_policy_result(&ev, result);
}


ngx_int_t
ngx_mtls_policy_evaluate_group(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_mtls_facts_t *facts, ngx_pool_t *pool,
    ngx_log_t *log)
{
    ngx_mtls_evaluation_t  ev;

    ngx_mtls_policy_start(&ev, policy, facts, pool, log);

    return ngx_mtls_policy_value(&ev, group, NULL);
}


/*
 * What an evaluation finds of a group is kept in the group, under the number
 * of the evaluation: nothing need be cleared, however many groups there are.
 */

static void
ngx_mtls_policy_start(ngx_mtls_evaluation_t *ev, ngx_mtls_policy_t *policy,
    ngx_mtls_facts_t *facts, ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_memzero(ev, sizeof(ngx_mtls_evaluation_t));

    ev->policy = policy;
    ev->facts = facts;
    ev->pool = pool;
    ev->log = log;

    policy->evaluation++;
}


static void
ngx_mtls_policy_meet(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group)
{
    if (group->evaluation != ev->policy->evaluation) {
        group->evaluation = ev->policy->evaluation;
        group->value = NGX_MTLS_UNKNOWN;
        group->tried = 0;
    }
}


/*
 * Tries every group that can be true: by index all whose index line is, and
 * the others one by one.
 */

static ngx_int_t
ngx_mtls_policy_candidates(ngx_mtls_evaluation_t *ev)
{
    ngx_uint_t               i, k;
    ngx_mtls_group_t       **tried;
    ngx_mtls_values_t        values;
    ngx_mtls_policy_t       *policy;
    ngx_mtls_index_attr_t   *attrs;

    policy = ev->policy;
    attrs = policy->attrs.elts;

    for (i = 0; i < policy->attrs.nelts; i++) {

        if (!attrs[i].used || i == policy->ca || i == policy->group) {
            continue;
        }

        if (ngx_mtls_attribute_values(ev->facts->cert, &attrs[i].attr,
                                      &values)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (k = 0; k < values.n; k++) {

            if (values.elts[k].data == NULL) {
                continue;
            }

            if (ngx_mtls_policy_lookup(ev, i, &values.elts[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    for (i = 0; i < ev->facts->nlabels; i++) {
        if (ngx_mtls_policy_number(ev, policy->ca, ev->facts->labels[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    tried = policy->tried.elts;

    for (i = 0; i < policy->tried.nelts; i++) {
        if (ngx_mtls_policy_try(ev, tried[i], NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_policy_lookup(ngx_mtls_evaluation_t *ev, ngx_uint_t attr,
    ngx_str_t *key)
{
    ngx_uint_t           i;
    ngx_mtls_group_t    *group;
    ngx_mtls_posting_t  *posting;

    posting = ngx_mtls_index_find(ev->policy, attr, key);
    if (posting == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < posting->ngroups; i++) {
        group = posting->groups[i];

        if (ngx_mtls_policy_try(ev, group, group->index_line) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a label or a group */

static ngx_int_t
ngx_mtls_policy_number(ngx_mtls_evaluation_t *ev, ngx_uint_t attr,
    ngx_uint_t number)
{
    ngx_str_t  key;

    if (attr == NGX_MTLS_INDEX_NONE) {
        return NGX_OK;
    }

    key.data = (u_char *) &number;
    key.len = sizeof(ngx_uint_t);

    return ngx_mtls_policy_lookup(ev, attr, &key);
}


/*
 * A group that is true is kept and brings those that it is the index value of.
 * "known" is a line that the index says is true.
 */

static ngx_int_t
ngx_mtls_policy_try(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *known)
{
    ngx_int_t  value;

    ngx_mtls_policy_meet(ev, group);

    if (group->tried) {
        return NGX_OK;
    }

    group->tried = 1;

    value = ngx_mtls_policy_value(ev, group, known);

    if (value == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (value == NGX_MTLS_UNDEFINED && group->full) {
        return ngx_mtls_policy_append(ev, &ev->undefined, group->index);
    }

    if (value != NGX_MTLS_TRUE) {
        return NGX_OK;
    }

    if (ngx_mtls_policy_append(ev, &ev->groups, group->index) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mtls_policy_number(ev, ev->policy->group, group->index);
}


static ngx_int_t
ngx_mtls_policy_append(ngx_mtls_evaluation_t *ev, ngx_array_t *list,
    ngx_uint_t index)
{
    ngx_uint_t  *p;

    if (list->nalloc == 0
        && ngx_array_init(list, ev->pool, 4, sizeof(ngx_uint_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_array_push(list);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = index;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_policy_result(ngx_mtls_evaluation_t *ev,
    ngx_mtls_policy_result_t *result)
{
    ngx_uint_t         i;
    ngx_mtls_group_t  *group;

    ngx_mtls_policy_list(&ev->groups, &result->groups, &result->ngroups);
    ngx_mtls_policy_list(&ev->undefined, &result->undefined,
                         &result->nundefined);

    for (i = 0; i < result->ngroups; i++) {
        group = ngx_mtls_policy_group(ev->policy, result->groups[i]);

        if (group->identity == NULL) {
            continue;
        }

        result->identity_group = group;

        /* it was found to be defined, or the group would not be true */

        if (ngx_mtls_identity_make(group, ev->facts, ev->pool,
                                   &result->identity)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;
    }

    return NGX_OK;
}


static void
ngx_mtls_policy_list(ngx_array_t *array, ngx_uint_t **list, ngx_uint_t *n)
{
    if (array->nelts > 1) {
        ngx_qsort(array->elts, array->nelts, sizeof(ngx_uint_t),
                  ngx_mtls_policy_order);
    }

    *list = array->elts;
    *n = array->nelts;
}


static int ngx_libc_cdecl
ngx_mtls_policy_order(const void *one, const void *two)
{
    ngx_uint_t  a, b;

    a = *(ngx_uint_t *) one;
    b = *(ngx_uint_t *) two;

    return (a > b) - (a < b);
}


/* a group that is true but cannot name its certificate is undefined */

static ngx_int_t
ngx_mtls_policy_value(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *known)
{
    ngx_int_t  value;

    ngx_mtls_policy_meet(ev, group);

    if (group->value != NGX_MTLS_UNKNOWN) {
        return group->value;
    }

    value = ngx_mtls_policy_lines(ev, group, known);

    if (value == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (value == NGX_MTLS_TRUE && group->identity != NULL) {
        value = ngx_mtls_policy_named(ev, group);

        if (value == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    group->value = (u_char) value;

    return value;
}


/* whether the identity of a group whose lines are true is defined */

static ngx_int_t
ngx_mtls_policy_named(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group)
{
    ngx_int_t             rc;
    ngx_mtls_template_t  *tpl;

    tpl = group->identity;

    rc = ngx_mtls_identity_make(group, ev->facts, ev->pool, NULL);

    if (rc == NGX_BUSY) {
        ngx_mtls_policy_limit(ev, group, &tpl->file, tpl->line);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return (rc == NGX_OK) ? NGX_MTLS_TRUE : NGX_MTLS_UNDEFINED;
}


/* AND: false decides, then undefined */

static ngx_int_t
ngx_mtls_policy_lines(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *known)
{
    ngx_int_t         value, rc;
    ngx_uint_t        i;
    ngx_mtls_line_t  *line;

    value = NGX_MTLS_TRUE;
    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        if (&line[i] == known) {
            continue;
        }

        rc = ngx_mtls_policy_judge(ev, group, &line[i]);

        if (rc == NGX_ERROR || rc == NGX_MTLS_FALSE) {
            return rc;
        }

        if (rc == NGX_MTLS_UNDEFINED) {
            value = NGX_MTLS_UNDEFINED;
        }
    }

    return value;
}


static ngx_int_t
ngx_mtls_policy_judge(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *line)
{
    ngx_int_t  value;

    switch (line->attr.id) {

    case NGX_MTLS_ATTR_CA:
        value = ngx_mtls_policy_ca(ev, line);
        break;

    case NGX_MTLS_ATTR_GROUP:
        value = ngx_mtls_policy_parts(ev, line);
        break;

    default:
        value = ngx_mtls_policy_attribute(ev, group, line);
        break;
    }

    if (!line->negative) {
        return value;
    }

    if (value == NGX_MTLS_TRUE) {
        return NGX_MTLS_FALSE;
    }

    return (value == NGX_MTLS_FALSE) ? NGX_MTLS_TRUE : value;
}


static ngx_int_t
ngx_mtls_policy_ca(ngx_mtls_evaluation_t *ev, ngx_mtls_line_t *line)
{
    ngx_uint_t  i;

    if (line->any_ca) {
        return NGX_MTLS_TRUE;
    }

    for (i = 0; i < line->npatterns; i++) {
        if (ngx_mtls_policy_has(ev->facts->labels, ev->facts->nlabels,
                                line->patterns[i].number))
        {
            return NGX_MTLS_TRUE;
        }
    }

    return NGX_MTLS_FALSE;
}


/* "group a b": OR: true decides, then undefined */

static ngx_int_t
ngx_mtls_policy_parts(ngx_mtls_evaluation_t *ev, ngx_mtls_line_t *line)
{
    ngx_int_t          value, rc;
    ngx_uint_t         i;
    ngx_mtls_group_t  *part;

    value = NGX_MTLS_FALSE;

    for (i = 0; i < line->npatterns; i++) {
        part = ngx_mtls_policy_group(ev->policy, line->patterns[i].number);

        rc = ngx_mtls_policy_value(ev, part, NULL);

        if (rc == NGX_ERROR || rc == NGX_MTLS_TRUE) {
            return rc;
        }

        if (rc == NGX_MTLS_UNDEFINED) {
            value = NGX_MTLS_UNDEFINED;
        }
    }

    return value;
}


/* OR over the certificate's values; none is false */

static ngx_int_t
ngx_mtls_policy_attribute(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *line)
{
    ngx_int_t          value, rc;
    ngx_uint_t         i;
    ngx_mtls_values_t  values;

    if (ngx_mtls_attribute_values(ev->facts->cert, &line->attr, &values)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    value = NGX_MTLS_FALSE;

    for (i = 0; i < values.n; i++) {

        if (values.elts[i].data == NULL) {
            value = NGX_MTLS_UNDEFINED;
            continue;
        }

        rc = ngx_mtls_policy_match(ev, group, line, &values.elts[i], values.n);

        if (rc == NGX_ERROR || rc == NGX_MTLS_TRUE) {
            return rc;
        }

        if (rc == NGX_MTLS_UNDEFINED) {
            value = NGX_MTLS_UNDEFINED;
        }
    }

    if (line->attr.whole
        && ngx_mtls_attribute_doubtful(ev->facts->cert, &line->attr))
    {
        return NGX_MTLS_UNDEFINED;
    }

    return value;
}


/* OR over the patterns of a line */

static ngx_int_t
ngx_mtls_policy_match(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_mtls_line_t *line, ngx_str_t *value, ngx_uint_t n)
{
    ngx_int_t            rc, result;
    ngx_uint_t           i;
    ngx_mtls_pattern_t  *pattern;

    if (ngx_mtls_pattern_exact(line, value)) {
        return NGX_MTLS_TRUE;
    }

    result = NGX_MTLS_FALSE;

    for (i = line->nexact; i < line->npatterns; i++) {
        pattern = &line->patterns[i];

        rc = ngx_mtls_pattern_match(pattern, value, n);

        if (rc == NGX_OK) {
            return NGX_MTLS_TRUE;
        }

        if (rc == NGX_BUSY) {
            ngx_mtls_policy_limit(ev, group, &line->file, line->line);
            result = NGX_MTLS_UNDEFINED;

        } else if (rc != NGX_DECLINED) {
            return NGX_ERROR;
        }
    }

    return result;
}


ngx_int_t
ngx_mtls_policy_bad_svid(ngx_mtls_group_t *group, ngx_mtls_facts_t *facts)
{
    ngx_mtls_svid_t  *svid;

    if (!group->spiffe) {
        return 0;
    }

    if (ngx_mtls_spiffe_svid(facts->cert, &svid) != NGX_OK) {
        return NGX_ERROR;
    }

    return svid->wrong != NULL;
}


/* the value is the client's and not printed */

static void
ngx_mtls_policy_limit(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_str_t *file, ngx_uint_t line)
{
    if (group->warned == ngx_time()) {
        return;
    }

    group->warned = ngx_time();

    ngx_log_error(NGX_LOG_WARN, ev->log, 0,
                  "a regex of mtls group \"%V\" hit its limit, the line is "
                  "undefined; make the regex simpler in %V:%ui",
                  &group->name, file, line);
}


ngx_int_t
ngx_mtls_policy_trace(ngx_mtls_policy_t *policy, ngx_mtls_group_t **groups,
    ngx_uint_t ngroups, ngx_mtls_facts_t *facts, ngx_pool_t *pool,
    ngx_log_t *log, ngx_str_t *text)
{
    u_char                 *p, *last;
    ngx_int_t               value;
    ngx_uint_t              i;
    ngx_mtls_evaluation_t   ev;

    static const char      *names[] = { "false", "true", "undefined" };

    p = ngx_pnalloc(pool, NGX_MTLS_TRACE_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_mtls_policy_start(&ev, policy, facts, pool, log);

    text->data = p;
    last = p + NGX_MTLS_TRACE_LEN - (sizeof("...") - 1);

    for (i = 0; i < ngroups && p < last; i++) {

        value = ngx_mtls_policy_value(&ev, groups[i], NULL);
        if (value == NGX_ERROR) {
            return NGX_ERROR;
        }

        p = ngx_slprintf(p, last, "%s%V=%s", (i != 0) ? "; " : "",
                         &groups[i]->name, names[value]);

        if (value != NGX_MTLS_TRUE
            && ngx_mtls_policy_reason(&ev, groups[i], value, &p, last)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (p == last) {
        p = ngx_cpymem(p, "...", sizeof("...") - 1);
    }

    text->len = p - text->data;

    return NGX_OK;
}


/* the first line of this value, or else the identity */

static ngx_int_t
ngx_mtls_policy_reason(ngx_mtls_evaluation_t *ev, ngx_mtls_group_t *group,
    ngx_int_t value, u_char **pos, u_char *last)
{
    u_char               *p;
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_mtls_line_t      *line;
    ngx_mtls_template_t  *tpl;

    p = *pos;
    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {
        rc = ngx_mtls_policy_judge(ev, group, &line[i]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == value) {
            break;
        }
    }

    if (i < group->lines.nelts) {
        p = ngx_mtls_policy_escape(ngx_slprintf(p, last, " ("), last,
                                   &line[i].file);
        p = ngx_mtls_policy_escape(ngx_slprintf(p, last, ":%ui ",
                                                line[i].line),
                                   last, &line[i].text);

        if (ngx_mtls_attribute_is_spiffe(line[i].attr.id)
            && value == NGX_MTLS_UNDEFINED && ev->facts->cert->svid->wrong)
        {
            p = ngx_slprintf(p, last, ": %s", ev->facts->cert->svid->wrong);
        }

    } else if (group->identity != NULL) {
        tpl = group->identity;

        p = ngx_mtls_policy_escape(ngx_slprintf(p, last, " ("), last,
                                   &tpl->file);
        p = ngx_mtls_policy_escape(ngx_slprintf(p, last, ":%ui identity ",
                                                tpl->line),
                                   last, &tpl->text);
    }

    *pos = ngx_slprintf(p, last, ")");

    return NGX_OK;
}


/* "text" as it may stand in a quoted string of one line, up to "last" */

static u_char *
ngx_mtls_policy_escape(u_char *p, u_char *last, ngx_str_t *text)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (ch < 0x20 || ch == 0x7f || ch == '"') {
            p = ngx_slprintf(p, last, "\\x%02Xd", (ngx_int_t) ch);

        } else if (p < last) {
            *p++ = ch;
        }
    }

    return p;
}
