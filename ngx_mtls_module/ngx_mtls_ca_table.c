
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * From a CA file to its table, in the compiler's child.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_table.h>
#include <ngx_mtls_table_record.h>


static ngx_int_t ngx_mtls_ca_table_head(ngx_mtls_job_t *job,
    ngx_mtls_ca_list_t *list, ngx_mtls_table_header_t *header,
    ngx_mtls_made_t *made);
static ngx_int_t ngx_mtls_ca_table_write(ngx_mtls_job_t *job,
    ngx_mtls_made_t *made, ngx_mtls_table_header_t *header,
    ngx_mtls_ca_list_t *list, ngx_pool_t *pool, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_table_put(ngx_fd_t fd, const void *data,
    size_t len, off_t offset);


ngx_int_t
ngx_mtls_ca_compile(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_made_t **made, ngx_uint_t *nmade, ngx_mtls_error_t *err)
{
    u_char                   text[NGX_MAX_CONF_ERRSTR];
    size_t                   len;
    ngx_int_t                rc;
    ngx_mtls_ca_list_t       list;
    ngx_mtls_table_header_t  header;

    *nmade = 0;

    *made = ngx_pcalloc(pool, sizeof(ngx_mtls_made_t));
    if (*made == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    rc = ngx_mtls_ca_file_list(&job->path, job->partial, pool, &list, err);

    if (rc != NGX_OK) {
        len = ngx_min(err->len, sizeof(text));
        ngx_memcpy(text, err->text, len);
        (void) ngx_mtls_error(err, "CA file \"%V\": %*s", &job->path, len,
                              text);
        return rc;
    }

    if (ngx_mtls_ca_table_head(job, &list, &header, *made) != NGX_OK) {
        return ngx_mtls_error(err, "cannot hash CA file \"%V\"", &job->path);
    }

    if (ngx_mtls_ca_table_write(job, *made, &header, &list, pool, err)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    *nmade = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_table_head(ngx_mtls_job_t *job, ngx_mtls_ca_list_t *list,
    ngx_mtls_table_header_t *header, ngx_mtls_made_t *made)
{
    u_char      name[NGX_MTLS_HASH_LEN], keys[2][NGX_MTLS_HASH_LEN];
    ngx_uint_t  i;

    ngx_memzero(header, sizeof(ngx_mtls_table_header_t));

    ngx_memcpy(header->magic, NGX_MTLS_TABLE_MAGIC, sizeof(header->magic));
    ngx_memcpy(header->run_id, job->run_id, NGX_MTLS_RUN_ID_LEN);
    ngx_memcpy(header->source_key, job->source_key, NGX_MTLS_HASH_LEN);

    header->version = NGX_MTLS_TABLE_VERSION;
    header->kind = NGX_MTLS_TABLE_CA;
    header->hashes = sizeof(ngx_mtls_table_header_t);
    header->records = ngx_mtls_table_align(header->hashes);
    header->record_size = sizeof(ngx_mtls_ca_record_t);
    header->nrecords = list->n;
    header->size = header->records + list->size;

    for (i = 0; i < list->n; i++) {
        header->ntrusted += list->records[i].anchor;
    }

    /* what is trusted is bound to the header, and so to the manifest */

    if (ngx_mtls_sha256(list->records, list->size, header->source_hash)
        != NGX_OK
        || ngx_mtls_sha256(list->records,
                           list->n * sizeof(ngx_mtls_ca_record_t),
                           header->issuer)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(keys[0], header->source_key, NGX_MTLS_HASH_LEN);
    ngx_memcpy(keys[1], header->source_hash, NGX_MTLS_HASH_LEN);

    if (ngx_mtls_sha256(keys, sizeof(keys), name) != NGX_OK) {
        return NGX_ERROR;
    }

    *ngx_hex_dump(made->name, name, NGX_MTLS_HASH_LEN) = '\0';

    return ngx_mtls_sha256(header, sizeof(ngx_mtls_table_header_t),
                           made->hash);
}


static ngx_int_t
ngx_mtls_ca_table_write(ngx_mtls_job_t *job, ngx_mtls_made_t *made,
    ngx_mtls_table_header_t *header, ngx_mtls_ca_list_t *list,
    ngx_pool_t *pool, ngx_mtls_error_t *err)
{
    u_char     *path;
    ngx_fd_t    fd;
    ngx_err_t   error;

    path = ngx_pnalloc(pool, job->dir.len + sizeof("/.tmp")
                             + sizeof(made->name));
    if (path == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    (void) ngx_sprintf(path, "%V/%s.tmp%Z", &job->dir, made->name);

    /* a compiler that was killed may have left one */

    (void) unlink((char *) path);

    fd = open((char *) path, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC,
              0600);
    if (fd == -1) {
        return ngx_mtls_error(err, "CA file \"%V\": cannot create \"%s\" "
                              "(%d: %s)", &job->path, path, ngx_errno,
                              strerror(ngx_errno));
    }

    error = 0;

    if (ngx_mtls_ca_table_put(fd, header, sizeof(ngx_mtls_table_header_t), 0)
        != NGX_OK
        || ngx_mtls_ca_table_put(fd, list->records, list->size,
                                 header->records)
           != NGX_OK
        || fsync(fd) == -1)
    {
        error = ngx_errno;
    }

    if (close(fd) == -1 && error == 0) {
        error = ngx_errno;
    }

    if (error == 0) {
        return NGX_OK;
    }

    (void) unlink((char *) path);

    return ngx_mtls_error(err, "CA file \"%V\": cannot write \"%s\" (%d: %s)",
                          &job->path, path, error, strerror(error));
}


static ngx_int_t
ngx_mtls_ca_table_put(ngx_fd_t fd, const void *data, size_t len, off_t offset)
{
    ssize_t        n;
    const u_char  *p;

    for (p = data; len; p += n, len -= n, offset += n) {
        n = pwrite(fd, p, len, offset);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
