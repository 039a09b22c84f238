
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a process knows of the generations: which set of CA certificates is in
 * force, when it must wait, and that the last good one stays.
 */


#include "publish.h"

#include <ngx_mtls_table_record.h>


/* an octet of the first record's hash */
#define RECORD  (ngx_mtls_table_align(sizeof(ngx_mtls_table_header_t)) + 40)


static ngx_int_t
sync_now(void)
{
    return ngx_mtls_manager_sync(&conf, &shim_log);
}


static ngx_uint_t
trusts(pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_find(conf.ca, hash) != NULL;
}


static void
flip(ngx_mtls_slot_t *slot, off_t at)
{
    int     fd;
    char    name[256];
    u_char  octet;

    snprintf(name, sizeof(name), "%s/%s", dir, slot->name);

    fd = open(name, O_RDWR);
    assert_int_not_equal(fd, -1);
    assert_int_equal(pread(fd, &octet, 1, at), 1);
    octet ^= 0x10;
    assert_int_equal(pwrite(fd, &octet, 1, at), 1);
    close(fd);
}


/* no source: a generation is looked at, and nothing is read */

static void
test_no_source(void **state)
{
    finish();

    assert_int_equal(sync_now(), NGX_OK);

    publish(3);
    assert_int_equal(sync_now(), NGX_OK);
    assert_null(conf.manifest);
    assert_int_equal(conf.generation, 1);
    assert_ptr_equal(conf.ca, conf.configured);
}


/* CAs alone make nobody wait: there is what the master read */

static void
test_not_tried(void **state)
{
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root));
    finish();

    assert_int_equal(sync_now(), NGX_OK);
    assert_null(conf.manifest);
    assert_true(trusts(&root));

    publish(0);
    assert_int_equal(sync_now(), NGX_OK);
    assert_ptr_equal(conf.ca, conf.configured);

    /* a table of a source that nobody says is tried */

    (void) compiled(source, certs(&own));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&root));
    assert_false(trusts(&own));
}


static void
test_crls(void **state)
{
    ngx_mtls_source_t  *cas, *crls;

    cas = source_ca(certs(&root));
    crls = source_of(NGX_MTLS_SOURCE_CRL,
                     pki_crl(dir, "a.crl", &root, &(pki_crl_t) { 0 }));
    finish();

    assert_int_equal(sync_now(), NGX_AGAIN);

    zone->failing = 1;
    assert_int_equal(sync_now(), NGX_OK);
    assert_null(conf.manifest);
    zone->failing = 0;
    assert_int_equal(sync_now(), NGX_AGAIN);

    /* what is new of the CAs waits, too: it is one generation */

    tried(cas, 1);
    (void) compiled(cas, certs(&root, &own));
    publish(1);
    assert_int_equal(sync_now(), NGX_AGAIN);

    tried(crls, 0);
    (void) compiled_crl(crls);
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_int_equal(conf.manifest->nslots, 2);
    assert_true(trusts(&own));
}


/*
 * What was read with the configuration is no longer what is trusted, and what
 * is cannot be read: nobody is judged.
 */

static void
test_word(void **state)
{
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root, &other));
    finish();

    conf.read_trust = 5;
    conf.trust = 5;
    zone->words[NGX_MTLS_WORD_TRUST] = 5;
    assert_int_equal(sync_now(), NGX_OK);

    zone->words[NGX_MTLS_WORD_TRUST] = 6;
    assert_int_equal(sync_now(), NGX_AGAIN);

    zone->generation = 1;
    assert_int_equal(sync_now(), NGX_AGAIN);
    assert_true(shim_log_has("generation 1 cannot be used"));

    /* not even where nothing could be published */

    zone->failing = 1;
    assert_int_equal(sync_now(), NGX_AGAIN);

    tried(source, 2);
    (void) compiled(source, certs(&other));
    publish(6);

    /* it was just tried, and so is not until the next second */

    assert_int_equal(sync_now(), NGX_AGAIN);

    shim_time_set(ngx_time() + 1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_false(trusts(&root));
    assert_true(trusts(&other));
    assert_int_equal(conf.trust, 6);
}


/* what the master read counts where it is at least as new as the table */

