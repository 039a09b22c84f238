
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what each directive means while it is read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


/* sets "value" where "arg" is one of the words */

typedef struct {
    ngx_str_t                  word;
    ngx_uint_t                 value;
} ngx_http_mtls_word_t;


static void ngx_http_mtls_used(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static char *ngx_http_mtls_fail(ngx_conf_t *cf, ngx_mtls_error_t *err);
static ngx_int_t ngx_http_mtls_prefixed(ngx_str_t *arg, const char *prefix,
    ngx_str_t *rest);
static ngx_int_t ngx_http_mtls_word(ngx_str_t *arg,
    ngx_http_mtls_word_t *words, ngx_uint_t *value);
static ngx_uint_t ngx_http_mtls_is_glob(ngx_str_t *path);
static ngx_int_t ngx_http_mtls_ca_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_uint_t *partial, ngx_uint_t *revocation, ngx_uint_t *unknown);
static char *ngx_http_mtls_ca_glob(ngx_conf_t *cf, ngx_mtls_ca_t *ca,
    ngx_mtls_label_t *label, ngx_str_t *path, ngx_uint_t partial);
static char *ngx_http_mtls_group_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_mtls_rule_unique(ngx_conf_t *cf, ngx_array_t *rules,
    ngx_str_t *name, const char *what);
static ngx_int_t ngx_http_mtls_crl_option(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_mtls_source_t *options);


static ngx_http_mtls_word_t  ngx_http_mtls_modes[] = {
    { ngx_string("on"), NGX_MTLS_MODE_ON },
    { ngx_string("dry_run"), NGX_MTLS_MODE_DRY_RUN },
    { ngx_string("off"), NGX_MTLS_MODE_OFF },
    { ngx_null_string, 0 }
};


static ngx_http_mtls_word_t  ngx_http_mtls_revocations[] = {
    { ngx_string("off"), NGX_MTLS_REVOCATION_OFF },
    { ngx_string("leaf"), NGX_MTLS_REVOCATION_LEAF },
    { ngx_string("chain"), NGX_MTLS_REVOCATION_CHAIN },
    { ngx_null_string, 0 }
};


static ngx_http_mtls_word_t  ngx_http_mtls_unknowns[] = {
    { ngx_string("deny"), NGX_MTLS_UNKNOWN_DENY },
    { ngx_string("allow"), NGX_MTLS_UNKNOWN_ALLOW },
    { ngx_null_string, 0 }
};


char *
ngx_http_mtls_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_loc_conf_t *mlcf = conf;

    ngx_str_t  *value;

    (void) cmd;

    if (mlcf->rules.mode != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_mtls_word(&value[1], ngx_http_mtls_modes, &mlcf->rules.mode)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"mtls\", "
                           "it must be \"on\", \"dry_run\" or \"off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    mlcf->mode_file = cf->conf_file->file.name;
    mlcf->mode_line = cf->conf_file->line;

    ngx_http_mtls_used(cf, NULL);

    return NGX_CONF_OK;
}


char *
ngx_http_mtls_ca(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    ngx_int_t          rc;
    ngx_str_t         *value, path;
    ngx_uint_t         i, n, partial, revocation, unknown;
    ngx_mtls_error_t   err;
    ngx_mtls_label_t  *label;

    (void) cmd;

    ngx_http_mtls_used(cf, mmcf);

    value = cf->args->elts;

    partial = 0;
    revocation = NGX_CONF_UNSET_UINT;
    unknown = NGX_CONF_UNSET_UINT;

    /* options may stand anywhere behind the label; what is left are files */

    for (n = 2, i = 2; i < cf->args->nelts; i++) {

        rc = ngx_http_mtls_ca_option(cf, &value[i], &partial, &revocation,
                                     &unknown);
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

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_ca_label(mmcf->core.ca, &value[1], revocation, unknown,
                          &label, &err)
        != NGX_OK)
    {
        return ngx_http_mtls_fail(cf, &err);
    }

    for (i = 2; i < n; i++) {

        path = value[i];

        if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_mtls_is_glob(&path)) {
            if (ngx_http_mtls_ca_glob(cf, mmcf->core.ca, label, &path, partial)
                != NGX_CONF_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_mtls_ca_file(mmcf->core.ca, label, &path, partial, &err)
            != NGX_OK)
        {
            return ngx_http_mtls_fail(cf, &err);
        }
    }

    mmcf->active = 1;

    return NGX_CONF_OK;
}


/* NGX_OK: an option; NGX_DECLINED: not one; NGX_ERROR: a bad one, logged */

