
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: one request's judgement in the access phase, and the
 * record of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


#define NGX_HTTP_MTLS_POLL  20     /* ms, while a source is loaded */


static void ngx_http_mtls_refused_before(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record, ngx_http_mtls_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mtls_pass(ngx_mtls_decision_t *decision,
    ngx_http_mtls_loc_conf_t *mlcf);
static void ngx_http_mtls_record_cleanup(void *data);
static ngx_int_t ngx_http_mtls_judge(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record, ngx_mtls_decision_t *decision,
    ngx_mtls_verdict_t **verdict);
static ngx_int_t ngx_http_mtls_refuse(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record);
static void ngx_http_mtls_log_refusal(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record);
static ngx_int_t ngx_http_mtls_wait(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record);
static void ngx_http_mtls_wait_handler(ngx_event_t *ev);
static void ngx_http_mtls_wait_cleanup(void *data);


ngx_int_t
ngx_http_mtls_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_mtls_verdict_t        *verdict;
    ngx_mtls_decision_t        decision;
    ngx_http_mtls_record_t    *record;
    ngx_http_mtls_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mtls_module);

    if (mlcf->rules.mode == NGX_MTLS_MODE_OFF) {
        return NGX_DECLINED;
    }

    record = ngx_http_mtls_record(r, 1);
    if (record == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_mtls_refused_before(r, record, mlcf);

    if (record->decision.action == NGX_MTLS_ACTION_DENY
        && mlcf->rules.mode == NGX_MTLS_MODE_ON)
    {
        /* once refused, later locations can only refuse again */
        return ngx_http_mtls_refuse(r, record);
    }

    rc = ngx_http_mtls_judge(r, record, &decision, &verdict);

    if (rc == NGX_AGAIN) {

        rc = ngx_http_mtls_wait(r, record);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        ngx_memzero(&decision, sizeof(ngx_mtls_decision_t));

        decision.action = NGX_MTLS_ACTION_DENY;
        decision.reason = (rc == NGX_DECLINED) ? NGX_MTLS_REASON_LOADING
                                               : NGX_MTLS_REASON_ERROR;
        verdict = NULL;
    }

    if (record->decision.action >= NGX_MTLS_ACTION_DENY
        && decision.action != NGX_MTLS_ACTION_DENY)
    {
        /* the first refusal stays, a real one beats that of a dry run */

        if (verdict) {
            ngx_mtls_verdict_free(verdict);
        }

        return ngx_http_mtls_pass(&decision, mlcf);
    }

    if (record->verdict) {
        ngx_mtls_verdict_free(record->verdict);
    }

    record->verdict = verdict;
    record->decision = decision;
    record->policy = mlcf;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mtls: action \"%V\", reason \"%V\", authenticated %ui",
                   ngx_mtls_action_name(decision.action),
                   ngx_mtls_reason_name(decision.reason),
                   decision.authenticated);

    if (decision.action >= NGX_MTLS_ACTION_DENY) {
        ngx_http_mtls_log_refusal(r, record);
    }

    if (decision.action == NGX_MTLS_ACTION_DENY) {
        return ngx_http_mtls_refuse(r, record);
    }

    return ngx_http_mtls_pass(&decision, mlcf);
}


/*
 * The first place that is judged may be the page of an error of the TLS layer,
 * which was a refusal too.
 */

static void
ngx_http_mtls_refused_before(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record, ngx_http_mtls_loc_conf_t *mlcf)
{
    ngx_mtls_reason_e  reason;

    if (!r->internal || record->policy) {
        return;
    }

    reason = ngx_http_mtls_core_refusal(r);

    if (reason == NGX_MTLS_REASON_NONE) {
        return;
    }

    record->decision.action = NGX_MTLS_ACTION_DENY;
    record->decision.reason = reason;
    record->policy = mlcf;
}


/* NGX_OK opens "satisfy any": only for a rule that allowed, and "on" */

