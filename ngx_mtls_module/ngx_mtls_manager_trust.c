
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the manager's CA files mean together: which of them count, what may
 * not be lost, and what CRLs are verified with.
 *
 * Of a source of CAs counts what the configuration has read until its tables
 * say something newer: then they do for all files of the source.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_ca_index.h>
#include <ngx_mtls_manager_file.h>


static ngx_mtls_ca_list_t *ngx_mtls_manager_list(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static ngx_uint_t ngx_mtls_manager_same(ngx_mtls_ca_list_t *list,
    ngx_mtls_manager_tables_t *tables);
static ngx_uint_t ngx_mtls_manager_current(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static ngx_uint_t ngx_mtls_manager_anchors(ngx_mtls_ca_list_t *list);
static ngx_uint_t ngx_mtls_manager_trusts(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manager_file_t *without);
static void ngx_mtls_manager_vanished(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);
static ngx_uint_t ngx_mtls_manager_vanish(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_news(ngx_mtls_manager_source_t *source,
    uint64_t read);
static void ngx_mtls_manager_retrust(ngx_mtls_manager_t *m);
static ngx_mtls_ca_t *ngx_mtls_manager_ca(ngx_mtls_manager_t *m,
    ngx_mtls_error_t *err);
static void ngx_mtls_manager_verify(ngx_mtls_manager_t *m, ngx_uint_t changed);
static ngx_uint_t ngx_mtls_manager_unverified(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_uint_t changed);


void
ngx_mtls_manager_read(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    ngx_uint_t           i;
    ngx_mtls_ca_part_t  *part;

    part = m->conf->configured->parts.elts;

    for (i = 0; i < m->conf->configured->parts.nelts; i++) {

        /* without memory for it that it vanishes is not noticed */

        if (part[i].source == source->conf->number) {
            (void) ngx_mtls_manager_file(m, source, &part[i].path);
        }
    }
}


/* what the configuration has read of a file; NULL: it has not read it */

static ngx_mtls_ca_list_t *
ngx_mtls_manager_list(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_uint_t           i;
    ngx_str_t           *path;
    ngx_mtls_ca_part_t  *part;

    path = &file->node.str;
    part = m->conf->configured->parts.elts;

    for (i = 0; i < m->conf->configured->parts.nelts; i++) {

        if (part[i].source == file->source->conf->number
            && part[i].path.len == path->len
            && ngx_memcmp(part[i].path.data, path->data, path->len) == 0)
        {
            return &part[i].list;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_mtls_manager_was_read(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    return ngx_mtls_manager_list(m, file) != NULL;
}


static ngx_uint_t
ngx_mtls_manager_same(ngx_mtls_ca_list_t *list,
    ngx_mtls_manager_tables_t *tables)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    return tables->n
           && ngx_mtls_sha256(list->records, list->size, hash) == NGX_OK
           && ngx_memcmp(hash, tables->headers[0].source_hash,
                         NGX_MTLS_HASH_LEN)
              == 0;
}


ngx_uint_t
ngx_mtls_manager_live(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    ngx_queue_t              *q;
    ngx_mtls_manager_file_t  *file;

    if (ngx_mtls_manager_newer(m->conf, source->conf, source->since,
                               source->read))
    {
        return 1;
    }

    if (!source->changed) {
        return 0;
    }

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (!ngx_mtls_manager_current(m, file)) {
            return 0;
        }
    }

    return 1;
}


/* whether its table is not older than what the configuration has read */

static ngx_uint_t
ngx_mtls_manager_current(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_mtls_ca_list_t  *list;

    if (file->own) {
        return 1;
    }

    list = ngx_mtls_manager_list(m, file);

    return list == NULL || ngx_mtls_manager_same(list, &file->tables);
}


ngx_uint_t
ngx_mtls_manager_label(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_uint_t ntrusted)
{
    ngx_uint_t                  i;
    ngx_mtls_source_t          *conf;
    ngx_mtls_ca_part_t         *part;
    ngx_mtls_manager_source_t  *source;

    if (ntrusted) {
        return 1;
    }

    conf = file->source->conf;
    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (ngx_mtls_manager_is_ca(&source[i])
            && source[i].conf->label == conf->label
            && ngx_mtls_manager_trusts(m, &source[i], file))
        {
            return 1;
        }
    }

    part = m->conf->configured->parts.elts;

    for (i = 0; i < m->conf->configured->parts.nelts; i++) {

        if (part[i].source == NGX_MTLS_CA_STATIC
            && part[i].label == conf->label
            && ngx_mtls_manager_anchors(&part[i].list))
        {
            return 1;
        }
    }

    (void) ngx_mtls_error(&m->compiler.err, "CA file \"%V\": label \"%V\" "
                          "would trust no certificate",
                          &file->node.str, &conf->label_name);

    return 0;
}


static ngx_uint_t
ngx_mtls_manager_anchors(ngx_mtls_ca_list_t *list)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < list->n; i++) {
        n += list->records[i].anchor;
    }

    return n;
}


/* whether a source has an anchor, but for one file */

static ngx_uint_t
ngx_mtls_manager_trusts(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_mtls_manager_file_t *without)
{
    ngx_uint_t                live;
    ngx_queue_t              *q;
    ngx_mtls_ca_list_t       *list;
    ngx_mtls_manager_file_t  *file;

    live = ngx_mtls_manager_live(m, source);

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (file == without) {
            continue;
        }

        list = (live || file->own) ? NULL : ngx_mtls_manager_list(m, file);

        if (list ? ngx_mtls_manager_anchors(list)
                 : (file->tables.n && file->tables.headers[0].ntrusted))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_mtls_manager_renews(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t fresh)
{
    ngx_uint_t                  live, same, news;
    ngx_mtls_ca_list_t         *list;
    ngx_mtls_table_header_t    *header;
    ngx_mtls_manager_source_t  *source;

    source = file->source;
    list = ngx_mtls_manager_list(m, file);
    live = ngx_mtls_manager_live(m, source);
    same = list && ngx_mtls_manager_same(list, tables);

    /*
     * A first table that says what workers have from the master is no news; a
     * later one is, to those of the configuration before.
     */

    news = (!live && list) ? (!same || (fresh && file->tables.n)) : fresh;

    if (news) {
        ngx_mtls_manager_news(source, file->read);
    }

    if (source->changed) {
        ngx_mtls_manager_retrust(m);
    }

    if (!news || (!live && same)) {
        return 0;
    }

    header = &tables->headers[0];

    ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                  "mtls_ca: loaded CA file \"%V\": %uL certificates, "
                  "%uD of them trusted in label \"%V\"",
                  &file->node.str, header->nrecords, header->ntrusted,
                  &source->conf->label_name);

    return 1;
}


void
ngx_mtls_manager_settle(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i, changed;
    ngx_mtls_ca_t              *ca, *old;
    ngx_mtls_error_t            err;
    ngx_mtls_manager_source_t  *source;

    if (!m->unsettled) {
        return;
    }

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {
        if (ngx_mtls_manager_is_ca(&source[i])) {
            ngx_mtls_manager_vanished(m, &source[i]);
        }
    }

    ca = ngx_mtls_manager_ca(m, &err);

    if (ca == NULL) {

        if (!m->unable) {
            ngx_log_error(NGX_LOG_ERR, m->log, 0,
                          "mtls_ca: %*s; CRLs are still verified with what "
                          "was trusted before", err.len, err.text);
        }

        m->unable = 1;
        return;
    }

    changed = (ngx_memcmp(ngx_mtls_ca_digest(ca), ngx_mtls_ca_digest(m->ca),
                          NGX_MTLS_HASH_LEN)
               != 0);

    old = m->ca;
    m->ca = ca;
    ngx_mtls_ca_free(old);

    m->unsettled = 0;
    m->unable = 0;

    ngx_mtls_manager_verify(m, changed);
}


static void
ngx_mtls_manager_vanished(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    ngx_queue_t              *q, *next;
    ngx_mtls_manager_file_t  *file;

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = next)
    {
        next = ngx_queue_next(q);
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        if (file->vanished && ngx_mtls_manager_vanish(m, file)) {
            ngx_mtls_manager_forget(file);
        }
    }
}


