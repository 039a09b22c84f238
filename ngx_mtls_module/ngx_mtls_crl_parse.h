
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the files of the CRL room share and nobody else needs.
 */


#ifndef _NGX_MTLS_CRL_PARSE_H_INCLUDED_
#define _NGX_MTLS_CRL_PARSE_H_INCLUDED_


#include <ngx_mtls_crl.h>


typedef struct {
    ngx_mtls_der_t                 oid;       /* content octets */
    ngx_mtls_der_t                 value;     /* content of extnValue */
    ngx_uint_t                     critical;
} ngx_mtls_crl_extension_t;


/* reads one extension; NGX_DECLINED: it refuses the CRL, "err" says why */
typedef ngx_int_t (*ngx_mtls_crl_extension_pt)(ngx_pool_t *pool,
    ngx_mtls_crl_t *crl, void *data, ngx_mtls_crl_extension_t *extension,
    ngx_mtls_error_t *err);


/* the extension 2.5.29.n (RFC 5280 A.2, id-ce) */
#define ngx_mtls_crl_is_ce(e, n)                                             \
    (ngx_mtls_der_len(&(e)->oid) == 3 && (e)->oid.pos[0] == 0x55             \
     && (e)->oid.pos[1] == 0x1d && (e)->oid.pos[2] == (n))


/* all reasons, as in ngx_mtls_dp_t */
#define NGX_MTLS_CRL_REASONS_ALL   0x1fe


/* sets the text of an error; the value is NGX_DECLINED */
#define ngx_mtls_crl_refuse(err, ...)                                        \
    ((void) ngx_mtls_error(err, __VA_ARGS__), NGX_DECLINED)

/* puts text, in ngx_snprintf()'s format, before that of an error */
void ngx_mtls_crl_within(ngx_mtls_error_t *err, const char *fmt, ...);

/*
 * Parses the beginning of a CRL up to its entries: "len" octets are there, and
 * at most "missing" come after them.  crl->der and crl->tbs end with what is
 * there, "d" gets what is left of the tbsCertList.
 */
ngx_int_t ngx_mtls_crl_head(ngx_pool_t *pool, u_char *der, size_t len,
    size_t missing, ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_error_t *err);

/* gives each extension of Extensions to "handler", none may be there twice */
ngx_int_t ngx_mtls_crl_extensions(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d, ngx_mtls_crl_extension_pt handler, void *data,
    ngx_mtls_error_t *err);

/* the handler for those of the list */
ngx_int_t ngx_mtls_crl_extension(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    void *data, ngx_mtls_crl_extension_t *extension, ngx_mtls_error_t *err);

/* NGX_DECLINED if an extension that is not understood is critical */
ngx_int_t ngx_mtls_crl_unknown(ngx_mtls_crl_extension_t *extension,
    ngx_mtls_error_t *err);

/*
 * The next entry of crl->revoked, of which "d" is what is left.  NGX_DONE:
 * none; NGX_DECLINED: the CRL must be refused.
 */
ngx_int_t ngx_mtls_crl_entry(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_table_record_t *record, ngx_mtls_error_t *err);


#define NGX_MTLS_CRL_SIZE_MAX      0x7fffffff   /* octets of a file */


/* a file in private memory, or its first octets */
typedef struct {
    u_char                        *data;
    size_t                         len;       /* of what was read */
    size_t                         size;      /* of the whole file */
} ngx_mtls_crl_file_t;


#define NGX_MTLS_CRL_PEM_OTHER     0
#define NGX_MTLS_CRL_PEM_CRL       1
#define NGX_MTLS_CRL_PEM_CERT      2


/* a block of a PEM file (RFC 7468) */
typedef struct {
    ngx_uint_t                     kind;      /* NGX_MTLS_CRL_PEM_* */
    ngx_uint_t                     number;    /* from 1; 0 before the first */
    u_char                        *block;     /* begins with its first line */
    u_char                        *body;      /* between first and last line */
    u_char                        *last;
} ngx_mtls_crl_pem_t;


/*
 * Reads a regular file, or up to "limit" octets of it.  NGX_DECLINED: it is
 * not there, empty, too large, or was changed meanwhile.  The path ends with
 * a NUL.
 */
