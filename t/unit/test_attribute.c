
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes: their names in group lines and variables, values and text.
 */


#include "x509.h"


#define SAN  "2.5.29.17"
#define OWN  "1.3.6.1.4.1.32473.1"


static void
oid_equal(const char *what, ngx_str_t *oid, const char *dotted)
{
    u_char  text[NGX_MTLS_OID_TEXT_LEN];
    size_t  len;

    len = oid->len ? ngx_mtls_oid_text(oid->data, oid->len, text) : 0;

    if (len != strlen(dotted) || ngx_memcmp(text, dotted, len) != 0) {
        fail_msg("\"%s\": OID \"%.*s\" instead of \"%s\"", what, (int) len,
                 text, dotted);
    }
}


static void
test_line(void **state)
{
    static struct {
        const char            *text;
        ngx_mtls_attribute_e   id;
        const char            *oid;
        ngx_uint_t             single;
        ngx_uint_t             whole;
        ngx_uint_t             used;
    } good[] = {
        { "subject cn a b", NGX_MTLS_ATTR_SUBJECT, "2.5.4.3", 1, 0, 2 },
        { "subject CN a", NGX_MTLS_ATTR_SUBJECT, "2.5.4.3", 1, 0, 2 },
        { "subject 2.5.4.97 a", NGX_MTLS_ATTR_SUBJECT, "2.5.4.97", 1, 0, 2 },
        { "subject organizationIdentifier a", NGX_MTLS_ATTR_SUBJECT,
          "2.5.4.97", 1, 0, 2 },
        { "subject any ou a", NGX_MTLS_ATTR_SUBJECT, "2.5.4.11", 0, 0, 3 },
        { "issuer o a", NGX_MTLS_ATTR_ISSUER, "2.5.4.10", 1, 0, 2 },
        { "issuer any 1.2.3 a", NGX_MTLS_ATTR_ISSUER, "1.2.3", 0, 0, 3 },
        { "subject_dn CN=a", NGX_MTLS_ATTR_SUBJECT_DN, "", 0, 1, 1 },
        { "issuer_dn CN=a", NGX_MTLS_ATTR_ISSUER_DN, "", 0, 1, 1 },
        { "dirname CN=a", NGX_MTLS_ATTR_DIRNAME, "", 0, 1, 1 },
        { "serial 05", NGX_MTLS_ATTR_SERIAL, "", 0, 0, 1 },
        { "dns a", NGX_MTLS_ATTR_DNS, "", 0, 0, 1 },
        { "uri a", NGX_MTLS_ATTR_URI, "", 0, 0, 1 },
        { "email a", NGX_MTLS_ATTR_EMAIL, "", 0, 0, 1 },
        { "ip a", NGX_MTLS_ATTR_IP, "", 0, 0, 1 },
        { "upn a", NGX_MTLS_ATTR_UPN, "", 0, 0, 1 },
        { "rid a", NGX_MTLS_ATTR_RID, "", 0, 0, 1 },
        { "eku a", NGX_MTLS_ATTR_EKU, "", 0, 0, 1 },
        { "policy a", NGX_MTLS_ATTR_POLICY, "", 0, 0, 1 },
        { "extension 1.2.3 a", NGX_MTLS_ATTR_EXTENSION, "1.2.3", 0, 0, 2 },
        { "fingerprint a", NGX_MTLS_ATTR_FINGERPRINT, "", 0, 0, 1 },
        { "spki a", NGX_MTLS_ATTR_SPKI, "", 0, 0, 1 },
        { "key_type a", NGX_MTLS_ATTR_KEY_TYPE, "", 0, 0, 1 },
        { "ca a", NGX_MTLS_ATTR_CA, "", 0, 0, 1 },
        { "group a", NGX_MTLS_ATTR_GROUP, "", 0, 0, 1 },
    };

    static struct {
        const char  *text;
        const char  *error;
    } bad[] = {
        { "", "no attribute" },
        { "cn a", "unknown attribute \"cn\"" },
        { "Subject cn", "unknown attribute \"Subject\"" },
        { "san a", "unknown attribute \"san\"" },
        { "policies a", "unknown attribute \"policies\"" },
        { "thumbprint a", "unknown attribute \"thumbprint\"" },
        { "days_left 5", "unknown attribute \"days_left\"" },
        { "spiff a", "unknown attribute \"spiff\"" },
        { "subject", "\"subject\" needs the short name or OID of an "
          "attribute, as in \"subject cn\"" },
        { "issuer any", "\"issuer\" needs the short name or OID of an "
          "attribute, as in \"subject cn\"" },
        { "subject any any", "\"any\" after \"subject\" is not a known short "
          "name of an attribute, nor an OID" },
        { "subject dn a", "\"dn\" after \"subject\" is not a known short name "
          "of an attribute, nor an OID" },
        { "subject 2.5.4. a", "\"2.5.4.\" after \"subject\" is not a known "
          "short name of an attribute, nor an OID" },
        { "extension", "\"extension\" needs the OID of an extension" },
        { "extension san a", "\"san\" after \"extension\" is not an OID" },
        { "extension any 1.2.3", "\"any\" after \"extension\" is not an "
          "OID" },
    };

    ngx_int_t              rc;
    ngx_str_t              words[8];
    ngx_uint_t             i, used;
    ngx_mtls_error_t       err;
    ngx_mtls_attribute_t   attr;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        err.len = 0;
        used = 0;
        rc = ngx_mtls_attribute_line(pool, words, split(good[i].text, words),
                                     &attr, &used, &err);

        if (rc != NGX_OK || attr.id != good[i].id
            || attr.single != good[i].single || attr.whole != good[i].whole
            || attr.index != 0 || used != good[i].used)
        {
            fail_msg("line \"%s\": %.*s", good[i].text, (int) err.len,
                     err.text);
        }

        oid_equal(good[i].text, &attr.oid, good[i].oid);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err.len = 0;
        rc = ngx_mtls_attribute_line(pool, words, split(bad[i].text, words),
                                     &attr, &used, &err);

        if (rc != NGX_DECLINED || err.len != strlen(bad[i].error)
            || ngx_memcmp(err.text, bad[i].error, err.len) != 0)
        {
            fail_msg("line \"%s\": %d, %.*s", bad[i].text, (int) rc,
                     (int) err.len, err.text);
        }
    }
}


