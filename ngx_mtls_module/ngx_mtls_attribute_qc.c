
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes of qualified certificates: what QCStatements and the
 * organizationIdentifier say, read when it is first asked for.
 */


#include <ngx_mtls_attribute.h>
#include <ngx_mtls_organization.h>
#include <ngx_mtls_qcstatement.h>


static ngx_int_t ngx_mtls_attribute_statements(ngx_mtls_certificate_t *cert);
static ngx_int_t ngx_mtls_attribute_organization(ngx_mtls_certificate_t *cert);
static void ngx_mtls_attribute_part(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_e id, ngx_mtls_values_t *values);
static void ngx_mtls_attribute_number(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values);


/* id-pe-qcStatements, 1.3.6.1.5.5.7.1.3 */
static u_char  ngx_mtls_attribute_qc_oid[] = {
    0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x03
};


ngx_int_t
ngx_mtls_attribute_qc(ngx_mtls_certificate_t *cert, ngx_mtls_attribute_e id,
    ngx_mtls_values_t *values)
{
    if (id >= NGX_MTLS_ATTR_PSD2_NUMBER && cert->organization == NULL
        && ngx_mtls_attribute_organization(cert) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (id >= NGX_MTLS_ATTR_ORGANIZATION) {
        ngx_mtls_attribute_part(cert, id, values);
        return NGX_OK;
    }

    if (cert->qc == NULL && ngx_mtls_attribute_statements(cert) != NGX_OK) {
        return NGX_ERROR;
    }

    if (id == NGX_MTLS_ATTR_PSD2_NUMBER) {
        ngx_mtls_attribute_number(cert, values);
        return NGX_OK;
    }

    *values = cert->qc->values[id - NGX_MTLS_ATTR_QC];

    return NGX_OK;
}


/* nginx and OpenSSL let a certificate through that has the extension twice */

static ngx_int_t
ngx_mtls_attribute_statements(ngx_mtls_certificate_t *cert)
{
    ngx_uint_t             i, n;
    ngx_mtls_qc_t         *qc;
    ngx_mtls_extension_t  *ext, *found;

    qc = ngx_palloc(cert->pool, sizeof(ngx_mtls_qc_t));
    if (qc == NULL) {
        return NGX_ERROR;
    }

    found = NULL;
    n = 0;

    for (i = 0; i < cert->nextensions; i++) {
        ext = &cert->extensions[i];

        if (ext->oid.len == sizeof(ngx_mtls_attribute_qc_oid)
            && ngx_memcmp(ext->oid.data, ngx_mtls_attribute_qc_oid,
                          sizeof(ngx_mtls_attribute_qc_oid))
               == 0)
        {
            found = ext;
            n++;
        }
    }

    if (n != 1) {
        ngx_mtls_qc_without(qc, n ? NGX_MTLS_PSD2_DUPLICATE
                                  : NGX_MTLS_PSD2_NONE);

    } else if (ngx_mtls_qc_read(cert->pool, cert->psd2_rules, &found->value,
                                qc)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    cert->qc = qc;

    return NGX_OK;
}


/* a certificate's own subject, looked through and split once */

static ngx_int_t
ngx_mtls_attribute_organization(ngx_mtls_certificate_t *cert)
{
    ngx_mtls_organization_t      *org;
    static ngx_mtls_attribute_t   attr = {
        NGX_MTLS_ATTR_SUBJECT, ngx_string("\x55\x04\x61"), 0, 1, 0
    };

    org = ngx_pcalloc(cert->pool, sizeof(ngx_mtls_organization_t));
    if (org == NULL) {
        return NGX_ERROR;
    }

    if (ngx_mtls_attribute_values(cert, &attr, &org->whole) != NGX_OK) {
        return NGX_ERROR;
    }

    if (org->whole.n && org->whole.elts->data) {
        (void) ngx_mtls_organization_split(org->whole.elts, org);
    }

    cert->organization = org;

    return NGX_OK;
}


static void
ngx_mtls_attribute_part(ngx_mtls_certificate_t *cert, ngx_mtls_attribute_e id,
    ngx_mtls_values_t *values)
{
    ngx_str_t                *text;
    ngx_mtls_organization_t  *org;

    org = cert->organization;
    *values = org->whole;

    if (id == NGX_MTLS_ATTR_ORGANIZATION || values->n == 0
        || values->elts->data == NULL)
    {
        return;
    }

    switch (id) {

    case NGX_MTLS_ATTR_ORGANIZATION_SCHEME:
        text = &org->scheme;
        break;

    case NGX_MTLS_ATTR_ORGANIZATION_COUNTRY:
        text = &org->country;
        break;

    case NGX_MTLS_ATTR_ORGANIZATION_STATE:
        text = &org->state;
        break;

    case NGX_MTLS_ATTR_ORGANIZATION_AUTHORITY:
        text = &org->authority;
        break;

    default:
        text = &org->value;
        break;
    }

    values->elts = text;
    values->n = (text->len != 0);
}


/* the authorisation number, which TS 119 495 puts into the subject */

static void
ngx_mtls_attribute_number(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values)
{
    ngx_str_t  *scheme;

    if (cert->qc->psd2.status != NGX_MTLS_PSD2_NONE
        && cert->qc->psd2.status < NGX_MTLS_PSD2_OK)
    {
        ngx_mtls_values_undefined(values);
        return;
    }

    ngx_mtls_attribute_part(cert, NGX_MTLS_ATTR_ORGANIZATION_VALUE, values);

    if (values->n == 0 || values->elts->data == NULL) {
        return;
    }

    scheme = &cert->organization->scheme;

    if (scheme->len != 3 || ngx_strncmp(scheme->data, "PSD", 3) != 0) {
        values->n = 0;
    }
}
