
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Patterns: how the values of a group line are written and compared.
 */


#include <ngx_mtls_pattern.h>


static size_t ngx_mtls_pattern_operator(ngx_str_t *word,
    ngx_mtls_pattern_t *pattern, ngx_uint_t *caseless);
static ngx_int_t ngx_mtls_pattern_part(ngx_pool_t *pool,
    ngx_mtls_line_t *line, ngx_str_t *value, ngx_uint_t caseless,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_pattern_value(ngx_pool_t *pool,
    ngx_mtls_line_t *line, ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_pattern_prefix(ngx_pool_t *pool,
    ngx_mtls_line_t *line, ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_pattern_label(ngx_pool_t *pool,
    ngx_mtls_line_t *line, ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_pattern_cidr(ngx_str_t *value,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);
static void ngx_mtls_pattern_sort(ngx_mtls_line_t *line);
static int ngx_libc_cdecl ngx_mtls_pattern_order(const void *one,
    const void *two);
static ngx_int_t ngx_mtls_pattern_compare(ngx_str_t *one, ngx_str_t *two);
static ngx_uint_t ngx_mtls_pattern_match_label(ngx_str_t *suffix,
    ngx_str_t *value);
static ngx_uint_t ngx_mtls_pattern_match_cidr(ngx_cidr_t *cidr,
    ngx_str_t *value);
static sa_family_t ngx_mtls_pattern_address(u_char *text, size_t len,
    u_char address[16]);


ngx_int_t
ngx_mtls_pattern_compile(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *words, ngx_uint_t nwords, ngx_mtls_error_t *err)
{
    size_t               len;
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_uint_t           i, caseless;
    ngx_mtls_pattern_t  *pattern;

    line->patterns = ngx_pcalloc(pool, nwords * sizeof(ngx_mtls_pattern_t));
    if (line->patterns == NULL) {
        return NGX_ERROR;
    }

    pattern = line->patterns;

    for (i = 0; i < nwords; i++) {
        value = words[i];

        len = ngx_mtls_pattern_operator(&value, pattern, &caseless);

        value.data += len;
        value.len -= len;

        if (len != 0 && value.len == 0) {

            /* a word of its own */

            if (i + 1 == nwords || words[i + 1].len == 0) {
                (void) ngx_mtls_error(err, "\"%V\" needs a value after it",
                                      &words[i]);
                return NGX_DECLINED;
            }

            value = words[++i];
        }

        if (pattern->match == NGX_MTLS_MATCH_EXACT) {
            rc = ngx_mtls_pattern_value(pool, line, &value, pattern, err);
        } else {
            rc = ngx_mtls_pattern_part(pool, line, &value, caseless, pattern,
                                       err);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        pattern++;
    }

    line->npatterns = pattern - line->patterns;

    ngx_mtls_pattern_sort(line);

    return NGX_OK;
}


/* the length of the operator with which a word begins */

static size_t
ngx_mtls_pattern_operator(ngx_str_t *word, ngx_mtls_pattern_t *pattern,
    ngx_uint_t *caseless)
{
    *caseless = 0;

    if (word->len >= 2 && word->data[0] == '^' && word->data[1] == '~') {
        pattern->match = NGX_MTLS_MATCH_PREFIX;
        return 2;
    }

    if (word->len == 0 || word->data[0] != '~') {
        pattern->match = NGX_MTLS_MATCH_EXACT;
        return 0;
    }

    pattern->match = NGX_MTLS_MATCH_REGEX;

    if (word->len >= 2 && word->data[1] == '*') {
        *caseless = 1;
        return 2;
    }

    return 1;
}


/* a value with an operator */

static ngx_int_t
ngx_mtls_pattern_part(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *value, ngx_uint_t caseless, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err)
{
    if (line->attr.id == NGX_MTLS_ATTR_CA
        || line->attr.id == NGX_MTLS_ATTR_GROUP)
    {
        (void) ngx_mtls_error(err, "\"%V\" has an operator, but \"ca\" and "
                              "\"group\" take names as they are", value);
        return NGX_DECLINED;
    }

    if (line->attr.id == NGX_MTLS_ATTR_PSD2_ROLE
        || line->attr.id == NGX_MTLS_ATTR_PSD2_COUNTRY
        || line->attr.id == NGX_MTLS_ATTR_QC_TYPE
        || line->attr.id == NGX_MTLS_ATTR_QC_COMPLIANT)
    {
        (void) ngx_mtls_error(err, "\"%V\" has an operator, but roles, "
                              "countries and types are compared exactly; "
                              "name each of them", value);
        return NGX_DECLINED;
    }

    if (line->attr.whole) {
        (void) ngx_mtls_error(err, "\"%V\" has an operator, but whole names "
                              "are compared exactly; use \"subject NAME\" or "
                              "\"issuer NAME\" for a part of a name", value);
        return NGX_DECLINED;
    }

    if (pattern->match == NGX_MTLS_MATCH_PREFIX) {
        return ngx_mtls_pattern_prefix(pool, line, value, pattern, err);
    }

    pattern->value = *value;

    return ngx_mtls_regex_compile(pool, value, caseless, &pattern->regex, err);
}


/* a prefix is brought into the form in which values come, as far as it goes */

static ngx_int_t
ngx_mtls_pattern_prefix(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *value, ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err)
{
    u_char                *p, ch;
    ngx_uint_t             i, hex, fold;
    ngx_mtls_attribute_e   id;

    id = line->attr.id;

    if (id == NGX_MTLS_ATTR_IP) {
        (void) ngx_mtls_error(err, "\"^~%V\" is no prefix of an address; use "
                              "CIDR notation, as in \"10.0.0.0/8\"", value);
        return NGX_DECLINED;
    }

    if (id == NGX_MTLS_ATTR_SPIFFE) {
        (void) ngx_mtls_error(err, "\"^~%V\" could end within a segment; use "
                              "\"*\" for one segment and \"**\" for the rest "
                              "of the path", value);
        return NGX_DECLINED;
    }

    hex = (id == NGX_MTLS_ATTR_SERIAL || id == NGX_MTLS_ATTR_FINGERPRINT
           || id == NGX_MTLS_ATTR_SPKI);
    fold = (hex || id == NGX_MTLS_ATTR_DNS);

    p = ngx_pnalloc(pool, value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    pattern->value.data = p;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (hex && ch == ':') {
            continue;
        }

        if (id == NGX_MTLS_ATTR_EMAIL && ch == '@') {
            fold = 1;
        }

        if (fold) {
            ch = (id == NGX_MTLS_ATTR_SERIAL) ? ngx_toupper(ch)
                                              : ngx_tolower(ch);
        }

        if (hex && (ch < '0' || ch > '9') && ((ch | 0x20) < 'a'
            || (ch | 0x20) > 'f') && ch != '-')
        {
            (void) ngx_mtls_error(err, "\"^~%V\" is not hexadecimal", value);
            return NGX_DECLINED;
        }

        *p++ = ch;
    }

    pattern->value.len = p - pattern->value.data;

    if (pattern->value.len == 0) {
        (void) ngx_mtls_error(err, "\"^~%V\" is empty", value);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* a value without an operator */

static ngx_int_t
ngx_mtls_pattern_value(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *value, ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    switch (line->attr.id) {

    case NGX_MTLS_ATTR_CA:
    case NGX_MTLS_ATTR_GROUP:
        pattern->value = *value;
        return NGX_OK;

    case NGX_MTLS_ATTR_URI:
        rc = ngx_mtls_pattern_segments(value, pattern, err);
        break;

    case NGX_MTLS_ATTR_SPIFFE:
        rc = ngx_mtls_pattern_spiffe(value, pattern, err);
        break;

    case NGX_MTLS_ATTR_DNS:
        rc = ngx_mtls_pattern_label(pool, line, value, pattern, err);
        break;

    case NGX_MTLS_ATTR_IP:
        rc = ngx_mtls_pattern_cidr(value, pattern, err);
        break;

    default:
        rc = NGX_OK;
        break;
    }

    if (rc != NGX_OK || pattern->match != NGX_MTLS_MATCH_EXACT) {
        return rc;
    }

    return ngx_mtls_attribute_normal(pool, &line->attr, value, &pattern->value,
                                     err);
}


/* "*.example.com": one label and the rest, which is what is kept */

static ngx_int_t
ngx_mtls_pattern_label(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *value, ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err)
{
    ngx_str_t  rest;

    if (ngx_strlchr(value->data, value->data + value->len, '*') == NULL) {
        return NGX_OK;
    }

    if (value->len < 3 || value->data[0] != '*' || value->data[1] != '.'
        || ngx_strlchr(value->data + 2, value->data + value->len, '*') != NULL)
    {
        (void) ngx_mtls_error(err, "\"*\" in \"%V\" must be the whole first "
                              "label, as in \"*.example.com\"; use a regex "
                              "(\"~...\") for anything else", value);
        return NGX_DECLINED;
    }

    rest.data = value->data + 2;
    rest.len = value->len - 2;

    pattern->match = NGX_MTLS_MATCH_LABEL;

    return ngx_mtls_attribute_normal(pool, &line->attr, &rest, &pattern->value,
                                     err);
}


static ngx_int_t
ngx_mtls_pattern_cidr(ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err)
{
    u_char       address[16], mask[16], *p, *slash, *last;
    size_t       size;
    ngx_int_t    bits;
    ngx_uint_t   i;
    sa_family_t  family;

    p = value->data;
    last = p + value->len;

    slash = ngx_strlchr(p, last, '/');
    if (slash == NULL) {
        return NGX_OK;
    }

    family = ngx_mtls_pattern_address(p, slash - p, address);
    bits = ngx_atoi(slash + 1, last - slash - 1);
    size = (family == AF_INET) ? 4 : 16;

    if (family == AF_UNSPEC || bits == NGX_ERROR
        || bits > (ngx_int_t) size * 8)
    {
        (void) ngx_mtls_error(err, "\"%V\" is neither an address nor CIDR "
                              "notation, as in \"10.0.0.0/8\"", value);
        return NGX_DECLINED;
    }

    for (i = 0; i < size; i++) {
        mask[i] = (bits >= 8) ? 0xff : (u_char) (0xff00 >> bits);
        bits -= (bits >= 8) ? 8 : bits;

        if (address[i] & ~mask[i]) {
            (void) ngx_mtls_error(err, "\"%V\" has address bits beyond its "
                                  "prefix length; clear them or give a longer "
                                  "prefix", value);
            return NGX_DECLINED;
        }
    }

    pattern->match = NGX_MTLS_MATCH_CIDR;
    pattern->value = *value;
    pattern->cidr.family = family;

    if (family == AF_INET) {
        ngx_memcpy(&pattern->cidr.u.in.addr, address, 4);
        ngx_memcpy(&pattern->cidr.u.in.mask, mask, 4);

    } else {
        ngx_memcpy(&pattern->cidr.u.in6.addr, address, 16);
        ngx_memcpy(&pattern->cidr.u.in6.mask, mask, 16);
    }

    return NGX_OK;
}


/* exact patterns first, for binary search, and regexes, the dearest, last */

static void
ngx_mtls_pattern_sort(ngx_mtls_line_t *line)
{
    ngx_uint_t           i, n;
    ngx_mtls_pattern_t  *p;

    p = line->patterns;

    ngx_qsort(p, line->npatterns, sizeof(ngx_mtls_pattern_t),
              ngx_mtls_pattern_order);

    n = 0;

    for (i = 0; i < line->npatterns; i++) {
        if (p[i].match == NGX_MTLS_MATCH_EXACT) {
            if (n != 0
                && ngx_mtls_pattern_compare(&p[n - 1].value, &p[i].value) == 0)
            {
                continue;
            }

            line->nexact = n + 1;
        }

        if (n != i) {
            p[n] = p[i];
        }

        n++;
    }

    line->npatterns = n;
}


static int ngx_libc_cdecl
ngx_mtls_pattern_order(const void *one, const void *two)
{
    ngx_int_t            a, b;
    ngx_mtls_pattern_t  *first, *second;

    first = (ngx_mtls_pattern_t *) one;
    second = (ngx_mtls_pattern_t *) two;

    a = (first->match == NGX_MTLS_MATCH_EXACT) ? 0 :
            (first->match == NGX_MTLS_MATCH_REGEX) ? 2 : 1;
    b = (second->match == NGX_MTLS_MATCH_EXACT) ? 0 :
            (second->match == NGX_MTLS_MATCH_REGEX) ? 2 : 1;

    if (a != b) {
        return a - b;
    }

    return ngx_mtls_pattern_compare(&first->value, &second->value);
}


static ngx_int_t
ngx_mtls_pattern_compare(ngx_str_t *one, ngx_str_t *two)
{
    if (one->len != two->len) {
        return (one->len < two->len) ? -1 : 1;
    }

    return (one->len != 0) ? ngx_memcmp(one->data, two->data, one->len) : 0;
}


ngx_uint_t
ngx_mtls_pattern_exact(ngx_mtls_line_t *line, ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_uint_t  low, high, middle;

    low = 0;
    high = line->nexact;

    while (low < high) {
        middle = low + (high - low) / 2;

        rc = ngx_mtls_pattern_compare(value, &line->patterns[middle].value);

        if (rc == 0) {
            return 1;
        }

        if (rc < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_mtls_pattern_match(ngx_mtls_pattern_t *pattern, ngx_str_t *value,
    ngx_uint_t n)
{
    ngx_uint_t  matches;

    switch (pattern->match) {

    case NGX_MTLS_MATCH_PREFIX:
        matches = (value->len >= pattern->value.len
                   && ngx_memcmp(value->data, pattern->value.data,
                                 pattern->value.len) == 0);
        break;

    case NGX_MTLS_MATCH_SEGMENTS:
        matches = ngx_mtls_pattern_match_segments(pattern, value);
        break;

    case NGX_MTLS_MATCH_LABEL:
        matches = ngx_mtls_pattern_match_label(&pattern->value, value);
        break;

    case NGX_MTLS_MATCH_CIDR:
        matches = ngx_mtls_pattern_match_cidr(&pattern->cidr, value);
        break;

    case NGX_MTLS_MATCH_REGEX:
        return ngx_mtls_regex_match(pattern->regex, value, n, NULL);

    default:
        return NGX_ERROR;
    }

    return matches ? NGX_OK : NGX_DECLINED;
}


/* a certificate's own wildcard is no label, and so it is never below another */

static ngx_uint_t
ngx_mtls_pattern_match_label(ngx_str_t *suffix, ngx_str_t *value)
{
    u_char  *p, *last, ch;

    if (value->len < suffix->len + 2) {
        return 0;
    }

    last = value->data + value->len - suffix->len;

    if (ngx_memcmp(last, suffix->data, suffix->len) != 0 || *--last != '.') {
        return 0;
    }

    for (p = value->data; p < last; p++) {
        ch = *p | 0x20;

        if ((ch < 'a' || ch > 'z') && (*p < '0' || *p > '9')
            && *p != '-' && *p != '_')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_mtls_pattern_match_cidr(ngx_cidr_t *cidr, ngx_str_t *value)
{
    u_char      address[16], *net, *mask;
    size_t      size;
    ngx_uint_t  i;

    if (ngx_mtls_pattern_address(value->data, value->len, address)
        != cidr->family)
    {
        return 0;
    }

    if (cidr->family == AF_INET) {
        net = (u_char *) &cidr->u.in.addr;
        mask = (u_char *) &cidr->u.in.mask;
        size = 4;

    } else {
        net = (u_char *) &cidr->u.in6.addr;
        mask = (u_char *) &cidr->u.in6.mask;
        size = 16;
    }

    for (i = 0; i < size; i++) {
        if ((address[i] & mask[i]) != net[i]) {
            return 0;
        }
    }

    return 1;
}


/* AF_UNSPEC: not an address */

static sa_family_t
ngx_mtls_pattern_address(u_char *text, size_t len, u_char address[16])
{
    char  buf[INET6_ADDRSTRLEN];

    if (len >= sizeof(buf) || ngx_strlchr(text, text + len, '\0') != NULL) {
        return AF_UNSPEC;
    }

    ngx_memcpy(buf, text, len);
    buf[len] = '\0';

    if (inet_pton(AF_INET, buf, address) == 1) {
        return AF_INET;
    }

    if (inet_pton(AF_INET6, buf, address) == 1) {
        return AF_INET6;
    }

    return AF_UNSPEC;
}
