
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Object identifiers (X.690 8.19): checked, printed, read from dotted text.
 */


#include <ngx_mtls_der.h>


#define ngx_mtls_digit(c)     ((c) >= '0' && (c) <= '9')

/* octets of an arc that fit into 64 bits */
#define NGX_MTLS_ARC_SHORT    9

/* decimal digits of an arc: 64 octets of 7 bits are less than 10^135 */
#define NGX_MTLS_ARC_DIGITS   136


static size_t ngx_mtls_oid_arc_len(u_char *p);
static u_char *ngx_mtls_oid_short(u_char *dst, u_char *p, size_t len,
    ngx_uint_t first);
static u_char *ngx_mtls_oid_long(u_char *dst, u_char *p, size_t len,
    ngx_uint_t first);
static size_t ngx_mtls_oid_digits(u_char *text, size_t len, u_char *digits);
static ngx_int_t ngx_mtls_oid_pack(u_char *digits, size_t n, ngx_uint_t add,
    u_char **dst, u_char *end);


ngx_uint_t
ngx_mtls_oid_valid(u_char *oid, size_t len)
{
    u_char  *p, *last, bits;

    /* most are of X.520 or RFC 5280: 2.5.4.N, 2.5.29.N */

    if (len == 3 && !((oid[0] | oid[1] | oid[2]) & 0x80)) {
        return 1;
    }

    last = oid + len;

    if (len == 0 || len > NGX_MTLS_OID_LEN || (last[-1] & 0x80)) {
        return 0;
    }

    bits = 0;

    for (p = oid; p < last; p++) {
        bits |= *p;
    }

    if (!(bits & 0x80)) {
        return 1;
    }

    for (p = oid; p < last; p++) {

        /* an arc of several octets must not begin with a leading zero */

        if (*p == 0x80) {
            return 0;
        }

        while (*p & 0x80) {
            p++;
        }
    }

    return 1;
}


size_t
ngx_mtls_oid_text(u_char *oid, size_t len, u_char text[NGX_MTLS_OID_TEXT_LEN])
{
    u_char  *p, *last, *dst;
    size_t   n;

    if (!ngx_mtls_oid_valid(oid, len)) {
        return 0;
    }

    last = oid + len;
    dst = text;

    for (p = oid; p < last; p += n) {

        if (p != oid) {
            *dst++ = '.';
        }

        n = ngx_mtls_oid_arc_len(p);

        dst = (n > NGX_MTLS_ARC_SHORT)
              ? ngx_mtls_oid_long(dst, p, n, p == oid)
              : ngx_mtls_oid_short(dst, p, n, p == oid);
    }

    return dst - text;
}


/* octets of the arc that begins here; all but the last have the high bit */

static size_t
ngx_mtls_oid_arc_len(u_char *p)
{
    size_t  n;

    for (n = 1; *p & 0x80; p++) {
        n++;
    }

    return n;
}


/* an arc, or the first two, which are one: X * 40 + Y, Y < 40 unless X is 2 */

static u_char *
ngx_mtls_oid_short(u_char *dst, u_char *p, size_t len, ngx_uint_t first)
{
    u_char    *end, digits[NGX_INT64_LEN];
    uint64_t   v;

    v = 0;

    do {
        v = (v << 7) | (*p++ & 0x7f);
    } while (--len);

    if (first) {
        *dst++ = (v < 40) ? '0' : (v < 80) ? '1' : '2';
        *dst++ = '.';

        v -= (v < 40) ? 0 : (v < 80) ? 40 : 80;
    }

    if (v < 10) {
        *dst++ = (u_char) ('0' + v);
        return dst;
    }

    end = digits;

    do {
        *end++ = (u_char) ('0' + v % 10);
        v /= 10;
    } while (v);

    do {
        *dst++ = *--end;
    } while (end > digits);

    return dst;
}


/* the same for arcs of any size (2.25 is followed by 128 bits), in decimal */

