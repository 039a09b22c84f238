
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of the policy: certificates made from a few words, and groups
 * made from text.
 */


#ifndef _FACTS_H_INCLUDED_
#define _FACTS_H_INCLUDED_


#include "shim.h"

#include <ngx_mtls_group.h>
#include <ngx_mtls_pattern.h>


#define lit(s)       s, sizeof(s) - 1

#define FACTS_WORDS  5100     /* on one line of a group */


typedef struct {
    u_char       data[NGX_MTLS_CERT_MAX];
    size_t       len;
} facts_der_t;


/* what a certificate is made of: contents of its parts */
typedef struct {
    facts_der_t  issuer;
    facts_der_t  subject;
    facts_der_t  san;
    facts_der_t  eku;
    facts_der_t  policies;
    u_char       serial;
} facts_cert_t;


static inline ngx_str_t
str(const char *text)
{
    ngx_str_t  s;

    s.len = strlen(text);
    s.data = (u_char *) text;

    return s;
}


static inline void
put(facts_der_t *der, ngx_uint_t tag, const void *data, size_t len)
{
    u_char  *p;

    assert_true(der->len + len + 4 < sizeof(der->data));

    p = der->data + der->len;

    *p++ = (u_char) tag;

    if (len < 0x80) {
        *p++ = (u_char) len;

    } else if (len < 0x100) {
        *p++ = 0x81;
        *p++ = (u_char) len;

    } else {
        *p++ = 0x82;
        *p++ = (u_char) (len >> 8);
        *p++ = (u_char) len;
    }

    p = ngx_cpymem(p, data, len);

    der->len = p - der->data;
}


static inline void
put_oid(facts_der_t *der, const char *text)
{
    u_char  oid[NGX_MTLS_OID_LEN];
    size_t  len;

    len = ngx_mtls_oid_parse((u_char *) text, strlen(text), '.', oid);
    assert_int_not_equal(len, 0);

    put(der, NGX_MTLS_DER_OID, oid, len);
}


/* one AttributeTypeAndValue, by the short name of its type */

static inline void
put_ava(facts_der_t *set, const char *name, ngx_uint_t tag, const void *data,
    size_t len)
{
    ngx_str_t    s, oid;
    facts_der_t  ava;

    s = str(name);
    assert_int_equal(ngx_mtls_name_oid(&s, &oid), NGX_OK);

    ava.len = 0;
    put(&ava, NGX_MTLS_DER_OID, oid.data, oid.len);
    put(&ava, tag, data, len);

    put(set, NGX_MTLS_DER_SEQUENCE, ava.data, ava.len);
}


/* one RDN of one attribute */

static inline void
put_rdn(facts_der_t *name, const char *type, ngx_uint_t tag, const void *data,
    size_t len)
{
    facts_der_t  set;

    set.len = 0;
    put_ava(&set, type, tag, data, len);
    put(name, NGX_MTLS_DER_SET, set.data, set.len);
}


static inline void
subject(facts_cert_t *c, const char *type, const char *value)
{
    put_rdn(&c->subject, type, NGX_MTLS_DER_UTF8, value, strlen(value));
}


static inline void
dns(facts_cert_t *c, const char *value)
{
    put(&c->san, NGX_MTLS_DER_CTX(2), value, strlen(value));
}


static inline void
uri(facts_cert_t *c, const char *value)
{
    put(&c->san, NGX_MTLS_DER_CTX(6), value, strlen(value));
}


static inline void
put_extension(facts_der_t *list, const char *oid, facts_der_t *content)
{
    facts_der_t  seq, ext;

    if (content->len == 0) {
        return;
    }

    seq.len = 0;
    put(&seq, NGX_MTLS_DER_SEQUENCE, content->data, content->len);

    ext.len = 0;
    put_oid(&ext, oid);
    put(&ext, NGX_MTLS_DER_OCTETSTRING, seq.data, seq.len);

    put(list, NGX_MTLS_DER_SEQUENCE, ext.data, ext.len);
}


static inline facts_cert_t *
cert_new(void)
{
    facts_cert_t  *c;

    c = calloc(1, sizeof(facts_cert_t));
    assert_non_null(c);

    c->serial = 1;
    put_rdn(&c->issuer, "cn", NGX_MTLS_DER_UTF8, lit("Issuer"));

    return c;
}


