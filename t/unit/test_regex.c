
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Regexes: whole values, captures, limits and what is refused.
 */


#include "shim.h"

#include <ngx_mtls_regex.h>


#define lit(s)    { sizeof(s) - 1, (u_char *) s }


static ngx_pool_t        *pool;
static ngx_mtls_error_t   err;


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

    return 0;
}


/* a copy without a spare octet, so that ASan sees one that is read too far */

static ngx_str_t
exact(const ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.len = s->len;
    copy.data = ngx_pnalloc(pool, s->len ? s->len : 1);
    assert_non_null(copy.data);
    ngx_memcpy(copy.data, s->data, s->len);

    return copy;
}


static ngx_mtls_regex_t *
compile(const char *pattern, ngx_uint_t caseless)
{
    ngx_str_t          s;
    ngx_mtls_regex_t  *re;

    s.len = strlen(pattern);
    s.data = (u_char *) pattern;
    s = exact(&s);

    err.len = 0;

    if (ngx_mtls_regex_compile(pool, &s, caseless, &re, &err) != NGX_OK) {
        return NULL;
    }

    return re;
}


static void
test_whole(void **state)
{
    static struct {
        const char  *pattern;
        ngx_uint_t   caseless;
        ngx_str_t    value;
        ngx_int_t    rc;
    } t[] = {
        { "alice", 0, lit("alice"), NGX_OK },
        { "alice", 0, lit("alice2"), NGX_DECLINED },
        { "alice", 0, lit("malice"), NGX_DECLINED },
        { "alice", 0, lit("Alice"), NGX_DECLINED },
        { "alice", 0, lit(""), NGX_DECLINED },
        { "alice", 1, lit("ALICE"), NGX_OK },
        { "^alice$", 0, lit("alice"), NGX_OK },
        { "a|ab", 0, lit("ab"), NGX_OK },
        { "^a|b$", 0, lit("ac"), NGX_DECLINED },
        { "^a|b$", 0, lit("b"), NGX_OK },

        /* neither "$" nor the end comes before a final line feed */
        { "alice", 0, lit("alice\n"), NGX_DECLINED },
        { "alice$", 0, lit("alice\n"), NGX_DECLINED },
        { "alice\\Z", 0, lit("alice\n"), NGX_DECLINED },
        { "(?=alice$).*", 0, lit("alice\n"), NGX_DECLINED },
        { "alice$\\n", 0, lit("alice\n"), NGX_DECLINED },
        { "(?m)alice$", 0, lit("alice\nevil"), NGX_DECLINED },

        /* "." is any octet */
        { "evil.*", 0, lit("evil\nx"), NGX_OK },
        { "a.b", 0, lit("a\0b"), NGX_OK },
        { ".", 0, lit("\xc3\xa4"), NGX_DECLINED },
        { "..", 0, lit("\xc3\xa4"), NGX_OK },

        /* caseless folds ASCII alone */
        { "\xc3\xa4", 1, lit("\xc3\xa4"), NGX_OK },
        { "\xc3\xa4", 1, lit("\xc3\x84"), NGX_DECLINED },

        /* verbs that end a match early do not make it a part */
        { "a(*ACCEPT)b", 0, lit("ab"), NGX_DECLINED },
        { "a(*ACCEPT)b", 0, lit("a"), NGX_OK },
        { "a\\Kb", 0, lit("ab"), NGX_OK },
        { "a\\Kb", 0, lit("abc"), NGX_DECLINED },

        { "", 0, lit(""), NGX_OK },
        { "", 0, lit("a"), NGX_DECLINED },
        { "[a-z]*", 0, lit(""), NGX_OK },
    };

    ngx_str_t          value;
    ngx_uint_t         i;
    ngx_mtls_regex_t  *re;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        re = compile(t[i].pattern, t[i].caseless);
        if (re == NULL) {
            fail_msg("%s: %.*s", t[i].pattern, (int) err.len, err.text);
        }

        value = exact(&t[i].value);

        if (ngx_mtls_regex_match(re, &value, 1, NULL) != t[i].rc) {
            fail_msg("%s on \"%.*s\", case %d", t[i].pattern,
                     (int) t[i].value.len, t[i].value.data, (int) i);
        }
    }
}


/* a prefix must change nothing: the same pattern, grouped, has none */

