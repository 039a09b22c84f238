
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Who signed a CRL: every algorithm, every key that did not, and the search
 * for the one that did.
 */


#include "crl.h"
#include "world.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>


#define RSA_SHA1     "30{06{2a864886f70d010105}0500}"
#define RSA_MD5      "30{06{2a864886f70d010104}0500}"
#define RSA_SHA256   "30{06{2a864886f70d01010b}0500}"
#define RSA_SHA384   "30{06{2a864886f70d01010c}0500}"
#define RSA_SHA512   "30{06{2a864886f70d01010d}0500}"
#define EC_SHA1      "30{06{2a8648ce3d0401}}"
#define EC_SHA256    "30{06{2a8648ce3d040302}}"
#define EC_SHA384    "30{06{2a8648ce3d040303}}"
#define EC_SHA512    "30{06{2a8648ce3d040304}}"
#define ED25519      "30{06{2b6570}}"
#define ED448        "30{06{2b6571}}"

#define DIGEST(n)    "30{06{6086480165030402" n "}0500}"
#define SHA256       DIGEST("01")
#define SHA384       DIGEST("02")
#define SHA512       DIGEST("03")
#define SHA1         "30{06{2b0e03021a}0500}"
#define MGF1(h)      "30{06{2a864886f70d010108}" h "}"
#define PSS(params)  "30{06{2a864886f70d01010a}" params "}"
#define PSS_OF(h, salt)                                                      \
    PSS("30{a0{" h "}a1{" MGF1(h) "}a2{0201" salt "}}")


enum {
    KEY_RSA = 0,
    KEY_RSA_OTHER,
    KEY_PSS,
    KEY_P256,
    KEY_P384,
    KEY_ED25519,
    KEY_ED448,
    KEYS
};


static pki_t     root, cas[KEYS];
static world_t   w;

static ngx_mtls_crl_t     crl;
static ngx_mtls_error_t   err;


static EVP_PKEY *
keygen(ngx_uint_t n)
{
    EVP_PKEY      *key;
    EVP_PKEY_CTX  *ctx;

    switch (n) {

    case KEY_RSA:
    case KEY_RSA_OTHER:
        key = EVP_RSA_gen(2048);
        break;

    case KEY_PSS:
        key = NULL;
        ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
        assert_non_null(ctx);
        assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
        assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
        EVP_PKEY_CTX_free(ctx);
        break;

    case KEY_P256:
        key = EVP_EC_gen("P-256");
        break;

    case KEY_P384:
        key = EVP_EC_gen("P-384");
        break;

    case KEY_ED25519:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;

    default:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
        break;
    }

    assert_non_null(key);

    return key;
}


static int
group_setup(void **state)
{
    ngx_uint_t   i;
    pki_spec_t   spec;

    memset(&spec, 0, sizeof(spec));

    spec.cn = "Root";
    spec.ca = 1;
    pki_issue(&root, NULL, &spec);

    spec.cn = "CA";

    for (i = 0; i < KEYS; i++) {
        spec.key = keygen(i);
        pki_issue(&cas[i], &root, &spec);
        EVP_PKEY_free(spec.key);
    }

    return 0;
}


static int
group_teardown(void **state)
{
    ngx_uint_t  i;

    pki_free(&root);

    for (i = 0; i < KEYS; i++) {
        pki_free(&cas[i]);
    }

    return 0;
}


static int
setup(void **state)
{
    world_begin(&w);

    return 0;
}


static int
teardown(void **state)
{
    world_end(&w);

    return 0;
}


