
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Fuzzer of whole certificates: the DER reader, names, alternative names and
 * every attribute as values and as text.
 */


#include "shim.h"

#include <ngx_mtls_attribute.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char  *names[] = {
    "subject_cn", "subject_ou", "subject_2_5_4_97__2", "subject_dn",
    "issuer_cn", "serial", "san", "san_dns", "san_uri", "san_email", "san_ip",
    "san_upn", "san_rid", "san_dirname", "eku", "policies", "fingerprint",
    "thumbprint", "spki", "key_type", "days_left", "extension_2_5_29_17",
    "psd2_status", "psd2_roles", "psd2_nca", "psd2_nca_name", "psd2_country",
    "psd2_number", "qc_type", "qc_compliant", "qc_pds", "qc_limit",
    "organization_id", "organization_id_value"
};

#define NNAMES  (sizeof(names) / sizeof(names[0]))


static void
check(ngx_uint_t ok)
{
    if (!ok) {
        abort();
    }
}


/* the text of a variable is one line, whatever the certificate holds */

static void
line(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        check(text->data[i] >= 0x20 && text->data[i] != 0x7f);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                   *copy;
    ngx_int_t                 rc;
    ngx_str_t                 der, text;
    ngx_uint_t                i;
    ngx_pool_t               *pool;
    ngx_mtls_error_t          err;
    ngx_mtls_certificate_t    cert;

    static ngx_pool_t            *kept;
    static ngx_mtls_attribute_t   attrs[NNAMES];

    if (kept == NULL) {
        kept = ngx_create_pool(1024, &shim_log);
        check(kept != NULL);

        for (i = 0; i < NNAMES; i++) {
            text.data = (u_char *) names[i];
            text.len = ngx_strlen(names[i]);
            check(ngx_mtls_attribute_variable(kept, &text, &attrs[i])
                  == NGX_OK);
        }
    }

    pool = ngx_create_pool(1024, &shim_log);
    copy = malloc(size ? size : 1);
    check(pool != NULL && copy != NULL);

    ngx_memcpy(copy, data, size);

    der.data = copy;
    der.len = size;

    rc = ngx_mtls_certificate_parse(pool, &der, NULL, &cert, &err);
    check(rc == NGX_OK || rc == NGX_DECLINED);

    for (i = 0; rc == NGX_OK && i < NNAMES; i++) {
        check(ngx_mtls_attribute_text(pool, &cert, &attrs[i], &text)
              == NGX_OK);
        line(&text);
    }

    if (rc == NGX_OK) {
        check(ngx_mtls_certificate_subject(&cert, &text) == NGX_OK);
        check(ngx_mtls_certificate_issuer(&cert, &text) == NGX_OK);
        check(ngx_mtls_certificate_dps(&cert) == NGX_OK);
    }

    free(copy);
    ngx_destroy_pool(pool);

    return 0;
}
