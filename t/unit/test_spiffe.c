
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * SPIFFE: the examples of the standards, IDs that break each of their rules,
 * and certificates that say more than they may.
 */


#include "x509.h"

#include <ngx_mtls_spiffe.h>


#define USAGE  "2.5.29.15"
#define BASIC  "2.5.29.19"
#define SAN    "2.5.29.17"

#define ID     "spiffe://example.org/web"


/* a text of "head", "n" times "a", and "tail" */

static ngx_str_t
stretch(const char *head, ngx_uint_t n, const char *tail)
{
    u_char     *p;
    ngx_str_t   s;

    p = ngx_pnalloc(pool, strlen(head) + n + strlen(tail) + 1);
    assert_non_null(p);

    s.data = p;
    p = ngx_cpymem(p, head, strlen(head));
    ngx_memset(p, 'a', n);
    p = ngx_cpymem(p + n, tail, strlen(tail));
    s.len = p - s.data;

    return s;
}


/* NULL where "want" is so, else a text that has it */

static void
same(const char *what, ngx_str_t *s, const char *wrong, const char *want)
{
    if (wrong == NULL && want == NULL) {
        return;
    }

    if (wrong == NULL || want == NULL || strstr(wrong, want) == NULL) {
        fail_msg("%s \"%.*s\": \"%s\" instead of \"%s\"", what, (int) s->len,
                 s->data, wrong ? wrong : "", want ? want : "");
    }
}


static void
test_id(void **state)
{
    ngx_str_t           s;
    ngx_uint_t          i;
    ngx_mtls_spiffe_t   spiffe;

    struct {
        ngx_str_t    id;
        const char  *wrong;
    } t[] = {

        /* SPIFFE-ID 2 */

        { S("spiffe://trust-domain-name/path"), NULL },
        { S("spiffe://staging.example.com/payments/mysql"), NULL },
        { S("spiffe://staging.example.com/payments/web-fe"), NULL },
        { S("spiffe://k8s-west.example.com/ns/staging/sa/default"), NULL },
        { S("spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453"),
          NULL },

        /* that of a trust domain, and what a trust domain may be called */

        { S("spiffe://example.org"), NULL },
        { S("spiffe://trust_domain_name.example.com"), NULL },
        { S("spiffe://192.0.2.1/a"), NULL },
        { S("spiffe://_/-"), NULL },
        { S("spiffe://a.-_0/A.z-_09"), NULL },

        /* dots that are no relative segments */

        { S("spiffe://a/..."), NULL },
        { S("spiffe://a/.b"), NULL },
        { S("spiffe://a/..b/c."), NULL },

        /* the scheme */

        { S(""), "does not begin" },
        { S("spiffe"), "does not begin" },
        { S("spiffe:"), "does not begin" },
        { S("spiffe:/a/b"), "does not begin" },
        { S("spiffe:a/b"), "does not begin" },
        { S("SPIFFE://a/b"), "does not begin" },
        { S("https://a/b"), "does not begin" },
        { S(" spiffe://a/b"), "does not begin" },

        /* the trust domain: 2.1 */

        { S("spiffe://"), "trust domain is empty" },
        { S("spiffe:///b"), "trust domain is empty" },
        { S("spiffe://A/b"), "lower case" },
        { S("spiffe://eXample.org/b"), "lower case" },
        { S("spiffe://a:80/b"), "colon" },
        { S("spiffe://a:/b"), "colon" },
        { S("spiffe://[::1]/b"), "other characters than [a-z" },
        { S("spiffe://user@a/b"), "user information" },
        { S("spiffe://u:p@a/b"), "colon" },
        { S("spiffe://@a/b"), "user information" },
        { S("spiffe://a%2eb/c"), "percent" },
        { S("spiffe://a b/c"), "other characters than [a-z" },
        { S("spiffe://a*/c"), "other characters than [a-z" },
        { S("spiffe://m\xc3\xbcller/c"), "other characters than [a-z" },
        { S("spiffe://a\0b/c"), "other characters than [a-z" },
        { S("spiffe://a?b/c"), "query" },
        { S("spiffe://a#b/c"), "fragment" },

        /* the path: 2.2 */

        { S("spiffe://a/"), "segment of the path is empty" },
        { S("spiffe://a/b/"), "segment of the path is empty" },
        { S("spiffe://a//b"), "segment of the path is empty" },
        { S("spiffe://a/b//c"), "segment of the path is empty" },
        { S("spiffe://a/."), "relative" },
        { S("spiffe://a/.."), "relative" },
        { S("spiffe://a/b/../c"), "relative" },
        { S("spiffe://a/./b"), "relative" },
        { S("spiffe://a/b%2fc"), "percent" },
        { S("spiffe://a/%"), "percent" },
        { S("spiffe://a/b?"), "query" },
        { S("spiffe://a/b?c=d"), "query" },
        { S("spiffe://a/b#c"), "fragment" },
        { S("spiffe://a/b:c"), "colon" },
        { S("spiffe://a/b c"), "other characters than [a-zA-Z" },
        { S("spiffe://a/b\\c"), "other characters than [a-zA-Z" },
        { S("spiffe://a/*"), "other characters than [a-zA-Z" },
        { S("spiffe://a/b\n"), "other characters than [a-zA-Z" },
        { S("spiffe://a/\xc3\xa4"), "other characters than [a-zA-Z" },
        { S("spiffe://a/b\0"), "other characters than [a-zA-Z" },

        /* 2.3 */

        { stretch("spiffe://", 255, "/b"), NULL },
        { stretch("spiffe://", 256, "/b"), "longer than 255" },
        { stretch("spiffe://a/", 2037, ""), NULL },
        { stretch("spiffe://a/", 2038, ""), "longer than 2048" },
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        same("id", &t[i].id, ngx_mtls_spiffe_id(&t[i].id, &spiffe),
             t[i].wrong);
    }

    s = S("spiffe://example.org/ns/a");
    assert_null(ngx_mtls_spiffe_id(&s, &spiffe));
    assert_int_equal(spiffe.id.len, s.len);
    assert_int_equal(spiffe.trust_domain.len, strlen("example.org"));
    assert_memory_equal(spiffe.trust_domain.data, "example.org/", 12);
    assert_int_equal(spiffe.path.len, strlen("/ns/a"));
    assert_memory_equal(spiffe.path.data, "/ns/a", 5);

    s = S("spiffe://example.org");
    assert_null(ngx_mtls_spiffe_id(&s, &spiffe));
    assert_int_equal(spiffe.path.len, 0);
}


