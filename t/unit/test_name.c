
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names: parsing, comparison as sets, text.
 */


#include "shim.h"

#include <ngx_mtls_name.h>


/* an attribute of a test's name: type, tag, value; "+": in the RDN before */
typedef struct {
    const char  *oid;
    u_char       tag;
    const char  *value;
    size_t       len;
    ngx_uint_t   joined;
} ava_t;


#define lit(s)    s, sizeof(s) - 1

#define CN        "\x55\x04\x03"
#define OU        "\x55\x04\x0b"
#define O         "\x55\x04\x0a"
#define C         "\x55\x04\x06"
#define ORGID     "\x55\x04\x61"
#define ODD       "\x2b\x06\x01\x04\x01\x82\x37\x63"

#define UTF8      NGX_MTLS_DER_UTF8
#define PRINT     NGX_MTLS_DER_PRINTABLE
#define BMP       NGX_MTLS_DER_BMP
#define T61       NGX_MTLS_DER_T61
#define IA5       NGX_MTLS_DER_IA5


static ngx_pool_t  *pool;


static int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    return 0;
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);

    return 0;
}


/* prepends tag and length to what stands at "p"; returns the new begin */

static u_char *
wrap(u_char *p, u_char *last, u_char tag)
{
    size_t  len;

    len = last - p;

    if (len > 255) {
        *--p = (u_char) len;
        *--p = (u_char) (len >> 8);
        *--p = 0x82;

    } else {
        *--p = (u_char) len;

        if (len > 127) {
            *--p = 0x81;
        }
    }

    *--p = tag;

    return p;
}


/* the DER of a name, up to the first attribute without a type */

static ngx_mtls_der_t
name_der(const ava_t *avas)
{
    u_char          *buf, *p, *last, *set, *seq;
    size_t           size;
    ngx_uint_t       n;
    ngx_mtls_der_t   d;

    size = 65536;
    buf = ngx_pnalloc(pool, size);
    last = buf + size;
    p = last;

    for (n = 0; avas[n].oid; n++) { /* void */ }

    set = p;

    while (n--) {
        seq = p;

        p -= avas[n].len;
        ngx_memcpy(p, avas[n].value, avas[n].len);
        p = wrap(p, seq, avas[n].tag);

        p -= strlen(avas[n].oid);
        ngx_memcpy(p, avas[n].oid, strlen(avas[n].oid));
        *--p = (u_char) strlen(avas[n].oid);
        *--p = NGX_MTLS_DER_OID;

        p = wrap(p, seq, NGX_MTLS_DER_SEQUENCE);

        if (!avas[n].joined) {
            p = wrap(p, set, NGX_MTLS_DER_SET);
            set = p;
        }
    }

    p = wrap(p, last, NGX_MTLS_DER_SEQUENCE);

    /* without a spare octet */

    ngx_mtls_der_set(&d, ngx_pnalloc(pool, last - p), last - p);
    ngx_memcpy(d.pos, p, last - p);

    return d;
}


static void
name_make(const ava_t *avas, ngx_mtls_name_t *name)
{
    ngx_mtls_der_t  d;

    d = name_der(avas);
    assert_int_equal(ngx_mtls_name_parse(pool, &d, name), NGX_OK);
}


static ngx_str_t
canonical(const ava_t *avas)
{
    ngx_str_t        c;
    ngx_mtls_name_t  name;

    name_make(avas, &name);
    assert_int_equal(ngx_mtls_name_canonical(pool, &name, &c), NGX_OK);

    return c;
}


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


