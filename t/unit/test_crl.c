
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The CRL parser: what RFC 5280 5 allows is read, everything else is refused
 * with a cause.
 */


#include "crl_case.h"

#include <ngx_mtls_crl_parse.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>


static void
test_usual(void **state)
{
    crl_spec_t               spec;
    ngx_mtls_der_t           d;
    ngx_mtls_table_record_t  record;

    memset(&spec, 0, sizeof(spec));
    spec.entries = CRL_ENTRY("05", "") CRL_ENTRY("0600", CRL_REASON("04"));
    spec.extensions = CRL_NUMBER("07")
                      CRL_EXT("23", "30{80{'key'}}");

    is_good("usual", &spec);

    assert_int_equal(crl.nrevoked, 2);
    assert_int_equal(crl.header.nrecords, 2);
    assert_int_equal(crl.header.kind, NGX_MTLS_TABLE_CRL);
    assert_int_equal(crl.header.flags, NGX_MTLS_CRL_HAS_NUMBER);
    assert_int_equal(crl.header.reasons, 0x1fe);
    assert_int_equal(crl.header.this_update, 1672531200);
    assert_int_equal(crl.header.next_update, 2493072000);
    assert_int_equal(crl.header.number_len, 1);
    assert_int_equal(crl.header.number[0], 7);
    assert_int_equal(crl.header.nissuers, 1);
    assert_int_equal(crl.header.record_size, 16);
    assert_false(is_zero(crl.header.aki, NGX_MTLS_HASH_LEN));
    assert_true(is_zero(crl.header.idp, NGX_MTLS_HASH_LEN));
    assert_memory_equal(crl.header.issuer, crl.issuer_hash, NGX_MTLS_HASH_LEN);
    assert_int_equal(ngx_mtls_der_len(&crl.aki), 3);
    assert_memory_equal(crl.aki.pos, "key", 3);
    assert_str_equal(&crl.name, "CN=CA,O=Test");

    d = crl.revoked;

    assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
    assert_int_equal(record.len, 1);
    assert_int_equal(record.serial[0], 5);
    assert_int_equal(record.reason, 0xff);
    assert_int_equal(record.issuer, 0);
    assert_int_equal(record.date, 1672531200);

    assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
    assert_int_equal(record.len, 2);
    assert_int_equal(record.reason, 4);

    assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_DONE);
}


/* each part by itself; no cause: it is good */

