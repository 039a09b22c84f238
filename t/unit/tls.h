
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of evidence and session: handshakes in memory, resumed in each
 * way that there is.
 */


#ifndef _TLS_H_INCLUDED_
#define _TLS_H_INCLUDED_


#include "world.h"

#include <openssl/ssl.h>

#include <ngx_mtls_evidence.h>
#include <ngx_mtls_intermediate.h>
#include <ngx_mtls_session.h>


/* how a session is kept */
#define ID_12       0      /* TLS 1.2 in the session cache */
#define TICKET_12   1
#define ID_13       2      /* TLS 1.3, stateful tickets */
#define TICKET_13   3
#define KINDS       4

#define CACHE       64
#define TIMEOUT     300


/* of nginx's core, which finds the connection by it */
int  ngx_ssl_connection_index;


/* a connection's two ends */
typedef struct {
    SSL                  *server;
    SSL                  *client;
    ngx_connection_t      c;
    ngx_ssl_connection_t  ssl;
} tls_t;


static world_t             w;
static ngx_mtls_conf_t     conf;
static ngx_mtls_server_t   server;
static SSL_CTX            *server_ctx;
static SSL_CTX            *client_ctx;
static SSL_SESSION        *kept;         /* by the client */
static ngx_int_t           sync_rc;

/* the session cache, as nginx's: of encoded sessions */
static struct {
    unsigned char   id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    unsigned int    idlen;
    unsigned char  *der;
    int             len;
} cache[CACHE];
static ngx_uint_t          ncache;

static pki_t  fillers[NGX_MTLS_INTERMEDIATES_MAX];
static pki_t  root, other, inter, inter2, leaf, leaf2, direct, host;


/* in place of the manager's: what it brings is in the world already */

ngx_int_t
ngx_mtls_manager_sync(ngx_mtls_conf_t *cf, ngx_log_t *log)
{
    assert_ptr_equal(cf, &conf);
    assert_non_null(log);

    if (sync_rc == NGX_OK) {
        conf.manifest = w.manifest;
        conf.generation = w.zone->generation;
        conf.loaded = 1;
    }

    return sync_rc;
}


static inline int
once(void **state)
{
    static const pki_spec_t  s_root = { .cn = "Root", .ca = 1 };
    static const pki_spec_t  s_other = { .cn = "Other", .ca = 1 };
    static const pki_spec_t  s_inter = { .cn = "Inter", .ca = 1,
                                         .from = -PKI_DAY,
                                         .to = 30 * PKI_DAY };
    static const pki_spec_t  s_inter2 = { .cn = "Inter 2", .ca = 1 };
    static const pki_spec_t  s_leaf = { .cn = "leaf" };
    static const pki_spec_t  s_direct = { .cn = "direct", .from = -PKI_DAY,
                                          .to = 20 * PKI_DAY };
    static const pki_spec_t  s_host = { .cn = "server" };

    ngx_ssl_connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);

    assert_int_equal(ngx_mtls_evidence_init(&shim_log), NGX_OK);
    assert_int_equal(ngx_mtls_session_init(&shim_log), NGX_OK);

    pki_issue(&root, NULL, &s_root);
    pki_issue(&other, NULL, &s_other);
    pki_issue(&inter, &root, &s_inter);
    pki_issue(&inter2, &inter, &s_inter2);
    pki_issue(&leaf, &inter2, &s_leaf);
    pki_issue(&leaf2, &inter2, &s_leaf);
    pki_issue(&direct, &root, &s_direct);
    pki_issue(&host, NULL, &s_host);

    return 0;
}


static inline int
end(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_MTLS_INTERMEDIATES_MAX; i++) {
        pki_free(&fillers[i]);
    }

    pki_free(&root);
    pki_free(&other);
    pki_free(&inter);
    pki_free(&inter2);
    pki_free(&leaf);
    pki_free(&leaf2);
    pki_free(&direct);
    pki_free(&host);

    return 0;
}


static inline int
go_on(int ok, X509_STORE_CTX *store)
{
    return 1;
}


static inline int
cache_new(SSL *ssl, SSL_SESSION *session)
{
    ngx_uint_t            n;
    unsigned char        *p;
    const unsigned char  *id;

    n = ncache++;
    assert_true(n < CACHE);

    id = SSL_SESSION_get_id(session, &cache[n].idlen);
    ngx_memcpy(cache[n].id, id, cache[n].idlen);

    cache[n].len = i2d_SSL_SESSION(session, NULL);
    cache[n].der = malloc(cache[n].len);
    p = cache[n].der;
    i2d_SSL_SESSION(session, &p);

    return 0;
}


static inline SSL_SESSION *
cache_get(SSL *ssl, const unsigned char *id, int len, int *copy)
{
    ngx_uint_t            i;
    const unsigned char  *p;

    *copy = 0;

    for (i = 0; i < ncache; i++) {
        if ((int) cache[i].idlen == len
            && memcmp(cache[i].id, id, len) == 0)
        {
            p = cache[i].der;
            return p ? d2i_SSL_SESSION(NULL, &p, cache[i].len) : NULL;
        }
    }

    return NULL;
}


