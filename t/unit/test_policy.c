
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Groups at run time: the three values, the limits, the trace.
 */


#include "facts.h"


/* a value on which "(a+)+$" hits its limit */
#define SLOW  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b"


static ngx_pool_t  *pool;


static int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    return 0;
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    facts_done();

    return 0;
}


static void
test_lines(void **state)
{
    static struct {
        const char  *line;
        const char  *cert;
        ngx_int_t    value;
    } t[] = {

        /* absent is false */

        { "dns a.example", "", F },
        { "not dns a.example", "", T },
        { "subject cn alice", "o=alice", F },
        { "subject cn ~.*", "", F },

        /* exact */

        { "subject cn alice", "cn=alice", T },
        { "subject cn alice", "cn=Alice", F },
        { "subject cn alice", "cn=alic", F },
        { "subject cn alice bob", "cn=bob", T },
        { "subject cn admin", "o=Evil,CN=admin", F },
        { "not subject cn alice bob", "cn=bob", F },
        { "not subject cn alice bob", "cn=eve", T },
        { "issuer cn Issuer", "", T },
        { "dns A.Example", "dns=a.example", T },
        { "dns a.example", "dns=A.EXAMPLE", T },
        { "dns a.example", "dns=b.example dns=a.example", T },
        { "uri https://a/B", "uri=https://a/b", F },
        { "serial 0a", "serial=10", T },
        { "serial A", "serial=10", T },
        { "serial 0b 0c", "serial=10", F },
        { "eku clientAuth", "eku=1.3.6.1.5.5.7.3.2", T },
        { "eku 1.3.6.1.5.5.7.3.2", "eku=1.3.6.1.5.5.7.3.1", F },
        { "policy 1.2.3", "policy=1.2.4 policy=1.2.3", T },
        { "key_type ed25519", "", T },
        { "subject_dn CN=alice,O=Acme", "o=Acme cn=alice", T },
        { "subject_dn cn=ALICE,o=acme", "o=Acme cn=alice", T },
        { "subject_dn CN=alice,O=Acme", "cn=alice o=Acme", F },
        { "subject_dn O=Acme", "o=Acme cn=alice", F },

        /* one of several */

        { "subject cn alice", "cn=alice cn=alice", U },
        { "subject cn alice", "rdn=cn:alice+cn:bob", U },
        { "not subject cn eve", "rdn=cn:alice+cn:bob", U },
        { "subject any cn alice", "cn=bob cn=alice", T },
        { "subject any cn alice", "rdn=cn:alice+cn:bob", T },
        { "not subject any cn alice", "rdn=cn:alice+cn:bob", F },
        { "subject cn alice", "rdn=cn:alice+ou:bob", U },
        { "subject any cn alice", "rdn=cn:alice+ou:bob", T },
        { "subject cn ~.*", "cn=a cn=b", U },

        /* no value: undefined, unless another one matches */

        { "subject cn alice", "cn=ali\\0ce", U },
        { "subject cn ali", "cn=ali\\0ce", U },
        { "not subject cn alice", "cn=ali\\0ce", U },
        { "subject cn alice", "cn=\\?", U },
        { "subject cn ~.*", "cn=\\?", U },
        { "subject any cn alice", "cn=\\? cn=alice", T },
        { "subject any cn alice", "cn=\\? cn=bob", U },
        { "not subject any cn alice", "cn=\\? cn=bob", U },
        { "not subject any cn alice", "cn=\\? cn=alice", F },
        { "dns a.example", "dns=a.example\\0.evil", U },
        { "dns a.example", "dns=x\\0 dns=a.example", T },
        { "not dns a.example", "dns=x\\0", U },

        /* prefixes */

        { "subject cn ^~ali", "cn=alice", T },
        { "subject cn ^~ali", "cn=ali", T },
        { "subject cn ^~ali", "cn=al", F },
        { "subject cn ^~ ali", "cn=alice", T },
        { "subject cn ^~ali", "cn=malice", F },
        { "subject cn ^~Ali", "cn=alice", F },
        { "dns ^~A.", "dns=a.example", T },
        { "serial ^~0a", "serial=10", T },
        { "email ^~a@Ex", "email=a@ex.org", T },
        { "email ^~A@ex", "email=a@ex.org", F },
        { "key_type ^~ed", "", T },
        { "not subject cn ^~ali", "cn=bob", T },

        /* regexes */

        { "subject cn ~a.*e", "cn=alice", T },
        { "subject cn ~ a.*e", "cn=alice", T },
        { "subject cn ~lic", "cn=alice", F },
        { "subject cn ~A.*", "cn=alice", F },
        { "subject cn ~*A.*", "cn=alice", T },
        { "subject cn ~* A.*", "cn=alice", T },
        { "subject cn bob ^~x ~a.*", "cn=alice", T },
        { "subject cn ~(a+)+$", "cn=" SLOW, U },
        { "not subject cn ~(a+)+$", "cn=" SLOW, U },
        { "subject cn ~(a+)+$ ^~aaa", "cn=" SLOW, T },
        { "uri ~(a+)+$", "uri=" SLOW " uri=aaa", T },
        { "not uri ~(a+)+$", "uri=" SLOW " uri=aaa", F },
        { "uri ~(a+)+$", "uri=" SLOW " uri=b", U },

        /* SPIFFE */

        { "spiffe spiffe://a/b", "spiffe=spiffe://a/b", T },
        { "spiffe spiffe://a/b", "spiffe=spiffe://a/B", F },
        { "spiffe spiffe://a/b", "spiffe=spiffe://a/b/c", F },
        { "spiffe spiffe://b/b spiffe://a/b", "spiffe=spiffe://a/b", T },
        { "spiffe spiffe://a/b", "", F },
        { "not spiffe spiffe://a/b", "", T },
        { "spiffe spiffe://a/b", "uri=https://a/b", F },
        { "spiffe spiffe://a/b", "uri=https://a/b uri=urn:x", F },
        { "not spiffe spiffe://a/b", "spiffe=spiffe://a/b", F },
        { "not spiffe spiffe://a/b", "spiffe=spiffe://a/c", T },
        { "spiffe spiffe://a/*", "spiffe=spiffe://a/b", T },
        { "spiffe spiffe://a/*", "spiffe=spiffe://a/b/c", F },
        { "spiffe spiffe://a/*/c", "spiffe=spiffe://a/b/c", T },
        { "spiffe spiffe://a/*/c", "spiffe=spiffe://a/b/d", F },
        { "spiffe spiffe://a/**", "spiffe=spiffe://a/b/c/d", T },
        { "spiffe spiffe://a/b/**", "spiffe=spiffe://a/b", F },
        { "spiffe spiffe://a/b/**", "spiffe=spiffe://a/bc/d", F },
        { "spiffe spiffe://a/**", "spiffe=spiffe://a.evil/b", F },
        { "spiffe spiffe://a/**", "spiffe=spiffe://evil/a/b", F },
        { "spiffe ~spiffe://a/(b|c)", "spiffe=spiffe://a/c", T },
        { "spiffe ~spiffe://a/(b|c)", "spiffe=spiffe://a/c/d", F },

        /* what breaks the rules, though it would match */

        { "spiffe spiffe://a/b", "uri=spiffe://a/b", U },
        { "not spiffe spiffe://a/b", "uri=spiffe://a/b", U },
        { "spiffe spiffe://a/b", "spiffe=spiffe://a/b uri=urn:x", U },
        { "spiffe spiffe://a/b", "uri=urn:x spiffe=spiffe://a/b", U },
        { "spiffe spiffe://a/b", "spiffe=SPIFFE://a/b", U },
        { "spiffe spiffe://a/b", "spiffe=spiffe://a/b\\0", U },
        { "spiffe spiffe://a/**", "spiffe=spiffe://a/b/../c", U },
        { "spiffe spiffe://a/**", "spiffe=spiffe://a", U },
        { "spiffe spiffe://a/**", "spiffe=spiffe://u@a/b", U },
        { "spiffe ~.*", "spiffe=spiffe://a/b/", U },
        { "not spiffe ~.*", "spiffe=spiffe://a/b/", U },

        /* segments */

        { "uri https://a/x/*", "uri=https://a/x/y", T },
        { "uri https://a/x/*", "uri=https://a/x/", F },
        { "uri https://a/x/*", "uri=https://a/x", F },
        { "uri https://a/x/*", "uri=https://a/x/y/z", F },
        { "uri https://a/x/*", "uri=https://a/x/y/", F },
        { "uri https://a/x/*", "uri=https://b/x/y", F },
        { "uri https://a/x/*", "uri=https://A/x/y", F },
        { "uri https://a/x/*", "uri=http://a/x/y", F },
        { "uri https://a/x/*", "uri=https://a/xx/y", F },
        { "uri https://a/x/*", "uri=https://a/x/y?q", F },
        { "uri https://a/x/*", "uri=https://a/x/y#f", F },
        { "uri https://a/*/y", "uri=https://a/x/y", T },
        { "uri https://a/*/y", "uri=https://a//y", F },
        { "uri https://a/*/y", "uri=https://a/x/z", F },
        { "uri https://a/*/y", "uri=https://a/x/y/", F },
        { "uri https://a/*/*", "uri=https://a/x/y", T },
        { "uri https://a/*/*", "uri=https://a/x", F },
        { "uri https://a/*/", "uri=https://a/x/", T },
        { "uri https://a/*/", "uri=https://a/x", F },
        { "uri https://a/x/**", "uri=https://a/x/y", T },
        { "uri https://a/x/**", "uri=https://a/x/y/z", T },
        { "uri https://a/x/**", "uri=https://a/x", F },
        { "uri https://a/x/**", "uri=https://a/x/", F },
        { "uri https://a/x/**", "uri=https://a/x/y/", F },
        { "uri https://a/x/**", "uri=https://a/x//y", F },
        { "uri https://a/x/**", "uri=https://a/xy/z", F },
        { "uri https://a/x/**", "uri=https://a/x/y?q", F },
        { "uri https://a/*/**", "uri=https://a/x/y/z", T },
        { "uri https://a/*/**", "uri=https://a/x", F },
        { "uri https://a/**", "uri=https://a.evil/x", F },
        { "uri https://a/v*", "uri=https://a/v1", F },
        { "uri https://a/v*", "uri=https://a/v**1", T },
        { "uri https://a/***", "uri=https://a/x", F },
        { "uri urn:a/*", "uri=urn:a/b", T },
        { "uri urn:*", "uri=urn:b", T },
        { "uri urn:*", "uri=urn:", F },
        { "uri urn:*", "uri=urn:a/b", F },
        { "uri urn:dev:*", "uri=urn:dev:1", F },
        { "uri https://a/*?x", "uri=https://a/b?x", F },

        /* labels */

        { "dns *.example.com", "dns=a.example.com", T },
        { "dns *.example.com", "dns=A-1_b.Example.com", T },
        { "dns *.Example.com", "dns=a.example.com", T },
        { "dns *.example.com", "dns=a.b.example.com", F },
        { "dns *.example.com", "dns=example.com", F },
        { "dns *.example.com", "dns=.example.com", F },
        { "dns *.example.com", "dns=aexample.com", F },
        { "dns *.example.com", "dns=abexample.com", F },
        { "dns *.example.com", "dns=*.example.com", F },
        { "dns *.example.com", "dns=a*.example.com", F },
        { "dns *.example.com", "dns=a.example.com.evil", F },
        { "dns a.example.com", "dns=*.example.com", F },
        { "dns ~\\*\\.example\\.com", "dns=*.example.com", T },
        { "not dns *.example.com", "dns=a.example.com", F },

        /* addresses */

        { "ip 10.0.0.1", "ip=10.0.0.1", T },
        { "ip 10.0.0.1", "ip=10.0.0.10", F },
        { "ip 10.0.0.0/8", "ip=10.255.0.1", T },
        { "ip 10.0.0.0/8", "ip=11.0.0.1", F },
        { "ip 10.0.0.0/9", "ip=10.127.0.1", T },
        { "ip 10.0.0.0/9", "ip=10.128.0.1", F },
        { "ip 10.0.0.4/30", "ip=10.0.0.7", T },
        { "ip 10.0.0.4/30", "ip=10.0.0.8", F },
        { "ip 10.0.0.1/32", "ip=10.0.0.1", T },
        { "ip 0.0.0.0/0", "ip=1.2.3.4", T },
        { "ip 0.0.0.0/0", "ip=::1", F },
        { "ip ::/0", "ip=::1", T },
        { "ip ::/0", "ip=1.2.3.4", F },
        { "ip 10.0.0.0/8", "ip=::ffff:10.0.0.1", F },
        { "ip 2001:db8::/32", "ip=2001:db8:1::1", T },
        { "ip 2001:db8::/32", "ip=2001:db9::1", F },
        { "ip 2001:db8::/33", "ip=2001:db8:8000::1", F },
        { "ip 2001:DB8:0::1", "ip=2001:db8::1", T },
        { "ip 10.0.0.0/8", "", F },
        { "not ip 10.0.0.0/8", "ip=10.0.0.1", F },

        /* labels of the anchor */

        { "ca any", "", T },
        { "ca iot", "label=0", T },
        { "ca iot", "label=1", F },
        { "ca iot", "", F },
        { "ca iot mesh", "label=1", T },
        { "ca mesh", "label=0 label=1", T },
        { "not ca iot", "label=0 label=1", F },
        { "not ca iot", "label=1", T },
    };

    char                text[256];
    ngx_uint_t          i;
    ngx_mtls_facts_t   *facts;
    ngx_mtls_policy_t  *policy;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        (void) snprintf(text, sizeof(text), "mtls_group g\nca any\n%s\n",
                        t[i].line);
        policy = policy_make(pool, "iot mesh", text);
        facts = cert_text(pool, t[i].cert);

        if (group_value(policy, "g", facts) != t[i].value
            || !agrees(pool, policy, facts))
        {
            fail_msg("\"%s\" for \"%s\" is not %d", t[i].line, t[i].cert,
                     (int) t[i].value);
        }
    }
}


