
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * CRLs that no honest tool makes: their DER is written as text.
 */


#include "crl.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>


static const char *der_parse(der_t *d, const char *p);
static void der_wrap(der_t *d, size_t from);
static void crl_sign(der_t *d, size_t from, pki_t *signer,
    const crl_spec_t *spec);


void
der_init(der_t *d, ngx_pool_t *pool)
{
    d->pool = pool;
    d->data = NULL;
    d->len = 0;
    d->size = 0;
}


void
der_raw(der_t *d, const void *data, size_t len)
{
    u_char  *p;

    if (d->len + len > d->size) {
        d->size = 2 * (d->len + len) + 64;

        p = ngx_pnalloc(d->pool, d->size);
        assert_non_null(p);

        if (d->len) {
            memcpy(p, d->data, d->len);
        }

        d->data = p;
    }

    if (len) {
        memcpy(d->data + d->len, data, len);
    }

    d->len += len;
}


void
der_text(der_t *d, const char *text)
{
    const char  *p;

    p = der_parse(d, text);

    if (*p) {
        fail_msg("wrong text: \"%s\"", p);
    }
}


static const char *
der_parse(der_t *d, const char *p)
{
    char        hex[3], *end;
    u_char      octet;
    size_t      from;

    while (*p && *p != '}') {

        if (*p == ' ') {
            p++;

        } else if (*p == '\'') {

            for (p++; *p && *p != '\''; p++) {
                der_raw(d, p, 1);
            }

            p += (*p == '\'');

        } else if (*p == '{') {
            from = d->len;
            p = der_parse(d, p + 1);

            if (*p != '}') {
                fail_msg("no end");
            }

            p++;
            der_wrap(d, from);

        } else {
            hex[0] = p[0];
            hex[1] = p[1];
            hex[2] = '\0';

            octet = (u_char) strtoul(hex, &end, 16);

            if (end != hex + 2) {
                fail_msg("wrong text: \"%s\"", p);
            }

            der_raw(d, &octet, 1);
            p += 2;
        }
    }

    return p;
}


/* puts the length of what is there since "from" before it */

static void
der_wrap(der_t *d, size_t from)
{
    u_char  length[6];
    size_t  len, n, i;

    len = d->len - from;
    n = 0;

    if (len < 0x80) {
        length[n++] = (u_char) len;

    } else {
        for (i = 3; len >> (8 * i) == 0; i--) { /* void */ }

        length[n++] = (u_char) (0x80 + i + 1);

        for (i++; i > 0; i--) {
            length[n++] = (u_char) (len >> (8 * (i - 1)));
        }
    }

    der_raw(d, length, n);

    memmove(d->data + from + n, d->data + from, len);
    memcpy(d->data + from, length, n);
}


der_t
crl_make(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec)
{
    der_t           crl;
    u_char         *name;
    size_t          len, from;
    const char     *algorithm;
    const u_char   *data;

    der_init(&crl, pool);

    algorithm = spec->algorithm ? spec->algorithm : "30{06{2a8648ce3d040302}}";

    der_raw(&crl, "\x30", 1);
    der_text(&crl, spec->version ? spec->version : "020101");
    der_text(&crl, algorithm);

    if (spec->issuer) {
        der_text(&crl, spec->issuer);

    } else {
        assert_int_equal(X509_NAME_get0_der(
                                   X509_get_subject_name(signer->x509),
                                   &data, &len),
                         1);
        name = (u_char *) data;
        der_raw(&crl, name, len);
    }

    der_text(&crl, spec->times ? spec->times : CRL_TIMES);

    if (spec->entries) {
        from = crl.len + 1;
        der_raw(&crl, "\x30", 1);
        der_text(&crl, spec->entries);
        der_wrap(&crl, from);
    }

    if (spec->extensions) {
        from = crl.len + 1;
        der_raw(&crl, "\xa0\x30", 2);
        der_text(&crl, spec->extensions);
        der_wrap(&crl, from + 1);
        der_wrap(&crl, from);
    }

    if (spec->rest) {
        der_text(&crl, spec->rest);
    }

    der_wrap(&crl, 1);

    crl_sign(&crl, 0, signer, spec);

    return crl;
}


static void
crl_sign(der_t *d, size_t from, pki_t *signer, const crl_spec_t *spec)
{
    size_t         n;
    u_char         signature[1024];
    const char    *digest;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;

    digest = spec->digest ? spec->digest : "SHA256";

    ctx = EVP_MD_CTX_new();
    assert_non_null(ctx);

    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx,
                                           *digest ? digest : NULL, NULL, NULL,
                                           signer->key, NULL),
                     1);

    if (spec->pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx,
                                                      RSA_PKCS1_PSS_PADDING),
                         1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
                                                          spec->pss < 0 ? 0
                                                          : spec->pss),
                         1);
    }

    n = sizeof(signature);
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, d->data + from,
                                    d->len - from),
                     1);

    EVP_MD_CTX_free(ctx);

    der_text(d, spec->outer ? spec->outer
                : spec->algorithm ? spec->algorithm
                                  : "30{06{2a8648ce3d040302}}");

    from = d->len + 1;
    der_raw(d, "\x03\x00", 2);
    der_raw(d, signature, n);
    der_wrap(d, from);

    /* all of it in one */

    der_wrap(d, 0);
    der_raw(d, "\x30", 1);
    memmove(d->data + 1, d->data, d->len - 1);
    d->data[0] = 0x30;
}


ngx_str_t
crl_pem(ngx_pool_t *pool, der_t *crl)
{
    BIO        *bio;
    char       *data;
    long        len;
    ngx_str_t   pem;

    bio = BIO_new(BIO_s_mem());
    assert_non_null(bio);

    assert_true(PEM_write_bio(bio, "X509 CRL", "", crl->data, crl->len) > 0);

    len = BIO_get_mem_data(bio, &data);

    pem.len = len;
    pem.data = ngx_pnalloc(pool, len);
    assert_non_null(pem.data);
    memcpy(pem.data, data, len);

    BIO_free(bio);

    return pem;
}


/* the memory ends where the CRL ends */

ngx_int_t
crl_parse(ngx_pool_t *pool, const void *der, size_t len, ngx_mtls_crl_t *crl,
    ngx_mtls_error_t *err)
{
    u_char  *p;

    p = ngx_pnalloc(pool, len ? len : 1);
    assert_non_null(p);
    memcpy(p, der, len);

    err->len = 0;

    return ngx_mtls_crl_parse(pool, p, len, crl, err);
}


void
crl_good(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec,
    const char *what, ngx_mtls_crl_t *crl)
{
    der_t             der;
    ngx_mtls_error_t  err;

    der = crl_make(pool, signer, spec);

    if (crl_parse(pool, der.data, der.len, crl, &err) != NGX_OK) {
        fail_msg("%s: %.*s", what, (int) err.len, err.text);
    }
}


void
crl_refused(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec,
    const char *what, const char *cause)
{
    der_t             der;
    ngx_int_t         rc;
    ngx_mtls_crl_t    crl;
    ngx_mtls_error_t  err;

    der = crl_make(pool, signer, spec);

    rc = crl_parse(pool, der.data, der.len, &crl, &err);

    if (rc != NGX_DECLINED || err.len != strlen(cause)
        || memcmp(err.text, cause, err.len) != 0)
    {
        fail_msg("%s: is %d, \"%.*s\", not \"%s\"", what, (int) rc,
                 (int) err.len, err.text, cause);
    }
}
