
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificates: extensions, those that are understood and any other.
 */


#include "x509.h"


#define USAGE     "2.5.29.15"
#define BASIC     "2.5.29.19"
#define SAN       "2.5.29.17"
#define CRLDP     "2.5.29.31"
#define POLICIES  "2.5.29.32"
#define EKU       "2.5.29.37"
#define OWN       "1.3.6.1.4.1.32473.1"


static void
test_list(void **state)
{
    u_char                   own[NGX_MTLS_OID_LEN];
    size_t                   len;
    x509_t                   x;
    ngx_str_t                s;
    ngx_uint_t               i;
    ngx_mtls_error_t         err;
    ngx_mtls_extension_t    *ext;
    ngx_mtls_certificate_t   cert;

    len = ngx_mtls_oid_parse((u_char *) OWN, strlen(OWN), '.', own);

    x509_init(&x);
    x.extensions = cat(extension(OWN, S("abc")),
                       der(SEQ, oid(BASIC), S("\x01\x01\xff"),
                           S("\x04\x02\x30\x00")),
                       der(SEQ, oid("1.2.3"), S("\x01\x01\x00"),
                           S("\x04\x00")));
    x509_parse(&x, &cert);

    assert_int_equal(cert.nextensions, 3);
    assert_int_equal(cert.extensions[0].critical, 0);
    assert_int_equal(cert.extensions[1].critical, 1);
    assert_int_equal(cert.extensions[2].critical, 0);

    ext = ngx_mtls_certificate_extension(&cert, own, len);
    assert_ptr_equal(ext, &cert.extensions[0]);
    assert_int_equal(ngx_mtls_der_len(&ext->value), 3);

    assert_null(ngx_mtls_certificate_extension(&cert, own, len - 1));
    assert_null(ngx_mtls_certificate_extension(&cert, own, 0));

    /* twice */

    x.extensions = cat(x.extensions, extension(OWN, S("abc")));
    x509_parse(&x, &cert);
    assert_int_equal(cert.nextensions, 4);
    assert_null(ngx_mtls_certificate_extension(&cert, own, len));

    /* as many as there may be, and one more */

    x.extensions = S("");

    for (i = 0; i < NGX_MTLS_EXTENSIONS_MAX; i++) {
        x.extensions = cat(x.extensions, extension(OWN, S("abc")));
    }

    x509_parse(&x, &cert);
    assert_int_equal(cert.nextensions, NGX_MTLS_EXTENSIONS_MAX);

    x.extensions = cat(x.extensions, extension(OWN, S("abc")));
    s = x509_der(&x);

    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_DECLINED);
    assert_int_equal(err.len,
                     strlen("certificate has more than 64 extensions"));
    assert_memory_equal(err.text, "certificate has more than 64 extensions",
                        err.len);
}


static void
test_key_usage(void **state)
{
    static struct {
        ngx_str_t    value;
        ngx_uint_t   usage;
    } cases[] = {
        { ngx_string("\x03\x02\x07\x80"), 0x01 },
        { ngx_string("\x03\x02\x05\xa0"), 0x05 },
        { ngx_string("\x03\x02\x01\x06"),
          NGX_MTLS_KU_CERT_SIGN | NGX_MTLS_KU_CRL_SIGN },
        { ngx_string("\x03\x02\x00\x01"), 0x80 },
        { ngx_string("\x03\x03\x07\x00\x80"), 0 },
        { ngx_string("\x03\x03\x07\xff\x80"), 0xff },
        { ngx_string("\x03\x01\x00"), 0 },

        /* malformed: nothing is allowed */
        { ngx_string(""), 0 },
        { ngx_string("\x03\x00"), 0 },
        { ngx_string("\x03\x02\x07\xc0"), 0 },
        { ngx_string("\x04\x02\x07\x80"), 0 },
        { ngx_string("\x03\x02\x07\x80\x00"), 0 },
    };

    x509_t                   x;
    ngx_uint_t               i;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_extension(USAGE, cases[i].value, &cert);

        if (cert.key_usage != cases[i].usage) {
            fail_msg("key usage %u: %x", (unsigned) i,
                     (unsigned) cert.key_usage);
        }
    }

    x509_init(&x);
    x.extensions = cat(extension(USAGE, cases[0].value),
                       extension(USAGE, cases[0].value),
                       extension(USAGE, cases[0].value));
    x509_parse(&x, &cert);
    assert_int_equal(cert.key_usage, 0);
}