/*
 * The kinds of undefined and the two values, as lines of groups "t", "f" and
 * "u", and what is made of them.
 */

static void
test_logic(void **state)
{
    static struct {
        const char  *line;      /* undefined */
        const char  *cert;
    } u[] = {
        { "subject ou a", "ou=a ou=b" },
        { "subject ou a", "rdn=ou:a+ou:b" },
        { "subject ou a", "ou=a\\0b" },
        { "subject ou ~.*", "ou=\\?" },
        { "dns ^~a", "dns=\\?" },
        { "subject ou ~(a+)+$", "ou=" SLOW },
        { "spiffe spiffe://a/b", "spiffe=spiffe://a/b/" },
    };

    static struct {
        const char  *lines;
        ngx_int_t    value;
    } t[] = {
        { "LINE", U },
        { "not LINE", U },
        { "group u", U },
        { "not group u", U },
        { "group t", T },
        { "not group t", F },
        { "group f", F },
        { "not group f", T },
        { "group nu", U },
        { "not group nu", U },

        /* AND */

        { "group t\ngroup t2", T },
        { "group t\ngroup f", F },
        { "group f\ngroup u", F },
        { "group u\ngroup f", F },
        { "group t\ngroup u", U },
        { "group u\ngroup t", U },
        { "LINE\nsubject cn eve", F },
        { "subject cn alice\nLINE", U },
        { "LINE\nnot subject cn alice", F },

        /* OR */

        { "group t f u", T },
        { "group u f t", T },
        { "group f u", U },
        { "group u f", U },
        { "group f f2", F },
        { "not group t u", F },
        { "not group f u", U },
        { "not group f f2", T },

        /* deeper */

        { "group g1", U },
        { "not group g1", U },
        { "group g2", F },
        { "not group g2", T },
        { "group g3", T },
    };

    char               *p, text[2048], lines[512];
    size_t              len;
    ngx_int_t           value;
    const char         *s;
    ngx_uint_t          i, k, deny;
    ngx_mtls_facts_t   *facts;
    ngx_mtls_policy_t  *policy;

    for (i = 0; i < sizeof(u) / sizeof(u[0]); i++) {

        (void) snprintf(text, sizeof(text), "cn=alice %s", u[i].cert);
        facts = cert_text(pool, text);

        for (k = 0; k < sizeof(t) / sizeof(t[0]); k++) {

            p = lines;

            for (s = t[k].lines; *s != '\0'; s += len) {
                if (strncmp(s, "LINE", 4) == 0) {
                    p = stpcpy(p, u[i].line);
                    len = 4;
                } else {
                    *p++ = *s;
                    len = 1;
                }
            }

            *p = '\0';

            for (deny = 0; deny < 2; deny++) {
                (void) snprintf(text, sizeof(text),
                                "mtls_group t\nsubject cn alice\n"
                                "mtls_group t2\nnot subject cn ~eve\n"
                                "mtls_group f\nsubject cn eve\n"
                                "mtls_group f2\nsubject cn ^~eve\n"
                                "mtls_group u\n%s\n"
                                "mtls_group nu\nnot %s\n"
                                "mtls_group g1\ngroup u nu f\ngroup t u\n"
                                "mtls_group g2\ngroup g1\nnot group t\n"
                                "mtls_group g3\ngroup g1 t\nnot group g2\n"
                                "mtls_group x\n%s\n%s",
                                u[i].line, u[i].line, lines,
                                deny ? "mtls_deny x\n" : "");

                policy = policy_make(pool, "", text);
                value = group_value(policy, "x", facts);

                if (value != t[k].value || !agrees(pool, policy, facts)) {
                    fail_msg("%s\nfor %s is %d, not %d", text, u[i].cert,
                             (int) value, (int) t[k].value);
                }
            }
        }
    }
}