ngx_int_t ngx_mtls_crl_file_read(ngx_str_t *path, size_t limit,
    ngx_mtls_crl_file_t *file, ngx_mtls_error_t *err);

void ngx_mtls_crl_file_free(ngx_mtls_crl_file_t *file);

/* whether it is DER; if not it may be PEM */
ngx_uint_t ngx_mtls_crl_file_is_der(ngx_mtls_crl_file_t *file);

/*
 * The next block of any kind, "pos" moves past it.  NGX_DONE: none;
 * NGX_DECLINED: it has no end.
 */
ngx_int_t ngx_mtls_crl_pem_next(u_char **pos, u_char *last,
    ngx_mtls_crl_pem_t *pem, ngx_mtls_error_t *err);

/*
 * Decodes a body in its place, or the first "limit" octets and a few of it.
 * NGX_DECLINED: it is no base64.
 */
ngx_int_t ngx_mtls_crl_pem_decode(ngx_mtls_crl_pem_t *pem, size_t limit,
    size_t *len, ngx_mtls_error_t *err);

/* a CRL of a file */
typedef struct {
    ngx_mtls_crl_t                 crl;
    u_char                       (*anchors)[NGX_MTLS_HASH_LEN];
    ngx_uint_t                     nanchors;
    ngx_uint_t                     block;      /* of a PEM file, else 0 */
    ngx_uint_t                     superseded;
    u_char                        *path;       /* of what was written */
} ngx_mtls_crl_item_t;


/* the CRLs of a file */
typedef struct {
    ngx_mtls_job_t                *job;
    ngx_pool_t                    *pool;
    ngx_mtls_crl_file_t            file;
    ngx_array_t                    items;      /* of ngx_mtls_crl_item_t */
    STACK_OF(X509)                *certs;      /* beside the CRLs */
    ngx_uint_t                     retired;    /* kept, but must not serve */
    ngx_mtls_error_t              *err;
} ngx_mtls_crl_batch_t;


/* an empty one; ngx_mtls_crl_batch_free() is wanted if it fails, too */
ngx_int_t ngx_mtls_crl_batch_init(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_job_t *job, ngx_pool_t *pool, ngx_mtls_error_t *err);

/* frees what is not of its pool */
void ngx_mtls_crl_batch_free(ngx_mtls_crl_batch_t *batch);

/* parses and appends a CRL; "block" of a PEM file, else 0 */
ngx_int_t ngx_mtls_crl_item(ngx_mtls_crl_batch_t *batch, u_char *der,
    size_t len, ngx_uint_t block);

/* reads certificates among which signers are looked for; those of issuer= */
ngx_int_t ngx_mtls_crl_certs(ngx_mtls_crl_batch_t *batch, u_char *data,
    size_t len);
ngx_int_t ngx_mtls_crl_issuer(ngx_mtls_crl_batch_t *batch);

/*
 * Verifies all CRLs, drops what is superseded among them, refuses what is a
 * step back behind the tables that the job has
 */
ngx_int_t ngx_mtls_crl_batch_verify(ngx_mtls_crl_batch_t *batch);

/* sets the error that a CRL is older than the "what" one; NGX_DECLINED */
ngx_int_t ngx_mtls_crl_too_old(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_item_t *item, ngx_mtls_table_header_t *other,
    const char *what);

/*
 * "rc" is what became of the source file, whose CRLs "batch" has.  If what is
 * kept is to be used instead, and verifies, it is put into "batch" by way of
 * "kept", a batch without CRLs; see ngx_mtls_crl_compile().
 */
ngx_int_t ngx_mtls_crl_kept(ngx_mtls_crl_batch_t *batch,
    ngx_mtls_crl_batch_t *kept, ngx_int_t rc);

/* NGX_DECLINED, and the error that there is no CRL in a file */
#define ngx_mtls_crl_none(err)                                               \
    ngx_mtls_crl_refuse(err, "there is no CRL in it, neither DER nor"        \
                        " \"-----BEGIN X509 CRL-----\"")


#endif /* _NGX_MTLS_CRL_PARSE_H_INCLUDED_ */
