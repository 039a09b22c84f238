
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what the directives of the policy mean while they are read,
 * and what the readers of all directives share.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


static char *ngx_http_mtls_group_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_mtls_rule_any(ngx_conf_t *cf, ngx_array_t *rules,
    ngx_uint_t deny);
static char *ngx_http_mtls_rule_unique(ngx_conf_t *cf, ngx_array_t *rules,
    ngx_str_t *name, const char *what);


static ngx_http_mtls_word_t  ngx_http_mtls_modes[] = {
    { ngx_string("on"), NGX_MTLS_MODE_ON },
    { ngx_string("dry_run"), NGX_MTLS_MODE_DRY_RUN },
    { ngx_string("off"), NGX_MTLS_MODE_OFF },
    { ngx_null_string, 0 }
};


ngx_http_mtls_word_t  ngx_http_mtls_revocations[] = {
    { ngx_string("off"), NGX_MTLS_REVOCATION_OFF },
    { ngx_string("leaf"), NGX_MTLS_REVOCATION_LEAF },
    { ngx_string("chain"), NGX_MTLS_REVOCATION_CHAIN },
    { ngx_null_string, 0 }
};


ngx_http_mtls_word_t  ngx_http_mtls_unknowns[] = {
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

    ngx_http_mtls_used(cf);

    return NGX_CONF_OK;
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

    ngx_http_mtls_used(cf);

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

    ngx_http_mtls_used(cf);

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

    ngx_http_mtls_used(cf);

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
            rule->rule.any = 1;
        }
    }

    if (ngx_http_mtls_rule_any(cf, *own, deny) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (rule->rule.any) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

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


/* beside "any" another name at one level says nothing, but seems to */

static char *
ngx_http_mtls_rule_any(ngx_conf_t *cf, ngx_array_t *rules, ngx_uint_t deny)
{
    ngx_uint_t         i, any;
    ngx_mtls_rule_t  **rule;

    any = 0;
    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {
        any |= rule[i]->any;
    }

    if (any && (deny || rules->nelts != 1 || cf->args->nelts != 2)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"any\" must stand alone in \"mtls_allow\"; "
                           "remove it or the groups at this level");
        return NGX_CONF_ERROR;
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
ngx_http_mtls_revocation(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_loc_conf_t *mlcf = conf;

    ngx_str_t   *value, word;

    (void) cmd;

    if (mlcf->rules.revocation != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    ngx_http_mtls_used(cf);

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


void
ngx_http_mtls_used(ngx_conf_t *cf)
{
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);

    if (mmcf->file.len == 0) {
        mmcf->file = cf->conf_file->file.name;
        mmcf->line = cf->conf_file->line;
    }
}


char *
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


ngx_int_t
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


ngx_int_t
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
