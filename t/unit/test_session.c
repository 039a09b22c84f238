
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Session: verdicts by generation and time, and their lives.
 */


#include "tls.h"

#include <ngx_mtls_ca_table.h>


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
    conf.ncrls = 1;
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


/* what is trusted in label "a" beside "other" is this from now on */

static void
live(pki_t **certs, ngx_uint_t n)
{
    char                 name[256];
    ngx_str_t            file, path;
    ngx_uint_t           nmade;
    ngx_mtls_ca_t       *set;
    ngx_mtls_job_t       job;
    ngx_mtls_made_t     *made;
    ngx_mtls_ca_part_t   part;

    static ngx_uint_t    number;

    ngx_memzero(&job, sizeof(ngx_mtls_job_t));
    ngx_memzero(&part, sizeof(ngx_mtls_ca_part_t));

    snprintf(name, sizeof(name), "live%u.pem", (unsigned) ++number);
    path = pki_file(w.dir, name, certs, n);

    job.path = path;
    job.dir.data = (u_char *) w.dir;
    job.dir.len = strlen(w.dir);

    assert_int_equal(ngx_mtls_ca_compile(&job, w.pool, &made, &nmade, &w.err),
                     NGX_OK);

    snprintf(name, sizeof(name), "%s/%s.tmp", w.dir, made->name);
    file.data = (u_char *) name;
    file.len = strlen(name);

    part.table = ngx_mtls_table_open(&file, job.run_id, made->hash, &w.err);
    assert_non_null(part.table);
    part.source = 0;
    part.path = path;

    set = ngx_mtls_ca_live(conf.configured, conf.ca, &part, 1, &shim_log,
                           &w.err);
    assert_non_null(set);
    ngx_mtls_table_close(part.table);

    ngx_mtls_ca_free(conf.ca);
    conf.ca = set;
    conf.generation = ++w.zone->generation;
}


/*
 * A CA goes while a connection lasts: the next verdict knows, the one before
 * is as it was for whoever has it, and its set is there as long.
 */

static void
test_verdict_live(void **state)
{
    tls_t                t;
    ngx_mtls_ca_t       *first;
    ngx_mtls_anchor_t   *anchor;
    ngx_mtls_verdict_t  *v, *same, *next;

    trusted(TICKET_13, &other);
    conf.ca = ngx_mtls_ca_ref(conf.configured);

    live((pki_t *[]) { &root }, 1);
    first = conf.ca;

    tls_leaf(&t, NULL);
    v = judge(&t);
    assert_int_equal(v->chain, NGX_MTLS_CHAIN_OK);
    assert_ptr_equal(v->ca, first);
    assert_int_equal(v->nabove, 3);
    anchor = v->anchor;
    assert_memory_equal(anchor->fingerprint, v->session->facts.anchor, 32);

    /* another CA comes: judged anew, with the certificates that there are */

    live((pki_t *[]) { &root, &direct }, 2);
    same = judge(&t);
    assert_ptr_not_equal(same, v);
    assert_ptr_equal(same->ca, conf.ca);
    assert_int_equal(same->chain, NGX_MTLS_CHAIN_OK);
    assert_ptr_not_equal(same->anchor, anchor);
    assert_ptr_equal(same->anchor->cert, anchor->cert);
    assert_ptr_equal(same->session, v->session);
    ngx_mtls_verdict_free(same);

    live((pki_t *[]) { &inter }, 1);
    next = judge(&t);
    assert_int_equal(next->chain, NGX_MTLS_CHAIN_WRONG_CA);
    assert_null(next->anchor);
    assert_int_equal(next->nabove, 0);
    assert_int_equal(next->nrevocation, 0);
    assert_int_equal(next->policy.ngroups, 0);
    ngx_mtls_verdict_free(next);

    /* and it comes back */

    live((pki_t *[]) { &root }, 1);
    next = judge(&t);
    assert_int_equal(next->chain, NGX_MTLS_CHAIN_OK);
    ngx_mtls_verdict_free(next);

    live((pki_t *[]) { &inter }, 1);
    tls_end(&t);
    forget_intermediates();

    assert_ptr_equal(v->anchor, anchor);
    assert_ptr_equal(v->above[2], anchor->cert);
    assert_int_equal(X509_cmp(anchor->cert->x509, root.x509), 0);
    assert_int_equal(v->above[0]->facts.version, 3);
    ngx_mtls_verdict_free(v);

    /* neither resumed nor vouched for */

    tls_leaf(&t, kept);
    assert_int_equal(SSL_session_reused(t.server), 0);
    assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_UNTRUSTED);
    tls_end(&t);

    ngx_mtls_ca_free(conf.ca);
    conf.ca = conf.configured;
}


/* resumed while its CA is trusted, in whichever set that is */

static void
test_resumed_live(void **state)
{
    tls_t                t;
    ngx_uint_t           kind;

    trusted(ID_12, &other);
    conf.ca = ngx_mtls_ca_ref(conf.configured);

    for (kind = 0; kind < KINDS; kind++) {
        contexts(kind);

        live((pki_t *[]) { &root }, 1);
        tls_leaf(&t, NULL);
        assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_OK);
        tls_end(&t);

        live((pki_t *[]) { &root, &direct }, 2);
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 1);
        expect_leaf(&t);
        tls_end(&t);

        /* a helper now: known, and no anchor */

        live((pki_t *[]) { &inter, &inter2 }, 2);
        tls_leaf(&t, kept);
        assert_int_equal(SSL_session_reused(t.server), 0);
        assert_int_equal(get(&t)->status, NGX_MTLS_CHAIN_UNTRUSTED);
        tls_end(&t);
    }

    ngx_mtls_ca_free(conf.ca);
    conf.ca = conf.configured;
}


static void
test_loading(void **state)
{
    tls_t                t;
    ngx_mtls_verdict_t  *v;

    trusted(TICKET_13, &root);
    conf.sources.nelts = 1;
    conf.ncrls = 1;
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
    assert_int_equal(v->above[0]->facts.version, 3);

    ngx_mtls_session_free(s);
    assert_int_equal(v->nabove, 3);
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
    conf.ncrls = 1;
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_verdict),
        t(test_verdict_time),
        t(test_verdict_anchor),
        t(test_verdict_live),
        t(test_resumed_live),
        t(test_loading),
        t(test_references),
        t(test_forget),
        t(test_memory),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, once, end);
}
