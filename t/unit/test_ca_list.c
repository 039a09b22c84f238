
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The list of a CA file's certificates: what is made of them, and that
 * nothing of a list that somebody else made lies outside of it.
 */


#include "ca.h"

#include <ngx_mtls_ca_index.h>


static uint64_t  seed;


static uint64_t
random64(void)
{
    uint64_t  x;

    seed += 0x9e3779b97f4a7c15ULL;

    x = seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}


/* of certificates, which the caller keeps */

static ngx_int_t
make(X509 **x509, ngx_uint_t n, ngx_uint_t partial, ngx_mtls_ca_list_t *list)
{
    ngx_int_t        rc;
    ngx_uint_t       i;
    STACK_OF(X509)  *certs;

    certs = sk_X509_new_null();
    assert_non_null(certs);

    for (i = 0; i < n; i++) {
        assert_true(sk_X509_push(certs, x509[i]) > 0);
    }

    err.len = 0;
    rc = ngx_mtls_ca_list_make(certs, partial, pool, list, &err);

    sk_X509_free(certs);

    return rc;
}


#define good(list, partial, ...)                                             \
    assert_int_equal(make((X509 *[]) { __VA_ARGS__ },                        \
                          sizeof((X509 *[]) { __VA_ARGS__ })                 \
                          / sizeof(X509 *), partial, list),                  \
                     NGX_OK);                                                \
    assert_int_equal(ngx_mtls_ca_list_check(list), NGX_OK)


static u_char *
octets(ngx_mtls_ca_list_t *list, ngx_uint_t i)
{
    return (u_char *) list->records + list->records[i].offset;
}


static void
test_make(void **state)
{
    u_char                 hash[NGX_MTLS_HASH_LEN];
    uint32_t               name;
    ngx_str_t              der;
    ngx_uint_t             i;
    ngx_mtls_ca_cert_t     cert;
    ngx_mtls_ca_list_t     list;
    ngx_mtls_ca_record_t  *r;

    X509  *x509[] = { root.x509, inter.x509, own.x509 };

    good(&list, 0, root.x509, inter.x509, own.x509);
    assert_int_equal(list.n, 3);

    for (i = 0; i < 3; i++) {
        r = &list.records[i];

        assert_int_equal(r->len, i2d_X509(x509[i], NULL));
        assert_int_equal(r->size, r->len);
        assert_int_equal(r->anchor, X509_self_signed(x509[i], 1));
        assert_int_equal(r->reserved, 0);

        assert_int_equal(ngx_mtls_sha256(octets(&list, i), r->len, hash),
                         NGX_OK);
        assert_memory_equal(r->fingerprint, hash, NGX_MTLS_HASH_LEN);
        assert_memory_equal(r->hash, hash, NGX_MTLS_HASH_LEN);

        assert_int_equal(ngx_mtls_ca_name(X509_get_subject_name(x509[i]),
                                          &name),
                         NGX_OK);
        assert_int_equal(r->name, name);
        assert_int_equal(ngx_mtls_ca_name(X509_get_issuer_name(x509[i]),
                                          &name),
                         NGX_OK);
        assert_int_equal(r->issuer, name);

        der.data = octets(&list, i);
        der.len = r->len;
        assert_int_equal(ngx_mtls_ca_cert_parse(pool, &der, NULL, &cert, &err),
                         NGX_OK);
        assert_memory_equal(r->subject, cert.subject, NGX_MTLS_HASH_LEN);
        assert_memory_equal(r->fingerprint, cert.facts.fingerprint,
                            NGX_MTLS_HASH_LEN);
    }

    /* one lies behind the other, and nothing behind the last one */

    assert_int_equal(list.records[0].offset,
                     3 * sizeof(ngx_mtls_ca_record_t));
    assert_int_equal(list.records[2].offset + list.records[2].size, list.size);
}


static void
test_partial(void **state)
{
    X509                *mimic;
    ngx_mtls_ca_list_t   list;

    good(&list, 1, inter.x509, leaf.x509);
    assert_int_equal(list.records[0].anchor, 1);
    assert_int_equal(list.records[1].anchor, 1);

    /* the names of a self-signed one do not make one: its signature does */

    mimic = X509_dup(inter.x509);
    X509_set_issuer_name(mimic, X509_get_subject_name(mimic));
    good(&list, 0, root.x509, mimic);
    assert_int_equal(list.records[0].anchor, 1);
    assert_int_equal(list.records[1].anchor, 0);
    X509_free(mimic);
}


/* OpenSSL's own settings follow the certificate, which is what it was */