static ngx_int_t
ngx_http_mtls_pass(ngx_mtls_decision_t *decision,
    ngx_http_mtls_loc_conf_t *mlcf)
{
    return (decision->action == NGX_MTLS_ACTION_ALLOW && decision->rule
            && mlcf->rules.mode == NGX_MTLS_MODE_ON)
           ? NGX_OK : NGX_DECLINED;
}


/*
 * NGX_OK: "decision" holds, and "verdict" is a reference or NULL; NGX_AGAIN: a
 * source is loading.
 */

static ngx_int_t
ngx_http_mtls_judge(ngx_http_request_t *r, ngx_http_mtls_record_t *record,
    ngx_mtls_decision_t *decision, ngx_mtls_verdict_t **verdict)
{
    SSL                        *ssl;
    ngx_int_t                   rc;
    ngx_uint_t                  safe;
    ngx_connection_t           *c;
    ngx_http_mtls_loc_conf_t   *mlcf;
    ngx_http_mtls_srv_conf_t   *mscf;
    ngx_http_mtls_main_conf_t  *mmcf;

    c = r->connection;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);
    mscf = ngx_http_get_module_srv_conf(r, ngx_http_mtls_module);
    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mtls_module);

    *verdict = NULL;

    if (c->ssl) {
        ssl = c->ssl->connection;

        if (!record->sampled) {

            /* it changes under a request that waits: the first look counts */

            record->sampled = 1;
            record->early = !SSL_is_init_finished(ssl);
        }

        rc = ngx_mtls_session_verdict(ssl, &mmcf->core, c->log, verdict);

        if (rc == NGX_AGAIN) {

            if (mlcf->rules.mode == NGX_MTLS_MODE_ON) {
                return NGX_AGAIN;
            }

            /* a dry run never waits */

            rc = ngx_mtls_session_verdict_now(ssl, &mmcf->core, c->log,
                                              verdict);
        }

        if (rc != NGX_OK && rc != NGX_DECLINED) {

            ngx_memzero(decision, sizeof(ngx_mtls_decision_t));

            decision->reason = NGX_MTLS_REASON_ERROR;
            decision->action = (mlcf->rules.mode == NGX_MTLS_MODE_ON)
                               ? NGX_MTLS_ACTION_DENY
                               : NGX_MTLS_ACTION_WOULD_DENY;
            *verdict = NULL;

            return NGX_OK;
        }
    }

    safe = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS)) ? 1 : 0;

    ngx_mtls_decide(&mlcf->rules, mscf->server.trust, mmcf->core.policy,
                    *verdict, record->early, safe, r->pool, c->log, decision);

    return NGX_OK;
}


ngx_int_t
ngx_http_mtls_preview(ngx_http_request_t *r, ngx_mtls_decision_t *decision,
    ngx_mtls_verdict_t **verdict)
{
    SSL                        *ssl;
    ngx_int_t                   rc;
    ngx_mtls_rules_t            rules;
    ngx_connection_t           *c;
    ngx_http_mtls_loc_conf_t   *mlcf;
    ngx_http_mtls_srv_conf_t   *mscf;
    ngx_http_mtls_main_conf_t  *mmcf;

    c = r->connection;

    *verdict = NULL;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);

    if (!mmcf->active || c->ssl == NULL) {
        return NGX_DECLINED;
    }

    ssl = c->ssl->connection;

    rc = ngx_mtls_session_verdict_now(ssl, &mmcf->core, c->log, verdict);
    if (rc != NGX_OK) {
        *verdict = NULL;
        return rc;
    }

    mscf = ngx_http_get_module_srv_conf(r, ngx_http_mtls_module);
    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mtls_module);

    /* only who it is, not what it may do, nor how it asks; also under "off" */

    rules = mlcf->rules;
    rules.mode = NGX_MTLS_MODE_ON;
    rules.early_data = NGX_MTLS_EARLY_ALLOW;
    rules.allow = NULL;
    rules.deny = NULL;

    ngx_mtls_decide(&rules, mscf->server.trust, mmcf->core.policy, *verdict,
                    0, 1, r->pool, c->log, decision);

    return NGX_OK;
}


