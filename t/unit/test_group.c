
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Groups as they are written: what is refused, with which words, and what is
 * only reported.
 */


#include "facts.h"


static ngx_pool_t         *pool;
static ngx_mtls_policy_t  *policy;
static ngx_mtls_error_t    err;


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


/* "text" is refused in this line, and the message has these words */

static void
refused(const char *labels, const char *text, ngx_uint_t line,
    const char *words)
{
    char       message[sizeof(err.text) + 1];
    ngx_int_t  rc;

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    rc = policy_try(pool, labels, text, &policy, &err);

    (void) snprintf(message, sizeof(message), "%.*s", (int) err.len, err.text);

    if (rc != NGX_DECLINED || strstr(message, words) == NULL
        || err.line != line || err.file.len == 0)
    {
        fail_msg("%s\n  gives %d in line %d: %s\n  instead of %s", text,
                 (int) rc, (int) err.line, message, words);
    }
}


static void
test_lines(void **state)
{
    static struct {
        const char  *line;
        const char  *words;
    } t[] = {
        { "colour red", "unknown attribute \"colour\"" },
        { "registry inventory", "unknown attribute \"registry\"" },
        { "not colour red", "unknown attribute \"colour\"" },
        { "not", "line \"not\" of group \"g\" names no attribute" },
        { "not not dns a.example", "unknown attribute \"not\"" },
        { "dns", "\"dns\" needs a value after it" },
        { "not dns", "\"not dns\" needs a value after it" },
        { "subject cn", "needs a value after it" },

        /* operators */

        { "dns ^~", "\"^~\" needs a value after it" },
        { "dns a.example ~", "\"~\" needs a value after it" },
        { "dns ~* _", "\"~*\" needs a value after it" },
        { "fingerprint ^~:", "\"^~:\" is empty" },
        { "fingerprint ^~xy", "\"^~xy\" is not hexadecimal" },
        { "serial ^~0g", "\"^~0g\" is not hexadecimal" },
        { "uri ~a(b", "regex \"a(b\" is wrong at offset 3" },
        { "uri ~ a(b", "regex \"a(b\" is wrong at offset 3" },
        { "uri ~(?<mtls_a>b)", "reserved name" },
        { "ca ~iot", "\"iot\" has an operator, but \"ca\" and \"group\"" },
        { "ca ^~iot", "operator" },
        { "group ~a", "\"a\" has an operator" },
        { "subject_dn ~CN=a", "whole names are compared exactly; use "
          "\"subject NAME\"" },
        { "issuer_dn ^~ CN=a", "\"CN=a\" has an operator" },
        { "subject_dn nonsense", "nonsense" },

        /* segments */

        { "uri *", "\"*\" has no scheme; write the whole URI" },
        { "uri /a/*", "no scheme" },
        { "uri https://*/a", "must be a whole segment of the path; use a "
          "regex" },
        { "uri https://*.example/a", "must be a whole segment" },
        { "uri *://a/b", "must be a whole segment" },
        { "uri https://a/**/b", "\"**\" in \"https://a/**/b\" must be the last "
          "segment; use \"*\"" },

        /* SPIFFE */

        { "spiffe spiffe://a", "\"spiffe://a\" is no pattern of SPIFFE IDs: it "
          "has no path; write it as in \"spiffe://example.org/ns/*/sa/web\"" },
        { "spiffe https://a/b", "it does not begin with spiffe://" },
        { "spiffe a", "does not begin" },
        { "spiffe *", "does not begin" },
        { "spiffe spiffe://*/a", "the trust domain has other characters" },
        { "spiffe spiffe://A/b", "the trust domain is not in lower case" },
        { "spiffe spiffe://a/b/", "a segment of the path is empty" },
        { "spiffe spiffe://a/**/b", "\"**\" is not the last segment" },
        { "spiffe spiffe://a/b*", "a segment of the path has other" },
        { "spiffe spiffe://a/%2e", "percent-encoded" },
        { "spiffe ^~spiffe://a/b", "\"^~spiffe://a/b\" could end within a "
          "segment; use \"*\"" },
        { "spiffe ~spiffe://a(", "regex" },

        /* labels */

        { "dns *", "must be the whole first label, as in \"*.example.com\"" },
        { "dns *.", "whole first label" },
        { "dns a*.example", "whole first label" },
        { "dns *.*.example", "whole first label" },
        { "dns a.*.example", "whole first label" },
        { "dns **.example", "whole first label" },

        /* networks */

        { "ip 10.0.0.0/33", "\"10.0.0.0/33\" is neither an address nor CIDR" },
        { "ip 10.0.0/8", "neither" },
        { "ip 10.0.0.0/", "neither" },
        { "ip 10.0.0.0/-1", "neither" },
        { "ip 10.0.0.0/8/8", "neither" },
        { "ip /8", "neither" },
        { "ip ::/129", "neither" },
        { "ip 2001:db8::1/32", "address bits beyond its prefix length; clear "
          "them" },
        { "ip 10.0.0.1/31", "address bits beyond" },
        { "ip 10.0.0.1/0", "address bits beyond" },
        { "ip 10.0.0", "10.0.0" },
        { "ip ^~10.", "\"^~10.\" is no prefix of an address; use CIDR" },

        /* labels of CAs */

        { "ca any iot", "\"any\" in \"ca any iot\" must stand alone" },
        { "ca iot any", "must stand alone" },
        { "not ca any", "\"not ca any\" is true for no certificate" },
        { "ca lot", "unknown ca \"lot\"; give the label of an mtls_ca" },

        /* identity */

        { "identity", "\"identity\" takes one template" },
        { "identity a b", "in quotes" },
        { "not identity a", "\"not\" cannot precede \"identity\"" },
        { "identity _", "identity is empty" },
        { "identity a$", "invalid variable at offset 1 of identity \"a$\"" },
        { "identity a${mtls_serial", "invalid variable at offset 1" },
        { "identity ${}", "invalid variable" },
        { "identity $mtls_serial$mtls_spki", "variables \"$mtls_serial\" and "
          "\"$mtls_spki\" of identity \"$mtls_serial$mtls_spki\" are "
          "adjacent" },
        { "identity ${mtls_serial}${mtls_spki}", "adjacent" },
        { "identity $mtls_serial%x", "\"%\" follows variable \"$mtls_serial\"",
        },
        { "identity $1", "capture \"$1\" of identity \"$1\" has no name" },
        { "identity $mtls_colour", "variable \"$mtls_colour\" cannot be part "
          "of identity" },
        { "identity $mtls_days_left", "cannot be part of identity" },
        { "identity $mtls_identity", "cannot be part of identity" },
        { "identity $model", "unknown variable \"$model\" in identity "
          "\"$model\", name a capture \"(?<model>...)\" in a regex of group "
          "\"g\"" },
        { "identity a\tb", "control character at offset 1" },
    };

    char        text[512];
    ngx_uint_t  i;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        (void) snprintf(text, sizeof(text),
                        "mtls_group g\ndns a.example\n%s", t[i].line);
        refused("iot", text, 3, t[i].words);
    }
}


