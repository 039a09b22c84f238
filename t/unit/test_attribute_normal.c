
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes: what is written in a group line meets what a certificate gives.
 */


#include "x509.h"


#define OWN    "1.3.6.1.4.1.32473.1"
#define HASH   "00112233445566778899aabbccddeeff" \
               "00112233445566778899aabbccddeeff"


/* what is written and what a certificate gives are the same octets */

static void
test_meet(void **state)
{
    static struct {
        const char  *line;
        const char  *value;
        ngx_uint_t   which;
    } cases[] = {
        { "subject_dn", "cn = DEVICE-4711.example.com, o=example  devices "
                        "gmbh, c=de", 0 },
        { "issuer_dn", "CN=Example Issuing CA,O=Example Trust,C=DE", 0 },
        { "serial", "4d:3c:2b:1a:09:f8:e7:d6:c5:b4:a3:92:81:70:6f:5e:4d:3c:"
                    "2b:1a", 0 },
        { "dns", "Device-4711.EXAMPLE.com", 0 },
        { "dns", "meter.example.com", 1 },
        { "uri", "urn:dev:meter:00004711", 0 },
        { "email", "Ops@EXAMPLE.com", 0 },
        { "eku", "clientAuth", 0 },
        { "eku", "SERVERAUTH", 1 },
        { "policy", "2.23.140.1.2.2", 0 },
        { "key_type", "EC:P-256", 0 },
        { "extension " OWN, "production!", 0 },
        { "extension 2.5.29.15", "#03020780", 0 },
        { "subject cn", "device-4711.example.com", 0 },
    };

    ngx_str_t                s, normal;
    ngx_uint_t               i;
    ngx_mtls_error_t         err;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    s = x509_file("usual.pem", 0);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        line(cases[i].line, &attr);
        s = str(cases[i].value);

        if (ngx_mtls_attribute_normal(pool, &attr, &s, &normal, &err)
            != NGX_OK)
        {
            fail_msg("\"%s\": %.*s", cases[i].value, (int) err.len, err.text);
        }

        assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                         NGX_OK);
        assert_true(values.n > cases[i].which);

        s = values.elts[cases[i].which];

        if (s.len != normal.len
            || ngx_memcmp(s.data, normal.data, s.len) != 0)
        {
            fail_msg("%s \"%s\": \"%.*s\" is not \"%.*s\"", cases[i].line,
                     cases[i].value, (int) normal.len, normal.data,
                     (int) s.len, s.data);
        }
    }

    /* a dirname is compared as a name, too */

    s = x509_file("dirname.pem", 0);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);

    line("dirname", &attr);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    assert_int_equal(values.n, 1);

    s = str("o=\xe3\x82\xa2\xe3\x82\xaf\xe3\x83\x9f\xe5\xb7\xa5\xe6\xa5\xad"
            "\xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe, "
            "2.5.4.97 = leixg-aeye00ekxesvzuuebp67");
    assert_int_equal(ngx_mtls_attribute_normal(pool, &attr, &s, &normal,
                                               &err),
                     NGX_OK);
    assert_int_equal(values.elts[0].len, normal.len);
    assert_memory_equal(values.elts[0].data, normal.data, normal.len);
}