static void
test_prefix(void **state)
{
    static const char  *patterns[] = {
        "ab*c", "abb*c", "ab?c", "ab{0}c", "ab{2}c", "ab+c", "a\\.b", "a\\.?b",
        "a\\x62c", "a\\bb", "a|b", "ab|ac", "a(b|c)", "^ab", "^^ab", "ab$c?",
        "a[b]c", "[a]b", "(?i)ab", "a(?i)b", "a(?x) b", "(?x) a b", "a b",
        "a#b", "\\Qa.b\\E", "a\\/b", "a\\-b", "ab++c", "ab+?c", "ab*?c",
        "ab{,2}", "ab{1,2}", "ab{x", "a]b", "a}b", "\\Aab", "a\\Eb", "a\\E*b",
        "a(?#x)b", "a(?#x)*b", "ab\\E?c", "\\..*", ".*", "", "a\\\xc3\xa4"
    };
    static const char  *values[] = {
        "", "a", "b", "c", "ab", "ac", "abc", "abb", "abbc", "abbbc", "a.b",
        "aab", "aabb", "aB", "AB", "a b", "a#b", "a/b", "a-b", "ab{x", "ab{,2}",
        "a]b", "a}b", "abcc", "aaab", ".x", "a\xc3\xa4", "\\", "bc"
    };

    char               text[64];
    ngx_str_t          value;
    ngx_uint_t         i, k;
    ngx_mtls_regex_t  *re, *plain;

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        (void) snprintf(text, sizeof(text), "(?:%s)", patterns[i]);

        re = compile(patterns[i], 0);
        plain = compile(text, 0);

        assert_int_equal(re == NULL, plain == NULL);

        if (re == NULL) {
            continue;
        }

        for (k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            value.len = strlen(values[k]);
            value.data = (u_char *) values[k];

            if (ngx_mtls_regex_match(re, &value, 1, NULL)
                != ngx_mtls_regex_match(plain, &value, 1, NULL))
            {
                fail_msg("%s on \"%s\"", patterns[i], values[k]);
            }
        }
    }
}


static void
test_captures(void **state)
{
    ngx_str_t          value, captures[NGX_MTLS_REGEX_NAMES_MAX];
    ngx_str_t          unit = lit("unit"), model = lit("model"),
                       other = lit("mod");
    ngx_int_t          u, m;
    ngx_mtls_regex_t  *re;

    re = compile("urn:dev:(?<model>[a-z]+)(x)?(?::(?<unit>[0-9]*))?", 0);
    assert_non_null(re);

    u = ngx_mtls_regex_name(re, &unit);
    m = ngx_mtls_regex_name(re, &model);

    assert_true(u >= 0 && m >= 0 && u != m);
    assert_int_equal(ngx_mtls_regex_name(re, &other), NGX_DECLINED);

    value = (ngx_str_t) lit("urn:dev:pump:12");
    assert_int_equal(ngx_mtls_regex_match(re, &value, 1, captures), NGX_OK);
    assert_str_equal(&captures[m], "pump");
    assert_str_equal(&captures[u], "12");

    /* took part, but is empty */

    value = (ngx_str_t) lit("urn:dev:pump:");
    assert_int_equal(ngx_mtls_regex_match(re, &value, 1, captures), NGX_OK);
    assert_int_equal(captures[u].len, 0);
    assert_non_null(captures[u].data);

    /* took no part, after one that did */

    value = (ngx_str_t) lit("urn:dev:pump");
    assert_int_equal(ngx_mtls_regex_match(re, &value, 1, captures), NGX_OK);
    assert_str_equal(&captures[m], "pump");
    assert_null(captures[u].data);
    assert_int_equal(captures[u].len, 0);

    /* took no part, before one that did */

    re = compile("(?:a(?<model>x)|b)(?<unit>y)", 0);
    assert_non_null(re);
    u = ngx_mtls_regex_name(re, &unit);
    m = ngx_mtls_regex_name(re, &model);

    value = (ngx_str_t) lit("by");
    assert_int_equal(ngx_mtls_regex_match(re, &value, 1, captures), NGX_OK);
    assert_null(captures[m].data);
    assert_str_equal(&captures[u], "y");
}


static void
test_names(void **state)
{
    char        pattern[4096], *p;
    ngx_str_t   value, captures[NGX_MTLS_REGEX_NAMES_MAX];
    ngx_uint_t  i;

    p = pattern;
    for (i = 0; i < NGX_MTLS_REGEX_NAMES_MAX; i++) {
        p += sprintf(p, "(?<n%c>%c)", 'a' + (int) i, 'a' + (int) i);
    }

    value.data = (u_char *) "abcdefghijklmnop";
    value.len = NGX_MTLS_REGEX_NAMES_MAX;

    assert_int_equal(ngx_mtls_regex_match(compile(pattern, 0), &value, 1,
                                          captures),
                     NGX_OK);

    for (i = 0; i < NGX_MTLS_REGEX_NAMES_MAX; i++) {
        assert_int_equal(captures[i].len, 1);
        assert_int_equal(captures[i].data[0], 'a' + i);
    }

    (void) strcpy(p, "(?<nz>z)");
    assert_null(compile(pattern, 0));

    /* the match data has room for as many groups as a pattern may have */

    p = pattern;
    for (i = 0; i < 254; i++) {
        p += sprintf(p, "(a)");
    }

    (void) strcpy(p, "(?<last>b)");
    value.data = ngx_pnalloc(pool, 255);
    value.len = 255;
    ngx_memset(value.data, 'a', 254);
    value.data[254] = 'b';

    assert_int_equal(ngx_mtls_regex_match(compile(pattern, 0), &value, 1,
                                          captures),
                     NGX_OK);
    assert_str_equal(&captures[0], "b");

    (void) strcpy(p, "(?<last>b)(c)");
    assert_null(compile(pattern, 0));
}