static void
parse(der_t *der)
{
    if (ngx_mtls_crl_parse(w.pool, der->data, der->len, &crl, &err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


static void
is_cause(const char *what, const char *cause)
{
    err.text[ngx_min(err.len, sizeof(err.text) - 1)] = '\0';

    if (strcmp((char *) err.text, cause) != 0) {
        fail_msg("%s: is \"%s\", not \"%s\"", what, err.text, cause);
    }
}


#define WRONG     "the signature does not verify with the key of"            \
                  " \"CN=CA,O=Test\""
#define WEAK(a)   "the signature algorithm " a " is too weak"
#define UNFIT(a)  "the signature algorithm " a " does not fit the key of its" \
                  " issuer"
#define PARAMS(a) "malformed parameters of the signature algorithm " a
#define BAD_PSS   "malformed or weak parameters of RSASSA-PSS"


static void
test_algorithms(void **state)
{
    der_t       der;
    ngx_int_t   rc;
    ngx_uint_t  i;

    static struct {
        ngx_uint_t    key;
        crl_spec_t    spec;
        ngx_uint_t    signer;
        const char   *cause;
    } cases[] = {

#define CASE(key, alg, md, salt, signer, cause)                              \
        { key, { .algorithm = alg, .digest = md, .pss = salt }, signer, cause }

        CASE(KEY_RSA, RSA_SHA256, "SHA256", 0, KEY_RSA, NULL),
        CASE(KEY_RSA, RSA_SHA384, "SHA384", 0, KEY_RSA, NULL),
        CASE(KEY_RSA, RSA_SHA512, "SHA512", 0, KEY_RSA, NULL),

        /* parameters absent on both sides */
        CASE(KEY_RSA, "30{06{2a864886f70d01010b}}", "SHA256", 0, KEY_RSA,
             NULL),
        CASE(KEY_RSA, "30{06{2a864886f70d01010b}020100}", "SHA256", 0, KEY_RSA,
             PARAMS("RSA-SHA256")),

        CASE(KEY_P256, EC_SHA256, "SHA256", 0, KEY_P256, NULL),
        CASE(KEY_P256, EC_SHA512, "SHA512", 0, KEY_P256, NULL),
        CASE(KEY_P384, EC_SHA384, "SHA384", 0, KEY_P384, NULL),
        CASE(KEY_P256, "30{06{2a8648ce3d040302}0500}", "SHA256", 0, KEY_P256,
             PARAMS("ecdsa-with-SHA256")),
        CASE(KEY_ED25519, ED25519, "", 0, KEY_ED25519, NULL),
        CASE(KEY_ED448, ED448, "", 0, KEY_ED448, NULL),
        CASE(KEY_ED25519, "30{06{2b6570}0500}", "", 0, KEY_ED25519,
             PARAMS("ED25519")),

        /* RSASSA-PSS */
        CASE(KEY_RSA, PSS_OF(SHA256, "20"), "SHA256", 32, KEY_RSA, NULL),
        CASE(KEY_RSA, PSS_OF(SHA384, "30"), "SHA384", 48, KEY_RSA, NULL),
        CASE(KEY_RSA, PSS_OF(SHA512, "40"), "SHA512", 64, KEY_RSA, NULL),
        CASE(KEY_RSA, PSS_OF(SHA256, "00"), "SHA256", -1, KEY_RSA, NULL),
        CASE(KEY_PSS, PSS_OF(SHA256, "20"), "SHA256", 32, KEY_PSS, NULL),

        /* the salt's length is 20 unless said, and must be right */
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{" MGF1(SHA256) "}}"), "SHA256",
             20, KEY_RSA, NULL),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{" MGF1(SHA256) "}}"), "SHA256",
             32, KEY_RSA, WRONG),
        CASE(KEY_RSA, PSS_OF(SHA256, "21"), "SHA256", 32, KEY_RSA, WRONG),
        CASE(KEY_RSA, PSS_OF(SHA256, "ff"), "SHA256", 32, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS_OF(SHA256, "7f"), "SHA256", 32, KEY_RSA, WRONG),

        /* all that speaks of SHA-1, or means it */
        CASE(KEY_RSA, PSS("30{}"), "SHA256", 32, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS(""), "SHA256", 32, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("0500"), "SHA256", 32, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a2{020120}}"), "SHA256", 32,
             KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a1{" MGF1(SHA256) "}a2{020120}}"), "SHA256", 32,
             KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS_OF(SHA1, "14"), "SHA256", 20, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{" MGF1(SHA1) "}a2{020120}}"),
             "SHA256", 32, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{30{06{2a03}" SHA256 "}}}"),
             "SHA256", 20, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{30{06{2a864886f70d010108}}}}"),
             "SHA256", 20, KEY_RSA, BAD_PSS),
        CASE(KEY_RSA, PSS("30{a0{" SHA256 "}a1{" MGF1(SHA256) "}a3{020102}}"),
             "SHA256", 20, KEY_RSA, BAD_PSS),

        /* weak and unknown ones, even if the signature were right */
        CASE(KEY_RSA, RSA_SHA1, "SHA1", 0, KEY_RSA, WEAK("RSA-SHA1")),
        CASE(KEY_RSA, RSA_MD5, "MD5", 0, KEY_RSA, WEAK("RSA-MD5")),
        CASE(KEY_P256, EC_SHA1, "SHA1", 0, KEY_P256, WEAK("ecdsa-with-SHA1")),
        CASE(KEY_P256, "30{06{2a03}}", "SHA256", 0, KEY_P256,
             "the signature algorithm 1.2.3 is not supported"),
        CASE(KEY_P256, "30{}", "SHA256", 0, KEY_P256,
             "malformed signature algorithm"),
        CASE(KEY_P256, "30{06{2a03}05000500}", "SHA256", 0, KEY_P256,
             "malformed signature algorithm"),

        /* another algorithm than the one that is said */
        CASE(KEY_RSA, RSA_SHA384, "SHA256", 0, KEY_RSA, WRONG),
        CASE(KEY_RSA, RSA_SHA256, "SHA256", 32, KEY_RSA, WRONG),
        CASE(KEY_RSA, PSS_OF(SHA256, "20"), "SHA256", 0, KEY_RSA, WRONG),
        CASE(KEY_P256, EC_SHA384, "SHA256", 0, KEY_P256, WRONG),

        /* keys that do not fit, keys that did not sign */
        CASE(KEY_RSA, EC_SHA256, "SHA256", 0, KEY_RSA,
             UNFIT("ecdsa-with-SHA256")),
        CASE(KEY_P256, RSA_SHA256, "SHA256", 0, KEY_P256,
             UNFIT("RSA-SHA256")),
        CASE(KEY_PSS, RSA_SHA256, "SHA256", 32, KEY_PSS, UNFIT("RSA-SHA256")),
        CASE(KEY_ED448, ED25519, "", 0, KEY_ED448, UNFIT("ED25519")),
        CASE(KEY_P256, ED25519, "SHA256", 0, KEY_P256, UNFIT("ED25519")),
        CASE(KEY_RSA, RSA_SHA256, "SHA256", 0, KEY_RSA_OTHER, WRONG),
        CASE(KEY_RSA, PSS_OF(SHA256, "20"), "SHA256", 32, KEY_RSA_OTHER,
             WRONG),
        CASE(KEY_P384, EC_SHA384, "SHA384", 0, KEY_P256, WRONG)
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        der = crl_make(w.pool, &cas[cases[i].key], &cases[i].spec);
        parse(&der);

        rc = ngx_mtls_crl_verify(&crl, cas[cases[i].signer].x509, &err);

        if (cases[i].cause) {
            assert_int_equal(rc, NGX_DECLINED);
            is_cause(cases[i].spec.algorithm, cases[i].cause);

        } else if (rc != NGX_OK) {
            fail_msg("%s: %.*s", cases[i].spec.algorithm, (int) err.len,
                     err.text);
        }
    }
}


