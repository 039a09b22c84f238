
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The DER reader, strings, UTF-8, hashes and errors.
 */


#include "der_case.h"


static void
test_element(void **state)
{
    static struct {
        u_char     *der;
        size_t      len;
        ngx_int_t   rc;
        size_t      header;
        size_t      content;
    } cases[] = {
        { lit("\x04\x00"),                     NGX_OK, 2, 0 },
        { lit("\x04\x01x"),                    NGX_OK, 2, 1 },
        { lit("\x04\x01xy"),                   NGX_OK, 2, 1 },
        { lit("\x30\x03\x02\x01\x00"),         NGX_OK, 2, 3 },
        { lit("\xa0\x00"),                     NGX_OK, 2, 0 },

        { lit(""),                             NGX_ERROR, 0, 0 },
        { lit("\x04"),                         NGX_ERROR, 0, 0 },
        { lit("\x04\x01"),                     NGX_ERROR, 0, 0 },
        { lit("\x04\x02x"),                    NGX_ERROR, 0, 0 },
        { lit("\x04\x7f"),                     NGX_ERROR, 0, 0 },

        /* indefinite, reserved, cut in the length */
        { lit("\x30\x80\x00\x00"),             NGX_ERROR, 0, 0 },
        { lit("\x04\xff\x01x"),                NGX_ERROR, 0, 0 },
        { lit("\x04\x81"),                     NGX_ERROR, 0, 0 },
        { lit("\x04\x82\x01"),                 NGX_ERROR, 0, 0 },
        { lit("\x04\x84\x01\x00\x00"),         NGX_ERROR, 0, 0 },

        /* not minimal */
        { lit("\x04\x81\x01x"),                NGX_ERROR, 0, 0 },
        { lit("\x04\x82\x00\x01x"),            NGX_ERROR, 0, 0 },
        { lit("\x04\x84\x00\x00\x00\x01x"),    NGX_ERROR, 0, 0 },

        /* longer than the rest, wrapping */
        { lit("\x04\x81\x80x"),                NGX_ERROR, 0, 0 },
        { lit("\x04\x84\xff\xff\xff\xffx"),    NGX_ERROR, 0, 0 },
        { lit("\x04\x85\x01\x00\x00\x00\x00x"), NGX_ERROR, 0, 0 },
        { lit("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff"), NGX_ERROR, 0, 0 },

        /* tags of several octets, end of contents */
        { lit("\x1f\x20\x00"),                 NGX_ERROR, 0, 0 },
        { lit("\xbf\x81\x01\x00"),             NGX_ERROR, 0, 0 },
        { lit("\x00\x00"),                     NGX_ERROR, 0, 0 },
    };

    ngx_int_t       rc;
    ngx_uint_t      i, tag;
    ngx_mtls_der_t  d, start, value, whole;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].der, cases[i].len);
        start = d;

        rc = ngx_mtls_der_any(&d, &tag, &value, &whole);

        if (rc != cases[i].rc) {
            fail_msg("element %u: %d", (unsigned) i, (int) rc);
        }

        if (rc != NGX_OK) {
            assert_ptr_equal(d.pos, start.pos);
            assert_ptr_equal(d.last, start.last);
            continue;
        }

        assert_int_equal(tag, cases[i].der[0]);
        assert_ptr_equal(whole.pos, start.pos);
        assert_ptr_equal(whole.last, value.last);
        assert_ptr_equal(value.pos, start.pos + cases[i].header);
        assert_int_equal(ngx_mtls_der_len(&value), cases[i].content);
        assert_ptr_equal(d.pos, value.last);
        assert_ptr_equal(d.last, start.last);

        d = start;
        assert_int_equal(ngx_mtls_der_any(&d, &tag, &value, NULL), NGX_OK);
        assert_ptr_equal(d.pos, whole.last);
    }
}


