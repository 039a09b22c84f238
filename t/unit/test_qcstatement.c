
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * QCStatements: public certificates, each statement right and wrong, and
 * octets that nobody should have signed.
 */


#include "qc.h"


#define NCELLS     21


/* each line of expected.tsv, in cells */

static void
each(void (*check)(char **cell))
{
    char   line[16384], *cell[NCELLS], *p;
    FILE  *f;
    int    i, n;

    f = fopen("t/data/psd2/expected.tsv", "r");
    assert_non_null(f);

    for (n = 0; fgets(line, sizeof(line), f); n++) {
        line[strcspn(line, "\n")] = '\0';

        for (i = 0, p = line; i < NCELLS; i++) {
            assert_non_null(p);
            cell[i] = strsep(&p, "\t");
        }

        assert_null(p);

        if (n) {
            check(cell);
        }
    }

    fclose(f);

    assert_int_equal(n, 1 + 68 + 39);
}


static void
check_read(char **cell)
{
    static struct {
        const char  *variable;
        int          cell;
    } facts[] = {
        { "psd2_status", 2 }, { "psd2_roles", 3 }, { "psd2_nca", 6 },
        { "psd2_nca_name", 7 }, { "psd2_country", 8 }, { "qc_type", 9 },
        { "qc_compliant", 10 }, { "qc_limit", 11 }, { "qc_retention", 12 },
        { "qc_pds", 13 }, { "organization_id", 14 },
        { "organization_id_scheme", 15 }, { "organization_id_country", 16 },
        { "organization_id_state", 17 }, { "organization_id_authority", 18 },
        { "organization_id_value", 19 }, { "subject_dn", 20 },
    };

    ngx_uint_t               i;
    ngx_mtls_values_t        values;
    ngx_mtls_attribute_t     attr;
    ngx_mtls_certificate_t   cert;

    certificate(cell[0], &cert);

    for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        variable(facts[i].variable, &attr);
        assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values),
                         NGX_OK);
        equal(cell[0], facts[i].variable, &values, cell[facts[i].cell]);
    }

    certificate(cell[0], &cert);
    cert.psd2_rules = &compat;

    variable("psd2_status", &attr);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    equal(cell[0], "compat status", &values, cell[4]);

    variable("psd2_roles", &attr);
    assert_int_equal(ngx_mtls_attribute_values(&cert, &attr, &values), NGX_OK);
    equal(cell[0], "compat roles", &values, cell[5]);
}


static void
test_public(void **state)
{
    each(check_read);
}


/* the values of one kind, of a list of statements */

