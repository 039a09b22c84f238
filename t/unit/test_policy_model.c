
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Random policies and certificates, evaluated by the index, group by group and
 * by a model that knows neither index nor certificates.
 */


#include "facts.h"


#define MODEL_GROUPS  10
#define MODEL_LINES   4
#define MODEL_VALUES  3
#define MODEL_ATTRS   6      /* then "ca", then "group" */
#define MODEL_CA      MODEL_ATTRS
#define MODEL_GROUP   (MODEL_ATTRS + 1)


typedef struct {
    ngx_uint_t  attr;
    ngx_uint_t  negative;
    ngx_uint_t  n;
    ngx_uint_t  kind[MODEL_VALUES];     /* 0 exact, 1 prefix, 2 regex */
    ngx_uint_t  value[MODEL_VALUES];    /* number of a value, label, group */
} model_line_t;


typedef struct {
    ngx_uint_t    n;
    model_line_t  lines[MODEL_LINES];
    ngx_uint_t    identity;             /* an attribute + 1 */
    ngx_uint_t    denied;
    ngx_uint_t    full;
} model_group_t;


static ngx_pool_t  *pool;

static const char  *model_attrs[] = {
    "subject cn", "subject any ou", "dns", "uri", "subject o", "email"
};
static const char  *model_keys[] = {
    "cn", "ou", "dns", "uri", "o", "email"
};
static const char  *model_variables[] = {
    "subject_cn", "subject_ou", "san_dns", "san_uri", "subject_o", "san_email"
};
static const char  *model_values[] = {
    "a:a", "a:b", "a:bc", "b:a", "b:bc", "c:x"
};

/* what the certificate has: values, -1 for one that is undefined */
static int            model_has[MODEL_ATTRS][4], model_label[3];
static ngx_uint_t     model_n[MODEL_ATTRS];
static model_group_t  model[MODEL_GROUPS];


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


static ngx_uint_t
chance(ngx_uint_t n)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return (x >> 20) % n;
}


static ngx_int_t
model_or(ngx_int_t a, ngx_int_t b)
{
    return (a == T || b == T) ? T : (a == U || b == U) ? U : F;
}


static ngx_int_t  model_group(ngx_uint_t g);


static ngx_int_t
model_line(model_line_t *line)
{
    ngx_int_t    value;
    ngx_uint_t   i, k;
    const char  *v, *w;

    value = F;

    for (i = 0; i < line->n; i++) {

        if (line->attr == MODEL_CA) {
            value = model_or(value, model_label[line->value[i]] ? T : F);

        } else if (line->attr == MODEL_GROUP) {
            value = model_or(value, model_group(line->value[i]));

        } else if (strncmp(model_attrs[line->attr], "subject any", 11) != 0
                   && strncmp(model_attrs[line->attr], "subject", 7) == 0
                   && model_n[line->attr] > 1)
        {
            value = U;

        } else {
            for (k = 0; k < model_n[line->attr]; k++) {

                if (model_has[line->attr][k] < 0) {
                    value = model_or(value, U);
                    continue;
                }

                v = model_values[model_has[line->attr][k]];
                w = model_values[line->value[i]];

                /* prefixes and regexes have the value's first two octets */

                if (line->kind[i] == 0 ? strcmp(v, w) == 0
                                       : strncmp(v, w, 2) == 0)
                {
                    value = T;
                }
            }
        }
    }

    return (line->negative && value != U) ? !value : value;
}


static ngx_int_t
model_group(ngx_uint_t g)
{
    ngx_int_t   value, rc;
    ngx_uint_t  i;

    value = T;

    for (i = 0; i < model[g].n; i++) {
        rc = model_line(&model[g].lines[i]);

        if (rc == F) {
            return F;
        }

        if (rc == U) {
            value = U;
        }
    }

    i = model[g].identity;

    if (value == T && i != 0
        && (model_n[i - 1] != 1 || model_has[i - 1][0] < 0))
    {
        value = U;
    }

    return value;
}


static void
model_reach(ngx_uint_t g)
{
    ngx_uint_t  i, k;

    model[g].full = 1;

    for (i = 0; i < model[g].n; i++) {
        for (k = 0; k < model[g].lines[i].n; k++) {
            if (model[g].lines[i].attr == MODEL_GROUP) {
                model_reach(model[g].lines[i].value[k]);
            }
        }
    }
}


/* groups refer to those before them, or, "reversed", to those after */

