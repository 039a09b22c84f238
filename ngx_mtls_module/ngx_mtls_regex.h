
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Regular expressions over hostile values: PCRE2 with JIT, matched whole,
 * always under match, depth and heap limits.
 */


#ifndef _NGX_MTLS_REGEX_H_INCLUDED_
#define _NGX_MTLS_REGEX_H_INCLUDED_


#include <ngx_mtls.h>


#define NGX_MTLS_REGEX_MATCH_LIMIT  100000   /* of all values together */
#define NGX_MTLS_REGEX_MATCH_MIN    1000     /* of each at least */
#define NGX_MTLS_REGEX_DEPTH_LIMIT  1000
#define NGX_MTLS_REGEX_HEAP_LIMIT   1024     /* KiB */
#define NGX_MTLS_REGEX_NAMES_MAX    16       /* named captures */


typedef struct ngx_mtls_regex_s  ngx_mtls_regex_t;


/*
 * Compiles a pattern to be matched against whole values; falls back to the
 * interpreter where JIT is not allowed.  The code is freed with the pool.
 * NGX_DECLINED: bad pattern, a capture whose name begins with "mtls_", more
 * than NGX_MTLS_REGEX_NAMES_MAX names; "err" says what.
 */
ngx_int_t ngx_mtls_regex_compile(ngx_pool_t *pool, ngx_str_t *pattern,
    ngx_uint_t caseless, ngx_mtls_regex_t **re, ngx_mtls_error_t *err);

/* number of a named capture, from 0; NGX_DECLINED: no such name */
ngx_int_t ngx_mtls_regex_name(ngx_mtls_regex_t *re, ngx_str_t *name);

/*
 * Matches one of "n" values of a certificate, which share the match limit.
 * NGX_OK: the whole value matches, and "captures" (may be NULL) gets the
 * named captures by number, data is NULL for one that did not take part.
 * NGX_DECLINED: no match.  NGX_BUSY: a limit was hit: undefined.  NGX_ERROR:
 * a failure inside.
 */
ngx_int_t ngx_mtls_regex_match(ngx_mtls_regex_t *re, ngx_str_t *value,
    ngx_uint_t n, ngx_str_t captures[NGX_MTLS_REGEX_NAMES_MAX]);


#endif /* _NGX_MTLS_REGEX_H_INCLUDED_ */
