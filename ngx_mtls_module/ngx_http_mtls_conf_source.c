
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what the directives of trust, of sources and of state mean
 * while they are read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


#define NGX_HTTP_MTLS_REFRESH  60    /* seconds, of "refresh=" */


static ngx_int_t ngx_http_mtls_is_label(ngx_str_t *label);
static ngx_int_t ngx_http_mtls_ca_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_mtls_source_t *options, ngx_uint_t *revocation, ngx_uint_t *unknown,
    ngx_str_t *domain);
static ngx_mtls_label_t *ngx_http_mtls_ca_label(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_str_t *name, ngx_uint_t revocation,
    ngx_uint_t unknown, ngx_str_t *domain);
static char *ngx_http_mtls_ca_source(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_label_t *label,
    ngx_mtls_source_t *options, ngx_str_t *path);
static ngx_mtls_source_t *ngx_http_mtls_ca_same(
    ngx_http_mtls_main_conf_t *mmcf, ngx_mtls_source_t *options);
static char *ngx_http_mtls_ca_glob(ngx_conf_t *cf, ngx_mtls_ca_t *ca,
    ngx_mtls_label_t *label, ngx_mtls_source_t *source);
static ngx_int_t ngx_http_mtls_refresh(ngx_str_t *word, time_t *refresh);
static ngx_int_t ngx_http_mtls_crl_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_mtls_source_t *options);
static ngx_uint_t ngx_http_mtls_is_glob(ngx_str_t *path);
static char *ngx_http_mtls_no_folder(ngx_conf_t *cf, ngx_str_t *path,
    const char *suffix);
static ngx_int_t ngx_http_mtls_label_place(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);


