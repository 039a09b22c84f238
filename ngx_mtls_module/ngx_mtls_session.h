
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The session: what one TLS connection is: certificate, chain, and the
 * verdict that is the same in every location.
 */


#ifndef _NGX_MTLS_SESSION_H_INCLUDED_
#define _NGX_MTLS_SESSION_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_evidence.h>
#include <ngx_mtls_manager.h>
#include <ngx_mtls_policy.h>
#include <ngx_mtls_revocation.h>


/* status of the chain, before any location's policy; order of judgement */
typedef enum {
    NGX_MTLS_CHAIN_OK = 0,
    NGX_MTLS_CHAIN_UNTRUSTED,
    NGX_MTLS_CHAIN_PURPOSE,
    NGX_MTLS_CHAIN_EXPIRED,
    NGX_MTLS_CHAIN_NOT_YET_VALID,
    NGX_MTLS_CHAIN_WRONG_CA,        /* not verified by us, or the anchor is in
                                       no label now */
    NGX_MTLS_CHAIN_ERROR,           /* the certificate or an intermediate
                                       cannot be parsed or is not at hand */

    /* by nginx's own "ssl_crl" */
    NGX_MTLS_CHAIN_REVOKED,
    NGX_MTLS_CHAIN_REVOCATION_UNKNOWN
} ngx_mtls_chain_e;


/*
 * The client certificate of one SSL object and its chain; made at the first
 * question, kept in the SSL's ex_data, counted: requests and verdicts may
 * outlive the connection.
 */
typedef struct {
    ngx_uint_t                     refs;
    ngx_pool_t                    *pool;
    ngx_mtls_certificate_t         cert;       /* the leaf */
    ngx_uint_t                     malformed;  /* only DER and fingerprint of
                                                  "cert" mean anything */
    long                           verify;     /* X509_V_* of the TLS layer */
    ngx_uint_t                     evidence;   /* the record was good */
    ngx_mtls_evidence_t            facts;
    ngx_mtls_chain_e               status;     /* before what is trusted now */

    /*
     * the groups of the certificate under an anchor of these labels, once
     * asked; of the pool
     */
    ngx_uint_t                     evaluated;
    ngx_uint_t                    *labels;
    ngx_uint_t                     nlabels;
    ngx_mtls_policy_result_t       policy;
} ngx_mtls_session_t;


/* which "mtls_allow" let the certificate nowhere in, and why */
typedef struct {
    void                          *allow;      /* NULL: not used */
    void                          *rule;       /* of the decision */
    ngx_uint_t                     reason;
} ngx_mtls_verdict_refused_t;


#define NGX_MTLS_VERDICT_REFUSED   4           /* places that are remembered */


/*
 * Immutable but for "refused", counted.  Facts that depend on no server and no
 * location.  For an unverified chain only "chain" and "session" mean anything;
 * "policy" is empty then, and so is "revocation".
 */
typedef struct {
    ngx_uint_t                     refs;
    ngx_pool_t                    *pool;
    ngx_mtls_session_t            *session;
    ngx_atomic_uint_t              generation;
    time_t                         made;        /* holds from here */
    time_t                         valid_until; /* to before here */

    ngx_mtls_chain_e               chain;      /* of the TLS layer and anchor */
    ngx_mtls_chain_e               validity;   /* OK, EXPIRED, NOT_YET_VALID */

    /*
     * what is trusted, the anchor in it, and the certificates above the leaf:
     * intermediates and, last, the anchor (none where the leaf is the anchor);
     * only where "chain" is OK
     */
    ngx_mtls_ca_t                 *ca;
    ngx_mtls_anchor_t             *anchor;
    ngx_uint_t                     foreign;    /* the leaf speaks for a trust
                                                  domain of other labels */
    ngx_mtls_ca_cert_t            *above[NGX_MTLS_CHAIN_MAX + 1];
    ngx_uint_t                     nabove;

    /* [0] is the leaf; n elements below the anchor */
    ngx_mtls_revocation_t         *revocation;
    ngx_uint_t                     nrevocation;
    ngx_uint_t                     worst;      /* index of the worst element */

    ngx_mtls_policy_result_t       policy;

    /*
     * a ring: to ask all groups of a place is dear, and who was refused may
     * ask on
     */
    ngx_mtls_verdict_refused_t     refused[NGX_MTLS_VERDICT_REFUSED];
    ngx_uint_t                     nrefused;
} ngx_mtls_verdict_t;


/* takes the ex_data index; once per process, survives reloads */
ngx_int_t ngx_mtls_session_init(ngx_log_t *log);

/*
 * The session of an SSL object.  NGX_OK; NGX_DECLINED: no client certificate;
 * NGX_ERROR: out of memory.  No reference is taken: it lives as long as the
 * SSL; take one with ngx_mtls_session_ref() to keep it longer.
 */
ngx_int_t ngx_mtls_session_get(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_log_t *log, ngx_mtls_session_t **session);
void ngx_mtls_session_ref(ngx_mtls_session_t *session);
void ngx_mtls_session_free(ngx_mtls_session_t *session);

/*
 * The current verdict: the cached one where generation and time still hold,
 * else a new one.  With a reference, to be given back.  NGX_OK;
 * NGX_DECLINED: no client certificate; NGX_AGAIN: loading; NGX_ERROR.
 */
ngx_int_t ngx_mtls_session_verdict(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_log_t *log, ngx_mtls_verdict_t **verdict);
void ngx_mtls_verdict_free(ngx_mtls_verdict_t *verdict);

/*
 * The same without waiting: where a source is loading, its outcomes are
 * "unknown", and nothing is cached; for "dry_run".
 */
ngx_int_t ngx_mtls_session_verdict_now(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_log_t *log, ngx_mtls_verdict_t **verdict);

/* the chain status that a verify error of the TLS layer means */
ngx_mtls_chain_e ngx_mtls_session_chain(long verify);

/* removes the connection's session from the cache, after a refusal */
void ngx_mtls_session_forget(SSL *ssl);


#endif /* _NGX_MTLS_SESSION_H_INCLUDED_ */
