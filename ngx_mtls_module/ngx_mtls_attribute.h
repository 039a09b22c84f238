
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Attributes: what group lines, identity templates and variables may ask of
 * a certificate, by name.
 */


#ifndef _NGX_MTLS_ATTRIBUTE_H_INCLUDED_
#define _NGX_MTLS_ATTRIBUTE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>


typedef enum {
    NGX_MTLS_ATTR_SUBJECT = 0,       /* "oid" says which */
    NGX_MTLS_ATTR_ISSUER,
    NGX_MTLS_ATTR_SUBJECT_DN,        /* canonical octets; group lines only */
    NGX_MTLS_ATTR_ISSUER_DN,
    NGX_MTLS_ATTR_SUBJECT_TEXT,      /* RFC 4514; variables only */
    NGX_MTLS_ATTR_SERIAL,            /* upper-case hex, "-" if negative */
    NGX_MTLS_ATTR_DNS,               /* this and the next as NGX_MTLS_SAN_* */
    NGX_MTLS_ATTR_URI,
    NGX_MTLS_ATTR_EMAIL,
    NGX_MTLS_ATTR_IP,
    NGX_MTLS_ATTR_UPN,
    NGX_MTLS_ATTR_RID,
    NGX_MTLS_ATTR_DIRNAME,           /* in group lines canonical octets */
    NGX_MTLS_ATTR_SAN,               /* all kinds; variables only */
    NGX_MTLS_ATTR_EKU,
    NGX_MTLS_ATTR_POLICY,

    /* as ngx_mtls_qc_e; the first three may have several values */
    NGX_MTLS_ATTR_QC_COMPLIANT,
    NGX_MTLS_ATTR_QC_PDS,            /* variables only */
    NGX_MTLS_ATTR_PSD2_ROLE,
    NGX_MTLS_ATTR_QC_TYPE,
    NGX_MTLS_ATTR_QC_SSCD,           /* variables only */
    NGX_MTLS_ATTR_QC_LIMIT,          /* variables only */
    NGX_MTLS_ATTR_QC_RETENTION,      /* variables only */
    NGX_MTLS_ATTR_PSD2_STATUS,       /* variables only */
    NGX_MTLS_ATTR_PSD2_NCA,
    NGX_MTLS_ATTR_PSD2_NCA_NAME,     /* variables only */
    NGX_MTLS_ATTR_PSD2_COUNTRY,

    NGX_MTLS_ATTR_PSD2_NUMBER,
    NGX_MTLS_ATTR_ORGANIZATION,
    NGX_MTLS_ATTR_ORGANIZATION_SCHEME,     /* and the rest of its parts: */
    NGX_MTLS_ATTR_ORGANIZATION_COUNTRY,    /* variables only */
    NGX_MTLS_ATTR_ORGANIZATION_STATE,
    NGX_MTLS_ATTR_ORGANIZATION_AUTHORITY,
    NGX_MTLS_ATTR_ORGANIZATION_VALUE,

    NGX_MTLS_ATTR_EXTENSION,         /* "oid" says which */
    NGX_MTLS_ATTR_FINGERPRINT,       /* lower-case hex of SHA-256 */
    NGX_MTLS_ATTR_THUMBPRINT,        /* x5t#S256; variables only */
    NGX_MTLS_ATTR_SPKI,              /* lower-case hex of SHA-256 */
    NGX_MTLS_ATTR_KEY_TYPE,
    NGX_MTLS_ATTR_SPIFFE,            /* the ID of an SVID */
    NGX_MTLS_ATTR_SPIFFE_DOMAIN,     /* variables only */
    NGX_MTLS_ATTR_SPIFFE_PATH,       /* variables only */
    NGX_MTLS_ATTR_DAYS_LEFT,         /* variables only */
    NGX_MTLS_ATTR_CA,                /* labels; group lines only */
    NGX_MTLS_ATTR_GROUP,             /* other groups; group lines only */
    NGX_MTLS_ATTR_NONE
} ngx_mtls_attribute_e;


/* undefined for what is no valid SVID, but says that it is one */
#define ngx_mtls_attribute_is_spiffe(id)                                     \
    ((id) >= NGX_MTLS_ATTR_SPIFFE && (id) <= NGX_MTLS_ATTR_SPIFFE_PATH)

