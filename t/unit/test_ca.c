
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors: files, labels, what is trusted, and chains.
 */


#include "pki.h"

#include <sys/stat.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <ngx_mtls_ca.h>


static ngx_pool_t        *pool;
static ngx_mtls_ca_t     *ca;
static const char        *dir;
static ngx_mtls_error_t   err;

/* a root with two levels below it, another root, and a self-signed leaf */
static pki_t  root, other, inter, inter2, leaf, direct, own;


static int
once(void **state)
{
    static const pki_spec_t  s_root = { .cn = "Root", .ca = 1 };
    static const pki_spec_t  s_other = { .cn = "Other", .ca = 1 };
    static const pki_spec_t  s_inter = { .cn = "Inter", .ca = 1 };
    static const pki_spec_t  s_inter2 = { .cn = "Inter 2", .ca = 1 };
    static const pki_spec_t  s_leaf = { .cn = "leaf" };
    static const pki_spec_t  s_own = { .cn = "own" };

    pki_issue(&root, NULL, &s_root);
    pki_issue(&other, NULL, &s_other);
    pki_issue(&inter, &root, &s_inter);
    pki_issue(&inter2, &inter, &s_inter2);
    pki_issue(&leaf, &inter2, &s_leaf);
    pki_issue(&direct, &root, &s_leaf);
    pki_issue(&own, NULL, &s_own);

    return 0;
}


static int
end(void **state)
{
    pki_free(&root);
    pki_free(&other);
    pki_free(&inter);
    pki_free(&inter2);
    pki_free(&leaf);
    pki_free(&direct);
    pki_free(&own);

    return 0;
}


static int
setup(void **state)
{
    shim_reset();

    dir = pki_dir();
    pool = shim_pool();
    ca = ngx_mtls_ca_create(pool);
    assert_non_null(ca);

    return 0;
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    pki_dir_remove(dir);

    return 0;
}


static ngx_mtls_label_t *
label(const char *name)
{
    ngx_str_t          s = { strlen(name), (u_char *) name };
    ngx_mtls_label_t  *l;

    assert_int_equal(ngx_mtls_ca_label(ca, &s, NGX_CONF_UNSET_UINT,
                                       NGX_CONF_UNSET_UINT, &l, &err),
                     NGX_OK);
    return l;
}


/* one file with these certificates in this label */

