
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sources of earlier configurations: how long what was published of them
 * stays, and for whom it counts.
 */


#include "shim.h"

#include <ngx_mtls_manager_file.h>


#define NOW   1700000000
#define HOUR  3600


static ngx_pool_t          *pool;
static ngx_mtls_conf_t      conf;
static ngx_mtls_manager_t   m;


static void
key(u_char *p, int name)
{
    memset(p, name, NGX_MTLS_HASH_LEN);
}


/* the configuration has sources of these names */

static void
configure(const char *names)
{
    ngx_mtls_source_t          *source;
    ngx_mtls_manager_source_t  *s;

    ngx_memzero(&conf, sizeof(ngx_mtls_conf_t));
    ngx_memzero(&m, sizeof(ngx_mtls_manager_t));

    m.conf = &conf;
    m.generation = 10;

    assert_int_equal(ngx_array_init(&conf.sources, pool, 8,
                                    sizeof(ngx_mtls_source_t)), NGX_OK);
    assert_int_equal(ngx_array_init(&m.sources, pool, 8,
                                    sizeof(ngx_mtls_manager_source_t)),
                     NGX_OK);

    for ( /* void */ ; *names; names++) {
        source = ngx_array_push(&conf.sources);
        ngx_memzero(source, sizeof(ngx_mtls_source_t));
        source->kind = NGX_MTLS_SOURCE_CRL;
        key(source->key, *names);

        s = ngx_array_push(&m.sources);
        ngx_memzero(s, sizeof(ngx_mtls_manager_source_t));
        s->conf = source;
    }
}


/* a manifest that has these sources, ascending, and two tables of each */

static ngx_mtls_manifest_t *
manifest(const char *names)
{
    ngx_uint_t            i;
    ngx_pool_t           *own;
    ngx_mtls_manifest_t  *old;

    own = shim_pool();
    old = ngx_pcalloc(own, sizeof(ngx_mtls_manifest_t));
    old->pool = own;
    old->attempted = ngx_pcalloc(own, 8 * sizeof(ngx_mtls_attempted_t));
    old->slots = ngx_pcalloc(own, 16 * sizeof(ngx_mtls_slot_t));

    for (i = 0; names[i]; i++) {
        key(old->attempted[i].key, names[i]);
        old->attempted[i].since = i;
        key(old->slots[2 * i].source, names[i]);
        key(old->slots[2 * i + 1].source, names[i]);
    }

    old->nattempted = i;
    old->nslots = 2 * i;

    return old;
}


static int
setup(void **state)
{
    shim_reset();
    shim_time_set(NOW);
    pool = shim_pool();

    return 0;
}


static int
teardown(void **state)
{
    ngx_mtls_manager_unretire(&m);
    ngx_destroy_pool(pool);

    return 0;
}


static void
what_the_configuration_has_is_not_retired(void **state)
{
    configure("ab");
    ngx_mtls_manager_retire(&m, manifest("ab"));

    assert_null(m.retired);

    /* with nothing retired nothing expires */

    ngx_mtls_manager_expire(&m);
    assert_int_equal(m.renew, 0);
}


static void
what_it_has_not_is_kept_with_its_tables(void **state)
{
    configure("bd");
    ngx_mtls_manager_retire(&m, manifest("abc"));

    assert_non_null(m.retired);
    assert_int_equal(m.retired->nattempted, 2);
    assert_int_equal(m.retired->attempted[0].key[0], 'a');
    assert_int_equal(m.retired->attempted[1].key[0], 'c');
    assert_int_equal(m.retired->attempted[1].since, 2);

    /* the generation that is published next is the first without them */

    assert_int_equal(m.retired->attempted[0].retired, 11);
    assert_int_equal(m.retired->attempted[0].until, NOW + HOUR);

    assert_int_equal(m.retired->nslots, 4);
    assert_int_equal(m.retired->slots[1].source[0], 'a');
    assert_int_equal(m.retired->slots[2].source[0], 'c');
}


static void
a_later_manager_keeps_it_no_longer(void **state)
{
    ngx_mtls_manifest_t  *old;

    old = manifest("ab");
    old->attempted[0].retired = 5;
    old->attempted[0].until = NOW + 7;

    configure("b");
    ngx_mtls_manager_retire(&m, old);

    assert_int_equal(m.retired->nattempted, 1);
    assert_int_equal(m.retired->attempted[0].retired, 5);
    assert_int_equal(m.retired->attempted[0].until, NOW + 7);

    shim_time_set(NOW + 6);
    ngx_mtls_manager_expire(&m);
    assert_int_equal(m.retired->nattempted, 1);
    assert_int_equal(m.renew, 0);

    shim_time_set(NOW + 7);
    ngx_mtls_manager_expire(&m);
    assert_null(m.retired);
    assert_int_equal(m.renew, 1);
}


static void
one_expires_the_other_stays(void **state)
{
    ngx_mtls_manifest_t  *old;

    old = manifest("ab");
    old->attempted[0].retired = 5;
    old->attempted[0].until = NOW + 7;

    configure("");
    ngx_mtls_manager_retire(&m, old);
    assert_int_equal(m.retired->nslots, 4);

    shim_time_set(NOW + 8);
    ngx_mtls_manager_expire(&m);

    assert_int_equal(m.renew, 1);
    assert_int_equal(m.retired->nattempted, 1);
    assert_int_equal(m.retired->attempted[0].key[0], 'b');
    assert_int_equal(m.retired->nslots, 2);
    assert_int_equal(m.retired->slots[0].source[0], 'b');
    assert_int_equal(m.retired->slots[1].source[0], 'b');
}


static void
it_counts_for_workers_of_before_only(void **state)
{
    ngx_mtls_manifest_t  *published;

    configure("ab");

    published = manifest("abc");
    published->attempted[1].retired = 11;

    conf.read_generation = 10;
    assert_int_equal(ngx_mtls_manager_outdated(&conf, published), 0);

    conf.read_generation = 11;
    assert_int_equal(ngx_mtls_manager_outdated(&conf, published), 1);

    /* of CAs there is what the configuration has read */

    ((ngx_mtls_source_t *) conf.sources.elts)[1].kind = NGX_MTLS_SOURCE_CA;
    assert_int_equal(ngx_mtls_manager_outdated(&conf, published), 0);

    /* what the configuration has not is not asked for */

    published->attempted[1].retired = 0;
    published->attempted[2].retired = 1;
    assert_int_equal(ngx_mtls_manager_outdated(&conf, published), 0);

    ngx_mtls_manifest_destroy(published);
}


#define test(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(what_the_configuration_has_is_not_retired),
        test(what_it_has_not_is_kept_with_its_tables),
        test(a_later_manager_keeps_it_no_longer),
        test(one_expires_the_other_stays),
        test(it_counts_for_workers_of_before_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
