
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manifest in memory: the tables of one generation and the index over
 * them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manifest_file.h>


/* (issuer, distribution point) and one slot of it */
typedef struct {
    u_char                         issuer[NGX_MTLS_HASH_LEN];
    u_char                         dp[NGX_MTLS_HASH_LEN];
    ngx_mtls_slot_t               *slot;
} ngx_mtls_manifest_key_t;


/* all slots of one such pair */
typedef struct {
    u_char                         issuer[NGX_MTLS_HASH_LEN];
    u_char                         dp[NGX_MTLS_HASH_LEN];
    ngx_mtls_slot_t              **slots;
    ngx_uint_t                     nslots;      /* 0: an empty place */
} ngx_mtls_manifest_group_t;


/* open addressing; at most half of the places are taken */
typedef struct {
    ngx_mtls_manifest_group_t     *groups;
    ngx_uint_t                     mask;
} ngx_mtls_manifest_index_t;


static ngx_int_t ngx_mtls_manifest_select(ngx_mtls_manifest_t *m,
    ngx_array_t *sources, ngx_mtls_manifest_t *old, ngx_mtls_error_t *err);
static ngx_uint_t ngx_mtls_manifest_source(ngx_mtls_manifest_t *m,
    const u_char *key);
static ngx_int_t ngx_mtls_manifest_map(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t *old, ngx_mtls_manifest_t *m, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_manifest_open(ngx_str_t *dir,
    ngx_mtls_zone_t *zone, ngx_mtls_slot_t *slot, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_manifest_index(ngx_mtls_manifest_t *m);
static ngx_uint_t ngx_mtls_manifest_keys(ngx_mtls_slot_t *slot,
    ngx_mtls_manifest_key_t *key);
static int ngx_mtls_manifest_cmp_key(const void *one, const void *two);
static ngx_mtls_manifest_group_t *ngx_mtls_manifest_group(
    ngx_mtls_manifest_index_t *index, const u_char *issuer, const u_char *dp);


static const u_char  ngx_mtls_manifest_none[NGX_MTLS_HASH_LEN];

/* no hash of SHA-256 that anybody could find */
static const u_char  ngx_mtls_manifest_all[NGX_MTLS_HASH_LEN] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
};


ngx_int_t
ngx_mtls_manifest_read(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_array_t *sources, ngx_mtls_manifest_t *old, ngx_log_t *log,
    ngx_mtls_manifest_t **manifest, ngx_mtls_error_t *err)
{
    size_t                size;
    u_char               *buf;
    ngx_int_t             rc;
    ngx_pool_t           *pool;
    ngx_atomic_uint_t     generation;
    ngx_mtls_manifest_t  *m;

    /* the word is raised after the file, which is so never behind it */

    generation = ngx_mtls_zone_generation(zone);

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        ngx_mtls_error(err, "out of memory");
        return NGX_DECLINED;
    }

    m = ngx_pcalloc(pool, sizeof(ngx_mtls_manifest_t));
    if (m == NULL) {
        ngx_destroy_pool(pool);
        ngx_mtls_error(err, "out of memory");
        return NGX_DECLINED;
    }

    m->pool = pool;

    if (ngx_mtls_manifest_load(dir, pool, &buf, &size, err) != NGX_OK
        || ngx_mtls_manifest_decode(zone, generation, buf, size, m, err)
           != NGX_OK)
    {
        rc = NGX_DECLINED;
        goto failed;
    }

    if (sources) {
        rc = ngx_mtls_manifest_select(m, sources, old, err);
        if (rc != NGX_OK) {
            goto failed;
        }
    }

    if (ngx_mtls_manifest_map(dir, zone, old, m, err) != NGX_OK) {
        rc = NGX_DECLINED;
        goto failed;
    }

    *manifest = m;

    return NGX_OK;

failed:

    ngx_mtls_manifest_destroy(m);

    return rc;
}


/*
 * A worker asks for the sources of its own configuration only: tables of
 * another one, during a reload, must not judge its requests.
 */

