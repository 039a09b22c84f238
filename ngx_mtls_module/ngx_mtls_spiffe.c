
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * SPIFFE IDs and the certificates that carry them: the rules of the SPIFFE-ID
 * and X509-SVID standards.
 */


#include <ngx_mtls_spiffe.h>


#define NGX_MTLS_SPIFFE_PREFIX   "spiffe://"
#define NGX_MTLS_SPIFFE_START    (sizeof(NGX_MTLS_SPIFFE_PREFIX) - 1)


static const char *ngx_mtls_spiffe_parse(ngx_str_t *uri, ngx_uint_t pattern,
    ngx_mtls_spiffe_t *spiffe);
static const char *ngx_mtls_spiffe_path(ngx_str_t *path, ngx_uint_t pattern);
static const char *ngx_mtls_spiffe_segment(u_char *p, u_char *last);
static const char *ngx_mtls_spiffe_character(u_char ch, const char *other);
static ngx_uint_t ngx_mtls_spiffe_letter(u_char ch);
static ngx_uint_t ngx_mtls_spiffe_alternatives(u_char *p, u_char *last);
static u_char *ngx_mtls_spiffe_class(u_char *p, u_char *last);
static ngx_uint_t ngx_mtls_spiffe_claims(ngx_mtls_values_t *uris);
static const char *ngx_mtls_spiffe_judge(ngx_mtls_certificate_t *cert,
    ngx_mtls_spiffe_t *spiffe);
static const char *ngx_mtls_spiffe_usage(ngx_mtls_certificate_t *cert);


const char *
ngx_mtls_spiffe_id(ngx_str_t *uri, ngx_mtls_spiffe_t *spiffe)
{
    return ngx_mtls_spiffe_parse(uri, 0, spiffe);
}


const char *
ngx_mtls_spiffe_pattern(ngx_str_t *text, ngx_mtls_spiffe_t *spiffe)
{
    const char  *wrong;

    wrong = ngx_mtls_spiffe_parse(text, 1, spiffe);

    if (wrong == NULL && spiffe->path.len == 0) {
        return "it has no path";
    }

    return wrong;
}


static const char *
ngx_mtls_spiffe_parse(ngx_str_t *uri, ngx_uint_t pattern,
    ngx_mtls_spiffe_t *spiffe)
{
    u_char      *p, *last;
    const char  *wrong;

    if (uri->len > NGX_MTLS_SPIFFE_LEN) {
        return "it is longer than 2048 octets";
    }

    if (uri->len < NGX_MTLS_SPIFFE_START
        || ngx_strncmp(uri->data, NGX_MTLS_SPIFFE_PREFIX,
                       NGX_MTLS_SPIFFE_START) != 0)
    {
        return "it does not begin with spiffe://";
    }

    p = uri->data + NGX_MTLS_SPIFFE_START;
    last = uri->data + uri->len;

    spiffe->id = *uri;
    spiffe->trust_domain.data = p;

    while (p < last && *p != '/') {
        p++;
    }

    spiffe->trust_domain.len = p - spiffe->trust_domain.data;

    spiffe->path.data = p;
    spiffe->path.len = last - p;

    wrong = ngx_mtls_spiffe_domain(&spiffe->trust_domain);

    if (wrong || spiffe->path.len == 0) {
        return wrong;
    }

    return ngx_mtls_spiffe_path(&spiffe->path, pattern);
}


const char *
ngx_mtls_spiffe_domain(ngx_str_t *name)
{
    u_char  *p, *last;

    if (name->len == 0) {
        return "the trust domain is empty";
    }

    if (name->len > NGX_MTLS_SPIFFE_DOMAIN_LEN) {
        return "the trust domain is longer than 255 octets";
    }

    last = name->data + name->len;

    for (p = name->data; p < last; p++) {

        if (*p >= 'A' && *p <= 'Z') {
            return "the trust domain is not in lower case";
        }

        if (!ngx_mtls_spiffe_letter(*p)) {
            return ngx_mtls_spiffe_character(*p, "the trust domain has other "
                                             "characters than [a-z0-9._-]");
        }
    }

    return NULL;
}


/* each segment with the "/" before it (SPIFFE-ID 2.2) */

