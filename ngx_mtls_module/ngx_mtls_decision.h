
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The decision: a verdict held against what is in force at one place.
 */


#ifndef _NGX_MTLS_DECISION_H_INCLUDED_
#define _NGX_MTLS_DECISION_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_session.h>


/* stable tokens; ngx_mtls_reason_name() prints them */
typedef enum {
    NGX_MTLS_REASON_NONE = 0,        /* "" */
    NGX_MTLS_REASON_OK,
    NGX_MTLS_REASON_NO_CERT,
    NGX_MTLS_REASON_UNTRUSTED,
    NGX_MTLS_REASON_WRONG_CA,
    NGX_MTLS_REASON_EXPIRED,
    NGX_MTLS_REASON_NOT_YET_VALID,
    NGX_MTLS_REASON_PURPOSE,
    NGX_MTLS_REASON_REVOKED,
    NGX_MTLS_REASON_REVOCATION_UNKNOWN,
    NGX_MTLS_REASON_EARLY_DATA,
    NGX_MTLS_REASON_AMBIGUOUS,
    NGX_MTLS_REASON_DENIED,
    NGX_MTLS_REASON_NO_MATCH,
    NGX_MTLS_REASON_BAD_SVID,
    NGX_MTLS_REASON_LOADING,
    NGX_MTLS_REASON_ERROR
} ngx_mtls_reason_e;


typedef enum {
    NGX_MTLS_ACTION_NONE = 0,        /* "" */
    NGX_MTLS_ACTION_ALLOW,
    NGX_MTLS_ACTION_DENY,
    NGX_MTLS_ACTION_WOULD_DENY
} ngx_mtls_action_e;


/* one mtls_allow or mtls_deny directive, resolved */
typedef struct {
    ngx_array_t                    names;      /* of ngx_str_t, as written */
    ngx_mtls_group_t             **groups;     /* ascending by index */
    ngx_uint_t                     ngroups;
    ngx_uint_t                     any;        /* mtls_allow any */
    ngx_str_t                      file;
    ngx_uint_t                     line;
} ngx_mtls_rule_t;


#define NGX_MTLS_MODE_ON           0
#define NGX_MTLS_MODE_DRY_RUN      1
#define NGX_MTLS_MODE_OFF          2

#define NGX_MTLS_EARLY_DENY        0
#define NGX_MTLS_EARLY_SAFE        1
#define NGX_MTLS_EARLY_ALLOW       2


/* what is in force at one place; NULL rule arrays: none */
typedef struct {
    ngx_uint_t                     mode;
    ngx_uint_t                     revocation;   /* NGX_MTLS_REVOCATION_* */
    ngx_uint_t                     unknown;      /* NGX_MTLS_UNKNOWN_* */
    ngx_uint_t                     early_data;   /* NGX_MTLS_EARLY_* */
    ngx_array_t                   *allow;        /* of ngx_mtls_rule_t *, the
                                                    innermost level's */
    ngx_array_t                   *deny;         /* of ngx_mtls_rule_t *, all
                                                    levels' */
} ngx_mtls_rules_t;


typedef struct {
    ngx_mtls_action_e              action;
    ngx_mtls_reason_e              reason;
    ngx_mtls_rule_t               *rule;       /* that decided, or NULL */
    ngx_uint_t                     outcome;    /* of revocation, as this place
                                                  sees it */
    ngx_mtls_revocation_t         *revocation; /* the element that decided it,
                                                  or NULL */
    ngx_uint_t                     authenticated; /* everything before deny
                                                     and allow passed */
} ngx_mtls_decision_t;


/*
 * Walks the order of judgement.  "verdict" is NULL without a certificate: such
 * a request is refused only where an mtls_allow is in force, else its action
 * is empty.  "early" is set for early data, "safe" for GET, HEAD and OPTIONS.
 * Pure but for full evaluation of the allowed groups where none is true, whose
 * memory is from "pool".  Any failure inside is reason "error".
 */
void ngx_mtls_decide(ngx_mtls_rules_t *rules, ngx_mtls_trust_t *trust,
    ngx_mtls_policy_t *policy, ngx_mtls_verdict_t *verdict, ngx_uint_t early,
    ngx_uint_t safe, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_decision_t *decision);

/* tokens with static memory */
ngx_str_t *ngx_mtls_reason_name(ngx_mtls_reason_e reason);
ngx_str_t *ngx_mtls_action_name(ngx_mtls_action_e action);
ngx_str_t *ngx_mtls_outcome_name(ngx_uint_t outcome);

/* the reason for a chain that the TLS layer gave this X509_V_* error */
ngx_mtls_reason_e ngx_mtls_reason_verify(long verify);

/* whether a refusal for this reason may be overruled under "satisfy any" */
ngx_uint_t ngx_mtls_reason_soft(ngx_mtls_reason_e reason);


#endif /* _NGX_MTLS_DECISION_H_INCLUDED_ */