/* undefined is told where it was not asked for only of what a deny reaches */

static void
test_result(void **state)
{
    ngx_mtls_facts_t          *facts;
    ngx_mtls_policy_t         *policy;
    ngx_mtls_policy_result_t   result;

    policy = policy_make(pool, "", "mtls_group a\nsubject ou x\n"
                         "mtls_group b\nsubject ou x\n"
                         "mtls_group c\ngroup b\n"
                         "mtls_group d\nsubject cn alice\nidentity d:\n"
                         "mtls_group e\nsubject cn alice\n"
                         "identity e:$mtls_subject_cn\n"
                         "mtls_deny c\n");
    facts = cert_text(pool, "cn=alice ou=x ou=y");

    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_int_equal(result.ngroups, 2);
    assert_int_equal(result.groups[0], 3);
    assert_int_equal(result.groups[1], 4);
    assert_int_equal(result.nundefined, 2);
    assert_int_equal(result.undefined[0], 1);
    assert_int_equal(result.undefined[1], 2);
    assert_str_equal(&result.identity, "d:");
    assert_ptr_equal(result.identity_group, ngx_mtls_policy_group(policy, 3));

    assert_int_equal(group_value(policy, "a", facts), U);

    /* nobody, and no groups at all */

    facts = cert_text(pool, "cn=eve");
    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_int_equal(result.ngroups, 0);
    assert_int_equal(result.nundefined, 0);
    assert_int_equal(result.identity.len, 0);
    assert_null(result.identity_group);

    policy = policy_make(pool, "", "");
    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_int_equal(result.ngroups, 0);
}


