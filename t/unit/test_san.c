
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * subjectAltName: values by kind, undefined ones, many of them.
 */


#include "x509.h"


#define SAN  "2.5.29.17"
#define UPN  "1.3.6.1.4.1.311.20.2.3"


/* as NGX_MTLS_SAN_DNS and so on */
static const char  *kinds[NGX_MTLS_SAN_TYPES] = {
    "dns", "uri", "email", "ip", "upn", "rid", "dirname"
};


static ngx_str_t
upn(ngx_uint_t tag, ngx_str_t value)
{
    return der(CONS(0), oid(UPN), element(CONS(0), element(tag, value)));
}


static ngx_str_t
directory(ngx_uint_t tag, ngx_str_t value)
{
    return element(CONS(4), der(SEQ, rdn("2.5.4.3", tag, value)));
}


static void
test_values(void **state)
{
    ngx_uint_t               i, k;
    ngx_mtls_certificate_t   cert;

    struct {
        ngx_uint_t   kind;
        ngx_str_t    name;
        const char  *text;
    } cases[] = {
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("a.example")), "a.example" },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("A.Example.COM.")),
          "a.example.com." },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("ABCDEFGHIJKLMNOPQRSTUVWXYZ@["
                                              "`abcxyz{|}~ !/09:")),
          "abcdefghijklmnopqrstuvwxyz@[`abcxyz{|}~ !/09:" },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("*.Example.com")),
          "*.example.com" },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("")), "" },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("a\0.example")), NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("good.example\0.evil.example")),
          NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("m\xc3\xbcller.example")),
          NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("a.example.example\r\nX: y")),
          NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("01234567\x7f")), NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("\x7f" "01234567")), NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("\x1f" "01234567")), NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("\x80" "01234567")), NULL },
        { NGX_MTLS_SAN_DNS, element(CTX(2), S("\xff\x01")), NULL },

        { NGX_MTLS_SAN_URI, element(CTX(6), S("spiffe://Prod.Example/NS/a")),
          "spiffe://Prod.Example/NS/a" },
        { NGX_MTLS_SAN_URI, element(CTX(6), S("urn:a,urn:b")),
          "urn:a,urn:b" },
        { NGX_MTLS_SAN_URI, element(CTX(6), S("")), "" },
        { NGX_MTLS_SAN_URI, element(CTX(6), S("urn:a\0")), NULL },
        { NGX_MTLS_SAN_URI, element(CTX(6), S("urn:a\tb")), NULL },
        { NGX_MTLS_SAN_URI, element(CTX(6), S("urn:\xe4")), NULL },

        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("John.Doe@Example.COM")),
          "John.Doe@example.com" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("\"A@B\"@Example.COM")),
          "\"A@B\"@example.com" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("NoAt.Example")),
          "NoAt.Example" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("A@")), "A@" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("@A")), "@a" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("")), "" },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("a@b\0")), NULL },
        { NGX_MTLS_SAN_EMAIL, element(CTX(1), S("\xc3\xbc@b")), NULL },

        { NGX_MTLS_SAN_IP, element(CTX(7), S("\x7f\x00\x00\x01")),
          "127.0.0.1" },
        { NGX_MTLS_SAN_IP, element(CTX(7), S("\xff\xff\xff\xff")),
          "255.255.255.255" },
        { NGX_MTLS_SAN_IP,
          element(CTX(7), S("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01")),
          "2001:db8::1" },
        { NGX_MTLS_SAN_IP,
          element(CTX(7), S("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01")),
          "::ffff:10.0.0.1" },
        { NGX_MTLS_SAN_IP, element(CTX(7), S("")), NULL },
        { NGX_MTLS_SAN_IP, element(CTX(7), S("\x7f\0\0")), NULL },
        { NGX_MTLS_SAN_IP, element(CTX(7), S("\x7f\0\0\x01\x00")), NULL },
        { NGX_MTLS_SAN_IP, element(CTX(7), S("\x0a\0\0\0\xff\0\0\0")), NULL },

        { NGX_MTLS_SAN_UPN, upn(UTF8, S("J\xc3\xb6rg@corp")),
          "J\xc3\xb6rg@corp" },
        { NGX_MTLS_SAN_UPN, upn(IA5, S("a@b")), "a@b" },
        { NGX_MTLS_SAN_UPN, upn(BMP, S("\0a\0@\0b")), "a@b" },
        { NGX_MTLS_SAN_UPN, upn(UTF8, S("")), "" },
        { NGX_MTLS_SAN_UPN, upn(UTF8, S("a\0@b")), NULL },
        { NGX_MTLS_SAN_UPN, upn(UTF8, S("\xfc@b")), NULL },
        { NGX_MTLS_SAN_UPN, upn(OCTETS, S("a@b")), NULL },
        { NGX_MTLS_SAN_UPN, der(CONS(0), oid(UPN), S("\xa0\x00")), NULL },
        { NGX_MTLS_SAN_UPN,
          der(CONS(0), oid(UPN), S("\xa0\x06\x0c\x01" "a\x0c\x01" "b")),
          NULL },

        { NGX_MTLS_SAN_RID, element(CTX(8), S("\x2a\x03")), "1.2.3" },
        { NGX_MTLS_SAN_RID, element(CTX(8), S("")), NULL },
        { NGX_MTLS_SAN_RID, element(CTX(8), S("\x2a\x80\x01")), NULL },
        { NGX_MTLS_SAN_RID, element(CTX(8), S("\x2a\x83")), NULL },

        { NGX_MTLS_SAN_DIRNAME, directory(UTF8, S("a,b")), "CN=a\\,b" },
        { NGX_MTLS_SAN_DIRNAME, directory(UTF8, S("a\r\nb")),
          "CN=a\\0d\\0ab" },
        { NGX_MTLS_SAN_DIRNAME, directory(UTF8, S("a\0b")),
          "CN=#0c03610062" },
        { NGX_MTLS_SAN_DIRNAME, S("\xa4\x02\x30\x00"), "" },
        { NGX_MTLS_SAN_DIRNAME, S("\xa4\x00"), NULL },
        { NGX_MTLS_SAN_DIRNAME, S("\xa4\x02\x31\x00"), NULL },
        { NGX_MTLS_SAN_DIRNAME, S("\xa4\x04\x30\x02\x31\x00"), NULL },
        { NGX_MTLS_SAN_DIRNAME, S("\xa4\x03\x30\x00\x00"), NULL },
    };

    char  whole[256];

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_extension(SAN, element(SEQ, cases[i].name), &cert);

        values_equal("value", &cert.san[cases[i].kind],
                     cases[i].text ? cases[i].text : "?");

        (void) snprintf(whole, sizeof(whole), "%s:%s", kinds[cases[i].kind],
                        cases[i].text);
        values_equal("san", &cert.san_all, cases[i].text ? whole : "?");

        for (k = 0; k < NGX_MTLS_SAN_TYPES; k++) {
            assert_int_equal(cert.san[k].n, k == cases[i].kind);
        }

        assert_int_equal(cert.dirnames.n,
                         cases[i].kind == NGX_MTLS_SAN_DIRNAME);
    }
}


