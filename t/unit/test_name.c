
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names: parsing, comparison as sets, hashes.
 */


#include "names.h"


static ngx_uint_t
same(const ava_t *one, const ava_t *two)
{
    ngx_str_t  a, b;

    a = canonical(one);
    b = canonical(two);

    return a.len == b.len && ngx_memcmp(a.data, b.data, a.len) == 0;
}


static void
test_parse(void **state)
{
    static ava_t  avas[] = {
        { C, PRINT, lit("DE"), 0 },
        { O, UTF8, lit("Evil,CN=admin"), 0 },
        { CN, BMP, lit("\0M\0\xfc"), 0 },
        { OU, T61, lit("\xfc"), 1 },
        { CN, UTF8, lit("a\0b"), 0 },
        { ORGID, NGX_MTLS_DER_SEQUENCE, lit("\x05\x00"), 0 },
        { NULL, 0, NULL, 0, 0 }
    };

    static struct {
        const char  *text;
        ngx_uint_t   rdn;
    } expected[] = {
        { "DE", 0 }, { "Evil,CN=admin", 1 }, { "M\xc3\xbc", 2 },
        { "\xc3\xbc", 2 }, { NULL, 3 }, { NULL, 4 }
    };

    ngx_uint_t        i;
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   name;

    d = name_der(avas);
    assert_int_equal(ngx_mtls_name_parse(pool, &d, &name), NGX_OK);

    assert_ptr_equal(name.der.data, d.pos);
    assert_int_equal(name.der.len, ngx_mtls_der_len(&d));
    assert_int_equal(name.n, 6);

    for (i = 0; i < name.n; i++) {
        assert_int_equal(name.avas[i].rdn, expected[i].rdn);
        assert_int_equal(name.avas[i].tag, avas[i].tag);
        assert_int_equal(ngx_mtls_der_len(&name.avas[i].raw), avas[i].len);
        assert_str_equal(&name.avas[i].oid, avas[i].oid);

        if (expected[i].text) {
            assert_str_equal(&name.avas[i].text, expected[i].text);

        } else {
            assert_null(name.avas[i].text.data);
        }
    }

    /* nothing at all */

    ngx_mtls_der_set(&d, (u_char *) "\x30\x00", 2);
    assert_int_equal(ngx_mtls_name_parse(pool, &d, &name), NGX_OK);
    assert_int_equal(name.n, 0);
}


static void
test_malformed(void **state)
{
    static struct {
        const char  *der;
        size_t       len;
    } cases[] = {
        { lit("") },
        { lit("\x30") },
        { lit("\x31\x00") },
        { lit("\x30\x00\x00") },

        /* an empty RDN; no SET; trailing octets inside */
        { lit("\x30\x02\x31\x00") },
        { lit("\x30\x0c\x30\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x") },
        { lit("\x30\x0d\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x\x00") },

        /* no SEQUENCE; no type; no value; two values; bad type */
        { lit("\x30\x0c\x31\x0a\x31\x08\x06\x03\x55\x04\x03\x0c\x01x") },
        { lit("\x30\x07\x31\x05\x30\x03\x0c\x01x") },
        { lit("\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03") },
        { lit("\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x01x"
              "\x0c\x01y") },
        { lit("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x83\x0c\x01x") },
        { lit("\x30\x09\x31\x07\x30\x05\x06\x00\x0c\x01x") },

        /* the value is cut, indefinite */
        { lit("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x02x") },
        { lit("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x30\x80\0\0") },
    };

    u_char           *p;
    ngx_uint_t        i;
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   name;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p = ngx_pnalloc(pool, cases[i].len ? cases[i].len : 1);
        ngx_memcpy(p, cases[i].der, cases[i].len);
        ngx_mtls_der_set(&d, p, cases[i].len);

        if (ngx_mtls_name_parse(pool, &d, &name) != NGX_DECLINED) {
            fail_msg("name %u is not malformed", (unsigned) i);
        }
    }
}


