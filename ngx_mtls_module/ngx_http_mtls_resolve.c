
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: names become things once the whole configuration is read,
 * and the TLS contexts get their callbacks.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


static void ngx_http_mtls_resolve_label(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_http_mtls_resolve_rules(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_resolve_rule(ngx_conf_t *cf,
    ngx_mtls_policy_t *policy, ngx_http_mtls_rule_t *rule);
static int ngx_libc_cdecl ngx_http_mtls_cmp_groups(const void *one,
    const void *two);
static ngx_int_t ngx_http_mtls_compile_policy(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_resolve_trust(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_http_mtls_srv_conf_t *mscf);
static ngx_int_t ngx_http_mtls_attach(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);


ngx_int_t
ngx_http_mtls_resolve(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t          i;
    ngx_mtls_error_t    err;
    ngx_mtls_source_t  *source;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_ca_finish(mmcf->core.configured, &err) != NGX_OK) {
        ngx_http_mtls_resolve_label(mmcf, &err);
        (void) ngx_http_mtls_fail(cf, &err);
        return NGX_ERROR;
    }

    if (ngx_http_mtls_resolve_rules(cf, mmcf) != NGX_OK
        || ngx_http_mtls_compile_policy(cf, mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = mmcf->core.sources.elts;

    for (i = 0; i < mmcf->core.sources.nelts; i++) {

        if (ngx_mtls_source_key(&source[i],
                                ngx_mtls_ca_digest(mmcf->core.configured))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_mtls_attach(cf, mmcf);
}


/* places the error of the first label that has no anchor */

static void
ngx_http_mtls_resolve_label(ngx_http_mtls_main_conf_t *mmcf,
    ngx_mtls_error_t *err)
{
    ngx_uint_t              i;
    ngx_http_mtls_where_t  *where;

    where = mmcf->labels.elts;

    for (i = 0; i < mmcf->labels.nelts; i++) {

        if (ngx_mtls_ca_trusted(mmcf->core.configured, i) == 0) {
            err->file = where[i].file;
            err->line = where[i].line;
            return;
        }
    }
}


static ngx_int_t
ngx_http_mtls_resolve_rules(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t              i;
    ngx_http_mtls_rule_t  **rule;

    rule = mmcf->rules.elts;

    for (i = 0; i < mmcf->rules.nelts; i++) {

        if (ngx_http_mtls_resolve_rule(cf, mmcf->core.policy, rule[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_resolve_rule(ngx_conf_t *cf, ngx_mtls_policy_t *policy,
    ngx_http_mtls_rule_t *rule)
{
    ngx_str_t         *name;
    ngx_uint_t         i;
    ngx_mtls_group_t  *group;

    name = rule->rule.names.elts;

    rule->rule.groups = ngx_palloc(cf->pool, (rule->rule.names.nelts + 1)
                                             * sizeof(ngx_mtls_group_t *));
    if (rule->rule.groups == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < rule->rule.names.nelts; i++) {

        group = ngx_mtls_policy_find(policy, &name[i]);

        if (group == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown group \"%V\" in \"%s\" in %V:%ui; add "
                          "\"mtls_group %V { ... }\"", &name[i],
                          rule->deny ? "mtls_deny" : "mtls_allow",
                          &rule->rule.file, rule->rule.line, &name[i]);
            return NGX_ERROR;
        }

        if (rule->deny) {
            ngx_mtls_policy_deny(policy, group);
        }

        rule->rule.groups[rule->rule.ngroups++] = group;
    }

    ngx_qsort(rule->rule.groups, rule->rule.ngroups,
              sizeof(ngx_mtls_group_t *), ngx_http_mtls_cmp_groups);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_mtls_cmp_groups(const void *one, const void *two)
{
    ngx_mtls_group_t *const *first = one;
    ngx_mtls_group_t *const *second = two;

    return ((*first)->index > (*second)->index)
           - ((*first)->index < (*second)->index);
}


static ngx_int_t
ngx_http_mtls_compile_policy(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_str_t         *labels, *domains;
    ngx_uint_t         i, n, ndomains;
    ngx_mtls_error_t   err;
    ngx_mtls_label_t  *label;

    n = ngx_mtls_ca_nlabels(mmcf->core.configured);

    labels = ngx_palloc(cf->pool, 2 * (n + 1) * sizeof(ngx_str_t));
    if (labels == NULL) {
        return NGX_ERROR;
    }

    domains = labels + n + 1;
    ndomains = 0;

    for (i = 0; i < n; i++) {
        label = ngx_mtls_ca_label_number(mmcf->core.configured, i);
        labels[i] = label->name;

        if (label->trust_domain.len) {
            domains[ndomains++] = label->trust_domain;
        }
    }

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_policy_compile(mmcf->core.policy, labels, n, cf->log, &err)
        != NGX_OK
        || (ndomains
            && ngx_mtls_policy_domains(mmcf->core.policy, domains, ndomains,
                                       &err)
               != NGX_OK))
    {
        (void) ngx_http_mtls_fail(cf, &err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_resolve_trust(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_srv_conf_t *mscf)
{
    ngx_str_t         *name;
    ngx_uint_t         i, n, *numbers;
    ngx_mtls_label_t  *label;

    n = mscf->trust_names ? mscf->trust_names->nelts : 0;
    name = n ? mscf->trust_names->elts : NULL;

    numbers = ngx_palloc(cf->pool, (n + 1) * sizeof(ngx_uint_t));
    if (numbers == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        label = ngx_mtls_ca_label_name(mmcf->core.configured, &name[i]);

        if (label == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown label \"%V\" in \"mtls_trust\" in %V:%ui; "
                          "add \"mtls_ca %V FILE\"", &name[i], &mscf->file,
                          mscf->line, &name[i]);
            return NGX_ERROR;
        }

        numbers[i] = label->number;
    }

    mscf->server.trust = ngx_mtls_trust_create(cf->pool, mmcf->core.configured,
                                               numbers, n);

    return mscf->server.trust ? NGX_OK : NGX_ERROR;
}


/*
 * Every server whose own level is not "off" verifies by the labels; the
 * others keep nginx's own store.
 */

static ngx_int_t
ngx_http_mtls_attach(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                   i;
    ngx_http_conf_ctx_t         *ctx;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_mtls_srv_conf_t    *mscf;
    ngx_http_mtls_loc_conf_t    *mlcf;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        ctx = cscfp[i]->ctx;

        sscf = ctx->srv_conf[ngx_http_ssl_module.ctx_index];
        mscf = ctx->srv_conf[ngx_http_mtls_module.ctx_index];
        mlcf = ctx->loc_conf[ngx_http_mtls_module.ctx_index];

        if (ngx_http_mtls_resolve_trust(cf, mmcf, mscf) != NGX_OK) {
            return NGX_ERROR;
        }

        mscf->server.conf = &mmcf->core;
        mscf->server.off = (mlcf->rules.mode == NGX_MTLS_MODE_OFF);
        mscf->server.session_timeout = sscf->session_timeout;

        if (sscf->ssl.ctx == NULL) {
            continue;
        }

        if (ngx_mtls_evidence_attach(sscf->ssl.ctx, &mscf->server, cf->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
