
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


/* certificates beside a CRL are looked for in files of up to this size */
#define NGX_HTTP_MTLS_BESIDE_MAX  (4 * 1024 * 1024)


static ngx_int_t ngx_http_mtls_check_source(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *source,
    ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_file(ngx_conf_t *cf,
    ngx_mtls_source_t *source, ngx_str_t *path, ngx_array_t *issuers);
static void ngx_http_mtls_check_signers(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *source,
    ngx_str_t *path, ngx_array_t *issuers, ngx_uint_t from);
static ngx_uint_t ngx_http_mtls_check_beside(ngx_conf_t *cf, ngx_str_t *path);
static ngx_int_t ngx_http_mtls_check_issuer(ngx_conf_t *cf,
    ngx_mtls_source_t *source);
static ngx_int_t ngx_http_mtls_check_coverage(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_array_t *issuers);
static ngx_int_t ngx_http_mtls_check_wanted(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_anchor_t *ca);
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
    ngx_str_t    *path;
    ngx_uint_t    i, from;
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

    for (i = 0; i < paths.nelts; i++) {

        from = issuers->nelts;

        if (ngx_http_mtls_check_file(cf, source, &path[i], issuers) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_mtls_check_signers(cf, mmcf, source, &path[i], issuers, from);
    }

    return NGX_OK;
}


/* appends the issuers of a file's CRLs */

static ngx_int_t
ngx_http_mtls_check_file(ngx_conf_t *cf, ngx_mtls_source_t *source,
    ngx_str_t *path, ngx_array_t *issuers)
{
    ngx_uint_t         stale, level;
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
         * broken must keep nobody from a start or a reload
         */

        level = (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR
                 || !ngx_is_file(&fi)
                 || access((char *) path->data, R_OK) == -1)
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
                      "CRL \"%V\" is stale, its next update has passed, for "
                      "\"mtls_crl\" in %V:%ui; beyond \"grace=\" what its CA "
                      "issued is \"revocation_unknown\", so fetch a new one",
                      path, &source->file, source->line);
    }

    return NGX_OK;
}


/* a CRL whose issuer nobody knows will be refused: the usual slip */

static void
ngx_http_mtls_check_signers(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_source_t *source, ngx_str_t *path, ngx_array_t *issuers,
    ngx_uint_t from)
{
    u_char      (*issuer)[NGX_MTLS_HASH_LEN];
    ngx_uint_t    i, iterator;

    if (source->issuer.len) {
        return;
    }

    issuer = issuers->elts;

    for (i = from; i < issuers->nelts; i++) {

        iterator = 0;

        if (ngx_mtls_ca_subject(mmcf->core.ca, issuer[i], &iterator)
            || ngx_http_mtls_check_beside(cf, path))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "the issuer of CRL \"%V\" is not known, so the file "
                      "will be refused, for \"mtls_crl\" in %V:%ui; add its "
                      "certificate to an \"mtls_ca\" file or to \"issuer=\"",
                      path, &source->file, source->line);
        return;
    }
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
