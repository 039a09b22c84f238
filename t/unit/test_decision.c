
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The decision: the order of judgement, every reason, and what overrules what.
 */


#include "facts.h"

#include <ngx_mtls_decision.h>


/* what is in force, and how it is asked, in one word each */
#define DRY       0x0001
#define OFF       0x0002
#define NO_CERT   0x0004
#define FOREIGN   0x0008    /* the anchor is not of this server */
#define EARLY     0x0010
#define UNSAFE    0x0020

#define R_OFF     NGX_MTLS_REVOCATION_OFF
#define R_LEAF    NGX_MTLS_REVOCATION_LEAF
#define R_CHAIN   NGX_MTLS_REVOCATION_CHAIN
#define UNSET     NGX_CONF_UNSET_UINT


typedef struct {
    const char   *allow;      /* rules, split by ";", of groups or "any" */
    const char   *deny;
    const char   *cert;
    ngx_uint_t    flags;
    const char   *action;
    const char   *reason;
    ngx_int_t     rule;       /* its number among allow, or deny: 10 + n */
} case_t;


static const char  policy_conf[] =
    "mtls_group alice\n"
    " subject cn alice\n"
    "mtls_group bob\n"
    " subject cn bob\n"
    "mtls_group people\n"
    " subject cn ~[a-z]+\n"
    "mtls_group staff\n"
    " subject ou staff\n"
    "mtls_group guests\n"
    " not subject ou staff\n"
    "mtls_group nested\n"
    " group staff\n"
    "mtls_group eve\n"
    " subject cn eve\n"
    "mtls_group left\n"
    " subject ou left\n"
    "mtls_group mesh\n"
    " spiffe spiffe://a/b\n"
    "mtls_group outside\n"
    " not spiffe spiffe://a/b\n"
    "mtls_group both\n"
    " group staff mesh\n"
    "mtls_group named\n"
    " ca any\n"
    " identity x:$mtls_spiffe_path\n"
    "mtls_deny outside\n"
    "mtls_deny eve\n"
    "mtls_deny left\n"
    "mtls_deny nested\n";


static ngx_pool_t          *pool;
static ngx_mtls_policy_t   *policy;
static uintptr_t            bits;
static ngx_uint_t           label;
static ngx_mtls_trust_t     trust = { &bits };
static ngx_mtls_anchor_t    anchor;
static ngx_mtls_session_t   session;
static ngx_mtls_verdict_t   verdict;
static ngx_mtls_rules_t     rules;
static ngx_mtls_rule_t      made[16];


static int
setup(void **state)
{
    ngx_str_t         labels[1];
    ngx_mtls_error_t  err;

    shim_reset();

    pool = shim_pool();
    policy = ngx_mtls_policy_create(pool);
    assert_non_null(policy);

    assert_int_equal(policy_text(policy, policy_conf, &err), NGX_OK);

    labels[0] = str("a");
    assert_int_equal(ngx_mtls_policy_compile(policy, labels, 1, &shim_log,
                                             &err),
                     NGX_OK);

    ngx_memzero(&rules, sizeof(rules));
    ngx_memzero(&anchor, sizeof(anchor));
    ngx_memzero(&session, sizeof(session));
    ngx_memzero(&verdict, sizeof(verdict));

    rules.unknown = NGX_MTLS_UNKNOWN_DENY;
    rules.early_data = NGX_MTLS_EARLY_SAFE;

    bits = 1;
    label = 0;
    anchor.anchor = 1;
    anchor.labels = &label;
    anchor.nlabels = 1;
    anchor.inherit_revocation = 1;
    anchor.inherit_unknown = 1;

    verdict.session = &session;
    verdict.anchor = &anchor;

    return 0;
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    facts_done();

    return 0;
}


static int
by_index(const void *a, const void *b)
{
    ngx_mtls_group_t  *const *x = a, *const *y = b;

    return (int) (*x)->index - (int) (*y)->index;
}


