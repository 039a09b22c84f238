
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The folder of a run: locks and clean-up.
 *
 * Each process that uses a folder holds a shared lock on its "alive"; the
 * process that writes it holds an exclusive one on its "compile", and so does
 * the child that it has started.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manifest.h>
#include <ngx_mtls_run.h>

#include <sys/file.h>


#define NGX_MTLS_RUN_OPEN          (O_NOFOLLOW|O_NONBLOCK|O_NOCTTY|O_CLOEXEC)

/* kinds of what is in a folder */
#define NGX_MTLS_RUN_FOREIGN       0
#define NGX_MTLS_RUN_FIXED         1    /* locks and manifest */
#define NGX_MTLS_RUN_TABLE         2
#define NGX_MTLS_RUN_TEMPORARY     3


static ngx_int_t ngx_mtls_run_lock(ngx_fd_t folder, ngx_fd_t *fd,
    const char *name, int operation);
static void ngx_mtls_run_retire(ngx_fd_t folder, const char *name);
static ngx_uint_t ngx_mtls_run_kind(const char *name);
static ngx_uint_t ngx_mtls_run_hex(const u_char *p, size_t len);
static void ngx_mtls_run_remove(ngx_fd_t state, const char *name,
    ngx_log_t *log);
static void ngx_mtls_run_empty(ngx_fd_t folder);


ngx_int_t
ngx_mtls_run_open(ngx_str_t *dir, ngx_mtls_run_t *run, ngx_mtls_error_t *err)
{
    ngx_fd_t   folder;
    ngx_int_t  rc;

    if (mkdir((char *) dir->data, 0700) == -1 && ngx_errno != NGX_EEXIST) {
        return ngx_mtls_error(err, "mkdir(\"%V\") failed (%d: %s)", dir,
                              ngx_errno, strerror(ngx_errno));
    }

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return ngx_mtls_error(err, "\"%V\" cannot be used (%d: %s)", dir,
                              ngx_errno, strerror(ngx_errno));
    }

    rc = NGX_OK;

    if (run->alive == -1) {
        rc = ngx_mtls_run_lock(folder, &run->alive, "alive", LOCK_SH);
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_run_lock(folder, &run->compile, "compile", LOCK_EX);
    }

    if (rc == NGX_ERROR) {
        ngx_mtls_error(err, "the locks in \"%V\" cannot be used (%d: %s)",
                       dir, ngx_errno, strerror(ngx_errno));
    }

    (void) close(folder);

    if (rc == NGX_OK && !ngx_mtls_run_valid(dir, run)) {
        ngx_mtls_run_close(run);
        rc = NGX_AGAIN;
    }

    return rc;
}


/* what is not ours alone is not used */

ngx_fd_t
ngx_mtls_run_folder(ngx_str_t *dir)
{
    ngx_fd_t     fd;
    struct stat  sb;

    fd = open((char *) dir->data, O_RDONLY|O_DIRECTORY|NGX_MTLS_RUN_OPEN);

    if (fd == -1) {
        return -1;
    }

    if (fstat(fd, &sb) == -1) {
        (void) close(fd);
        return -1;
    }

    if (sb.st_uid != geteuid() || (sb.st_mode & 077)) {
        (void) close(fd);
        ngx_set_errno(NGX_EPERM);
        return -1;
    }

    return fd;
}


