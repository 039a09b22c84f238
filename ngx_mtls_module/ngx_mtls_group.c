
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Groups as they are written: names and lines, each word of which is checked
 * as far as it can be before the configuration is whole.
 */


#include <ngx_mtls_group.h>
#include <ngx_mtls_pattern.h>


static ngx_uint_t ngx_mtls_group_hash(ngx_str_t *name);
static ngx_int_t ngx_mtls_group_attribute(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_mtls_line_t *line, ngx_str_t *words,
    ngx_uint_t nwords, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_ca(ngx_mtls_line_t *line, ngx_str_t *words,
    ngx_uint_t nwords, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_identity(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_mtls_line_t *line, ngx_str_t *words,
    ngx_uint_t nwords, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_group_text(ngx_pool_t *pool, ngx_str_t *words,
    ngx_uint_t nwords, ngx_str_t *text);


ngx_mtls_policy_t *
ngx_mtls_policy_create(ngx_pool_t *pool)
{
    ngx_mtls_policy_t  *policy;

    policy = ngx_pcalloc(pool, sizeof(ngx_mtls_policy_t));
    if (policy == NULL) {
        return NULL;
    }

    policy->pool = pool;
    policy->ca = NGX_MTLS_INDEX_NONE;
    policy->group = NGX_MTLS_INDEX_NONE;

    policy->names = ngx_pcalloc(pool, NGX_MTLS_GROUP_BUCKETS
                                      * sizeof(ngx_mtls_group_t *));
    if (policy->names == NULL) {
        return NULL;
    }

    if (ngx_array_init(&policy->groups, pool, 16, sizeof(ngx_mtls_group_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return policy;
}


ngx_int_t
ngx_mtls_policy_add(ngx_mtls_policy_t *policy, ngx_str_t *name,
    ngx_str_t *file, ngx_uint_t line, ngx_mtls_group_t **groupp,
    ngx_mtls_error_t *err)
{
    u_char             ch;
    ngx_uint_t         i;
    ngx_mtls_group_t  *group, **gp;

    err->file = *file;
    err->line = line;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '_') {
            break;
        }
    }

    if (i == 0 || i != name->len) {
        (void) ngx_mtls_error(err, "invalid group name \"%V\", use lower-case "
                              "letters, digits and \"_\"", name);
        return NGX_DECLINED;
    }

    if (name->len == 3 && ngx_strncmp(name->data, "any", 3) == 0) {
        (void) ngx_mtls_error(err, "group name \"any\" is reserved for every "
                              "authenticated certificate, choose another");
        return NGX_DECLINED;
    }

    group = ngx_mtls_policy_find(policy, name);
    if (group != NULL) {
        (void) ngx_mtls_error(err, "duplicate group \"%V\", the first is in "
                              "%V:%ui", name, &group->file, group->line);
        return NGX_DECLINED;
    }

    group = ngx_pcalloc(policy->pool, sizeof(ngx_mtls_group_t));
    if (group == NULL) {
        return NGX_ERROR;
    }

    group->name = *name;
    group->file = *file;
    group->line = line;
    group->index = policy->groups.nelts;

    if (ngx_array_init(&group->lines, policy->pool, 4, sizeof(ngx_mtls_line_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    gp = ngx_array_push(&policy->groups);
    if (gp == NULL) {
        return NGX_ERROR;
    }

    *gp = group;

    i = ngx_mtls_group_hash(name);
    group->next = policy->names[i];
    policy->names[i] = group;

    *groupp = group;

    return NGX_OK;
}


ngx_mtls_group_t *
ngx_mtls_policy_find(ngx_mtls_policy_t *policy, ngx_str_t *name)
{
    ngx_mtls_group_t  *group;

    group = policy->names[ngx_mtls_group_hash(name)];

    while (group != NULL) {
        if (group->name.len == name->len
            && ngx_memcmp(group->name.data, name->data, name->len) == 0)
        {
            return group;
        }

        group = group->next;
    }

    return NULL;
}


static ngx_uint_t
ngx_mtls_group_hash(ngx_str_t *name)
{
    ngx_uint_t  i, hash;

    hash = 0;

    for (i = 0; i < name->len; i++) {
        hash = ngx_hash(hash, name->data[i]);
    }

    return hash % NGX_MTLS_GROUP_BUCKETS;
}


ngx_mtls_group_t *
ngx_mtls_policy_group(ngx_mtls_policy_t *policy, ngx_uint_t index)
{
    return ((ngx_mtls_group_t **) policy->groups.elts)[index];
}


ngx_uint_t
ngx_mtls_policy_ngroups(ngx_mtls_policy_t *policy)
{
    return policy->groups.nelts;
}


ngx_mtls_psd2_rules_t *
ngx_mtls_policy_psd2(ngx_mtls_policy_t *policy)
{
    return &policy->psd2;
}


void
ngx_mtls_policy_deny(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group)
{
    (void) policy;

    group->denied = 1;
}


ngx_int_t
ngx_mtls_policy_line(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group,
    ngx_str_t *words, ngx_uint_t nwords, ngx_str_t *file, ngx_uint_t line,
    ngx_mtls_error_t *err)
{
    ngx_mtls_line_t  new;

    err->file = *file;
    err->line = line;

    ngx_memzero(&new, sizeof(ngx_mtls_line_t));

    new.file = *file;
    new.line = line;

    if (ngx_mtls_group_text(policy->pool, words, nwords, &new.text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (nwords != 0 && words[0].len == 3
        && ngx_strncmp(words[0].data, "not", 3) == 0)
    {
        new.negative = 1;
        words++;
        nwords--;
    }

    if (nwords == 0) {
        (void) ngx_mtls_error(err, "line \"%V\" of group \"%V\" names no "
                              "attribute", &new.text, &group->name);
        return NGX_DECLINED;
    }

    if (words[0].len == 8 && ngx_strncmp(words[0].data, "identity", 8) == 0) {
        return ngx_mtls_group_identity(policy, group, &new, words, nwords,
                                       err);
    }

    return ngx_mtls_group_attribute(policy, group, &new, words, nwords, err);
}


static ngx_int_t
ngx_mtls_group_attribute(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group,
    ngx_mtls_line_t *line, ngx_str_t *words, ngx_uint_t nwords,
    ngx_mtls_error_t *err)
{
    ngx_int_t         rc;
    ngx_uint_t        used;
    ngx_mtls_line_t  *new;

    rc = ngx_mtls_attribute_line(policy->pool, words, nwords, &line->attr,
                                 &used, err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (used >= nwords) {
        (void) ngx_mtls_error(err, "\"%V\" needs a value after it",
                              &line->text);
        return NGX_DECLINED;
    }

    words += used;
    nwords -= used;

    if (line->attr.id == NGX_MTLS_ATTR_CA) {
        rc = ngx_mtls_group_ca(line, words, nwords, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (!line->any_ca) {
        rc = ngx_mtls_pattern_compile(policy->pool, line, words, nwords, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    new = ngx_array_push(&group->lines);
    if (new == NULL) {
        return NGX_ERROR;
    }

    *new = *line;

    return NGX_OK;
}


/* "ca any" stands alone and says something true */

static ngx_int_t
ngx_mtls_group_ca(ngx_mtls_line_t *line, ngx_str_t *words, ngx_uint_t nwords,
    ngx_mtls_error_t *err)
{
    ngx_uint_t  i;

    for (i = 0; i < nwords; i++) {

        if (words[i].len != 3 || ngx_strncmp(words[i].data, "any", 3) != 0) {
            continue;
        }

        if (nwords != 1) {
            (void) ngx_mtls_error(err, "\"any\" in \"%V\" must stand alone, "
                                  "remove it or the labels", &line->text);
            return NGX_DECLINED;
        }

        if (line->negative) {
            (void) ngx_mtls_error(err, "\"%V\" is true for no certificate, "
                                  "name labels or remove the line",
                                  &line->text);
            return NGX_DECLINED;
        }

        line->any_ca = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_group_identity(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group,
    ngx_mtls_line_t *line, ngx_str_t *words, ngx_uint_t nwords,
    ngx_mtls_error_t *err)
{
    ngx_int_t             rc;
    ngx_mtls_template_t  *tpl;

    if (line->negative) {
        (void) ngx_mtls_error(err, "\"not\" cannot precede \"identity\"");
        return NGX_DECLINED;
    }

    if (nwords != 2) {
        (void) ngx_mtls_error(err, "\"identity\" takes one template; put one "
                              "that has spaces in quotes");
        return NGX_DECLINED;
    }

    if (group->identity != NULL) {
        (void) ngx_mtls_error(err, "group \"%V\" has a second identity, the "
                              "first is in %V:%ui", &group->name,
                              &group->identity->file, group->identity->line);
        return NGX_DECLINED;
    }

    rc = ngx_mtls_identity_compile(policy->pool, &words[1], &tpl, err);
    if (rc != NGX_OK) {
        return rc;
    }

    tpl->file = line->file;
    tpl->line = line->line;

    group->identity = tpl;

    return NGX_OK;
}


/* a line as it is written, for messages */

static ngx_int_t
ngx_mtls_group_text(ngx_pool_t *pool, ngx_str_t *words, ngx_uint_t nwords,
    ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i, quote;

    len = 0;

    for (i = 0; i < nwords; i++) {
        len += words[i].len + sizeof(" \"\"") - 1;
    }

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < nwords; i++) {
        quote = (words[i].len == 0
                 || ngx_strlchr(words[i].data, words[i].data + words[i].len,
                                ' ') != NULL);

        if (i != 0) {
            *p++ = ' ';
        }

        if (quote) {
            *p++ = '"';
        }

        p = ngx_cpymem(p, words[i].data, words[i].len);

        if (quote) {
            *p++ = '"';
        }
    }

    text->len = p - text->data;

    return NGX_OK;
}
