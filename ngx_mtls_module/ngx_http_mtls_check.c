
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what nginx -t refuses and warns of in servers, locations and
 * rules.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


/*
 * Octets of CA names that a server may send: TLS counts them in 16 bits, and
 * TLS 1.3 all extensions of the message together.
 */
#define NGX_HTTP_MTLS_HINT_MAX    60000


static ngx_int_t ngx_http_mtls_check_servers(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_check_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_sockets(ngx_conf_t *cf);
static ngx_uint_t ngx_http_mtls_check_judged(ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_cache(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_hint(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_store(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_http_core_srv_conf_t *cscf);
static ngx_uint_t ngx_http_mtls_check_hinted(ngx_http_ssl_srv_conf_t *sscf,
    X509 *cert);
static ngx_int_t ngx_http_mtls_check_known(ngx_http_mtls_main_conf_t *mmcf,
    X509 *cert);
static ngx_int_t ngx_http_mtls_check_places(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_uint_t ngx_http_mtls_check_reached(ngx_http_mtls_main_conf_t *mmcf,
    ngx_uint_t n);
static ngx_int_t ngx_http_mtls_check_rules(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_uint_t ngx_http_mtls_check_refuses(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_uint_t ngx_http_mtls_listens_ssl(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);


ngx_int_t
ngx_http_mtls_check(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    if (ngx_http_mtls_check_servers(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check_places(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check_returns(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check_rules(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check_sources(cf, mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_check_servers(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                   i;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        if (!ngx_http_mtls_check_judged(cscfp[i])) {
            continue;
        }

        if (ngx_http_mtls_check_server(cf, cscfp[i]) != NGX_OK
            || ngx_http_mtls_check_store(cf, mmcf, cscfp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_mtls_check_sockets(cf);
}


static ngx_int_t
ngx_http_mtls_check_server(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (ngx_http_mtls_check_cache(cf, cscf) != NGX_OK
        || ngx_http_mtls_check_hint(cf, cscf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (sscf->crl.len) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"ssl_crl\" in the server in %s:%ui refuses before "
                      "\"mtls\" can, which hides reasons, dry runs and live "
                      "changes; use \"mtls_crl\" instead",
                      cscf->file_name, cscf->line);
    }

    if (sscf->ocsp) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"ssl_ocsp\" in the server in %s:%ui refuses before "
                      "\"mtls\" can, which hides reasons, dry runs and live "
                      "changes", cscf->file_name, cscf->line);
    }

    return NGX_OK;
}


/*
 * Sessions are kept by the default server of a socket, whichever server the
 * client named.
 */

static ngx_int_t
ngx_http_mtls_check_sockets(ngx_conf_t *cf)
{
    ngx_uint_t                   i, j, k;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {

        addr = port[i].addrs.elts;

        for (j = 0; j < port[i].addrs.nelts; j++) {

            cscfp = addr[j].servers.elts;

            for (k = 0; k < addr[j].servers.nelts; k++) {

                if (ngx_http_mtls_check_judged(cscfp[k])
                    && ngx_http_mtls_check_cache(cf, addr[j].default_server)
                       != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }
        }
    }

    return NGX_OK;
}


/* whether the server verifies clients, and not by nginx's own store */

static ngx_uint_t
ngx_http_mtls_check_judged(ngx_http_core_srv_conf_t *cscf)
{
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_mtls_loc_conf_t  *mlcf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    mlcf = cscf->ctx->loc_conf[ngx_http_mtls_module.ctx_index];

    return sscf->ssl.ctx != NULL && sscf->verify
           && mlcf->rules.mode != NGX_MTLS_MODE_OFF;
}


static ngx_int_t
ngx_http_mtls_check_cache(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (sscf->ssl.ctx == NULL
        || sscf->builtin_session_cache == NGX_SSL_NO_SCACHE
        || sscf->builtin_session_cache == NGX_SSL_NONE_SCACHE
        || sscf->builtin_session_cache == NGX_SSL_NO_BUILTIN_SCACHE)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"ssl_session_cache builtin\" cannot be used with "
                  "\"mtls on\" in the server in %s:%ui, nor in the default "
                  "server of its \"listen\", since its resumptions cannot be "
                  "judged; use \"shared:NAME:SIZE\"",
                  cscf->file_name, cscf->line);

    return NGX_ERROR;
}


/* with too many names every handshake fails, and no log says why */

static ngx_int_t
ngx_http_mtls_check_hint(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    int                        i, n, len;
    size_t                     size;
    ngx_http_ssl_srv_conf_t   *sscf;
    STACK_OF(X509_NAME)       *names;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    names = SSL_CTX_get_client_CA_list(sscf->ssl.ctx);

    size = 0;
    n = sk_X509_NAME_num(names);

    for (i = 0; i < n; i++) {

        len = i2d_X509_NAME(sk_X509_NAME_value(names, i), NULL);
        if (len < 0) {
            return NGX_ERROR;
        }

        size += 2 + len;
    }

    if (size <= NGX_HTTP_MTLS_HINT_MAX) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the %d CA names in \"%V\", \"ssl_client_certificate\" of "
                  "the server in %s:%ui, have %uz octets, and clients fail "
                  "with more than %d; name a smaller file there, one CA is "
                  "enough: it is a hint to clients, and \"mtls_ca\" says who "
                  "is trusted",
                  n, &sscf->client_certificate, cscf->file_name, cscf->line,
                  size, NGX_HTTP_MTLS_HINT_MAX);

    return NGX_ERROR;
}


/* CAs that the server names to nginx, but no label has, vouch for nobody */

static ngx_int_t
ngx_http_mtls_check_store(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_core_srv_conf_t *cscf)
{
    int                        i, n;
    char                       subject[256];
    X509                      *cert;
    ngx_int_t                  rc;
    X509_OBJECT               *object;
    STACK_OF(X509_OBJECT)     *objects;
    ngx_http_ssl_srv_conf_t   *sscf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(sscf->ssl.ctx));
    n = sk_X509_OBJECT_num(objects);

    for (i = 0; i < n; i++) {

        object = sk_X509_OBJECT_value(objects, i);
        cert = X509_OBJECT_get0_X509(object);

        if (cert == NULL) {
            continue;
        }

        /* those of "ssl_trusted_certificate" may be there for stapling */

        if (sscf->stapling && !ngx_http_mtls_check_hinted(sscf, cert)) {
            continue;
        }

        rc = ngx_http_mtls_check_known(mmcf, cert);

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        X509_NAME_oneline(X509_get_subject_name(cert), subject,
                          sizeof(subject));

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "the server in %s:%ui names the CA \"%s\" to nginx, but "
                      "no \"mtls_ca\" has it, so its clients are refused",
                      cscf->file_name, cscf->line, subject);
    }

    return NGX_OK;
}


/* whether the name of the CA is sent to clients */

static ngx_uint_t
ngx_http_mtls_check_hinted(ngx_http_ssl_srv_conf_t *sscf, X509 *cert)
{
    int                   i, n;
    X509_NAME            *subject;
    STACK_OF(X509_NAME)  *names;

    subject = X509_get_subject_name(cert);
    names = SSL_CTX_get_client_CA_list(sscf->ssl.ctx);
    n = sk_X509_NAME_num(names);

    for (i = 0; i < n; i++) {

        if (X509_NAME_cmp(sk_X509_NAME_value(names, i), subject) == 0) {
            return 1;
        }
    }

    return 0;
}


/* NGX_DECLINED: no file of "mtls_ca" has the certificate */

static ngx_int_t
ngx_http_mtls_check_known(ngx_http_mtls_main_conf_t *mmcf, X509 *cert)
{
    u_char               fingerprint[EVP_MAX_MD_SIZE];
    ngx_uint_t           i;
    ngx_array_t         *certs;
    unsigned int         len;
    ngx_mtls_anchor_t  **known;

    if (!X509_digest(cert, EVP_sha256(), fingerprint, &len)) {
        return NGX_ERROR;
    }

    certs = ngx_mtls_ca_certs(mmcf->core.configured);
    known = certs->elts;

    for (i = 0; i < certs->nelts; i++) {

        /* its subordinate may be "partial": the root is the usual hint */

        if (ngx_memcmp(known[i]->cert->facts.fingerprint, fingerprint,
                       NGX_MTLS_HASH_LEN)
            == 0
            || (known[i]->anchor
                && X509_check_issued(cert, known[i]->cert->x509) == X509_V_OK))
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_mtls_check_places(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                 i;
    ngx_mtls_rule_t          **deny;
    ngx_http_mtls_rule_t      *rule;
    ngx_http_mtls_place_t     *place;
    ngx_http_mtls_loc_conf_t  *server;

    place = mmcf->places.elts;

    for (i = 0; i < mmcf->places.nelts; i++) {

        server = place[i].cscf->ctx->loc_conf[ngx_http_mtls_module.ctx_index];

        if (server->rules.mode == NGX_MTLS_MODE_OFF
            && place[i].mlcf->rules.mode != NGX_MTLS_MODE_OFF)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"mtls\" cannot be switched on in %V:%ui below a "
                          "server that is \"mtls off\" in %s:%ui, since that "
                          "server verifies by nginx's own store; move "
                          "\"mtls off\" to its locations",
                          &place[i].mlcf->mode_file,
                          place[i].mlcf->mode_line,
                          place[i].cscf->file_name, place[i].cscf->line);
            return NGX_ERROR;
        }

        if (place[i].mlcf->rules.deny == NULL
            || place[i].mlcf->rules.allow
            || place[i].mlcf->rules.mode == NGX_MTLS_MODE_OFF
            || !ngx_http_mtls_check_reached(mmcf, i))
        {
            continue;
        }

        deny = place[i].mlcf->rules.deny->elts;
        deny += place[i].mlcf->rules.deny->nelts - 1;
        rule = (ngx_http_mtls_rule_t *) *deny;

        /* once for all places of a server */

        if (rule->alone == place[i].cscf) {
            continue;
        }

        rule->alone = place[i].cscf;

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"mtls_deny\" in %V:%ui applies without any "
                      "\"mtls_allow\" in the server in %s:%ui, so everybody "
                      "else passes, also without a certificate; add "
                      "\"mtls_allow any\" to demand one",
                      &(*deny)->file, (*deny)->line,
                      place[i].cscf->file_name, place[i].cscf->line);
    }

    return NGX_OK;
}


/*
 * Whether requests come to the access phase of a place at all: a server with a
 * "location /" keeps none for itself.
 */

static ngx_uint_t
ngx_http_mtls_check_reached(ngx_http_mtls_main_conf_t *mmcf, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_http_mtls_place_t     *place;
    ngx_http_core_loc_conf_t  *clcf;

    place = mmcf->places.elts;

    if (ngx_http_mtls_returns(&place[n])) {
        return 0;
    }

    clcf = place[n].cscf->ctx->loc_conf[ngx_http_core_module.ctx_index];

    if (place[n].clcf != clcf) {
        return 1;
    }

    for (i = n + 1; i < mmcf->places.nelts; i++) {

        if (place[i].cscf != place[n].cscf) {
            break;
        }

        clcf = place[i].clcf;

#if (NGX_PCRE)
        if (clcf->regex) {
            continue;
        }
#endif

        if (clcf->name.len == 1 && clcf->name.data[0] == '/'
            && !clcf->exact_match && !clcf->noname)
        {
            return 0;
        }
    }

    return 1;
}


/* an mtls_allow where no certificate can come refuses everybody */

static ngx_int_t
ngx_http_mtls_check_rules(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                   i, j, ssl;
    const char                  *why;
    ngx_http_mtls_rule_t       **rule;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;
    rule = mmcf->rules.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        sscf = cscfp[i]->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

        ssl = ngx_http_mtls_listens_ssl(cf, cscfp[i]);

        if (ssl && sscf->verify) {
            continue;
        }

        why = ssl ? "with \"ssl_verify_client off\""
                  : "without \"listen ... ssl\"";

        for (j = 0; j < mmcf->rules.nelts; j++) {

            if (rule[j]->deny || rule[j]->cscf != cscfp[i]) {
                continue;
            }

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"mtls_allow\" in %V:%ui is in the server in "
                          "%s:%ui %s, where no client has a certificate; %s",
                          &rule[j]->rule.file, rule[j]->rule.line,
                          cscfp[i]->file_name, cscfp[i]->line, why,
                          ssl ? "add \"ssl_verify_client optional\""
                              : "add \"ssl\" to its \"listen\"");
            return NGX_ERROR;
        }

        if (ngx_http_mtls_check_refuses(mmcf, cscfp[i])) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "the server in %s:%ui inherits an \"mtls_allow\" %s "
                          "and refuses every request; say \"mtls off\" there "
                          "if that is not meant", cscfp[i]->file_name,
                          cscfp[i]->line, why);
        }
    }

    return NGX_OK;
}


/* whether some place of the server is under an mtls_allow and is reached */

static ngx_uint_t
ngx_http_mtls_check_refuses(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t              i;
    ngx_http_mtls_place_t  *place;

    place = mmcf->places.elts;

    for (i = 0; i < mmcf->places.nelts; i++) {

        if (place[i].cscf == cscf
            && place[i].mlcf->rules.allow
            && place[i].mlcf->rules.mode != NGX_MTLS_MODE_OFF
            && !place[i].clcf->noname
            && !place[i].clcf->named
            && !place[i].clcf->internal
            && ngx_http_mtls_check_reached(mmcf, i))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_mtls_listens_ssl(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                   i, j, k;
    ngx_http_conf_port_t        *port;
    ngx_http_conf_addr_t        *addr;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

#if (nginx_version < 1025001)
    ngx_http_ssl_srv_conf_t     *sscf;

    /* the "ssl" directive, gone in 1.25.1 */

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (sscf->enable) {
        return 1;
    }
#endif

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {

        addr = port[i].addrs.elts;

        for (j = 0; j < port[i].addrs.nelts; j++) {

#if (nginx_version >= 1025000)
            if (!addr[j].opt.ssl && !addr[j].opt.quic) {
                continue;
            }
#else
            if (!addr[j].opt.ssl) {
                continue;
            }
#endif

            cscfp = addr[j].servers.elts;

            for (k = 0; k < addr[j].servers.nelts; k++) {
                if (cscfp[k] == cscf) {
                    return 1;
                }
            }
        }
    }

    return 0;
}
