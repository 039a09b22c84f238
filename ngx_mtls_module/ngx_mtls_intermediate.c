
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Intermediates: the certificates between leaf and anchor, parsed once in a
 * process, counted, and bounded in number.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_intermediate.h>

#include <openssl/evp.h>


#define NGX_MTLS_INTERMEDIATE_BUCKETS  256

#define ngx_mtls_intermediate_bucket(hash)                                   \
    ((hash)[0] & (NGX_MTLS_INTERMEDIATE_BUCKETS - 1))


typedef struct ngx_mtls_intermediate_s  ngx_mtls_intermediate_t;

struct ngx_mtls_intermediate_s {
    ngx_mtls_ca_cert_t         cert;         /* first: what others see */
    ngx_pool_t                *pool;
    ngx_queue_t                queue;        /* the latest first */
    ngx_mtls_intermediate_t   *next;         /* of the same bucket */

    /* as handshakes present it; NULL if it came from the zone only */
    X509                      *x509;
    u_char                     sha1[SHA_DIGEST_LENGTH];
    ngx_mtls_intermediate_t   *next_sha1;
};


static ngx_mtls_intermediate_t *ngx_mtls_intermediate_find(
    const u_char *fingerprint);
static ngx_mtls_intermediate_t *ngx_mtls_intermediate_find_x509(X509 *x509,
    const u_char *sha1);
static ngx_int_t ngx_mtls_intermediate_der(X509 *x509, ngx_pool_t *pool,
    ngx_str_t *der);
static ngx_int_t ngx_mtls_intermediate_add(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_intermediate_t **im,
    ngx_mtls_error_t *err);
static void ngx_mtls_intermediate_present(ngx_mtls_intermediate_t *im,
    X509 *x509, const u_char *sha1);
static void ngx_mtls_intermediate_forget(ngx_mtls_intermediate_t *im);
static ngx_mtls_ca_cert_t *ngx_mtls_intermediate_ref(
    ngx_mtls_intermediate_t *im);


/*
 * What is here is found by its content and says only what a certificate says:
 * it belongs to no configuration.
 */
static ngx_uint_t                ngx_mtls_intermediates_n;
static ngx_queue_t               ngx_mtls_intermediates_lru;
static ngx_mtls_intermediate_t  *ngx_mtls_intermediates[
                                                NGX_MTLS_INTERMEDIATE_BUCKETS];
static ngx_mtls_intermediate_t  *ngx_mtls_intermediates_sha1[
                                                NGX_MTLS_INTERMEDIATE_BUCKETS];


ngx_mtls_ca_cert_t *
ngx_mtls_intermediate_get(ngx_mtls_conf_t *conf,
    const u_char fingerprint[NGX_MTLS_HASH_LEN])
{
    ngx_str_t                 der;
    ngx_pool_t               *pool;
    ngx_mtls_error_t          err;
    ngx_mtls_anchor_t        *anchor;
    ngx_mtls_intermediate_t  *im;

    anchor = ngx_mtls_ca_cert(conf->ca, fingerprint);
    if (anchor) {
        return anchor->cert;
    }

    im = ngx_mtls_intermediate_find(fingerprint);
    if (im) {
        return ngx_mtls_intermediate_ref(im);
    }

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    if (ngx_mtls_zone_cert_get(conf->shm_zone, fingerprint, pool, &der)
        != NGX_OK
        || ngx_mtls_intermediate_add(pool, &der, NULL, &im, &err) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    if (ngx_memcmp(im->cert.facts.fingerprint, fingerprint, NGX_MTLS_HASH_LEN)
        != 0)
    {
        /* the zone holds something else under this name: no answer */
        ngx_mtls_intermediate_forget(im);
        return NULL;
    }

    return ngx_mtls_intermediate_ref(im);
}


ngx_int_t
ngx_mtls_intermediate_seen(ngx_mtls_conf_t *conf, X509 *x509,
    ngx_mtls_ca_cert_t **cert, ngx_mtls_error_t *err)
{
    ngx_int_t                 rc;
    ngx_str_t                 der;
    ngx_pool_t               *pool;
    unsigned int              n;
    ngx_mtls_intermediate_t  *im;
    u_char                    sha1[EVP_MAX_MD_SIZE];
    u_char                    fingerprint[NGX_MTLS_HASH_LEN];

    /* OpenSSL has this one at hand; it only says where to look */

    if (X509_digest(x509, EVP_sha1(), sha1, &n) != 1) {
        return NGX_ERROR;
    }

    im = ngx_mtls_intermediate_find_x509(x509, sha1);
    if (im) {
        *cert = ngx_mtls_intermediate_ref(im);
        return NGX_OK;
    }

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_mtls_intermediate_der(x509, pool, &der) != NGX_OK
        || ngx_mtls_sha256(der.data, der.len, fingerprint) != NGX_OK)
    {
        goto failed;
    }

    im = ngx_mtls_intermediate_find(fingerprint);

    if (im == NULL) {
        rc = ngx_mtls_intermediate_add(pool, &der, fingerprint, &im, err);
        if (rc != NGX_OK) {
            goto failed;
        }

    } else {
        ngx_destroy_pool(pool);
    }

    ngx_mtls_intermediate_present(im, x509, sha1);

    if (ngx_mtls_ca_cert(conf->ca, fingerprint) == NULL) {
        ngx_mtls_zone_cert_put(conf->shm_zone, fingerprint,
                               im->cert.facts.der.data,
                               im->cert.facts.der.len);
    }

    *cert = ngx_mtls_intermediate_ref(im);

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return rc;
}


