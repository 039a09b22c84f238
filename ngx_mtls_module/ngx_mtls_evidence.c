
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Evidence: the record of what a full handshake verified, which travels in
 * the TLS session, and the callbacks that write it and refuse resumptions.
 */


#include <ngx_mtls.h>
#include <ngx_event.h>
#include <ngx_mtls_evidence.h>
#include <ngx_mtls_intermediate.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>


/*
 * A record, numbers in network byte order:
 *
 *   version            1   or, of a server with "mtls off", another one
 *   key id             8   begin of the zone's run id
 *   time               8   of the full handshake, seconds since 1970
 *   intermediates      1   their count
 *   anchor            32   with "mtls off" zeros
 *   intermediates  32 * n
 *   MAC               16   HMAC-SHA-256, truncated
 *
 * The MAC is over the context, the record before it, and the fingerprint of
 * the leaf; the context tells it from what else the key is used for.
 */
#define NGX_MTLS_EVIDENCE_CONTEXT      "mtls evidence"
#define NGX_MTLS_EVIDENCE_CONTEXT_LEN  (sizeof(NGX_MTLS_EVIDENCE_CONTEXT) - 1)
#define NGX_MTLS_EVIDENCE_OFF          0x80   /* a version */
#define NGX_MTLS_EVIDENCE_KEY_LEN      8
#define NGX_MTLS_EVIDENCE_MAC_LEN      16
#define NGX_MTLS_EVIDENCE_SKEW         300    /* seconds a clock may jump */

/*
 * OpenSSL fails a handshake whose session is too long for a ticket, 65,280
 * octets: what a record adds must not be the cause
 */
#define NGX_MTLS_EVIDENCE_LEAF_MAX     (62 * 1024)

#define NGX_MTLS_EVIDENCE_FIXED_LEN                                          \
    (1 + NGX_MTLS_EVIDENCE_KEY_LEN + 8 + 1 + NGX_MTLS_HASH_LEN)

#define ngx_mtls_evidence_len(n)                                             \
    (NGX_MTLS_EVIDENCE_FIXED_LEN + (n) * NGX_MTLS_HASH_LEN                   \
     + NGX_MTLS_EVIDENCE_MAC_LEN)


/*
 * What a callback found out of a certificate, until the connection's session
 * asks; "peer" is a reference, so that the pointer says which certificate.
 */
typedef struct {
    X509                      *peer;
    ngx_uint_t                 good;
    ngx_mtls_evidence_t        evidence;
    size_t                     len;
    u_char                     der[1];
} ngx_mtls_evidence_held_t;


static ngx_mtls_server_t *ngx_mtls_evidence_server(SSL_CTX *ctx);
static int ngx_mtls_evidence_verify(X509_STORE_CTX *store, void *data);
static int ngx_mtls_evidence_verify_off(X509_STORE_CTX *store, void *data);
static ngx_int_t ngx_mtls_evidence_write(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_mtls_evidence_held_t *held);
static ngx_int_t ngx_mtls_evidence_mac(ngx_mtls_zone_t *zone, u_char *record,
    size_t len, const u_char *leaf, u_char *mac);
static ngx_int_t ngx_mtls_evidence_session(SSL_SESSION *session,
    ngx_mtls_conf_t *conf, const u_char *leaf, ngx_mtls_evidence_t *evidence);
static SSL_TICKET_RETURN ngx_mtls_evidence_ticket(SSL *ssl,
    SSL_SESSION *session, const unsigned char *name, size_t len,
    SSL_TICKET_STATUS status, void *data);
static SSL_SESSION *ngx_mtls_evidence_get_session(SSL *ssl,
    const unsigned char *id, int len, int *copy);
static ngx_int_t ngx_mtls_evidence_resume(SSL *ssl, SSL_SESSION *session,
    ngx_mtls_server_t *server);
static const char *ngx_mtls_evidence_refuse(SSL *ssl, SSL_SESSION *session,
    ngx_mtls_server_t *server, ngx_mtls_evidence_held_t *held);
static ngx_uint_t ngx_mtls_evidence_off(SSL *ssl);
static ngx_uint_t ngx_mtls_evidence_valid(ngx_mtls_ca_cert_t *cert,
    time_t now);