static void
test_parts(void **state)
{
    ngx_uint_t  i;

    static struct {
        const char  *what;
        crl_spec_t   spec;
        const char  *cause;
    } cases[] = {

        { "nothing", { .entries = NULL }, NULL },

        { "v1", { .version = "" }, NULL },
        { "v1 with entries", { .version = "", .entries = CRL_ENTRY("05", "") },
          NULL },
        { "v1 with extensions", { .version = "",
                                  .extensions = CRL_NUMBER("01") },
          "a v1 CRL has no extensions" },
        { "v1 with an entry's extensions",
          { .version = "", .entries = CRL_ENTRY("05", CRL_REASON("01")) },
          "entry 1: a v1 CRL has no extensions" },
        { "v1 said", { .version = "020100" }, "version 0 is not one of CRLs" },
        { "v3", { .version = "020102" }, "version 2 is not one of CRLs" },
        { "negative version", { .version = "0201ff" }, "malformed version" },

        { "other algorithm outside",
          { .outer = "30{06{2a8648ce3d040303}}" },
          "the signature algorithm is not the one of the signed part" },
        { "NULL outside",
          { .outer = "30{06{2a8648ce3d040302}0500}" },
          "the signature algorithm is not the one of the signed part" },
        { "no SEQUENCE", { .algorithm = "31{06{2a8648ce3d040302}}" },
          "malformed signature algorithm" },

        { "empty issuer", { .issuer = "30{}" }, "empty issuer name" },
        { "issuer that is no name", { .issuer = "30{0500}" },
          "malformed issuer name" },
        { "issuer that is no SEQUENCE", { .issuer = "31{}" },
          "malformed issuer name" },

        { "no nextUpdate", { .times = CRL_TIME }, NULL },
        { "GeneralizedTime", { .times = "18{'20230101000000Z'}"
                                        "18{'99991231235959Z'}" }, NULL },
        { "no time", { .times = "" }, "malformed thisUpdate" },
        { "fractions", { .times = "18{'20230101000000.5Z'}" },
          "malformed thisUpdate" },
        { "offset", { .times = "17{'230101000000+0100'}" },
          "malformed thisUpdate" },
        { "no seconds", { .times = "17{'2301010000Z'}" },
          "malformed thisUpdate" },
        { "month 13", { .times = CRL_TIME "17{'231301000000Z'}" },
          "malformed nextUpdate" },
        { "February 30", { .times = CRL_TIME "17{'230230000000Z'}" },
          "malformed nextUpdate" },
        { "three times", { .times = CRL_TIMES CRL_TIME },
          "malformed tbsCertList" },

        { "empty entries", { .entries = "" },
          "the list of entries is there and empty" },
        { "rest", { .rest = "0500" }, "malformed tbsCertList" },
        { "rest of extensions", { .extensions = CRL_NUMBER("01"),
                                  .rest = "0500" },
          "malformed tbsCertList" },
        { "no extensions", { .extensions = "" }, "malformed extensions" },
        { "two lists of extensions", { .extensions = CRL_NUMBER("01"),
                                       .rest = "a0{30{}}" },
          "malformed tbsCertList" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (cases[i].cause) {
            is_refused(cases[i].what, &cases[i].spec, cases[i].cause);

        } else {
            is_good(cases[i].what, &cases[i].spec);
        }
    }
}


static void
test_entries(void **state)
{
    crl_spec_t  spec;
    ngx_uint_t  i;

    static struct {
        const char  *entries;
        const char  *cause;
    } cases[] = {

        /* serial numbers */
        { CRL_ENTRY("00", ""), NULL },
        { CRL_ENTRY("ff", ""), NULL },
        { CRL_ENTRY("80", ""), NULL },
        { CRL_ENTRY("0080", ""), NULL },
        { CRL_ENTRY("ff7f", ""), NULL },
        { CRL_ENTRY("7fffffffffffffffffffffffffffffffffffffff", ""), NULL },
        { CRL_ENTRY("00ffffffffffffffffffffffffffffffffffffffff", ""), NULL },
        { CRL_ENTRY("010203040506070809101112131415161718192021222324", ""),
          NULL },
        { CRL_ENTRY("01020304050607080910111213141516171819202122232425", ""),
          "serial number of 25 octets, more than 24" },
        { CRL_ENTRY("", ""), "malformed serial number" },
        { CRL_ENTRY("0005", ""), "malformed serial number" },
        { CRL_ENTRY("0000", ""), "malformed serial number" },
        { CRL_ENTRY("ffff", ""), "malformed serial number" },
        { "30{0a0105" CRL_TIME "}", "malformed serial number" },
        { "30{028101 05" CRL_TIME "}", "malformed serial number" },

        /* dates */
        { "30{02010517{'700101000000Z'}}", NULL },
        { "30{02010517{'500101000000Z'}}", NULL },
        { "30{02010518{'22500101000000Z'}}", NULL },
        { "30{02010517{'240229235959Z'}}", NULL },
        { "30{02010517{'230229000000Z'}}", "malformed revocation date" },
        { "30{02010517{'230100000000Z'}}", "malformed revocation date" },
        { "30{02010517{'230001000000Z'}}", "malformed revocation date" },
        { "30{02010517{'231301000000Z'}}", "malformed revocation date" },
        { "30{02010517{'230131240000Z'}}", "malformed revocation date" },
        { "30{02010517{'230131006000Z'}}", "malformed revocation date" },
        { "30{02010517{'2301310000:0Z'}}", "malformed revocation date" },
        { "30{02010517{'23013100000 Z'}}", "malformed revocation date" },
        { "30{02010517{'230131000000z'}}", "malformed revocation date" },
        { "30{02010517{'2301310000Z'}}", "malformed revocation date" },
        { "30{020105}", "malformed revocation date" },

        /* shapes */
        { "31{020105" CRL_TIME "}", "malformed" },
        { "30{020105" CRL_TIME "0500}", "malformed extensions" },
        { "30{020105" CRL_TIME "30{}}", "malformed extensions" },
        { "30{020105" CRL_TIME CRL_REASON("01") "0500}",
          "malformed extensions" },
        { "30", "malformed" },
        { "3000", "malformed serial number" },
        { "0500", "malformed" },
    };

    memset(&spec, 0, sizeof(spec));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  cause[256];

        spec.entries = cases[i].entries;

        if (cases[i].cause) {
            snprintf(cause, sizeof(cause), "entry 1: %s", cases[i].cause);
            is_refused(cases[i].entries, &spec, cause);

        } else {
            is_good(cases[i].entries, &spec);
            assert_int_equal(crl.nrevoked, 1);
        }
    }

    /* the one that is wrong is named */

    spec.entries = CRL_ENTRY("01", "") CRL_ENTRY("02", CRL_REASON("01"))
                   CRL_ENTRY("0003", "") CRL_ENTRY("04", "");
    is_refused("third", &spec, "entry 3: malformed serial number");
}


