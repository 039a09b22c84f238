
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes by name: of group lines and of variables, and their values.
 */


#include <ngx_mtls_attribute.h>
#include <ngx_mtls_spiffe.h>


/* what follows an attribute's word in a group line */
#define NGX_MTLS_LINE_PLAIN   0
#define NGX_MTLS_LINE_TYPE    1    /* an attribute type, maybe after "any" */
#define NGX_MTLS_LINE_OID     2
#define NGX_MTLS_LINE_NAME    3    /* nothing; values are whole names */


typedef struct {
    ngx_str_t                 name;
    ngx_mtls_attribute_e      id;
    ngx_uint_t                kind;
} ngx_mtls_attribute_name_t;


static ngx_int_t ngx_mtls_attribute_type(ngx_pool_t *pool, ngx_str_t *type,
    ngx_str_t *oid);
static ngx_int_t ngx_mtls_attribute_oid(ngx_pool_t *pool, ngx_str_t *text,
    u_char sep, ngx_str_t *oid);
static ngx_mtls_attribute_name_t *ngx_mtls_attribute_find(
    ngx_mtls_attribute_name_t *names, ngx_str_t *name);
static ngx_uint_t ngx_mtls_attribute_prefix(ngx_str_t *name,
    const char *prefix, ngx_str_t *rest);
static ngx_int_t ngx_mtls_attribute_numbered(ngx_str_t *name,
    ngx_mtls_attribute_t *attr);
static ngx_int_t ngx_mtls_attribute_named(ngx_pool_t *pool, ngx_str_t *name,
    ngx_mtls_attribute_t *attr);
static ngx_int_t ngx_mtls_attribute_index(u_char *p, u_char *last,
    ngx_uint_t *index);

static ngx_int_t ngx_mtls_attribute_late(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values);
static ngx_int_t ngx_mtls_attribute_avas(ngx_mtls_certificate_t *cert,
    ngx_mtls_name_t *name, ngx_mtls_attribute_t *attr,
    ngx_mtls_values_t *values);
static ngx_int_t ngx_mtls_attribute_list(ngx_mtls_certificate_t *cert,
    ngx_mtls_name_t *name, ngx_mtls_ava_t *first, ngx_uint_t n,
    ngx_mtls_values_t *values);
static ngx_int_t ngx_mtls_attribute_spiffe(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values);
static ngx_int_t ngx_mtls_attribute_extension(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values);


static ngx_mtls_attribute_name_t  ngx_mtls_attribute_lines[] = {

    { ngx_string("subject"), NGX_MTLS_ATTR_SUBJECT, NGX_MTLS_LINE_TYPE },
    { ngx_string("issuer"), NGX_MTLS_ATTR_ISSUER, NGX_MTLS_LINE_TYPE },
    { ngx_string("subject_dn"), NGX_MTLS_ATTR_SUBJECT_DN, NGX_MTLS_LINE_NAME },
    { ngx_string("issuer_dn"), NGX_MTLS_ATTR_ISSUER_DN, NGX_MTLS_LINE_NAME },
    { ngx_string("serial"), NGX_MTLS_ATTR_SERIAL, NGX_MTLS_LINE_PLAIN },
    { ngx_string("dns"), NGX_MTLS_ATTR_DNS, NGX_MTLS_LINE_PLAIN },
    { ngx_string("uri"), NGX_MTLS_ATTR_URI, NGX_MTLS_LINE_PLAIN },
    { ngx_string("email"), NGX_MTLS_ATTR_EMAIL, NGX_MTLS_LINE_PLAIN },
    { ngx_string("ip"), NGX_MTLS_ATTR_IP, NGX_MTLS_LINE_PLAIN },
    { ngx_string("upn"), NGX_MTLS_ATTR_UPN, NGX_MTLS_LINE_PLAIN },
    { ngx_string("rid"), NGX_MTLS_ATTR_RID, NGX_MTLS_LINE_PLAIN },
    { ngx_string("dirname"), NGX_MTLS_ATTR_DIRNAME, NGX_MTLS_LINE_NAME },
    { ngx_string("eku"), NGX_MTLS_ATTR_EKU, NGX_MTLS_LINE_PLAIN },
    { ngx_string("policy"), NGX_MTLS_ATTR_POLICY, NGX_MTLS_LINE_PLAIN },
    { ngx_string("qc_compliant"), NGX_MTLS_ATTR_QC_COMPLIANT,
      NGX_MTLS_LINE_PLAIN },
    { ngx_string("qc_type"), NGX_MTLS_ATTR_QC_TYPE, NGX_MTLS_LINE_PLAIN },
    { ngx_string("psd2_role"), NGX_MTLS_ATTR_PSD2_ROLE, NGX_MTLS_LINE_PLAIN },
    { ngx_string("psd2_nca"), NGX_MTLS_ATTR_PSD2_NCA, NGX_MTLS_LINE_PLAIN },
    { ngx_string("psd2_country"), NGX_MTLS_ATTR_PSD2_COUNTRY,
      NGX_MTLS_LINE_PLAIN },
    { ngx_string("psd2_number"), NGX_MTLS_ATTR_PSD2_NUMBER,
      NGX_MTLS_LINE_PLAIN },
    { ngx_string("organization_id"), NGX_MTLS_ATTR_ORGANIZATION,
      NGX_MTLS_LINE_PLAIN },
    { ngx_string("extension"), NGX_MTLS_ATTR_EXTENSION, NGX_MTLS_LINE_OID },
    { ngx_string("fingerprint"), NGX_MTLS_ATTR_FINGERPRINT,
      NGX_MTLS_LINE_PLAIN },
    { ngx_string("spki"), NGX_MTLS_ATTR_SPKI, NGX_MTLS_LINE_PLAIN },
    { ngx_string("key_type"), NGX_MTLS_ATTR_KEY_TYPE, NGX_MTLS_LINE_PLAIN },
    { ngx_string("spiffe"), NGX_MTLS_ATTR_SPIFFE, NGX_MTLS_LINE_PLAIN },
    { ngx_string("ca"), NGX_MTLS_ATTR_CA, NGX_MTLS_LINE_PLAIN },
    { ngx_string("group"), NGX_MTLS_ATTR_GROUP, NGX_MTLS_LINE_PLAIN },

    { ngx_null_string, NGX_MTLS_ATTR_NONE, 0 }
};