ngx_http_mtls_record_t *
ngx_http_mtls_record(ngx_http_request_t *r, ngx_uint_t make)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_mtls_record_t  *record;

    r = r->main;

    record = ngx_http_get_module_ctx(r, ngx_http_mtls_module);

    if (record) {
        return record;
    }

    if (r->internal || r->filter_finalize || !make) {

        /* the context was reset by an internal redirect */

        for (cln = r->pool->cleanup; cln; cln = cln->next) {

            if (cln->handler == ngx_http_mtls_record_cleanup) {
                record = cln->data;
                ngx_http_set_ctx(r, record, ngx_http_mtls_module);
                return record;
            }
        }
    }

    if (!make) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mtls_record_t));
    if (cln == NULL) {
        return NULL;
    }

    record = cln->data;

    ngx_memzero(record, sizeof(ngx_http_mtls_record_t));

    cln->handler = ngx_http_mtls_record_cleanup;

    ngx_http_set_ctx(r, record, ngx_http_mtls_module);

    return record;
}


static void
ngx_http_mtls_record_cleanup(void *data)
{
    ngx_http_mtls_record_t *record = data;

    if (record->verdict) {
        ngx_mtls_verdict_free(record->verdict);
    }

    if (record->session) {
        ngx_mtls_session_free(record->session);
    }
}


ngx_int_t
ngx_http_mtls_session(ngx_http_request_t *r, ngx_mtls_session_t **session)
{
    ngx_int_t                   rc;
    ngx_connection_t           *c;
    ngx_http_mtls_record_t     *record;
    ngx_http_mtls_main_conf_t  *mmcf;

    c = r->connection;
    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);

    if (!mmcf->active || c->ssl == NULL) {
        return NGX_DECLINED;
    }

    record = ngx_http_mtls_record(r, 1);
    if (record == NULL) {
        return NGX_ERROR;
    }

    if (record->session == NULL) {

        rc = ngx_mtls_session_get(c->ssl->connection, &mmcf->core, c->log,
                                  session);
        if (rc != NGX_OK) {
            return rc;
        }

        ngx_mtls_session_ref(*session);
        record->session = *session;
    }

    *session = record->session;

    return NGX_OK;
}


/* the answer to a refused request */

static ngx_int_t
ngx_http_mtls_refuse(ngx_http_request_t *r, ngx_http_mtls_record_t *record)
{
    ngx_mtls_reason_e  reason;

    reason = record->decision.reason;

    if ((reason == NGX_MTLS_REASON_REVOKED
         || reason == NGX_MTLS_REASON_EXPIRED)
        && r->connection->ssl)
    {
        ngx_mtls_session_forget(r->connection->ssl->connection);

        r->keepalive = 0;    /* means nothing to an HTTP/2 stream */
    }

    return ngx_http_mtls_error_answer(r, reason);
}


static void
ngx_http_mtls_log_refusal(ngx_http_request_t *r,
    ngx_http_mtls_record_t *record)
{
    u_char               *last;
    ngx_mtls_decision_t  *d;
    u_char                cert[sizeof("certificate sha256:")
                               + 2 * NGX_MTLS_HASH_LEN];

    if (!(r->connection->log->log_level >= NGX_LOG_INFO)) {
        return;
    }

    d = &record->decision;

    if (record->verdict) {
        last = ngx_cpymem(cert, "certificate sha256:",
                          sizeof("certificate sha256:") - 1);
        last = ngx_hex_dump(last, record->verdict->session->cert.fingerprint,
                            NGX_MTLS_HASH_LEN);

    } else {
        last = ngx_cpymem(cert, "no certificate", sizeof("no certificate") - 1);
    }

    if (d->rule) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "mtls: %V, reason \"%V\", rule %V:%ui, %*s",
                      ngx_mtls_action_name(d->action),
                      ngx_mtls_reason_name(d->reason), &d->rule->file,
                      d->rule->line, (size_t) (last - cert), cert);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mtls: %V, reason \"%V\", %*s",
                  ngx_mtls_action_name(d->action),
                  ngx_mtls_reason_name(d->reason), (size_t) (last - cert),
                  cert);
}