static void
test_variable(void **state)
{
    static struct {
        const char            *name;
        ngx_mtls_attribute_e   id;
        const char            *oid;
        ngx_uint_t             index;
        ngx_uint_t             single;
    } good[] = {
        { "subject_cn", NGX_MTLS_ATTR_SUBJECT, "2.5.4.3", 0, 1 },
        { "subject_ou_2", NGX_MTLS_ATTR_SUBJECT, "2.5.4.11", 2, 0 },
        { "subject_2_5_4_97", NGX_MTLS_ATTR_SUBJECT, "2.5.4.97", 0, 1 },
        { "subject_2_5_4_97__2", NGX_MTLS_ATTR_SUBJECT, "2.5.4.97", 2, 0 },
        { "subject_2_5_4_97_2", NGX_MTLS_ATTR_SUBJECT, "2.5.4.97.2", 0, 1 },
        { "issuer_organizationidentifier_10", NGX_MTLS_ATTR_ISSUER,
          "2.5.4.97", 10, 0 },
        { "san", NGX_MTLS_ATTR_SAN, "", 0, 0 },
        { "san_3", NGX_MTLS_ATTR_SAN, "", 3, 0 },
        { "san_dns", NGX_MTLS_ATTR_DNS, "", 0, 0 },
        { "san_dns_1", NGX_MTLS_ATTR_DNS, "", 1, 0 },
        { "san_uri", NGX_MTLS_ATTR_URI, "", 0, 0 },
        { "san_email", NGX_MTLS_ATTR_EMAIL, "", 0, 0 },
        { "san_ip_12", NGX_MTLS_ATTR_IP, "", 12, 0 },
        { "san_upn", NGX_MTLS_ATTR_UPN, "", 0, 0 },
        { "san_rid", NGX_MTLS_ATTR_RID, "", 0, 0 },
        { "san_dirname", NGX_MTLS_ATTR_DIRNAME, "", 0, 0 },
        { "eku", NGX_MTLS_ATTR_EKU, "", 0, 0 },
        { "eku_2", NGX_MTLS_ATTR_EKU, "", 2, 0 },
        { "policies", NGX_MTLS_ATTR_POLICY, "", 0, 0 },
        { "policies_1", NGX_MTLS_ATTR_POLICY, "", 1, 0 },
        { "extension_1_2_3", NGX_MTLS_ATTR_EXTENSION, "1.2.3", 0, 0 },
        { "serial", NGX_MTLS_ATTR_SERIAL, "", 0, 0 },
        { "fingerprint", NGX_MTLS_ATTR_FINGERPRINT, "", 0, 0 },
        { "thumbprint", NGX_MTLS_ATTR_THUMBPRINT, "", 0, 0 },
        { "spki", NGX_MTLS_ATTR_SPKI, "", 0, 0 },
        { "key_type", NGX_MTLS_ATTR_KEY_TYPE, "", 0, 0 },
        { "days_left", NGX_MTLS_ATTR_DAYS_LEFT, "", 0, 0 },
    };

    static const char  *bad[] = {
        "", "subject", "subject_", "issuer_dn", "subject_cn_", "subject_cn_0",
        "subject_cn_01", "subject_cn_x", "subject_cn_1_2", "subject__cn",
        "subject_any_cn", "subject_2", "subject_2_", "subject_2_5_4_97__",
        "subject_2_5_4_97__0", "subject_2_5_4_97___1", "subject_3_1",
        "subject_2_5_4_97__99999999999999999999", "subject_2.5.4.97",
        "issuer_", "issuer_dn", "san_", "san_0", "san_dns_0", "san_dns_",
        "san_dns_1_", "san_dns_-1", "san_other", "san__1", "dns", "eku_",
        "eku_0", "policy", "extension", "extension_", "extension_san",
        "extension_1_2_3_", "extension_1_2_3__1", "serial_1", "fingerprint_1",
        "ca", "group", "identity", "groups", "days", "_1", "_",
    };

    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_uint_t             i;
    ngx_mtls_attribute_t   attr;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        name = str(good[i].name);
        rc = ngx_mtls_attribute_variable(pool, &name, &attr);

        if (rc != NGX_OK || attr.id != good[i].id || attr.whole != 0
            || attr.index != good[i].index || attr.single != good[i].single)
        {
            fail_msg("variable \"%s\"", good[i].name);
        }

        oid_equal(good[i].name, &attr.oid, good[i].oid);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        name = str(bad[i]);

        if (ngx_mtls_attribute_variable(pool, &name, &attr) != NGX_DECLINED) {
            fail_msg("\"%s\" is a variable", bad[i]);
        }
    }
}