static void
test_long(void **state)
{
    u_char         *p;
    ngx_uint_t      tag;
    ngx_mtls_der_t  d, value;

    p = ngx_pcalloc(pool, 70000);
    ngx_memcpy(p, "\x04\x81\x80", 3);

    ngx_mtls_der_set(&d, p, 131);
    assert_int_equal(ngx_mtls_der_any(&d, &tag, &value, NULL), NGX_OK);
    assert_int_equal(ngx_mtls_der_len(&value), 128);
    assert_true(ngx_mtls_der_empty(&d));

    ngx_mtls_der_set(&d, p, 130);
    assert_int_equal(ngx_mtls_der_any(&d, &tag, &value, NULL), NGX_ERROR);

    ngx_memcpy(p, "\x04\x82\xff\xff", 4);
    ngx_mtls_der_set(&d, p, 65535 + 4);
    assert_int_equal(ngx_mtls_der_any(&d, &tag, &value, NULL), NGX_OK);
    assert_int_equal(ngx_mtls_der_len(&value), 65535);

    ngx_memcpy(p, "\x04\x83\x01\x00\x00", 5);
    ngx_mtls_der_set(&d, p, 65536 + 5);
    assert_int_equal(ngx_mtls_der_any(&d, &tag, &value, NULL), NGX_OK);
    assert_int_equal(ngx_mtls_der_len(&value), 65536);
}


static void
test_get_opt(void **state)
{
    u_char          *start;
    ngx_mtls_der_t   d, value;

    d = exact("\x30\x06\x02\x01\x05\x04\x01\x80", 8);
    start = d.pos;

    assert_int_equal(ngx_mtls_der_get(&d, NGX_MTLS_DER_SET, &value),
                     NGX_ERROR);
    assert_int_equal(ngx_mtls_der_opt(&d, NGX_MTLS_DER_SET, &value),
                     NGX_DECLINED);
    assert_ptr_equal(d.pos, start);

    /* entering */

    assert_int_equal(ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &d), NGX_OK);
    assert_int_equal(ngx_mtls_der_len(&d), 6);

    assert_int_equal(ngx_mtls_der_opt(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_OK);
    assert_int_equal(*value.pos, 5);

    assert_int_equal(ngx_mtls_der_get(&d, NGX_MTLS_DER_OCTETSTRING, &value),
                     NGX_OK);
    assert_int_equal(*value.pos, 0x80);

    assert_int_equal(ngx_mtls_der_opt(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_DECLINED);
    assert_int_equal(ngx_mtls_der_get(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_ERROR);
    assert_true(ngx_mtls_der_empty(&d));

    /* the tag is there, the element is not */

    d = exact("\x02\x02\x01", 3);
    start = d.pos;
    assert_int_equal(ngx_mtls_der_opt(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_ERROR);
    assert_ptr_equal(d.pos, start);

    ngx_memzero(&d, sizeof(d));
    assert_int_equal(ngx_mtls_der_get(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_ERROR);
    assert_int_equal(ngx_mtls_der_opt(&d, NGX_MTLS_DER_INTEGER, &value),
                     NGX_DECLINED);
}


static void
test_integer(void **state)
{
    static struct {
        u_char      *der;
        size_t       len;
        ngx_int_t    rc;
        ngx_int_t    uint;
        ngx_uint_t   n;
    } cases[] = {
        { lit("\x02\x01\x00"),              NGX_OK, NGX_OK, 0 },
        { lit("\x02\x01\x7f"),              NGX_OK, NGX_OK, 127 },
        { lit("\x02\x02\x00\x80"),          NGX_OK, NGX_OK, 128 },
        { lit("\x02\x02\x01\x00"),          NGX_OK, NGX_OK, 256 },
        { lit("\x02\x08\x7f\xff\xff\xff\xff\xff\xff\xff"),
          NGX_OK, NGX_OK, 0x7fffffffffffffff },
        { lit("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
          NGX_OK, NGX_OK, 0xffffffffffffffff },

        /* too long for a number */
        { lit("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
          NGX_OK, NGX_ERROR, 0 },

        /* negative */
        { lit("\x02\x01\xff"),              NGX_OK, NGX_ERROR, 0 },
        { lit("\x02\x02\xff\x7f"),          NGX_OK, NGX_ERROR, 0 },

        /* empty, not minimal, another tag */
        { lit("\x02\x00"),                  NGX_ERROR, NGX_ERROR, 0 },
        { lit("\x02\x02\x00\x7f"),          NGX_ERROR, NGX_ERROR, 0 },
        { lit("\x02\x02\x00\x00"),          NGX_ERROR, NGX_ERROR, 0 },
        { lit("\x02\x02\xff\x80"),          NGX_ERROR, NGX_ERROR, 0 },
        { lit("\x0a\x01\x00"),              NGX_ERROR, NGX_ERROR, 0 },
        { lit("\x02\x02\x01"),              NGX_ERROR, NGX_ERROR, 0 },
    };

    u_char          *start;
    ngx_uint_t       i, n;
    ngx_mtls_der_t   d, value;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].der, cases[i].len);
        start = d.pos;
        n = 0;

        if (ngx_mtls_der_uint(&d, &n) != cases[i].uint) {
            fail_msg("number %u", (unsigned) i);
        }

        assert_true(n == cases[i].n);

        if (cases[i].uint != NGX_OK) {
            assert_ptr_equal(d.pos, start);

        } else {
            assert_true(ngx_mtls_der_empty(&d));
            d.pos = start;
        }

        if (ngx_mtls_der_integer(&d, &value) != cases[i].rc) {
            fail_msg("integer %u", (unsigned) i);
        }

        if (cases[i].rc != NGX_OK) {
            assert_ptr_equal(d.pos, start);
            continue;
        }

        assert_int_equal(ngx_mtls_der_len(&value), cases[i].len - 2);
        assert_true(ngx_mtls_der_empty(&d));
    }
}


static void
test_boolean(void **state)
{
    ngx_uint_t      b;
    ngx_mtls_der_t  d;

    b = 7;

    d = exact("\x02\x01\x00", 3);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_DECLINED);
    d.pos = d.last;
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_DECLINED);
    assert_int_equal(b, 7);

    d = exact("\x01\x01\xff", 3);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_OK);
    assert_int_equal(b, 1);
    assert_true(ngx_mtls_der_empty(&d));

    d = exact("\x01\x01\x00", 3);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_OK);
    assert_int_equal(b, 0);

    d = exact("\x01\x01\x01", 3);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_ERROR);
    assert_int_equal(ngx_mtls_der_len(&d), 3);

    d = exact("\x01\x02\xff\xff", 4);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_ERROR);

    d = exact("\x01\x00", 2);
    assert_int_equal(ngx_mtls_der_boolean(&d, &b), NGX_ERROR);
}