/* variables that have one value */
static ngx_mtls_attribute_name_t  ngx_mtls_attribute_facts[] = {

    { ngx_string("subject_dn"), NGX_MTLS_ATTR_SUBJECT_TEXT, 0 },
    { ngx_string("serial"), NGX_MTLS_ATTR_SERIAL, 0 },
    { ngx_string("fingerprint"), NGX_MTLS_ATTR_FINGERPRINT, 0 },
    { ngx_string("thumbprint"), NGX_MTLS_ATTR_THUMBPRINT, 0 },
    { ngx_string("spki"), NGX_MTLS_ATTR_SPKI, 0 },
    { ngx_string("key_type"), NGX_MTLS_ATTR_KEY_TYPE, 0 },
    { ngx_string("spiffe_id"), NGX_MTLS_ATTR_SPIFFE, 0 },
    { ngx_string("spiffe_trust_domain"), NGX_MTLS_ATTR_SPIFFE_DOMAIN, 0 },
    { ngx_string("spiffe_path"), NGX_MTLS_ATTR_SPIFFE_PATH, 0 },
    { ngx_string("days_left"), NGX_MTLS_ATTR_DAYS_LEFT, 0 },
    { ngx_string("qc_type"), NGX_MTLS_ATTR_QC_TYPE, 0 },
    { ngx_string("qc_sscd"), NGX_MTLS_ATTR_QC_SSCD, 0 },
    { ngx_string("qc_limit"), NGX_MTLS_ATTR_QC_LIMIT, 0 },
    { ngx_string("qc_retention"), NGX_MTLS_ATTR_QC_RETENTION, 0 },
    { ngx_string("psd2_status"), NGX_MTLS_ATTR_PSD2_STATUS, 0 },
    { ngx_string("psd2_nca"), NGX_MTLS_ATTR_PSD2_NCA, 0 },
    { ngx_string("psd2_nca_name"), NGX_MTLS_ATTR_PSD2_NCA_NAME, 0 },
    { ngx_string("psd2_country"), NGX_MTLS_ATTR_PSD2_COUNTRY, 0 },
    { ngx_string("psd2_number"), NGX_MTLS_ATTR_PSD2_NUMBER, 0 },
    { ngx_string("organization_id"), NGX_MTLS_ATTR_ORGANIZATION, 0 },
    { ngx_string("organization_id_scheme"),
      NGX_MTLS_ATTR_ORGANIZATION_SCHEME, 0 },
    { ngx_string("organization_id_country"),
      NGX_MTLS_ATTR_ORGANIZATION_COUNTRY, 0 },
    { ngx_string("organization_id_state"),
      NGX_MTLS_ATTR_ORGANIZATION_STATE, 0 },
    { ngx_string("organization_id_authority"),
      NGX_MTLS_ATTR_ORGANIZATION_AUTHORITY, 0 },
    { ngx_string("organization_id_value"),
      NGX_MTLS_ATTR_ORGANIZATION_VALUE, 0 },

    { ngx_null_string, NGX_MTLS_ATTR_NONE, 0 }
};