static ngx_int_t
ngx_mtls_manifest_select(ngx_mtls_manifest_t *m, ngx_array_t *sources,
    ngx_mtls_manifest_t *old, ngx_mtls_error_t *err)
{
    u_char             *own;
    ngx_uint_t          i, n, place;
    ngx_mtls_source_t  *source;

    own = ngx_pcalloc(m->pool, m->nattempted + 1);
    if (own == NULL) {
        ngx_mtls_error(err, "out of memory");
        return NGX_DECLINED;
    }

    source = sources->elts;

    for (i = 0; i < sources->nelts; i++) {
        n = ngx_mtls_manifest_source(m, source[i].key);

        /*
         * Instead of CAs that were not looked at there are the configured;
         * but not again, where a later configuration is without the source
         */

        if (n == m->nattempted
            && (source[i].kind == NGX_MTLS_SOURCE_CRL
                || (old && ngx_mtls_manifest_attempted(old, source[i].key))))
        {
            ngx_mtls_error(err, "source \"%V\" was not tried yet",
                           &source[i].path);
            return NGX_AGAIN;
        }

        own[n] = 1;
    }

    n = 0;

    for (i = 0; i < m->nslots; i++) {

        place = ngx_mtls_manifest_source(m, m->slots[i].source);

        if (place < m->nattempted && own[place]) {
            m->slots[n++] = m->slots[i];
        }
    }

    m->nslots = n;

    return NGX_OK;
}


/* the place of a source among those attempted; nattempted: it is not there */

static ngx_uint_t
ngx_mtls_manifest_source(ngx_mtls_manifest_t *m, const u_char *key)
{
    int         rc;
    ngx_uint_t  first, last, i;

    first = 0;
    last = m->nattempted;

    while (first < last) {
        i = first + (last - first) / 2;
        rc = ngx_memcmp(m->attempted[i].key, key, NGX_MTLS_HASH_LEN);

        if (rc == 0) {
            return i;
        }

        if (rc < 0) {
            first = i + 1;

        } else {
            last = i;
        }
    }

    return m->nattempted;
}


/* both lists are sorted by name */