static void
test_refused(void **state)
{
    static struct {
        const char  *pattern;
        const char  *text;
    } t[] = {
        { "a(b", "regex \"a(b\" is wrong at offset 3: missing closing "
          "parenthesis" },
        { "[z-a]", "out of order" },
        { "(?<mtls_x>a)", "reserved name" },
        { "(?<a>x)(?<a>y)", "two named subpatterns have the same name" },
        { "(?J)(?<a>x)(?<a>y)", "capture \"a\" occurs twice" },
        { "(*UTF)a", "UTF" },
        { "(*UCP)a", "UCP" },
        { "a\\Cb", "\\C" },
    };

    char        text[sizeof(err.text) + 1];
    ngx_uint_t  i;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_null(compile(t[i].pattern, 0));

        (void) snprintf(text, sizeof(text), "%.*s", (int) err.len, err.text);

        if (strstr(text, t[i].text) == NULL) {
            fail_msg("%s: %s", t[i].pattern, text);
        }
    }
}


static void
test_limits(void **state)
{
    static const char  *patterns[] = {
        "(a+)+$", "(?:a|aa)+b", "(.*.*.*.*.*.*x)*", "(*NO_JIT)(a+)+$",
        "(*NO_JIT)(?:(?:a?)*)*b", "(*NO_JIT)(?:a|aa)+b"
    };

    ngx_str_t          value;
    ngx_uint_t         i;
    ngx_mtls_regex_t  *re;

    /* the end is there, so that PCRE2 cannot tell at once */

    value.data = ngx_pnalloc(pool, 20002);
    value.len = 20002;
    ngx_memset(value.data, 'a', 20000);
    value.data[20000] = '!';
    value.data[20001] = 'b';

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        re = compile(patterns[i], 0);
        assert_non_null(re);

        if (ngx_mtls_regex_match(re, &value, 1, NULL) != NGX_BUSY) {
            fail_msg("%s", patterns[i]);
        }
    }

    /* which leaves nothing behind */

    value.len = 40;
    assert_int_equal(ngx_mtls_regex_match(compile("a{40}", 0), &value, 1,
                                          NULL),
                     NGX_OK);

    /* a pattern may lower the limits, not raise them */

    value.len = 20002;
    re = compile("(*LIMIT_MATCH=4000000000)(a+)+$", 0);
    assert_non_null(re);
    assert_int_equal(ngx_mtls_regex_match(re, &value, 1, NULL), NGX_BUSY);
}


/* many values have less each than one alone, but never nothing */

static void
test_share(void **state)
{
    ngx_str_t          value;
    ngx_int_t          one, many;
    ngx_uint_t         n, differ;
    ngx_mtls_regex_t  *re;

    re = compile("(a+)+$", 0);
    assert_non_null(re);

    value.data = (u_char *) "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b";
    differ = 0;

    for (n = 0; n < 30; n++) {
        value.len = 32 - n;

        one = ngx_mtls_regex_match(re, &value, 1, NULL);
        many = ngx_mtls_regex_match(re, &value, 4096, NULL);

        assert_true(one == many || (one == NGX_DECLINED && many == NGX_BUSY));
        differ += (one != many);

        value.data++;
    }

    assert_true(differ > 1 && differ < 20);
    assert_int_equal(many, NGX_DECLINED);

    value.data = (u_char *) "ab/cd/ef/gh/ij/kl/mn/op/x";
    value.len = 25;
    assert_int_equal(ngx_mtls_regex_match(compile("(?:[a-z]+/)*x", 0), &value,
                                          1000000, NULL),
                     NGX_OK);
}


static void
test_memory(void **state)
{
    ngx_int_t          rc;
    ngx_str_t          pattern = lit("^urn:(?<a>x)");
    ngx_uint_t         i;
    ngx_mtls_regex_t  *re;

    for (i = 1; /* void */ ; i++) {
        shim_alloc_fail(i);
        rc = ngx_mtls_regex_compile(pool, &pattern, 0, &re, &err);
        shim_alloc_fail(0);

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
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_captures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