/* a bit of the signature or of what is signed */

static void
test_bits(void **state)
{
    size_t       i;
    der_t        der;
    u_char      *p;
    ngx_uint_t   k;

    static struct {
        ngx_uint_t    key;
        crl_spec_t    spec;
    } cases[] = {
        { KEY_RSA, { .algorithm = RSA_SHA256 } },
        { KEY_RSA, { .algorithm = PSS_OF(SHA256, "20"), .pss = 32 } },
        { KEY_P256, { .algorithm = EC_SHA256 } },
        { KEY_ED25519, { .algorithm = ED25519, .digest = "" } }
    };

    for (k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        der = crl_make(w.pool, &cas[cases[k].key], &cases[k].spec);
        parse(&der);

        for (i = 0; i < ngx_mtls_der_len(&crl.signature) * 8; i += 3) {
            crl.signature.pos[i / 8] ^= 1 << (i % 8);
            assert_int_equal(ngx_mtls_crl_verify(&crl, cas[cases[k].key].x509,
                                                 &err),
                             NGX_DECLINED);
            crl.signature.pos[i / 8] ^= 1 << (i % 8);
        }

        for (p = crl.tbs.pos; p < crl.tbs.last; p += 7) {
            *p ^= 0x10;
            assert_int_equal(ngx_mtls_crl_verify(&crl, cas[cases[k].key].x509,
                                                 &err),
                             NGX_DECLINED);
            *p ^= 0x10;
        }

        assert_int_equal(ngx_mtls_crl_verify(&crl, cas[cases[k].key].x509,
                                             &err),
                         NGX_OK);

        /* an empty one */

        crl.signature.last = crl.signature.pos;
        assert_int_equal(ngx_mtls_crl_verify(&crl, cas[cases[k].key].x509,
                                             &err),
                         NGX_DECLINED);
    }
}


