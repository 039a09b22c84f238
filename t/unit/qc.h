
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of qualified certificates: statements put together, and those
 * of public certificates.
 */


#ifndef _QC_H_INCLUDED_
#define _QC_H_INCLUDED_


#include "x509.h"

#include <ngx_mtls_qcstatement.h>


#define ETSI(n)    oid("0.4.0.1862.1." n)
#define PSD2       "0.4.0.19495.2"
#define ROLE(n)    "0.4.0.19495.1." n


static ngx_mtls_psd2_rules_t  compat = { 1, 1, NULL, 0 };


static inline ngx_str_t
role(const char *id, const char *name)
{
    return der(SEQ, oid(id), element(UTF8, str(name)));
}


/* a PSD2 statement of "DE-BAFIN" with these roles */

static inline ngx_str_t
psd2(ngx_str_t roles)
{
    return der(SEQ, oid(PSD2),
               der(SEQ, element(SEQ, roles), element(UTF8, S("BaFin")),
                   element(UTF8, S("DE-BAFIN"))));
}


static inline void
read_qc(ngx_mtls_psd2_rules_t *rules, ngx_str_t value, ngx_mtls_qc_t *qc)
{
    u_char          *p;
    ngx_mtls_der_t   d;

    /* without a spare octet, so that ASan sees one that is read too far */

    p = ngx_pnalloc(pool, value.len ? value.len : 1);
    assert_non_null(p);
    ngx_memcpy(p, value.data, value.len);
    ngx_mtls_der_set(&d, p, value.len);

    assert_int_equal(ngx_mtls_qc_read(pool, rules, &d, qc), NGX_OK);
}


static inline const char *
text(ngx_mtls_values_t *values)
{
    u_char       *p, *last;
    ngx_uint_t    i;
    static u_char buf[8192];

    p = buf;
    last = buf + sizeof(buf) - 1;

    for (i = 0; i < values->n; i++) {
        p = ngx_slprintf(p, last, "%s", i ? "," : "");

        if (values->elts[i].data == NULL) {
            p = ngx_slprintf(p, last, "?");
        } else {
            p = ngx_slprintf(p, last, "%V", &values->elts[i]);
        }
    }

    *p = '\0';

    return (const char *) buf;
}


static inline void
equal(const char *name, const char *what, ngx_mtls_values_t *values,
    const char *expected)
{
    if (strcmp(expected, "*") != 0 && strcmp(text(values), expected) != 0) {
        fail_msg("%s, %s: \"%s\" instead of \"%s\"", name, what, text(values),
                 expected);
    }
}


/* the certificate of a file of t/data/psd2 */

static inline void
certificate(const char *name, ngx_mtls_certificate_t *cert)
{
    char               path[192];
    ngx_str_t          s;
    ngx_mtls_error_t   err;

    (void) snprintf(path, sizeof(path), "../../data/psd2/%s", name);

    s = x509_file(path, 0);
    assert_non_null(s.data);

    if (ngx_mtls_certificate_parse(pool, &s, NULL, cert, &err) != NGX_OK) {
        fail_msg("%s: %.*s", name, (int) err.len, err.text);
    }
}


#endif /* _QC_H_INCLUDED_ */
