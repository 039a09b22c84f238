
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
 * intermediates, from the leaf's issuer upwards, and last the anchor (which
 * is the leaf itself where nchain is 0: a trusted leaf; then "anchor" only).
 */
typedef struct {
    time_t                         handshake;
    u_char                         leaf[NGX_MTLS_HASH_LEN];
    u_char                         anchor[NGX_MTLS_HASH_LEN];
    u_char                         chain[NGX_MTLS_CHAIN_MAX]
                                        [NGX_MTLS_HASH_LEN];
    ngx_uint_t                     nchain;    /* intermediates */
} ngx_mtls_evidence_t;


/* what the callbacks need to know of the server{} that owns an SSL_CTX */
typedef struct {
    ngx_mtls_conf_t               *conf;
    ngx_mtls_trust_t              *trust;
    time_t                         session_timeout;   /* seconds */
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
 * and leaf.  NGX_DECLINED: none, or not ours.
 */
ngx_int_t ngx_mtls_evidence_read(SSL *ssl, ngx_mtls_conf_t *conf,
    const u_char leaf[NGX_MTLS_HASH_LEN], ngx_mtls_evidence_t *evidence);

/*
 * A CA certificate by fingerprint, with its facts: an anchor or helper of the
 * files, else an intermediate from this process's cache or the zone.  NULL:
 * not known.  Intermediates are counted references, to be given back.
 */
ngx_mtls_ca_cert_t *ngx_mtls_evidence_cert(ngx_mtls_conf_t *conf,
    const u_char fingerprint[NGX_MTLS_HASH_LEN]);
void ngx_mtls_evidence_cert_free(ngx_mtls_ca_cert_t *cert);


#endif /* _NGX_MTLS_EVIDENCE_H_INCLUDED_ */