static void
test_bounds(void **state)
{
    ava_t             avas[NGX_MTLS_NAME_MAX + 2];
    ngx_str_t         one, two;
    ngx_uint_t        i, joined;
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   name;

    for (joined = 0; joined < 2; joined++) {

        ngx_memzero(avas, sizeof(avas));

        for (i = 0; i <= NGX_MTLS_NAME_MAX; i++) {
            avas[i].oid = OU;
            avas[i].tag = PRINT;
            avas[i].value = &"zyxwvutsrqponmlkjihgfedcba"[i % 26];
            avas[i].len = 1;
            avas[i].joined = i ? joined : 0;
        }

        d = name_der(avas);
        assert_int_equal(ngx_mtls_name_parse(pool, &d, &name), NGX_DECLINED);

        avas[NGX_MTLS_NAME_MAX].oid = NULL;

        d = name_der(avas);
        assert_int_equal(ngx_mtls_name_parse(pool, &d, &name), NGX_OK);
        assert_int_equal(name.n, NGX_MTLS_NAME_MAX);
        assert_int_equal(name.avas[NGX_MTLS_NAME_MAX - 1].rdn,
                         joined ? 0 : NGX_MTLS_NAME_MAX - 1);

        one = canonical(avas);

        for (i = 0; i < NGX_MTLS_NAME_MAX; i++) {
            avas[i].value = &"zyxwvutsrqponmlkjihgfedcba"[
                                           (NGX_MTLS_NAME_MAX - 1 - i) % 26];
        }

        two = canonical(avas);

        assert_int_equal(one.len, two.len);
        assert_int_equal(ngx_memcmp(one.data, two.data, one.len) == 0,
                         joined);
    }
}


static void
test_canonical(void **state)
{
    static struct {
        ava_t        one[4];
        ava_t        two[4];
        ngx_uint_t   same;
    } cases[] = {

        /* string types, case, spaces */

        { { { CN, UTF8, lit("Test"), 0 } },
          { { CN, PRINT, lit("tEST"), 0 } }, 1 },
        { { { CN, UTF8, lit("M\xc3\xbcller"), 0 } },
          { { CN, T61, lit("M\xfcLLER"), 0 } }, 1 },
        { { { CN, UTF8, lit("M\xc3\xbc"), 0 } },
          { { CN, BMP, lit("\0m\0\xfc"), 0 } }, 1 },
        { { { CN, UTF8, lit("  a   b\tc\n"), 0 } },
          { { CN, IA5, lit("A b C"), 0 } }, 1 },
        { { { CN, UTF8, lit("   "), 0 } },
          { { CN, UTF8, lit(""), 0 } }, 1 },
        { { { CN, UTF8, lit("ab"), 0 } },
          { { CN, UTF8, lit("a b"), 0 } }, 0 },
        { { { CN, UTF8, lit("\xc3\xbc"), 0 } },
          { { CN, UTF8, lit("\xc3\x9c"), 0 } }, 0 },

        /* attributes, their number and order */

        { { { CN, UTF8, lit("a"), 0 } },
          { { OU, UTF8, lit("a"), 0 } }, 0 },
        { { { CN, UTF8, lit("a"), 0 } },
          { { CN, UTF8, lit("a"), 0 }, { CN, UTF8, lit("a"), 0 } }, 0 },
        { { { O, UTF8, lit("b"), 0 }, { CN, UTF8, lit("a"), 0 } },
          { { CN, UTF8, lit("a"), 0 }, { O, UTF8, lit("b"), 0 } }, 0 },

        /* sets */

        { { { O, UTF8, lit("b"), 0 }, { CN, UTF8, lit("a"), 1 } },
          { { CN, PRINT, lit("A"), 0 }, { O, UTF8, lit("B"), 1 } }, 1 },
        { { { O, UTF8, lit("b"), 0 }, { CN, UTF8, lit("a"), 1 } },
          { { O, UTF8, lit("b"), 0 }, { CN, UTF8, lit("a"), 0 } }, 0 },
        { { { CN, UTF8, lit("a"), 0 }, { CN, UTF8, lit("b"), 1 } },
          { { CN, UTF8, lit("B"), 0 }, { CN, UTF8, lit("A"), 1 } }, 1 },
        { { { CN, UTF8, lit("a"), 0 }, { CN, UTF8, lit("a"), 1 } },
          { { CN, UTF8, lit("a"), 0 } }, 0 },
        { { { CN, UTF8, lit("a"), 0 }, { CN, UTF8, lit("a"), 1 },
            { CN, UTF8, lit("b"), 1 } },
          { { CN, UTF8, lit("a"), 0 }, { CN, UTF8, lit("b"), 1 },
            { CN, UTF8, lit("b"), 1 } }, 0 },

        /* text that looks like a name */

        { { { O, UTF8, lit("b,CN=a"), 0 } },
          { { CN, UTF8, lit("a"), 0 }, { O, UTF8, lit("b"), 0 } }, 0 },

        /* no text: tag and octets count */

        { { { CN, UTF8, lit("a\0b"), 0 } },
          { { CN, UTF8, lit("a\0b"), 0 } }, 1 },
        { { { CN, UTF8, lit("a\0b"), 0 } },
          { { CN, UTF8, lit("a\0B"), 0 } }, 0 },
        { { { CN, UTF8, lit("a\0b"), 0 } },
          { { CN, PRINT, lit("a\0b"), 0 } }, 0 },
        { { { CN, UTF8, lit("a\0b"), 0 } },
          { { CN, UTF8, lit("a"), 0 } }, 0 },
        { { { CN, NGX_MTLS_DER_OCTETSTRING, lit("a"), 0 } },
          { { CN, UTF8, lit("a"), 0 } }, 0 },
    };

    ngx_uint_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (same(cases[i].one, cases[i].two) != cases[i].same) {
            fail_msg("names %u are %s", (unsigned) i,
                     cases[i].same ? "not equal" : "equal");
        }
    }
}