static void
test_statements(void **state)
{
    struct {
        ngx_mtls_qc_e   kind;
        ngx_str_t       statements;
        const char     *expected;
    } cases[] = {
        { NGX_MTLS_QC_TYPE, S(""), "" },
        { NGX_MTLS_QC_COMPLIANT, S(""), "" },
        { NGX_MTLS_QC_PSD2_STATUS, S(""), "none" },

        { NGX_MTLS_QC_COMPLIANT, der(SEQ, ETSI("1")), "EU" },
        { NGX_MTLS_QC_COMPLIANT, der(SEQ, ETSI("1"), S("\x0c\x00")), "EU" },
        { NGX_MTLS_QC_COMPLIANT, der(SEQ, ETSI("1"), S("\x0c\x00\x0c\x00")),
          "?" },
        { NGX_MTLS_QC_COMPLIANT, cat(der(SEQ, ETSI("1")),
                                     der(SEQ, ETSI("1"))), "?" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("1")),
              der(SEQ, ETSI("7"), der(SEQ, element(PRINT, S("GB")),
                                      element(PRINT, S("CH"))))), "GB,CH" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("7"), der(SEQ, element(PRINT, S("GB")))),
              der(SEQ, ETSI("1"))), "GB" },
        { NGX_MTLS_QC_COMPLIANT,
          der(SEQ, ETSI("7"), der(SEQ, element(PRINT, S("GB")))), "" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("1")), der(SEQ, ETSI("7"), S("\x30\x00"))), "?" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("1")),
              der(SEQ, ETSI("7"), der(SEQ, element(PRINT, S("gb"))))), "?" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("1")), der(SEQ, ETSI("7"))), "?" },
        { NGX_MTLS_QC_COMPLIANT,
          cat(der(SEQ, ETSI("1")),
              der(SEQ, ETSI("7"), der(SEQ, element(UTF8, S("GB"))))), "?" },

        { NGX_MTLS_QC_SSCD, der(SEQ, ETSI("4")), "1" },

        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.1"))),
          "esign" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.2"))),
          "eseal" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3"))),
          "web" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.4"))),
          "0.4.0.1862.1.6.4" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.0"))),
          "0.4.0.1862.1.6.0" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3.1"))),
          "0.4.0.1862.1.6.3.1" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6")), "?" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), ETSI("6.3")), "?" },
        { NGX_MTLS_QC_TYPE, der(SEQ, ETSI("6"), S("\x30\x00")), "?" },
        { NGX_MTLS_QC_TYPE,
          der(SEQ, ETSI("6"), der(SEQ, ETSI("6.2"), ETSI("6.3"))), "?" },
        { NGX_MTLS_QC_TYPE,
          cat(der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3"))),
              der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3")))), "?" },

        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, element(PRINT, S("EUR")),
                                  S("\x02\x01\x32"), S("\x02\x01\x03"))),
          "EUR:50e3" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, S("\x02\x01\x08"), S("\x02\x01\x00"),
                                  S("\x02\x01\xfe"))), "008:0e-2" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, element(PRINT, S("EURO")),
                                  S("\x02\x01\x32"), S("\x02\x01\x03"))),
          "?" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, element(PRINT, S("eur")),
                                  S("\x02\x01\x32"), S("\x02\x01\x03"))),
          "?" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, S("\x02\x02\x03\xe8"),
                                  S("\x02\x01\x32"), S("\x02\x01\x03"))),
          "?" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, element(PRINT, S("EUR")),
                                  S("\x02\x01\xff"), S("\x02\x01\x03"))),
          "?" },
        { NGX_MTLS_QC_LIMIT,
          der(SEQ, ETSI("2"), der(SEQ, element(PRINT, S("EUR")),
                                  S("\x02\x01\x32"), S("\x02\x02\x01\x00"))),
          "?" },
        { NGX_MTLS_QC_LIMIT, der(SEQ, ETSI("2")), "?" },

        { NGX_MTLS_QC_RETENTION, der(SEQ, ETSI("3"), S("\x02\x01\x0a")),
          "10" },
        { NGX_MTLS_QC_RETENTION, der(SEQ, ETSI("3"), S("\x02\x01\xff")),
          "?" },
        { NGX_MTLS_QC_RETENTION, der(SEQ, ETSI("3"), S("\x02\x09\x01\0\0\0\0"
                                                       "\0\0\0\0")), "?" },

        { NGX_MTLS_QC_PDS,
          der(SEQ, ETSI("5"), der(SEQ, der(SEQ, element(IA5, S("https://a")),
                                           element(PRINT, S("en"))))),
          "https://a" },
        { NGX_MTLS_QC_PDS,
          der(SEQ, ETSI("5"), der(SEQ, element(IA5, S("https://a")))), "?" },
        { NGX_MTLS_QC_PDS,
          der(SEQ, ETSI("5"), der(SEQ, der(SEQ, element(IA5, S("a\0b")),
                                           element(PRINT, S("en"))))), "?" },
        { NGX_MTLS_QC_PDS,
          der(SEQ, ETSI("5"), der(SEQ, der(SEQ, element(IA5, S("a")),
                                           element(PRINT, S("eng"))))), "?" },
        { NGX_MTLS_QC_PDS, der(SEQ, ETSI("5"), S("\x30\x00")), "?" },
    };

    ngx_uint_t     i;
    ngx_mtls_qc_t  qc;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        read_qc(NULL, element(SEQ, cases[i].statements), &qc);

        if (strcmp(text(&qc.values[cases[i].kind]), cases[i].expected) != 0) {
            fail_msg("case %u: \"%s\" instead of \"%s\"", (unsigned) i,
                     text(&qc.values[cases[i].kind]), cases[i].expected);
        }
    }
}


