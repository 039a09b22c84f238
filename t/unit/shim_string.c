
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Stand-in for nginx's core in unit tests: formats, text, numbers, codings.
 */


#include "shim.h"


typedef struct {
    ngx_uint_t   width;
    ngx_uint_t   frac;
    size_t       len;       /* of %*s, (size_t) -1 if not given */
    u_char       pad;
    unsigned     is_unsigned:1;
    unsigned     hex:1;
    unsigned     upper:1;
    unsigned     max:1;
} shim_spec_t;


static const char *shim_spec(const char *fmt, shim_spec_t *spec,
    va_list *args);
static u_char *shim_put(u_char *buf, u_char *last, const void *data,
    size_t len);
static u_char *shim_put_text(u_char *buf, u_char *last, const u_char *text,
    size_t len, shim_spec_t *spec);
static u_char *shim_put_number(u_char *buf, u_char *last, uint64_t n,
    ngx_uint_t minus, shim_spec_t *spec);
static u_char *shim_put_float(u_char *buf, u_char *last, double f,
    shim_spec_t *spec);
static ngx_int_t shim_number(u_char *line, size_t n, ngx_uint_t base,
    ngx_int_t *value);
static void shim_base64_encode(ngx_str_t *dst, ngx_str_t *src,
    const char *basis, ngx_uint_t padding);
static ngx_int_t shim_base64_decode(ngx_str_t *dst, ngx_str_t *src,
    const char *basis);
static ngx_int_t shim_parse_unit(ngx_str_t *line, const char *units,
    const ngx_int_t *scale, ngx_int_t *value);


static const char  shim_base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char  shim_base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/* nginx's formats: %[0][width][.width][u][m][x|X][*] and a letter */

u_char *
ngx_vslprintf(u_char *buf, u_char *last, const char *fmt, va_list va)
{
    int64_t                n;
    va_list                args;
    ngx_str_t             *v;
    shim_spec_t            spec;
    ngx_variable_value_t  *vv;

    va_copy(args, va);

    while (*fmt && buf < last) {

        if (*fmt != '%') {
            *buf++ = *fmt++;
            continue;
        }

        fmt = shim_spec(fmt + 1, &spec, &args);

        switch (*fmt++) {

        case 'V':
            v = va_arg(args, ngx_str_t *);
            buf = shim_put_text(buf, last, v->data, v->len, &spec);
            continue;

        case 'v':
            vv = va_arg(args, ngx_variable_value_t *);
            buf = shim_put_text(buf, last, vv->data, vv->len, &spec);
            continue;

        case 's':
            buf = shim_put_text(buf, last, va_arg(args, u_char *), spec.len,
                                &spec);
            continue;

        case 'f':
            buf = shim_put_float(buf, last, va_arg(args, double), &spec);
            continue;

        case 'c':
            *buf++ = (u_char) va_arg(args, int);
            continue;

        case 'Z':
            *buf++ = '\0';
            continue;

        case 'N':
            *buf++ = LF;
            continue;

        case 'O':
        case 'T':
        case 'r':
            spec.is_unsigned = 0;
            /* fall through */

        case 'l':
        case 'L':
        case 'z':
            n = va_arg(args, int64_t);
            break;

        case 'i':
        case 'A':
            n = va_arg(args, int64_t);
            spec.width = spec.max ? NGX_INT_T_LEN : spec.width;
            break;

        case 'M':
            n = va_arg(args, int64_t);
            spec.is_unsigned = (n != -1);
            break;

        case 'P':
            spec.is_unsigned = 0;
            /* fall through */

        case 'd':
        case 'D':
            n = va_arg(args, int);
            n = spec.is_unsigned ? (int64_t) (uint32_t) n : n;
            break;

        case 'p':
            n = (int64_t) (uintptr_t) va_arg(args, void *);
            spec.is_unsigned = 1;
            spec.hex = 1;
            spec.upper = 1;
            spec.pad = '0';
            spec.width = 2 * sizeof(void *);
            break;

        default:
            /* "%%", and what nginx does not know */
            *buf++ = fmt[-1];
            continue;
        }

        if (n < 0 && !spec.is_unsigned) {
            buf = shim_put_number(buf, last, - (uint64_t) n, 1, &spec);

        } else {
            buf = shim_put_number(buf, last, (uint64_t) n, 0, &spec);
        }
    }

    va_end(args);

    return buf;
}