/* variables that may have several values, and those that name one of them */
static ngx_mtls_attribute_name_t  ngx_mtls_attribute_multis[] = {

    { ngx_string("san"), NGX_MTLS_ATTR_SAN, 0 },
    { ngx_string("san_dns"), NGX_MTLS_ATTR_DNS, 0 },
    { ngx_string("san_uri"), NGX_MTLS_ATTR_URI, 0 },
    { ngx_string("san_email"), NGX_MTLS_ATTR_EMAIL, 0 },
    { ngx_string("san_ip"), NGX_MTLS_ATTR_IP, 0 },
    { ngx_string("san_upn"), NGX_MTLS_ATTR_UPN, 0 },
    { ngx_string("san_rid"), NGX_MTLS_ATTR_RID, 0 },
    { ngx_string("san_dirname"), NGX_MTLS_ATTR_DIRNAME, 0 },
    { ngx_string("eku"), NGX_MTLS_ATTR_EKU, 0 },
    { ngx_string("policies"), NGX_MTLS_ATTR_POLICY, 0 },
    { ngx_string("qc_compliant"), NGX_MTLS_ATTR_QC_COMPLIANT, 0 },
    { ngx_string("qc_pds"), NGX_MTLS_ATTR_QC_PDS, 0 },
    { ngx_string("psd2_roles"), NGX_MTLS_ATTR_PSD2_ROLE, 0 },

    { ngx_null_string, NGX_MTLS_ATTR_NONE, 0 }
};


ngx_int_t
ngx_mtls_attribute_line(ngx_pool_t *pool, ngx_str_t *words, ngx_uint_t nwords,
    ngx_mtls_attribute_t *attr, ngx_uint_t *used, ngx_mtls_error_t *err)
{
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    ngx_mtls_attribute_name_t  *name;

    ngx_memzero(attr, sizeof(ngx_mtls_attribute_t));

    if (nwords == 0) {
        ngx_mtls_error(err, "no attribute");
        return NGX_DECLINED;
    }

    name = ngx_mtls_attribute_find(ngx_mtls_attribute_lines, &words[0]);

    if (name->id == NGX_MTLS_ATTR_NONE) {
        ngx_mtls_error(err, "unknown attribute \"%V\"", &words[0]);
        return NGX_DECLINED;
    }

    attr->id = name->id;
    attr->whole = (name->kind == NGX_MTLS_LINE_NAME);

    if (name->kind == NGX_MTLS_LINE_PLAIN
        || name->kind == NGX_MTLS_LINE_NAME)
    {
        *used = 1;
        return NGX_OK;
    }

    n = 1;

    if (name->kind == NGX_MTLS_LINE_TYPE) {
        attr->single = 1;

        if (n < nwords && words[n].len == 3
            && ngx_strncmp(words[n].data, "any", 3) == 0)
        {
            attr->single = 0;
            n++;
        }
    }

    if (n == nwords) {
        ngx_mtls_error(err, "\"%V\" needs %s", &words[0],
                       (name->kind == NGX_MTLS_LINE_TYPE)
                       ? "the short name or OID of an attribute, "
                         "as in \"subject cn\""
                       : "the OID of an extension");
        return NGX_DECLINED;
    }

    rc = (name->kind == NGX_MTLS_LINE_TYPE)
         ? ngx_mtls_attribute_type(pool, &words[n], &attr->oid)
         : ngx_mtls_attribute_oid(pool, &words[n], '.', &attr->oid);

    if (rc == NGX_DECLINED) {
        ngx_mtls_error(err, "\"%V\" after \"%V\" is not %s", &words[n],
                       &words[0],
                       (name->kind == NGX_MTLS_LINE_TYPE)
                       ? "a known short name of an attribute, nor an OID"
                       : "an OID");
        return NGX_DECLINED;
    }

    *used = n + 1;

    return rc;
}


/* a short name or a dotted OID */

