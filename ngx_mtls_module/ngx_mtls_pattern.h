
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Patterns: how the values of a group line are written and compared.
 */


#ifndef _NGX_MTLS_PATTERN_H_INCLUDED_
#define _NGX_MTLS_PATTERN_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_policy.h>


/*
 * Compiles the values of a line, whose attribute is set, into its patterns:
 * exact ones first, sorted and each once.  An operator ("^~", "~", "~*")
 * stands before its value, attached or as a word of its own, and concerns
 * that value alone.  Names of labels and groups stay names.
 * NGX_DECLINED: "err" says what is wrong; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_pattern_compile(ngx_pool_t *pool, ngx_mtls_line_t *line,
    ngx_str_t *words, ngx_uint_t nwords, ngx_mtls_error_t *err);

/* whether one of the exact patterns of a line is this value */
ngx_uint_t ngx_mtls_pattern_exact(ngx_mtls_line_t *line, ngx_str_t *value);

/*
 * Compares one of "n" values with a pattern that is not exact: NGX_OK: it
 * matches; NGX_DECLINED: it does not; NGX_BUSY: a regex limit was hit;
 * NGX_ERROR.
 */
ngx_int_t ngx_mtls_pattern_match(ngx_mtls_pattern_t *pattern,
    ngx_str_t *value, ngx_uint_t n);


/* of ngx_mtls_pattern.c: values of "uri" and "spiffe" without an operator */

/*
 * Makes a pattern by segments of a value that has "*" or "**" as segments, and
 * leaves others alone.  NGX_DECLINED: "err" says what is wrong.
 */
ngx_int_t ngx_mtls_pattern_segments(ngx_str_t *value,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);
ngx_int_t ngx_mtls_pattern_spiffe(ngx_str_t *value,
    ngx_mtls_pattern_t *pattern, ngx_mtls_error_t *err);

ngx_uint_t ngx_mtls_pattern_match_segments(ngx_mtls_pattern_t *pattern,
    ngx_str_t *value);


#endif /* _NGX_MTLS_PATTERN_H_INCLUDED_ */