static void
test_domains(void **state)
{
    static struct {
        const char  *line;
        const char  *words;      /* NULL: nothing is wrong */
    } t[] = {
        { "spiffe spiffe://a/b", NULL },
        { "spiffe spiffe://a/b spiffe://b.example/*", NULL },
        { "not spiffe spiffe://a/**", NULL },
        { "spiffe ~^spiffe://b\\.example/(x|y)$", NULL },
        { "uri spiffe://c/d", NULL },

        { "spiffe spiffe://a/b spiffe://c/d", "no mtls_ca may speak for trust "
          "domain \"c\" of \"spiffe://c/d\"; add \"trust_domain=c\"" },
        { "spiffe spiffe://b/*", "trust domain \"b\"" },
        { "spiffe spiffe://aa/**", "trust domain \"aa\"" },
        { "not spiffe spiffe://c/d", "trust domain \"c\"" },
        { "spiffe ~spiffe://c/d", "trust domain \"c\"" },
        { "spiffe ~spiffe://b.example/c", "must begin with its trust domain as "
          "a literal" },
        { "spiffe ~spiffe://a/b|spiffe://c/d", "as a literal" },
    };

    char        text[512];
    ngx_int_t   rc;
    ngx_str_t   domains[2];
    ngx_uint_t  i;

    ngx_str_set(&domains[0], "a");
    ngx_str_set(&domains[1], "b.example");

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        (void) snprintf(text, sizeof(text), "mtls_group g\ndns x\n%s",
                        t[i].line);

        policy = policy_make(pool, "", text);
        ngx_memzero(&err, sizeof(ngx_mtls_error_t));

        rc = ngx_mtls_policy_domains(policy, domains, 2, &err);

        if (t[i].words == NULL) {
            assert_int_equal(rc, NGX_OK);
            continue;
        }

        if (rc != NGX_DECLINED || err.line != 3
            || memmem(err.text, err.len, t[i].words, strlen(t[i].words))
               == NULL)
        {
            fail_msg("%s: %d, %.*s", t[i].line, (int) rc, (int) err.len,
                     err.text);
        }
    }
}


