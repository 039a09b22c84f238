
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the tests of the CRL parser share: a CA, and CRLs of it that are good
 * or refused.
 */


#ifndef _CRL_CASE_H_INCLUDED_
#define _CRL_CASE_H_INCLUDED_


#include "crl.h"


#define URI  "86{'http://a/'}"


static ngx_pool_t        *pool;
static pki_t              ca;
static ngx_mtls_crl_t     crl;
static ngx_mtls_error_t   err;


static inline int
group_setup(void **state)
{
    static const pki_spec_t  spec = { .cn = "CA", .ca = 1 };

    shim_reset();
    pki_issue(&ca, NULL, &spec);

    return 0;
}


static inline int
group_teardown(void **state)
{
    pki_free(&ca);

    return 0;
}


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


static inline void
is_good(const char *what, const crl_spec_t *spec)
{
    crl_good(pool, &ca, spec, what, &crl);
}


static inline void
is_refused(const char *what, const crl_spec_t *spec, const char *cause)
{
    crl_refused(pool, &ca, spec, what, cause);
}


static inline ngx_uint_t
is_zero(const u_char *p, size_t len)
{
    while (len--) {
        if (*p++) {
            return 0;
        }
    }

    return 1;
}


#endif /* _CRL_CASE_H_INCLUDED_ */