static void
trust(const char *label, pki_t **certs, ngx_uint_t n, ngx_uint_t partial)
{
    ngx_str_t  path;

    path = pki_file(w.dir, label, certs, n);
    assert_int_equal(world_ca(&w, label, &path, partial), NGX_OK);
}


static ngx_int_t
signer(STACK_OF(X509) *extra, ngx_uint_t *n)
{
    u_char  (*anchors)[NGX_MTLS_HASH_LEN];

    err.len = 0;
    anchors = NULL;
    *n = 0;

    return ngx_mtls_crl_signer(&crl, w.ca, extra, w.pool, &anchors, n, &err);
}


static void
test_signer(void **state)
{
    der_t             der;
    u_char            hash[NGX_MTLS_HASH_LEN];
    crl_spec_t        spec;
    ngx_uint_t        n;
    STACK_OF(X509)   *extra;

    memset(&spec, 0, sizeof(spec));

    trust("a", (pki_t *[]) { &root }, 1, 0);
    world_ca_finish(&w);

    der = crl_make(w.pool, &cas[KEY_P256], &spec);
    parse(&der);

    assert_int_equal(signer(NULL, &n), NGX_DECLINED);
    is_cause("none", "issuer \"CN=CA,O=Test\" is not known, add its"
             " certificate to an mtls_ca file or to issuer=");

    /* of the same name, another key */

    extra = sk_X509_new_null();
    sk_X509_push(extra, root.x509);
    sk_X509_push(extra, cas[KEY_P384].x509);

    assert_int_equal(signer(extra, &n), NGX_DECLINED);
    is_cause("other key", WRONG);

    /* and the right one, wherever it stands */

    sk_X509_push(extra, cas[KEY_P256].x509);
    sk_X509_push(extra, cas[KEY_RSA].x509);

    assert_int_equal(signer(extra, &n), NGX_OK);
    assert_int_equal(n, 1);
    assert_int_equal(crl.header.nanchors, 1);

    assert_int_equal(X509_digest(cas[KEY_P256].x509, EVP_sha256(), hash, NULL),
                     1);
    assert_memory_equal(crl.header.signer, hash, NGX_MTLS_HASH_LEN);

    sk_X509_free(extra);
}


/* a certificate of the files */

static void
test_signer_of_files(void **state)
{
    der_t        der;
    crl_spec_t   spec;
    ngx_uint_t   n;

    memset(&spec, 0, sizeof(spec));

    trust("a", (pki_t *[]) { &root, &cas[KEY_RSA], &cas[KEY_P256] }, 3, 0);
    trust("b", (pki_t *[]) { &cas[KEY_P256] }, 1, 1);
    world_ca_finish(&w);

    der = crl_make(w.pool, &cas[KEY_P256], &spec);
    parse(&der);

    /* itself, as one of a partial label, and the root */

    assert_int_equal(signer(NULL, &n), NGX_OK);
    assert_int_equal(n, 2);

    der = crl_make(w.pool, &root, &spec);
    parse(&der);

    assert_int_equal(signer(NULL, &n), NGX_OK);
    assert_int_equal(n, 1);
}