/* an identity that cannot be made makes its group undefined, and who asks it */

static void
test_identity(void **state)
{
    ngx_mtls_facts_t          *facts;
    ngx_mtls_policy_t         *policy;
    ngx_mtls_policy_result_t   result;

    policy = policy_make(pool, "", "mtls_group a\ndns a.example\n"
                         "identity a:$mtls_subject_cn\n"
                         "mtls_group b\ndns a.example\n"
                         "identity b:$mtls_san_dns_1\n"
                         "mtls_group c\ngroup a\n"
                         "mtls_group d\ndns a.example\nnot group a\n"
                         "mtls_group e\ngroup b\n");

    facts = cert_text(pool, "dns=a.example cn=x cn=y");
    assert_true(agrees(pool, policy, facts));

    assert_int_equal(group_value(policy, "a", facts), U);
    assert_int_equal(group_value(policy, "b", facts), T);
    assert_int_equal(group_value(policy, "c", facts), U);
    assert_int_equal(group_value(policy, "d", facts), U);
    assert_int_equal(group_value(policy, "e", facts), T);

    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_str_equal(&result.identity, "b:a.example");
    assert_int_equal(result.nundefined, 1);     /* "not group a" */

    facts = cert_text(pool, "dns=a.example cn=x");
    assert_int_equal(group_value(policy, "d", facts), F);
    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_str_equal(&result.identity, "a:x");
    assert_int_equal(result.ngroups, 4);

    /* it is not asked of a group that is false */

    facts = cert_text(pool, "cn=x cn=y");
    assert_int_equal(group_value(policy, "a", facts), F);
}


