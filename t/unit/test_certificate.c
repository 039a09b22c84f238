
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificates: the frame, the facts, real and broken ones.
 */


#include "x509.h"

#define BASIC  "2.5.29.19"


static void
test_usual(void **state)
{
    ngx_str_t                s;
    ngx_mtls_error_t         err;
    ngx_mtls_values_t        values;
    ngx_mtls_certificate_t   cert;

    static u_char  crl[] =
        "\x86\x22http://crl.example.com/issuing.crl";

    u_char  hash[NGX_MTLS_HASH_LEN];

    s = x509_file("usual.pem", 0);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);

    assert_int_equal(cert.version, 3);
    assert_int_equal(cert.not_before, 1704067200);
    assert_int_equal(cert.not_after, 2556144000);
    assert_int_equal(cert.nextensions, 10);
    assert_int_equal(cert.ca, 0);
    assert_int_equal(cert.key_usage, 1);

    assert_int_equal(ngx_mtls_certificate_serial(&cert, &s), NGX_OK);
    assert_str_equal(&s, "4D3C2B1A09F8E7D6C5B4A39281706F5E4D3C2B1A");

    assert_int_equal(ngx_mtls_name_print(pool, &cert.subject, &s), NGX_OK);
    assert_str_equal(&s, "CN=device-4711.example.com,O=Example Devices GmbH,"
                         "C=DE");

    assert_int_equal(ngx_mtls_name_print(pool, &cert.issuer, &s), NGX_OK);
    assert_str_equal(&s, "CN=Example Issuing CA,O=Example Trust,C=DE");

    assert_int_equal(ngx_mtls_certificate_key_type(&cert, &s), NGX_OK);
    assert_str_equal(&s, "ec:prime256v1");

    values_equal("san", &cert.san_all,
                 "dns:device-4711.example.com|uri:urn:dev:meter:00004711|"
                 "email:Ops@example.com|dns:meter.example.com");
    values_equal("dns", &cert.san[NGX_MTLS_SAN_DNS],
                 "device-4711.example.com|meter.example.com");
    values_equal("uri", &cert.san[NGX_MTLS_SAN_URI],
                 "urn:dev:meter:00004711");
    values_equal("email", &cert.san[NGX_MTLS_SAN_EMAIL], "Ops@example.com");
    values_equal("ip", &cert.san[NGX_MTLS_SAN_IP], "");

    assert_int_equal(ngx_mtls_certificate_eku(&cert, &values), NGX_OK);
    values_equal("eku", &values, "1.3.6.1.5.5.7.3.2|1.3.6.1.5.5.7.3.1");

    assert_int_equal(ngx_mtls_certificate_policies(&cert, &values), NGX_OK);
    values_equal("policies", &values,
                 "2.23.140.1.2.2|1.3.6.1.4.1.4788.2.150.4");

    assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
    assert_int_equal(cert.cdp_malformed, 0);
    assert_int_equal(cert.ndps, 1);
    assert_int_equal(cert.dps[0].n, 1);
    assert_int_equal(cert.dps[0].reasons, 0x1fe);
    assert_int_equal(cert.dps[0].crl_issuer, 0);

    assert_int_equal(ngx_mtls_sha256(crl, sizeof(crl) - 1, hash), NGX_OK);
    assert_memory_equal(cert.dps[0].names[0], hash, NGX_MTLS_HASH_LEN);
}


/* texts as OpenSSL's: x509 -fingerprint -sha256, pkey -pubin | sha256 */

