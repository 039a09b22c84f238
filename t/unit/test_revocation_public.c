
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Revocation: public cases, of NIST's PKITS and of BoringSSL.
 */


#include "world.h"

#include <stdio.h>
#include <openssl/pem.h>

#include <ngx_mtls_revocation.h>


#define DATA  "t/data/revocation/"


static const char  *outcomes[] = {
    "unchecked", "good", "stale", "unknown", "revoked", "error"
};


static world_t  w;


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


/* the next field of a line, up to a tab or, if "sep" is it, a space */

static char *
field(char **line, const char *sep)
{
    char  *p;

    p = strsep(line, sep);

    return p ? p : (char *) "";
}


static X509 *
read_cert(const char *path)
{
    X509  *x509;
    FILE  *f;

    f = fopen(path, "r");
    assert_non_null(f);
    x509 = d2i_X509_fp(f, NULL);
    assert_non_null(x509);
    fclose(f);

    return x509;
}


static ngx_str_t
str(const char *text)
{
    ngx_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


/* PKITS is valid until 2030, whenever this runs */
static const time_t  pkits_now = 1767225600;


/*
 * Whether the target's chain is verified, and no element of it is revoked or
 * unknown
 */

static ngx_uint_t
pkits_good(X509 *target, STACK_OF(X509) *presented)
{
    ngx_uint_t               i, good, depth;
    X509_STORE              *st;
    X509_STORE_CTX          *ctx;
    X509_VERIFY_PARAM       *param;
    STACK_OF(X509)          *chain;
    ngx_mtls_anchor_t       *anchor;
    ngx_mtls_ca_cert_t       issuer;
    ngx_mtls_revocation_t    rv;
    ngx_mtls_certificate_t   cert;

    st = X509_STORE_new();
    ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_CTX_init(ctx, st, target, presented), 1);
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, pkits_now);
    X509_VERIFY_PARAM_set_depth(param, 10);

    world_parse(&w, target, &cert);

    (void) ngx_mtls_ca_verify(w.ca,
                              ngx_mtls_trust_create(w.pool, w.ca, NULL, 0),
                              ctx, cert.fingerprint, &anchor, &depth);

    good = (anchor != NULL);
    chain = X509_STORE_CTX_get0_chain(ctx);

    for (i = 0; good && i < depth; i++) {
        world_parse(&w, sk_X509_value(chain, i), &cert);
        world_issuer(&w, sk_X509_value(chain, i + 1), &issuer);

        assert_int_equal(ngx_mtls_revocation_check(w.manifest, w.ca, &cert,
                                      &issuer, anchor->fingerprint,
                                      pkits_now, w.pool, &rv),
                         NGX_OK);

        good = (rv.outcome == NGX_MTLS_OUTCOME_GOOD);
    }

    X509_STORE_CTX_free(ctx);
    X509_STORE_free(st);

    return good;
}


/*
 * One case of PKITS.  "unsupported" counts CRLs of a kind that is refused:
 * delta and indirect ones.
 */

static ngx_uint_t
pkits(char *certs, char *crls, ngx_uint_t *unsupported)
{
    char             *name;
    X509             *x509;
    ngx_str_t         path;
    ngx_uint_t        n, good;
    STACK_OF(X509)   *chain;
    char              file[8][256];

    setup(NULL);
    shim_time_set(pkits_now);

    chain = sk_X509_new_null();
    *unsupported = 0;

    for (n = 0; *(name = field(&certs, " ")); n++) {
        snprintf(file[n], sizeof(file[0]), DATA "pkits/certs/%s.crt", name);

        x509 = read_cert(file[n]);
        sk_X509_unshift(chain, x509);
    }

    while (n-- > 1) {
        path = str(file[n - 1]);
        assert_int_equal(world_ca(&w, "pkits", &path, 0), NGX_OK);
    }

    world_ca_finish(&w);

    for (n = 0; *(name = field(&crls, " ")); n++) {
        snprintf(file[n], sizeof(file[0]), DATA "pkits/crls/%s.crl", name);
        path = str(file[n]);

        if (world_crl(&w, &path, 0, 0) != NGX_OK) {
            w.err.text[ngx_min(w.err.len, sizeof(w.err.text) - 1)] = '\0';

            if (strstr((char *) w.err.text, "delta")
                || strstr((char *) w.err.text, "indirect"))
            {
                (*unsupported)++;
            }
        }
    }

    world_publish(&w);

    good = pkits_good(sk_X509_value(chain, 0), chain);

    sk_X509_pop_free(chain, X509_free);

    teardown(NULL);

    return good;
}