/* one key, two certificates: the anchors of both */

static void
test_signer_twice(void **state)
{
    der_t        der;
    pki_t        other, cross;
    crl_spec_t   spec;
    ngx_uint_t   n;

    static pki_spec_t  other_spec = { .cn = "Other", .ca = 1 };
    static pki_spec_t  cross_spec = { .cn = "CA", .ca = 1 };

    memset(&spec, 0, sizeof(spec));

    pki_issue(&other, NULL, &other_spec);
    cross_spec.key = cas[KEY_P256].key;
    pki_issue(&cross, &other, &cross_spec);

    trust("a", (pki_t *[]) { &root, &cas[KEY_P256] }, 2, 0);
    trust("b", (pki_t *[]) { &other, &cross }, 2, 0);
    world_ca_finish(&w);

    der = crl_make(w.pool, &cas[KEY_P256], &spec);
    parse(&der);

    assert_int_equal(signer(NULL, &n), NGX_OK);
    assert_int_equal(n, 2);

    pki_free(&cross);
    pki_free(&other);
}


static void
test_signer_refused(void **state)
{
    der_t             der;
    pki_t             stranger, lost, nosign;
    crl_spec_t        spec;
    ngx_uint_t        n;
    STACK_OF(X509)   *extra;

    static pki_spec_t  stranger_spec = { .cn = "Stranger", .ca = 1 };
    static pki_spec_t  lost_spec = { .cn = "CA", .ca = 1 };
    static pki_spec_t  nosign_spec = {
        .cn = "CA",
        .extensions = { { "keyUsage", "critical,keyCertSign" } }
    };

    memset(&spec, 0, sizeof(spec));

    pki_issue(&stranger, NULL, &stranger_spec);
    lost_spec.key = cas[KEY_P256].key;
    pki_issue(&lost, &stranger, &lost_spec);
    nosign_spec.key = cas[KEY_P256].key;
    pki_issue(&nosign, &root, &nosign_spec);

    trust("a", (pki_t *[]) { &root }, 1, 0);
    world_ca_finish(&w);

    extra = sk_X509_new_null();

    /* it names another key */

    spec.extensions = CRL_EXT("23", "30{80{'key'}}");
    der = crl_make(w.pool, &cas[KEY_P256], &spec);
    parse(&der);

    sk_X509_push(extra, cas[KEY_P256].x509);
    assert_int_equal(signer(extra, &n), NGX_DECLINED);
    is_cause("key identifier", "no certificate of its issuer \"CN=CA,O=Test\""
             " has the key that its authority key identifier names, add the"
             " one that signs CRLs to an mtls_ca file or to issuer=");

    /* it must not sign CRLs */

    spec.extensions = NULL;
    der = crl_make(w.pool, &cas[KEY_P256], &spec);
    parse(&der);

    sk_X509_zero(extra);
    sk_X509_push(extra, nosign.x509);
    assert_int_equal(signer(extra, &n), NGX_DECLINED);
    is_cause("key usage", "its issuer \"CN=CA,O=Test\" must not sign CRLs: the"
             " key usage of its certificate lacks cRLSign");

    /* nobody trusts it */

    sk_X509_push(extra, lost.x509);
    sk_X509_push(extra, stranger.x509);
    assert_int_equal(signer(extra, &n), NGX_DECLINED);
    is_cause("anchor", "the certificate of its issuer \"CN=CA,O=Test\" leads"
             " to no trusted certificate of an mtls_ca file");

    /* one that may */

    sk_X509_push(extra, cas[KEY_P256].x509);
    assert_int_equal(signer(extra, &n), NGX_OK);
    assert_int_equal(n, 1);

    sk_X509_free(extra);
    pki_free(&nosign);
    pki_free(&lost);
    pki_free(&stranger);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_algorithms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signer_of_files, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_signer_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signer_refused, setup, teardown)
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
