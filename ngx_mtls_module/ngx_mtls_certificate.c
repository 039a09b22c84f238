
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * A certificate's DER to facts (RFC 5280 4.1 and 4.2).
 */


#include <ngx_mtls_certificate.h>
#include <ngx_mtls_san.h>


#define NGX_MTLS_KU_ALL   0xff

/* of the numbers of extensions below 64 */
#define ngx_mtls_bit(n)   ((uint64_t) 1 << (n))


typedef ngx_int_t (*ngx_mtls_extension_pt)(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);


/* an extension of 2.5.29 that is understood here */
typedef struct {
    u_char                   number;
    ngx_mtls_extension_pt    parse;

    /* what it says is undefined from now on */
    void                   (*undefine)(ngx_mtls_certificate_t *cert);
} ngx_mtls_extension_type_t;


static ngx_int_t ngx_mtls_certificate_tbs(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_certificate_version(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs);
static ngx_int_t ngx_mtls_certificate_name(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs, ngx_mtls_name_t *name, const char *what,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_certificate_validity(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs);
static ngx_int_t ngx_mtls_certificate_key(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs);
static ngx_int_t ngx_mtls_certificate_extensions(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_certificate_extension_parse(ngx_mtls_der_t *d,
    ngx_mtls_extension_t *ext);
static ngx_int_t ngx_mtls_certificate_known(ngx_mtls_certificate_t *cert,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_certificate_malformed(ngx_mtls_error_t *err,
    const char *what);

static ngx_int_t ngx_mtls_certificate_key_usage(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);
static void ngx_mtls_certificate_no_key_usage(ngx_mtls_certificate_t *cert);
static ngx_int_t ngx_mtls_certificate_constraints(
    ngx_mtls_certificate_t *cert, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err);
static void ngx_mtls_certificate_no_constraints(ngx_mtls_certificate_t *cert);
static ngx_int_t ngx_mtls_certificate_purposes(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);
static void ngx_mtls_certificate_no_purposes(ngx_mtls_certificate_t *cert);
static ngx_int_t ngx_mtls_certificate_policy_list(
    ngx_mtls_certificate_t *cert, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_certificate_count(ngx_mtls_der_t *value,
    ngx_int_t (*next)(ngx_mtls_der_t *list, ngx_mtls_der_t *oid),
    const char *what, ngx_mtls_der_t *list, ngx_uint_t *n,
    ngx_mtls_error_t *err);
static void ngx_mtls_certificate_no_policies(ngx_mtls_certificate_t *cert);


static ngx_mtls_extension_type_t  ngx_mtls_extension_types[] = {

    { 15, ngx_mtls_certificate_key_usage, ngx_mtls_certificate_no_key_usage },
    { 17, ngx_mtls_san_parse, ngx_mtls_san_undefine },
    { 19, ngx_mtls_certificate_constraints,
      ngx_mtls_certificate_no_constraints },
    { 32, ngx_mtls_certificate_policy_list, ngx_mtls_certificate_no_policies },
    { 37, ngx_mtls_certificate_purposes, ngx_mtls_certificate_no_purposes },

    { 0, NULL, NULL }
};


ngx_int_t
ngx_mtls_certificate_parse(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_certificate_t *cert,
    ngx_mtls_error_t *err)
{
    ngx_uint_t      unused;
    ngx_mtls_der_t  d, tbs, value;

    ngx_memzero(cert, sizeof(ngx_mtls_certificate_t));

    cert->pool = pool;
    cert->der = *der;
    cert->key_usage = NGX_MTLS_KU_ALL;

    if (der->len > NGX_MTLS_CERT_MAX) {
        ngx_mtls_error(err, "certificate of %uz octets is too large",
                       der->len);
        return NGX_DECLINED;
    }

    if (fingerprint) {
        ngx_memcpy(cert->fingerprint, fingerprint, NGX_MTLS_HASH_LEN);

    } else if (ngx_mtls_sha256(der->data, der->len, cert->fingerprint)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_mtls_der_set(&d, der->data, der->len);

    if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &value) != NGX_OK
        || !ngx_mtls_der_empty(&d)
        || ngx_mtls_der_get(&value, NGX_MTLS_DER_SEQUENCE, &tbs) != NGX_OK
        || ngx_mtls_der_get(&value, NGX_MTLS_DER_SEQUENCE, &d) != NGX_OK
        || ngx_mtls_der_bits(&value, &d, &unused) != NGX_OK
        || !ngx_mtls_der_empty(&value))
    {
        return ngx_mtls_certificate_malformed(err, "structure");
    }

    return ngx_mtls_certificate_tbs(cert, &tbs, err);
}


static ngx_int_t
ngx_mtls_certificate_tbs(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *tbs,
    ngx_mtls_error_t *err)
{
    ngx_int_t       rc;
    ngx_mtls_der_t  value;

    if (ngx_mtls_certificate_version(cert, tbs) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, "version");
    }

    if (ngx_mtls_der_integer(tbs, &cert->serial) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, "serialNumber");
    }

    if (ngx_mtls_der_get(tbs, NGX_MTLS_DER_SEQUENCE, &value) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, "signature");
    }

    rc = ngx_mtls_certificate_name(cert, tbs, &cert->issuer, "issuer", err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_mtls_certificate_validity(cert, tbs) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, "validity");
    }

    rc = ngx_mtls_certificate_name(cert, tbs, &cert->subject, "subject", err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_mtls_certificate_key(cert, tbs) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, "subjectPublicKeyInfo");
    }

    if (ngx_mtls_der_opt(tbs, NGX_MTLS_DER_CTX(1), &value) == NGX_ERROR
        || ngx_mtls_der_opt(tbs, NGX_MTLS_DER_CTX(2), &value) == NGX_ERROR)
    {
        return ngx_mtls_certificate_malformed(err, "uniqueID");
    }

    rc = ngx_mtls_certificate_extensions(cert, tbs, err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_mtls_der_empty(tbs)) {
        return ngx_mtls_certificate_malformed(err, "tbsCertificate");
    }

    return ngx_mtls_certificate_known(cert, err);
}


