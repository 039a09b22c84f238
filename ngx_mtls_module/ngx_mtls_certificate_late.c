
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Facts of a certificate that are made when they are asked for, and kept.
 */


#include <ngx_mtls_certificate.h>


/* enough for the longest name of a curve */
#define NGX_MTLS_CURVE_LEN  (sizeof("ec:brainpoolP512r1"))


typedef ngx_int_t (*ngx_mtls_oid_pt)(ngx_mtls_der_t *list,
    ngx_mtls_der_t *oid);


static ngx_int_t ngx_mtls_certificate_hex(ngx_mtls_certificate_t *cert,
    u_char *data, size_t len, ngx_str_t *hex);
static u_char *ngx_mtls_certificate_serial_hex(u_char *dst, ngx_mtls_der_t *n);
static ngx_int_t ngx_mtls_certificate_oids(ngx_pool_t *pool,
    ngx_mtls_der_t list, ngx_mtls_oid_pt next, ngx_mtls_values_t *values);
static ngx_int_t ngx_mtls_certificate_key_text(ngx_mtls_certificate_t *cert,
    const char *prefix, ngx_mtls_der_t *oid, ngx_str_t *text);
static ngx_int_t ngx_mtls_certificate_rsa(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *key, ngx_str_t *text);
static ngx_int_t ngx_mtls_certificate_ec(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *params, ngx_str_t *text);
static ngx_str_t *ngx_mtls_curve(u_char *oid, size_t len);
static ngx_int_t ngx_mtls_key_type_number(ngx_str_t *type, size_t prefix);
static ngx_str_t *ngx_mtls_key_type_curve(ngx_str_t *name);
static ngx_uint_t ngx_mtls_key_type_equal(ngx_str_t *one, ngx_str_t *two);


/* names of curves as OpenSSL has them, NIST's and SEC's */
static struct {
    ngx_str_t     oid;
    ngx_str_t     name;
    ngx_str_t     nist;
    ngx_str_t     sec;
} ngx_mtls_curves[] = {

    { ngx_string("\x2a\x86\x48\xce\x3d\x03\x01\x07"),
      ngx_string("prime256v1"), ngx_string("P-256"), ngx_string("secp256r1") },
    { ngx_string("\x2b\x81\x04\x00\x22"),
      ngx_string("secp384r1"), ngx_string("P-384"), ngx_null_string },
    { ngx_string("\x2b\x81\x04\x00\x23"),
      ngx_string("secp521r1"), ngx_string("P-521"), ngx_null_string },
    { ngx_string("\x2b\x81\x04\x00\x21"),
      ngx_string("secp224r1"), ngx_string("P-224"), ngx_null_string },
    { ngx_string("\x2b\x81\x04\x00\x0a"),
      ngx_string("secp256k1"), ngx_null_string, ngx_null_string },
    { ngx_string("\x2b\x24\x03\x03\x02\x08\x01\x01\x07"),
      ngx_string("brainpoolP256r1"), ngx_null_string, ngx_null_string },
    { ngx_string("\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"),
      ngx_string("brainpoolP384r1"), ngx_null_string, ngx_null_string },
    { ngx_string("\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"),
      ngx_string("brainpoolP512r1"), ngx_null_string, ngx_null_string },

    { ngx_null_string, ngx_null_string, ngx_null_string, ngx_null_string }
};


