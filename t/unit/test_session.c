
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Evidence and session: handshakes in memory, resumed and not, and what is
 * known of them afterwards.
 */


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


static int
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


static int
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


static int
go_on(int ok, X509_STORE_CTX *store)
{
    return 1;
}


static int
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


static SSL_SESSION *
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


static void
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


static void
cache_clear(void)
{
    while (ncache) {
        free(cache[--ncache].der);
    }
}


static int
client_new(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(kept);
    kept = session;

    return 1;
}


/* both contexts, for a way of resumption */

static void
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


static int
setup(void **state)
{
    ngx_str_t          labels[2];
    ngx_mtls_error_t   err;

    world_begin(&w);

    ngx_memzero(&conf, sizeof(conf));
    ngx_memzero(&server, sizeof(server));

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


static int
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


static void
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

static void
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
    assert_int_equal(ngx_mtls_ca_file(conf.ca, label, &path, 0, &err), NGX_OK);
    assert_int_equal(ngx_mtls_ca_finish(conf.ca, &err), NGX_OK);

    server.trust = ngx_mtls_trust_create(w.pool, conf.ca, NULL, 0);
}


/* "cert" NULL: no certificate */

static void
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


static void
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


static ngx_mtls_session_t *
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


static void
expect_leaf(ngx_mtls_session_t *s)
{
    ngx_mtls_certificate_t  facts;

    assert_int_equal(s->status, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->verify, X509_V_OK);
    assert_int_equal(s->evidence, 1);
    assert_int_equal(s->malformed, 0);
    assert_int_equal(s->facts.nchain, 2);
    assert_int_equal(s->nchain, 3);

    world_parse(&w, leaf.x509, &facts);
    assert_memory_equal(s->cert.fingerprint, facts.fingerprint, 32);
    assert_int_equal(s->cert.der.len, facts.der.len);
    assert_memory_equal(s->cert.der.data, facts.der.data, facts.der.len);
    assert_memory_equal(s->facts.leaf, facts.fingerprint, 32);

    world_parse(&w, inter2.x509, &facts);
    assert_memory_equal(s->chain[0]->facts.fingerprint, facts.fingerprint, 32);

    world_parse(&w, inter.x509, &facts);
    assert_memory_equal(s->chain[1]->facts.fingerprint, facts.fingerprint, 32);

    world_parse(&w, root.x509, &facts);
    assert_memory_equal(s->chain[2]->facts.fingerprint, facts.fingerprint, 32);
    assert_ptr_equal(s->chain[2], &s->anchor->cert);
    assert_memory_equal(s->facts.anchor, facts.fingerprint, 32);
}


/* so many others that nothing of ours is left in this process's cache */

static void
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


static void
test_full(void **state)
{
    tls_t       t;
    ngx_uint_t  kind;

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        tls_leaf(&t, NULL);
        assert_int_equal(SSL_session_reused(t.server), 0);
        expect_leaf(get(&t));
        tls_end(&t);
    }
}


/* in all ways of resumption the whole chain is known again */

static void
test_resumed(void **state)
{
    tls_t        t;
    ngx_uint_t   kind, n;

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        tls_leaf(&t, NULL);
        tls_end(&t);

        for (n = 0; n < 3; n++) {
            assert_non_null(kept);

            tls_leaf(&t, kept);
            assert_int_equal(SSL_session_reused(t.server), 1);
            expect_leaf(get(&t));
            tls_end(&t);
        }
    }
}


/* by another process: intermediates come from the zone, or not at all */

static void
test_resumed_elsewhere(void **state)
{
    tls_t            t;
    ngx_uint_t       i;
    ngx_shm_zone_t  *spare;

    trusted(TICKET_13, &root);

    tls_leaf(&t, NULL);
    tls_end(&t);

    /* gone from both */

    forget_intermediates();
    for (i = 0; i < NGX_MTLS_ZONE_CERTS; i++) {
        if (w.zone->certs[i]) {
            ngx_slab_free((ngx_slab_pool_t *) w.shm_zone->shm.addr,
                          w.zone->certs[i]);
            w.zone->certs[i] = NULL;
        }
    }

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 0);
    expect_leaf(get(&t));
    tls_end(&t);

    /* evicted here, still in the zone, which the others do not fill up */

    spare = shim_zone_create(1024 * 1024);
    assert_int_equal(ngx_mtls_zone_init(spare, NULL), NGX_OK);

    conf.shm_zone = spare;
    forget_intermediates();
    conf.shm_zone = w.shm_zone;

    shim_zone_destroy(spare);

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    expect_leaf(get(&t));
    tls_end(&t);
}


