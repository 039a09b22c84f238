
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the manager puts into the folder of its run: manifests taken over,
 * written and made known, and what they no longer name removed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <ngx_mtls_manager_file.h>


#define NGX_MTLS_MANAGER_SWEEP     30000   /* ms */


static void ngx_mtls_manager_inherit_source(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *old);
static void ngx_mtls_manager_inherit(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *old);
static ngx_uint_t ngx_mtls_manager_loading(ngx_mtls_manager_t *m);
static ngx_int_t ngx_mtls_manager_write(ngx_mtls_manager_t *m,
    ngx_pool_t *pool, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_manager_collect(ngx_mtls_manager_t *m,
    ngx_pool_t *pool, ngx_mtls_manifest_t *manifest);
static void ngx_mtls_manager_put_source(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *manifest);
static ngx_int_t ngx_mtls_manager_put_slots(ngx_mtls_manager_source_t *source,
    ngx_array_t *slots);
static ngx_int_t ngx_mtls_manager_names(ngx_mtls_manager_t *m,
    ngx_array_t *names);
static ngx_uint_t ngx_mtls_manager_named(void *data, u_char *name);
static int ngx_mtls_manager_cmp_name(const void *one, const void *two);


/* what an earlier manager of this run has published goes on to count */

void
ngx_mtls_manager_takeover(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_uint_t                  fresh;
    ngx_mtls_zone_t            *zone;
    ngx_mtls_error_t            err;
    ngx_mtls_manifest_t        *old;
    ngx_mtls_manager_source_t  *source;

    zone = ngx_mtls_zone(m->conf->shm_zone);

    fresh = (m->generation == 0);

    m->generation = ngx_mtls_zone_generation(zone);
    m->sweep = ngx_current_msec;

    /* each manager publishes once, whatever it finds */
    ngx_mtls_manager_renew(m);

    if (ngx_mtls_manifest_read(&m->conf->dir, zone, NULL, NULL, m->log, &old,
                               &err)
        != NGX_OK)
    {
        /* of a folder that was removed it has been said already */

        if (m->generation && fresh) {
            ngx_log_error(NGX_LOG_WARN, m->log, 0,
                          "mtls: %*s; all sources are compiled again",
                          err.len, err.text);
        }

        ngx_mtls_manager_distrust(m);

        return;
    }

    m->generation = ngx_max(m->generation, old->generation);
    m->cold = 0;
    m->unsettled = 1;

    /* the words of a manager that was killed before it could raise them */

    ngx_memcpy(m->words, old->words, sizeof(m->words));

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        ngx_mtls_manager_inherit(m, &source[i], old);
    }

    ngx_mtls_manager_retire(m, old);
}


static void
ngx_mtls_manager_inherit_source(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *old)
{
    ngx_mtls_attempted_t  *attempted;

    attempted = ngx_mtls_manifest_attempted(old, source->conf->key);

    if (attempted == NULL) {
        return;
    }

    source->since = attempted->since;
    source->read = attempted->read;

    if (attempted->retired
        && attempted->retired <= m->conf->read_generation)
    {
        /* nobody has looked at it since then */

        source->retired = attempted->retired;
        source->until = attempted->until;

        return;
    }

    source->attempted = 1;
}


static void
ngx_mtls_manager_inherit(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *old)
{
    ngx_uint_t                i, n;
    ngx_mtls_slot_t          *slot;
    ngx_mtls_manager_file_t  *file;

    ngx_mtls_manager_inherit_source(m, source, old);

    /* once to count, once to copy */

    for (n = 0; n < 2 * old->nslots; n++) {
        slot = &old->slots[n % old->nslots];

        if (ngx_memcmp(slot->source, source->conf->key, NGX_MTLS_HASH_LEN)
            != 0)
        {
            continue;
        }

        file = ngx_mtls_manager_file(m, source, &slot->path);

        if (file == NULL) {
            continue;
        }

        if (n < old->nslots) {
            file->tries++;
            continue;
        }

        if (file->tables.headers == NULL
            && ngx_mtls_manager_tables(m, &file->tables, file->tries)
               != NGX_OK)
        {
            continue;
        }

        i = file->tables.n++;

        file->tables.headers[i] = *slot->table->header;

        if (ngx_mtls_manager_is_ca(source) && file->tables.map == NULL) {
            file->tables.map = ngx_mtls_table_ref(slot->table);
        }

        ngx_memcpy(file->tables.made[i].name, slot->name,
                   NGX_MTLS_NAME_LEN + 1);
        ngx_memcpy(file->tables.made[i].hash, slot->hash, NGX_MTLS_HASH_LEN);

        file->stat = slot->stat;
        file->taken = slot->taken;
        file->good = slot->stat;
        file->good_taken = slot->taken;
        file->known = 1;
        file->tried = source->attempted;

        if (file->tables.n == file->tries) {
            file->tries = 0;
        }
    }
}


