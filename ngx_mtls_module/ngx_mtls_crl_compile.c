
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * From a CRL file to tables: read once, verified, written.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>


/* the entries of a CRL, for the table */
typedef struct {
    ngx_mtls_crl_t                *crl;
    ngx_mtls_der_t                 rest;
    ngx_mtls_error_t              *err;
} ngx_mtls_crl_entries_t;


/* text of an age: some words and at most 21 octets in hexadecimal */
#define NGX_MTLS_CRL_AGE_LEN       64


static ngx_uint_t ngx_mtls_crl_may_keep(ngx_mtls_job_t *job, ngx_int_t rc);
static ngx_int_t ngx_mtls_crl_source(ngx_mtls_crl_batch_t *batch);
static ngx_int_t ngx_mtls_crl_split(ngx_mtls_crl_batch_t *batch);
static ngx_int_t ngx_mtls_crl_blocks(ngx_mtls_crl_batch_t *batch);
static ngx_int_t ngx_mtls_crl_item_verify(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_item_t *item);
static ngx_int_t ngx_mtls_crl_ages(ngx_mtls_crl_batch_t *batch);
static ngx_int_t ngx_mtls_crl_rollback(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_item_t *item);
static ngx_int_t ngx_mtls_crl_remedy(ngx_mtls_crl_batch_t *batch);
static u_char *ngx_mtls_crl_age(u_char *p, u_char *last,
    ngx_mtls_table_header_t *header, ngx_uint_t numbers);
static ngx_int_t ngx_mtls_crl_tables(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_made_t **made, ngx_uint_t *nmade);
static ngx_int_t ngx_mtls_crl_table(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_item_t *item, ngx_mtls_made_t *made);
static ngx_int_t ngx_mtls_crl_next(void *data,
    ngx_mtls_table_record_t *record);


ngx_int_t
ngx_mtls_crl_compile(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_made_t **made, ngx_uint_t *nmade, ngx_mtls_error_t *err)
{
    ngx_int_t              rc;
    ngx_mtls_crl_batch_t   batch, kept;

    *made = NULL;
    *nmade = 0;

    job->used = NGX_MTLS_KEPT_UNUSED;

    rc = ngx_mtls_crl_batch_init(&batch, job, pool, err);

    if (ngx_mtls_crl_batch_init(&kept, job, pool, err) != NGX_OK) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_crl_source(&batch);
    }

    if (ngx_mtls_crl_may_keep(job, rc)) {
        rc = ngx_mtls_crl_kept(&batch, &kept, rc);
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_crl_tables(&batch, made, nmade);
    }

    if (rc != NGX_OK
        || job->used == NGX_MTLS_KEPT_SERVES
        || job->used == NGX_MTLS_KEPT_BAD)
    {
        ngx_mtls_crl_within(err, "CRL file \"%V\": ", &job->path);
    }

    ngx_mtls_crl_batch_free(&batch);
    ngx_mtls_crl_batch_free(&kept);

    return rc;
}


/* a file has tables, but under today's trust they may not be good any more */

static ngx_uint_t
ngx_mtls_crl_may_keep(ngx_mtls_job_t *job, ngx_int_t rc)
{
    if (rc == NGX_ERROR || job->kept.len == 0) {
        return 0;
    }

    return job->nloaded == 0
           || (rc == NGX_DECLINED
               && ngx_memcmp(job->loaded->trust, ngx_mtls_ca_digest(job->ca),
                             NGX_MTLS_HASH_LEN)
                  != 0);
}


ngx_int_t
ngx_mtls_crl_batch_init(ngx_mtls_crl_batch_t *batch, ngx_mtls_job_t *job,
    ngx_pool_t *pool, ngx_mtls_error_t *err)
{
    ngx_memzero(batch, sizeof(ngx_mtls_crl_batch_t));

    batch->job = job;
    batch->pool = pool;
    batch->err = err;

    batch->certs = sk_X509_new_null();

    if (batch->certs == NULL
        || ngx_array_init(&batch->items, pool, 1, sizeof(ngx_mtls_crl_item_t))
           != NGX_OK)
    {
        return ngx_mtls_error(err, "out of memory");
    }

    return NGX_OK;
}