static void
test_pkits(void **state)
{
    FILE        *f;
    char         buf[1024], *line, *number, *name, *chain, *crls, *verdict;
    ngx_uint_t   ran, wrong, beyond, good, expected, unsupported;

    f = fopen(DATA "pkits/expected.tsv", "r");
    assert_non_null(f);

    assert_non_null(fgets(buf, sizeof(buf), f));

    ran = 0;
    wrong = 0;
    beyond = 0;

    while (fgets(buf, sizeof(buf), f)) {
        buf[strcspn(buf, "\n")] = '\0';
        line = buf;

        number = field(&line, "\t");
        name = field(&line, "\t");
        chain = field(&line, "\t");
        crls = field(&line, "\t");
        verdict = field(&line, "\t");

        expected = (strcmp(verdict, "good") == 0);
        good = pkits(chain, crls, &unsupported);

        ran++;

        if (good == expected) {
            continue;
        }

        /* what is refused, a delta, can neither clear nor revoke */

        if (unsupported) {
            beyond++;
            continue;
        }

        print_message("# %s %s: is %s\n", number, name,
                      good ? "good" : "not good");
        wrong++;
    }

    fclose(f);

    print_message("# pkits: %d cases, %d of delta or indirect CRLs\n",
                  (int) ran, (int) beyond);

    assert_int_equal(ran, 40);
    assert_int_equal(wrong, 0);
    assert_int_equal(beyond, 4);
}


/* the blocks of a file of crl/: target, issuer, anchor, CRL */

static void
blocks(const char *path, X509 **target, X509 **issuer, X509 **anchor,
    ngx_str_t *crl)
{
    BIO                  *bio;
    char                 *name, *header;
    long                  len;
    X509                 *x509;
    unsigned char        *data;
    const unsigned char  *p;

    *target = NULL;
    *issuer = NULL;
    *anchor = NULL;

    bio = BIO_new_file(path, "r");
    assert_non_null(bio);

    while (PEM_read_bio(bio, &name, &header, &data, &len)) {

        if (strcmp(name, "CRL") == 0) {
            *crl = pki_text(w.dir, "case.crl", (char *) data, len);

        } else {
            p = data;
            x509 = d2i_X509(NULL, &p, len);
            assert_non_null(x509);

            if (strcmp(name, "CERTIFICATE") == 0) {
                *target = x509;

            } else if (strcmp(name, "CA CERTIFICATE") == 0) {
                *issuer = x509;

            } else {
                *anchor = x509;
            }
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }

    BIO_free(bio);
}


static ngx_uint_t
crl_case(const char *name)
{
    X509                    *target, *issuer, *anchor;
    pki_t                    ca;
    ngx_str_t                path, crl;
    ngx_mtls_revocation_t    rv;
    ngx_mtls_ca_cert_t       above;
    ngx_mtls_certificate_t   cert, top;
    char                     file[256];

    static const time_t  now = 1489017600;

    setup(NULL);
    shim_time_set(now);

    snprintf(file, sizeof(file), DATA "crl/%s", name);
    blocks(file, &target, &issuer, &anchor, &crl);

    if (anchor == NULL) {
        anchor = issuer;
        X509_up_ref(anchor);
    }

    ca.x509 = anchor;
    path = pki_file(w.dir, "anchor.pem", (pki_t *[]) { &ca }, 1);
    assert_int_equal(world_ca(&w, "a", &path, 1), NGX_OK);

    ca.x509 = issuer;
    path = pki_file(w.dir, "issuer.pem", (pki_t *[]) { &ca }, 1);
    assert_int_equal(world_ca(&w, "a", &path, 0), NGX_OK);

    world_ca_finish(&w);

    (void) world_crl(&w, &crl, 0, 7 * PKI_DAY);
    world_publish(&w);

    world_parse(&w, target, &cert);
    world_parse(&w, anchor, &top);
    world_issuer(&w, issuer, &above);

    assert_int_equal(ngx_mtls_revocation_check(w.manifest, w.ca, &cert, &above,
                                               top.fingerprint, now, w.pool,
                                               &rv),
                     NGX_OK);

    X509_free(target);
    X509_free(issuer);
    X509_free(anchor);

    teardown(NULL);

    return rv.outcome;
}


static void
test_crl(void **state)
{
    FILE        *f;
    char         buf[256], *line, *name, *expected;
    ngx_uint_t   ran, wrong, outcome;

    f = fopen(DATA "crl/expected.tsv", "r");
    assert_non_null(f);

    ran = 0;
    wrong = 0;

    while (fgets(buf, sizeof(buf), f)) {
        buf[strcspn(buf, "\n")] = '\0';
        line = buf;

        name = field(&line, "\t");
        expected = field(&line, "\t");

        if (strstr(name, ".pem") == NULL) {
            continue;
        }

        ran++;
        outcome = crl_case(name);

        if (strcmp(outcomes[outcome], expected) != 0) {
            print_message("# %s: is %s\n", name, outcomes[outcome]);
            wrong++;
        }
    }

    fclose(f);

    assert_int_equal(ran, 33);
    assert_int_equal(wrong, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pkits),
        cmocka_unit_test(test_crl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
