
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The certificates of one CA file as a list: made, and checked for its bounds.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>
#include <ngx_mtls_ca_list.h>

#include <openssl/err.h>


/* a certificate as it goes into the list; "octets" is of OpenSSL */
typedef struct {
    ngx_mtls_ca_record_t           record;
    u_char                        *octets;
} ngx_mtls_ca_list_item_t;


static ngx_int_t ngx_mtls_ca_list_items(STACK_OF(X509) *certs,
    ngx_uint_t partial, ngx_array_t *items, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_list_item(X509 *x509, ngx_uint_t partial,
    ngx_mtls_ca_list_item_t *item, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_list_hashes(X509 *x509,
    ngx_mtls_ca_list_item_t *item, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_list_pack(ngx_array_t *items, ngx_pool_t *pool,
    ngx_mtls_ca_list_t *list);


ngx_int_t
ngx_mtls_ca_list_make(STACK_OF(X509) *certs, ngx_uint_t partial,
    ngx_pool_t *pool, ngx_mtls_ca_list_t *list, ngx_mtls_error_t *err)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_array_t               items;
    ngx_mtls_ca_list_item_t  *item;

    if (sk_X509_num(certs) > NGX_MTLS_CA_LIST_MAX) {
        (void) ngx_mtls_error(err, "more than %d certificates",
                              NGX_MTLS_CA_LIST_MAX);
        return NGX_DECLINED;
    }

    if (ngx_array_init(&items, pool, sk_X509_num(certs) + 1,
                       sizeof(ngx_mtls_ca_list_item_t))
        != NGX_OK)
    {
        return ngx_mtls_error(err, "out of memory");
    }

    rc = ngx_mtls_ca_list_items(certs, partial, &items, err);

    if (rc == NGX_OK && ngx_mtls_ca_list_pack(&items, pool, list) != NGX_OK) {
        rc = ngx_mtls_error(err, "out of memory");
    }

    item = items.elts;

    for (i = 0; i < items.nelts; i++) {
        OPENSSL_free(item[i].octets);
    }

    /* asking whether a signature is its own leaves its traces */
    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_mtls_ca_list_items(STACK_OF(X509) *certs, ngx_uint_t partial,
    ngx_array_t *items, ngx_mtls_error_t *err)
{
    int                       i;
    u_char                    text[NGX_MAX_CONF_ERRSTR];
    size_t                    len;
    ngx_int_t                 rc;
    ngx_mtls_ca_list_item_t  *item;

    for (i = 0; i < sk_X509_num(certs); i++) {

        /* there is room for all of them */
        item = ngx_array_push(items);

        ngx_memzero(item, sizeof(ngx_mtls_ca_list_item_t));

        rc = ngx_mtls_ca_list_item(sk_X509_value(certs, i), partial, item,
                                   err);

        if (rc == NGX_DECLINED) {
            len = ngx_min(err->len, sizeof(text));
            ngx_memcpy(text, err->text, len);
            (void) ngx_mtls_error(err, "certificate %d is malformed: %*s",
                                  i + 1, len, text);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_list_item(X509 *x509, ngx_uint_t partial,
    ngx_mtls_ca_list_item_t *item, ngx_mtls_error_t *err)
{
    int                    len, size;
    ngx_int_t              rc;
    ngx_str_t              der;
    ngx_pool_t            *pool;
    ngx_mtls_ca_cert_t     cert;
    ngx_mtls_ca_record_t  *record;

    record = &item->record;

    /* without trust settings this is the certificate alone */

    len = i2d_X509(x509, NULL);
    size = i2d_X509_AUX(x509, &item->octets);

    if (len <= 0 || size < len) {
        return ngx_mtls_error(err, "out of memory");
    }

    record->len = len;
    record->size = size;

    if (ngx_mtls_ca_list_hashes(x509, item, err) != NGX_OK) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    der.data = item->octets;
    der.len = len;

    rc = ngx_mtls_ca_cert_parse(pool, &der, record->fingerprint, &cert, err);

    if (rc == NGX_OK) {
        ngx_memcpy(record->subject, cert.subject, NGX_MTLS_HASH_LEN);

        record->anchor = (partial || X509_self_signed(x509, 1) == 1);
    }

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
ngx_mtls_ca_list_hashes(X509 *x509, ngx_mtls_ca_list_item_t *item,
    ngx_mtls_error_t *err)
{
    ngx_mtls_ca_record_t  *record;

    record = &item->record;

    if (ngx_mtls_sha256(item->octets, record->len, record->fingerprint)
        != NGX_OK
        || ngx_mtls_sha256(item->octets, record->size, record->hash) != NGX_OK
        || ngx_mtls_ca_name(X509_get_subject_name(x509), &record->name)
           != NGX_OK
        || ngx_mtls_ca_name(X509_get_issuer_name(x509), &record->issuer)
           != NGX_OK)
    {
        return ngx_mtls_error(err, "cannot hash");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_list_pack(ngx_array_t *items, ngx_pool_t *pool,
    ngx_mtls_ca_list_t *list)
{
    u_char                   *p;
    size_t                    offset;
    ngx_uint_t                i;
    ngx_mtls_ca_list_item_t  *item;

    item = items->elts;
    offset = items->nelts * sizeof(ngx_mtls_ca_record_t);

    list->n = items->nelts;
    list->size = offset;

    for (i = 0; i < list->n; i++) {
        list->size += item[i].record.size;
    }

    list->records = ngx_palloc(pool, list->size + 1);
    if (list->records == NULL) {
        return NGX_ERROR;
    }

    p = (u_char *) list->records + offset;

    for (i = 0; i < list->n; i++) {
        list->records[i] = item[i].record;
        list->records[i].offset = p - (u_char *) list->records;

        p = ngx_cpymem(p, item[i].octets, item[i].record.size);
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_ca_list_check(ngx_mtls_ca_list_t *list)
{
    uint64_t               begin;
    ngx_uint_t             i;
    ngx_mtls_ca_record_t  *record;

    if (list->n == 0
        || list->n > NGX_MTLS_CA_LIST_MAX
        || list->size / sizeof(ngx_mtls_ca_record_t) < list->n)
    {
        return NGX_ERROR;
    }

    begin = list->n * sizeof(ngx_mtls_ca_record_t);

    for (i = 0; i < list->n; i++) {
        record = &list->records[i];

        if (record->offset < begin
            || record->offset > list->size
            || record->size > list->size - record->offset
            || record->len > record->size
            || record->anchor > 1)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