/* one that is issued by the anchor, and one that is the anchor */

static void
test_short(void **state)
{
    tls_t                t;
    ngx_mtls_session_t  *s;

    trusted(TICKET_13, &root);

    tls_direct(&t, NULL);
    s = get(&t);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->nchain, 1);
    assert_int_equal(s->facts.nchain, 0);
    tls_end(&t);

    tls_direct(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    assert_int_equal(get(&t)->nchain, 1);
    tls_end(&t);
}


static void
test_leaf_anchor(void **state)
{
    tls_t                t;
    ngx_mtls_session_t  *s;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &leaf);

    tls_leaf(&t, NULL);
    s = get(&t);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->nchain, 0);
    assert_memory_equal(s->facts.anchor, s->facts.leaf, 32);

    conf.sources.nelts = 1;
    world_publish(&w);
    assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log, &v),
                     NGX_OK);
    assert_int_equal(v->nrevocation, 0);
    ngx_mtls_verdict_free(v);
    tls_end(&t);

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_OK);
    tls_end(&t);
}


static void
test_no_cert(void **state)
{
    tls_t                t;
    ngx_uint_t           kind;
    ngx_mtls_session_t  *s;
    ngx_mtls_verdict_t  *v;

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        tls(&t, NULL, NULL, 0, NULL);
        assert_int_equal(ngx_mtls_session_get(t.server, &conf, &shim_log, &s),
                         NGX_DECLINED);
        v = NULL;
        assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log,
                                                  &v),
                         NGX_DECLINED);
        assert_null(v);
        tls_end(&t);

        /* as ever, whatever time it is */

        shim_time_set(time(NULL) + 10 * TIMEOUT);

        tls(&t, NULL, NULL, 0, kept);
        assert_int_equal(SSL_session_reused(t.server), 1);
        tls_end(&t);

        shim_time_set(time(NULL));
    }
}


/* whom nobody vouches for: let in by nginx's callback, without a record */

static void
test_untrusted(void **state)
{
    tls_t                t;
    void                *data;
    size_t               len;
    ngx_uint_t           kind;
    ngx_mtls_session_t  *s;
    ngx_mtls_verdict_t  *v;

    trusted(ID_12, &other);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        tls_leaf(&t, NULL);

        s = get(&t);
        assert_int_equal(s->status, NGX_MTLS_CHAIN_UNTRUSTED);
        assert_int_equal(s->evidence, 0);
        assert_null(s->anchor);
        assert_true(s->cert.subject.n > 0);

        data = NULL;
        len = 0;
        SSL_SESSION_get0_ticket_appdata(SSL_get0_session(t.server), &data,
                                        &len);
        assert_int_equal(len, 0);

        assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log,
                                                  &v),
                         NGX_OK);
        assert_int_equal(v->chain, NGX_MTLS_CHAIN_UNTRUSTED);
        assert_int_equal(v->policy.ngroups, 0);
        ngx_mtls_verdict_free(v);

        tls_end(&t);

        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        tls_end(&t);
    }
}


/* each way in which a session stops to be good; a full handshake follows */

