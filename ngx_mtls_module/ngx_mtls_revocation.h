
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Revocation: the outcome of one chain element by the CRL tables of a
 * generation (RFC 5280 6.3.3).
 */


#ifndef _NGX_MTLS_REVOCATION_H_INCLUDED_
#define _NGX_MTLS_REVOCATION_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_certificate.h>
#include <ngx_mtls_manifest.h>


#define NGX_MTLS_CLOCK_SKEW        300   /* of a thisUpdate in the future */

/* a time that does not come */
#define NGX_MTLS_FOREVER           ((time_t) NGX_MAX_INT_T_VALUE)

/* outcomes, the worse the higher */
#define NGX_MTLS_OUTCOME_UNCHECKED 0
#define NGX_MTLS_OUTCOME_GOOD      1
#define NGX_MTLS_OUTCOME_STALE     2
#define NGX_MTLS_OUTCOME_UNKNOWN   3
#define NGX_MTLS_OUTCOME_REVOKED   4
#define NGX_MTLS_OUTCOME_ERROR     5     /* cannot be judged: a malformed CDP
                                            extension, a corrupt table */


typedef struct {
    ngx_uint_t                     outcome;
    ngx_str_t                      source;    /* path of the CRL file */
    time_t                         time;      /* revocationDate if revoked,
                                                 else thisUpdate; 0: none */
    time_t                         until;     /* when time alone may change
                                                 the outcome, else
                                                 NGX_MTLS_FOREVER */
} ngx_mtls_revocation_t;


/*
 * Judges one certificate below the anchor, whose fingerprint is "anchor": the
 * signer of a CRL must reach it too.  "issuer" is the certificate above in the
 * chain, "ca" knows other signers.  Without a manifest (NULL) the outcome is
 * "unknown".  The texts are copied to the pool.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_revocation_check(ngx_mtls_manifest_t *m, ngx_mtls_ca_t *ca,
    ngx_mtls_certificate_t *cert, ngx_mtls_ca_cert_t *issuer,
    const u_char anchor[NGX_MTLS_HASH_LEN], time_t now, ngx_pool_t *pool,
    ngx_mtls_revocation_t *revocation);


#endif /* _NGX_MTLS_REVOCATION_H_INCLUDED_ */
