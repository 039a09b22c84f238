
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names: read from DER, compared as lists of sets of attributes.
 */


#include <ngx_mtls_name.h>


/* length, tag and length of an attribute in canonical octets, beside its OID */
#define NGX_MTLS_NAME_AVA_LEN  (1 + 1 + 4)

/* the count of attributes before those of an RDN */
#define NGX_MTLS_NAME_RDN_LEN  2

/* the tag of canonical text: no DER tag */
#define NGX_MTLS_NAME_TEXT     0


static ngx_int_t ngx_mtls_name_rdn(ngx_pool_t *pool, ngx_mtls_der_t *rdn,
    ngx_mtls_name_t *name, ngx_uint_t number);
static ngx_int_t ngx_mtls_name_keep(ngx_pool_t *pool, ngx_mtls_name_t *name);
static u_char *ngx_mtls_name_fold(u_char *dst, ngx_mtls_ava_t *ava);
static ngx_int_t ngx_mtls_name_sort(ngx_pool_t *pool, u_char *first,
    u_char *last, ngx_uint_t n);
static int ngx_libc_cdecl ngx_mtls_name_cmp(const void *one, const void *two);


ngx_int_t
ngx_mtls_name_parse(ngx_pool_t *pool, ngx_mtls_der_t *der,
    ngx_mtls_name_t *name)
{
    ngx_int_t       rc;
    ngx_uint_t      number;
    ngx_mtls_der_t  d, rdns, rdn;
    ngx_mtls_ava_t  avas[NGX_MTLS_NAME_MAX];

    d = *der;

    if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &rdns) != NGX_OK
        || !ngx_mtls_der_empty(&d))
    {
        return NGX_DECLINED;
    }

    name->der.data = der->pos;
    name->der.len = ngx_mtls_der_len(der);
    name->avas = avas;
    name->n = 0;
    name->doubtful = 0;

    for (number = 0; !ngx_mtls_der_empty(&rdns); number++) {

        if (ngx_mtls_der_get(&rdns, NGX_MTLS_DER_SET, &rdn) != NGX_OK) {
            return NGX_DECLINED;
        }

        rc = ngx_mtls_name_rdn(pool, &rdn, name, number);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_mtls_name_keep(pool, name);
}


/* appends the attributes of one RDN, at least one (RFC 5280 4.1.2.4) */

static ngx_int_t
ngx_mtls_name_rdn(ngx_pool_t *pool, ngx_mtls_der_t *rdn, ngx_mtls_name_t *name,
    ngx_uint_t number)
{
    ngx_mtls_der_t   d, pair, oid;
    ngx_mtls_ava_t  *ava;

    d = *rdn;

    do {
        if (name->n == NGX_MTLS_NAME_MAX) {
            return NGX_DECLINED;
        }

        ava = &name->avas[name->n++];

        if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &pair) != NGX_OK
            || ngx_mtls_der_oid(&pair, &oid) != NGX_OK
            || ngx_mtls_der_any(&pair, &ava->tag, &ava->raw, NULL) != NGX_OK
            || !ngx_mtls_der_empty(&pair))
        {
            return NGX_DECLINED;
        }

        ava->oid.data = oid.pos;
        ava->oid.len = ngx_mtls_der_len(&oid);
        ava->rdn = number;

        if (ngx_mtls_der_string(pool, ava->tag, &ava->raw, &ava->text)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }

        if (ava->text.data == NULL && ngx_mtls_der_is_string(ava->tag)) {
            name->doubtful = 1;
        }

    } while (!ngx_mtls_der_empty(&d));

    return NGX_OK;
}


/* moves the attributes from the stack, where there is room for any number */

