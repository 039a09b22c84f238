
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what nginx -t refuses and warns of in sources.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>
#include <ngx_mtls_crl.h>
#include <ngx_mtls_kept.h>


/* certificates beside a CRL are looked for in files of up to this size */
#define NGX_HTTP_MTLS_BESIDE_MAX  (4 * 1024 * 1024)


static ngx_int_t ngx_http_mtls_check_source(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *source,
    ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_file(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *source,
    ngx_str_t *path, ngx_array_t *issuers);
static ngx_uint_t ngx_http_mtls_check_signers(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *source,
    ngx_str_t *path, ngx_array_t *issuers, ngx_uint_t from);
static void ngx_http_mtls_check_strangers(ngx_conf_t *cf,
    ngx_mtls_source_t *source, ngx_str_t *path, ngx_uint_t n);
static ngx_uint_t ngx_http_mtls_check_beside(ngx_conf_t *cf, ngx_str_t *path);
static ngx_int_t ngx_http_mtls_check_issuer(ngx_conf_t *cf,
    ngx_mtls_source_t *source);
static ngx_int_t ngx_http_mtls_check_coverage(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_wanted(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_anchor_t *ca,
    ngx_uint_t *unknown);
static void ngx_http_mtls_check_anchor(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *anchor, ngx_uint_t *revocation, ngx_uint_t *unknown);
static ngx_uint_t ngx_http_mtls_check_asked(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *ca, ngx_uint_t revocation);
static ngx_uint_t ngx_http_mtls_check_vouches(ngx_mtls_anchor_t *sub,
    ngx_mtls_anchor_t *ca);
static ngx_uint_t ngx_http_mtls_check_covered(ngx_array_t *issuers,
    const u_char *subject);


ngx_int_t
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

        if (source[i].kind == NGX_MTLS_SOURCE_CA) {
            continue;
        }

        if (ngx_http_mtls_check_source(cf, mmcf, &source[i], &issuers)
            != NGX_OK
            || ngx_http_mtls_check_issuer(cf, &source[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_mtls_check_coverage(cf, mmcf, &issuers);
}


static ngx_int_t
ngx_http_mtls_check_source(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_source_t *source, ngx_array_t *issuers)
{
    ngx_str_t    *path, *stranger;
    ngx_uint_t    i, from, strangers;
    ngx_array_t   paths;

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
    stranger = NULL;
    strangers = 0;

    for (i = 0; i < paths.nelts; i++) {

        from = issuers->nelts;

        if (ngx_http_mtls_check_file(cf, mmcf, source, &path[i], issuers)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!ngx_http_mtls_check_signers(cf, mmcf, source, &path[i], issuers,
                                         from))
        {
            continue;
        }

        if (strangers++ == 0) {
            stranger = &path[i];
        }
    }

    if (stranger) {
        ngx_http_mtls_check_strangers(cf, source, stranger, strangers);
    }

    return NGX_OK;
}


/* appends the issuers of a file's CRLs */

static ngx_int_t
ngx_http_mtls_check_file(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_source_t *source, ngx_str_t *path, ngx_array_t *issuers)
{
    ngx_str_t         *state_path;
    ngx_uint_t         stale, level, kept;
    ngx_file_info_t    fi;
    ngx_mtls_error_t   err;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));
    stale = 0;

    if (ngx_mtls_crl_peek(cf->temp_pool, path, ngx_time(), issuers, &stale,
                          &err)
        != NGX_OK)
    {
        /*
         * a path that is wrong is the operator's fault, but a file that is
         * broken must keep nobody from a start or a reload, nor one of which
         * there is a copy
         */

        state_path = mmcf->core.state_path ? &mmcf->core.state_path->name
                                           : NULL;
        kept = state_path && ngx_mtls_kept_there(state_path, path);

        level = (!kept
                 && (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR
                     || !ngx_is_file(&fi)
                     || access((char *) path->data, R_OK) == -1))
                ? NGX_LOG_EMERG : NGX_LOG_WARN;

        ngx_log_error(level, cf->log, 0,
                      "%*s, for \"mtls_crl\" in %V:%ui%s",
                      err.len, err.text, &source->file, source->line,
                      kept ? "; what was kept of it is used, if it is still "
                             "good" : "");

        if (level == NGX_LOG_EMERG) {
            return NGX_ERROR;
        }
    }

    if (stale) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "CRL \"%V\" is stale, its next update has passed, for "
                      "\"mtls_crl\" in %V:%ui; beyond \"grace=\" what its CA "
                      "issued is \"revocation_unknown\", so fetch a new one",
                      path, &source->file, source->line);
    }

    return NGX_OK;
}


