
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of trust: some CAs, and sets of them made of files.
 */


#ifndef _CA_H_INCLUDED_
#define _CA_H_INCLUDED_


#include "pki.h"

#include <ngx_mtls_ca.h>


static ngx_pool_t        *pool;
static ngx_mtls_ca_t     *ca;
static const char        *dir;
static ngx_mtls_error_t   err;

/* a root with two levels below it, another root, and a self-signed leaf */
static pki_t  root, other, inter, inter2, leaf, direct, own;


static inline int
once(void **state)
{
    static const pki_spec_t  s_root = { .cn = "Root", .ca = 1 };
    static const pki_spec_t  s_other = { .cn = "Other", .ca = 1 };
    static const pki_spec_t  s_inter = { .cn = "Inter", .ca = 1 };
    static const pki_spec_t  s_inter2 = { .cn = "Inter 2", .ca = 1 };
    static const pki_spec_t  s_leaf = { .cn = "leaf" };
    static const pki_spec_t  s_own = { .cn = "own" };

    pki_issue(&root, NULL, &s_root);
    pki_issue(&other, NULL, &s_other);
    pki_issue(&inter, &root, &s_inter);
    pki_issue(&inter2, &inter, &s_inter2);
    pki_issue(&leaf, &inter2, &s_leaf);
    pki_issue(&direct, &root, &s_leaf);
    pki_issue(&own, NULL, &s_own);

    return 0;
}


static inline int
end(void **state)
{
    pki_free(&root);
    pki_free(&other);
    pki_free(&inter);
    pki_free(&inter2);
    pki_free(&leaf);
    pki_free(&direct);
    pki_free(&own);

    return 0;
}


static inline int
setup(void **state)
{
    shim_reset();

    dir = pki_dir();
    pool = shim_pool();
    ca = ngx_mtls_ca_create(pool);
    assert_non_null(ca);

    return 0;
}


static inline int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    pki_dir_remove(dir);

    return 0;
}


static inline ngx_mtls_label_t *
label(const char *name)
{
    ngx_str_t          s = { strlen(name), (u_char *) name };
    ngx_mtls_label_t  *l;

    assert_int_equal(ngx_mtls_ca_label(ca, &s, NGX_CONF_UNSET_UINT,
                                       NGX_CONF_UNSET_UINT, &l, &err),
                     NGX_OK);
    return l;
}


/* one file with these certificates in this label */

static inline void
add(const char *name, ngx_uint_t partial, pki_t **certs, ngx_uint_t n)
{
    char         file[32];
    ngx_str_t    path;
    static int   number;

    snprintf(file, sizeof(file), "ca%d.pem", ++number);
    path = pki_file(dir, file, certs, n);

    if (ngx_mtls_ca_file(ca, label(name), &path, partial, NGX_MTLS_CA_STATIC,
                         &err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


static inline void
finish(void)
{
    if (ngx_mtls_ca_finish(ca, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


#define add1(name, partial, a)                                               \
    add(name, partial, (pki_t *[]) { a }, 1)
#define add2(name, partial, a, b)                                            \
    add(name, partial, (pki_t *[]) { a, b }, 2)


static inline ngx_uint_t
err_has(const char *text)
{
    return memmem(err.text, err.len, text, strlen(text)) != NULL;
}


static inline void
fingerprint(pki_t *cert, u_char *hash)
{
    int             n;
    unsigned char  *der = NULL;

    n = i2d_X509(cert->x509, &der);
    assert_true(n > 0);
    assert_int_equal(ngx_mtls_sha256(der, n, hash), NGX_OK);
    OPENSSL_free(der);
}


static inline ngx_mtls_anchor_t *
find(pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_find(ca, hash);
}


static inline ngx_mtls_anchor_t *
known(pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_cert(ca, hash);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


#endif /* _CA_H_INCLUDED_ */
