
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Whether the workers could write what they are ruled by.
 */


#ifndef _NGX_HTTP_MTLS_WRITABLE_H_INCLUDED_
#define _NGX_HTTP_MTLS_WRITABLE_H_INCLUDED_


#include <ngx_http_mtls_module.h>


/* the files of one source */
typedef struct {
    const char                    *what;      /* the directive, in quotes */
    ngx_mtls_source_t             *source;    /* NULL: of several lines */
    ngx_str_t                     *paths;     /* each with a NUL */
    ngx_uint_t                     n;
} ngx_http_mtls_set_t;


/*
 * Warns, once per set (of ngx_http_mtls_set_t), of files that the worker user
 * can write or replace; asked in a child that becomes that user.  Says nothing
 * where workers run as the master does: then all belongs to one user anyway.
 * NGX_ERROR: it could not be found out, logged.
 */
ngx_int_t ngx_http_mtls_writable(ngx_array_t *sets, ngx_core_conf_t *ccf,
    ngx_log_t *log);


#endif /* _NGX_HTTP_MTLS_WRITABLE_H_INCLUDED_ */