static const char *
shim_spec(const char *fmt, shim_spec_t *spec, va_list *args)
{
    ngx_memzero(spec, sizeof(shim_spec_t));

    spec->len = (size_t) -1;
    spec->pad = (*fmt == '0') ? '0' : ' ';

    while (*fmt >= '0' && *fmt <= '9') {
        spec->width = spec->width * 10 + (*fmt++ - '0');
    }

    for ( ;; fmt++) {

        switch (*fmt) {

        case 'u':
            spec->is_unsigned = 1;
            break;

        case 'm':
            spec->max = 1;
            break;

        case 'X':
            spec->upper = 1;
            /* fall through */

        case 'x':
            spec->hex = 1;
            spec->is_unsigned = 1;
            break;

        case '*':
            spec->len = va_arg(*args, size_t);
            break;

        case '.':
            while (fmt[1] >= '0' && fmt[1] <= '9') {
                spec->frac = spec->frac * 10 + (*++fmt - '0');
            }

            return fmt + 1;

        default:
            return fmt;
        }
    }
}


static u_char *
shim_put(u_char *buf, u_char *last, const void *data, size_t len)
{
    len = ngx_min(len, (size_t) (last - buf));

    if (len) {
        ngx_memcpy(buf, data, len);
    }

    return buf + len;
}


static u_char *
shim_put_text(u_char *buf, u_char *last, const u_char *text, size_t len,
    shim_spec_t *spec)
{
    const char  *digits;

    if (len == (size_t) -1) {
        len = ngx_strlen(text);
    }

    if (!spec->hex) {
        return shim_put(buf, last, text, len);
    }

    digits = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for ( /* void */ ; len && buf < last - 1; len--, text++) {
        *buf++ = digits[*text >> 4];
        *buf++ = digits[*text & 0xf];
    }

    return buf;
}


/* a minus stands before the padding and is not counted in the width */

static u_char *
shim_put_number(u_char *buf, u_char *last, uint64_t n, ngx_uint_t minus,
    shim_spec_t *spec)
{
    char  text[NGX_INT64_LEN + 1];
    int   len;

    len = snprintf(text, sizeof(text), !spec->hex ? "%" PRIu64
                   : spec->upper ? "%" PRIX64 : "%" PRIx64, n);

    if (minus && buf < last) {
        *buf++ = '-';
    }

    for ( /* void */ ; (ngx_uint_t) len < spec->width && buf < last;
         spec->width--)
    {
        *buf++ = spec->pad;
    }

    return shim_put(buf, last, text, len);
}


static u_char *
shim_put_float(u_char *buf, u_char *last, double f, shim_spec_t *spec)
{
    char  text[400];
    int   len;

    if (spec->frac == 0) {
        /* cut, not rounded */
        return shim_put_number(buf, last, (uint64_t) (f < 0 ? -f : f), f < 0,
                               spec);
    }

    len = snprintf(text, sizeof(text), "%.*f", (int) spec->frac, f);

    return shim_put(buf, last, text, len);
}


u_char *
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, (u_char *) -1, fmt, args);
    va_end(args);

    return p;
}


u_char *
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + max, fmt, args);
    va_end(args);

    return p;
}


u_char *
ngx_slprintf(u_char *buf, u_char *last, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    return p;
}


/* text */

void
ngx_strlow(u_char *dst, u_char *src, size_t n)
{
    for ( /* void */ ; n; n--, dst++, src++) {
        *dst = ngx_tolower(*src);
    }
}


size_t
ngx_strnlen(u_char *p, size_t n)
{
    return strnlen((char *) p, n);
}


u_char *
ngx_cpystrn(u_char *dst, u_char *src, size_t n)
{
    if (n == 0) {
        return dst;
    }

    while (--n && *src) {
        *dst++ = *src++;
    }

    *dst = '\0';

    return dst;
}


u_char *
ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src)
{
    u_char  *dst;

    dst = ngx_pnalloc(pool, src->len);

    if (dst) {
        (void) shim_put(dst, dst + src->len, src->data, src->len);
    }

    return dst;
}


void
ngx_explicit_memzero(void *buf, size_t n)
{
    explicit_bzero(buf, n);
}


