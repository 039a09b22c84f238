
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Identities: what is spelled, what cannot be, and that no two certificates
 * spell one.
 */


#include "facts.h"


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


/* NULL: undefined */

static char *
make(ngx_mtls_policy_t *policy, const char *cert)
{
    char              *text;
    ngx_int_t          rc, only;
    ngx_str_t          identity;
    ngx_mtls_facts_t  *facts;
    ngx_mtls_group_t  *group;

    group = ngx_mtls_policy_group(policy, 0);
    facts = cert_text(pool, cert);

    only = ngx_mtls_identity_make(group, facts, pool, NULL);
    rc = ngx_mtls_identity_make(group, facts, pool, &identity);

    assert_int_equal(rc, only);

    if (rc != NGX_OK) {
        assert_true(rc == NGX_DECLINED || rc == NGX_BUSY);
        return NULL;
    }

    text = ngx_pnalloc(pool, identity.len + 1);
    assert_non_null(text);
    *ngx_cpymem(text, identity.data, identity.len) = '\0';

    return text;
}


static void
test_make(void **state)
{
    static struct {
        const char  *lines;
        const char  *cert;
        const char  *identity;
    } t[] = {
        { "identity batch", "", "batch" },
        { "identity cn:$mtls_subject_cn", "cn=alice", "cn:alice" },
        { "identity ${mtls_subject_cn}@x", "cn=alice", "alice@x" },
        { "identity a/$mtls_subject_cn/$mtls_subject_o/b", "cn=c o=d",
          "a/c/d/b" },
        { "identity $mtls_subject_ou_2", "ou=a ou=b", "b" },
        { "identity $mtls_san_dns_2", "dns=a.b dns=c.d", "c.d" },
        { "identity $mtls_san_dns", "dns=A.b", "a.b" },
        { "identity $mtls_serial-x", "serial=10", "0A-x" },
        { "identity k:$mtls_key_type", "", "k:ed25519" },

        /* what cannot be told */

        { "identity $mtls_subject_cn", "", NULL },
        { "identity $mtls_subject_cn", "cn=a cn=b", NULL },
        { "identity $mtls_subject_cn", "cn=a cn=a", NULL },
        { "identity $mtls_subject_cn", "rdn=cn:a+cn:b", NULL },
        { "identity $mtls_subject_cn", "cn=a\\0b", NULL },
        { "identity $mtls_subject_cn", "cn=\\?", NULL },
        { "identity $mtls_subject_cn", "cn=", NULL },
        { "identity $mtls_san_dns", "dns=a.b dns=c.d", NULL },
        { "identity $mtls_san_dns", "dns=a.b dns=\\?", NULL },
        { "identity $mtls_san_dns_3", "dns=a.b dns=c.d", NULL },
        { "identity $mtls_subject_cn/$mtls_subject_o", "cn=a", NULL },
        { "identity $mtls_eku", "eku=1.2.3 eku=1.2.4", NULL },
        { "identity $mtls_eku", "eku=1.2.3", "1.2.3" },

        /* captures */

        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m/$u",
          "uri=urn:p:7", "d:p/7" },
        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m/$u",
          "uri=x uri=urn:p:7", "d:p/7" },
        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m/$u",
          "uri=urn:p:7 uri=urn:p:7", "d:p/7" },
        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m/$u",
          "uri=urn:p:7 uri=urn:p:8", NULL },
        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m",
          "uri=urn:p:7 uri=urn:p:8", "d:p" },
        { "uri ~urn:(?<m>[a-z]+):(?<u>[0-9]+)\nidentity d:$m/$u",
          "uri=urn:p:7 uri=\\?", "d:p/7" },
        { "uri ~(?<m>.*)\nidentity d:$m", "uri=\\? uri=ok", "d:ok" },
        { "uri ~urn:(?<m>[a-z]*)\nidentity d:$m", "uri=urn:", NULL },
        { "uri ~urn:(?<m>[a-z]*)\nidentity d:$m", "uri=urn:a uri=urn:", NULL },
        { "uri ~urn:(?<m>[a-z]+)?\nidentity d:$m", "uri=urn:", NULL },
        { "uri ~urn:(?<m>[a-z]+)?\nidentity d:$m", "uri=urn: uri=urn:a",
          NULL },

        /* of several regexes, also of several lines */

        { "uri ~a:(?<x>.+) ~b:(?<x>.+)\nidentity $x", "uri=b:y", "y" },
        { "uri ~a:(?<x>.+) ~b:(?<x>.+)\nidentity $x", "uri=b:y uri=a:y", "y" },
        { "uri ~a:(?<x>.+) ~b:(?<x>.+)\nidentity $x", "uri=b:y uri=a:z",
          NULL },
        { "uri ~a:(?<x>.+)\ndns ~(?<x>.+)\\.b\nidentity $x",
          "uri=a:y dns=y.b", "y" },
        { "uri ~a:(?<x>.+)\ndns ~(?<x>.+)\\.b\nidentity $x",
          "uri=a:y dns=z.b", NULL },
        { "uri ~a:(?<x>.+) c\nidentity $x", "uri=c", NULL },
        { "subject cn ~(?<x>.+)\nidentity $x", "cn=a cn=a", NULL },
        { "subject any cn ~(?<x>.+)\nidentity $x", "cn=a cn=a", "a" },

        /* another regex of the name hits its limit */

        { "uri ~a:(?<x>.+) ~(?<x>(a+)+$)\nidentity $x",
          "uri=a:y uri=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b",
          NULL },

        /* escapes */

        { "identity $mtls_subject_cn", "cn=a%b", "a%25b" },
        { "identity $mtls_subject_cn", "cn=a:b/c", "a:b/c" },
        { "identity $mtls_subject_cn:$mtls_subject_o", "cn=a:b o=c:d",
          "a%3Ab:c:d" },
        { "identity $mtls_subject_cn::$mtls_subject_o", "cn=a:b o=c:d",
          "a%3Ab::c:d" },
        { "identity $mtls_subject_cn/$mtls_subject_o:", "cn=a/:b o=c/:d",
          "a%2F:b/c/%3Ad:" },
        { "identity x$mtls_subject_cn-", "cn=a-b", "xa%2Db-" },
        { "identity $mtls_subject_cn", "cn=a\rb\nc", "a%0Db%0Ac" },
        { "identity $mtls_subject_cn", "cn=a\x7f\x1f\tb", "a%7F%1F%09b" },
        { "identity $mtls_subject_cn", "cn=\xc3\xa4\"\\_$", "\xc3\xa4\" $" },
        { "identity ${mtls_subject_cn}2$mtls_subject_o", "cn=%2 o=2",
          "%25%3222" },
    };

    char                text[512], *made;
    ngx_uint_t          i;
    ngx_mtls_policy_t  *policy;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        (void) snprintf(text, sizeof(text), "mtls_group g\nca any\n%s\n",
                        t[i].lines);

        policy = policy_make(pool, "", text);
        made = make(policy, t[i].cert);

        if ((made == NULL) != (t[i].identity == NULL)
            || (made != NULL && strcmp(made, t[i].identity) != 0))
        {
            fail_msg("%s\nfor %s is %s, not %s", t[i].lines, t[i].cert,
                     made ? made : "undefined",
                     t[i].identity ? t[i].identity : "undefined");
        }
    }
}