static void
test_entry_extensions(void **state)
{
    char        entries[1024], cause[256];
    crl_spec_t  spec;
    ngx_uint_t  i;

    static struct {
        const char  *extensions;
        const char  *cause;
    } cases[] = {

        { CRL_EXT("15", "0a0100"), NULL },
        { CRL_EXT_CRITICAL("15", "0a0101"), NULL },
        { CRL_EXT("15", "0a0106"), NULL },
        { CRL_EXT("15", "0a0108"), NULL },
        { CRL_EXT("15", "0a010a"), NULL },
        { CRL_EXT("15", "0a0107"), "reason 7 does not exist" },
        { CRL_EXT("15", "0a010b"), "reason 11 does not exist" },
        { CRL_EXT("15", "0a01ff"), "reason 255 does not exist" },
        { CRL_EXT("15", "0a020001"), "malformed reason" },
        { CRL_EXT("15", "0a00"), "malformed reason" },
        { CRL_EXT("15", "020101"), "malformed reason" },
        { CRL_EXT("15", ""), "malformed reason" },
        { CRL_EXT("15", "0a01010500"), "malformed reason" },
        { CRL_EXT("15", "0a0101") CRL_EXT("15", "0a0101"),
          "extension 2.5.29.21 is there twice" },
        { CRL_EXT("15", "0a0101") CRL_EXT("63", "") CRL_EXT("15", "0a0101"),
          "extension 2.5.29.21 is there twice" },

        { CRL_EXT("18", "18{'20230101000000Z'}"), NULL },
        { CRL_EXT("15", "0a0101") CRL_EXT("18", "18{'20230101000000Z'}"),
          NULL },
        { CRL_EXT("18", "17{'230101000000Z'}"), "malformed invalidity date" },
        { CRL_EXT("18", "18{'20230101000000Z'}0500"),
          "malformed invalidity date" },
        { CRL_EXT("18", ""), "malformed invalidity date" },

        { CRL_EXT_CRITICAL("1d", "30{a4{30{}}}"),
          "it names a certificate issuer, as indirect CRLs do, which are not"
          " supported" },
        { CRL_EXT("1d", "30{a4{30{}}}"),
          "it names a certificate issuer, as indirect CRLs do, which are not"
          " supported" },

        { CRL_EXT("17", "06{2a864886}"), NULL },
        { CRL_EXT("63", "0500"), NULL },
        { CRL_EXT_CRITICAL("63", "0500"),
          "unknown critical extension 2.5.29.99" },
        { CRL_EXT_CRITICAL("17", "06{2a864886}"),
          "unknown critical extension 2.5.29.23" },
        { "30{06{2a03}0101ff04{}}", "unknown critical extension 1.2.3" },
        { "30{06{2a03}01010004{}}", NULL },
        { "30{06{2a03}01010104{}}", "malformed extension" },
        { "30{06{}04{}}", "malformed extension" },
        { "30{06{2a03}}", "malformed extension" },
        { "30{06{2a03}04{}0500}", "malformed extension" },
        { "0500", "malformed extension" },
    };

    memset(&spec, 0, sizeof(spec));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(entries, sizeof(entries), CRL_ENTRY("01", "30{%s}"),
                 cases[i].extensions);

        spec.entries = entries;

        if (cases[i].cause) {
            snprintf(cause, sizeof(cause), "entry 1: %s", cases[i].cause);
            is_refused(cases[i].extensions, &spec, cause);

        } else {
            is_good(cases[i].extensions, &spec);
        }
    }
}


