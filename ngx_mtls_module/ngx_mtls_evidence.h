
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Evidence: the record of what a full handshake verified, which travels in
 * the TLS session, and the callbacks that write it and refuse resumptions.
 */


#ifndef _NGX_MTLS_EVIDENCE_H_INCLUDED_
#define _NGX_MTLS_EVIDENCE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_manager.h>


#define NGX_MTLS_EVIDENCE_VERSION  1
#define NGX_MTLS_EVIDENCE_MAX      512    /* octets of a record */


/*
 * Facts of one full handshake.  "chain" holds the fingerprints of the
 * intermediates, from the leaf's issuer upwards; "anchor" issued the last of
 * them, or the leaf where there are none, or it is the leaf itself.
 */
typedef struct {
    time_t                         handshake;
    u_char                         leaf[NGX_MTLS_HASH_LEN];
    u_char                         anchor[NGX_MTLS_HASH_LEN];
    u_char                         chain[NGX_MTLS_CHAIN_MAX]
                                        [NGX_MTLS_HASH_LEN];
    ngx_uint_t                     nchain;    /* intermediates */

    /* of a server with "mtls off": nothing but "handshake" and "leaf" holds */
    ngx_uint_t                     off;
} ngx_mtls_evidence_t;


/* what the callbacks need to know of the server{} that owns an SSL_CTX */
typedef struct {
    ngx_mtls_conf_t               *conf;
    ngx_mtls_trust_t              *trust;
    time_t                         session_timeout;   /* seconds */

    /*
     * "mtls off" at the server's own level: its chains are verified by nginx's
     * store, and its sessions, which say so, are resumed as nginx does it
     */
    ngx_uint_t                     off;

    /* of the session cache, set by ngx_mtls_evidence_attach() */
    SSL_SESSION                 *(*get_session)(SSL *ssl,
                                       const unsigned char *id, int len,
                                       int *copy);
} ngx_mtls_server_t;


/* takes the ex_data indices; once per process, survives reloads */
ngx_int_t ngx_mtls_evidence_init(ngx_log_t *log);

/*
 * Puts the verify, ticket and session callbacks on a server's context; from
 * postconfiguration.  "server" must live as long as the context.
 */
ngx_int_t ngx_mtls_evidence_attach(SSL_CTX *ctx, ngx_mtls_server_t *server,
    ngx_log_t *log);

/*
 * Reads the record of a connection's session and checks its MAC over record
 * and leaf.  NGX_DECLINED: none, or not ours; NGX_ERROR: OpenSSL failed.
 */
ngx_int_t ngx_mtls_evidence_read(SSL *ssl, ngx_mtls_conf_t *conf,
    const u_char leaf[NGX_MTLS_HASH_LEN], ngx_mtls_evidence_t *evidence);

/*
 * Takes over what a callback of this very handshake has already found out of
 * the connection's certificate: its DER, from the pool, and, where evidence is
 * good, the evidence.  "evidence->leaf" is set on NGX_OK and on NGX_DECLINED
 * (no evidence).  NGX_ERROR: OpenSSL failed or out of memory.
 */
ngx_int_t ngx_mtls_evidence_take(SSL *ssl, ngx_mtls_conf_t *conf, X509 *peer,
    ngx_pool_t *pool, ngx_str_t *der, ngx_mtls_evidence_t *evidence);


#endif /* _NGX_MTLS_EVIDENCE_H_INCLUDED_ */
