
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The PSD2 statement: its forms, its roles and whose they are.
 */


#include "qc.h"


static void
test_psd2(void **state)
{
    ngx_str_t  nca, id, ai, pi, other;

    ai = role(ROLE("3"), "PSP_AI");
    pi = role(ROLE("2"), "PSP_PI");
    other = role("1.2.3", "PSP_AI");
    nca = element(UTF8, S("BaFin"));
    id = element(UTF8, S("DE-BAFIN"));

    struct {
        ngx_str_t               value;
        ngx_mtls_psd2_status_e  strict;
        ngx_mtls_psd2_status_e  compat;
        const char             *roles;       /* where a status is good */
    } cases[] = {
        { der(SEQ, psd2(cat(ai, pi, ai))), NGX_MTLS_PSD2_OK,
          NGX_MTLS_PSD2_OK, "PSP_PI,PSP_AI" },
        { der(SEQ, psd2(other)), NGX_MTLS_PSD2_OK, NGX_MTLS_PSD2_OK, "" },
        { der(SEQ, psd2(cat(other, pi))), NGX_MTLS_PSD2_OK, NGX_MTLS_PSD2_OK,
          "PSP_PI" },
        { der(SEQ, psd2(role(ROLE("1"), "PSP_AS"))), NGX_MTLS_PSD2_OK,
          NGX_MTLS_PSD2_OK, "PSP_AS" },
        { der(SEQ, psd2(cat(role(ROLE("52"), "VOP_VS"),
                            role(ROLE("51"), "VOP_RS"),
                            role(ROLE("6"), "PSP_PA"),
                            role(ROLE("5"), "PSP_CB"),
                            role(ROLE("0"), "Unspecified")))),
          NGX_MTLS_PSD2_OK, NGX_MTLS_PSD2_OK,
          "PSP_CB,PSP_PA,VOP_RS,VOP_VS,Unspecified" },

        { der(SEQ, psd2(cat(pi, role(ROLE("3"), "PSP_PI")))),
          NGX_MTLS_PSD2_MISMATCH, NGX_MTLS_PSD2_MISMATCH, "" },
        { der(SEQ, psd2(role(ROLE("3"), "psp_ai"))),
          NGX_MTLS_PSD2_MISMATCH, NGX_MTLS_PSD2_MISMATCH, "" },
        { der(SEQ, psd2(role(ROLE("3"), "PSP_AI "))),
          NGX_MTLS_PSD2_MISMATCH, NGX_MTLS_PSD2_MISMATCH, "" },

        /* malformed comes before a name that does not match */
        { der(SEQ, psd2(cat(role(ROLE("3"), "PSP_PI"), S("\x30\x00")))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },

        { der(SEQ, psd2(ai), psd2(pi)), NGX_MTLS_PSD2_DUPLICATE,
          NGX_MTLS_PSD2_DUPLICATE, "" },
        { der(SEQ, der(SEQ, oid(PSD2)), psd2(pi)), NGX_MTLS_PSD2_DUPLICATE,
          NGX_MTLS_PSD2_DUPLICATE, "" },

        { der(SEQ, psd2(S(""))), NGX_MTLS_PSD2_MALFORMED,
          NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(der(SET, oid(ROLE("3")),
                            element(UTF8, S("PSP_AI"))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(der(SEQ, oid(ROLE("3")),
                            element(UTF8, S("PSP_AI\0"))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(der(SEQ, oid(ROLE("3")), element(UTF8, S(""))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(cat(ai, der(SEQ, oid(ROLE("2")))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },

        /* another statement after the info; a fourth field */
        { der(SEQ, der(SEQ, oid(PSD2), der(SEQ, element(SEQ, ai), nca, id),
                       S("\x05\x00"))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, der(SEQ, oid(PSD2),
                       der(SEQ, element(SEQ, ai), nca, id, id))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, der(SEQ, oid(PSD2), der(SEQ, ai, nca, id))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },

        /* flat */
        { der(SEQ, psd2(der(SEQ, oid(ROLE("3")), element(UTF8, S("PSP_AI")),
                            oid(ROLE("2")), element(UTF8, S("PSP_PI"))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_COMPAT_FLAT,
          "PSP_PI,PSP_AI" },
        { der(SEQ, psd2(der(SEQ, oid(ROLE("3")), element(UTF8, S("PSP_AI")),
                            oid(ROLE("2")), element(UTF8, S("PSP_AI"))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MISMATCH, "" },
        { der(SEQ, psd2(der(SEQ, oid(ROLE("3")), element(UTF8, S("PSP_AI")),
                            oid(ROLE("2"))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(cat(ai, der(SEQ, oid(ROLE("3")),
                                    element(UTF8, S("PSP_AI")),
                                    oid(ROLE("2")),
                                    element(UTF8, S("PSP_PI")))))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, psd2(cat(der(SEQ, oid(ROLE("3")),
                                element(UTF8, S("PSP_AI")), oid(ROLE("2")),
                                element(UTF8, S("PSP_PI"))), ai))),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },

        /* unwrapped */
        { psd2(ai), NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_COMPAT_UNWRAPPED,
          "PSP_AI" },
        { psd2(role(ROLE("3"), "PSP_PI")), NGX_MTLS_PSD2_MALFORMED,
          NGX_MTLS_PSD2_MISMATCH, "" },
        { psd2(S("")), NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3"))), NGX_MTLS_PSD2_NONE,
          NGX_MTLS_PSD2_NONE, "" },
        { der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3")), psd2(ai)),
          NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { cat(psd2(ai), psd2(ai)), NGX_MTLS_PSD2_MALFORMED,
          NGX_MTLS_PSD2_MALFORMED, "" },

        { S(""), NGX_MTLS_PSD2_MALFORMED, NGX_MTLS_PSD2_MALFORMED, "" },
        { S("\x30\x00\x00"), NGX_MTLS_PSD2_MALFORMED,
          NGX_MTLS_PSD2_MALFORMED, "" },
        { S("\x30\x80\x00\x00"), NGX_MTLS_PSD2_MALFORMED,
          NGX_MTLS_PSD2_MALFORMED, "" },
    };

    int                      k;
    const char              *roles;
    ngx_uint_t               i;
    ngx_mtls_qc_t            qc;
    ngx_mtls_psd2_status_e   expected;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (k = 0; k < 2; k++) {
            read_qc(k ? &compat : NULL, cases[i].value, &qc);

            expected = k ? cases[i].compat : cases[i].strict;
            roles = (expected >= NGX_MTLS_PSD2_OK) ? cases[i].roles
                    : (expected == NGX_MTLS_PSD2_NONE) ? "" : "?";

            if (qc.psd2.status != expected
                || strcmp(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), roles) != 0)
            {
                fail_msg("case %u, %d: status %d, roles \"%s\"", (unsigned) i,
                         k, qc.psd2.status,
                         text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]));
            }
        }
    }
}


/* sizes count characters, not octets */

static void
test_sizes(void **state)
{
    u_char          name[NGX_MTLS_PSD2_TEXT_MAX * 4 + 8];
    ngx_str_t       s;
    ngx_uint_t      i, n, width;
    ngx_mtls_qc_t   qc;

    static u_char  *chars[] = {
        NULL, (u_char *) "a", (u_char *) "\xc3\xa4",
        (u_char *) "\xe4\xb8\xad", (u_char *) "\xf0\x9f\x92\xb6"
    };

    for (width = 1; width <= 4; width++) {
        for (n = NGX_MTLS_PSD2_TEXT_MAX; n <= NGX_MTLS_PSD2_TEXT_MAX + 1; n++)
        {
            s.data = name;
            s.len = n * width;

            for (i = 0; i < n; i++) {
                ngx_memcpy(name + i * width, chars[width], width);
            }

            s = der(SEQ, der(SEQ, oid(PSD2),
                             der(SEQ, der(SEQ, role(ROLE("3"), "PSP_AI")),
                                 element(UTF8, s),
                                 element(UTF8, S("DE-BAFIN")))));
            read_qc(NULL, s, &qc);

            assert_int_equal(qc.psd2.status, n > NGX_MTLS_PSD2_TEXT_MAX
                                             ? NGX_MTLS_PSD2_MALFORMED
                                             : NGX_MTLS_PSD2_OK);
        }
    }
}


static void
test_country(void **state)
{
    static struct {
        const char  *role;
        const char  *name;
        const char  *nca;
        const char  *country;
    } cases[] = {
        { ROLE("3"), "PSP_AI", "DE-BAFIN", "DE" },
        { ROLE("3"), "PSP_AI", "XY-AB", "XY" },
        { ROLE("3"), "PSP_AI", "XY-ABCDEFGH", "XY" },
        { ROLE("3"), "PSP_AI", "XY-ABCDEFGHI", "?" },
        { ROLE("3"), "PSP_AI", "XY-A", "?" },
        { ROLE("3"), "PSP_AI", "de-BAFIN", "?" },
        { ROLE("3"), "PSP_AI", "DE-Bafin", "?" },
        { ROLE("3"), "PSP_AI", "DE+BAFIN", "?" },
        { ROLE("3"), "PSP_AI", "DE", "?" },
        { ROLE("3"), "PSP_AI", "GR-BOG-800000005", "?" },
        { ROLE("3"), "PSP_AI", "NA", "?" },
        { ROLE("5"), "PSP_CB", "NA", "" },
        { ROLE("6"), "PSP_PA", "NA", "" },
        { ROLE("6"), "PSP_PA", "na", "?" },
        { "1.2.3", "PSP_PA", "NA", "?" },
    };

    ngx_str_t      s;
    ngx_uint_t     i;
    ngx_mtls_qc_t  qc;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s = der(SEQ, der(SEQ, oid(PSD2),
                         der(SEQ, der(SEQ, role(cases[i].role, cases[i].name)),
                             element(UTF8, S("x")),
                             element(UTF8, str(cases[i].nca)))));
        read_qc(NULL, s, &qc);

        assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_OK);
        equal(cases[i].nca, "country", &qc.values[NGX_MTLS_QC_PSD2_COUNTRY],
              cases[i].country);
        equal(cases[i].nca, "nca", &qc.values[NGX_MTLS_QC_PSD2_NCA],
              cases[i].nca);
    }
}


static void
test_added(void **state)
{
    static const char  *wrong[] = {
        "", ":", "1.2.3", "1.2.3:", ":PSP_XX", "1.2.x:PSP_XX", "1.2.3 :X",
        "1.2.3:\xff", "0.4.0.19495.1.1:PSP_XX", "1.2.3:PSP_AS",
        "1.2.4:PSP_XX", "1.2.3.4:PSP_YY", "1.2.9:Unspecified"
    };

    u_char                  buf[64];
    ngx_str_t               s, statement;
    ngx_uint_t              i;
    ngx_mtls_qc_t           qc;
    ngx_mtls_error_t        err;
    ngx_mtls_psd2_rules_t   rules;

    ngx_memzero(&rules, sizeof(rules));

    s = str("1.2.3.4:PSP_XX");
    assert_int_equal(ngx_mtls_psd2_add(pool, &rules, &s, &err), NGX_OK);

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        s = str(wrong[i]);

        if (ngx_mtls_psd2_add(pool, &rules, &s, &err) != NGX_DECLINED) {
            fail_msg("\"%s\" was added", wrong[i]);
        }
    }

    statement = der(SEQ, psd2(cat(role("1.2.3.4", "PSP_XX"),
                                  role(ROLE("1"), "PSP_AS"))));

    read_qc(&rules, statement, &qc);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]),
                        "PSP_AS,PSP_XX");

    read_qc(NULL, statement, &qc);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), "PSP_AS");

    read_qc(&rules, der(SEQ, psd2(role("1.2.3.4", "PSP_XY"))), &qc);
    assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_MISMATCH);

    s = str("PSP_XX");
    assert_true(ngx_mtls_psd2_grants(&rules, &s));
    assert_false(ngx_mtls_psd2_grants(NULL, &s));
    s = str("PSP_AS");
    assert_true(ngx_mtls_psd2_grants(NULL, &s));
    s = str("Unspecified");
    assert_false(ngx_mtls_psd2_grants(&rules, &s));
    s = str("psp_as");
    assert_false(ngx_mtls_psd2_grants(&rules, &s));

    /* as many as there are bits, of which the last one works */

    for (i = 0; ngx_mtls_psd2_role(&rules, i); i++) { /* void */ }

    for ( /* void */ ; i < NGX_MTLS_PSD2_ROLES_MAX; i++) {
        s.data = buf;
        s.len = ngx_sprintf(buf, "1.2.5.%ui:R%ui", i, i) - buf;
        s.data = ngx_pstrdup(pool, &s);
        assert_int_equal(ngx_mtls_psd2_add(pool, &rules, &s, &err), NGX_OK);
    }

    s = str("1.2.6:R64");
    assert_int_equal(ngx_mtls_psd2_add(pool, &rules, &s, &err), NGX_DECLINED);

    read_qc(&rules, der(SEQ, psd2(role("1.2.5.63", "R63"))), &qc);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), "R63");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_psd2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_country, setup, teardown),
        cmocka_unit_test_setup_teardown(test_added, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