static void
test_groups(void **state)
{
    refused("", "mtls_group Upper\n", 1, "invalid group name \"Upper\", use");
    refused("", "mtls_group a-b\n", 1, "invalid group name \"a-b\"");
    refused("", "mtls_group _\n", 1, "invalid group name \"\"");
    refused("", "mtls_group any\n", 1, "\"any\" is reserved");

    refused("", "mtls_group a\ndns x.y\nmtls_group a\n", 3,
            "duplicate group \"a\", the first is in nginx.conf:1");

    refused("", "mtls_group a\n", 1, "group \"a\" has no lines and would be "
            "true for every certificate; add a line, or \"ca any\"");
    refused("", "mtls_group a\nidentity x\n", 1, "has no lines");

    refused("", "mtls_group a\nidentity x\nidentity y\n", 3,
            "group \"a\" has a second identity, the first is in nginx.conf:2");

    refused("", "mtls_group a\ngroup b\n", 2, "unknown group \"b\"; define it "
            "with \"mtls_group b { ... }\"");

    /* a capture is the group's own, and "not" captures nothing */

    refused("", "mtls_group a\nuri ~(?<x>.)\nmtls_group b\ngroup a\n"
            "identity $x\n", 5, "unknown variable \"$x\"");
    refused("", "mtls_group a\nnot uri ~(?<x>.)\nidentity $x\n", 3,
            "unknown variable \"$x\"");
}


static void
test_cycles(void **state)
{
    char        text[8192], *p;
    ngx_uint_t  i;

    refused("", "mtls_group a\ngroup a\n", 2, "groups \"a -> a\" form a cycle,"
            " remove one of their \"group\" lines");
    refused("", "mtls_group a\ngroup b\nmtls_group b\nnot group a\n", 4,
            "groups \"a -> b -> a\" form a cycle");

    /* those that only lead there are not named */

    refused("", "mtls_group a\ngroup b\nmtls_group b\ndns x.y\ngroup c\n"
            "mtls_group c\ngroup d b\nmtls_group d\ndns x.y\n", 7,
            "groups \"b -> c -> b\" form a cycle");

    /* a diamond is none */

    (void) policy_make(pool, "", "mtls_group a\ngroup b c\nmtls_group b\n"
                       "group d\nmtls_group c\ngroup d\nmtls_group d\n"
                       "dns x.y\n");

    /* a chain of 64 is deep enough, either way round */

    p = text;
    for (i = 0; i < 64; i++) {
        p += sprintf(p, "mtls_group g%d\n%s%d\n", (int) i,
                     i == 63 ? "dns x" : "group g", (int) i + 1);
    }

    (void) policy_make(pool, "", text);

    (void) sprintf(p, "mtls_group g64\ngroup g0\n");
    refused("", text, 130, "group \"g64\" nests more than 64 groups");

    p = text + sprintf(text, "mtls_group g0\ndns x.y\n");
    for (i = 1; i < 64; i++) {
        p += sprintf(p, "mtls_group g%d\ngroup g%d\n", (int) i, (int) i - 1);
    }

    (void) policy_make(pool, "", text);

    (void) sprintf(p, "mtls_group g64\nnot group g63\n");
    refused("", text, 130, "group \"g64\" nests more than 64 groups");
}


static void
test_ca(void **state)
{
    const char  *words;

    words = "group \"b\" needs a \"ca\" line because several mtls_ca labels "
            "exist; add \"ca LABEL\" or \"ca any\"";

    (void) policy_make(pool, "iot", "mtls_group b\ndns x.y\n");
    (void) policy_make(pool, "", "mtls_group b\ndns x.y\n");

    refused("iot mesh", "mtls_group b\ndns x.y\n", 1, words);
    refused("iot mesh", "mtls_group b\nnot ca iot\n", 1, words);

    (void) policy_make(pool, "iot mesh", "mtls_group b\nca any\n");
    (void) policy_make(pool, "iot mesh", "mtls_group b\nca mesh\ndns x.y\n");
    (void) policy_make(pool, "iot mesh", "mtls_group b\nca mesh iot\n");

    /* through every "group" line, but "not" demands nothing */

    (void) policy_make(pool, "iot mesh", "mtls_group a\nca iot\n"
                       "mtls_group b\ngroup a\ndns x.y\n");
    refused("iot mesh", "mtls_group a\nca iot\n"
            "mtls_group b\nnot group a\ndns x.y\n", 3, words);
    refused("iot mesh", "mtls_group a\ngroup b\n"
            "mtls_group b\ndns x.y\n", 3, words);
    (void) policy_make(pool, "iot mesh", "mtls_group a\nca iot\n"
                       "mtls_group b\nca any\nnot group a\n");
}


