
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * QCStatements: a list of statements, each read apart from the others.
 */


#include <ngx_mtls_qcstatement.h>


/* "EUR:" and two numbers */
#define NGX_MTLS_QC_LIMIT_LEN  (sizeof("EUR:e-128") - 1 + NGX_INT64_LEN)

#define NGX_MTLS_QC_COUNTRY_LEN  2


/* reads the info of a statement; NGX_DECLINED: malformed */
typedef ngx_int_t (*ngx_mtls_qc_pt)(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);


typedef struct {
    u_char                   number;     /* 0.4.0.1862.1.x */
    ngx_mtls_qc_e            kind;
    ngx_mtls_qc_pt           read;
} ngx_mtls_qc_type_t;


/* one statement of the list */
typedef struct {
    ngx_str_t                oid;
    ngx_mtls_der_t           info;       /* empty: none */
    ngx_uint_t               malformed;  /* more than one info, or no DER */
} ngx_mtls_qc_statement_t;


static ngx_int_t ngx_mtls_qc_list(ngx_pool_t *pool,
    ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t list, ngx_mtls_qc_t *qc);
static ngx_int_t ngx_mtls_qc_single(ngx_pool_t *pool,
    ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *whole,
    ngx_mtls_der_t content, ngx_mtls_qc_t *qc);
static ngx_int_t ngx_mtls_qc_check(ngx_mtls_der_t list);
static ngx_int_t ngx_mtls_qc_statement(ngx_mtls_der_t *content,
    ngx_mtls_qc_statement_t *st);
static ngx_int_t ngx_mtls_qc_etsi(ngx_pool_t *pool,
    ngx_mtls_qc_statement_t *st, uint64_t *seen, ngx_mtls_qc_t *qc,
    ngx_mtls_values_t *legislation);
static ngx_uint_t ngx_mtls_qc_is_psd2(ngx_mtls_qc_statement_t *st);
static void ngx_mtls_qc_compliant(ngx_mtls_qc_t *qc,
    ngx_mtls_values_t *legislation);
static ngx_int_t ngx_mtls_qc_psd2(ngx_pool_t *pool,
    ngx_mtls_psd2_rules_t *rules, ngx_mtls_qc_t *qc);
static ngx_int_t ngx_mtls_qc_roles(ngx_pool_t *pool,
    ngx_mtls_psd2_rules_t *rules, ngx_mtls_qc_t *qc);
static void ngx_mtls_qc_one(ngx_mtls_qc_t *qc, ngx_mtls_qc_e kind,
    ngx_str_t *text);