static void
test_constraints(void **state)
{
    static struct {
        ngx_str_t    value;
        ngx_uint_t   ca;
    } cases[] = {
        { ngx_string("\x30\x03\x01\x01\xff"), 1 },
        { ngx_string("\x30\x06\x01\x01\xff\x02\x01\x00"), 1 },
        { ngx_string("\x30\x00"), 0 },
        { ngx_string("\x30\x03\x01\x01\x00"), 0 },
        { ngx_string("\x30\x03\x02\x01\x01"), 0 },

        /* malformed */
        { ngx_string(""), 0 },
        { ngx_string("\x30\x03\x01\x01\x01"), 0 },
        { ngx_string("\x30\x05\x01\x01\xff\x05\x00"), 0 },
        { ngx_string("\x30\x08\x01\x01\xff\x02\x01\x00\x05\x00"), 0 },
        { ngx_string("\x30\x03\x01\x01\xff\x00"), 0 },
        { ngx_string("\x31\x03\x01\x01\xff"), 0 },
    };

    x509_t                   x;
    ngx_uint_t               i;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_extension(BASIC, cases[i].value, &cert);

        if (cert.ca != cases[i].ca) {
            fail_msg("basic constraints %u: %d", (unsigned) i, (int) cert.ca);
        }
    }

    x509_init(&x);
    x.extensions = cat(extension(BASIC, cases[0].value),
                       extension(BASIC, cases[0].value));
    x509_parse(&x, &cert);
    assert_int_equal(cert.ca, 0);
}


static void
test_oids(void **state)
{
    x509_t                   x;
    ngx_str_t                s, list;
    ngx_uint_t               i, policies;
    ngx_mtls_error_t         err;
    ngx_mtls_values_t        values;
    ngx_mtls_certificate_t   cert;

    struct {
        ngx_str_t    eku;
        ngx_str_t    policies;
        const char  *text;
    } cases[] = {
        { der(SEQ, oid("1.3.6.1.5.5.7.3.2")),
          der(SEQ, der(SEQ, oid("1.3.6.1.5.5.7.3.2"))),
          "1.3.6.1.5.5.7.3.2" },
        { der(SEQ, oid("1.2.3"), oid("2.5.29.37.0"), oid("1.2.3")),
          der(SEQ, der(SEQ, oid("1.2.3")),
              der(SEQ, oid("2.5.29.37.0"), S("\x30\x02\x05\x00")),
              der(SEQ, oid("1.2.3"))),
          "1.2.3|2.5.29.37.0|1.2.3" },

        /* malformed: one undefined value */
        { S(""), S(""), "?" },
        { S("\x30\x00"), S("\x30\x00"), "?" },
        { oid("1.2.3"), oid("1.2.3"), "?" },
        { der(SEQ, oid("1.2.3"), S("\x05\x00")),
          der(SEQ, der(SEQ, oid("1.2.3")), S("\x05\x00")), "?" },
        { cat(der(SEQ, oid("1.2.3")), S("\x00")),
          cat(der(SEQ, der(SEQ, oid("1.2.3"))), S("\x00")), "?" },
        { S("\x30\x04\x06\x02\x2a\x80"), S("\x30\x06\x30\x04\x06\x02\x2a\x80"),
          "?" },
        { S("\x30\x02\x06\x00"),
          der(SEQ, der(SEQ, oid("1.2.3"), S("\x05\x00"))), "?" },
        { der(SEQ, oid("1.2.3"), S("\x06\x80")),
          der(SEQ, der(SEQ, oid("1.2.3"), S("\x30\x00\x30\x00"))), "?" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_init(&x);
        x.extensions = cat(extension(EKU, cases[i].eku),
                           extension(POLICIES, cases[i].policies));
        x509_parse(&x, &cert);

        assert_int_equal(ngx_mtls_certificate_eku(&cert, &values), NGX_OK);
        values_equal("eku", &values, cases[i].text);

        assert_int_equal(ngx_mtls_certificate_policies(&cert, &values),
                         NGX_OK);
        values_equal("policies", &values, cases[i].text);

        /* twice */

        x.extensions = cat(x.extensions, x.extensions, x.extensions);
        x509_parse(&x, &cert);

        assert_int_equal(ngx_mtls_certificate_eku(&cert, &values), NGX_OK);
        values_equal("eku", &values, "?");

        assert_int_equal(ngx_mtls_certificate_policies(&cert, &values),
                         NGX_OK);
        values_equal("policies", &values, "?");
    }

    /* none */

    x509_init(&x);
    x509_parse(&x, &cert);
    assert_int_equal(ngx_mtls_certificate_eku(&cert, &values), NGX_OK);
    assert_int_equal(values.n, 0);
    assert_int_equal(ngx_mtls_certificate_policies(&cert, &values), NGX_OK);
    assert_int_equal(values.n, 0);

    /* as many as there may be, and one more */

    for (policies = 0; policies < 2; policies++) {
        list = S("");

        for (i = 0; i < NGX_MTLS_OIDS_MAX; i++) {
            list = cat(list, policies ? der(SEQ, oid("1.2.3"))
                                      : oid("1.2.3"));
        }

        x509_extension(policies ? POLICIES : EKU, element(SEQ, list), &cert);
        assert_int_equal(policies ? cert.policies.n : cert.eku.n,
                         NGX_MTLS_OIDS_MAX);

        list = cat(list, policies ? der(SEQ, oid("1.2.3")) : oid("1.2.3"));

        x509_init(&x);
        x.extensions = extension(policies ? POLICIES : EKU,
                                 element(SEQ, list));
        s = x509_der(&x);

        assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert,
                                                    &err),
                         NGX_DECLINED);
        assert_memory_equal(err.text, "certificate has more than 256 ", 30);
    }
}