static ngx_mtls_evidence_held_t *ngx_mtls_evidence_hold(SSL *ssl, X509 *peer);
static void ngx_mtls_evidence_release(void *parent, void *data,
    CRYPTO_EX_DATA *ad, int index, long argl, void *argp);


/* an index of OpenSSL's cannot be given back: it is the process's */
static int  ngx_mtls_evidence_index = -1;
static int  ngx_mtls_evidence_store_index = -1;


ngx_int_t
ngx_mtls_evidence_init(ngx_log_t *log)
{
    if (ngx_mtls_evidence_index == -1) {
        ngx_mtls_evidence_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
                                                   ngx_mtls_evidence_release);
    }

    if (ngx_mtls_evidence_store_index == -1) {
        ngx_mtls_evidence_store_index = X509_STORE_get_ex_new_index(0, NULL,
                                                          NULL, NULL, NULL);
    }

    if (ngx_mtls_evidence_index == -1
        || ngx_mtls_evidence_store_index == -1)
    {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0, "SSL_get_ex_new_index() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The server hangs on the store, which belongs to this context alone.  On the
 * context itself, where nginx keeps data too, OpenSSL would move them to make
 * room: the places left free by all servers are what a worker's first requests
 * take their memory from, and each is on another page that it must copy.
 */

ngx_int_t
ngx_mtls_evidence_attach(SSL_CTX *ctx, ngx_mtls_server_t *server,
    ngx_log_t *log)
{
    if (X509_STORE_set_ex_data(SSL_CTX_get_cert_store(ctx),
                               ngx_mtls_evidence_store_index, server)
        == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0,
                      "X509_STORE_set_ex_data() failed");
        return NGX_ERROR;
    }

    SSL_CTX_set_cert_verify_callback(ctx,
                                     server->off ? ngx_mtls_evidence_verify_off
                                                 : ngx_mtls_evidence_verify,
                                     server);

    if (SSL_CTX_set_session_ticket_cb(ctx, NULL, ngx_mtls_evidence_ticket,
                                      server)
        == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0,
                      "SSL_CTX_set_session_ticket_cb() failed");
        return NGX_ERROR;
    }

    server->get_session = SSL_CTX_sess_get_get_cb(ctx);

    if (server->get_session) {
        SSL_CTX_sess_set_get_cb(ctx, ngx_mtls_evidence_get_session);
    }

    return NGX_OK;
}


/* NULL: nothing was attached */

static ngx_mtls_server_t *
ngx_mtls_evidence_server(SSL_CTX *ctx)
{
    return X509_STORE_get_ex_data(SSL_CTX_get_cert_store(ctx),
                                  ngx_mtls_evidence_store_index);
}


/*
 * In place of X509_verify_cert(), for each certificate of a full handshake.
 * That returns 1 for a bad chain too, since nginx's own callback does: what
 * counts is the error in the store.
 */

