
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Intermediates: the certificates between leaf and anchor, parsed once in a
 * process, counted, and bounded in number.
 */


#ifndef _NGX_MTLS_INTERMEDIATE_H_INCLUDED_
#define _NGX_MTLS_INTERMEDIATE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_manager.h>


#define NGX_MTLS_INTERMEDIATES_MAX  512    /* that are kept unused */


/*
 * A certificate above a leaf by fingerprint: of the files, of this process's
 * cache, or of the zone.  NULL: not known, or out of memory.  To be given back
 * with ngx_mtls_intermediate_free().
 */
ngx_mtls_ca_cert_t *ngx_mtls_intermediate_get(ngx_mtls_conf_t *conf,
    const u_char fingerprint[NGX_MTLS_HASH_LEN]);

/*
 * The same for a certificate of a chain that was verified just now: it is
 * parsed and put into the zone if this process sees it for the first time.
 * NGX_DECLINED: our parser refuses it, "err" says why; NGX_ERROR: out of
 * memory.
 */
ngx_int_t ngx_mtls_intermediate_seen(ngx_mtls_conf_t *conf, X509 *x509,
    ngx_mtls_ca_cert_t **cert, ngx_mtls_error_t *err);

void ngx_mtls_intermediate_free(ngx_mtls_ca_cert_t *cert);


#endif /* _NGX_MTLS_INTERMEDIATE_H_INCLUDED_ */
