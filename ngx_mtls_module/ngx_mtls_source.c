
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sources: keys, paths, changes of files, and whether the workers' user can
 * read them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_source.h>

#include <sys/wait.h>


/* what the child that became the workers' user says, by a pipe */
typedef struct {
    ngx_uint_t                     n;        /* of the path; count: all good */
    ngx_err_t                      err;
    char                           call[16]; /* that failed; "": it was open */
} ngx_mtls_source_answer_t;


static u_char *ngx_mtls_source_put(u_char *p, ngx_str_t *value);
static void ngx_mtls_source_try(ngx_array_t *paths,
    ngx_mtls_source_answer_t *answer);
static void ngx_mtls_source_try_as(ngx_array_t *paths, ngx_core_conf_t *ccf,
    ngx_mtls_source_answer_t *answer);
static ngx_int_t ngx_mtls_source_ask(ngx_array_t *paths, ngx_core_conf_t *ccf,
    ngx_log_t *log, ngx_mtls_source_answer_t *answer, ngx_mtls_error_t *err);


ngx_int_t
ngx_mtls_source_key(ngx_mtls_source_t *source,
    const u_char trust[NGX_MTLS_HASH_LEN])
{
    u_char     *buf, *p;
    size_t      size;
    uint64_t    numbers[5];
    ngx_int_t   rc;

    numbers[0] = source->kind;
    numbers[1] = source->glob;
    numbers[2] = source->grace;
    numbers[3] = source->max_age;
    numbers[4] = source->partial;

    size = sizeof(numbers) + NGX_MTLS_HASH_LEN + 3 * sizeof(size_t)
           + source->path.len + source->issuer.len + source->label_name.len;

    buf = ngx_alloc(size, ngx_cycle->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(buf, numbers, sizeof(numbers));

    if (source->kind == NGX_MTLS_SOURCE_CRL) {
        p = ngx_cpymem(p, trust, NGX_MTLS_HASH_LEN);

    } else {
        ngx_memzero(p, NGX_MTLS_HASH_LEN);
        p += NGX_MTLS_HASH_LEN;
    }

    p = ngx_mtls_source_put(p, &source->path);
    p = ngx_mtls_source_put(p, &source->issuer);
    (void) ngx_mtls_source_put(p, &source->label_name);

    rc = ngx_mtls_sha256(buf, size, source->key);

    ngx_free(buf);

    return rc;
}


/* the length goes first, so that no two lists of values look alike */

static u_char *
ngx_mtls_source_put(u_char *p, ngx_str_t *value)
{
    p = ngx_cpymem(p, &value->len, sizeof(size_t));

    return value->len ? ngx_cpymem(p, value->data, value->len) : p;
}


ngx_int_t
ngx_mtls_source_file_key(ngx_mtls_source_t *source, ngx_str_t *path,
    u_char key[NGX_MTLS_HASH_LEN])
{
    /* a keyed hash is the plain way to hash two pieces */

    return ngx_mtls_hmac(source->key, path->data, path->len, NULL, 0, key);
}


ngx_int_t
ngx_mtls_source_paths(ngx_mtls_source_t *source, ngx_pool_t *pool,
    ngx_log_t *log, ngx_array_t *paths)
{
    int          rc;
    size_t       i, len;
    glob_t       gl;
    ngx_str_t   *path;
    ngx_int_t    result;

    if (ngx_array_init(paths, pool, 1, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!source->glob) {
        path = ngx_array_push(paths);
        if (path == NULL) {
            return NGX_ERROR;
        }

        *path = source->path;

        return NGX_OK;
    }

    ngx_memzero(&gl, sizeof(glob_t));
    ngx_set_errno(0);

    /*
     * ngx_open_glob() takes a folder that cannot be read for an empty one,
     * and its revocation lists would silently be missing
     */

    rc = glob((char *) source->path.data, GLOB_ERR, NULL, &gl);

    if (rc == GLOB_NOMATCH) {
        globfree(&gl);
        return NGX_OK;
    }

    if (rc != 0) {

        if (log) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          "glob \"%V\" failed", &source->path);
        }

        globfree(&gl);
        return NGX_ERROR;
    }

    result = NGX_ERROR;

    for (i = 0; i < gl.gl_pathc; i++) {

        path = ngx_array_push(paths);
        if (path == NULL) {
            goto done;
        }

        len = ngx_strlen(gl.gl_pathv[i]);

        path->data = ngx_pnalloc(pool, len + 1);
        if (path->data == NULL) {
            goto done;
        }

        ngx_memcpy(path->data, gl.gl_pathv[i], len + 1);
        path->len = len;
    }

    result = NGX_OK;

done:

    globfree(&gl);

    return result;
}