/*
 * Certificates whose values are all strings of up to two octets out of those
 * that templates care for: no two spell one identity.
 */

static int
compare(const void *one, const void *two)
{
    return strcmp(*(char **) one, *(char **) two);
}


static void
test_collisions(void **state)
{
    static const char  *templates[] = {
        "$mtls_subject_cn:$mtls_subject_o", "$mtls_subject_cn:%$mtls_subject_o",
        "${mtls_subject_cn}2$mtls_subject_o",
        "${mtls_subject_cn}3A$mtls_subject_o",
        "${mtls_subject_cn}::$mtls_subject_o:"
    };
    static const char   octets[] = ":%23A";

    char                text[256], values[30][3], **all;
    ngx_uint_t          i, k, n, nvalues;
    ngx_mtls_policy_t  *policy;

    nvalues = 0;

    for (i = 0; i < 5; i++) {
        (void) sprintf(values[nvalues++], "%c", octets[i]);

        for (k = 0; k < 5; k++) {
            (void) sprintf(values[nvalues++], "%c%c", octets[i], octets[k]);
        }
    }

    all = ngx_palloc(pool, nvalues * nvalues * sizeof(char *));
    assert_non_null(all);

    for (n = 0; n < sizeof(templates) / sizeof(templates[0]); n++) {
        (void) snprintf(text, sizeof(text), "mtls_group g\nca any\n"
                        "identity %s\n", templates[n]);

        policy = policy_make(pool, "", text);

        for (i = 0; i < nvalues; i++) {
            for (k = 0; k < nvalues; k++) {
                (void) snprintf(text, sizeof(text), "cn=%s o=%s", values[i],
                                values[k]);
                all[i * nvalues + k] = make(policy, text);
                assert_non_null(all[i * nvalues + k]);
            }
        }

        qsort(all, nvalues * nvalues, sizeof(char *), compare);

        for (i = 1; i < nvalues * nvalues; i++) {
            if (strcmp(all[i - 1], all[i]) == 0) {
                fail_msg("%s: %s", templates[n], all[i]);
            }
        }
    }
}


