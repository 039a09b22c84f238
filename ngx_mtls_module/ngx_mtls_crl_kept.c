
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Kept CRLs in place of a file that is refused, and what is to be kept of one
 * that was accepted.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>
#include <ngx_mtls_kept.h>


static ngx_uint_t ngx_mtls_crl_kept_same(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_kept_t *kept);
static ngx_uint_t ngx_mtls_crl_kept_newer(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_kept_t *kept);
static ngx_int_t ngx_mtls_crl_kept_load(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_kept_verify(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_kept_t *kept);
static ngx_int_t ngx_mtls_crl_kept_compare(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_batch_t *kept);
static void ngx_mtls_crl_kept_bad(ngx_mtls_crl_batch_t *batch, ngx_int_t rc,
    ngx_mtls_error_t *cause);
static ngx_int_t ngx_mtls_crl_keep_needed(ngx_mtls_job_t *job,
    ngx_pool_t *pool);
static ngx_uint_t ngx_mtls_crl_keep_same(ngx_mtls_job_t *job,
    ngx_mtls_kept_t *kept);
static ngx_uint_t ngx_mtls_crl_keep_later(ngx_mtls_job_t *job,
    ngx_pool_t *pool, ngx_mtls_kept_t *kept);
static ngx_uint_t ngx_mtls_crl_keep_older(ngx_mtls_job_t *job,
    ngx_mtls_table_header_t *header);
static ngx_int_t ngx_mtls_crl_keep_split(ngx_mtls_job_t *job,
    ngx_pool_t *pool, ngx_mtls_crl_file_t *file, ngx_mtls_kept_t *kept,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_keep_blocks(ngx_mtls_job_t *job,
    ngx_pool_t *pool, ngx_mtls_crl_file_t *file, ngx_mtls_kept_t *kept,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_keep_crl(ngx_mtls_job_t *job, u_char *der,
    size_t len, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_keep_certs(ngx_pool_t *pool, u_char *data,
    size_t len, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err);
static ngx_mtls_table_header_t *ngx_mtls_crl_keep_find(ngx_mtls_job_t *job,
    u_char *hash);


ngx_int_t
ngx_mtls_crl_kept(ngx_mtls_crl_batch_t *batch, ngx_mtls_crl_batch_t *kept,
    ngx_int_t rc)
{
    ngx_int_t              found;
    ngx_mtls_job_t        *job;
    ngx_mtls_kept_t        head;
    ngx_mtls_error_t       cause, retired;
    ngx_mtls_crl_batch_t   refused;

    job = batch->job;
    cause.len = 0;

    if (rc == NGX_OK) {

        /* what is kept is read only where it may be later */

        found = ngx_mtls_kept_read(&job->kept, &job->path, 1, batch->pool,
                                   &head, &cause);

        if (found == NGX_OK && ngx_mtls_crl_kept_same(batch, &head)) {
            job->used = NGX_MTLS_KEPT_SAME;
            found = NGX_DECLINED;

        } else if (found == NGX_OK && !ngx_mtls_crl_kept_newer(batch, &head)) {
            found = NGX_DECLINED;
        }

        ngx_mtls_kept_free(&head);

    } else {
        ngx_mtls_crl_file_free(&batch->file);
        found = NGX_OK;
    }

    if (found == NGX_OK) {
        found = ngx_mtls_crl_kept_load(kept, &cause);
    }

    if (found == NGX_OK && rc == NGX_OK) {
        rc = ngx_mtls_crl_kept_compare(batch, kept);

        if (rc == NGX_OK) {
            return NGX_OK;
        }
    }

    if (found == NGX_OK && kept->retired) {
        (void) ngx_mtls_error(&retired, "a later list was in force, of which"
                              " there was no time or room to keep it");
        ngx_mtls_kept_unused(&job->kept, &job->path, &retired, &cause);
        found = NGX_ABORT;
    }

    switch (found) {

    case NGX_OK:
        job->used = NGX_MTLS_KEPT_SERVES;

        refused = *batch;
        *batch = *kept;
        *kept = refused;

        batch->err = refused.err;

        return NGX_OK;

    case NGX_DECLINED:
        return rc;

    case NGX_ABORT:
        ngx_mtls_crl_kept_bad(batch, rc, &cause);
        return rc;

    default: /* NGX_ERROR */
        *batch->err = cause;
        return NGX_ERROR;
    }
}


/* whether it is kept already, and that serves */

static ngx_uint_t
ngx_mtls_crl_kept_same(ngx_mtls_crl_batch_t *batch, ngx_mtls_kept_t *kept)
{
    ngx_uint_t            i, j, n;
    ngx_mtls_crl_item_t  *item;

    if (kept->retired) {
        return 0;
    }

    item = batch->items.elts;
    n = 0;

    for (i = 0; i < batch->items.nelts; i++) {

        if (item[i].superseded) {
            continue;
        }

        for (j = 0; j < kept->ncrls; j++) {

            if (ngx_memcmp(item[i].crl.header.source_hash,
                           kept->crls[j].header.source_hash,
                           NGX_MTLS_HASH_LEN)
                == 0)
            {
                break;
            }
        }

        if (j == kept->ncrls) {
            return 0;
        }

        n++;
    }

    return n == kept->ncrls;
}


/* whether something kept is later than something of the file */

static ngx_uint_t
ngx_mtls_crl_kept_newer(ngx_mtls_crl_batch_t *batch, ngx_mtls_kept_t *kept)
{
    ngx_uint_t            i, j;
    ngx_mtls_crl_item_t  *item;

    item = batch->items.elts;

    for (i = 0; i < batch->items.nelts; i++) {

        for (j = 0; j < kept->ncrls; j++) {

            if (!item[i].superseded
                && ngx_mtls_crl_older(&item[i].crl.header,
                                      &kept->crls[j].header))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* as ngx_mtls_kept_read(); NGX_ABORT also for what does not verify */

static ngx_int_t
ngx_mtls_crl_kept_load(ngx_mtls_crl_batch_t *batch, ngx_mtls_error_t *err)
{
    ngx_int_t          rc;
    ngx_mtls_job_t    *job;
    ngx_mtls_kept_t    kept;
    ngx_mtls_error_t   cause;

    job = batch->job;

    rc = ngx_mtls_kept_read(&job->kept, &job->path, 0, batch->pool, &kept,
                            err);
    if (rc != NGX_OK) {
        return rc;
    }

    /* freed with the batch */

    batch->file.data = kept.data;
    batch->retired = kept.retired;
    batch->err = &cause;

    rc = ngx_mtls_crl_kept_verify(batch, &kept);

    if (rc == NGX_OK) {
        job->kept_time = kept.time;
        return NGX_OK;
    }

    ngx_mtls_kept_unused(&job->kept, &job->path, &cause, err);

    return rc == NGX_DECLINED ? NGX_ABORT : NGX_ERROR;
}


/* what was good once: by whom it was signed is asked again, of today's trust */

static ngx_int_t
ngx_mtls_crl_kept_verify(ngx_mtls_crl_batch_t *batch, ngx_mtls_kept_t *kept)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_mtls_error_t  err, *cause;

    /* without the file of issuer= the signer may be known all the same */

    cause = batch->err;
    batch->err = &err;
    (void) ngx_mtls_crl_issuer(batch);
    batch->err = cause;

    for (i = 0; i < kept->ncerts; i++) {

        rc = ngx_mtls_crl_certs(batch, kept->certs[i].data,
                                kept->certs[i].len);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < kept->ncrls; i++) {

        rc = ngx_mtls_crl_item(batch, kept->crls[i].der.data,
                               kept->crls[i].der.len, 0);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_mtls_crl_batch_verify(batch);
}


/* NGX_DECLINED: the file is a step back */

static ngx_int_t
ngx_mtls_crl_kept_compare(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_batch_t *kept)
{
    ngx_uint_t            i, j;
    ngx_mtls_crl_item_t  *item, *old;

    item = batch->items.elts;
    old = kept->items.elts;

    for (i = 0; i < batch->items.nelts; i++) {

        for (j = 0; j < kept->items.nelts; j++) {

            if (!item[i].superseded
                && ngx_mtls_crl_older(&item[i].crl.header,
                                      &old[j].crl.header))
            {
                return ngx_mtls_crl_too_old(batch, &item[i],
                                            &old[j].crl.header, "kept");
            }
        }
    }

    return NGX_OK;
}


static void
ngx_mtls_crl_kept_bad(ngx_mtls_crl_batch_t *batch, ngx_int_t rc,
    ngx_mtls_error_t *cause)
{
    u_char            *p;
    ngx_mtls_error_t  *err;

    batch->job->used = NGX_MTLS_KEPT_BAD;
    err = batch->err;

    if (rc == NGX_OK) {
        *err = *cause;
        return;
    }

    p = ngx_slprintf(err->text + err->len, err->text + sizeof(err->text),
                     "; %*s", cause->len, cause->text);

    err->len = p - err->text;
}


ngx_int_t
ngx_mtls_crl_keep(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_error_t *err)
{
    ngx_int_t            rc;
    ngx_mtls_kept_t      kept;
    ngx_mtls_crl_file_t  file;

    if (ngx_mtls_crl_keep_needed(job, pool) == NGX_DECLINED) {
        return NGX_OK;
    }

    rc = ngx_mtls_crl_file_read(&job->path, NGX_MTLS_CRL_SIZE_MAX, &file, err);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&kept, sizeof(ngx_mtls_kept_t));

    kept.path = job->path;
    kept.time = ngx_time();
    kept.crls = ngx_pcalloc(pool, job->nloaded * sizeof(ngx_mtls_kept_crl_t));
    kept.certs = ngx_pcalloc(pool, NGX_MTLS_KEPT_MAX * sizeof(ngx_str_t));

    if (kept.crls == NULL || kept.certs == NULL) {
        rc = ngx_mtls_error(err, "out of memory");

    } else {
        rc = ngx_mtls_crl_keep_split(job, pool, &file, &kept, err);
    }

    if (rc == NGX_OK && kept.ncrls != job->nloaded) {
        rc = ngx_mtls_crl_refuse(err, "it has changed");
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_kept_write(&job->kept, job->run_id, &kept, err);
    }

    ngx_mtls_crl_file_free(&file);

    return rc;
}


/* NGX_DECLINED: what is there is as good */

static ngx_int_t
ngx_mtls_crl_keep_needed(ngx_mtls_job_t *job, ngx_pool_t *pool)
{
    ngx_uint_t        good;
    ngx_mtls_kept_t   kept;
    ngx_mtls_error_t  err;

    if (ngx_mtls_kept_read(&job->kept, &job->path, 0, pool, &kept, &err)
        != NGX_OK)
    {
        return NGX_OK;
    }

    good = (!kept.retired && ngx_mtls_crl_keep_same(job, &kept))
           || ngx_mtls_crl_keep_later(job, pool, &kept);

    ngx_mtls_kept_free(&kept);

    return good ? NGX_DECLINED : NGX_OK;
}


static ngx_uint_t
ngx_mtls_crl_keep_same(ngx_mtls_job_t *job, ngx_mtls_kept_t *kept)
{
    u_char       hash[NGX_MTLS_HASH_LEN];
    ngx_str_t   *der;
    ngx_uint_t   i;

    if (kept->ncrls != job->nloaded) {
        return 0;
    }

    for (i = 0; i < kept->ncrls; i++) {
        der = &kept->crls[i].der;

        if (ngx_mtls_sha256(der->data, der->len, hash) != NGX_OK
            || ngx_memcmp(hash, kept->crls[i].header.source_hash,
                          NGX_MTLS_HASH_LEN)
               != 0
            || ngx_mtls_crl_keep_find(job, hash) == NULL)
        {
            return 0;
        }
    }

    return 1;
}


/* of another instance, whose file has the same path and a later list */

static ngx_uint_t
ngx_mtls_crl_keep_later(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_kept_t *kept)
{
    ngx_uint_t             i, later;
    ngx_mtls_error_t       err;
    ngx_mtls_crl_item_t   *item;
    ngx_mtls_crl_batch_t   batch;

    for (i = 0; i < kept->ncrls; i++) {
        if (ngx_mtls_crl_keep_older(job, &kept->crls[i].header)) {
            break;
        }
    }

    if (i == kept->ncrls) {
        return 0;
    }

    later = 0;

    if (ngx_mtls_crl_batch_init(&batch, job, pool, &err) == NGX_OK
        && ngx_mtls_crl_kept_verify(&batch, kept) == NGX_OK)
    {
        item = batch.items.elts;

        for (i = 0; i < batch.items.nelts; i++) {
            later |= ngx_mtls_crl_keep_older(job, &item[i].crl.header);
        }
    }

    ngx_mtls_crl_batch_free(&batch);

    return later;
}


/* whether one of the tables is older */

static ngx_uint_t
ngx_mtls_crl_keep_older(ngx_mtls_job_t *job, ngx_mtls_table_header_t *header)
{
    ngx_uint_t  i;

    for (i = 0; i < job->nloaded; i++) {
        if (ngx_mtls_crl_older(&job->loaded[i], header)) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_mtls_crl_keep_split(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_crl_file_t *file, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    ngx_uint_t      tag;
    ngx_mtls_der_t  d, value;

    if (!ngx_mtls_crl_file_is_der(file)) {
        return ngx_mtls_crl_keep_blocks(job, pool, file, kept, err);
    }

    ngx_mtls_der_set(&d, file->data, file->len);

    if (ngx_mtls_der_any(&d, &tag, &value, NULL) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "it has changed");
    }

    return ngx_mtls_crl_keep_crl(job, file->data, d.pos - file->data, kept,
                                 err);
}


static ngx_int_t
ngx_mtls_crl_keep_blocks(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_crl_file_t *file, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    u_char              *pos, *last;
    size_t               len;
    ngx_int_t            rc;
    ngx_mtls_crl_pem_t   pem;

    pos = file->data;
    last = pos + file->len;

    ngx_memzero(&pem, sizeof(ngx_mtls_crl_pem_t));

    for ( ;; ) {
        rc = ngx_mtls_crl_pem_next(&pos, last, &pem, err);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc == NGX_OK && pem.kind == NGX_MTLS_CRL_PEM_CERT) {
            rc = ngx_mtls_crl_keep_certs(pool, pem.block, pos - pem.block,
                                         kept, err);

        } else if (rc == NGX_OK && pem.kind == NGX_MTLS_CRL_PEM_CRL) {
            rc = ngx_mtls_crl_pem_decode(&pem, NGX_MTLS_CRL_SIZE_MAX, &len,
                                         err);

            if (rc == NGX_OK) {
                rc = ngx_mtls_crl_keep_crl(job, pem.body, len, kept, err);
            }
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


/* one of which there is a table: not one that was superseded in the file */

static ngx_int_t
ngx_mtls_crl_keep_crl(ngx_mtls_job_t *job, u_char *der, size_t len,
    ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    u_char                    hash[NGX_MTLS_HASH_LEN];
    ngx_uint_t                i;
    ngx_mtls_kept_crl_t      *crl;
    ngx_mtls_table_header_t  *header;

    if (ngx_mtls_sha256(der, len, hash) != NGX_OK) {
        return ngx_mtls_error(err, "cannot hash");
    }

    header = ngx_mtls_crl_keep_find(job, hash);

    if (header == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < kept->ncrls; i++) {

        if (ngx_memcmp(kept->crls[i].header.source_hash, hash,
                       NGX_MTLS_HASH_LEN)
            == 0)
        {
            return NGX_OK;
        }
    }

    if (kept->ncrls == job->nloaded) {
        return NGX_OK;
    }

    crl = &kept->crls[kept->ncrls++];

    crl->der.data = der;
    crl->der.len = len;
    crl->header = *header;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_crl_keep_certs(ngx_pool_t *pool, u_char *data, size_t len,
    ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    int              n;
    X509            *x509;
    u_char          *p;
    ngx_int_t        rc;
    ngx_str_t       *der;
    STACK_OF(X509)  *certs;

    rc = ngx_mtls_ca_read(data, len, &certs, err);
    if (rc != NGX_OK) {
        return rc;
    }

    while (rc == NGX_OK && (x509 = sk_X509_shift(certs)) != NULL) {

        n = i2d_X509(x509, NULL);
        p = n > 0 ? ngx_pnalloc(pool, n) : NULL;

        if (p == NULL) {
            rc = ngx_mtls_error(err, "out of memory");

        } else if (kept->ncerts == NGX_MTLS_KEPT_MAX) {
            rc = ngx_mtls_crl_refuse(err, "it has changed");

        } else {
            der = &kept->certs[kept->ncerts++];
            der->data = p;
            der->len = n;

            (void) i2d_X509(x509, &p);
        }

        X509_free(x509);
    }

    sk_X509_pop_free(certs, X509_free);

    return rc;
}


static ngx_mtls_table_header_t *
ngx_mtls_crl_keep_find(ngx_mtls_job_t *job, u_char *hash)
{
    ngx_uint_t  i;

    for (i = 0; i < job->nloaded; i++) {

        if (ngx_memcmp(job->loaded[i].source_hash, hash, NGX_MTLS_HASH_LEN)
            == 0)
        {
            return &job->loaded[i];
        }
    }

    return NULL;
}