static void
test_real(void **state)
{
    static struct {
        const char  *file;
        const char  *fingerprint;
        const char  *thumbprint;
        const char  *spki;
        const char  *serial;
        const char  *key;
        const char  *subject;
        const char  *san;
        const char  *eku;
        const char  *policies;
        ngx_uint_t   ndps;
        ngx_uint_t   key_usage;
    } certs[] = {
        { "comdirect.pem",
          "f142d70b9a81f2441b9945ebd9fa3b5dc91f10186c79957f3d728e40e2fe4afe",
          "8ULXC5qB8kQbmUXr2fo7XckfEBhseZV_PXKOQOL-Sv4",
          "8b9e5d20eb6c77f4b3534cbe21bd7c70cd8ce7336925d0b28403bb603561150e",
          "40595B1E03ADAB91FECA089F7883F7BF", "rsa:2048",
          "ST=Schleswig-Holstein,jurisdictionST=Schleswig-Holstein,"
          "jurisdictionL=Pinneberg,serialNumber=HRB 4889,"
          "STREET=Pascalkehre 15,businessCategory=PRIVATE_ORGANIZATION,"
          "postalCode=25451,organizationIdentifier=PSDDE-BAFIN-108549,"
          "jurisdictionC=DE,L=Quickborn,CN=xs2a-sandbox.comdirect.de,"
          "OU=QF-FW-Middleware,O=comdirect bank AG,C=DE",
          "dns:xs2a-sandbox.comdirect.de",
          "1.3.6.1.5.5.7.3.1|1.3.6.1.5.5.7.3.2",
          "0.4.0.194112.1.4|1.3.6.1.4.1.4788.2.150.4", 1, 0x05 },

        { "dirname.pem",
          "ad8e55e7ad9b17485ed3438e4f489dbb3ac8e1daa47e5b09af82454bc928381c",
          "rY5V562bF0he00OOT0iduzrI4dqkflsJr4JFS8koOBw",
          "8fb6bad671cfe698393c453357da61b56d757ab8c0f3fb9c87f2849e63131878",
          "4F49C6468F74F40329EC499856820B9A0C0A32C4", "rsa:2048",
          "emailAddress=hanako.yamada@example.com,O=Acme Industries\\, Ltd.,"
          "organizationIdentifier=NTRUS\\+PA-AEYE00EKXESVZUUEBP67,"
          "organizationIdentifier=NTRJP-AEYE00EKXESVZUUEBP67,C=JP",
          "email:hanako.yamada@example.com|upn:hanako.yamada@example.com|"
          "dirname:O=\xe3\x82\xa2\xe3\x82\xaf\xe3\x83\x9f\xe5\xb7\xa5\xe6\xa5"
          "\xad\xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe,"
          "organizationIdentifier=LEIXG-AEYE00EKXESVZUUEBP67",
          "1.3.6.1.5.5.7.3.4|1.3.6.1.5.5.7.3.2", "2.23.140.1.5.2.2",
          1, 0x01 },

        { "multivalued.pem",
          "cd1baddece3ccea90787927b1c38d7b18a6223482fb87466fcdfed4d7c2ac2a7",
          "zRut3s48zqkHh5J7HDjXsYpiI0gvuHRm_N_tTXwqwqc",
          "56096886db178c841d31e9671d1fe7f885972fcb02da83360f20adec72878454",
          "605EDE507A09B1D5F03F19461AC43E83158C7650", "rsa:2048",
          "UID=7ac38baa-c49d-41fe-be1e-cb3e48e57886,CN=OpenID Foundation,"
          "OU=11111111111111+OU=Open Banking Directory+"
          "OU=Open Banking SANDBOX Issuing CA - G1,O=ICP-Brasil,C=BR",
          "", "", "1.3.6.1.4.1.56623.100.1", 1, 0x03 },

        { "teletex.pem",
          "124c682343503373f7e835bed330c75870042ffa0b3a9621272118d249f1ce11",
          "EkxoI0NQM3P36DW-0zDHWHAEL_oLOpYhJyEY0knxzhE",
          "d38ed949761109a92eecd32b06db3eef9300e042403e989e3df4b109d308170d",
          "161878A4FD6CDE8046613FD1", "ec:prime256v1",
          "organizationIdentifier=TeletexString", "", "", "2.23.140.1.2.1",
          0, 0xff },

        { "timestamp.pem",
          "b6a04290e8fc403e0d077c8b47906e55b4132c26689a74b255e6788994db742c",
          "tqBCkOj8QD4NB3yLR5BuVbQTLCZomnSyVeZ4iZTbdCw",
          "e32b44103bed02616ea7fdb9a2767830ecffe3ea3ddd38754e1389da4b21a9a3",
          "49", "ec:prime256v1",
          "CN=TSU4 2021,organizationIdentifier=VATHU-10773381,OU=TTI,"
          "O=Magyar Telekom Nyrt.,L=Budapest,C=HU", "",
          "1.3.6.1.5.5.7.3.8", "1.3.6.1.4.1.17835.7.1.2.11.3.12.2.2",
          2, 0x03 },
    };

    ngx_str_t                s;
    ngx_uint_t               i, n;
    ngx_mtls_error_t         err;
    ngx_mtls_values_t        values;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(certs) / sizeof(certs[0]); i++) {
        s = x509_file(certs[i].file, 0);
        assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert,
                                                    &err),
                         NGX_OK);

        /* twice, since the second answer is a kept one */

        for (n = 0; n < 2; n++) {
            assert_int_equal(ngx_mtls_certificate_fingerprint(&cert, &s),
                             NGX_OK);
            assert_str_equal(&s, certs[i].fingerprint);

            assert_int_equal(ngx_mtls_certificate_thumbprint(&cert, &s),
                             NGX_OK);
            assert_str_equal(&s, certs[i].thumbprint);

            assert_int_equal(ngx_mtls_certificate_spki(&cert, &s), NGX_OK);
            assert_str_equal(&s, certs[i].spki);

            assert_int_equal(ngx_mtls_certificate_serial(&cert, &s), NGX_OK);
            assert_str_equal(&s, certs[i].serial);

            assert_int_equal(ngx_mtls_certificate_key_type(&cert, &s),
                             NGX_OK);
            assert_str_equal(&s, certs[i].key);

            assert_int_equal(ngx_mtls_certificate_eku(&cert, &values),
                             NGX_OK);
            values_equal("eku", &values, certs[i].eku);

            assert_int_equal(ngx_mtls_certificate_policies(&cert, &values),
                             NGX_OK);
            values_equal("policies", &values, certs[i].policies);

            assert_int_equal(ngx_mtls_certificate_dps(&cert), NGX_OK);
            assert_int_equal(cert.ndps, certs[i].ndps);
            assert_int_equal(cert.cdp_malformed, 0);
        }

        assert_int_equal(ngx_mtls_name_print(pool, &cert.subject, &s),
                         NGX_OK);
        assert_str_equal(&s, certs[i].subject);

        values_equal("san", &cert.san_all, certs[i].san);
        assert_int_equal(cert.key_usage, certs[i].key_usage);
    }
}


