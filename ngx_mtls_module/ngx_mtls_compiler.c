
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The compiler's child, and the end of the pipe at which its parent waits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <ngx_mtls_ca_table.h>
#include <ngx_mtls_compiler.h>
#include <ngx_mtls_run.h>
#include <ngx_mtls_source.h>

#if (NGX_LINUX)
#include <sys/prctl.h>
#endif


/* file descriptors that are closed where the system cannot list them */
#define NGX_MTLS_COMPILER_FDS      65536


/*
 * What comes through the pipe for each job: this, "nmade" tables, "len" octets
 * of text.
 */
typedef struct {
    u_char                         magic[8];
    int64_t                        rc;
    uint32_t                       nmade;
    uint32_t                       len;
    int64_t                        kept_time;
    uint64_t                       used;       /* NGX_MTLS_KEPT_* */
} ngx_mtls_compiler_report_t;


#define NGX_MTLS_COMPILER_MAGIC    "MTLSRPT"   /* with its NUL: 8 octets */

#define NGX_MTLS_COMPILER_MADE                                               \
    (NGX_MTLS_CRL_FILE_MAX * sizeof(ngx_mtls_made_t))

/* the longest report */
#define NGX_MTLS_COMPILER_BUF                                                \
    (sizeof(ngx_mtls_compiler_report_t) + NGX_MTLS_COMPILER_MADE             \
     + NGX_MAX_CONF_ERRSTR)


static ngx_int_t ngx_mtls_compiler_listen(ngx_mtls_compiler_t *compiler,
    int fds[2]);
static ngx_int_t ngx_mtls_compiler_fork(ngx_mtls_compiler_t *compiler,
    ngx_fd_t fd);
static void ngx_mtls_compiler_child(ngx_mtls_compiler_t *compiler,
    ngx_fd_t fd, ngx_pid_t parent);
static ngx_int_t ngx_mtls_compiler_work(ngx_mtls_job_t *job, ngx_fd_t fd,
    ngx_log_t *log);
static void ngx_mtls_compiler_signals(void);
static void ngx_mtls_compiler_close(ngx_fd_t *keep, ngx_uint_t n);
static void ngx_mtls_compiler_close_fd(ngx_fd_t fd, ngx_fd_t *keep,
    ngx_uint_t n);
static ngx_int_t ngx_mtls_compiler_send(ngx_fd_t fd, const void *data,
    size_t len);
static void ngx_mtls_compiler_read(ngx_event_t *rev);
static ngx_int_t ngx_mtls_compiler_reports(ngx_mtls_compiler_t *compiler);
static ngx_int_t ngx_mtls_compiler_parse(ngx_mtls_compiler_t *compiler,
    size_t *size);
static void ngx_mtls_compiler_failed(ngx_mtls_compiler_t *compiler,
    char *cause);
static void ngx_mtls_compiler_reap(ngx_mtls_compiler_t *compiler,
    ngx_uint_t end, int *status);