ngx_int_t
ngx_mtls_source_stat(ngx_str_t *path, ngx_mtls_stat_t *st)
{
    struct stat  sb;

    if (stat((char *) path->data, &sb) == -1) {
        return NGX_DECLINED;
    }

    /* padding is compared and written, too */
    ngx_memzero(st, sizeof(ngx_mtls_stat_t));

    st->dev = sb.st_dev;
    st->ino = sb.st_ino;
    st->size = sb.st_size;

#if (NGX_DARWIN)
    st->mtime = sb.st_mtimespec;
    st->ctime = sb.st_ctimespec;
#else
    st->mtime = sb.st_mtim;
    st->ctime = sb.st_ctim;
#endif

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_source_changed(ngx_mtls_stat_t *old, time_t taken,
    ngx_mtls_stat_t *now)
{
    if (old->dev != now->dev
        || old->ino != now->ino
        || old->size != now->size
        || old->mtime.tv_sec != now->mtime.tv_sec
        || old->mtime.tv_nsec != now->mtime.tv_nsec
        || old->ctime.tv_sec != now->ctime.tv_sec
        || old->ctime.tv_nsec != now->ctime.tv_nsec)
    {
        return 1;
    }

    /*
     * The clock of a file system ticks slower than ours: a file that was
     * written just before it was read may have been written again since,
     * within the same tick.
     */

    return now->ctime.tv_sec >= taken - NGX_MTLS_SOURCE_RACY
           && now->ctime.tv_sec <= taken + NGX_MTLS_SOURCE_RACY;
}


ngx_int_t
ngx_mtls_source_readable(ngx_array_t *paths, ngx_core_conf_t *ccf,
    ngx_log_t *log, ngx_mtls_error_t *err)
{
    char                      *user;
    ngx_str_t                 *path;
    struct passwd             *pwd;
    ngx_mtls_source_answer_t   answer;

    if (geteuid() == 0 && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT) {

        if (ngx_mtls_source_ask(paths, ccf, log, &answer, err) != NGX_OK) {
            return NGX_ERROR;
        }

        user = ccf->username;

    } else {
        ngx_mtls_source_try(paths, &answer);

        /* without root's rights nginx cannot change its user */
        pwd = getpwuid(geteuid());
        user = pwd ? pwd->pw_name : NULL;
    }

    if (answer.call[0]) {
        return ngx_mtls_error(err, "%s() to the worker user \"%s\" failed "
                              "(%d: %s)",
                              answer.call, user ? user : "", answer.err,
                              strerror(answer.err));
    }

    if (answer.n >= paths->nelts) {
        return NGX_OK;
    }

    path = (ngx_str_t *) paths->elts + answer.n;

    ngx_mtls_error(err, "\"%V\" is not readable by the worker user \"%s\" "
                   "(%d: %s)", path, user ? user : "", answer.err,
                   strerror(answer.err));

    return NGX_DECLINED;
}


static void
ngx_mtls_source_try(ngx_array_t *paths, ngx_mtls_source_answer_t *answer)
{
    ngx_fd_t    fd;
    ngx_str_t  *path;

    path = paths->elts;

    ngx_memzero(answer, sizeof(ngx_mtls_source_answer_t));

    for (answer->n = 0; answer->n < paths->nelts; answer->n++) {

        /* not to be held up by a FIFO */

        fd = open((char *) path[answer->n].data,
                  O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

        if (fd == -1) {
            answer->err = ngx_errno;
            return;
        }

        (void) close(fd);
    }
}


/* in the child: the same calls as ngx_worker_process_init() makes */

static void
ngx_mtls_source_try_as(ngx_array_t *paths, ngx_core_conf_t *ccf,
    ngx_mtls_source_answer_t *answer)
{
    char  *call;

    call = NULL;

    if (setgid(ccf->group) == -1) {
        call = "setgid";

    } else if (initgroups(ccf->username, ccf->group) == -1) {
        call = "initgroups";

    } else if (setuid(ccf->user) == -1) {
        call = "setuid";
    }

    if (call) {
        ngx_memzero(answer, sizeof(ngx_mtls_source_answer_t));
        answer->err = ngx_errno;
        (void) ngx_cpystrn((u_char *) answer->call, (u_char *) call,
                           sizeof(answer->call));
        return;
    }

    ngx_mtls_source_try(paths, answer);
}


static ngx_int_t
ngx_mtls_source_ask(ngx_array_t *paths, ngx_core_conf_t *ccf, ngx_log_t *log,
    ngx_mtls_source_answer_t *answer, ngx_mtls_error_t *err)
{
    int         fds[2];
    ssize_t     n;
    ngx_pid_t   pid;

    /* used only where nginx has its debugging log */
    (void) log;

    if (pipe(fds) == -1) {
        return ngx_mtls_error(err, "pipe() failed (%d: %s)", ngx_errno,
                              strerror(ngx_errno));
    }

    pid = fork();

    if (pid == -1) {
        ngx_mtls_error(err, "fork() failed (%d: %s)", ngx_errno,
                       strerror(ngx_errno));
        (void) close(fds[0]);
        (void) close(fds[1]);
        return NGX_ERROR;
    }

    if (pid == 0) {
        ngx_mtls_source_try_as(paths, ccf, answer);

        n = write(fds[1], answer, sizeof(ngx_mtls_source_answer_t));

        /* neither exit handlers nor nginx's own clean-up */
        _exit(n == sizeof(ngx_mtls_source_answer_t) ? 0 : 1);
    }

    (void) close(fds[1]);

    /* shorter than PIPE_BUF: it comes as a whole or not at all */

    do {
        n = read(fds[0], answer, sizeof(ngx_mtls_source_answer_t));
    } while (n == -1 && ngx_errno == NGX_EINTR);

    (void) close(fds[0]);

    /* nginx's handler of SIGCHLD may have been faster */

    while (waitpid(pid, NULL, 0) == -1 && ngx_errno == NGX_EINTR) {
        /* void */
    }

    if (n != sizeof(ngx_mtls_source_answer_t)) {
        ngx_log_debug1(NGX_LOG_DEBUG_CORE, log, 0,
                       "mtls readable: %z octets", n);
        return ngx_mtls_error(err, "the child that tries what the worker user "
                              "\"%s\" can read died", ccf->username);
    }

    answer->call[sizeof(answer->call) - 1] = '\0';

    return NGX_OK;
}