#define NGX_MTLS_ATTR_QC   NGX_MTLS_ATTR_QC_COMPLIANT

/* of qualified certificates: ngx_mtls_attribute_qc() */
#define ngx_mtls_attribute_is_qc(id)                                         \
    ((id) >= NGX_MTLS_ATTR_QC && (id) <= NGX_MTLS_ATTR_ORGANIZATION_VALUE)

/* those of them that may have several values */
#define ngx_mtls_attribute_is_qc_list(id)                                    \
    ((id) >= NGX_MTLS_ATTR_QC && (id) <= NGX_MTLS_ATTR_PSD2_ROLE)


typedef struct {
    ngx_mtls_attribute_e          id;
    ngx_str_t                     oid;      /* content octets, or empty */
    ngx_uint_t                    index;    /* the n-th from 1; 0: all */
    ngx_uint_t                    single;   /* more than one value: undefined */
    ngx_uint_t                    whole;    /* a name: values are canonical
                                               octets, only to be compared */
} ngx_mtls_attribute_t;


/*
 * The attribute that begins a group line: "words" from the attribute's name
 * on ("subject cn", "subject any cn", "extension 1.2.3", "dns" …).  Sets
 * "used" to the count of words that belong to the attribute.  NGX_DECLINED:
 * unknown, "err" says what.
 */
ngx_int_t ngx_mtls_attribute_line(ngx_pool_t *pool, ngx_str_t *words,
    ngx_uint_t nwords, ngx_mtls_attribute_t *attr, ngx_uint_t *used,
    ngx_mtls_error_t *err);

/*
 * The attribute behind a variable's name without its "mtls_": "subject_cn",
 * "subject_ou_2", "subject_2_5_4_97__2", "san_dns_1", "san", "eku",
 * "subject_dn", "policies", "psd2_roles", "organization_id",
 * "extension_1_2_3", "fingerprint", "thumbprint", "spki", "key_type",
 * "spiffe_id", "serial", "days_left".  NGX_DECLINED: not the certificate's.
 */
ngx_int_t ngx_mtls_attribute_variable(ngx_pool_t *pool, ngx_str_t *name,
    ngx_mtls_attribute_t *attr);

/*
 * The values of an attribute, in the certificate's memory; one whose data is
 * NULL is undefined.  None: n is 0, as for days_left, ca and group.  Where
 * attr->single and there are two or more, or the one is not alone in its RDN,
 * gives one undefined value.  Repeated calls take no more memory.  NGX_ERROR:
 * out of memory.
 */
ngx_int_t ngx_mtls_attribute_values(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr, ngx_mtls_values_t *values);

/*
 * The same for those of qualified certificates.  All but the
 * organizationIdentifier and its parts are undefined where the PSD2 statement,
 * or what else they speak of, cannot be told.
 */
ngx_int_t ngx_mtls_attribute_qc(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_e id, ngx_mtls_values_t *values);

/*
 * Whether a whole name that equals no value may still be one of them: a string
 * in it cannot be decoded.  The octets of such a string are compared as they
 * are.
 */
ngx_uint_t ngx_mtls_attribute_doubtful(ngx_mtls_certificate_t *cert,
    ngx_mtls_attribute_t *attr);

/*
 * The text of a variable: a single value with control octets (0x00–0x1f,
 * 0x7f) percent-encoded; a list (of SANs, purposes or policies, also of one)
 * joined with "," each value with "," "%" "\"" "\\" and octets outside
 * 0x20–0x7e percent-encoded, an undefined one as nothing; "" if there is none
 * or the only one is undefined.  From "pool" where it must be built.
 */
ngx_int_t ngx_mtls_attribute_text(ngx_pool_t *pool,
    ngx_mtls_certificate_t *cert, ngx_mtls_attribute_t *attr,
    ngx_str_t *text);

/*
 * Brings the exact value of a group line into the form in which
 * ngx_mtls_attribute_values() gives values: names canonical, hex folded,
 * colons dropped, dns in lower case, EKU names ("clientAuth") to OIDs.
 * NGX_DECLINED: this cannot be a value, "err" says why.
 */
ngx_int_t ngx_mtls_attribute_normal(ngx_pool_t *pool,
    ngx_mtls_attribute_t *attr, ngx_str_t *value, ngx_str_t *normal,
    ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_ATTRIBUTE_H_INCLUDED_ */