static inline void
cert_encode(facts_cert_t *c, facts_der_t *whole)
{
    facts_der_t  tbs, list, part;

    static u_char  alg[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
    static u_char  key[33] = { 0, 1, 2, 3 };

    tbs.len = 0;

    put(&tbs, NGX_MTLS_DER_CTX_CONS(0), lit("\x02\x01\x02"));
    put(&tbs, NGX_MTLS_DER_INTEGER, &c->serial, 1);
    put(&tbs, NGX_MTLS_DER_SEQUENCE, alg, sizeof(alg));
    put(&tbs, NGX_MTLS_DER_SEQUENCE, c->issuer.data, c->issuer.len);

    part.len = 0;
    put(&part, NGX_MTLS_DER_UTCTIME, lit("200101000000Z"));
    put(&part, NGX_MTLS_DER_UTCTIME, lit("400101000000Z"));
    put(&tbs, NGX_MTLS_DER_SEQUENCE, part.data, part.len);

    put(&tbs, NGX_MTLS_DER_SEQUENCE, c->subject.data, c->subject.len);

    part.len = 0;
    put(&part, NGX_MTLS_DER_SEQUENCE, alg, sizeof(alg));
    put(&part, NGX_MTLS_DER_BITSTRING, key, sizeof(key));
    put(&tbs, NGX_MTLS_DER_SEQUENCE, part.data, part.len);

    list.len = 0;
    put_extension(&list, "2.5.29.17", &c->san);
    put_extension(&list, "2.5.29.37", &c->eku);
    put_extension(&list, "2.5.29.32", &c->policies);

    if (list.len != 0) {
        part.len = 0;
        put(&part, NGX_MTLS_DER_SEQUENCE, list.data, list.len);
        put(&tbs, NGX_MTLS_DER_CTX_CONS(3), part.data, part.len);
    }

    part.len = 0;
    put(&part, NGX_MTLS_DER_SEQUENCE, tbs.data, tbs.len);
    put(&part, NGX_MTLS_DER_SEQUENCE, alg, sizeof(alg));
    put(&part, NGX_MTLS_DER_BITSTRING, key, sizeof(key));

    whole->len = 0;
    put(whole, NGX_MTLS_DER_SEQUENCE, part.data, part.len);
}


/* the certificate as the policy sees it, without labels; ends "c" */

static inline ngx_mtls_facts_t *
cert_facts(ngx_pool_t *pool, facts_cert_t *c)
{
    ngx_str_t           der;
    facts_der_t        *whole;
    ngx_mtls_error_t    err;
    ngx_mtls_facts_t   *facts;

    whole = malloc(sizeof(facts_der_t));
    assert_non_null(whole);

    cert_encode(c, whole);
    free(c);

    der.len = whole->len;
    der.data = ngx_pnalloc(pool, der.len);
    assert_non_null(der.data);
    ngx_memcpy(der.data, whole->data, der.len);
    free(whole);

    facts = ngx_pcalloc(pool, sizeof(ngx_mtls_facts_t));
    assert_non_null(facts);

    facts->cert = ngx_pcalloc(pool, sizeof(ngx_mtls_certificate_t));
    assert_non_null(facts->cert);

    assert_int_equal(ngx_mtls_certificate_parse(pool, &der, NULL, facts->cert,
                                                &err),
                     NGX_OK);

    return facts;
}


/*
 * Adds the lines of text to a policy, as nginx would read them but for quotes
 * and ";": "group NAME" begins a group, "deny NAME" marks one, words are
 * separated by one space, "_" alone is an empty word.  Stops at an error.
 */

static inline ngx_int_t
policy_text(ngx_mtls_policy_t *policy, const char *text, ngx_mtls_error_t *err)
{
    size_t                    len;
    ngx_int_t                 rc;
    ngx_str_t                 file, *w;
    ngx_uint_t                line, n;
    const char               *p, *end;
    ngx_mtls_group_t         *group;

    static ngx_str_t          words[FACTS_WORDS];

    file = str("nginx.conf");
    group = NULL;
    line = 0;
    rc = NGX_OK;

    for (p = text; *p != '\0' && rc == NGX_OK; p = *end ? end + 1 : end) {
        end = strchrnul(p, '\n');
        line++;
        n = 0;

        while (p < end) {
            len = strcspn(p, " \n");

            if (len != 0) {
                assert_true(n < FACTS_WORDS);
                w = &words[n++];

                w->len = (len == 1 && *p == '_') ? 0 : len;
                w->data = ngx_pnalloc(policy->pool, w->len + 1);
                assert_non_null(w->data);
                *ngx_cpymem(w->data, p, w->len) = '\0';
            }

            p += len + (p + len < end);
        }

        if (n == 0) {
            continue;
        }

        if (ngx_strcmp(words[0].data, "mtls_group") == 0) {
            rc = ngx_mtls_policy_add(policy, &words[1], &file, line, &group,
                                     err);

        } else if (ngx_strcmp(words[0].data, "mtls_deny") == 0) {
            ngx_mtls_policy_deny(policy,
                                 ngx_mtls_policy_find(policy, &words[1]));

        } else {
            rc = ngx_mtls_policy_line(policy, group, words, n, &file, line,
                                      err);
        }
    }

    return rc;
}


/* a compiled policy; "labels" are separated by spaces */

static inline ngx_int_t
policy_try(ngx_pool_t *pool, const char *labels, const char *text,
    ngx_mtls_policy_t **policy, ngx_mtls_error_t *err)
{
    ngx_int_t   rc;
    ngx_str_t  *list;
    ngx_uint_t  n;

    *policy = ngx_mtls_policy_create(pool);
    assert_non_null(*policy);

    rc = policy_text(*policy, text, err);
    if (rc != NGX_OK) {
        return rc;
    }

    list = ngx_pcalloc(pool, 64 * sizeof(ngx_str_t));
    assert_non_null(list);

    for (n = 0; *labels != '\0'; n++) {
        assert_true(n < 64);
        list[n].data = (u_char *) labels;
        list[n].len = strcspn(labels, " ");
        labels += list[n].len;
        labels += (*labels == ' ');
    }

    return ngx_mtls_policy_compile(*policy, list, n, &shim_log, err);
}


static inline ngx_mtls_policy_t *
policy_make(ngx_pool_t *pool, const char *labels, const char *text)
{
    ngx_int_t           rc;
    ngx_mtls_error_t    err;
    ngx_mtls_policy_t  *policy;

    err.len = 0;

    rc = policy_try(pool, labels, text, &policy, &err);
    if (rc != NGX_OK) {
        fail_msg("policy refused: %.*s", (int) err.len, err.text);
    }

    return policy;
}


/* the value of a group by itself */

static inline ngx_int_t
group_value(ngx_mtls_policy_t *policy, const char *name,
    ngx_mtls_facts_t *facts)
{
    ngx_str_t          s;
    ngx_mtls_group_t  *group;

    s = str(name);

    group = ngx_mtls_policy_find(policy, &s);
    assert_non_null(group);

    return ngx_mtls_policy_evaluate_group(policy, group, facts, policy->pool,
                                          &shim_log);
}


#endif /* _FACTS_H_INCLUDED_ */
