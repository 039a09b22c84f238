
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


/* a parsed certificate; sets that have it one after the other share it */
typedef struct {
    ngx_mtls_ca_cert_t           cert;         /* first: what others see */
    ngx_uint_t                   refs;
    ngx_pool_t                  *pool;         /* NULL: the configuration's */
    u_char                       hash[NGX_MTLS_HASH_LEN];  /* the record's */
} ngx_mtls_ca_loaded_t;


typedef struct ngx_mtls_ca_entry_s  ngx_mtls_ca_entry_t;

struct ngx_mtls_ca_entry_s {
    ngx_mtls_anchor_t            anchor;       /* first: what others see */
    ngx_mtls_ca_record_t        *record;
    u_char                      *octets;       /* where its list begins */
    ngx_mtls_ca_loaded_t        *loaded;
    ngx_uint_t                   bad;          /* it could not be parsed */
    ngx_uint_t                   index;        /* in ca->certs */
    ngx_array_t                  labels;       /* of ngx_uint_t, ascending */

    /* chains of the indices */
    ngx_mtls_ca_entry_t         *next_fingerprint;
    ngx_mtls_ca_entry_t         *next_subject;
    ngx_mtls_ca_entry_t         *next_name;

    /* of the verification that goes on */
    ngx_uint_t                   mark;
    ngx_mtls_ca_entry_t         *next_reached;
};


struct ngx_mtls_ca_s {
    ngx_uint_t                   refs;
    ngx_pool_t                  *pool;
    ngx_uint_t                   live;         /* the pool is its own */
    ngx_array_t                 *labels;       /* of ngx_mtls_label_t * */
    ngx_array_t                  parts;        /* of ngx_mtls_ca_part_t */
    ngx_array_t                  certs;        /* of ngx_mtls_anchor_t * */
    ngx_array_t                  paths;        /* of ngx_str_t */
    ngx_uint_t                  *trusted;      /* per label */
    ngx_uint_t                   mark;
    u_char                       digest[NGX_MTLS_HASH_LEN];

    /* by fingerprint, by our hash of the subject, by OpenSSL's of it */
    ngx_mtls_ca_entry_t         *fingerprints[NGX_MTLS_CA_BUCKETS];
    ngx_mtls_ca_entry_t         *subjects[NGX_MTLS_CA_BUCKETS];
    ngx_mtls_ca_entry_t         *names[NGX_MTLS_CA_BUCKETS];
};


/* fingerprints and our hashes of names are evenly spread as they are */
#define ngx_mtls_ca_bucket(hash)                                             \
    (((ngx_uint_t) (hash)[0] | (ngx_uint_t) (hash)[1] << 8)                  \
     & (NGX_MTLS_CA_BUCKETS - 1))

/* NULL: not of the files */
ngx_mtls_ca_entry_t *ngx_mtls_ca_entry(ngx_mtls_ca_t *ca,
    const u_char *fingerprint);

/*
 * The certificate of an entry, parsed now if it is the first time.  NULL: out
 * of memory, or the table is corrupt.
 */
ngx_mtls_ca_cert_t *ngx_mtls_ca_loaded(ngx_mtls_ca_t *ca,
    ngx_mtls_ca_entry_t *entry);

/*
 * Makes the indices and the digest of ca->parts; what "previous" has parsed is
 * taken over.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_ca_build(ngx_mtls_ca_t *ca, ngx_mtls_ca_t *previous);

/* gives back what was parsed for the set */
void ngx_mtls_ca_unload(ngx_mtls_ca_t *ca);

/* the chain of ca->names that a name's OpenSSL hash means */
#define ngx_mtls_ca_names(ca, hash)                                          \
    ((ca)->names[(hash) & (NGX_MTLS_CA_BUCKETS - 1)])

/* OpenSSL's hash of a name.  NGX_ERROR: OpenSSL failed. */
ngx_int_t ngx_mtls_ca_name(const X509_NAME *name, uint32_t *hash);

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
