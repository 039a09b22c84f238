
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manifest with tables of CA files in it: they are mapped and shared, are
 * no CRLs, and no process waits for them.
 */


#include "publish.h"


static ngx_int_t
read_manifest(ngx_mtls_manifest_t *old, ngx_mtls_manifest_t **m)
{
    *m = NULL;

    return ngx_mtls_manifest_read(&conf.dir, zone, &conf.sources, old,
                                  &shim_log, m, &err);
}


static ngx_uint_t
kinds(ngx_mtls_manifest_t *m, ngx_uint_t kind)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < m->nslots; i++) {
        n += (m->slots[i].table->header->kind == kind);
    }

    return n;
}


static void
test_index(void **state)
{
    ngx_uint_t            i;
    ngx_mtls_slot_t     **found;
    ngx_mtls_source_t    *cas, *crls;
    ngx_mtls_manifest_t  *m;
    u_char                zeroes[NGX_MTLS_HASH_LEN], issuer[2][32];

    ngx_memzero(zeroes, sizeof(zeroes));

    cas = source_ca(certs(&root));
    finish();

    /* nothing but CAs: an index of nothing */

    memcpy(issuer[0], find(&root)->cert->subject, NGX_MTLS_HASH_LEN);

    tried(cas, 1);
    (void) compiled(cas, certs(&root, &inter));
    (void) compiled(cas, certs(&other));
    publish(1);

    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    assert_int_equal(m->nslots, 2);
    memcpy(issuer[1], m->slots[0].table->header->issuer, NGX_MTLS_HASH_LEN);

    for (i = 0; i < 2; i++) {
        assert_int_equal(ngx_mtls_manifest_find(m, issuer[i], NULL, &found),
                         0);
        assert_int_equal(ngx_mtls_manifest_find(m, issuer[i], zeroes, &found),
                         0);
    }

    ngx_mtls_manifest_destroy(m);

    /* a CRL of the same CA beside them */

    crls = source_of(NGX_MTLS_SOURCE_CRL,
                     pki_crl(dir, "a.crl", &root, &(pki_crl_t) { 0 }));
    tried(crls, 0);
    (void) compiled_crl(crls);
    publish(1);

    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    assert_int_equal(kinds(m, NGX_MTLS_TABLE_CA), 2);
    assert_int_equal(kinds(m, NGX_MTLS_TABLE_CRL), 1);

    assert_int_equal(ngx_mtls_manifest_find(m, issuer[0], NULL, &found), 1);
    assert_int_equal(found[0]->table->header->kind, NGX_MTLS_TABLE_CRL);
    assert_int_equal(ngx_mtls_manifest_find(m, issuer[0], zeroes, &found), 1);
    assert_int_equal(ngx_mtls_manifest_find(m, issuer[1], NULL, &found), 0);
    assert_int_equal(ngx_mtls_manifest_find(m, issuer[1], zeroes, &found), 0);

    ngx_mtls_manifest_destroy(m);
}


/* the configuration has CAs, of CRLs there is nothing before their turn */

static void
test_again(void **state)
{
    ngx_mtls_source_t    *first, *second, *crls;
    ngx_mtls_manifest_t  *m;

    first = source_ca(certs(&root));
    second = source_ca(certs(&other));
    finish();

    publish(0);
    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    assert_int_equal(m->nslots, 0);
    assert_null(ngx_mtls_manifest_attempted(m, first->key));
    ngx_mtls_manifest_destroy(m);

    /* one of them; what nobody says is tried is not taken either */

    tried(second, 2);
    (void) compiled(first, certs(&inter));
    (void) compiled(second, certs(&own));
    publish(1);
    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    assert_int_equal(m->nslots, 1);
    assert_memory_equal(m->slots[0].source, second->key, NGX_MTLS_HASH_LEN);
    assert_null(ngx_mtls_manifest_attempted(m, first->key));
    ngx_mtls_manifest_destroy(m);

    crls = source_of(NGX_MTLS_SOURCE_CRL,
                     pki_crl(dir, "a.crl", &root, &(pki_crl_t) { 0 }));

    assert_int_equal(read_manifest(NULL, &m), NGX_AGAIN);
    assert_null(m);

    tried(crls, 3);
    publish(1);
    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    ngx_mtls_manifest_destroy(m);
}


/* the generation of the last change, of each source; in whatever order */

static void
test_since(void **state)
{
    ngx_uint_t            i;
    ngx_mtls_source_t    *source[4];
    ngx_mtls_manifest_t  *m;

    static const uint64_t  since[] = { 7, 0, UINT64_MAX,
                                       (uint64_t) 1 << 32 };

    for (i = 0; i < 4; i++) {
        source[i] = source_ca(certs(&root));
    }

    for (i = 4; i-- > 0; /* void */ ) {
        tried(source[i], since[i]);
    }

    publish(1);
    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    assert_int_equal(m->nattempted, 4);

    for (i = 0; i < 4; i++) {
        assert_int_equal(ngx_mtls_manifest_attempted(m, source[i]->key)
                         ->since, since[i]);
    }

    ngx_mtls_manifest_destroy(m);
}


/* tables that stay are those that were mapped, whoever goes first */

static void
test_shared(void **state)
{
    ngx_mtls_source_t    *source;
    ngx_mtls_manifest_t  *one, *two;
    ngx_mtls_table_t     *table;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    (void) compiled(source, certs(&root, &inter));
    publish(1);
    assert_int_equal(read_manifest(NULL, &one), NGX_OK);

    table = one->slots[0].table;
    assert_int_equal(table->refs, 1);

    (void) compiled(source, certs(&other));
    publish(2);
    assert_int_equal(read_manifest(one, &two), NGX_OK);
    assert_int_equal(two->nslots, 2);
    assert_int_equal(table->refs, 2);
    assert_int_equal(one->nslots, 1);

    ngx_mtls_manifest_destroy(one);
    assert_int_equal(table->refs, 1);
    assert_int_equal(table->header->nrecords, 2);
    assert_true(two->slots[0].table == table || two->slots[1].table == table);

    ngx_mtls_manifest_destroy(two);
}


/* a table that is not what was published: no manifest */

static void
test_tampered(void **state)
{
    int                   fd;
    char                  name[256];
    u_char                octet;
    size_t                i;
    ngx_mtls_slot_t      *slot;
    ngx_mtls_source_t    *source;
    ngx_mtls_manifest_t  *m;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    slot = compiled(source, certs(&root));
    snprintf(name, sizeof(name), "%s/%s", dir, slot->name);
    publish(1);

    fd = open(name, O_RDWR);
    assert_int_not_equal(fd, -1);

    for (i = 0; i < sizeof(ngx_mtls_table_header_t); i++) {
        assert_int_equal(pread(fd, &octet, 1, i), 1);
        octet ^= 0x40;
        assert_int_equal(pwrite(fd, &octet, 1, i), 1);

        assert_int_equal(read_manifest(NULL, &m), NGX_DECLINED);
        assert_true(err_has(name));

        octet ^= 0x40;
        assert_int_equal(pwrite(fd, &octet, 1, i), 1);
    }

    close(fd);

    assert_int_equal(read_manifest(NULL, &m), NGX_OK);
    ngx_mtls_manifest_destroy(m);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        p(test_index),
        p(test_again),
        p(test_since),
        p(test_shared),
        p(test_tampered),
    };

    return cmocka_run_group_tests(tests, once, end);
}
