
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: whether the workers could write what they are ruled by.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_writable.h>

#include <sys/wait.h>


/* how the worker user can change a file */
#define NGX_HTTP_MTLS_WRITE_NONE    0
#define NGX_HTTP_MTLS_WRITE_FILE    1    /* its content */
#define NGX_HTTP_MTLS_WRITE_FOLDER  2    /* what a folder above it holds */
#define NGX_HTTP_MTLS_WRITE_LINK    3    /* so at the file it is a link to */


/* the child's answer on one set, by a pipe */
typedef struct {
    uint32_t                       how;
    uint32_t                       n;         /* files that can be changed */
    uint32_t                       first;     /* index of one of them */
    uint32_t                       len;       /* of the folder's path */
} ngx_http_mtls_answer_t;


static void ngx_http_mtls_writable_child(ngx_fd_t fd, ngx_array_t *sets,
    ngx_core_conf_t *ccf);
static void ngx_http_mtls_writable_set(ngx_http_mtls_set_t *set,
    ngx_http_mtls_answer_t *answer);
static ngx_uint_t ngx_http_mtls_writable_file(ngx_str_t *path, size_t *len);
static ngx_uint_t ngx_http_mtls_writable_folder(const char *path,
    size_t *len);
static ngx_uint_t ngx_http_mtls_writable_at(const char *path,
    struct stat *sb);
static ngx_int_t ngx_http_mtls_writable_read(ngx_fd_t fd,
    ngx_http_mtls_answer_t *answer, ngx_uint_t n);
static void ngx_http_mtls_writable_warn(ngx_http_mtls_set_t *set,
    ngx_http_mtls_answer_t *answer, const char *user, ngx_log_t *log);


ngx_int_t
ngx_http_mtls_writable(ngx_array_t *sets, ngx_core_conf_t *ccf, ngx_log_t *log)
{
    int                      fds[2];
    ngx_int_t                rc;
    ngx_pid_t                pid;
    ngx_uint_t               i;
    ngx_http_mtls_set_t     *set;
    ngx_http_mtls_answer_t  *answer;

    if (geteuid() != 0 || ccf->user == 0
        || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT)
    {
        return NGX_OK;
    }

    answer = ngx_alloc(sets->nelts * sizeof(ngx_http_mtls_answer_t), log);
    if (answer == NULL) {
        return NGX_ERROR;
    }

    if (pipe(fds) == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "pipe() failed");
        ngx_free(answer);
        return NGX_ERROR;
    }

    pid = fork();

    if (pid == 0) {
        ngx_http_mtls_writable_child(fds[1], sets, ccf);

        /* neither exit handlers nor nginx's own clean-up */
        _exit(0);
    }

    if (pid == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "fork() failed");
        (void) close(fds[0]);
        (void) close(fds[1]);
        ngx_free(answer);
        return NGX_ERROR;
    }

    (void) close(fds[1]);

    rc = ngx_http_mtls_writable_read(fds[0], answer, sets->nelts);

    (void) close(fds[0]);

    /* nginx's handler of SIGCHLD may have been faster */

    while (waitpid(pid, NULL, 0) == -1 && ngx_errno == NGX_EINTR) {
        /* void */
    }

    set = sets->elts;

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the child that tries what the worker user \"%s\" can "
                      "write died", ccf->username);

    } else {
        for (i = 0; i < sets->nelts; i++) {
            ngx_http_mtls_writable_warn(&set[i], &answer[i], ccf->username,
                                        log);
        }
    }

    ngx_free(answer);

    return rc;
}


/* becomes the worker user by the calls of ngx_worker_process_init() */

static void
ngx_http_mtls_writable_child(ngx_fd_t fd, ngx_array_t *sets,
    ngx_core_conf_t *ccf)
{
    ngx_uint_t               i;
    ngx_http_mtls_set_t     *set;
    ngx_http_mtls_answer_t   answer;

    if (setgid(ccf->group) == -1
        || initgroups(ccf->username, ccf->group) == -1
        || setuid(ccf->user) == -1)
    {
        return;
    }

    set = sets->elts;

    for (i = 0; i < sets->nelts; i++) {

        ngx_memzero(&answer, sizeof(ngx_http_mtls_answer_t));
        ngx_http_mtls_writable_set(&set[i], &answer);

        /* shorter than PIPE_BUF: it goes as a whole or not at all */

        if (write(fd, &answer, sizeof(ngx_http_mtls_answer_t)) == -1) {
            return;
        }
    }
}


static void
ngx_http_mtls_writable_set(ngx_http_mtls_set_t *set,
    ngx_http_mtls_answer_t *answer)
{
    size_t      len;
    ngx_uint_t  i, how;

    for (i = 0; i < set->n; i++) {

        len = 0;
        how = ngx_http_mtls_writable_file(&set->paths[i], &len);

        if (how == NGX_HTTP_MTLS_WRITE_NONE) {
            continue;
        }

        if (answer->n++ == 0) {
            answer->how = how;
            answer->first = i;
            answer->len = len;
        }
    }
}