static void
test_limit_warnings(void **state)
{
    char                text[64 * 1024], *p;
    ngx_uint_t          i;
    ngx_mtls_facts_t   *facts;
    ngx_mtls_policy_t  *policy;

    policy = policy_make(pool, "", "mtls_group a\nuri ~(a+)+$\n"
                         "mtls_group b\nuri ~(a+)+$ aa\n");
    facts = cert_text(pool, "uri=" SLOW);

    shim_log_clear();
    shim_time_set(1000);

    assert_int_equal(group_value(policy, "a", facts), U);
    assert_int_equal(shim_log_count(), 1);
    assert_int_equal(shim_log_level(), NGX_LOG_WARN);
    assert_non_null(strstr(shim_log_last(), "regex of mtls group \"a\" hit "
                           "its limit"));
    assert_non_null(strstr(shim_log_last(), "nginx.conf:2"));
    assert_null(strstr(shim_log_last(), "aaaa"));

    assert_int_equal(group_value(policy, "a", facts), U);
    assert_int_equal(shim_log_count(), 1);
    assert_int_equal(group_value(policy, "b", facts), U);
    assert_int_equal(shim_log_count(), 2);

    shim_time_set(1001);
    assert_int_equal(group_value(policy, "a", facts), U);
    assert_int_equal(shim_log_count(), 3);

    /* a certificate of hundreds of such values, whichever the line */

    p = text;
    for (i = 0; i < 800; i++) {
        p += sprintf(p, "uri=" SLOW " ");
    }

    (void) strcpy(p, "uri=aa");

    policy = policy_make(pool, "", "mtls_group a\nuri ~(a+)+$ ~x\n"
                         "mtls_group b\nuri ~(a+)+$ aa\n"
                         "mtls_group c\nuri ~x\n"
                         "mtls_group d\nuri ~b ~(?:a|aa)+\n"
                         "mtls_group e\nuri ~(a|aa)+$ ^~b\n");
    facts = cert_text(pool, text);
    assert_true(agrees(pool, policy, facts));
    assert_int_equal(group_value(policy, "b", facts), T);
    assert_int_equal(group_value(policy, "c", facts), F);
}