static ngx_int_t
ngx_mtls_certificate_malformed(ngx_mtls_error_t *err, const char *what)
{
    ngx_mtls_error(err, "certificate has malformed \"%s\"", what);

    return NGX_DECLINED;
}


/* [0] EXPLICIT, 1 if absent; that it fits the extensions is not judged */

static ngx_int_t
ngx_mtls_certificate_version(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs)
{
    ngx_int_t       rc;
    ngx_uint_t      n;
    ngx_mtls_der_t  value;

    n = 0;

    rc = ngx_mtls_der_opt(tbs, NGX_MTLS_DER_CTX_CONS(0), &value);

    if (rc == NGX_OK
        && (ngx_mtls_der_uint(&value, &n) != NGX_OK
            || !ngx_mtls_der_empty(&value)))
    {
        return NGX_ERROR;
    }

    if (rc == NGX_ERROR || n > 2) {
        return NGX_ERROR;
    }

    cert->version = n + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_name(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *tbs,
    ngx_mtls_name_t *name, const char *what, ngx_mtls_error_t *err)
{
    ngx_int_t       rc;
    ngx_uint_t      tag;
    ngx_mtls_der_t  value, whole;

    if (ngx_mtls_der_any(tbs, &tag, &value, &whole) != NGX_OK) {
        return ngx_mtls_certificate_malformed(err, what);
    }

    rc = ngx_mtls_name_parse(cert->pool, &whole, name);

    if (rc == NGX_DECLINED) {
        return ngx_mtls_certificate_malformed(err, what);
    }

    return rc;
}


static ngx_int_t
ngx_mtls_certificate_validity(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs)
{
    ngx_mtls_der_t  value;

    if (ngx_mtls_der_get(tbs, NGX_MTLS_DER_SEQUENCE, &value) != NGX_OK
        || ngx_mtls_der_time(&value, &cert->not_before) != NGX_OK
        || ngx_mtls_der_time(&value, &cert->not_after) != NGX_OK
        || !ngx_mtls_der_empty(&value))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the frame only: algorithm and key are looked into when asked for */

static ngx_int_t
ngx_mtls_certificate_key(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *tbs)
{
    ngx_uint_t      tag, unused;
    ngx_mtls_der_t  value, algorithm, oid;

    if (ngx_mtls_der_any(tbs, &tag, &value, &cert->spki) != NGX_OK
        || tag != NGX_MTLS_DER_SEQUENCE
        || ngx_mtls_der_get(&value, NGX_MTLS_DER_SEQUENCE, &algorithm)
           != NGX_OK
        || ngx_mtls_der_oid(&algorithm, &oid) != NGX_OK
        || ngx_mtls_der_bits(&value, &oid, &unused) != NGX_OK
        || !ngx_mtls_der_empty(&value))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_extensions(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *tbs, ngx_mtls_error_t *err)
{
    ngx_int_t             rc;
    ngx_uint_t            n;
    ngx_mtls_der_t        value, list;
    ngx_mtls_extension_t  ext[NGX_MTLS_EXTENSIONS_MAX];

    rc = ngx_mtls_der_opt(tbs, NGX_MTLS_DER_CTX_CONS(3), &value);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK
        || ngx_mtls_der_get(&value, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || !ngx_mtls_der_empty(&value))
    {
        return ngx_mtls_certificate_malformed(err, "extensions");
    }

    for (n = 0; !ngx_mtls_der_empty(&list); n++) {

        if (n == NGX_MTLS_EXTENSIONS_MAX) {
            ngx_mtls_error(err, "certificate has more than %d extensions",
                           NGX_MTLS_EXTENSIONS_MAX);
            return NGX_DECLINED;
        }

        if (ngx_mtls_certificate_extension_parse(&list, &ext[n]) != NGX_OK) {
            return ngx_mtls_certificate_malformed(err, "extensions");
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    cert->extensions = ngx_palloc(cert->pool,
                                  n * sizeof(ngx_mtls_extension_t));
    if (cert->extensions == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(cert->extensions, ext, n * sizeof(ngx_mtls_extension_t));
    cert->nextensions = n;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_extension_parse(ngx_mtls_der_t *d,
    ngx_mtls_extension_t *ext)
{
    ngx_mtls_der_t  value, oid;

    ext->critical = 0;
    ext->decoded = 0;
    ngx_str_null(&ext->text);

    if (ngx_mtls_der_get(d, NGX_MTLS_DER_SEQUENCE, &value) != NGX_OK
        || ngx_mtls_der_oid(&value, &oid) != NGX_OK
        || ngx_mtls_der_boolean(&value, &ext->critical) == NGX_ERROR
        || ngx_mtls_der_get(&value, NGX_MTLS_DER_OCTETSTRING, &ext->value)
           != NGX_OK
        || !ngx_mtls_der_empty(&value))
    {
        return NGX_ERROR;
    }

    ext->oid.data = oid.pos;
    ext->oid.len = ngx_mtls_der_len(&oid);

    return NGX_OK;
}


/*
 * Reads the extensions that are understood.  nginx and OpenSSL let certificates
 * through that have one of them twice or malformed: these are not refused, but
 * nothing is known of what it says.
 */

static ngx_int_t
ngx_mtls_certificate_known(ngx_mtls_certificate_t *cert, ngx_mtls_error_t *err)
{
    u_char                      number;
    uint64_t                    seen;
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_mtls_der_t              value;
    ngx_mtls_extension_t       *ext;
    ngx_mtls_extension_type_t  *type;

    seen = 0;

    for (i = 0; i < cert->nextensions; i++) {
        ext = &cert->extensions[i];

        /* id-ce, 2.5.29 */

        if (ext->oid.len != 3 || ext->oid.data[0] != 0x55
            || ext->oid.data[1] != 0x1d)
        {
            continue;
        }

        number = ext->oid.data[2];

        for (type = ngx_mtls_extension_types; type->number; type++) {
            if (type->number == number) {
                break;
            }
        }

        if (type->number == 0) {
            continue;
        }

        if (seen & ngx_mtls_bit(number)) {
            type->undefine(cert);
            continue;
        }

        seen |= ngx_mtls_bit(number);

        value = ext->value;

        rc = type->parse(cert, &value, err);

        if (rc == NGX_ABORT) {
            type->undefine(cert);

        } else if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/*
 * The handlers of extensions: NGX_ABORT: malformed, what it says is undefined;
 * NGX_DECLINED: a bound is exceeded, the certificate is refused.
 */

static ngx_int_t
ngx_mtls_certificate_key_usage(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err)
{
    ngx_uint_t      i, unused;
    ngx_mtls_der_t  bits;

    (void) err;

    if (ngx_mtls_der_bits(value, &bits, &unused) != NGX_OK
        || !ngx_mtls_der_empty(value))
    {
        return NGX_ABORT;
    }

    cert->key_usage = 0;

    if (!ngx_mtls_der_empty(&bits)) {
        for (i = 0; i < 8; i++) {
            if (*bits.pos & (0x80 >> i)) {
                cert->key_usage |= 1 << i;
            }
        }
    }

    return NGX_OK;
}


static void
ngx_mtls_certificate_no_key_usage(ngx_mtls_certificate_t *cert)
{
    cert->key_usage = 0;
}


static ngx_int_t
ngx_mtls_certificate_constraints(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err)
{
    ngx_uint_t      ca;
    ngx_mtls_der_t  constraints, path;

    (void) err;

    ca = 0;

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &constraints) != NGX_OK
        || !ngx_mtls_der_empty(value)
        || ngx_mtls_der_boolean(&constraints, &ca) == NGX_ERROR)
    {
        return NGX_ABORT;
    }

    if (!ngx_mtls_der_empty(&constraints)
        && (ngx_mtls_der_integer(&constraints, &path) != NGX_OK
            || !ngx_mtls_der_empty(&constraints)))
    {
        return NGX_ABORT;
    }

    cert->ca = ca;

    return NGX_OK;
}


static void
ngx_mtls_certificate_no_constraints(ngx_mtls_certificate_t *cert)
{
    cert->ca = 0;
    cert->ca_undefined = 1;
}


static ngx_int_t
ngx_mtls_certificate_purposes(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err)
{
    return ngx_mtls_certificate_count(value, ngx_mtls_der_oid, "purposes",
                                      &cert->eku_list, &cert->eku.n, err);
}


static void
ngx_mtls_certificate_no_purposes(ngx_mtls_certificate_t *cert)
{
    ngx_mtls_values_undefined(&cert->eku);
}


static ngx_int_t
ngx_mtls_certificate_policy_list(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err)
{
    return ngx_mtls_certificate_count(value, ngx_mtls_certificate_policy,
                                      "policies", &cert->policy_list,
                                      &cert->policies.n, err);
}


/* checks and counts a list of object identifiers, each read by "next" */

static ngx_int_t
ngx_mtls_certificate_count(ngx_mtls_der_t *value,
    ngx_int_t (*next)(ngx_mtls_der_t *list, ngx_mtls_der_t *oid),
    const char *what, ngx_mtls_der_t *list, ngx_uint_t *n,
    ngx_mtls_error_t *err)
{
    ngx_mtls_der_t  rest, oid;

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, list) != NGX_OK
        || !ngx_mtls_der_empty(value)
        || ngx_mtls_der_empty(list))
    {
        return NGX_ABORT;
    }

    rest = *list;

    while (!ngx_mtls_der_empty(&rest)) {

        if (next(&rest, &oid) != NGX_OK) {
            return NGX_ABORT;
        }

        if (++*n > NGX_MTLS_OIDS_MAX) {
            ngx_mtls_error(err, "certificate has more than %d %s",
                           NGX_MTLS_OIDS_MAX, what);
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static void
ngx_mtls_certificate_no_policies(ngx_mtls_certificate_t *cert)
{
    ngx_mtls_values_undefined(&cert->policies);
}


/* its qualifiers say nothing here */

ngx_int_t
ngx_mtls_certificate_policy(ngx_mtls_der_t *list, ngx_mtls_der_t *oid)
{
    ngx_mtls_der_t  info, value;

    if (ngx_mtls_der_get(list, NGX_MTLS_DER_SEQUENCE, &info) != NGX_OK
        || ngx_mtls_der_oid(&info, oid) != NGX_OK
        || ngx_mtls_der_opt(&info, NGX_MTLS_DER_SEQUENCE, &value) == NGX_ERROR
        || !ngx_mtls_der_empty(&info))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_mtls_extension_t *
ngx_mtls_certificate_extension(ngx_mtls_certificate_t *cert,
    const u_char *oid, size_t len)
{
    ngx_uint_t             i;
    ngx_mtls_extension_t  *ext, *found;

    found = NULL;

    for (i = 0; i < cert->nextensions; i++) {
        ext = &cert->extensions[i];

        if (ext->oid.len == len
            && ngx_memcmp(ext->oid.data, oid, len) == 0)
        {
            if (found) {
                return NULL;
            }

            found = ext;
        }
    }

    return found;
}


void
ngx_mtls_values_undefined(ngx_mtls_values_t *values)
{
    static ngx_str_t  undefined = ngx_null_string;

    values->elts = &undefined;
    values->n = 1;
}