static ngx_uint_t
model_make(char *p)
{
    ngx_uint_t     g, i, k, n, attr, reversed;
    model_line_t  *line;

    reversed = chance(2);
    n = 1 + chance(MODEL_GROUPS);

    ngx_memzero(model, sizeof(model));

    for (g = 0; g < n; g++) {
        model[g].n = 1 + chance(MODEL_LINES);
        p += sprintf(p, "mtls_group g%d\n", (int) g);

        for (i = 0; i < model[g].n; i++) {
            line = &model[g].lines[i];

            do {
                attr = chance(MODEL_GROUP + 1);
            } while (attr == MODEL_GROUP && (reversed ? g + 1 == n : g == 0));

            line->attr = attr;
            line->n = 1 + chance(MODEL_VALUES);
            line->negative = (chance(4) == 0);

            p += sprintf(p, "%s%s", line->negative ? "not " : "",
                         attr == MODEL_CA ? "ca" :
                         attr == MODEL_GROUP ? "group" : model_attrs[attr]);

            for (k = 0; k < line->n; k++) {

                if (attr == MODEL_CA) {
                    line->value[k] = chance(3);
                    p += sprintf(p, " l%d", (int) line->value[k]);

                } else if (attr == MODEL_GROUP) {
                    line->value[k] = reversed ? g + 1 + chance(n - g - 1)
                                              : chance(g);
                    p += sprintf(p, " g%d", (int) line->value[k]);

                } else {
                    line->value[k] = chance(6);
                    line->kind[k] = chance(3) ? 0 : 1 + chance(2);
                    p += sprintf(p, line->kind[k] == 0 ? " %s" :
                                    line->kind[k] == 1 ? " ^~%.2s" :
                                                         " ~%.2s[a-z]*",
                                 model_values[line->value[k]]);
                }
            }

            p += sprintf(p, "\n");
        }

        if (chance(3) == 0) {
            attr = chance(MODEL_ATTRS);
            model[g].identity = attr + 1;
            p += sprintf(p, "identity g%d:$mtls_%s\n", (int) g,
                         model_variables[attr]);
        }

        /* which are what "ca" lines are not asked of where labels are many */

        p += sprintf(p, "ca any\n");
    }

    for (g = 0; g < n; g++) {
        model[g].denied = (chance(6) == 0);
        if (model[g].denied) {
            p += sprintf(p, "mtls_deny g%d\n", (int) g);
        }
    }

    for (g = 0; g < n; g++) {
        if (model[g].denied) {
            model_reach(g);
        }

        for (i = 0; i < model[g].n; i++) {
            line = &model[g].lines[i];

            for (k = 0; k < line->n; k++) {
                if (line->attr == MODEL_GROUP && line->negative) {
                    model_reach(line->value[k]);
                }
            }
        }
    }

    return n;
}


static void
model_cert(char *p)
{
    ngx_uint_t  i, k;

    *p = '\0';

    for (i = 0; i < MODEL_ATTRS; i++) {
        model_n[i] = chance(3) ? chance(2) : chance(4);

        for (k = 0; k < model_n[i]; k++) {
            model_has[i][k] = chance(8) ? (int) chance(6) : -1;
            p += sprintf(p, "%s=%s ", model_keys[i],
                         model_has[i][k] < 0 ? "a:a\\0"
                                             : model_values[model_has[i][k]]);
        }
    }

    for (i = 0; i < 3; i++) {
        model_label[i] = chance(2);
        if (model_label[i]) {
            p += sprintf(p, "label=%d ", (int) i);
        }
    }
}


static void
test_model(void **state)
{
    char                       text[8192], cert[1024];
    ngx_int_t                  value;
    ngx_str_t                  identity;
    ngx_uint_t                 round, g, k, n, named;
    ngx_mtls_facts_t          *facts;
    ngx_mtls_group_t          *group;
    ngx_mtls_policy_t         *policy;
    ngx_mtls_policy_result_t   result;

    ngx_uint_t                 seen[3] = { 0, 0, 0 };

    for (round = 0; round < 1000; round++) {
        n = model_make(text);
        policy = policy_make(pool, "l0 l1 l2", text);

        for (k = 0; k < 5; k++) {
            model_cert(cert);
            facts = cert_text(pool, cert);

            if (!agrees(pool, policy, facts)) {
                fail_msg("%s\nfor %s", text, cert);
            }

            assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool,
                                                      &shim_log, &result),
                             NGX_OK);
            named = 0;

            for (g = 0; g < n; g++) {
                group = ngx_mtls_policy_group(policy, g);
                value = model_group(g);
                seen[value]++;

                if (has(result.groups, result.ngroups, g) != (value == T)
                    || has(result.undefined, result.nundefined, g)
                       != (value == U && model[g].full)
                    || group->full != model[g].full)
                {
                    fail_msg("%s\nfor %s: g%d should be %d", text, cert,
                             (int) g, (int) value);
                }

                if (value == T && model[g].identity && !named) {
                    named = 1;
                    assert_ptr_equal(result.identity_group, group);
                    assert_int_equal(ngx_mtls_identity_make(group, facts, pool,
                                                            &identity),
                                     NGX_OK);
                    assert_int_equal(identity.len, result.identity.len);
                    assert_memory_equal(identity.data, result.identity.data,
                                        identity.len);
                }
            }

            assert_true(named || result.identity_group == NULL);
        }

        ngx_destroy_pool(pool);
        facts_done();
        pool = shim_pool();
    }

    /* all three values were there often enough to tell */

    assert_true(seen[F] > 1000 && seen[T] > 1000 && seen[U] > 1000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_model, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
