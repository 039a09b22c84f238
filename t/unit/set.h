
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of sets of CA certificates: a configuration's files, and the
 * tables that they were compiled to since.
 */


#ifndef _SET_H_INCLUDED_
#define _SET_H_INCLUDED_


#include "live.h"
#include "verify.h"


#define PARTS  4


static ngx_mtls_ca_t       *configured;
static ngx_mtls_ca_part_t   parts[PARTS];
static ngx_uint_t           nparts;


static inline int
set_setup(void **state)
{
    live_setup(state);

    nparts = 0;

    return 0;
}


/* a file that the configuration read, of a source */

static inline void
file(const char *name, ngx_uint_t source, ngx_uint_t partial, pki_t **certs,
    ngx_uint_t n)
{
    ngx_str_t  path;

    path = live_file(certs, n);

    if (ngx_mtls_ca_file(ca, label(name), &path, partial, source, &err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) err.len, err.text);
    }
}


static inline void
configure(void)
{
    finish();
    configured = ca;
}


/* what a source's file was compiled to since */

static inline ngx_mtls_ca_part_t *
part_of(const char *name, ngx_uint_t source, ngx_uint_t partial,
    ngx_str_t *path)
{
    ngx_str_t            s;
    ngx_mtls_ca_part_t  *part;

    s.data = (u_char *) name;
    s.len = strlen(name);

    assert_true(nparts < PARTS);
    part = &parts[nparts++];

    ngx_memzero(part, sizeof(ngx_mtls_ca_part_t));

    part->table = live_copy(live_table(path, partial));
    part->label = ngx_mtls_ca_label_name(configured, &s)->number;
    part->source = source;
    part->path = *path;

    return part;
}


static inline ngx_mtls_ca_part_t *
part(const char *name, ngx_uint_t source, ngx_uint_t partial, pki_t **certs,
    ngx_uint_t n)
{
    ngx_str_t  path;

    path = live_file(certs, n);

    return part_of(name, source, partial, &path);
}


/* the manifest that they were of is gone: nobody else may have them now */

static inline void
parts_end(void)
{
    while (nparts) {
        live_copy_free(parts[--nparts].table);
    }
}


#define certs(...)                                                           \
    (pki_t *[]) { __VA_ARGS__ },                                             \
    sizeof((pki_t *[]) { __VA_ARGS__ }) / sizeof(pki_t *)


static inline ngx_mtls_ca_t *
swap_to(ngx_mtls_ca_t *previous, ngx_mtls_ca_part_t *p, ngx_uint_t n)
{
    ngx_mtls_ca_t  *set;

    err.len = 0;

    set = ngx_mtls_ca_live(configured, previous, p, n, &shim_log, &err);

    if (set == NULL) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    /* the one that find() and verify() ask */
    ca = set;

    return set;
}


#define swap(previous)  swap_to(previous, parts, nparts)


static inline ngx_uint_t
vouched(pki_t *cert, pki_t **chain, ngx_uint_t n)
{
    int         error;
    ngx_uint_t  depth;

    if (verify(cert, chain, n, &error, &depth) == NULL) {
        assert_int_not_equal(error, X509_V_OK);
        return 0;
    }

    assert_int_equal(error, X509_V_OK);

    return 1;
}


static inline ngx_mtls_ca_entry_t *
entry(ngx_mtls_ca_t *set, pki_t *cert)
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    fingerprint(cert, hash);

    return ngx_mtls_ca_entry(set, hash);
}


/* how many certificates the set has parsed, or has from another */

static inline ngx_uint_t
parsed(ngx_mtls_ca_t *set)
{
    ngx_uint_t           i, n;
    ngx_mtls_anchor_t  **anchor;

    anchor = ngx_mtls_ca_certs(set)->elts;

    for (n = 0, i = 0; i < ngx_mtls_ca_certs(set)->nelts; i++) {
        assert_int_equal(anchor[i]->cert != NULL,
                         ((ngx_mtls_ca_entry_t *) anchor[i])->loaded != NULL);
        n += (anchor[i]->cert != NULL);
    }

    return n;
}


#define s(f)  cmocka_unit_test_setup_teardown(f, set_setup, teardown)


#endif /* _SET_H_INCLUDED_ */
