
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of certificates: DER put together from parts, so that each
 * part can be wrong.  Everything is of the pool of the test.
 */


#ifndef _X509_H_INCLUDED_
#define _X509_H_INCLUDED_


#include "shim.h"

#include <ngx_mtls_attribute.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>


/* octets of a literal, zeros included */
#define S(s)       ((ngx_str_t) { sizeof(s) - 1, (u_char *) s })

#define SEQ        NGX_MTLS_DER_SEQUENCE
#define SET        NGX_MTLS_DER_SET
#define UTF8       NGX_MTLS_DER_UTF8
#define PRINT      NGX_MTLS_DER_PRINTABLE
#define IA5        NGX_MTLS_DER_IA5
#define BMP        NGX_MTLS_DER_BMP
#define T61        NGX_MTLS_DER_T61
#define OCTETS     NGX_MTLS_DER_OCTETSTRING
#define BITS       NGX_MTLS_DER_BITSTRING
#define INT        NGX_MTLS_DER_INTEGER
#define OID        NGX_MTLS_DER_OID
#define CTX(n)     NGX_MTLS_DER_CTX(n)
#define CONS(n)    NGX_MTLS_DER_CTX_CONS(n)


/* whole elements of a TBSCertificate; empty: absent */
typedef struct {
    ngx_str_t     version;
    ngx_str_t     serial;
    ngx_str_t     signature;
    ngx_str_t     issuer;
    ngx_str_t     validity;
    ngx_str_t     subject;
    ngx_str_t     spki;
    ngx_str_t     unique;        /* issuerUniqueID, subjectUniqueID */
    ngx_str_t     extensions;    /* the content of the list, or all of [3] */
    ngx_str_t     tail;          /* after everything */
} x509_t;


static ngx_pool_t  *pool;


static inline int
setup(void **state)
{
    (void) state;

    shim_reset();
    pool = shim_pool();

    return 0;
}


static inline int
teardown(void **state)
{
    (void) state;

    ngx_destroy_pool(pool);

    return 0;
}


static inline ngx_str_t
str(const char *text)
{
    ngx_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


/* parts in a row */

static inline ngx_str_t
join(ngx_uint_t n, ngx_str_t *parts)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    s;
    ngx_uint_t   i;

    len = 0;

    for (i = 0; i < n; i++) {
        len += parts[i].len;
    }

    p = ngx_pnalloc(pool, len ? len : 1);
    assert_non_null(p);

    s.data = p;
    s.len = len;

    for (i = 0; i < n; i++) {
        if (parts[i].len) {
            p = ngx_cpymem(p, parts[i].data, parts[i].len);
        }
    }

    return s;
}


#define cat(...)                                                             \
    join(sizeof((ngx_str_t[]) { __VA_ARGS__ }) / sizeof(ngx_str_t),          \
         (ngx_str_t[]) { __VA_ARGS__ })


/* an element */

static inline ngx_str_t
element(ngx_uint_t tag, ngx_str_t content)
{
    u_char     header[6], *p;
    ngx_str_t  parts[2];

    p = header;
    *p++ = (u_char) tag;

    if (content.len < 0x80) {
        *p++ = (u_char) content.len;

    } else if (content.len < 0x100) {
        *p++ = 0x81;
        *p++ = (u_char) content.len;

    } else if (content.len < 0x10000) {
        *p++ = 0x82;
        *p++ = (u_char) (content.len >> 8);
        *p++ = (u_char) content.len;

    } else {
        *p++ = 0x83;
        *p++ = (u_char) (content.len >> 16);
        *p++ = (u_char) (content.len >> 8);
        *p++ = (u_char) content.len;
    }

    parts[0].data = header;
    parts[0].len = p - header;
    parts[1] = content;

    return join(2, parts);
}


#define der(tag, ...)  element(tag, cat(__VA_ARGS__))


static inline ngx_str_t
oid(const char *dotted)
{
    u_char     octets[NGX_MTLS_OID_LEN];
    ngx_str_t  s;

    s.data = octets;
    s.len = ngx_mtls_oid_parse((u_char *) dotted, strlen(dotted), '.', octets);
    assert_int_not_equal(s.len, 0);

    return element(OID, s);
}


static inline ngx_str_t
ava(const char *type, ngx_uint_t tag, ngx_str_t value)
{
    return der(SEQ, oid(type), element(tag, value));
}


/* an RDN of one attribute */

static inline ngx_str_t
rdn(const char *type, ngx_uint_t tag, ngx_str_t value)
{
    return element(SET, ava(type, tag, value));
}


static inline ngx_str_t
extension(const char *id, ngx_str_t value)
{
    return der(SEQ, oid(id), element(OCTETS, value));
}


