
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The folder of a run: who uses it, who writes it, and what is to be removed.
 */


#ifndef _NGX_MTLS_RUN_H_INCLUDED_
#define _NGX_MTLS_RUN_H_INCLUDED_


#include <ngx_mtls.h>


/*
 * seconds: a table that no manifest names any more is removed so much later,
 * a dead run's folder is removed if it is older
 */
#define NGX_MTLS_RUN_DELAY         60


/* what the manager holds; -1: not open */
typedef struct {
    ngx_fd_t                       alive;     /* shared lock */
    ngx_fd_t                       compile;   /* exclusive lock */
} ngx_mtls_run_t;


/* whether the current manifest names this table */
typedef ngx_uint_t (*ngx_mtls_run_named_pt)(void *data, u_char *name);


/*
 * For the manager: makes the folder where it is not there, and takes both
 * locks.  NGX_AGAIN: another process of this run compiles, or the folder is
 * just being removed; NGX_ERROR: "err" says why.
 */
ngx_int_t ngx_mtls_run_open(ngx_str_t *dir, ngx_mtls_run_t *run,
    ngx_mtls_error_t *err);
void ngx_mtls_run_close(ngx_mtls_run_t *run);

/*
 * Opens a folder that belongs to this process's effective user alone.  -1: it
 * cannot be used (errno); a link is not followed.
 */
ngx_fd_t ngx_mtls_run_folder(ngx_str_t *dir);

/* whether the folder is still the one whose locks are held */
ngx_uint_t ngx_mtls_run_valid(ngx_str_t *dir, ngx_mtls_run_t *run);

/*
 * For a process that maps tables: keeps the folder until the process ends.
 * NGX_ERROR: "err" says why.
 */
ngx_int_t ngx_mtls_run_hold(ngx_str_t *dir, ngx_mtls_error_t *err);

/*
 * Removes what killed children left, and tables that "named" has denied in an
 * earlier call, NGX_MTLS_RUN_DELAY ago or more.
 */
void ngx_mtls_run_sweep(ngx_str_t *dir, ngx_mtls_run_named_pt named,
    void *data);

/* removes the folders of dead runs beside "dir", an own run's folder */
void ngx_mtls_run_clean(ngx_str_t *state_path, ngx_str_t *dir,
    ngx_log_t *log);

/* whether a string is the name of a table, without any suffix */
ngx_uint_t ngx_mtls_run_is_name(const u_char *name);


#endif /* _NGX_MTLS_RUN_H_INCLUDED_ */