ngx_int_t
ngx_mtls_compiler_init(ngx_mtls_compiler_t *compiler, ngx_pool_t *pool)
{
    compiler->buf = ngx_palloc(pool, NGX_MTLS_COMPILER_BUF);
    compiler->made = ngx_palloc(pool, NGX_MTLS_COMPILER_MADE);

    if (compiler->buf == NULL || compiler->made == NULL) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_compiler_start(ngx_mtls_compiler_t *compiler)
{
    int  fds[2];

    if (pipe(fds) == -1) {
        return ngx_mtls_error(&compiler->err, "pipe() failed (%d: %s)",
                              ngx_errno, strerror(ngx_errno));
    }

    if (ngx_mtls_compiler_listen(compiler, fds) != NGX_OK) {
        (void) close(fds[1]);
        return NGX_ERROR;
    }

    if (ngx_mtls_compiler_fork(compiler, fds[1]) != NGX_OK) {
        ngx_close_connection(compiler->connection);
        compiler->connection = NULL;
        (void) close(fds[1]);
        return NGX_ERROR;
    }

    (void) close(fds[1]);

    ngx_add_timer(compiler->connection->read, NGX_MTLS_COMPILER_TIMEOUT);

    return NGX_OK;
}


/* the parent's end becomes a connection of the event loop */

static ngx_int_t
ngx_mtls_compiler_listen(ngx_mtls_compiler_t *compiler, int fds[2])
{
    ngx_connection_t  *c;

    if (ngx_nonblocking(fds[0]) == -1
        || fcntl(fds[0], F_SETFD, FD_CLOEXEC) == -1
        || fcntl(fds[1], F_SETFD, FD_CLOEXEC) == -1)
    {
        ngx_mtls_error(&compiler->err, "fcntl() of a pipe failed (%d: %s)",
                       ngx_errno, strerror(ngx_errno));
        (void) close(fds[0]);
        return NGX_ERROR;
    }

    c = ngx_get_connection(fds[0], compiler->log);
    if (c == NULL) {
        (void) close(fds[0]);
        return ngx_mtls_error(&compiler->err, "no connection is free");
    }

    c->data = compiler;
    c->read->handler = ngx_mtls_compiler_read;
    c->read->log = compiler->log;
    c->write->log = compiler->log;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_close_connection(c);
        return ngx_mtls_error(&compiler->err, "no event for a pipe");
    }

    compiler->connection = c;
    compiler->len = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_compiler_fork(ngx_mtls_compiler_t *compiler, ngx_fd_t fd)
{
    sigset_t   all, old;
    ngx_err_t  err;
    ngx_pid_t  pid, parent;

    parent = ngx_getpid();

    /* nginx's handlers must not run in the child */

    sigfillset(&all);

    if (sigprocmask(SIG_SETMASK, &all, &old) == -1) {
        return ngx_mtls_error(&compiler->err, "sigprocmask() failed (%d: %s)",
                              ngx_errno, strerror(ngx_errno));
    }

    pid = fork();
    err = ngx_errno;

    if (pid == 0) {
        ngx_mtls_compiler_child(compiler, fd, parent);
    }

    (void) sigprocmask(SIG_SETMASK, &old, NULL);

    if (pid == -1) {
        return ngx_mtls_error(&compiler->err, "fork() failed (%d: %s)", err,
                              strerror(err));
    }

    compiler->pid = pid;
    compiler->job = 0;

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, compiler->log, 0,
                   "mtls compiler %P: %ui files from \"%V\" on", pid,
                   compiler->njobs, &compiler->jobs[0].path);

    return NGX_OK;
}


/* does not return: neither exit handlers nor buffers are the child's */

static void
ngx_mtls_compiler_child(ngx_mtls_compiler_t *compiler, ngx_fd_t fd,
    ngx_pid_t parent)
{
    ngx_fd_t     keep[3];
    ngx_log_t    log, *l;
    ngx_uint_t   i;

#if (NGX_LINUX)

    /* what the parent began must not go on without it */

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1) {
        _exit(1);
    }

#endif

    if (ngx_getppid() != parent) {
        _exit(1);
    }

    ngx_mtls_compiler_signals();

    ngx_pid = ngx_getpid();
    ngx_setproctitle("mtls compiler");

    /* of the logs the file alone: others have sockets of their own */

    for (l = ngx_cycle->log; l->next && l->writer; l = l->next) {
        /* void */
    }

    log = *l;
    log.next = NULL;

    if (log.writer) {
        log.log_level = 0;
    }

    ((ngx_cycle_t *) ngx_cycle)->log = &log;

    keep[0] = fd;
    keep[1] = compiler->lock;
    keep[2] = log.file ? log.file->fd : -1;

    ngx_mtls_compiler_close(keep, 3);

    for (i = 0; i < compiler->njobs; i++) {
        if (ngx_mtls_compiler_work(&compiler->jobs[i], fd, &log) != NGX_OK) {
            _exit(1);
        }
    }

    _exit(0);
}