/* NULL for "" */

static ngx_array_t *
rule_list(const char *text, ngx_uint_t first)
{
    char              *copy, *line, *word, *s1, *s2;
    ngx_str_t          name;
    ngx_uint_t         n;
    ngx_array_t       *a;
    ngx_mtls_rule_t   *rule, **p;

    if (*text == '\0') {
        return NULL;
    }

    a = ngx_array_create(pool, 4, sizeof(ngx_mtls_rule_t *));
    copy = strdup(text);
    n = first;

    for (line = strtok_r(copy, ";", &s1);
         line;
         line = strtok_r(NULL, ";", &s1))
    {
        rule = &made[n++];
        ngx_memzero(rule, sizeof(ngx_mtls_rule_t));
        rule->groups = ngx_pcalloc(pool, 8 * sizeof(ngx_mtls_group_t *));

        for (word = strtok_r(line, " ", &s2);
             word;
             word = strtok_r(NULL, " ", &s2))
        {
            if (strcmp(word, "any") == 0) {
                rule->any = 1;
                continue;
            }

            name = str(word);
            rule->groups[rule->ngroups] = ngx_mtls_policy_find(policy, &name);
            assert_non_null(rule->groups[rule->ngroups]);
            rule->ngroups++;
        }

        qsort(rule->groups, rule->ngroups, sizeof(ngx_mtls_group_t *),
              by_index);

        p = ngx_array_push(a);
        *p = rule;
    }

    free(copy);

    return a;
}


/* what the session's room gives for this certificate */

static void
certificate(const char *text)
{
    ngx_mtls_facts_t  *facts;

    facts = cert_text(pool, text);
    facts->labels = &label;
    facts->nlabels = 1;

    session.cert = *facts->cert;

    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &verdict.policy),
                     NGX_OK);
}


static ngx_mtls_decision_t
decide(ngx_uint_t flags)
{
    ngx_mtls_decision_t  d;

    rules.mode = (flags & OFF) ? NGX_MTLS_MODE_OFF
                 : (flags & DRY) ? NGX_MTLS_MODE_DRY_RUN : NGX_MTLS_MODE_ON;

    bits = (flags & FOREIGN) ? 2 : 1;

    memset(&d, 0xa5, sizeof(d));

    ngx_mtls_decide(&rules, &trust, policy,
                    (flags & NO_CERT) ? NULL : &verdict,
                    (flags & EARLY) ? 1 : 0, (flags & UNSAFE) ? 0 : 1, pool,
                    &shim_log, &d);

    /* whatever is allowed was authenticated, and nothing else is "ok" */

    assert_int_equal(d.action == NGX_MTLS_ACTION_ALLOW,
                     d.reason == NGX_MTLS_REASON_OK);
    assert_true(d.action != NGX_MTLS_ACTION_ALLOW || d.authenticated);

    return d;
}


static void
expect(ngx_uint_t n, ngx_mtls_decision_t *d, const char *action,
    const char *reason)
{
    ngx_str_t  *a, *r;

    a = ngx_mtls_action_name(d->action);
    r = ngx_mtls_reason_name(d->reason);

    if (a->len != strlen(action) || memcmp(a->data, action, a->len) != 0
        || r->len != strlen(reason) || memcmp(r->data, reason, r->len) != 0)
    {
        fail_msg("case %d: %.*s, %.*s", (int) n, (int) a->len, a->data,
                 (int) r->len, r->data);
    }
}


