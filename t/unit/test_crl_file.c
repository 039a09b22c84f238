
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * CRL files: PEM and DER, whole and broken, and what peeking tells of them.
 */


#include "compile.h"

#include <stdio.h>
#include <sys/stat.h>


#define text(s)  { sizeof(s) - 1, (u_char *) s }


static compile_t  *c = &compile;


static void
test_pem(void **state)
{
    char             *p, *crlf;
    size_t            i;
    der_t             a, b;
    ngx_str_t         pa, pb, all, cert;
    pki_t            *certs[1];
    crl_spec_t        spec;

    memset(&spec, 0, sizeof(spec));
    spec.entries = CRL_ENTRY("09", "");

    a = compile_crl(&c->ca, "07");
    b = crl_make(c->w.pool, &c->root, &spec);
    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);

    /* one, two, with text around, with other blocks between */

    compile_good(pa.data, pa.len, 1);
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    all = compile_join((ngx_str_t[]) {
        text("0 what it is - nothing\n--- x\n-----not a block\n"), pa,
        text("between\n-----BEGIN EC PRIVATE KEY-----\n"
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"
             "-- any thing *\n-----END EC PRIVATE KEY-----\n"),
        text("-----BEGIN CRL-----\nAAAA\n-----END CRL-----"), text("\n"), pb,
        text("the end") }, 7);

    compile_good(all.data, all.len, 2);
    assert_true(compile_listed(0, "\x05", 1));
    assert_true(compile_listed(1, "\x09", 1));
    compile_clean();

    /* lines end with CR LF, have blanks, or are one */

    crlf = ngx_pnalloc(c->w.pool, 2 * pa.len);

    for (i = 0, p = crlf; i < pa.len; i++) {

        if (pa.data[i] == '\n') {
            *p++ = '\t';
            *p++ = '\r';
        }

        *p++ = pa.data[i];
    }

    compile_good(crlf, p - crlf, 1);
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    for (i = 0, p = crlf; i < pa.len; i++) {

        if (pa.data[i] != '\n' || i < 40 || i > pa.len - 30) {
            *p++ = pa.data[i];
        }
    }

    compile_good(crlf, p - crlf, 1);
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    /* the signer's certificate beside it */

    a = compile_crl(&c->other, "07");
    pa = crl_pem(c->w.pool, &a);
    compile_refused(pa.data, pa.len,
                    "issuer \"CN=Other,O=Test\" is not known, add its"
                    " certificate to an mtls_ca file or to issuer=");

    certs[0] = &c->other;
    c->job.issuer = pki_file(c->w.dir, "other.pem", certs, 1);

    compile_good(pa.data, pa.len, 1);
    compile_clean();

    cert.data = ngx_pnalloc(c->w.pool, 65536);
    cert.len = 0;

    {
        FILE  *f;

        f = fopen((char *) c->job.issuer.data, "r");
        assert_non_null(f);
        cert.len = fread(cert.data, 1, 65536, f);
        fclose(f);
    }

    ngx_str_null(&c->job.issuer);

    all = compile_join((ngx_str_t[]) { pa, cert }, 2);
    compile_good(all.data, all.len, 1);
    compile_clean();

    all = compile_join((ngx_str_t[]) { cert, pa }, 2);
    compile_good(all.data, all.len, 1);
}


