
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of names: their DER from a table of attributes.
 */


#ifndef _NAMES_H_INCLUDED_
#define _NAMES_H_INCLUDED_


#include "shim.h"

#include <ngx_mtls_name.h>


/* an attribute; "joined": it is in the RDN of the one before */
typedef struct {
    const char  *oid;
    u_char       tag;
    const char  *value;
    size_t       len;
    ngx_uint_t   joined;
} ava_t;


#define lit(s)    s, sizeof(s) - 1

#define CN        "\x55\x04\x03"
#define OU        "\x55\x04\x0b"
#define O         "\x55\x04\x0a"
#define C         "\x55\x04\x06"
#define ORGID     "\x55\x04\x61"
#define ODD       "\x2b\x06\x01\x04\x01\x82\x37\x63"

#define UTF8      NGX_MTLS_DER_UTF8
#define PRINT     NGX_MTLS_DER_PRINTABLE
#define BMP       NGX_MTLS_DER_BMP
#define T61       NGX_MTLS_DER_T61
#define IA5       NGX_MTLS_DER_IA5


static ngx_pool_t  *pool;


static inline int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    return 0;
}


static inline int
teardown(void **state)
{
    ngx_destroy_pool(pool);

    return 0;
}


/* prepends tag and length to what stands at "p"; returns the new begin */

static inline u_char *
wrap(u_char *p, u_char *last, u_char tag)
{
    size_t  len;

    len = last - p;

    if (len > 255) {
        *--p = (u_char) len;
        *--p = (u_char) (len >> 8);
        *--p = 0x82;

    } else {
        *--p = (u_char) len;

        if (len > 127) {
            *--p = 0x81;
        }
    }

    *--p = tag;

    return p;
}


/* the DER of a name, up to the first attribute without a type */

static inline ngx_mtls_der_t
name_der(const ava_t *avas)
{
    u_char          *buf, *p, *last, *set, *seq;
    size_t           size;
    ngx_uint_t       n;
    ngx_mtls_der_t   d;

    size = 65536;
    buf = ngx_pnalloc(pool, size);
    last = buf + size;
    p = last;

    for (n = 0; avas[n].oid; n++) { /* void */ }

    set = p;

    while (n--) {
        seq = p;

        p -= avas[n].len;
        ngx_memcpy(p, avas[n].value, avas[n].len);
        p = wrap(p, seq, avas[n].tag);

        p -= strlen(avas[n].oid);
        ngx_memcpy(p, avas[n].oid, strlen(avas[n].oid));
        *--p = (u_char) strlen(avas[n].oid);
        *--p = NGX_MTLS_DER_OID;

        p = wrap(p, seq, NGX_MTLS_DER_SEQUENCE);

        if (!avas[n].joined) {
            p = wrap(p, set, NGX_MTLS_DER_SET);
            set = p;
        }
    }

    p = wrap(p, last, NGX_MTLS_DER_SEQUENCE);

    /* without a spare octet */

    ngx_mtls_der_set(&d, ngx_pnalloc(pool, last - p), last - p);
    ngx_memcpy(d.pos, p, last - p);

    return d;
}


static inline void
name_make(const ava_t *avas, ngx_mtls_name_t *name)
{
    ngx_mtls_der_t  d;

    d = name_der(avas);
    assert_int_equal(ngx_mtls_name_parse(pool, &d, name), NGX_OK);
}


static inline ngx_str_t
canonical(const ava_t *avas)
{
    ngx_str_t        c;
    ngx_mtls_name_t  name;

    name_make(avas, &name);
    assert_int_equal(ngx_mtls_name_canonical(pool, &name, &c), NGX_OK);

    return c;
}


#endif /* _NAMES_H_INCLUDED_ */