/* whether what a file has had may be forgotten */

static ngx_uint_t
ngx_mtls_manager_vanish(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    if (file->tables.n == 0 && !ngx_mtls_manager_was_read(m, file)) {
        return 1;
    }

    if (!ngx_mtls_manager_label(m, file, 0)) {

        if (!file->gone) {
            ngx_log_error(NGX_LOG_ERR, m->log, 0,
                          "mtls_ca: CA file \"%V\" has vanished, but without "
                          "it label \"%V\" would trust no certificate; the "
                          "last good one stays", &file->node.str,
                          &file->source->conf->label_name);
        }

        file->gone = 1;
        return 0;
    }

    ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                  "mtls_ca: CA file \"%V\" has vanished; what it alone had is "
                  "no longer trusted in label \"%V\"", &file->node.str,
                  &file->source->conf->label_name);

    ngx_mtls_manager_news(file->source, file->source->scan);
    ngx_mtls_manager_retrust(m);

    return 1;
}


/* of what changes together counts what was looked at first */

static void
ngx_mtls_manager_news(ngx_mtls_manager_source_t *source, uint64_t read)
{
    read = ngx_min(read, source->scan);

    source->fresh = source->changed ? ngx_min(source->fresh, read) : read;
    source->changed = 1;
}


static void
ngx_mtls_manager_retrust(ngx_mtls_manager_t *m)
{
    m->trust = 1;
    m->unsettled = 1;

    ngx_mtls_manager_renew(m);
}