static void
test_order(void **state)
{
    ngx_mtls_certificate_t   cert;

    x509_extension(SAN,
                   der(SEQ,
                       element(CTX(2), S("b")),
                       element(CTX(6), S("urn:1")),
                       S("\xa3\x02\x30\x00"),             /* x400Address */
                       element(CTX(2), S("a\0")),
                       S("\xa5\x00"),                     /* ediPartyName */
                       der(CONS(0), oid("1.2.3"), S("\xa0\x02\x05\x00")),
                       directory(UTF8, S("X")),
                       element(CTX(2), S("b")),
                       directory(PRINT, S("x")),
                       upn(UTF8, S("u"))),
                   &cert);

    values_equal("san", &cert.san_all,
                 "dns:b|uri:urn:1|?|dirname:CN=X|dns:b|dirname:CN=x|upn:u");
    values_equal("dns", &cert.san[NGX_MTLS_SAN_DNS], "b|?|b");
    values_equal("uri", &cert.san[NGX_MTLS_SAN_URI], "urn:1");
    values_equal("upn", &cert.san[NGX_MTLS_SAN_UPN], "u");
    values_equal("dirname", &cert.san[NGX_MTLS_SAN_DIRNAME], "CN=X|CN=x");

    /* the same name, whatever its type and case */

    assert_int_equal(cert.dirnames.n, 2);
    assert_int_equal(cert.dirnames.elts[0].len, cert.dirnames.elts[1].len);
    assert_memory_equal(cert.dirnames.elts[0].data,
                        cert.dirnames.elts[1].data,
                        cert.dirnames.elts[0].len);

    /* nothing but kinds without use */

    x509_extension(SAN, S("\x30\x02\xa5\x00"), &cert);
    assert_int_equal(cert.san_all.n, 0);
}


