
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manifest: which tables one generation consists of, written by the
 * manager, checked and mapped by the workers.
 */


#ifndef _NGX_MTLS_MANIFEST_H_INCLUDED_
#define _NGX_MTLS_MANIFEST_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_source.h>
#include <ngx_mtls_table.h>
#include <ngx_mtls_zone.h>


#define NGX_MTLS_MANIFEST_NAME     "manifest"   /* of the file */

/* hexadecimal digits of a table file's name */
#define NGX_MTLS_NAME_LEN          (2 * NGX_MTLS_HASH_LEN)


/* a table of a generation */
typedef struct {
    u_char                         source[NGX_MTLS_HASH_LEN]; /* its key */
    u_char                         file[NGX_MTLS_HASH_LEN];   /* file's key */
    u_char                         hash[NGX_MTLS_HASH_LEN];   /* of header */
    u_char                         name[NGX_MTLS_NAME_LEN + 1];
    ngx_str_t                      path;        /* of the source file, NUL */
    time_t                         grace;
    time_t                         max_age;

    /* the source file when it was read, at "taken": for the next manager */
    ngx_mtls_stat_t                stat;
    time_t                         taken;

    ngx_mtls_table_t              *table;       /* a reference */
} ngx_mtls_slot_t;


/* a source whose first attempt has ended, good or bad */
typedef struct {
    u_char                         key[NGX_MTLS_HASH_LEN];
    uint64_t                       since;       /* generation in which its
                                                   tables changed last, */
    uint64_t                       read;        /* and when the files were
                                                   looked at for them: of
                                                   ngx_mtls_now() */

    /*
     * 0, or the first generation of a configuration that does not have the
     * source: what there is of it is for workers of earlier ones, "until" (s)
     */
    uint64_t                       retired;
    int64_t                        until;
} ngx_mtls_attempted_t;


/* a generation, in the memory of one process */
typedef struct {
    ngx_pool_t                    *pool;
    ngx_atomic_uint_t              generation;
    ngx_atomic_uint_t              words[NGX_MTLS_WORDS];

    ngx_mtls_attempted_t          *attempted;   /* sorted by key */
    ngx_uint_t                     nattempted;

    ngx_mtls_slot_t               *slots;       /* sorted by name */
    ngx_uint_t                     nslots;

    /* from issuer and distribution point to slots; private */
    void                          *index;
} ngx_mtls_manifest_t;


/*
 * Writes "manifest" into "dir" by a temporary file, fsync and rename, MACed
 * with the zone's key.  By the manager only, which needs to fill neither pool,
 * tables nor index.  Sorts "attempted" and "slots".  NGX_ERROR: "err" says
 * why, and the manifest that was there stays.
 */
ngx_int_t ngx_mtls_manifest_write(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t *m, ngx_mtls_error_t *err);

/*
 * Reads the manifest of "dir", checks its MAC, run id and that it is not of a
 * generation before the zone's, and maps its tables; of "sources" (array of
 * ngx_mtls_source_t) only, all if that is NULL.  Tables that "old" (which may
 * be NULL, and stays as it is) has mapped under the same hash are shared.
 * "log" must live as long as the manifest.  NGX_AGAIN: one of the sources of
 * CRLs was not attempted yet, or a source of "old" is there no longer;
 * NGX_DECLINED: not there, bad, or out of memory, "err" says why.
 */
ngx_int_t ngx_mtls_manifest_read(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_array_t *sources, ngx_mtls_manifest_t *old, ngx_log_t *log,
    ngx_mtls_manifest_t **m, ngx_mtls_error_t *err);

void ngx_mtls_manifest_destroy(ngx_mtls_manifest_t *m);

/* NULL: the first attempt of the source has not ended */
ngx_mtls_attempted_t *ngx_mtls_manifest_attempted(ngx_mtls_manifest_t *m,
    const u_char key[NGX_MTLS_HASH_LEN]);

/*
 * The slots of CRLs of this issuer whose issuing distribution point has the
 * name "dp" (a hash of ngx_mtls_general_name_hash()); with a "dp" of zeroes,
 * those whose issuing distribution point has no name, or that have none; with
 * NULL, all slots of the issuer.  Returns their count; one probe.  What it
 * gives holds until the next ngx_mtls_manager_sync().
 */
ngx_uint_t ngx_mtls_manifest_find(ngx_mtls_manifest_t *m,
    const u_char issuer[NGX_MTLS_HASH_LEN], const u_char *dp,
    ngx_mtls_slot_t ***slots);


#endif /* _NGX_MTLS_MANIFEST_H_INCLUDED_ */