static void
add(const char *name, ngx_uint_t partial, pki_t **certs, ngx_uint_t n)
{
    char         file[32];
    ngx_str_t    path;
    static int   number;

    snprintf(file, sizeof(file), "ca%d.pem", ++number);
    path = pki_file(dir, file, certs, n);

    if (ngx_mtls_ca_file(ca, label(name), &path, partial, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


static void
finish(void)
{
    if (ngx_mtls_ca_finish(ca, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


#define add1(name, partial, a)                                               \
    add(name, partial, (pki_t *[]) { a }, 1)
#define add2(name, partial, a, b)                                            \
    add(name, partial, (pki_t *[]) { a, b }, 2)


static ngx_uint_t
err_has(const char *text)
{
    return memmem(err.text, err.len, text, strlen(text)) != NULL;
}


static void
fingerprint(pki_t *cert, u_char *hash)
{
    int             n;
    unsigned char  *der = NULL;

    n = i2d_X509(cert->x509, &der);
    assert_true(n > 0);
    assert_int_equal(ngx_mtls_sha256(der, n, hash), NGX_OK);
    OPENSSL_free(der);
}


static ngx_mtls_anchor_t *
find(pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_find(ca, hash);
}


static ngx_mtls_anchor_t *
known(pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_cert(ca, hash);
}


/* nginx's: goes on whatever is wrong */

static int
go_on(int ok, X509_STORE_CTX *store)
{
    return 1;
}


/*
 * Verifies as a handshake does: "store" has the root "in_store" (or nothing),
 * which must not matter.  Returns the anchor, and the store's error.
 */

static ngx_mtls_anchor_t *
verify_by(ngx_mtls_trust_t *trust, pki_t *cert, pki_t **chain, ngx_uint_t n,
    pki_t *in_store, int *error, ngx_uint_t *depth)
{
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

    assert_int_equal(ngx_mtls_ca_verify(ca, trust, ctx, hash, &anchor, depth),
                     1);

    *error = X509_STORE_CTX_get_error(ctx);

    /* what was lent to the context was taken back */

    assert_ptr_equal(X509_STORE_CTX_get0_untrusted(ctx), presented);

    X509_STORE_CTX_free(ctx);
    X509_STORE_free(st);
    sk_X509_free(presented);

    return anchor;
}


static ngx_mtls_trust_t *
everything(void)
{
    ngx_mtls_trust_t  *trust;

    trust = ngx_mtls_trust_create(pool, ca, NULL, 0);
    assert_non_null(trust);

    return trust;
}


static ngx_mtls_anchor_t *
verify(pki_t *cert, pki_t **chain, ngx_uint_t n, int *error,
    ngx_uint_t *depth)
{
    return verify_by(everything(), cert, chain, n, NULL, error, depth);
}


#define present(...)                                                         \
    (pki_t *[]) { __VA_ARGS__ },                                             \
    sizeof((pki_t *[]) { __VA_ARGS__ }) / sizeof(pki_t *)


/* self-signed certificates are anchors, the others help */

static void
test_anchors(void **state)
{
    add2("a", 0, &inter, &root);
    add1("a", 0, &own);
    finish();

    assert_non_null(find(&root));
    assert_non_null(find(&own));
    assert_null(find(&inter));
    assert_non_null(known(&inter));
    assert_null(known(&other));
    assert_int_equal(ngx_mtls_ca_certs(ca)->nelts, 3);
    assert_int_equal(ngx_mtls_ca_paths(ca)->nelts, 2);
}


static void
test_partial(void **state)
{
    add2("a", 1, &inter, &leaf);
    finish();

    assert_non_null(find(&inter));
    assert_non_null(find(&leaf));
}


/* a copied subject and issuer, signed by somebody else, is not self-signed */

static void
test_mimic(void **state)
{
    pki_t              mimic;
    static pki_spec_t  spec = { .cn = "Root", .ca = 1 };

    pki_issue(&mimic, &root, &spec);

    add1("a", 0, &root);
    add1("a", 0, &mimic);
    finish();

    assert_null(find(&mimic));
    assert_non_null(known(&mimic));

    pki_free(&mimic);
}


static void
test_labels(void **state)
{
    ngx_str_t           name;
    ngx_mtls_anchor_t  *a;

    add1("b", 0, &other);
    add1("a", 0, &root);
    add2("b", 1, &root, &inter);
    add1("a", 0, &inter);
    add1("b", 0, &root);
    finish();

    assert_int_equal(ngx_mtls_ca_nlabels(ca), 2);
    assert_str_equal(&ngx_mtls_ca_label_number(ca, 0)->name, "b");
    assert_null(ngx_mtls_ca_label_number(ca, 2));

    ngx_str_set(&name, "a");
    assert_int_equal(ngx_mtls_ca_label_name(ca, &name)->number, 1);
    ngx_str_set(&name, "c");
    assert_null(ngx_mtls_ca_label_name(ca, &name));

    /* once, however many files have it */
    assert_int_equal(ngx_mtls_ca_certs(ca)->nelts, 3);

    a = find(&root);
    assert_int_equal(a->nlabels, 2);
    assert_int_equal(a->labels[0], 0);
    assert_int_equal(a->labels[1], 1);

    /* an anchor in "b" only: "a" is not partial */
    a = find(&inter);
    assert_int_equal(a->nlabels, 1);
    assert_int_equal(a->labels[0], 0);

    a = find(&other);
    assert_int_equal(a->nlabels, 1);
}


static void
test_settings(void **state)
{
    ngx_mtls_label_t   *l;
    ngx_mtls_anchor_t  *a;

    static ngx_str_t  la = ngx_string("a");
    static ngx_str_t  lb = ngx_string("b");
    static ngx_str_t  lc = ngx_string("c");

#define set(name, r, u)                                                      \
    ngx_mtls_ca_label(ca, name, r, u, &l, &err)

    assert_int_equal(set(&la, NGX_MTLS_REVOCATION_LEAF,
                         NGX_MTLS_UNKNOWN_ALLOW), NGX_OK);
    assert_int_equal(set(&la, NGX_CONF_UNSET_UINT, NGX_CONF_UNSET_UINT),
                     NGX_OK);
    assert_int_equal(set(&la, NGX_MTLS_REVOCATION_LEAF,
                         NGX_CONF_UNSET_UINT), NGX_OK);
    assert_int_equal(set(&la, NGX_MTLS_REVOCATION_CHAIN,
                         NGX_CONF_UNSET_UINT), NGX_DECLINED);
    assert_true(err_has("\"revocation=\" of label \"a\""));
    assert_int_equal(set(&la, NGX_CONF_UNSET_UINT, NGX_MTLS_UNKNOWN_DENY),
                     NGX_DECLINED);
    assert_true(err_has("\"unknown=\" of label \"a\""));

    assert_int_equal(set(&lb, NGX_MTLS_REVOCATION_CHAIN,
                         NGX_CONF_UNSET_UINT), NGX_OK);
    assert_int_equal(set(&lc, NGX_MTLS_REVOCATION_OFF,
                         NGX_MTLS_UNKNOWN_DENY), NGX_OK);

    add1("a", 0, &root);
    add1("b", 0, &root);
    add1("a", 0, &other);
    add1("c", 0, &own);
    finish();

    a = find(&root);
    assert_int_equal(a->revocation, NGX_MTLS_REVOCATION_CHAIN);
    assert_int_equal(a->inherit_revocation, 0);
    assert_int_equal(a->unknown, NGX_MTLS_UNKNOWN_ALLOW);
    assert_int_equal(a->inherit_unknown, 1);

    a = find(&other);
    assert_int_equal(a->revocation, NGX_MTLS_REVOCATION_LEAF);
    assert_int_equal(a->inherit_unknown, 0);

    a = find(&own);
    assert_int_equal(a->revocation, NGX_MTLS_REVOCATION_OFF);
    assert_int_equal(a->inherit_revocation, 0);
    assert_int_equal(a->unknown, NGX_MTLS_UNKNOWN_DENY);
}


static void
test_no_anchor(void **state)
{
    add1("a", 0, &root);
    add2("empty", 0, &inter, &inter2);

    assert_int_equal(ngx_mtls_ca_finish(ca, &err), NGX_DECLINED);
    assert_true(err_has("label \"empty\" trusts no certificate"));
    assert_true(err_has("\"partial\""));
}


static void
test_digest(void **state)
{
    ngx_uint_t  i;
    u_char      digest[5][NGX_MTLS_HASH_LEN];

    for (i = 0; i < 5; i++) {
        ca = ngx_mtls_ca_create(pool);

        switch (i) {
        case 0:
            add2("a", 0, &root, &inter);
            break;
        case 1:
            add1("b", 0, &inter);
            add1("b", 0, &root);
            break;
        case 2:
            add2("a", 1, &root, &inter);
            break;
        case 3:
            add1("a", 0, &root);
            break;
        case 4:
            add2("a", 0, &root, &other);
            break;
        }

        finish();
        ngx_memcpy(digest[i], ngx_mtls_ca_digest(ca), NGX_MTLS_HASH_LEN);
    }

    assert_memory_equal(digest[0], digest[1], NGX_MTLS_HASH_LEN);

    for (i = 2; i < 5; i++) {
        assert_memory_not_equal(digest[0], digest[i], NGX_MTLS_HASH_LEN);
    }

    assert_memory_not_equal(digest[3], digest[4], NGX_MTLS_HASH_LEN);
}


/* every error names the file, and the block in it */

static void
test_files(void **state)
{
    int          n;
    char         text[8192];
    size_t       len;
    ngx_str_t    path;
    unsigned char  *der = NULL;

#define refused(p, why)                                                      \
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), p, 0, &err),           \
                     NGX_DECLINED);                                          \
    assert_true(err_has(why));                                               \
    assert_true(err_has((char *) (p)->data));                                \
    assert_int_equal(ngx_mtls_ca_paths(ca)->nelts, 0)

    ngx_str_set(&path, "/nonexistent/ca.pem");
    refused(&path, "open() \"/nonexistent/ca.pem\" failed");

    path.data = (u_char *) dir;
    path.len = strlen(dir);
    refused(&path, "not a regular file");

    path = pki_text(dir, "empty.pem", "", 0);
    refused(&path, "octets");

    path = pki_text(dir, "text.pem", "0 no certificate\n", 17);
    refused(&path, "no certificate");

    /* a FIFO does not stop the start */

    path = pki_text(dir, "fifo", "", 0);
    unlink((char *) path.data);
    assert_int_equal(mkfifo((char *) path.data, 0600), 0);
    refused(&path, "not a regular file");

    path = pki_file(dir, "cut.pem", (pki_t *[]) { &root, &other }, 2);
    assert_int_equal(truncate((char *) path.data, 900), 0);
    refused(&path, "PEM block 2 is broken");

    /* a block of the right name, and not a certificate in it */

    len = snprintf(text, sizeof(text),
                   "-----BEGIN PRIVATE KEY-----\nMAA=\n"
                   "-----END PRIVATE KEY-----\n"
                   "-----BEGIN CERTIFICATE-----\nMAA=\n"
                   "-----END CERTIFICATE-----\n");
    path = pki_text(dir, "bad.pem", text, len);
    refused(&path, "PEM block 2 (\"CERTIFICATE\") is malformed");

    /* DER, with and without something after it */

    n = i2d_X509(root.x509, &der);
    ngx_memcpy(text, der, n);
    OPENSSL_free(der);

    text[n] = 0;
    path = pki_text(dir, "trailing.der", text, n + 1);
    refused(&path, "octets after the certificate");

    path = pki_text(dir, "cut.der", text, n - 1);
    refused(&path, "no certificate in DER");

    path = pki_text(dir, "good.der", text, n);
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), &path, 0, &err), NGX_OK);
    finish();
    assert_non_null(find(&root));
}