static void
test_refused(void **state)
{
    tls_t               t;
    time_t              now;
    ngx_uint_t          kind, i;
    ngx_mtls_ca_t      *ca;
    ngx_mtls_trust_t   *trust;

    trusted(ID_12, &root);

    ca = conf.ca;
    trust = server.trust;

    for (kind = 0; kind < KINDS; kind++) {
        for (i = 0; i < 6; i++) {
            contexts(kind);

            now = time(NULL);
            shim_time_set(now);

            tls_leaf(&t, NULL);
            tls_end(&t);

            switch (i) {

            case 0:
                /* all of the time that it has */
                shim_time_set(now + TIMEOUT);
                break;

            case 1:
                shim_time_set(now + TIMEOUT + 1);
                break;

            case 2:
                /* an intermediate has expired, and there was time enough */
                server.session_timeout = 100 * PKI_DAY;
                SSL_CTX_set_timeout(server_ctx, 100 * PKI_DAY);
                contexts(kind);
                SSL_CTX_set_timeout(server_ctx, 100 * PKI_DAY);
                tls_leaf(&t, NULL);
                tls_end(&t);
                shim_time_set(now + 29 * PKI_DAY);
                tls_leaf(&t, kept);
                assert_int_equal(SSL_session_reused(t.server), 1);
                tls_end(&t);
                shim_time_set(now + 31 * PKI_DAY);
                break;

            case 3:
                trust_changed(&other);
                break;

            case 4:
                /* another key: the master was started anew */
                w.zone->key[0] ^= 1;
                break;

            case 5:
                w.zone->run_id[0] ^= 1;
                break;
            }

            tls_leaf(&t, kept);
            assert_int_equal(SSL_session_reused(t.server), i == 0);

            if (i != 3) {
                expect_leaf(get(&t));

            } else {
                assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_UNTRUSTED);
            }

            tls_end(&t);

            conf.ca = ca;
            server.trust = trust;
            server.session_timeout = TIMEOUT;
        }
    }
}


/* each resumption gives a new ticket, but no more time */

static void
test_renewed(void **state)
{
    tls_t       t;
    time_t      now;
    ngx_uint_t  kind;

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        now = time(NULL);
        shim_time_set(now);

        tls_leaf(&t, NULL);
        tls_end(&t);

        shim_time_set(now + TIMEOUT / 2);
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 1);
        tls_end(&t);

        shim_time_set(now + TIMEOUT + 1);
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        tls_end(&t);
    }
}


/* the session of the cache, with another record */

static void
forge(ngx_uint_t n, u_char *record, size_t len)
{
    SSL_SESSION          *s;
    unsigned char        *p;
    const unsigned char  *q;

    q = cache[n].der;
    s = d2i_SSL_SESSION(NULL, &q, cache[n].len);
    assert_non_null(s);

    assert_int_equal(SSL_SESSION_set1_ticket_appdata(s, record, len), 1);

    free(cache[n].der);
    cache[n].len = i2d_SSL_SESSION(s, NULL);
    cache[n].der = malloc(cache[n].len);
    p = cache[n].der;
    i2d_SSL_SESSION(s, &p);

    SSL_SESSION_free(s);
}


static size_t
record_of(tls_t *t, u_char *record)
{
    void    *data;
    size_t   len;

    assert_int_equal(SSL_SESSION_get0_ticket_appdata(
                                     SSL_get0_session(t->server), &data, &len),
                     1);
    assert_true(len <= NGX_MTLS_EVIDENCE_MAX);
    ngx_memcpy(record, data, len);

    return len;
}


static void
test_forged(void **state)
{
    tls_t     t;
    u_char    record[NGX_MTLS_EVIDENCE_MAX + 1], other_record[1024];
    size_t    i, len, n;

    trusted(ID_12, &root);

    tls_leaf(&t, NULL);
    len = record_of(&t, record);
    assert_int_equal(len, 1 + 8 + 8 + 1 + 3 * 32 + 16);
    assert_int_equal(record[0], NGX_MTLS_EVIDENCE_VERSION);
    tls_end(&t);

#define resumes(expected)                                                    \
    do {                                                                     \
        SSL_SESSION  *mine = kept;                                           \
        ngx_uint_t    before = ncache;                                       \
                                                                             \
        SSL_SESSION_up_ref(mine);                                            \
        tls_leaf(&t, mine);                                                  \
        assert_int_equal(SSL_session_reused(t.server), expected);            \
        expect_leaf(get(&t));                                                \
        tls_end(&t);                                                         \
        SSL_SESSION_free(kept);                                              \
        kept = mine;                                                         \
                                                                             \
        while (ncache > before) {                                            \
            free(cache[--ncache].der);                                       \
        }                                                                    \
    } while (0)

    resumes(1);

    for (i = 0; i < len; i += (i < 18) ? 1 : 5) {
        record[i] ^= 0x40;
        forge(0, record, len);
        resumes(0);
        record[i] ^= 0x40;
    }

    for (i = 0; i < len; i += 29) {
        forge(0, record, i);
        resumes(0);
    }

    record[len] = 0;
    forge(0, record, len + 1);
    resumes(0);

    /* a record of another certificate under the same issuers */

    tls(&t, &leaf2, (pki_t *[]) { &inter2, &inter }, 2, NULL);
    n = record_of(&t, other_record);
    tls_end(&t);
    assert_int_equal(n, len);

    cache_clear();
    SSL_SESSION_free(kept);
    kept = NULL;

    tls_leaf(&t, NULL);
    len = record_of(&t, record);
    tls_end(&t);

    forge(0, other_record, n);
    resumes(0);

    forge(0, record, len);
    resumes(1);
}