static const char *
ngx_mtls_spiffe_path(ngx_str_t *path, ngx_uint_t pattern)
{
    u_char      *p, *last, *end;
    const char  *wrong;

    last = path->data + path->len;

    for (p = path->data; p < last; p = end) {
        p++;

        for (end = p; end < last && *end != '/'; end++) { /* void */ }

        if (pattern && p < end && *p == '*') {

            if (end - p == 1) {
                continue;
            }

            if (end - p == 2 && p[1] == '*') {

                if (end == last) {
                    continue;
                }

                return "\"**\" is not the last segment";
            }

            return "\"*\" is not a whole segment";
        }

        wrong = ngx_mtls_spiffe_segment(p, end);

        if (wrong) {
            return wrong;
        }
    }

    return NULL;
}


static const char *
ngx_mtls_spiffe_segment(u_char *p, u_char *last)
{
    if (p == last) {
        return "a segment of the path is empty";
    }

    if (p[0] == '.' && (last - p == 1 || (last - p == 2 && p[1] == '.'))) {
        return "a segment of the path is relative";
    }

    for ( /* void */ ; p < last; p++) {

        if (!ngx_mtls_spiffe_letter(*p)) {
            return ngx_mtls_spiffe_character(*p, "a segment of the path has "
                                             "other characters than "
                                             "[a-zA-Z0-9._-]");
        }
    }

    return NULL;
}


/* what it means that a character stands there, or else the other text */

static const char *
ngx_mtls_spiffe_character(u_char ch, const char *other)
{
    switch (ch) {

    case '%':
        return "it has percent-encoded octets";

    case '?':
        return "it has a query";

    case '#':
        return "it has a fragment";

    case '@':
        return "it has user information";

    case ':':
        return "it has a colon";

    default:
        return other;
    }
}


static ngx_uint_t
ngx_mtls_spiffe_letter(u_char ch)
{
    return (ch >= 'a' && ch <= 'z')
           || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9')
           || ch == '.' || ch == '-' || ch == '_';
}


ngx_int_t
ngx_mtls_spiffe_regex(ngx_str_t *regex, ngx_str_t *domain)
{
    u_char  *p, *last;

    p = regex->data;
    last = p + regex->len;

    if (ngx_mtls_spiffe_alternatives(p, last)) {
        return NGX_DECLINED;
    }

    if (p < last && *p == '^') {
        p++;
    }

    if ((size_t) (last - p) < NGX_MTLS_SPIFFE_START
        || ngx_strncmp(p, NGX_MTLS_SPIFFE_PREFIX, NGX_MTLS_SPIFFE_START) != 0)
    {
        return NGX_DECLINED;
    }

    domain->len = 0;

    for (p += NGX_MTLS_SPIFFE_START; p < last && *p != '/'; p++) {

        if (domain->len == NGX_MTLS_SPIFFE_DOMAIN_LEN) {
            return NGX_DECLINED;
        }

        /* a "." that is not escaped is any character */

        if (*p == '\\' && last - p > 1 && (p[1] == '.' || p[1] == '-')) {
            p++;

        } else if (*p == '.' || !ngx_mtls_spiffe_letter(*p)) {
            return NGX_DECLINED;
        }

        domain->data[domain->len++] = *p;
    }

    if (p == last || (last - p > 1 && ngx_strchr("?*{", p[1]))) {
        return NGX_DECLINED;
    }

    return ngx_mtls_spiffe_domain(domain) ? NGX_DECLINED : NGX_OK;
}


/* whether "|" stands, or may stand, outside of all groups */

static ngx_uint_t
ngx_mtls_spiffe_alternatives(u_char *p, u_char *last)
{
    ngx_uint_t  depth;

    depth = 0;

    for ( /* void */ ; p < last; p++) {

        switch (*p) {

        case '\\':
            p++;

            /* "\Q" quotes, and what is quoted is not looked into */

            if (p < last && *p == 'Q') {
                return 1;
            }

            break;

        case '[':
            p = ngx_mtls_spiffe_class(p, last);

            if (p == NULL) {
                return 1;
            }

            break;

        case '(':
            depth++;
            break;

        case ')':
            depth -= (depth != 0);
            break;

        case '|':
            if (depth == 0) {
                return 1;
            }

            break;
        }
    }

    return 0;
}


/* the end of a class of characters; NULL: it is too strange */

static u_char *
ngx_mtls_spiffe_class(u_char *p, u_char *last)
{
    p++;

    if (p < last && *p == '^') {
        p++;
    }

    /* a "]" that stands first is one of the characters */

    if (p < last && *p == ']') {
        p++;
    }

    for ( /* void */ ; p < last && *p != ']'; p++) {

        if (*p == '[') {
            return NULL;
        }

        if (*p == '\\') {
            p++;

            if (p < last && *p == 'Q') {
                return NULL;
            }
        }
    }

    return p;
}


