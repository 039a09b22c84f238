
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The organizationIdentifier of a subject, split at its first hyphens only:
 * what follows them may be anything.
 */


#include <ngx_mtls_organization.h>


#define NGX_MTLS_ORG_SCHEME_LEN     3
#define NGX_MTLS_ORG_COUNTRY_LEN    2
#define NGX_MTLS_ORG_STATE_MAX      3    /* ISO 3166-2 */
#define NGX_MTLS_ORG_AUTHORITY_MIN  2
#define NGX_MTLS_ORG_AUTHORITY_MAX  8

#define ngx_mtls_upper(c)           ((c) >= 'A' && (c) <= 'Z')
#define ngx_mtls_digit(c)           ((c) >= '0' && (c) <= '9')


static void ngx_mtls_organization_clear(ngx_mtls_organization_t *org);
static ngx_int_t ngx_mtls_organization_etsi(ngx_str_t *text,
    ngx_mtls_organization_t *org);
static ngx_int_t ngx_mtls_organization_authority(u_char **p, u_char *last,
    ngx_mtls_organization_t *org);
static ngx_int_t ngx_mtls_organization_state(u_char **p, u_char *last,
    ngx_mtls_organization_t *org);
static ngx_int_t ngx_mtls_organization_brazil(ngx_str_t *text,
    ngx_mtls_organization_t *org);


ngx_int_t
ngx_mtls_organization_split(ngx_str_t *text, ngx_mtls_organization_t *org)
{
    ngx_mtls_organization_clear(org);

    if (ngx_mtls_organization_etsi(text, org) == NGX_OK) {
        return NGX_OK;
    }

    ngx_mtls_organization_clear(org);

    return ngx_mtls_organization_brazil(text, org);
}


static void
ngx_mtls_organization_clear(ngx_mtls_organization_t *org)
{
    ngx_str_null(&org->scheme);
    ngx_str_null(&org->country);
    ngx_str_null(&org->state);
    ngx_str_null(&org->authority);
    ngx_str_null(&org->value);
}


/* a scheme of three letters, or of two and a colon, and a country */

static ngx_int_t
ngx_mtls_organization_etsi(ngx_str_t *text, ngx_mtls_organization_t *org)
{
    u_char      *p, *last;
    ngx_uint_t   psd, national;

    p = text->data;
    last = p + text->len;

    if (text->len < NGX_MTLS_ORG_SCHEME_LEN + NGX_MTLS_ORG_COUNTRY_LEN
        || !ngx_mtls_upper(p[3]) || !ngx_mtls_upper(p[4]))
    {
        return NGX_DECLINED;
    }

    psd = (ngx_strncmp(p, "PSD", 3) == 0);
    national = (ngx_mtls_upper(p[0]) && ngx_mtls_upper(p[1]) && p[2] == ':');

    if (!psd && !national && ngx_strncmp(p, "NTR", 3) != 0
        && ngx_strncmp(p, "VAT", 3) != 0 && ngx_strncmp(p, "LEI", 3) != 0)
    {
        return NGX_DECLINED;
    }

    org->scheme.data = p;
    org->scheme.len = NGX_MTLS_ORG_SCHEME_LEN;
    p += NGX_MTLS_ORG_SCHEME_LEN;

    org->country.data = p;
    org->country.len = NGX_MTLS_ORG_COUNTRY_LEN;
    p += NGX_MTLS_ORG_COUNTRY_LEN;

    if (psd) {
        if (ngx_mtls_organization_authority(&p, last, org) != NGX_OK) {
            return NGX_DECLINED;
        }

    } else if (!national
               && ngx_mtls_organization_state(&p, last, org) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (last - p < 2 || *p != '-') {
        return NGX_DECLINED;
    }

    org->value.data = p + 1;
    org->value.len = last - org->value.data;

    return NGX_OK;
}


/* "-BAFIN", up to the second hyphen */

static ngx_int_t
ngx_mtls_organization_authority(u_char **p, u_char *last,
    ngx_mtls_organization_t *org)
{
    u_char  *end;

    if (*p == last || **p != '-') {
        return NGX_DECLINED;
    }

    org->authority.data = *p + 1;

    for (end = *p + 1; end < last && ngx_mtls_upper(*end); end++) {
        /* void */
    }

    org->authority.len = end - org->authority.data;
    *p = end;

    return (org->authority.len >= NGX_MTLS_ORG_AUTHORITY_MIN
            && org->authority.len <= NGX_MTLS_ORG_AUTHORITY_MAX)
           ? NGX_OK : NGX_DECLINED;
}


/* "+HE", which need not be there (CA/Browser Forum, EV Guidelines 9.2.8) */

static ngx_int_t
ngx_mtls_organization_state(u_char **p, u_char *last,
    ngx_mtls_organization_t *org)
{
    u_char  *end;

    if (*p == last || **p != '+') {
        return NGX_OK;
    }

    org->state.data = *p + 1;

    for (end = *p + 1;
         end < last && (ngx_mtls_upper(*end) || ngx_mtls_digit(*end));
         end++)
    {
        /* void */
    }

    org->state.len = end - org->state.data;
    *p = end;

    return (org->state.len >= 1 && org->state.len <= NGX_MTLS_ORG_STATE_MAX)
           ? NGX_OK : NGX_DECLINED;
}


/* "OFBBR-" (open finance), "OPIBR-" (open insurance) */

static ngx_int_t
ngx_mtls_organization_brazil(ngx_str_t *text, ngx_mtls_organization_t *org)
{
    if (text->len < sizeof("OFBBR-")
        || (ngx_strncmp(text->data, "OFBBR-", 6) != 0
            && ngx_strncmp(text->data, "OPIBR-", 6) != 0))
    {
        return NGX_DECLINED;
    }

    org->scheme.data = text->data;
    org->scheme.len = 5;

    org->country.data = text->data + 3;
    org->country.len = NGX_MTLS_ORG_COUNTRY_LEN;

    org->value.data = text->data + 6;
    org->value.len = text->len - 6;

    return NGX_OK;
}
