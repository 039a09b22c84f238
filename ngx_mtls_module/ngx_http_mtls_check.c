
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what nginx -t refuses, and what it warns of.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>
#include <ngx_mtls_crl.h>


static ngx_int_t ngx_http_mtls_check_servers(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_check_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_sockets(ngx_conf_t *cf);
static ngx_uint_t ngx_http_mtls_check_judged(ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_cache(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_store(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_places(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static void ngx_http_mtls_check_return(ngx_conf_t *cf,
    ngx_http_mtls_place_t *place);
static ngx_uint_t ngx_http_mtls_returns(ngx_array_t **rewrite);
static ngx_int_t ngx_http_mtls_check_rules(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_uint_t ngx_http_mtls_listens_ssl(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_mtls_check_sources(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_check_source(ngx_conf_t *cf,
    ngx_mtls_source_t *source, ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_issuer(ngx_conf_t *cf,
    ngx_mtls_source_t *source);
static ngx_int_t ngx_http_mtls_check_coverage(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_wanted(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_anchor_t *ca);
static ngx_uint_t ngx_http_mtls_check_covered(ngx_array_t *issuers,
    const u_char *subject);


ngx_int_t
ngx_http_mtls_check(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    if (ngx_http_mtls_check_servers(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check_places(cf, mmcf) != NGX_OK
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

    if (ngx_http_mtls_check_cache(cf, cscf) != NGX_OK) {
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


/* CAs that the server names to nginx, but no label has, vouch for nobody */

static ngx_int_t
ngx_http_mtls_check_store(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_core_srv_conf_t *cscf)
{
    int                        i, n;
    char                       subject[256];
    X509                      *cert;
    u_char                     fingerprint[EVP_MAX_MD_SIZE];
    unsigned int               len;
    ngx_uint_t                 j, found;
    ngx_array_t               *certs;
    X509_OBJECT               *object;
    ngx_mtls_anchor_t        **known;
    STACK_OF(X509_OBJECT)     *objects;
    ngx_http_ssl_srv_conf_t   *sscf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(sscf->ssl.ctx));

    certs = ngx_mtls_ca_certs(mmcf->core.ca);
    known = certs->elts;

    n = sk_X509_OBJECT_num(objects);

    for (i = 0; i < n; i++) {

        object = sk_X509_OBJECT_value(objects, i);
        cert = X509_OBJECT_get0_X509(object);

        if (cert == NULL) {
            continue;
        }

        if (!X509_digest(cert, EVP_sha256(), fingerprint, &len)) {
            return NGX_ERROR;
        }

        found = 0;

        for (j = 0; j < certs->nelts; j++) {

            if (ngx_memcmp(known[j]->cert.facts.fingerprint, fingerprint,
                           NGX_MTLS_HASH_LEN)
                == 0)
            {
                found = 1;
                break;
            }
        }

        if (found) {
            continue;
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


static ngx_int_t
ngx_http_mtls_check_places(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                 i;
    ngx_mtls_rule_t          **deny;
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

        ngx_http_mtls_check_return(cf, &place[i]);

        if (place[i].mlcf->rules.deny == NULL
            || place[i].mlcf->rules.allow
            || place[i].mlcf->rules.mode == NGX_MTLS_MODE_OFF)
        {
            continue;
        }

        deny = place[i].mlcf->rules.deny->elts;
        deny += place[i].mlcf->rules.deny->nelts - 1;

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


/* "return" answers before the access phase: nobody is asked who he is */

static void
ngx_http_mtls_check_return(ngx_conf_t *cf, ngx_http_mtls_place_t *place)
{
    ngx_mtls_rule_t         **allow;
    ngx_http_ssl_srv_conf_t  *sscf;

    static ngx_str_t          server = ngx_string("*");

    sscf = place->cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (place->mlcf->rules.allow == NULL
        || place->mlcf->rules.mode == NGX_MTLS_MODE_OFF
        || sscf->verify == 0
        || !ngx_http_mtls_returns(place->rewrite))
    {
        return;
    }

    allow = place->mlcf->rules.allow->elts;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"mtls_allow\" in %V:%ui does not protect location \"%V\" "
                  "of the server in %s:%ui, since \"return\" answers there "
                  "before access is checked; put \"return\" into a named "
                  "location and reach it by \"try_files\"",
                  &allow[0]->file, allow[0]->line,
                  place->clcf->name.len ? &place->clcf->name : &server,
                  place->cscf->file_name, place->cscf->line);
}


static ngx_uint_t
ngx_http_mtls_returns(ngx_array_t **rewrite)
{
    ngx_array_t                *codes;
    ngx_http_script_code_pt     code;

    codes = rewrite ? *rewrite : NULL;

    if (codes == NULL || codes->nelts < sizeof(ngx_http_script_code_pt)) {
        return 0;
    }

    code = *(ngx_http_script_code_pt *) codes->elts;

    return code == (ngx_http_script_code_pt) ngx_http_script_return_code;
}


/* an mtls_allow where no certificate can come refuses everybody */

static ngx_int_t
ngx_http_mtls_check_rules(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                   i, j, ssl;
    const char                  *why;
    ngx_http_mtls_rule_t       **rule;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_mtls_loc_conf_t    *mlcf;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;
    rule = mmcf->rules.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        sscf = cscfp[i]->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
        mlcf = cscfp[i]->ctx->loc_conf[ngx_http_mtls_module.ctx_index];

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

        if (mlcf->rules.allow
            && mlcf->rules.mode != NGX_MTLS_MODE_OFF)
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "the server in %s:%ui inherits an \"mtls_allow\" %s "
                          "and refuses every request; say \"mtls off\" there "
                          "if that is not meant", cscfp[i]->file_name,
                          cscfp[i]->line, why);
        }
    }

    return NGX_OK;
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


static ngx_int_t
ngx_http_mtls_check_sources(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t          i;
    ngx_array_t         issuers;
    ngx_mtls_source_t  *source;

    if (ngx_array_init(&issuers, cf->temp_pool, 16, NGX_MTLS_HASH_LEN)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = mmcf->core.sources.elts;

    for (i = 0; i < mmcf->core.sources.nelts; i++) {

        if (ngx_http_mtls_check_source(cf, &source[i], &issuers) != NGX_OK
            || ngx_http_mtls_check_issuer(cf, &source[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_mtls_check_coverage(cf, mmcf, &issuers);
}


static ngx_int_t
ngx_http_mtls_check_source(ngx_conf_t *cf, ngx_mtls_source_t *source,
    ngx_array_t *issuers)
{
    ngx_str_t         *path;
    ngx_uint_t         i, stale, level;
    ngx_array_t        paths;
    ngx_file_info_t    fi;
    ngx_mtls_error_t   err;

    if (ngx_mtls_source_paths(source, cf->temp_pool, NULL, &paths) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "cannot look for \"%V\", for \"mtls_crl\" in %V:%ui",
                      &source->path, &source->file, source->line);
        return NGX_ERROR;
    }

    if (paths.nelts == 0) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no file matches \"%V\" in \"mtls_crl\" in %V:%ui yet",
                      &source->path, &source->file, source->line);
    }

    path = paths.elts;

    for (i = 0; i < paths.nelts; i++) {

        ngx_memzero(&err, sizeof(ngx_mtls_error_t));
        stale = 0;

        if (ngx_mtls_crl_peek(cf->temp_pool, &path[i], ngx_time(), issuers,
                              &stale, &err)
            != NGX_OK)
        {
            /*
             * a path that is wrong is the operator's fault, but a file that
             * is broken must keep nobody from a start or a reload
             */

            level = (ngx_file_info(path[i].data, &fi) == NGX_FILE_ERROR
                     || !ngx_is_file(&fi)
                     || access((char *) path[i].data, R_OK) == -1)
                    ? NGX_LOG_EMERG : NGX_LOG_WARN;

            ngx_log_error(level, cf->log, 0,
                          "%*s, for \"mtls_crl\" in %V:%ui",
                          err.len, err.text, &source->file, source->line);

            if (level == NGX_LOG_EMERG) {
                return NGX_ERROR;
            }
        }

        if (stale) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "CRL \"%V\" is stale, its next update has passed, "
                          "for \"mtls_crl\" in %V:%ui; fetch a new one",
                          &path[i], &source->file, source->line);
        }
    }

    return NGX_OK;
}


/* the file of "issuer=", read as one of "mtls_ca" is, into a set of its own */

static ngx_int_t
ngx_http_mtls_check_issuer(ngx_conf_t *cf, ngx_mtls_source_t *source)
{
    ngx_str_t          name;
    ngx_mtls_ca_t     *ca;
    ngx_mtls_error_t   err;
    ngx_mtls_label_t  *label;

    if (source->issuer.len == 0) {
        return NGX_OK;
    }

    ca = ngx_mtls_ca_create(cf->temp_pool);
    if (ca == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "issuer");
    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_ca_label(ca, &name, NGX_CONF_UNSET_UINT, NGX_CONF_UNSET_UINT,
                          &label, &err)
        != NGX_OK
        || ngx_mtls_ca_file(ca, label, &source->issuer, 1, &err) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "%*s, for \"issuer=\" of \"mtls_crl\" in %V:%ui",
                      err.len, err.text, &source->file, source->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a CA whose revocation is on wants a CRL of its name */

static ngx_int_t
ngx_http_mtls_check_coverage(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_array_t *issuers)
{
    ngx_int_t            rc;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_array_t         *certs;
    ngx_mtls_anchor_t  **ca;

    certs = ngx_mtls_ca_certs(mmcf->core.ca);
    ca = certs->elts;

    for (i = 0; i < certs->nelts; i++) {

        if (!ca[i]->cert.facts.ca
            || ngx_http_mtls_check_covered(issuers, ca[i]->cert.subject))
        {
            continue;
        }

        rc = ngx_http_mtls_check_wanted(cf, mmcf, ca[i]);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK
            || ngx_mtls_name_print(cf->temp_pool, &ca[i]->cert.facts.subject,
                                   &name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no CRL of \"%V\" (\"%V\") is configured, so what it "
                      "issued is \"revocation_unknown\"; add one to "
                      "\"mtls_crl\", or say \"revocation=off\" in its "
                      "\"mtls_ca\"", &name, &ca[i]->path);
    }

    return NGX_OK;
}


/*
 * NGX_OK: what the CA issued is checked somewhere, by what a label says of an
 * anchor that it reaches or else by the level of a place; NGX_DECLINED.
 */

static ngx_int_t
ngx_http_mtls_check_wanted(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *ca)
{
    u_char                 (*reached)[NGX_MTLS_HASH_LEN];
    ngx_uint_t               i, n, inherit;
    ngx_mtls_anchor_t       *anchor;
    ngx_http_mtls_place_t   *place;

    if (ngx_mtls_ca_reach(mmcf->core.ca, ca->cert.x509, NULL, cf->temp_pool,
                          &reached, &n)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    inherit = 0;

    for (i = 0; i < n; i++) {

        anchor = ngx_mtls_ca_find(mmcf->core.ca, reached[i]);
        if (anchor == NULL) {
            continue;
        }

        if (anchor->revocation != NGX_MTLS_REVOCATION_OFF) {
            return NGX_OK;
        }

        inherit |= anchor->inherit_revocation;
    }

    if (!inherit) {
        return NGX_DECLINED;
    }

    place = mmcf->places.elts;

    for (i = 0; i < mmcf->places.nelts; i++) {

        if (place[i].mlcf->rules.mode != NGX_MTLS_MODE_OFF
            && place[i].mlcf->rules.revocation != NGX_MTLS_REVOCATION_OFF)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_mtls_check_covered(ngx_array_t *issuers, const u_char *subject)
{
    u_char      (*issuer)[NGX_MTLS_HASH_LEN];
    ngx_uint_t    i;

    issuer = issuers->elts;

    for (i = 0; i < issuers->nelts; i++) {

        if (ngx_memcmp(issuer[i], subject, NGX_MTLS_HASH_LEN) == 0) {
            return 1;
        }
    }

    return 0;
}
