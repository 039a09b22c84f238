
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * QCStatements (RFC 3739, 3.2.6, with the statements of ETSI EN 319 412-5 and
 * TS 119 495): what makes a certificate a qualified one.
 */


#ifndef _NGX_MTLS_QCSTATEMENT_H_INCLUDED_
#define _NGX_MTLS_QCSTATEMENT_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>
#include <ngx_mtls_psd2.h>


#define NGX_MTLS_QC_PDS_MAX       64    /* locations of disclosure statements */


/* the values of a certificate's statements, by kind */
typedef enum {
    NGX_MTLS_QC_COMPLIANT = 0,       /* "EU", or the countries of
                                        QcCClegislation */
    NGX_MTLS_QC_PDS,                 /* URLs */
    NGX_MTLS_QC_PSD2_ROLE,           /* each once, in the order of the known */
    NGX_MTLS_QC_LISTS,               /* those above may be several */

    /* "esign", "eseal", "web", or an OID */
    NGX_MTLS_QC_TYPE = NGX_MTLS_QC_LISTS,

    NGX_MTLS_QC_SSCD,                /* "1" */
    NGX_MTLS_QC_LIMIT,               /* "EUR:5e3" */
    NGX_MTLS_QC_RETENTION,           /* years */
    NGX_MTLS_QC_PSD2_STATUS,         /* a token, always there */
    NGX_MTLS_QC_PSD2_NCA,            /* NCAId */
    NGX_MTLS_QC_PSD2_NCA_NAME,
    NGX_MTLS_QC_PSD2_COUNTRY,        /* that NCAId begins with */
    NGX_MTLS_QC_VALUES
} ngx_mtls_qc_e;


/*
 * What a certificate says of each kind: no value: nothing; one value whose
 * data is NULL: it cannot be told.  A statement that is malformed or there
 * twice leaves what the others say as it is.
 */
struct ngx_mtls_qc_s {
    ngx_mtls_values_t             values[NGX_MTLS_QC_VALUES];
    ngx_str_t                     texts[NGX_MTLS_QC_VALUES];

    /* of those that may be several, by ngx_mtls_attribute_text() */
    ngx_str_t                     lists[NGX_MTLS_QC_LISTS];
    ngx_mtls_psd2_t               psd2;
};


/*
 * Reads the extension's value.  What is not DER to its end, or not a list of
 * statements, says nothing that can be told; a single statement without its
 * list is read only if "rules" permit.  "value" and "rules", which may be
 * NULL, must stay.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_qc_read(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_mtls_der_t *value, ngx_mtls_qc_t *qc);

/* what is known where the extension is absent ("status" NONE), or is twice */
void ngx_mtls_qc_without(ngx_mtls_qc_t *qc, ngx_mtls_psd2_status_e status);

/* whether a text is a type that NGX_MTLS_QC_TYPE can be */
ngx_uint_t ngx_mtls_qc_is_type(ngx_str_t *text);


#endif /* _NGX_MTLS_QCSTATEMENT_H_INCLUDED_ */
