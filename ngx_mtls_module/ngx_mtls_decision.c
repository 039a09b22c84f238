
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The decision: a verdict held against what is in force at one place.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_decision.h>


static ngx_mtls_reason_e ngx_mtls_decide_authentication(
    ngx_mtls_rules_t *rules, ngx_mtls_trust_t *trust,
    ngx_mtls_verdict_t *verdict, ngx_uint_t early, ngx_uint_t safe,
    ngx_mtls_decision_t *decision);
static ngx_mtls_reason_e ngx_mtls_decide_revocation(ngx_mtls_rules_t *rules,
    ngx_mtls_verdict_t *verdict, ngx_mtls_decision_t *decision);
static ngx_mtls_reason_e ngx_mtls_decide_deny(ngx_array_t *deny,
    ngx_mtls_policy_result_t *result, ngx_mtls_decision_t *decision);
static ngx_mtls_reason_e ngx_mtls_decide_allow(ngx_array_t *allow,
    ngx_mtls_policy_t *policy, ngx_mtls_verdict_t *verdict, ngx_pool_t *pool,
    ngx_log_t *log, ngx_mtls_decision_t *decision);
static ngx_mtls_reason_e ngx_mtls_decide_default(ngx_array_t *allow,
    ngx_mtls_policy_t *policy, ngx_mtls_verdict_t *verdict, ngx_pool_t *pool,
    ngx_log_t *log, ngx_mtls_decision_t *decision);
static ngx_mtls_reason_e ngx_mtls_decide_why(ngx_array_t *allow,
    ngx_mtls_policy_t *policy, ngx_mtls_verdict_t *verdict, ngx_pool_t *pool,
    ngx_log_t *log, ngx_mtls_decision_t *decision);
static ngx_uint_t ngx_mtls_rule_has(ngx_mtls_rule_t *rule, ngx_uint_t *list,
    ngx_uint_t n);
static ngx_uint_t ngx_mtls_rule_names(ngx_mtls_rule_t *rule,
    ngx_uint_t index);


/* by ngx_mtls_reason_e */
static ngx_str_t  ngx_mtls_reasons[] = {
    ngx_string(""),
    ngx_string("ok"),
    ngx_string("no_cert"),
    ngx_string("untrusted"),
    ngx_string("wrong_ca"),
    ngx_string("expired"),
    ngx_string("not_yet_valid"),
    ngx_string("purpose"),
    ngx_string("revoked"),
    ngx_string("revocation_unknown"),
    ngx_string("early_data"),
    ngx_string("ambiguous"),
    ngx_string("denied"),
    ngx_string("no_match"),
    ngx_string("bad_svid"),
    ngx_string("loading"),
    ngx_string("error")
};


/* by ngx_mtls_action_e */
static ngx_str_t  ngx_mtls_actions[] = {
    ngx_string(""),
    ngx_string("allow"),
    ngx_string("deny"),
    ngx_string("would_deny")
};


/* by NGX_MTLS_OUTCOME_*: what cannot be judged is not known either */
static ngx_str_t  ngx_mtls_outcomes[] = {
    ngx_string("unchecked"),
    ngx_string("good"),
    ngx_string("stale"),
    ngx_string("unknown"),
    ngx_string("revoked"),
    ngx_string("unknown")
};


/* by ngx_mtls_chain_e; OK is no reason */
static ngx_mtls_reason_e  ngx_mtls_chain_reasons[] = {
    NGX_MTLS_REASON_NONE,
    NGX_MTLS_REASON_UNTRUSTED,
    NGX_MTLS_REASON_PURPOSE,
    NGX_MTLS_REASON_EXPIRED,
    NGX_MTLS_REASON_NOT_YET_VALID,
    NGX_MTLS_REASON_WRONG_CA,
    NGX_MTLS_REASON_ERROR,
    NGX_MTLS_REASON_REVOKED,
    NGX_MTLS_REASON_REVOCATION_UNKNOWN
};


