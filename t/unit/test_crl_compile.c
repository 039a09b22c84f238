
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * From CRL files to tables: what is written, what of several CRLs counts, what
 * an operator is told.
 */


#include "compile.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/pem.h>


static compile_t  *c = &compile;


static void
test_der(void **state)
{
    der_t             crl;
    size_t            len;
    u_char            expected[NGX_MTLS_HASH_LEN], keys[96];
    char              path[512], name[65];
    struct stat       st;
    ngx_str_t         file;
    ngx_mtls_table_t  *table;

    crl = compile_crl(&c->ca, "07");

    compile_good(crl.data, crl.len, 1);

    /* of the DER and what is trusted, the name */

    memcpy(keys, c->job.source_key, 32);
    assert_int_equal(ngx_mtls_sha256(crl.data, crl.len, keys + 32), NGX_OK);
    memcpy(keys + 64, ngx_mtls_ca_digest(c->w.ca), 32);
    assert_int_equal(ngx_mtls_sha256(keys, 96, expected), NGX_OK);
    *ngx_hex_dump((u_char *) name, expected, 32) = '\0';
    assert_string_equal((char *) c->made->name, name);

    snprintf(path, sizeof(path), "%s/%s.tmp", c->w.dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    file.data = (u_char *) path;
    file.len = strlen(path);

    table = ngx_mtls_table_open(&file, c->job.run_id, c->made->hash, &c->err);
    assert_non_null(table);
    assert_int_equal(table->header->nrecords, 2);
    assert_int_equal(table->header->nanchors, 1);
    assert_int_equal(table->header->nissuers, 1);
    assert_memory_equal(table->header->source_key, c->job.source_key, 32);
    assert_memory_equal(table->header->source_hash, keys + 32, 32);
    assert_memory_equal(table->header->trust, keys + 64, 32);
    assert_memory_equal(table->issuers[0], table->header->issuer, 32);

    assert_int_equal(X509_digest(c->root.x509, EVP_sha256(), expected, NULL),
                     1);
    assert_memory_equal(table->anchors[0], expected, 32);

    ngx_mtls_table_close(table);

    assert_true(compile_listed(0, "\x05", 1));
    assert_true(compile_listed(0, "\x06\x00", 2));
    assert_false(compile_listed(0, "\x06", 1));

    /* again: what a killed compiler left does not matter */

    compile_good(crl.data, crl.len, 1);

    /* a newline at the end is none of it, anything else is */

    der_raw(&crl, "\n", 1);
    compile_good(crl.data, crl.len, 1);
    assert_string_equal((char *) c->made->name, name);
    compile_clean();

    der_raw(&crl, "\n", 1);
    compile_refused(crl.data, crl.len, "octets after the end of the CRL");

    len = crl.len - 2;
    snprintf(path, sizeof(path), "CRL truncated, it should have %d octets",
             (int) len);
    compile_refused(crl.data, len - 1, path);
}


static void
test_empty_crl(void **state)
{
    der_t       crl;
    crl_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    crl = crl_make(c->w.pool, &c->ca, &spec);
    compile_good(crl.data, crl.len, 1);
    assert_false(compile_listed(0, "\x05", 1));
}


/* nowhere to write */

static void
test_no_folder(void **state)
{
    der_t  crl;

    crl = compile_crl(&c->ca, "07");

    ngx_str_set(&c->job.dir, "/nonexistent");
    assert_int_equal(compile_run(crl.data, crl.len), NGX_ERROR);
    c->err.text[c->err.len] = '\0';
    assert_non_null(strstr((char *) c->err.text, "cannot create"));
    assert_non_null(strstr((char *) c->err.text,
                           "(2: No such file or directory)"));
    assert_int_equal(c->nmade, 0);
}


/* the second CRL is wrong: nothing of the first stays */

static void
test_all_or_nothing(void **state)
{
    der_t       a, b;
    ngx_str_t   all, pa, pb;
    crl_spec_t  spec;

    a = compile_crl(&c->ca, "07");
    pa = crl_pem(c->w.pool, &a);

    b = compile_crl(&c->ca, "08");
    b.data[b.len - 20] ^= 1;
    pb = crl_pem(c->w.pool, &b);
    all = compile_join((ngx_str_t[]) { pa, pb }, 2);
    compile_refused(all.data, all.len,
                    "PEM block 2: the signature does not verify"
                    " with the key of \"CN=CA,O=Test\"");

    memset(&spec, 0, sizeof(spec));
    spec.extensions = "30{06{2a03}0101ff04{}}";
    b = crl_make(c->w.pool, &c->ca, &spec);
    pb = crl_pem(c->w.pool, &b);
    all = compile_join((ngx_str_t[]) { pa, pb }, 2);
    compile_refused(all.data, all.len,
                    "PEM block 2: unknown critical extension"
                    " 1.2.3");

    compile_refused(b.data, b.len, "unknown critical extension 1.2.3");
}


/* several CRLs of one place in a file: the newest counts */

static void
test_superseded(void **state)
{
    der_t       a, b;
    ngx_str_t   all, pa, pb;
    crl_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.entries = CRL_ENTRY("09", "");
    spec.extensions = CRL_NUMBER("04");

    a = compile_crl(&c->ca, "07");
    b = crl_make(c->w.pool, &c->ca, &spec);
    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);

    all = compile_join((ngx_str_t[]) { pa, pb, pa }, 3);
    compile_good(all.data, all.len, 1);
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    all = compile_join((ngx_str_t[]) { pb, pa }, 2);
    compile_good(all.data, all.len, 1);
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    /* not if they are of different points */

    spec.extensions = CRL_NUMBER("04") CRL_IDP("83020560");
    b = crl_make(c->w.pool, &c->ca, &spec);
    pb = crl_pem(c->w.pool, &b);

    all = compile_join((ngx_str_t[]) { pb, pa }, 2);
    compile_good(all.data, all.len, 2);
}