void
ngx_mtls_intermediate_free(ngx_mtls_ca_cert_t *cert)
{
    ngx_mtls_intermediate_t  *im;

    /* those of the files are not counted */

    if (cert->refs == 0 || --cert->refs) {
        return;
    }

    im = (ngx_mtls_intermediate_t *) cert;

    X509_free(im->x509);

    /* the cycle that it was made in, and its log, may be gone */
    im->pool->log = ngx_cycle->log;

    ngx_destroy_pool(im->pool);
}


static ngx_mtls_intermediate_t *
ngx_mtls_intermediate_find(const u_char *fingerprint)
{
    ngx_mtls_intermediate_t  *im;

    im = ngx_mtls_intermediates[ngx_mtls_intermediate_bucket(fingerprint)];

    while (im && ngx_memcmp(im->cert.facts.fingerprint, fingerprint,
                            NGX_MTLS_HASH_LEN)
                 != 0)
    {
        im = im->next;
    }

    return im;
}


static ngx_mtls_intermediate_t *
ngx_mtls_intermediate_find_x509(X509 *x509, const u_char *sha1)
{
    ngx_mtls_intermediate_t  *im;

    im = ngx_mtls_intermediates_sha1[ngx_mtls_intermediate_bucket(sha1)];

    while (im && X509_cmp(im->x509, x509) != 0) {
        im = im->next_sha1;
    }

    return im;
}


static ngx_int_t
ngx_mtls_intermediate_der(X509 *x509, ngx_pool_t *pool, ngx_str_t *der)
{
    int      n;
    u_char  *p;

    p = NULL;

    n = i2d_X509(x509, &p);
    if (n <= 0) {
        return NGX_ERROR;
    }

    der->len = n;
    der->data = ngx_pnalloc(pool, n);

    if (der->data) {
        ngx_memcpy(der->data, p, n);
    }

    OPENSSL_free(p);

    return der->data ? NGX_OK : NGX_ERROR;
}


/* parses into the pool, which the new one owns then, as the cache owns it */

static ngx_int_t
ngx_mtls_intermediate_add(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_intermediate_t **out,
    ngx_mtls_error_t *err)
{
    ngx_int_t                  rc;
    ngx_queue_t               *q;
    ngx_mtls_intermediate_t   *im, **bucket;

    im = ngx_pcalloc(pool, sizeof(ngx_mtls_intermediate_t));
    if (im == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_mtls_ca_cert_parse(pool, der, fingerprint, &im->cert, err);
    if (rc != NGX_OK) {
        return rc;
    }

    im->cert.refs = 1;
    im->pool = pool;

    if (ngx_mtls_intermediates_lru.next == NULL) {
        ngx_queue_init(&ngx_mtls_intermediates_lru);
    }

    if (ngx_mtls_intermediates_n == NGX_MTLS_INTERMEDIATES_MAX) {
        q = ngx_queue_last(&ngx_mtls_intermediates_lru);
        ngx_mtls_intermediate_forget(ngx_queue_data(q,
                                             ngx_mtls_intermediate_t, queue));
    }

    bucket = &ngx_mtls_intermediates[ngx_mtls_intermediate_bucket(
                                                im->cert.facts.fingerprint)];
    im->next = *bucket;
    *bucket = im;

    ngx_queue_insert_head(&ngx_mtls_intermediates_lru, &im->queue);
    ngx_mtls_intermediates_n++;

    *out = im;

    return NGX_OK;
}


static void
ngx_mtls_intermediate_present(ngx_mtls_intermediate_t *im, X509 *x509,
    const u_char *sha1)
{
    ngx_mtls_intermediate_t  **bucket;

    if (im->x509) {
        return;
    }

    X509_up_ref(x509);

    im->x509 = x509;
    ngx_memcpy(im->sha1, sha1, SHA_DIGEST_LENGTH);

    bucket = &ngx_mtls_intermediates_sha1[ngx_mtls_intermediate_bucket(sha1)];
    im->next_sha1 = *bucket;
    *bucket = im;
}


/* takes it out of the cache; who holds it may hold it on */

static void
ngx_mtls_intermediate_forget(ngx_mtls_intermediate_t *im)
{
    ngx_mtls_intermediate_t  **p;

    p = &ngx_mtls_intermediates[ngx_mtls_intermediate_bucket(
                                                im->cert.facts.fingerprint)];

    while (*p != im) {
        p = &(*p)->next;
    }

    *p = im->next;

    if (im->x509) {
        p = &ngx_mtls_intermediates_sha1[ngx_mtls_intermediate_bucket(
                                                                   im->sha1)];

        while (*p != im) {
            p = &(*p)->next_sha1;
        }

        *p = im->next_sha1;
    }

    ngx_queue_remove(&im->queue);
    ngx_mtls_intermediates_n--;

    ngx_mtls_intermediate_free(&im->cert);
}


static ngx_mtls_ca_cert_t *
ngx_mtls_intermediate_ref(ngx_mtls_intermediate_t *im)
{
    ngx_queue_remove(&im->queue);
    ngx_queue_insert_head(&ngx_mtls_intermediates_lru, &im->queue);

    im->cert.refs++;

    return &im->cert;
}