static void
test_pattern(void **state)
{
    ngx_uint_t          i;
    ngx_mtls_spiffe_t   spiffe;

    struct {
        ngx_str_t    text;
        const char  *wrong;
    } t[] = {
        { S("spiffe://a/b"), NULL },
        { S("spiffe://a/*"), NULL },
        { S("spiffe://a/**"), NULL },
        { S("spiffe://a/ns/*/sa/*"), NULL },
        { S("spiffe://a/ns/*/**"), NULL },

        { S("spiffe://a"), "no path" },
        { S("spiffe://a/"), "empty" },
        { S("spiffe://a/**/"), "\"**\" is not the last segment" },
        { S("spiffe://a/**/b"), "\"**\" is not the last segment" },
        { S("spiffe://a/*/"), "empty" },
        { S("spiffe://a/***"), "whole segment" },
        { S("spiffe://a/*b"), "whole segment" },
        { S("spiffe://a/b*"), "other characters" },
        { S("spiffe://*/b"), "other characters" },
        { S("spiffe://**"), "other characters" },
        { S("spiffe://*.a/b"), "other characters" },
        { S("**"), "does not begin" },
        { S("spiffe://a/../*"), "relative" },
        { S("spiffe://A/*"), "lower case" },
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        same("pattern", &t[i].text,
             ngx_mtls_spiffe_pattern(&t[i].text, &spiffe), t[i].wrong);
    }
}