static void
test_text(void **state)
{
    static struct {
        ngx_str_t    value;
        const char  *text;
    } cases[] = {
        { ngx_string("\x0c\x02" "ab"), "ab" },
        { ngx_string("\x13\x02" "ab"), "ab" },
        { ngx_string("\x16\x03" "a\nb"), "a\nb" },
        { ngx_string("\x1a\x02" "ab"), "ab" },
        { ngx_string("\x12\x02" "12"), "12" },
        { ngx_string("\x1e\x04\0a\0\xfc"), "a\xc3\xbc" },
        { ngx_string("\x14\x01\xfc"), "\xc3\xbc" },
        { ngx_string("\x1c\x04\0\0\0a"), "a" },
        { ngx_string("\x0c\x00"), "" },

        /* a string that looks like what is not a string */
        { ngx_string("\x0c\x03#61"), "#0c03233631" },
        { ngx_string("\x16\x01#"), "#160123" },
        { ngx_string("\x1e\x02\0#"), "#1e020023" },

        /* no strings */
        { ngx_string(""), "#" },
        { ngx_string("abc"), "#616263" },
        { ngx_string("\x05\x00"), "#0500" },
        { ngx_string("\x04\x02" "ab"), "#04026162" },
        { ngx_string("\x30\x04\x0c\x02" "ab"), "#30040c026162" },
        { ngx_string("\x0c\x02" "ab\x00"), "#0c02616200" },
        { ngx_string("\x0c\x03" "ab"), "#0c036162" },
        { ngx_string("\x0c\x80" "ab\0\0"), "#0c8061620000" },
        { ngx_string("\x2c\x02" "ab"), "#2c026162" },

        /* strings that cannot be decoded */
        { ngx_string("\x0c\x03" "a\0b"), NULL },
        { ngx_string("\x0c\x01\xff"), NULL },
        { ngx_string("\x13\x01*"), NULL },
        { ngx_string("\x1e\x02\xd8\x00"), NULL },
        { ngx_string("\x1e\x01" "a"), NULL },
    };

    ngx_str_t                s;
    ngx_uint_t               i, n;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_extension(OWN, cases[i].value, &cert);

        for (n = 0; n < 2; n++) {
            assert_int_equal(ngx_mtls_certificate_extension_text(
                                 &cert, &cert.extensions[0], &s),
                             NGX_OK);

            if (cases[i].text == NULL) {
                assert_null(s.data);
                continue;
            }

            assert_non_null(s.data);

            if (s.len != strlen(cases[i].text)
                || ngx_memcmp(s.data, cases[i].text, s.len) != 0)
            {
                fail_msg("extension %u \"%s\": \"%.*s\"", (unsigned) i,
                         cases[i].text, (int) s.len, s.data);
            }
        }
    }
}


