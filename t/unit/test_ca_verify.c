
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors: the chains that they vouch for.
 */


#include "verify.h"

#include <openssl/pem.h>


static void
test_verify_chain(void **state)
{
    int         error;
    ngx_uint_t  depth;

    add1("a", 0, &root);
    finish();

    assert_ptr_equal(verify(&leaf, present(&inter2, &inter), &error, &depth),
                     find(&root));
    assert_int_equal(error, X509_V_OK);
    assert_int_equal(depth, 3);

    assert_ptr_equal(verify(&direct, NULL, 0, &error, &depth), find(&root));
    assert_int_equal(depth, 1);

    /* an intermediate is missing */

    assert_null(verify(&leaf, present(&inter2), &error, &depth));
    assert_int_equal(error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);

    assert_null(verify(&own, NULL, 0, &error, &depth));
    assert_int_equal(error, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);

    /* a whole chain up to a root that is nobody's */

    assert_null(verify(&other, NULL, 0, &error, &depth));
    assert_true(error != X509_V_OK);
}


/* what a file has beside its root needs not be presented */

static void
test_verify_helpers(void **state)
{
    int         error;
    ngx_uint_t  depth;

    add2("a", 0, &root, &inter);
    add1("b", 1, &inter2);
    add1("c", 0, &other);
    finish();

    /* the nearest anchor vouches */

    assert_ptr_equal(verify(&leaf, NULL, 0, &error, &depth), find(&inter2));
    assert_int_equal(depth, 1);

    /* where it is none for this server it helps all the same */

    assert_ptr_equal(verify_by(ngx_mtls_trust_create(pool, ca,
                                                     (ngx_uint_t []) { 0 }, 1),
                               &leaf, NULL, 0, NULL, &error, &depth),
                     find(&root));
    assert_int_equal(error, X509_V_OK);
    assert_int_equal(depth, 3);

    assert_null(verify_by(ngx_mtls_trust_create(pool, ca,
                                                (ngx_uint_t []) { 2 }, 1),
                          &leaf, present(&inter2, &inter, &root), NULL,
                          &error, &depth));
    assert_true(error != X509_V_OK);
}


/* whatever is above an anchor is not asked: here the root has expired */

static void
test_verify_partial(void **state)
{
    int                error;
    pki_t              old, mid, end;
    ngx_uint_t         depth;
    static pki_spec_t  s_old = { .cn = "Old", .ca = 1,
                                 .from = -20 * PKI_DAY, .to = -PKI_DAY };
    static pki_spec_t  s_mid = { .cn = "Mid", .ca = 1 };
    static pki_spec_t  s_end = { .cn = "end" };

    pki_issue(&old, NULL, &s_old);
    pki_issue(&mid, &old, &s_mid);
    pki_issue(&end, &mid, &s_end);

    add2("a", 1, &mid, &old);
    finish();

    assert_ptr_equal(verify(&end, NULL, 0, &error, &depth), find(&mid));
    assert_int_equal(error, X509_V_OK);

    assert_ptr_equal(verify(&end, present(&mid, &old), &error, &depth),
                     find(&mid));
    assert_int_equal(error, X509_V_OK);

    pki_free(&end);
    pki_free(&mid);
    pki_free(&old);
}


/* a leaf may be the anchor itself: self-signed, or of a partial label */

static void
test_verify_leaf(void **state)
{
    int         error;
    ngx_uint_t  depth;

    add1("a", 0, &own);
    add1("b", 1, &leaf);
    finish();

    assert_ptr_equal(verify(&own, NULL, 0, &error, &depth), find(&own));
    assert_int_equal(error, X509_V_OK);
    assert_int_equal(depth, 0);

    assert_ptr_equal(verify(&leaf, NULL, 0, &error, &depth), find(&leaf));
    assert_int_equal(error, X509_V_OK);
    assert_int_equal(depth, 0);

    assert_ptr_equal(verify(&leaf, present(&inter2, &inter, &root), &error,
                            &depth),
                     find(&leaf));
    assert_int_equal(depth, 0);

    assert_null(verify_by(ngx_mtls_trust_create(pool, ca,
                                                (ngx_uint_t []) { 0 }, 1),
                          &leaf, NULL, 0, NULL, &error, &depth));
    assert_true(error != X509_V_OK);
}


/* the SSL_CTX's own store counts for nothing, even if we trust nothing */

static void
test_verify_store(void **state)
{
    int         error;
    ngx_uint_t  depth;

    add1("a", 0, &other);
    finish();

    assert_null(verify_by(everything(), &direct, NULL, 0, &root, &error,
                          &depth));
    assert_int_equal(error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);

    assert_null(verify_by(everything(), &direct, present(&root), &root,
                          &error, &depth));
    assert_true(error != X509_V_OK);

    assert_null(verify_by(everything(), &leaf, present(&inter2, &inter),
                          &root, &error, &depth));
    assert_true(error != X509_V_OK);

    assert_null(verify_by(everything(), &own, NULL, 0, &own, &error, &depth));
    assert_true(error != X509_V_OK);
}


