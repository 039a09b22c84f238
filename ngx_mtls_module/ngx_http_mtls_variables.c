
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: the names of all variables, and those of the decision.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


static ngx_int_t ngx_http_mtls_variable_identity(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_action(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_rule(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_trace_groups(ngx_http_request_t *r,
    ngx_mtls_rules_t *rules, ngx_array_t *groups);
static ngx_int_t ngx_http_mtls_variable_revocation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_variable_revocation_time(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mtls_compile_variable(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_str_t *name);


/* what $mtls_identity and its like read; see there */
#define NGX_HTTP_MTLS_IDENTITY        0
#define NGX_HTTP_MTLS_IDENTITY_GROUP  1

#define NGX_HTTP_MTLS_REVOCATION         0
#define NGX_HTTP_MTLS_REVOCATION_SOURCE  1


static ngx_http_variable_t  ngx_http_mtls_vars[] = {

    { ngx_string("mtls_identity"), NULL, ngx_http_mtls_variable_identity,
      NGX_HTTP_MTLS_IDENTITY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_identity_group"), NULL,
      ngx_http_mtls_variable_identity,
      NGX_HTTP_MTLS_IDENTITY_GROUP, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_client"), NULL, ngx_http_mtls_variable_client,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_action"), NULL, ngx_http_mtls_variable_action,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_reason"), NULL, ngx_http_mtls_variable_reason,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_rule"), NULL, ngx_http_mtls_variable_rule,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_trace"), NULL, ngx_http_mtls_variable_trace,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_revocation"), NULL, ngx_http_mtls_variable_revocation,
      NGX_HTTP_MTLS_REVOCATION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_revocation_source"), NULL,
      ngx_http_mtls_variable_revocation,
      NGX_HTTP_MTLS_REVOCATION_SOURCE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_revocation_time"), NULL,
      ngx_http_mtls_variable_revocation_time,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_ca"), NULL, ngx_http_mtls_variable_ca,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mtls_groups"), NULL, ngx_http_mtls_variable_groups,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    /* the names that the configuration uses are compiled; these are the rest */

    { ngx_string("mtls_"), NULL, ngx_http_mtls_variable_prefix,
      0, NGX_HTTP_VAR_PREFIX|NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_str_t  ngx_http_mtls_empty = ngx_null_string;


ngx_int_t
ngx_http_mtls_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_mtls_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/*
 * Every $mtls_* name that the configuration uses is parsed once, so that a
 * wrong one is an error of nginx -t and a right one costs no parsing.
 */

ngx_int_t
ngx_http_mtls_compile_variables(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *used, *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    used = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (used[i].name.len < 5
            || ngx_strncmp(used[i].name.data, "mtls_", 5) != 0)
        {
            continue;
        }

        for (v = ngx_http_mtls_vars; v->name.len; v++) {

            if (v->name.len == used[i].name.len
                && ngx_strncmp(v->name.data, used[i].name.data, v->name.len)
                   == 0)
            {
                break;
            }
        }

        if (v->name.len && !(v->flags & NGX_HTTP_VAR_PREFIX)) {
            continue;
        }

        if (ngx_http_mtls_compile_variable(cf, mmcf, &used[i].name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_compile_variable(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf, ngx_str_t *name)
{
    ngx_int_t              rc;
    ngx_str_t              rest, where;
    ngx_mtls_group_t      *group;
    ngx_http_variable_t   *var;
    ngx_mtls_attribute_t  *attr;

    rest.len = name->len - 5;
    rest.data = name->data + 5;

    if (rest.len > 6 && ngx_strncmp(rest.data, "group_", 6) == 0) {

        rest.len -= 6;
        rest.data += 6;

        group = ngx_mtls_policy_find(mmcf->core.policy, &rest);

        if (group == NULL) {
            where = ngx_http_mtls_where(cf, name);

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown group \"%V\" in variable \"$%V\"%V; add "
                          "\"mtls_group %V { ... }\"", &rest, name, &where,
                          &rest);
            return NGX_ERROR;
        }

        var = ngx_http_add_variable(cf, name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_mtls_variable_group;
        var->data = group->index;

        return NGX_OK;
    }

    attr = ngx_palloc(cf->pool, sizeof(ngx_mtls_attribute_t));
    if (attr == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_mtls_attribute_variable(cf->pool, &rest, attr);

    if (rc == NGX_DECLINED) {
        where = ngx_http_mtls_where(cf, name);

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown variable \"$%V\": no such attribute of a "
                      "certificate%V", name, &where);
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    var = ngx_http_add_variable(cf, name, 0);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_mtls_variable_attribute;
    var->data = (uintptr_t) attr;

    return NGX_OK;
}


ngx_int_t
ngx_http_mtls_variable_set(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = (value->len == 0);
    v->len = value->len;
    v->data = value->data;

    return NGX_OK;
}


/*
 * Safe to hand to an upstream: there only if the request was allowed, or
 * passed authentication where no policy is in force.
 */

static ngx_int_t
ngx_http_mtls_variable_identity(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 *value;
    ngx_mtls_policy_result_t  *policy;
    ngx_http_mtls_record_t    *record;

    value = &ngx_http_mtls_empty;

    record = ngx_http_mtls_record(r, 0);

    if (record && record->policy && record->verdict
        && record->decision.action == NGX_MTLS_ACTION_ALLOW
        && record->decision.authenticated)
    {
        policy = &record->verdict->policy;

        if (data == NGX_HTTP_MTLS_IDENTITY) {
            value = &policy->identity;

        } else if (policy->identity_group) {
            value = &policy->identity_group->name;
        }
    }

    return ngx_http_mtls_variable_set(v, value);
}


/* a name for logs and limit keys, whatever the verdict, in any phase */

static ngx_int_t
ngx_http_mtls_variable_client(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_str_t                  value;
    ngx_uint_t                 verified;
    ngx_mtls_verdict_t        *verdict;
    ngx_mtls_session_t        *session;
    ngx_mtls_decision_t        decision;
    ngx_http_mtls_record_t    *record;
    ngx_http_mtls_loc_conf_t  *mlcf;

    (void) data;

    record = ngx_http_mtls_record(r, 0);
    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mtls_module);

    /* the page of a refusal is "off", but the request was judged */

    if (mlcf->rules.mode == NGX_MTLS_MODE_OFF
        && (record == NULL || record->policy == NULL)
        && ngx_http_mtls_core_refusal(r) == NGX_MTLS_REASON_NONE)
    {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    rc = ngx_http_mtls_session(r, &session);

    if (rc == NGX_DECLINED) {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    verified = 0;
    ngx_str_null(&value);

    if (ngx_http_mtls_preview(r, &decision, &verdict) == NGX_OK) {

        verified = (verdict->chain == NGX_MTLS_CHAIN_OK
                    && decision.reason != NGX_MTLS_REASON_WRONG_CA);

        if (verified && verdict->policy.identity.len) {
            value.len = verdict->policy.identity.len;
            value.data = ngx_pstrdup(r->pool, &verdict->policy.identity);
        }

        ngx_mtls_verdict_free(verdict);

        if (value.len) {
            return value.data ? ngx_http_mtls_variable_set(v, &value)
                              : NGX_ERROR;
        }
    }

    p = ngx_pnalloc(r->pool, sizeof("unverified:sha256:") - 1
                             + 2 * NGX_MTLS_HASH_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    if (!verified) {
        p = ngx_cpymem(p, "unverified:", sizeof("unverified:") - 1);
    }

    p = ngx_cpymem(p, "sha256:", sizeof("sha256:") - 1);
    p = ngx_hex_dump(p, session->cert.fingerprint, NGX_MTLS_HASH_LEN);

    value.len = p - value.data;

    return ngx_http_mtls_variable_set(v, &value);
}


static ngx_int_t
ngx_http_mtls_variable_action(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_mtls_action_e        action;
    ngx_http_mtls_record_t  *record;

    (void) data;

    record = ngx_http_mtls_record(r, 0);

    if (record && record->policy) {
        action = record->decision.action;

    } else if (ngx_http_mtls_core_refusal(r) != NGX_MTLS_REASON_NONE) {
        action = NGX_MTLS_ACTION_DENY;

    } else {
        action = NGX_MTLS_ACTION_NONE;
    }

    return ngx_http_mtls_variable_set(v, ngx_mtls_action_name(action));
}


static ngx_int_t
ngx_http_mtls_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_mtls_reason_e        reason;
    ngx_http_mtls_record_t  *record;

    (void) data;

    record = ngx_http_mtls_record(r, 0);

    reason = (record && record->policy) ? record->decision.reason
                                        : ngx_http_mtls_core_refusal(r);

    return ngx_http_mtls_variable_set(v, ngx_mtls_reason_name(reason));
}


static ngx_int_t
ngx_http_mtls_variable_rule(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p;
    ngx_str_t                value;
    ngx_mtls_rule_t         *rule;
    ngx_http_mtls_record_t  *record;

    (void) data;

    record = ngx_http_mtls_record(r, 0);

    if (record == NULL || record->policy == NULL
        || record->decision.rule == NULL)
    {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    rule = record->decision.rule;

    p = ngx_pnalloc(r->pool, rule->file.len + 1 + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%V:%ui", &rule->file, rule->line) - p;

    return ngx_http_mtls_variable_set(v, &value);
}


static ngx_int_t
ngx_http_mtls_variable_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   value;
    ngx_array_t                 groups;
    ngx_mtls_facts_t            facts;
    ngx_mtls_verdict_t         *verdict;
    ngx_http_mtls_record_t     *record;
    ngx_http_mtls_main_conf_t  *mmcf;

    (void) data;

    record = ngx_http_mtls_record(r, 0);

    if (record == NULL || record->policy == NULL || record->verdict == NULL
        || record->verdict->anchor == NULL)
    {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mtls_module);
    verdict = record->verdict;

    if (ngx_array_init(&groups, r->pool, 4, sizeof(ngx_mtls_group_t *))
        != NGX_OK
        || ngx_http_mtls_trace_groups(r, &record->policy->rules, &groups)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    facts.cert = &verdict->session->cert;
    facts.labels = verdict->anchor->labels;
    facts.nlabels = verdict->anchor->nlabels;

    if (ngx_mtls_policy_trace(mmcf->core.policy, groups.elts, groups.nelts,
                              &facts, r->pool, r->connection->log, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mtls_variable_set(v, &value);
}


static ngx_int_t
ngx_http_mtls_trace_groups(ngx_http_request_t *r, ngx_mtls_rules_t *rules,
    ngx_array_t *groups)
{
    ngx_uint_t          i, j, k;
    ngx_array_t        *lists[2];
    ngx_mtls_rule_t   **rule;
    ngx_mtls_group_t  **group;

    (void) r;

    lists[0] = rules->deny;
    lists[1] = rules->allow;

    for (i = 0; i < 2; i++) {

        if (lists[i] == NULL) {
            continue;
        }

        rule = lists[i]->elts;

        for (j = 0; j < lists[i]->nelts; j++) {
            for (k = 0; k < rule[j]->ngroups; k++) {

                group = ngx_array_push(groups);
                if (group == NULL) {
                    return NGX_ERROR;
                }

                *group = rule[j]->groups[k];
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_variable_revocation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               *value;
    ngx_http_mtls_record_t  *record;

    value = &ngx_http_mtls_empty;

    record = ngx_http_mtls_record(r, 0);

    if (record && record->policy && record->verdict) {

        if (data == NGX_HTTP_MTLS_REVOCATION) {
            value = ngx_mtls_outcome_name(record->decision.outcome);

        } else if (record->decision.revocation) {
            value = &record->decision.revocation->source;
        }
    }

    return ngx_http_mtls_variable_set(v, value);
}


/* RFC 3339, in UTC */

static ngx_int_t
ngx_http_mtls_variable_revocation_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p;
    ngx_tm_t                 tm;
    ngx_str_t                value;
    ngx_http_mtls_record_t  *record;

    (void) data;

    record = ngx_http_mtls_record(r, 0);

    if (record == NULL || record->policy == NULL || record->verdict == NULL
        || record->decision.revocation == NULL
        || record->decision.revocation->time <= 0)
    {
        return ngx_http_mtls_variable_set(v, &ngx_http_mtls_empty);
    }

    p = ngx_pnalloc(r->pool, sizeof("1970-01-01T00:00:00Z") + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(record->decision.revocation->time, &tm);

    value.data = p;
    value.len = ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                            tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                            tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
                - p;

    return ngx_http_mtls_variable_set(v, &value);
}