ngx_int_t
ngx_strcasecmp(u_char *s1, u_char *s2)
{
    return strcasecmp((char *) s1, (char *) s2);
}


ngx_int_t
ngx_strncasecmp(u_char *s1, u_char *s2, size_t n)
{
    return strncasecmp((char *) s1, (char *) s2, n);
}


ngx_int_t
ngx_memn2cmp(u_char *s1, u_char *s2, size_t n1, size_t n2)
{
    ngx_int_t  rc;

    rc = ngx_memcmp(s1, s2, ngx_min(n1, n2));

    if (rc || n1 == n2) {
        return rc;
    }

    return (n1 < n2) ? -1 : 1;
}


/* s2 in the first n octets of s1, which a NUL may end earlier */

u_char *
ngx_strnstr(u_char *s1, char *s2, size_t n)
{
    n = ngx_strnlen(s1, n);

    return memmem(s1, n, s2, ngx_strlen(s2));
}


/* numbers: digits only, NGX_ERROR for anything else or what does not fit */

static ngx_int_t
shim_number(u_char *line, size_t n, ngx_uint_t base, ngx_int_t *value)
{
    ngx_int_t    digit;
    const char  *p;

    static const char  digits[] = "0123456789abcdef";

    if (n == 0) {
        return NGX_ERROR;
    }

    for (*value = 0; n; n--, line++) {
        p = memchr(digits, ngx_tolower(*line), base);
        if (p == NULL) {
            return NGX_ERROR;
        }

        digit = p - digits;

        if (*value > (NGX_MAX_INT_T_VALUE - digit) / (ngx_int_t) base) {
            return NGX_ERROR;
        }

        *value = *value * base + digit;
    }

    return NGX_OK;
}


ngx_int_t
ngx_atoi(u_char *line, size_t n)
{
    ngx_int_t  value;

    return (shim_number(line, n, 10, &value) == NGX_OK) ? value : NGX_ERROR;
}


ngx_int_t
ngx_hextoi(u_char *line, size_t n)
{
    ngx_int_t  value;

    return (shim_number(line, n, 16, &value) == NGX_OK) ? value : NGX_ERROR;
}


ssize_t
ngx_atosz(u_char *line, size_t n)
{
    return ngx_atoi(line, n);
}


off_t
ngx_atoof(u_char *line, size_t n)
{
    return ngx_atoi(line, n);
}


time_t
ngx_atotm(u_char *line, size_t n)
{
    return ngx_atoi(line, n);
}


/* sizes and times: a number and one unit, "1h30m" is for nginx alone */

