
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Evidence: what is known after a handshake, full and resumed, and which
 * sessions are not resumed.
 */


#include "tls.h"


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
        expect_leaf(&t);
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
            expect_leaf(&t);
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
    expect_leaf(&t);
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
    expect_leaf(&t);
    tls_end(&t);
}


/* one that is issued by the anchor, and one that is the anchor */

static void
test_short(void **state)
{
    tls_t                t;
    ngx_mtls_session_t  *s;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);

    tls_direct(&t, NULL);
    s = get(&t);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_OK);
    assert_int_equal(s->facts.nchain, 0);
    v = judge(&t);
    assert_int_equal(v->nabove, 1);
    ngx_mtls_verdict_free(v);
    tls_end(&t);

    tls_direct(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    v = judge(&t);
    assert_int_equal(v->nabove, 1);
    ngx_mtls_verdict_free(v);
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
    assert_memory_equal(s->facts.anchor, s->facts.leaf, 32);

    conf.sources.nelts = 1;
    conf.ncrls = 1;
    world_publish(&w);
    assert_int_equal(ngx_mtls_session_verdict(t.server, &conf, &shim_log, &v),
                     NGX_OK);
    assert_int_equal(v->nabove, 0);
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
        assert_null(v->anchor);
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
                expect_leaf(&t);

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


/* the leaf or the anchor expires in the time that the session has */

static void
test_expired(void **state)
{
    tls_t       t;
    pki_t       ca, client;
    time_t      now;
    ngx_uint_t  kind, i;

    pki_issue(&ca, NULL, &(pki_spec_t) { .cn = "Short", .ca = 1,
                                         .from = -PKI_DAY,
                                         .to = 10 * PKI_DAY });
    pki_issue(&client, &ca, &(pki_spec_t) { .cn = "client" });

    for (kind = 0; kind < KINDS; kind++) {

        for (i = 0; i < 2; i++) {

            /* "direct" lives for 20 days, and its root longer */

            shim_time_set(now = time(NULL));
            trusted(kind, i ? &ca : &root);
            server.session_timeout = 100 * PKI_DAY;
            SSL_CTX_set_timeout(server_ctx, 100 * PKI_DAY);

            tls(&t, i ? &client : &direct, NULL, 0, NULL);
            assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_OK);
            tls_end(&t);

            shim_time_set(now + (i ? 9 : 19) * PKI_DAY);
            tls(&t, i ? &client : &direct, NULL, 0, kept);
            assert_int_equal(SSL_session_reused(t.server), 1);
            assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_OK);
            tls_end(&t);

            shim_time_set(now + (i ? 11 : 21) * PKI_DAY);
            tls(&t, i ? &client : &direct, NULL, 0, kept);
            assert_int_equal(SSL_session_reused(t.server), 0);
            tls_end(&t);

            /* before it was made, by a clock that was set back by far */

            shim_time_set(now - PKI_DAY / 2);
            tls(&t, i ? &client : &direct, NULL, 0, kept);
            assert_int_equal(SSL_session_reused(t.server), 0);
            tls_end(&t);

            server.session_timeout = TIMEOUT;
            world_end(&w);
            setup(state);
        }
    }

    pki_free(&ca);
    pki_free(&client);
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
        expect_leaf(&t);                                                \
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
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);

    tls_leaf(&t, NULL);
    w.zone->key[5] ^= 1;
    SSL_SESSION_set1_ticket_appdata(SSL_get0_session(t.server), "x", 1);

    /* what the callback of this handshake found holds all the same */
    expect_leaf(&t);
    tls_end(&t);

    server.off = 1;
    contexts(TICKET_13);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server_ctx), root.x509);

    tls_leaf(&t, NULL);
    s = get(&t);
    assert_int_equal(s->verify, X509_V_OK);
    assert_int_equal(s->evidence, 0);
    assert_int_equal(s->status, NGX_MTLS_CHAIN_WRONG_CA);
    v = judge(&t);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_WRONG_CA);
    assert_null(v->anchor);
    ngx_mtls_verdict_free(v);
    tls_end(&t);

    /* resumed as nginx does it, and never with a record that is not good */

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 1);
    assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_WRONG_CA);
    tls_end(&t);
}


/*
 * With "mtls off" the session says so, in a record that no other certificate
 * can have, and one that says nothing is not resumed, there or elsewhere.
 */

static void
test_off(void **state)
{
    tls_t                t;
    size_t               len, i;
    time_t               now;
    ngx_uint_t           kind;
    ngx_mtls_session_t  *s;
    u_char               record[NGX_MTLS_EVIDENCE_MAX + 1];

    trusted(ID_12, &root);

    for (kind = 0; kind < KINDS; kind++) {
        server.off = 1;
        contexts(kind);

        shim_time_set(now = time(NULL));

        tls_leaf(&t, NULL);
        len = record_of(&t, record);
        assert_int_equal(len, 1 + 8 + 8 + 1 + 32 + 16);
        assert_int_not_equal(record[0], NGX_MTLS_EVIDENCE_VERSION);
        assert_int_not_equal(SSL_get_verify_result(t.server), X509_V_OK);
        tls_end(&t);

        /* nginx's own clock, and not ours */

        shim_time_set(now + 10 * TIMEOUT);

        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 1);
        s = get(&t);
        assert_int_equal(s->evidence, 0);
        assert_int_not_equal(s->status, NGX_MTLS_CHAIN_OK);
        tls_end(&t);

        /* of another start */

        w.zone->key[0] ^= 1;
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        tls_end(&t);

        /* never judged: at no server, be it known too late which it is */

        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 1);
        server.off = 0;
        SSL_CTX_set_cert_verify_callback(server_ctx, NULL, NULL);
        tls_end(&t);

        contexts(kind);
        SSL_CTX_set_cert_verify_callback(server_ctx, NULL, NULL);
        tls_leaf(&t, NULL);
        tls_end(&t);

        server.off = 1;
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        tls_end(&t);
    }

    /* the marks of one kind are none of the other */

    server.off = 0;
    cache_clear();
    contexts(ID_12);

    tls_leaf(&t, NULL);
    len = record_of(&t, record);
    tls_end(&t);

    for (i = 0; i < 8; i++) {
        record[0] ^= 1 << i;
        forge(0, record, len);

        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        expect_leaf(&t);
        tls_end(&t);

        cache_clear();
        tls_leaf(&t, NULL);
        len = record_of(&t, record);
        tls_end(&t);
    }
}


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
        t(test_expired),
        t(test_renewed),
        t(test_forged),
        t(test_read),
        t(test_off),
    };

    return cmocka_run_group_tests(tests, once, end);
}
