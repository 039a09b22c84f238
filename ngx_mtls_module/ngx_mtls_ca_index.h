
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The inside of a set of CA certificates, for the files that make and use it.
 */


#ifndef _NGX_MTLS_CA_INDEX_H_INCLUDED_
#define _NGX_MTLS_CA_INDEX_H_INCLUDED_


#include <ngx_mtls_ca.h>


#define NGX_MTLS_CA_FILE_MAX     (16 * 1024 * 1024)

/* of each index; a trusted list of a continent has some hundred issuers */
#define NGX_MTLS_CA_BUCKETS      1024


typedef struct ngx_mtls_ca_entry_s  ngx_mtls_ca_entry_t;

struct ngx_mtls_ca_entry_s {
    ngx_mtls_anchor_t            anchor;       /* first: what others see */
    ngx_uint_t                   index;        /* in ca->certs */
    ngx_array_t                  labels;       /* of ngx_uint_t, ascending */

    /* chains of the indices */
    ngx_mtls_ca_entry_t         *next_fingerprint;
    ngx_mtls_ca_entry_t         *next_subject;
    ngx_mtls_ca_entry_t         *next_name;

    ngx_uint_t                   issuer;       /* bucket of its issuer's name */

    /* of the verification that goes on */
    ngx_uint_t                   mark;
    ngx_mtls_ca_entry_t         *next_reached;
};


struct ngx_mtls_ca_s {
    ngx_pool_t                  *pool;
    ngx_array_t                  labels;       /* of ngx_mtls_label_t * */
    ngx_array_t                  certs;        /* of ngx_mtls_anchor_t * */
    ngx_array_t                  paths;        /* of ngx_str_t */
    ngx_uint_t                   mark;
    u_char                       digest[NGX_MTLS_HASH_LEN];

    /* by fingerprint, by our hash of the subject, by OpenSSL's of it */
    ngx_mtls_ca_entry_t         *fingerprints[NGX_MTLS_CA_BUCKETS];
    ngx_mtls_ca_entry_t         *subjects[NGX_MTLS_CA_BUCKETS];
    ngx_mtls_ca_entry_t         *names[NGX_MTLS_CA_BUCKETS];
};


/* NULL: not of the files */
ngx_mtls_ca_entry_t *ngx_mtls_ca_entry(ngx_mtls_ca_t *ca,
    const u_char *fingerprint);

/*
 * The bucket of a name in ca->names, whose entries X509_NAME_cmp() tells
 * apart.  NGX_ERROR: OpenSSL failed.
 */
ngx_int_t ngx_mtls_ca_name(const X509_NAME *name, ngx_uint_t *bucket);

/*
 * The DER of a certificate, to be freed with OPENSSL_free(), and its SHA-256.
 * NGX_ERROR: OpenSSL failed.
 */
ngx_int_t ngx_mtls_ca_fingerprint(X509 *x509, u_char **der, size_t *len,
    u_char *fingerprint);

/*
 * Reads a regular file of at most NGX_MTLS_CA_FILE_MAX octets; "data" is to be
 * freed with ngx_free().  NGX_DECLINED: "err" names the file and why.
 */
ngx_int_t ngx_mtls_ca_load(ngx_str_t *path, ngx_log_t *log, u_char **data,
    size_t *len, ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_CA_INDEX_H_INCLUDED_ */
