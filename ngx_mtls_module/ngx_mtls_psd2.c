
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The PSD2 statement of a certificate: the OID of a role decides, and its name
 * must be the one of this OID.
 */


#include <ngx_mtls_psd2.h>


#define NGX_MTLS_PSD2_COUNTRY_LEN  2
#define NGX_MTLS_PSD2_NCA_MIN      2     /* letters after the hyphen */
#define NGX_MTLS_PSD2_NCA_MAX      8

/* of roles by their numbers */
#define ngx_mtls_psd2_bit(n)       ((uint64_t) 1 << (n))

#define ngx_mtls_upper(c)          ((c) >= 'A' && (c) <= 'Z')


static ngx_int_t ngx_mtls_psd2_statement(ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *info, ngx_mtls_psd2_t *psd2);
static ngx_int_t ngx_mtls_psd2_roles(ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *roles, ngx_mtls_psd2_t *psd2);
static ngx_int_t ngx_mtls_psd2_pair(ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *role, ngx_mtls_psd2_t *psd2);
static ngx_int_t ngx_mtls_psd2_text(ngx_mtls_der_t *d, ngx_str_t *text);
static ngx_mtls_psd2_role_t *ngx_mtls_psd2_known(ngx_mtls_psd2_rules_t *rules,
    ngx_uint_t number);
static ngx_uint_t ngx_mtls_psd2_equal(ngx_str_t *one, ngx_str_t *two);


/* 0.4.0.19495.1.x (TS 119 495 V1.8.1, annex A), in the order of lists */
static ngx_mtls_psd2_role_t  ngx_mtls_psd2_roles_known[] = {

    { ngx_string("\x04\x00\x81\x98\x27\x01\x01"), ngx_string("PSP_AS") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x02"), ngx_string("PSP_PI") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x03"), ngx_string("PSP_AI") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x04"), ngx_string("PSP_IC") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x05"), ngx_string("PSP_CB") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x06"), ngx_string("PSP_PA") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x33"), ngx_string("VOP_RS") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x34"), ngx_string("VOP_VS") },
    { ngx_string("\x04\x00\x81\x98\x27\x01\x00"), ngx_string("Unspecified") },
};


#define NGX_MTLS_PSD2_CB           4     /* numbers in this table */
#define NGX_MTLS_PSD2_PA           5
#define NGX_MTLS_PSD2_UNSPECIFIED  8

#define NGX_MTLS_PSD2_BUILTIN      (sizeof(ngx_mtls_psd2_roles_known)         \
                                    / sizeof(ngx_mtls_psd2_role_t))


void
ngx_mtls_psd2_read(ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *info,
    ngx_mtls_psd2_t *psd2)
{
    ngx_memzero(psd2, sizeof(ngx_mtls_psd2_t));

    psd2->status = NGX_MTLS_PSD2_OK;

    if (ngx_mtls_psd2_statement(rules, info, psd2) != NGX_OK) {
        psd2->status = NGX_MTLS_PSD2_MALFORMED;
    }

    if (psd2->status == NGX_MTLS_PSD2_MALFORMED
        || psd2->status == NGX_MTLS_PSD2_MISMATCH)
    {
        psd2->roles = 0;
        ngx_str_null(&psd2->nca_name);
        ngx_str_null(&psd2->nca);
    }
}


static ngx_int_t
ngx_mtls_psd2_statement(ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *info,
    ngx_mtls_psd2_t *psd2)
{
    ngx_mtls_der_t  d, type, roles;

    d = *info;

    if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &type) != NGX_OK
        || !ngx_mtls_der_empty(&d)
        || ngx_mtls_der_get(&type, NGX_MTLS_DER_SEQUENCE, &roles) != NGX_OK
        || ngx_mtls_psd2_roles(rules, &roles, psd2) != NGX_OK
        || ngx_mtls_psd2_text(&type, &psd2->nca_name) != NGX_OK
        || ngx_mtls_psd2_text(&type, &psd2->nca) != NGX_OK
        || !ngx_mtls_der_empty(&type))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* RolesOfPSP, one or more; an empty list must not pass for "all of none" */