static void
test_aux(void **state)
{
    X509                  *x509;
    u_char                 hash[NGX_MTLS_HASH_LEN];
    const u_char          *p;
    ngx_mtls_ca_list_t     list;
    ngx_mtls_ca_record_t  *r;

    x509 = X509_dup(root.x509);
    X509_add1_reject_object(x509, OBJ_nid2obj(NID_client_auth));

    good(&list, 0, root.x509, x509);
    X509_free(x509);

    r = list.records;

    assert_memory_equal(r[0].fingerprint, r[1].fingerprint, NGX_MTLS_HASH_LEN);
    assert_memory_not_equal(r[0].hash, r[1].hash, NGX_MTLS_HASH_LEN);
    assert_int_equal(r[0].len, r[1].len);
    assert_true(r[1].size > r[1].len);
    assert_memory_equal(octets(&list, 0), octets(&list, 1), r[0].len);

    assert_int_equal(ngx_mtls_sha256(octets(&list, 1), r[1].size, hash),
                     NGX_OK);
    assert_memory_equal(r[1].hash, hash, NGX_MTLS_HASH_LEN);

    p = octets(&list, 1);
    x509 = d2i_X509_AUX(NULL, &p, r[1].size);
    assert_non_null(x509);
    assert_int_equal(sk_ASN1_OBJECT_num(X509_get0_reject_objects(x509)), 1);
    X509_free(x509);
}


/* all of a file or nothing, and the error says which one */

static void
test_malformed(void **state)
{
    X509                *x509;
    ngx_mtls_ca_list_t   list;

    x509 = X509_dup(other.x509);
    assert_int_equal(X509_set_version(x509, 3), 1);
    assert_true(i2d_re_X509_tbs(x509, NULL) > 0);

    assert_int_equal(make((X509 *[]) { root.x509, x509 }, 2, 0, &list),
                     NGX_DECLINED);
    assert_true(err_has("certificate 2 is malformed: "));
    assert_true(err_has("\"version\""));

    X509_free(x509);
}


static void
test_too_many(void **state)
{
    int                  i;
    STACK_OF(X509)      *certs;
    ngx_mtls_ca_list_t   list;

    certs = sk_X509_new_null();

    for (i = 0; i <= NGX_MTLS_CA_LIST_MAX; i++) {
        sk_X509_push(certs, root.x509);
    }

    assert_int_equal(ngx_mtls_ca_list_make(certs, 0, pool, &list, &err),
                     NGX_DECLINED);
    assert_true(err_has("more than 65536 certificates"));

    sk_X509_free(certs);
}


static void
test_none(void **state)
{
    ngx_mtls_ca_list_t  list;

    assert_int_equal(make(NULL, 0, 0, &list), NGX_OK);
    assert_int_equal(list.n, 0);
    assert_int_equal(list.size, 0);

    /* and it is no list that a table could have */

    assert_int_equal(ngx_mtls_ca_list_check(&list), NGX_ERROR);
}


/* a copy that ends where its memory ends */

static ngx_mtls_ca_list_t
copy(ngx_mtls_ca_list_t *list)
{
    ngx_mtls_ca_list_t  c;

    c = *list;
    c.records = malloc(list->size);
    assert_non_null(c.records);
    memcpy(c.records, list->records, list->size);

    return c;
}