static void
test_read_labels(void **state)
{
    BIO             *bio;
    char            *data;
    long             len;
    X509            *x509;
    STACK_OF(X509)  *certs;

    bio = BIO_new(BIO_s_mem());
    BIO_puts(bio, "0 a preface, in text\n");
    PEM_write_bio_PrivateKey(bio, root.key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(bio, root.x509);

    x509 = X509_dup(other.x509);
    X509_add1_reject_object(x509, OBJ_nid2obj(NID_client_auth));
    PEM_write_bio_X509_AUX(bio, x509);
    X509_free(x509);

    BIO_puts(bio, "the end\n");

    len = BIO_get_mem_data(bio, &data);

    assert_int_equal(ngx_mtls_ca_read((u_char *) data, len, &certs, &err),
                     NGX_OK);
    assert_int_equal(sk_X509_num(certs), 2);
    assert_int_equal(X509_cmp(sk_X509_value(certs, 0), root.x509), 0);
    assert_int_equal(X509_cmp(sk_X509_value(certs, 1), other.x509), 0);
    assert_non_null(X509_get0_reject_objects(sk_X509_value(certs, 1)));
    sk_X509_pop_free(certs, X509_free);

    assert_int_equal(ngx_mtls_ca_read((u_char *) data, 0, &certs, &err),
                     NGX_OK);
    assert_int_equal(sk_X509_num(certs), 0);
    sk_X509_pop_free(certs, X509_free);

    BIO_free(bio);
}


static void
test_subject(void **state)
{
    pki_t               twin;
    ngx_uint_t          i, seen;
    ngx_mtls_ca_cert_t  *cert;
    u_char              subject[NGX_MTLS_HASH_LEN];
    static pki_spec_t   spec = { .cn = "Root", .ca = 1 };

    pki_issue(&twin, NULL, &spec);

    add2("a", 0, &root, &twin);
    add1("a", 0, &other);
    finish();

    ngx_memcpy(subject, find(&root)->cert.subject, NGX_MTLS_HASH_LEN);

    i = 0;
    seen = 0;

    while ((cert = ngx_mtls_ca_subject(ca, subject, &i)) != NULL) {
        assert_memory_equal(cert->subject, subject, NGX_MTLS_HASH_LEN);
        assert_int_equal(cert->refs, 0);
        seen++;
    }

    assert_int_equal(seen, 2);

    subject[31] ^= 1;
    i = 0;
    assert_null(ngx_mtls_ca_subject(ca, subject, &i));

    pki_free(&twin);
}


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

    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), &path, 0, &err), NGX_OK);
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
    assert_memory_equal(anchors[0], find(&root)->cert.facts.fingerprint,
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


/* out of memory is an error, and nothing leaks */

static void
test_memory(void **state)
{
    ngx_int_t    rc;
    ngx_str_t    path;
    ngx_uint_t   i, n;

    static ngx_str_t  name = ngx_string("a");

    path = pki_file(dir, "memory.pem", (pki_t *[]) { &root, &inter }, 2);

    n = 1;

    for (i = 1; i <= n; i++) {
        ngx_pool_t        *p;
        ngx_mtls_label_t  *l;

        p = shim_pool();
        shim_alloc_fail(0);

        ca = ngx_mtls_ca_create(p);

        shim_alloc_fail(i);

        rc = ngx_mtls_ca_label(ca, &name, NGX_CONF_UNSET_UINT,
                               NGX_CONF_UNSET_UINT, &l, &err);
        if (rc == NGX_OK) {
            rc = ngx_mtls_ca_file(ca, l, &path, 0, &err);
        }

        if (rc == NGX_OK) {
            rc = ngx_mtls_ca_finish(ca, &err);
        }

        if (rc != NGX_OK) {
            assert_int_equal(rc, NGX_ERROR);
            n++;
        }

        shim_alloc_fail(0);
        ngx_destroy_pool(p);
    }

    assert_true(n > 5);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_anchors),
        t(test_partial),
        t(test_mimic),
        t(test_labels),
        t(test_settings),
        t(test_no_anchor),
        t(test_digest),
        t(test_files),
        t(test_read_labels),
        t(test_subject),
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
        t(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
