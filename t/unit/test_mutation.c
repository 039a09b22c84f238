
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Real certificates cut at every octet, changed in every octet, and parsed
 * with too little memory; whatever still parses is asked for everything.
 */


#include "x509.h"


static const char  *files[] = {
    "usual.pem", "dirname.pem", "multivalued.pem", "teletex.pem",
    "timestamp.pem", "comdirect.pem", "svid.pem"
};


static const char  *variables[] = {
    "subject_cn", "subject_ou", "subject_ou_2", "subject_o", "issuer_cn",
    "subject_2_5_4_97", "subject_2_5_4_97__2", "serial", "san", "san_dns",
    "san_uri", "san_email", "san_ip", "san_upn", "san_rid", "san_dirname",
    "san_dns_1", "san_2", "eku", "policies", "policies_1", "fingerprint",
    "thumbprint", "spki", "key_type", "days_left", "extension_2_5_29_17",
    "extension_2_5_29_19", "extension_1_3_6_1_4_1_32473_1", "spiffe_id",
    "spiffe_trust_domain", "spiffe_path",
    "psd2_status", "psd2_roles", "psd2_roles_1", "psd2_nca", "psd2_nca_name",
    "psd2_country", "psd2_number", "organization_id",
    "organization_id_authority", "qc_type", "qc_compliant", "qc_pds",
    "subject_dn"
};


static const char  *lines[] = {
    "subject any ou", "subject any organizationidentifier", "subject_dn",
    "issuer_dn", "dirname", "spiffe"
};


#define NVARIABLES  (sizeof(variables) / sizeof(variables[0]))
#define NLINES      (sizeof(lines) / sizeof(lines[0]))


static ngx_mtls_attribute_t   attributes[NVARIABLES + NLINES];
static ngx_pool_t            *names;


/* the attributes outlive the pools of the tests */

static int
group_setup(void **state)
{
    ngx_uint_t  i;

    shim_reset();
    names = shim_pool();
    pool = names;

    for (i = 0; i < NVARIABLES; i++) {
        variable(variables[i], &attributes[i]);
    }

    for (i = 0; i < NLINES; i++) {
        line(lines[i], &attributes[NVARIABLES + i]);
    }

    return 0;
}


static int
group_teardown(void **state)
{
    ngx_destroy_pool(names);

    return 0;
}


/* each octet is looked at, so that the sanitizers see it */

static void
look(ngx_str_t *s)
{
    size_t           i;
    volatile u_char  sum;

    for (sum = 0, i = 0; i < s->len; i++) {
        sum ^= s->data[i];
    }

    (void) sum;
}


/* NGX_OK; NGX_ERROR: out of memory somewhere */

static ngx_int_t
ask(ngx_mtls_certificate_t *cert)
{
    u_char               *p;
    ngx_str_t             s;
    ngx_uint_t            i, k;
    ngx_mtls_values_t     values;

    for (i = 0; i < NVARIABLES + NLINES; i++) {

        if (ngx_mtls_attribute_values(cert, &attributes[i], &values)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (k = 0; k < values.n; k++) {
            look(&values.elts[k]);
        }

        if (attributes[i].whole) {
            continue;
        }

        if (ngx_mtls_attribute_text(pool, cert, &attributes[i], &s)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* a variable is one line */

        assert_non_null(s.data);

        for (p = s.data; p < s.data + s.len; p++) {
            assert_true(*p >= 0x20 && *p != 0x7f);
        }
    }

    if (ngx_mtls_certificate_dps(cert) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < cert->ndps; i++) {
        for (k = 0; k < cert->dps[i].n; k++) {
            s.data = cert->dps[i].names[k];
            s.len = NGX_MTLS_HASH_LEN;
            look(&s);
        }
    }

    if (ngx_mtls_name_print(pool, &cert->subject, &s) != NGX_OK) {
        return NGX_ERROR;
    }

    look(&s);

    return NGX_OK;
}


/* parses a copy without a spare octet, in a pool of its own */

static ngx_int_t
try(u_char *data, size_t len)
{
    u_char                  *copy;
    ngx_int_t                rc;
    ngx_str_t                s;
    ngx_pool_t              *saved;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    static u_char  hash[NGX_MTLS_HASH_LEN];

    copy = malloc(len ? len : 1);
    assert_non_null(copy);
    ngx_memcpy(copy, data, len);

    s.data = copy;
    s.len = len;

    saved = pool;
    pool = shim_pool();

    err.len = 0;
    rc = ngx_mtls_certificate_parse(pool, &s, hash, &cert, &err);

    if (rc == NGX_OK) {
        assert_int_equal(ask(&cert), NGX_OK);

    } else {
        assert_int_equal(rc, NGX_DECLINED);
        assert_int_not_equal(err.len, 0);
    }

    ngx_destroy_pool(pool);
    pool = saved;

    free(copy);

    return rc;
}


static void
test_cut(void **state)
{
    size_t      len;
    ngx_str_t   s;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        s = x509_file(files[i], 0);

        assert_int_equal(try(s.data, s.len), NGX_OK);

        for (len = 0; len < s.len; len++) {
            assert_int_equal(try(s.data, len), NGX_DECLINED);
        }
    }
}


static void
test_change(void **state)
{
    u_char      octet;
    size_t      at;
    ngx_str_t   s;
    ngx_uint_t  i, k, good;

    static u_char  set[] = { 0x00, 0x30, 0x80, 0xff };
    static u_char  flip[] = { 0x01, 0x02, 0x20, 0x80 };

    good = 0;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        s = x509_file(files[i], 0);

        for (at = 0; at < s.len; at++) {
            octet = s.data[at];

            for (k = 0; k < 4; k++) {
                s.data[at] = set[k];
                good += (try(s.data, s.len) == NGX_OK);

                s.data[at] = octet ^ flip[k];
                good += (try(s.data, s.len) == NGX_OK);
            }

            s.data[at] = octet;
        }
    }

    /* keys, signatures and text may be anything */

    assert_true(good > 1000);
}


/* octets are taken out, put in, and twice there */

static void
test_shift(void **state)
{
    u_char      *buf;
    size_t       at;
    ngx_str_t    s;
    ngx_uint_t   i;

    for (i = 0; i < 2; i++) {
        s = x509_file(files[i], 0);
        buf = ngx_pnalloc(pool, s.len + 1);

        for (at = 0; at < s.len; at++) {
            ngx_memcpy(buf, s.data, at);
            ngx_memcpy(buf + at, s.data + at + 1, s.len - at - 1);
            (void) try(buf, s.len - 1);

            ngx_memcpy(buf + at, s.data + at, s.len - at);
            ngx_memcpy(buf + at + 1, s.data + at, s.len - at);
            (void) try(buf, s.len + 1);
        }
    }
}


static void
test_memory(void **state)
{
    ngx_int_t                rc;
    ngx_str_t                s;
    ngx_uint_t               i, n;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        s = x509_file(files[i], 0);

        for (n = 1; /* void */ ; n++) {
            shim_alloc_fail(n);

            rc = ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err);

            if (rc == NGX_OK) {
                rc = ask(&cert);

                if (rc == NGX_ERROR) {

                    /* a second question finds nothing half made */

                    shim_alloc_fail(0);
                    assert_int_equal(ask(&cert), NGX_OK);
                }
            }

            if (rc == NGX_OK) {
                break;
            }

            assert_int_equal(rc, NGX_ERROR);
            assert_true(n < 1000);
        }

        assert_true(n > 10);
        shim_alloc_fail(0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shift, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
