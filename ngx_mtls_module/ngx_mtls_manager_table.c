
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The tables of the manager's files: taken over from the compiler, and said
 * to be there or stale.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manager_file.h>


static ngx_int_t ngx_mtls_manager_place(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables,
    ngx_uint_t *fresh);
static void ngx_mtls_manager_unplace(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static ngx_int_t ngx_mtls_manager_rename(ngx_mtls_manager_t *m,
    ngx_mtls_made_t *made, ngx_mtls_manager_tables_t *tables, ngx_uint_t n);
static ngx_uint_t ngx_mtls_manager_find(ngx_mtls_manager_tables_t *tables,
    u_char *name);
static void ngx_mtls_manager_path(ngx_mtls_manager_t *m, u_char *name,
    char *suffix, u_char *path);
static ngx_uint_t ngx_mtls_manager_loaded(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables);
static void ngx_mtls_manager_again(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_loaded_crl(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_table_header_t *header);


ngx_int_t
ngx_mtls_manager_accept(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    ngx_uint_t                 fresh, news;
    ngx_mtls_manager_tables_t  tables;

    if (ngx_mtls_manager_tables(m, &tables, m->compiler.nmade) != NGX_OK) {
        return ngx_mtls_error(&m->compiler.err, "%s file \"%V\": out of "
                              "memory",
                              ngx_mtls_manager_is_ca(file->source) ? "CA"
                                                                   : "CRL",
                              &file->node.str);
    }

    if (ngx_mtls_manager_place(m, file, &tables, &fresh) != NGX_OK) {
        ngx_mtls_manager_tables_free(&tables);
        return NGX_ERROR;
    }

    if (ngx_mtls_manager_is_ca(file->source)) {

        file->needed = !ngx_mtls_manager_label(m, file,
                                               tables.headers[0].ntrusted);
        if (file->needed) {
            ngx_mtls_manager_unplace(m, file);
            ngx_mtls_manager_tables_free(&tables);
            return NGX_DECLINED;
        }

        news = ngx_mtls_manager_renews(m, file, &tables, fresh);

    } else {

        if (fresh || tables.n != file->tables.n) {
            m->changed = 1;
            ngx_mtls_manager_renew(m);
            ngx_mtls_manager_kept_changed(m, file, &tables);
        }

        news = ngx_mtls_manager_loaded(m, file, &tables);
    }

    if (!news
        && (file->bad || file->gone)
        && m->compiler.used != NGX_MTLS_KEPT_SERVES)
    {
        ngx_mtls_manager_again(m, file);
    }

    ngx_mtls_manager_tables_free(&file->tables);

    file->tables = tables;
    file->good = file->stat;
    file->good_taken = file->taken;
    file->tries = 0;
    file->bad = 0;
    file->gone = 0;
    file->own = 1;

    ngx_mtls_manager_stale(m, file);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_manager_tables(ngx_mtls_manager_t *m,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t n)
{
    u_char  *p;

    p = ngx_calloc(n * (sizeof(ngx_mtls_table_header_t)
                        + sizeof(ngx_mtls_made_t) + 1) + 1, m->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    tables->headers = (ngx_mtls_table_header_t *) p;
    p += n * sizeof(ngx_mtls_table_header_t);

    tables->made = (ngx_mtls_made_t *) p;
    p += n * sizeof(ngx_mtls_made_t);

    tables->stale = p;
    tables->n = 0;
    tables->map = NULL;

    return NGX_OK;
}


void
ngx_mtls_manager_tables_free(ngx_mtls_manager_tables_t *tables)
{
    if (tables->map) {
        ngx_mtls_table_close(tables->map);
    }

    if (tables->headers) {
        ngx_free(tables->headers);
    }
}


/*
 * A table that is already there under its name, which says its content, is
 * not replaced: the manifest that workers may be reading names its hash.
 * All or nothing: where one table cannot be had, no other one stays.
 */

static ngx_int_t
ngx_mtls_manager_place(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t *fresh)
{
    u_char                path[NGX_MAX_PATH];
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    ngx_mtls_made_t      *made;

    made = m->compiler.made;
    rc = NGX_OK;
    *fresh = 0;

    for (i = 0; i < m->compiler.nmade; i++) {

        n = ngx_mtls_manager_find(&file->tables, made[i].name);

        if (n < file->tables.n && file->tables.map) {
            tables->map = ngx_mtls_table_ref(file->tables.map);
        }

        if (n < file->tables.n) {
            tables->headers[i] = file->tables.headers[n];
            tables->made[i] = file->tables.made[n];
            tables->stale[i] = file->tables.stale[n];

            ngx_mtls_manager_path(m, made[i].name, ".tmp", path);
            (void) unlink((char *) path);
            continue;
        }

        rc = ngx_mtls_manager_rename(m, &made[i], tables, i);

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

    ngx_mtls_manager_unplace(m, file);

    return NGX_ERROR;
}


/* removes what the compiler has made, but for what the file has already */

static void
ngx_mtls_manager_unplace(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    u_char            path[NGX_MAX_PATH];
    ngx_uint_t        i;
    ngx_mtls_made_t  *made;

    made = m->compiler.made;

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
}


/* tables of CAs stay mapped: CRLs are verified with what they say */

static ngx_int_t
ngx_mtls_manager_rename(ngx_mtls_manager_t *m, ngx_mtls_made_t *made,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t n)
{
    u_char             path[NGX_MAX_PATH], temp[NGX_MAX_PATH];
    ngx_str_t          name;
    ngx_mtls_zone_t   *zone;
    ngx_mtls_table_t  *table;

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

    table = ngx_mtls_table_open(&name, zone->run_id, made->hash,
                                &m->compiler.err);
    if (table == NULL) {
        return NGX_ERROR;
    }

    tables->headers[n] = *table->header;

    if (table->header->kind == NGX_MTLS_TABLE_CA && tables->map == NULL) {
        tables->map = table;
        return NGX_OK;
    }

    ngx_mtls_table_close(table);

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


/* says which CRLs are new; one that was only verified anew is not */

static ngx_uint_t
ngx_mtls_manager_loaded(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file,
    ngx_mtls_manager_tables_t *tables)
{
    ngx_uint_t  i, j, news;

    news = 0;

    for (i = 0; i < tables->n; i++) {

        for (j = 0; j < file->tables.n; j++) {
            if (ngx_memcmp(tables->headers[i].source_hash,
                           file->tables.headers[j].source_hash,
                           NGX_MTLS_HASH_LEN)
                == 0)
            {
                break;
            }
        }

        if (j == file->tables.n) {
            ngx_mtls_manager_loaded_crl(m, file, &tables->headers[i]);
            news = 1;
        }
    }

    return news;
}


static void
ngx_mtls_manager_again(ngx_mtls_manager_t *m, ngx_mtls_manager_file_t *file)
{
    if (ngx_mtls_manager_is_ca(file->source)) {
        ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                      "mtls_ca: CA file \"%V\" is good again",
                      &file->node.str);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                  "mtls_crl: CRL file \"%V\" is good again",
                  &file->node.str);
}


static void
ngx_mtls_manager_loaded_crl(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_table_header_t *header)
{
    u_char  number[NGX_MTLS_MANAGER_TEXT], next[NGX_MTLS_MANAGER_TEXT];

    ngx_mtls_manager_number(number, header);

    if (header->flags & NGX_MTLS_CRL_NO_NEXT) {
        (void) ngx_cpystrn(next, (u_char *) "none", sizeof(next));

    } else {
        ngx_mtls_manager_time(next, header->next_update);
    }

    ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                  "mtls_crl: loaded %sCRL file \"%V\": %uL entries, "
                  "CRL number %s, next update %s",
                  m->compiler.used == NGX_MTLS_KEPT_SERVES ? "what is kept of "
                                                           : "",
                  &file->node.str, header->nrecords, number, next);
}


void
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


void
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
    time_t                    now;
    u_char                    next[NGX_MTLS_MANAGER_TEXT];
    u_char                   *stale;
    ngx_uint_t                i;
    ngx_mtls_table_header_t  *header;

    now = ngx_time();

    if (ngx_mtls_manager_is_ca(file->source)) {
        return;
    }

    for (i = 0; i < file->tables.n; i++) {
        header = &file->tables.headers[i];
        stale = &file->tables.stale[i];

        if (*stale == NGX_MTLS_MANAGER_EXPIRED
            || (header->flags & NGX_MTLS_CRL_NO_NEXT)
            || header->next_update > now)
        {
            continue;
        }

        ngx_mtls_manager_time(next, header->next_update);

        if (now - header->next_update >= file->source->conf->grace) {
            *stale = NGX_MTLS_MANAGER_EXPIRED;

            ngx_log_error(NGX_LOG_ERR, m->log, 0,
                          "mtls_crl: CRL file \"%V\" is too old: its next "
                          "update was due %s; what it lists stays revoked, "
                          "the other certificates of its CA are now "
                          "\"unknown\"", &file->node.str, next);
            continue;
        }

        if (*stale == NGX_MTLS_MANAGER_STALE) {
            continue;
        }

        *stale = NGX_MTLS_MANAGER_STALE;

        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_crl: CRL file \"%V\" is stale: its next update "
                      "was due %s; it counts for another %T s",
                      &file->node.str, next,
                      (time_t) (file->source->conf->grace
                                - (now - header->next_update)));
    }
}
