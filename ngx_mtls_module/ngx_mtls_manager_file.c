
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The files of the manager's sources: polled, queued, compiled, and their
 * tables taken over.
 *
 * A file has the tables of its last good content.  They stay whatever becomes
 * of the file, and one line in the log says so when its state changes.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manager_file.h>


#define NGX_MTLS_MANAGER_TEXT      64      /* octets of a number or a time */


static void ngx_mtls_manager_scan(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_array_t *paths);
static ngx_uint_t ngx_mtls_manager_issuer(ngx_mtls_manager_source_t *source);
static void ngx_mtls_manager_check(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_lost(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_err_t err);
static void ngx_mtls_manager_tried(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_job(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_crl_job_t *job);
static ngx_int_t ngx_mtls_manager_accept(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static ngx_int_t ngx_mtls_manager_adopt(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables,
    ngx_uint_t *fresh);
static ngx_int_t ngx_mtls_manager_rename(ngx_mtls_manager_t *m,
    ngx_mtls_crl_made_t *made, ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_manager_find(ngx_mtls_manager_tables_t *tables,
    u_char *name);
static void ngx_mtls_manager_path(ngx_mtls_manager_t *m, u_char *name,
    char *suffix, u_char *path);
static void ngx_mtls_manager_fail(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_say(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, char *what);
static void ngx_mtls_manager_loaded(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_table_header_t *header);
static void ngx_mtls_manager_number(u_char *buf,
    ngx_mtls_table_header_t *header);
static void ngx_mtls_manager_time(u_char *buf, int64_t time);


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

        /* one that is queued or running is found to be gone then */

        if (file->seen || file->queued || file == m->running) {
            continue;
        }

        if (file->tables.n) {
            ngx_mtls_manager_lost(m, file, NGX_ENOENT);

        } else {
            ngx_mtls_manager_forget(file);
        }
    }
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

    if (file->tables.headers) {
        ngx_free(file->tables.headers);
    }

    ngx_free(file);
}


static void
ngx_mtls_manager_check(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_mtls_stat_t  now;

    if (file->queued || file == m->running) {
        return;
    }

    if (ngx_mtls_source_stat(&file->node.str, &now) != NGX_OK) {
        ngx_mtls_manager_lost(m, file, ngx_errno);
        return;
    }

    if (file->known
        && !ngx_mtls_source_changed(&file->stat, file->taken, &now))
    {
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

    if (file->tables.n) {
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
    ngx_queue_insert_tail(&m->pending, &file->queue);
}


void
ngx_mtls_manager_next(ngx_mtls_manager_t *m)
{
    ngx_queue_t              *q;
    ngx_mtls_crl_job_t        job;
    ngx_mtls_manager_file_t  *file;

    while (m->running == NULL && !ngx_queue_empty(&m->pending)) {

        q = ngx_queue_head(&m->pending);
        ngx_queue_remove(q);

        file = ngx_queue_data(q, ngx_mtls_manager_file_t, queue);
        file->queued = 0;

        /* before the file is read, so that no later change is missed */

        file->taken = ngx_time();

        if (ngx_mtls_source_stat(&file->node.str, &file->stat) != NGX_OK) {
            ngx_mtls_manager_lost(m, file, ngx_errno);
            continue;
        }

        file->known = 1;

        ngx_mtls_manager_job(m, file, &job);

        if (ngx_mtls_compiler_start(&m->compiler, &job) != NGX_OK) {
            ngx_mtls_manager_fail(m, file);
            ngx_mtls_manager_tried(m, file);
            continue;
        }

        m->running = file;
    }
}


static void
ngx_mtls_manager_job(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_crl_job_t *job)
{
    ngx_memzero(job, sizeof(ngx_mtls_crl_job_t));

    job->path = file->node.str;
    job->issuer = file->source->conf->issuer;
    job->dir = m->conf->dir;
    job->ca = m->conf->ca;

    ngx_memcpy(job->run_id, ngx_mtls_zone(m->conf->shm_zone)->run_id,
               NGX_MTLS_RUN_ID_LEN);

    /* the file's key, or equal files of one source would share a table */

    ngx_memcpy(job->source_key, file->key, NGX_MTLS_HASH_LEN);

    job->loaded = file->tables.headers;
    job->nloaded = file->tables.n;
}


void
ngx_mtls_manager_take(ngx_mtls_manager_t *m)
{
    ngx_int_t                 rc;
    ngx_mtls_manager_file_t  *file;

    file = m->running;
    m->running = NULL;

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
}


static ngx_int_t
ngx_mtls_manager_accept(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_uint_t                 i, fresh;
    ngx_mtls_manager_tables_t  tables;

    if (ngx_mtls_manager_tables(m, &tables, m->compiler.nmade) != NGX_OK) {
        return ngx_mtls_error(&m->compiler.err, "CRL file \"%V\": out of "
                              "memory", &file->node.str);
    }

    if (ngx_mtls_manager_adopt(m, file, &tables, &fresh) != NGX_OK) {
        ngx_free(tables.headers);
        return NGX_ERROR;
    }

    if (fresh || tables.n != file->tables.n) {
        m->changed = 1;
        ngx_mtls_manager_renew(m);

        for (i = 0; i < tables.n; i++) {
            if (ngx_mtls_manager_find(&file->tables, tables.made[i].name)
                == file->tables.n)
            {
                ngx_mtls_manager_loaded(m, file, &tables.headers[i]);
            }
        }

    } else if (file->bad || file->gone) {
        ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                      "mtls_crl: CRL file \"%V\" is good again",
                      &file->node.str);
    }

    if (file->tables.headers) {
        ngx_free(file->tables.headers);
    }

    file->tables = tables;
    file->good = file->stat;
    file->good_taken = file->taken;
    file->tries = 0;
    file->bad = 0;
    file->gone = 0;

    ngx_mtls_manager_stale(m, file);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_manager_tables(ngx_mtls_manager_t *m,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t n)
{
    u_char  *p;

    p = ngx_calloc(n * (sizeof(ngx_mtls_table_header_t)
                        + sizeof(ngx_mtls_crl_made_t) + 1) + 1, m->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    tables->headers = (ngx_mtls_table_header_t *) p;
    p += n * sizeof(ngx_mtls_table_header_t);

    tables->made = (ngx_mtls_crl_made_t *) p;
    p += n * sizeof(ngx_mtls_crl_made_t);

    tables->stale = p;
    tables->n = 0;

    return NGX_OK;
}


/*
 * A table that is already there under its name, which says its content, is
 * not replaced: the manifest that workers may be reading names its hash.
 * All or nothing: where one table cannot be had, no other one stays.
 */

static ngx_int_t
ngx_mtls_manager_adopt(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t *fresh)
{
    u_char                path[NGX_MAX_PATH];
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    ngx_mtls_crl_made_t  *made;

    made = m->compiler.made;
    rc = NGX_OK;
    *fresh = 0;

    for (i = 0; i < m->compiler.nmade; i++) {

        n = ngx_mtls_manager_find(&file->tables, made[i].name);

        if (n < file->tables.n) {
            tables->headers[i] = file->tables.headers[n];
            tables->made[i] = file->tables.made[n];
            tables->stale[i] = file->tables.stale[n];

            ngx_mtls_manager_path(m, made[i].name, ".tmp", path);
            (void) unlink((char *) path);
            continue;
        }

        rc = ngx_mtls_manager_rename(m, &made[i], &tables->headers[i]);

        if (rc != NGX_OK) {
            break;
        }

        tables->made[i] = made[i];
        (*fresh)++;
    }

    if (rc == NGX_OK) {
        tables->n = i;
        return NGX_OK;
    }

    for (i = 0; i < m->compiler.nmade; i++) {
        ngx_mtls_manager_path(m, made[i].name, ".tmp", path);
        (void) unlink((char *) path);

        if (ngx_mtls_manager_find(&file->tables, made[i].name)
            == file->tables.n)
        {
            ngx_mtls_manager_path(m, made[i].name, "", path);
            (void) unlink((char *) path);
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_mtls_manager_rename(ngx_mtls_manager_t *m, ngx_mtls_crl_made_t *made,
    ngx_mtls_table_header_t *header)
{
    u_char             path[NGX_MAX_PATH], temp[NGX_MAX_PATH];
    ngx_str_t          name;
    ngx_mtls_zone_t   *zone;
    ngx_mtls_table_t   table;

    ngx_mtls_manager_path(m, made->name, ".tmp", temp);
    ngx_mtls_manager_path(m, made->name, "", path);

    if (rename((char *) temp, (char *) path) == -1) {
        return ngx_mtls_error(&m->compiler.err, "rename(\"%s\") failed "
                              "(%d: %s)", temp, ngx_errno,
                              strerror(ngx_errno));
    }

    /* the same checks as a worker makes, so that it is not the first to fail */

    zone = ngx_mtls_zone(m->conf->shm_zone);
    name.data = path;
    name.len = ngx_strlen(path);

    if (ngx_mtls_table_open(&name, zone->run_id, made->hash, &table,
                            &m->compiler.err)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    *header = *table.header;

    ngx_mtls_table_close(&table);

    return NGX_OK;
}


/* the place of a table; n: it is not there */

static ngx_uint_t
ngx_mtls_manager_find(ngx_mtls_manager_tables_t *tables, u_char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < tables->n; i++) {
        if (ngx_memcmp(tables->made[i].name, name, NGX_MTLS_NAME_LEN) == 0) {
            break;
        }
    }

    return i;
}


static void
ngx_mtls_manager_path(ngx_mtls_manager_t *m, u_char *name, char *suffix,
    u_char *path)
{
    u_char  *p;

    p = ngx_snprintf(path, NGX_MAX_PATH - 1, "%V/%s%s", &m->conf->dir, name,
                     suffix);
    *p = '\0';
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

    ngx_log_error(NGX_LOG_ERR, m->log, 0, "mtls_crl: %s %*s; %s", what,
                  err->len, err->text,
                  file->tables.n ? "the last good one stays"
                                 : "there is no good one, so its "
                                   "certificates are \"unknown\"");
}


static void
ngx_mtls_manager_loaded(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_table_header_t *header)
{
    u_char  number[NGX_MTLS_MANAGER_TEXT], next[NGX_MTLS_MANAGER_TEXT];

    ngx_mtls_manager_number(number, header);

    if (header->flags & NGX_MTLS_CRL_NO_NEXT) {
        (void) ngx_cpystrn(next, (u_char *) "none", sizeof(next));

    } else {
        ngx_mtls_manager_time(next, header->next_update);
    }

    ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                  "mtls_crl: loaded CRL file \"%V\": %uL entries, "
                  "CRL number %s, next update %s",
                  &file->node.str, header->nrecords, number, next);
}


/* decimal up to 64 bits, else hexadecimal */

static void
ngx_mtls_manager_number(u_char *buf, ngx_mtls_table_header_t *header)
{
    u_char      *p;
    uint64_t     number;
    ngx_uint_t   i;

    if (!(header->flags & NGX_MTLS_CRL_HAS_NUMBER)) {
        (void) ngx_cpystrn(buf, (u_char *) "none", NGX_MTLS_MANAGER_TEXT);
        return;
    }

    if (header->number_len <= sizeof(uint64_t)) {
        number = 0;

        for (i = 0; i < header->number_len; i++) {
            number = number << 8 | header->number[i];
        }

        (void) ngx_sprintf(buf, "%uL%Z", number);
        return;
    }

    p = ngx_cpymem(buf, "0x", 2);
    p = ngx_hex_dump(p, header->number,
                     ngx_min(header->number_len, NGX_MTLS_NUMBER_MAX));
    *p = '\0';
}


static void
ngx_mtls_manager_time(u_char *buf, int64_t time)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) time, &tm);

    (void) ngx_snprintf(buf, NGX_MTLS_MANAGER_TEXT,
                        "%4d-%02d-%02d %02d:%02d:%02d GMT%Z",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}


void
ngx_mtls_manager_stale(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    u_char                    next[NGX_MTLS_MANAGER_TEXT];
    ngx_uint_t                i;
    ngx_mtls_table_header_t  *header;

    for (i = 0; i < file->tables.n; i++) {
        header = &file->tables.headers[i];

        if (file->tables.stale[i]
            || (header->flags & NGX_MTLS_CRL_NO_NEXT)
            || header->next_update > ngx_time())
        {
            continue;
        }

        file->tables.stale[i] = 1;

        ngx_mtls_manager_time(next, header->next_update);

        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_crl: CRL file \"%V\" is stale: its next update "
                      "was due %s", &file->node.str, next);
    }
}