static int
ngx_mtls_evidence_verify(X509_STORE_CTX *store, void *data)
{
    ngx_mtls_server_t  *server = data;

    int                        rc;
    SSL                       *ssl;
    ngx_int_t                  ret;
    ngx_uint_t                 i, depth;
    ngx_connection_t          *c;
    ngx_mtls_error_t           err;
    STACK_OF(X509)            *chain;
    ngx_mtls_anchor_t         *anchor;
    ngx_mtls_ca_cert_t        *cert;
    ngx_mtls_evidence_t       *evidence;
    ngx_mtls_evidence_held_t  *held;

    ssl = X509_STORE_CTX_get_ex_data(store,
                                     SSL_get_ex_data_X509_STORE_CTX_idx());

    held = ngx_mtls_evidence_hold(ssl, X509_STORE_CTX_get0_cert(store));
    if (held == NULL) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }

    evidence = &held->evidence;
    c = ngx_ssl_get_connection(ssl);

    /* by what is trusted now */

    (void) ngx_mtls_manager_sync(server->conf, c->log);

    rc = ngx_mtls_ca_verify(server->conf->ca, server->trust, store,
                            evidence->leaf, &anchor, &depth);
    if (anchor == NULL) {
        return rc;
    }

    evidence->off = 0;
    evidence->handshake = ngx_time();
    evidence->nchain = depth ? depth - 1 : 0;
    ngx_memcpy(evidence->anchor, anchor->fingerprint, NGX_MTLS_HASH_LEN);

    chain = X509_STORE_CTX_get0_chain(store);

    for (i = 0; i < evidence->nchain; i++) {

        ret = ngx_mtls_intermediate_seen(server->conf,
                                         sk_X509_value(chain, i + 1), &cert,
                                         &err);
        if (ret == NGX_DECLINED) {
            ngx_log_error(NGX_LOG_INFO, c->log, 0,
                          "client certificate's issuer cannot be judged: %*s",
                          err.len, err.text);
        }

        if (ret != NGX_OK) {
            goto failed;
        }

        ngx_memcpy(evidence->chain[i], cert->facts.fingerprint,
                   NGX_MTLS_HASH_LEN);

        ngx_mtls_intermediate_free(cert);
    }

    if (ngx_mtls_evidence_write(ssl, server->conf, held) != NGX_OK) {
        goto failed;
    }

    held->good = 1;

    return rc;

failed:

    /* a chain without a record could not be judged afterwards */

    X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);

    return rc;
}


/*
 * With "mtls off" it is X509_verify_cert(), and the session says where it
 * comes from: that one without any record is not resumed holds everywhere.
 * The server of a session may not be known when it is looked for.
 */

static int
ngx_mtls_evidence_verify_off(X509_STORE_CTX *store, void *data)
{
    ngx_mtls_server_t  *server = data;

    SSL                       *ssl;
    ngx_mtls_evidence_held_t  *held;

    ssl = X509_STORE_CTX_get_ex_data(store,
                                     SSL_get_ex_data_X509_STORE_CTX_idx());

    held = ngx_mtls_evidence_hold(ssl, X509_STORE_CTX_get0_cert(store));

    if (held) {
        held->evidence.off = 1;
        held->evidence.handshake = ngx_time();
        held->evidence.nchain = 0;
        ngx_memzero(held->evidence.anchor, NGX_MTLS_HASH_LEN);

        /* a session that cannot say it is not resumed, and that is all */
        (void) ngx_mtls_evidence_write(ssl, server->conf, held);
    }

    return X509_verify_cert(store);
}


