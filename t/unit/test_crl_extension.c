
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The extensions of CRLs, above all the issuing distribution point.
 */


#include "crl_case.h"

#include <stdio.h>
#include <stdlib.h>


#define IDP_BAD   "malformed issuing distribution point"


static void
test_extensions(void **state)
{
    crl_spec_t  spec;
    ngx_uint_t  i;

    static struct {
        const char  *extensions;
        const char  *cause;
    } cases[] = {

        { CRL_NUMBER("00"), NULL },
        { CRL_EXT_CRITICAL("14", "020101"), NULL },
        { CRL_NUMBER("7fffffffffffffffffffffffffffffffffffffff"), NULL },
        { CRL_NUMBER("00ffffffffffffffffffffffffffffffffffffffff"), NULL },
        { CRL_NUMBER("01ffffffffffffffffffffffffffffffffffffffff"),
          "CRL number of more than 20 octets" },
        { CRL_NUMBER("00ffffffffffffffffffffffffffffffffffffffffff"),
          "CRL number of more than 20 octets" },
        { CRL_NUMBER("80"), "negative CRL number" },
        { CRL_NUMBER("0001"), "malformed CRL number" },
        { CRL_NUMBER(""), "malformed CRL number" },
        { CRL_EXT("14", ""), "malformed CRL number" },
        { CRL_EXT("14", "0201010500"), "malformed CRL number" },
        { CRL_NUMBER("01") CRL_NUMBER("01"),
          "extension 2.5.29.20 is there twice" },

        { CRL_EXT("23", "30{}"), NULL },
        { CRL_EXT("23", "30{80{01}a1{a4{30{}}}82{01}}"), NULL },
        { CRL_EXT("23", "30{80{01}a1{a4{30{}}}}"),
          "malformed authority key identifier" },
        { CRL_EXT("23", "30{82{01}}"), "malformed authority key identifier" },
        { CRL_EXT("23", "04{01}"), "malformed authority key identifier" },
        { CRL_EXT("23", "30{}0500"), "malformed authority key identifier" },
        { CRL_EXT("23", "30{0500}"), "malformed authority key identifier" },

        { CRL_EXT("2e", "30{30{a0{a0{86{'x'}}}}}"), NULL },
        { CRL_EXT("2e", "30{}"), "malformed freshest CRL extension" },
        { CRL_EXT("2e", "30{0500}"), "malformed freshest CRL extension" },
        { CRL_EXT("2e", ""), "malformed freshest CRL extension" },

        { CRL_NUMBER("02") CRL_EXT_CRITICAL("1b", "020101"),
          "it is a delta CRL, which is not supported, use the complete one" },

        { CRL_EXT("63", "0500"), NULL },
        { CRL_EXT("3c", "18{'20230101000000Z'}"), NULL },
        { CRL_EXT_CRITICAL("63", "0500"),
          "unknown critical extension 2.5.29.99" },
        { CRL_EXT_CRITICAL("12", "30{}"),
          "unknown critical extension 2.5.29.18" },
        { CRL_EXT_CRITICAL("15", "0a0101"),
          "unknown critical extension 2.5.29.21" },
    };

    memset(&spec, 0, sizeof(spec));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spec.extensions = cases[i].extensions;

        if (cases[i].cause) {
            is_refused(cases[i].extensions, &spec, cases[i].cause);

        } else {
            is_good(cases[i].extensions, &spec);
        }
    }

    spec.extensions = CRL_EXT("2e", "30{30{}}");
    is_good("freshest", &spec);
    assert_int_equal(crl.header.flags, NGX_MTLS_CRL_HAS_FRESHEST);
}