static void
test_print(void **state)
{
    static struct {
        ava_t        avas[6];
        const char  *text;
    } cases[] = {
        { { { NULL, 0, NULL, 0, 0 } }, "" },
        { { { C, PRINT, lit("DE"), 0 }, { O, UTF8, lit("a"), 0 },
            { CN, UTF8, lit("b"), 0 } }, "CN=b,O=a,C=DE" },
        { { { O, UTF8, lit("a"), 0 }, { CN, UTF8, lit("b"), 0 },
            { OU, UTF8, lit("c"), 1 } }, "CN=b+OU=c,O=a" },
        { { { O, UTF8, lit("Evil,CN=admin"), 0 } }, "O=Evil\\,CN=admin" },
        { { { CN, UTF8, lit("\"+,;<>\\=#"), 0 } },
          "CN=\\\"\\+\\,\\;\\<\\>\\\\=#" },
        { { { CN, UTF8, lit("#a#"), 0 } }, "CN=\\#a#" },
        { { { CN, UTF8, lit(" a b "), 0 } }, "CN=\\ a b\\ " },
        { { { CN, UTF8, lit(" "), 0 } }, "CN=\\ " },
        { { { CN, UTF8, lit(""), 0 } }, "CN=" },
        { { { CN, UTF8, lit("a\r\nb\x7f"), 0 } }, "CN=a\\0d\\0ab\\7f" },
        { { { CN, UTF8, lit("M\xc3\xbc"), 0 } }, "CN=M\xc3\xbc" },
        { { { CN, BMP, lit("\0M\0\xfc"), 0 } }, "CN=M\xc3\xbc" },
        { { { CN, UTF8, lit("a\0b"), 0 } }, "CN=#0c03610062" },
        { { { ODD, UTF8, lit("ab"), 0 } }, "1.3.6.1.4.1.311.99=#0c026162" },
        { { { ORGID, UTF8, lit("PSDDE-X"), 0 } },
          "organizationIdentifier=PSDDE-X" },
        { { { CN, NGX_MTLS_DER_SEQUENCE, lit("\x05\x00"), 0 } },
          "CN=#30020500" },
    };

    ngx_str_t          text, back, expected;
    ngx_uint_t         i;
    ngx_mtls_name_t    name;
    ngx_mtls_error_t   err;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        name_make(cases[i].avas, &name);

        assert_int_equal(ngx_mtls_name_print(pool, &name, &text), NGX_OK);

        if (text.len != strlen(cases[i].text)
            || ngx_memcmp(text.data, cases[i].text, text.len) != 0)
        {
            fail_msg("name %u \"%s\": \"%.*s\"", (unsigned) i, cases[i].text,
                     (int) text.len, text.data);
        }

        if (name.n == 0) {
            continue;
        }

        /* and back */

        assert_int_equal(ngx_mtls_name_text(pool, &text, &back, &err),
                         NGX_OK);
        expected = canonical(cases[i].avas);
        assert_int_equal(back.len, expected.len);
        assert_memory_equal(back.data, expected.data, back.len);
    }
}


/* values whose length takes one, two and three octets, printed as elements */

static void
test_print_long(void **state)
{
    static size_t  lens[] = { 0, 1, 127, 128, 255, 256, 5000 };

    ava_t              avas[2];
    u_char            *value;
    ngx_str_t          text, back, expected;
    ngx_uint_t         i;
    ngx_mtls_name_t    name;
    ngx_mtls_error_t   err;

    value = ngx_pcalloc(pool, 5000);
    ngx_memset(value, 'x', 5000);

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        ngx_memzero(avas, sizeof(avas));
        avas[0].oid = ODD;
        avas[0].tag = NGX_MTLS_DER_OCTETSTRING;
        avas[0].value = (char *) value;
        avas[0].len = lens[i];

        name_make(avas, &name);
        assert_int_equal(ngx_mtls_name_print(pool, &name, &text), NGX_OK);
        assert_memory_equal(text.data, "1.3.6.1.4.1.311.99=#04", 22);

        assert_int_equal(ngx_mtls_name_text(pool, &text, &back, &err),
                         NGX_OK);
        expected = canonical(avas);
        assert_int_equal(back.len, expected.len);
        assert_memory_equal(back.data, expected.data, back.len);
    }
}