/*
 * Where no callback looked, the record is read when the session is asked: a
 * wrong one is no evidence, and verified by whomever is not by us.
 */

static void
test_read(void **state)
{
    tls_t                t;
    ngx_mtls_session_t  *s;

    trusted(TICKET_13, &root);

    tls_leaf(&t, NULL);
    w.zone->key[5] ^= 1;
    SSL_SESSION_set1_ticket_appdata(SSL_get0_session(t.server), "x", 1);

    /* what the callback of this handshake found holds all the same */
    expect_leaf(get(&t));
    tls_end(&t);

    server.off = 1;
    contexts(TICKET_13);
    SSL_CTX_set_cert_store(server_ctx, X509_STORE_new());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server_ctx), root.x509);

    tls_leaf(&t, NULL);
    s = get(&t);
    assert_int_equal(s->verify, X509_V_OK);
    assert_int_equal(s->evidence, 0);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_WRONG_CA);
    assert_null(s->anchor);
    tls_end(&t);

    /* resumed as nginx does it, and never with a record that is not good */

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_WRONG_CA);
    tls_end(&t);
}


static ngx_mtls_verdict_t *
judge(tls_t *t)
{
    ngx_mtls_verdict_t  *v;

    v = NULL;
    assert_int_equal(ngx_mtls_session_verdict(t->server, &conf, &shim_log,
                                              &v),
                     NGX_OK);
    return v;
}


static void
test_verdict(void **state)
{
    tls_t                t;
    time_t               now;
    ngx_str_t            path;
    ngx_mtls_verdict_t  *v, *same, *next;

    trusted(TICKET_13, &root);
    now = time(NULL);
    shim_time_set(now);

    tls_leaf(&t, NULL);

    /* no source: nothing is checked */

    v = judge(&t);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_OK);
    assert_int_equal(v->validity, NGX_MTLS_CHAIN_OK);
    assert_int_equal(v->nrevocation, 3);
    assert_int_equal(v->revocation[0].outcome, NGX_MTLS_OUTCOME_UNCHECKED);
    assert_int_equal(v->worst, 0);

    /* the next that ends is the intermediate */

    assert_true(v->valid_until <= now + 30 * PKI_DAY + 2);
    assert_true(v->valid_until > now + 29 * PKI_DAY);

    same = judge(&t);
    assert_ptr_equal(same, v);
    ngx_mtls_verdict_free(same);

    assert_int_equal(ngx_mtls_session_verdict_now(t.server, &conf, &shim_log,
                                                  &same),
                     NGX_OK);
    assert_ptr_equal(same, v);
    ngx_mtls_verdict_free(same);

    /* a new generation: another verdict, the old one stays as it is */

    conf.sources.nelts = 1;
    path = pki_crl(w.dir, "root.crl", &root, &(pki_crl_t) { 0 });
    assert_int_equal(world_crl(&w, &path, 0, 0), NGX_OK);
    world_publish(&w);

    next = judge(&t);
    assert_ptr_not_equal(next, v);
    assert_int_equal(v->revocation[0].outcome, NGX_MTLS_OUTCOME_UNCHECKED);
    assert_int_equal(next->revocation[0].outcome, NGX_MTLS_OUTCOME_UNKNOWN);
    assert_int_equal(next->revocation[1].outcome, NGX_MTLS_OUTCOME_UNKNOWN);
    assert_int_equal(next->revocation[2].outcome, NGX_MTLS_OUTCOME_GOOD);
    assert_int_equal(next->worst, 0);
    assert_true(next->valid_until <= now + 7 * PKI_DAY + 2);
    assert_int_equal(next->generation, w.zone->generation);

    /* the certificate was read once, and its groups asked once */

    assert_ptr_equal(next->session, v->session);
    assert_int_equal(next->session->evaluated, 1);

    ngx_mtls_verdict_free(v);

    /* revoked in mid-connection */

    path = pki_crl(w.dir, "root2.crl", &root,
                   &(pki_crl_t) { .revoked = { &inter } });
    assert_int_equal(world_crl(&w, &path, 0, 0), NGX_OK);
    world_publish(&w);

    v = judge(&t);
    assert_int_equal(v->revocation[2].outcome, NGX_MTLS_OUTCOME_REVOKED);
    assert_int_equal(v->worst, 2);

    ngx_mtls_verdict_free(next);
    ngx_mtls_verdict_free(v);

    tls_end(&t);
}