static ngx_int_t
ngx_mtls_psd2_roles(ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *roles,
    ngx_mtls_psd2_t *psd2)
{
    ngx_uint_t      n;
    ngx_mtls_der_t  role;

    n = 0;

    do {
        n++;

        if (ngx_mtls_der_get(roles, NGX_MTLS_DER_SEQUENCE, &role) != NGX_OK
            || ngx_mtls_psd2_pair(rules, &role, psd2) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_mtls_der_empty(&role)) {
            continue;
        }

        /* more pairs: the flat form, which has one SEQUENCE only */

        if (rules == NULL || !rules->flat || n != 1
            || !ngx_mtls_der_empty(roles))
        {
            return NGX_ERROR;
        }

        if (psd2->status == NGX_MTLS_PSD2_OK) {
            psd2->status = NGX_MTLS_PSD2_COMPAT_FLAT;
        }

        do {
            if (ngx_mtls_psd2_pair(rules, &role, psd2) != NGX_OK) {
                return NGX_ERROR;
            }
        } while (!ngx_mtls_der_empty(&role));

    } while (!ngx_mtls_der_empty(roles));

    return NGX_OK;
}


/* an OID that is not known grants nothing, whatever it is called */

static ngx_int_t
ngx_mtls_psd2_pair(ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *role,
    ngx_mtls_psd2_t *psd2)
{
    ngx_str_t              id, name;
    ngx_uint_t             i;
    ngx_mtls_der_t         oid;
    ngx_mtls_psd2_role_t  *known;

    if (ngx_mtls_der_oid(role, &oid) != NGX_OK
        || ngx_mtls_psd2_text(role, &name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    id.data = oid.pos;
    id.len = ngx_mtls_der_len(&oid);

    for (i = 0; /* void */ ; i++) {
        known = ngx_mtls_psd2_known(rules, i);

        if (known == NULL) {
            return NGX_OK;
        }

        if (ngx_mtls_psd2_equal(&known->oid, &id)) {
            break;
        }
    }

    if (ngx_mtls_psd2_equal(&known->name, &name)) {
        psd2->roles |= ngx_mtls_psd2_bit(i);

    } else {
        psd2->status = NGX_MTLS_PSD2_MISMATCH;
    }

    return NGX_OK;
}


/* UTF8String (SIZE (1..256)), which counts characters */

static ngx_int_t
ngx_mtls_psd2_text(ngx_mtls_der_t *d, ngx_str_t *text)
{
    size_t          n;
    u_char         *p;
    ngx_mtls_der_t  value;

    if (ngx_mtls_der_get(d, NGX_MTLS_DER_UTF8, &value) != NGX_OK
        || ngx_mtls_der_empty(&value)
        || ngx_mtls_der_len(&value) > NGX_MTLS_PSD2_TEXT_MAX * 4
        || !ngx_mtls_utf8(value.pos, ngx_mtls_der_len(&value)))
    {
        return NGX_ERROR;
    }

    for (n = 0, p = value.pos; p < value.last; p++) {
        n += ((*p & 0xc0) != 0x80);
    }

    if (n > NGX_MTLS_PSD2_TEXT_MAX) {
        return NGX_ERROR;
    }

    text->data = value.pos;
    text->len = ngx_mtls_der_len(&value);

    return NGX_OK;
}


static ngx_mtls_psd2_role_t *
ngx_mtls_psd2_known(ngx_mtls_psd2_rules_t *rules, ngx_uint_t number)
{
    if (number < NGX_MTLS_PSD2_BUILTIN) {
        return &ngx_mtls_psd2_roles_known[number];
    }

    number -= NGX_MTLS_PSD2_BUILTIN;

    if (rules == NULL || number >= rules->nroles) {
        return NULL;
    }

    return &rules->roles[number];
}


static ngx_uint_t
ngx_mtls_psd2_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}


ngx_str_t *
ngx_mtls_psd2_role(ngx_mtls_psd2_rules_t *rules, ngx_uint_t number)
{
    ngx_mtls_psd2_role_t  *role;

    role = ngx_mtls_psd2_known(rules, number);

    return role ? &role->name : NULL;
}


ngx_uint_t
ngx_mtls_psd2_grants(ngx_mtls_psd2_rules_t *rules, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_mtls_psd2_role_t  *role;

    for (i = 0; (role = ngx_mtls_psd2_known(rules, i)) != NULL; i++) {
        if (ngx_mtls_psd2_equal(&role->name, name)) {
            return i != NGX_MTLS_PSD2_UNSPECIFIED;
        }
    }

    return 0;
}


ngx_int_t
ngx_mtls_psd2_add(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_str_t *text, ngx_mtls_error_t *err)
{
    u_char                *colon, *last, octets[NGX_MTLS_OID_LEN];
    ngx_str_t              oid, name;
    ngx_uint_t             i;
    ngx_mtls_psd2_role_t  *role;

    last = text->data + text->len;
    colon = ngx_strlchr(text->data, last, ':');

    oid.data = octets;
    oid.len = 0;
    ngx_str_null(&name);

    if (colon) {
        oid.len = ngx_mtls_oid_parse(text->data, colon - text->data, '.',
                                     octets);
        name.data = colon + 1;
        name.len = last - name.data;
    }

    if (oid.len == 0 || name.len == 0 || name.len > NGX_MTLS_PSD2_TEXT_MAX
        || !ngx_mtls_utf8(name.data, name.len))
    {
        ngx_mtls_error(err, "\"%V\" is not a role, write its OID and its "
                       "name, as in \"0.4.0.19495.1.1:PSP_AS\"", text);
        return NGX_DECLINED;
    }

    for (i = 0; (role = ngx_mtls_psd2_known(rules, i)) != NULL; i++) {
        if (ngx_mtls_psd2_equal(&role->oid, &oid)
            || ngx_mtls_psd2_equal(&role->name, &name))
        {
            ngx_mtls_error(err, "the OID or the name of \"%V\" is that of "
                           "the role \"%V\" already", text, &role->name);
            return NGX_DECLINED;
        }
    }

    if (i == NGX_MTLS_PSD2_ROLES_MAX) {
        ngx_mtls_error(err, "more than %d roles", NGX_MTLS_PSD2_ROLES_MAX);
        return NGX_DECLINED;
    }

    if (rules->roles == NULL) {
        rules->roles = ngx_palloc(pool, (NGX_MTLS_PSD2_ROLES_MAX
                                         - NGX_MTLS_PSD2_BUILTIN)
                                        * sizeof(ngx_mtls_psd2_role_t));
        if (rules->roles == NULL) {
            return NGX_ERROR;
        }
    }

    role = &rules->roles[rules->nroles];

    role->name = name;
    role->oid.len = oid.len;
    role->oid.data = ngx_pstrdup(pool, &oid);
    if (role->oid.data == NULL) {
        return NGX_ERROR;
    }

    rules->nroles++;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_psd2_country(ngx_mtls_psd2_t *psd2, ngx_str_t *country)
{
    size_t     i, len;
    u_char    *p;
    uint64_t   exempt;

    p = psd2->nca.data;
    len = psd2->nca.len;

    exempt = ngx_mtls_psd2_bit(NGX_MTLS_PSD2_CB)
             | ngx_mtls_psd2_bit(NGX_MTLS_PSD2_PA);

    if (len == 2 && p[0] == 'N' && p[1] == 'A') {
        return (psd2->roles && !(psd2->roles & ~exempt)) ? NGX_DECLINED
                                                         : NGX_ERROR;
    }

    if (len < NGX_MTLS_PSD2_COUNTRY_LEN + 1 + NGX_MTLS_PSD2_NCA_MIN
        || len > NGX_MTLS_PSD2_COUNTRY_LEN + 1 + NGX_MTLS_PSD2_NCA_MAX)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < len; i++) {
        if (i == NGX_MTLS_PSD2_COUNTRY_LEN ? p[i] != '-'
                                           : !ngx_mtls_upper(p[i]))
        {
            return NGX_ERROR;
        }
    }

    country->data = p;
    country->len = NGX_MTLS_PSD2_COUNTRY_LEN;

    return NGX_OK;
}