static ngx_int_t
ngx_mtls_manifest_map(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t *old, ngx_mtls_manifest_t *m, ngx_mtls_error_t *err)
{
    int                rc;
    ngx_uint_t         i, n, nold;
    ngx_mtls_slot_t   *slot;

    n = 0;
    nold = old ? old->nslots : 0;

    for (i = 0; i < m->nslots; i++) {
        slot = &m->slots[i];
        rc = 1;

        while (n < nold) {
            rc = ngx_mtls_manifest_cmp_slot(&old->slots[n], slot);

            if (rc >= 0) {
                break;
            }

            n++;
        }

        if (rc == 0 && ngx_memcmp(old->slots[n].hash, slot->hash,
                                  NGX_MTLS_HASH_LEN) == 0)
        {
            slot->table = ngx_mtls_table_ref(old->slots[n].table);
            continue;
        }

        if (ngx_mtls_manifest_open(dir, zone, slot, err) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_mtls_manifest_index(m) != NGX_OK) {
        return ngx_mtls_error(err, "out of memory");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_manifest_open(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_mtls_slot_t *slot, ngx_mtls_error_t *err)
{
    u_char      path[NGX_MAX_PATH];
    ngx_str_t   name;

    name.data = path;
    name.len = ngx_snprintf(path, sizeof(path) - 1, "%V/%s", dir, slot->name)
               - path;
    path[name.len] = '\0';

    slot->table = ngx_mtls_table_open(&name, zone->run_id, slot->hash, err);

    return slot->table ? NGX_OK : NGX_ERROR;
}


void
ngx_mtls_manifest_destroy(ngx_mtls_manifest_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < m->nslots; i++) {
        if (m->slots[i].table) {
            ngx_mtls_table_close(m->slots[i].table);
        }
    }

    /* the log that it was made with, a connection's, is gone */

    m->pool->log = ngx_cycle->log;

    ngx_destroy_pool(m->pool);
}


ngx_mtls_attempted_t *
ngx_mtls_manifest_attempted(ngx_mtls_manifest_t *m,
    const u_char key[NGX_MTLS_HASH_LEN])
{
    ngx_uint_t  n;

    n = ngx_mtls_manifest_source(m, key);

    return (n < m->nattempted) ? &m->attempted[n] : NULL;
}


/*
 * Each slot of a CRL is found by (issuer, all) and by each name of its issuing
 * distribution point, or by (issuer, none).
 */

static ngx_int_t
ngx_mtls_manifest_index(ngx_mtls_manifest_t *m)
{
    ngx_uint_t                   i, n, nkeys, size;
    ngx_mtls_slot_t            **slots;
    ngx_mtls_manifest_key_t     *keys;
    ngx_mtls_manifest_group_t   *group;
    ngx_mtls_manifest_index_t   *index;

    nkeys = 0;

    for (i = 0; i < m->nslots; i++) {
        nkeys += ngx_mtls_manifest_keys(&m->slots[i], NULL);
    }

    for (size = 2; size < 2 * nkeys; size *= 2) { /* void */ }

    index = ngx_palloc(m->pool, sizeof(ngx_mtls_manifest_index_t));
    slots = ngx_palloc(m->pool, (nkeys + 1) * sizeof(ngx_mtls_slot_t *));

    if (index == NULL || slots == NULL) {
        return NGX_ERROR;
    }

    index->mask = size - 1;
    index->groups = ngx_pcalloc(m->pool,
                                size * sizeof(ngx_mtls_manifest_group_t));
    if (index->groups == NULL) {
        return NGX_ERROR;
    }

    keys = ngx_alloc((nkeys + 1) * sizeof(ngx_mtls_manifest_key_t),
                     m->pool->log);
    if (keys == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < m->nslots; i++) {
        n += ngx_mtls_manifest_keys(&m->slots[i], &keys[n]);
    }

    ngx_qsort(keys, nkeys, sizeof(ngx_mtls_manifest_key_t),
              ngx_mtls_manifest_cmp_key);

    for (i = 0; i < nkeys; i++) {

        /* a distribution point may say a name twice */

        if (i && ngx_mtls_manifest_cmp_key(&keys[i - 1], &keys[i]) == 0) {
            continue;
        }

        group = ngx_mtls_manifest_group(index, keys[i].issuer, keys[i].dp);

        if (group->nslots == 0) {
            ngx_memcpy(group->issuer, keys[i].issuer, NGX_MTLS_HASH_LEN);
            ngx_memcpy(group->dp, keys[i].dp, NGX_MTLS_HASH_LEN);
            group->slots = slots;
        }

        group->nslots++;
        *slots++ = keys[i].slot;
    }

    ngx_free(keys);

    m->index = index;

    return NGX_OK;
}


/* returns how many keys a slot has, and fills them if "key" is not NULL */

static ngx_uint_t
ngx_mtls_manifest_keys(ngx_mtls_slot_t *slot, ngx_mtls_manifest_key_t *key)
{
    const u_char             *dp;
    ngx_uint_t                i, n;
    ngx_mtls_table_header_t  *header;

    header = slot->table->header;

    if (header->kind != NGX_MTLS_TABLE_CRL) {
        return 0;
    }

    n = header->nnames ? header->nnames : 1;

    if (key == NULL) {
        return n + 1;
    }

    for (i = 0; i <= n; i++) {

        if (i == n) {
            dp = ngx_mtls_manifest_all;

        } else {
            dp = header->nnames ? slot->table->names[i]
                                : ngx_mtls_manifest_none;
        }

        ngx_memcpy(key[i].issuer, header->issuer, NGX_MTLS_HASH_LEN);
        ngx_memcpy(key[i].dp, dp, NGX_MTLS_HASH_LEN);
        key[i].slot = slot;
    }

    return n + 1;
}


static int
ngx_mtls_manifest_cmp_key(const void *one, const void *two)
{
    const ngx_mtls_manifest_key_t *first = one;
    const ngx_mtls_manifest_key_t *second = two;

    int  rc;

    rc = ngx_memcmp(first->issuer, second->issuer, NGX_MTLS_HASH_LEN);

    if (rc == 0) {
        rc = ngx_memcmp(first->dp, second->dp, NGX_MTLS_HASH_LEN);
    }

    if (rc == 0 && first->slot != second->slot) {
        rc = first->slot < second->slot ? -1 : 1;
    }

    return rc;
}


/* the group of a pair, or the empty place where it would be */

static ngx_mtls_manifest_group_t *
ngx_mtls_manifest_group(ngx_mtls_manifest_index_t *index,
    const u_char *issuer, const u_char *dp)
{
    uint64_t                    a, b;
    ngx_uint_t                  i;
    ngx_mtls_manifest_group_t  *group;

    /* hashes already: any octets of them will do */

    ngx_memcpy(&a, issuer, sizeof(uint64_t));
    ngx_memcpy(&b, dp, sizeof(uint64_t));

    for (i = (ngx_uint_t) (a ^ b); /* void */ ; i++) {
        group = &index->groups[i & index->mask];

        if (group->nslots == 0
            || (ngx_memcmp(group->issuer, issuer, NGX_MTLS_HASH_LEN) == 0
                && ngx_memcmp(group->dp, dp, NGX_MTLS_HASH_LEN) == 0))
        {
            return group;
        }
    }
}


ngx_uint_t
ngx_mtls_manifest_find(ngx_mtls_manifest_t *m,
    const u_char issuer[NGX_MTLS_HASH_LEN], const u_char *dp,
    ngx_mtls_slot_t ***slots)
{
    ngx_mtls_manifest_group_t  *group;

    group = ngx_mtls_manifest_group(m->index, issuer,
                                    dp ? dp : ngx_mtls_manifest_all);

    *slots = group->slots;

    return group->nslots;
}