static inline void
cache_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    ngx_uint_t            i;
    unsigned int          len;
    const unsigned char  *id;

    id = SSL_SESSION_get_id(session, &len);

    for (i = 0; i < ncache; i++) {
        if (cache[i].idlen == len && memcmp(cache[i].id, id, len) == 0) {
            free(cache[i].der);
            cache[i].der = NULL;
        }
    }
}


static inline void
cache_clear(void)
{
    while (ncache) {
        free(cache[--ncache].der);
    }
}


static inline int
client_new(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;

    return 1;
}


/* both contexts, for a way of resumption */

static inline void
contexts(ngx_uint_t kind)
{
    ngx_uint_t  version;

    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);

    version = (kind < ID_13) ? TLS1_2_VERSION : TLS1_3_VERSION;

    server_ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(server_ctx, version);
    SSL_CTX_set_max_proto_version(server_ctx, version);
    assert_int_equal(SSL_CTX_use_certificate(server_ctx, host.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server_ctx, host.key), 1);
    SSL_CTX_set_verify(server_ctx, SSL_VERIFY_PEER, go_on);
    SSL_CTX_set_verify_depth(server_ctx, 9);
    SSL_CTX_set_session_id_context(server_ctx, (u_char *) "test", 4);
    SSL_CTX_set_timeout(server_ctx, TIMEOUT);

    SSL_CTX_set_session_cache_mode(server_ctx, SSL_SESS_CACHE_SERVER
                                               |SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(server_ctx, cache_new);
    SSL_CTX_sess_set_get_cb(server_ctx, cache_get);
    SSL_CTX_sess_set_remove_cb(server_ctx, cache_remove);

    if (kind == ID_12 || kind == ID_13) {
        SSL_CTX_set_options(server_ctx, SSL_OP_NO_TICKET);
    }

    assert_int_equal(ngx_mtls_evidence_attach(server_ctx, &server, &shim_log),
                     NGX_OK);

    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT
                                               |SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, client_new);

    SSL_SESSION_free(kept);
    kept = NULL;
}


static inline int
setup(void **state)
{
    ngx_str_t          labels[2];
    ngx_mtls_error_t   err;

    world_begin(&w);

    ngx_memzero(&conf, sizeof(conf));
    ngx_memzero(&server, sizeof(server));

    conf.configured = w.ca;
    conf.ca = w.ca;
    conf.shm_zone = w.shm_zone;

    conf.policy = ngx_mtls_policy_create(w.pool);
    ngx_str_set(&labels[0], "a");
    assert_int_equal(ngx_mtls_policy_compile(conf.policy, labels, 1, &shim_log,
                                             &err),
                     NGX_OK);

    server.conf = &conf;
    server.session_timeout = TIMEOUT;

    sync_rc = NGX_OK;

    shim_time_set(time(NULL));

    return 0;
}


static inline int
teardown(void **state)
{
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    server_ctx = NULL;
    client_ctx = NULL;

    SSL_SESSION_free(kept);
    kept = NULL;

    cache_clear();
    world_end(&w);

    return 0;
}


static inline void
trusted(ngx_uint_t kind, pki_t *cert)
{
    ngx_str_t  path;

    path = pki_file(w.dir, "ca.pem", (pki_t *[]) { cert }, 1);
    assert_int_equal(world_ca(&w, "a", &path, 1), NGX_OK);
    world_ca_finish(&w);

    server.trust = ngx_mtls_trust_create(w.pool, w.ca, NULL, 0);
    assert_non_null(server.trust);

    contexts(kind);
}


/* a file that has no anchor in it: another set of CAs of the same process */