static void
test_regex(void **state)
{
    u_char      octets[NGX_MTLS_SPIFFE_DOMAIN_LEN];
    ngx_int_t   rc;
    ngx_str_t   s, domain;
    ngx_uint_t  i;

    static struct {
        const char  *regex;
        const char  *domain;
    } t[] = {
        { "^spiffe://prod\\.example/ns/(?<ns>[^/]+)/sa/.*$", "prod.example" },
        { "spiffe://a/.*", "a" },
        { "spiffe://a-b_c\\-0/.*", "a-b_c-0" },
        { "spiffe://a/(b|c)", "a" },
        { "spiffe://a/[|]", "a" },
        { "spiffe://a/[^]|]b", "a" },
        { "spiffe://a/[]|]b", "a" },
        { "spiffe://a/[\\]|]b", "a" },
        { "spiffe://a/b\\|c", "a" },
        { "spiffe://a/((b)|c)", "a" },

        { "", NULL },
        { "^", NULL },
        { "spiffe://", NULL },
        { "spiffe://a", NULL },
        { "spiffe:///b", NULL },
        { "spiffe://A/b", NULL },
        { "spiffe://prod.example/b", NULL },
        { "spiffe://[^/]+/b", NULL },
        { "spiffe://a?/b", NULL },
        { "spiffe://a+/b", NULL },
        { "spiffe://a\\w/b", NULL },
        { "spiffe://a\\", NULL },
        { "spiffe://(a|b)/c", NULL },
        { "spiffe://a/?b", NULL },
        { "spiffe://a/*b", NULL },
        { "spiffe://a/{0}b", NULL },
        { ".*spiffe://a/b", NULL },
        { "(spiffe://a/b)", NULL },
        { "^^spiffe://a/b", NULL },
        { "spiffe://a/b|spiffe://evil/.*", NULL },
        { "spiffe://a/b|", NULL },
        { "spiffe://a/(b)|c", NULL },
        { "spiffe://a/)|(", NULL },
        { "spiffe://a/[\\\\]|b[]]", NULL },
        { "spiffe://a/[^\\\\]|b[]]", NULL },
        { "spiffe://a/\\Q(\\E|b", NULL },
        { "spiffe://a/[\\Q]\\E]|b", NULL },
        { "spiffe://a/[[:alpha:]|b]", NULL },
    };

    domain.data = octets;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        s = str(t[i].regex);
        rc = ngx_mtls_spiffe_regex(&s, &domain);

        if (t[i].domain == NULL) {
            if (rc != NGX_DECLINED) {
                fail_msg("regex \"%s\": %d", t[i].regex, (int) rc);
            }

            continue;
        }

        if (rc != NGX_OK || domain.len != strlen(t[i].domain)
            || ngx_memcmp(domain.data, t[i].domain, domain.len) != 0)
        {
            fail_msg("regex \"%s\": %d \"%.*s\"", t[i].regex, (int) rc,
                     (int) domain.len, domain.data);
        }
    }

    s = stretch("spiffe://", 255, "/");
    assert_int_equal(ngx_mtls_spiffe_regex(&s, &domain), NGX_OK);
    s = stretch("spiffe://", 256, "/");
    assert_int_equal(ngx_mtls_spiffe_regex(&s, &domain), NGX_DECLINED);
}


static void
test_claim(void **state)
{
    ngx_int_t   rc;
    ngx_str_t   s, domain;
    ngx_uint_t  i;

    static struct {
        const char  *uri;
        const char  *domain;
    } t[] = {
        { "spiffe://a/b", "a" },
        { "spiffe://a", "a" },
        { "SPIFFE://Prod.Example/b", "Prod.Example" },
        { "spiffe://a:80/b", "a" },
        { "spiffe://u@a/b", "a" },
        { "spiffe://u:p@a:1/b", "a" },
        { "spiffe://x@y@a/b", "a" },
        { "spiffe://a?b", "a" },
        { "spiffe://a#b@c", "a" },
        { "spiffe://a/b@c", "a" },
        { "spiffe://a%2e/b", "a%2e" },
        { "spiffe://", "" },
        { "spiffe:", "" },
        { "spiffe:a/b", "" },
        { "spiffe:/a/b", "" },
        { "spiffe:///b", "" },

        { "", NULL },
        { "spiffe", NULL },
        { "spiffes://a/b", NULL },
        { "https://a/spiffe://b/c", NULL },
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        s = str(t[i].uri);
        rc = ngx_mtls_spiffe_claim(&s, &domain);

        if (t[i].domain == NULL) {
            assert_int_equal(rc, NGX_DECLINED);
            continue;
        }

        if (rc != NGX_OK || domain.len != strlen(t[i].domain)
            || ngx_memcmp(domain.data, t[i].domain, domain.len) != 0)
        {
            fail_msg("uri \"%s\": %d \"%.*s\"", t[i].uri, (int) rc,
                     (int) domain.len, domain.data);
        }
    }
}


