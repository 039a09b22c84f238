
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The index of groups: from an exact value to the groups that it makes
 * candidates.
 */


#include <ngx_mtls_group.h>


/*
 * A group can only be true where each of its lines is, so it is enough to find
 * it by one of them that is positive and exact: its index line.  That is the
 * one whose most frequent value the fewest groups share, so that no value
 * brings more candidates than it must; "ca" and "eku" lose to "uri" where many
 * groups have them.
 */


static ngx_int_t ngx_mtls_index_count(ngx_mtls_policy_t *policy);
static ngx_uint_t ngx_mtls_index_exact(ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_index_attr(ngx_mtls_policy_t *policy,
    ngx_mtls_attribute_t *attr, ngx_uint_t *number);
static void ngx_mtls_index_key(ngx_mtls_line_t *line,
    ngx_mtls_pattern_t *pattern, ngx_str_t *key);
static ngx_mtls_posting_t *ngx_mtls_index_posting(ngx_mtls_policy_t *policy,
    ngx_mtls_line_t *line, ngx_mtls_pattern_t *pattern);
static void ngx_mtls_index_choose(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group);
static ngx_uint_t ngx_mtls_index_rank(ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_index_enter(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group);
static uint32_t ngx_mtls_index_hash(ngx_uint_t attr, ngx_str_t *key);


ngx_int_t
ngx_mtls_index_build(ngx_mtls_policy_t *policy)
{
    ngx_uint_t          i;
    ngx_mtls_group_t  **groups, **tried;

    if (ngx_array_init(&policy->attrs, policy->pool, 4,
                       sizeof(ngx_mtls_index_attr_t))
        != NGX_OK
        || ngx_array_init(&policy->tried, policy->pool, 4,
                          sizeof(ngx_mtls_group_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_mtls_index_count(policy) != NGX_OK) {
        return NGX_ERROR;
    }

    groups = policy->groups.elts;

    for (i = 0; i < policy->groups.nelts; i++) {
        ngx_mtls_index_choose(policy, groups[i]);

        groups[i]->scanned = (groups[i]->index_line == NULL);

        if (groups[i]->scanned || groups[i]->full) {
            groups[i]->index_line = NULL;

            tried = ngx_array_push(&policy->tried);
            if (tried == NULL) {
                return NGX_ERROR;
            }

            *tried = groups[i];
            continue;
        }

        if (ngx_mtls_index_enter(policy, groups[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* how many lines name each value */

static ngx_int_t
ngx_mtls_index_count(ngx_mtls_policy_t *policy)
{
    ngx_uint_t           i, k, n, size;
    ngx_mtls_line_t     *line;
    ngx_mtls_group_t   **groups;
    ngx_mtls_posting_t  *posting;

    groups = policy->groups.elts;
    size = 0;

    for (i = 0; i < policy->groups.nelts; i++) {
        line = groups[i]->lines.elts;

        for (k = 0; k < groups[i]->lines.nelts; k++) {
            size += line[k].nexact;
        }
    }

    for (n = 16; n < size; n *= 2) { /* void */ }

    policy->buckets = ngx_pcalloc(policy->pool,
                                  n * sizeof(ngx_mtls_posting_t *));
    if (policy->buckets == NULL) {
        return NGX_ERROR;
    }

    policy->mask = n - 1;

    for (i = 0; i < policy->groups.nelts; i++) {
        line = groups[i]->lines.elts;

        for (k = 0; k < groups[i]->lines.nelts; k++) {

            if (groups[i]->full || !ngx_mtls_index_exact(&line[k])) {
                continue;
            }

            if (ngx_mtls_index_attr(policy, &line[k].attr, &line[k].number)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            for (n = 0; n < line[k].npatterns; n++) {
                posting = ngx_mtls_index_posting(policy, &line[k],
                                                 &line[k].patterns[n]);
                if (posting == NULL) {
                    return NGX_ERROR;
                }

                posting->named++;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_mtls_index_exact(ngx_mtls_line_t *line)
{
    return (!line->negative && !line->any_ca
            && line->nexact == line->npatterns);
}


/* the number of an attribute, a new one if it has none */

static ngx_int_t
ngx_mtls_index_attr(ngx_mtls_policy_t *policy, ngx_mtls_attribute_t *attr,
    ngx_uint_t *number)
{
    ngx_uint_t              i;
    ngx_mtls_attribute_t   *a;
    ngx_mtls_index_attr_t  *attrs;

    attrs = policy->attrs.elts;

    for (i = 0; i < policy->attrs.nelts; i++) {
        a = &attrs[i].attr;

        if (a->id == attr->id && a->index == attr->index
            && a->single == attr->single && a->whole == attr->whole
            && a->oid.len == attr->oid.len
            && (a->oid.len == 0
                || ngx_memcmp(a->oid.data, attr->oid.data, a->oid.len) == 0))
        {
            *number = i;
            return NGX_OK;
        }
    }

    attrs = ngx_array_push(&policy->attrs);
    if (attrs == NULL) {
        return NGX_ERROR;
    }

    attrs->attr = *attr;
    attrs->used = 0;

    *number = i;

    return NGX_OK;
}


/* labels and groups are known by number, at run time too */

static void
ngx_mtls_index_key(ngx_mtls_line_t *line, ngx_mtls_pattern_t *pattern,
    ngx_str_t *key)
{
    if (line->attr.id == NGX_MTLS_ATTR_CA
        || line->attr.id == NGX_MTLS_ATTR_GROUP)
    {
        key->data = (u_char *) &pattern->number;
        key->len = sizeof(ngx_uint_t);
        return;
    }

    *key = pattern->value;
}


/* the posting of a value, a new one if it has none */

static ngx_mtls_posting_t *
ngx_mtls_index_posting(ngx_mtls_policy_t *policy, ngx_mtls_line_t *line,
    ngx_mtls_pattern_t *pattern)
{
    ngx_str_t             key;
    ngx_mtls_posting_t   *posting, **bucket;

    ngx_mtls_index_key(line, pattern, &key);

    posting = ngx_mtls_index_find(policy, line->number, &key);
    if (posting != NULL) {
        return posting;
    }

    posting = ngx_pcalloc(policy->pool, sizeof(ngx_mtls_posting_t));
    if (posting == NULL) {
        return NULL;
    }

    posting->key = key;
    posting->attr = line->number;
    posting->hash = ngx_mtls_index_hash(line->number, &key);

    bucket = &policy->buckets[posting->hash & policy->mask];
    posting->next = *bucket;
    *bucket = posting;

    return posting;
}


static void
ngx_mtls_index_choose(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group)
{
    ngx_str_t            key;
    ngx_uint_t           i, k, cost, best;
    ngx_mtls_line_t     *line;
    ngx_mtls_posting_t  *posting;

    best = 0;
    line = group->lines.elts;

    for (i = 0; i < group->lines.nelts; i++) {

        if (!ngx_mtls_index_exact(&line[i])) {
            continue;
        }

        cost = 0;

        for (k = 0; !group->full && k < line[i].npatterns; k++) {
            ngx_mtls_index_key(&line[i], &line[i].patterns[k], &key);

            posting = ngx_mtls_index_find(policy, line[i].number, &key);

            if (posting != NULL) {
                cost = ngx_max(cost, posting->named);
            }
        }

        if (group->index_line == NULL || cost < best
            || (cost == best && ngx_mtls_index_rank(&line[i])
                                < ngx_mtls_index_rank(group->index_line)))
        {
            group->index_line = &line[i];
            best = cost;
        }
    }
}


/* how little its values tell certificates apart, where counts are equal */

static ngx_uint_t
ngx_mtls_index_rank(ngx_mtls_line_t *line)
{
    switch (line->attr.id) {

    case NGX_MTLS_ATTR_FINGERPRINT:
    case NGX_MTLS_ATTR_SPKI:
    case NGX_MTLS_ATTR_SERIAL:
    case NGX_MTLS_ATTR_SUBJECT_DN:
        return 0;

    case NGX_MTLS_ATTR_URI:
    case NGX_MTLS_ATTR_EMAIL:
    case NGX_MTLS_ATTR_UPN:
    case NGX_MTLS_ATTR_DNS:
    case NGX_MTLS_ATTR_IP:
    case NGX_MTLS_ATTR_RID:
    case NGX_MTLS_ATTR_DIRNAME:
        return 1;

    case NGX_MTLS_ATTR_SUBJECT:
    case NGX_MTLS_ATTR_ORGANIZATION:
    case NGX_MTLS_ATTR_PSD2_NUMBER:
    case NGX_MTLS_ATTR_GROUP:
        return 2;

    case NGX_MTLS_ATTR_EXTENSION:
    case NGX_MTLS_ATTR_POLICY:
        return 3;

    default:
        return 4;
    }
}


static ngx_int_t
ngx_mtls_index_enter(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group)
{
    ngx_uint_t              i;
    ngx_mtls_line_t        *line;
    ngx_mtls_posting_t     *posting;
    ngx_mtls_index_attr_t  *attrs;

    line = group->index_line;

    attrs = policy->attrs.elts;
    attrs[line->number].used = 1;

    if (line->attr.id == NGX_MTLS_ATTR_CA) {
        policy->ca = line->number;
    }

    if (line->attr.id == NGX_MTLS_ATTR_GROUP) {
        policy->group = line->number;
    }

    for (i = 0; i < line->npatterns; i++) {
        posting = ngx_mtls_index_posting(policy, line, &line->patterns[i]);
        if (posting == NULL) {
            return NGX_ERROR;
        }

        if (posting->groups == NULL) {
            posting->groups = ngx_palloc(policy->pool, posting->named
                                         * sizeof(ngx_mtls_group_t *));
            if (posting->groups == NULL) {
                return NGX_ERROR;
            }
        }

        posting->groups[posting->ngroups++] = group;
    }

    return NGX_OK;
}


ngx_mtls_posting_t *
ngx_mtls_index_find(ngx_mtls_policy_t *policy, ngx_uint_t attr,
    ngx_str_t *key)
{
    uint32_t             hash;
    ngx_mtls_posting_t  *posting;

    hash = ngx_mtls_index_hash(attr, key);

    for (posting = policy->buckets[hash & policy->mask];
         posting != NULL;
         posting = posting->next)
    {
        if (posting->hash == hash && posting->attr == attr
            && posting->key.len == key->len
            && (key->len == 0
                || ngx_memcmp(posting->key.data, key->data, key->len) == 0))
        {
            return posting;
        }
    }

    return NULL;
}


/*
 * FNV-1a; what a client sends is only looked up, so that it cannot make
 * chains longer
 */

static uint32_t
ngx_mtls_index_hash(ngx_uint_t attr, ngx_str_t *key)
{
    size_t    i;
    uint32_t  hash;

    hash = 2166136261u ^ (uint32_t) attr;
    hash *= 16777619u;

    for (i = 0; i < key->len; i++) {
        hash ^= key->data[i];
        hash *= 16777619u;
    }

    return hash;
}


ngx_uint_t
ngx_mtls_policy_has(ngx_uint_t *list, ngx_uint_t n, ngx_uint_t index)
{
    ngx_uint_t  low, high, middle;

    low = 0;
    high = n;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (list[middle] == index) {
            return 1;
        }

        if (list[middle] < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    return 0;
}