/*
 * Once for what changes together.  Before the first manifest of a run no
 * worker can use a part of it.
 */

void
ngx_mtls_manager_publish(ngx_mtls_manager_t *m)
{
    ngx_int_t         rc;
    ngx_msec_t        wait;
    ngx_pool_t       *pool;
    ngx_mtls_error_t  err;

    if (!m->renew
        || (m->publish_tries && !ngx_mtls_manager_due(m->publish_retry)))
    {
        return;
    }

    if (m->compiler.pid
        || !ngx_queue_empty(&m->cas)
        || !ngx_queue_empty(&m->crls))
    {
        wait = m->trust ? NGX_MTLS_MANAGER_TOGETHER : NGX_MTLS_MANAGER_BATCH;

        if ((m->cold && ngx_mtls_manager_loading(m))
            || !ngx_mtls_manager_due(m->since + wait))
        {
            return;
        }
    }

    rc = NGX_ERROR;
    err.len = 0;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);

    if (pool) {
        rc = ngx_mtls_manager_write(m, pool, &err);
        ngx_destroy_pool(pool);
    }

    if (rc == NGX_OK) {

        if (m->publish_tries) {
            ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                          "mtls: manifest written, after %ui failures",
                          m->publish_tries);
        }

        m->publish_tries = 0;
        m->cold = 0;
        m->changed = 0;
        m->trust = 0;
        m->renew = 0;

        return;
    }

    m->publish_retry = ngx_current_msec
                       + ngx_mtls_manager_delay(m->publish_tries);

    __atomic_store_n(&ngx_mtls_zone(m->conf->shm_zone)->failing, 1,
                     __ATOMIC_RELAXED);

    if (m->publish_tries++ == 0) {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls: cannot publish: %*s; the last manifest stays",
                      err.len, err.text);
    }
}


/* whether workers would wait for another generation still */