/* whether the file has a CRL whose issuer nobody knows: it will be refused */

static ngx_uint_t
ngx_http_mtls_check_signers(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_source_t *source, ngx_str_t *path, ngx_array_t *issuers,
    ngx_uint_t from)
{
    u_char      (*issuer)[NGX_MTLS_HASH_LEN];
    ngx_uint_t    i, iterator;

    if (source->issuer.len) {
        return 0;
    }

    issuer = issuers->elts;

    for (i = from; i < issuers->nelts; i++) {

        iterator = 0;

        if (ngx_mtls_ca_subject(mmcf->core.configured, issuer[i], &iterator)
            == NULL
            && !ngx_http_mtls_check_beside(cf, path))
        {
            return 1;
        }
    }

    return 0;
}


/* the certificate of an intermediate that was forgotten, or other CAs' lists */

static void
ngx_http_mtls_check_strangers(ngx_conf_t *cf, ngx_mtls_source_t *source,
    ngx_str_t *path, ngx_uint_t n)
{
    u_char  more[NGX_INT_T_LEN + sizeof(" and of  more files")], *p;

    p = more;

    if (n > 1) {
        p = ngx_sprintf(more, " and of %ui more file%s", n - 1,
                        n > 2 ? "s" : "");
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "the issuer of CRL \"%V\"%*s is not known, so it will be "
                  "refused and serves nothing, for \"mtls_crl\" in %V:%ui; "
                  "take it away from there, or add its CA's certificate to an "
                  "\"mtls_ca\" file or to \"issuer=\"",
                  path, (size_t) (p - more), more, &source->file,
                  source->line);
}


/* whether the file may hold certificates itself */

static ngx_uint_t
ngx_http_mtls_check_beside(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char           *buf;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_uint_t        found;
    ngx_file_info_t   fi;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return 1;
    }

    found = 1;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && ngx_file_size(&fi) <= NGX_HTTP_MTLS_BESIDE_MAX)
    {
        buf = ngx_alloc((size_t) ngx_file_size(&fi) + 1, cf->log);

        if (buf) {
            n = ngx_read_fd(fd, buf, (size_t) ngx_file_size(&fi));
            buf[n > 0 ? n : 0] = '\0';

            found = ngx_strnstr(buf, "BEGIN CERTIFICATE", n > 0 ? n : 0)
                    != NULL;

            ngx_free(buf);
        }
    }

    (void) ngx_close_file(fd);

    return found;
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
        || ngx_mtls_ca_file(ca, label, &source->issuer, 1, NGX_MTLS_CA_STATIC,
                            &err)
           != NGX_OK)
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
    ngx_uint_t           i, unknown;
    ngx_array_t         *certs;
    ngx_mtls_anchor_t  **ca;

    certs = ngx_mtls_ca_certs(mmcf->core.configured);
    ca = certs->elts;

    for (i = 0; i < certs->nelts; i++) {

        if (!ca[i]->cert->facts.ca
            || ngx_http_mtls_check_covered(issuers, ca[i]->cert->subject))
        {
            continue;
        }

        rc = ngx_http_mtls_check_wanted(cf, mmcf, ca[i], &unknown);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK
            || ngx_mtls_name_print(cf->temp_pool, &ca[i]->cert->facts.subject,
                                   &name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no CRL of \"%V\" (\"%V\") is configured, so what it "
                      "issued %s; add one to \"mtls_crl\", or say "
                      "\"revocation=off\" in its \"mtls_ca\"",
                      &name, ca[i]->path,
                      unknown == NGX_MTLS_UNKNOWN_DENY
                      ? "is \"revocation_unknown\""
                      : "is let in by \"unknown=allow\", revoked or not");
    }

    return NGX_OK;
}


