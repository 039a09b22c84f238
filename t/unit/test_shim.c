
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The stand-in for nginx's core behaves as nginx does where tests rely on it.
 */


#include "shim.h"


static int
setup(void **state)
{
    shim_reset();

    return 0;
}


static void
check_format(const char *expected, const char *fmt, ...)
{
    u_char   *p, buf[128];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf) - 1, fmt, args);
    va_end(args);

    *p = '\0';

    assert_string_equal((char *) buf, expected);
}


static void
test_format_text(void **state)
{
    ngx_str_t             v = ngx_string("value");
    ngx_variable_value_t  vv;

    ngx_memzero(&vv, sizeof(vv));
    vv.data = (u_char *) "\x01\xfe";
    vv.len = 2;

    check_format("a value b", "a %V b", &v);
    check_format("text", "%s", "text");
    check_format("te", "%*s", (size_t) 2, "text");
    check_format("01fe 01FE", "%xv %Xv", &vv, &vv);
    check_format("7465", "%*xs", (size_t) 2, "text");
    check_format("%c\n", "%%%c%N", 'c');
    check_format("before", "before%Zafter");
}


static void
test_format_numbers(void **state)
{
    check_format("-1 1", "%i %ui", (ngx_int_t) -1, (ngx_uint_t) 1);
    check_format("-2 4294967294", "%d %ud", -2, -2);
    check_format("4294967295 ff", "%uD %xD", (uint32_t) -1, (uint32_t) 255);
    check_format("18446744073709551615", "%uL", (uint64_t) -1);
    check_format("-9223372036854775808", "%L", INT64_MIN);
    check_format("1700000000 12", "%T %O", (time_t) 1700000000, (off_t) 12);
    check_format("3 -3 4", "%uz %z %P", (size_t) 3, (ssize_t) -3, 4);
    check_format("1500 -1", "%M %M", (ngx_msec_t) 1500, (ngx_msec_t) -1);
    check_format("[  7] [007] [-007] [0A]", "[%3i] [%03i] [%03i] [%02XD]",
                 (ngx_int_t) 7, (ngx_int_t) 7, (ngx_int_t) -7, 10);
    check_format("00000000DEADBEEF", "%p", (void *) 0xdeadbeef);
    check_format("1.50 2", "%.2f %f", 1.5, 2.9);
}


/* nothing is written beyond the end, and a text is cut there */

static void
test_format_bounds(void **state)
{
    u_char     *p, *buf;
    ngx_str_t   v = ngx_string("0123456789");

    buf = malloc(4);
    assert_non_null(buf);

    p = ngx_snprintf(buf, 4, "%V", &v);
    assert_ptr_equal(p, buf + 4);
    assert_memory_equal(buf, "0123", 4);

    p = ngx_slprintf(buf, buf + 4, "%08xD", 0x12);
    assert_ptr_equal(p, buf + 4);
    assert_memory_equal(buf, "0000", 4);

    p = ngx_snprintf(buf, 3, "%xV", &v);
    assert_ptr_equal(p, buf + 2);

    free(buf);
}


static void
count_up(void *data)
{
    (*(ngx_uint_t *) data)++;
}


static void
test_pool(void **state)
{
    u_char              *p;
    ngx_uint_t           n;
    ngx_pool_t          *pool;
    ngx_pool_cleanup_t  *cln;

    pool = shim_pool();

    p = ngx_pcalloc(pool, 3);
    assert_non_null(p);
    assert_memory_equal(p, "\0\0\0", 3);

    assert_int_equal(ngx_pfree(pool, p), NGX_OK);
    assert_int_equal(ngx_pfree(pool, &n), NGX_DECLINED);

    n = 0;

    cln = ngx_pool_cleanup_add(pool, 0);
    assert_non_null(cln);
    cln->handler = count_up;
    cln->data = &n;

    cln = ngx_pool_cleanup_add(pool, sizeof(int));
    assert_non_null(cln);
    assert_non_null(cln->data);

    ngx_destroy_pool(pool);

    assert_int_equal(n, 1);
}


static void
test_array(void **state)
{
    ngx_uint_t    i, *n;
    ngx_pool_t   *pool;
    ngx_array_t  *a;

    pool = shim_pool();

    a = ngx_array_create(pool, 1, sizeof(ngx_uint_t));
    assert_non_null(a);

    for (i = 0; i < 100; i++) {
        n = ngx_array_push(a);
        assert_non_null(n);
        *n = i;
    }

    n = ngx_array_push_n(a, 300);
    assert_non_null(n);
    assert_int_equal(a->nelts, 400);

    n = a->elts;

    for (i = 0; i < 100; i++) {
        assert_int_equal(n[i], i);
    }

    ngx_destroy_pool(pool);
}


