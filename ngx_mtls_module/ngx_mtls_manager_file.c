
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The files of the manager's sources: polled, queued, and given to the
 * compiler.
 *
 * A file has the tables of its last good content.  They stay whatever becomes
 * of the file, and one line in the log says so when its state changes.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manager_file.h>


static void ngx_mtls_manager_scan(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_array_t *paths);
static void ngx_mtls_manager_unseen_ca(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_uint_t others);
static void ngx_mtls_manager_empty(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_uint_t empty);
static ngx_mtls_manager_file_t *ngx_mtls_manager_successor(
    ngx_mtls_manager_file_t *file, ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_manager_issuer(ngx_mtls_manager_source_t *source);
static void ngx_mtls_manager_check(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_lost(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_err_t err);
static void ngx_mtls_manager_missed(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_err_t err);
static void ngx_mtls_manager_tried(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_batch(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_fail(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_say(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, char *what);
static char *ngx_mtls_manager_stays(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);


void
ngx_mtls_manager_poll(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    ngx_int_t                 rc;
    ngx_pool_t               *pool;
    ngx_array_t               paths;
    ngx_queue_t              *q;
    ngx_mtls_manager_file_t  *file;

    rc = NGX_ERROR;
    source->scan = ngx_mtls_now();

    if (!source->polled && ngx_mtls_manager_is_ca(source)) {
        ngx_mtls_manager_read(m, source);
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);

    if (pool) {
        rc = ngx_mtls_source_paths(source->conf, pool,
                                   source->failed ? NULL : m->log, &paths);

        if (rc == NGX_OK) {
            ngx_mtls_manager_scan(m, source, &paths);
        }

        ngx_destroy_pool(pool);
    }

    source->failed = (rc != NGX_OK);
    source->due = ngx_current_msec + source->conf->refresh * 1000;

    if (source->polled) {
        return;
    }

    source->polled = 1;

    ngx_mtls_manager_kept_glob(m, source);

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (!file->tried) {
            file->counted = 1;
            source->waiting++;
        }
    }

    if (source->waiting == 0) {
        ngx_mtls_manager_attempted(m, source);
    }
}


static void
ngx_mtls_manager_scan(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_array_t *paths)
{
    ngx_str_t                *path;
    ngx_uint_t                i, again;
    ngx_queue_t              *q, *next;
    ngx_mtls_manager_file_t  *file;

    again = ngx_mtls_manager_issuer(source);

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);
        file->seen = 0;
    }

    path = paths->elts;

    for (i = 0; i < paths->nelts; i++) {
        file = ngx_mtls_manager_file(m, source, &path[i]);

        if (file) {
            file->seen = 1;
            file->known &= !again;
            ngx_mtls_manager_check(m, file);
        }
    }

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = next)
    {
        next = ngx_queue_next(q);
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (ngx_mtls_manager_is_ca(source)) {
            ngx_mtls_manager_unseen_ca(m, file, paths->nelts);

        } else if (!file->seen && !file->queued && !file->keeping) {

            /* one that is queued is found to be gone when its turn comes */

            ngx_mtls_manager_unseen(m, file);
        }
    }

    if (ngx_mtls_manager_is_ca(source)) {
        ngx_mtls_manager_empty(m, source, paths->nelts == 0);
    }
}


/*
 * A CA file that a glob no longer means is dropped as soon as no other one is
 * still to be read: what was moved to another file goes on to be trusted.
 */

static void
ngx_mtls_manager_unseen_ca(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_uint_t others)
{
    file->vanished = (!file->seen && others);

    if (file->vanished) {
        m->unsettled = 1;
    }

    if (!file->seen && !file->queued) {
        file->known = 0;
        file->tries = 0;
        ngx_mtls_manager_tried(m, file);
    }
}


/* a glob that matches nothing is taken for a mistake */

static void
ngx_mtls_manager_empty(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_uint_t empty)
{
    if (empty && !source->empty) {
        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_ca: no file matches \"%V\" any more; the last "
                      "good ones stay", &source->conf->path);
    }

    source->empty = empty;
}


/*
 * What a glob no longer means.  Its tables stay, unless each is superseded by
 * one of another file: names that say a date would otherwise add up for ever.
 */