/* the same name, another key */

static void
test_verify_impostor(void **state)
{
    int                error;
    pki_t              fake, end;
    ngx_uint_t         depth;
    static pki_spec_t  s_fake = { .cn = "Root", .ca = 1 };
    static pki_spec_t  s_end = { .cn = "end" };

    pki_issue(&fake, NULL, &s_fake);
    pki_issue(&end, &fake, &s_end);

    add1("a", 0, &root);
    finish();

    assert_null(verify(&end, NULL, 0, &error, &depth));
    assert_true(error != X509_V_OK);

    assert_null(verify(&end, present(&fake), &error, &depth));
    assert_true(error != X509_V_OK);

    /* both known, only one trusted */

    add1("b", 0, &fake);
    finish();

    assert_null(verify_by(ngx_mtls_trust_create(pool, ca,
                                                (ngx_uint_t []) { 0 }, 1),
                          &end, present(&fake), NULL, &error, &depth));
    assert_true(error != X509_V_OK);

    assert_ptr_equal(verify(&end, NULL, 0, &error, &depth), find(&fake));

    pki_free(&end);
    pki_free(&fake);
}


static void
test_verify_errors(void **state)
{
    int                error;
    pki_t              late, server, fake, end;
    ngx_uint_t         depth;
    static pki_spec_t  s_late = { .cn = "late", .from = -9 * PKI_DAY,
                                  .to = -PKI_DAY };
    static pki_spec_t  s_server = { .cn = "server",
                                    .extensions = { { "extendedKeyUsage",
                                                      "serverAuth" } } };
    static pki_spec_t  s_fake = { .cn = "leaf, no CA" };

    pki_issue(&late, &root, &s_late);
    pki_issue(&server, &root, &s_server);
    pki_issue(&fake, &root, &s_fake);
    pki_issue(&end, &fake, &s_fake);

    add1("a", 0, &root);
    finish();

    assert_null(verify(&late, NULL, 0, &error, &depth));
    assert_int_equal(error, X509_V_ERR_CERT_HAS_EXPIRED);

    assert_null(verify(&server, NULL, 0, &error, &depth));
    assert_int_equal(error, X509_V_ERR_INVALID_PURPOSE);

    assert_null(verify(&end, present(&fake), &error, &depth));
    assert_true(error != X509_V_OK);

    pki_free(&end);
    pki_free(&fake);
    pki_free(&server);
    pki_free(&late);
}


/* longer than what we judge, though OpenSSL would follow */

static void
test_verify_long(void **state)
{
    int                error;
    char               cn[32];
    pki_t              cas[NGX_MTLS_CHAIN_MAX + 1], end;
    pki_t             *chain[NGX_MTLS_CHAIN_MAX + 1];
    ngx_uint_t         i, n, depth;
    pki_spec_t         spec = { .cn = cn, .ca = 1 };
    static pki_spec_t  s_end = { .cn = "end" };

    n = NGX_MTLS_CHAIN_MAX - 1;

    for (i = 0; i < n; i++) {
        snprintf(cn, sizeof(cn), "Level %d", (int) i);
        pki_issue(&cas[i], i ? &cas[i - 1] : &root, &spec);
        chain[n - 1 - i] = &cas[i];
    }

    add1("a", 0, &root);
    finish();

    pki_issue(&end, &cas[n - 2], &s_end);
    assert_non_null(verify(&end, chain, n, &error, &depth));
    assert_int_equal(depth, NGX_MTLS_CHAIN_MAX - 1);
    pki_free(&end);

    pki_issue(&end, &cas[n - 1], &s_end);
    assert_null(verify(&end, chain, n, &error, &depth));
    assert_int_equal(error, X509_V_ERR_CERT_CHAIN_TOO_LONG);
    pki_free(&end);

    for (i = 0; i < n; i++) {
        pki_free(&cas[i]);
    }
}


static void
test_verify_rejected(void **state)
{
    int        error;
    BIO       *bio;
    char      *data;
    long       len;
    X509      *x509;
    ngx_str_t  path;
    ngx_uint_t depth;

    bio = BIO_new(BIO_s_mem());
    x509 = X509_dup(root.x509);
    X509_add1_reject_object(x509, OBJ_nid2obj(NID_client_auth));
    PEM_write_bio_X509_AUX(bio, x509);
    X509_free(x509);
    len = BIO_get_mem_data(bio, &data);
    path = pki_text(dir, "trusted.pem", data, len);
    BIO_free(bio);

    /* also where another file has it without these settings */

    add1("b", 0, &root);
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), &path, 0,
                                      NGX_MTLS_CA_STATIC, &err),
                     NGX_OK);
    add1("c", 0, &root);
    finish();

    assert_null(verify(&direct, NULL, 0, &error, &depth));
    assert_true(error != X509_V_OK);
}


