
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: variables of the certificate and of its groups, which may
 * be asked in any phase.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


static ngx_str_t  ngx_http_mtls_one = ngx_string("1");
static ngx_str_t  ngx_http_mtls_empty = ngx_null_string;


/* the labels that vouch for the certificate, whatever was decided */

ngx_int_t
ngx_http_mtls_variable_ca(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                     *p;
    size_t                      len;
    ngx_str_t                   value, *name;
    ngx_uint_t                  i;
    ngx_mtls_anchor_t          *anchor;
    ngx_mtls_verdict_t         *verdict;
    ngx_mtls_decision_t         decision;
    ngx_http_mtls_main_conf_t  *mmcf;

    (void) data;

    if (ngx_http_mtls_preview(r, &decision, &verdict) != NGX_OK) {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);

    /* anchors live as long as the configuration */

    anchor = (verdict->chain == NGX_MTLS_CHAIN_OK) ? verdict->anchor : NULL;

    ngx_mtls_verdict_free(verdict);

    if (anchor == NULL) {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    if (anchor->nlabels == 1) {
        return ngx_http_mtls_variable_set(v,
                      &ngx_mtls_ca_label_number(mmcf->core.configured,
                                                anchor->labels[0])->name);
    }

    len = 0;

    for (i = 0; i < anchor->nlabels; i++) {
        name = &ngx_mtls_ca_label_number(mmcf->core.configured,
                                         anchor->labels[i])->name;
        len += name->len + 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    for (i = 0; i < anchor->nlabels; i++) {

        if (i) {
            *p++ = ',';
        }

        name = &ngx_mtls_ca_label_number(mmcf->core.configured,
                                         anchor->labels[i])->name;
        p = ngx_cpymem(p, name->data, name->len);
    }

    value.len = p - value.data;

    return ngx_http_mtls_variable_set(v, &value);
}


ngx_int_t
ngx_http_mtls_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                     *p;
    size_t                      len;
    ngx_str_t                   value, *name;
    ngx_uint_t                  i;
    ngx_mtls_verdict_t         *verdict;
    ngx_mtls_decision_t         decision;
    ngx_mtls_policy_result_t   *result;
    ngx_http_mtls_main_conf_t  *mmcf;

    (void) data;

    if (ngx_http_mtls_preview(r, &decision, &verdict) != NGX_OK) {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);

    result = &verdict->policy;
    len = 1;

    for (i = 0; i < result->ngroups; i++) {
        name = &ngx_mtls_policy_group(mmcf->core.policy,
                                      result->groups[i])->name;
        len += name->len + 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        ngx_mtls_verdict_free(verdict);
        return NGX_ERROR;
    }

    value.data = p;

    for (i = 0; decision.authenticated && i < result->ngroups; i++) {

        if (i) {
            *p++ = ',';
        }

        name = &ngx_mtls_policy_group(mmcf->core.policy,
                                      result->groups[i])->name;
        p = ngx_cpymem(p, name->data, name->len);
    }

    value.len = p - value.data;

    ngx_mtls_verdict_free(verdict);

    return ngx_http_mtls_variable_set(v, &value);
}


ngx_int_t
ngx_http_mtls_variable_group(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t            in;
    ngx_mtls_verdict_t   *verdict;
    ngx_mtls_decision_t   decision;

    in = 0;

    if (ngx_http_mtls_preview(r, &decision, &verdict) == NGX_OK) {

        in = decision.authenticated
             && ngx_mtls_policy_has(verdict->policy.groups,
                                    verdict->policy.ngroups, data);

        ngx_mtls_verdict_free(verdict);
    }

    return ngx_http_mtls_variable_set(v, in ? &ngx_http_mtls_one
                                            : &ngx_http_mtls_empty);
}


ngx_int_t
ngx_http_mtls_variable_attribute(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_mtls_attribute_t *attr = (ngx_mtls_attribute_t *) data;

    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_mtls_session_t  *session;

    rc = ngx_http_mtls_session(r, &session);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED || session->malformed) {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    if (ngx_mtls_attribute_text(r->pool, &session->cert, attr, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mtls_variable_set(v, &value);
}


/* a name that only came up at run time, as SSI's "echo" may ask it */

ngx_int_t
ngx_http_mtls_variable_prefix(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    ngx_str_t                   rest;
    ngx_mtls_group_t           *group;
    ngx_mtls_attribute_t        attr;
    ngx_http_mtls_main_conf_t  *mmcf;

    rest.len = name->len - 5;
    rest.data = name->data + 5;

    if (rest.len > 6 && ngx_strncmp(rest.data, "group_", 6) == 0) {

        rest.len -= 6;
        rest.data += 6;

        mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);
        group = ngx_mtls_policy_find(mmcf->core.policy, &rest);

        if (group) {
            return ngx_http_mtls_variable_group(r, v, group->index);
        }

    } else if (ngx_mtls_attribute_variable(r->pool, &rest, &attr) == NGX_OK) {
        return ngx_http_mtls_variable_attribute(r, v, (uintptr_t) &attr);
    }

    return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
}