static ngx_uint_t
ngx_http_mtls_writable_file(ngx_str_t *path, size_t *len)
{
    char         *name, real[PATH_MAX];
    struct stat   sb;

    name = (char *) path->data;

    /* devices and FIFOs are refused elsewhere, where they are */

    if (stat(name, &sb) == -1 || !S_ISREG(sb.st_mode)) {
        return NGX_HTTP_MTLS_WRITE_NONE;
    }

    if (ngx_http_mtls_writable_at(name, &sb)) {
        return NGX_HTTP_MTLS_WRITE_FILE;
    }

    if (ngx_http_mtls_writable_folder(name, len)) {
        return NGX_HTTP_MTLS_WRITE_FOLDER;
    }

    if (realpath(name, real) && ngx_http_mtls_writable_folder(real, len)) {
        return NGX_HTTP_MTLS_WRITE_LINK;
    }

    return NGX_HTTP_MTLS_WRITE_NONE;
}


/* whether an entry on the way to the file can be replaced, in what folder */

static ngx_uint_t
ngx_http_mtls_writable_folder(const char *path, size_t *len)
{
    char         *p, *end, name[PATH_MAX];
    struct stat   entry, sb;

    if (ngx_strlen(path) >= PATH_MAX) {
        return 0;
    }

    (void) ngx_cpystrn((u_char *) name, (u_char *) path, PATH_MAX);

    for (end = name + ngx_strlen(name); end > name; end = p) {

        p = end;

        while (p > name && *--p != '/') { /* void */ }

        if (lstat(name, &entry) == -1) {
            return 0;
        }

        /* "/" is a folder as well */
        p[p == name] = '\0';

        if (stat(name, &sb) == -1) {
            return 0;
        }

        /* others' entries in a folder such as /tmp stay what they are */

        if (ngx_http_mtls_writable_at(name, &sb)
            && (!(sb.st_mode & S_ISVTX) || sb.st_uid == geteuid()
                || entry.st_uid == geteuid()))
        {
            *len = ngx_strlen(name);
            return 1;
        }
    }

    return 0;
}


/* what one may not write but owns one may change the mode of */

static ngx_uint_t
ngx_http_mtls_writable_at(const char *path, struct stat *sb)
{
    int  mode;

    mode = S_ISDIR(sb->st_mode) ? W_OK|X_OK : W_OK;

    if (access(path, mode) == 0) {
        return 1;
    }

    return ngx_errno == NGX_EACCES && sb->st_uid == geteuid();
}


static ngx_int_t
ngx_http_mtls_writable_read(ngx_fd_t fd, ngx_http_mtls_answer_t *answer,
    ngx_uint_t n)
{
    size_t   size, got;
    ssize_t  part;

    size = n * sizeof(ngx_http_mtls_answer_t);

    for (got = 0; got < size; got += part) {

        part = read(fd, (u_char *) answer + got, size - got);

        if (part == -1 && ngx_errno == NGX_EINTR) {
            part = 0;
            continue;
        }

        if (part <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_mtls_writable_warn(ngx_http_mtls_set_t *set,
    ngx_http_mtls_answer_t *answer, const char *user, ngx_log_t *log)
{
    u_char      text[NGX_MAX_ERROR_STR], *p, *last;
    ngx_str_t  *path;

    if (answer->n == 0 || answer->first >= set->n) {
        return;
    }

    path = &set->paths[answer->first];
    p = text;
    last = text + NGX_MAX_ERROR_STR;

    if (answer->n > 1) {
        p = ngx_slprintf(p, last, " and %uD more", answer->n - 1);
    }

    p = ngx_slprintf(p, last, " of %s", set->what);

    if (set->source) {
        p = ngx_slprintf(p, last, " in %V:%ui", &set->source->file,
                         set->source->line);
    }

    p = ngx_slprintf(p, last, " can be %s by the worker user \"%s\"",
                     answer->how == NGX_HTTP_MTLS_WRITE_FILE ? "written"
                                                             : "replaced",
                     user);

    if (answer->how == NGX_HTTP_MTLS_WRITE_FOLDER
        && answer->len <= path->len)
    {
        p = ngx_slprintf(p, last, ", who may write to \"%*s\"",
                         (size_t) answer->len, path->data);

    } else if (answer->how == NGX_HTTP_MTLS_WRITE_LINK) {
        p = ngx_slprintf(p, last, ", who may write to a folder that it is a "
                         "link into");
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "\"%V\"%*s; give files and folders to another user, or a "
                  "worker that is taken over can change whom nginx trusts",
                  path, (size_t) (p - text), text);
}