void
ngx_mtls_manager_unseen(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_uint_t                i;
    ngx_mtls_manager_file_t  *other;

    other = NULL;

    for (i = 0; i < file->tables.n; i++) {
        other = ngx_mtls_manager_successor(file, &file->tables.headers[i]);

        if (other == NULL) {
            ngx_mtls_manager_lost(m, file, NGX_ENOENT);
            return;
        }
    }

    if (other) {
        ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                      "mtls_crl: CRL file \"%V\", which has vanished, is "
                      "superseded by \"%V\"",
                      &file->node.str, &other->node.str);

        m->changed = 1;
        ngx_mtls_manager_renew(m);
        ngx_mtls_manager_kept_forget(m, file);
    }

    ngx_mtls_manager_forget(file);
}


/* the file of the same source that has the same list, or a later one of it */

static ngx_mtls_manager_file_t *
ngx_mtls_manager_successor(ngx_mtls_manager_file_t *file,
    ngx_mtls_table_header_t *header)
{
    ngx_uint_t                i;
    ngx_queue_t              *q;
    ngx_mtls_manager_file_t  *other;
    ngx_mtls_table_header_t  *h;

    for (q = ngx_queue_head(&file->source->files);
         q != ngx_queue_sentinel(&file->source->files);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (other == file) {
            continue;
        }

        for (i = 0; i < other->tables.n; i++) {
            h = &other->tables.headers[i];

            if (h->nanchors >= header->nanchors
                && (ngx_mtls_crl_older(header, h)
                    || ngx_memcmp(header->source_hash, h->source_hash,
                                  NGX_MTLS_HASH_LEN)
                       == 0))
            {
                return other;
            }
        }
    }

    return NULL;
}


/* a new issuer=FILE may know the signer that was not known before */

static ngx_uint_t
ngx_mtls_manager_issuer(ngx_mtls_manager_source_t *source)
{
    ngx_uint_t       changed;
    ngx_mtls_stat_t  now;

    if (source->conf->issuer.len == 0
        || ngx_mtls_source_stat(&source->conf->issuer, &now) != NGX_OK)
    {
        return 0;
    }

    changed = !source->issuer_known
              || ngx_mtls_source_changed(&source->issuer,
                                         source->issuer_taken, &now);

    source->issuer = now;
    source->issuer_taken = ngx_time();
    source->issuer_known = 1;

    return changed;
}


ngx_mtls_manager_file_t *
ngx_mtls_manager_file(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_str_t *path)
{
    uint32_t                  hash;
    ngx_str_node_t           *node;
    ngx_mtls_manager_file_t  *file;

    hash = ngx_crc32_short(path->data, path->len);

    node = ngx_str_rbtree_lookup(&source->tree, path, hash);

    if (node) {
        return (ngx_mtls_manager_file_t *) node;
    }

    file = ngx_calloc(sizeof(ngx_mtls_manager_file_t) + path->len + 1,
                      m->log);
    if (file == NULL) {
        return NULL;
    }

    file->source = source;
    file->node.str.len = path->len;
    file->node.str.data = (u_char *) file + sizeof(ngx_mtls_manager_file_t);
    ngx_memcpy(file->node.str.data, path->data, path->len);

    if (ngx_mtls_source_file_key(source->conf, path, file->key) != NGX_OK) {
        ngx_free(file);
        return NULL;
    }

    file->node.node.key = hash;
    ngx_rbtree_insert(&source->tree, &file->node.node);
    ngx_queue_insert_tail(&source->files, &file->link);

    return file;
}


void
ngx_mtls_manager_forget(ngx_mtls_manager_file_t *file)
{
    ngx_rbtree_delete(&file->source->tree, &file->node.node);
    ngx_queue_remove(&file->link);

    ngx_mtls_manager_tables_free(&file->tables);

    ngx_free(file);
}


static void
ngx_mtls_manager_check(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_err_t        err;
    ngx_mtls_stat_t  now;

    if (file->queued) {
        return;
    }

    if (ngx_mtls_source_stat(&file->node.str, &now) != NGX_OK) {

        err = ngx_errno;

        if (!file->tried && ngx_mtls_manager_kept_there(m, file)) {
            ngx_mtls_manager_queue(m, file);

        } else {
            ngx_mtls_manager_lost(m, file, err);
        }

        return;
    }

    if (file->known
        && !ngx_mtls_source_changed(&file->stat, file->taken, &now))
    {
        ngx_mtls_manager_tried(m, file);
        return;
    }

    ngx_mtls_manager_queue(m, file);
}


