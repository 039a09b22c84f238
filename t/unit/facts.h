
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

/* the three values, for tables */
#define F            NGX_MTLS_FALSE
#define T            NGX_MTLS_TRUE
#define U            NGX_MTLS_UNDEFINED

#define FACTS_WORDS   5100    /* on one line of a group */
#define FACTS_TEXTS   8192    /* policies between two facts_done() */
#define FACTS_LABELS  8


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
    u_char       key_usage;  /* 0: no such extension */
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


/* critical, of one octet of bits */

static inline void
put_key_usage(facts_der_t *list, u_char bits)
{
    u_char       octets[] = { 0x03, 0x02, 0x00, bits };
    facts_der_t  ext;

    if (bits == 0) {
        return;
    }

    ext.len = 0;
    put_oid(&ext, "2.5.29.15");
    put(&ext, NGX_MTLS_DER_BOOLEAN, lit("\xff"));
    put(&ext, NGX_MTLS_DER_OCTETSTRING, octets, sizeof(octets));

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
    put_key_usage(&list, c->key_usage);
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
 * Facts from words "KEY=VALUE": "dns", "uri", "email", "ip", "eku", "policy",
 * "spiffe" (an SVID's: "uri" and what goes with it), "serial" (of one octet,
 * decimal), "label" (a number, ascending), "rdn" of one set ("cn:a+ou:b"), else
 * an attribute of the subject.  In a value "\0" stands for a NUL, "\?" for an
 * octet that no type allows and "\_" for a space; "*N" after it repeats it.
 */

static inline void
cert_word(facts_cert_t *c, ngx_mtls_facts_t *facts, char *key, char *value)
{
    char          *p, *type, text[4096];
    u_char         address[16];
    size_t         len;
    ngx_uint_t     n;
    facts_der_t    set, id;

    n = 1;
    p = strrchr(value, '*');

    if (p != NULL && p[1] >= '0' && p[1] <= '9') {
        n = atoi(p + 1);
        *p = '\0';
    }

    len = 0;

    while (n-- != 0) {
        for (p = value; *p != '\0'; p++) {
            assert_true(len < sizeof(text));

            if (*p == '\\') {
                p++;
                text[len++] = (*p == '0') ? '\0' : (*p == '?') ? '\xff' : ' ';
                continue;
            }

            text[len++] = *p;
        }
    }

    if (strcmp(key, "dns") == 0) {
        put(&c->san, NGX_MTLS_DER_CTX(2), text, len);

    } else if (strcmp(key, "uri") == 0) {
        put(&c->san, NGX_MTLS_DER_CTX(6), text, len);

    } else if (strcmp(key, "spiffe") == 0) {
        put(&c->san, NGX_MTLS_DER_CTX(6), text, len);
        c->key_usage = 0x80;

    } else if (strcmp(key, "email") == 0) {
        put(&c->san, NGX_MTLS_DER_CTX(1), text, len);

    } else if (strcmp(key, "ip") == 0) {
        if (inet_pton(AF_INET, value, address) == 1) {
            put(&c->san, NGX_MTLS_DER_CTX(7), address, 4);

        } else {
            assert_int_equal(inet_pton(AF_INET6, value, address), 1);
            put(&c->san, NGX_MTLS_DER_CTX(7), address, 16);
        }

    } else if (strcmp(key, "eku") == 0) {
        put_oid(&c->eku, value);

    } else if (strcmp(key, "policy") == 0) {
        id.len = 0;
        put_oid(&id, value);
        put(&c->policies, NGX_MTLS_DER_SEQUENCE, id.data, id.len);

    } else if (strcmp(key, "serial") == 0) {
        c->serial = (u_char) atoi(value);

    } else if (strcmp(key, "label") == 0) {
        assert_true(facts->nlabels < FACTS_LABELS);
        facts->labels[facts->nlabels++] = atoi(value);

    } else if (strcmp(key, "rdn") == 0) {
        set.len = 0;

        for (type = strtok_r(value, "+", &key);
             type != NULL;
             type = strtok_r(NULL, "+", &key))
        {
            p = strchr(type, ':');
            *p++ = '\0';
            put_ava(&set, type, NGX_MTLS_DER_UTF8, p, strlen(p));
        }

        put(&c->subject, NGX_MTLS_DER_SET, set.data, set.len);

    } else {
        put_rdn(&c->subject, key, NGX_MTLS_DER_UTF8, text, len);
    }
}


static inline ngx_mtls_facts_t *
cert_text(ngx_pool_t *pool, const char *text)
{
    char              *copy, *word, *value, *state;
    ngx_uint_t        *labels;
    facts_cert_t      *c;
    ngx_mtls_facts_t   list, *facts;

    c = cert_new();

    labels = ngx_palloc(pool, FACTS_LABELS * sizeof(ngx_uint_t));
    assert_non_null(labels);

    list.labels = labels;
    list.nlabels = 0;

    copy = strdup(text);
    assert_non_null(copy);

    for (word = strtok_r(copy, " ", &state);
         word != NULL;
         word = strtok_r(NULL, " ", &state))
    {
        value = strchr(word, '=');
        assert_non_null(value);
        *value++ = '\0';

        cert_word(c, &list, word, value);
    }

    free(copy);

    facts = cert_facts(pool, c);
    facts->labels = labels;
    facts->nlabels = list.nlabels;

    return facts;
}


/* words must stay as long as the policy; facts_done() ends them */

static char        *facts_words[FACTS_TEXTS];
static ngx_uint_t   facts_nwords;


static inline void
facts_done(void)
{
    while (facts_nwords != 0) {
        free(facts_words[--facts_nwords]);
    }
}


/*
 * Adds the lines of text to a policy, as nginx would read them but for quotes
 * and ";": "mtls_group NAME" begins a group, "mtls_deny NAME" marks one, words
 * are separated by spaces, "_" alone is an empty word.  Stops at an error.
 */

static inline ngx_int_t
policy_text(ngx_mtls_policy_t *policy, const char *text, ngx_mtls_error_t *err)
{
    char              *dst;
    size_t             len;
    ngx_int_t          rc;
    ngx_str_t          file, *w;
    ngx_uint_t         line, n;
    const char        *p, *end;
    ngx_mtls_group_t  *group;

    static ngx_str_t   words[FACTS_WORDS];

    assert_true(facts_nwords < FACTS_TEXTS);

    dst = malloc(2 * strlen(text) + 1);
    assert_non_null(dst);
    facts_words[facts_nwords++] = dst;

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
                w->data = (u_char *) dst;
                dst = (char *) ngx_cpymem(dst, p, w->len);
                *dst++ = '\0';
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
    ngx_str_t   list[FACTS_LABELS];
    ngx_uint_t  n;

    *policy = ngx_mtls_policy_create(pool);
    if (*policy == NULL) {
        return NGX_ERROR;
    }

    rc = policy_text(*policy, text, err);
    if (rc != NGX_OK) {
        return rc;
    }

    for (n = 0; *labels != '\0'; n++) {
        assert_true(n < FACTS_LABELS);
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


/* whether an ascending list has an index */

static inline ngx_uint_t
has(ngx_uint_t *list, ngx_uint_t n, ngx_uint_t index)
{
    ngx_uint_t  i, found;

    found = 0;

    for (i = 0; i < n; i++) {
        assert_true(i == 0 || list[i - 1] < list[i]);
        found += (list[i] == index);
    }

    assert_int_equal(ngx_mtls_policy_has(list, n, index), found);

    return found;
}


/*
 * What evaluation as a whole finds is what each group is by itself; returns
 * whether it is so.
 */

static inline ngx_uint_t
agrees(ngx_pool_t *pool, ngx_mtls_policy_t *policy, ngx_mtls_facts_t *facts)
{
    ngx_int_t                  value;
    ngx_uint_t                 i;
    ngx_mtls_group_t          *group, *named;
    ngx_mtls_policy_result_t   result;

    assert_int_equal(ngx_mtls_policy_evaluate(policy, facts, pool, &shim_log,
                                              &result),
                     NGX_OK);

    named = NULL;

    for (i = 0; i < ngx_mtls_policy_ngroups(policy); i++) {
        group = ngx_mtls_policy_group(policy, i);

        value = ngx_mtls_policy_evaluate_group(policy, group, facts, pool,
                                               &shim_log);
        assert_int_not_equal(value, NGX_ERROR);

        if (has(result.groups, result.ngroups, i) != (value == T)
            || has(result.undefined, result.nundefined, i)
               != (value == U && group->full))
        {
            print_error("group %s is %d by itself\n", group->name.data,
                        (int) value);
            return 0;
        }

        if (value == T && group->identity != NULL && named == NULL) {
            named = group;
        }
    }

    return (result.identity_group == named
            && (result.identity.len != 0) == (named != NULL));
}


#endif /* _FACTS_H_INCLUDED_ */