static ngx_str_t
uri(const char *text)
{
    return element(CTX(6), str(text));
}


static ngx_str_t
critical(const char *id, ngx_str_t value)
{
    return der(SEQ, oid(id), S("\x01\x01\xff"), element(OCTETS, value));
}


/* a bit string of two octets: the number of the first bit is the highest */

static ngx_str_t
usage(u_char bits)
{
    u_char     octets[2];
    ngx_str_t  s;

    octets[0] = 0;
    octets[1] = bits;

    s.data = octets;
    s.len = 2;

    return element(BITS, s);
}


static ngx_mtls_svid_t *
judge(ngx_str_t extensions)
{
    x509_t                   x;
    ngx_mtls_svid_t         *svid, *again;
    ngx_mtls_certificate_t  *cert;

    cert = ngx_palloc(pool, sizeof(ngx_mtls_certificate_t));
    assert_non_null(cert);

    x509_init(&x);
    x.extensions = extensions;
    x509_parse(&x, cert);

    assert_int_equal(ngx_mtls_spiffe_svid(cert, &svid), NGX_OK);
    assert_int_equal(ngx_mtls_spiffe_svid(cert, &again), NGX_OK);
    assert_ptr_equal(svid, again);

    assert_true(svid->n <= 1);
    assert_true(svid->n == 1 || svid->wrong == NULL);
    assert_int_equal(svid->spiffe.id.data != NULL,
                     svid->n == 1 && svid->wrong == NULL);

    return svid;
}