static void
test_policy(void **state)
{
    ngx_uint_t           i;
    ngx_mtls_decision_t  d;

    static const case_t  cases[] = {

        /* no policy */

        { "", "", "cn=alice", 0,            "allow", "ok", -1 },
        { "", "", "cn=alice", DRY,          "allow", "ok", -1 },
        { "", "", "", NO_CERT,              "", "no_cert", -1 },
        { "", "", "", NO_CERT|DRY,          "", "no_cert", -1 },
        { "", "", "cn=alice", OFF,          "", "", -1 },
        { "alice", "eve", "cn=eve", OFF,    "", "", -1 },
        { "alice", "", "", OFF|NO_CERT,     "", "", -1 },

        /* allow */

        { "alice", "", "cn=alice", 0,       "allow", "ok", 0 },
        { "bob;alice", "", "cn=alice", 0,   "allow", "ok", 1 },
        { "bob alice", "", "cn=alice", 0,   "allow", "ok", 0 },
        { "people;alice", "", "cn=alice", 0, "allow", "ok", 0 },
        { "bob", "", "cn=alice", 0,         "deny", "no_match", -1 },
        { "bob;eve", "", "cn=alice", 0,     "deny", "no_match", -1 },
        { "bob", "", "cn=alice", DRY,       "would_deny", "no_match", -1 },
        { "any", "", "cn=zoe", 0,           "allow", "ok", 0 },
        { "bob;any", "", "cn=zoe", 0,       "allow", "ok", 1 },
        { "alice", "", "", NO_CERT,         "deny", "no_cert", -1 },
        { "any", "", "", NO_CERT,           "deny", "no_cert", -1 },
        { "any", "", "", NO_CERT|DRY,       "would_deny", "no_cert", -1 },

        /* undefined never allows, and says so only where nothing is true */

        { "staff", "", "ou=staff ou=x", 0,  "deny", "ambiguous", 0 },
        { "guests", "", "ou=staff ou=x", 0, "deny", "ambiguous", 0 },
        { "bob;nested", "", "ou=staff ou=x", 0, "deny", "ambiguous", 1 },
        { "guests", "", "ou=x ou=y", 0,     "deny", "ambiguous", 0 },
        { "guests", "", "cn=alice", 0,      "allow", "ok", 0 },
        { "staff", "", "ou=staff ou=x", DRY, "would_deny", "ambiguous", 0 },
        { "staff;alice", "", "cn=alice ou=staff ou=x", 0, "allow", "ok", 1 },
        { "staff", "", "ou=sta\\0ff", 0,    "deny", "ambiguous", 0 },

        /* and where it is for an SVID that breaks the rules */

        { "mesh", "", "spiffe=spiffe://a/b", 0, "allow", "ok", 0 },
        { "mesh", "", "spiffe=spiffe://a/c", 0, "deny", "no_match", -1 },
        { "mesh", "", "cn=alice", 0,        "deny", "no_match", -1 },
        { "mesh", "", "spiffe=spiffe://a/b/", 0, "deny", "bad_svid", 0 },
        { "mesh", "", "uri=spiffe://a/b", 0, "deny", "bad_svid", 0 },
        { "mesh", "", "uri=spiffe://a/b", DRY, "would_deny", "bad_svid", 0 },
        { "outside", "", "uri=spiffe://a/b", 0, "deny", "bad_svid", 0 },
        { "bob;both", "", "uri=spiffe://a/b", 0, "deny", "bad_svid", 1 },
        { "named", "", "spiffe=spiffe://a/b", 0, "allow", "ok", 0 },
        { "named", "", "uri=spiffe://a/b", 0, "deny", "bad_svid", 0 },
        { "named", "", "cn=alice", 0,       "deny", "ambiguous", 0 },
        { "both", "", "ou=staff ou=x", 0,   "deny", "ambiguous", 0 },
        { "staff", "", "ou=staff ou=x uri=spiffe://a/b", 0, "deny",
          "ambiguous", 0 },
        { "mesh;alice", "", "cn=alice uri=spiffe://a/b", 0, "allow", "ok", 1 },
        { "any", "", "uri=spiffe://a/b", 0, "allow", "ok", 0 },
        { "any", "outside", "uri=spiffe://a/b", 0, "deny", "ambiguous", 10 },

        /* deny wins, wherever it stands */

        { "", "eve", "cn=alice", 0,         "allow", "ok", -1 },
        { "", "eve", "cn=eve", 0,           "deny", "denied", 10 },
        { "", "eve", "", NO_CERT,           "", "no_cert", -1 },
        { "people", "eve", "cn=eve", 0,     "deny", "denied", 10 },
        { "any", "eve", "cn=eve", 0,        "deny", "denied", 10 },
        { "any", "left;eve", "cn=eve", 0,   "deny", "denied", 11 },
        { "any", "left eve", "cn=eve", 0,   "deny", "denied", 10 },
        { "eve", "left", "cn=eve", 0,       "allow", "ok", 0 },
        { "any", "eve", "cn=eve", DRY,      "would_deny", "denied", 10 },

        /* and it denies what it cannot tell */

        { "any", "left", "ou=left ou=x", 0, "deny", "ambiguous", 10 },
        { "any", "eve;left", "ou=a ou=x", 0, "deny", "ambiguous", 11 },
        { "any", "left;eve", "cn=eve ou=a ou=x", 0, "deny", "denied", 11 },
        { "any", "nested", "ou=a ou=x", 0,  "deny", "ambiguous", 10 },
        { "any", "left", "ou=le\\0ft", 0,   "deny", "ambiguous", 10 },
        { "any", "eve", "ou=a ou=x", 0,     "allow", "ok", 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rules.allow = rule_list(cases[i].allow, 0);
        rules.deny = rule_list(cases[i].deny, 10);

        certificate(cases[i].cert);

        d = decide(cases[i].flags);

        expect(i, &d, cases[i].action, cases[i].reason);
        assert_ptr_equal(d.rule, cases[i].rule < 0 ? NULL
                                                   : &made[cases[i].rule]);
    }
}


/* each step that fails hides all that come after it */

static void
test_order(void **state)
{
    ngx_int_t              i;
    ngx_mtls_decision_t    d;
    ngx_mtls_revocation_t  revocation[1];

    static const char  *reasons[] = {
        "untrusted", "wrong_ca", "wrong_ca", "expired", "revoked",
        "early_data", "denied", "no_match", "ok"
    };

    rules.allow = rule_list("bob", 0);
    rules.deny = rule_list("eve", 10);
    rules.revocation = R_CHAIN;

    ngx_memzero(revocation, sizeof(revocation));
    revocation[0].outcome = NGX_MTLS_OUTCOME_REVOKED;
    verdict.revocation = revocation;
    verdict.nrevocation = 1;
    verdict.chain = NGX_MTLS_CHAIN_UNTRUSTED;
    verdict.foreign = 1;
    verdict.validity = NGX_MTLS_CHAIN_EXPIRED;
    certificate("cn=eve");

    for (i = 0; i < 9; i++) {
        switch (i) {
        case 1:
            verdict.chain = NGX_MTLS_CHAIN_OK;
            break;
        case 3:
            verdict.foreign = 0;
            break;
        case 4:
            verdict.validity = NGX_MTLS_CHAIN_OK;
            break;
        case 5:
            revocation[0].outcome = NGX_MTLS_OUTCOME_GOOD;
            break;
        case 7:
            certificate("cn=alice");
            break;
        case 8:
            certificate("cn=bob");
            break;
        }

        d = decide((i < 2 ? FOREIGN : 0) | (i < 6 ? EARLY|UNSAFE : 0));

        expect(i, &d, i < 8 ? "deny" : "allow", reasons[i]);
        assert_int_equal(d.authenticated, i >= 6);

        /* nor does the step hide what it found */

        d = decide((i < 2 ? FOREIGN : 0) | (i < 6 ? EARLY|UNSAFE : 0) | DRY);
        expect(i, &d, i < 8 ? "would_deny" : "allow", reasons[i]);
    }
}


static void
test_chain(void **state)
{
    ngx_uint_t           i;
    ngx_mtls_decision_t  d;

    static const struct {
        ngx_mtls_chain_e  chain;
        const char       *reason;
    } cases[] = {
        { NGX_MTLS_CHAIN_OK, "ok" },
        { NGX_MTLS_CHAIN_UNTRUSTED, "untrusted" },
        { NGX_MTLS_CHAIN_PURPOSE, "purpose" },
        { NGX_MTLS_CHAIN_EXPIRED, "expired" },
        { NGX_MTLS_CHAIN_NOT_YET_VALID, "not_yet_valid" },
        { NGX_MTLS_CHAIN_WRONG_CA, "wrong_ca" },
        { NGX_MTLS_CHAIN_ERROR, "error" },
        { NGX_MTLS_CHAIN_REVOKED, "revoked" },
        { NGX_MTLS_CHAIN_REVOCATION_UNKNOWN, "revocation_unknown" },
    };

    certificate("cn=alice");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        /* an unverified chain has no anchor */

        verdict.chain = cases[i].chain;
        verdict.anchor = (cases[i].chain == NGX_MTLS_CHAIN_OK) ? &anchor
                                                               : NULL;
        d = decide(0);
        expect(i, &d, i ? "deny" : "allow", cases[i].reason);

        rules.allow = rule_list("any", 0);
        d = decide(0);
        expect(i, &d, i ? "deny" : "allow", cases[i].reason);
        rules.allow = NULL;
    }

    verdict.chain = NGX_MTLS_CHAIN_OK;
    verdict.anchor = &anchor;
    verdict.validity = NGX_MTLS_CHAIN_NOT_YET_VALID;
    d = decide(0);
    expect(100, &d, "deny", "not_yet_valid");
}


