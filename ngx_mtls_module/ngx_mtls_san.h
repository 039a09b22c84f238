
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * subjectAltName (RFC 5280 4.2.1.6) as values by kind.
 */


#ifndef _NGX_MTLS_SAN_H_INCLUDED_
#define _NGX_MTLS_SAN_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>


/*
 * Reads the extension's value into cert->san, san_all and dirnames.
 * NGX_ABORT: malformed, ngx_mtls_san_undefine() must follow; NGX_DECLINED:
 * more than NGX_MTLS_SAN_MAX names, "err" says so; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_san_parse(ngx_mtls_certificate_t *cert,
    ngx_mtls_der_t *value, ngx_mtls_error_t *err);

/* gives each kind one undefined value */
void ngx_mtls_san_undefine(ngx_mtls_certificate_t *cert);


#endif /* _NGX_MTLS_SAN_H_INCLUDED_ */