static ngx_int_t
ngx_mtls_compiler_work(ngx_mtls_job_t *job, ngx_fd_t fd, ngx_log_t *log)
{
    ngx_pool_t                  *pool;
    ngx_uint_t                   nmade;
    ngx_mtls_error_t             err;
    ngx_mtls_made_t             *made;
    ngx_mtls_compiler_report_t   report;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&report, sizeof(ngx_mtls_compiler_report_t));
    ngx_memcpy(report.magic, NGX_MTLS_COMPILER_MAGIC, sizeof(report.magic));

    made = NULL;
    nmade = 0;
    err.len = 0;

    if (job->keep) {
        report.rc = ngx_mtls_crl_keep(job, pool, &err);

    } else if (job->kind == NGX_MTLS_SOURCE_CA) {
        report.rc = ngx_mtls_ca_compile(job, pool, &made, &nmade, &err);

    } else {
        report.rc = ngx_mtls_crl_compile(job, pool, &made, &nmade, &err);
        report.used = job->used;
        report.kept_time = job->kept_time;
    }

    if (report.rc == NGX_OK) {
        report.nmade = nmade;
    }

    if (report.rc != NGX_OK
        || report.used == NGX_MTLS_KEPT_SERVES
        || report.used == NGX_MTLS_KEPT_BAD)
    {
        report.len = err.len;
    }

    if (ngx_mtls_compiler_send(fd, &report, sizeof(report)) != NGX_OK
        || ngx_mtls_compiler_send(fd, made, report.nmade
                                            * sizeof(ngx_mtls_made_t))
           != NGX_OK
        || ngx_mtls_compiler_send(fd, err.text, report.len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_destroy_pool(pool);

    return NGX_OK;
}


static void
ngx_mtls_compiler_signals(void)
{
    int       n;
    sigset_t  none;

    for (n = 1; n < NSIG; n++) {
        (void) signal(n, SIG_DFL);
    }

    /* a parent that closed its end is seen by write() */
    (void) signal(SIGPIPE, SIG_IGN);

    sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}


/*
 * Sockets of the parent would stay open for their peers as long as the child
 * has them, and its locks and the event loop are not for the child either.
 */

static void
ngx_mtls_compiler_close(ngx_fd_t *keep, ngx_uint_t n)
{
    DIR            *dir;
    ngx_fd_t        fd;
    struct dirent  *de;

    dir = opendir("/proc/self/fd");

    if (dir == NULL) {

        for (fd = 3; fd < NGX_MTLS_COMPILER_FDS; fd++) {
            ngx_mtls_compiler_close_fd(fd, keep, n);
        }

        return;
    }

    for ( ;; ) {
        de = readdir(dir);

        if (de == NULL) {
            break;
        }

        /* "." and ".." give -1 */

        fd = ngx_atoi((u_char *) de->d_name, ngx_strlen(de->d_name));

        if (fd > 2 && fd != dirfd(dir)) {
            ngx_mtls_compiler_close_fd(fd, keep, n);
        }
    }

    (void) closedir(dir);
}


static void
ngx_mtls_compiler_close_fd(ngx_fd_t fd, ngx_fd_t *keep, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (fd == keep[i]) {
            return;
        }
    }

    (void) close(fd);
}


