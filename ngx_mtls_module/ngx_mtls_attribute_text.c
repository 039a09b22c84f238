
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes as the text of variables: one line, whatever a certificate holds.
 */


#include <ngx_mtls_attribute.h>
#include <ngx_mtls_qcstatement.h>


static ngx_int_t ngx_mtls_attribute_kept(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_attribute_join(ngx_pool_t *pool,
    ngx_mtls_values_t *values, ngx_uint_t multi, ngx_str_t *text);
static ngx_int_t ngx_mtls_attribute_days(ngx_pool_t *pool,
    ngx_mtls_certificate_t *cert, ngx_str_t *text);
static ngx_uint_t ngx_mtls_attribute_multi(ngx_mtls_attribute_t *attr);
static ngx_uint_t ngx_mtls_attribute_plain(ngx_mtls_attribute_t *attr,
    ngx_str_t *value, ngx_uint_t multi);
static ngx_uint_t ngx_mtls_attribute_escaped(u_char c, ngx_uint_t multi);
static size_t ngx_mtls_attribute_escape(u_char *dst, ngx_str_t *value,
    ngx_uint_t multi);


ngx_int_t
ngx_mtls_attribute_text(ngx_pool_t *pool, ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_str_t *text)
{
    ngx_uint_t          multi;
    ngx_mtls_values_t   values;

    if (attr->id == NGX_MTLS_ATTR_DAYS_LEFT) {
        return ngx_mtls_attribute_days(pool, cert, text);
    }

    if (ngx_mtls_attribute_values(cert, attr, &values) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(text, "");

    if (values.n == 0) {
        return NGX_OK;
    }

    /* one value that could be a list is written as the list of one */

    multi = ngx_mtls_attribute_multi(attr);

    if (values.n == 1
        && ngx_mtls_attribute_plain(attr, &values.elts[0], multi))
    {
        /* nearly always: nothing is copied */

        if (values.elts[0].data) {
            *text = values.elts[0];
        }

        return NGX_OK;
    }

    if (multi && ngx_mtls_attribute_is_qc_list(attr->id)) {
        return ngx_mtls_attribute_kept(cert, attr, &values, text);
    }

    return ngx_mtls_attribute_join(pool, &values, multi, text);
}


/* rules about roles ask on every request, so their text is kept */

static ngx_int_t
ngx_mtls_attribute_kept(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values, ngx_str_t *text)
{
    ngx_str_t  *kept;

    kept = &cert->qc->lists[attr->id - NGX_MTLS_ATTR_QC];

    if (kept->data == NULL
        && ngx_mtls_attribute_join(cert->pool, values, 1, kept) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *text = *kept;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_attribute_join(ngx_pool_t *pool, ngx_mtls_values_t *values,
    ngx_uint_t multi, ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    len = values->n - 1;

    for (i = 0; i < values->n; i++) {
        len += ngx_mtls_attribute_escape(NULL, &values->elts[i], multi);
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = len;

    for (i = 0; i < values->n; i++) {

        if (i) {
            *p++ = ',';
        }

        p += ngx_mtls_attribute_escape(p, &values->elts[i], multi);
    }

    return NGX_OK;
}


/* whole days until the certificate expires, negative afterwards */

static ngx_int_t
ngx_mtls_attribute_days(ngx_pool_t *pool, ngx_mtls_certificate_t *cert,
    ngx_str_t *text)
{
    int64_t  left;

    left = cert->not_after - (int64_t) ngx_time();

    /* towards the past: an hour after the end is -1 day */

    left = (left < 0) ? -((86399 - left) / 86400) : left / 86400;

    text->data = ngx_pnalloc(pool, NGX_INT64_LEN);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%L", left) - text->data;

    return NGX_OK;
}


/* whether the text is that of a list, however many values there are */

static ngx_uint_t
ngx_mtls_attribute_multi(ngx_mtls_attribute_t *attr)
{
    return attr->index == 0
           && attr->id >= NGX_MTLS_ATTR_DNS
           && attr->id <= NGX_MTLS_ATTR_PSD2_ROLE;
}


/* whether a value alone is a text as it is */

static ngx_uint_t
ngx_mtls_attribute_plain(ngx_mtls_attribute_t *attr, ngx_str_t *value,
    ngx_uint_t multi)
{
    u_char    *p, *last;
    uint64_t   w, del;

    if (attr->id >= NGX_MTLS_ATTR_FINGERPRINT
        && attr->id <= NGX_MTLS_ATTR_KEY_TYPE)
    {
        /* what we spelled ourselves */
        return 1;
    }

    if (value->len == 0) {
        return 1;
    }

    p = value->data;
    last = p + value->len;

    /* eight octets at a time: one below 0x20, or equal to 0x7f */

    for ( /* void */ ; !multi && last - p >= 8; p += 8) {
        ngx_memcpy(&w, p, 8);

        del = w ^ 0x7f7f7f7f7f7f7f7f;

        if ((((w - 0x2020202020202020) & ~w)
             | ((del - 0x0101010101010101) & ~del))
            & 0x8080808080808080)
        {
            return 0;
        }
    }

    for ( /* void */ ; p < last; p++) {
        if (ngx_mtls_attribute_escaped(*p, multi)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_mtls_attribute_escaped(u_char c, ngx_uint_t multi)
{
    if (c < 0x20 || c == 0x7f) {
        return 1;
    }

    return multi && (c > 0x7e || c == ',' || c == '%' || c == '"'
                     || c == '\\');
}


/* writes a value, or only counts where "dst" is NULL */

static size_t
ngx_mtls_attribute_escape(u_char *dst, ngx_str_t *value, ngx_uint_t multi)
{
    size_t         len, i;
    u_char         c;
    static u_char  hex[] = "0123456789ABCDEF";

    len = value->len;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (ngx_mtls_attribute_escaped(c, multi)) {
            len += 2;

            if (dst) {
                *dst++ = '%';
                *dst++ = hex[c >> 4];
                *dst++ = hex[c & 0x0f];
            }

            continue;
        }

        if (dst) {
            *dst++ = c;
        }
    }

    return len;
}