static void
test_prefix(void **state)
{
    static struct {
        const char  *identity;
        const char  *prefix;
    } t[] = {
        { "a:$mtls_spki", "a:" },
        { "$mtls_spki", "" },
        { "${mtls_spki}x", "" },
        { "batch", "batch" },
    };

    char                text[128];
    ngx_str_t           prefix;
    ngx_uint_t          i;
    ngx_mtls_policy_t  *policy;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        (void) snprintf(text, sizeof(text), "mtls_group g\nca any\n"
                        "identity %s\n", t[i].identity);
        policy = policy_make(pool, "", text);

        ngx_mtls_identity_prefix(ngx_mtls_policy_group(policy, 0)->identity,
                                 &prefix);
        assert_str_equal(&prefix, t[i].prefix);
    }
}


static void
test_variables(void **state)
{
    char                text[512], *p;
    ngx_uint_t          i, n;
    ngx_mtls_error_t    err;
    ngx_mtls_policy_t  *policy;

    /* as many as there is room for, and one more */

    for (n = 16; n < 18; n++) {
        p = text + sprintf(text, "mtls_group g\nca any\nidentity ");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "$mtls_subject_cn:");
        }

        assert_int_equal(policy_try(pool, "", text, &policy, &err),
                         n == 16 ? NGX_OK : NGX_DECLINED);

        if (n == 16) {
            assert_string_equal(make(policy, "cn=a:"),
                                "a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:"
                                "a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:a%3A:");
        }
    }

    /* a limit is told apart, so that it can be logged */

    policy = policy_make(pool, "", "mtls_group g\nuri ~(?<x>(a+)+$) ~.*b\n"
                         "identity $x\n");
    assert_int_equal(ngx_mtls_identity_make(
                         ngx_mtls_policy_group(policy, 0),
                         cert_text(pool, "uri=a*50 uri=aaaaaaaaaaaaaaaaaaaa"
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b"),
                         pool, NULL),
                     NGX_BUSY);

    shim_log_clear();
    assert_int_equal(group_value(policy, "g", cert_text(pool,
                         "uri=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b")),
                     U);
    assert_non_null(strstr(shim_log_last(), "hit its limit"));
}


static void
test_memory(void **state)
{
    ngx_int_t           rc;
    ngx_str_t           identity;
    ngx_uint_t          i;
    ngx_mtls_facts_t   *facts;
    ngx_mtls_policy_t  *policy;

    policy = policy_make(pool, "", "mtls_group g\nca any\n"
                         "identity $mtls_subject_cn:$mtls_spki\n");

    for (i = 1; /* void */ ; i++) {
        facts = cert_text(pool, "cn=a");

        shim_alloc_fail(i);
        rc = ngx_mtls_identity_make(ngx_mtls_policy_group(policy, 0), facts,
                                    pool, &identity);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
    }

    assert_true(i > 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_make, setup, teardown),
        cmocka_unit_test_setup_teardown(test_collisions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
