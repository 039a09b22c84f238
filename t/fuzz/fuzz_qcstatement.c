
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Fuzzer of QCStatements and of the organizationIdentifier.  The first octet
 * says how they are read, the rest is the extension's value.
 */


#include "shim.h"

#include <ngx_mtls_organization.h>
#include <ngx_mtls_qcstatement.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(ngx_uint_t ok)
{
    if (!ok) {
        abort();
    }
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


/* what is granted, and how it must be spelled for that */

static void
granted(ngx_mtls_psd2_t *psd2, ngx_mtls_psd2_rules_t *rules, u_char *data,
    size_t size)
{
    u_char       *p;
    ngx_str_t    *name;
    ngx_uint_t    i;

    for (i = 0; (psd2->roles >> i) != 0; i++) {

        if (!((psd2->roles >> i) & 1)) {
            continue;
        }

        name = ngx_mtls_psd2_role(rules, i);
        check(name != NULL);

        for (p = data; p + name->len <= data + size; p++) {
            if (ngx_memcmp(p, name->data, name->len) == 0) {
                break;
            }
        }

        check(p + name->len <= data + size);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                   *value;
    ngx_str_t                 text;
    ngx_uint_t                i, n;
    ngx_pool_t               *pool;
    ngx_mtls_qc_t             qc;
    ngx_mtls_der_t            d;
    ngx_mtls_psd2_rules_t     rules;
    ngx_mtls_organization_t   org;

    if (size == 0) {
        return 0;
    }

    ngx_memzero(&rules, sizeof(ngx_mtls_psd2_rules_t));

    rules.flat = data[0] & 1;
    rules.unwrapped = data[0] & 2;

    size--;

    pool = ngx_create_pool(1024, &shim_log);
    value = malloc(size ? size : 1);
    check(pool != NULL && value != NULL);

    ngx_memcpy(value, data + 1, size);
    ngx_mtls_der_set(&d, value, size);

    check(ngx_mtls_qc_read(pool, &rules, &d, &qc) == NGX_OK);

    check(qc.psd2.status >= NGX_MTLS_PSD2_OK || qc.psd2.roles == 0);
    check(rules.flat || qc.psd2.status != NGX_MTLS_PSD2_COMPAT_FLAT);
    check(rules.unwrapped
          || qc.psd2.status != NGX_MTLS_PSD2_COMPAT_UNWRAPPED);
    check(qc.psd2.status >= NGX_MTLS_PSD2_OK
          || qc.values[NGX_MTLS_QC_PSD2_ROLE].n == 0
          || qc.values[NGX_MTLS_QC_PSD2_ROLE].elts->data == NULL);

    granted(&qc.psd2, &rules, value, size);

    for (i = 0; i < NGX_MTLS_QC_VALUES; i++) {
        for (n = 0; n < qc.values[i].n; n++) {
            look(&qc.values[i].elts[n]);
        }
    }

    text.data = value;
    text.len = size;

    if (ngx_mtls_organization_split(&text, &org) == NGX_OK) {
        look(&org.scheme);
        look(&org.country);
        look(&org.state);
        look(&org.authority);
        look(&org.value);

        check(org.value.len != 0
              && org.value.data + org.value.len == value + size);
    }

    free(value);
    ngx_destroy_pool(pool);

    return 0;
}
