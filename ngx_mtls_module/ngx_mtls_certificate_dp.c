
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * cRLDistributionPoints (RFC 5280 4.2.1.13), read when a CRL is to be found.
 */


#include <ngx_mtls_certificate.h>


/* all reasons but the unused bit 0 (RFC 5280 4.2.1.13) */
#define NGX_MTLS_REASONS_ALL  0x1fe


static ngx_int_t ngx_mtls_certificate_dp_list(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value);
static ngx_int_t ngx_mtls_certificate_dp(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *list, ngx_mtls_dp_t *dp);
static ngx_int_t ngx_mtls_certificate_dp_names(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *names, ngx_mtls_dp_t *dp);
static ngx_int_t ngx_mtls_certificate_dp_relative(
    ngx_mtls_certificate_t *cert, ngx_mtls_der_t *rdn, ngx_mtls_der_t *issuer,
    ngx_mtls_dp_t *dp);
static ngx_int_t ngx_mtls_certificate_dp_reasons(ngx_mtls_der_t *bits,
    ngx_uint_t *reasons);
static ngx_int_t ngx_mtls_certificate_dp_count(ngx_mtls_der_t names,
    ngx_uint_t *n);


ngx_int_t
ngx_mtls_certificate_dps(ngx_mtls_certificate_t *cert)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_mtls_der_t         value;
    ngx_mtls_extension_t  *ext;

    /* id-ce-cRLDistributionPoints, 2.5.29.31 */
    static u_char          oid[] = { 0x55, 0x1d, 0x1f };

    if (cert->dps_parsed) {
        return NGX_OK;
    }

    ext = ngx_mtls_certificate_extension(cert, oid, sizeof(oid));

    if (ext) {
        value = ext->value;
        rc = ngx_mtls_certificate_dp_list(cert, &value);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        cert->cdp_malformed = (rc != NGX_OK);

    } else {

        /* none, or two */

        for (i = 0; i < cert->nextensions; i++) {
            if (cert->extensions[i].oid.len == sizeof(oid)
                && ngx_memcmp(cert->extensions[i].oid.data, oid, sizeof(oid))
                   == 0)
            {
                cert->cdp_malformed = 1;
                break;
            }
        }
    }

    if (cert->cdp_malformed) {
        cert->ndps = 0;
    }

    cert->dps_parsed = 1;

    return NGX_OK;
}


/* NGX_DECLINED: malformed */

static ngx_int_t
ngx_mtls_certificate_dp_list(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value)
{
    ngx_int_t       rc;
    ngx_uint_t      i, n;
    ngx_mtls_der_t  list;

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || !ngx_mtls_der_empty(value)
        || ngx_mtls_certificate_dp_count(list, &n) != NGX_OK
        || n > NGX_MTLS_DP_MAX)
    {
        return NGX_DECLINED;
    }

    cert->dps = ngx_pcalloc(cert->pool, n * sizeof(ngx_mtls_dp_t));
    if (cert->dps == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        rc = ngx_mtls_certificate_dp(cert, &list, &cert->dps[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    cert->ndps = n;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_dp(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *list,
    ngx_mtls_dp_t *dp)
{
    ngx_int_t       rc, named;
    ngx_uint_t      n;
    ngx_mtls_der_t  d, point, names, reasons, issuer;

    if (ngx_mtls_der_get(list, NGX_MTLS_DER_SEQUENCE, &d) != NGX_OK) {
        return NGX_DECLINED;
    }

    named = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX_CONS(0), &point);

    dp->reasons = NGX_MTLS_REASONS_ALL;

    rc = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX(1), &reasons);

    if (rc == NGX_OK) {
        rc = ngx_mtls_certificate_dp_reasons(&reasons, &dp->reasons);
    }

    if (named == NGX_ERROR || rc == NGX_ERROR) {
        return NGX_DECLINED;
    }

    rc = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX_CONS(2), &issuer);

    if (rc == NGX_OK) {
        dp->crl_issuer = 1;
        rc = ngx_mtls_certificate_dp_count(issuer, &n);
    }

    /* reasons alone are forbidden */

    if (rc == NGX_ERROR || !ngx_mtls_der_empty(&d)
        || (named != NGX_OK && !dp->crl_issuer))
    {
        return NGX_DECLINED;
    }

    if (named != NGX_OK) {
        return NGX_OK;
    }

    if (ngx_mtls_der_opt(&point, NGX_MTLS_DER_CTX_CONS(0), &names) == NGX_OK) {
        rc = ngx_mtls_certificate_dp_names(cert, &names, dp);

    } else if (ngx_mtls_der_opt(&point, NGX_MTLS_DER_CTX_CONS(1), &names)
               == NGX_OK)
    {
        rc = ngx_mtls_certificate_dp_relative(cert, &names,
                                              dp->crl_issuer ? &issuer : NULL,
                                              dp);

    } else {
        return NGX_DECLINED;
    }

    if (rc == NGX_OK && !ngx_mtls_der_empty(&point)) {
        return NGX_DECLINED;
    }

    return rc;
}


