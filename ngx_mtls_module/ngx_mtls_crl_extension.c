
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The extensions of a CRL (RFC 5280 5.2), above all its issuing distribution
 * point.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>


#define NGX_MTLS_CRL_EXTENSIONS_MAX  64    /* of a list, of an entry */
#define NGX_MTLS_CRL_NAMES_MAX       64    /* of a distribution point */

#define NGX_MTLS_CRL_CE_NUMBER       20
#define NGX_MTLS_CRL_CE_DELTA        27
#define NGX_MTLS_CRL_CE_IDP          28
#define NGX_MTLS_CRL_CE_AKI          35
#define NGX_MTLS_CRL_CE_FRESHEST     46


static ngx_int_t ngx_mtls_crl_number(ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_aki(ngx_mtls_crl_t *crl, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_freshest(ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_idp(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_idp_flag(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_uint_t n, ngx_uint_t flag);
static ngx_int_t ngx_mtls_crl_idp_reasons(ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d);
static ngx_int_t ngx_mtls_crl_idp_names(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d);
static ngx_int_t ngx_mtls_crl_idp_relative(ngx_pool_t *pool,
    ngx_mtls_crl_t *crl, ngx_mtls_der_t *rdn);


/* Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension (RFC 5280 4.1) */

ngx_int_t
ngx_mtls_crl_extensions(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d, ngx_mtls_crl_extension_pt handler, void *data,
    ngx_mtls_error_t *err)
{
    size_t                     len;
    u_char                     text[NGX_MTLS_OID_TEXT_LEN];
    ngx_int_t                  rc;
    ngx_uint_t                 i, n;
    ngx_mtls_der_t             list, value, oids[NGX_MTLS_CRL_EXTENSIONS_MAX];
    ngx_mtls_crl_extension_t   extension;

    if (ngx_mtls_der_get(d, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || !ngx_mtls_der_empty(d)
        || ngx_mtls_der_empty(&list))
    {
        return ngx_mtls_crl_refuse(err, "malformed extensions");
    }

    for (n = 0; !ngx_mtls_der_empty(&list); n++) {

        if (n == NGX_MTLS_CRL_EXTENSIONS_MAX) {
            return ngx_mtls_crl_refuse(err, "too many extensions");
        }

        extension.critical = 0;

        if (ngx_mtls_der_get(&list, NGX_MTLS_DER_SEQUENCE, &value) != NGX_OK
            || ngx_mtls_der_oid(&value, &extension.oid) != NGX_OK
            || ngx_mtls_der_boolean(&value, &extension.critical) == NGX_ERROR
            || ngx_mtls_der_get(&value, NGX_MTLS_DER_OCTETSTRING,
                                &extension.value)
               != NGX_OK
            || !ngx_mtls_der_empty(&value))
        {
            return ngx_mtls_crl_refuse(err, "malformed extension");
        }

        oids[n] = extension.oid;
        len = ngx_mtls_der_len(&oids[n]);

        for (i = 0; i < n; i++) {

            if (ngx_mtls_der_len(&oids[i]) == len
                && ngx_memcmp(oids[i].pos, oids[n].pos, len) == 0)
            {
                len = ngx_mtls_oid_text(oids[n].pos, len, text);

                return ngx_mtls_crl_refuse(err, "extension %*s is there twice",
                                           len, text);
            }
        }

        rc = handler(pool, crl, data, &extension, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* RFC 5280 5.2, 5.3: what is critical and not understood is not to be used */

ngx_int_t
ngx_mtls_crl_unknown(ngx_mtls_crl_extension_t *extension,
    ngx_mtls_error_t *err)
{
    size_t  len;
    u_char  text[NGX_MTLS_OID_TEXT_LEN];

    if (!extension->critical) {
        return NGX_OK;
    }

    len = ngx_mtls_oid_text(extension->oid.pos,
                            ngx_mtls_der_len(&extension->oid), text);

    return ngx_mtls_crl_refuse(err, "unknown critical extension %*s", len,
                               text);
}


/* one extension of the list */

ngx_int_t
ngx_mtls_crl_extension(ngx_pool_t *pool, ngx_mtls_crl_t *crl, void *data,
    ngx_mtls_crl_extension_t *extension, ngx_mtls_error_t *err)
{
    (void) data;

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_NUMBER)) {
        return ngx_mtls_crl_number(crl, &extension->value, err);
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_AKI)) {
        return ngx_mtls_crl_aki(crl, &extension->value, err);
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_IDP)) {
        return ngx_mtls_crl_idp(pool, crl, &extension->value, err);
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_FRESHEST)) {
        return ngx_mtls_crl_freshest(crl, &extension->value, err);
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_DELTA)) {
        return ngx_mtls_crl_refuse(err, "it is a delta CRL, which is not"
                                   " supported, use the complete one");
    }

    return ngx_mtls_crl_unknown(extension, err);
}


/* RFC 5280 5.2.3: not negative, at most 20 octets */

static ngx_int_t
ngx_mtls_crl_number(ngx_mtls_crl_t *crl, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err)
{
    size_t          len;
    ngx_mtls_der_t  number;

    if (ngx_mtls_der_integer(value, &number) != NGX_OK
        || !ngx_mtls_der_empty(value))
    {
        return ngx_mtls_crl_refuse(err, "malformed CRL number");
    }

    len = ngx_mtls_der_len(&number);

    if (*number.pos & 0x80) {
        return ngx_mtls_crl_refuse(err, "negative CRL number");
    }

    if (len > NGX_MTLS_NUMBER_MAX
        || (len == NGX_MTLS_NUMBER_MAX && *number.pos != 0))
    {
        return ngx_mtls_crl_refuse(err, "CRL number of more than 20 octets");
    }

    ngx_memcpy(crl->header.number, number.pos, len);
    crl->header.number_len = (u_char) len;
    crl->header.flags |= NGX_MTLS_CRL_HAS_NUMBER;

    return NGX_OK;
}


/* RFC 5280 4.2.1.1 */

static ngx_int_t
ngx_mtls_crl_aki(ngx_mtls_crl_t *crl, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err)
{
    ngx_int_t       rc, issuer, serial;
    ngx_mtls_der_t  d, unused;

    if (ngx_mtls_sha256(value->pos, ngx_mtls_der_len(value), crl->header.aki)
        != NGX_OK)
    {
        return ngx_mtls_error(err, "cannot hash");
    }

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &d) != NGX_OK
        || !ngx_mtls_der_empty(value))
    {
        goto malformed;
    }

    rc = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX(0), &crl->aki);
    issuer = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX_CONS(1), &unused);
    serial = ngx_mtls_der_opt(&d, NGX_MTLS_DER_CTX(2), &unused);

    if (rc == NGX_ERROR || issuer == NGX_ERROR || issuer != serial
        || !ngx_mtls_der_empty(&d))
    {
        goto malformed;
    }

    return NGX_OK;