static void
test_idp(void **state)
{
    crl_spec_t  spec;
    ngx_uint_t  i;

    static struct {
        const char  *extensions;
        ngx_uint_t   flags;
        ngx_uint_t   reasons;
        ngx_uint_t   names;
        const char  *cause;
    } cases[] = {

        { CRL_IDP("a0{a0{" URI "}}"), 0, 0x1fe, 1, NULL },
        { CRL_IDP("a0{a0{" URI "82{'b'}86{'c'}}}"), 0, 0x1fe, 3, NULL },
        { CRL_IDP("a0{a1{30{06{550403}0c{'x'}}}}"), 0, 0x1fe, 1, NULL },
        { CRL_IDP("8101ff"), NGX_MTLS_CRL_ONLY_USER, 0x1fe, 0, NULL },
        { CRL_IDP("8201ff"), NGX_MTLS_CRL_ONLY_CA, 0x1fe, 0, NULL },
        { CRL_IDP("8501ff"), NGX_MTLS_CRL_ONLY_ATTR, 0x1fe, 0, NULL },
        { CRL_IDP("810100"), 0, 0x1fe, 0, NULL },
        { CRL_IDP("a0{a0{" URI "}}8201ff"), NGX_MTLS_CRL_ONLY_CA, 0x1fe, 1,
          NULL },

        /* keyCompromise, cACompromise; all; aACompromise */
        { CRL_IDP("83020560"), 0, 0x006, 0, NULL },
        { CRL_IDP("8303077f80"), 0, 0x1fe, 0, NULL },
        { CRL_IDP("8303070080"), 0, 0x100, 0, NULL },
        { CRL_IDP("83020480"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("830100"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8300"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("83020860"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("83020660"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8304007f8000"), 0, 0, 0, IDP_BAD },

        { CRL_IDP("8401ff"), 0, 0, 0,
          "it is an indirect CRL, which is not supported" },
        { CRL_IDP("8101ff8201ff"), 0, 0, 0,
          "its issuing distribution point contains only certificates of two"
          " kinds at once" },
        { CRL_IDP("8201ff8501ff"), 0, 0, 0,
          "its issuing distribution point contains only certificates of two"
          " kinds at once" },

        { CRL_IDP(""), 0, 0, 0, "empty issuing distribution point" },
        { CRL_EXT("1c", "04{}"), 0, 0, 0, IDP_BAD },
        { CRL_EXT("1c", "30{8101ff}0500"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("810101"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8102ffff"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8201ff8101ff"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8101ff8101ff"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("8601ff"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a0{}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a2{" URI "}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a0{" URI "}a0{" URI "}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a0{8605}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a1{}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a1{0500}}"), 0, 0, 0, IDP_BAD },
        { CRL_IDP("a0{a0{a4{0500}}}"), 0, 0, 0, IDP_BAD },
    };

    memset(&spec, 0, sizeof(spec));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spec.extensions = cases[i].extensions;

        if (cases[i].cause) {
            is_refused(cases[i].extensions, &spec, cases[i].cause);
            continue;
        }

        is_good(cases[i].extensions, &spec);

        assert_int_equal(crl.header.flags,
                         cases[i].flags | NGX_MTLS_CRL_HAS_IDP);
        assert_int_equal(crl.header.reasons, cases[i].reasons);
        assert_int_equal(crl.header.nnames, cases[i].names);
        assert_int_equal(crl.nnames, cases[i].names);
        assert_false(is_zero(crl.header.idp, NGX_MTLS_HASH_LEN));
    }
}


/* the hashes are those of the names that a certificate has */

static void
test_idp_names(void **state)
{
    der_t           name;
    u_char          hash[NGX_MTLS_HASH_LEN];
    crl_spec_t      spec;
    ngx_uint_t      i;
    ngx_mtls_der_t  d;

    static struct {
        const char  *extensions;
        const char  *name;
    } cases[] = {
        { CRL_IDP("a0{a0{" URI "}}"), URI },
        { CRL_IDP("a0{a0{a4{30{31{30{06{550403}13{'Some  NAME'}}}}}}}"),
          "a4{30{31{30{06{550403}0c{'some name'}}}}}" },
        { CRL_IDP("a0{a1{30{06{550403}0c{'Point'}}}}"),
          "a4{30{31{30{06{55040a}0c{'Test'}}}31{30{06{550403}0c{'CA'}}}"
          "31{30{06{550403}13{'POINT'}}}}}" },
    };

    memset(&spec, 0, sizeof(spec));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spec.extensions = cases[i].extensions;
        is_good(cases[i].extensions, &spec);

        der_init(&name, pool);
        der_text(&name, cases[i].name);
        ngx_mtls_der_set(&d, name.data, name.len);

        assert_int_equal(ngx_mtls_general_name_hash(pool, &d, hash), NGX_OK);
        assert_int_equal(crl.nnames, 1);
        assert_memory_equal(crl.names[0], hash, NGX_MTLS_HASH_LEN);
    }
}


/* 64 of each are read, one more is too many */

static void
test_bounds(void **state)
{
    der_t            der;
    char            *text, *p;
    ngx_uint_t       i, n;
    crl_spec_t       spec;

    text = ngx_pnalloc(pool, 65536);
    assert_non_null(text);

    for (n = 64; n <= 65; n++) {
        memset(&spec, 0, sizeof(spec));

        p = text;

        for (i = 0; i < n; i++) {
            p += sprintf(p, "30{06{2a03%02x}04{}}", (int) i);
        }

        spec.extensions = text;

        if (n == 64) {
            is_good("64 extensions", &spec);

        } else {
            is_refused("65 extensions", &spec, "too many extensions");
        }

        p = text + sprintf(text, "30{06{551d1c}04{30{a0{a0{");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "82{'%d'}", (int) i);
        }

        sprintf(p, "}}}}}");

        if (n == 64) {
            is_good("64 names", &spec);

        } else {
            is_refused("65 names", &spec, IDP_BAD);
        }
    }

    /* a name that would leave no room for the cause of an error */

    memset(&spec, 0, sizeof(spec));

    p = text + sprintf(text, "30{31{30{06{550403}0c{'");

    for (i = 0; i < 200; i++) {
        p += sprintf(p, "\xc3\xa4""x");
    }

    sprintf(p, "'}}}}");

    spec.issuer = text;
    is_good("long issuer", &spec);
    assert_in_range(crl.name.len, 250, 256);
    assert_true(ngx_mtls_utf8(crl.name.data, crl.name.len));

    memset(&spec, 0, sizeof(spec));
    der = crl_make(pool, &ca, &spec);
    der_raw(&der, "\n", 1);
    assert_int_equal(crl_parse(pool, der.data, der.len, &crl, &err),
                     NGX_DECLINED);
    err.text[err.len] = '\0';
    assert_string_equal((char *) err.text,
                        "octets after the end of the CRL");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_extensions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idp_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown)
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