static ngx_int_t
shim_parse_unit(ngx_str_t *line, const char *units, const ngx_int_t *scale,
    ngx_int_t *value)
{
    size_t       len;
    const char  *p;

    len = line->len;
    p = NULL;

    if (len && (p = strchr(units, ngx_tolower(line->data[len - 1])))) {
        len--;
    }

    if (shim_number(line->data, len, 10, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (p) {
        if (*value > NGX_MAX_INT_T_VALUE / scale[p - units]) {
            return NGX_ERROR;
        }

        *value *= scale[p - units];
    }

    return NGX_OK;
}


ssize_t
ngx_parse_size(ngx_str_t *line)
{
    ngx_int_t  value;

    static const ngx_int_t  scale[] = { 1024, 1024 * 1024 };

    return (shim_parse_unit(line, "km", scale, &value) == NGX_OK)
           ? value : NGX_ERROR;
}


ngx_int_t
ngx_parse_time(ngx_str_t *line, ngx_uint_t is_sec)
{
    ngx_int_t  value;

    static const ngx_int_t  scale[] = { 1, 60, 3600, 86400, 604800 };

    if (!is_sec && line->len > 2 && line->data[line->len - 2] == 'm') {
        return ngx_atoi(line->data, line->len - 2);
    }

    if (shim_parse_unit(line, "smhdw", scale, &value) != NGX_OK
        || value > NGX_MAX_INT_T_VALUE / 1000)
    {
        return NGX_ERROR;
    }

    return is_sec ? value : value * 1000;
}


/* codings */

u_char *
ngx_hex_dump(u_char *dst, u_char *src, size_t len)
{
    return ngx_sprintf(dst, "%*xs", len, src);
}


void
ngx_encode_base64(ngx_str_t *dst, ngx_str_t *src)
{
    shim_base64_encode(dst, src, shim_base64, 1);
}


void
ngx_encode_base64url(ngx_str_t *dst, ngx_str_t *src)
{
    shim_base64_encode(dst, src, shim_base64url, 0);
}


ngx_int_t
ngx_decode_base64(ngx_str_t *dst, ngx_str_t *src)
{
    return shim_base64_decode(dst, src, shim_base64);
}


ngx_int_t
ngx_decode_base64url(ngx_str_t *dst, ngx_str_t *src)
{
    return shim_base64_decode(dst, src, shim_base64url);
}


static void
shim_base64_encode(ngx_str_t *dst, ngx_str_t *src, const char *basis,
    ngx_uint_t padding)
{
    u_char      *d;
    size_t       i;
    uint32_t     bits;
    ngx_uint_t   nbits;

    d = dst->data;
    bits = 0;
    nbits = 0;

    for (i = 0; i < src->len; i++) {
        bits = bits << 8 | src->data[i];

        for (nbits += 8; nbits >= 6; nbits -= 6) {
            *d++ = basis[bits >> (nbits - 6) & 0x3f];
        }
    }

    if (nbits) {
        *d++ = basis[bits << (6 - nbits) & 0x3f];
    }

    while (padding && (d - dst->data) % 4) {
        *d++ = '=';
    }

    dst->len = d - dst->data;
}


static ngx_int_t
shim_base64_decode(ngx_str_t *dst, ngx_str_t *src, const char *basis)
{
    size_t       i;
    u_char      *d;
    uint32_t     bits;
    ngx_uint_t   nbits;
    const char  *p;

    d = dst->data;
    bits = 0;
    nbits = 0;

    for (i = 0; i < src->len && src->data[i] != '='; i++) {
        p = memchr(basis, src->data[i], 64);
        if (p == NULL) {
            return NGX_ERROR;
        }

        bits = bits << 6 | (p - basis);
        nbits += 6;

        if (nbits >= 8) {
            nbits -= 8;
            *d++ = (u_char) (bits >> nbits);
        }
    }

    if (i % 4 == 1) {
        return NGX_ERROR;
    }

    dst->len = d - dst->data;

    return NGX_OK;
}


/* 0xffffffff: invalid, one octet or more skipped; 0xfffffffe: cut off */

uint32_t
ngx_utf8_decode(u_char **p, size_t n)
{
    size_t    len;
    uint32_t  u, least;

    u = *(*p)++;

    if (u >= 0xf0) {
        len = 3;
        u &= 0x07;
        least = 0x10000;

    } else if (u >= 0xe0) {
        len = 2;
        u &= 0x0f;
        least = 0x800;

    } else if (u >= 0xc2) {
        len = 1;
        u &= 0x1f;
        least = 0x80;

    } else {
        return 0xffffffff;
    }

    if (n - 1 < len) {
        (*p)--;
        return 0xfffffffe;
    }

    for ( /* void */ ; len; len--) {
        if (**p < 0x80) {
            (*p)++;
            return 0xffffffff;
        }

        u = u << 6 | (*(*p)++ & 0x3f);
    }

    return (u >= least) ? u : 0xffffffff;
}


/* hashes */

ngx_uint_t
ngx_hash_key(u_char *data, size_t len)
{
    ngx_uint_t  key;

    for (key = 0; len; len--) {
        key = ngx_hash(key, *data++);
    }

    return key;
}


ngx_uint_t
ngx_hash_key_lc(u_char *data, size_t len)
{
    ngx_uint_t  key;

    for (key = 0; len; len--, data++) {
        key = ngx_hash(key, ngx_tolower(*data));
    }

    return key;
}


ngx_uint_t
ngx_hash_strlow(u_char *dst, u_char *src, size_t n)
{
    ngx_strlow(dst, src, n);

    return ngx_hash_key(dst, n);
}


/* spreads as well as nginx's, whose values nothing may rely on */

uint32_t
ngx_murmur_hash2(u_char *data, size_t len)
{
    uint32_t  h;

    for (h = 2166136261u ^ (uint32_t) len; len; len--) {
        h = (h ^ *data++) * 16777619u;
    }

    h ^= h >> 15;
    h *= 0x5bd1e995;

    return h ^ (h >> 13);
}
