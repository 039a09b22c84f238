
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sources: the files that change while nginx runs, as the configuration names
 * them.
 */


#ifndef _NGX_MTLS_SOURCE_H_INCLUDED_
#define _NGX_MTLS_SOURCE_H_INCLUDED_


#include <ngx_mtls.h>


#define NGX_MTLS_SOURCE_CRL        1    /* kinds */
#define NGX_MTLS_SOURCE_CA         2

/* a file whose ctime lies this near to its reading (s) is read once more */
#define NGX_MTLS_SOURCE_RACY       2


/* one directive that names a source; a glob stands for many files */
typedef struct {
    ngx_uint_t                     kind;
    ngx_str_t                      path;      /* full path or glob, with NUL */
    ngx_uint_t                     glob;
    ngx_str_t                      issuer;    /* issuer=FILE or empty */
    time_t                         refresh;   /* seconds; 0: off */
    time_t                         grace;     /* seconds */
    time_t                         max_age;   /* seconds; 0: no limit */

    /* of CA files */
    ngx_uint_t                     number;    /* among the sources of CAs */
    ngx_uint_t                     label;     /* its number */
    ngx_str_t                      label_name;
    ngx_uint_t                     partial;   /* all are trusted */

    u_char                         key[NGX_MTLS_HASH_LEN];
    ngx_str_t                      file;      /* of the configuration */
    ngx_uint_t                     line;
} ngx_mtls_source_t;


/* what stat() said: a change of any of it is a change of the file */
typedef struct {
    dev_t                          dev;
    ino_t                          ino;
    off_t                          size;
    struct timespec                mtime;
    struct timespec                ctime;
} ngx_mtls_stat_t;


/*
 * Sets source->key: SHA-256 over kind, path, options and, of CRLs, the digest
 * of the trust that the configuration began with.  "refresh" is no part of it:
 * it changes no table.
 */
ngx_int_t ngx_mtls_source_key(ngx_mtls_source_t *source,
    const u_char trust[NGX_MTLS_HASH_LEN]);

/* the key of one of a source's files: SHA-256 over the source's key and path */
ngx_int_t ngx_mtls_source_file_key(ngx_mtls_source_t *source,
    ngx_str_t *path, u_char key[NGX_MTLS_HASH_LEN]);

/*
 * The paths that a source means now, sorted: array of ngx_str_t from the
 * pool, each with a NUL.  A glob that matches nothing gives none, one that
 * could not look into a folder is NGX_ERROR, logged if "log" is not NULL, as
 * is out of memory.
 */
ngx_int_t ngx_mtls_source_paths(ngx_mtls_source_t *source, ngx_pool_t *pool,
    ngx_log_t *log, ngx_array_t *paths);

/* NGX_DECLINED: the file is not there or cannot be looked at (errno) */
ngx_int_t ngx_mtls_source_stat(ngx_str_t *path, ngx_mtls_stat_t *st);

/* whether the file may have changed since "old" was taken at "taken" */
ngx_uint_t ngx_mtls_source_changed(ngx_mtls_stat_t *old, time_t taken,
    ngx_mtls_stat_t *now);

/*
 * Whether "user" and its groups (as the worker has them) can open each of the
 * paths for reading; asked in a child where the master is root.
 * NGX_DECLINED: "err" names user, path and cause.  NGX_ERROR: it could not be
 * found out, "err" says why.
 */
ngx_int_t ngx_mtls_source_readable(ngx_array_t *paths, ngx_core_conf_t *ccf,
    ngx_log_t *log, ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_SOURCE_H_INCLUDED_ */
