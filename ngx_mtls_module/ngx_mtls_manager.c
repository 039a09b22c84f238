
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manager: polls sources, has them compiled, publishes generations.
 *
 * One timer drives it, and the end of each child.  It may be killed at any
 * instruction: every file is written under another name first, and the words
 * of the zone are raised when all they speak of is there.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <ngx_mtls_manager_file.h>


/* ms */
#define NGX_MTLS_MANAGER_TICK      1000
#define NGX_MTLS_MANAGER_LOCK      100     /* until the lock is tried again */
#define NGX_MTLS_MANAGER_PATIENCE  10000   /* until that is worth a line */


static ngx_mtls_manager_t *ngx_mtls_manager_create(ngx_mtls_conf_t *conf,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_mtls_manager_sources(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_cleanup(void *data);
static void ngx_mtls_manager_handler(ngx_event_t *ev);
static void ngx_mtls_manager_compiled(ngx_mtls_compiler_t *compiler);
static void ngx_mtls_manager_step(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_open(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_tick(ngx_mtls_manager_t *m);
static ngx_uint_t ngx_mtls_manager_behind(ngx_mtls_conf_t *conf,
    ngx_mtls_zone_t *zone);
static void ngx_mtls_manager_adopt(ngx_mtls_conf_t *conf,
    ngx_mtls_zone_t *zone, ngx_atomic_uint_t generation, ngx_log_t *log);
static ngx_int_t ngx_mtls_manager_manifest(ngx_mtls_conf_t *conf,
    ngx_mtls_zone_t *zone, ngx_mtls_manifest_t **m, ngx_mtls_error_t *err);
static ngx_uint_t ngx_mtls_manager_live_sources(ngx_mtls_conf_t *conf,
    ngx_mtls_manifest_t *m, ngx_mtls_ca_part_t *parts);
static ngx_mtls_source_t *ngx_mtls_manager_ca_source(ngx_mtls_conf_t *conf,
    const u_char *key);


ngx_msec_t
ngx_mtls_manager(void *data)
{
    ngx_mtls_conf_t *conf = data;

    if (conf->manager == NULL) {

        /*
         * Children are waited for by us: without nginx's handler their ends
         * are no news for the log.
         */

        (void) signal(SIGCHLD, SIG_DFL);

        (void) ngx_mtls_manager_start(conf, (ngx_cycle_t *) ngx_cycle);
    }

    return NGX_MTLS_MANAGER_TICK;
}


ngx_int_t
ngx_mtls_manager_start(ngx_mtls_conf_t *conf, ngx_cycle_t *cycle)
{
    ngx_mtls_manager_t  *m;

    m = ngx_mtls_manager_create(conf, cycle);
    if (m == NULL) {
        return NGX_ERROR;
    }

    conf->manager = m;

    ngx_add_timer(&m->timer, 1);

    return NGX_OK;
}


static ngx_mtls_manager_t *
ngx_mtls_manager_create(ngx_mtls_conf_t *conf, ngx_cycle_t *cycle)
{
    ngx_mtls_manager_t  *m;
    ngx_pool_cleanup_t  *cln;

    m = ngx_pcalloc(cycle->pool, sizeof(ngx_mtls_manager_t));
    if (m == NULL) {
        return NULL;
    }

    m->conf = conf;
    m->pool = cycle->pool;
    m->log = cycle->log;

    m->timer.handler = ngx_mtls_manager_handler;
    m->timer.data = m;
    m->timer.log = m->log;
    m->timer.cancelable = 1;

    m->run.alive = -1;
    m->run.compile = -1;
    m->run_since = ngx_current_msec;
    m->run_retry = ngx_current_msec;
    m->cold = 1;

    ngx_queue_init(&m->cas);
    ngx_queue_init(&m->crls);
    ngx_queue_init(&m->running);

    m->compiler.log = m->log;
    m->compiler.data = m;
    m->compiler.handler = ngx_mtls_manager_compiled;

    if (ngx_mtls_compiler_init(&m->compiler, m->pool) != NGX_OK
        || ngx_mtls_manager_kept_init(m) != NGX_OK
        || ngx_mtls_manager_sources(m) != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(m->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_mtls_manager_cleanup;
    cln->data = m;

    m->ca = ngx_mtls_ca_ref(conf->configured);

    return m;
}


static ngx_int_t
ngx_mtls_manager_sources(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i, j;
    ngx_mtls_source_t          *source;
    ngx_mtls_manager_source_t  *s;

    if (ngx_array_init(&m->sources, m->pool, m->conf->sources.nelts + 1,
                       sizeof(ngx_mtls_manager_source_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = m->conf->sources.elts;

    for (i = 0; i < m->conf->sources.nelts; i++) {

        /* the same twice is one source, looked at as often as the first says */

        for (j = 0; j < i; j++) {
            if (ngx_memcmp(source[i].key, source[j].key, NGX_MTLS_HASH_LEN)
                == 0)
            {
                break;
            }
        }

        if (j < i) {
            continue;
        }

        /* files point to their source: the array must not move */

        s = ngx_array_push(&m->sources);

        ngx_memzero(s, sizeof(ngx_mtls_manager_source_t));

        s->conf = &source[i];
        s->due = ngx_current_msec;

        ngx_rbtree_init(&s->tree, &s->sentinel, ngx_str_rbtree_insert_value);
        ngx_queue_init(&s->files);
    }

    return NGX_OK;
}


/* an old cycle of a process without a master */

static void
ngx_mtls_manager_cleanup(void *data)
{
    ngx_mtls_manager_t *m = data;

    if (m->timer.timer_set) {
        ngx_del_timer(&m->timer);
    }

    ngx_mtls_manager_reset(m);
    ngx_mtls_ca_free(m->ca);
    ngx_mtls_run_close(&m->run);
}


ngx_msec_t
ngx_mtls_manager_delay(ngx_uint_t tries)
{
    return (tries < 6 ? (ngx_msec_t) 1 << tries : 60) * 1000;
}


static void
ngx_mtls_manager_handler(ngx_event_t *ev)
{
    ngx_mtls_manager_step(ev->data);
}


static void
ngx_mtls_manager_compiled(ngx_mtls_compiler_t *compiler)
{
    ngx_mtls_manager_t *m = compiler->data;

    ngx_mtls_manager_take(m);
    ngx_mtls_manager_step(m);
}


/* all that is due now, and the timer for what is next */

static void
ngx_mtls_manager_step(ngx_mtls_manager_t *m)
{
    ngx_msec_t  next;

    if (m->ready && !ngx_mtls_run_valid(&m->conf->dir, &m->run)) {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls: somebody has removed \"%V\" or a lock in it; "
                      "all sources are compiled again", &m->conf->dir);

        ngx_mtls_manager_reset(m);
    }

    if (m->ready
        && __atomic_exchange_n(&ngx_mtls_zone(m->conf->shm_zone)->unusable, 0,
                               __ATOMIC_RELAXED))
    {
        ngx_mtls_manager_mend(m);
    }

    if (!m->ready) {
        ngx_mtls_manager_open(m);
    }

    next = NGX_MTLS_MANAGER_TICK;

    if (m->ready) {
        ngx_mtls_manager_tick(m);
        ngx_mtls_manager_next(m);
        ngx_mtls_manager_publish(m);
        ngx_mtls_manager_sweep(m);
        ngx_mtls_manager_kept_next(m);

        if (m->renew) {
            next = NGX_MTLS_MANAGER_BATCH;
        }

    } else if (m->run_tries == 0) {
        next = NGX_MTLS_MANAGER_LOCK;
    }

    ngx_add_timer(&m->timer, next);
}


/*
 * A reload starts the new manager before the old one is told to quit: the one
 * that has the lock works, the other one waits for it.
 */

static void
ngx_mtls_manager_open(ngx_mtls_manager_t *m)
{
    ngx_int_t         rc;
    ngx_mtls_error_t  err;

    if (!ngx_mtls_manager_due(m->run_retry)) {
        return;
    }

    rc = ngx_mtls_run_open(&m->conf->dir, &m->run, &err);

    if (rc == NGX_OK) {

        if (m->run_tries) {
            ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                          "mtls: state folder \"%V\" is good again",
                          &m->conf->dir);
        }

        m->ready = 1;
        m->run_tries = 0;
        m->run_waits = 0;
        m->compiler.lock = m->run.compile;

        ngx_mtls_manager_takeover(m);

        return;
    }

    if (rc == NGX_AGAIN) {
        m->run_tries = 0;
        m->run_retry = ngx_current_msec + NGX_MTLS_MANAGER_LOCK;

        if (!m->run_waits
            && ngx_current_msec - m->run_since > NGX_MTLS_MANAGER_PATIENCE)
        {
            m->run_waits = 1;
            ngx_log_error(NGX_LOG_WARN, m->log, 0,
                          "mtls: waiting for the manager that holds the lock "
                          "in \"%V\"", &m->conf->dir);
        }

        return;
    }

    m->run_retry = ngx_current_msec + ngx_mtls_manager_delay(m->run_tries);

    __atomic_store_n(&ngx_mtls_zone(m->conf->shm_zone)->failing, 1,
                     __ATOMIC_RELAXED);

    if (m->run_tries++ == 0) {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls: %*s; nothing can be loaded until this is mended",
                      err.len, err.text);
    }
}


void
ngx_mtls_manager_attempted(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    if (source->attempted) {
        return;
    }

    source->attempted = 1;

    /* a first attempt turns "loading" into an answer, even a failed one */

    m->changed = 1;
    ngx_mtls_manager_renew(m);
}


void
ngx_mtls_manager_renew(ngx_mtls_manager_t *m)
{
    if (!m->renew) {
        m->renew = 1;
        m->since = ngx_current_msec;
    }
}


static void
ngx_mtls_manager_tick(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_mtls_manager_file_t    *file;
    ngx_mtls_manager_source_t  *source;

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (!source[i].polled
            || (source[i].conf->refresh
                && ngx_mtls_manager_due(source[i].due)))
        {
            ngx_mtls_manager_poll(m, &source[i]);
        }

        for (q = ngx_queue_head(&source[i].files);
             q != ngx_queue_sentinel(&source[i].files);
             q = ngx_queue_next(q))
        {
            file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

            if (file->tries
                && !file->queued
                && ngx_mtls_manager_due(file->retry))
            {
                ngx_mtls_manager_queue(m, file);
            }

            ngx_mtls_manager_stale(m, file);
        }
    }
}


/* back to the beginning */

void
ngx_mtls_manager_reset(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_mtls_manager_file_t    *file;
    ngx_mtls_manager_source_t  *source;

    ngx_mtls_compiler_kill(&m->compiler);
    ngx_queue_init(&m->cas);
    ngx_queue_init(&m->crls);
    ngx_queue_init(&m->running);
    m->kept.running = 0;

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        while (!ngx_queue_empty(&source[i].files)) {
            q = ngx_queue_head(&source[i].files);
            file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);
            ngx_mtls_manager_forget(file);
        }

        source[i].waiting = 0;
        source[i].polled = 0;
        source[i].attempted = 0;
        source[i].issuer_known = 0;
        source[i].changed = 0;
        source[i].since = 0;
        source[i].retired = 0;
    }

    ngx_mtls_manager_unretire(m);

    ngx_mtls_ca_free(m->ca);
    m->ca = ngx_mtls_ca_ref(m->conf->configured);

    ngx_mtls_run_close(&m->run);

    m->ready = 0;
    m->cold = 1;
    m->run_since = ngx_current_msec;
}


ngx_int_t
ngx_mtls_manager_sync(ngx_mtls_conf_t *conf, ngx_log_t *log)
{
    ngx_mtls_zone_t    *zone;
    ngx_atomic_uint_t   generation;

    zone = ngx_mtls_zone(conf->shm_zone);
    generation = ngx_mtls_zone_generation(zone);

    if (conf->sources.nelts == 0) {
        conf->generation = generation;
        conf->loaded = 1;
        return NGX_OK;
    }

    /* nothing is new, or it was just tried */

    if (generation != conf->generation
        && (conf->failed == 0 || conf->failed != ngx_time()))
    {
        ngx_mtls_manager_adopt(conf, zone, generation, log);
    }

    if (conf->loaded) {
        return ngx_mtls_manager_behind(conf, zone) ? NGX_AGAIN : NGX_OK;
    }

    /* what was read with the configuration is no longer what is trusted */

    if (zone->words[NGX_MTLS_WORD_TRUST] != conf->read_trust) {
        return NGX_AGAIN;
    }

    /* a first attempt that cannot be published has ended badly, too */

    return (conf->ncrls == 0 || zone->failing) ? NGX_OK : NGX_AGAIN;
}


/*
 * A manifest that is damaged is soon mended.  A worker that cannot read one for
 * longer, as without a free file descriptor, must not go on to let in what
 * was refused since then: it would be the client who says for how long.
 */

static ngx_uint_t
ngx_mtls_manager_behind(ngx_mtls_conf_t *conf, ngx_mtls_zone_t *zone)
{
    return conf->failed
           && ngx_current_msec - conf->failing >= NGX_MTLS_LOADING_TIMEOUT
           && (zone->words[NGX_MTLS_WORD_TRUST] != conf->trust
               || zone->words[NGX_MTLS_WORD_CRL]
                  != conf->manifest->words[NGX_MTLS_WORD_CRL]);
}


static void
ngx_mtls_manager_adopt(ngx_mtls_conf_t *conf, ngx_mtls_zone_t *zone,
    ngx_atomic_uint_t generation, ngx_log_t *log)
{
    ngx_int_t             rc;
    ngx_mtls_ca_t        *ca;
    ngx_mtls_error_t      err;
    ngx_mtls_manifest_t  *m;

    rc = ngx_mtls_manager_manifest(conf, zone, &m, &err);
    ca = NULL;

    if (rc == NGX_OK && m->words[NGX_MTLS_WORD_TRUST] != conf->trust) {

        ca = ngx_mtls_manager_trust(conf, m, &err);

        if (ca == NULL) {
            ngx_mtls_manifest_destroy(m);
            rc = NGX_DECLINED;
        }
    }

    if (rc == NGX_DECLINED) {

        if (conf->failed == 0) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "mtls: generation %uA cannot be used: %*s; "
                          "the last good one stays",
                          generation, err.len, err.text);

            conf->failing = ngx_current_msec;
        }

        conf->failed = ngx_time();

        /* the manager is to look at it */

        __atomic_store_n(&zone->unusable, 1, __ATOMIC_RELAXED);

        return;
    }

    /*
     * NGX_AGAIN: the manifest is that of another configuration, and what this
     * one has, if anything, stays
     */

    if (rc == NGX_OK) {

        if (conf->manifest) {
            ngx_mtls_manifest_destroy(conf->manifest);
        }

        conf->manifest = m;
        conf->loaded = 1;
        conf->trust = m->words[NGX_MTLS_WORD_TRUST];
    }

    if (ca) {
        ngx_mtls_ca_free(conf->ca);
        conf->ca = ca;
    }

    conf->failed = 0;
    conf->generation = generation;
}


static ngx_int_t
ngx_mtls_manager_manifest(ngx_mtls_conf_t *conf, ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t **m, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    *m = NULL;

    if (!conf->held && ngx_mtls_run_hold(&conf->dir, err) != NGX_OK) {
        return NGX_DECLINED;
    }

    conf->held = 1;

    /* the manifest outlives the connection that asks */

    rc = ngx_mtls_manifest_read(&conf->dir, zone, &conf->sources,
                                conf->manifest, ngx_cycle->log, m, err);

    if (rc == NGX_OK && ngx_mtls_manager_outdated(conf, *m)) {
        ngx_mtls_manifest_destroy(*m);
        return NGX_AGAIN;
    }

    return rc;
}


/*
 * What is trusted by the manifest.  A source whose tables are not newer than
 * the reading of the configuration is what was read then: a reload must not
 * bring back what its files no longer say.
 */

ngx_mtls_ca_t *
ngx_mtls_manager_trust(ngx_mtls_conf_t *conf, ngx_mtls_manifest_t *m,
    ngx_mtls_error_t *err)
{
    ngx_uint_t             i, n;
    ngx_mtls_ca_t         *ca;
    ngx_mtls_slot_t       *slot;
    ngx_mtls_source_t     *source;
    ngx_mtls_ca_part_t    *parts;
    ngx_mtls_attempted_t  *attempted;

    parts = ngx_calloc((m->nslots + conf->ncas + 1)
                       * sizeof(ngx_mtls_ca_part_t), ngx_cycle->log);
    if (parts == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NULL;
    }

    n = ngx_mtls_manager_live_sources(conf, m, parts);

    for (i = 0; i < m->nslots; i++) {
        slot = &m->slots[i];

        if (slot->table->header->kind != NGX_MTLS_TABLE_CA) {
            continue;
        }

        source = ngx_mtls_manager_ca_source(conf, slot->source);
        attempted = ngx_mtls_manifest_attempted(m, slot->source);

        if (source == NULL
            || attempted == NULL
            || !ngx_mtls_manager_newer(conf, source, attempted->since,
                                       attempted->read))
        {
            continue;
        }

        parts[n].table = slot->table;
        parts[n].label = source->label;
        parts[n].source = source->number;
        parts[n].path = slot->path;
        n++;
    }

    ca = ngx_mtls_ca_live(conf->configured, conf->ca, parts, n,
                          ngx_cycle->log, err);

    ngx_free(parts);

    return ca;
}


/*
 * Says of each source that has newer tables, or had some that are lost, that
 * what was read of it is not trusted; returns the number of them.
 */

static ngx_uint_t
ngx_mtls_manager_live_sources(ngx_mtls_conf_t *conf, ngx_mtls_manifest_t *m,
    ngx_mtls_ca_part_t *parts)
{
    ngx_uint_t             i, n;
    ngx_mtls_source_t     *source;
    ngx_mtls_attempted_t  *attempted;

    n = 0;
    source = conf->sources.elts;

    for (i = 0; i < conf->sources.nelts; i++) {

        if (source[i].kind != NGX_MTLS_SOURCE_CA) {
            continue;
        }

        attempted = ngx_mtls_manifest_attempted(m, source[i].key);

        if (attempted
            && ngx_mtls_manager_newer(conf, &source[i], attempted->since,
                                      attempted->read))
        {
            parts[n++].source = source[i].number;
        }
    }

    return n;
}


ngx_uint_t
ngx_mtls_manager_newer(ngx_mtls_conf_t *conf, ngx_mtls_source_t *source,
    uint64_t since, uint64_t read)
{
    return since > conf->read_generation
           && read > ngx_mtls_ca_when(conf->configured, source->number);
}


static ngx_mtls_source_t *
ngx_mtls_manager_ca_source(ngx_mtls_conf_t *conf, const u_char *key)
{
    ngx_uint_t          i;
    ngx_mtls_source_t  *source;

    source = conf->sources.elts;

    for (i = 0; i < conf->sources.nelts; i++) {
        if (source[i].kind == NGX_MTLS_SOURCE_CA
            && ngx_memcmp(source[i].key, key, NGX_MTLS_HASH_LEN) == 0)
        {
            return &source[i];
        }
    }

    return NULL;
}


void
ngx_mtls_manager_release(ngx_mtls_conf_t *conf)
{
    if (conf->manifest) {
        ngx_mtls_manifest_destroy(conf->manifest);
        conf->manifest = NULL;
    }

    ngx_mtls_ca_free(conf->ca);
}