static void
test_bits(void **state)
{
    static struct {
        u_char      *der;
        size_t       len;
        ngx_int_t    rc;
        size_t       octets;
        ngx_uint_t   unused;
    } cases[] = {
        { lit("\x03\x01\x00"),          NGX_OK, 0, 0 },
        { lit("\x03\x02\x00\xff"),      NGX_OK, 1, 0 },
        { lit("\x03\x02\x07\x80"),      NGX_OK, 1, 7 },
        { lit("\x03\x03\x04\xff\xf0"),  NGX_OK, 2, 4 },

        { lit("\x03\x00"),              NGX_ERROR, 0, 0 },
        { lit("\x03\x01\x01"),          NGX_ERROR, 0, 0 },
        { lit("\x03\x02\x08\x00"),      NGX_ERROR, 0, 0 },
        { lit("\x03\x02\x07\xc0"),      NGX_ERROR, 0, 0 },
        { lit("\x03\x02\x01\x01"),      NGX_ERROR, 0, 0 },
        { lit("\x23\x02\x00\xff"),      NGX_ERROR, 0, 0 },
    };

    u_char          *start;
    ngx_uint_t       i, unused;
    ngx_mtls_der_t   d, value;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].der, cases[i].len);
        start = d.pos;

        if (ngx_mtls_der_bits(&d, &value, &unused) != cases[i].rc) {
            fail_msg("bits %u", (unsigned) i);
        }

        if (cases[i].rc != NGX_OK) {
            assert_ptr_equal(d.pos, start);
            continue;
        }

        assert_int_equal(ngx_mtls_der_len(&value), cases[i].octets);
        assert_int_equal(unused, cases[i].unused);
    }
}