static void
test_normal(void **state)
{
    static struct {
        const char  *line;
        const char  *value;
        const char  *normal;
    } good[] = {
        { "subject cn", "a  B", "a  B" },
        { "subject cn", "", "" },
        { "upn", "J\xc3\xb6rg", "J\xc3\xb6rg" },
        { "serial", "5", "05" },
        { "serial", "0005", "05" },
        { "serial", "0", "00" },
        { "serial", "ab:cd", "ABCD" },
        { "serial", "abc", "0ABC" },
        { "serial", "-ff", "-FF" },
        { "serial", "-00f", "-0F" },
        { "dns", "A.B.", "a.b." },
        { "dns", "", "" },
        { "uri", "URN:a", "URN:a" },
        { "email", "A@B", "A@b" },
        { "email", "A", "A" },
        { "ip", "127.0.0.1", "127.0.0.1" },
        { "ip", "2001:DB8:0:0::1", "2001:db8::1" },
        { "ip", "::FFFF:1.2.3.4", "::ffff:1.2.3.4" },
        { "rid", "1.2.3", "1.2.3" },
        { "eku", "1.2.3", "1.2.3" },
        { "eku", "anyExtendedKeyUsage", "2.5.29.37.0" },
        { "policy", "1.2.3", "1.2.3" },
        { "policy", "qcp-w", "0.4.0.194112.1.4" },
        { "policy", "QEVCP-w", "0.4.0.194112.1.4" },
        { "policy", "QCP-w-psd2", "0.4.0.19495.3.1" },
        { "qc_type", "web", "web" },
        { "qc_type", "0.4.0.1862.1.6.4", "0.4.0.1862.1.6.4" },
        { "qc_compliant", "EU", "EU" },
        { "psd2_country", "DE", "DE" },
        { "psd2_nca", "DE-BAFIN", "DE-BAFIN" },
        { "psd2_number", "A 1", "A 1" },
        { "organization_id", "PSDDE-BAFIN-1", "PSDDE-BAFIN-1" },
        { "extension " OWN, "a", "a" },
        { "extension " OWN, "#", "#" },
        { "extension " OWN, "#0C:01:61", "#0c0161" },
        { "fingerprint", HASH, HASH },
        { "spki", "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:"
                  "33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF", HASH },
        { "key_type", "RSA:2048", "rsa:2048" },
        { "key_type", "ec:secp256r1", "ec:prime256v1" },
        { "key_type", "ec:p-384", "ec:secp384r1" },
        { "key_type", "ec:BRAINPOOLP256R1", "ec:brainpoolP256r1" },
        { "key_type", "ec:1.2.840.10045.3.1.7", "ec:prime256v1" },
        { "key_type", "ec:1.2.3", "ec:1.2.3" },
        { "key_type", "Ed25519", "ed25519" },
        { "key_type", "ED448", "ed448" },
        { "key_type", "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.10" },
        { "ca", "label", "label" },
        { "group", "name", "name" },
    };

    static struct {
        const char  *line;
        const char  *value;
        const char  *error;
    } bad[] = {
        { "subject cn", "M\xfc", "is not UTF-8" },
        { "upn", "\xc3", "is not UTF-8" },
        { "subject_dn", "a", "no \"=\" in \"a\" of the name" },
        { "dirname", "CN", "no \"=\" in \"CN\" of the name" },
        { "serial", "", "is not a hexadecimal number" },
        { "serial", "-", "is not a hexadecimal number" },
        { "serial", ":", "is not a hexadecimal number" },
        { "serial", "0x05", "is not a hexadecimal number" },
        { "serial", "--5", "is not a hexadecimal number" },
        { "dns", "m\xc3\xbcller.example", "is not ASCII" },
        { "uri", "urn:\t", "is not ASCII" },
        { "email", "\xc3\xbc@a", "is not ASCII" },
        { "ip", "", "is not an IP address" },
        { "ip", "1.2.3", "is not an IP address" },
        { "ip", "1.2.3.256", "is not an IP address" },
        { "ip", "1.2.3.4.", "is not an IP address" },
        { "ip", "localhost", "is not an IP address" },
        { "ip", "2001:db8::1%eth0", "is not an IP address" },
        { "ip", "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111",
          "is not an IP address" },
        { "rid", "cn", "is not an OID" },
        { "policy", "1.2.", "is neither an OID nor a known policy" },
        { "qc_type", "qwac", "is not \"esign\", \"eseal\", \"web\"" },
        { "qc_type", "", "is not \"esign\"" },
        { "qc_compliant", "yes", "is not a country" },
        { "psd2_country", "de", "is not a country" },
        { "psd2_country", "DEU", "is not a country" },
        { "psd2_country", "", "is not a country" },
        { "psd2_nca", "\xff", "is not UTF-8" },
        { "eku", "clientauthx", "is neither an OID nor a known purpose" },
        { "extension " OWN, "#0c016", "begins with \"#\"" },
        { "extension " OWN, "#xy", "begins with \"#\"" },
        { "extension " OWN, "\xff", "is not UTF-8" },
        { "fingerprint", "0011", "is not a SHA-256 hash of 64" },
        { "fingerprint", HASH "00", "is not a SHA-256 hash of 64" },
        { "fingerprint", "sha256:" HASH, "is not a SHA-256 hash of 64" },
        { "spki", "", "is not a SHA-256 hash of 64" },
        { "key_type", "", "is not a type of key" },
        { "key_type", "rsa", "is not a type of key" },
        { "key_type", "rsa:", "is not a type of key" },
        { "key_type", "rsa:02048", "is not a type of key" },
        { "key_type", "rsa:2048x", "is not a type of key" },
        { "key_type", "ec:prime256", "is not a type of key" },
        { "key_type", "ec:", "is not a type of key" },
        { "key_type", "prime256v1", "is not a type of key" },
    };

    u_char                 *copy;
    ngx_int_t               rc;
    ngx_str_t               s, normal;
    ngx_uint_t              i;
    ngx_mtls_error_t        err;
    ngx_mtls_attribute_t    attr;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        line(good[i].line, &attr);

        s.len = strlen(good[i].value);
        copy = ngx_pnalloc(pool, s.len ? s.len : 1);
        ngx_memcpy(copy, good[i].value, s.len);
        s.data = copy;

        err.len = 0;
        rc = ngx_mtls_attribute_normal(pool, &attr, &s, &normal, &err);

        if (rc != NGX_OK || normal.len != strlen(good[i].normal)
            || ngx_memcmp(normal.data, good[i].normal, normal.len) != 0)
        {
            fail_msg("%s \"%s\": %d, %.*s", good[i].line, good[i].value,
                     (int) rc, (int) err.len, err.text);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        line(bad[i].line, &attr);
        s = str(bad[i].value);

        ngx_memzero(&err, sizeof(err));
        rc = ngx_mtls_attribute_normal(pool, &attr, &s, &normal, &err);
        err.text[sizeof(err.text) - 1] = '\0';

        if (rc != NGX_DECLINED
            || strstr((char *) err.text, bad[i].error) == NULL)
        {
            fail_msg("%s \"%s\": %d, %.*s", bad[i].line, bad[i].value,
                     (int) rc, (int) err.len, err.text);
        }
    }

    variable("thumbprint", &attr);
    s = str("a");
    assert_int_equal(ngx_mtls_attribute_normal(pool, &attr, &s, &normal,
                                               &err),
                     NGX_DECLINED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_normal, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