void
ngx_mtls_decide(ngx_mtls_rules_t *rules, ngx_mtls_trust_t *trust,
    ngx_mtls_policy_t *policy, ngx_mtls_verdict_t *verdict, ngx_uint_t early,
    ngx_uint_t safe, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_decision_t *decision)
{
    ngx_mtls_reason_e  reason;

    ngx_memzero(decision, sizeof(ngx_mtls_decision_t));

    if (rules->mode == NGX_MTLS_MODE_OFF) {
        return;
    }

    if (verdict == NULL) {
        decision->reason = NGX_MTLS_REASON_NO_CERT;

        if (rules->allow == NULL) {
            return;
        }

        goto refused;
    }

    reason = ngx_mtls_decide_authentication(rules, trust, verdict, early, safe,
                                            decision);

    if (reason == NGX_MTLS_REASON_NONE) {
        decision->authenticated = 1;

        if (rules->deny) {
            reason = ngx_mtls_decide_deny(rules->deny, &verdict->policy,
                                          decision);
        }
    }

    if (reason == NGX_MTLS_REASON_NONE) {
        reason = rules->allow ? ngx_mtls_decide_allow(rules->allow, policy,
                                                      verdict, pool, log,
                                                      decision)
                              : NGX_MTLS_REASON_OK;
    }

    decision->reason = reason;

    if (reason == NGX_MTLS_REASON_OK) {
        decision->action = NGX_MTLS_ACTION_ALLOW;
        return;
    }

refused:

    decision->action = (rules->mode == NGX_MTLS_MODE_DRY_RUN)
                       ? NGX_MTLS_ACTION_WOULD_DENY
                       : NGX_MTLS_ACTION_DENY;
}


/* the first step that fails is the reason; NGX_MTLS_REASON_NONE: none does */

static ngx_mtls_reason_e
ngx_mtls_decide_authentication(ngx_mtls_rules_t *rules,
    ngx_mtls_trust_t *trust, ngx_mtls_verdict_t *verdict, ngx_uint_t early,
    ngx_uint_t safe, ngx_mtls_decision_t *decision)
{
    ngx_mtls_reason_e  reason;

    if (verdict->chain != NGX_MTLS_CHAIN_OK) {
        return ngx_mtls_chain_reasons[verdict->chain];
    }

    if (!ngx_mtls_trust_has(trust, verdict->anchor) || verdict->foreign) {
        return NGX_MTLS_REASON_WRONG_CA;
    }

    if (verdict->validity != NGX_MTLS_CHAIN_OK) {
        return ngx_mtls_chain_reasons[verdict->validity];
    }

    reason = ngx_mtls_decide_revocation(rules, verdict, decision);
    if (reason != NGX_MTLS_REASON_NONE) {
        return reason;
    }

    if (early
        && (rules->early_data == NGX_MTLS_EARLY_DENY
            || (rules->early_data == NGX_MTLS_EARLY_SAFE && !safe)))
    {
        return NGX_MTLS_REASON_EARLY_DATA;
    }

    return NGX_MTLS_REASON_NONE;
}


/*
 * What a label says of its anchor's certificates beats the location; where
 * another of its labels says nothing, the stricter of the two counts.
 */