/* every date that the quick way takes is what the DER reader makes of it */

static void
test_dates(void **state)
{
    char                      text[64];
    der_t                     der;
    struct tm                 tm;
    int64_t                   expected;
    time_t                    t;
    ngx_mtls_der_t            d, value;
    ngx_mtls_table_record_t   record;

    memset(&crl, 0, sizeof(crl));

    /* a prime number of seconds, so that all fields change */

    for (t = 0; t < 2524608000; t += 86413 * 3) {
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "30{02010517{'%y%m%d%H%M%SZ'}}", &tm);

        der_init(&der, pool);
        der_text(&der, text);

        ngx_mtls_der_set(&d, der.data, der.len);
        assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
        assert_true(ngx_mtls_der_empty(&d));
        assert_int_equal(record.date, t);

        ngx_mtls_der_set(&value, der.data + 5, der.len - 5);
        assert_int_equal(ngx_mtls_der_time(&value, &expected), NGX_OK);
        assert_int_equal(record.date, expected);

        /* GeneralizedTime goes the other way */

        strftime(text, sizeof(text), "30{02010518{'%Y%m%d%H%M%SZ'}}", &tm);

        der.len = 0;
        der_text(&der, text);
        ngx_mtls_der_set(&d, der.data, der.len);
        assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
        assert_int_equal(record.date, t);
    }

    /* clamped */

    der.len = 0;
    der_text(&der, "30{02010517{'690101000000Z'}}"
                   "30{02010518{'21500101000000Z'}}");
    ngx_mtls_der_set(&d, der.data, der.len);
    assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
    assert_int_equal(record.date, 0);
    assert_int_equal(ngx_mtls_crl_entry(&crl, &d, &record, &err), NGX_OK);
    assert_int_equal(record.date, UINT32_MAX);
}


static void
test_truncated(void **state)
{
    der_t       der;
    size_t      i;
    crl_spec_t  spec;

    memset(&spec, 0, sizeof(spec));
    spec.entries = CRL_ENTRY("05", "") CRL_ENTRY("0600", CRL_REASON("04"));
    spec.extensions = CRL_NUMBER("07") CRL_EXT("23", "30{80{'key'}}")
                      CRL_IDP("a0{a0{" URI "}}");

    der = crl_make(pool, &ca, &spec);

    for (i = 0; i < der.len; i++) {
        assert_int_equal(crl_parse(pool, der.data, i, &crl, &err),
                         NGX_DECLINED);
        err.text[err.len] = '\0';
        assert_non_null(strstr((char *) err.text, "truncated"));
    }

    assert_int_equal(crl_parse(pool, der.data, der.len, &crl, &err), NGX_OK);

    /* shorter, with the outer length mended */

    for (i = 4; i < der.len; i++) {
        der.data[2] = (u_char) ((i - 4) >> 8);
        der.data[3] = (u_char) (i - 4);

        assert_int_equal(crl_parse(pool, der.data, i, &crl, &err),
                         NGX_DECLINED);
    }
}


/*
 * Any octet changed: refused, or read as something else whose signature is
 * wrong, unless the change is not signed at all.
 */

