
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The index of groups: which line it is by, and that it finds what is true.
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


static void
test_index(void **state)
{
    char                text[2048], *p;
    ngx_uint_t          i;
    ngx_mtls_line_t    *line;
    ngx_mtls_facts_t   *facts;
    ngx_mtls_group_t   *group;
    ngx_mtls_policy_t  *policy;

    /* what many groups share is no index line, in whatever order */

    p = text;
    for (i = 0; i < 4; i++) {
        p += sprintf(p, "mtls_group g%d\nca iot\neku clientAuth\n"
                     "subject o Acme\nuri urn:%d\nserial ~x\n",
                     (int) i, (int) i);
    }

    policy = policy_make(pool, "iot", text);

    for (i = 0; i < 4; i++) {
        group = ngx_mtls_policy_group(policy, i);
        assert_int_equal(group->index_line->attr.id, NGX_MTLS_ATTR_URI);
    }

    /* where counts are equal, what tells more */

    policy = policy_make(pool, "iot", "mtls_group g\nca iot\neku clientAuth\n"
                         "subject cn a\ndns a.b\nfingerprint "
                         "0000000000000000000000000000000000000000000000000000"
                         "000000000000\nkey_type ed25519\n");
    line = ngx_mtls_policy_group(policy, 0)->index_line;
    assert_int_equal(line->attr.id, NGX_MTLS_ATTR_FINGERPRINT);

    /* negative lines and lines with another pattern are none */

    policy = policy_make(pool, "iot", "mtls_group g\nnot dns a.b\n"
                         "uri urn:a ~b\nca any\nca iot\n");
    line = ngx_mtls_policy_group(policy, 0)->index_line;
    assert_int_equal(line->attr.id, NGX_MTLS_ATTR_CA);
    assert_false(line->any_ca);

    /* counts go before what tells more */

    policy = policy_make(pool, "", "mtls_group a\nuri urn:a\npolicy 1.2.3\n"
                         "mtls_group b\nuri urn:a\npolicy 1.2.4\n");
    line = ngx_mtls_policy_group(policy, 0)->index_line;
    assert_int_equal(line->attr.id, NGX_MTLS_ATTR_POLICY);

    /* "any" makes another attribute */

    policy = policy_make(pool, "", "mtls_group a\nsubject cn alice\n"
                         "mtls_group b\nsubject any cn alice\n");
    facts = cert_text(pool, "cn=alice cn=bob");
    assert_true(agrees(pool, policy, facts));
    assert_int_equal(group_value(policy, "a", facts), U);
    assert_int_equal(group_value(policy, "b", facts), T);

    /* a group by a group, which is by a label, and one tried one by one */

    policy = policy_make(pool, "iot", "mtls_group g\ngroup h\nnot uri x\n"
                         "mtls_group h\nca iot\nuri ^~urn\n"
                         "mtls_group i\nuri ^~urn\n"
                         "mtls_group k\ngroup i\n"
                         "mtls_group l\ngroup k g\n");
    assert_int_equal(policy->tried.nelts, 1);

    assert_true(agrees(pool, policy, cert_text(pool, "uri=urn:x label=0")));
    assert_true(agrees(pool, policy, cert_text(pool, "uri=urn:x")));
    assert_int_equal(group_value(policy, "l",
                                 cert_text(pool, "uri=urn:x")), T);
}


/* an evaluation of many groups tries those alone that its values name */

static void
test_many(void **state)
{
    char                      *text, *p;
    ngx_uint_t                 i;
    ngx_mtls_facts_t          *facts;
    ngx_mtls_policy_t         *policy;
    ngx_mtls_policy_result_t   result;

    text = malloc(5000 * 96);
    assert_non_null(text);

    p = text;
    for (i = 0; i < 5000; i++) {
        p += sprintf(p, "mtls_group g%d\nca iot\nsubject cn dev-%d\n"
                     "identity dev:$mtls_subject_cn\n", (int) i, (int) i);
    }

    policy = policy_make(pool, "iot", text);

    for (i = 0; i < 5000; i += 833) {
        (void) sprintf(text, "label=0 cn=dev-%d", (int) i);
        facts = cert_text(pool, text);

        assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool,
                                                  &shim_log, &result),
                         NGX_OK);
        assert_int_equal(result.ngroups, 1);
        assert_int_equal(result.groups[0], i);

        (void) sprintf(text, "dev:dev-%d", (int) i);
        assert_str_equal(&result.identity, text);
    }

    facts = cert_text(pool, "label=0 cn=dev-5000");
    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);
    assert_int_equal(result.ngroups, 0);

    free(text);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