static void
test_time(void **state)
{
    static struct {
        u_char      tag;
        const char *text;
        ngx_int_t   rc;
        int64_t     t;
    } cases[] = {
        { 0x17, "700101000000Z",   NGX_OK, 0 },
        { 0x17, "700101000001Z",   NGX_OK, 1 },
        { 0x17, "691231235959Z",   NGX_OK, -1 },
        { 0x17, "500101000000Z",   NGX_OK, -631152000 },
        { 0x17, "491231235959Z",   NGX_OK, 2524607999 },
        { 0x17, "000229120000Z",   NGX_OK, 951825600 },
        { 0x17, "240229000000Z",   NGX_OK, 1709164800 },
        { 0x17, "380119031408Z",   NGX_OK, 2147483648 },
        { 0x18, "19700101000000Z", NGX_OK, 0 },
        { 0x18, "20500101000000Z", NGX_OK, 2524608000 },
        { 0x18, "99991231235959Z", NGX_OK, 253402300799 },
        { 0x18, "20000229000000Z", NGX_OK, 951782400 },
        { 0x18, "00000101000000Z", NGX_OK, -62167219200 },
        { 0x18, "00010101000000Z", NGX_OK, -62135596800 },
        { 0x18, "16010101000000Z", NGX_OK, -11644473600 },

        { 0x17, "230229000000Z",   NGX_ERROR, 0 },
        { 0x18, "19000229000000Z", NGX_ERROR, 0 },
        { 0x18, "21000229000000Z", NGX_ERROR, 0 },
        { 0x17, "240230000000Z",   NGX_ERROR, 0 },
        { 0x17, "240431000000Z",   NGX_ERROR, 0 },
        { 0x17, "240001000000Z",   NGX_ERROR, 0 },
        { 0x17, "241301000000Z",   NGX_ERROR, 0 },
        { 0x17, "240100000000Z",   NGX_ERROR, 0 },
        { 0x17, "240132000000Z",   NGX_ERROR, 0 },
        { 0x17, "240101240000Z",   NGX_ERROR, 0 },
        { 0x17, "240101006000Z",   NGX_ERROR, 0 },
        { 0x17, "240101000060Z",   NGX_ERROR, 0 },
        { 0x17, "2401010000Z",     NGX_ERROR, 0 },
        { 0x17, "240101000000",    NGX_ERROR, 0 },
        { 0x17, "240101000000z",   NGX_ERROR, 0 },
        { 0x17, "240101000000+0000", NGX_ERROR, 0 },
        { 0x17, "2401010000-00Z",  NGX_ERROR, 0 },
        { 0x17, " 40101000000Z",   NGX_ERROR, 0 },
        { 0x17, "19700101000000Z", NGX_ERROR, 0 },
        { 0x17, "",                NGX_ERROR, 0 },
        { 0x18, "700101000000Z",   NGX_ERROR, 0 },
        { 0x18, "19700101000000.5Z", NGX_ERROR, 0 },
        { 0x18, "19700101000000,5Z", NGX_ERROR, 0 },
        { 0x18, "1970010100Z",     NGX_ERROR, 0 },
        { 0x16, "700101000000Z",   NGX_ERROR, 0 },
    };

    u_char           buf[64], *start;
    size_t           len;
    int64_t          t;
    ngx_uint_t       i;
    ngx_mtls_der_t   d;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].text);
        buf[0] = cases[i].tag;
        buf[1] = (u_char) len;
        ngx_memcpy(buf + 2, cases[i].text, len);

        d = exact(buf, len + 2);
        start = d.pos;
        t = 0;

        if (ngx_mtls_der_time(&d, &t) != cases[i].rc || t != cases[i].t) {
            fail_msg("time %u \"%s\": %lld", (unsigned) i, cases[i].text,
                     (long long) t);
        }

        assert_ptr_equal(d.pos, cases[i].rc == NGX_OK ? d.last : start);
    }
}