static ngx_uint_t
ngx_mtls_manager_loading(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_mtls_manager_source_t  *source;

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        if (!source[i].attempted && !ngx_mtls_manager_is_ca(&source[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_mtls_manager_write(ngx_mtls_manager_t *m, ngx_pool_t *pool,
    ngx_mtls_error_t *err)
{
    ngx_uint_t                  i;
    ngx_mtls_zone_t            *zone;
    ngx_mtls_manifest_t         manifest;
    ngx_mtls_manager_source_t  *source;

    zone = ngx_mtls_zone(m->conf->shm_zone);
    source = m->sources.elts;

    ngx_memzero(&manifest, sizeof(ngx_mtls_manifest_t));

    manifest.generation = ngx_max(ngx_mtls_zone_generation(zone),
                                  m->generation) + 1;

    for (i = 0; i < NGX_MTLS_WORDS; i++) {
        manifest.words[i] = ngx_max(zone->words[i], m->words[i]);
    }

    if (m->changed) {
        manifest.words[NGX_MTLS_WORD_CRL]++;
    }

    for (i = 0; i < m->sources.nelts; i++) {
        if (source[i].changed && ngx_mtls_manager_live(m, &source[i])) {
            manifest.words[NGX_MTLS_WORD_TRUST]++;
            break;
        }
    }

    if (ngx_mtls_manager_collect(m, pool, &manifest) != NGX_OK) {
        return ngx_mtls_error(err, "out of memory");
    }

    if (ngx_mtls_manifest_write(&m->conf->dir, zone, &manifest, err)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    m->generation = manifest.generation;

    for (i = 0; i < m->sources.nelts; i++) {
        if (source[i].changed && ngx_mtls_manager_live(m, &source[i])) {
            source[i].since = manifest.generation;
            source[i].read = source[i].fresh;
            source[i].changed = 0;
        }
    }

    for (i = 0; i < NGX_MTLS_WORDS; i++) {
        __atomic_store_n(&zone->words[i], manifest.words[i],
                         __ATOMIC_RELAXED);
    }

    __atomic_store_n(&zone->failing, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&zone->generation, manifest.generation,
                     __ATOMIC_RELEASE);

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, m->log, 0,
                   "mtls manifest: generation %uA, %ui sources, %ui tables",
                   manifest.generation, manifest.nattempted, manifest.nslots);

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_manager_collect(ngx_mtls_manager_t *m, ngx_pool_t *pool,
    ngx_mtls_manifest_t *manifest)
{
    ngx_uint_t                  i, n;
    ngx_array_t                 slots;
    ngx_mtls_slot_t            *slot;
    ngx_mtls_manager_source_t  *source;

    n = m->sources.nelts + (m->retired ? m->retired->nattempted : 0);

    manifest->attempted = ngx_pcalloc(pool,
                                      (n + 1) * sizeof(ngx_mtls_attempted_t));

    if (manifest->attempted == NULL
        || ngx_array_init(&slots, pool, 16, sizeof(ngx_mtls_slot_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        ngx_mtls_manager_put_source(m, &source[i], manifest);

        if (ngx_mtls_manager_put_slots(&source[i], &slots) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (m->retired) {

        for (i = 0; i < m->retired->nattempted; i++) {
            manifest->attempted[manifest->nattempted++] =
                                                     m->retired->attempted[i];
        }

        for (i = 0; i < m->retired->nslots; i++) {
            slot = ngx_array_push(&slots);
            if (slot == NULL) {
                return NGX_ERROR;
            }

            *slot = m->retired->slots[i];
        }
    }

    manifest->slots = slots.elts;
    manifest->nslots = slots.nelts;

    return NGX_OK;
}


static void
ngx_mtls_manager_put_source(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manifest_t *manifest)
{
    ngx_mtls_attempted_t  *attempted;

    if (!source->attempted && !source->retired) {
        return;
    }

    attempted = &manifest->attempted[manifest->nattempted++];

    ngx_memcpy(attempted->key, source->conf->key, NGX_MTLS_HASH_LEN);

    if (source->changed && ngx_mtls_manager_live(m, source)) {
        attempted->since = manifest->generation;
        attempted->read = source->fresh;

    } else {
        attempted->since = source->since;
        attempted->read = source->read;
    }

    if (!source->attempted) {
        attempted->retired = source->retired;
        attempted->until = source->until;
    }
}


static ngx_int_t
ngx_mtls_manager_put_slots(ngx_mtls_manager_source_t *source,
    ngx_array_t *slots)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_mtls_slot_t          *slot;
    ngx_mtls_manager_file_t  *file;

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        for (n = 0; n < file->tables.n; n++) {
            slot = ngx_array_push(slots);
            if (slot == NULL) {
                return NGX_ERROR;
            }

            ngx_memzero(slot, sizeof(ngx_mtls_slot_t));

            ngx_memcpy(slot->source, source->conf->key, NGX_MTLS_HASH_LEN);
            ngx_memcpy(slot->file, file->key, NGX_MTLS_HASH_LEN);
            ngx_memcpy(slot->hash, file->tables.made[n].hash,
                       NGX_MTLS_HASH_LEN);
            ngx_memcpy(slot->name, file->tables.made[n].name,
                       NGX_MTLS_NAME_LEN + 1);

            slot->path = file->node.str;
            slot->grace = source->conf->grace;
            slot->max_age = source->conf->max_age;
            slot->stat = file->good;
            slot->taken = file->good_taken;
        }
    }

    return NGX_OK;
}


void
ngx_mtls_manager_mend(ngx_mtls_manager_t *m)
{
    u_char                path[NGX_MAX_PATH];
    u_char               *p;
    ngx_uint_t            again;
    ngx_mtls_ca_t        *ca;
    ngx_mtls_error_t      err;
    ngx_mtls_manifest_t  *manifest;

    /* there is nothing yet, or a manifest is about to be written */

    if (m->cold || m->renew) {
        return;
    }

    if (ngx_mtls_manifest_read(&m->conf->dir, ngx_mtls_zone(m->conf->shm_zone),
                               NULL, NULL, m->log, &manifest, &err)
        == NGX_OK)
    {
        /* and what workers read of the tables behind their heads */

        ca = ngx_mtls_manager_trust(m->conf, manifest, &err);

        ngx_mtls_manifest_destroy(manifest);

        if (ca) {
            ngx_mtls_ca_free(ca);
            return;
        }
    }

    again = (m->mended == m->generation);

    ngx_log_error(NGX_LOG_ERR, m->log, 0, "mtls: %*s; %s", err.len, err.text,
                  again ? "all sources are compiled again"
                        : "the manifest is written again");

    if (again) {

        /* else its tables, which are no better, would be taken over */

        p = ngx_snprintf(path, sizeof(path) - 1, "%V/%s", &m->conf->dir,
                         NGX_MTLS_MANIFEST_NAME);
        *p = '\0';

        (void) unlink((char *) path);

        ngx_mtls_manager_reset(m);
        return;
    }

    m->mended = m->generation + 1;
    ngx_mtls_manager_renew(m);
}


/*
 * Only while the manifest on disk is the one in memory, and no child writes.
 */

void
ngx_mtls_manager_sweep(ngx_mtls_manager_t *m)
{
    ngx_pool_t   *pool;
    ngx_array_t   names;

    if (m->renew || m->compiler.pid || !ngx_mtls_manager_due(m->sweep)) {
        return;
    }

    ngx_mtls_manager_expire(m);

    if (m->renew) {
        return;
    }

    m->sweep = ngx_current_msec + NGX_MTLS_MANAGER_SWEEP;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);
    if (pool == NULL) {
        return;
    }

    if (ngx_array_init(&names, pool, 16, NGX_MTLS_NAME_LEN) == NGX_OK
        && ngx_mtls_manager_names(m, &names) == NGX_OK)
    {
        ngx_mtls_run_sweep(&m->conf->dir, ngx_mtls_manager_named, &names);
        ngx_mtls_run_clean(&m->conf->state_path->name, &m->conf->dir, m->log);
        ngx_mtls_manager_kept_sweep(m);
    }

    ngx_destroy_pool(pool);
}


/* of the tables that the manifest names, sorted */

static ngx_int_t
ngx_mtls_manager_names(ngx_mtls_manager_t *m, ngx_array_t *names)
{
    u_char                     *name;
    ngx_uint_t                  i;
    ngx_array_t                 slots;
    ngx_mtls_slot_t            *slot;
    ngx_mtls_manager_source_t  *source;

    if (ngx_array_init(&slots, names->pool, 16, sizeof(ngx_mtls_slot_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        if (ngx_mtls_manager_put_slots(&source[i], &slots) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    slot = slots.elts;

    for (i = 0; i < slots.nelts; i++) {
        name = ngx_array_push(names);
        if (name == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(name, slot[i].name, NGX_MTLS_NAME_LEN);
    }

    for (i = 0; m->retired && i < m->retired->nslots; i++) {
        name = ngx_array_push(names);
        if (name == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(name, m->retired->slots[i].name, NGX_MTLS_NAME_LEN);
    }

    if (names->nelts) {
        ngx_qsort(names->elts, names->nelts, NGX_MTLS_NAME_LEN,
                  ngx_mtls_manager_cmp_name);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_mtls_manager_named(void *data, u_char *name)
{
    ngx_array_t *names = data;

    return bsearch(name, names->elts, names->nelts, NGX_MTLS_NAME_LEN,
                   ngx_mtls_manager_cmp_name)
           != NULL;
}


static int
ngx_mtls_manager_cmp_name(const void *one, const void *two)
{
    return ngx_memcmp(one, two, NGX_MTLS_NAME_LEN);
}