static ngx_int_t
ngx_mtls_compiler_send(ngx_fd_t fd, const void *data, size_t len)
{
    ssize_t        n;
    const u_char  *p;

    for (p = data; len; p += n, len -= n) {
        n = write(fd, p, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_mtls_compiler_read(ngx_event_t *rev)
{
    ssize_t               n;
    ngx_connection_t     *c;
    ngx_mtls_compiler_t  *compiler;

    c = rev->data;
    compiler = c->data;

    if (rev->timedout) {
        ngx_mtls_compiler_failed(compiler, "took too long");
        return;
    }

    for ( ;; ) {
        n = read(c->fd, compiler->buf + compiler->len,
                 NGX_MTLS_COMPILER_BUF - compiler->len);

        if (n > 0) {
            compiler->len += n;

            if (ngx_mtls_compiler_reports(compiler) != NGX_OK) {
                return;
            }

            continue;
        }

        if (n == 0) {
            ngx_mtls_compiler_failed(compiler, NULL);
            return;
        }

        if (ngx_errno == NGX_EINTR) {
            continue;
        }

        break;
    }

    rev->ready = 0;

    if (ngx_errno != NGX_EAGAIN || ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_mtls_compiler_failed(compiler, "cannot be heard");
    }
}


/*
 * Gives the complete reports to the handler.  NGX_DONE: this child is done
 * with, and its connection is no longer ours.
 */

static ngx_int_t
ngx_mtls_compiler_reports(ngx_mtls_compiler_t *compiler)
{
    int                status;
    size_t             size;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = compiler->connection;

    for ( ;; ) {
        rc = ngx_mtls_compiler_parse(compiler, &size);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_mtls_compiler_failed(compiler, "talks nonsense");
            return NGX_DONE;
        }

        compiler->job++;
        compiler->len -= size;
        ngx_memmove(compiler->buf, compiler->buf + size, compiler->len);

        if (compiler->job == compiler->njobs) {

            /* it has nothing left to do but exit */

            ngx_close_connection(c);
            compiler->connection = NULL;
            ngx_mtls_compiler_reap(compiler, 0, &status);

            compiler->handler(compiler);

            return NGX_DONE;
        }

        ngx_add_timer(c->read, NGX_MTLS_COMPILER_TIMEOUT);

        compiler->handler(compiler);

        /* the handler may have ended it */

        if (compiler->connection != c) {
            return NGX_DONE;
        }
    }
}


/* one report; nothing of it is believed before all of it is there */

static ngx_int_t
ngx_mtls_compiler_parse(ngx_mtls_compiler_t *compiler, size_t *size)
{
    u_char                      *p;
    size_t                       len;
    ngx_uint_t                   i;
    ngx_mtls_compiler_report_t   report;

    if (compiler->len < sizeof(ngx_mtls_compiler_report_t)) {
        return NGX_AGAIN;
    }

    ngx_memcpy(&report, compiler->buf, sizeof(ngx_mtls_compiler_report_t));

    if (ngx_memcmp(report.magic, NGX_MTLS_COMPILER_MAGIC,
                   sizeof(report.magic)) != 0
        || report.nmade > NGX_MTLS_CRL_FILE_MAX
        || report.len > sizeof(compiler->err.text)
        || (report.rc == NGX_OK && !compiler->jobs[compiler->job].keep)
           != (report.nmade != 0))
    {
        return NGX_ERROR;
    }

    len = report.nmade * sizeof(ngx_mtls_made_t);
    *size = sizeof(ngx_mtls_compiler_report_t) + len + report.len;

    if (compiler->len < *size) {
        return NGX_AGAIN;
    }

    p = compiler->buf + sizeof(ngx_mtls_compiler_report_t);

    compiler->rc = report.rc;
    compiler->nmade = report.nmade;
    compiler->err.len = report.len;
    compiler->used = report.used;
    compiler->kept_time = (time_t) report.kept_time;

    ngx_memcpy(compiler->made, p, len);
    ngx_memcpy(compiler->err.text, p + len, report.len);

    /* the names become parts of paths */

    for (i = 0; i < compiler->nmade; i++) {
        if (!ngx_mtls_run_is_name(compiler->made[i].name)) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the child is ended, if it has not ended itself, without a report */

static void
ngx_mtls_compiler_failed(ngx_mtls_compiler_t *compiler, char *cause)
{
    int              status;
    char            *kind;
    ngx_mtls_job_t  *job;

    ngx_close_connection(compiler->connection);
    compiler->connection = NULL;

    ngx_mtls_compiler_reap(compiler, 1, &status);

    job = &compiler->jobs[compiler->job++];
    kind = (job->kind == NGX_MTLS_SOURCE_CA) ? "CA" : "CRL";

    compiler->rc = NGX_ERROR;
    compiler->nmade = 0;
    compiler->used = NGX_MTLS_KEPT_UNUSED;

    if (cause) {
        ngx_mtls_error(&compiler->err, "%s file \"%V\": the compiler's child "
                       "%s", kind, &job->path, cause);

    } else if (status == -1) {
        ngx_mtls_error(&compiler->err, "%s file \"%V\": the compiler's child "
                       "died", kind, &job->path);

    } else if (WIFSIGNALED(status)) {
        ngx_mtls_error(&compiler->err, "%s file \"%V\": the compiler's child "
                       "was killed by signal %d", kind, &job->path,
                       WTERMSIG(status));

    } else {
        ngx_mtls_error(&compiler->err, "%s file \"%V\": the compiler's child "
                       "exited with code %d and no report", kind, &job->path,
                       WEXITSTATUS(status));
    }

    compiler->handler(compiler);
}


/*
 * "status" is -1 where nginx's handler of SIGCHLD was faster.  In that case
 * the id may already be another process's, so it is asked before it is used.
 */

static void
ngx_mtls_compiler_reap(ngx_mtls_compiler_t *compiler, ngx_uint_t end,
    int *status)
{
    ngx_pid_t  pid;

    pid = waitpid(compiler->pid, status, WNOHANG);

    if (pid == 0) {

        if (end) {
            (void) kill(compiler->pid, SIGKILL);
        }

        do {
            pid = waitpid(compiler->pid, status, 0);
        } while (pid == -1 && ngx_errno == NGX_EINTR);
    }

    if (pid != compiler->pid) {
        *status = -1;
    }

    compiler->pid = 0;
}


void
ngx_mtls_compiler_kill(ngx_mtls_compiler_t *compiler)
{
    int  status;

    if (compiler->pid == 0) {
        return;
    }

    ngx_close_connection(compiler->connection);
    compiler->connection = NULL;

    ngx_mtls_compiler_reap(compiler, 1, &status);
}
