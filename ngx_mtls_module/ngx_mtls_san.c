
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * subjectAltName (RFC 5280 4.2.1.6): each name decoded by its kind, none
 * searched as text.
 */


#include <ngx_mtls_san.h>


/* GeneralName's numbers */
#define NGX_MTLS_GN_OTHER        NGX_MTLS_DER_CTX_CONS(0)
#define NGX_MTLS_GN_EMAIL        NGX_MTLS_DER_CTX(1)
#define NGX_MTLS_GN_DNS          NGX_MTLS_DER_CTX(2)
#define NGX_MTLS_GN_X400         NGX_MTLS_DER_CTX_CONS(3)
#define NGX_MTLS_GN_DIRECTORY    NGX_MTLS_DER_CTX_CONS(4)
#define NGX_MTLS_GN_EDI          NGX_MTLS_DER_CTX_CONS(5)
#define NGX_MTLS_GN_URI          NGX_MTLS_DER_CTX(6)
#define NGX_MTLS_GN_IP           NGX_MTLS_DER_CTX(7)
#define NGX_MTLS_GN_RID          NGX_MTLS_DER_CTX(8)


typedef struct {
    ngx_mtls_certificate_t      *cert;
    ngx_str_t                    prefix;    /* "dns:" and so on */
    ngx_mtls_der_t               value;
    ngx_str_t                   *whole;     /* with the prefix */
    ngx_str_t                   *text;      /* without */
} ngx_mtls_san_t;


typedef ngx_int_t (*ngx_mtls_san_pt)(ngx_mtls_san_t *san);


static ngx_int_t ngx_mtls_san_next(ngx_mtls_der_t *names, ngx_uint_t *kind,
    ngx_mtls_der_t *value);
static ngx_int_t ngx_mtls_san_other(ngx_mtls_der_t *value, ngx_uint_t *kind);
static ngx_int_t ngx_mtls_san_lists(ngx_mtls_certificate_t *cert,
    ngx_uint_t *counts);

static ngx_int_t ngx_mtls_san_visible(ngx_mtls_san_t *san, u_char *host);
static ngx_int_t ngx_mtls_san_copy(ngx_mtls_san_t *san, u_char *data,
    size_t len);
static void ngx_mtls_san_lower(u_char *p, u_char *last);

