
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The bounds-checked DER reader: elements, numbers, times and strings of
 * X.690.
 */


#include <ngx_mtls_der.h>


#define ngx_mtls_digit(c)    ((c) >= '0' && (c) <= '9')
#define ngx_mtls_two(p)      (((p)[0] - '0') * 10 + (p)[1] - '0')


static int64_t ngx_mtls_der_days(ngx_int_t year, ngx_int_t month,
    ngx_int_t day);
static ngx_uint_t ngx_mtls_der_allowed(ngx_uint_t tag, ngx_mtls_der_t *raw);
static ngx_int_t ngx_mtls_der_wide(ngx_pool_t *pool, ngx_mtls_der_t *raw,
    size_t width, ngx_str_t *text);


/* one bit for each octet from 0x00 to 0x7f */

/* A-Z a-z 0-9 space ' ( ) + , - . / : = ? (X.680 41.4) */
static uint32_t  ngx_mtls_der_printable[] = {
    0x00000000, 0xa7fffb81, 0x07fffffe, 0x07fffffe
};

/* 0-9 space (X.680 41.2) */
static uint32_t  ngx_mtls_der_numeric[] = {
    0x00000000, 0x03ff0001, 0x00000000, 0x00000000
};

static uint32_t  ngx_mtls_der_visible[] = {
    0x00000000, 0xffffffff, 0xffffffff, 0x7fffffff
};

/* all but NUL, which no value may have here */
static uint32_t  ngx_mtls_der_ia5[] = {
    0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff
};