static ngx_int_t
ngx_http_mtls_ca_option(ngx_conf_t *cf, ngx_str_t *arg, ngx_uint_t *partial,
    ngx_uint_t *revocation, ngx_uint_t *unknown)
{
    ngx_str_t  word;

    if (arg->len == 7 && ngx_strncmp(arg->data, "partial", 7) == 0) {
        *partial = 1;
        return NGX_OK;
    }

    if (ngx_http_mtls_prefixed(arg, "revocation=", &word) == NGX_OK) {
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

    } else if (arg->len && arg->data[0] != '/'
               && ngx_strlchr(arg->data, arg->data + arg->len, '=') == NULL)
    {
        return NGX_DECLINED;

    } else if (arg->len && arg->data[0] == '/') {
        return NGX_DECLINED;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"mtls_ca\", known are "
                       "\"partial\", \"revocation=off|leaf|chain\" and "
                       "\"unknown=deny|allow\"", arg);
    return NGX_ERROR;
}


static char *
ngx_http_mtls_ca_glob(ngx_conf_t *cf, ngx_mtls_ca_t *ca,
    ngx_mtls_label_t *label, ngx_str_t *pattern, ngx_uint_t partial)
{
    char              *rv;
    ngx_int_t          n;
    ngx_str_t          name, path;
    ngx_glob_t         gl;
    ngx_uint_t         found;
    ngx_mtls_error_t   err;

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = pattern->data;
    gl.log = cf->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_glob_n " \"%V\" failed", pattern);
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

        if (ngx_mtls_ca_file(ca, label, &path, partial, &err) != NGX_OK) {
            rv = ngx_http_mtls_fail(cf, &err);
            break;
        }
    }

    ngx_close_glob(&gl);

    if (rv == NGX_CONF_OK && !found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no file matches \"%V\" in \"mtls_ca\"", pattern);
        return NGX_CONF_ERROR;
    }

    return rv;
}