static void
test_fingerprint(void **state)
{
    u_char                   known[NGX_MTLS_HASH_LEN];
    x509_t                   x;
    ngx_str_t                s;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    x509_init(&x);
    s = x509_der(&x);

    ngx_memset(known, 0xa5, sizeof(known));
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, known, &cert, &err),
                     NGX_OK);
    assert_memory_equal(cert.fingerprint, known, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_sha256(s.data, s.len, known), NGX_OK);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);
    assert_memory_equal(cert.fingerprint, known, NGX_MTLS_HASH_LEN);
}


static void
test_keys(void **state)
{
    ngx_str_t                s, type;
    ngx_uint_t               n;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    for (n = 0; /* void */ ; n++) {
        s = x509_file("keys.pem", n);

        if (s.data == NULL) {
            break;
        }

        assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert,
                                                    &err),
                         NGX_OK);
        assert_int_equal(ngx_mtls_certificate_key_type(&cert, &type), NGX_OK);

        s = cert.subject.avas[0].text;

        if (type.len != s.len || ngx_memcmp(type.data, s.data, s.len) != 0) {
            fail_msg("key %u \"%.*s\": \"%.*s\"", (unsigned) n, (int) s.len,
                     s.data, (int) type.len, type.data);
        }
    }

    assert_int_equal(n, 11);
}


/* keys that say less than they should are known by their algorithm */