/* the hash of a GeneralName that is not a directoryName */

static void
name_equal(u_char *hash, ngx_str_t name)
{
    u_char  expected[NGX_MTLS_HASH_LEN];

    assert_int_equal(ngx_mtls_sha256(name.data, name.len, expected), NGX_OK);
    assert_memory_equal(hash, expected, NGX_MTLS_HASH_LEN);
}


/* the hash of a directoryName, by the DER of an equal Name */

static void
directory_equal(u_char *hash, ngx_str_t name)
{
    u_char            expected[NGX_MTLS_HASH_LEN];
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   n;

    ngx_mtls_der_set(&d, name.data, name.len);
    assert_int_equal(ngx_mtls_name_parse(pool, &d, &n), NGX_OK);
    assert_int_equal(ngx_mtls_name_hash(pool, &n, expected), NGX_OK);
    assert_memory_equal(hash, expected, NGX_MTLS_HASH_LEN);
}


static void
test_points(void **state)
{
    x509_t                   x;
    ngx_str_t                uri, uri2, dir, issuer, relative;
    ngx_mtls_certificate_t   cert;

    uri = S("\x86\x0chttp://a/crl");
    uri2 = S("\x86\x0chttp://b/crl");
    dir = element(CONS(4), der(SEQ, rdn("2.5.4.10", PRINT, S("HOUSE"))));
    issuer = der(SEQ, rdn("2.5.4.10", UTF8, S("Crl Issuer")));
    relative = ava("2.5.4.3", PRINT, S("Shard 1"));

    x509_extension(CRLDP,
                   der(SEQ,
                       der(SEQ, der(CONS(0), der(CONS(0), uri, dir, uri2))),
                       der(SEQ, der(CONS(0), element(CONS(0), uri)),
                           S("\x81\x02\x01\x06")),
                       der(SEQ, der(CONS(0), element(CONS(1), relative))),
                       der(SEQ, der(CONS(0), element(CONS(1), relative)),
                           der(CONS(2), element(CONS(4), issuer))),
                       der(SEQ, S("\x81\x03\x07\xff\x80"),
                           der(CONS(2), element(CONS(4), issuer), uri))),
                   &cert);

    assert_int_equal(cert.ndps, 0);
    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(cert.cdp_malformed, 0);
    assert_int_equal(cert.ndps, 5);

    assert_int_equal(cert.dps[0].n, 3);
    assert_int_equal(cert.dps[0].reasons, 0x1fe);
    assert_int_equal(cert.dps[0].crl_issuer, 0);
    name_equal(cert.dps[0].names[0], uri);
    directory_equal(cert.dps[0].names[1],
                    der(SEQ, rdn("2.5.4.10", UTF8, S(" house "))));
    name_equal(cert.dps[0].names[2], uri2);

    assert_int_equal(cert.dps[1].n, 1);
    assert_int_equal(cert.dps[1].reasons, (1 << 5) | (1 << 6));

    assert_int_equal(cert.dps[2].n, 1);
    assert_int_equal(cert.dps[2].crl_issuer, 0);
    directory_equal(cert.dps[2].names[0],
                    der(SEQ, rdn("2.5.4.3", UTF8, S("issuer")),
                        rdn("2.5.4.3", UTF8, S("shard  1"))));

    assert_int_equal(cert.dps[3].n, 1);
    assert_int_equal(cert.dps[3].crl_issuer, 1);
    directory_equal(cert.dps[3].names[0],
                    der(SEQ, rdn("2.5.4.10", UTF8, S("crl issuer")),
                        rdn("2.5.4.3", UTF8, S("shard 1"))));

    assert_int_equal(cert.dps[4].n, 0);
    assert_int_equal(cert.dps[4].crl_issuer, 1);
    assert_int_equal(cert.dps[4].reasons, 0x1fe);

    /* none, again, and twice */

    x509_init(&x);
    x509_parse(&x, &cert);
    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(cert.ndps, 0);
    assert_int_equal(cert.cdp_malformed, 0);

    x.extensions = extension(CRLDP, der(SEQ, der(SEQ, der(CONS(0),
                                                   element(CONS(0), uri)))));
    x.extensions = cat(x.extensions, x.extensions);
    x509_parse(&x, &cert);
    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(cert.ndps, 0);
    assert_int_equal(cert.cdp_malformed, 1);
}