static void
test_rollback(void **state)
{
    der_t                     a, b;
    ngx_str_t                 pa, pb, all;
    crl_spec_t                spec;
    ngx_mtls_crl_t            crl;
    ngx_mtls_table_header_t   loaded;

#define REMEDY                                                               \
        "; if its CA really began anew, restart nginx"

    a = compile_crl(&c->ca, "07");
    compile_good(a.data, a.len, 1);

    assert_int_equal(crl_parse(c->w.pool, a.data, a.len, &crl, &c->err),
                     NGX_OK);
    loaded = crl.header;

    {
        char  path[512];
        FILE  *f;

        snprintf(path, sizeof(path), "%s/%s.tmp", c->w.dir, c->made->name);
        f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fread(&loaded, sizeof(loaded), 1, f), 1);
        fclose(f);
    }

    compile_clean();

    c->job.loaded = &loaded;
    c->job.nloaded = 1;

    b = compile_crl(&c->ca, "04");
    compile_refused(b.data, b.len,
                    "the CRL of \"CN=CA,O=Test\" is older (CRL number"
                    " 4) than the loaded one (CRL number 7)" REMEDY);

    /* the same, newer, another signer's: fine */

    compile_good(a.data, a.len, 1);
    compile_clean();

    b = compile_crl(&c->ca, "08");
    compile_good(b.data, b.len, 1);
    compile_clean();

    b = compile_crl(&c->root, "04");
    compile_good(b.data, b.len, 1);
    compile_clean();

    /* an old one beside a new one is no step back */

    b = compile_crl(&c->ca, "04");
    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);
    all = compile_join((ngx_str_t[]) { pb, pa }, 2);
    compile_good(all.data, all.len, 1);
    compile_clean();

    /* long numbers; no number: the time tells */

    memcpy(loaded.number, "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
    loaded.number_len = 10;
    compile_refused(a.data, a.len,
                    "the CRL of \"CN=CA,O=Test\" is older (CRL number 7)"
                    " than the loaded one (CRL number"
                    " 0x00ffffffffffffffffff)" REMEDY);

    memset(&spec, 0, sizeof(spec));
    spec.times = "17{'221231235959Z'}";
    b = crl_make(c->w.pool, &c->ca, &spec);
    compile_refused(b.data, b.len,
                    "the CRL of \"CN=CA,O=Test\" is older (thisUpdate"
                    " 2022-12-31 23:59:59) than the loaded one (thisUpdate"
                    " 2023-01-01 00:00:00)" REMEDY);
}


/* pool after pool without memory: an error each time and nothing left */