static void
ngx_mtls_manager_lost(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_err_t err)
{
    ngx_mtls_manager_tried(m, file);

    file->known = 0;
    file->tries = 0;

    if (file->gone) {
        return;
    }

    file->gone = 1;

    if (ngx_mtls_manager_is_ca(file->source)) {
        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_ca: CA file \"%V\" has vanished (%d: %s); %s",
                      &file->node.str, err, strerror(err),
                      ngx_mtls_manager_stays(m, file));

    } else if (file->tables.n) {
        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_crl: CRL file \"%V\" has vanished (%d: %s); "
                      "the last good one stays",
                      &file->node.str, err, strerror(err));

    } else {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls_crl: cannot examine CRL file \"%V\" (%d: %s); "
                      "there is no good one, so its certificates are "
                      "\"unknown\"",
                      &file->node.str, err, strerror(err));
    }
}


/* one that was there when it was queued */

static void
ngx_mtls_manager_missed(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_err_t err)
{
    if (!ngx_mtls_manager_is_ca(file->source) || !file->source->conf->glob) {
        ngx_mtls_manager_lost(m, file, err);
        return;
    }

    /* what this means depends on what else there is: the next look says */

    ngx_mtls_manager_tried(m, file);

    file->known = 0;
    file->tries = 0;
    file->source->due = ngx_current_msec;
}


static void
ngx_mtls_manager_tried(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    if (file->tried) {
        return;
    }

    file->tried = 1;

    if (file->counted && --file->source->waiting == 0) {
        ngx_mtls_manager_attempted(m, file->source);
    }
}


void
ngx_mtls_manager_queue(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    file->queued = 1;
    ngx_queue_insert_tail(ngx_mtls_manager_is_ca(file->source) ? &m->cas
                                                               : &m->crls,
                          &file->queue);
}


void
ngx_mtls_manager_next(ngx_mtls_manager_t *m)
{
    while (m->compiler.pid == 0) {

        if (ngx_queue_empty(&m->cas)) {
            ngx_mtls_manager_settle(m);
        }

        ngx_mtls_manager_batch(m);

        if (m->compiler.njobs == 0) {
            return;
        }

        if (ngx_mtls_compiler_start(&m->compiler) != NGX_OK) {

            /* the first file of the batch takes the way of one that failed */

            m->compiler.rc = NGX_ERROR;
            ngx_mtls_manager_take(m);
        }
    }
}


/*
 * What the next child is to do: CAs or CRLs, which are verified with them.
 * Before the first manifest it is CRLs that clients wait for, and what is
 * trusted has just been read.
 */

static void
ngx_mtls_manager_batch(ngx_mtls_manager_t *m)
{
    off_t                     octets;
    ngx_err_t                 err;
    ngx_queue_t              *q, *pending;
    ngx_mtls_manager_file_t  *file;

    octets = 0;
    m->compiler.njobs = 0;

    pending = (ngx_queue_empty(&m->cas)
               || (m->cold && !ngx_queue_empty(&m->crls)))
              ? &m->crls : &m->cas;

    while (!ngx_queue_empty(pending)
           && m->compiler.njobs < NGX_MTLS_COMPILER_JOBS)
    {
        q = ngx_queue_head(pending);
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, queue);

        /* before the file is read, so that no later change is missed */

        file->taken = ngx_time();
        file->read = ngx_mtls_now();

        if (ngx_mtls_source_stat(&file->node.str, &file->stat) != NGX_OK) {
            err = ngx_errno;

            if (!ngx_mtls_manager_kept_there(m, file)) {
                file->queued = 0;
                ngx_queue_remove(q);
                ngx_mtls_manager_missed(m, file, err);
                continue;
            }

            ngx_memzero(&file->stat, sizeof(ngx_mtls_stat_t));
        }

        octets += file->stat.size;

        if (octets > NGX_MTLS_COMPILER_OCTETS && m->compiler.njobs) {
            break;
        }

        file->known = 1;

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&m->running, q);

        ngx_mtls_manager_job(m, file, &m->compiler.jobs[m->compiler.njobs++]);
    }
}