/* time passes, and may go back */

static void
test_verdict_time(void **state)
{
    tls_t                t;
    time_t               now;
    ngx_mtls_verdict_t  *v, *next;

    trusted(TICKET_13, &root);
    now = time(NULL);
    shim_time_set(now);

    tls_leaf(&t, NULL);
    v = judge(&t);

    shim_time_set(v->valid_until - 1);
    next = judge(&t);
    assert_ptr_equal(next, v);
    ngx_mtls_verdict_free(next);

    shim_time_set(v->valid_until);
    next = judge(&t);
    assert_ptr_not_equal(next, v);
    assert_int_equal(next->validity, NGX_MTLS_CHAIN_EXPIRED);
    assert_int_equal(next->chain, NGX_MTLS_CHAIN_OK);
    assert_non_null(next->anchor);
    ngx_mtls_verdict_free(v);
    ngx_mtls_verdict_free(next);

    shim_time_set(now - 2 * PKI_DAY);
    next = judge(&t);
    assert_int_equal(next->validity, NGX_MTLS_CHAIN_NOT_YET_VALID);
    assert_true(next->valid_until <= now);
    ngx_mtls_verdict_free(next);

    shim_time_set(now);
    next = judge(&t);
    assert_int_equal(next->validity, NGX_MTLS_CHAIN_OK);
    ngx_mtls_verdict_free(next);

    tls_end(&t);
}


/* verified when the connection was made; the label has lost its anchor since */

static void
test_verdict_anchor(void **state)
{
    tls_t                t;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);

    tls_leaf(&t, NULL);
    trust_changed(&other);

    v = judge(&t);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_WRONG_CA);
    assert_null(v->anchor);
    ngx_mtls_verdict_free(v);

    tls_end(&t);
}


static void
test_loading(void **state)
{
    tls_t                t;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);
    conf.sources.nelts = 1;
    sync_rc = NGX_AGAIN;

    tls_leaf(&t, NULL);

    v = NULL;
    assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log, &v),
                     NGX_AGAIN);
    assert_null(v);

    assert_int_equal(ngx_mtls_session_verdict_now(t.server, &conf, &shim_log,
                                                  &v),
                     NGX_OK);
    assert_int_equal(v->revocation[0].outcome, NGX_MTLS_OUTCOME_UNKNOWN);
    ngx_mtls_verdict_free(v);

    /* and that was not kept */

    v = NULL;
    assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log, &v),
                     NGX_AGAIN);
    assert_null(v);

    sync_rc = NGX_OK;
    world_publish(&w);
    v = judge(&t);
    ngx_mtls_verdict_free(v);

    tls_end(&t);

    /* who is refused by the TLS layer has nothing to wait for */

    trust_changed(&other);
    sync_rc = NGX_AGAIN;
    tls_leaf(&t, NULL);
    v = judge(&t);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_UNTRUSTED);
    ngx_mtls_verdict_free(v);
    tls_end(&t);
}


/* a request may outlive its connection */