/* a certificate whose names have what is difficult */

static void
names_make(ngx_mtls_certificate_t *cert)
{
    x509_t  x;

    x509_init(&x);

    x.issuer = der(SEQ, rdn("2.5.4.10", UTF8, S("House")),
                   rdn("2.5.4.3", UTF8, S("a\0b")));

    x.subject = der(SEQ,
                    rdn("2.5.4.6", PRINT, S("DE")),
                    rdn("2.5.4.10", UTF8, S("Evil,CN=admin")),
                    rdn("2.5.4.11", UTF8, S("one")),
                    rdn("2.5.4.11", BMP, S("\0t\0w\0\xf6")),
                    der(SET, ava("2.5.4.3", UTF8, S("cn")),
                        ava("2.5.4.11", UTF8, S("three"))),
                    rdn("2.5.4.11", PRINT, S("a*b")),
                    rdn("2.5.4.12", UTF8, S("")),
                    rdn("2.5.4.13", UTF8, S("a\r\nX: \"y\"%\x7f\xc3\xbc")),
                    rdn("2.5.4.97", UTF8, S("PSDDE-X-1")));

    x509_parse(&x, cert);
}


static void
test_names(void **state)
{
    static struct {
        const char  *line;
        const char  *variable;
        const char  *values;
        const char  *text;
    } cases[] = {
        { "subject c", "subject_c", "DE", "DE" },
        { "subject o", "subject_o", "Evil,CN=admin", "Evil,CN=admin" },
        { "subject l", "subject_l", "", "" },
        { "subject title", "subject_title", "", "" },
        { "subject 2.5.4.97", "subject_2_5_4_97", "PSDDE-X-1", "PSDDE-X-1" },

        /* twice; alone, but in an RDN of two */
        { "subject ou", "subject_ou", "?", "" },
        { "subject cn", "subject_cn", "?", "" },
        { "subject any cn", NULL, "cn", NULL },
        { "subject any ou", NULL, "one|tw\xc3\xb6|three|?", NULL },
        { "subject any l", NULL, "", NULL },

        { NULL, "subject_cn_1", "cn", "cn" },
        { NULL, "subject_cn_2", "", "" },
        { NULL, "subject_ou_1", "one", "one" },
        { NULL, "subject_ou_2", "tw\xc3\xb6", "tw\xc3\xb6" },
        { NULL, "subject_ou_3", "three", "three" },
        { NULL, "subject_ou_4", "?", "" },
        { NULL, "subject_ou_5", "", "" },
        { NULL, "subject_2_5_4_11__2", "tw\xc3\xb6", "tw\xc3\xb6" },

        { "subject description", "subject_description",
          "a\r\nX: \"y\"%\x7f\xc3\xbc", "a%0D%0AX: \"y\"%%7F\xc3\xbc" },
        { NULL, "subject_description_1", "a\r\nX: \"y\"%\x7f\xc3\xbc",
          "a%0D%0AX: \"y\"%%7F\xc3\xbc" },

        { "issuer o", "issuer_o", "House", "House" },
        { "issuer cn", "issuer_cn", "?", "" },
        { "issuer any cn", "issuer_cn_1", "?", "" },
        { "extension 1.2.3", "extension_1_2_3", "", "" },
        { "ca", NULL, "", NULL },
        { "group", NULL, "", NULL },
    };

    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    names_make(&cert);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (cases[i].line) {
            line(cases[i].line, &attr);
            assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                             NGX_OK);
            values_equal(cases[i].line, &values, cases[i].values);
        }

        if (cases[i].variable) {
            variable(cases[i].variable, &attr);
            assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                             NGX_OK);
            values_equal(cases[i].variable, &values, cases[i].values);

            assert_int_equal(ngx_mtls_attribute_text(pool, &cert, &attr,
                                                     &text),
                             NGX_OK);
            assert_non_null(text.data);

            if (text.len != strlen(cases[i].text)
                || ngx_memcmp(text.data, cases[i].text, text.len) != 0)
            {
                fail_msg("variable \"%s\": \"%.*s\" instead of \"%s\"",
                         cases[i].variable, (int) text.len, text.data,
                         cases[i].text);
            }
        }
    }

    /* asked again, nothing grows */

    line("subject any ou", &attr);
    shim_alloc_fail(1);

    for (i = 0; i < 3; i++) {
        assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                         NGX_OK);
        values_equal("subject any ou", &values, "one|tw\xc3\xb6|three|?");
    }

    /* an attribute without an "any" list of its own does not take another's */

    shim_alloc_fail(0);
    line("subject any 2.5.4.10", &attr);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    values_equal("subject any o", &values, "Evil,CN=admin");
}


