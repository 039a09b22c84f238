
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the compiler's child is to do with one source file, and what it made.
 */


#ifndef _NGX_MTLS_JOB_H_INCLUDED_
#define _NGX_MTLS_JOB_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_kept.h>
#include <ngx_mtls_table.h>


/* paths end with a NUL */
typedef struct {
    ngx_uint_t                     kind;       /* NGX_MTLS_SOURCE_* */
    ngx_str_t                      path;       /* the source file */
    ngx_str_t                      dir;        /* where tables are written */
    u_char                         run_id[NGX_MTLS_RUN_ID_LEN];
    u_char                         source_key[NGX_MTLS_HASH_LEN];

    /* of a CA file: whether all its certificates are trusted */
    ngx_uint_t                     partial;

    /* of a CRL file: what its signers are judged by */
    ngx_mtls_ca_t                 *ca;
    ngx_str_t                      issuer;     /* issuer=FILE, may be empty */

    /*
     * The folder of kept CRLs, empty: none are used.  With "keep" nothing is
     * compiled, but what "loaded" was made of is kept.
     */
    ngx_str_t                      kept;
    ngx_uint_t                     keep;

    /* headers of the tables that this source file has now */
    ngx_mtls_table_header_t       *loaded;
    ngx_uint_t                     nloaded;

    /* set by the compilation: NGX_MTLS_KEPT_*, when it was kept */
    ngx_uint_t                     used;
    time_t                         kept_time;
} ngx_mtls_job_t;


/* one table that was written, under the name that it will keep */
typedef struct {
    u_char                         name[2 * NGX_MTLS_HASH_LEN + 1]; /* hex */
    u_char                         hash[NGX_MTLS_HASH_LEN]; /* of header */
} ngx_mtls_made_t;


#endif /* _NGX_MTLS_JOB_H_INCLUDED_ */
