
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
 * The identity of a certificate for which the group's lines are true.
 * NGX_OK; NGX_DECLINED: undefined (an empty or undefined part, several values,
 * several matching values with different captures, a regex limit); NGX_ERROR.
 */
ngx_int_t ngx_mtls_identity_make(ngx_mtls_group_t *group,
    ngx_mtls_facts_t *facts, ngx_pool_t *pool, ngx_str_t *identity);


#endif /* _NGX_MTLS_IDENTITY_H_INCLUDED_ */