static void
test_alloc_fail(void **state)
{
    ngx_pool_t  *pool;

    pool = shim_pool();

    shim_alloc_fail(2);

    assert_non_null(ngx_palloc(pool, 1));
    assert_null(ngx_palloc(pool, 1));
    assert_null(ngx_array_create(pool, 1, 1));
    assert_true(shim_log_has("malloc(1) failed"));

    shim_alloc_fail(0);

    assert_non_null(ngx_pnalloc(pool, 0));
    assert_int_equal(shim_alloc_count(), 1);

    /* what an underflow asks for */
    assert_null(ngx_palloc(pool, (size_t) -8));

    ngx_destroy_pool(pool);
}


static void
test_log(void **state)
{
    ngx_pool_t  *pool;
    ngx_conf_t  *cf;
    const char  *words[] = { "mtls_ca", "label", NULL };

    assert_string_equal(shim_log_last(), "");

    ngx_log_error(NGX_LOG_WARN, &shim_log, ENOENT, "open() \"%s\" failed", "f");
    ngx_log_debug1(NGX_LOG_DEBUG_CORE, &shim_log, 0, "debug %ui",
                   (ngx_uint_t) 1);

    assert_string_equal(shim_log_last(),
                        "open() \"f\" failed (2: No such file or directory)");
    assert_int_equal(shim_log_level(), NGX_LOG_WARN);
    assert_int_equal(shim_log_count(), 1);

    pool = shim_pool();
    cf = shim_conf(pool, "nginx.conf", 7, words);

    assert_int_equal(cf->args->nelts, 2);
    assert_str_equal((ngx_str_t *) cf->args->elts, "mtls_ca");

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value");

    assert_string_equal(shim_log_last(), "invalid value in nginx.conf:7");
    assert_true(shim_log_has("open()"));
    assert_false(shim_log_has("debug"));

    shim_log_clear();
    assert_int_equal(shim_log_count(), 0);
    assert_false(shim_log_has("open()"));

    ngx_destroy_pool(pool);
}


static void
test_clock(void **state)
{
    u_char  buf[64];

    shim_time_set(0);
    assert_int_equal(ngx_time(), 0);

    shim_time_set(86400 * 365);
    assert_int_equal(ngx_time(), 31536000);

    *ngx_http_time(buf, ngx_time()) = '\0';
    assert_string_equal((char *) buf, "Fri, 01 Jan 1971 00:00:00 GMT");
}


static void
test_numbers(void **state)
{
    ngx_str_t  s;

#define number(f, text)  f((u_char *) text, sizeof(text) - 1)

    assert_int_equal(number(ngx_atoi, "0017"), 17);
    assert_int_equal(number(ngx_atoi, "9223372036854775807"), INT64_MAX);
    assert_int_equal(number(ngx_atoi, "9223372036854775808"), NGX_ERROR);
    assert_int_equal(number(ngx_atoi, ""), NGX_ERROR);
    assert_int_equal(number(ngx_atoi, "-1"), NGX_ERROR);
    assert_int_equal(number(ngx_atoi, "1a"), NGX_ERROR);
    assert_int_equal(number(ngx_hextoi, "fF"), 255);
    assert_int_equal(number(ngx_hextoi, "0x1"), NGX_ERROR);

    ngx_str_set(&s, "60s");
    assert_int_equal(ngx_parse_time(&s, 1), 60);
    assert_int_equal(ngx_parse_time(&s, 0), 60000);

    ngx_str_set(&s, "5ms");
    assert_int_equal(ngx_parse_time(&s, 0), 5);
    assert_int_equal(ngx_parse_time(&s, 1), NGX_ERROR);

    ngx_str_set(&s, "8m");
    assert_int_equal(ngx_parse_size(&s), 8 * 1024 * 1024);

    ngx_str_set(&s, "m");
    assert_int_equal(ngx_parse_size(&s), NGX_ERROR);
}


static void
test_base64(void **state)
{
    u_char     buf[16], back[16];
    ngx_str_t  src, dst, res;

    ngx_str_set(&src, "\xff\xfe\xfd\xfc");
    dst.data = buf;
    res.data = back;

    ngx_encode_base64(&dst, &src);
    assert_str_equal(&dst, "//79/A==");

    assert_int_equal(ngx_decode_base64(&res, &dst), NGX_OK);
    assert_int_equal(res.len, 4);
    assert_memory_equal(back, src.data, 4);

    ngx_encode_base64url(&dst, &src);
    assert_str_equal(&dst, "__79_A");

    assert_int_equal(ngx_decode_base64url(&res, &dst), NGX_OK);
    assert_int_equal(res.len, 4);

    assert_int_equal(ngx_decode_base64(&res, &dst), NGX_ERROR);

    *ngx_hex_dump(buf, src.data, 4) = '\0';
    assert_string_equal((char *) buf, "fffefdfc");
}