static void
test_pds_many(void **state)
{
    ngx_str_t      list, one;
    ngx_uint_t     i;
    ngx_mtls_qc_t  qc;

    one = der(SEQ, element(IA5, S("a")), element(PRINT, S("en")));
    list = S("");

    for (i = 0; i < NGX_MTLS_QC_PDS_MAX; i++) {
        list = cat(list, one);
    }

    read_qc(NULL, der(SEQ, der(SEQ, ETSI("5"), element(SEQ, list))), &qc);
    assert_int_equal(qc.values[NGX_MTLS_QC_PDS].n, NGX_MTLS_QC_PDS_MAX);

    list = cat(list, one);

    read_qc(NULL, der(SEQ, der(SEQ, ETSI("5"), element(SEQ, list))), &qc);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_PDS]), "?");
}


/* whatever the PSD2 statement or another one is, the other stays as it is */

static void
test_apart(void **state)
{
    ngx_str_t      broken[6], good;
    ngx_uint_t     i;
    ngx_mtls_qc_t  qc;

    good = psd2(role(ROLE("3"), "PSP_AI"));

    broken[0] = der(SEQ, ETSI("5"), S("\x30\x05"));
    broken[1] = der(SEQ, ETSI("6"), S("\x06\x00"));
    broken[2] = der(SEQ, oid("1.2.3"), S("\x30\x80\x00\x00"));
    broken[3] = der(SEQ, oid("1.2.3"), S("\x05\x00\x05\x00"));
    broken[4] = der(SEQ, oid("1.2.3"), S("\xff"));
    broken[5] = der(SEQ, oid("1.2.3"), role(ROLE("2"), "PSP_PI"));

    for (i = 0; i < 6; i++) {
        read_qc(NULL, der(SEQ, broken[i], good), &qc);
        assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_OK);
        assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), "PSP_AI");

        read_qc(NULL, der(SEQ, good, broken[i]), &qc);
        assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_OK);
        assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), "PSP_AI");

        read_qc(NULL, der(SEQ, broken[i]), &qc);
        assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_NONE);
        assert_int_equal(qc.values[NGX_MTLS_QC_PSD2_ROLE].n, 0);
    }

    read_qc(NULL, der(SEQ, der(SEQ, ETSI("6"), der(SEQ, ETSI("6.3"))),
                      der(SEQ, oid(PSD2))), &qc);
    assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_MALFORMED);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_TYPE]), "web");

    /* a statement that does not say which it is may be any */

    read_qc(NULL, der(SEQ, good, S("\x30\x00")), &qc);
    assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_MALFORMED);
    assert_string_equal(text(&qc.values[NGX_MTLS_QC_PSD2_ROLE]), "?");

    read_qc(NULL, der(SEQ, good, S("\x31\x00")), &qc);
    assert_int_equal(qc.psd2.status, NGX_MTLS_PSD2_MALFORMED);
}


/* whether "value" has the octets of this role as they are granted */