static void
test_string(void **state)
{
    static struct {
        ngx_uint_t   tag;
        u_char      *raw;
        size_t       len;
        ngx_int_t    rc;
        const char  *text;
    } cases[] = {
        { NGX_MTLS_DER_UTF8, lit(""), NGX_OK, "" },
        { NGX_MTLS_DER_UTF8, lit("abc"), NGX_OK, "abc" },
        { NGX_MTLS_DER_UTF8, lit("M\xc3\xbcller"), NGX_OK, "M\xc3\xbcller" },
        { NGX_MTLS_DER_UTF8, lit("\xe2\x82\xac"), NGX_OK, "\xe2\x82\xac" },
        { NGX_MTLS_DER_UTF8, lit("\xf4\x8f\xbf\xbf"), NGX_OK,
          "\xf4\x8f\xbf\xbf" },
        { NGX_MTLS_DER_UTF8, lit("a\r\nb\x7f"), NGX_OK, "a\r\nb\x7f" },
        { NGX_MTLS_DER_UTF8, lit("a\0b"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_UTF8, lit("a\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_UTF8, lit("M\xfcller"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_PRINTABLE, lit(""), NGX_OK, "" },
        { NGX_MTLS_DER_PRINTABLE,
          lit("AZaz09 '()+,-./:=?"), NGX_OK, "AZaz09 '()+,-./:=?" },
        { NGX_MTLS_DER_PRINTABLE, lit("a@b"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_PRINTABLE, lit("a*b"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_PRINTABLE, lit("a_b"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_PRINTABLE, lit("a\xe4"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_PRINTABLE, lit("a\0b"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_NUMERIC, lit("0123 456789"), NGX_OK, "0123 456789" },
        { NGX_MTLS_DER_NUMERIC, lit("12a"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_NUMERIC, lit("12:"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_VISIBLE, lit(" ~"), NGX_OK, " ~" },
        { NGX_MTLS_DER_VISIBLE, lit("a\tb"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_VISIBLE, lit("a\x7f"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_IA5, lit("a\x01\x7f@"), NGX_OK, "a\x01\x7f@" },
        { NGX_MTLS_DER_IA5, lit("a\0b"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_IA5, lit("a\x80"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_T61, lit("abc"), NGX_OK, "abc" },
        { NGX_MTLS_DER_T61, lit("M\xfcller"), NGX_OK, "M\xc3\xbcller" },
        { NGX_MTLS_DER_T61, lit("\xff\x80"), NGX_OK, "\xc3\xbf\xc2\x80" },
        { NGX_MTLS_DER_T61, lit("\xfc\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_T61, lit("a\0"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_BMP, lit(""), NGX_OK, "" },
        { NGX_MTLS_DER_BMP, lit("\0a\0b"), NGX_OK, "ab" },
        { NGX_MTLS_DER_BMP, lit("\0\xfc \xac\xff\xfd"), NGX_OK,
          "\xc3\xbc\xe2\x82\xac\xef\xbf\xbd" },
        { NGX_MTLS_DER_BMP, lit("\0a\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_BMP, lit("\0a\0\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_BMP, lit("\xd8\x3d\xde\x00"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_BMP, lit("\xdf\xff"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_UNIVERSAL, lit("\0\0\0a\0\x01\xf6\x00"), NGX_OK,
          "a\xf0\x9f\x98\x80" },
        { NGX_MTLS_DER_UNIVERSAL, lit("\0\x10\xff\xff"), NGX_OK,
          "\xf4\x8f\xbf\xbf" },
        { NGX_MTLS_DER_UNIVERSAL, lit("\0\x11\0\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_UNIVERSAL, lit("\xff\xff\xff\xff"), NGX_DECLINED,
          NULL },
        { NGX_MTLS_DER_UNIVERSAL, lit("\0\0\xd8\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_UNIVERSAL, lit("\0\0\0\0"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_UNIVERSAL, lit("\0\0\0"), NGX_DECLINED, NULL },

        { NGX_MTLS_DER_OCTETSTRING, lit("abc"), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_SEQUENCE, lit(""), NGX_DECLINED, NULL },
        { NGX_MTLS_DER_CTX(2), lit("abc"), NGX_DECLINED, NULL },
        { 0x2c, lit("abc"), NGX_DECLINED, NULL },
    };

    ngx_int_t       rc;
    ngx_str_t       text;
    ngx_uint_t      i;
    ngx_mtls_der_t  d;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].raw, cases[i].len);

        rc = ngx_mtls_der_string(pool, cases[i].tag, &d, &text);

        if (rc != cases[i].rc) {
            fail_msg("string %u: %d", (unsigned) i, (int) rc);
        }

        if (rc != NGX_OK) {
            assert_null(text.data);
            assert_int_equal(text.len, 0);
            continue;
        }

        assert_non_null(text.data);
        assert_str_equal(&text, cases[i].text);
    }

    d = exact("\0a", 2);
    shim_alloc_fail(1);
    assert_int_equal(ngx_mtls_der_string(pool, NGX_MTLS_DER_BMP, &d, &text),
                     NGX_ERROR);
}


static void
test_utf8(void **state)
{
    static struct {
        u_char      *data;
        size_t       len;
        ngx_uint_t   valid;
    } cases[] = {
        { lit(""), 1 },
        { lit("a\x7f"), 1 },
        { lit("\xc2\x80\xdf\xbf"), 1 },
        { lit("\xe0\xa0\x80\xef\xbf\xbf"), 1 },
        { lit("\xed\x9f\xbf\xee\x80\x80"), 1 },
        { lit("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 1 },

        { lit("a\0"), 0 },
        { lit("\x80"), 0 },
        { lit("\xbf" "a"), 0 },
        { lit("\xc0\x80"), 0 },
        { lit("\xc1\xbf"), 0 },
        { lit("\xe0\x80\x80"), 0 },
        { lit("\xe0\x9f\xbf"), 0 },
        { lit("\xf0\x80\x80\x80"), 0 },
        { lit("\xf0\x8f\xbf\xbf"), 0 },
        { lit("\xed\xa0\x80"), 0 },
        { lit("\xed\xbf\xbf"), 0 },
        { lit("\xf4\x90\x80\x80"), 0 },
        { lit("\xf5\x80\x80\x80"), 0 },
        { lit("\xf8\x88\x80\x80\x80"), 0 },
        { lit("\xff"), 0 },
        { lit("\xc3"), 0 },
        { lit("a\xe2\x82"), 0 },
        { lit("\xf0\x9f\x98"), 0 },
        { lit("\xc3" "a"), 0 },
        { lit("\xe2\x82" "a"), 0 },
    };

    ngx_uint_t      i;
    ngx_mtls_der_t  d;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        d = exact(cases[i].data, cases[i].len);

        if (ngx_mtls_utf8(d.pos, cases[i].len) != cases[i].valid) {
            fail_msg("utf8 %u", (unsigned) i);
        }
    }
}


static void
test_hash(void **state)
{
    static u_char  abc[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
    };

    static u_char  empty[] = {
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
        0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
        0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55
    };

    /* HMAC-SHA-256, key of 32 octets 0x0b, "Hi There" */
    static u_char  mac[] = {
        0x19, 0x8a, 0x60, 0x7e, 0xb4, 0x4b, 0xfb, 0xc6, 0x99, 0x03, 0xa0,
        0xf1, 0xcf, 0x2b, 0xbd, 0xc5, 0xba, 0x0a, 0xa3, 0xf3, 0xd9, 0xae,
        0x3c, 0x1c, 0x7a, 0x3b, 0x16, 0x96, 0xa0, 0xb6, 0x8c, 0xf7
    };

    u_char  key[NGX_MTLS_HASH_LEN], hash[NGX_MTLS_HASH_LEN];

    assert_int_equal(ngx_mtls_sha256("abc", 3, hash), NGX_OK);
    assert_memory_equal(hash, abc, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_sha256(NULL, 0, hash), NGX_OK);
    assert_memory_equal(hash, empty, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_sha256("abc", 3, hash), NGX_OK);
    assert_memory_equal(hash, abc, NGX_MTLS_HASH_LEN);

    ngx_memset(key, 0x0b, sizeof(key));

    assert_int_equal(ngx_mtls_hmac(key, "Hi There", 8, NULL, 0, hash),
                     NGX_OK);
    assert_memory_equal(hash, mac, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_hmac(key, "Hi ", 3, "There", 5, hash), NGX_OK);
    assert_memory_equal(hash, mac, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_hmac(key, NULL, 0, "Hi There", 8, hash),
                     NGX_OK);
    assert_memory_equal(hash, mac, NGX_MTLS_HASH_LEN);
}


static void
test_error(void **state)
{
    u_char            long_text[2 * NGX_MAX_CONF_ERRSTR];
    ngx_str_t         s;
    ngx_mtls_error_t  err;

    s.data = (u_char *) "cn";
    s.len = 2;

    assert_int_equal(ngx_mtls_error(&err, "unknown \"%V\" in %s:%ui", &s,
                                    "file", (ngx_uint_t) 7),
                     NGX_ERROR);
    assert_int_equal(err.len, strlen("unknown \"cn\" in file:7"));
    assert_memory_equal(err.text, "unknown \"cn\" in file:7", err.len);

    ngx_memset(long_text, 'x', sizeof(long_text));
    s.data = long_text;
    s.len = sizeof(long_text);

    ngx_mtls_error(&err, "%V", &s);
    assert_int_equal(err.len, sizeof(err.text));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_element, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_opt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_integer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boolean, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_string, setup, teardown),
        cmocka_unit_test_setup_teardown(test_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