static void
test_hash(void **state)
{
    static ava_t  one[] = {
        { O, PRINT, lit("House"), 0 }, { NULL, 0, NULL, 0, 0 }
    };

    static ava_t  two[] = {
        { O, UTF8, lit(" house "), 0 }, { NULL, 0, NULL, 0, 0 }
    };

    u_char            a[NGX_MTLS_HASH_LEN], b[NGX_MTLS_HASH_LEN], *p;
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   name;

    name_make(one, &name);
    assert_int_equal(ngx_mtls_name_hash(pool, &name, a), NGX_OK);

    /* a directoryName is its name, whatever the encoding */

    d = name_der(two);
    p = ngx_pnalloc(pool, ngx_mtls_der_len(&d) + 2);
    p[0] = 0xa4;
    p[1] = (u_char) ngx_mtls_der_len(&d);
    ngx_memcpy(p + 2, d.pos, p[1]);
    ngx_mtls_der_set(&d, p, p[1] + 2);

    assert_int_equal(ngx_mtls_general_name_hash(pool, &d, b), NGX_OK);
    assert_memory_equal(a, b, NGX_MTLS_HASH_LEN);

    /* others are octets */

    ngx_mtls_der_set(&d, (u_char *) "\x86\x03urn", 5);
    assert_int_equal(ngx_mtls_general_name_hash(pool, &d, a), NGX_OK);
    assert_int_equal(ngx_mtls_sha256("\x86\x03urn", 5, b), NGX_OK);
    assert_memory_equal(a, b, NGX_MTLS_HASH_LEN);

    ngx_mtls_der_set(&d, (u_char *) "\x86\x03ur", 4);
    assert_int_equal(ngx_mtls_general_name_hash(pool, &d, a), NGX_DECLINED);

    ngx_mtls_der_set(&d, (u_char *) "\x86\x02ur.", 5);
    assert_int_equal(ngx_mtls_general_name_hash(pool, &d, a), NGX_DECLINED);

    ngx_mtls_der_set(&d, (u_char *) "\xa4\x02\x31\x00", 4);
    assert_int_equal(ngx_mtls_general_name_hash(pool, &d, a), NGX_DECLINED);
}


