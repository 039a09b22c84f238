
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The certificates of one CA file as a list that can be looked through without
 * parsing any of them: in memory, and in the file's table.
 */


#ifndef _NGX_MTLS_CA_LIST_H_INCLUDED_
#define _NGX_MTLS_CA_LIST_H_INCLUDED_


#include <ngx_mtls.h>

#include <openssl/x509.h>


#define NGX_MTLS_CA_LIST_MAX     65536    /* certificates of one file */


/* one certificate, in the host's byte order */
typedef struct {
    u_char                         fingerprint[NGX_MTLS_HASH_LEN];
    u_char                         hash[NGX_MTLS_HASH_LEN];    /* of all */
    u_char                         subject[NGX_MTLS_HASH_LEN]; /* name hash */
    uint32_t                       name;       /* OpenSSL's of the subject, */
    uint32_t                       issuer;     /* of the issuer */
    uint32_t                       len;        /* octets of the certificate */
    uint32_t                       size;       /* the same, and OpenSSL's own
                                                  trust settings behind it */
    uint64_t                       offset;     /* from the list's begin */
    uint32_t                       anchor;     /* it is trusted */
    uint32_t                       reserved;
} ngx_mtls_ca_record_t;


/* "n" records, and behind them what they point at */
typedef struct {
    ngx_mtls_ca_record_t          *records;
    ngx_uint_t                     n;
    size_t                         size;       /* octets of the whole */
} ngx_mtls_ca_list_t;


/*
 * Makes the list, from the pool, of the certificates of one file, each parsed
 * as strictly as a client's.  Trusted are self-signed ones, with "partial"
 * all.  NGX_DECLINED: malformed or too many, "err" says which.
 */
ngx_int_t ngx_mtls_ca_list_make(STACK_OF(X509) *certs, ngx_uint_t partial,
    ngx_pool_t *pool, ngx_mtls_ca_list_t *list, ngx_mtls_error_t *err);

/* NGX_ERROR: something that a record says lies outside */
ngx_int_t ngx_mtls_ca_list_check(ngx_mtls_ca_list_t *list);


#endif /* _NGX_MTLS_CA_LIST_H_INCLUDED_ */
