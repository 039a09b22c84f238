
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sources of earlier configurations: what was published of them stays while
 * old workers may ask for it.
 *
 * A worker looks for a new generation when it is asked to judge.  One that
 * ends after a reload may not have seen the last one that its own
 * configuration made, and must find it in those of the next.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manager_file.h>


#define NGX_MTLS_MANAGER_RETIRED   3600    /* s */


static ngx_uint_t ngx_mtls_manager_has(ngx_mtls_manager_t *m,
    const u_char *key);
static void ngx_mtls_manager_retain(ngx_mtls_manager_t *m);


void
ngx_mtls_manager_retire(ngx_mtls_manager_t *m, ngx_mtls_manifest_t *old)
{
    ngx_uint_t             i, n;
    ngx_mtls_attempted_t  *attempted;

    n = 0;

    for (i = 0; i < old->nattempted; i++) {
        attempted = &old->attempted[i];

        if (ngx_mtls_manager_has(m, attempted->key)) {
            continue;
        }

        if (attempted->retired == 0) {

            /* the generation that is published next is the first without it */

            attempted->retired = m->generation + 1;
            attempted->until = ngx_time() + NGX_MTLS_MANAGER_RETIRED;
        }

        old->attempted[n++] = *attempted;
    }

    old->nattempted = n;

    m->retired = old;
    ngx_mtls_manager_retain(m);
}


static ngx_uint_t
ngx_mtls_manager_has(ngx_mtls_manager_t *m, const u_char *key)
{
    ngx_uint_t                  i;
    ngx_mtls_manager_source_t  *source;

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        if (ngx_memcmp(source[i].conf->key, key, NGX_MTLS_HASH_LEN) == 0) {
            return 1;
        }
    }

    return 0;
}


/* leaves the slots whose source is left, and of these only the names */

static void
ngx_mtls_manager_retain(ngx_mtls_manager_t *m)
{
    ngx_uint_t            i, n;
    ngx_mtls_slot_t      *slot;
    ngx_mtls_manifest_t  *retired;

    retired = m->retired;
    n = 0;

    for (i = 0; i < retired->nslots; i++) {
        slot = &retired->slots[i];

        if (slot->table) {
            ngx_mtls_table_close(slot->table);
            slot->table = NULL;
        }

        if (ngx_mtls_manifest_attempted(retired, slot->source)) {
            retired->slots[n++] = *slot;
        }
    }

    retired->nslots = n;

    if (retired->nattempted == 0) {
        ngx_mtls_manager_unretire(m);
    }
}


void
ngx_mtls_manager_unretire(ngx_mtls_manager_t *m)
{
    if (m->retired) {
        ngx_mtls_manifest_destroy(m->retired);
        m->retired = NULL;
    }
}


void
ngx_mtls_manager_expire(ngx_mtls_manager_t *m)
{
    ngx_uint_t            i, n;
    ngx_mtls_manifest_t  *retired;

    retired = m->retired;

    if (retired == NULL) {
        return;
    }

    n = 0;

    for (i = 0; i < retired->nattempted; i++) {
        if (retired->attempted[i].until > ngx_time()) {
            retired->attempted[n++] = retired->attempted[i];
        }
    }

    if (n == retired->nattempted) {
        return;
    }

    retired->nattempted = n;
    ngx_mtls_manager_retain(m);

    /* no manifest may name tables that are removed */

    ngx_mtls_manager_renew(m);
}


ngx_uint_t
ngx_mtls_manager_outdated(ngx_mtls_conf_t *conf, ngx_mtls_manifest_t *m)
{
    ngx_uint_t             i;
    ngx_mtls_source_t     *source;
    ngx_mtls_attempted_t  *attempted;

    source = conf->sources.elts;

    for (i = 0; i < conf->sources.nelts; i++) {

        if (source[i].kind != NGX_MTLS_SOURCE_CRL) {
            continue;
        }

        attempted = ngx_mtls_manifest_attempted(m, source[i].key);

        if (attempted
            && attempted->retired
            && attempted->retired <= conf->read_generation)
        {
            return 1;
        }
    }

    return 0;
}