static void
test_references(void **state)
{
    tls_t                t;
    ngx_mtls_session_t  *s;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);

    tls_leaf(&t, NULL);
    s = get(&t);
    ngx_mtls_session_ref(s);
    v = judge(&t);
    tls_end(&t);

    forget_intermediates();

    assert_ptr_equal(v->session, s);
    assert_int_equal(s->chain[0]->facts.version, 3);

    ngx_mtls_session_free(s);
    assert_int_equal(v->session->nchain, 3);
    ngx_mtls_verdict_free(v);
}


static void
test_forget(void **state)
{
    tls_t       t;
    ngx_uint_t  kind;

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {

        if (kind == TICKET_12 || kind == TICKET_13) {
            continue;
        }

        contexts(kind);
        cache_clear();

        tls_leaf(&t, NULL);
        ngx_mtls_session_forget(t.server);
        tls_end(&t);

        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        tls_end(&t);
    }
}


static void
test_memory(void **state)
{
    tls_t                t;
    ngx_int_t            rc;
    ngx_str_t            path;
    ngx_uint_t           i;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);
    conf.sources.nelts = 1;
    path = pki_crl(w.dir, "root.crl", &root, &(pki_crl_t) { 0 });
    assert_int_equal(world_crl(&w, &path, 0, 0), NGX_OK);
    world_publish(&w);

    for (i = 1; ; i++) {
        tls_leaf(&t, NULL);

        shim_alloc_fail(i);
        v = NULL;
        rc = ngx_mtls_session_verdict(t.server, &conf, &shim_log, &v);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        assert_null(v);

        /* the next request of the connection finds memory again */

        v = judge(&t);
        assert_int_equal(v->chain, NGX_MTLS_CHAIN_OK);
        ngx_mtls_verdict_free(v);

        tls_end(&t);
    }

    assert_true(i > 8);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_OK);
    ngx_mtls_verdict_free(v);
    tls_end(&t);
}


static void
test_errors(void **state)
{
    ngx_uint_t  i;

    static const struct {
        long              verify;
        ngx_mtls_chain_e  chain;
    } cases[] = {
        { X509_V_OK, NGX_MTLS_CHAIN_OK },
        { X509_V_ERR_CERT_HAS_EXPIRED, NGX_MTLS_CHAIN_EXPIRED },
        { X509_V_ERR_CERT_NOT_YET_VALID, NGX_MTLS_CHAIN_NOT_YET_VALID },
        { X509_V_ERR_INVALID_PURPOSE, NGX_MTLS_CHAIN_PURPOSE },
        { X509_V_ERR_CERT_REVOKED, NGX_MTLS_CHAIN_REVOKED },
        { X509_V_ERR_UNABLE_TO_GET_CRL, NGX_MTLS_CHAIN_REVOCATION_UNKNOWN },
        { X509_V_ERR_CRL_HAS_EXPIRED, NGX_MTLS_CHAIN_REVOCATION_UNKNOWN },
        { X509_V_ERR_OUT_OF_MEM, NGX_MTLS_CHAIN_ERROR },
        { X509_V_ERR_UNSPECIFIED, NGX_MTLS_CHAIN_ERROR },
        { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, NGX_MTLS_CHAIN_UNTRUSTED },
        { X509_V_ERR_CERT_CHAIN_TOO_LONG, NGX_MTLS_CHAIN_UNTRUSTED },
        { X509_V_ERR_CERT_SIGNATURE_FAILURE, NGX_MTLS_CHAIN_UNTRUSTED },
        { 12345, NGX_MTLS_CHAIN_UNTRUSTED },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ngx_mtls_session_chain(cases[i].verify),
                         cases[i].chain);
    }
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_full),
        t(test_resumed),
        t(test_resumed_elsewhere),
        t(test_short),
        t(test_leaf_anchor),
        t(test_no_cert),
        t(test_untrusted),
        t(test_refused),
        t(test_renewed),
        t(test_forged),
        t(test_read),
        t(test_verdict),
        t(test_verdict_time),
        t(test_verdict_anchor),
        t(test_loading),
        t(test_references),
        t(test_forget),
        t(test_memory),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, once, end);
}