static void
test_text(void **state)
{
    static struct {
        const char  *text;
        ava_t        avas[4];
    } good[] = {
        { "CN=b,O=a,C=DE",
          { { C, PRINT, lit("DE"), 0 }, { O, UTF8, lit("a"), 0 },
            { CN, UTF8, lit("b"), 0 } } },
        { " cn = B , o=A, c = de ",
          { { C, PRINT, lit("DE"), 0 }, { O, UTF8, lit("a"), 0 },
            { CN, UTF8, lit("b"), 0 } } },
        { "CN=b+OU=c,O=a",
          { { O, UTF8, lit("a"), 0 }, { OU, UTF8, lit("c"), 0 },
            { CN, UTF8, lit("b"), 1 } } },
        { "OU=c + CN=b,O=a",
          { { O, UTF8, lit("a"), 0 }, { OU, UTF8, lit("c"), 0 },
            { CN, UTF8, lit("b"), 1 } } },
        { "2.5.4.3=b", { { CN, UTF8, lit("b"), 0 } } },
        { "1.3.6.1.4.1.311.99=b", { { ODD, UTF8, lit("b"), 0 } } },
        { "1.3.6.1.4.1.311.99=#0c0162", { { ODD, UTF8, lit("b"), 0 } } },
        { "CN=#0C0162 ,O=a",
          { { O, UTF8, lit("a"), 0 }, { CN, UTF8, lit("b"), 0 } } },
        { "commonName=b", { { CN, UTF8, lit("b"), 0 } } },
        { "CN=a\\,O\\=b", { { CN, UTF8, lit("a,O=b"), 0 } } },
        { "CN=a=b", { { CN, UTF8, lit("a=b"), 0 } } },
        { "CN=\\\"\\+\\;\\<\\>\\\\\\#",
          { { CN, UTF8, lit("\"+;<>\\#"), 0 } } },
        { "CN=M\\c3\\BC", { { CN, UTF8, lit("M\xc3\xbc"), 0 } } },
        { "CN=M\xc3\xbc", { { CN, UTF8, lit("M\xc3\xbc"), 0 } } },
        { "CN=\\23a", { { CN, UTF8, lit("#a"), 0 } } },
        { "CN=", { { CN, UTF8, lit(""), 0 } } },
        { "CN=,O=", { { O, UTF8, lit(""), 0 }, { CN, UTF8, lit(""), 0 } } },
        { "organizationidentifier=x", { { ORGID, UTF8, lit("x"), 0 } } },
    };

    static struct {
        const char  *text;
        const char  *error;
    } bad[] = {
        { "",            "no \"=\" in \"\" of the name" },
        { "CN",          "no \"=\" in \"CN\" of the name" },
        { "CN=a,",       "no \"=\" in \"\" of the name" },
        { "CN=a+",       "no \"=\" in \"\" of the name" },
        { ",CN=a",       "unknown attribute \",CN\" in the name" },
        { "=a",          "unknown attribute \"\" in the name" },
        { "/CN=a",       "unknown attribute \"/CN\" in the name" },
        { "XY=a",        "unknown attribute \"XY\" in the name" },
        { "2.5.4=a,3.1=b", "unknown attribute \"3.1\" in the name" },
        { "CN=a;O=b",    "\";\" must be escaped as \"\\;\" in the name" },
        { "CN=\"a\"",    "\"\"\" must be escaped as \"\\\"\" in the name" },
        { "CN=a<b",      "\"<\" must be escaped as \"\\<\" in the name" },
        { "CN=a\\",      "bad escape in the name" },
        { "CN=a\\x",     "bad escape in the name" },
        { "CN=a\\a",     "bad escape in the name" },
        { "CN=a\\ag",    "bad escape in the name" },
        { "CN=\\00",     "a value in the name is not UTF-8 or has "
                         "a zero octet" },
        { "CN=\\ff",     "a value in the name is not UTF-8 or has "
                         "a zero octet" },
        { "CN=#",        "a value that begins with \"#\" in the name is not "
                         "DER in hexadecimal" },
        { "CN=#0c016",   "a value that begins with \"#\" in the name is not "
                         "DER in hexadecimal" },
        { "CN=#0c02",    "a value that begins with \"#\" in the name is not "
                         "DER in hexadecimal" },
        { "CN=#0c0162aa", "a value that begins with \"#\" in the name is not "
                         "DER in hexadecimal" },
        { "CN=#zz",      "a value that begins with \"#\" in the name is not "
                         "DER in hexadecimal" },
    };

    u_char            *p;
    ngx_int_t          rc;
    ngx_str_t          text, c, expected;
    ngx_uint_t         i;
    ngx_mtls_error_t   err;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        text.len = strlen(good[i].text);
        text.data = ngx_pnalloc(pool, text.len);
        ngx_memcpy(text.data, good[i].text, text.len);

        if (ngx_mtls_name_text(pool, &text, &c, &err) != NGX_OK) {
            fail_msg("\"%s\": %.*s", good[i].text, (int) err.len, err.text);
        }

        expected = canonical(good[i].avas);

        if (c.len != expected.len
            || ngx_memcmp(c.data, expected.data, c.len) != 0)
        {
            fail_msg("\"%s\" is another name", good[i].text);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text.len = strlen(bad[i].text);
        text.data = ngx_pnalloc(pool, text.len ? text.len : 1);
        ngx_memcpy(text.data, bad[i].text, text.len);

        rc = ngx_mtls_name_text(pool, &text, &c, &err);

        if (rc != NGX_DECLINED
            || err.len != strlen(bad[i].error)
            || ngx_memcmp(err.text, bad[i].error, err.len) != 0)
        {
            fail_msg("\"%s\": %d, %.*s", bad[i].text, (int) rc,
                     (int) err.len, err.text);
        }
    }

    /* too many */

    text.len = NGX_MTLS_NAME_MAX * 5 + 4;
    text.data = ngx_pnalloc(pool, text.len);

    for (p = text.data; p < text.data + text.len; p += 5) {
        ngx_memcpy(p, "CN=a,", ngx_min(5, text.data + text.len - p));
    }

    assert_int_equal(ngx_mtls_name_text(pool, &text, &c, &err),
                     NGX_DECLINED);

    text.len -= 5;
    assert_int_equal(ngx_mtls_name_text(pool, &text, &c, &err), NGX_OK);
}