static void
test_keys_odd(void **state)
{
    ngx_str_t                type, rsa, ec;
    x509_t                   x;
    ngx_uint_t               i;
    ngx_mtls_certificate_t   cert;

    rsa = der(SEQ, oid("1.2.840.113549.1.1.1"), S("\x05\x00"));
    ec = oid("1.2.840.10045.2.1");

    struct {
        ngx_str_t    spki;
        const char  *type;
    } keys[] = {
        { cat(rsa, S("\x03\x0a\x00\x30\x07\x02\x02\x00\xff\x02\x01\x03")),
          "rsa:8" },
        { cat(rsa, S("\x03\x09\x00\x30\x06\x02\x01\x01\x02\x01\x03")),
          "rsa:1" },
        { cat(rsa, S("\x03\x09\x00\x30\x06\x02\x01\x00\x02\x01\x03")),
          "1.2.840.113549.1.1.1" },
        { cat(rsa, S("\x03\x09\x00\x30\x06\x02\x01\xff\x02\x01\x03")),
          "1.2.840.113549.1.1.1" },
        { cat(rsa, S("\x03\x01\x00")), "1.2.840.113549.1.1.1" },
        { cat(rsa, S("\x03\x06\x00\x30\x03\x02\x01\x05")),
          "1.2.840.113549.1.1.1" },
        { cat(der(SEQ, ec, oid("1.3.132.0.34")), S("\x03\x01\x00")),
          "ec:secp384r1" },
        { cat(der(SEQ, ec, oid("1.3.132.0.6")), S("\x03\x01\x00")),
          "ec:1.3.132.0.6" },
        { cat(der(SEQ, ec, S("\x30\x00")), S("\x03\x01\x00")),
          "1.2.840.10045.2.1" },
        { cat(der(SEQ, ec, S("\x05\x00")), S("\x03\x01\x00")),
          "1.2.840.10045.2.1" },
        { cat(der(SEQ, ec), S("\x03\x01\x00")), "1.2.840.10045.2.1" },
        { cat(der(SEQ, ec, oid("1.3.132.0.34"), S("\x05\x00")),
              S("\x03\x01\x00")), "1.2.840.10045.2.1" },
        { cat(der(SEQ, oid("1.2.3")), S("\x03\x01\x00")), "1.2.3" },
    };

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        x509_init(&x);
        x.spki = element(SEQ, keys[i].spki);
        x509_parse(&x, &cert);

        assert_int_equal(ngx_mtls_certificate_key_type(&cert, &type), NGX_OK);

        if (type.len != strlen(keys[i].type)
            || ngx_memcmp(type.data, keys[i].type, type.len) != 0)
        {
            fail_msg("key %u \"%s\": \"%.*s\"", (unsigned) i, keys[i].type,
                     (int) type.len, type.data);
        }
    }
}


static void
test_serials(void **state)
{
    static struct {
        ngx_str_t    octets;
        const char  *text;
    } serials[] = {
        { ngx_string("\x00"), "00" },
        { ngx_string("\x05"), "05" },
        { ngx_string("\x7f"), "7F" },
        { ngx_string("\x00\x80"), "80" },
        { ngx_string("\x01\x00"), "0100" },
        { ngx_string("\x00\xff\xff"), "FFFF" },
        { ngx_string("\xff"), "-01" },
        { ngx_string("\x80"), "-80" },
        { ngx_string("\xff\x7f"), "-81" },
        { ngx_string("\xff\x00"), "-0100" },
        { ngx_string("\x80\x00"), "-8000" },
        { ngx_string("\xfe\xff"), "-0101" },
        { ngx_string("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"
                     "\x0e\x0f\x10\x11\x12\x13\x14"),
          "0102030405060708090A0B0C0D0E0F1011121314" },
    };

    x509_t                   x;
    ngx_str_t                s;
    ngx_uint_t               i;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
        x509_init(&x);
        x.serial = element(INT, serials[i].octets);
        x509_parse(&x, &cert);

        assert_int_equal(ngx_mtls_certificate_serial(&cert, &s), NGX_OK);

        if (s.len != strlen(serials[i].text)
            || ngx_memcmp(s.data, serials[i].text, s.len) != 0)
        {
            fail_msg("serial %u \"%s\": \"%.*s\"", (unsigned) i,
                     serials[i].text, (int) s.len, s.data);
        }
    }
}


/* what is let through although it is unusual */

