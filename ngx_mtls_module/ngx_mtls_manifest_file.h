
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the two halves of the manifest share: its file and its memory.
 */


#ifndef _NGX_MTLS_MANIFEST_FILE_H_INCLUDED_
#define _NGX_MTLS_MANIFEST_FILE_H_INCLUDED_


#include <ngx_mtls_manifest.h>


/* the octets of the file, from the pool */
ngx_int_t ngx_mtls_manifest_load(ngx_str_t *dir, ngx_pool_t *pool,
    u_char **buf, size_t *size, ngx_mtls_error_t *err);

/*
 * Checks the octets and fills the manifest, which points into them; no table
 * is mapped.  "generation" is the least that is accepted.
 */
ngx_int_t ngx_mtls_manifest_decode(ngx_mtls_zone_t *zone,
    ngx_atomic_uint_t generation, u_char *buf, size_t size,
    ngx_mtls_manifest_t *m, ngx_mtls_error_t *err);

/* the order of slots in the file and in memory: by name */
int ngx_mtls_manifest_cmp_slot(const void *one, const void *two);


#endif /* _NGX_MTLS_MANIFEST_FILE_H_INCLUDED_ */