static ngx_mtls_reason_e
ngx_mtls_decide_revocation(ngx_mtls_rules_t *rules,
    ngx_mtls_verdict_t *verdict, ngx_mtls_decision_t *decision)
{
    ngx_uint_t              what, unknown;
    ngx_mtls_anchor_t      *anchor;
    ngx_mtls_revocation_t  *revocation;

    anchor = verdict->anchor;
    what = anchor->revocation;

    if (anchor->inherit_revocation) {
        what = ngx_max(what, rules->revocation);
    }

    /* an anchor that is the leaf itself is revoked by nobody */

    if (what == NGX_MTLS_REVOCATION_OFF || verdict->nrevocation == 0) {
        return NGX_MTLS_REASON_NONE;
    }

    revocation = (what == NGX_MTLS_REVOCATION_LEAF)
                 ? &verdict->revocation[0]
                 : &verdict->revocation[verdict->worst];

    decision->revocation = revocation;
    decision->outcome = revocation->outcome;

    switch (revocation->outcome) {

    case NGX_MTLS_OUTCOME_GOOD:
    case NGX_MTLS_OUTCOME_STALE:
        return NGX_MTLS_REASON_NONE;

    case NGX_MTLS_OUTCOME_REVOKED:
        return NGX_MTLS_REASON_REVOKED;

    case NGX_MTLS_OUTCOME_UNCHECKED:
    case NGX_MTLS_OUTCOME_UNKNOWN:

        /* to be checked, but by no source, is not known either */

        unknown = anchor->unknown;

        if (anchor->inherit_unknown) {
            unknown = ngx_max(unknown, rules->unknown);
        }

        return (unknown == NGX_MTLS_UNKNOWN_ALLOW)
               ? NGX_MTLS_REASON_NONE : NGX_MTLS_REASON_REVOCATION_UNKNOWN;

    default:
        return NGX_MTLS_REASON_ERROR;
    }
}


/* a group that is true beats one that is undefined */

static ngx_mtls_reason_e
ngx_mtls_decide_deny(ngx_array_t *deny, ngx_mtls_policy_result_t *result,
    ngx_mtls_decision_t *decision)
{
    ngx_uint_t         i;
    ngx_mtls_rule_t  **rule;

    rule = deny->elts;

    for (i = 0; i < deny->nelts; i++) {
        if (ngx_mtls_rule_has(rule[i], result->groups, result->ngroups)) {
            decision->rule = rule[i];
            return NGX_MTLS_REASON_DENIED;
        }
    }

    if (result->nundefined == 0) {
        return NGX_MTLS_REASON_NONE;
    }

    for (i = 0; i < deny->nelts; i++) {
        if (ngx_mtls_rule_has(rule[i], result->undefined, result->nundefined))
        {
            decision->rule = rule[i];
            return NGX_MTLS_REASON_AMBIGUOUS;
        }
    }

    return NGX_MTLS_REASON_NONE;
}


static ngx_mtls_reason_e
ngx_mtls_decide_allow(ngx_array_t *allow, ngx_mtls_policy_t *policy,
    ngx_mtls_verdict_t *verdict, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_decision_t *decision)
{
    ngx_uint_t                 i;
    ngx_mtls_rule_t          **rule;
    ngx_mtls_policy_result_t  *result;

    rule = allow->elts;
    result = &verdict->policy;

    for (i = 0; i < allow->nelts; i++) {
        if (rule[i]->any
            || ngx_mtls_rule_has(rule[i], result->groups, result->ngroups))
        {
            decision->rule = rule[i];
            return NGX_MTLS_REASON_OK;
        }
    }

    return ngx_mtls_decide_default(allow, policy, verdict, pool, log,
                                   decision);
}


/* no allowed group is true: once for each place it is asked why */

static ngx_mtls_reason_e
ngx_mtls_decide_default(ngx_array_t *allow, ngx_mtls_policy_t *policy,
    ngx_mtls_verdict_t *verdict, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_decision_t *decision)
{
    ngx_uint_t                   i;
    ngx_mtls_reason_e            reason;
    ngx_mtls_verdict_refused_t  *refused;

    for (i = 0; i < NGX_MTLS_VERDICT_REFUSED; i++) {
        refused = &verdict->refused[i];

        if (refused->allow == allow) {
            decision->rule = refused->rule;
            return refused->reason;
        }
    }

    reason = ngx_mtls_decide_why(allow, policy, verdict, pool, log, decision);

    if (reason != NGX_MTLS_REASON_ERROR) {
        verdict->nrefused = (verdict->nrefused + 1) % NGX_MTLS_VERDICT_REFUSED;

        refused = &verdict->refused[verdict->nrefused];
        refused->allow = allow;
        refused->rule = decision->rule;
        refused->reason = reason;
    }

    return reason;
}


