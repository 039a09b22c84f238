
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The organizationIdentifier: its forms, and what only looks like one.
 */


#include "x509.h"

#include <ngx_mtls_organization.h>


static void
test_split(void **state)
{
    /* scheme|country|state|authority|value */

    static struct {
        const char  *text;
        const char  *parts;
    } cases[] = {
        { "PSDDE-BAFIN-123456", "PSD|DE||BAFIN|123456" },
        { "PSDFI-FINFSA-2858394-9", "PSD|FI||FINFSA|2858394-9" },
        { "PSDES-BE-A 1", "PSD|ES||BE|A 1" },
        { "PSDXX-ABCDEFGH-1", "PSD|XX||ABCDEFGH|1" },
        { "PSDDE-BAFIN--", "PSD|DE||BAFIN|-" },
        { "NTRDE-HRB 1", "NTR|DE|||HRB 1" },
        { "NTRDE+HE-HRB-1", "NTR|DE|HE||HRB-1" },
        { "VATUS+PA-1", "VAT|US|PA||1" },
        { "VATHU-10197879-4-44", "VAT|HU|||10197879-4-44" },
        { "LEIXG-529900T8BM49AURSDO55", "LEI|XG|||529900T8BM49AURSDO55" },
        { "EI:SE-5567971433", "EI:|SE|||5567971433" },
        { "OFBBR-2b602d87", "OFBBR|BR|||2b602d87" },
        { "OPIBR-2b60-2d87", "OPIBR|BR|||2b60-2d87" },

        { "", NULL }, { "PSD", NULL }, { "PSDDE", NULL }, { "PSDDE-", NULL },
        { "PSDDE-BAFIN", NULL }, { "PSDDE-BAFIN-", NULL },
        { "PSDDE-B-1", NULL }, { "PSDDE-ABCDEFGHI-1", NULL },
        { "PSDDE-Bafin-1", NULL }, { "PSDDE--1", NULL },
        { "PSDde-BAFIN-1", NULL }, { "psdDE-BAFIN-1", NULL },
        { "PSDDE+HE-BAFIN-1", NULL }, { "PSDDE-BAFIN1234567890", NULL },
        { "PSDDE-BAFIN_1234567890", NULL }, { "PADFR-ACPR-30748", NULL },
        { "PDSDE-BAFIN-1234567890", NULL }, { " PSDDE-BAFIN-1", NULL },
        { "NTRDE", NULL }, { "NTRDE-", NULL }, { "NTRDE+-1", NULL },
        { "NTRDE+ABCD-1", NULL }, { "NTRDE+he-1", NULL },
        { "NTRDE+HE", NULL }, { "EI:SE", NULL }, { "EI:SE-", NULL },
        { "EI:SE+AB-1", NULL }, { "E1:SE-1", NULL }, { "ei:SE-1", NULL },
        { "OFBBR-", NULL }, { "OFBBR", NULL }, { "OFBPT-1", NULL },
        { "GR-BOG-800000005", NULL }, { "12345987", NULL },
        { "VATDEU-1", NULL }, { "HR85821130368", NULL },
    };

    u_char                   text[128], *p, *data;
    size_t                   len;
    ngx_int_t                rc;
    ngx_str_t                s;
    ngx_uint_t               i;
    ngx_mtls_organization_t  org;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        /* exactly as much memory as there are octets */

        len = strlen(cases[i].text);
        data = ngx_pnalloc(pool, len ? len : 1);
        assert_non_null(data);
        ngx_memcpy(data, cases[i].text, len);

        s.data = data;
        s.len = len;

        rc = ngx_mtls_organization_split(&s, &org);

        p = ngx_sprintf(text, "%V|%V|%V|%V|%V", &org.scheme, &org.country,
                        &org.state, &org.authority, &org.value);
        *p = '\0';

        if (rc != (cases[i].parts ? NGX_OK : NGX_DECLINED)
            || strcmp((char *) text, cases[i].parts ? cases[i].parts
                                                    : "||||") != 0)
        {
            fail_msg("\"%s\": %d, \"%s\"", cases[i].text, (int) rc, text);
        }
    }
}


static void
test_occurrences(void **state)
{
    static const char  *parts[] = {
        "organization_id", "organization_id_value", "psd2_number"
    };

    struct {
        ngx_str_t    subject;
        const char  *expected;       /* for each of these */
    } cases[] = {
        { der(SEQ, rdn("2.5.4.97", UTF8, S("PSDDE-BAFIN-1"))),
          "PSDDE-BAFIN-1 1 1" },
        { der(SEQ, rdn("2.5.4.97", BMP, S("\0P\0S\0D\0D\0E\0-\0A\0B\0-\0001"))),
          "PSDDE-AB-1 1 1" },
        { der(SEQ, rdn("2.5.4.97", IA5, S("NTRDE-1"))), "NTRDE-1 1 " },
        { der(SEQ, rdn("2.5.4.97", T61, S("other"))), "other  " },
        { der(SEQ, rdn("2.5.4.97", UTF8, S(""))), "  " },
        { der(SEQ, rdn("2.5.4.97", UTF8, S("PSDDE-AB-1\0"))), "? ? ?" },
        { der(SEQ, rdn("2.5.4.97", UTF8, S("PSDDE-AB-1")),
              rdn("2.5.4.97", UTF8, S("PSDDE-AB-1"))), "? ? ?" },
        { der(SEQ, der(SET, ava("2.5.4.97", UTF8, S("PSDDE-AB-1")),
                       ava("2.5.4.3", UTF8, S("x")))), "? ? ?" },
        { der(SEQ, rdn("2.5.4.3", UTF8,
                       S("x,organizationIdentifier=PSDDE-AB-1"))), "  " },
    };

    char                     text[256];
    x509_t                   x;
    ngx_uint_t               i, k;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509_init(&x);
        x.subject = cases[i].subject;
        x509_parse(&x, &cert);

        text[0] = '\0';

        for (k = 0; k < 3; k++) {
            variable(parts[k], &attr);
            assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                             NGX_OK);

            if (k) {
                strcat(text, " ");
            }

            if (values.n) {
                assert_int_equal(values.n, 1);

                if (values.elts[0].data == NULL) {
                    strcat(text, "?");
                } else {
                    strncat(text, (char *) values.elts[0].data,
                            values.elts[0].len);
                }
            }
        }

        assert_string_equal(text, cases[i].expected);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_split, setup, teardown),
        cmocka_unit_test_setup_teardown(test_occurrences, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