static void
test_revocation(void **state)
{
    ngx_uint_t             i;
    ngx_mtls_decision_t    d;
    ngx_mtls_revocation_t  revocation[2];

    static const struct {
        ngx_uint_t   label;         /* of the anchor's labels, or UNSET */
        ngx_uint_t   inherit;
        ngx_uint_t   place;         /* mtls_revocation */
        ngx_uint_t   label_unknown;
        ngx_uint_t   inherit_unknown;
        ngx_uint_t   place_unknown;
        ngx_uint_t   leaf;          /* outcomes */
        ngx_uint_t   above;
        const char  *reason;
        const char  *outcome;
    } cases[] = {

#define U0  NGX_MTLS_OUTCOME_UNCHECKED
#define U1  NGX_MTLS_OUTCOME_GOOD
#define U2  NGX_MTLS_OUTCOME_STALE
#define U3  NGX_MTLS_OUTCOME_UNKNOWN
#define U4  NGX_MTLS_OUTCOME_REVOKED
#define U5  NGX_MTLS_OUTCOME_ERROR

        /* the location's word */

        { R_OFF, 1, R_OFF, 0, 1, 1,     U4, U4, "ok", "unchecked" },
        { R_OFF, 1, R_OFF, 0, 1, 1,     U5, U5, "ok", "unchecked" },
        { R_OFF, 1, R_LEAF, 0, 1, 1,    U1, U4, "ok", "good" },
        { R_OFF, 1, R_LEAF, 0, 1, 1,    U4, U1, "revoked", "revoked" },
        { R_OFF, 1, R_CHAIN, 0, 1, 1,   U1, U1, "ok", "good" },
        { R_OFF, 1, R_CHAIN, 0, 1, 1,   U1, U4, "revoked", "revoked" },
        { R_OFF, 1, R_CHAIN, 0, 1, 1,   U2, U1, "ok", "stale" },
        { R_OFF, 1, R_CHAIN, 0, 1, 1,   U2, U3, "revocation_unknown",
                                                "unknown" },
        { R_OFF, 1, R_CHAIN, 0, 1, 0,   U2, U3, "ok", "unknown" },
        { R_OFF, 1, R_CHAIN, 0, 1, 0,   U3, U4, "revoked", "revoked" },
        { R_OFF, 1, R_CHAIN, 0, 1, 0,   U1, U5, "error", "unknown" },
        { R_OFF, 1, R_LEAF, 0, 1, 0,    U5, U1, "error", "unknown" },

        /* asked for, and no source at all */

        { R_OFF, 1, R_CHAIN, 0, 1, 1,   U0, U0, "revocation_unknown",
                                                "unchecked" },
        { R_OFF, 1, R_CHAIN, 0, 1, 0,   U0, U0, "ok", "unchecked" },

        /* the label's word beats it, either way */

        { R_OFF, 0, R_CHAIN, 0, 1, 1,   U4, U4, "ok", "unchecked" },
        { R_LEAF, 0, R_CHAIN, 0, 1, 1,  U1, U4, "ok", "good" },
        { R_CHAIN, 0, R_OFF, 0, 1, 1,   U1, U4, "revoked", "revoked" },
        { R_CHAIN, 0, R_OFF, 0, 0, 1,   U3, U1, "ok", "unknown" },
        { R_CHAIN, 0, R_OFF, 1, 0, 0,   U3, U1, "revocation_unknown",
                                                "unknown" },

        /* of several labels the strictest, one without a word the place's */

        { R_LEAF, 1, R_OFF, 0, 1, 1,    U4, U1, "revoked", "revoked" },
        { R_LEAF, 1, R_CHAIN, 0, 1, 1,  U1, U4, "revoked", "revoked" },
        { R_LEAF, 1, R_CHAIN, 1, 1, 0,  U1, U3, "revocation_unknown",
                                                "unknown" },
        { R_LEAF, 1, R_CHAIN, 0, 1, 1,  U1, U3, "revocation_unknown",
                                                "unknown" },
    };

    certificate("cn=alice");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        anchor.revocation = cases[i].label;
        anchor.inherit_revocation = cases[i].inherit;
        anchor.unknown = cases[i].label_unknown;
        anchor.inherit_unknown = cases[i].inherit_unknown;
        rules.revocation = cases[i].place;
        rules.unknown = cases[i].place_unknown;

        ngx_memzero(revocation, sizeof(revocation));
        revocation[0].outcome = cases[i].leaf;
        revocation[1].outcome = cases[i].above;
        verdict.revocation = revocation;
        verdict.nrevocation = 2;
        verdict.worst = (cases[i].above > cases[i].leaf);

        d = decide(0);

        expect(i, &d, strcmp(cases[i].reason, "ok") ? "deny" : "allow",
               cases[i].reason);
        assert_str_equal(ngx_mtls_outcome_name(d.outcome), cases[i].outcome);

        if (d.revocation) {
            assert_int_equal(d.revocation->outcome, d.outcome);
        }
    }

    /* a leaf that is the anchor */

    verdict.nrevocation = 0;
    verdict.revocation = NULL;
    rules.revocation = R_CHAIN;
    d = decide(0);
    expect(1000, &d, "allow", "ok");
    assert_int_equal(d.outcome, NGX_MTLS_OUTCOME_UNCHECKED);
}