static ngx_int_t ngx_mtls_san_dns(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_uri(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_email(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_ip(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_upn(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_rid(ngx_mtls_san_t *san);
static ngx_int_t ngx_mtls_san_dirname(ngx_mtls_san_t *san);


/* by kind, as NGX_MTLS_SAN_DNS and so on */
static struct {
    ngx_str_t                    prefix;
    ngx_mtls_san_pt              make;
} ngx_mtls_san_kinds[NGX_MTLS_SAN_TYPES] = {

    { ngx_string("dns:"), ngx_mtls_san_dns },
    { ngx_string("uri:"), ngx_mtls_san_uri },
    { ngx_string("email:"), ngx_mtls_san_email },
    { ngx_string("ip:"), ngx_mtls_san_ip },
    { ngx_string("upn:"), ngx_mtls_san_upn },
    { ngx_string("rid:"), ngx_mtls_san_rid },
    { ngx_string("dirname:"), ngx_mtls_san_dirname }
};


ngx_int_t
ngx_mtls_san_parse(ngx_mtls_certificate_t *cert, ngx_mtls_der_t *value,
    ngx_mtls_error_t *err)
{
    ngx_uint_t       n, kind, counts[NGX_MTLS_SAN_TYPES];
    ngx_mtls_der_t   names, d;
    ngx_mtls_san_t   san;

    if (ngx_mtls_der_get(value, NGX_MTLS_DER_SEQUENCE, &names) != NGX_OK
        || !ngx_mtls_der_empty(value)
        || ngx_mtls_der_empty(&names))
    {
        return NGX_ABORT;
    }

    ngx_memzero(counts, sizeof(counts));

    d = names;

    for (n = 0; !ngx_mtls_der_empty(&d); n++) {

        if (ngx_mtls_san_next(&d, &kind, &san.value) != NGX_OK) {
            return NGX_ABORT;
        }

        if (n == NGX_MTLS_SAN_MAX) {
            ngx_mtls_error(err, "certificate has more than %d alternative "
                           "names", NGX_MTLS_SAN_MAX);
            return NGX_DECLINED;
        }

        if (kind < NGX_MTLS_SAN_TYPES) {
            counts[kind]++;
        }
    }

    if (ngx_mtls_san_lists(cert, counts) != NGX_OK) {
        return NGX_ERROR;
    }

    san.cert = cert;
    san.whole = cert->san_all.elts;

    while (!ngx_mtls_der_empty(&names)) {

        (void) ngx_mtls_san_next(&names, &kind, &san.value);

        if (kind == NGX_MTLS_SAN_TYPES) {
            continue;
        }

        san.prefix = ngx_mtls_san_kinds[kind].prefix;
        san.text = &cert->san[kind].elts[cert->san[kind].n++];

        ngx_str_null(san.text);
        ngx_str_null(san.whole);

        if (ngx_mtls_san_kinds[kind].make(&san) != NGX_OK) {
            return NGX_ERROR;
        }

        san.whole++;
    }

    cert->san_all.n = san.whole - cert->san_all.elts;
    cert->dirnames.n = cert->san[NGX_MTLS_SAN_DIRNAME].n;

    return NGX_OK;
}


void
ngx_mtls_san_undefine(ngx_mtls_certificate_t *cert)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_MTLS_SAN_TYPES; i++) {
        ngx_mtls_values_undefined(&cert->san[i]);
    }

    ngx_mtls_values_undefined(&cert->san_all);
    ngx_mtls_values_undefined(&cert->dirnames);
}


/* the next name's kind and content; NGX_MTLS_SAN_TYPES: a kind without use */

static ngx_int_t
ngx_mtls_san_next(ngx_mtls_der_t *names, ngx_uint_t *kind,
    ngx_mtls_der_t *value)
{
    ngx_uint_t  tag;

    if (ngx_mtls_der_any(names, &tag, value, NULL) != NGX_OK) {
        return NGX_DECLINED;
    }

    switch (tag) {

    case NGX_MTLS_GN_DNS:
        *kind = NGX_MTLS_SAN_DNS;
        return NGX_OK;

    case NGX_MTLS_GN_URI:
        *kind = NGX_MTLS_SAN_URI;
        return NGX_OK;

    case NGX_MTLS_GN_EMAIL:
        *kind = NGX_MTLS_SAN_EMAIL;
        return NGX_OK;

    case NGX_MTLS_GN_IP:
        *kind = NGX_MTLS_SAN_IP;
        return NGX_OK;

    case NGX_MTLS_GN_RID:
        *kind = NGX_MTLS_SAN_RID;
        return NGX_OK;

    case NGX_MTLS_GN_DIRECTORY:
        *kind = NGX_MTLS_SAN_DIRNAME;
        return NGX_OK;

    case NGX_MTLS_GN_OTHER:
        return ngx_mtls_san_other(value, kind);

    case NGX_MTLS_GN_X400:
    case NGX_MTLS_GN_EDI:
        *kind = NGX_MTLS_SAN_TYPES;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* of otherName only the user principal name is known; "value" becomes it */

static ngx_int_t
ngx_mtls_san_other(ngx_mtls_der_t *value, ngx_uint_t *kind)
{
    ngx_mtls_der_t  oid, content;

    /* 1.3.6.1.4.1.311.20.2.3 */
    static u_char   upn[] = {
        0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03
    };

    if (ngx_mtls_der_oid(value, &oid) != NGX_OK
        || ngx_mtls_der_get(value, NGX_MTLS_DER_CTX_CONS(0), &content)
           != NGX_OK
        || !ngx_mtls_der_empty(value))
    {
        return NGX_DECLINED;
    }

    *kind = NGX_MTLS_SAN_TYPES;

    if (ngx_mtls_der_len(&oid) == sizeof(upn)
        && ngx_memcmp(oid.pos, upn, sizeof(upn)) == 0)
    {
        *kind = NGX_MTLS_SAN_UPN;
        *value = content;
    }

    return NGX_OK;
}


/* one block for the values of all kinds, for all together and for dirnames */

static ngx_int_t
ngx_mtls_san_lists(ngx_mtls_certificate_t *cert, ngx_uint_t *counts)
{
    ngx_str_t   *elts;
    ngx_uint_t   i, n;

    n = 0;

    for (i = 0; i < NGX_MTLS_SAN_TYPES; i++) {
        n += counts[i];
    }

    if (n == 0) {
        return NGX_OK;
    }

    elts = ngx_palloc(cert->pool, (n + n + counts[NGX_MTLS_SAN_DIRNAME])
                                  * sizeof(ngx_str_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    cert->san_all.elts = elts;
    elts += n;

    for (i = 0; i < NGX_MTLS_SAN_TYPES; i++) {
        cert->san[i].elts = elts;
        elts += counts[i];
    }

    cert->dirnames.elts = elts;

    return NGX_OK;
}


/*
 * The handlers of kinds leave a value undefined that is not what its kind
 * allows; NGX_ERROR: out of memory.
 */

static ngx_int_t
ngx_mtls_san_dns(ngx_mtls_san_t *san)
{
    return ngx_mtls_san_visible(san, san->value.pos);
}


static ngx_int_t
ngx_mtls_san_uri(ngx_mtls_san_t *san)
{
    return ngx_mtls_san_visible(san, san->value.last);
}


/* the part after the last "@" is a host name (RFC 5280 7.5) */

static ngx_int_t
ngx_mtls_san_email(ngx_mtls_san_t *san)
{
    u_char  *p;

    for (p = san->value.last; p > san->value.pos; p--) {
        if (p[-1] == '@') {
            return ngx_mtls_san_visible(san, p);
        }
    }

    return ngx_mtls_san_visible(san, san->value.last);
}


static ngx_int_t
ngx_mtls_san_ip(ngx_mtls_san_t *san)
{
    u_char  *p, text[INET6_ADDRSTRLEN];

    p = san->value.pos;

    switch (ngx_mtls_der_len(&san->value)) {

    case 4:
        p = ngx_sprintf(text, "%ud.%ud.%ud.%ud", p[0], p[1], p[2], p[3]);
        return ngx_mtls_san_copy(san, text, p - text);

    case 16:
        if (inet_ntop(AF_INET6, p, (char *) text, sizeof(text)) == NULL) {
            return NGX_ERROR;
        }

        return ngx_mtls_san_copy(san, text, ngx_strlen(text));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_san_upn(ngx_mtls_san_t *san)
{
    ngx_int_t       rc;
    ngx_str_t       text;
    ngx_uint_t      tag;
    ngx_mtls_der_t  raw;

    if (ngx_mtls_der_any(&san->value, &tag, &raw, NULL) != NGX_OK
        || !ngx_mtls_der_empty(&san->value))
    {
        return NGX_OK;
    }

    rc = ngx_mtls_der_string(san->cert->pool, tag, &raw, &text);
    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    return ngx_mtls_san_copy(san, text.data, text.len);
}


static ngx_int_t
ngx_mtls_san_rid(ngx_mtls_san_t *san)
{
    u_char  text[NGX_MTLS_OID_TEXT_LEN];
    size_t  len;

    len = ngx_mtls_oid_text(san->value.pos, ngx_mtls_der_len(&san->value),
                            text);
    if (len == 0) {
        return NGX_OK;
    }

    return ngx_mtls_san_copy(san, text, len);
}


static ngx_int_t
ngx_mtls_san_dirname(ngx_mtls_san_t *san)
{
    ngx_int_t         rc;
    ngx_str_t        *canonical, text;
    ngx_uint_t        i;
    ngx_mtls_name_t   name;

    i = san->cert->san[NGX_MTLS_SAN_DIRNAME].n - 1;
    canonical = &san->cert->dirnames.elts[i];
    ngx_str_null(canonical);

    rc = ngx_mtls_name_parse(san->cert->pool, &san->value, &name);
    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    if (ngx_mtls_name_canonical(san->cert->pool, &name, canonical) != NGX_OK
        || ngx_mtls_name_print(san->cert->pool, &name, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    san->cert->dirnames_doubtful |= name.doubtful;

    return ngx_mtls_san_copy(san, text.data, text.len);
}


/* an IA5String without control octets, in lower case from "host" on */

static ngx_int_t
ngx_mtls_san_visible(ngx_mtls_san_t *san, u_char *host)
{
    u_char    *p, *last;
    uint64_t   w;

    if (ngx_mtls_san_copy(san, san->value.pos, ngx_mtls_der_len(&san->value))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = san->text->data;
    last = p + san->text->len;

    /* eight octets at once: none above 0x7f, none 0x7f, none below 0x20 */

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&w, p, 8);

        if ((w | (w + NGX_MTLS_OCTETS(0x01)) | (w - NGX_MTLS_OCTETS(0x20)))
            & NGX_MTLS_OCTETS(0x80))
        {
            break;
        }
    }

    for ( /* void */ ; p < last; p++) {

        if (*p < 0x20 || *p >= 0x7f) {
            ngx_str_null(san->whole);
            ngx_str_null(san->text);
            return NGX_OK;
        }
    }

    ngx_mtls_san_lower(last - (san->value.last - host), last);

    return NGX_OK;
}


/* octets below 0x80 */

static void
ngx_mtls_san_lower(u_char *p, u_char *last)
{
    uint64_t  w;

    /* the high bit: at least "A", but not above "Z"; there 0x20 is set */

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&w, p, 8);

        w |= (((w + NGX_MTLS_OCTETS(0x80 - 'A'))
               ^ (w + NGX_MTLS_OCTETS(0x80 - 'Z' - 1)))
              & NGX_MTLS_OCTETS(0x80)) >> 2;

        ngx_memcpy(p, &w, 8);
    }

    for ( /* void */ ; p < last; p++) {
        *p = ngx_tolower(*p);
    }
}


/* sets the value, behind its prefix */

static ngx_int_t
ngx_mtls_san_copy(ngx_mtls_san_t *san, u_char *data, size_t len)
{
    u_char  *p;

    p = ngx_pnalloc(san->cert->pool, san->prefix.len + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    san->whole->data = p;
    san->whole->len = san->prefix.len + len;

    p = ngx_cpymem(p, san->prefix.data, san->prefix.len);

    san->text->data = p;
    san->text->len = len;

    ngx_memcpy(p, data, len);

    return NGX_OK;
}