static void
test_trace(void **state)
{
    static struct {
        const char  *cert;
        const char  *text;
    } t[] = {
        { "cn=alice", "a=true; b=false (nginx.conf:6 dns b.example); "
          "c=false (nginx.conf:9 group b)" },
        { "cn=alice cn=bob", "a=undefined (nginx.conf:2 subject cn alice); "
          "b=false (nginx.conf:6 dns b.example); "
          "c=false (nginx.conf:9 group b)" },
        { "cn=alice dns=b.example", "a=true; b=false (nginx.conf:7 not subject "
          "cn alice \\x22x\\x22 ~\\d+\\x09); "
          "c=false (nginx.conf:9 group b)" },
        { "cn=bob dns=b.example", "a=false (nginx.conf:2 subject cn alice); "
          "b=true; c=undefined (nginx.conf:10 identity "
          "c:$mtls_san_email_1)" },
        { "cn=bob dns=b.example email=x@y", "a=false (nginx.conf:2 subject cn "
          "alice); b=true; c=true" },
    };

    char                text[16384], *p;
    ngx_str_t           trace;
    ngx_uint_t          i;
    ngx_mtls_group_t   *groups[3], *many[400];
    ngx_mtls_facts_t   *facts;
    ngx_mtls_policy_t  *policy;

    policy = policy_make(pool, "", "mtls_group a\nsubject cn alice\n"
                         "not dns x.example\n"
                         "mtls_group b\nsubject cn ^~alice bob\n"
                         "dns b.example\n"
                         "not subject cn alice \"x\" ~\\d+\t\n"
                         "mtls_group c\ngroup b\n"
                         "identity c:$mtls_san_email_1\n");

    for (i = 0; i < 3; i++) {
        groups[i] = ngx_mtls_policy_group(policy, i);
    }

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        facts = cert_text(pool, t[i].cert);

        assert_int_equal(ngx_mtls_policy_trace(policy, groups, 3, facts, pool,
                                               &shim_log, &trace),
                         NGX_OK);

        if (trace.len != strlen(t[i].text)
            || memcmp(trace.data, t[i].text, trace.len) != 0)
        {
            fail_msg("%s\n  gives %.*s\n  not   %s", t[i].cert,
                     (int) trace.len, trace.data, t[i].text);
        }
    }

    assert_int_equal(ngx_mtls_policy_trace(policy, groups, 0, facts, pool,
                                           &shim_log, &trace),
                     NGX_OK);
    assert_int_equal(trace.len, 0);

    /* which rule an SVID breaks */

    policy = policy_make(pool, "", "mtls_group a\nspiffe spiffe://a/b\n");
    groups[0] = ngx_mtls_policy_group(policy, 0);
    facts = cert_text(pool, "spiffe=spiffe://a/b/");

    assert_int_equal(ngx_mtls_policy_trace(policy, groups, 1, facts, pool,
                                           &shim_log, &trace),
                     NGX_OK);
    assert_memory_equal(trace.data, "a=undefined (nginx.conf:2 spiffe "
                        "spiffe://a/b: a segment of the path is empty)",
                        trace.len);

    /* bounded */

    p = text;
    for (i = 0; i < 400; i++) {
        p += sprintf(p, "mtls_group g%d\ndns x\n", (int) i);
    }

    policy = policy_make(pool, "", text);

    for (i = 0; i < 400; i++) {
        many[i] = ngx_mtls_policy_group(policy, i);
    }

    assert_int_equal(ngx_mtls_policy_trace(policy, many, 400, facts, pool,
                                           &shim_log, &trace),
                     NGX_OK);
    assert_int_equal(trace.len, 2048);
    assert_memory_equal(trace.data + 2045, "...", 3);
}