static void
test_changed(void **state)
{
    der_t        der;
    size_t       i, tbs;
    u_char       octet;
    crl_spec_t   spec;
    ngx_uint_t   v, n;
    ngx_pool_t  *own;

    memset(&spec, 0, sizeof(spec));
    spec.entries = CRL_ENTRY("05", "") CRL_ENTRY("0600", CRL_REASON("04"));
    spec.extensions = CRL_NUMBER("07") CRL_EXT("23", "30{80{'key'}}")
                      CRL_IDP("a0{a0{" URI "}}8101ff83020560");

    own = shim_pool();
    der = crl_make(own, &ca, &spec);
    n = 0;

    assert_int_equal(crl_parse(pool, der.data, der.len, &crl, &err), NGX_OK);
    tbs = crl.tbs.last - crl.der.pos;

    for (i = 0; i < der.len; i++) {
        octet = der.data[i];

        for (v = i % 5; v < 256; v += (i < tbs) ? 5 : 17) {

            if (v == octet) {
                continue;
            }

            der.data[i] = (u_char) v;

            if (crl_parse(pool, der.data, der.len, &crl, &err) == NGX_OK) {

                n++;

                /* a sample, as it takes its time */

                if (n % 11 == 0 || i >= tbs) {
                    assert_int_equal(ngx_mtls_crl_verify(&crl, ca.x509, &err),
                                     NGX_DECLINED);
                }

            } else {
                assert_true(err.len > 0);
            }

            ngx_reset_pool(pool);
        }

        der.data[i] = octet;
    }

    assert_true(n > 500);

    ngx_destroy_pool(own);
}


static void
test_older(void **state)
{
    ngx_uint_t                i;
    ngx_mtls_table_header_t   a, b;

    static struct {
        const char  *number;
        size_t       len;
        int64_t      this_update;
        const char  *loaded_number;
        size_t       loaded_len;
        int64_t      loaded_this_update;
        ngx_uint_t   older;
    } cases[] = {
        { "\x01", 1, 10, "\x02", 1, 5, 1 },
        { "\x02", 1, 5, "\x01", 1, 10, 0 },
        { "\x01", 1, 5, "\x01", 1, 10, 1 },
        { "\x01", 1, 10, "\x01", 1, 10, 0 },
        { "\x01", 1, 10, "\x01", 1, 5, 0 },
        { "\x7f", 1, 5, "\x00\x80", 2, 5, 1 },
        { "\x00\x80", 2, 5, "\x7f", 1, 5, 0 },
        { "\x00\xff", 2, 5, "\x01\x00", 2, 5, 1 },
        { "\x01\x00", 2, 5, "\x00\xff", 2, 5, 0 },
        { "", 0, 5, "", 0, 10, 1 },
        { "", 0, 10, "", 0, 5, 0 },
        { "", 0, 10, "", 0, 10, 0 },

        /* one of them without */
        { "", 0, 10, "\x05", 1, 5, 0 },
        { "", 0, 5, "\x05", 1, 10, 1 },
        { "\x05", 1, 5, "", 0, 10, 1 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));

        memcpy(a.number, cases[i].number, cases[i].len);
        a.number_len = (u_char) cases[i].len;
        a.flags = cases[i].len ? NGX_MTLS_CRL_HAS_NUMBER : 0;
        a.this_update = cases[i].this_update;

        memcpy(b.number, cases[i].loaded_number, cases[i].loaded_len);
        b.number_len = (u_char) cases[i].loaded_len;
        b.flags = cases[i].loaded_len ? NGX_MTLS_CRL_HAS_NUMBER : 0;
        b.this_update = cases[i].loaded_this_update;

        assert_int_equal(ngx_mtls_crl_older(&a, &b), cases[i].older);

        /* of another place: never */

        a.signer_spki[31] = 1;
        assert_int_equal(ngx_mtls_crl_older(&a, &b), 0);
        a.signer_spki[31] = 0;

        a.idp[0] = 1;
        assert_int_equal(ngx_mtls_crl_older(&a, &b), 0);
        a.idp[0] = 0;

        a.issuer[7] = 1;
        assert_int_equal(ngx_mtls_crl_older(&a, &b), 0);
        a.issuer[7] = 0;

        b.flags |= NGX_MTLS_CRL_DELTA;
        assert_int_equal(ngx_mtls_crl_older(&a, &b), 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_usual, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entry_extensions, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older, setup, teardown)
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