static void
test_since(void **state)
{
    ngx_uint_t          i;
    ngx_mtls_source_t  *first, *second;

    static const struct {
        uint64_t    since;
        ngx_uint_t  live;
    } cases[] = {
        { 0, 0 }, { 6, 0 }, { 7, 0 }, { 8, 1 }, { UINT64_MAX, 1 },
    };

    first = source_ca(certs(&root));
    second = source_ca(certs(&other));
    finish();

    conf.read_generation = 7;
    zone->generation = 7;

    tried(second, 100);
    (void) compiled(first, certs(&own));
    (void) compiled(second, certs(&inter, &other));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tried(first, cases[i].since);
        publish(i + 1);
        assert_int_equal(sync_now(), NGX_OK);

        assert_int_equal(trusts(&own), cases[i].live);
        assert_int_equal(trusts(&root), !cases[i].live);
        assert_true(trusts(&other));

        /* the other source is as it is live in any case */

        assert_int_equal(ngx_mtls_ca_certs(conf.ca)->nelts, 3);
    }
}


/* sets come and go, and somebody still has one of them */

static void
test_swapped(void **state)
{
    u_char              hash[NGX_MTLS_HASH_LEN];
    ngx_mtls_ca_t      *held;
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    (void) compiled(source, certs(&root, &own));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_ptr_not_equal(conf.ca, conf.configured);
    assert_true(trusts(&own));

    held = ngx_mtls_ca_ref(conf.ca);

    /* a generation of something else */

    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_int_equal(conf.generation, 2);
    assert_ptr_equal(conf.ca, held);

    nslots = 0;
    tried(source, 3);
    (void) compiled(source, certs(&root));
    publish(2);
    assert_int_equal(sync_now(), NGX_OK);
    assert_ptr_not_equal(conf.ca, held);
    assert_false(trusts(&own));

    /* the manifest that it was made of is gone */

    fingerprint(&own, hash);
    assert_non_null(ngx_mtls_ca_find(held, hash));
    fingerprint(&other, hash);
    assert_null(ngx_mtls_ca_find(held, hash));

    ngx_mtls_ca_free(held);
    assert_true(trusts(&root));
}


/*
 * What the manager has looked at before the configuration was read may be
 * published after it: the files said something later by then
 */

static void
test_read(void **state)
{
    uint64_t            before;
    ngx_mtls_source_t  *source;

    before = ngx_mtls_now();

    source = source_ca(certs(&root));
    finish();

    tried(source, 5);
    attempted[0].read = before;
    (void) compiled(source, certs(&root, &own));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_false(trusts(&own));

    attempted[0].read = ngx_mtls_now();
    publish(2);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&own));
}


/*
 * A reload was to a configuration without the source: what an old worker knows
 * of it stays, and a CA that is gone does not come back
 */

static void
test_retired(void **state)
{
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root, &own));
    finish();

    tried(source, 1);
    (void) compiled(source, certs(&root));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_false(trusts(&own));

    nslots = 0;
    nattempted = 0;
    publish(2);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&root));
    assert_false(trusts(&own));
}


/* a glob of two files, one of which is no more */

static void
test_vanished(void **state)
{
    ngx_str_t           path;
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root));
    path = live_file(certs(&own));
    assert_int_equal(ngx_mtls_ca_file(ca, label("a"), &path, 0,
                                      source->number, &err),
                     NGX_OK);
    finish();
    assert_true(trusts(&root));
    assert_true(trusts(&own));

    tried(source, 0);
    (void) compiled(source, certs(&root));
    (void) compiled(source, certs(&own));
    publish(0);
    assert_int_equal(sync_now(), NGX_OK);
    assert_ptr_equal(conf.ca, conf.configured);

    nslots = 0;
    tried(source, 2);
    (void) compiled(source, certs(&root));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&root));
    assert_false(trusts(&own));
}


/* bad news are no news: said once, tried each second */

