
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Object identifiers: octets to text and back.
 */


#include "der_case.h"


static void
test_oid(void **state)
{
    static struct {
        u_char      *oid;
        size_t       len;
        const char  *text;
    } cases[] = {
        { lit("\x00"),                 "0.0" },
        { lit("\x27"),                 "0.39" },
        { lit("\x28"),                 "1.0" },
        { lit("\x2a"),                 "1.2" },
        { lit("\x4f"),                 "1.39" },
        { lit("\x50"),                 "2.0" },
        { lit("\x7f"),                 "2.47" },
        { lit("\x81\x00"),             "2.48" },
        { lit("\x88\x37"),             "2.999" },
        { lit("\x81\x34"),             "2.100" },
        { lit("\x89\x00"),             "2.1072" },
        { lit("\x88\x40"),             "2.1008" },
        { lit("\x55\x04\x03"),         "2.5.4.3" },
        { lit("\x55\x04\x61"),         "2.5.4.97" },
        { lit("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"),
          "1.2.840.113549.1.9.1" },
        { lit("\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"),
          "1.3.6.1.4.1.311.20.2.3" },
        { lit("\x55\x00\x7f\x81\x00"), "2.5.0.127.128" },
        { lit("\x55\x8f\xff\xff\xff\x7f"), "2.5.4294967295" },
        { lit("\x55\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
          "2.5.18446744073709551615" },

        /* a UUID: 2.25 and 128 bits */
        { lit("\x69\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
              "\xff\xff\xff\xff\x7f"),
          "2.25.340282366920938463463374607431768211455" },
    };

    static struct {
        u_char      *oid;
        size_t       len;
    } bad[] = {
        { lit("") },
        { lit("\x80") },
        { lit("\x55\x84") },
        { lit("\x80\x01") },
        { lit("\x55\x80\x01") },
        { lit("\x55\x04\x80\x03") },
        { lit("\xff\xff") },
    };

    static const char  *wrong[] = {
        "", "1", "1.", "1.2.", ".1.2", "1..2", "3.1", "1.40", "0.40",
        "1.100", "1.2.03", "01.2", "1.02", "1.2.a", "1.2 ", " 1.2", "1.2.-3",
        "1.2.3.", "2.5.4,3", "2_5_4_3", "9.9", "1.2.00",
    };

    u_char           text[NGX_MTLS_OID_TEXT_LEN], oid[NGX_MTLS_OID_LEN];
    u_char           buf[NGX_MTLS_OID_LEN + 8], *p;
    size_t           len;
    ngx_uint_t       i;
    ngx_mtls_der_t   d, value;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].oid, cases[i].len);

        len = ngx_mtls_oid_text(d.pos, cases[i].len, text);

        if (len != strlen(cases[i].text)
            || ngx_memcmp(text, cases[i].text, len) != 0)
        {
            fail_msg("oid %u \"%s\": \"%.*s\"", (unsigned) i, cases[i].text,
                     (int) len, text);
        }

        assert_int_equal(ngx_mtls_oid_parse(text, len, '.', oid),
                         cases[i].len);
        assert_memory_equal(oid, cases[i].oid, cases[i].len);

        assert_int_equal(ngx_mtls_oid_parse(text, len, '_', oid), 0);

        for (p = text; p < text + len; p++) {
            *p = (*p == '.') ? '_' : *p;
        }

        assert_int_equal(ngx_mtls_oid_parse(text, len, '_', oid),
                         cases[i].len);
        assert_memory_equal(oid, cases[i].oid, cases[i].len);

        buf[0] = 6;
        buf[1] = (u_char) cases[i].len;
        ngx_memcpy(buf + 2, cases[i].oid, cases[i].len);

        d = exact(buf, cases[i].len + 2);
        assert_int_equal(ngx_mtls_der_oid(&d, &value), NGX_OK);
        assert_int_equal(ngx_mtls_der_len(&value), cases[i].len);
        assert_true(ngx_mtls_der_empty(&d));
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        d = exact(bad[i].oid, bad[i].len);
        assert_int_equal(ngx_mtls_oid_text(d.pos, bad[i].len, text), 0);

        buf[0] = 6;
        buf[1] = (u_char) bad[i].len;
        ngx_memcpy(buf + 2, bad[i].oid, bad[i].len);

        d = exact(buf, bad[i].len + 2);
        p = d.pos;
        assert_int_equal(ngx_mtls_der_oid(&d, &value), NGX_ERROR);
        assert_ptr_equal(d.pos, p);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        d = exact(wrong[i], strlen(wrong[i]));

        if (ngx_mtls_oid_parse(d.pos, strlen(wrong[i]), '.', oid) != 0) {
            fail_msg("\"%s\" is an object identifier", wrong[i]);
        }
    }
}


/* the longest ones, and one more octet */

static void
test_oid_bounds(void **state)
{
    u_char      oid[NGX_MTLS_OID_LEN + 1], back[NGX_MTLS_OID_LEN];
    u_char      text[NGX_MTLS_OID_TEXT_LEN], many[512];
    size_t      len;
    ngx_uint_t  i;

    /* 64 arcs of three digits */

    ngx_memset(oid, 0x7f, sizeof(oid));

    len = ngx_mtls_oid_text(oid, NGX_MTLS_OID_LEN, text);
    assert_int_equal(len, 4 + 63 * 4);
    assert_int_equal(ngx_mtls_oid_parse(text, len, '.', back),
                     NGX_MTLS_OID_LEN);
    assert_memory_equal(oid, back, NGX_MTLS_OID_LEN);

    assert_int_equal(ngx_mtls_oid_text(oid, NGX_MTLS_OID_LEN + 1, text), 0);

    /* one arc of 448 bits, as the first one and as the second */

    for (i = 0; i < 2; i++) {
        ngx_memset(oid, 0xff, sizeof(oid));
        oid[NGX_MTLS_OID_LEN - 1] = 0x7f;

        if (i) {
            oid[0] = 0x55;
        }

        len = ngx_mtls_oid_text(oid, NGX_MTLS_OID_LEN, text);
        assert_true(len > 130 && len < 140);
        assert_int_equal(ngx_mtls_oid_parse(text, len, '.', back),
                         NGX_MTLS_OID_LEN);
        assert_memory_equal(oid, back, NGX_MTLS_OID_LEN);
    }

    /* text of too many arcs or digits */

    for (len = 0; len + 2 <= sizeof(many); len += 2) {
        many[len] = '1';
        many[len + 1] = '.';
    }

    assert_int_equal(ngx_mtls_oid_parse(many, 129, '.', back),
                     NGX_MTLS_OID_LEN);
    assert_int_equal(ngx_mtls_oid_parse(many, 131, '.', back), 0);
    assert_int_equal(ngx_mtls_oid_parse(many, 511, '.', back), 0);

    ngx_memset(many, '9', sizeof(many));
    many[0] = '2';
    many[1] = '.';

    assert_int_not_equal(ngx_mtls_oid_parse(many, 130, '.', back), 0);
    assert_int_equal(ngx_mtls_oid_parse(many, 140, '.', back), 0);
    assert_int_equal(ngx_mtls_oid_parse(many, 256, '.', back), 0);
    assert_int_equal(ngx_mtls_oid_parse(many, 257, '.', back), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_oid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oid_bounds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