static void
test_malformed(void **state)
{
    x509_t                   x;
    ngx_str_t                good;
    ngx_uint_t               i, k;
    ngx_mtls_certificate_t   cert;

    good = element(CTX(2), S("a.example"));

    ngx_str_t  bad[] = {
        S(""),
        S("\x30\x00"),
        good,
        element(SET, good),
        cat(element(SEQ, good), S("\x00")),
        der(SEQ, good, S("\x82")),
        der(SEQ, good, S("\x82\x05" "abc")),
        der(SEQ, good, S("\x82\x80\x00\x00")),

        /* no GeneralNames: constructed strings, primitive names, others */
        der(SEQ, good, S("\xa2\x03\x16\x01" "a")),
        der(SEQ, good, S("\x84\x02\x30\x00")),
        der(SEQ, good, S("\x80\x00")),
        der(SEQ, good, S("\x89\x01" "a")),
        der(SEQ, good, S("\x16\x01" "a")),
        der(SEQ, good, S("\x9f\x02\x01" "a")),

        /* otherName: no type, no value, a value without its tag, a tail */
        der(SEQ, good, S("\xa0\x00")),
        der(SEQ, good, element(CONS(0), oid(UPN))),
        der(SEQ, good, der(CONS(0), oid(UPN), S("\x0c\x01" "a"))),
        der(SEQ, good, der(CONS(0), oid("1.2.3"), S("\xa0\x02\x05\x00"),
                           S("\x05\x00"))),
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        x509_extension(SAN, bad[i], &cert);

        values_equal("san", &cert.san_all, "?");

        for (k = 0; k < NGX_MTLS_SAN_TYPES; k++) {
            values_equal(kinds[k], &cert.san[k], "?");
        }

        values_equal("dirnames", &cert.dirnames, "?");
    }

    /* twice */

    x509_init(&x);
    x.extensions = cat(extension(SAN, element(SEQ, good)),
                       extension(SAN, element(SEQ, good)));
    x509_parse(&x, &cert);

    values_equal("san", &cert.san_all, "?");
    values_equal("dns", &cert.san[NGX_MTLS_SAN_DNS], "?");
    values_equal("uri", &cert.san[NGX_MTLS_SAN_URI], "?");
}


static void
test_many(void **state)
{
    u_char                  *p;
    x509_t                   x;
    ngx_str_t                s, names;
    ngx_uint_t               i, n;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    static ngx_uint_t  counts[] = { 2000, NGX_MTLS_SAN_MAX,
                                    NGX_MTLS_SAN_MAX + 1 };

    for (n = 0; n < 3; n++) {
        names.data = ngx_pnalloc(pool, counts[n] * 10);
        p = names.data;

        for (i = 0; i < counts[n]; i++) {
            *p++ = CTX(2);
            *p++ = 7;
            p = ngx_sprintf(p, "H%05ui.", i);
        }

        names.len = p - names.data;

        x509_init(&x);
        x.extensions = extension(SAN, element(SEQ, names));
        s = x509_der(&x);

        shim_alloc_fail(0);

        if (counts[n] > NGX_MTLS_SAN_MAX) {
            assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert,
                                                        &err),
                             NGX_DECLINED);
            assert_memory_equal(err.text, "certificate has more than 4096 "
                                "alternative names", err.len);
            return;
        }

        x509_parse(&x, &cert);

        assert_int_equal(cert.san[NGX_MTLS_SAN_DNS].n, counts[n]);
        assert_int_equal(cert.san_all.n, counts[n]);
        assert_memory_equal(cert.san[NGX_MTLS_SAN_DNS].elts[1999].data,
                            "h01999.", 7);

        /* one block each, and those of what is not a name */

        assert_true(shim_alloc_count() < counts[n] + 32);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