malformed:

    return ngx_mtls_crl_refuse(err, "malformed authority key identifier");
}


/* RFC 5280 5.2.6; where a delta CRL would be is not looked at */

static ngx_int_t
ngx_mtls_crl_freshest(ngx_mtls_crl_t *crl, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err)
{
    ngx_mtls_der_t  list, dp;

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || !ngx_mtls_der_empty(value)
        || ngx_mtls_der_empty(&list))
    {
        goto malformed;
    }

    while (!ngx_mtls_der_empty(&list)) {

        if (ngx_mtls_der_get(&list, NGX_MTLS_DER_SEQUENCE, &dp) != NGX_OK) {
            goto malformed;
        }
    }

    crl->header.flags |= NGX_MTLS_CRL_HAS_FRESHEST;

    return NGX_OK;

malformed:

    return ngx_mtls_crl_refuse(err, "malformed freshest CRL extension");
}


/* IssuingDistributionPoint (RFC 5280 5.2.5) */

static ngx_int_t
ngx_mtls_crl_idp(ngx_pool_t *pool, ngx_mtls_crl_t *crl, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err)
{
    ngx_int_t       rc;
    ngx_uint_t      only;
    ngx_mtls_der_t  d;

    if (ngx_mtls_sha256(value->pos, ngx_mtls_der_len(value), crl->header.idp)
        != NGX_OK)
    {
        return ngx_mtls_error(err, "cannot hash");
    }

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &d) != NGX_OK
        || !ngx_mtls_der_empty(value))
    {
        goto malformed;
    }

    if (ngx_mtls_der_empty(&d)) {
        return ngx_mtls_crl_refuse(err, "empty issuing distribution point");
    }

    crl->header.flags |= NGX_MTLS_CRL_HAS_IDP;

    rc = ngx_mtls_crl_idp_names(pool, crl, &d);

    if (rc == NGX_ERROR) {
        return ngx_mtls_error(err, "out of memory");
    }

    if (rc != NGX_OK
        || ngx_mtls_crl_idp_flag(crl, &d, 1, NGX_MTLS_CRL_ONLY_USER) != NGX_OK
        || ngx_mtls_crl_idp_flag(crl, &d, 2, NGX_MTLS_CRL_ONLY_CA) != NGX_OK
        || ngx_mtls_crl_idp_reasons(crl, &d) != NGX_OK
        || ngx_mtls_crl_idp_flag(crl, &d, 4, NGX_MTLS_CRL_INDIRECT) != NGX_OK
        || ngx_mtls_crl_idp_flag(crl, &d, 5, NGX_MTLS_CRL_ONLY_ATTR) != NGX_OK
        || !ngx_mtls_der_empty(&d))
    {
        goto malformed;
    }

    if (crl->header.flags & NGX_MTLS_CRL_INDIRECT) {
        return ngx_mtls_crl_refuse(err, "it is an indirect CRL, which is not"
                                   " supported");
    }

    only = crl->header.flags & (NGX_MTLS_CRL_ONLY_USER
                                |NGX_MTLS_CRL_ONLY_CA
                                |NGX_MTLS_CRL_ONLY_ATTR);

    if (only & (only - 1)) {
        return ngx_mtls_crl_refuse(err, "its issuing distribution point"
                                   " contains only certificates of two kinds"
                                   " at once");
    }

    return NGX_OK;

