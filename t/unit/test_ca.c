
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors: files, labels, and what of them is trusted.
 */


#include "ca.h"

#include <sys/stat.h>
#include <openssl/pem.h>


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
test_domains(void **state)
{
    ngx_mtls_anchor_t  *a, *b;

#define domain(l, d)                                                         \
    ngx_mtls_ca_domain(label(l), &(ngx_str_t) ngx_string(d), &err)
#define speaks(a, d)                                                         \
    ngx_mtls_ca_speaks(ca, a, &(ngx_str_t) ngx_string(d))

    add1("none", 0, &other);
    add1("mesh", 0, &root);
    add1("east", 0, &own);
    finish();

    a = find(&root);
    b = find(&other);

    assert_true(speaks(a, "prod.example"));

    assert_int_equal(domain("mesh", ""), NGX_DECLINED);
    assert_true(err_has("\"\" is no SPIFFE trust domain: the trust domain is "
                        "empty"));
    assert_int_equal(domain("mesh", "Prod.Example"), NGX_DECLINED);
    assert_true(err_has("lower case"));
    assert_int_equal(domain("mesh", "spiffe://prod.example"), NGX_DECLINED);
    assert_true(err_has("colon"));

    assert_int_equal(domain("mesh", "prod.example"), NGX_OK);
    assert_int_equal(domain("mesh", "prod.example"), NGX_OK);
    assert_int_equal(domain("mesh", "test.example"), NGX_DECLINED);
    assert_true(err_has("\"trust_domain=\" of label \"mesh\" was already set "
                        "to another value"));
    assert_int_equal(domain("east", "prod.example"), NGX_OK);

    assert_true(speaks(a, "prod.example"));
    assert_true(speaks(a, "PROD.example"));
    assert_true(speaks(find(&own), "prod.example"));
    assert_false(speaks(b, "prod.example"));
    assert_false(speaks(b, "Prod.Example"));

    /* what is bound to nobody */

    assert_true(speaks(a, "test.example"));
    assert_true(speaks(b, "test.example"));
    assert_true(speaks(b, "prod.exampl"));
    assert_true(speaks(b, ""));

#undef domain
#undef speaks
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
    u_char      digest[7][NGX_MTLS_HASH_LEN];

    for (i = 0; i < 7; i++) {
        ca = ngx_mtls_ca_create(pool);

        switch (i) {
        case 0:
            add2("a", 0, &root, &inter);
            break;
        case 1:
            add1("a", 0, &inter);
            add1("a", 0, &root);
            add1("a", 0, &root);
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
        case 5:
            add2("b", 0, &root, &inter);
            break;
        case 6:
            add2("a", 0, &root, &inter);
            add1("b", 0, &root);
            break;
        }

        finish();
        ngx_memcpy(digest[i], ngx_mtls_ca_digest(ca), NGX_MTLS_HASH_LEN);
    }

    /* the order of files means nothing, nor what is said twice */

    assert_memory_equal(digest[0], digest[1], NGX_MTLS_HASH_LEN);

    for (i = 2; i < 7; i++) {
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
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), p, 0,                  \
                                      NGX_MTLS_CA_STATIC, &err),             \
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
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), &path, 0,
                                      NGX_MTLS_CA_STATIC, &err),
                     NGX_OK);
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

    ngx_memcpy(subject, find(&root)->cert->subject, NGX_MTLS_HASH_LEN);

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
            rc = ngx_mtls_ca_file(ca, l, &path, 0, NGX_MTLS_CA_STATIC, &err);
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_anchors),
        t(test_partial),
        t(test_mimic),
        t(test_labels),
        t(test_settings),
        t(test_domains),
        t(test_no_anchor),
        t(test_digest),
        t(test_files),
        t(test_read_labels),
        t(test_subject),
        t(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
