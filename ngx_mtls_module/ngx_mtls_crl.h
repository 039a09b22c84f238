
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificate revocation lists (RFC 5280 5): parsed strictly, verified, and
 * compiled to tables.  Runs in the compiler's child, never in a worker.
 */


#ifndef _NGX_MTLS_CRL_H_INCLUDED_
#define _NGX_MTLS_CRL_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_der.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_job.h>
#include <ngx_mtls_table.h>


#define NGX_MTLS_CRL_FILE_MAX      1024   /* CRLs in one PEM file */


/* a parsed CertificateList; everything points into its DER */
typedef struct {
    ngx_mtls_der_t                 der;        /* the whole */
    ngx_mtls_der_t                 tbs;        /* whole tbsCertList */
    ngx_mtls_der_t                 algorithm;  /* whole AlgorithmIdentifier */
    ngx_mtls_der_t                 signature;  /* octets */
    ngx_mtls_der_t                 issuer;     /* whole Name */
    ngx_mtls_der_t                 revoked;    /* content, may be empty */
    ngx_mtls_der_t                 aki;        /* keyid, may be empty */
    ngx_uint_t                     nrevoked;
    u_char                         issuer_hash[NGX_MTLS_HASH_LEN];
    ngx_str_t                      name;       /* the issuer, for errors */

    /* facts of the header: times, flags, reasons, number, base, aki, idp */
    ngx_mtls_table_header_t        header;

    u_char                       (*names)[NGX_MTLS_HASH_LEN];   /* IDP */
    ngx_uint_t                     nnames;
} ngx_mtls_crl_t;


/*
 * Parses one CRL and walks all of its entries.  NGX_DECLINED: malformed, an
 * unknown critical extension (of the list or of any entry), an extension
 * twice, a version, reason, number or time that RFC 5280 forbids, or a kind
 * that is not supported; "err" says which and where.
 */
ngx_int_t ngx_mtls_crl_parse(ngx_pool_t *pool, u_char *der, size_t len,
    ngx_mtls_crl_t *crl, ngx_mtls_error_t *err);

/*
 * Verifies the signature with the signer's key: RSA PKCS#1 v1.5 and PSS,
 * ECDSA, Ed25519, Ed448, SHA-2 only.  NGX_DECLINED: wrong, weak or unknown
 * algorithm, a key that does not fit.
 */
ngx_int_t ngx_mtls_crl_verify(ngx_mtls_crl_t *crl, X509 *signer,
    ngx_mtls_error_t *err);

/*
 * Finds the signer among the certificates of mtls_ca files and "extra" (those
 * beside the CRL): subject equal to the CRL's issuer, key identifiers equal
 * where both are there, cRLSign allowed, signature good, an anchor reached.
 * Fills header.signer and signer_spki, and the anchors.  NGX_DECLINED: "err"
 * says why, naming the issuer if it is not known.
 */
ngx_int_t ngx_mtls_crl_signer(ngx_mtls_crl_t *crl, ngx_mtls_ca_t *ca,
    STACK_OF(X509) *extra, ngx_pool_t *pool,
    u_char (**anchors)[NGX_MTLS_HASH_LEN], ngx_uint_t *nanchors,
    ngx_mtls_error_t *err);

/*
 * Whether "crl" is older than what is loaded for the same issuer key, issuing
 * distribution point and kind: a lower CRLNumber, or the same one with an
 * earlier thisUpdate; without numbers, an earlier thisUpdate.
 */
ngx_uint_t ngx_mtls_crl_older(ngx_mtls_table_header_t *crl,
    ngx_mtls_table_header_t *loaded);


/*
 * Reads the file once into private memory, sniffs PEM or DER, and compiles
 * each CRL in it to a table named by hex(SHA-256(source_key, SHA-256(DER),
 * digest of the trust)) with the suffix ".tmp" (O_EXCL|O_NOFOLLOW, mode 0600,
 * synced); the manager renames.  A CRL that another one of the file supersedes
 * is left out.
 * All or nothing: one bad CRL refuses the file and leaves no temporary file.
 * NGX_DECLINED: "err" names the file and the cause; NGX_ERROR: so it does, and
 * the cause lies here (no memory, no space).
 *
 * Where the job has a folder of kept CRLs and no table yet, or only of another
 * trust, and the file is refused, or older than what is kept and verifies, that
 * is compiled instead:
 * NGX_OK, job->used is NGX_MTLS_KEPT_SERVES, and "err" says why.  If it is
 * NGX_MTLS_KEPT_BAD, "err" says, maybe among others, what is wrong with it;
 * NGX_MTLS_KEPT_SAME: it is what was compiled.
 */
ngx_int_t ngx_mtls_crl_compile(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_made_t **made, ngx_uint_t *nmade, ngx_mtls_error_t *err);

/*
 * Keeps the CRLs of which the tables "loaded" of the job were made, with the
 * certificates beside them, for the next start.  Writes nothing where they are
 * kept already, or where later ones are, of another instance.  NGX_DECLINED:
 * the file has changed since it was compiled; NGX_ERROR: it failed, "err"
 * says why.
 */
ngx_int_t ngx_mtls_crl_keep(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_error_t *err);

/*
 * Only for nginx -t and start: parses the heads of the CRLs of a file, not
 * their entries and signatures.  "now" judges staleness: "stale" is set if a
 * nextUpdate has passed.  "issuers" gets name hashes (of ngx_array_t of
 * NGX_MTLS_HASH_LEN octets).  NGX_DECLINED: unreadable or no CRL.
 */
ngx_int_t ngx_mtls_crl_peek(ngx_pool_t *pool, ngx_str_t *path, time_t now,
    ngx_array_t *issuers, ngx_uint_t *stale, ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_CRL_H_INCLUDED_ */