void
ngx_mtls_manager_distrust(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_mtls_zone_t            *zone;
    ngx_mtls_manager_source_t  *source;

    zone = ngx_mtls_zone(m->conf->shm_zone);

    if (zone->words[NGX_MTLS_WORD_TRUST] == m->conf->read_trust) {
        return;
    }

    source = m->sources.elts;

    /*
     * Of what cannot be compiled now workers keep what they have, and those
     * that begin must not have what it was at the start.
     */

    for (i = 0; i < m->sources.nelts; i++) {
        if (ngx_mtls_manager_is_ca(&source[i])) {
            source[i].since = m->generation + 1;
            source[i].read = ngx_mtls_now();
            source[i].fresh = source[i].read;
        }
    }

    ngx_mtls_manager_retrust(m);
}


/* by the same rule as the workers make theirs */

static ngx_mtls_ca_t *
ngx_mtls_manager_ca(ngx_mtls_manager_t *m, ngx_mtls_error_t *err)
{
    ngx_uint_t                  i;
    ngx_array_t                 parts;
    ngx_pool_t                 *pool;
    ngx_queue_t                *q;
    ngx_mtls_ca_t              *ca;
    ngx_mtls_ca_part_t         *part;
    ngx_mtls_manager_file_t    *file;
    ngx_mtls_manager_source_t  *source;

    (void) ngx_mtls_error(err, "out of memory");

    ca = NULL;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);
    if (pool == NULL) {
        return NULL;
    }

    if (ngx_array_init(&parts, pool, 16, sizeof(ngx_mtls_ca_part_t))
        != NGX_OK)
    {
        goto done;
    }

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (!ngx_mtls_manager_is_ca(&source[i])
            || !ngx_mtls_manager_live(m, &source[i]))
        {
            continue;
        }

        part = ngx_array_push(&parts);
        if (part == NULL) {
            goto done;
        }

        /* what was read of it does not count, whether it has tables or not */

        ngx_memzero(part, sizeof(ngx_mtls_ca_part_t));
        part->source = source[i].conf->number;

        for (q = ngx_queue_head(&source[i].files);
             q != ngx_queue_sentinel(&source[i].files);
             q = ngx_queue_next(q))
        {
            file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

            if (file->tables.map == NULL) {
                continue;
            }

            part = ngx_array_push(&parts);
            if (part == NULL) {
                goto done;
            }

            ngx_memzero(part, sizeof(ngx_mtls_ca_part_t));

            part->table = file->tables.map;
            part->label = source[i].conf->label;
            part->source = source[i].conf->number;
            part->path = file->node.str;
        }
    }

    ca = ngx_mtls_ca_live(m->conf->configured, m->ca, parts.elts, parts.nelts,
                          m->log, err);

done:

    ngx_destroy_pool(pool);

    return ca;
}


/*
 * CRLs are looked at again where what they were verified with has changed; a
 * new one may have come with its CA.
 */

static void
ngx_mtls_manager_verify(ngx_mtls_manager_t *m, ngx_uint_t changed)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_mtls_manager_file_t    *file;
    ngx_mtls_manager_source_t  *source;

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (changed
            && source[i].polled
            && source[i].conf->refresh
            && !ngx_mtls_manager_is_ca(&source[i]))
        {
            ngx_mtls_manager_poll(m, &source[i]);
        }

        for (q = ngx_queue_head(&source[i].files);
             q != ngx_queue_sentinel(&source[i].files);
             q = ngx_queue_next(q))
        {
            file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

            if (!file->queued && ngx_mtls_manager_unverified(m, file, changed))
            {
                file->needed = 0;
                ngx_mtls_manager_queue(m, file);
            }
        }
    }
}


static ngx_uint_t
ngx_mtls_manager_unverified(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_uint_t changed)
{
    ngx_uint_t     i;
    const u_char  *digest;

    /* a label that would have trusted nothing may do so by now */

    if (ngx_mtls_manager_is_ca(file->source)) {
        return changed && file->needed;
    }

    if (changed && (file->tables.n == 0 || file->bad)) {
        return 1;
    }

    if (file->bad) {
        return 0;
    }

    digest = ngx_mtls_ca_digest(m->ca);

    for (i = 0; i < file->tables.n; i++) {
        if (ngx_memcmp(file->tables.headers[i].trust, digest,
                       NGX_MTLS_HASH_LEN)
            != 0)
        {
            return 1;
        }
    }

    return 0;
}