/*
 * NGX_OK: what the CA issued is checked in some place; NGX_DECLINED: in none.
 * "unknown" gets the strictest word on what no answer means there.
 */

static ngx_int_t
ngx_http_mtls_check_wanted(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *ca, ngx_uint_t *unknown)
{
    u_char             (*reached)[NGX_MTLS_HASH_LEN];
    ngx_uint_t           i, n, revocation;
    ngx_mtls_anchor_t   *anchor;

    if (ngx_mtls_ca_reach(mmcf->core.configured, ca->cert->x509, NULL,
                          cf->temp_pool, &reached, &n)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    revocation = NGX_MTLS_REVOCATION_OFF;
    *unknown = NGX_MTLS_UNKNOWN_ALLOW;

    for (i = 0; i < n; i++) {

        anchor = ngx_mtls_ca_find(mmcf->core.configured, reached[i]);

        if (anchor) {
            ngx_http_mtls_check_anchor(mmcf, anchor, &revocation, unknown);
        }
    }

    if (revocation == NGX_MTLS_REVOCATION_OFF
        || !ngx_http_mtls_check_asked(mmcf, ca, revocation))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* raises both to what is done, in places that trust it, with an anchor */

static void
ngx_http_mtls_check_anchor(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *anchor, ngx_uint_t *revocation, ngx_uint_t *unknown)
{
    ngx_uint_t                 i, what, none;
    ngx_mtls_rules_t          *rules;
    ngx_http_mtls_place_t     *place;
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_mtls_srv_conf_t  *mscf;

    place = mmcf->places.elts;

    for (i = 0; i < mmcf->places.nelts; i++) {

        rules = &place[i].mlcf->rules;
        sscf = place[i].cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
        mscf = place[i].cscf->ctx->srv_conf[ngx_http_mtls_module.ctx_index];

        if (rules->mode == NGX_MTLS_MODE_OFF || sscf->verify == 0
            || !ngx_mtls_trust_has(mscf->server.trust, anchor))
        {
            continue;
        }

        what = anchor->revocation;
        none = anchor->unknown;

        if (anchor->inherit_revocation) {
            what = ngx_max(what, rules->revocation);
        }

        if (anchor->inherit_unknown) {
            none = ngx_max(none, rules->unknown);
        }

        if (what != NGX_MTLS_REVOCATION_OFF) {
            *revocation = ngx_max(*revocation, what);
            *unknown = ngx_max(*unknown, none);
        }
    }
}


/*
 * Whether it is likely that a list of the CA is ever asked for.  A CA that is
 * known to certify others issues nothing to clients, and those others are
 * looked up only with "chain", where the chain does not end with them.
 */

static ngx_uint_t
ngx_http_mtls_check_asked(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_anchor_t *ca, ngx_uint_t revocation)
{
    ngx_uint_t           i, found;
    ngx_array_t         *certs;
    ngx_mtls_anchor_t  **sub;

    certs = ngx_mtls_ca_certs(mmcf->core.configured);
    sub = certs->elts;
    found = 0;

    for (i = 0; i < certs->nelts; i++) {

        /* its own successor has its name */

        if (!sub[i]->cert->facts.ca
            || ngx_memcmp(sub[i]->cert->subject, ca->cert->subject,
                          NGX_MTLS_HASH_LEN)
               == 0
            || X509_check_issued(ca->cert->x509, sub[i]->cert->x509)
               != X509_V_OK)
        {
            continue;
        }

        if (revocation == NGX_MTLS_REVOCATION_CHAIN
            && !ngx_http_mtls_check_vouches(sub[i], ca))
        {
            return 1;
        }

        found = 1;
    }

    return !found;
}


/* whether a chain ends with the lower CA wherever the upper one is trusted */

static ngx_uint_t
ngx_http_mtls_check_vouches(ngx_mtls_anchor_t *sub, ngx_mtls_anchor_t *ca)
{
    ngx_uint_t  i, j;

    if (!sub->anchor) {
        return 0;
    }

    for (i = 0; i < ca->nlabels; i++) {

        for (j = 0; j < sub->nlabels; j++) {
            if (sub->labels[j] == ca->labels[i]) {
                break;
            }
        }

        if (j == sub->nlabels) {
            return 0;
        }
    }

    return 1;
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
