
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what a refused request is answered, and mtls_error.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


#define NGX_HTTP_MTLS_ERROR_DEFAULT     0
#define NGX_HTTP_MTLS_ERROR_PROBLEM     1
#define NGX_HTTP_MTLS_ERROR_AUTO        2

/* of gRPC's status codes */
#define NGX_HTTP_MTLS_PERMISSION_DENIED  "7"
#define NGX_HTTP_MTLS_UNAVAILABLE        "14"
#define NGX_HTTP_MTLS_UNAUTHENTICATED    "16"


/* of a header field; a request may want another that begins alike */
#define ngx_http_mtls_is(s, name)                                             \
    ((s)->len == sizeof(name) - 1                                             \
     && ngx_strncasecmp((s)->data, (u_char *) name, sizeof(name) - 1) == 0)


/*
 * What is said of a reason.  The texts go into JSON and into grpc-message as
 * they are: neither quotes, backslashes nor percent signs.
 */
typedef struct {
    ngx_mtls_reason_e   reason;
    ngx_uint_t          status;
    ngx_str_t           grpc;
    ngx_str_t           title;
    ngx_str_t           detail;
} ngx_http_mtls_problem_t;


static ngx_uint_t ngx_http_mtls_problem(ngx_mtls_reason_e reason);
static ngx_int_t ngx_http_mtls_error_send(ngx_http_request_t *r,
    ngx_http_mtls_error_t *error, ngx_http_mtls_problem_t *problem,
    ngx_int_t status);
static ngx_uint_t ngx_http_mtls_error_page(ngx_http_request_t *r,
    ngx_int_t status);
static ngx_int_t ngx_http_mtls_error_problem(ngx_http_request_t *r,
    ngx_http_mtls_problem_t *problem, ngx_int_t status);
static ngx_int_t ngx_http_mtls_error_grpc(ngx_http_request_t *r,
    ngx_http_mtls_problem_t *problem, ngx_str_t *type);
static void ngx_http_mtls_error_clear(ngx_http_request_t *r);
static ngx_int_t ngx_http_mtls_error_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_str_t *ngx_http_mtls_error_grpc_type(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mtls_error_accepts(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mtls_error_json(ngx_str_t *accept);
static ngx_uint_t ngx_http_mtls_error_weight(u_char *p, u_char *last);
static char *ngx_http_mtls_error_code(ngx_conf_t *cf,
    ngx_http_mtls_error_t *error, ngx_str_t *arg);
static char *ngx_http_mtls_error_unknown(ngx_conf_t *cf, ngx_str_t *name);


static ngx_http_mtls_problem_t  ngx_http_mtls_problems[] = {

    { NGX_MTLS_REASON_NO_CERT, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Client certificate required"),
      ngx_string("The request came without a client certificate.") },

    { NGX_MTLS_REASON_UNTRUSTED, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate not trusted"),
      ngx_string("The client certificate does not lead to a certificate "
                 "authority that is trusted here.") },

    { NGX_MTLS_REASON_WRONG_CA, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate authority not accepted"),
      ngx_string("The certificate authority that vouches for the client "
                 "certificate is not accepted by this server.") },

    { NGX_MTLS_REASON_EXPIRED, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate expired"),
      ngx_string("The client certificate, or one that vouches for it, has "
                 "expired.") },

    { NGX_MTLS_REASON_NOT_YET_VALID, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate not yet valid"),
      ngx_string("The client certificate, or one that vouches for it, is not "
                 "valid yet.") },

    { NGX_MTLS_REASON_PURPOSE, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate not issued for this purpose"),
      ngx_string("The client certificate was not issued for TLS clients, or "
                 "one that vouches for it may not do so.") },

    { NGX_MTLS_REASON_REVOKED, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate revoked"),
      ngx_string("The client certificate, or one that vouches for it, has "
                 "been revoked.") },

    { NGX_MTLS_REASON_REVOCATION_UNKNOWN, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Revocation status unknown"),
      ngx_string("It is not known whether the client certificate, or one that "
                 "vouches for it, has been revoked.") },

    /* RFC 8470 5.2 */

    { NGX_MTLS_REASON_EARLY_DATA, 425,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Too early"),
      ngx_string("The request came as TLS early data; send it again when the "
                 "handshake is over.") },

    { NGX_MTLS_REASON_AMBIGUOUS, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_PERMISSION_DENIED),
      ngx_string("Certificate ambiguous"),
      ngx_string("It cannot be said who the client certificate stands "
                 "for.") },

    { NGX_MTLS_REASON_DENIED, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_PERMISSION_DENIED),
      ngx_string("Certificate denied"),
      ngx_string("Holders of the client certificate are denied access to this "
                 "resource.") },

    { NGX_MTLS_REASON_NO_MATCH, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_PERMISSION_DENIED),
      ngx_string("Certificate not allowed"),
      ngx_string("The client certificate is none of those that are allowed to "
                 "access this resource.") },

    { NGX_MTLS_REASON_BAD_SVID, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate not a valid SVID"),
      ngx_string("The client certificate has a SPIFFE ID, but breaks the rules "
                 "for certificates that have one.") },

    { NGX_MTLS_REASON_LOADING, NGX_HTTP_SERVICE_UNAVAILABLE,
      ngx_string(NGX_HTTP_MTLS_UNAVAILABLE),
      ngx_string("Not ready yet"),
      ngx_string("What the client certificate is judged by is still being "
                 "loaded; try again later.") },

    /* the last one stands for what has none of its own */

    { NGX_MTLS_REASON_ERROR, NGX_HTTP_FORBIDDEN,
      ngx_string(NGX_HTTP_MTLS_UNAUTHENTICATED),
      ngx_string("Certificate not judged"),
      ngx_string("The client certificate could not be judged.") }
};