void
ngx_mtls_crl_batch_free(ngx_mtls_crl_batch_t *batch)
{
    sk_X509_pop_free(batch->certs, X509_free);
    ngx_mtls_crl_file_free(&batch->file);
}


/* everything but the writing */

static ngx_int_t
ngx_mtls_crl_source(ngx_mtls_crl_batch_t *batch)
{
    ngx_int_t  rc;

    rc = ngx_mtls_crl_file_read(&batch->job->path, NGX_MTLS_CRL_SIZE_MAX,
                                &batch->file, batch->err);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mtls_crl_issuer(batch);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mtls_crl_split(batch);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_mtls_crl_batch_verify(batch);
}


ngx_int_t
ngx_mtls_crl_batch_verify(ngx_mtls_crl_batch_t *batch)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_mtls_crl_item_t  *item;

    item = batch->items.elts;

    for (i = 0; i < batch->items.nelts; i++) {

        rc = ngx_mtls_crl_item_verify(batch, &item[i]);

        if (rc != NGX_OK) {

            if (batch->items.nelts > 1 && item[i].block) {
                ngx_mtls_crl_within(batch->err, "PEM block %ui: ",
                                    item[i].block);
            }

            return rc;
        }
    }

    return ngx_mtls_crl_ages(batch);
}


/* the CRLs of the file, and the certificates beside them */

static ngx_int_t
ngx_mtls_crl_split(ngx_mtls_crl_batch_t *batch)
{
    size_t           len;
    ngx_uint_t       tag;
    ngx_mtls_der_t   d, value;

    len = batch->file.len;

    if (!ngx_mtls_crl_file_is_der(&batch->file)) {
        return ngx_mtls_crl_blocks(batch);
    }

    /* a newline that some tool has added */

    ngx_mtls_der_set(&d, batch->file.data, len);

    if (ngx_mtls_der_any(&d, &tag, &value, NULL) == NGX_OK
        && ngx_mtls_der_len(&d) == 1
        && *d.pos == LF)
    {
        len--;
    }

    return ngx_mtls_crl_item(batch, batch->file.data, len, 0);
}