static void
test_pem_broken(void **state)
{
    der_t        a;
    ngx_str_t    pem, all;
    ngx_uint_t   i;

    static struct {
        ngx_str_t    before;
        size_t       cut;      /* from the end of the PEM block */
        ngx_str_t    after;
        const char  *cause;
    } cases[] = {
        { text(""), 1, text(""), NULL },
        { text(""), 2, text(""), "PEM block 1 is cut short" },
        { text(""), 25, text("\n"), "PEM block 1 is cut short" },
        { text(""), 100, text(""), "PEM block 1 is cut short" },
        { text(""), 23, text("-----END CERTIFICATE-----\n"),
          "PEM block 1 is cut short" },
        { text(""), 23, text("-----BEGIN X509 CRL-----\n"),
          "PEM block 1 is cut short" },
        { text("-----BEGIN X509 CRL-----"), 0, text(""),
          "PEM block 1 is cut short" },
        { text("-----BEGIN CERTIFICATE-----\nAAAA\n"), 0, text(""),
          "PEM block 1 is cut short" },
        { text("-----BEGIN CERTIFICATE----\nAAAA\n"), 0, text(""),
          "PEM block 1 is cut short" },
        { text("-----BEGIN CERTIFICATE-----\nAAAA\n"
               "-----END CERTIFICATE-----\n"), 0, text(""),
          "PEM block 1: PEM block 1 (\"CERTIFICATE\") is malformed" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: CRL truncated" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMAA\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: its base64 is cut short" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMA=A\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: octet 65 is not base64" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nM===\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: its base64 is cut short" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMAAA=\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: its base64 is cut short" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMAA*\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: octet 42 is not base64" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMAA==\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: its base64 is cut short" },
        { text(""), 0, text("-----BEGIN X509 CRL-----\nMAAAAA==\n"
                            "-----END X509 CRL-----\n"),
          "PEM block 2: tbsCertList truncated" }
    };

    a = compile_crl(&c->ca, "07");
    pem = crl_pem(c->w.pool, &a);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_str_t  part = pem;

        part.len -= cases[i].cut;

        all = compile_join((ngx_str_t[]) { cases[i].before, part,
                                           cases[i].after }, 3);

        if (cases[i].cause) {
            compile_refused(all.data, all.len, cases[i].cause);

        } else {
            compile_good(all.data, all.len, 1);
            compile_clean();
        }
    }

    /* no CRL at all */

    compile_refused("x", 1, "there is no CRL in it, neither DER nor"
            " \"-----BEGIN X509 CRL-----\"");
    compile_refused("0", 1, "there is no CRL in it, neither DER nor"
            " \"-----BEGIN X509 CRL-----\"");
    compile_refused("-----BEGIN CRL-----\nAAAA\n-----END CRL-----\n", 44,
            "there is no CRL in it, neither DER nor"
            " \"-----BEGIN X509 CRL-----\"");

    /* every prefix of a PEM file */

    for (i = 1; i < pem.len - 1; i++) {
        assert_int_equal(compile_run(pem.data, i), NGX_DECLINED);
        assert_int_equal(compile_files(".tmp"), 0);
    }
}


static void
test_files(void **state)
{
    char   text[512];
    der_t  crl;

    crl = compile_crl(&c->ca, "07");

    c->job.path = pki_text(c->w.dir, "empty.crl", "", 0);
    assert_int_equal(compile_again(), NGX_DECLINED);
    compile_cause("the file is empty");

    (void) unlink((char *) c->job.path.data);
    assert_int_equal(compile_again(), NGX_DECLINED);
    compile_cause("cannot be opened (2: No such file or directory)");

    assert_int_equal(mkfifo((char *) c->job.path.data, 0600), 0);
    assert_int_equal(compile_again(), NGX_DECLINED);
    compile_cause("not a regular file");

    /* 3 GiB of nothing */

    (void) unlink((char *) c->job.path.data);
    c->job.path = pki_text(c->w.dir, "empty.crl", "", 0);
    assert_int_equal(truncate((char *) c->job.path.data, 3221225472), 0);
    assert_int_equal(compile_again(), NGX_DECLINED);
    compile_cause("the file is larger than 2 GiB");

    /* a symbolic link is what Kubernetes has */

    (void) unlink((char *) c->job.path.data);
    (void) pki_text(c->w.dir, "a.crl", (char *) crl.data, crl.len);
    assert_int_equal(symlink("a.crl", (char *) c->job.path.data), 0);
    assert_int_equal(compile_again(), NGX_OK);
    compile_clean();

    /* issuer= */

    c->job.issuer = pki_text(c->w.dir, "empty.pem", "", 0);
    snprintf(text, sizeof(text), "issuer file \"%s\": the file is empty",
             c->job.issuer.data);
    compile_refused(crl.data, crl.len, text);
}