ngx_int_t
ngx_mtls_spiffe_claim(ngx_str_t *uri, ngx_str_t *domain)
{
    u_char  *p, *last, *end;

    /* a scheme has no case (RFC 3986 3.1) */

    if (uri->len < sizeof("spiffe:") - 1
        || ngx_strncasecmp(uri->data, (u_char *) "spiffe:",
                           sizeof("spiffe:") - 1)
           != 0)
    {
        return NGX_DECLINED;
    }

    p = uri->data + sizeof("spiffe:") - 1;
    last = uri->data + uri->len;

    domain->data = p;
    domain->len = 0;

    if (last - p < 2 || p[0] != '/' || p[1] != '/') {
        return NGX_OK;
    }

    p += 2;

    for (end = p; end < last && ngx_strchr("/?#", *end) == NULL; end++) {
        if (*end == '@') {
            p = end + 1;
        }
    }

    domain->data = p;

    while (p < end && *p != ':') {
        p++;
    }

    domain->len = p - domain->data;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_spiffe_svid(ngx_mtls_certificate_t *cert, ngx_mtls_svid_t **svid)
{
    ngx_mtls_svid_t  *s;

    if (cert->svid) {
        *svid = cert->svid;
        return NGX_OK;
    }

    s = ngx_pcalloc(cert->pool, sizeof(ngx_mtls_svid_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->n = ngx_mtls_spiffe_claims(&cert->san[NGX_MTLS_SAN_URI]);

    if (s->n) {
        s->wrong = ngx_mtls_spiffe_judge(cert, &s->spiffe);

        if (s->wrong) {
            ngx_memzero(&s->spiffe, sizeof(ngx_mtls_spiffe_t));
        }
    }

    cert->svid = s;
    *svid = s;

    return NGX_OK;
}


/* whether one of the URIs is, or may be, of SPIFFE */

static ngx_uint_t
ngx_mtls_spiffe_claims(ngx_mtls_values_t *uris)
{
    ngx_str_t   domain;
    ngx_uint_t  i;

    for (i = 0; i < uris->n; i++) {

        if (uris->elts[i].data == NULL
            || ngx_mtls_spiffe_claim(&uris->elts[i], &domain) == NGX_OK)
        {
            return 1;
        }
    }

    return 0;
}


static const char *
ngx_mtls_spiffe_judge(ngx_mtls_certificate_t *cert, ngx_mtls_spiffe_t *spiffe)
{
    const char         *wrong;
    ngx_mtls_values_t  *uris;

    uris = &cert->san[NGX_MTLS_SAN_URI];

    /* X509-SVID 2: whatever the other one is */

    if (uris->n != 1) {
        return "the certificate has more than one URI";
    }

    if (uris->elts[0].data == NULL) {
        return "the URI cannot be decoded";
    }

    wrong = ngx_mtls_spiffe_id(&uris->elts[0], spiffe);

    if (wrong) {
        return wrong;
    }

    /* X509-SVID 3.1: else it is that of a trust domain */

    if (spiffe->path.len == 0) {
        return "it has no path";
    }

    if (cert->ca || cert->ca_undefined) {
        return "the certificate is that of a CA";
    }

    return ngx_mtls_spiffe_usage(cert);
}


/* X509-SVID 4.3 */

static const char *
ngx_mtls_spiffe_usage(ngx_mtls_certificate_t *cert)
{
    ngx_mtls_extension_t  *ext;

    static const u_char    key_usage[] = { 0x55, 0x1d, 0x0f };  /* 2.5.29.15 */

    ext = ngx_mtls_certificate_extension(cert, key_usage, sizeof(key_usage));

    if (ext == NULL) {
        return "the certificate has no keyUsage";
    }

    if (!ext->critical) {
        return "keyUsage is not critical";
    }

    if (!(cert->key_usage & NGX_MTLS_KU_SIGNATURE)) {
        return "keyUsage has no digitalSignature";
    }

    if (cert->key_usage & (NGX_MTLS_KU_CERT_SIGN | NGX_MTLS_KU_CRL_SIGN)) {
        return "keyUsage has keyCertSign or cRLSign";
    }

    return NULL;
}