static ngx_int_t ngx_mtls_qc_flag(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_qc_limit(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_qc_retention(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_qc_pds(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_qc_qctype(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text);
static ngx_int_t ngx_mtls_qc_legislation(ngx_pool_t *pool,
    ngx_mtls_der_t *info, ngx_mtls_values_t *values, ngx_str_t *text);


/* 0.4.0.1862.1, of which statements and types are */
static u_char  ngx_mtls_qc_arc[] = { 0x04, 0x00, 0x8e, 0x46, 0x01 };

/* 0.4.0.19495.2 */
static u_char  ngx_mtls_qc_psd2_oid[] = { 0x04, 0x00, 0x81, 0x98, 0x27, 0x02 };


/* the kind of number 7 is of no value itself: it is what makes "compliant" */
static ngx_mtls_qc_type_t  ngx_mtls_qc_types[] = {

    { 1, NGX_MTLS_QC_COMPLIANT, ngx_mtls_qc_flag },
    { 2, NGX_MTLS_QC_LIMIT, ngx_mtls_qc_limit },
    { 3, NGX_MTLS_QC_RETENTION, ngx_mtls_qc_retention },
    { 4, NGX_MTLS_QC_SSCD, ngx_mtls_qc_flag },
    { 5, NGX_MTLS_QC_PDS, ngx_mtls_qc_pds },
    { 6, NGX_MTLS_QC_TYPE, ngx_mtls_qc_qctype },
    { 7, NGX_MTLS_QC_VALUES, ngx_mtls_qc_legislation },

    { 0, NGX_MTLS_QC_VALUES, NULL }
};


/* 0.4.0.1862.1.6.x, by x from 1 */
static ngx_str_t  ngx_mtls_qc_type_names[] = {
    ngx_string("esign"),
    ngx_string("eseal"),
    ngx_string("web")
};


static ngx_str_t  ngx_mtls_qc_statuses[] = {
    ngx_string("none"),
    ngx_string("malformed"),
    ngx_string("mismatch"),
    ngx_string("duplicate"),
    ngx_string("ok"),
    ngx_string("compat_flat"),
    ngx_string("compat_unwrapped")
};


ngx_int_t
ngx_mtls_qc_read(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *value, ngx_mtls_qc_t *qc)
{
    ngx_mtls_der_t  d, list;

    ngx_mtls_qc_without(qc, NGX_MTLS_PSD2_MALFORMED);

    d = *value;

    if (ngx_mtls_der_get(&d, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || !ngx_mtls_der_empty(&d))
    {
        return NGX_OK;
    }

    if (!ngx_mtls_der_empty(&list) && *list.pos == NGX_MTLS_DER_OID) {
        return ngx_mtls_qc_single(pool, rules, value, list, qc);
    }

    if (ngx_mtls_qc_check(list) != NGX_OK) {
        return NGX_OK;
    }

    return ngx_mtls_qc_list(pool, rules, list, qc);
}


void
ngx_mtls_qc_without(ngx_mtls_qc_t *qc, ngx_mtls_psd2_status_e status)
{
    ngx_uint_t  i;

    ngx_memzero(qc, sizeof(ngx_mtls_qc_t));

    for (i = 0; status != NGX_MTLS_PSD2_NONE && i < NGX_MTLS_QC_VALUES; i++) {
        ngx_mtls_values_undefined(&qc->values[i]);
    }

    qc->psd2.status = status;

    ngx_mtls_qc_one(qc, NGX_MTLS_QC_PSD2_STATUS,
                    &ngx_mtls_qc_statuses[status]);
}


/* one statement in the place of the list */

static ngx_int_t
ngx_mtls_qc_single(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *whole, ngx_mtls_der_t content, ngx_mtls_qc_t *qc)
{
    ngx_mtls_qc_statement_t  st;

    if (ngx_mtls_qc_statement(&content, &st) != NGX_OK || st.malformed) {
        return NGX_OK;
    }

    if (rules && rules->unwrapped) {

        if (ngx_mtls_qc_list(pool, rules, *whole, qc) != NGX_OK) {
            return NGX_ERROR;
        }

        if (qc->psd2.status == NGX_MTLS_PSD2_OK
            || qc->psd2.status == NGX_MTLS_PSD2_COMPAT_FLAT)
        {
            qc->psd2.status = NGX_MTLS_PSD2_COMPAT_UNWRAPPED;
            qc->texts[NGX_MTLS_QC_PSD2_STATUS] =
                          ngx_mtls_qc_statuses[NGX_MTLS_PSD2_COMPAT_UNWRAPPED];
        }

        return NGX_OK;
    }

    if (!ngx_mtls_qc_is_psd2(&st)) {

        /* of roles it says nothing; of all else nothing that can be told */

        qc->psd2.status = NGX_MTLS_PSD2_NONE;
        qc->texts[NGX_MTLS_QC_PSD2_STATUS] =
                                      ngx_mtls_qc_statuses[NGX_MTLS_PSD2_NONE];

        qc->values[NGX_MTLS_QC_PSD2_ROLE].n = 0;
        qc->values[NGX_MTLS_QC_PSD2_NCA].n = 0;
        qc->values[NGX_MTLS_QC_PSD2_NCA_NAME].n = 0;
        qc->values[NGX_MTLS_QC_PSD2_COUNTRY].n = 0;
    }

    return NGX_OK;
}


/*
 * Whether it is a list of statements of which each says which it is: what is
 * inside one is another matter.
 */

static ngx_int_t
ngx_mtls_qc_check(ngx_mtls_der_t list)
{
    ngx_mtls_der_t           content;
    ngx_mtls_qc_statement_t  st;

    while (!ngx_mtls_der_empty(&list)) {

        if (ngx_mtls_der_get(&list, NGX_MTLS_DER_SEQUENCE, &content) != NGX_OK
            || ngx_mtls_qc_statement(&content, &st) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_qc_list(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t list, ngx_mtls_qc_t *qc)
{
    uint64_t                 seen;
    ngx_uint_t               n;
    ngx_mtls_der_t           content;
    ngx_mtls_values_t        legislation;
    ngx_mtls_qc_statement_t  st, psd2;

    ngx_mtls_qc_without(qc, NGX_MTLS_PSD2_NONE);

    ngx_memzero(&legislation, sizeof(ngx_mtls_values_t));
    ngx_memzero(&psd2, sizeof(ngx_mtls_qc_statement_t));

    seen = 0;
    n = 0;

    while (ngx_mtls_der_get(&list, NGX_MTLS_DER_SEQUENCE, &content) == NGX_OK
           && ngx_mtls_qc_statement(&content, &st) == NGX_OK)
    {
        if (ngx_mtls_qc_is_psd2(&st)) {
            psd2 = st;
            n++;
            continue;
        }

        if (ngx_mtls_qc_etsi(pool, &st, &seen, qc, &legislation) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_mtls_qc_compliant(qc, &legislation);

    if (n == 0) {
        return NGX_OK;
    }

    if (n > 1) {
        qc->psd2.status = NGX_MTLS_PSD2_DUPLICATE;

    } else if (psd2.malformed) {
        qc->psd2.status = NGX_MTLS_PSD2_MALFORMED;

    } else {
        ngx_mtls_psd2_read(rules, &psd2.info, &qc->psd2);
    }

    return ngx_mtls_qc_psd2(pool, rules, qc);
}


/* QCStatement, the content of its SEQUENCE; NGX_ERROR: it has no OID */

static ngx_int_t
ngx_mtls_qc_statement(ngx_mtls_der_t *content, ngx_mtls_qc_statement_t *st)
{
    ngx_uint_t      tag;
    ngx_mtls_der_t  oid, value;

    if (ngx_mtls_der_oid(content, &oid) != NGX_OK) {
        return NGX_ERROR;
    }

    st->oid.data = oid.pos;
    st->oid.len = ngx_mtls_der_len(&oid);

    st->info = *content;
    st->malformed = 0;

    if (!ngx_mtls_der_empty(content)
        && (ngx_mtls_der_any(content, &tag, &value, NULL) != NGX_OK
            || !ngx_mtls_der_empty(content)))
    {
        st->malformed = 1;
    }

    return NGX_OK;
}


/* a statement of EN 319 412-5, if it is one that is known */

static ngx_int_t
ngx_mtls_qc_etsi(ngx_pool_t *pool, ngx_mtls_qc_statement_t *st,
    uint64_t *seen, ngx_mtls_qc_t *qc, ngx_mtls_values_t *legislation)
{
    u_char               number;
    uint64_t             bit;
    ngx_int_t            rc;
    ngx_str_t            country, *text;
    ngx_mtls_values_t   *values;
    ngx_mtls_qc_type_t  *type;

    if (st->oid.len != sizeof(ngx_mtls_qc_arc) + 1
        || ngx_memcmp(st->oid.data, ngx_mtls_qc_arc, sizeof(ngx_mtls_qc_arc))
           != 0)
    {
        return NGX_OK;
    }

    number = st->oid.data[sizeof(ngx_mtls_qc_arc)];

    for (type = ngx_mtls_qc_types; type->number; type++) {
        if (type->number == number) {
            break;
        }
    }

    if (type->number == 0) {
        return NGX_OK;
    }

    values = legislation;
    text = &country;

    if (type->kind != NGX_MTLS_QC_VALUES) {
        values = &qc->values[type->kind];
        text = &qc->texts[type->kind];
    }

    bit = (uint64_t) 1 << number;

    if (st->malformed || (*seen & bit)) {
        rc = NGX_DECLINED;

    } else {
        values->elts = text;
        values->n = 1;

        rc = type->read(pool, &st->info, values, text);
    }

    *seen |= bit;

    if (rc == NGX_DECLINED) {
        ngx_mtls_values_undefined(values);
        return NGX_OK;
    }

    return rc;
}


static ngx_uint_t
ngx_mtls_qc_is_psd2(ngx_mtls_qc_statement_t *st)
{
    return st->oid.len == sizeof(ngx_mtls_qc_psd2_oid)
           && ngx_memcmp(st->oid.data, ngx_mtls_qc_psd2_oid, st->oid.len) == 0;
}


/*
 * By EN 319 412-5, 4.2.1 and 4.2.4, QcCompliance means the law of the EU, or
 * that of the countries of QcCClegislation if it is there.
 */

static void
ngx_mtls_qc_compliant(ngx_mtls_qc_t *qc, ngx_mtls_values_t *legislation)
{
    ngx_mtls_values_t  *values;

    values = &qc->values[NGX_MTLS_QC_COMPLIANT];

    if (values->n == 0 || values->elts->data == NULL) {
        return;
    }

    if (legislation->n) {
        *values = *legislation;
        return;
    }

    ngx_str_set(&qc->texts[NGX_MTLS_QC_COMPLIANT], "EU");
}


/* what the PSD2 statement says, as values */

static ngx_int_t
ngx_mtls_qc_psd2(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_qc_t *qc)
{
    ngx_int_t         rc;
    ngx_str_t         country;
    ngx_mtls_psd2_t  *psd2;

    psd2 = &qc->psd2;

    ngx_mtls_qc_one(qc, NGX_MTLS_QC_PSD2_STATUS,
                    &ngx_mtls_qc_statuses[psd2->status]);

    if (psd2->status < NGX_MTLS_PSD2_OK) {
        ngx_mtls_values_undefined(&qc->values[NGX_MTLS_QC_PSD2_ROLE]);
        ngx_mtls_values_undefined(&qc->values[NGX_MTLS_QC_PSD2_NCA]);
        ngx_mtls_values_undefined(&qc->values[NGX_MTLS_QC_PSD2_NCA_NAME]);
        ngx_mtls_values_undefined(&qc->values[NGX_MTLS_QC_PSD2_COUNTRY]);
        return NGX_OK;
    }

    ngx_mtls_qc_one(qc, NGX_MTLS_QC_PSD2_NCA, &psd2->nca);
    ngx_mtls_qc_one(qc, NGX_MTLS_QC_PSD2_NCA_NAME, &psd2->nca_name);

    rc = ngx_mtls_psd2_country(psd2, &country);

    if (rc == NGX_OK) {
        ngx_mtls_qc_one(qc, NGX_MTLS_QC_PSD2_COUNTRY, &country);

    } else if (rc == NGX_ERROR) {
        ngx_mtls_values_undefined(&qc->values[NGX_MTLS_QC_PSD2_COUNTRY]);
    }

    return ngx_mtls_qc_roles(pool, rules, qc);
}


static ngx_int_t
ngx_mtls_qc_roles(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_qc_t *qc)
{
    uint64_t            set;
    ngx_str_t          *elts;
    ngx_uint_t          i, n;
    ngx_mtls_values_t  *values;

    values = &qc->values[NGX_MTLS_QC_PSD2_ROLE];

    for (n = 0, set = qc->psd2.roles; set; set &= set - 1) {
        n++;
    }

    if (n == 0) {
        return NGX_OK;
    }

    elts = ngx_palloc(pool, n * sizeof(ngx_str_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    values->elts = elts;
    values->n = n;

    for (i = 0, set = qc->psd2.roles; set; i++, set >>= 1) {
        if (set & 1) {
            *elts++ = *ngx_mtls_psd2_role(rules, i);
        }
    }

    return NGX_OK;
}


static void
ngx_mtls_qc_one(ngx_mtls_qc_t *qc, ngx_mtls_qc_e kind, ngx_str_t *text)
{
    qc->texts[kind] = *text;

    qc->values[kind].elts = &qc->texts[kind];
    qc->values[kind].n = 1;
}


/* QcCompliance, QcSSCD: being there is all; an info that they have not is
   seen in use, and says nothing */

static ngx_int_t
ngx_mtls_qc_flag(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    (void) pool;
    (void) info;
    (void) values;

    ngx_str_set(text, "1");

    return NGX_OK;
}


/* QcEuLimitValue: amount * 10^exponent of a currency (ISO 4217) */

static ngx_int_t
ngx_mtls_qc_limit(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    u_char          *p, code[3];
    ngx_int_t        rc;
    ngx_uint_t       number, amount;
    ngx_mtls_der_t   limit, currency, exponent;

    (void) values;

    if (ngx_mtls_der_get(info, NGX_MTLS_DER_SEQUENCE, &limit) != NGX_OK) {
        return NGX_DECLINED;
    }

    rc = ngx_mtls_der_opt(&limit, NGX_MTLS_DER_PRINTABLE, &currency);

    if (rc == NGX_OK) {

        if (ngx_mtls_der_len(&currency) != sizeof(code)) {
            return NGX_DECLINED;
        }

        ngx_memcpy(code, currency.pos, sizeof(code));

    } else {

        if (rc == NGX_ERROR || ngx_mtls_der_uint(&limit, &number) != NGX_OK
            || number < 1 || number > 999)
        {
            return NGX_DECLINED;
        }

        ngx_sprintf(code, "%03ui", number);
    }

    for (p = code; p < code + sizeof(code); p++) {
        if ((*p < 'A' || *p > 'Z') && (*p < '0' || *p > '9')) {
            return NGX_DECLINED;
        }
    }

    if (ngx_mtls_der_uint(&limit, &amount) != NGX_OK
        || ngx_mtls_der_integer(&limit, &exponent) != NGX_OK
        || ngx_mtls_der_len(&exponent) != 1
        || !ngx_mtls_der_empty(&limit))
    {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, NGX_MTLS_QC_LIMIT_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ngx_sprintf(p, "%*s:%uie%i", sizeof(code), code, amount,
                            (ngx_int_t) (signed char) *exponent.pos)
                - p;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_qc_retention(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    u_char      *p;
    ngx_uint_t   years;

    (void) values;

    if (ngx_mtls_der_uint(info, &years) != NGX_OK) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ngx_sprintf(p, "%ui", years) - p;

    return NGX_OK;
}


/* PdsLocations: each a URL and a language of two letters */

static ngx_int_t
ngx_mtls_qc_pds(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    ngx_str_t       urls[NGX_MTLS_QC_PDS_MAX], code;
    ngx_uint_t      n;
    ngx_mtls_der_t  list, location, url, language;

    (void) text;

    if (ngx_mtls_der_get(info, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || ngx_mtls_der_empty(&list))
    {
        return NGX_DECLINED;
    }

    for (n = 0; !ngx_mtls_der_empty(&list); n++) {

        if (n == NGX_MTLS_QC_PDS_MAX
            || ngx_mtls_der_get(&list, NGX_MTLS_DER_SEQUENCE, &location)
               != NGX_OK
            || ngx_mtls_der_get(&location, NGX_MTLS_DER_IA5, &url) != NGX_OK
            || ngx_mtls_der_get(&location, NGX_MTLS_DER_PRINTABLE, &language)
               != NGX_OK
            || ngx_mtls_der_len(&language) != 2
            || !ngx_mtls_der_empty(&location)
            || ngx_mtls_der_string(pool, NGX_MTLS_DER_IA5, &url, &urls[n])
               != NGX_OK
            || ngx_mtls_der_string(pool, NGX_MTLS_DER_PRINTABLE, &language,
                                   &code)
               != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    values->elts = ngx_palloc(pool, n * sizeof(ngx_str_t));
    if (values->elts == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(values->elts, urls, n * sizeof(ngx_str_t));
    values->n = n;

    return NGX_OK;
}


/* one type; a certificate of two would be both to a rule about one */

static ngx_int_t
ngx_mtls_qc_qctype(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    u_char          *p, number;
    size_t           len, prefix;
    ngx_mtls_der_t   list, oid;

    (void) values;

    if (ngx_mtls_der_get(info, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || ngx_mtls_der_oid(&list, &oid) != NGX_OK
        || !ngx_mtls_der_empty(&list))
    {
        return NGX_DECLINED;
    }

    len = ngx_mtls_der_len(&oid);
    prefix = sizeof(ngx_mtls_qc_arc);

    if (len == prefix + 2
        && ngx_memcmp(oid.pos, ngx_mtls_qc_arc, prefix) == 0
        && oid.pos[prefix] == 6)
    {
        number = oid.pos[prefix + 1];

        if (number >= 1 && number <= sizeof(ngx_mtls_qc_type_names)
                                     / sizeof(ngx_str_t))
        {
            *text = ngx_mtls_qc_type_names[number - 1];
            return NGX_OK;
        }
    }

    p = ngx_pnalloc(pool, NGX_MTLS_OID_TEXT_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ngx_mtls_oid_text(oid.pos, len, p);

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_qc_is_type(ngx_str_t *text)
{
    u_char      oid[NGX_MTLS_OID_LEN];
    ngx_uint_t  i;
    ngx_str_t  *name;

    for (i = 0; i < sizeof(ngx_mtls_qc_type_names) / sizeof(ngx_str_t); i++) {
        name = &ngx_mtls_qc_type_names[i];

        if (name->len == text->len
            && ngx_strncmp(name->data, text->data, name->len) == 0)
        {
            return 1;
        }
    }

    return ngx_mtls_oid_parse(text->data, text->len, '.', oid) != 0;
}


/* QcCClegislation: countries (ISO 3166), one or more */

static ngx_int_t
ngx_mtls_qc_legislation(ngx_pool_t *pool, ngx_mtls_der_t *info,
    ngx_mtls_values_t *values, ngx_str_t *text)
{
    u_char          *p;
    ngx_str_t       *elts;
    ngx_uint_t       n;
    ngx_mtls_der_t   list, country;

    (void) text;

    if (ngx_mtls_der_get(info, NGX_MTLS_DER_SEQUENCE, &list) != NGX_OK
        || ngx_mtls_der_empty(&list))
    {
        return NGX_DECLINED;
    }

    /* a country takes four octets */

    n = ngx_mtls_der_len(&list) / (2 + NGX_MTLS_QC_COUNTRY_LEN);

    elts = ngx_palloc(pool, (n + 1) * sizeof(ngx_str_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    values->elts = elts;

    while (!ngx_mtls_der_empty(&list)) {

        if (ngx_mtls_der_get(&list, NGX_MTLS_DER_PRINTABLE, &country) != NGX_OK
            || ngx_mtls_der_len(&country) != NGX_MTLS_QC_COUNTRY_LEN)
        {
            return NGX_DECLINED;
        }

        p = country.pos;

        if (p[0] < 'A' || p[0] > 'Z' || p[1] < 'A' || p[1] > 'Z') {
            return NGX_DECLINED;
        }

        elts->data = p;
        elts->len = NGX_MTLS_QC_COUNTRY_LEN;
        elts++;
    }

    values->n = elts - values->elts;

    return NGX_OK;
}
