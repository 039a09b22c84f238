
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names as text (RFC 4514): printed, read, short names.
 */


#include "names.h"


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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_print, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oid, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
