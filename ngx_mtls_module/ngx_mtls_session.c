
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The session: what one TLS connection is: certificate, chain, and the
 * verdict that is the same in every location.
 */


#include <ngx_mtls.h>
#include <ngx_event.h>
#include <ngx_mtls_intermediate.h>
#include <ngx_mtls_session.h>
#include <ngx_mtls_spiffe.h>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>


/* what hangs on an SSL object: a reference to each */
typedef struct {
    ngx_mtls_session_t   *session;
    ngx_mtls_verdict_t   *verdict;       /* the last one, or NULL */
} ngx_mtls_connection_t;


static ngx_int_t ngx_mtls_session_make(SSL *ssl, X509 *peer,
    ngx_mtls_conf_t *conf, ngx_log_t *log, ngx_mtls_session_t **out);
static ngx_int_t ngx_mtls_session_parse(ngx_mtls_session_t *session,
    ngx_str_t *der, ngx_log_t *log);
static ngx_mtls_chain_e ngx_mtls_session_status(ngx_mtls_session_t *session);
static void ngx_mtls_session_release(void *parent, void *data,
    CRYPTO_EX_DATA *ad, int index, long argl, void *argp);
static ngx_inline ngx_mtls_verdict_t *ngx_mtls_session_cached(SSL *ssl,
    ngx_mtls_conf_t *conf);
static ngx_int_t ngx_mtls_session_judge(SSL *ssl, ngx_mtls_conf_t *conf,
    ngx_log_t *log, ngx_uint_t wait, ngx_mtls_verdict_t **verdict);
static ngx_int_t ngx_mtls_verdict_make(ngx_mtls_session_t *session,
    ngx_mtls_conf_t *conf, ngx_atomic_uint_t generation, ngx_log_t *log,
    ngx_mtls_verdict_t **out);
static ngx_mtls_chain_e ngx_mtls_verdict_trust(ngx_mtls_verdict_t *verdict,
    ngx_mtls_conf_t *conf);
static ngx_uint_t ngx_mtls_verdict_foreign(ngx_mtls_verdict_t *verdict);
static ngx_int_t ngx_mtls_verdict_policy(ngx_mtls_verdict_t *verdict,
    ngx_mtls_conf_t *conf, ngx_log_t *log);
static void ngx_mtls_verdict_validity(ngx_mtls_verdict_t *verdict,
    ngx_mtls_certificate_t *cert);
static ngx_int_t ngx_mtls_verdict_revocation(ngx_mtls_verdict_t *verdict,
    ngx_mtls_conf_t *conf);


/* an index of OpenSSL's cannot be given back: it is the process's */
static int  ngx_mtls_session_index = -1;


#define ngx_mtls_verdict_holds(verdict, word, now)                           \
    ((verdict)->generation == (word)                                         \
     && (now) >= (verdict)->made                                             \
     && (now) < (verdict)->valid_until)