static ngx_int_t
peek(const void *data, size_t len, time_t now, ngx_array_t *issuers,
    ngx_uint_t *stale)
{
    c->job.path = pki_text(c->w.dir, "a.crl", data, len);

    assert_int_equal(ngx_array_init(issuers, c->w.pool, 4, NGX_MTLS_HASH_LEN),
                     NGX_OK);

    return ngx_mtls_crl_peek(c->w.pool, &c->job.path, now, issuers, stale,
                             &c->err);
}


static void
test_peek(void **state)
{
    char            *entries, *p, text[64];
    der_t            a, b;
    u_char           issuer[NGX_MTLS_HASH_LEN];
    ngx_str_t        pa, pb, all;
    crl_spec_t       spec;
    ngx_uint_t       i, stale;
    ngx_array_t      issuers;
    ngx_mtls_crl_t   crl;

    a = compile_crl(&c->ca, "07");
    assert_int_equal(crl_parse(c->w.pool, a.data, a.len, &crl, &c->err),
                     NGX_OK);
    memcpy(issuer, crl.issuer_hash, NGX_MTLS_HASH_LEN);

    assert_int_equal(peek(a.data, a.len, 1672531200, &issuers, &stale),
                     NGX_OK);
    assert_int_equal(stale, 0);
    assert_int_equal(issuers.nelts, 1);
    assert_memory_equal(issuers.elts, issuer, NGX_MTLS_HASH_LEN);

    assert_int_equal(peek(a.data, a.len, 2493072000 - 1, &issuers, &stale),
                     NGX_OK);
    assert_int_equal(stale, 0);
    assert_int_equal(peek(a.data, a.len, 2493072000, &issuers, &stale),
                     NGX_OK);
    assert_int_equal(stale, 1);

    /* a large one: nothing after its head is read */

    memset(&spec, 0, sizeof(spec));
    entries = ngx_pnalloc(c->w.pool, 5000 * 64);
    assert_non_null(entries);

    for (i = 0, p = entries; i < 5000; i++) {
        p += sprintf(p, CRL_ENTRY("01%04x", ""), (int) i);
    }

    spec.entries = entries;
    spec.times = CRL_TIME;
    b = crl_make(c->w.pool, &c->root, &spec);
    assert_true(b.len > 65536);

    assert_int_equal(peek(b.data, b.len, 2493072000, &issuers, &stale),
                     NGX_OK);
    assert_int_equal(stale, 0);
    assert_int_equal(issuers.nelts, 1);

    /* PEM, with both */

    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);
    all = compile_join((ngx_str_t[]) { pb, pa }, 2);

    assert_int_equal(peek(all.data, all.len, 2493072000, &issuers, &stale),
                     NGX_OK);
    assert_int_equal(stale, 1);
    assert_int_equal(issuers.nelts, 2);
    assert_memory_equal((u_char *) issuers.elts + NGX_MTLS_HASH_LEN, issuer,
                        NGX_MTLS_HASH_LEN);

    /* not what it should be */

    assert_int_equal(peek(a.data, a.len - 1, 0, &issuers, &stale),
                     NGX_DECLINED);
    snprintf(text, sizeof(text), "CRL truncated, it should have %d octets",
             (int) a.len);
    compile_cause(text);

    assert_int_equal(peek(b.data, b.len / 2, 0, &issuers, &stale),
                     NGX_DECLINED);

    assert_int_equal(peek(all.data, all.len - 30, 0, &issuers, &stale),
                     NGX_DECLINED);
    compile_cause("PEM block 2 is cut short");

    assert_int_equal(peek("x", 1, 0, &issuers, &stale), NGX_DECLINED);
    compile_cause("there is no CRL in it, neither DER nor"
             " \"-----BEGIN X509 CRL-----\"");

    (void) unlink((char *) c->job.path.data);
    assert_int_equal(ngx_mtls_crl_peek(c->w.pool, &c->job.path, 0, &issuers,
                                       &stale, &c->err),
                     NGX_DECLINED);
    compile_cause("cannot be opened (2: No such file or directory)");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_pem, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_pem_broken, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_files, compile_setup,
                                        compile_teardown),
        cmocka_unit_test_setup_teardown(test_peek, compile_setup,
                                        compile_teardown)
    };

    return cmocka_run_group_tests(tests, compile_group_setup,
                                  compile_group_teardown);
}
