
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The bounds-checked DER reader: a cursor that cannot run past its end.
 */


#ifndef _NGX_MTLS_DER_H_INCLUDED_
#define _NGX_MTLS_DER_H_INCLUDED_


#include <ngx_mtls.h>


#define NGX_MTLS_DER_BOOLEAN      0x01
#define NGX_MTLS_DER_INTEGER      0x02
#define NGX_MTLS_DER_BITSTRING    0x03
#define NGX_MTLS_DER_OCTETSTRING  0x04
#define NGX_MTLS_DER_NULL         0x05
#define NGX_MTLS_DER_OID          0x06
#define NGX_MTLS_DER_ENUMERATED   0x0a
#define NGX_MTLS_DER_UTF8         0x0c
#define NGX_MTLS_DER_NUMERIC      0x12
#define NGX_MTLS_DER_PRINTABLE    0x13
#define NGX_MTLS_DER_T61          0x14
#define NGX_MTLS_DER_IA5          0x16
#define NGX_MTLS_DER_UTCTIME      0x17
#define NGX_MTLS_DER_GENTIME      0x18
#define NGX_MTLS_DER_VISIBLE      0x1a
#define NGX_MTLS_DER_UNIVERSAL    0x1c
#define NGX_MTLS_DER_BMP          0x1e
#define NGX_MTLS_DER_SEQUENCE     0x30
#define NGX_MTLS_DER_SET          0x31

/* context-specific tags */
#define NGX_MTLS_DER_CTX(n)       (0x80 | (n))
#define NGX_MTLS_DER_CTX_CONS(n)  (0xa0 | (n))


/*
 * A view of octets that somebody else owns; reading moves "pos" towards
 * "last".  Only definite, minimal lengths and one-octet tags are DER here
 * (X.690 10.1); everything else is NGX_ERROR and leaves the cursor alone.
 * "value" may be the cursor itself, which then enters the element.
 */
typedef struct {
    u_char                      *pos;
    u_char                      *last;
} ngx_mtls_der_t;


#define ngx_mtls_der_set(d, p, n)                                            \
    do {                                                                     \
        (d)->pos = (p);                                                      \
        (d)->last = (d)->pos + (n);                                          \
    } while (0)

#define ngx_mtls_der_len(d)      ((size_t) ((d)->last - (d)->pos))

#define ngx_mtls_der_empty(d)    ((d)->pos == (d)->last)


/* ngx_mtls_der_get() for a length of several octets */
ngx_int_t ngx_mtls_der_get_long(ngx_mtls_der_t *d, ngx_mtls_der_t *value);

/* the next element, which must have this tag: its content into "value" */
static ngx_inline ngx_int_t
ngx_mtls_der_get(ngx_mtls_der_t *d, ngx_uint_t tag, ngx_mtls_der_t *value)
{
    u_char  *p;
    size_t   rest;

    p = d->pos;
    rest = ngx_mtls_der_len(d);

    if (rest < 2 || *p != tag) {
        return NGX_ERROR;
    }

    if (p[1] & 0x80) {
        return ngx_mtls_der_get_long(d, value);
    }

    if (p[1] > rest - 2) {
        return NGX_ERROR;
    }

    p += 2;
    d->pos = p + p[-1];

    value->last = d->pos;
    value->pos = p;

    return NGX_OK;
}

/* the same, but NGX_DECLINED if the next element has another tag or is none */
ngx_int_t ngx_mtls_der_opt(ngx_mtls_der_t *d, ngx_uint_t tag,
    ngx_mtls_der_t *value);

/* the next element of any tag; "whole" (may be NULL) includes its header */
ngx_int_t ngx_mtls_der_any(ngx_mtls_der_t *d, ngx_uint_t *tag,
    ngx_mtls_der_t *value, ngx_mtls_der_t *whole);

/* an INTEGER's content octets, minimal (X.690 8.3.2), sign kept */
ngx_int_t ngx_mtls_der_integer(ngx_mtls_der_t *d, ngx_mtls_der_t *value);

/* an INTEGER that is not negative and fits */
ngx_int_t ngx_mtls_der_uint(ngx_mtls_der_t *d, ngx_uint_t *n);

/* a BOOLEAN, 0x00 or 0xff (X.690 11.1); absent: NGX_DECLINED, *b untouched */
ngx_int_t ngx_mtls_der_boolean(ngx_mtls_der_t *d, ngx_uint_t *b);

/*
 * a BIT STRING: "value" gets the octets, "unused" the count of unused bits,
 * which must be zero bits (X.690 11.2)
 */
ngx_int_t ngx_mtls_der_bits(ngx_mtls_der_t *d, ngx_mtls_der_t *value,
    ngx_uint_t *unused);

/*
 * UTCTime or GeneralizedTime with seconds and "Z" (RFC 5280 4.1.2.5) as
 * seconds since 1970, negative before; no fractions, no offsets
 */
ngx_int_t ngx_mtls_der_time(ngx_mtls_der_t *d, int64_t *t);

/* an OBJECT IDENTIFIER that ngx_mtls_oid_text() can print */
ngx_int_t ngx_mtls_der_oid(ngx_mtls_der_t *d, ngx_mtls_der_t *value);


/* enough for the text of any object identifier that is accepted */
#define NGX_MTLS_OID_TEXT_LEN    256
#define NGX_MTLS_OID_LEN         64    /* content octets */

/* whether content octets are an object identifier that is accepted */
ngx_uint_t ngx_mtls_oid_valid(u_char *oid, size_t len);

/*
 * The dotted text of an object identifier's content octets; returns its
 * length, 0 if the octets are not a valid object identifier.
 */
size_t ngx_mtls_oid_text(u_char *oid, size_t len,
    u_char text[NGX_MTLS_OID_TEXT_LEN]);

/*
 * The content octets of dotted text; "sep" is '.' or '_'.  Returns their
 * length, 0 if the text is no object identifier.
 */
size_t ngx_mtls_oid_parse(u_char *text, size_t len, u_char sep,
    u_char oid[NGX_MTLS_OID_LEN]);


/*
 * Decodes a string type of X.690 to UTF-8: UTF8String, PrintableString,
 * NumericString, VisibleString, IA5String, T61String (as ISO 8859-1, which is
 * what it holds in practice), BMPString, UniversalString.  NGX_OK: "text" is
 * either inside "raw" or allocated from the pool.  NGX_DECLINED: no value (an
 * embedded NUL, octets that the type does not allow, surrogates, no string
 * type), "text" has no data.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_der_string(ngx_pool_t *pool, ngx_uint_t tag,
    ngx_mtls_der_t *raw, ngx_str_t *text);

/* whether a tag is that of a string which ngx_mtls_der_string() decodes */
#define ngx_mtls_der_is_string(tag)                                          \
    ((tag) == NGX_MTLS_DER_UTF8 || (tag) == NGX_MTLS_DER_PRINTABLE           \
     || (tag) == NGX_MTLS_DER_NUMERIC || (tag) == NGX_MTLS_DER_VISIBLE       \
     || (tag) == NGX_MTLS_DER_IA5 || (tag) == NGX_MTLS_DER_T61               \
     || (tag) == NGX_MTLS_DER_BMP || (tag) == NGX_MTLS_DER_UNIVERSAL)


#endif /* _NGX_MTLS_DER_H_INCLUDED_ */