static inline void
x509_init(x509_t *x)
{
    ngx_memzero(x, sizeof(x509_t));

    x->version = S("\xa0\x03\x02\x01\x02");
    x->serial = S("\x02\x01\x05");
    x->signature = S("\x30\x05\x06\x03\x2b\x65\x70");
    x->issuer = der(SEQ, rdn("2.5.4.3", UTF8, S("Issuer")));
    x->validity = S("\x30\x1e\x17\x0d" "240101000000Z"
                    "\x17\x0d" "260101000000Z");
    x->subject = der(SEQ, rdn("2.5.4.3", UTF8, S("Subject")));
    x->spki = S("\x30\x0a\x30\x05\x06\x03\x2b\x65\x70\x03\x01\x00");
}


static inline ngx_str_t
x509_der(x509_t *x)
{
    ngx_str_t  list, tbs;

    list = x->extensions;

    if (list.len && list.data[0] != CONS(3)) {
        list = element(CONS(3), element(SEQ, list));
    }

    tbs = der(SEQ, x->version, x->serial, x->signature, x->issuer,
              x->validity, x->subject, x->spki, x->unique, list, x->tail);

    return der(SEQ, tbs, x->signature, S("\x03\x03\x00\xab\xcd"));
}


/* parses, and fails the test with the error where it cannot */

static inline void
x509_parse(x509_t *x, ngx_mtls_certificate_t *cert)
{
    ngx_int_t          rc;
    ngx_str_t          s;
    ngx_mtls_error_t   err;

    s = x509_der(x);
    err.len = 0;
    rc = ngx_mtls_certificate_parse(pool, &s, NULL, cert, &err);

    if (rc != NGX_OK) {
        fail_msg("certificate: %d, %.*s", (int) rc, (int) err.len, err.text);
    }
}


/* a certificate with one extension */

static inline void
x509_extension(const char *id, ngx_str_t value, ngx_mtls_certificate_t *cert)
{
    x509_t  x;

    x509_init(&x);
    x.extensions = extension(id, value);
    x509_parse(&x, cert);
}


/* the n-th certificate of a file, from 0, no data: there is none */

static inline ngx_str_t
x509_file(const char *name, ngx_uint_t n)
{
    BIO        *bio;
    long        len;
    char       *label, *header, path[256];
    u_char     *data;
    ngx_str_t   s;

    (void) snprintf(path, sizeof(path), "t/unit/data/%s", name);

    bio = BIO_new_file(path, "r");
    assert_non_null(bio);

    ngx_str_null(&s);

    while (PEM_read_bio(bio, &label, &header, &data, &len)) {

        if (n-- == 0) {
            s.len = len;
            s.data = ngx_pnalloc(pool, len);
            assert_non_null(s.data);
            ngx_memcpy(s.data, data, len);
        }

        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }

    BIO_free(bio);
    ERR_clear_error();

    return s;
}


/* values joined with "|", "?" for one that is undefined */

static inline void
values_equal(const char *what, ngx_mtls_values_t *values, const char *expected)
{
    u_char      *p, *last, text[4096];
    ngx_uint_t   i;

    p = text;
    last = text + sizeof(text);

    for (i = 0; i < values->n; i++) {

        if (i) {
            *p++ = '|';
        }

        if (values->elts[i].data == NULL) {
            assert_int_equal(values->elts[i].len, 0);
            *p++ = '?';
            continue;
        }

        p = ngx_slprintf(p, last - 2, "%V", &values->elts[i]);
    }

    if ((size_t) (p - text) != strlen(expected)
        || ngx_memcmp(text, expected, p - text) != 0)
    {
        fail_msg("%s: \"%.*s\" instead of \"%s\"", what, (int) (p - text),
                 text, expected);
    }
}


/* words of a text that blanks divide */

static inline ngx_uint_t
split(const char *text, ngx_str_t *words)
{
    const char  *p;
    ngx_uint_t   n;

    n = 0;

    while (*text) {
        p = strchr(text, ' ');
        words[n].data = (u_char *) text;
        words[n].len = p ? (size_t) (p - text) : strlen(text);
        text += words[n++].len + (p ? 1 : 0);
    }

    return n;
}


/* the attribute of a group line, "subject any cn" */

static inline void
line(const char *text, ngx_mtls_attribute_t *attr)
{
    ngx_int_t          rc;
    ngx_str_t          words[8];
    ngx_uint_t         used;
    ngx_mtls_error_t   err;

    err.len = 0;
    rc = ngx_mtls_attribute_line(pool, words, split(text, words), attr, &used,
                                 &err);

    if (rc != NGX_OK) {
        fail_msg("line \"%s\": %.*s", text, (int) err.len, err.text);
    }
}


/* the attribute of a variable, "subject_cn_2" */

static inline void
variable(const char *name, ngx_mtls_attribute_t *attr)
{
    ngx_str_t  s;

    s = str(name);

    if (ngx_mtls_attribute_variable(pool, &s, attr) != NGX_OK) {
        fail_msg("variable \"%s\"", name);
    }
}


#endif /* _X509_H_INCLUDED_ */