static void
test_memory(void **state)
{
    ngx_int_t                  rc;
    ngx_str_t                  trace;
    ngx_uint_t                 i;
    ngx_pool_t                *p;
    ngx_mtls_facts_t          *facts;
    ngx_mtls_group_t          *group;
    ngx_mtls_policy_t         *policy;
    ngx_mtls_policy_result_t   result;

    policy = policy_make(pool, "iot", "mtls_group a\ndns a.b\n"
                         "identity a:$mtls_san_dns_1\n"
                         "mtls_group b\ngroup a\n"
                         "mtls_group c\nfingerprint ^~0 ^~1\n"
                         "mtls_group d\nsubject ou x\n"
                         "mtls_deny d\n");

    for (i = 1; /* void */ ; i++) {
        p = shim_pool();
        facts = cert_text(p, "dns=a.b ou=x ou=y");

        shim_alloc_fail(i);
        rc = ngx_mtls_policy_evaluate(policy, facts, p, &shim_log, &result);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            assert_int_equal(result.nundefined, 1);
            assert_str_equal(&result.identity, "a:a.b");
            ngx_destroy_pool(p);
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        ngx_destroy_pool(p);
    }

    assert_true(i > 3);

    for (i = 1; /* void */ ; i++) {
        p = shim_pool();
        facts = cert_text(p, "dns=a.b ou=x ou=y");
        group = ngx_mtls_policy_group(policy, 2);

        shim_alloc_fail(i);
        rc = ngx_mtls_policy_trace(policy, &group, 1, facts, p, &shim_log,
                                   &trace);
        shim_alloc_fail(0);

        ngx_destroy_pool(p);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
    }

    assert_true(i > 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_logic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_warnings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