char *
ngx_http_mtls_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_srv_conf_t *mscf = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i, n;

    (void) cmd;

    if (mscf->trust_names) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf, NULL);

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    mscf->trust_names = ngx_array_create(cf->pool, n, sizeof(ngx_str_t));
    if (mscf->trust_names == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ngx_array_push_n(mscf->trust_names, n);

    for (i = 0; i < n; i++) {
        name[i] = value[i + 1];
    }

    mscf->file = cf->conf_file->file.name;
    mscf->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_mtls_group(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    char              *rv;
    ngx_str_t         *value;
    ngx_conf_t         save;
    ngx_mtls_error_t   err;
    ngx_mtls_group_t  *group;

    (void) cmd;

    ngx_http_mtls_used(cf, mmcf);

    value = cf->args->elts;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_policy_add(mmcf->core.policy, &value[1],
                            &cf->conf_file->file.name, cf->conf_file->line,
                            &group, &err)
        != NGX_OK)
    {
        return ngx_http_mtls_fail(cf, &err);
    }

    save = *cf;
    cf->handler = ngx_http_mtls_group_line;
    cf->handler_conf = (char *) group;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_mtls_group_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_mtls_group_t *group = (ngx_mtls_group_t *) cf->handler_conf;

    ngx_str_t                  *value;
    ngx_mtls_error_t            err;
    ngx_http_mtls_main_conf_t  *mmcf;

    value = cf->args->elts;

    if (cf->args->nelts == 2
        && value[0].len == 7 && ngx_strncmp(value[0].data, "include", 7) == 0)
    {
        return ngx_conf_include(cf, dummy, conf);
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_policy_line(mmcf->core.policy, group, value,
                             cf->args->nelts, &cf->conf_file->file.name,
                             cf->conf_file->line, &err)
        != NGX_OK)
    {
        return ngx_http_mtls_fail(cf, &err);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_mtls_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_loc_conf_t *mlcf = conf;

    ngx_str_t                  *value, *name;
    ngx_uint_t                  i, deny;
    ngx_array_t               **own;
    ngx_mtls_rule_t           **rulep;
    ngx_http_mtls_rule_t       *rule, **all;
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);

    ngx_http_mtls_used(cf, mmcf);

    deny = cmd->offset;
    own = deny ? &mlcf->rules.deny : &mlcf->rules.allow;

    rule = ngx_pcalloc(cf->pool, sizeof(ngx_http_mtls_rule_t));
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->deny = deny;
    rule->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    rule->rule.file = cf->conf_file->file.name;
    rule->rule.line = cf->conf_file->line;

    if (ngx_array_init(&rule->rule.names, cf->pool, cf->args->nelts - 1,
                       sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (*own == NULL) {
        *own = ngx_array_create(cf->pool, 2, sizeof(ngx_mtls_rule_t *));
        if (*own == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rulep = ngx_array_push(*own);
    all = ngx_array_push(&mmcf->rules);

    if (rulep == NULL || all == NULL) {
        return NGX_CONF_ERROR;
    }

    *rulep = &rule->rule;
    *all = rule;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 3 && ngx_strncmp(value[i].data, "any", 3) == 0) {

            if (deny || cf->args->nelts != 2) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"any\" must stand alone in "
                                   "\"mtls_allow\"");
                return NGX_CONF_ERROR;
            }

            rule->rule.any = 1;

            return NGX_CONF_OK;
        }

        if (ngx_http_mtls_rule_unique(cf, mlcf->rules.allow, &value[i],
                                      deny ? "allowed" : NULL)
            != NGX_CONF_OK
            || ngx_http_mtls_rule_unique(cf, mlcf->rules.deny, &value[i],
                                         deny ? NULL : "denied")
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(&rule->rule.names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


/* no group twice at one level, neither alike nor allowed and denied */

static char *
ngx_http_mtls_rule_unique(ngx_conf_t *cf, ngx_array_t *rules, ngx_str_t *name,
    const char *what)
{
    ngx_str_t         *names;
    ngx_uint_t         i, j;
    ngx_mtls_rule_t  **rule;

    if (rules == NULL) {
        return NGX_CONF_OK;
    }

    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {

        names = rule[i]->names.elts;

        for (j = 0; j < rule[i]->names.nelts; j++) {

            if (names[j].len != name->len
                || ngx_strncmp(names[j].data, name->data, name->len) != 0)
            {
                continue;
            }

            if (what) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "group \"%V\" is already %s at this level, "
                                   "in %V:%ui; remove one of the two", name,
                                   what, &rule[i]->file, rule[i]->line);

            } else {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "group \"%V\" is named twice at this "
                                   "level, first in %V:%ui", name,
                                   &rule[i]->file, rule[i]->line);
            }

            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
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

    ngx_http_mtls_used(cf, mmcf);

    ngx_memzero(&options, sizeof(ngx_mtls_source_t));

    options.kind = NGX_MTLS_SOURCE_CRL;
    options.refresh = 60;
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

        *source = options;
        source->path = value[i];

        if (ngx_conf_full_name(cf->cycle, &source->path, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        source->glob = ngx_http_mtls_is_glob(&source->path);
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

    if (ngx_http_mtls_prefixed(arg, "refresh=", &word) == NGX_OK) {

        if (word.len == 3 && ngx_strncmp(word.data, "off", 3) == 0) {
            options->refresh = 0;
            return NGX_OK;
        }

        time = &options->refresh;

    } else if (ngx_http_mtls_prefixed(arg, "grace=", &word) == NGX_OK) {
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


char *
ngx_http_mtls_revocation(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_loc_conf_t *mlcf = conf;

    ngx_str_t   *value, word;

    (void) cmd;

    if (mlcf->rules.revocation != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf, NULL);

    value = cf->args->elts;

    if (ngx_http_mtls_word(&value[1], ngx_http_mtls_revocations,
                           &mlcf->rules.revocation)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"mtls_revocation\", "
                           "it must be \"off\", \"leaf\" or \"chain\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3
        && (ngx_http_mtls_prefixed(&value[2], "unknown=", &word) != NGX_OK
            || ngx_http_mtls_word(&word, ngx_http_mtls_unknowns,
                                  &mlcf->rules.unknown)
               != NGX_OK))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"mtls_revocation\", "
                           "it must be \"unknown=deny\" or \"unknown=allow\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
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

    ngx_http_mtls_used(cf, mmcf);

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

    ngx_http_mtls_used(cf, mmcf);

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


/* remembers the first mtls_* directive */

static void
ngx_http_mtls_used(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    if (mmcf == NULL) {
        mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);
    }

    if (mmcf->file.len == 0) {
        mmcf->file = cf->conf_file->file.name;
        mmcf->line = cf->conf_file->line;
    }
}


static char *
ngx_http_mtls_fail(ngx_conf_t *cf, ngx_mtls_error_t *err)
{
    if (err->file.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %V:%ui",
                      err->len, err->text, &err->file, err->line);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%*s", err->len, err->text);
    }

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_mtls_prefixed(ngx_str_t *arg, const char *prefix, ngx_str_t *rest)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (arg->len < len || ngx_strncmp(arg->data, prefix, len) != 0) {
        return NGX_DECLINED;
    }

    rest->len = arg->len - len;
    rest->data = arg->data + len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_word(ngx_str_t *arg, ngx_http_mtls_word_t *words,
    ngx_uint_t *value)
{
    for ( /* void */ ; words->word.len; words++) {

        if (arg->len == words->word.len
            && ngx_strncmp(arg->data, words->word.data, arg->len) == 0)
        {
            *value = words->value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_mtls_is_glob(ngx_str_t *path)
{
    return strpbrk((char *) path->data, "*?[") != NULL;
}