static ngx_int_t
ngx_mtls_run_lock(ngx_fd_t folder, ngx_fd_t *fd, const char *name,
    int operation)
{
    ngx_err_t  err;

    *fd = openat(folder, name, O_RDWR|O_CREAT|NGX_MTLS_RUN_OPEN, 0600);

    if (*fd == -1) {
        return NGX_ERROR;
    }

    if (flock(*fd, operation|LOCK_NB) == -1) {
        err = ngx_errno;
        (void) close(*fd);
        *fd = -1;
        ngx_set_errno(err);

        return (err == NGX_EAGAIN || err == NGX_EINTR) ? NGX_AGAIN
                                                       : NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_mtls_run_close(ngx_mtls_run_t *run)
{
    if (run->compile != -1) {
        (void) close(run->compile);
        run->compile = -1;
    }

    if (run->alive != -1) {
        (void) close(run->alive);
        run->alive = -1;
    }
}


ngx_uint_t
ngx_mtls_run_valid(ngx_str_t *dir, ngx_mtls_run_t *run)
{
    ngx_fd_t     folder;
    ngx_uint_t   valid;
    struct stat  held[2], found[2];

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return 0;
    }

    valid = fstat(run->alive, &held[0]) == 0
            && fstat(run->compile, &held[1]) == 0
            && fstatat(folder, "alive", &found[0], AT_SYMLINK_NOFOLLOW) == 0
            && fstatat(folder, "compile", &found[1], AT_SYMLINK_NOFOLLOW) == 0
            && held[0].st_ino == found[0].st_ino
            && held[0].st_dev == found[0].st_dev
            && held[1].st_ino == found[1].st_ino
            && held[1].st_dev == found[1].st_dev;

    (void) close(folder);

    return valid;
}


ngx_int_t
ngx_mtls_run_hold(ngx_str_t *dir, ngx_mtls_error_t *err)
{
    ngx_fd_t   folder, fd;
    ngx_int_t  rc;

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return ngx_mtls_error(err, "\"%V\" cannot be used (%d: %s)", dir,
                              ngx_errno, strerror(ngx_errno));
    }

    rc = ngx_mtls_run_lock(folder, &fd, "alive", LOCK_SH);

    if (rc != NGX_OK) {
        ngx_mtls_error(err, "the lock in \"%V\" cannot be used (%d: %s)",
                       dir, ngx_errno, strerror(ngx_errno));
    }

    (void) close(folder);

    /* the descriptor is kept open by the process, for as long as it lives */

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


void
ngx_mtls_run_sweep(ngx_str_t *dir, ngx_mtls_run_named_pt named, void *data)
{
    DIR            *d;
    char           *name;
    ngx_fd_t        folder;
    ngx_uint_t      kind;
    struct dirent  *de;

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return;
    }

    d = fdopendir(folder);

    if (d == NULL) {
        (void) close(folder);
        return;
    }

    for ( ;; ) {
        de = readdir(d);

        if (de == NULL) {
            break;
        }

        name = de->d_name;
        kind = ngx_mtls_run_kind(name);

        if (kind == NGX_MTLS_RUN_TEMPORARY) {
            (void) unlinkat(folder, name, 0);
            continue;
        }

        if (kind == NGX_MTLS_RUN_TABLE && !named(data, (u_char *) name)) {
            ngx_mtls_run_retire(folder, name);
        }
    }

    (void) closedir(d);
}


/*
 * A table is written once: its mode and mtime are free to say since when no
 * manifest names it, to the next manager of the run, too.
 */

static void
ngx_mtls_run_retire(ngx_fd_t folder, const char *name)
{
    struct stat  sb;

    if (fstatat(folder, name, &sb, AT_SYMLINK_NOFOLLOW) == -1
        || !S_ISREG(sb.st_mode))
    {
        return;
    }

    if (sb.st_mode & S_IWUSR) {

        /* the time first: without it the mode would say a wrong one */

        if (utimensat(folder, name, NULL, AT_SYMLINK_NOFOLLOW) == 0
            && fchmodat(folder, name, S_IRUSR, 0) == -1)
        {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "fchmodat(\"%s\") failed", name);
        }

        return;
    }

    if (ngx_time() - sb.st_mtime >= NGX_MTLS_RUN_DELAY) {
        (void) unlinkat(folder, name, 0);
    }
}