static void
test_memory(void **state)
{
    der_t        a, b;
    ngx_int_t    rc;
    ngx_str_t    pa, pb, all;
    ngx_uint_t   n;
    ngx_pool_t  *pool;

    a = compile_crl(&c->ca, "07");
    b = compile_crl(&c->root, "07");
    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);
    all = compile_join((ngx_str_t[]) { pa, pb }, 2);

    c->job.path = pki_text(c->w.dir, "a.crl", (char *) all.data, all.len);

    for (n = 1; n < 1000; n++) {
        pool = shim_pool();

        shim_alloc_fail(n);
        rc = ngx_mtls_crl_compile(&c->job, pool, &c->made, &c->nmade,
                                  &c->err);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        ngx_destroy_pool(pool);

        assert_int_equal(rc, NGX_ERROR);
        assert_true(c->err.len > 0);
        assert_int_equal(c->nmade, 0);
        assert_int_equal(compile_files(".tmp"), 0);
    }

    assert_in_range(n, 20, 900);
    ngx_destroy_pool(pool);
}


/* a file of the public cases, the signer's certificates beside it */

static ngx_int_t
public_case(const char *name)
{
    BIO                  *bio;
    char                  path[256], *label, *header;
    long                  len;
    X509                 *x509;
    der_t                 crl;
    pki_t                 certs[2];
    ngx_str_t             file;
    ngx_uint_t            n;
    unsigned char        *data;
    const unsigned char  *p;

    snprintf(path, sizeof(path), "t/data/revocation/crl/%s.pem", name);

    bio = BIO_new_file(path, "r");
    assert_non_null(bio);

    der_init(&crl, c->w.pool);
    n = 0;

    while (PEM_read_bio(bio, &label, &header, &data, &len)) {

        if (strcmp(label, "CRL") == 0) {
            der_raw(&crl, data, len);

        } else if (strncmp(label, "CA CERTIFICATE", 14) == 0) {
            p = data;
            x509 = d2i_X509(NULL, &p, len);
            assert_non_null(x509);
            assert_in_range(n, 0, 1);
            certs[n++].x509 = x509;
        }

        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }

    BIO_free(bio);
    ERR_clear_error();

    assert_in_range(n, 1, 2);

    c->w.ca = ngx_mtls_ca_create(c->w.pool);
    assert_non_null(c->w.ca);

    file = pki_file(c->w.dir, "public.pem",
                    (pki_t *[]) { &certs[0], &certs[n - 1] }, 2);
    assert_int_equal(world_ca(&c->w, "public", &file, 1), NGX_OK);
    world_ca_finish(&c->w);
    c->job.ca = c->w.ca;

    while (n) {
        X509_free(certs[--n].x509);
    }

    return compile_run(crl.data, crl.len);
}


/* what is to be refused whoever asks; the rest is judged at lookup */