static ngx_uint_t
spelled(ngx_str_t *value, ngx_str_t *name)
{
    u_char      *p;
    ngx_str_t    one;
    ngx_uint_t   i;

    static const char  *known[] = {
        "PSP_AS", "PSP_PI", "PSP_AI", "PSP_IC", "PSP_CB", "PSP_PA"
    };
    static const char  *ids[] = {
        ROLE("1"), ROLE("2"), ROLE("3"), ROLE("4"), ROLE("5"), ROLE("6")
    };

    for (i = 0; i < 6; i++) {
        if (name->len == strlen(known[i])
            && ngx_memcmp(name->data, known[i], name->len) == 0)
        {
            one = cat(oid(ids[i]), element(UTF8, str(known[i])));

            for (p = value->data; p + one.len <= value->data + value->len; p++)
            {
                if (ngx_memcmp(p, one.data, one.len) == 0) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


static void
judge(ngx_mtls_psd2_rules_t *rules, ngx_str_t *value)
{
    size_t              k;
    ngx_uint_t          i, n;
    ngx_mtls_qc_t       qc;
    volatile u_char     sum;
    ngx_mtls_values_t  *values;

    read_qc(rules, *value, &qc);

    values = &qc.values[NGX_MTLS_QC_PSD2_ROLE];

    if (qc.psd2.status < NGX_MTLS_PSD2_OK) {
        assert_int_equal(qc.psd2.roles, 0);
        assert_true(values->n == 0 || values->elts->data == NULL);

    } else {
        for (i = 0; i < values->n; i++) {
            assert_true(spelled(value, &values->elts[i]));
        }
    }

    for (sum = 0, i = 0; i < NGX_MTLS_QC_VALUES; i++) {
        for (n = 0; n < qc.values[i].n; n++) {
            for (k = 0; k < qc.values[i].elts[n].len; k++) {
                sum ^= qc.values[i].elts[n].data[k];
            }
        }
    }
}


/*
 * Cut, longer, and with each octet changed: no role but one that is spelled in
 * full comes out of it.
 */

static void
test_mutations(void **state)
{
    static const char  *files[] = {
        "real/adorsys-xs2a-adapter--xs2a_sandbox_comdirect_de.pem",
        "real/pkilint--queulimitvalue.pem",
        "real/pkilint--test_etsi_type_determiner-8f0664b0.pem",
        "real/adorsys-xs2a--certificateValid.pem",
        "real/wso2-reference-implementat--qseal.pem",
        "synth/unwrapped-single.pem"
    };

    static u_char  octets[] = { 0x00, 0x01, 0x7f, 0x80, 0x81, 0xff, 0x30 };

    u_char                  *data;
    size_t                   len, k, bit;
    ngx_str_t                value;
    ngx_uint_t               i;
    ngx_pool_t              *outer;
    ngx_mtls_certificate_t   cert;
    ngx_mtls_extension_t    *ext;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        certificate(files[i], &cert);
        ext = ngx_mtls_certificate_extension(&cert,
                         (u_char *) "\x2b\x06\x01\x05\x05\x07\x01\x03", 8);
        assert_non_null(ext);

        data = ext->value.pos;
        len = ngx_mtls_der_len(&ext->value);
        value.data = data;

        for (k = 0; k < len; k++) {
            outer = pool;
            pool = shim_pool();

            value.len = k;
            judge(NULL, &value);
            judge(&compat, &value);

            value.len = len;

            for (bit = 0; bit < 8 + sizeof(octets); bit++) {
                u_char  saved = data[k];

                if (bit < 8) {
                    data[k] ^= (u_char) (1 << bit);
                } else {
                    data[k] = octets[bit - 8];
                }

                judge(NULL, &value);
                judge(&compat, &value);

                data[k] = saved;
            }

            ngx_destroy_pool(pool);
            pool = outer;
        }
    }
}


static void
test_memory(void **state)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_pool_t              *outer;
    ngx_mtls_qc_t            qc;
    ngx_mtls_extension_t    *ext;
    ngx_mtls_certificate_t   cert;

    certificate("real/adorsys-xs2a--certificateValid.pem", &cert);
    ext = ngx_mtls_certificate_extension(&cert,
                         (u_char *) "\x2b\x06\x01\x05\x05\x07\x01\x03", 8);
    assert_non_null(ext);

    for (n = 1; n < 16; n++) {
        outer = pool;
        pool = shim_pool();

        shim_alloc_fail(n);
        rc = ngx_mtls_qc_read(pool, NULL, &ext->value, &qc);
        shim_alloc_fail(0);

        ngx_destroy_pool(pool);
        pool = outer;

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
    }

    assert_in_range(n, 3, 15);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_public, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pds_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mutations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