static void
last_good(ngx_uint_t slotn)
{
    ngx_mtls_ca_t        *set;
    ngx_mtls_manifest_t  *m;

    set = conf.ca;
    m = conf.manifest;
    zone->unusable = 0;
    shim_log_clear();

    assert_int_equal(sync_now(), NGX_OK);
    assert_ptr_equal(conf.ca, set);
    assert_ptr_equal(conf.manifest, m);
    assert_int_equal(m->nslots, slotn);
    assert_int_equal(zone->unusable, 1);
    assert_int_equal(shim_log_count(), 1);
    assert_int_equal(shim_log_level(), NGX_LOG_ERR);
    assert_true(shim_log_has("the last good one stays"));
    assert_true(trusts(&root));

    zone->unusable = 0;
    assert_int_equal(sync_now(), NGX_OK);
    assert_int_equal(zone->unusable, 0);

    shim_time_set(ngx_time() + 1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_int_equal(zone->unusable, 1);
    assert_int_equal(shim_log_count(), 1);
}


static void
test_last_good(void **state)
{
    char                name[256], hidden[256];
    ngx_mtls_slot_t    *slot;
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    (void) compiled(source, certs(&root, &own));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);

    /* a table that is not there */

    nslots = 0;
    tried(source, 2);
    slot = compiled(source, certs(&other, &root));
    snprintf(name, sizeof(name), "%s/%s", dir, slot->name);
    snprintf(hidden, sizeof(hidden), "%s/hidden", dir);
    assert_int_equal(rename(name, hidden), 0);
    publish(2);
    last_good(1);
    assert_true(trusts(&own));

    /* it is, and its records are not what was published */

    assert_int_equal(rename(hidden, name), 0);
    flip(slot, RECORD);
    shim_time_set(ngx_time() + 1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&own));
    assert_false(trusts(&other));
    assert_int_equal(conf.trust, 1);

    flip(slot, RECORD);
    shim_time_set(ngx_time() + 1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_false(trusts(&own));
    assert_true(trusts(&other));
    assert_int_equal(conf.trust, 2);
    assert_int_equal(conf.failed, 0);

    /* the next trouble is worth a line again */

    publish(3);
    snprintf(name, sizeof(name), "%s/manifest", dir);
    assert_int_equal(unlink(name), 0);
    last_good(1);
}


/* records that are not what was published, where nothing was good before */

static void
test_never_good(void **state)
{
    ngx_mtls_slot_t    *slot;
    ngx_mtls_source_t  *source;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    slot = compiled(source, certs(&own));
    flip(slot, RECORD);
    publish(1);

    assert_int_equal(sync_now(), NGX_AGAIN);
    assert_true(shim_log_has("the table of CA file \""));
    assert_true(shim_log_has("\" is corrupt"));
    assert_null(conf.manifest);
    assert_int_equal(conf.loaded, 0);
    assert_false(trusts(&own));

    flip(slot, RECORD);
    shim_time_set(ngx_time() + 1);
    assert_int_equal(sync_now(), NGX_OK);
    assert_true(trusts(&own));
}


static void
test_memory(void **state)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_mtls_ca_t        *set;
    ngx_mtls_source_t    *source;
    ngx_mtls_manifest_t  *m;

    source = source_ca(certs(&root));
    finish();

    tried(source, 1);
    (void) compiled(source, certs(&root, &own));
    publish(1);
    assert_int_equal(sync_now(), NGX_OK);

    tried(source, 2);
    (void) compiled(source, certs(&other, &inter));
    publish(2);

    rc = NGX_ERROR;
    set = conf.ca;
    m = conf.manifest;

    for (i = 1; i < 1000; i++) {
        shim_time_set(ngx_time() + 1);

        shim_alloc_fail(i);
        rc = sync_now();
        shim_alloc_fail(0);

        if (conf.generation == 2) {
            break;
        }

        /* the last good one serves for some seconds, not for ever */

        assert_int_equal(rc, i <= NGX_MTLS_LOADING_TIMEOUT / 1000
                             ? NGX_OK : NGX_AGAIN);
        assert_ptr_equal(conf.ca, set);
        assert_ptr_equal(conf.manifest, m);
        assert_int_equal(conf.trust, 1);
        assert_true(trusts(&own));
        assert_false(trusts(&other));
    }

    assert_int_equal(rc, NGX_OK);
    assert_true(i > 15 && i < 1000);
    assert_true(trusts(&own));
    assert_true(trusts(&other));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        p(test_no_source),
        p(test_not_tried),
        p(test_crls),
        p(test_word),
        p(test_since),
        p(test_swapped),
        p(test_read),
        p(test_retired),
        p(test_vanished),
        p(test_last_good),
        p(test_never_good),
        p(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