static ngx_int_t
ngx_mtls_name_keep(ngx_pool_t *pool, ngx_mtls_name_t *name)
{
    ngx_mtls_ava_t  *avas;

    avas = name->avas;
    name->avas = NULL;

    if (name->n == 0) {
        return NGX_OK;
    }

    name->avas = ngx_palloc(pool, name->n * sizeof(ngx_mtls_ava_t));
    if (name->avas == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(name->avas, avas, name->n * sizeof(ngx_mtls_ava_t));

    return NGX_OK;
}


ngx_int_t
ngx_mtls_name_append(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_mtls_der_t *rdn, ngx_mtls_name_t *result)
{
    ngx_int_t       rc;
    ngx_uint_t      number;
    ngx_mtls_ava_t  avas[NGX_MTLS_NAME_MAX];

    number = 0;

    if (name->n) {
        ngx_memcpy(avas, name->avas, name->n * sizeof(ngx_mtls_ava_t));
        number = avas[name->n - 1].rdn + 1;
    }

    ngx_str_null(&result->der);

    result->avas = avas;
    result->n = name->n;
    result->doubtful = name->doubtful;

    rc = ngx_mtls_name_rdn(pool, rdn, result, number);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_mtls_name_keep(pool, result);
}


ngx_int_t
ngx_mtls_name_canonical(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_str_t *canonical)
{
    u_char          *p, *first;
    size_t           len;
    ngx_uint_t       i, n;
    ngx_mtls_ava_t  *ava;

    len = 1;

    for (i = 0; i < name->n; i++) {
        ava = &name->avas[i];
        len += NGX_MTLS_NAME_RDN_LEN + NGX_MTLS_NAME_AVA_LEN + ava->oid.len
               + (ava->text.data ? ava->text.len
                                 : ngx_mtls_der_len(&ava->raw));
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    canonical->data = p;

    for (i = 0; i < name->n; i += n) {
        ava = &name->avas[i];

        first = p + NGX_MTLS_NAME_RDN_LEN;
        p = first;

        for (n = 0; i + n < name->n && ava[n].rdn == ava->rdn; n++) {
            p = ngx_mtls_name_fold(p, &ava[n]);
        }

        first[-2] = (u_char) (n >> 8);
        first[-1] = (u_char) n;

        if (n > 1 && ngx_mtls_name_sort(pool, first, p, n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    canonical->len = p - canonical->data;

    return NGX_OK;
}


/*
 * One attribute.  Folded is what X.520's caseIgnoreMatch takes for equal in
 * ASCII; case and composition of other letters are kept, as in OpenSSL.
 */

static u_char *
ngx_mtls_name_fold(u_char *dst, ngx_mtls_ava_t *ava)
{
    u_char      c, *p, *last, *len;
    ngx_uint_t  space;

    *dst++ = (u_char) ava->oid.len;
    dst = ngx_cpymem(dst, ava->oid.data, ava->oid.len);

    *dst++ = ava->text.data ? NGX_MTLS_NAME_TEXT : (u_char) ava->tag;

    len = dst;
    dst += 4;

    if (ava->text.data) {
        p = ava->text.data;
        last = p + ava->text.len;
        space = 0;

        for ( /* void */ ; p < last; p++) {
            c = *p;

            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                space = 1;
                continue;
            }

            if (space) {
                space = 0;

                if (dst > len + 4) {
                    *dst++ = ' ';
                }
            }

            *dst++ = ngx_tolower(c);
        }

    } else {
        dst = ngx_cpymem(dst, ava->raw.pos, ngx_mtls_der_len(&ava->raw));
    }

    last = dst - 4;

    len[0] = (u_char) ((last - len) >> 24);
    len[1] = (u_char) ((last - len) >> 16);
    len[2] = (u_char) ((last - len) >> 8);
    len[3] = (u_char) (last - len);

    return dst;
}


/* sorts the attributes of one RDN in place */

static ngx_int_t
ngx_mtls_name_sort(ngx_pool_t *pool, u_char *first, u_char *last, ngx_uint_t n)
{
    u_char      *p, *copy;
    size_t       len;
    ngx_str_t   *elts;
    ngx_uint_t   i;

    elts = ngx_palloc(pool, n * sizeof(ngx_str_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    copy = ngx_pnalloc(pool, last - first);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(copy, first, last - first);

    p = copy;

    for (i = 0; i < n; i++) {
        elts[i].data = p;

        /* the length of the value stands before it */

        p += 1 + p[0] + 1;
        len = ((size_t) p[0] << 24) | (p[1] << 16) | (p[2] << 8) | p[3];
        p += 4 + len;

        elts[i].len = p - elts[i].data;
    }

    ngx_qsort(elts, n, sizeof(ngx_str_t), ngx_mtls_name_cmp);

    for (i = 0; i < n; i++) {
        first = ngx_cpymem(first, elts[i].data, elts[i].len);
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_mtls_name_cmp(const void *one, const void *two)
{
    int               rc;
    const ngx_str_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->data, b->data, ngx_min(a->len, b->len));
    if (rc != 0) {
        return rc;
    }

    return (a->len > b->len) - (a->len < b->len);
}


ngx_int_t
ngx_mtls_name_hash(ngx_pool_t *pool, ngx_mtls_name_t *name,
    u_char hash[NGX_MTLS_HASH_LEN])
{
    ngx_str_t  canonical;

    if (ngx_mtls_name_canonical(pool, name, &canonical) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mtls_sha256(canonical.data, canonical.len, hash);
}


ngx_int_t
ngx_mtls_general_name_hash(ngx_pool_t *pool, ngx_mtls_der_t *whole,
    u_char hash[NGX_MTLS_HASH_LEN])
{
    ngx_int_t        rc;
    ngx_uint_t       tag;
    ngx_mtls_der_t   d, value;
    ngx_mtls_name_t  name;

    d = *whole;

    if (ngx_mtls_der_any(&d, &tag, &value, NULL) != NGX_OK
        || !ngx_mtls_der_empty(&d))
    {
        return NGX_DECLINED;
    }

    if (tag == NGX_MTLS_DER_CTX_CONS(4)) {
        rc = ngx_mtls_name_parse(pool, &value, &name);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_mtls_name_hash(pool, &name, hash);
    }

    return ngx_mtls_sha256(whole->pos, ngx_mtls_der_len(whole), hash);
}