#define NGX_HTTP_MTLS_PROBLEMS                                                \
    (sizeof(ngx_http_mtls_problems) / sizeof(ngx_http_mtls_problem_t))


static ngx_http_mtls_word_t  ngx_http_mtls_error_forms[] = {
    { ngx_string("default"), NGX_HTTP_MTLS_ERROR_DEFAULT },
    { ngx_string("problem"), NGX_HTTP_MTLS_ERROR_PROBLEM },
    { ngx_string("auto"), NGX_HTTP_MTLS_ERROR_AUTO },
    { ngx_null_string, 0 }
};


/* media types (gRPC over HTTP/2, gRPC-Web), longer ones first */
static ngx_str_t  ngx_http_mtls_error_grpc_types[] = {
    ngx_string("application/grpc-web-text"),
    ngx_string("application/grpc-web"),
    ngx_string("application/grpc"),
    ngx_null_string
};


ngx_int_t
ngx_http_mtls_error_answer(ngx_http_request_t *r, ngx_mtls_reason_e reason)
{
    ngx_int_t                  rc, status;
    ngx_str_t                  after;
    ngx_uint_t                 i, any;
    ngx_http_mtls_error_t     *error;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_mtls_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mtls_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    error = mlcf->error;
    any = (clcf->satisfy == NGX_HTTP_SATISFY_ANY);

    i = ngx_http_mtls_problem(reason);

    status = (error && error->status[i]) ? error->status[i]
                                         : ngx_http_mtls_problems[i].status;

    if (reason == NGX_MTLS_REASON_LOADING) {

        ngx_str_set(&after, "5");

        if (ngx_http_mtls_error_header(r, "Retry-After", &after) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (any && ngx_mtls_reason_soft(reason)) {

        if (status == NGX_HTTP_FORBIDDEN || status == NGX_HTTP_UNAUTHORIZED) {
            return status;
        }

        /* with any other code nobody would be asked any more */

        if (r->access_code != NGX_HTTP_UNAUTHORIZED) {
            r->access_code = status;
        }

        return NGX_DECLINED;
    }

    rc = ngx_http_mtls_error_send(r, error, &ngx_http_mtls_problems[i],
                                  status);

    if (rc == NGX_DECLINED) {

        if (!any) {
            return status;
        }

        /* an address or a password does not make a bad certificate good */

        rc = status;
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static ngx_uint_t
ngx_http_mtls_problem(ngx_mtls_reason_e reason)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_MTLS_PROBLEMS - 1; i++) {

        if (ngx_http_mtls_problems[i].reason == reason) {
            break;
        }
    }

    return i;
}


/*
 * Sends an answer of ours, and gives what the request is to be finalized with.
 * NGX_DECLINED: it is nginx's own page or error_page.
 */

static ngx_int_t
ngx_http_mtls_error_send(ngx_http_request_t *r, ngx_http_mtls_error_t *error,
    ngx_http_mtls_problem_t *problem, ngx_int_t status)
{
    ngx_str_t  *type;

    if (error == NULL || error->form == NGX_HTTP_MTLS_ERROR_DEFAULT
        || status == NGX_HTTP_CLOSE || r->post_action
        || ngx_http_mtls_error_page(r, status))
    {
        return NGX_DECLINED;
    }

    if (error->form == NGX_HTTP_MTLS_ERROR_PROBLEM) {
        return ngx_http_mtls_error_problem(r, problem, status);
    }

    type = ngx_http_mtls_error_grpc_type(r);

    if (type) {
        return ngx_http_mtls_error_grpc(r, problem, type);
    }

    if (ngx_http_mtls_error_accepts(r)) {
        return ngx_http_mtls_error_problem(r, problem, status);
    }

    return NGX_DECLINED;
}


/* whether ngx_http_special_response_handler() would take an error_page */

static ngx_uint_t
ngx_http_mtls_error_page(ngx_http_request_t *r, ngx_int_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->error_page || clcf->error_pages == NULL || r->uri_changes == 0) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {

        if (page[i].status == status) {
            return 1;
        }
    }

    return 0;
}


/* RFC 9457 */

static ngx_int_t
ngx_http_mtls_error_problem(ngx_http_request_t *r,
    ngx_http_mtls_problem_t *problem, ngx_int_t status)
{
    u_char                    *p;
    size_t                     len;
    ngx_str_t                 *reason, type, store;
    ngx_http_complex_value_t   body;

    static const char  format[] = "{\"type\":\"urn:ngx-mtls:problem:%V\","
                                  "\"title\":\"%V\",\"status\":%i,"
                                  "\"detail\":\"%V\"}\n";

    /* nginx's own codes are not for clients */

    if (status >= NGX_HTTP_REQUEST_HEADER_TOO_LARGE
        && status <= NGX_HTTP_TO_HTTPS)
    {
        status = NGX_HTTP_BAD_REQUEST;
    }

    switch (status) {

    case NGX_HTTP_BAD_REQUEST:
        r->lingering_close = 0;

        /* fall through */

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
    case NGX_HTTP_INTERNAL_SERVER_ERROR:
    case NGX_HTTP_NOT_IMPLEMENTED:
        r->keepalive = 0;
    }

    reason = ngx_mtls_reason_name(problem->reason);

    len = sizeof(format) + reason->len + problem->title.len
          + NGX_INT_T_LEN + problem->detail.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&body, sizeof(ngx_http_complex_value_t));

    body.value.data = p;
    body.value.len = ngx_snprintf(p, len, format, reason, &problem->title,
                                  status, &problem->detail)
                     - p;

    ngx_http_mtls_error_clear(r);

    ngx_str_set(&store, "no-store");

    if (ngx_http_mtls_error_header(r, "Cache-Control", &store) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&type, "application/problem+json");

    r->err_status = status;

    return ngx_http_send_response(r, status, &type, &body);
}