static void
test_accepted(void **state)
{
    static const char  *lines[] = {
        "dns a.example b.example *.example.com",
        "dns ^~a ~b ~*c ^~ d ~ e ~* f",
        "dns a.example a.example A.EXAMPLE",
        "uri https://a/* urn:a:b https://a/b/** urn:* https://a/v*",
        "uri https://a/*?x https://a/*#x",
        "ip 10.0.0.1 10.0.0.0/8 0.0.0.0/0 ::/0 2001:db8::/32 ::1 10.0.0.1/32",
        "subject cn alice",
        "subject any ou a b",
        "subject 2.5.4.3 alice",
        "subject_dn CN=alice,O=Acme",
        "issuer cn Issuer",
        "serial 0A:ff",
        "serial ^~0a:F",
        "eku clientAuth 1.2.3.4",
        "policy 1.2.3",
        "key_type rsa:2048 ^~ec:",
        "email ~.*@example\\.com",
        "ca any",
        "ca iot",
        "not ca iot",
        "not dns a.example",
        "identity ${mtls_subject_cn}x",
        "identity ${mtls_subject_cn}-$mtls_serial",
        "identity constant",
        "identity $mtls_subject_cn",
        "identity a$mtls_san_dns_1/b",
    };

    char        text[512];
    ngx_uint_t  i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        (void) snprintf(text, sizeof(text), "mtls_group g\ndns a.b\n%s\n",
                        lines[i]);
        (void) policy_make(pool, "iot", text);
    }
}


static void
test_find(void **state)
{
    char                text[64];
    ngx_str_t           name, file;
    ngx_uint_t          i;
    ngx_mtls_group_t   *group;

    policy = ngx_mtls_policy_create(pool);
    file = str("nginx.conf");

    for (i = 0; i < 3000; i++) {
        name.len = sprintf(text, "group_%d", (int) i);
        name.data = ngx_pnalloc(pool, name.len);
        assert_non_null(name.data);
        ngx_memcpy(name.data, text, name.len);

        assert_int_equal(ngx_mtls_policy_add(policy, &name, &file, i, &group,
                                             &err),
                         NGX_OK);
        assert_int_equal(group->index, i);
    }

    assert_int_equal(ngx_mtls_policy_ngroups(policy), 3000);

    for (i = 0; i < 3000; i++) {
        name = str(text);
        name.len = sprintf(text, "group_%d", (int) i);
        group = ngx_mtls_policy_find(policy, &name);
        assert_ptr_equal(group, ngx_mtls_policy_group(policy, i));
    }

    name = str("group_3000");
    assert_null(ngx_mtls_policy_find(policy, &name));
}


static void
test_patterns(void **state)
{
    ngx_mtls_line_t  *line;

    policy = policy_make(pool, "", "mtls_group g\n"
                         "dns c.example ~x b.example ^~y C.example *.z.example"
                         " a.bc\n");
    line = ngx_mtls_policy_group(policy, 0)->lines.elts;

    assert_int_equal(line->nexact, 3);
    assert_int_equal(line->npatterns, 6);
    assert_str_equal(&line->patterns[0].value, "a.bc");
    assert_str_equal(&line->patterns[1].value, "b.example");
    assert_str_equal(&line->patterns[2].value, "c.example");
    assert_int_equal(line->patterns[5].match, NGX_MTLS_MATCH_REGEX);
    assert_str_equal(&line->text, "dns c.example ~x b.example ^~y C.example "
                     "*.z.example a.bc");
}


static void
test_regex_warnings(void **state)
{
    static struct {
        const char  *regex;
        ngx_uint_t   warned;
    } t[] = {
        { "~.*", 1 }, { "~.+", 1 }, { "~*.*", 1 }, { "~^.*$", 1 },
        { "~[^/]*", 0 }, { "~.*x.*", 0 }, { "~\\S*", 1 }, { "~.", 0 },
        { "~.*\\.example", 0 }, { "~(?s).*|y", 1 }, { "~x|0.*|\\.\\..*", 1 }
    };

    char        text[256];
    ngx_uint_t  i;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        shim_log_clear();

        (void) snprintf(text, sizeof(text), "mtls_group g\ndns a.b\n"
                        "not subject cn x %s\n", t[i].regex);
        policy = policy_make(pool, "", text);

        if (shim_log_count() != t[i].warned) {
            fail_msg("%s: %s", t[i].regex, shim_log_last());
        }

        if (t[i].warned) {
            assert_int_equal(shim_log_level(), NGX_LOG_WARN);
            assert_non_null(strstr(shim_log_last(), "in group \"g\" seems to "
                                   "match any value"));
            assert_non_null(strstr(shim_log_last(), "in nginx.conf:3"));
        }
    }
}