static void
test_frame(void **state)
{
    x509_t                   x;
    ngx_mtls_certificate_t   cert;

    x509_init(&x);
    x.version = S("");
    x509_parse(&x, &cert);
    assert_int_equal(cert.version, 1);
    assert_int_equal(cert.nextensions, 0);
    assert_int_equal(cert.key_usage, 0xff);
    assert_int_equal(cert.ca, 0);
    assert_int_equal(cert.san_all.n, 0);

    /* version 1 with extensions and identifiers, written out though default */

    x.version = S("\xa0\x03\x02\x01\x00");
    x.unique = S("\x81\x02\x00\x01\x82\x02\x00\x02");
    x.extensions = extension(BASIC, S("\x30\x03\x01\x01\xff"));
    x509_parse(&x, &cert);
    assert_int_equal(cert.version, 1);
    assert_int_equal(cert.ca, 1);

    x509_init(&x);
    x.version = S("\xa0\x03\x02\x01\x01");
    x.extensions = S("\xa3\x02\x30\x00");
    x.subject = S("\x30\x00");
    x.validity = S("\x30\x22\x18\x0f" "19500101000000Z"
                   "\x18\x0f" "99991231235959Z");
    x509_parse(&x, &cert);
    assert_int_equal(cert.version, 2);
    assert_int_equal(cert.nextensions, 0);
    assert_int_equal(cert.subject.n, 0);
    assert_true(cert.not_before == -631152000);
    assert_true(cert.not_after == 253402300799);

    assert_null(ngx_mtls_certificate_extension(&cert,
                                               (u_char *) "\x55\x1d\x11", 3));
}


static void
test_malformed(void **state)
{
    x509_t   x;

    struct {
        ngx_str_t   *part;
        ngx_str_t    value;
        const char  *what;
    } cases[] = {
        { &x.version, S("\xa0\x03\x02\x01\x03"), "version" },
        { &x.version, S("\xa0\x03\x02\x01\xff"), "version" },
        { &x.version, S("\xa0\x02\x02\x00"), "version" },
        { &x.version, S("\xa0\x04\x02\x02\x00\x02"), "version" },
        { &x.version, S("\xa0\x00"), "version" },
        { &x.version, S("\xa0\x06\x02\x01\x02\x02\x01\x02"), "version" },
        { &x.version, S("\x02\x01\x02"), "signature" },

        { &x.serial, S(""), "serialNumber" },
        { &x.serial, S("\x02\x00"), "serialNumber" },
        { &x.serial, S("\x02\x02\x00\x01"), "serialNumber" },
        { &x.serial, S("\x02\x02\xff\xff"), "serialNumber" },
        { &x.serial, S("\x0a\x01\x01"), "serialNumber" },

        { &x.issuer, S("\x30\x02\x31\x00"), "issuer" },
        { &x.issuer, S("\x31\x00"), "issuer" },
        { &x.issuer, S("\x30\x02\x05\x00"), "issuer" },

        { &x.validity, S("\x30\x00"), "validity" },
        { &x.validity, S("\x30\x0f\x17\x0d" "240101000000Z"), "validity" },
        { &x.validity, S("\x30\x20\x17\x0d" "240101000000Z"
                         "\x17\x0d" "260101000000Z\x05\x00"), "validity" },
        { &x.validity, S("\x30\x1c\x17\x0b" "2401010000Z"
                         "\x17\x0d" "260101000000Z"), "validity" },
        { &x.validity, S("\x30\x22\x17\x11" "240101000000+0000"
                         "\x17\x0d" "260101000000Z"), "validity" },

        { &x.subject, S("\x30\x05\x31\x03\x30\x01\x06"), "subject" },

        { &x.spki, S("\x30\x00"), "subjectPublicKeyInfo" },
        { &x.spki, S("\x31\x0a\x30\x05\x06\x03\x2b\x65\x70\x03\x01\x00"),
          "subjectPublicKeyInfo" },
        { &x.spki, S("\x30\x07\x30\x02\x05\x00\x03\x01\x00"),
          "subjectPublicKeyInfo" },
        { &x.spki, S("\x30\x07\x30\x05\x06\x03\x2b\x65\x70"),
          "subjectPublicKeyInfo" },
        { &x.spki, S("\x30\x0a\x30\x05\x06\x03\x2b\x65\x80\x03\x01\x00"),
          "subjectPublicKeyInfo" },
        { &x.spki, S("\x30\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x01\x00"
                     "\x05\x00"), "subjectPublicKeyInfo" },
        { &x.spki, S("\x30\x0b\x30\x05\x06\x03\x2b\x65\x70\x03\x02\x01\x01"),
          "subjectPublicKeyInfo" },

        { &x.unique, S("\x81\x05\x00"), "uniqueID" },
        { &x.unique, S("\x82\x02\x00\x01\x81\x02\x00\x01"),
          "tbsCertificate" },
        { &x.unique, S("\xa1\x02\x05\x00"), "tbsCertificate" },

        { &x.extensions, S("\xa3\x00"), "extensions" },
        { &x.extensions, S("\xa3\x04\x30\x00\x05\x00"), "extensions" },
        { &x.extensions, S("\xa3\x02\x31\x00"), "extensions" },
        { &x.extensions, S("\xa3\x04\x30\x02\x05\x00"), "extensions" },
        { &x.extensions, S("\x30\x05\x06\x03\x55\x1d\x11"), "extensions" },
        { &x.extensions, S("\x30\x04\x04\x02\x05\x00"), "extensions" },
        { &x.extensions, S("\x30\x09\x06\x03\x55\x1d\x80\x04\x02\x05\x00"),
          "extensions" },
        { &x.extensions, S("\x30\x0c\x06\x03\x55\x1d\x11\x01\x01\x01\x04\x02"
                           "\x05\x00"), "extensions" },
        { &x.extensions, S("\x30\x0b\x06\x03\x55\x1d\x11\x04\x02\x05\x00"
                           "\x05\x00"), "extensions" },
        { &x.extensions, S("\x30\x09\x06\x03\x55\x1d\x11\x03\x02\x00\x00"),
          "extensions" },

        { &x.tail, S("\x05\x00"), "tbsCertificate" },
        { &x.tail, S("\xa4\x00"), "tbsCertificate" },
    };

    char                     expected[128];
    ngx_int_t                rc;
    ngx_str_t                s;
    ngx_uint_t               i;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_init(&x);
        *cases[i].part = cases[i].value;
        s = x509_der(&x);

        err.len = 0;
        rc = ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err);

        (void) snprintf(expected, sizeof(expected),
                        "certificate has malformed \"%s\"", cases[i].what);

        if (rc != NGX_DECLINED || err.len != strlen(expected)
            || ngx_memcmp(err.text, expected, err.len) != 0)
        {
            fail_msg("case %u, %s: %d, %.*s", (unsigned) i, cases[i].what,
                     (int) rc, (int) err.len, err.text);
        }
    }
}