static void
test_early(void **state)
{
    ngx_uint_t           i;
    ngx_mtls_decision_t  d;

    static const struct {
        ngx_uint_t   early_data;
        ngx_uint_t   flags;
        const char  *reason;
    } cases[] = {
        { NGX_MTLS_EARLY_DENY, 0, "ok" },
        { NGX_MTLS_EARLY_DENY, UNSAFE, "ok" },
        { NGX_MTLS_EARLY_DENY, EARLY, "early_data" },
        { NGX_MTLS_EARLY_DENY, EARLY|UNSAFE, "early_data" },
        { NGX_MTLS_EARLY_SAFE, UNSAFE, "ok" },
        { NGX_MTLS_EARLY_SAFE, EARLY, "ok" },
        { NGX_MTLS_EARLY_SAFE, EARLY|UNSAFE, "early_data" },
        { NGX_MTLS_EARLY_ALLOW, EARLY, "ok" },
        { NGX_MTLS_EARLY_ALLOW, EARLY|UNSAFE, "ok" },
    };

    certificate("cn=alice");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rules.early_data = cases[i].early_data;

        d = decide(cases[i].flags);
        expect(i, &d, strcmp(cases[i].reason, "ok") ? "deny" : "allow",
               cases[i].reason);
    }
}


/* what cannot be is an error, never an answer */