ngx_int_t
ngx_mtls_certificate_fingerprint(ngx_mtls_certificate_t *cert, ngx_str_t *hex)
{
    if (cert->fingerprint_hex.data == NULL
        && ngx_mtls_certificate_hex(cert, cert->fingerprint, NGX_MTLS_HASH_LEN,
                                    &cert->fingerprint_hex)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *hex = cert->fingerprint_hex;

    return NGX_OK;
}


/* "x5t#S256" of RFC 8705 3.1 */

ngx_int_t
ngx_mtls_certificate_thumbprint(ngx_mtls_certificate_t *cert,
    ngx_str_t *b64url)
{
    ngx_str_t  src, dst;

    if (cert->thumbprint.data == NULL) {
        src.data = cert->fingerprint;
        src.len = NGX_MTLS_HASH_LEN;

        dst.data = ngx_pnalloc(cert->pool,
                               ngx_base64_encoded_length(NGX_MTLS_HASH_LEN));
        if (dst.data == NULL) {
            return NGX_ERROR;
        }

        ngx_encode_base64url(&dst, &src);

        cert->thumbprint = dst;
    }

    *b64url = cert->thumbprint;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_spki(ngx_mtls_certificate_t *cert, ngx_str_t *hex)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    if (cert->spki_hex.data == NULL) {

        if (ngx_mtls_sha256(cert->spki.pos, ngx_mtls_der_len(&cert->spki),
                            hash)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_mtls_certificate_hex(cert, hash, NGX_MTLS_HASH_LEN,
                                     &cert->spki_hex)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    *hex = cert->spki_hex;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_hex(ngx_mtls_certificate_t *cert, u_char *data,
    size_t len, ngx_str_t *hex)
{
    u_char  *p;

    p = ngx_pnalloc(cert->pool, len * 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    hex->data = p;
    hex->len = ngx_hex_dump(p, data, len) - p;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_serial(ngx_mtls_certificate_t *cert, ngx_str_t *hex)
{
    u_char  *p;

    if (cert->serial_hex.data == NULL) {

        p = ngx_pnalloc(cert->pool, 1 + ngx_mtls_der_len(&cert->serial) * 2);
        if (p == NULL) {
            return NGX_ERROR;
        }

        cert->serial_hex.data = p;
        cert->serial_hex.len =
                      ngx_mtls_certificate_serial_hex(p, &cert->serial) - p;
    }

    *hex = cert->serial_hex;

    return NGX_OK;
}


/* sign and magnitude, pairs of upper-case digits without leading zero pairs */

static u_char *
ngx_mtls_certificate_serial_hex(u_char *dst, ngx_mtls_der_t *n)
{
    u_char         c, mask, *p, *last, *end;
    static u_char  digits[] = "0123456789ABCDEF";

    p = n->pos;
    last = n->last;
    mask = 0;
    end = last;

    if (*p & 0x80) {
        *dst++ = '-';
        mask = 0xff;

        /* inverted, and one more from the last octet that is not zero on */

        while (end - p > 1 && end[-1] == 0) {
            end--;
        }
    }

    for ( /* void */ ; p < last; p++) {
        c = (p < end) ? *p ^ mask : 0;

        if (mask && p == end - 1) {
            c++;
        }

        if (c == 0 && p == n->pos && last - p > 1) {
            continue;
        }

        *dst++ = digits[c >> 4];
        *dst++ = digits[c & 0x0f];
    }

    return dst;
}


ngx_int_t
ngx_mtls_certificate_eku(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values)
{
    if (cert->eku.elts == NULL
        && ngx_mtls_certificate_oids(cert->pool, cert->eku_list,
                                     ngx_mtls_der_oid, &cert->eku)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *values = cert->eku;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_policies(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values)
{
    if (cert->policies.elts == NULL
        && ngx_mtls_certificate_oids(cert->pool, cert->policy_list,
                                     ngx_mtls_certificate_policy,
                                     &cert->policies)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *values = cert->policies;

    return NGX_OK;
}


/* the text of a list that was read once already, values->n of them */

static ngx_int_t
ngx_mtls_certificate_oids(ngx_pool_t *pool, ngx_mtls_der_t list,
    ngx_mtls_oid_pt next, ngx_mtls_values_t *values)
{
    u_char          text[NGX_MTLS_OID_TEXT_LEN];
    size_t          len;
    ngx_str_t      *elts;
    ngx_uint_t      i;
    ngx_mtls_der_t  oid;

    if (values->n == 0) {
        return NGX_OK;
    }

    elts = ngx_palloc(pool, values->n * sizeof(ngx_str_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < values->n; i++) {

        if (next(&list, &oid) != NGX_OK) {
            return NGX_ERROR;
        }

        len = ngx_mtls_oid_text(oid.pos, ngx_mtls_der_len(&oid), text);

        elts[i].data = ngx_pnalloc(pool, len);
        if (elts[i].data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(elts[i].data, text, len);
        elts[i].len = len;
    }

    values->elts = elts;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_subject(ngx_mtls_certificate_t *cert,
    ngx_str_t *canonical)
{
    if (cert->subject_canonical.data == NULL
        && ngx_mtls_name_canonical(cert->pool, &cert->subject,
                                   &cert->subject_canonical)
           != NGX_OK)
    {
        ngx_str_null(&cert->subject_canonical);
        return NGX_ERROR;
    }

    *canonical = cert->subject_canonical;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_issuer(ngx_mtls_certificate_t *cert,
    ngx_str_t *canonical)
{
    if (cert->issuer_canonical.data == NULL
        && ngx_mtls_name_canonical(cert->pool, &cert->issuer,
                                   &cert->issuer_canonical)
           != NGX_OK)
    {
        ngx_str_null(&cert->issuer_canonical);
        return NGX_ERROR;
    }

    *canonical = cert->issuer_canonical;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_subject_text(ngx_mtls_certificate_t *cert,
    ngx_str_t *text)
{
    if (cert->subject_text.data == NULL
        && ngx_mtls_name_print_4514(cert->pool, &cert->subject,
                                    &cert->subject_text)
           != NGX_OK)
    {
        ngx_str_null(&cert->subject_text);
        return NGX_ERROR;
    }

    *text = cert->subject_text;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_certificate_key_type(ngx_mtls_certificate_t *cert, ngx_str_t *type)
{
    ngx_int_t        rc;
    ngx_str_t        text, id;
    ngx_uint_t       unused;
    ngx_mtls_der_t   d, spki, algorithm, oid, key;

    static ngx_str_t  rsa = ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
    static ngx_str_t  ec = ngx_string("\x2a\x86\x48\xce\x3d\x02\x01");
    static ngx_str_t  ed25519 = ngx_string("\x2b\x65\x70");
    static ngx_str_t  ed448 = ngx_string("\x2b\x65\x71");

    if (cert->key_type.data) {
        *type = cert->key_type;
        return NGX_OK;
    }

    /* read once already, by ngx_mtls_certificate_parse() */

    d = cert->spki;

    if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &spki) != NGX_OK
        || ngx_mtls_der_get(&spki, NGX_MTLS_DER_SEQUENCE, &algorithm) != NGX_OK
        || ngx_mtls_der_oid(&algorithm, &oid) != NGX_OK
        || ngx_mtls_der_bits(&spki, &key, &unused) != NGX_OK)
    {
        return NGX_ERROR;
    }

    id.data = oid.pos;
    id.len = ngx_mtls_der_len(&oid);

    ngx_str_null(&text);
    rc = NGX_DECLINED;

    if (id.len == rsa.len && ngx_memcmp(id.data, rsa.data, id.len) == 0) {
        rc = ngx_mtls_certificate_rsa(cert, &key, &text);

    } else if (id.len == ec.len && ngx_memcmp(id.data, ec.data, id.len) == 0) {
        rc = ngx_mtls_certificate_ec(cert, &algorithm, &text);

    } else if (id.len == ed25519.len
               && ngx_memcmp(id.data, ed25519.data, id.len) == 0)
    {
        ngx_str_set(&text, "ed25519");
        rc = NGX_OK;

    } else if (id.len == ed448.len
               && ngx_memcmp(id.data, ed448.data, id.len) == 0)
    {
        ngx_str_set(&text, "ed448");
        rc = NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_mtls_certificate_key_text(cert, "", &oid, &text);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    cert->key_type = text;
    *type = text;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_certificate_key_text(ngx_mtls_certificate_t *cert, const char *prefix,
    ngx_mtls_der_t *oid, ngx_str_t *text)
{
    u_char     *p, dotted[NGX_MTLS_OID_TEXT_LEN];
    size_t      len;

    len = ngx_mtls_oid_text(oid->pos, ngx_mtls_der_len(oid), dotted);

    p = ngx_pnalloc(cert->pool, ngx_strlen(prefix) + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    p = ngx_cpymem(p, prefix, ngx_strlen(prefix));
    p = ngx_cpymem(p, dotted, len);

    text->len = p - text->data;

    return NGX_OK;
}


/* RSAPublicKey (RFC 8017 A.1.1); NGX_DECLINED: malformed */

static ngx_int_t
ngx_mtls_certificate_rsa(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *key,
    ngx_str_t *text)
{
    u_char          *p, c;
    ngx_uint_t       bits;
    ngx_mtls_der_t   rsa, n, e;

    if (ngx_mtls_der_get(key, NGX_MTLS_DER_SEQUENCE, &rsa) != NGX_OK
        || !ngx_mtls_der_empty(key)
        || ngx_mtls_der_integer(&rsa, &n) != NGX_OK
        || ngx_mtls_der_integer(&rsa, &e) != NGX_OK
        || !ngx_mtls_der_empty(&rsa)
        || *n.pos & 0x80)
    {
        return NGX_DECLINED;
    }

    if (*n.pos == 0) {
        n.pos++;
    }

    if (ngx_mtls_der_empty(&n)) {
        return NGX_DECLINED;
    }

    bits = (ngx_mtls_der_len(&n) - 1) * 8;

    for (c = *n.pos; c; c >>= 1) {
        bits++;
    }

    p = ngx_pnalloc(cert->pool, sizeof("rsa:") - 1 + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ngx_sprintf(p, "rsa:%ui", bits) - p;

    return NGX_OK;
}


/* a named curve (RFC 5480 2.1.1); NGX_DECLINED: parameters of another kind */

static ngx_int_t
ngx_mtls_certificate_ec(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *params,
    ngx_str_t *text)
{
    u_char          *p;
    ngx_str_t       *curve;
    ngx_mtls_der_t   oid;

    if (ngx_mtls_der_oid(params, &oid) != NGX_OK
        || !ngx_mtls_der_empty(params))
    {
        return NGX_DECLINED;
    }

    curve = ngx_mtls_curve(oid.pos, ngx_mtls_der_len(&oid));

    if (curve == NULL) {
        return ngx_mtls_certificate_key_text(cert, "ec:", &oid, text);
    }

    p = ngx_pnalloc(cert->pool, NGX_MTLS_CURVE_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ngx_sprintf(p, "ec:%V", curve) - p;

    return NGX_OK;
}


/* the name of a curve; NULL: there is none here */

static ngx_str_t *
ngx_mtls_curve(u_char *oid, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; ngx_mtls_curves[i].oid.len; i++) {
        if (ngx_mtls_curves[i].oid.len == len
            && ngx_memcmp(ngx_mtls_curves[i].oid.data, oid, len) == 0)
        {
            return &ngx_mtls_curves[i].name;
        }
    }

    return NULL;
}


ngx_int_t
ngx_mtls_key_type(ngx_pool_t *pool, ngx_str_t *type, ngx_str_t *normal)
{
    u_char      oid[NGX_MTLS_OID_LEN];
    size_t      i, len;
    ngx_str_t   rest, *curve;
    ngx_uint_t  ec;

    normal->data = ngx_pnalloc(pool, type->len + NGX_MTLS_CURVE_LEN);
    if (normal->data == NULL) {
        return NGX_ERROR;
    }

    normal->len = type->len;

    for (i = 0; i < type->len; i++) {
        normal->data[i] = ngx_tolower(type->data[i]);
    }

    if ((type->len == 7 && ngx_strncmp(normal->data, "ed25519", 7) == 0)
        || (type->len == 5 && ngx_strncmp(normal->data, "ed448", 5) == 0))
    {
        return NGX_OK;
    }

    if (type->len > 4 && ngx_strncmp(normal->data, "rsa:", 4) == 0) {
        return ngx_mtls_key_type_number(normal, 4);
    }

    ec = (type->len > 3 && ngx_strncmp(normal->data, "ec:", 3) == 0);

    rest.data = normal->data + (ec ? 3 : 0);
    rest.len = normal->len - (ec ? 3 : 0);

    len = ngx_mtls_oid_parse(rest.data, rest.len, '.', oid);
    curve = NULL;

    if (ec) {
        curve = len ? ngx_mtls_curve(oid, len)
                    : ngx_mtls_key_type_curve(&rest);
    }

    if (curve == NULL) {
        return len ? NGX_OK : NGX_DECLINED;
    }

    normal->len = ngx_sprintf(normal->data, "ec:%V", curve) - normal->data;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_key_type_number(ngx_str_t *type, size_t prefix)
{
    size_t  i;

    if (type->data[prefix] == '0') {
        return NGX_DECLINED;
    }

    for (i = prefix; i < type->len; i++) {
        if (type->data[i] < '0' || type->data[i] > '9') {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_str_t *
ngx_mtls_key_type_curve(ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_mtls_curves[i].oid.len; i++) {
        if (ngx_mtls_key_type_equal(&ngx_mtls_curves[i].name, name)
            || ngx_mtls_key_type_equal(&ngx_mtls_curves[i].nist, name)
            || ngx_mtls_key_type_equal(&ngx_mtls_curves[i].sec, name))
        {
            return &ngx_mtls_curves[i].name;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_mtls_key_type_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && ngx_strncasecmp(one->data, two->data, one->len) == 0;
}


ngx_int_t
ngx_mtls_certificate_extension_text(ngx_mtls_certificate_t *cert,
    ngx_mtls_extension_t *ext, ngx_str_t *text)
{
    u_char          *p;
    size_t           len;
    ngx_int_t        rc;
    ngx_uint_t       tag;
    ngx_mtls_der_t   d, raw;

    if (ext->decoded) {
        *text = ext->text;
        return NGX_OK;
    }

    d = ext->value;

    if (ngx_mtls_der_any(&d, &tag, &raw, NULL) == NGX_OK
        && ngx_mtls_der_empty(&d)
        && ngx_mtls_der_is_string(tag))
    {
        rc = ngx_mtls_der_string(cert->pool, tag, &raw, &ext->text);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED
            || ext->text.len == 0 || ext->text.data[0] != '#')
        {
            goto done;
        }
    }

    len = ngx_mtls_der_len(&ext->value);

    p = ngx_pnalloc(cert->pool, 1 + len * 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ext->text.data = p;
    *p++ = '#';
    ext->text.len = ngx_hex_dump(p, ext->value.pos, len) - ext->text.data;

done:

    ext->decoded = 1;
    *text = ext->text;

    return NGX_OK;
}
