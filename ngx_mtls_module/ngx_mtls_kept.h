
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Kept CRLs: what was accepted from a source file, as signed DER in a folder
 * beside the runs, for the next start.
 *
 * Nothing of a kept file is believed before its CRLs are verified again like
 * those of any file; a wrong one does no more harm than none.
 */


#ifndef _NGX_MTLS_KEPT_H_INCLUDED_
#define _NGX_MTLS_KEPT_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_table.h>


#define NGX_MTLS_KEPT_FOLDER       "kept"     /* in the state path */
#define NGX_MTLS_KEPT_MAX          1024       /* CRLs, certificates */

/* digits of a kept file's name */
#define NGX_MTLS_KEPT_NAME_LEN     (2 * NGX_MTLS_HASH_LEN)


/* what became of a kept file when its source file was compiled */
#define NGX_MTLS_KEPT_UNUSED       0
#define NGX_MTLS_KEPT_SERVES       1    /* instead of the source file */
#define NGX_MTLS_KEPT_BAD          2    /* and it would have been wanted */
#define NGX_MTLS_KEPT_SAME         3    /* as the source file */


/*
 * A CRL: its DER, and of the header its source_hash and what
 * ngx_mtls_crl_older() compares
 */
typedef struct {
    ngx_str_t                      der;       /* data is NULL: not read */
    ngx_mtls_table_header_t        header;
} ngx_mtls_kept_crl_t;


typedef struct {
    ngx_str_t                      path;      /* of the source file, NUL */
    time_t                         time;      /* when it was written */
    ngx_uint_t                     retired;   /* see ngx_mtls_kept_retire() */
    ngx_mtls_kept_crl_t           *crls;
    ngx_uint_t                     ncrls;
    ngx_str_t                     *certs;     /* DER, beside the CRLs */
    ngx_uint_t                     ncerts;
    u_char                        *data;      /* the whole file or its head */
} ngx_mtls_kept_t;


/* the name of the file that keeps a source file, with a NUL */
ngx_int_t ngx_mtls_kept_name(ngx_str_t *path,
    u_char name[NGX_MTLS_KEPT_NAME_LEN + 1]);

/*
 * Reads what is kept of a source file in the folder "dir", its "head" or all
 * of it; ngx_mtls_kept_free() ends that.  The folder and the file must belong
 * to this process's effective user alone, links are not followed.  Checked are
 * form, bounds, and the hash of the head, no DER.  NGX_DECLINED: there is
 * none, or the folder cannot be used; NGX_ABORT: there is one and it is wrong,
 * NGX_ERROR: it could not be found out; "err" names it and says why.
 */
ngx_int_t ngx_mtls_kept_read(ngx_str_t *dir, ngx_str_t *path, ngx_uint_t head,
    ngx_pool_t *pool, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err);

void ngx_mtls_kept_free(ngx_mtls_kept_t *kept);

/* sets the error that what is kept of a source file is not used */
void ngx_mtls_kept_unused(ngx_str_t *dir, ngx_str_t *path,
    ngx_mtls_error_t *cause, ngx_mtls_error_t *err);

/*
 * Writes "kept", all of which but "data" is filled, by a temporary file that
 * no other run uses, fsync and rename.  NGX_ERROR: "err" says why, and what
 * was there stays.
 */
ngx_int_t ngx_mtls_kept_write(ngx_str_t *dir,
    const u_char run_id[NGX_MTLS_RUN_ID_LEN], ngx_mtls_kept_t *kept,
    ngx_mtls_error_t *err);

/*
 * Something later was accepted, but is not kept yet: until it is, what is kept
 * must not serve, but an older list than that is refused all the same
 */
void ngx_mtls_kept_retire(ngx_str_t *dir, ngx_str_t *path);

/* whether a state path has a file that keeps a source file, good or bad */
ngx_uint_t ngx_mtls_kept_there(ngx_str_t *state_path, ngx_str_t *path);

/*
 * The path of the source file that a file of the folder says it keeps, in
 * "buf" of NGX_MAX_PATH octets, with a NUL.  NGX_DECLINED: it is not to be
 * believed.
 */
ngx_int_t ngx_mtls_kept_path(ngx_fd_t folder, const char *name, u_char *buf,
    ngx_str_t *path);


#endif /* _NGX_MTLS_KEPT_H_INCLUDED_ */