char *
ngx_http_mtls_ca(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    char               *rv;
    ngx_int_t           rc;
    ngx_str_t          *value, domain;
    ngx_uint_t          i, n, revocation, unknown;
    ngx_mtls_label_t   *label;
    ngx_mtls_source_t   options;

    (void) cmd;

    ngx_http_mtls_used(cf);

    value = cf->args->elts;

    if (ngx_http_mtls_is_label(&value[1]) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid label \"%V\" in \"mtls_ca\", it must be "
                           "of letters, digits, \"_\" and \"-\", and not "
                           "\"any\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&options, sizeof(ngx_mtls_source_t));

    options.kind = NGX_MTLS_SOURCE_CA;
    options.refresh = NGX_HTTP_MTLS_REFRESH;
    options.file = cf->conf_file->file.name;
    options.line = cf->conf_file->line;

    revocation = NGX_CONF_UNSET_UINT;
    unknown = NGX_CONF_UNSET_UINT;
    ngx_str_null(&domain);

    /* options may stand anywhere behind the label; what is left are files */

    for (n = 2, i = 2; i < cf->args->nelts; i++) {

        rc = ngx_http_mtls_ca_option(cf, &value[i], &options, &revocation,
                                     &unknown, &domain);
        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED) {
            value[n++] = value[i];
        }
    }

    if (n == 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no file in \"mtls_ca %V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    label = ngx_http_mtls_ca_label(cf, mmcf, &value[1], revocation, unknown,
                                   &domain);
    if (label == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < n; i++) {

        rv = ngx_http_mtls_ca_source(cf, mmcf, label, &options, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    mmcf->active = 1;

    return NGX_CONF_OK;
}


/* a label with what is said of it; NULL: an error, logged */

static ngx_mtls_label_t *
ngx_http_mtls_ca_label(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_str_t *name, ngx_uint_t revocation, ngx_uint_t unknown,
    ngx_str_t *domain)
{
    ngx_mtls_error_t   err;
    ngx_mtls_label_t  *label;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_ca_label(mmcf->core.configured, name, revocation, unknown,
                          &label, &err)
        != NGX_OK
        || (domain->data
            && ngx_mtls_ca_domain(label, domain, &err) != NGX_OK))
    {
        (void) ngx_http_mtls_fail(cf, &err);
        return NULL;
    }

    if (label->number == mmcf->labels.nelts
        && ngx_http_mtls_label_place(cf, mmcf) != NGX_OK)
    {
        return NULL;
    }

    return label;
}


/* reads what a path or glob means now, and has it watched from then on */

static char *
ngx_http_mtls_ca_source(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_label_t *label, ngx_mtls_source_t *options, ngx_str_t *path)
{
    ngx_mtls_error_t    err;
    ngx_mtls_source_t  *source;

    options->path = *path;

    if (ngx_conf_full_name(cf->cycle, &options->path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    options->glob = ngx_http_mtls_is_glob(&options->path);
    options->label = label->number;
    options->label_name = label->name;
    options->number = NGX_MTLS_CA_STATIC;

    if (options->refresh) {

        if (ngx_http_mtls_ca_same(mmcf, options)) {
            return NGX_CONF_OK;
        }

        source = ngx_array_push(&mmcf->core.sources);
        if (source == NULL) {
            return NGX_CONF_ERROR;
        }

        options->number = mmcf->core.ncas++;
        *source = *options;
    }

    if (!options->glob
        && ngx_http_mtls_no_folder(cf, &options->path, "pem") != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (options->glob) {
        return ngx_http_mtls_ca_glob(cf, mmcf->core.configured, label,
                                     options);
    }

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_ca_file(mmcf->core.configured, label, &options->path,
                         options->partial, options->number, &err)
        != NGX_OK)
    {
        return ngx_http_mtls_fail(cf, &err);
    }

    return NGX_CONF_OK;
}


/* a line that is there twice is one source */

static ngx_mtls_source_t *
ngx_http_mtls_ca_same(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_source_t *options)
{
    ngx_uint_t          i;
    ngx_mtls_source_t  *source;

    source = mmcf->core.sources.elts;

    for (i = 0; i < mmcf->core.sources.nelts; i++) {
        if (source[i].kind == NGX_MTLS_SOURCE_CA
            && source[i].label == options->label
            && source[i].partial == options->partial
            && source[i].path.len == options->path.len
            && ngx_memcmp(source[i].path.data, options->path.data,
                          options->path.len)
               == 0)
        {
            return &source[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_mtls_is_label(ngx_str_t *label)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < label->len; i++) {
        c = label->data[i];

        if ((c >= '0' && c <= '9') || c == '_' || c == '-') {
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'z') {
            return NGX_DECLINED;
        }
    }

    if (label->len == 0
        || (label->len == 3 && ngx_strncmp(label->data, "any", 3) == 0))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_OK: an option; NGX_DECLINED: not one; NGX_ERROR: a bad one, logged */

static ngx_int_t
ngx_http_mtls_ca_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_mtls_source_t *options, ngx_uint_t *revocation, ngx_uint_t *unknown,
    ngx_str_t *domain)
{
    ngx_str_t  word;

    if (arg->len == 7 && ngx_strncmp(arg->data, "partial", 7) == 0) {
        options->partial = 1;
        return NGX_OK;
    }

    if (ngx_http_mtls_prefixed(arg, "refresh=", &word) == NGX_OK) {
        if (ngx_http_mtls_refresh(&word, &options->refresh) == NGX_OK) {
            return NGX_OK;
        }

    } else if (ngx_http_mtls_prefixed(arg, "revocation=", &word) == NGX_OK) {
        if (ngx_http_mtls_word(&word, ngx_http_mtls_revocations, revocation)
            == NGX_OK)
        {
            return NGX_OK;
        }

    } else if (ngx_http_mtls_prefixed(arg, "unknown=", &word) == NGX_OK) {
        if (ngx_http_mtls_word(&word, ngx_http_mtls_unknowns, unknown)
            == NGX_OK)
        {
            return NGX_OK;
        }

    } else if (ngx_http_mtls_prefixed(arg, "trust_domain=", &word) == NGX_OK) {
        if (domain->data == NULL
            || (domain->len == word.len
                && ngx_memcmp(domain->data, word.data, word.len) == 0))
        {
            *domain = word;
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mtls_ca\" has more than one \"trust_domain=\"; "
                           "give each trust domain a label of its own");
        return NGX_ERROR;

    } else if (arg->len
               && (arg->data[0] == '/'
                   || ngx_strlchr(arg->data, arg->data + arg->len, '=')
                      == NULL))
    {
        return NGX_DECLINED;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"mtls_ca\", known are "
                       "\"partial\", \"refresh=TIME|off\", "
                       "\"revocation=off|leaf|chain\", "
                       "\"unknown=deny|allow\" and \"trust_domain=NAME\"",
                       arg);
    return NGX_ERROR;
}


static char *
ngx_http_mtls_ca_glob(ngx_conf_t *cf, ngx_mtls_ca_t *ca,
    ngx_mtls_label_t *label, ngx_mtls_source_t *source)
{
    char              *rv;
    ngx_int_t          n;
    ngx_str_t          name, path;
    ngx_glob_t         gl;
    ngx_uint_t         found;
    ngx_mtls_error_t   err;

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = source->path.data;
    gl.log = cf->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_glob_n " \"%V\" failed", &source->path);
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_OK;
    found = 0;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    for ( ;; ) {
        n = ngx_read_glob(&gl, &name);

        if (n != NGX_OK) {
            break;
        }

        found = 1;

        path.len = name.len;
        path.data = ngx_pnalloc(cf->pool, name.len + 1);
        if (path.data == NULL) {
            rv = NGX_CONF_ERROR;
            break;
        }

        ngx_memcpy(path.data, name.data, name.len);
        path.data[name.len] = '\0';

        if (ngx_mtls_ca_file(ca, label, &path, source->partial, source->number,
                             &err)
            != NGX_OK)
        {
            rv = ngx_http_mtls_fail(cf, &err);
            break;
        }
    }

    ngx_close_glob(&gl);

    if (rv == NGX_CONF_OK && !found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no file matches \"%V\" in \"mtls_ca\"",
                           &source->path);
        return NGX_CONF_ERROR;
    }

    return rv;
}


char *
ngx_http_mtls_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    ngx_int_t           rc;
    ngx_str_t          *value;
    ngx_uint_t          i, n;
    ngx_mtls_source_t   options, *source;

    (void) cmd;

    ngx_http_mtls_used(cf);

    ngx_memzero(&options, sizeof(ngx_mtls_source_t));

    options.kind = NGX_MTLS_SOURCE_CRL;
    options.refresh = NGX_HTTP_MTLS_REFRESH;
    options.file = cf->conf_file->file.name;
    options.line = cf->conf_file->line;

    value = cf->args->elts;

    for (n = 1, i = 1; i < cf->args->nelts; i++) {

        rc = ngx_http_mtls_crl_option(cf, &value[i], &options);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED) {
            value[n++] = value[i];
        }
    }

    if (n == 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no file in \"mtls_crl\"");
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < n; i++) {

        source = ngx_array_push(&mmcf->core.sources);
        if (source == NULL) {
            return NGX_CONF_ERROR;
        }

        mmcf->core.ncrls++;

        *source = options;
        source->path = value[i];

        if (ngx_conf_full_name(cf->cycle, &source->path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        source->glob = ngx_http_mtls_is_glob(&source->path);

        if (!source->glob
            && ngx_http_mtls_no_folder(cf, &source->path, "crl")
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* NGX_OK: an option; NGX_DECLINED: a path; NGX_ERROR: a bad one, logged */

static ngx_int_t
ngx_http_mtls_crl_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_mtls_source_t *options)
{
    time_t      *time;
    ngx_str_t    word;
    const char  *hint;

    hint = "known are \"refresh=\", \"grace=\", \"max_age=\" and \"issuer=\"";

    if (ngx_http_mtls_prefixed(arg, "issuer=", &word) == NGX_OK) {

        if (word.len == 0) {
            goto invalid;
        }

        options->issuer = word;

        return ngx_conf_full_name(cf->cycle, &options->issuer, 1);
    }

    hint = "it must be a time such as \"60s\" or \"1h\"";

    if (ngx_http_mtls_prefixed(arg, "refresh=", &word) == NGX_OK) {

        if (ngx_http_mtls_refresh(&word, &options->refresh) != NGX_OK) {
            goto invalid;
        }

        return NGX_OK;
    }

    hint = "known are \"refresh=\", \"grace=\", \"max_age=\" and \"issuer=\"";

    if (ngx_http_mtls_prefixed(arg, "grace=", &word) == NGX_OK) {
        time = &options->grace;

    } else if (ngx_http_mtls_prefixed(arg, "max_age=", &word) == NGX_OK) {
        time = &options->max_age;

    } else if (arg->len && arg->data[0] == '/') {
        return NGX_DECLINED;

    } else if (arg->len
               && (ngx_strlchr(arg->data, arg->data + arg->len, '=')
                   || ngx_strlchr(arg->data, arg->data + arg->len, ':')))
    {
        goto invalid;

    } else {
        return NGX_DECLINED;
    }

    *time = ngx_parse_time(&word, 1);

    if (*time == (time_t) NGX_ERROR || (*time == 0 && time != &options->grace))
    {
        hint = "it must be a time such as \"60s\" or \"1h\"";
        goto invalid;
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"mtls_crl\", %s",
                       arg, hint);
    return NGX_ERROR;
}


/* a time, or 0 for "off" */

static ngx_int_t
ngx_http_mtls_refresh(ngx_str_t *word, time_t *refresh)
{
    if (word->len == 3 && ngx_strncmp(word->data, "off", 3) == 0) {
        *refresh = 0;
        return NGX_OK;
    }

    *refresh = ngx_parse_time(word, 1);

    return (*refresh == (time_t) NGX_ERROR || *refresh == 0) ? NGX_DECLINED
                                                             : NGX_OK;
}


char *
ngx_http_mtls_state_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    ngx_str_t  *value;

    (void) cmd;

    if (mmcf->state_path) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf);

    value = cf->args->elts;

    mmcf->state_path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (mmcf->state_path == NULL) {
        return NGX_CONF_ERROR;
    }

    mmcf->state_path->name = value[1];

    while (mmcf->state_path->name.len > 1
           && mmcf->state_path->name.data[mmcf->state_path->name.len - 1]
              == '/')
    {
        mmcf->state_path->name.data[--mmcf->state_path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &mmcf->state_path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_mtls_zone_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    (void) cmd;

    if (mmcf->zone_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf);

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < (ssize_t) (256 * 1024)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"mtls_zone\", "
                           "it must be at least 256k", &value[1]);
        return NGX_CONF_ERROR;
    }

    mmcf->zone_size = size;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_mtls_is_glob(ngx_str_t *path)
{
    return strpbrk((char *) path->data, "*?[") != NULL;
}


/* a folder is read by a glob, which says what in it is meant */

static char *
ngx_http_mtls_no_folder(ngx_conf_t *cf, ngx_str_t *path, const char *suffix)
{
    ngx_str_t        folder;
    ngx_file_info_t  fi;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        return NGX_CONF_OK;
    }

    folder = *path;

    while (folder.len && folder.data[folder.len - 1] == '/') {
        folder.len--;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" is a folder; name the files in it, as by "
                       "\"%V/*.%s\"", path, &folder, suffix);

    return NGX_CONF_ERROR;
}


/* a label's errors are found when all is read, and belong to its first line */

static ngx_int_t
ngx_http_mtls_label_place(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_http_mtls_where_t  *where;

    where = ngx_array_push(&mmcf->labels);
    if (where == NULL) {
        return NGX_ERROR;
    }

    where->file = cf->conf_file->file.name;
    where->line = cf->conf_file->line;

    return NGX_OK;
}
