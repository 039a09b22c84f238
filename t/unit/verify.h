
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of trust: chains that are verified as a handshake does it.
 */


#ifndef _VERIFY_H_INCLUDED_
#define _VERIFY_H_INCLUDED_


#include "ca.h"

#include <openssl/x509_vfy.h>


/* nginx's: goes on whatever is wrong */

static inline int
go_on(int ok, X509_STORE_CTX *store)
{
    return 1;
}


/*
 * Verifies as a handshake does: "store" has the root "in_store" (or nothing),
 * which must not matter.  Returns the anchor, and the store's error.
 */

static inline ngx_mtls_anchor_t *
verify_by(ngx_mtls_trust_t *trust, pki_t *cert, pki_t **chain, ngx_uint_t n,
    pki_t *in_store, int *error, ngx_uint_t *depth)
{
    int                 rc;
    ngx_uint_t          i;
    X509_STORE         *st;
    X509_STORE_CTX     *ctx;
    STACK_OF(X509)     *presented;
    ngx_mtls_anchor_t  *anchor;
    u_char              hash[NGX_MTLS_HASH_LEN];

    presented = sk_X509_new_null();
    sk_X509_push(presented, cert->x509);

    for (i = 0; i < n; i++) {
        sk_X509_push(presented, chain[i]->x509);
    }

    st = X509_STORE_new();

    if (in_store) {
        X509_STORE_add_cert(st, in_store->x509);
    }

    ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_CTX_init(ctx, st, cert->x509, presented), 1);
    X509_STORE_CTX_set_default(ctx, "ssl_client");
    X509_STORE_CTX_set_verify_cb(ctx, go_on);

    fingerprint(cert, hash);

    anchor = (ngx_mtls_anchor_t *) -1;

    rc = ngx_mtls_ca_verify(ca, trust, ctx, hash, &anchor, depth);

    *error = X509_STORE_CTX_get_error(ctx);

    /* what ends the handshake at once */

    assert_int_equal(rc, *error != X509_V_ERR_OUT_OF_MEM);

    /* what was lent to the context was taken back */

    assert_ptr_equal(X509_STORE_CTX_get0_untrusted(ctx), presented);

    X509_STORE_CTX_free(ctx);
    X509_STORE_free(st);
    sk_X509_free(presented);

    return anchor;
}


static inline ngx_mtls_trust_t *
everything(void)
{
    ngx_mtls_trust_t  *trust;

    trust = ngx_mtls_trust_create(pool, ca, NULL, 0);
    assert_non_null(trust);

    return trust;
}


static inline ngx_mtls_anchor_t *
verify(pki_t *cert, pki_t **chain, ngx_uint_t n, int *error,
    ngx_uint_t *depth)
{
    return verify_by(everything(), cert, chain, n, NULL, error, depth);
}


#define present(...)                                                         \
    (pki_t *[]) { __VA_ARGS__ },                                             \
    sizeof((pki_t *[]) { __VA_ARGS__ }) / sizeof(pki_t *)


#endif /* _VERIFY_H_INCLUDED_ */