static inline void
trust_changed(pki_t *cert)
{
    ngx_str_t          path;
    ngx_mtls_label_t  *label;
    ngx_mtls_error_t   err;

    static ngx_str_t   name = ngx_string("b");

    path = pki_file(w.dir, "ca2.pem", (pki_t *[]) { cert }, 1);

    conf.ca = ngx_mtls_ca_create(w.pool);

    assert_int_equal(ngx_mtls_ca_label(conf.ca, &name, NGX_CONF_UNSET_UINT,
                                       NGX_CONF_UNSET_UINT, &label, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_ca_file(conf.ca, label, &path, 0,
                                      NGX_MTLS_CA_STATIC, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_ca_finish(conf.ca, &err), NGX_OK);

    server.trust = ngx_mtls_trust_create(w.pool, conf.ca, NULL, 0);
}


/* "cert" NULL: no certificate */

static inline void
tls(tls_t *t, pki_t *cert, pki_t **chain, ngx_uint_t n, SSL_SESSION *session)
{
    int          i, rc;
    BIO         *a, *b;
    char         buf[16];
    ngx_uint_t   k;

    ngx_memzero(t, sizeof(tls_t));

    t->server = SSL_new(server_ctx);
    t->client = SSL_new(client_ctx);

    t->c.ssl = &t->ssl;
    t->c.log = &shim_log;
    t->ssl.connection = t->server;
    t->ssl.session_ctx = server_ctx;
    SSL_set_ex_data(t->server, ngx_ssl_connection_index, &t->c);

    assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
    SSL_set_bio(t->server, a, a);
    SSL_set_bio(t->client, b, b);
    SSL_set_accept_state(t->server);
    SSL_set_connect_state(t->client);

    if (cert) {
        assert_int_equal(SSL_use_certificate(t->client, cert->x509), 1);
        assert_int_equal(SSL_use_PrivateKey(t->client, cert->key), 1);

        for (k = 0; k < n; k++) {
            assert_int_equal(SSL_add1_chain_cert(t->client, chain[k]->x509),
                             1);
        }
    }

    if (session) {
        SSL_set_session(t->client, session);
    }

    for (i = 0; i < 10; i++) {
        rc = SSL_do_handshake(t->client);
        assert_true(rc == 1 || SSL_get_error(t->client, rc)
                               == SSL_ERROR_WANT_READ);

        rc = SSL_do_handshake(t->server);
        assert_true(rc == 1 || SSL_get_error(t->server, rc)
                               == SSL_ERROR_WANT_READ);

        if (SSL_is_init_finished(t->client)
            && SSL_is_init_finished(t->server))
        {
            break;
        }
    }

    assert_int_equal(SSL_write(t->server, "x", 1), 1);
    assert_int_equal(SSL_read(t->client, buf, sizeof(buf)), 1);

    assert_int_equal(SSL_session_reused(t->server),
                     SSL_session_reused(t->client));
}


static inline void
tls_end(tls_t *t)
{
    SSL_shutdown(t->client);
    SSL_shutdown(t->server);
    SSL_free(t->server);
    SSL_free(t->client);
}


#define tls_leaf(t, session)                                                 \
    tls(t, &leaf, (pki_t *[]) { &inter2, &inter }, 2, session)
#define tls_direct(t, session)  tls(t, &direct, NULL, 0, session)


static inline ngx_mtls_session_t *
get(tls_t *t)
{
    ngx_mtls_session_t  *s, *again;

    assert_int_equal(ngx_mtls_session_get(t->server, &conf, &shim_log, &s),
                     NGX_OK);
    assert_int_equal(ngx_mtls_session_get(t->server, &conf, &shim_log, &again),
                     NGX_OK);
    assert_ptr_equal(s, again);

    return s;
}


static inline ngx_mtls_verdict_t *
judge(tls_t *t)
{
    ngx_mtls_verdict_t  *v;

    v = NULL;
    assert_int_equal(ngx_mtls_session_verdict(t->server, &conf, &shim_log,
                                              &v),
                     NGX_OK);
    return v;
}


/* the session is that of the leaf, and its verdict that of the whole chain */

static inline void
expect_leaf(tls_t *t)
{
    ngx_mtls_session_t      *s;
    ngx_mtls_verdict_t      *v;
    ngx_mtls_certificate_t   facts;

    s = get(t);
    v = judge(t);

    assert_ptr_equal(v->session, s);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->verify, X509_V_OK);
    assert_int_equal(s->evidence, 1);
    assert_int_equal(s->malformed, 0);
    assert_int_equal(s->facts.nchain, 2);
    assert_int_equal(v->nabove, 3);

    world_parse(&w, leaf.x509, &facts);
    assert_memory_equal(s->cert.fingerprint, facts.fingerprint, 32);
    assert_int_equal(s->cert.der.len, facts.der.len);
    assert_memory_equal(s->cert.der.data, facts.der.data, facts.der.len);
    assert_memory_equal(s->facts.leaf, facts.fingerprint, 32);

    world_parse(&w, inter2.x509, &facts);
    assert_memory_equal(v->above[0]->facts.fingerprint, facts.fingerprint, 32);

    world_parse(&w, inter.x509, &facts);
    assert_memory_equal(v->above[1]->facts.fingerprint, facts.fingerprint, 32);

    world_parse(&w, root.x509, &facts);
    assert_memory_equal(v->above[2]->facts.fingerprint, facts.fingerprint, 32);
    assert_ptr_equal(v->above[2], v->anchor->cert);
    assert_memory_equal(s->facts.anchor, facts.fingerprint, 32);

    ngx_mtls_verdict_free(v);
}


/* so many others that nothing of ours is left in this process's cache */

static inline void
forget_intermediates(void)
{
    ngx_uint_t           i;
    ngx_mtls_error_t     err;
    ngx_mtls_ca_cert_t  *im;
    pki_spec_t           spec = { .cn = "filler", .key = root.key };

    for (i = 0; i < NGX_MTLS_INTERMEDIATES_MAX; i++) {

        if (fillers[i].x509 == NULL) {
            pki_issue(&fillers[i], NULL, &spec);
        }

        assert_int_equal(ngx_mtls_intermediate_seen(&conf, fillers[i].x509,
                                                    &im, &err),
                         NGX_OK);
        ngx_mtls_intermediate_free(im);
    }
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


#endif /* _TLS_H_INCLUDED_ */