static void
test_reach(void **state)
{
    pki_t              mimic;
    ngx_uint_t         n;
    STACK_OF(X509)    *extra;
    u_char           (*anchors)[NGX_MTLS_HASH_LEN];
    static pki_spec_t  spec = { .cn = "Root", .ca = 1 };

#define reach(cert, extra)                                                   \
    assert_int_equal(ngx_mtls_ca_reach(ca, (cert)->x509, extra, pool,        \
                                       &anchors, &n), NGX_OK)

    add2("a", 0, &root, &other);
    add1("b", 1, &inter);
    finish();

    reach(&root, NULL);
    assert_int_equal(n, 1);
    assert_memory_equal(anchors[0], find(&root)->fingerprint,
                        NGX_MTLS_HASH_LEN);

    /* both that it is, and that it is below of */
    reach(&inter, NULL);
    assert_int_equal(n, 2);

    reach(&inter2, NULL);
    assert_int_equal(n, 2);

    /* an issuer that only the caller knows */
    reach(&leaf, NULL);
    assert_int_equal(n, 0);

    extra = sk_X509_new_null();
    sk_X509_push(extra, inter2.x509);
    reach(&leaf, extra);
    assert_int_equal(n, 2);
    sk_X509_free(extra);

    /* a name alone reaches nothing */
    pki_issue(&mimic, NULL, &spec);
    reach(&mimic, NULL);
    assert_int_equal(n, 0);
    pki_free(&mimic);

    /* a certificate that is no CA vouches for nothing */
    {
        pki_t              end;
        static pki_spec_t  s_end = { .cn = "below" };

        pki_issue(&end, &direct, &s_end);
        extra = sk_X509_new_null();
        sk_X509_push(extra, direct.x509);
        reach(&end, extra);
        assert_int_equal(n, 0);
        sk_X509_free(extra);
        pki_free(&end);
    }
}


/* expiry is the client's matter: a CRL is judged by its own times */

static void
test_reach_expired(void **state)
{
    pki_t              old, mid;
    ngx_uint_t         n;
    u_char           (*anchors)[NGX_MTLS_HASH_LEN];
    static pki_spec_t  s_old = { .cn = "Old", .ca = 1,
                                 .from = -20 * PKI_DAY, .to = -PKI_DAY };
    static pki_spec_t  s_mid = { .cn = "Mid", .ca = 1 };

    pki_issue(&old, NULL, &s_old);
    pki_issue(&mid, &old, &s_mid);

    add1("a", 0, &old);
    finish();

    reach(&mid, NULL);
    assert_int_equal(n, 1);

    pki_free(&mid);
    pki_free(&old);
}


static void
test_trust(void **state)
{
    char               name[16];
    ngx_uint_t         i, labels[2];
    ngx_mtls_trust_t  *trust;

    for (i = 0; i < 70; i++) {
        snprintf(name, sizeof(name), "l%d", (int) i);
        (void) label(strdup(name));
    }

    add1("l0", 0, &root);
    add1("l69", 0, &other);

    /* labels without an anchor: not the matter here */
    assert_int_equal(ngx_mtls_ca_finish(ca, &err), NGX_DECLINED);

    trust = everything();
    assert_true(ngx_mtls_trust_has(trust, find(&root)));
    assert_true(ngx_mtls_trust_has(trust, find(&other)));

    labels[0] = 69;
    trust = ngx_mtls_trust_create(pool, ca, labels, 1);
    assert_false(ngx_mtls_trust_has(trust, find(&root)));
    assert_true(ngx_mtls_trust_has(trust, find(&other)));

    labels[0] = 64;
    labels[1] = 0;
    trust = ngx_mtls_trust_create(pool, ca, labels, 2);
    assert_true(ngx_mtls_trust_has(trust, find(&root)));
    assert_false(ngx_mtls_trust_has(trust, find(&other)));

    for (i = 0; i < 70; i++) {
        free(ngx_mtls_ca_label_number(ca, i)->name.data);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_verify_chain),
        t(test_verify_helpers),
        t(test_verify_partial),
        t(test_verify_leaf),
        t(test_verify_store),
        t(test_verify_impostor),
        t(test_verify_errors),
        t(test_verify_long),
        t(test_verify_rejected),
        t(test_reach),
        t(test_reach_expired),
        t(test_trust),
    };

    return cmocka_run_group_tests(tests, once, end);
}