static void
test_text(void **state)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    struct {
        ngx_str_t    names;
        const char  *variable;
        const char  *text;
    } cases[] = {
        { S(""), "san", "" },
        { S(""), "san_dns", "" },

        /* a list of one cannot be taken for two */
        { element(CTX(6), S("urn:a,b%c\"\\")), "san_uri",
          "urn:a%2Cb%25c%22%5C" },
        { element(CTX(6), S("urn:a,b%c\"\\")), "san",
          "uri:urn:a%2Cb%25c%22%5C" },
        { element(CTX(6), S("urn:a,b%c\"\\")), "san_uri_1",
          "urn:a,b%c\"\\" },
        { element(CTX(6), S("")), "san_uri", "" },
        { element(CTX(2), S("a\0")), "san_dns", "" },

        /* several */
        { cat(element(CTX(6), S("urn:a,b")), element(CTX(6), S("%\"\\ ~"))),
          "san_uri", "urn:a%2Cb,%25%22%5C ~" },
        { cat(element(CTX(2), S("A")), element(CTX(2), S("b\0")),
              element(CTX(2), S("")), element(CTX(2), S("c"))),
          "san_dns", "a,,,c" },
        { cat(element(CTX(2), S("A")), element(CTX(6), S("x,y"))),
          "san", "dns:a,uri:x%2Cy" },
        { cat(element(CTX(2), S("A")), element(CTX(6), S("x,y"))),
          "san_uri", "x%2Cy" },
        { cat(der(CONS(0), oid("1.3.6.1.4.1.311.20.2.3"),
                  element(CONS(0), element(UTF8, S("J\xc3\xb6\n")))),
              der(CONS(0), oid("1.3.6.1.4.1.311.20.2.3"),
                  element(CONS(0), element(UTF8, S("b"))))),
          "san_upn", "J%C3%B6%0A,b" },

        /* the n-th */
        { cat(element(CTX(6), S("urn:a,b")), element(CTX(6), S("%\"\\ ~"))),
          "san_uri_2", "%\"\\ ~" },
        { cat(element(CTX(6), S("urn:a,b")), element(CTX(6), S("%\"\\ ~"))),
          "san_uri_3", "" },
        { cat(element(CTX(2), S("A")), element(CTX(6), S("x,y"))),
          "san_2", "uri:x,y" },
        { element(CTX(2), S("a\0")), "san_dns_1", "" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_extension(SAN, element(SEQ, cases[i].names), &cert);
        variable(cases[i].variable, &attr);

        assert_int_equal(ngx_mtls_attribute_text(pool, &cert, &attr, &text),
                         NGX_OK);
        assert_non_null(text.data);

        if (text.len != strlen(cases[i].text)
            || ngx_memcmp(text.data, cases[i].text, text.len) != 0)
        {
            fail_msg("text %u \"%s\": \"%.*s\"", (unsigned) i, cases[i].text,
                     (int) text.len, text.data);
        }
    }
}