/* fullName */

static ngx_int_t
ngx_mtls_certificate_dp_names(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *names, ngx_mtls_dp_t *dp)
{
    ngx_int_t       rc;
    ngx_uint_t      n, tag;
    ngx_mtls_der_t  value, whole;

    if (ngx_mtls_certificate_dp_count(*names, &n) != NGX_OK
        || n > NGX_MTLS_DP_NAMES_MAX)
    {
        return NGX_DECLINED;
    }

    dp->names = ngx_pnalloc(cert->pool, n * NGX_MTLS_HASH_LEN);
    if (dp->names == NULL) {
        return NGX_ERROR;
    }

    for ( /* void */ ; dp->n < n; dp->n++) {

        (void) ngx_mtls_der_any(names, &tag, &value, &whole);

        rc = ngx_mtls_general_name_hash(cert->pool, &whole, dp->names[dp->n]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* nameRelativeToCRLIssuer, which wants at most one name in cRLIssuer */

static ngx_int_t
ngx_mtls_certificate_dp_relative(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *rdn, ngx_mtls_der_t *issuer, ngx_mtls_dp_t *dp)
{
    ngx_int_t         rc;
    ngx_mtls_der_t    d, value;
    ngx_mtls_name_t   base, name;

    base = cert->issuer;

    if (issuer) {
        d = *issuer;

        if (ngx_mtls_der_get(&d, NGX_MTLS_DER_CTX_CONS(4), &value) != NGX_OK
            || !ngx_mtls_der_empty(&d))
        {
            return NGX_DECLINED;
        }

        rc = ngx_mtls_name_parse(cert->pool, &value, &base);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_mtls_name_append(cert->pool, &base, rdn, &name);
    if (rc != NGX_OK) {
        return rc;
    }

    dp->names = ngx_pnalloc(cert->pool, NGX_MTLS_HASH_LEN);
    if (dp->names == NULL) {
        return NGX_ERROR;
    }

    dp->n = 1;

    return ngx_mtls_name_hash(cert->pool, &name, dp->names[0]);
}


/* ReasonFlags, whose tag was an implicit one */

static ngx_int_t
ngx_mtls_certificate_dp_reasons(ngx_mtls_der_t *bits, ngx_uint_t *reasons)
{
    u_char      *p;
    ngx_uint_t   i, unused;

    p = bits->pos;

    if (p == bits->last || *p > 7 || (*p && bits->last - p == 1)) {
        return NGX_ERROR;
    }

    unused = *p++;

    if (unused && (bits->last[-1] & ((1 << unused) - 1))) {
        return NGX_ERROR;
    }

    *reasons = 0;

    for (i = 0; i < 9 && p + i / 8 < bits->last; i++) {
        if (p[i / 8] & (0x80 >> (i % 8))) {
            *reasons |= 1 << i;
        }
    }

    *reasons &= NGX_MTLS_REASONS_ALL;

    return NGX_OK;
}


/* the elements of a list that must not be empty */

static ngx_int_t
ngx_mtls_certificate_dp_count(ngx_mtls_der_t names, ngx_uint_t *n)
{
    ngx_uint_t      tag;
    ngx_mtls_der_t  value;

    *n = 0;

    do {
        if (ngx_mtls_der_any(&names, &tag, &value, NULL) != NGX_OK) {
            return NGX_ERROR;
        }

        (*n)++;

    } while (!ngx_mtls_der_empty(&names));

    return NGX_OK;
}
