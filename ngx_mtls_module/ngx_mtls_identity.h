
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Identity templates: literals, attributes and named captures that spell one
 * name per certificate.
 */


#ifndef _NGX_MTLS_IDENTITY_H_INCLUDED_
#define _NGX_MTLS_IDENTITY_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_policy.h>


#define NGX_MTLS_TEMPLATE_PARTS_MAX  16   /* variables */


/* a regex of the group that gives a capture its value */
typedef struct {
    ngx_mtls_line_t              *line;
    ngx_mtls_regex_t             *regex;
    ngx_uint_t                    number;    /* of the capture in the regex */
} ngx_mtls_template_source_t;


/* a literal and the variable after it */
typedef struct {
    ngx_str_t                     literal;   /* empty only in the first */
    ngx_str_t                     name;      /* of the variable, without "$" */
    ngx_mtls_attribute_t          attr;      /* NGX_MTLS_ATTR_NONE: a capture */
    ngx_array_t                   sources;   /* of ngx_mtls_template_source_t */
    u_char                        follow;    /* the literal octet after the
                                                variable; 0: it is the last */
} ngx_mtls_template_part_t;


struct ngx_mtls_template_s {
    ngx_pool_t                   *pool;
    ngx_str_t                     text;      /* as written, for the trace */
    ngx_str_t                     file;
    ngx_uint_t                    line;
    ngx_array_t                   parts;     /* of ngx_mtls_template_part_t */
    ngx_str_t                     tail;      /* the literal after all of them */
};


/*
 * Compiles a template; captures are resolved by ngx_mtls_identity_resolve()
 * once the group's lines are known.  NGX_DECLINED: adjacent variables, a bad
 * variable, an empty template; "err" says what.
 */
ngx_int_t ngx_mtls_identity_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_mtls_template_t **tpl, ngx_mtls_error_t *err);

/* NGX_DECLINED: a capture that no regex of the group names */
ngx_int_t ngx_mtls_identity_resolve(ngx_mtls_template_t *tpl,
    ngx_mtls_group_t *group, ngx_mtls_error_t *err);

/* the literal with which every identity of this template begins */
void ngx_mtls_identity_prefix(ngx_mtls_template_t *tpl, ngx_str_t *prefix);

/*
 * The identity of a certificate for which the group's lines are true, from
 * the pool; "identity" may be NULL where only the outcome is asked.
 * NGX_OK; NGX_DECLINED: undefined (an empty or undefined part, several values,
 * several matching values with different captures); NGX_BUSY: undefined by a
 * regex limit; NGX_ERROR.
 */
ngx_int_t ngx_mtls_identity_make(ngx_mtls_group_t *group,
    ngx_mtls_facts_t *facts, ngx_pool_t *pool, ngx_str_t *identity);


#endif /* _NGX_MTLS_IDENTITY_H_INCLUDED_ */