static u_char *
ngx_mtls_oid_long(u_char *dst, u_char *p, size_t len, ngx_uint_t first)
{
    u_char      digits[NGX_MTLS_ARC_DIGITS];
    ngx_uint_t  i, n, carry;

    digits[0] = 0;
    n = 1;

    while (len--) {
        carry = *p++ & 0x7f;

        for (i = 0; i < n; i++) {
            carry += digits[i] * 128;
            digits[i] = (u_char) (carry % 10);
            carry /= 10;
        }

        while (carry) {
            digits[n++] = (u_char) (carry % 10);
            carry /= 10;
        }
    }

    if (first) {
        *dst++ = '2';
        *dst++ = '.';

        /* minus 80; what is this long stays above it */

        for (i = 1, carry = 8; digits[i] < carry; i++, carry = 1) {
            digits[i] += (u_char) (10 - carry);
        }

        digits[i] -= (u_char) carry;

        while (digits[n - 1] == 0) {
            n--;
        }
    }

    while (n) {
        *dst++ = (u_char) ('0' + digits[--n]);
    }

    return dst;
}


size_t
ngx_mtls_oid_parse(u_char *text, size_t len, u_char sep,
    u_char oid[NGX_MTLS_OID_LEN])
{
    u_char      *p, *last, *dst, digits[NGX_MTLS_OID_TEXT_LEN];
    size_t       n;
    ngx_uint_t   first;

    if (len < 3 || len > NGX_MTLS_OID_TEXT_LEN
        || text[0] < '0' || text[0] > '2' || text[1] != sep)
    {
        return 0;
    }

    first = text[0] - '0';

    p = text + 2;
    last = text + len;
    dst = oid;

    for ( ;; ) {
        n = ngx_mtls_oid_digits(p, last - p, digits);
        if (n == 0) {
            return 0;
        }

        if (dst == oid && first < 2
            && (n > 2 || (n == 2 && digits[1] >= 4)))
        {
            return 0;
        }

        p += n;

        if (ngx_mtls_oid_pack(digits, n, (dst == oid) ? first * 40 : 0, &dst,
                              oid + NGX_MTLS_OID_LEN)
            != NGX_OK)
        {
            return 0;
        }

        if (p == last) {
            return dst - oid;
        }

        if (*p++ != sep) {
            return 0;
        }
    }
}


/* the digits of one arc, the last one first; 0: none or leading zeros */

static size_t
ngx_mtls_oid_digits(u_char *text, size_t len, u_char *digits)
{
    size_t  i, n;

    for (n = 0; n < len && ngx_mtls_digit(text[n]); n++) { /* void */ }

    if (n == 0 || (n > 1 && text[0] == '0')) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        digits[i] = text[n - 1 - i] - '0';
    }

    return n;
}


/* appends an arc's decimal digits plus "add" as groups of seven bits */

static ngx_int_t
ngx_mtls_oid_pack(u_char *digits, size_t n, ngx_uint_t add, u_char **dst,
    u_char *end)
{
    u_char      groups[NGX_MTLS_OID_LEN];
    size_t      i, ngroups;
    ngx_uint_t  rest;

    ngroups = 0;

    do {
        if (ngroups == NGX_MTLS_OID_LEN) {
            return NGX_DECLINED;
        }

        rest = 0;

        for (i = n; i > 0; i--) {
            rest = rest * 10 + digits[i - 1];
            digits[i - 1] = (u_char) (rest / 128);
            rest %= 128;
        }

        while (n && digits[n - 1] == 0) {
            n--;
        }

        groups[ngroups++] = (u_char) rest;

    } while (n);

    for (i = 0; add; i++) {

        if (i == ngroups) {
            if (ngroups == NGX_MTLS_OID_LEN) {
                return NGX_DECLINED;
            }

            groups[ngroups++] = 0;
        }

        add += groups[i];
        groups[i] = add & 0x7f;
        add >>= 7;
    }

    if ((size_t) (end - *dst) < ngroups) {
        return NGX_DECLINED;
    }

    while (ngroups--) {
        *(*dst)++ = groups[ngroups] | (ngroups ? 0x80 : 0);
    }

    return NGX_OK;
}