/* over HTTP/2 what gRPC calls Trailers-Only: one HEADERS frame, END_STREAM */

static ngx_int_t
ngx_http_mtls_error_grpc(ngx_http_request_t *r,
    ngx_http_mtls_problem_t *problem, ngx_str_t *type)
{
    ngx_int_t  rc;

    ngx_http_mtls_error_clear(r);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_mtls_error_header(r, "Grpc-Status", &problem->grpc) != NGX_OK
        || ngx_http_mtls_error_header(r, "Grpc-Message", &problem->detail)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->err_status = 0;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    if (r->http_version >= NGX_HTTP_VERSION_20) {
        r->header_only = 1;

    } else {
        r->headers_out.content_length_n = 0;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_send_special(r, NGX_HTTP_LAST);
}


/* as in nginx's own special responses: of what was to be another answer */

static void
ngx_http_mtls_error_clear(ngx_http_request_t *r)
{
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);

    /* a body that nobody wants is not asked for by 100 (Continue) */

    r->expect_tested = 1;
}


/* replaces what an answer before an internal redirect said */

static ngx_int_t
ngx_http_mtls_error_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = len;
    h->key.data = (u_char *) name;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


/* the media type of a gRPC request without its suffix; NULL: it is none */

static ngx_str_t *
ngx_http_mtls_error_grpc_type(ngx_http_request_t *r)
{
    u_char      ch;
    ngx_str_t  *type, *value;

    if (r->headers_in.content_type == NULL) {
        return NULL;
    }

    value = &r->headers_in.content_type->value;

    for (type = ngx_http_mtls_error_grpc_types; type->len; type++) {

        if (value->len < type->len
            || ngx_strncasecmp(value->data, type->data, type->len) != 0)
        {
            continue;
        }

        if (value->len == type->len) {
            return type;
        }

        ch = value->data[type->len];

        if (ch == '+' || ch == ';' || ch == ' ' || ch == '\t') {
            return type;
        }
    }

    return NULL;
}


/* whether an Accept field names JSON; a wildcard is no name */