static ngx_int_t
ngx_mtls_attribute_type(ngx_pool_t *pool, ngx_str_t *type, ngx_str_t *oid)
{
    if (ngx_mtls_name_oid(type, oid) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_mtls_attribute_oid(pool, type, '.', oid);
}


static ngx_int_t
ngx_mtls_attribute_oid(ngx_pool_t *pool, ngx_str_t *text, u_char sep,
    ngx_str_t *oid)
{
    u_char  octets[NGX_MTLS_OID_LEN];
    size_t  len;

    len = ngx_mtls_oid_parse(text->data, text->len, sep, octets);
    if (len == 0) {
        return NGX_DECLINED;
    }

    oid->data = ngx_pnalloc(pool, len);
    if (oid->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(oid->data, octets, len);
    oid->len = len;

    return NGX_OK;
}


/* the entry of a name, or the last one, which has none */

static ngx_mtls_attribute_name_t *
ngx_mtls_attribute_find(ngx_mtls_attribute_name_t *names, ngx_str_t *name)
{
    while (names->name.len
           && (names->name.len != name->len
               || ngx_strncmp(names->name.data, name->data, name->len) != 0))
    {
        names++;
    }

    return names;
}


ngx_int_t
ngx_mtls_attribute_variable(ngx_pool_t *pool, ngx_str_t *name,
    ngx_mtls_attribute_t *attr)
{
    ngx_str_t                   rest;
    ngx_mtls_attribute_name_t  *fact;

    ngx_memzero(attr, sizeof(ngx_mtls_attribute_t));

    fact = ngx_mtls_attribute_find(ngx_mtls_attribute_facts, name);

    if (fact->name.len) {
        attr->id = fact->id;
        return NGX_OK;
    }

    if (ngx_mtls_attribute_prefix(name, "subject_", &rest)) {
        attr->id = NGX_MTLS_ATTR_SUBJECT;
        return ngx_mtls_attribute_named(pool, &rest, attr);
    }

    if (ngx_mtls_attribute_prefix(name, "issuer_", &rest)) {
        attr->id = NGX_MTLS_ATTR_ISSUER;
        return ngx_mtls_attribute_named(pool, &rest, attr);
    }

    if (ngx_mtls_attribute_prefix(name, "extension_", &rest)) {
        attr->id = NGX_MTLS_ATTR_EXTENSION;
        return ngx_mtls_attribute_oid(pool, &rest, '_', &attr->oid);
    }

    return ngx_mtls_attribute_numbered(name, attr);
}


static ngx_uint_t
ngx_mtls_attribute_prefix(ngx_str_t *name, const char *prefix, ngx_str_t *rest)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (name->len <= len || ngx_strncmp(name->data, prefix, len) != 0) {
        return 0;
    }

    rest->data = name->data + len;
    rest->len = name->len - len;

    return 1;
}


/* "san_dns", "san_dns_2" */

static ngx_int_t
ngx_mtls_attribute_numbered(ngx_str_t *name, ngx_mtls_attribute_t *attr)
{
    u_char                     *p, *last;
    ngx_str_t                   word;
    ngx_mtls_attribute_name_t  *multi;

    word = *name;
    multi = ngx_mtls_attribute_find(ngx_mtls_attribute_multis, &word);

    if (multi->name.len == 0) {
        last = name->data + name->len;

        for (p = last; p > name->data && p[-1] != '_'; p--) { /* void */ }

        if (p == name->data
            || ngx_mtls_attribute_index(p, last, &attr->index) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        word.len = p - 1 - name->data;
        multi = ngx_mtls_attribute_find(ngx_mtls_attribute_multis, &word);

        if (multi->name.len == 0) {
            return NGX_DECLINED;
        }
    }

    attr->id = multi->id;

    return NGX_OK;
}


/* "cn", "cn_2", "2_5_4_97", "2_5_4_97__2" */

static ngx_int_t
ngx_mtls_attribute_named(ngx_pool_t *pool, ngx_str_t *name,
    ngx_mtls_attribute_t *attr)
{
    u_char      *p, *last, *end;
    ngx_str_t    type;
    ngx_uint_t   digits;

    last = name->data + name->len;
    digits = (name->data[0] >= '0' && name->data[0] <= '9');

    end = last;

    for (p = name->data; p < last; p++) {

        if (*p != '_' || (digits && (last - p < 2 || p[1] != '_'))) {
            continue;
        }

        end = p;
        p += digits ? 2 : 1;

        if (ngx_mtls_attribute_index(p, last, &attr->index) != NGX_OK) {
            return NGX_DECLINED;
        }

        break;
    }

    attr->single = (attr->index == 0);

    type.data = name->data;
    type.len = end - name->data;

    if (digits) {
        return ngx_mtls_attribute_oid(pool, &type, '_', &attr->oid);
    }

    return ngx_mtls_name_oid(&type, &attr->oid);
}


/* a number from 1, without leading zeros */

static ngx_int_t
ngx_mtls_attribute_index(u_char *p, u_char *last, ngx_uint_t *index)
{
    ngx_int_t  n;

    if (p == last || *p == '0') {
        return NGX_DECLINED;
    }

    n = ngx_atoi(p, last - p);

    if (n == NGX_ERROR) {
        return NGX_DECLINED;
    }

    *index = n;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_attribute_values(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values)
{
    values->elts = NULL;
    values->n = 0;

    switch (attr->id) {

    case NGX_MTLS_ATTR_SUBJECT:
        return ngx_mtls_attribute_avas(cert, &cert->subject, attr, values);

    case NGX_MTLS_ATTR_ISSUER:
        return ngx_mtls_attribute_avas(cert, &cert->issuer, attr, values);

    case NGX_MTLS_ATTR_EXTENSION:
        return ngx_mtls_attribute_extension(cert, attr, values);

    case NGX_MTLS_ATTR_DNS:
    case NGX_MTLS_ATTR_URI:
    case NGX_MTLS_ATTR_EMAIL:
    case NGX_MTLS_ATTR_IP:
    case NGX_MTLS_ATTR_UPN:
    case NGX_MTLS_ATTR_RID:
        *values = cert->san[attr->id - NGX_MTLS_ATTR_DNS];
        break;

    case NGX_MTLS_ATTR_DIRNAME:
        *values = attr->whole ? cert->dirnames
                              : cert->san[NGX_MTLS_SAN_DIRNAME];
        break;

    case NGX_MTLS_ATTR_SAN:
        *values = cert->san_all;
        break;

    case NGX_MTLS_ATTR_EKU:
        if (ngx_mtls_certificate_eku(cert, values) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    case NGX_MTLS_ATTR_POLICY:
        if (ngx_mtls_certificate_policies(cert, values) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    default:
        if (!ngx_mtls_attribute_is_qc(attr->id)) {
            return ngx_mtls_attribute_late(cert, attr, values);
        }

        if (ngx_mtls_attribute_qc(cert, attr->id, values) != NGX_OK) {
            return NGX_ERROR;
        }

        break;
    }

    if (attr->index) {

        if (attr->index > values->n) {
            values->n = 0;

        } else {
            values->elts += attr->index - 1;
            values->n = 1;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_attribute_doubtful(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr)
{
    switch (attr->id) {

    case NGX_MTLS_ATTR_SUBJECT_DN:
        return cert->subject.doubtful;

    case NGX_MTLS_ATTR_ISSUER_DN:
        return cert->issuer.doubtful;

    case NGX_MTLS_ATTR_DIRNAME:
        return cert->dirnames_doubtful;

    default:
        return 0;
    }
}


/* facts that occur once and are made when they are asked for */

static ngx_int_t
ngx_mtls_attribute_late(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    switch (attr->id) {

    case NGX_MTLS_ATTR_SUBJECT_DN:
        rc = ngx_mtls_certificate_subject(cert, &text);
        values->elts = &cert->subject_canonical;
        break;

    case NGX_MTLS_ATTR_ISSUER_DN:
        rc = ngx_mtls_certificate_issuer(cert, &text);
        values->elts = &cert->issuer_canonical;
        break;

    case NGX_MTLS_ATTR_SUBJECT_TEXT:
        rc = ngx_mtls_certificate_subject_text(cert, &text);
        values->elts = &cert->subject_text;
        break;

    case NGX_MTLS_ATTR_SERIAL:
        rc = ngx_mtls_certificate_serial(cert, &text);
        values->elts = &cert->serial_hex;
        break;

    case NGX_MTLS_ATTR_FINGERPRINT:
        rc = ngx_mtls_certificate_fingerprint(cert, &text);
        values->elts = &cert->fingerprint_hex;
        break;

    case NGX_MTLS_ATTR_THUMBPRINT:
        rc = ngx_mtls_certificate_thumbprint(cert, &text);
        values->elts = &cert->thumbprint;
        break;

    case NGX_MTLS_ATTR_SPKI:
        rc = ngx_mtls_certificate_spki(cert, &text);
        values->elts = &cert->spki_hex;
        break;

    case NGX_MTLS_ATTR_KEY_TYPE:
        rc = ngx_mtls_certificate_key_type(cert, &text);
        values->elts = &cert->key_type;
        break;

    case NGX_MTLS_ATTR_SPIFFE:
    case NGX_MTLS_ATTR_SPIFFE_DOMAIN:
    case NGX_MTLS_ATTR_SPIFFE_PATH:
        return ngx_mtls_attribute_spiffe(cert, attr, values);

    default:
        return NGX_OK;
    }

    values->n = (rc == NGX_OK);

    return rc;
}


/* attributes of a subject or issuer */

static ngx_int_t
ngx_mtls_attribute_avas(ngx_mtls_certificate_t *cert, ngx_mtls_name_t *name,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values)
{
    ngx_uint_t       n;
    ngx_mtls_ava_t  *ava, *last, *first;

    if (name->n == 0) {
        return NGX_OK;
    }

    first = NULL;
    last = name->avas + name->n;
    n = 0;

    for (ava = name->avas; ava < last; ava++) {

        /* the last octet tells nearly all of them apart */

        if (ava->oid.len != attr->oid.len
            || ava->oid.data[ava->oid.len - 1]
               != attr->oid.data[attr->oid.len - 1]
            || ngx_memcmp(ava->oid.data, attr->oid.data, ava->oid.len) != 0)
        {
            continue;
        }

        n++;

        if (attr->single
            && (n > 1
                || (ava > name->avas && ava[-1].rdn == ava->rdn)
                || (ava + 1 < last && ava[1].rdn == ava->rdn)))
        {
            ngx_mtls_values_undefined(values);
            return NGX_OK;
        }

        if (n == attr->index || first == NULL) {
            first = ava;
        }

        if (n == attr->index) {
            n = 1;
            break;
        }
    }

    if (n == 0 || (attr->index && ava == last)) {
        return NGX_OK;
    }

    if (n > 1) {
        return ngx_mtls_attribute_list(cert, name, first, n, values);
    }

    values->elts = &first->text;
    values->n = 1;

    return NGX_OK;
}


/* several values in a row, which a name does not have: made once, and kept */

static ngx_int_t
ngx_mtls_attribute_list(ngx_mtls_certificate_t *cert, ngx_mtls_name_t *name,
    ngx_mtls_ava_t *first, ngx_uint_t n, ngx_mtls_values_t *values)
{
    ngx_str_t        *elt;
    ngx_mtls_ava_t   *ava;
    ngx_mtls_list_t  *list;

    for (list = cert->lists; list; list = list->next) {
        if (list->first == first) {
            *values = list->values;
            return NGX_OK;
        }
    }

    list = ngx_palloc(cert->pool,
                      sizeof(ngx_mtls_list_t) + n * sizeof(ngx_str_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    elt = (ngx_str_t *) (list + 1);

    list->first = first;
    list->values.elts = elt;
    list->values.n = n;

    for (ava = first; ava < name->avas + name->n; ava++) {
        if (ava->oid.len == first->oid.len
            && ngx_memcmp(ava->oid.data, first->oid.data, ava->oid.len) == 0)
        {
            *elt++ = ava->text;
        }
    }

    list->next = cert->lists;
    cert->lists = list;

    *values = list->values;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_attribute_spiffe(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values)
{
    ngx_mtls_svid_t  *svid;

    if (ngx_mtls_spiffe_svid(cert, &svid) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (attr->id) {

    case NGX_MTLS_ATTR_SPIFFE_DOMAIN:
        values->elts = &svid->spiffe.trust_domain;
        break;

    case NGX_MTLS_ATTR_SPIFFE_PATH:
        values->elts = &svid->spiffe.path;
        break;

    default:
        values->elts = &svid->spiffe.id;
        break;
    }

    values->n = svid->n;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_attribute_extension(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values)
{
    ngx_str_t              text;
    ngx_uint_t             i;
    ngx_mtls_extension_t  *ext, *found;

    found = NULL;

    for (i = 0; i < cert->nextensions; i++) {
        ext = &cert->extensions[i];

        if (ext->oid.len != attr->oid.len
            || ngx_memcmp(ext->oid.data, attr->oid.data, ext->oid.len) != 0)
        {
            continue;
        }

        if (found) {
            ngx_mtls_values_undefined(values);
            return NGX_OK;
        }

        found = ext;
    }

    if (found == NULL) {
        return NGX_OK;
    }

    if (ngx_mtls_certificate_extension_text(cert, found, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    values->elts = &found->text;
    values->n = 1;

    return NGX_OK;
}