static void
test_public(void **state)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    static struct {
        const char  *name;
        const char  *cause;
    } cases[] = {
        { "bad_crldp_has_crlissuer", NULL },
        { "bad_idp_onlycontainscacerts_no_basic_constraints", NULL },
        { "bad_idp_uri_and_onlycontainscacerts", NULL },
        { "bad_thisupdate_too_old", NULL },
        { "good", NULL },
        { "good_fake_extension_no_nextupdate", NULL },
        { "good_idp_contains_uri", NULL },
        { "good_idp_onlycontainsusercerts", NULL },
        { "good_idp_uri_and_onlycontainscacerts", NULL },
        { "good_issuer_name_normalization", NULL },
        { "good_key_rollover", NULL },
        { "good_no_nextupdate", NULL },
        { "invalid_idp_onlycontainsusercerts_v1_leaf", NULL },
        { "revoked_fake_crlentryextension", NULL },
        { "revoked_key_rollover", NULL },

        { "bad_fake_critical_extension",
          "unknown critical extension 1.2.3.4" },
        { "bad_idp_indirectcrl",
          "it is an indirect CRL, which is not supported" },
        { "bad_key_rollover_signature",
          "the signature does not verify with the key of \"CN=Test"
          " Intermediate CA\"" },
        { "bad_signature",
          "the signature does not verify with the key of \"CN=Test"
          " Intermediate CA\"" },
        { "invalid_garbage_after_crlentryextensions",
          "entry 2: malformed extensions" },
        { "invalid_garbage_after_nextupdate",
          "malformed tbsCertList" },
        { "invalid_garbage_after_revokedcerts",
          "malformed tbsCertList" },
        { "invalid_garbage_after_thisupdate",
          "malformed tbsCertList" },
        { "invalid_garbage_issuer_name",
          "malformed issuer name" },
        { "invalid_garbage_revoked_serial_number",
          "entry 2: malformed serial number" },
        { "invalid_garbage_signaturevalue",
          "there is no CRL in it, neither DER nor \"-----BEGIN"
          " X509 CRL-----\"" },
        { "invalid_garbage_tbscertlist",
          "there is no CRL in it, neither DER nor \"-----BEGIN"
          " X509 CRL-----\"" },
        { "invalid_garbage_version",
          "malformed signature algorithm" },
        { "invalid_idp_empty_sequence",
          "empty issuing distribution point" },
        { "invalid_key_rollover_issuer_keyusage_no_crlsign",
          "its issuer \"CN=Test Intermediate CA\" must not sign"
          " CRLs: the key usage of its certificate lacks cRLSign" },
        { "invalid_revoked_empty_sequence",
          "the list of entries is there and empty" },
        { "invalid_v1_with_crlentryextension",
          "entry 2: a v1 CRL has no extensions" },
        { "invalid_v3",
          "version 2 is not one of CRLs" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = public_case(cases[i].name);

        if (cases[i].cause) {
            assert_int_equal(rc, NGX_DECLINED);
            compile_cause(cases[i].cause);

        } else if (rc != NGX_OK) {
            fail_msg("%s: %.*s", cases[i].name, (int) c->err.len,
                     c->err.text);

        } else {
            compile_clean();
        }
    }
}


/* the same of the other set, whose CRLs are signed by many */

static void
test_public_parse(void **state)
{
    FILE            *f;
    size_t           len;
    u_char           buf[16384];
    ngx_int_t        rc;
    ngx_uint_t       i, n;
    DIR             *d;
    char             path[512];
    ngx_mtls_crl_t   crl;
    struct dirent   *e;

    static const char  *dir = "t/data/revocation/pkits/crls";

    static struct {
        const char  *name;
        const char  *cause;
    } cases[] = {
        { "UnknownCRLExtensionCACRL.crl",
          "unknown critical extension 2.16.840.1.101.2.1.12.2" },
        { "indirectCRLCA1CRL.crl",
          "it is an indirect CRL, which is not supported" },
        { "indirectCRLCA3cRLIssuerCRL.crl",
          "it is an indirect CRL, which is not supported" },
        { "indirectCRLCA5CRL.crl",
          "it is an indirect CRL, which is not supported" },
        { "deltaCRLCA1deltaCRL.crl",
          "it is a delta CRL, which is not supported, use the complete one" },
        { "deltaCRLCA2deltaCRL.crl",
          "it is a delta CRL, which is not supported, use the complete one" },
        { "deltaCRLCA3deltaCRL.crl",
          "it is a delta CRL, which is not supported, use the complete one" }
    };

    d = opendir(dir);
    assert_non_null(d);

    n = 0;

    while ((e = readdir(d)) != NULL) {

        if (e->d_name[0] == '.') {
            continue;
        }

        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        f = fopen(path, "r");
        assert_non_null(f);
        len = fread(buf, 1, sizeof(buf), f);
        fclose(f);

        n++;
        rc = ngx_mtls_crl_parse(c->w.pool, buf, len, &crl, &c->err);

        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

            if (strcmp(cases[i].name, e->d_name) == 0) {
                break;
            }
        }

        if (i == sizeof(cases) / sizeof(cases[0])) {

            if (rc != NGX_OK) {
                fail_msg("%s: %.*s", e->d_name, (int) c->err.len,
                         c->err.text);
            }

            continue;
        }

        assert_int_equal(rc, NGX_DECLINED);
        assert_int_equal(c->err.len, strlen(cases[i].cause));
        assert_memory_equal(c->err.text, cases[i].cause, c->err.len);
    }

    closedir(d);

    assert_int_equal(n, 39);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_der, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_empty_crl, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_no_folder, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_superseded, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_rollback, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_public, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_public_parse, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_memory, compile_setup,
                                        compile_teardown)
    };

    return cmocka_run_group_tests(tests, compile_group_setup,
                                  compile_group_teardown);
}
