
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the tests of the DER reader share: a pool, and octets that end where
 * their memory ends.
 */


#ifndef _DER_CASE_H_INCLUDED_
#define _DER_CASE_H_INCLUDED_


#include "shim.h"

#include <ngx_mtls_der.h>


#define lit(s)    (u_char *) s, sizeof(s) - 1


static ngx_pool_t  *pool;


static inline int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    return 0;
}


static inline int
teardown(void **state)
{
    ngx_destroy_pool(pool);

    return 0;
}


/* a copy without a spare octet, so that ASan sees one that is read too far */

static inline ngx_mtls_der_t
exact(const void *data, size_t len)
{
    u_char          *p;
    ngx_mtls_der_t   d;

    p = ngx_pnalloc(pool, len ? len : 1);
    assert_non_null(p);

    ngx_memcpy(p, data, len);
    ngx_mtls_der_set(&d, p, len);

    return d;
}


#endif /* _DER_CASE_H_INCLUDED_ */