static void
test_svid(void **state)
{
    ngx_str_t         good, name;
    ngx_uint_t        i;
    ngx_mtls_svid_t  *svid;

    good = critical(USAGE, usage(0x80));
    name = extension(SAN, der(SEQ, uri(ID)));

    struct {
        const char  *what;
        ngx_str_t    extensions;
        const char  *wrong;
    } t[] = {
        { "as SPIRE issues it", cat(good, name,
              critical(BASIC, S("\x30\x00"))), NULL },
        { "other names beside", cat(good, extension(SAN,
              der(SEQ, element(CTX(2), S("a.example")), uri(ID),
                  element(CTX(1), S("a@b"))))), NULL },
        { "keyEncipherment and keyAgreement too",
          cat(critical(USAGE, usage(0xa8)), name), NULL },
        { "critical name", cat(good,
              critical(SAN, der(SEQ, uri(ID)))), NULL },

        { "URI twice", cat(good, extension(SAN,
              der(SEQ, uri(ID), uri(ID)))), "more than one URI" },
        { "another URI behind", cat(good, extension(SAN,
              der(SEQ, uri(ID), uri("https://a/b")))), "more than one URI" },
        { "another URI before", cat(good, extension(SAN,
              der(SEQ, uri("https://a/b"), uri(ID)))), "more than one URI" },
        { "an empty URI behind", cat(good, extension(SAN,
              der(SEQ, uri(ID), uri("")))), "more than one URI" },
        { "a URI with a NUL", cat(good, extension(SAN,
              der(SEQ, element(CTX(6), S(ID "\0.evil"))))),
          "cannot be decoded" },
        { "a URI beyond ASCII", cat(good, extension(SAN,
              der(SEQ, element(CTX(6), S("spiffe://a/\xc3\xa4"))))),
          "cannot be decoded" },
        { "names that cannot be parsed", cat(good, extension(SAN,
              S("\x30\x05\x86\x09spi"))), "cannot be decoded" },
        { "names twice", cat(good, name, name), "cannot be decoded" },

        { "an ID that is wrong", cat(good, extension(SAN,
              der(SEQ, uri("spiffe://a/b/")))), "is empty" },
        { "a scheme in capitals", cat(good, extension(SAN,
              der(SEQ, uri("SPIFFE://a/b")))), "does not begin" },
        { "no authority", cat(good, extension(SAN,
              der(SEQ, uri("spiffe:a/b")))), "does not begin" },
        { "the ID of a trust domain", cat(good, extension(SAN,
              der(SEQ, uri("spiffe://example.org")))), "no path" },
        { "the root path", cat(good, extension(SAN,
              der(SEQ, uri("spiffe://example.org/")))), "is empty" },

        { "a CA", cat(good, name,
              critical(BASIC, S("\x30\x03\x01\x01\xff"))), "of a CA" },
        { "basicConstraints twice", cat(good, name,
              critical(BASIC, S("\x30\x00")), critical(BASIC,
              S("\x30\x00"))), "of a CA" },
        { "a CA, perhaps", cat(good, name,
              critical(BASIC, S("\x30\x03\x01\x01\x01"))), "of a CA" },

        { "no keyUsage", name, "no keyUsage" },
        { "keyUsage twice", cat(good, good, name), "no keyUsage" },
        { "not critical", cat(extension(USAGE, usage(0x80)), name),
          "not critical" },
        { "no digitalSignature", cat(critical(USAGE, usage(0x28)), name),
          "no digitalSignature" },
        { "keyUsage malformed", cat(critical(USAGE, S("\x04\x02\x00\x80")),
              name), "no digitalSignature" },
        { "keyCertSign", cat(critical(USAGE, usage(0x84)), name),
          "keyCertSign or cRLSign" },
        { "cRLSign", cat(critical(USAGE, usage(0x82)), name),
          "keyCertSign or cRLSign" },
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        svid = judge(t[i].extensions);

        assert_int_equal(svid->n, 1);
        same(t[i].what, &name, svid->wrong, t[i].wrong);
    }

    svid = judge(t[0].extensions);
    assert_int_equal(svid->spiffe.id.len, strlen(ID));
    assert_memory_equal(svid->spiffe.id.data, ID, strlen(ID));
    assert_memory_equal(svid->spiffe.path.data, "/web", 4);

    /* what does not speak of SPIFFE breaks no rule of it */

    assert_int_equal(judge(good)->n, 0);
    assert_int_equal(judge(extension(SAN, der(SEQ, uri("https://a/b"),
                                              uri("urn:x"))))->n, 0);
    assert_int_equal(judge(extension(SAN, der(SEQ, uri("spiffes://a"))))->n,
                     0);
}


/* one as SPIRE makes it */

static void
test_spire(void **state)
{
    ngx_str_t                s;
    ngx_mtls_svid_t         *svid;
    ngx_mtls_error_t         err;
    ngx_mtls_certificate_t   cert;

    s = x509_file("svid.pem", 0);
    assert_non_null(s.data);
    assert_int_equal(ngx_mtls_certificate_parse(pool, &s, NULL, &cert, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_spiffe_svid(&cert, &svid), NGX_OK);

    assert_int_equal(svid->n, 1);
    assert_null(svid->wrong);
    assert_int_equal(svid->spiffe.path.len, strlen("/ns/shop/sa/web"));
    assert_memory_equal(svid->spiffe.id.data,
                        "spiffe://example.org/ns/shop/sa/web",
                        svid->spiffe.id.len);
}


static void
test_memory(void **state)
{
    x509_t                   x;
    ngx_mtls_svid_t         *svid;
    ngx_mtls_certificate_t   cert;

    x509_init(&x);
    x.extensions = extension(SAN, der(SEQ, uri(ID)));
    x509_parse(&x, &cert);

    shim_alloc_fail(1);
    assert_int_equal(ngx_mtls_spiffe_svid(&cert, &svid), NGX_ERROR);
    shim_alloc_fail(0);

    assert_int_equal(ngx_mtls_spiffe_svid(&cert, &svid), NGX_OK);
    assert_non_null(svid->wrong);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pattern, setup, teardown),
        cmocka_unit_test_setup_teardown(test_regex, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_svid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