static void
test_check(void **state)
{
    size_t               begin;
    ngx_uint_t           i;
    ngx_mtls_ca_list_t   list, c;

    good(&list, 0, root.x509, inter.x509);
    begin = 2 * sizeof(ngx_mtls_ca_record_t);

    struct {
        uint64_t   offset;
        uint32_t   size;
        uint32_t   len;
        uint32_t   anchor;
        ngx_int_t  rc;
    } cases[] = {
        { begin, 1, 1, 0, NGX_OK },
        { begin, 1, 0, 1, NGX_OK },
        { begin, list.size - begin, list.size - begin, 1, NGX_OK },
        { list.size, 0, 0, 0, NGX_OK },
        { list.size - 1, 1, 1, 1, NGX_OK },

        { begin - 1, 1, 1, 0, NGX_ERROR },
        { 0, 1, 1, 0, NGX_ERROR },
        { list.size, 1, 1, 0, NGX_ERROR },
        { list.size - 1, 2, 2, 0, NGX_ERROR },
        { list.size + 1, 0, 0, 0, NGX_ERROR },
        { begin, list.size - begin + 1, 1, 0, NGX_ERROR },
        { begin, 0xffffffff, 1, 0, NGX_ERROR },
        { begin, 0xffffffff, 0xffffffff, 0, NGX_ERROR },
        { begin, 1, 2, 0, NGX_ERROR },
        { begin, 0, 0xffffffff, 0, NGX_ERROR },

        /* sums that wrap */
        { UINT64_MAX, 1, 1, 0, NGX_ERROR },
        { UINT64_MAX, 0, 0, 0, NGX_ERROR },
        { UINT64_MAX - 10, 20, 20, 0, NGX_ERROR },
        { UINT64_MAX - 0xfffffffe, 0xffffffff, 1, 0, NGX_ERROR },
        { (uint64_t) 1 << 63, 1, 1, 0, NGX_ERROR },
        { (uint64_t) 1 << 32, 1, 1, 0, NGX_ERROR },

        /* an anchor is one or is none */
        { begin, 1, 1, 2, NGX_ERROR },
        { begin, 1, 1, 0x01000000, NGX_ERROR },
        { begin, 1, 1, 0xffffffff, NGX_ERROR },
    };

    for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        c = copy(&list);

        /* the first record, and the last one */

        c.records[i & 1].offset = cases[i / 2].offset;
        c.records[i & 1].size = cases[i / 2].size;
        c.records[i & 1].len = cases[i / 2].len;
        c.records[i & 1].anchor = cases[i / 2].anchor;

        if (ngx_mtls_ca_list_check(&c) != cases[i / 2].rc) {
            fail_msg("case %u", (unsigned) i / 2);
        }

        free(c.records);
    }
}


/* a number of records that the octets have no room for, if any */

static void
test_check_count(void **state)
{
    ngx_uint_t          i;
    ngx_mtls_ca_list_t  list, c;

    good(&list, 0, root.x509);

    ngx_uint_t  counts[] = {
        0, NGX_MTLS_CA_LIST_MAX + 1, (ngx_uint_t) -1,
        list.size / sizeof(ngx_mtls_ca_record_t) + 1,
        (ngx_uint_t) -1 / sizeof(ngx_mtls_ca_record_t),
        (ngx_uint_t) -1 / sizeof(ngx_mtls_ca_record_t) + 1,
        (ngx_uint_t) 1 << 63, ((ngx_uint_t) 1 << 32) + 1,
    };

    c = copy(&list);

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        c.n = counts[i];
        assert_int_equal(ngx_mtls_ca_list_check(&c), NGX_ERROR);
    }

    c.n = 1;
    assert_int_equal(ngx_mtls_ca_list_check(&c), NGX_OK);

    for (c.size = 0; c.size < list.size; c.size++) {
        assert_int_equal(ngx_mtls_ca_list_check(&c), NGX_ERROR);
    }

    assert_int_equal(ngx_mtls_ca_list_check(&c), NGX_OK);

    free(c.records);
}


/* octets of records set to anything: what is taken for good lies inside */

static void
test_check_random(void **state)
{
    u_char              hash[NGX_MTLS_HASH_LEN];
    ngx_uint_t          i, j, passed;
    ngx_mtls_ca_list_t  list, c;

    good(&list, 0, root.x509, inter.x509, other.x509);

    seed = 1;
    passed = 0;

    for (i = 0; i < 20000; i++) {
        c = copy(&list);

        for (j = 0; j < 1 + i % 3; j++) {
            ((u_char *) c.records)[random64()
                                   % (3 * sizeof(ngx_mtls_ca_record_t))]
                = (u_char) random64();
        }

        if (ngx_mtls_ca_list_check(&c) == NGX_OK) {
            passed++;

            for (j = 0; j < c.n; j++) {
                assert_int_equal(ngx_mtls_sha256(octets(&c, j),
                                                 c.records[j].size, hash),
                                 NGX_OK);
                assert_true(c.records[j].len <= c.records[j].size);
            }
        }

        free(c.records);
    }

    /* hashes may have any value, what is placed may not */

    assert_true(passed > 1000 && passed < 19000);
}


static void
test_memory(void **state)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_mtls_ca_list_t  list;

    for (i = 1; i < 1000; i++) {
        shim_alloc_fail(i);
        rc = make((X509 *[]) { root.x509, inter.x509 }, 2, 0, &list);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);

        if (!err_has("out of memory")) {
            fail_msg("allocation %u: %.*s", (unsigned) i, (int) err.len,
                     err.text);
        }
    }

    assert_true(i > 5 && i < 1000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_make),
        t(test_partial),
        t(test_aux),
        t(test_malformed),
        t(test_too_many),
        t(test_none),
        t(test_check),
        t(test_check_count),
        t(test_check_random),
        t(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