static ngx_uint_t
ngx_mtls_run_kind(const char *name)
{
    if (ngx_strcmp(name, "alive") == 0
        || ngx_strcmp(name, "compile") == 0
        || ngx_strcmp(name, NGX_MTLS_MANIFEST_NAME) == 0)
    {
        return NGX_MTLS_RUN_FIXED;
    }

    if (ngx_strcmp(name, NGX_MTLS_MANIFEST_NAME ".tmp") == 0) {
        return NGX_MTLS_RUN_TEMPORARY;
    }

    if (!ngx_mtls_run_hex((u_char *) name, NGX_MTLS_NAME_LEN)) {
        return NGX_MTLS_RUN_FOREIGN;
    }

    name += NGX_MTLS_NAME_LEN;

    if (*name == '\0') {
        return NGX_MTLS_RUN_TABLE;
    }

    return ngx_strcmp(name, ".tmp") == 0 ? NGX_MTLS_RUN_TEMPORARY
                                         : NGX_MTLS_RUN_FOREIGN;
}


static ngx_uint_t
ngx_mtls_run_hex(const u_char *p, size_t len)
{
    while (len--) {
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'))) {
            return 0;
        }

        p++;
    }

    return 1;
}


ngx_uint_t
ngx_mtls_run_is_name(const u_char *name)
{
    return ngx_mtls_run_hex(name, NGX_MTLS_NAME_LEN)
           && name[NGX_MTLS_NAME_LEN] == '\0';
}


void
ngx_mtls_run_clean(ngx_str_t *state_path, ngx_str_t *dir, ngx_log_t *log)
{
    DIR            *d;
    char           *name, *own;
    struct dirent  *de;

    d = opendir((char *) state_path->data);

    if (d == NULL) {
        return;
    }

    own = (char *) dir->data + dir->len - 2 * NGX_MTLS_RUN_ID_LEN;

    for ( ;; ) {
        de = readdir(d);

        if (de == NULL) {
            break;
        }

        name = de->d_name;

        if (ngx_strlen(name) == 2 * NGX_MTLS_RUN_ID_LEN
            && ngx_mtls_run_hex((u_char *) name, 2 * NGX_MTLS_RUN_ID_LEN)
            && ngx_strcmp(name, own) != 0)
        {
            ngx_mtls_run_remove(dirfd(d), name, log);
        }
    }

    (void) closedir(d);
}


/* a young folder may belong to a run that has not locked it yet */

static void
ngx_mtls_run_remove(ngx_fd_t state, const char *name, ngx_log_t *log)
{
    time_t       limit;
    ngx_fd_t     folder, alive;
    struct stat  sb;

    folder = openat(state, name, O_RDONLY|O_DIRECTORY|NGX_MTLS_RUN_OPEN);

    if (folder == -1) {
        return;
    }

    alive = -1;
    limit = ngx_time() - NGX_MTLS_RUN_DELAY;

    if (fstat(folder, &sb) == -1
        || sb.st_uid != geteuid()
        || sb.st_mtime > limit
        || sb.st_ctime > limit)
    {
        goto done;
    }

    if (ngx_mtls_run_lock(folder, &alive, "alive", LOCK_EX) != NGX_OK) {
        goto done;
    }

    ngx_mtls_run_empty(folder);

    if (unlinkat(state, name, AT_REMOVEDIR) == 0) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "mtls: folder of dead run \"%s\" removed", name);
    }

done:

    if (alive != -1) {
        (void) close(alive);
    }

    (void) close(folder);
}


/* unlinkat() of what has one of our names: links are never followed */

static void
ngx_mtls_run_empty(ngx_fd_t folder)
{
    DIR            *d;
    ngx_fd_t        fd;
    struct dirent  *de;

    fd = openat(folder, ".", O_RDONLY|O_DIRECTORY|NGX_MTLS_RUN_OPEN);

    if (fd == -1) {
        return;
    }

    d = fdopendir(fd);

    if (d == NULL) {
        (void) close(fd);
        return;
    }

    for ( ;; ) {
        de = readdir(d);

        if (de == NULL) {
            break;
        }

        if (ngx_mtls_run_kind(de->d_name) != NGX_MTLS_RUN_FOREIGN) {
            (void) unlinkat(folder, de->d_name, 0);
        }
    }

    (void) closedir(d);
}
