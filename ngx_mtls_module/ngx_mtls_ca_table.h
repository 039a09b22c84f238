
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * From a CA file to its table.
 */


#ifndef _NGX_MTLS_CA_TABLE_H_INCLUDED_
#define _NGX_MTLS_CA_TABLE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_job.h>


/*
 * In the compiler's child: reads the file, checks its certificates, and writes
 * them as a table named by hex(SHA-256(source_key, SHA-256(list))) with the
 * suffix ".tmp" (O_EXCL|O_NOFOLLOW, mode 0600, synced); the manager renames.
 * "made" gets one from the pool.  NGX_DECLINED: the file is refused,
 * NGX_ERROR: no memory, no space; "err" names the file and the cause.
 */
ngx_int_t ngx_mtls_ca_compile(ngx_mtls_job_t *job, ngx_pool_t *pool,
    ngx_mtls_made_t **made, ngx_uint_t *nmade, ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_CA_TABLE_H_INCLUDED_ */
