
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a unit test sees of nginx: its headers, cmocka, and a stand-in for the
 * few functions of nginx's core that ours call.  Every allocation of a pool or
 * of a slab is one of its own, so that the sanitizers see its bounds.
 */


#ifndef _SHIM_H_INCLUDED_
#define _SHIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* cmocka 2 deprecates the old name */
#ifdef assert_uint_in_range
#undef assert_in_range
#define assert_in_range  assert_uint_in_range
#endif


/* the log of everything here, all levels */
extern ngx_log_t  shim_log;


/* back to what a test finds at its start: log, clock, failing allocations */
void shim_reset(void);


/*
 * The log.  Messages are kept without the time, with ": " and what nginx adds
 * for an errno or a configuration file.  Debug messages are formatted, so that
 * a wrong format shows, and dropped.
 */

/* the last message, "" if there was none since the log was cleared */
const char *shim_log_last(void);

/* the level of the last message, 0 if there was none */
ngx_uint_t shim_log_level(void);

/* messages since the log was cleared */
ngx_uint_t shim_log_count(void);

/* whether one of the last 64 messages holds this text */
ngx_uint_t shim_log_has(const char *text);

void shim_log_clear(void);


/* sets ngx_time(), seconds since the epoch, and ngx_current_msec */
void shim_time_set(time_t sec);


/*
 * The n-th allocation from now, counted from 1, returns NULL, and so do all
 * after it; 0: none does.  Pools, arrays, slabs and ngx_alloc() count, what
 * OpenSSL and PCRE2 allocate does not.
 */
void shim_alloc_fail(ngx_uint_t n);

/* allocations since shim_alloc_fail(): a bound for walking all of them */
ngx_uint_t shim_alloc_count(void);


/* a pool, the test fails if there is none; ends with ngx_destroy_pool() */
ngx_pool_t *shim_pool(void);

/*
 * a directive "words[0] words[1] ..." in file:line, words end with NULL;
 * what it needs is of the pool
 */
ngx_conf_t *shim_conf(ngx_pool_t *pool, const char *file, ngx_uint_t line,
    const char **words);

/*
 * A zone for what wants shared memory: zone->shm.addr is a slab pool of the
 * given size, of which each allocation takes its size and no more.  Its mutex
 * must not be taken twice or given back untaken: the program aborts.
 */
ngx_shm_zone_t *shim_zone_create(size_t size);
void shim_zone_destroy(ngx_shm_zone_t *zone);


/* cmocka's, for what nginx counts and points at */

#define assert_str_equal(str, text)                                          \
    do {                                                                     \
        assert_int_equal((str)->len, strlen(text));                          \
        assert_memory_equal((str)->data, text, strlen(text));                \
    } while (0)


#endif /* _SHIM_H_INCLUDED_ */