static void
test_facts(void **state)
{
    static struct {
        const char  *variable;
        const char  *text;
    } facts[] = {
        { "serial", "4F49C6468F74F40329EC499856820B9A0C0A32C4" },
        { "fingerprint", "ad8e55e7ad9b17485ed3438e4f489dbb"
                         "3ac8e1daa47e5b09af82454bc928381c" },
        { "thumbprint", "rY5V562bF0he00OOT0iduzrI4dqkflsJr4JFS8koOBw" },
        { "spki", "8fb6bad671cfe698393c453357da61b5"
                  "6d757ab8c0f3fb9c87f2849e63131878" },
        { "key_type", "rsa:2048" },
        { "eku", "1.3.6.1.5.5.7.3.4,1.3.6.1.5.5.7.3.2" },
        { "eku_2", "1.3.6.1.5.5.7.3.2" },
        { "policies", "2.23.140.1.5.2.2" },
        { "extension_2_5_29_19", "#3000" },
        { "extension_2_5_29_99", "" },
        { "extension_2_5_29_15", "#03020780" },
        { "san_dirname_1", "O=\xe3\x82\xa2\xe3\x82\xaf\xe3\x83\x9f\xe5\xb7\xa5"
          "\xe6\xa5\xad\xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe,"
          "organizationIdentifier=LEIXG-AEYE00EKXESVZUUEBP67" },
    };

    static struct {
        time_t       now;
        const char  *text;
    } days[] = {
        { 1690502399 - 86400 * 10, "10" },
        { 1690502399 - 86400 * 10 + 1, "9" },
        { 1690502399 - 86400, "1" },
        { 1690502399 - 86399, "0" },
        { 1690502399, "0" },
        { 1690502399 + 1, "-1" },
        { 1690502399 + 86400, "-1" },
        { 1690502399 + 86401, "-2" },
    };

    ngx_str_t                s, text;
    ngx_uint_t               i;
    ngx_mtls_error_t         err;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    s = x509_file("dirname.pem", 0);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);

    for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        variable(facts[i].variable, &attr);
        assert_int_equal(ngx_mtls_attribute_text(pool, &cert, &attr, &text),
                         NGX_OK);

        if (text.len != strlen(facts[i].text)
            || ngx_memcmp(text.data, facts[i].text, text.len) != 0)
        {
            fail_msg("variable \"%s\": \"%.*s\" instead of \"%s\"",
                     facts[i].variable, (int) text.len, text.data,
                     facts[i].text);
        }
    }

    variable("days_left", &attr);

    for (i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        shim_time_set(days[i].now);
        assert_int_equal(ngx_mtls_attribute_text(pool, &cert, &attr, &text),
                         NGX_OK);
        assert_str_equal(&text, days[i].text);
    }

    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    assert_int_equal(values.n, 0);
}


static void
test_extensions(void **state)
{
    x509_t                   x;
    ngx_uint_t               i;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    line("extension " OWN, &attr);

    x509_init(&x);
    x.extensions = cat(extension("1.2.3", S("\x0c\x01x")),
                       extension(OWN, S("\x0c\x02" "ab")));
    x509_parse(&x, &cert);

    for (i = 0; i < 2; i++) {
        assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                         NGX_OK);
        values_equal("extension", &values, "ab");
        shim_alloc_fail(1);
    }

    shim_alloc_fail(0);

    x509_extension(OWN, S("\x0c\x03" "a\0b"), &cert);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    values_equal("undecodable", &values, "?");

    x.extensions = cat(x.extensions, extension(OWN, S("\x0c\x02" "ab")));
    x509_parse(&x, &cert);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    values_equal("twice", &values, "?");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extensions, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