static void
test_oid(void **state)
{
    static struct {
        const char  *name;
        const char  *oid;
    } cases[] = {
        { "cn", "2.5.4.3" }, { "CN", "2.5.4.3" }, { "o", "2.5.4.10" },
        { "ou", "2.5.4.11" }, { "c", "2.5.4.6" }, { "l", "2.5.4.7" },
        { "st", "2.5.4.8" }, { "street", "2.5.4.9" },
        { "dc", "0.9.2342.19200300.100.1.25" },
        { "uid", "0.9.2342.19200300.100.1.1" },
        { "emailaddress", "1.2.840.113549.1.9.1" },
        { "serialnumber", "2.5.4.5" }, { "givenname", "2.5.4.42" },
        { "surname", "2.5.4.4" }, { "title", "2.5.4.12" },
        { "organizationidentifier", "2.5.4.97" },
        { "businesscategory", "2.5.4.15" },
        { "jurisdictionc", "1.3.6.1.4.1.311.60.2.1.3" },
        { "jurisdictionst", "1.3.6.1.4.1.311.60.2.1.2" },
        { "jurisdictionl", "1.3.6.1.4.1.311.60.2.1.1" },
        { "postalcode", "2.5.4.17" }, { "dnqualifier", "2.5.4.46" },
        { "pseudonym", "2.5.4.65" }, { "initials", "2.5.4.43" },
    };

    static const char  *unknown[] = {
        "", "dn", "any", "c n", "cnx", "2.5.4.3", "san"
    };

    u_char      text[NGX_MTLS_OID_TEXT_LEN];
    size_t      len;
    ngx_str_t   name, oid;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        name.data = (u_char *) cases[i].name;
        name.len = strlen(cases[i].name);

        assert_int_equal(ngx_mtls_name_oid(&name, &oid), NGX_OK);

        len = ngx_mtls_oid_text(oid.data, oid.len, text);
        assert_int_equal(len, strlen(cases[i].oid));
        assert_memory_equal(text, cases[i].oid, len);
    }

    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        name.data = (u_char *) unknown[i];
        name.len = strlen(unknown[i]);

        assert_int_equal(ngx_mtls_name_oid(&name, &oid), NGX_DECLINED);
    }
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
        cmocka_unit_test_setup_teardown(test_print, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