void
ngx_mtls_manager_job(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_job_t *job)
{
    ngx_memzero(job, sizeof(ngx_mtls_job_t));

    job->kind = file->source->conf->kind;
    job->path = file->node.str;
    job->issuer = file->source->conf->issuer;
    job->partial = file->source->conf->partial;
    job->dir = m->conf->dir;
    job->ca = m->ca;

    ngx_memcpy(job->run_id, ngx_mtls_zone(m->conf->shm_zone)->run_id,
               NGX_MTLS_RUN_ID_LEN);

    /* the file's key, or equal files of one source would share a table */

    ngx_memcpy(job->source_key, file->key, NGX_MTLS_HASH_LEN);

    job->loaded = file->tables.headers;
    job->nloaded = file->tables.n;

    if (file->source->conf->kind == NGX_MTLS_SOURCE_CRL) {
        job->kept = m->kept.dir;
    }
}


void
ngx_mtls_manager_take(ngx_mtls_manager_t *m)
{
    ngx_int_t                 rc;
    ngx_queue_t              *q, *pending;
    ngx_mtls_manager_file_t  *file;

    if (m->kept.running) {
        ngx_mtls_manager_kept_take(m);
        return;
    }

    q = ngx_queue_head(&m->running);
    ngx_queue_remove(q);

    file = ngx_queue_data(q, ngx_mtls_manager_file_t, queue);
    file->queued = 0;

    /* those after one with which the child failed are still to be done */

    if (m->compiler.pid == 0) {

        pending = ngx_mtls_manager_is_ca(file->source) ? &m->cas : &m->crls;

        while (!ngx_queue_empty(&m->running)) {
            q = ngx_queue_last(&m->running);
            ngx_queue_remove(q);
            ngx_queue_insert_head(pending, q);
        }
    }

    rc = m->compiler.rc;

    if (rc == NGX_OK) {
        rc = ngx_mtls_manager_accept(m, file);
    }

    if (rc == NGX_DECLINED) {
        file->tries = 0;
        ngx_mtls_manager_say(m, file, "refused");

    } else if (rc != NGX_OK) {
        ngx_mtls_manager_fail(m, file);
    }

    ngx_mtls_manager_tried(m, file);

    /* that it can be read again need not change what stat() says */

    if (access((char *) file->node.str.data, R_OK) == -1) {
        file->known = 0;
    }

    if (rc == NGX_OK) {
        ngx_mtls_manager_kept_accepted(m, file);
    }
}


/* what may pass by itself is tried again */

static void
ngx_mtls_manager_fail(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    file->retry = ngx_current_msec + ngx_mtls_manager_delay(file->tries);
    file->tries++;

    ngx_mtls_manager_say(m, file, "cannot load");
}


/* once for each content and cause */

static void
ngx_mtls_manager_say(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    char *what)
{
    u_char             hash[NGX_MTLS_HASH_LEN];
    ngx_mtls_error_t  *err;

    err = &m->compiler.err;

    if (ngx_mtls_sha256(err->text, err->len, hash) == NGX_OK) {

        if (file->bad
            && ngx_memcmp(hash, file->said, NGX_MTLS_HASH_LEN) == 0
            && ngx_memcmp(&file->stat, &file->said_stat,
                          sizeof(ngx_mtls_stat_t)) == 0)
        {
            return;
        }

        ngx_memcpy(file->said, hash, NGX_MTLS_HASH_LEN);
        file->said_stat = file->stat;
    }

    file->bad = 1;
    file->gone = 0;

    if (ngx_mtls_manager_is_ca(file->source)) {
        ngx_log_error(NGX_LOG_ERR, m->log, 0, "mtls_ca: %s %*s; %s", what,
                      err->len, err->text, ngx_mtls_manager_stays(m, file));
        return;
    }

    ngx_log_error(NGX_LOG_ERR, m->log, 0, "mtls_crl: %s %*s; %s", what,
                  err->len, err->text,
                  file->tables.n ? "the last good one stays"
                                 : "there is no good one, so its "
                                   "certificates are \"unknown\"");
}


/* what is trusted of a CA file that cannot be used */

static char *
ngx_mtls_manager_stays(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    if (file->tables.n) {
        return "the last good one stays";
    }

    return (ngx_mtls_manager_was_read(m, file)
            && !ngx_mtls_manager_live(m, file->source))
           ? "what was read at start stays" : "none of it is trusted";
}