static void
test_utf8(void **state)
{
    u_char  *p;

    p = (u_char *) "\xe2\x82\xac";
    assert_int_equal(ngx_utf8_decode(&p, 3), 0x20ac);

    p = (u_char *) "\xe2\x82\xac";
    assert_int_equal(ngx_utf8_decode(&p, 2), 0xfffffffe);

    p = (u_char *) "\xe0\x80\x80";
    assert_int_equal(ngx_utf8_decode(&p, 3), 0xffffffff);

    p = (u_char *) "\xc0\x80";
    assert_int_equal(ngx_utf8_decode(&p, 2), 0xffffffff);
}


static void
test_addresses(void **state)
{
    ngx_str_t   s;
    ngx_cidr_t  cidr;

    ngx_str_set(&s, "10.1.2.3/8");
    assert_int_equal(ngx_ptocidr(&s, &cidr), NGX_DONE);
    assert_int_equal(cidr.family, AF_INET);
    assert_int_equal(cidr.u.in.addr, htonl(0x0a000000));
    assert_int_equal(cidr.u.in.mask, htonl(0xff000000));

    ngx_str_set(&s, "2001:db8::/33");
    assert_int_equal(ngx_ptocidr(&s, &cidr), NGX_OK);
    assert_int_equal(cidr.family, AF_INET6);
    assert_int_equal(cidr.u.in6.mask.s6_addr[4], 0x80);

    ngx_str_set(&s, "10.0.0.0/33");
    assert_int_equal(ngx_ptocidr(&s, &cidr), NGX_ERROR);

    ngx_str_set(&s, "10.0.0");
    assert_int_equal(ngx_ptocidr(&s, &cidr), NGX_ERROR);

    ngx_str_set(&s, "10.0.0.0/");
    assert_int_equal(ngx_ptocidr(&s, &cidr), NGX_ERROR);
}


static void
test_crc32(void **state)
{
    u_char  text[] = "123456789";

    assert_int_equal(ngx_crc32_short(text, 9), 0xcbf43926);
    assert_int_equal(ngx_crc32_long(text, 9), 0xcbf43926);
}


static void
test_zone(void **state)
{
    u_char           *p, *q;
    ngx_shm_zone_t   *zone;
    ngx_slab_pool_t  *sp;

    zone = shim_zone_create(100);
    sp = (ngx_slab_pool_t *) zone->shm.addr;

    p = ngx_slab_calloc(sp, 60);
    assert_non_null(p);
    assert_int_equal(p[59], 0);

    assert_null(ngx_slab_alloc(sp, 60));

    ngx_slab_free(sp, p);

    ngx_shmtx_lock(&sp->mutex);
    assert_int_equal(ngx_shmtx_trylock(&sp->mutex), 0);

    q = ngx_slab_alloc_locked(sp, 60);
    assert_non_null(q);

    ngx_shmtx_unlock(&sp->mutex);

    shim_zone_destroy(zone);
}


static void
test_rbtree(void **state)
{
    ngx_uint_t          i, n, key;
    ngx_rbtree_t        tree;
    ngx_rbtree_node_t   nodes[64], sentinel, *node;

    ngx_rbtree_init(&tree, &sentinel, ngx_rbtree_insert_value);

    for (i = 0; i < 64; i++) {
        nodes[i].key = i * 37 % 64;
        ngx_rbtree_insert(&tree, &nodes[i]);
    }

    /* those with an even key go */

    for (i = 0; i < 64; i++) {
        if (nodes[i].key % 2 == 0) {
            ngx_rbtree_delete(&tree, &nodes[i]);
        }
    }

    n = 0;
    key = 1;

    for (node = ngx_rbtree_min(tree.root, tree.sentinel);
         node;
         node = ngx_rbtree_next(&tree, node))
    {
        assert_int_equal(node->key, key);
        key += 2;
        n++;
    }

    assert_int_equal(n, 32);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_format_text, setup),
        cmocka_unit_test_setup(test_format_numbers, setup),
        cmocka_unit_test_setup(test_format_bounds, setup),
        cmocka_unit_test_setup(test_pool, setup),
        cmocka_unit_test_setup(test_array, setup),
        cmocka_unit_test_setup(test_alloc_fail, setup),
        cmocka_unit_test_setup(test_log, setup),
        cmocka_unit_test_setup(test_clock, setup),
        cmocka_unit_test_setup(test_numbers, setup),
        cmocka_unit_test_setup(test_base64, setup),
        cmocka_unit_test_setup(test_utf8, setup),
        cmocka_unit_test_setup(test_addresses, setup),
        cmocka_unit_test_setup(test_crc32, setup),
        cmocka_unit_test_setup(test_zone, setup),
        cmocka_unit_test_setup(test_rbtree, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