ngx_int_t
ngx_mtls_session_init(ngx_log_t *log)
{
    if (ngx_mtls_session_index == -1) {
        ngx_mtls_session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
                                                    ngx_mtls_session_release);
    }

    if (ngx_mtls_session_index == -1) {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0, "SSL_get_ex_new_index() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_session_get(SSL *ssl, ngx_mtls_conf_t *conf, ngx_log_t *log,
    ngx_mtls_session_t **session)
{
    X509                   *peer;
    ngx_int_t               rc;
    ngx_mtls_connection_t  *mc;

    mc = SSL_get_ex_data(ssl, ngx_mtls_session_index);

    if (mc) {
        *session = mc->session;
        return NGX_OK;
    }

    peer = SSL_get0_peer_certificate(ssl);
    if (peer == NULL) {
        return NGX_DECLINED;
    }

    mc = ngx_alloc(sizeof(ngx_mtls_connection_t), log);
    if (mc == NULL) {
        return NGX_ERROR;
    }

    mc->verdict = NULL;

    rc = ngx_mtls_session_make(ssl, peer, conf, log, &mc->session);
    if (rc != NGX_OK) {
        ngx_free(mc);
        return NGX_ERROR;
    }

    if (SSL_set_ex_data(ssl, ngx_mtls_session_index, mc) == 0) {
        ngx_mtls_session_free(mc->session);
        ngx_free(mc);
        return NGX_ERROR;
    }

    *session = mc->session;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_session_make(SSL *ssl, X509 *peer, ngx_mtls_conf_t *conf,
    ngx_log_t *log, ngx_mtls_session_t **out)
{
    ngx_int_t            rc;
    ngx_str_t            der;
    ngx_pool_t          *pool;
    ngx_mtls_session_t  *session;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    session = ngx_pcalloc(pool, sizeof(ngx_mtls_session_t));
    if (session == NULL) {
        goto failed;
    }

    session->refs = 1;
    session->pool = pool;
    session->verify = SSL_get_verify_result(ssl);

    rc = ngx_mtls_evidence_take(ssl, conf, peer, pool, &der, &session->facts);
    if (rc == NGX_ERROR) {
        goto failed;
    }

    session->evidence = (rc == NGX_OK) ? 1 : 0;

    if (ngx_mtls_session_parse(session, &der, log) != NGX_OK) {
        goto failed;
    }

    session->cert.psd2_rules = ngx_mtls_policy_psd2(conf->policy);
    session->status = ngx_mtls_session_status(session);

    *out = session;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static ngx_int_t
ngx_mtls_session_parse(ngx_mtls_session_t *session, ngx_str_t *der,
    ngx_log_t *log)
{
    ngx_int_t          rc;
    ngx_mtls_error_t   err;

    rc = ngx_mtls_certificate_parse(session->pool, der, session->facts.leaf,
                                    &session->cert, &err);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "client certificate cannot be read: %*s",
                  err.len, err.text);

    session->malformed = 1;

    ngx_memzero(&session->cert, sizeof(ngx_mtls_certificate_t));

    session->cert.pool = session->pool;
    session->cert.der = *der;
    ngx_memcpy(session->cert.fingerprint, session->facts.leaf,
               NGX_MTLS_HASH_LEN);

    return NGX_OK;
}


/* what the TLS layer and the record say, whatever is trusted now */

static ngx_mtls_chain_e
ngx_mtls_session_status(ngx_mtls_session_t *session)
{
    if (session->verify != X509_V_OK) {
        return ngx_mtls_session_chain(session->verify);
    }

    if (!session->evidence) {
        return NGX_MTLS_CHAIN_WRONG_CA;
    }

    return session->malformed ? NGX_MTLS_CHAIN_ERROR : NGX_MTLS_CHAIN_OK;
}


ngx_mtls_chain_e
ngx_mtls_session_chain(long verify)
{
    switch (verify) {

    case X509_V_OK:
        return NGX_MTLS_CHAIN_OK;

    case X509_V_ERR_CERT_HAS_EXPIRED:
        return NGX_MTLS_CHAIN_EXPIRED;

    case X509_V_ERR_CERT_NOT_YET_VALID:
        return NGX_MTLS_CHAIN_NOT_YET_VALID;

    case X509_V_ERR_INVALID_PURPOSE:
        return NGX_MTLS_CHAIN_PURPOSE;

    case X509_V_ERR_CERT_REVOKED:
        return NGX_MTLS_CHAIN_REVOKED;

    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        return NGX_MTLS_CHAIN_REVOCATION_UNKNOWN;

    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_UNSPECIFIED:
        return NGX_MTLS_CHAIN_ERROR;

    default:
        return NGX_MTLS_CHAIN_UNTRUSTED;
    }
}


void
ngx_mtls_session_ref(ngx_mtls_session_t *session)
{
    session->refs++;
}


void
ngx_mtls_session_free(ngx_mtls_session_t *session)
{
    if (--session->refs) {
        return;
    }

    /* the cycle that it was made in, and its log, may be gone */
    session->pool->log = ngx_cycle->log;

    ngx_destroy_pool(session->pool);
}


/* at the end of an SSL object, with NULL for those that were never asked */

static void
ngx_mtls_session_release(void *parent, void *data, CRYPTO_EX_DATA *ad,
    int index, long argl, void *argp)
{
    ngx_mtls_connection_t  *mc = data;

    (void) parent;
    (void) ad;
    (void) index;
    (void) argl;
    (void) argp;

    if (mc == NULL) {
        return;
    }

    if (mc->verdict) {
        ngx_mtls_verdict_free(mc->verdict);
    }

    ngx_mtls_session_free(mc->session);
    ngx_free(mc);
}


ngx_int_t
ngx_mtls_session_verdict(SSL *ssl, ngx_mtls_conf_t *conf, ngx_log_t *log,
    ngx_mtls_verdict_t **verdict)
{
    ngx_mtls_verdict_t  *v;

    v = ngx_mtls_session_cached(ssl, conf);

    if (v) {
        v->refs++;
        *verdict = v;

        return NGX_OK;
    }

    return ngx_mtls_session_judge(ssl, conf, log, 1, verdict);
}


ngx_int_t
ngx_mtls_session_verdict_now(SSL *ssl, ngx_mtls_conf_t *conf, ngx_log_t *log,
    ngx_mtls_verdict_t **verdict)
{
    ngx_mtls_verdict_t  *v;

    v = ngx_mtls_session_cached(ssl, conf);

    if (v) {
        v->refs++;
        *verdict = v;

        return NGX_OK;
    }

    return ngx_mtls_session_judge(ssl, conf, log, 0, verdict);
}


/* for each request: one pointer, one generation and the time */

static ngx_inline ngx_mtls_verdict_t *
ngx_mtls_session_cached(SSL *ssl, ngx_mtls_conf_t *conf)
{
    time_t                  now;
    ngx_mtls_zone_t        *zone;
    ngx_mtls_verdict_t     *v;
    ngx_mtls_connection_t  *mc;

    mc = SSL_get_ex_data(ssl, ngx_mtls_session_index);

    if (mc == NULL || mc->verdict == NULL) {
        return NULL;
    }

    v = mc->verdict;
    now = ngx_time();
    zone = ngx_mtls_zone(conf->shm_zone);

    return ngx_mtls_verdict_holds(v, ngx_mtls_zone_generation(zone), now)
           ? v : NULL;
}


static ngx_int_t
ngx_mtls_session_judge(SSL *ssl, ngx_mtls_conf_t *conf, ngx_log_t *log,
    ngx_uint_t wait, ngx_mtls_verdict_t **verdict)
{
    ngx_int_t               rc;
    ngx_uint_t              loading;
    ngx_atomic_uint_t       generation;
    ngx_mtls_session_t     *session;
    ngx_mtls_verdict_t     *v;
    ngx_mtls_connection_t  *mc;

    rc = ngx_mtls_session_get(ssl, conf, log, &session);
    if (rc != NGX_OK) {
        return rc;
    }

    loading = 0;
    generation = ngx_mtls_zone_generation(ngx_mtls_zone(conf->shm_zone));

    if (conf->sources.nelts && session->status == NGX_MTLS_CHAIN_OK) {

        rc = ngx_mtls_manager_sync(conf, log);

        if (rc == NGX_AGAIN && !wait) {
            loading = 1;

        } else if (rc != NGX_OK) {
            return rc;
        }

        /* of the manifest that is there, be it not the zone's latest */

        generation = conf->generation;
    }

    mc = SSL_get_ex_data(ssl, ngx_mtls_session_index);
    v = mc->verdict;

    if (v && ngx_mtls_verdict_holds(v, generation, ngx_time())) {
        v->refs++;
        *verdict = v;

        return NGX_OK;
    }

    if (ngx_mtls_verdict_make(session, conf, generation, log, &v) != NGX_OK) {
        return NGX_ERROR;
    }

    *verdict = v;

    if (loading) {
        return NGX_OK;
    }

    if (mc->verdict) {
        ngx_mtls_verdict_free(mc->verdict);
    }

    v->refs++;
    mc->verdict = v;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_verdict_make(ngx_mtls_session_t *session, ngx_mtls_conf_t *conf,
    ngx_atomic_uint_t generation, ngx_log_t *log, ngx_mtls_verdict_t **out)
{
    ngx_uint_t           i;
    ngx_pool_t          *pool;
    ngx_mtls_verdict_t  *verdict;

    pool = ngx_create_pool(512, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    verdict = ngx_pcalloc(pool, sizeof(ngx_mtls_verdict_t));
    if (verdict == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    ngx_mtls_session_ref(session);

    verdict->refs = 1;
    verdict->pool = pool;
    verdict->session = session;
    verdict->generation = generation;
    verdict->made = ngx_time();
    verdict->valid_until = NGX_MTLS_FOREVER;
    verdict->ca = ngx_mtls_ca_ref(conf->ca);
    verdict->chain = session->status;

    if (verdict->chain == NGX_MTLS_CHAIN_OK) {
        verdict->chain = ngx_mtls_verdict_trust(verdict, conf);
    }

    if (verdict->chain == NGX_MTLS_CHAIN_OK) {

        verdict->foreign = ngx_mtls_verdict_foreign(verdict);

        ngx_mtls_verdict_validity(verdict, &session->cert);

        for (i = 0; i < verdict->nabove; i++) {
            ngx_mtls_verdict_validity(verdict, &verdict->above[i]->facts);
        }

        if (ngx_mtls_verdict_policy(verdict, conf, log) != NGX_OK
            || ngx_mtls_verdict_revocation(verdict, conf) != NGX_OK)
        {
            ngx_mtls_verdict_free(verdict);
            return NGX_ERROR;
        }
    }

    *out = verdict;

    return NGX_OK;
}


/*
 * The word of the TLS layer is necessary, never sufficient: the anchor of the
 * record must be trusted now, and every certificate of the chain at hand.
 */

static ngx_mtls_chain_e
ngx_mtls_verdict_trust(ngx_mtls_verdict_t *verdict, ngx_mtls_conf_t *conf)
{
    ngx_uint_t            i;
    ngx_mtls_anchor_t    *anchor;
    ngx_mtls_ca_cert_t   *cert;
    ngx_mtls_evidence_t  *facts;

    facts = &verdict->session->facts;

    anchor = ngx_mtls_ca_find(verdict->ca, facts->anchor);

    if (anchor == NULL) {
        return NGX_MTLS_CHAIN_WRONG_CA;
    }

    for (i = 0; i < facts->nchain; i++) {
        cert = ngx_mtls_intermediate_get(conf, facts->chain[i]);

        if (cert == NULL) {
            return NGX_MTLS_CHAIN_ERROR;
        }

        verdict->above[verdict->nabove++] = cert;
    }

    if (ngx_memcmp(facts->anchor, facts->leaf, NGX_MTLS_HASH_LEN) != 0) {
        verdict->above[verdict->nabove++] = anchor->cert;
    }

    verdict->anchor = anchor;

    return NGX_MTLS_CHAIN_OK;
}


/*
 * Whether the leaf speaks for a trust domain of labels that its anchor lacks.
 * Any of its URIs does, valid or not: others may read what we do not.
 */

static ngx_uint_t
ngx_mtls_verdict_foreign(ngx_mtls_verdict_t *verdict)
{
    ngx_str_t           domain;
    ngx_uint_t          i;
    ngx_mtls_values_t  *uris;

    uris = &verdict->session->cert.san[NGX_MTLS_SAN_URI];

    for (i = 0; i < uris->n; i++) {

        if (uris->elts[i].data
            && ngx_mtls_spiffe_claim(&uris->elts[i], &domain) == NGX_OK
            && !ngx_mtls_ca_speaks(verdict->ca, verdict->anchor, &domain))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * The certificate stays what it is, and its anchor nearly always: the groups
 * are asked once, and again only where the anchor's labels are others now.
 */

static ngx_int_t
ngx_mtls_verdict_policy(ngx_mtls_verdict_t *verdict, ngx_mtls_conf_t *conf,
    ngx_log_t *log)
{
    size_t                     size;
    ngx_pool_t                *pool;
    ngx_mtls_facts_t           facts;
    ngx_mtls_session_t        *session;
    ngx_mtls_policy_result_t  *result;

    session = verdict->session;

    facts.cert = &session->cert;
    facts.labels = verdict->anchor->labels;
    facts.nlabels = verdict->anchor->nlabels;

    size = facts.nlabels * sizeof(ngx_uint_t);

    if (session->evaluated
        && session->nlabels == facts.nlabels
        && ngx_memcmp(session->labels, facts.labels, size) == 0)
    {
        verdict->policy = session->policy;
        return NGX_OK;
    }

    if (session->evaluated) {
        pool = verdict->pool;
        result = &verdict->policy;

    } else {
        pool = session->pool;
        result = &session->policy;

        session->labels = ngx_palloc(pool, size);
        if (session->labels == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(session->labels, facts.labels, size);
        session->nlabels = facts.nlabels;
    }

    if (ngx_mtls_policy_evaluate(conf->policy, &facts, pool, log, result)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    session->evaluated = 1;
    verdict->policy = *result;

    return NGX_OK;
}


/* a certificate is valid through its notAfter (RFC 5280 4.1.2.5) */

static void
ngx_mtls_verdict_validity(ngx_mtls_verdict_t *verdict,
    ngx_mtls_certificate_t *cert)
{
    if (verdict->made > cert->not_after) {
        verdict->validity = NGX_MTLS_CHAIN_EXPIRED;

    } else {
        verdict->valid_until = ngx_min(verdict->valid_until,
                                       (time_t) cert->not_after + 1);
    }

    if (verdict->made < cert->not_before) {
        verdict->valid_until = ngx_min(verdict->valid_until,
                                       (time_t) cert->not_before);

        if (verdict->validity == NGX_MTLS_CHAIN_OK) {
            verdict->validity = NGX_MTLS_CHAIN_NOT_YET_VALID;
        }
    }
}


/* each element below the anchor, which nobody revokes */

static ngx_int_t
ngx_mtls_verdict_revocation(ngx_mtls_verdict_t *verdict, ngx_mtls_conf_t *conf)
{
    ngx_uint_t               i, n;
    ngx_mtls_session_t      *session;
    ngx_mtls_certificate_t  *cert;
    ngx_mtls_revocation_t   *revocation;

    session = verdict->session;
    n = verdict->nabove;

    if (n == 0) {
        return NGX_OK;
    }

    revocation = ngx_pcalloc(verdict->pool,
                             n * sizeof(ngx_mtls_revocation_t));
    if (revocation == NULL) {
        return NGX_ERROR;
    }

    verdict->revocation = revocation;
    verdict->nrevocation = n;

    if (conf->ncrls == 0) {
        return NGX_OK;
    }

    cert = &session->cert;

    for (i = 0; i < n; i++) {

        if (ngx_mtls_revocation_check(conf->manifest, verdict->ca, cert,
                                      verdict->above[i],
                                      session->facts.anchor, verdict->made,
                                      verdict->pool, &revocation[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        verdict->valid_until = ngx_min(verdict->valid_until,
                                       revocation[i].until);

        if (revocation[i].outcome > revocation[verdict->worst].outcome) {
            verdict->worst = i;
        }

        cert = &verdict->above[i]->facts;
    }

    return NGX_OK;
}


void
ngx_mtls_verdict_free(ngx_mtls_verdict_t *verdict)
{
    ngx_uint_t  i;

    if (--verdict->refs) {
        return;
    }

    for (i = 0; i < verdict->nabove; i++) {
        ngx_mtls_intermediate_free(verdict->above[i]);
    }

    ngx_mtls_ca_free(verdict->ca);
    ngx_mtls_session_free(verdict->session);

    verdict->pool->log = ngx_cycle->log;

    ngx_destroy_pool(verdict->pool);
}


void
ngx_mtls_session_forget(SSL *ssl)
{
    SSL_SESSION       *session;
    ngx_connection_t  *c;

    session = SSL_get0_session(ssl);

    if (session == NULL) {
        return;
    }

    /*
     * The cache is that of the listening socket's default server; nginx's is
     * told by OpenSSL, which then gives no more tickets for the session either
     */

    c = ngx_ssl_get_connection(ssl);

    (void) SSL_CTX_remove_session(c->ssl->session_ctx, session);
}