static void
test_append(void **state)
{
    static ava_t  base[] = {
        { C, PRINT, lit("DE"), 0 },
        { O, PRINT, lit("House"), 0 },
        { NULL, 0, NULL, 0, 0 }
    };

    static ava_t  whole[] = {
        { C, PRINT, lit("DE"), 0 },
        { O, PRINT, lit("House"), 0 },
        { CN, UTF8, lit("crl1"), 0 },
        { OU, UTF8, lit("x"), 1 },
        { NULL, 0, NULL, 0, 0 }
    };

    static u_char  rdn[] =
        "\x30\x08\x06\x03\x55\x04\x0b\x0c\x01X"
        "\x30\x0b\x06\x03\x55\x04\x03\x13\x04" "CRL1";

    ngx_str_t         c;
    ngx_str_t         expected;
    ngx_mtls_der_t    d;
    ngx_mtls_name_t   name, result;

    name_make(base, &name);

    ngx_mtls_der_set(&d, rdn, sizeof(rdn) - 1);
    assert_int_equal(ngx_mtls_name_append(pool, &name, &d, &result), NGX_OK);
    assert_int_equal(result.n, 4);

    assert_int_equal(ngx_mtls_name_canonical(pool, &result, &c), NGX_OK);
    expected = canonical(whole);
    assert_int_equal(c.len, expected.len);
    assert_memory_equal(c.data, expected.data, c.len);

    /* to an empty name; an empty one; malformed */

    name.n = 0;
    name.avas = NULL;
    assert_int_equal(ngx_mtls_name_append(pool, &name, &d, &result), NGX_OK);
    assert_int_equal(result.n, 2);
    assert_int_equal(result.avas[1].rdn, 0);

    ngx_mtls_der_set(&d, rdn, 0);
    assert_int_equal(ngx_mtls_name_append(pool, &name, &d, &result),
                     NGX_DECLINED);

    ngx_mtls_der_set(&d, rdn, sizeof(rdn) - 2);
    assert_int_equal(ngx_mtls_name_append(pool, &name, &d, &result),
                     NGX_DECLINED);
}


/* each allocation fails once */

static void
test_memory(void **state)
{
    static ava_t  avas[] = {
        { C, PRINT, lit("DE"), 0 },
        { CN, BMP, lit("\0M\0\xfc"), 0 },
        { OU, UTF8, lit("x"), 1 },
        { NULL, 0, NULL, 0, 0 }
    };

    static ngx_str_t  text = ngx_string("2.5.4.3=#1e0200fc+OU=b,O=a");
    static u_char     rdn[] = "\x30\x09\x06\x03\x55\x04\x0b\x1e\x02\0X";

    u_char             hash[NGX_MTLS_HASH_LEN];
    ngx_int_t          rc;
    ngx_str_t          s;
    ngx_uint_t         n;
    ngx_mtls_der_t     d, r;
    ngx_mtls_name_t    name, result;
    ngx_mtls_error_t   err;

    d = name_der(avas);
    ngx_mtls_der_set(&r, rdn, sizeof(rdn) - 1);

    for (n = 1; /* void */ ; n++) {
        shim_alloc_fail(n);

        rc = ngx_mtls_name_parse(pool, &d, &name);

        if (rc == NGX_OK) {
            rc = ngx_mtls_name_append(pool, &name, &r, &result);
        }

        if (rc == NGX_OK) {
            rc = ngx_mtls_name_hash(pool, &result, hash);
        }

        if (rc == NGX_OK) {
            rc = ngx_mtls_name_print(pool, &result, &s);
        }

        if (rc == NGX_OK) {
            rc = ngx_mtls_name_text(pool, &text, &s, &err);
        }

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        assert_true(n < 50);
    }

    assert_true(n > 10);
    shim_alloc_fail(0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
