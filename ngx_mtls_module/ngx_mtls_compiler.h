
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The compiler: a child process that reads source files, so that neither the
 * size of a file nor a fault in reading it reaches the process that started
 * it.
 */


#ifndef _NGX_MTLS_COMPILER_H_INCLUDED_
#define _NGX_MTLS_COMPILER_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_event.h>
#include <ngx_mtls_crl.h>


/* a child that takes longer (ms) for one file is killed */
#define NGX_MTLS_COMPILER_TIMEOUT  60000

/*
 * A child takes several small files, since starting it costs more than
 * compiling one: up to so many, and so many octets together.
 */
#define NGX_MTLS_COMPILER_JOBS     64
#define NGX_MTLS_COMPILER_OCTETS   (1024 * 1024)


typedef struct ngx_mtls_compiler_s  ngx_mtls_compiler_t;

/* one child at a time; the first part is the caller's */
struct ngx_mtls_compiler_s {
    ngx_log_t                     *log;
    ngx_fd_t                       lock;      /* kept open by the child */
    void                          *data;

    /*
     * Called for each job, in the order in which they were given, until all
     * are done or one has failed with the child: then "pid" is 0, the jobs
     * after it were not done, and another child may be started.
     */
    void                         (*handler)(ngx_mtls_compiler_t *compiler);

    /*
     * Of one job.  NGX_OK: the tables in "made" are there under their
     * temporary names; NGX_DECLINED: the file is refused; NGX_ERROR: the
     * attempt failed for a reason that may pass.  In the last two cases "err"
     * says why.  Nothing is made of a job that says "keep".
     */
    ngx_int_t                      rc;
    ngx_mtls_made_t               *made;
    ngx_uint_t                     nmade;
    ngx_mtls_error_t               err;
    ngx_uint_t                     used;      /* as of the job */
    time_t                         kept_time;

    ngx_pid_t                      pid;       /* 0: no child */
    ngx_mtls_job_t                 jobs[NGX_MTLS_COMPILER_JOBS];
    ngx_uint_t                     njobs;
    ngx_uint_t                     job;       /* whose report comes next */
    ngx_connection_t              *connection;
    u_char                        *buf;
    size_t                         len;
};


/* allocates from the pool what the reports of all children need */
ngx_int_t ngx_mtls_compiler_init(ngx_mtls_compiler_t *compiler,
    ngx_pool_t *pool);

/*
 * Starts a child for the "njobs" jobs, at least one.  What they point at must
 * hold until this returns, but the paths until the child has ended.
 * NGX_ERROR: "err" says why, the handler is not called.
 */
ngx_int_t ngx_mtls_compiler_start(ngx_mtls_compiler_t *compiler);

/* ends the child, if there is one; the handler is not called */
void ngx_mtls_compiler_kill(ngx_mtls_compiler_t *compiler);


#endif /* _NGX_MTLS_COMPILER_H_INCLUDED_ */