static void
test_contradiction(void **state)
{
    ngx_mtls_decision_t  d;

    rules.allow = rule_list("bob;alice", 0);
    certificate("cn=alice");

    verdict.policy.ngroups = 0;

    d = decide(0);
    expect(0, &d, "deny", "error");

    d = decide(DRY);
    expect(1, &d, "would_deny", "error");
}


/* a rule of many groups against a list of few, and the reverse */

static void
test_many(void **state)
{
    char                *text, *p;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_array_t         *a;
    ngx_mtls_error_t     err;
    ngx_mtls_rule_t     *rule, **r;
    ngx_mtls_decision_t  d;

    text = malloc(64 * 300);
    p = text;

    for (i = 0; i < 200; i++) {
        p += sprintf(p, "mtls_group m%d\n subject cn m%d all\n", (int) i,
                     (int) i);
    }

    policy = ngx_mtls_policy_create(pool);
    assert_int_equal(policy_text(policy, text, &err), NGX_OK);
    name = str("a");
    assert_int_equal(ngx_mtls_policy_compile(policy, &name, 1, &shim_log,
                                             &err),
                     NGX_OK);
    free(text);

    a = ngx_array_create(pool, 1, sizeof(ngx_mtls_rule_t *));
    rule = ngx_pcalloc(pool, sizeof(ngx_mtls_rule_t));
    rule->groups = ngx_pcalloc(pool, 100 * sizeof(ngx_mtls_group_t *));

    for (i = 0; i < 100; i++) {
        rule->groups[rule->ngroups++] = ngx_mtls_policy_group(policy, 2 * i);
    }

    r = ngx_array_push(a);
    *r = rule;
    rules.allow = a;

    for (i = 0; i < 200; i++) {
        char  cert[16];

        sprintf(cert, "cn=m%d", (int) i);
        certificate(cert);

        d = decide(0);
        expect(i, &d, i % 2 ? "deny" : "allow", i % 2 ? "no_match" : "ok");
    }

    certificate("cn=all");
    assert_int_equal(verdict.policy.ngroups, 200);

    rule->ngroups = 1;
    rule->groups[0] = ngx_mtls_policy_group(policy, 199);
    d = decide(0);
    expect(200, &d, "allow", "ok");
}


static void
test_soft(void **state)
{
    ngx_int_t  i;

    for (i = 0; i <= NGX_MTLS_REASON_ERROR; i++) {
        assert_int_equal(ngx_mtls_reason_soft(i),
                         i == NGX_MTLS_REASON_NO_CERT
                         || i == NGX_MTLS_REASON_NO_MATCH
                         || i == NGX_MTLS_REASON_DENIED
                         || i == NGX_MTLS_REASON_AMBIGUOUS);
    }

    assert_str_equal(ngx_mtls_reason_name(NGX_MTLS_REASON_LOADING), "loading");
    assert_str_equal(ngx_mtls_reason_name(NGX_MTLS_REASON_ERROR), "error");
    assert_str_equal(ngx_mtls_reason_name(NGX_MTLS_REASON_NONE), "");
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_policy),
        t(test_order),
        t(test_chain),
        t(test_revocation),
        t(test_early),
        t(test_contradiction),
        t(test_many),
        t(test_soft),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