static ngx_int_t
ngx_mtls_evidence_write(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_mtls_evidence_held_t *held)
{
    u_char               *p;
    uint64_t              t;
    ngx_uint_t            i;
    SSL_SESSION          *session;
    ngx_mtls_zone_t      *zone;
    ngx_mtls_evidence_t  *evidence;
    u_char                record[NGX_MTLS_EVIDENCE_MAX];

    session = SSL_get0_session(ssl);
    evidence = &held->evidence;

    if (session == NULL
        || ngx_mtls_evidence_len(evidence->nchain) > NGX_MTLS_EVIDENCE_MAX)
    {
        return NGX_ERROR;
    }

    if (held->len > NGX_MTLS_EVIDENCE_LEAF_MAX) {

        /* without a record this session serves its connection alone */

        return NGX_OK;
    }

    zone = ngx_mtls_zone(conf->shm_zone);
    t = (uint64_t) evidence->handshake;

    p = record;

    *p++ = evidence->off ? NGX_MTLS_EVIDENCE_OFF : NGX_MTLS_EVIDENCE_VERSION;
    p = ngx_cpymem(p, zone->run_id, NGX_MTLS_EVIDENCE_KEY_LEN);

    for (i = 0; i < 8; i++) {
        *p++ = (u_char) (t >> (56 - 8 * i));
    }

    *p++ = (u_char) evidence->nchain;
    p = ngx_cpymem(p, evidence->anchor, NGX_MTLS_HASH_LEN);
    p = ngx_cpymem(p, evidence->chain, evidence->nchain * NGX_MTLS_HASH_LEN);

    if (ngx_mtls_evidence_mac(zone, record, p - record, evidence->leaf, p)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p += NGX_MTLS_EVIDENCE_MAC_LEN;

    if (SSL_SESSION_set1_ticket_appdata(session, record, p - record) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_evidence_mac(ngx_mtls_zone_t *zone, u_char *record, size_t len,
    const u_char *leaf, u_char *mac)
{
    u_char  *p;
    u_char   context[NGX_MTLS_EVIDENCE_CONTEXT_LEN + NGX_MTLS_HASH_LEN];
    u_char   hash[NGX_MTLS_HASH_LEN];

    p = ngx_cpymem(context, NGX_MTLS_EVIDENCE_CONTEXT,
                   NGX_MTLS_EVIDENCE_CONTEXT_LEN);
    ngx_memcpy(p, leaf, NGX_MTLS_HASH_LEN);

    if (ngx_mtls_hmac(zone->key, context, sizeof(context), record, len, hash)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(mac, hash, NGX_MTLS_EVIDENCE_MAC_LEN);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_evidence_read(SSL *ssl, ngx_mtls_conf_t *conf,
    const u_char leaf[NGX_MTLS_HASH_LEN], ngx_mtls_evidence_t *evidence)
{
    ngx_int_t     rc;
    SSL_SESSION  *session;

    session = SSL_get0_session(ssl);
    if (session == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_mtls_evidence_session(session, conf, leaf, evidence);

    return (rc == NGX_OK && evidence->off) ? NGX_DECLINED : rc;
}


static ngx_int_t
ngx_mtls_evidence_session(SSL_SESSION *session, ngx_mtls_conf_t *conf,
    const u_char *leaf, ngx_mtls_evidence_t *evidence)
{
    void             *data;
    size_t            len;
    u_char           *p;
    uint64_t          t;
    ngx_uint_t        i;
    ngx_mtls_zone_t  *zone;
    u_char            mac[NGX_MTLS_EVIDENCE_MAC_LEN];

    if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) != 1
        || data == NULL
        || len < ngx_mtls_evidence_len(0)
        || len > NGX_MTLS_EVIDENCE_MAX)
    {
        return NGX_DECLINED;
    }

    zone = ngx_mtls_zone(conf->shm_zone);
    p = data;

    if ((*p != NGX_MTLS_EVIDENCE_VERSION && *p != NGX_MTLS_EVIDENCE_OFF)
        || ngx_memcmp(p + 1, zone->run_id, NGX_MTLS_EVIDENCE_KEY_LEN) != 0)
    {
        return NGX_DECLINED;
    }

    len -= NGX_MTLS_EVIDENCE_MAC_LEN;

    if (ngx_mtls_evidence_mac(zone, data, len, leaf, mac) != NGX_OK) {
        return NGX_ERROR;
    }

    if (CRYPTO_memcmp(mac, (u_char *) data + len, NGX_MTLS_EVIDENCE_MAC_LEN)
        != 0)
    {
        return NGX_DECLINED;
    }

    /* from here on it is what we wrote */

    evidence->off = (*p++ == NGX_MTLS_EVIDENCE_OFF);

    p += NGX_MTLS_EVIDENCE_KEY_LEN;

    for (t = 0, i = 0; i < 8; i++) {
        t = t << 8 | *p++;
    }

    evidence->handshake = (time_t) t;
    evidence->nchain = *p++;

    if (evidence->nchain > NGX_MTLS_CHAIN_MAX
        || len + NGX_MTLS_EVIDENCE_MAC_LEN
           != ngx_mtls_evidence_len(evidence->nchain))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(evidence->leaf, leaf, NGX_MTLS_HASH_LEN);
    ngx_memcpy(evidence->anchor, p, NGX_MTLS_HASH_LEN);
    ngx_memcpy(evidence->chain, p + NGX_MTLS_HASH_LEN,
               evidence->nchain * NGX_MTLS_HASH_LEN);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_evidence_take(SSL *ssl, ngx_mtls_conf_t *conf, X509 *peer,
    ngx_pool_t *pool, ngx_str_t *der, ngx_mtls_evidence_t *evidence)
{
    ngx_int_t                  rc;
    ngx_mtls_evidence_held_t  *held;

    held = SSL_get_ex_data(ssl, ngx_mtls_evidence_index);

    if (held == NULL || held->peer != peer) {
        held = ngx_mtls_evidence_hold(ssl, peer);
        if (held == NULL) {
            return NGX_ERROR;
        }
    }

    der->len = held->len;
    der->data = ngx_pnalloc(pool, held->len);
    if (der->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(der->data, held->der, held->len);

    *evidence = held->evidence;

    rc = held->good ? NGX_OK
                    : ngx_mtls_evidence_read(ssl, conf, held->evidence.leaf,
                                             evidence);

    (void) SSL_set_ex_data(ssl, ngx_mtls_evidence_index, NULL);
    ngx_mtls_evidence_release(NULL, held, NULL, 0, 0, NULL);

    return rc;
}


/* for tickets, of TLS 1.2 and 1.3, that nginx's keys open */

static SSL_TICKET_RETURN
ngx_mtls_evidence_ticket(SSL *ssl, SSL_SESSION *session,
    const unsigned char *name, size_t len, SSL_TICKET_STATUS status,
    void *data)
{
    ngx_mtls_server_t  *server = data;

    (void) name;
    (void) len;

    switch (status) {

    case SSL_TICKET_SUCCESS:
    case SSL_TICKET_SUCCESS_RENEW:

        if (ngx_mtls_evidence_resume(ssl, session, server) != NGX_OK) {

            /* a full handshake follows, and a new ticket after it */

            return SSL_TICKET_RETURN_IGNORE_RENEW;
        }

        return (status == SSL_TICKET_SUCCESS) ? SSL_TICKET_RETURN_USE
                                              : SSL_TICKET_RETURN_USE_RENEW;

    default:

        /* SSL_TICKET_EMPTY, SSL_TICKET_NO_DECRYPT: as without a callback */

        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}


/* for the session cache: session ids of TLS 1.2, stateful tickets of 1.3 */

static SSL_SESSION *
ngx_mtls_evidence_get_session(SSL *ssl, const unsigned char *id, int len,
    int *copy)
{
    SSL_SESSION        *session;
    ngx_connection_t   *c;
    ngx_mtls_server_t  *server;

    /* the cache is that of the listening socket's default server */

    c = ngx_ssl_get_connection(ssl);
    server = ngx_mtls_evidence_server(c->ssl->session_ctx);

    session = server->get_session(ssl, id, len, copy);

    if (session == NULL
        || ngx_mtls_evidence_resume(ssl, session, server) == NGX_OK)
    {
        return session;
    }

    if (!*copy) {
        SSL_SESSION_free(session);
    }

    return NULL;
}


static ngx_int_t
ngx_mtls_evidence_resume(SSL *ssl, SSL_SESSION *session,
    ngx_mtls_server_t *server)
{
    X509                      *peer;
    const char                *reason;
    ngx_connection_t          *c;
    ngx_mtls_evidence_held_t  *held;

    peer = SSL_SESSION_get0_peer(session);

    if (peer == NULL) {
        return NGX_OK;
    }

    held = ngx_mtls_evidence_hold(ssl, peer);

    reason = held ? ngx_mtls_evidence_refuse(ssl, session, server, held)
                  : "out of memory";

    if (reason == NULL) {
        return NGX_OK;
    }

    c = ngx_ssl_get_connection(ssl);

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "mtls resumption refused: %s", reason);
    (void) c;

    return NGX_DECLINED;
}


/* why a session with a certificate must not be resumed; NULL: it may be */

static const char *
ngx_mtls_evidence_refuse(SSL *ssl, SSL_SESSION *session,
    ngx_mtls_server_t *server, ngx_mtls_evidence_held_t *held)
{
    time_t                now, timeout;
    ngx_int_t             rc;
    ngx_uint_t            i, valid;
    ngx_connection_t     *c;
    ngx_mtls_anchor_t    *anchor;
    ngx_mtls_ca_cert_t   *cert;
    ngx_mtls_evidence_t  *evidence;

    evidence = &held->evidence;

    rc = ngx_mtls_evidence_session(session, server->conf, evidence->leaf,
                                   evidence);

    if (rc != NGX_OK) {
        return "no record of ours";
    }

    if (evidence->off) {
        return ngx_mtls_evidence_off(ssl) ? NULL : "nobody has judged it";
    }

    /* each resumption sets the session's own clock back, but not this one */

    now = ngx_time();
    timeout = ngx_min(server->session_timeout,
                      (time_t) SSL_SESSION_get_timeout(session));

    if (evidence->handshake > now + NGX_MTLS_EVIDENCE_SKEW
        || now - evidence->handshake > timeout)
    {
        return "the full handshake is too long ago";
    }

    if (X509_cmp_time(X509_get0_notAfter(held->peer), &now) <= 0) {
        return "the certificate has expired";
    }

    c = ngx_ssl_get_connection(ssl);

    (void) ngx_mtls_manager_sync(server->conf, c->log);

    anchor = ngx_mtls_ca_find(server->conf->ca, evidence->anchor);

    if (anchor == NULL) {
        return "the anchor is no longer trusted";
    }

    if (!ngx_mtls_evidence_valid(anchor->cert, now)) {
        return "the anchor is not valid now";
    }

    for (i = 0; i < evidence->nchain; i++) {
        cert = ngx_mtls_intermediate_get(server->conf, evidence->chain[i]);

        if (cert == NULL) {
            return "an intermediate is not known";
        }

        valid = ngx_mtls_evidence_valid(cert, now);

        ngx_mtls_intermediate_free(cert);

        if (!valid) {
            return "an intermediate is not valid now";
        }
    }

    held->good = 1;

    return NULL;
}


/*
 * Whether the server that answers may be one with "mtls off".  Before nginx
 * 1.29.2 it is known only after the session, and nginx itself refuses to go on
 * with the session of another name.
 */

static ngx_uint_t
ngx_mtls_evidence_off(SSL *ssl)
{
#if (nginx_version >= 1029002)

    ngx_mtls_server_t  *server;

    server = ngx_mtls_evidence_server(SSL_get_SSL_CTX(ssl));

    return server && server->off;

#else

    (void) ssl;

    return 1;

#endif
}


static ngx_uint_t
ngx_mtls_evidence_valid(ngx_mtls_ca_cert_t *cert, time_t now)
{
    return cert->facts.not_before <= now && now <= cert->facts.not_after;
}


/*
 * Begins what the SSL holds of a certificate, in place of what a callback
 * before this one may have held: DER and fingerprint, no evidence yet.
 */

static ngx_mtls_evidence_held_t *
ngx_mtls_evidence_hold(SSL *ssl, X509 *peer)
{
    int                        n;
    u_char                    *p;
    ngx_mtls_evidence_held_t  *held, *old;

    old = SSL_get_ex_data(ssl, ngx_mtls_evidence_index);

    if (old) {
        (void) SSL_set_ex_data(ssl, ngx_mtls_evidence_index, NULL);
        ngx_mtls_evidence_release(NULL, old, NULL, 0, 0, NULL);
    }

    n = i2d_X509(peer, NULL);
    if (n <= 0) {
        return NULL;
    }

    held = ngx_alloc(offsetof(ngx_mtls_evidence_held_t, der) + n,
                     ngx_cycle->log);
    if (held == NULL) {
        return NULL;
    }

    held->good = 0;
    held->len = n;
    p = held->der;

    if (i2d_X509(peer, &p) != n
        || ngx_mtls_sha256(held->der, n, held->evidence.leaf) != NGX_OK
        || SSL_set_ex_data(ssl, ngx_mtls_evidence_index, held) == 0)
    {
        ngx_free(held);
        return NULL;
    }

    X509_up_ref(peer);
    held->peer = peer;

    return held;
}


static void
ngx_mtls_evidence_release(void *parent, void *data, CRYPTO_EX_DATA *ad,
    int index, long argl, void *argp)
{
    ngx_mtls_evidence_held_t  *held = data;

    (void) parent;
    (void) ad;
    (void) index;
    (void) argl;
    (void) argp;

    if (held) {
        X509_free(held->peer);
        ngx_free(held);
    }
}