static void
test_structure(void **state)
{
    x509_t                   x;
    ngx_str_t                tbs, sig, s;
    ngx_uint_t               i;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    x509_init(&x);
    tbs = der(SEQ, x.version, x.serial, x.signature, x.issuer, x.validity,
              x.subject, x.spki);
    sig = S("\x03\x02\x00\xab");

    ngx_str_t  bad[] = {
        S(""),
        S("\x30"),
        S("\x30\x00"),
        S("\x30\x80\x00\x00"),
        der(SEQ, tbs),
        der(SEQ, tbs, x.signature),
        der(SEQ, tbs, sig),
        der(SEQ, tbs, x.signature, S("\x04\x02\x00\xab")),
        der(SEQ, tbs, x.signature, S("\x03\x00")),
        der(SEQ, tbs, x.signature, S("\x03\x02\x01\xab")),
        der(SEQ, tbs, x.signature, sig, S("\x05\x00")),
        cat(der(SEQ, tbs, x.signature, sig), S("\x00")),
        der(SET, tbs, x.signature, sig),
        cat(S("\x30\x80"), tbs, x.signature, sig, S("\x00\x00")),
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err.len = 0;

        if (ngx_mtls_certificate_parse(pool, &bad[i], NULL, &cert, &err)
            != NGX_DECLINED)
        {
            fail_msg("structure %u", (unsigned) i);
        }

        assert_int_equal(err.len,
                         strlen("certificate has malformed \"structure\""));
    }

    s = der(SEQ, tbs, x.signature, sig);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);

    /* too large */

    s.data = ngx_pcalloc(pool, NGX_MTLS_CERT_MAX + 1);
    s.len = NGX_MTLS_CERT_MAX + 1;
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_DECLINED);
    assert_memory_equal(err.text, "certificate of 65537 octets is too large",
                        err.len);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_usual, setup, teardown),
        cmocka_unit_test_setup_teardown(test_real, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_odd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_structure, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
