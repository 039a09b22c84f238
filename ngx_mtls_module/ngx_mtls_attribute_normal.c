
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What is written in a group line to what a certificate gives.
 */


#include <ngx_mtls_attribute.h>
#include <ngx_mtls_qcstatement.h>
#include <ngx_mtls_spiffe.h>


#define NGX_MTLS_IP_TEXT_LEN   INET6_ADDRSTRLEN


/* a name for an OID */
typedef struct {
    ngx_str_t     name;
    ngx_str_t     oid;
} ngx_mtls_normal_name_t;


static ngx_int_t ngx_mtls_normal_text(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_visible(ngx_str_t *value,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_dns(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_email(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_lower(ngx_pool_t *pool, ngx_str_t *value,
    size_t from, ngx_str_t *normal);
static ngx_int_t ngx_mtls_normal_ip(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_oid(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_named(ngx_pool_t *pool,
    ngx_mtls_normal_name_t *names, const char *what, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_serial(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_hash(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_extension(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_key_type(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_spiffe(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_qc_type(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_country(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_normal_hex(ngx_str_t *value, u_char *dst,
    size_t *len);


/* purposes (RFC 5280 4.2.1.12) and others that OpenSSL has names for */
static ngx_mtls_normal_name_t  ngx_mtls_purposes[] = {

    { ngx_string("serverAuth"), ngx_string("1.3.6.1.5.5.7.3.1") },
    { ngx_string("clientAuth"), ngx_string("1.3.6.1.5.5.7.3.2") },
    { ngx_string("codeSigning"), ngx_string("1.3.6.1.5.5.7.3.3") },
    { ngx_string("emailProtection"), ngx_string("1.3.6.1.5.5.7.3.4") },
    { ngx_string("timeStamping"), ngx_string("1.3.6.1.5.5.7.3.8") },
    { ngx_string("OCSPSigning"), ngx_string("1.3.6.1.5.5.7.3.9") },
    { ngx_string("ipsecIKE"), ngx_string("1.3.6.1.5.5.7.3.17") },
    { ngx_string("msSmartcardLogin"), ngx_string("1.3.6.1.4.1.311.20.2.2") },
    { ngx_string("anyExtendedKeyUsage"), ngx_string("2.5.29.37.0") },

    { ngx_null_string, ngx_null_string }
};


/* policies of ETSI EN 319 411-2, and of TS 119 495 for PSD2; "QCP-w" is the
   name that QEVCP-w had */
static ngx_mtls_normal_name_t  ngx_mtls_policies[] = {

    { ngx_string("QCP-n"), ngx_string("0.4.0.194112.1.0") },
    { ngx_string("QCP-l"), ngx_string("0.4.0.194112.1.1") },
    { ngx_string("QCP-n-qscd"), ngx_string("0.4.0.194112.1.2") },
    { ngx_string("QCP-l-qscd"), ngx_string("0.4.0.194112.1.3") },
    { ngx_string("QCP-w"), ngx_string("0.4.0.194112.1.4") },
    { ngx_string("QEVCP-w"), ngx_string("0.4.0.194112.1.4") },
    { ngx_string("QNCP-w"), ngx_string("0.4.0.194112.1.5") },
    { ngx_string("QNCP-w-gen"), ngx_string("0.4.0.194112.1.6") },
    { ngx_string("QCP-w-psd2"), ngx_string("0.4.0.19495.3.1") },
    { ngx_string("anyPolicy"), ngx_string("2.5.29.32.0") },

    { ngx_null_string, ngx_null_string }
};


ngx_int_t
ngx_mtls_attribute_normal(ngx_pool_t *pool, ngx_mtls_attribute_t *attr,
    ngx_str_t *value, ngx_str_t *normal, ngx_mtls_error_t *err)
{
    switch (attr->id) {

    case NGX_MTLS_ATTR_SUBJECT:
    case NGX_MTLS_ATTR_ISSUER:
    case NGX_MTLS_ATTR_UPN:
    case NGX_MTLS_ATTR_ORGANIZATION:
    case NGX_MTLS_ATTR_PSD2_NCA:
    case NGX_MTLS_ATTR_PSD2_NUMBER:
        return ngx_mtls_normal_text(value, normal, err);

    case NGX_MTLS_ATTR_SUBJECT_DN:
    case NGX_MTLS_ATTR_ISSUER_DN:
    case NGX_MTLS_ATTR_DIRNAME:
        return ngx_mtls_name_text(pool, value, normal, err);

    case NGX_MTLS_ATTR_SERIAL:
        return ngx_mtls_normal_serial(pool, value, normal, err);

    case NGX_MTLS_ATTR_DNS:
        return ngx_mtls_normal_dns(pool, value, normal, err);

    case NGX_MTLS_ATTR_URI:
        *normal = *value;
        return ngx_mtls_normal_visible(value, err);

    case NGX_MTLS_ATTR_EMAIL:
        return ngx_mtls_normal_email(pool, value, normal, err);

    case NGX_MTLS_ATTR_IP:
        return ngx_mtls_normal_ip(pool, value, normal, err);

    case NGX_MTLS_ATTR_RID:
        return ngx_mtls_normal_oid(pool, value, normal, err);

    case NGX_MTLS_ATTR_POLICY:
        return ngx_mtls_normal_named(pool, ngx_mtls_policies,
                                     "policy, as \"QCP-w\"", value, normal,
                                     err);

    case NGX_MTLS_ATTR_EKU:
        return ngx_mtls_normal_named(pool, ngx_mtls_purposes,
                                     "purpose, as \"clientAuth\"", value,
                                     normal, err);

    case NGX_MTLS_ATTR_EXTENSION:
        return ngx_mtls_normal_extension(pool, value, normal, err);

    case NGX_MTLS_ATTR_FINGERPRINT:
    case NGX_MTLS_ATTR_SPKI:
        return ngx_mtls_normal_hash(pool, value, normal, err);

    case NGX_MTLS_ATTR_KEY_TYPE:
        return ngx_mtls_normal_key_type(pool, value, normal, err);

    case NGX_MTLS_ATTR_SPIFFE:
        return ngx_mtls_normal_spiffe(value, normal, err);

    case NGX_MTLS_ATTR_QC_TYPE:
        return ngx_mtls_normal_qc_type(value, normal, err);

    case NGX_MTLS_ATTR_QC_COMPLIANT:
    case NGX_MTLS_ATTR_PSD2_COUNTRY:
        return ngx_mtls_normal_country(value, normal, err);

    case NGX_MTLS_ATTR_CA:
    case NGX_MTLS_ATTR_GROUP:
    case NGX_MTLS_ATTR_PSD2_ROLE:
        *normal = *value;
        return NGX_OK;

    default:
        ngx_mtls_error(err, "\"%V\" cannot be compared", value);
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_mtls_normal_text(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    if (!ngx_mtls_utf8(value->data, value->len)) {
        ngx_mtls_error(err, "\"%V\" is not UTF-8", value);
        return NGX_DECLINED;
    }

    *normal = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_visible(ngx_str_t *value, ngx_mtls_error_t *err)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] > 0x7e) {
            ngx_mtls_error(err, "\"%V\" is not ASCII without control "
                           "characters; write international names in "
                           "their ASCII form", value);
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_dns(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    if (ngx_mtls_normal_visible(value, err) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_mtls_normal_lower(pool, value, 0, normal);
}


static ngx_int_t
ngx_mtls_normal_email(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    size_t  at;

    if (ngx_mtls_normal_visible(value, err) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (at = value->len; at > 0 && value->data[at - 1] != '@'; at--) {
        /* void */
    }

    return ngx_mtls_normal_lower(pool, value, at ? at : value->len, normal);
}


/* a copy, in lower case from some octet on */

static ngx_int_t
ngx_mtls_normal_lower(ngx_pool_t *pool, ngx_str_t *value, size_t from,
    ngx_str_t *normal)
{
    size_t  i;

    normal->data = ngx_pnalloc(pool, value->len + 1);
    if (normal->data == NULL) {
        return NGX_ERROR;
    }

    normal->len = value->len;

    for (i = 0; i < value->len; i++) {
        normal->data[i] = (i < from) ? value->data[i]
                                     : ngx_tolower(value->data[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_ip(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    int     family;
    u_char  addr[16];
    char    text[NGX_MTLS_IP_TEXT_LEN];

    family = AF_INET;

    if (value->len < NGX_MTLS_IP_TEXT_LEN) {
        ngx_memcpy(text, value->data, value->len);
        text[value->len] = '\0';

        if (ngx_strlen(text) == value->len) {

            if (ngx_strchr(text, ':')) {
                family = AF_INET6;
            }

            if (inet_pton(family, text, addr) == 1) {

                normal->data = ngx_pnalloc(pool, NGX_MTLS_IP_TEXT_LEN);
                if (normal->data == NULL
                    || inet_ntop(family, addr, (char *) normal->data,
                                 NGX_MTLS_IP_TEXT_LEN)
                       == NULL)
                {
                    return NGX_ERROR;
                }

                normal->len = ngx_strlen(normal->data);

                return NGX_OK;
            }
        }
    }

    ngx_mtls_error(err, "\"%V\" is not an IP address", value);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_mtls_normal_oid(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    u_char  oid[NGX_MTLS_OID_LEN];

    (void) pool;

    /* what is accepted has one spelling only */

    if (ngx_mtls_oid_parse(value->data, value->len, '.', oid) == 0) {
        ngx_mtls_error(err, "\"%V\" is not an OID", value);
        return NGX_DECLINED;
    }

    *normal = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_named(ngx_pool_t *pool, ngx_mtls_normal_name_t *names,
    const char *what, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    ngx_mtls_normal_name_t  *n;

    for (n = names; n->name.len; n++) {

        if (n->name.len == value->len
            && ngx_strncasecmp(n->name.data, value->data, value->len) == 0)
        {
            *normal = n->oid;
            return NGX_OK;
        }
    }

    if (ngx_mtls_normal_oid(pool, value, normal, err) != NGX_OK) {
        ngx_mtls_error(err, "\"%V\" is neither an OID nor a known %s",
                       value, what);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_qc_type(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    if (!ngx_mtls_qc_is_type(value)) {
        ngx_mtls_error(err, "\"%V\" is not \"esign\", \"eseal\", \"web\" "
                       "or the OID of another type", value);
        return NGX_DECLINED;
    }

    *normal = *value;

    return NGX_OK;
}


/* the form only: there is no list of countries that would be right for ever */

static ngx_int_t
ngx_mtls_normal_country(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    u_char  *p;

    p = value->data;

    if (value->len != 2 || p[0] < 'A' || p[0] > 'Z' || p[1] < 'A'
        || p[1] > 'Z')
    {
        ngx_mtls_error(err, "\"%V\" is not a country of two capital letters, "
                       "as in \"DE\"", value);
        return NGX_DECLINED;
    }

    *normal = *value;

    return NGX_OK;
}


/* as ngx_mtls_certificate_serial(): whole pairs, none "00" before another */

static ngx_int_t
ngx_mtls_normal_serial(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    u_char     *p, *last;
    size_t      len, i;
    ngx_str_t   digits;
    ngx_uint_t  negative;

    digits = *value;
    negative = (digits.len && digits.data[0] == '-');

    if (negative) {
        digits.data++;
        digits.len--;
    }

    /* room for the sign and for a digit that completes a pair */

    p = ngx_pnalloc(pool, digits.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    normal->data = p;

    if (ngx_mtls_normal_hex(&digits, p + 2, &len) != NGX_OK || len == 0) {
        ngx_mtls_error(err, "\"%V\" is not a hexadecimal number", value);
        return NGX_DECLINED;
    }

    last = p + 2 + len;

    for (p += 2; last - p > 1 && *p == '0'; p++) { /* void */ }

    if ((last - p) % 2) {
        *--p = '0';
    }

    if (negative) {
        *--p = '-';
    }

    normal->data = p;
    normal->len = last - p;

    for (i = 0; i < normal->len; i++) {
        p[i] = ngx_toupper(p[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_hash(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    normal->data = ngx_pnalloc(pool, value->len + 1);
    if (normal->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_mtls_normal_hex(value, normal->data, &normal->len) != NGX_OK
        || normal->len != NGX_MTLS_HASH_LEN * 2)
    {
        ngx_mtls_error(err, "\"%V\" is not a SHA-256 hash of %d hexadecimal "
                       "digits", value, NGX_MTLS_HASH_LEN * 2);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* a text, or "#" and DER in hexadecimal */

static ngx_int_t
ngx_mtls_normal_extension(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err)
{
    size_t     len;
    ngx_str_t  digits;

    if (value->len == 0 || value->data[0] != '#') {
        return ngx_mtls_normal_text(value, normal, err);
    }

    digits.data = value->data + 1;
    digits.len = value->len - 1;

    normal->data = ngx_pnalloc(pool, value->len);
    if (normal->data == NULL) {
        return NGX_ERROR;
    }

    normal->data[0] = '#';

    if (ngx_mtls_normal_hex(&digits, normal->data + 1, &len) != NGX_OK
        || len % 2)
    {
        ngx_mtls_error(err, "\"%V\" begins with \"#\", but is not an "
                       "extension's value in hexadecimal", value);
        return NGX_DECLINED;
    }

    normal->len = len + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_normal_key_type(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *normal, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    rc = ngx_mtls_key_type(pool, value, normal);

    if (rc == NGX_DECLINED) {
        ngx_mtls_error(err, "\"%V\" is not a type of key, as \"rsa:2048\", "
                       "\"ec:prime256v1\", \"ed25519\", \"ed448\" or an OID",
                       value);
    }

    return rc;
}


/* the ID of a workload has one spelling only */

static ngx_int_t
ngx_mtls_normal_spiffe(ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err)
{
    const char         *wrong;
    ngx_mtls_spiffe_t   spiffe;

    wrong = ngx_mtls_spiffe_id(value, &spiffe);

    if (wrong == NULL && spiffe.path.len == 0) {
        wrong = "it has no path";
    }

    if (wrong) {
        ngx_mtls_error(err, "\"%V\" is not the SPIFFE ID of a workload: %s",
                       value, wrong);
        return NGX_DECLINED;
    }

    *normal = *value;

    return NGX_OK;
}


/* copies hexadecimal digits in lower case without the colons between them */

static ngx_int_t
ngx_mtls_normal_hex(ngx_str_t *value, u_char *dst, size_t *len)
{
    u_char  c, *start;
    size_t  i;

    start = dst;

    for (i = 0; i < value->len; i++) {
        c = ngx_tolower(value->data[i]);

        if (c == ':') {
            continue;
        }

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return NGX_DECLINED;
        }

        *dst++ = c;
    }

    *len = dst - start;

    return NGX_OK;
}