/* is one undefined?  Only now they are all asked. */

static ngx_mtls_reason_e
ngx_mtls_decide_why(ngx_array_t *allow, ngx_mtls_policy_t *policy,
    ngx_mtls_verdict_t *verdict, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_decision_t *decision)
{
    ngx_int_t           rc;
    ngx_uint_t          i, j;
    ngx_mtls_facts_t    facts;
    ngx_mtls_rule_t   **rule;

    facts.cert = &verdict->session->cert;
    facts.labels = verdict->anchor->labels;
    facts.nlabels = verdict->anchor->nlabels;

    rule = allow->elts;

    for (i = 0; i < allow->nelts; i++) {

        for (j = 0; j < rule[i]->ngroups; j++) {

            rc = ngx_mtls_policy_evaluate_group(policy, rule[i]->groups[j],
                                                &facts, pool, log);

            if (rc == NGX_MTLS_FALSE) {
                continue;
            }

            if (rc == NGX_MTLS_UNDEFINED) {
                rc = ngx_mtls_policy_bad_svid(rule[i]->groups[j], &facts);

                if (rc == NGX_ERROR) {
                    return NGX_MTLS_REASON_ERROR;
                }

                decision->rule = rule[i];

                return rc ? NGX_MTLS_REASON_BAD_SVID
                          : NGX_MTLS_REASON_AMBIGUOUS;
            }

            /* NGX_ERROR, or what was false a moment ago */

            return NGX_MTLS_REASON_ERROR;
        }
    }

    return NGX_MTLS_REASON_NO_MATCH;
}


/* whether a rule and a list have a group in common; the shorter is walked */

static ngx_uint_t
ngx_mtls_rule_has(ngx_mtls_rule_t *rule, ngx_uint_t *list, ngx_uint_t n)
{
    ngx_uint_t  i;

    if (rule->ngroups <= n) {

        for (i = 0; i < rule->ngroups; i++) {
            if (ngx_mtls_policy_has(list, n, rule->groups[i]->index)) {
                return 1;
            }
        }

        return 0;
    }

    for (i = 0; i < n; i++) {
        if (ngx_mtls_rule_names(rule, list[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_mtls_rule_names(ngx_mtls_rule_t *rule, ngx_uint_t index)
{
    ngx_uint_t  first, last, middle;

    first = 0;
    last = rule->ngroups;

    while (first < last) {
        middle = first + (last - first) / 2;

        if (rule->groups[middle]->index == index) {
            return 1;
        }

        if (rule->groups[middle]->index < index) {
            first = middle + 1;

        } else {
            last = middle;
        }
    }

    return 0;
}


ngx_str_t *
ngx_mtls_reason_name(ngx_mtls_reason_e reason)
{
    return &ngx_mtls_reasons[reason];
}


ngx_str_t *
ngx_mtls_action_name(ngx_mtls_action_e action)
{
    return &ngx_mtls_actions[action];
}


ngx_str_t *
ngx_mtls_outcome_name(ngx_uint_t outcome)
{
    return &ngx_mtls_outcomes[outcome];
}


ngx_uint_t
ngx_mtls_reason_soft(ngx_mtls_reason_e reason)
{
    return reason == NGX_MTLS_REASON_NO_CERT
           || reason == NGX_MTLS_REASON_NO_MATCH
           || reason == NGX_MTLS_REASON_DENIED
           || reason == NGX_MTLS_REASON_AMBIGUOUS;
}


ngx_mtls_reason_e
ngx_mtls_reason_verify(long verify)
{
    return ngx_mtls_chain_reasons[ngx_mtls_session_chain(verify)];
}