static ngx_int_t
ngx_mtls_crl_blocks(ngx_mtls_crl_batch_t *batch)
{
    u_char              *pos, *last;
    size_t               len;
    ngx_int_t            rc;
    ngx_uint_t           ncerts;
    ngx_mtls_crl_pem_t   pem;

    pos = batch->file.data;
    last = pos + batch->file.len;
    ncerts = 0;

    ngx_memzero(&pem, sizeof(ngx_mtls_crl_pem_t));

    for ( ;; ) {
        rc = ngx_mtls_crl_pem_next(&pos, last, &pem, batch->err);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (pem.kind == NGX_MTLS_CRL_PEM_CERT) {

            if (ncerts++ == NGX_MTLS_CRL_FILE_MAX) {
                return ngx_mtls_crl_refuse(batch->err, "more than %d"
                                           " certificates",
                                           NGX_MTLS_CRL_FILE_MAX);
            }

            rc = ngx_mtls_crl_certs(batch, pem.block, pos - pem.block);

        } else if (pem.kind == NGX_MTLS_CRL_PEM_CRL) {

            if (batch->items.nelts == NGX_MTLS_CRL_FILE_MAX) {
                return ngx_mtls_crl_refuse(batch->err, "more than %d CRLs",
                                           NGX_MTLS_CRL_FILE_MAX);
            }

            /* it is shorter than its text, whose place it takes */

            rc = ngx_mtls_crl_pem_decode(&pem, NGX_MTLS_CRL_SIZE_MAX, &len,
                                         batch->err);

            if (rc == NGX_OK) {
                rc = ngx_mtls_crl_item(batch, pem.body, len, pem.number);
            }
        }

        if (rc != NGX_OK) {
            ngx_mtls_crl_within(batch->err, "PEM block %ui: ", pem.number);
            return rc;
        }
    }

    if (batch->items.nelts == 0) {
        return ngx_mtls_crl_none(batch->err);
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_crl_item(ngx_mtls_crl_batch_t *batch, u_char *der, size_t len,
    ngx_uint_t block)
{
    ngx_mtls_crl_item_t  *item;

    item = ngx_array_push(&batch->items);
    if (item == NULL) {
        return ngx_mtls_error(batch->err, "out of memory");
    }

    ngx_memzero(item, sizeof(ngx_mtls_crl_item_t));

    item->block = block;

    return ngx_mtls_crl_parse(batch->pool, der, len, &item->crl, batch->err);
}


/* issuer=FILE */

ngx_int_t
ngx_mtls_crl_issuer(ngx_mtls_crl_batch_t *batch)
{
    ngx_int_t            rc;
    ngx_mtls_crl_file_t  file;

    if (batch->job->issuer.len == 0) {
        return NGX_OK;
    }

    rc = ngx_mtls_crl_file_read(&batch->job->issuer, NGX_MTLS_CRL_SIZE_MAX,
                                &file, batch->err);

    if (rc == NGX_OK) {
        rc = ngx_mtls_crl_certs(batch, file.data, file.len);
        ngx_mtls_crl_file_free(&file);
    }

    if (rc != NGX_OK) {
        ngx_mtls_crl_within(batch->err, "issuer file \"%V\": ",
                            &batch->job->issuer);
    }

    return rc;
}


ngx_int_t
ngx_mtls_crl_certs(ngx_mtls_crl_batch_t *batch, u_char *data, size_t len)
{
    X509            *x509;
    ngx_int_t        rc;
    STACK_OF(X509)  *certs;

    rc = ngx_mtls_ca_read(data, len, &certs, batch->err);
    if (rc != NGX_OK) {
        return rc;
    }

    while (rc == NGX_OK && (x509 = sk_X509_shift(certs)) != NULL) {

        if (sk_X509_push(batch->certs, x509) == 0) {
            X509_free(x509);
            rc = ngx_mtls_error(batch->err, "out of memory");
        }
    }

    sk_X509_pop_free(certs, X509_free);

    return rc;
}


static ngx_int_t
ngx_mtls_crl_item_verify(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_item_t *item)
{
    ngx_mtls_der_t           *der;
    ngx_mtls_table_header_t  *header;

    der = &item->crl.der;
    header = &item->crl.header;

    ngx_memcpy(header->run_id, batch->job->run_id, NGX_MTLS_RUN_ID_LEN);
    ngx_memcpy(header->source_key, batch->job->source_key, NGX_MTLS_HASH_LEN);
    ngx_memcpy(header->trust, ngx_mtls_ca_digest(batch->job->ca),
               NGX_MTLS_HASH_LEN);

    if (ngx_mtls_sha256(der->pos, ngx_mtls_der_len(der), header->source_hash)
        != NGX_OK)
    {
        return ngx_mtls_error(batch->err, "cannot hash");
    }

    return ngx_mtls_crl_signer(&item->crl, batch->job->ca, batch->certs,
                               batch->pool, &item->anchors, &item->nanchors,
                               batch->err);
}


/* drops what is superseded inside the file, refuses what is a step back */

static ngx_int_t
ngx_mtls_crl_ages(ngx_mtls_crl_batch_t *batch)
{
    ngx_int_t             rc;
    ngx_uint_t            i, j, n;
    ngx_mtls_crl_item_t  *item;

    item = batch->items.elts;
    n = batch->items.nelts;

    for (i = 0; i < n; i++) {

        for (j = 0; j < n; j++) {

            if (ngx_mtls_crl_older(&item[i].crl.header, &item[j].crl.header)
                || (j < i
                    && ngx_memcmp(item[i].crl.header.source_hash,
                                  item[j].crl.header.source_hash,
                                  NGX_MTLS_HASH_LEN)
                       == 0))
            {
                item[i].superseded = 1;
                break;
            }
        }
    }

    for (i = 0; i < n; i++) {

        if (item[i].superseded) {
            continue;
        }

        rc = ngx_mtls_crl_rollback(batch, &item[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_crl_rollback(ngx_mtls_crl_batch_t *batch, ngx_mtls_crl_item_t *item)
{
    ngx_uint_t                i;
    ngx_mtls_table_header_t  *loaded;

    for (i = 0; i < batch->job->nloaded; i++) {
        loaded = &batch->job->loaded[i];

        if (ngx_mtls_crl_older(&item->crl.header, loaded)) {
            return ngx_mtls_crl_too_old(batch, item, loaded, "loaded");
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_crl_too_old(ngx_mtls_crl_batch_t *batch, ngx_mtls_crl_item_t *item,
    ngx_mtls_table_header_t *other, const char *what)
{
    u_char                    new[NGX_MTLS_CRL_AGE_LEN];
    u_char                    old[NGX_MTLS_CRL_AGE_LEN];
    u_char                   *p, *q;
    ngx_uint_t                numbers;
    ngx_mtls_table_header_t  *header;

    header = &item->crl.header;

    numbers = (header->flags & other->flags & NGX_MTLS_CRL_HAS_NUMBER)
              && (header->number_len != other->number_len
                  || ngx_memcmp(header->number, other->number,
                                header->number_len)
                     != 0);

    p = ngx_mtls_crl_age(new, new + sizeof(new), header, numbers);
    q = ngx_mtls_crl_age(old, old + sizeof(old), other, numbers);

    (void) ngx_mtls_error(batch->err, "the CRL of \"%V\" is older (%*s) than"
                          " the %s one (%*s); if its CA really began anew,",
                          &item->crl.name, (size_t) (p - new), new, what,
                          (size_t) (q - old), old);

    return ngx_mtls_crl_remedy(batch);
}


/* what makes an older list count */

static ngx_int_t
ngx_mtls_crl_remedy(ngx_mtls_crl_batch_t *batch)
{
    u_char            *p, *last, name[NGX_MTLS_KEPT_NAME_LEN + 1];
    ngx_mtls_error_t  *err;

    err = batch->err;
    p = err->text + err->len;
    last = err->text + sizeof(err->text);

    if (batch->job->kept.len) {

        if (ngx_mtls_kept_name(&batch->job->path, name) != NGX_OK) {
            return ngx_mtls_error(err, "cannot hash");
        }

        p = ngx_slprintf(p, last, " remove \"%V/%s\" and", &batch->job->kept,
                         name);
    }

    p = ngx_slprintf(p, last, " restart nginx");
    err->len = p - err->text;

    return NGX_DECLINED;
}


/* what one CRL is older by, as text */

static u_char *
ngx_mtls_crl_age(u_char *p, u_char *last, ngx_mtls_table_header_t *header,
    ngx_uint_t numbers)
{
    uint64_t    number;
    ngx_tm_t    tm;
    ngx_uint_t  i;

    if (!numbers) {
        ngx_gmtime((time_t) header->this_update, &tm);

        return ngx_slprintf(p, last, "thisUpdate %4d-%02d-%02d %02d:%02d:%02d",
                            tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                            tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
    }

    p = ngx_slprintf(p, last, "CRL number ");

    if (header->number_len <= sizeof(uint64_t)) {
        number = 0;

        for (i = 0; i < header->number_len; i++) {
            number = number << 8 | header->number[i];
        }

        return ngx_slprintf(p, last, "%uL", number);
    }

    p = ngx_slprintf(p, last, "0x");

    return ngx_hex_dump(p, header->number, header->number_len);
}


static ngx_int_t
ngx_mtls_crl_tables(ngx_mtls_crl_batch_t *batch, ngx_mtls_made_t **made,
    ngx_uint_t *nmade)
{
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    ngx_mtls_crl_item_t  *item;

    item = batch->items.elts;

    *made = ngx_pcalloc(batch->pool,
                        batch->items.nelts * sizeof(ngx_mtls_made_t));
    if (*made == NULL) {
        return ngx_mtls_error(batch->err, "out of memory");
    }

    rc = NGX_OK;
    n = 0;

    for (i = 0; i < batch->items.nelts; i++) {

        if (item[i].superseded) {
            continue;
        }

        rc = ngx_mtls_crl_table(batch, &item[i], &(*made)[n++]);
        if (rc != NGX_OK) {
            break;
        }
    }

    if (rc == NGX_OK) {
        *nmade = n;
        return NGX_OK;
    }

    for (i = 0; i < batch->items.nelts; i++) {

        if (item[i].path) {
            (void) unlink((char *) item[i].path);
        }
    }

    return rc;
}


static ngx_int_t
ngx_mtls_crl_table(ngx_mtls_crl_batch_t *batch, ngx_mtls_crl_item_t *item,
    ngx_mtls_made_t *made)
{
    u_char                   *p, *path, name[NGX_MTLS_HASH_LEN];
    u_char                    keys[3][NGX_MTLS_HASH_LEN];
    u_char                  (*hashes)[NGX_MTLS_HASH_LEN];
    ngx_fd_t                  fd;
    ngx_str_t                *dir;
    ngx_int_t                 rc;
    ngx_mtls_crl_t           *crl;
    ngx_mtls_crl_entries_t    entries;

    crl = &item->crl;
    dir = &batch->job->dir;

    ngx_memcpy(keys[0], crl->header.source_key, NGX_MTLS_HASH_LEN);
    ngx_memcpy(keys[1], crl->header.source_hash, NGX_MTLS_HASH_LEN);
    ngx_memcpy(keys[2], crl->header.trust, NGX_MTLS_HASH_LEN);

    if (ngx_mtls_sha256(keys, sizeof(keys), name) != NGX_OK) {
        return ngx_mtls_error(batch->err, "cannot hash");
    }

    *ngx_hex_dump(made->name, name, NGX_MTLS_HASH_LEN) = '\0';

    path = ngx_pnalloc(batch->pool, dir->len + sizeof("/.tmp")
                                    + sizeof(made->name));
    hashes = ngx_palloc(batch->pool, (item->nanchors + crl->nnames + 1)
                                     * NGX_MTLS_HASH_LEN);

    if (path == NULL || hashes == NULL) {
        return ngx_mtls_error(batch->err, "out of memory");
    }

    p = ngx_cpymem(path, dir->data, dir->len);
    *ngx_sprintf(p, "/%s.tmp", made->name) = '\0';

    p = (u_char *) hashes;
    p = ngx_cpymem(p, item->anchors, item->nanchors * NGX_MTLS_HASH_LEN);

    if (crl->nnames) {
        p = ngx_cpymem(p, crl->names, crl->nnames * NGX_MTLS_HASH_LEN);
    }

    ngx_memcpy(p, crl->issuer_hash, NGX_MTLS_HASH_LEN);

    /* a compiler that was killed may have left one */

    (void) unlink((char *) path);

    fd = open((char *) path, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC,
              0600);
    if (fd == -1) {
        return ngx_mtls_error(batch->err, "cannot create \"%s\" (%d: %s)",
                              path, ngx_errno, strerror(ngx_errno));
    }

    item->path = path;

    entries.crl = crl;
    entries.rest = crl->revoked;
    entries.err = batch->err;

    rc = ngx_mtls_table_write(fd, &crl->header, hashes, ngx_mtls_crl_next,
                              &entries, made->hash, batch->err);

    if (close(fd) == -1 && rc == NGX_OK) {
        return ngx_mtls_error(batch->err, "cannot close \"%s\" (%d: %s)",
                              path, ngx_errno, strerror(ngx_errno));
    }

    return rc;
}


static ngx_int_t
ngx_mtls_crl_next(void *data, ngx_mtls_table_record_t *record)
{
    ngx_mtls_crl_entries_t *entries = data;

    return ngx_mtls_crl_entry(entries->crl, &entries->rest, record,
                              entries->err);
}