/*
 * Lets a request wait for the first load of the sources.  NGX_AGAIN: it
 * waits; NGX_DECLINED: it has waited long enough; NGX_ERROR.
 */

static ngx_int_t
ngx_http_mtls_wait(ngx_http_request_t *r, ngx_http_mtls_record_t *record)
{
    ngx_event_t           *rev;
    ngx_http_cleanup_t    *cln;
    ngx_http_mtls_wait_t  *wait;

    wait = record->wait;

    if (wait == NULL) {

        cln = ngx_http_cleanup_add(r, sizeof(ngx_http_mtls_wait_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        wait = cln->data;

        ngx_memzero(wait, sizeof(ngx_http_mtls_wait_t));

        cln->handler = ngx_http_mtls_wait_cleanup;

        /*
         * not cancelable: a worker that exits gracefully must not lose the
         * request
         */

        wait->event.handler = ngx_http_mtls_wait_handler;
        wait->event.data = r;
        wait->event.log = r->connection->log;
        wait->deadline = ngx_current_msec + NGX_MTLS_LOADING_TIMEOUT;

        record->wait = wait;
    }

    if (wait->event.timer_set) {
        return NGX_AGAIN;
    }

    if ((ngx_msec_int_t) (wait->deadline - ngx_current_msec) <= 0) {
        r->read_event_handler = ngx_http_block_reading;
        return NGX_DECLINED;
    }

    /* an aborting client is noticed meanwhile */

    r->read_event_handler = ngx_http_test_reading;

    rev = r->connection->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_add_timer(&wait->event, NGX_HTTP_MTLS_POLL);

    return NGX_AGAIN;
}


static void
ngx_http_mtls_wait_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_mtls_wait_cleanup(void *data)
{
    ngx_http_mtls_wait_t *wait = data;

    if (wait->event.timer_set) {
        ngx_del_timer(&wait->event);
    }
}


ngx_mtls_reason_e
ngx_http_mtls_core_refusal(ngx_http_request_t *r)
{
    long                      rc;
    X509                     *cert;
    ngx_ssl_conn_t           *ssl;
    ngx_http_ssl_srv_conf_t  *sscf;

    /* a subrequest has no connection of HTTP */

    r = r->main;

    /* the tests of ngx_http_process_request(), in its order */

    if (!r->http_connection->ssl) {
        return NGX_MTLS_REASON_NONE;
    }

    if (r->connection->ssl == NULL) {
        return NGX_MTLS_REASON_NO_CERT;                           /* 497 */
    }

    ssl = r->connection->ssl->connection;
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_ssl_module);

    /* with its own 421 nginx has not taken the name of a server */

    if ((r->err_status == NGX_HTTP_MISDIRECTED_REQUEST
         || r->headers_out.status == NGX_HTTP_MISDIRECTED_REQUEST)
        && r->headers_in.server.len == 0)
    {
        return NGX_MTLS_REASON_WRONG_CA;
    }

    if (sscf->verify == 0) {
        return NGX_MTLS_REASON_NONE;
    }

    rc = SSL_get_verify_result(ssl);

    if (rc != X509_V_OK
        && (sscf->verify != 3 || !ngx_ssl_verify_error_optional(rc)))
    {
        return ngx_mtls_reason_verify(rc);                        /* 495 */
    }

    if (sscf->verify != 1) {
        return NGX_MTLS_REASON_NONE;
    }

    cert = SSL_get0_peer_certificate(ssl);

    return cert ? NGX_MTLS_REASON_NONE : NGX_MTLS_REASON_NO_CERT; /* 496 */
}