static void
test_identity_warnings(void **state)
{
    char        text[8192], *p;
    ngx_uint_t  i;

    (void) policy_make(pool, "", "mtls_group a\ndns a.b\nidentity a:$mtls_spki"
                       "\nmtls_group b\ndns a.b\nidentity b:$mtls_spki\n"
                       "mtls_group c\ndns a.b\n");
    assert_int_equal(shim_log_count(), 0);

    (void) policy_make(pool, "", "mtls_group a\ndns a.b\n"
                       "identity tpp:x:$mtls_spki\n"
                       "mtls_group b\ndns a.b\nidentity tpp:$mtls_spki\n"
                       "mtls_group c\ndns a.b\nidentity tpp:y\n");
    assert_int_equal(shim_log_count(), 2);
    assert_int_equal(shim_log_level(), NGX_LOG_WARN);
    assert_true(shim_log_has("identities of groups \"b\" and \"a\" may be "
                             "spelled alike, as they begin with \"tpp:\" and "
                             "\"tpp:x:\"; begin each with a literal of its "
                             "own, in nginx.conf:6 and nginx.conf:3"));
    assert_true(shim_log_has("\"b\" and \"c\" may be spelled alike"));

    shim_log_clear();

    p = text;
    for (i = 0; i < 20; i++) {
        p += sprintf(p, "mtls_group g%d\ndns a.b\nidentity $mtls_spki\n",
                     (int) i);
    }

    (void) policy_make(pool, "", text);
    assert_int_equal(shim_log_count(), 9);
    assert_non_null(strstr(shim_log_last(), "of 11 more pairs"));
}


static void
test_counts(void **state)
{
    policy = policy_make(pool, "iot", "mtls_group a\ndns a.b\n"
                         "mtls_group b\ndns ^~a\n"
                         "mtls_group c\nnot dns a.b\n"
                         "mtls_group d\nca any\n"
                         "mtls_group e\nca iot\ndns ~a\n"
                         "mtls_group f\ngroup b\n"
                         "mtls_group g\ndns a.b ~c\n");
    assert_int_equal(shim_log_count(), 1);
    assert_int_equal(shim_log_level(), NGX_LOG_NOTICE);
    assert_string_equal(shim_log_last(), "4 of 7 mtls groups have no exact "
                        "line and are tried one by one");

    /* reached by a deny, through it, and by "not group" */

    shim_log_clear();

    policy = policy_make(pool, "", "mtls_group a\ndns a.b\n"
                         "mtls_group b\ngroup a\n"
                         "mtls_group c\ndns a.b\n"
                         "mtls_group d\ndns a.b\n"
                         "mtls_group e\nnot group d\ndns x.y\n"
                         "mtls_group f\ngroup e\n"
                         "mtls_deny b\n");
    assert_int_equal(shim_log_count(), 1);
    assert_string_equal(shim_log_last(), "3 of 6 mtls groups are evaluated in "
                        "full because an \"mtls_deny\" or a \"not group\" "
                        "reaches them");

    assert_true(ngx_mtls_policy_group(policy, 0)->full);
    assert_true(ngx_mtls_policy_group(policy, 1)->full);
    assert_false(ngx_mtls_policy_group(policy, 2)->full);
    assert_true(ngx_mtls_policy_group(policy, 3)->full);
    assert_false(ngx_mtls_policy_group(policy, 4)->full);
    assert_false(ngx_mtls_policy_group(policy, 5)->full);
}


/* each allocation fails once: an error, and nothing lost or used */

static void
test_memory(void **state)
{
    ngx_int_t    rc;
    ngx_uint_t   i;
    ngx_pool_t  *p;

    static char  text[] = "mtls_group a\ndns a.b ~(?<x>.*)y *.c\nca iot\n"
                          "eku clientAuth\nidentity a:$x/$mtls_spki\n"
                          "mtls_group b\ngroup a\nip 10.0.0.0/8 10.0.0.1\n"
                          "mtls_group c\nnot group b\nserial ^~0A\n"
                          "identity b:$mtls_subject_cn\n";

    for (i = 1; /* void */ ; i++) {
        p = shim_pool();

        shim_alloc_fail(i);
        rc = policy_try(p, "iot", text, &policy, &err);
        shim_alloc_fail(0);

        ngx_destroy_pool(p);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
    }

    assert_true(i > 20);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cycles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ca, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_regex_warnings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity_warnings, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