static ngx_uint_t
ngx_http_mtls_error_accepts(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_mtls_is(&h[i].key, "Accept")
                && ngx_http_mtls_error_json(&h[i].value))
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_mtls_error_json(ngx_str_t *accept)
{
    u_char     *p, *last, *end, *next;
    ngx_str_t   type;

    last = accept->data + accept->len;

    for (p = accept->data; p < last; p = next + 1) {

        /* RFC 9110 12.5.1: media ranges by comma, parameters by semicolon */

        next = ngx_strlchr(p, last, ',');
        if (next == NULL) {
            next = last;
        }

        while (p < next && (*p == ' ' || *p == '\t')) {
            p++;
        }

        end = ngx_strlchr(p, next, ';');
        if (end == NULL) {
            end = next;
        }

        type.data = p;
        type.len = end - p;

        while (type.len && (type.data[type.len - 1] == ' '
                            || type.data[type.len - 1] == '\t'))
        {
            type.len--;
        }

        if ((ngx_http_mtls_is(&type, "application/problem+json")
             || ngx_http_mtls_is(&type, "application/json"))
            && ngx_http_mtls_error_weight(end, next))
        {
            return 1;
        }
    }

    return 0;
}


/* whether the parameters of a media range leave it a weight: not "q=0" */

static ngx_uint_t
ngx_http_mtls_error_weight(u_char *p, u_char *last)
{
    for ( /* void */ ; p < last; p++) {

        if (*p != ';') {
            continue;
        }

        while (p + 1 < last && (p[1] == ' ' || p[1] == '\t')) {
            p++;
        }

        if (last - p < 3 || (p[1] != 'q' && p[1] != 'Q') || p[2] != '=') {
            continue;
        }

        for (p += 3; p < last && (*p == '0' || *p == '.'); p++) { /* void */ }

        return p < last && *p >= '1' && *p <= '9';
    }

    return 1;
}


char *
ngx_http_mtls_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_loc_conf_t *mlcf = conf;

    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_http_mtls_error_t  *error;

    (void) cmd;

    if (mlcf->error) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf);

    error = ngx_pcalloc(cf->pool, sizeof(ngx_http_mtls_error_t));
    if (error == NULL) {
        return NGX_CONF_ERROR;
    }

    error->status = ngx_pcalloc(cf->pool,
                                NGX_HTTP_MTLS_PROBLEMS * sizeof(ngx_uint_t));
    if (error->status == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_http_mtls_word(&value[1], ngx_http_mtls_error_forms, &error->form)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"mtls_error\", it must "
                           "begin with \"default\", \"problem\" or \"auto\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_mtls_error_code(cf, error, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    mlcf->error = error;

    return NGX_CONF_OK;
}


/* REASON=CODE */

static char *
ngx_http_mtls_error_code(ngx_conf_t *cf, ngx_http_mtls_error_t *error,
    ngx_str_t *arg)
{
    u_char      *p;
    ngx_int_t    code;
    ngx_str_t    name, *known;
    ngx_uint_t   i;

    p = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    if (p == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"mtls_error\", it "
                           "must be REASON=CODE, as in \"no_cert=444\"", arg);
        return NGX_CONF_ERROR;
    }

    name.data = arg->data;
    name.len = p - arg->data;

    for (i = 0; i < NGX_HTTP_MTLS_PROBLEMS; i++) {

        known = ngx_mtls_reason_name(ngx_http_mtls_problems[i].reason);

        if (name.len == known->len
            && ngx_strncmp(name.data, known->data, name.len) == 0)
        {
            break;
        }
    }

    if (i == NGX_HTTP_MTLS_PROBLEMS) {
        return ngx_http_mtls_error_unknown(cf, &name);
    }

    if (error->status[i]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "reason \"%V\" has two codes in \"mtls_error\"; "
                           "remove one of the two", &name);
        return NGX_CONF_ERROR;
    }

    p++;
    code = ngx_atoi(p, arg->data + arg->len - p);

    if (code < NGX_HTTP_BAD_REQUEST || code > 599) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid code in \"%V\" of \"mtls_error\", it must "
                           "be from 400 to 599; 444 closes the connection",
                           arg);
        return NGX_CONF_ERROR;
    }

    if (code == NGX_HTTP_REQUEST_TIME_OUT
        || code == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid code in \"%V\" of \"mtls_error\", nginx "
                           "never sends it; use 444 to close the connection",
                           arg);
        return NGX_CONF_ERROR;
    }

    error->status[i] = code;

    return NGX_CONF_OK;
}


static char *
ngx_http_mtls_error_unknown(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char      *p, *last, all[NGX_MAX_CONF_ERRSTR];
    ngx_uint_t   i;

    p = all;
    last = all + sizeof(all);

    for (i = 0; i < NGX_HTTP_MTLS_PROBLEMS; i++) {
        p = ngx_slprintf(p, last, "%s\"%V\"", i ? ", " : "",
                         ngx_mtls_reason_name(
                             ngx_http_mtls_problems[i].reason));
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown reason \"%V\" in \"mtls_error\", it must be "
                       "one of %*s", name, (size_t) (p - all), all);

    return NGX_CONF_ERROR;
}