ngx_int_t
ngx_mtls_der_get_long(ngx_mtls_der_t *d, ngx_mtls_der_t *value)
{
    u_char  *p;
    size_t   n, len, rest;

    p = d->pos + 1;
    rest = ngx_mtls_der_len(d) - 2;
    n = *p++ & 0x7f;

    /* indefinite; too long; not minimal */

    if (n == 0 || n > 4 || n > rest || *p == 0) {
        return NGX_ERROR;
    }

    rest -= n;
    len = 0;

    while (n--) {
        len = (len << 8) | *p++;
    }

    if (len < 0x80 || len > rest) {
        return NGX_ERROR;
    }

    d->pos = p + len;

    value->last = d->pos;
    value->pos = p;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_opt(ngx_mtls_der_t *d, ngx_uint_t tag, ngx_mtls_der_t *value)
{
    if (ngx_mtls_der_empty(d) || *d->pos != tag) {
        return NGX_DECLINED;
    }

    return ngx_mtls_der_get(d, tag, value);
}


ngx_int_t
ngx_mtls_der_any(ngx_mtls_der_t *d, ngx_uint_t *tag, ngx_mtls_der_t *value,
    ngx_mtls_der_t *whole)
{
    u_char  *start;

    start = d->pos;

    /* no tags of several octets; the end of contents octets are not DER */

    if (ngx_mtls_der_empty(d) || (*start & 0x1f) == 0x1f || *start == 0) {
        return NGX_ERROR;
    }

    *tag = *start;

    if (ngx_mtls_der_get(d, *start, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (whole) {
        whole->pos = start;
        whole->last = value->last;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_integer(ngx_mtls_der_t *d, ngx_mtls_der_t *value)
{
    ngx_mtls_der_t  rest, v;

    rest = *d;

    if (ngx_mtls_der_get(&rest, NGX_MTLS_DER_INTEGER, &v) != NGX_OK
        || ngx_mtls_der_empty(&v))
    {
        return NGX_ERROR;
    }

    /* the first nine bits must not be the same (X.690 8.3.2) */

    if (ngx_mtls_der_len(&v) > 1
        && ((v.pos[0] == 0x00 && !(v.pos[1] & 0x80))
            || (v.pos[0] == 0xff && (v.pos[1] & 0x80))))
    {
        return NGX_ERROR;
    }

    *d = rest;
    *value = v;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_uint(ngx_mtls_der_t *d, ngx_uint_t *n)
{
    u_char          *p;
    ngx_uint_t       v;
    ngx_mtls_der_t   rest, value;

    rest = *d;

    if (ngx_mtls_der_integer(&rest, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    p = value.pos;

    if (*p & 0x80) {
        return NGX_ERROR;
    }

    if (*p == 0) {
        p++;
    }

    if ((size_t) (value.last - p) > sizeof(ngx_uint_t)) {
        return NGX_ERROR;
    }

    for (v = 0; p < value.last; p++) {
        v = (v << 8) | *p;
    }

    *d = rest;
    *n = v;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_boolean(ngx_mtls_der_t *d, ngx_uint_t *b)
{
    u_char  *p;

    p = d->pos;

    if (ngx_mtls_der_empty(d) || *p != NGX_MTLS_DER_BOOLEAN) {
        return NGX_DECLINED;
    }

    if (ngx_mtls_der_len(d) < 3 || p[1] != 1
        || (p[2] != 0x00 && p[2] != 0xff))
    {
        return NGX_ERROR;
    }

    d->pos = p + 3;
    *b = (p[2] == 0xff);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_bits(ngx_mtls_der_t *d, ngx_mtls_der_t *value,
    ngx_uint_t *unused)
{
    ngx_uint_t      n;
    ngx_mtls_der_t  rest, v;

    rest = *d;

    if (ngx_mtls_der_get(&rest, NGX_MTLS_DER_BITSTRING, &v) != NGX_OK
        || ngx_mtls_der_empty(&v))
    {
        return NGX_ERROR;
    }

    n = *v.pos++;

    if (n > 7 || (n && ngx_mtls_der_empty(&v))) {
        return NGX_ERROR;
    }

    if (n && (v.last[-1] & ((1 << n) - 1))) {
        return NGX_ERROR;
    }

    *d = rest;
    *value = v;
    *unused = n;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_time(ngx_mtls_der_t *d, int64_t *t)
{
    u_char           *p;
    size_t            len, i;
    ngx_int_t         year, month, day, hour, min, sec;
    ngx_mtls_der_t    rest, value;
    static ngx_int_t  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    rest = *d;

    if (ngx_mtls_der_get(&rest, NGX_MTLS_DER_UTCTIME, &value) == NGX_OK) {
        len = sizeof("YYMMDDHHMMSSZ") - 1;

    } else if (ngx_mtls_der_get(&rest, NGX_MTLS_DER_GENTIME, &value)
               == NGX_OK)
    {
        len = sizeof("YYYYMMDDHHMMSSZ") - 1;

    } else {
        return NGX_ERROR;
    }

    p = value.pos;

    if (ngx_mtls_der_len(&value) != len || p[len - 1] != 'Z') {
        return NGX_ERROR;
    }

    for (i = 0; i < len - 1; i++) {
        if (!ngx_mtls_digit(p[i])) {
            return NGX_ERROR;
        }
    }

    year = ngx_mtls_two(p);
    p += 2;

    if (len == sizeof("YYYYMMDDHHMMSSZ") - 1) {
        year = year * 100 + ngx_mtls_two(p);
        p += 2;

    } else {
        year += (year >= 50) ? 1900 : 2000;
    }

    month = ngx_mtls_two(p);
    day = ngx_mtls_two(p + 2);
    hour = ngx_mtls_two(p + 4);
    min = ngx_mtls_two(p + 6);
    sec = ngx_mtls_two(p + 8);

    if (month < 1 || month > 12 || day < 1 || hour > 23 || min > 59
        || sec > 59)
    {
        return NGX_ERROR;
    }

    if (day > days[month - 1]
        && !(month == 2 && day == 29 && year % 4 == 0
             && (year % 100 != 0 || year % 400 == 0)))
    {
        return NGX_ERROR;
    }

    *d = rest;
    *t = ((ngx_mtls_der_days(year, month, day) * 24 + hour) * 60 + min) * 60
         + sec;

    return NGX_OK;
}


/* days since 1970-01-01 in the Gregorian calendar, also before it began */

static int64_t
ngx_mtls_der_days(ngx_int_t year, ngx_int_t month, ngx_int_t day)
{
    /* years begin in March, so that February 29 is a year's last day */

    if (month <= 2) {
        month += 12;
        year--;
    }

    /* year 0's January is in year -1: 400 years are added to stay above 0 */

    year += 400;

    return (int64_t) year * 365 + year / 4 - year / 100 + year / 400
           + (153 * (month - 3) + 2) / 5 + day - 1
           - (719468 + 146097);
}


ngx_int_t
ngx_mtls_der_oid(ngx_mtls_der_t *d, ngx_mtls_der_t *value)
{
    ngx_mtls_der_t  start;

    start = *d;

    if (ngx_mtls_der_get(d, NGX_MTLS_DER_OID, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_mtls_oid_valid(value->pos, ngx_mtls_der_len(value))) {
        *d = start;
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_der_string(ngx_pool_t *pool, ngx_uint_t tag, ngx_mtls_der_t *raw,
    ngx_str_t *text)
{
    u_char  *p;

    ngx_str_null(text);

    switch (tag) {

    case NGX_MTLS_DER_T61:

        for (p = raw->pos; p < raw->last && *p < 0x80; p++) { /* void */ }

        if (p < raw->last) {
            return ngx_mtls_der_wide(pool, raw, 1, text);
        }

        break;

    case NGX_MTLS_DER_BMP:
        return ngx_mtls_der_wide(pool, raw, 2, text);

    case NGX_MTLS_DER_UNIVERSAL:
        return ngx_mtls_der_wide(pool, raw, 4, text);
    }

    if (!ngx_mtls_der_allowed(tag, raw)) {
        return NGX_DECLINED;
    }

    text->len = ngx_mtls_der_len(raw);
    text->data = raw->pos;

    return NGX_OK;
}


/* whether octets that need no conversion are what the type allows */

static ngx_uint_t
ngx_mtls_der_allowed(ngx_uint_t tag, ngx_mtls_der_t *raw)
{
    u_char    *p;
    uint32_t  *set;

    switch (tag) {

    case NGX_MTLS_DER_UTF8:
        return ngx_mtls_utf8(raw->pos, ngx_mtls_der_len(raw));

    case NGX_MTLS_DER_PRINTABLE:
        set = ngx_mtls_der_printable;
        break;

    case NGX_MTLS_DER_NUMERIC:
        set = ngx_mtls_der_numeric;
        break;

    case NGX_MTLS_DER_VISIBLE:
        set = ngx_mtls_der_visible;
        break;

    case NGX_MTLS_DER_IA5:
    case NGX_MTLS_DER_T61:
        set = ngx_mtls_der_ia5;
        break;

    default:
        return 0;
    }

    for (p = raw->pos; p < raw->last; p++) {
        if (*p >= 0x80 || !(set[*p >> 5] & (1U << (*p & 0x1f)))) {
            return 0;
        }
    }

    return 1;
}


/* characters of 1, 2 or 4 octets to UTF-8 */

static ngx_int_t
ngx_mtls_der_wide(ngx_pool_t *pool, ngx_mtls_der_t *raw, size_t width,
    ngx_str_t *text)
{
    u_char    *p, *dst;
    size_t     i, len, max;
    uint32_t   c;

    len = ngx_mtls_der_len(raw);

    if (len % width) {
        return NGX_DECLINED;
    }

    if (len == 0) {
        text->data = raw->pos;
        return NGX_OK;
    }

    /* octets of UTF-8 that one character takes at most */

    max = (width == 1) ? 2 : (width == 2) ? 3 : 4;

    dst = ngx_pnalloc(pool, len / width * max);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    text->data = dst;

    for (p = raw->pos; p < raw->last; /* void */ ) {

        c = 0;

        for (i = 0; i < width; i++) {
            c = (c << 8) | *p++;
        }

        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            text->data = NULL;
            return NGX_DECLINED;
        }

        dst = ngx_mtls_utf8_put(dst, c);
    }

    text->len = dst - text->data;

    return NGX_OK;
}
