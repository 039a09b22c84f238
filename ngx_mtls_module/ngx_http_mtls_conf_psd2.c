
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: how PSD2 statements are read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


/* the forms that are read beside the standard's */
#define NGX_HTTP_MTLS_PSD2_FLAT       0
#define NGX_HTTP_MTLS_PSD2_UNWRAPPED  1


static ngx_http_mtls_word_t  ngx_http_mtls_psd2_forms[] = {
    { ngx_string("flat"), NGX_HTTP_MTLS_PSD2_FLAT },
    { ngx_string("unwrapped"), NGX_HTTP_MTLS_PSD2_UNWRAPPED },
    { ngx_null_string, 0 }
};


char *
ngx_http_mtls_psd2(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    ngx_str_t              *value, word;
    ngx_uint_t              i, form;
    ngx_mtls_error_t        err;
    ngx_mtls_psd2_rules_t  *rules;

    (void) cmd;

    ngx_http_mtls_used(cf);

    value = cf->args->elts;
    rules = ngx_mtls_policy_psd2(mmcf->core.policy);

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_mtls_prefixed(&value[i], "role=", &word) == NGX_OK) {

            ngx_memzero(&err, sizeof(ngx_mtls_error_t));

            if (ngx_mtls_psd2_add(cf->pool, rules, &word, &err) != NGX_OK) {
                return ngx_http_mtls_fail(cf, &err);
            }

            continue;
        }

        if (ngx_http_mtls_prefixed(&value[i], "compat=", &word) != NGX_OK
            || ngx_http_mtls_word(&word, ngx_http_mtls_psd2_forms, &form)
               != NGX_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"mtls_psd2\", it "
                               "must be \"compat=flat\", \"compat=unwrapped\" "
                               "or \"role=OID:NAME\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (form == NGX_HTTP_MTLS_PSD2_FLAT) {
            rules->flat = 1;

        } else {
            rules->unwrapped = 1;
        }
    }

    return NGX_CONF_OK;
}