malformed:

    return ngx_mtls_crl_refuse(err, "malformed issuing distribution point");
}


/* [n] BOOLEAN DEFAULT FALSE */

static ngx_int_t
ngx_mtls_crl_idp_flag(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d, ngx_uint_t n,
    ngx_uint_t flag)
{
    ngx_int_t       rc;
    ngx_mtls_der_t  value;

    rc = ngx_mtls_der_opt(d, NGX_MTLS_DER_CTX(n), &value);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK || ngx_mtls_der_len(&value) != 1
        || (*value.pos != 0x00 && *value.pos != 0xff))
    {
        return NGX_ERROR;
    }

    if (*value.pos) {
        crl->header.flags |= flag;
    }

    return NGX_OK;
}


/* onlySomeReasons [3] ReasonFlags, a BIT STRING, whose bit 0 is unused */

static ngx_int_t
ngx_mtls_crl_idp_reasons(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d)
{
    ngx_int_t       rc;
    ngx_uint_t      i, unused, reasons;
    ngx_mtls_der_t  value;

    rc = ngx_mtls_der_opt(d, NGX_MTLS_DER_CTX(3), &value);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK
        || ngx_mtls_der_len(&value) < 2
        || ngx_mtls_der_len(&value) > 3)
    {
        return NGX_ERROR;
    }

    unused = *value.pos++;

    if (unused > 7 || (value.last[-1] & ((1 << unused) - 1))) {
        return NGX_ERROR;
    }

    reasons = 0;

    for (i = 0; i < ngx_mtls_der_len(&value) * 8; i++) {

        if (value.pos[i / 8] & (0x80 >> (i % 8))) {
            reasons |= 1 << i;
        }
    }

    crl->header.reasons = reasons & NGX_MTLS_CRL_REASONS_ALL;

    return crl->header.reasons ? NGX_OK : NGX_ERROR;
}


/*
 * distributionPoint [0], of a CHOICE: fullName [0] GeneralNames,
 * nameRelativeToCRLIssuer [1] RelativeDistinguishedName
 */

static ngx_int_t
ngx_mtls_crl_idp_names(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d)
{
    ngx_int_t       rc;
    ngx_uint_t      tag;
    ngx_mtls_der_t  dp, list, name, value;

    rc = ngx_mtls_der_opt(d, NGX_MTLS_DER_CTX_CONS(0), &dp);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK
        || ngx_mtls_der_any(&dp, &tag, &list, NULL) != NGX_OK
        || !ngx_mtls_der_empty(&dp)
        || ngx_mtls_der_empty(&list))
    {
        return NGX_DECLINED;
    }

    crl->names = ngx_palloc(pool, NGX_MTLS_CRL_NAMES_MAX * NGX_MTLS_HASH_LEN);
    if (crl->names == NULL) {
        return NGX_ERROR;
    }

    if (tag == NGX_MTLS_DER_CTX_CONS(1)) {
        return ngx_mtls_crl_idp_relative(pool, crl, &list);
    }

    if (tag != NGX_MTLS_DER_CTX_CONS(0)) {
        return NGX_DECLINED;
    }

    while (!ngx_mtls_der_empty(&list)) {

        if (crl->nnames == NGX_MTLS_CRL_NAMES_MAX
            || ngx_mtls_der_any(&list, &tag, &value, &name) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        rc = ngx_mtls_general_name_hash(pool, &name,
                                        crl->names[crl->nnames++]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    crl->header.nnames = crl->nnames;

    return NGX_OK;
}


/* the directoryName that is the CRL's issuer with one more RDN */

static ngx_int_t
ngx_mtls_crl_idp_relative(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *rdn)
{
    ngx_int_t        rc;
    ngx_mtls_name_t  issuer, name;

    rc = ngx_mtls_name_parse(pool, &crl->issuer, &issuer);

    if (rc == NGX_OK) {
        rc = ngx_mtls_name_append(pool, &issuer, rdn, &name);
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_name_hash(pool, &name, crl->names[0]);
    }

    if (rc == NGX_OK) {
        crl->nnames = 1;
        crl->header.nnames = 1;
    }

    return rc;
}
