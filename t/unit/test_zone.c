
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The zone: made once, adopted later, and intermediates that come and go.
 */


#include "shim.h"

#include <ngx_mtls_zone.h>


static ngx_pool_t      *pool;
static ngx_shm_zone_t  *shm_zone;


static int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();
    shm_zone = shim_zone_create(64 * 1024);

    return ngx_mtls_zone_init(shm_zone, NULL);
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    shim_zone_destroy(shm_zone);

    return 0;
}


static void
fingerprint(u_char *hash, ngx_uint_t place, u_char n)
{
    memset(hash, n, NGX_MTLS_HASH_LEN);
    hash[0] = place >> 8;
    hash[1] = place & 0xff;
}


static void
put(ngx_uint_t place, u_char n, size_t len)
{
    u_char  hash[NGX_MTLS_HASH_LEN], *der;

    der = malloc(len + 1);
    assert_non_null(der);
    memset(der, n, len + 1);

    fingerprint(hash, place, n);
    ngx_mtls_zone_cert_put(shm_zone, hash, der, len);

    free(der);
}


/* the length that is there, 0: none */

static size_t
get(ngx_uint_t place, u_char n)
{
    u_char     hash[NGX_MTLS_HASH_LEN];
    ngx_str_t  der;

    fingerprint(hash, place, n);

    if (ngx_mtls_zone_cert_get(shm_zone, hash, pool, &der) != NGX_OK) {
        return 0;
    }

    assert_int_equal(der.data[0], n);
    assert_int_equal(der.data[der.len - 1], n);

    return der.len;
}


static void
test_init(void **state)
{
    u_char            zeroes[NGX_MTLS_HASH_LEN], run_id[NGX_MTLS_RUN_ID_LEN];
    ngx_mtls_zone_t  *zone, *adopted;
    ngx_shm_zone_t   *other;

    zone = ngx_mtls_zone(shm_zone);
    memset(zeroes, 0, sizeof(zeroes));

    assert_memory_not_equal(zone->run_id, zeroes, NGX_MTLS_RUN_ID_LEN);
    assert_memory_not_equal(zone->key, zeroes, NGX_MTLS_HASH_LEN);
    assert_int_equal(ngx_mtls_zone_generation(zone), 0);

    memcpy(run_id, zone->run_id, NGX_MTLS_RUN_ID_LEN);

    /* a reload: the same memory */

    assert_int_equal(ngx_mtls_zone_init(shm_zone, shm_zone), NGX_OK);
    adopted = ngx_mtls_zone(shm_zone);
    assert_ptr_equal(adopted, zone);
    assert_memory_equal(zone->run_id, run_id, NGX_MTLS_RUN_ID_LEN);

    /* another size: new memory, though there is an old zone */

    other = shim_zone_create(32 * 1024);
    assert_int_equal(ngx_mtls_zone_init(other, shm_zone), NGX_OK);
    assert_memory_not_equal(ngx_mtls_zone(other)->run_id, run_id,
                            NGX_MTLS_RUN_ID_LEN);
    shim_zone_destroy(other);
}


static void
test_too_small(void **state)
{
    ngx_shm_zone_t  *small;

    small = shim_zone_create(1024);
    assert_int_equal(ngx_mtls_zone_init(small, NULL), NGX_ERROR);
    assert_true(shim_log_has("is too small"));
    shim_zone_destroy(small);
}


static void
test_certs(void **state)
{
    assert_int_equal(get(1, 1), 0);

    put(1, 1, 1000);
    assert_int_equal(get(1, 1), 1000);
    assert_int_equal(get(1, 2), 0);
    assert_int_equal(get(2, 1), 0);

    /* the same again is no new block */

    put(1, 1, 900);
    assert_int_equal(get(1, 1), 1000);

    /* another one of the same place takes it over */

    put(1 + NGX_MTLS_ZONE_CERTS, 2, 500);
    assert_int_equal(get(1 + NGX_MTLS_ZONE_CERTS, 2), 500);
    assert_int_equal(get(1, 1), 0);

    put(3, 3, 0);
    assert_int_equal(get(3, 3), 0);

    put(3, 3, NGX_MTLS_CERT_MAX + 1);
    assert_int_equal(get(3, 3), 0);
}


static void
test_full(void **state)
{
    ngx_uint_t  i, there;

    for (i = 0; i < NGX_MTLS_ZONE_CERTS; i++) {
        put(i, 1, 2000);
    }

    there = 0;

    for (i = 0; i < NGX_MTLS_ZONE_CERTS; i++) {
        there += (get(i, 1) == 2000);
    }

    assert_true(there >= 10 && there <= 40);

    /* the place of an old one may be had, that of none may not */

    put(0, 2, 1500);
    assert_int_equal(get(0, 2), 1500);
    assert_int_equal(get(0, 1), 0);

    put(0, 3, 30000);
    assert_int_equal(get(0, 3), 0);
    assert_int_equal(get(1, 1), 2000);

    assert_int_equal(shim_log_count(), 0);
}


static void
test_memory(void **state)
{
    put(1, 1, 100);

    shim_alloc_fail(1);
    assert_int_equal(get(1, 1), 0);
    put(2, 2, 100);
    shim_alloc_fail(0);

    assert_int_equal(get(1, 1), 100);
    assert_int_equal(get(2, 2), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_init, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