static void
test_points_malformed(void **state)
{
    ngx_str_t                uri, full, many, names;
    ngx_uint_t               i;
    ngx_mtls_certificate_t   cert;

    uri = S("\x86\x01x");
    full = element(CONS(0), element(CONS(0), uri));

    names = S("");

    for (i = 0; i < NGX_MTLS_DP_NAMES_MAX; i++) {
        names = cat(names, uri);
    }

    many = S("");

    for (i = 0; i < NGX_MTLS_DP_MAX - 1; i++) {
        many = cat(many, der(SEQ, full));
    }

    many = cat(many, der(SEQ, der(CONS(0), element(CONS(0), names))));

    x509_extension(CRLDP, element(SEQ, many), &cert);
    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(cert.cdp_malformed, 0);
    assert_int_equal(cert.ndps, NGX_MTLS_DP_MAX);
    assert_int_equal(cert.dps[NGX_MTLS_DP_MAX - 1].n, NGX_MTLS_DP_NAMES_MAX);

    ngx_str_t  bad[] = {
        S(""),
        S("\x30\x00"),
        S("\x31\x00"),
        der(SEQ, S("\x05\x00")),
        cat(der(SEQ, der(SEQ, full)), S("\x00")),

        /* a point that says nothing, or reasons alone */
        der(SEQ, S("\x30\x00")),
        der(SEQ, der(SEQ, S("\x81\x02\x01\x06"))),

        /* no name, no names, both kinds, an unknown kind */
        der(SEQ, der(SEQ, S("\xa0\x00"))),
        der(SEQ, der(SEQ, S("\xa0\x02\xa0\x00"))),
        der(SEQ, der(SEQ, S("\xa0\x02\xa1\x00"))),
        der(SEQ, der(SEQ, der(CONS(0), element(CONS(0), uri),
                              element(CONS(0), uri)))),
        der(SEQ, der(SEQ, der(CONS(0), element(CONS(2), uri)))),
        der(SEQ, der(SEQ, der(CONS(0), uri))),

        /* names that are cut */
        der(SEQ, der(SEQ, der(CONS(0), der(CONS(0), S("\x86\x02x"))))),
        der(SEQ, der(SEQ, der(CONS(0),
                              der(CONS(0), S("\xa4\x02\x31\x00"))))),
        der(SEQ, der(SEQ, der(CONS(0), der(CONS(1), uri)))),

        /* reasons */
        der(SEQ, der(SEQ, full, S("\x81\x00"))),
        der(SEQ, der(SEQ, full, S("\x81\x01\x01"))),
        der(SEQ, der(SEQ, full, S("\x81\x02\x08\x00"))),
        der(SEQ, der(SEQ, full, S("\x81\x02\x02\x03"))),

        /* issuers: none; two where a name is relative to one; no name */
        der(SEQ, der(SEQ, full, S("\xa2\x00"))),
        der(SEQ, der(SEQ, full, S("\xa2\x02\x86\x01"))),
        der(SEQ, der(SEQ, der(CONS(0),
                              element(CONS(1), ava("2.5.4.3", UTF8, S("a")))),
                     der(CONS(2), S("\xa4\x02\x30\x00\xa4\x02\x30\x00")))),
        der(SEQ, der(SEQ, der(CONS(0),
                              element(CONS(1), ava("2.5.4.3", UTF8, S("a")))),
                     element(CONS(2), uri))),

        /* order, tails, the last of several */
        der(SEQ, der(SEQ, S("\x81\x02\x01\x06"), full)),
        der(SEQ, der(SEQ, full, S("\x05\x00"))),
        der(SEQ, der(SEQ, full), der(SEQ, full), S("\x30\x00")),

        /* bounds */
        der(SEQ, many, der(SEQ, full)),
        der(SEQ, der(SEQ, der(CONS(0), der(CONS(0), names, uri)))),
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        x509_extension(CRLDP, bad[i], &cert);
        assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);

        if (cert.cdp_malformed != 1 || cert.ndps != 0) {
            fail_msg("points %u are not malformed", (unsigned) i);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_usage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constraints, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_points_malformed, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
