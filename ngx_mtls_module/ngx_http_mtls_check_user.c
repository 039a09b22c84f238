
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: what the worker user may do with files, and whether it is
 * still the same one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>
#include <ngx_http_mtls_writable.h>
#include <ngx_mtls_kept.h>

#include <sys/file.h>


static ngx_int_t ngx_http_mtls_check_changed(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_main_conf_t *old, ngx_core_conf_t *ccf, ngx_log_t *log);
static void ngx_http_mtls_check_running(ngx_str_t *state,
    ngx_core_conf_t *ccf, ngx_log_t *log);
static ngx_uint_t ngx_http_mtls_check_alive(ngx_str_t *state, char *name,
    ngx_uid_t *user);
static ngx_int_t ngx_http_mtls_check_paths(ngx_http_mtls_main_conf_t *mmcf,
    ngx_array_t *sets, ngx_log_t *log);
static ngx_int_t ngx_http_mtls_check_state(ngx_http_mtls_main_conf_t *mmcf,
    ngx_array_t *all, ngx_log_t *log);
static ngx_int_t ngx_http_mtls_add_set(ngx_array_t *sets, const char *what,
    ngx_mtls_source_t *source, ngx_str_t *paths, ngx_uint_t n);
static ngx_int_t ngx_http_mtls_add_readable(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_set_t *set, ngx_array_t *all, ngx_array_t *kept);
static ngx_int_t ngx_http_mtls_add_paths(ngx_array_t *all, ngx_str_t *paths,
    ngx_uint_t n);


ngx_int_t
ngx_http_mtls_check_user(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_main_conf_t *old, ngx_log_t *log)
{
    ngx_uint_t            i;
    ngx_pool_t           *pool;
    ngx_array_t           all, kept, sets;
    ngx_core_conf_t      *ccf;
    ngx_mtls_error_t      err;
    ngx_http_mtls_set_t  *set;

    pool = mmcf->cycle->pool;

    ccf = (ngx_core_conf_t *) ngx_get_conf(mmcf->cycle->conf_ctx,
                                           ngx_core_module);

    if (ngx_http_mtls_check_changed(mmcf, old, ccf, log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&all, pool, 8, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&kept, pool, 8, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&sets, pool, 4, sizeof(ngx_http_mtls_set_t))
           != NGX_OK
        || ngx_http_mtls_check_paths(mmcf, &sets, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    set = sets.elts;

    for (i = 0; i < sets.nelts; i++) {

        if (ngx_http_mtls_add_readable(mmcf, &set[i], &all, &kept) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_mtls_check_state(mmcf, &all, log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&err, sizeof(ngx_mtls_error_t));

    if (ngx_mtls_source_readable(&all, ccf, log, &err) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "%*s", err.len, err.text);
        return NGX_ERROR;
    }

    if (kept.nelts
        && ngx_mtls_source_readable(&kept, ccf, log, &err) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%*s; what was kept of it is used, if it is still good",
                      err.len, err.text);
    }

    if (ngx_http_mtls_writable(&sets, ccf, log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_test_config && mmcf->core.state_path && geteuid() == 0
        && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT)
    {
        ngx_http_mtls_check_running(&mmcf->core.state_path->name, ccf, log);
    }

    return NGX_OK;
}


/*
 * A run's tables belong to the workers' user, and no other one trusts them.
 * By now nginx has given its folders to the new user: the workers that go on
 * get them back.
 */

static ngx_int_t
ngx_http_mtls_check_changed(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_main_conf_t *old, ngx_core_conf_t *ccf, ngx_log_t *log)
{
    struct stat       sb;
    ngx_core_conf_t  *occf;

    if (old == NULL || mmcf->core.state_path == NULL || geteuid() != 0
        || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT
        || lstat((char *) mmcf->core.dir.data, &sb) == -1
        || !S_ISDIR(sb.st_mode) || sb.st_uid == ccf->user)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, log, 0,
                  "\"user\" cannot be changed to \"%s\" by a reload, since "
                  "the tables in \"%V\" belong to the user with id %ui; "
                  "restart nginx instead", ccf->username, &mmcf->core.dir,
                  (ngx_uint_t) sb.st_uid);

    occf = (ngx_core_conf_t *) ngx_get_conf(old->cycle->conf_ctx,
                                            ngx_core_module);

    (void) ngx_create_paths(old->cycle, occf->user);

    return NGX_ERROR;
}


/* the same at nginx -t, which knows of a running nginx only by its folder */

static void
ngx_http_mtls_check_running(ngx_str_t *state, ngx_core_conf_t *ccf,
    ngx_log_t *log)
{
    DIR            *dir;
    ngx_uid_t       user;
    struct dirent  *de;

    dir = opendir((char *) state->data);
    if (dir == NULL) {
        return;
    }

    for (de = readdir(dir); de; de = readdir(dir)) {

        if (ngx_strlen(de->d_name) != 2 * NGX_MTLS_RUN_ID_LEN
            || !ngx_http_mtls_check_alive(state, de->d_name, &user)
            || user == ccf->user)
        {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "\"user\" is \"%s\", but an nginx that runs keeps its "
                      "tables in \"%V\" as the user with id %ui; a reload "
                      "will be refused, restart it instead",
                      ccf->username, state, (ngx_uint_t) user);

        /* to test a configuration must not stop those who use the folder */

        if (fchown(dirfd(dir), user, (gid_t) -1) == -1) {
            ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                          "chown(\"%V\", %ui) failed", state,
                          (ngx_uint_t) user);
        }

        break;
    }

    (void) closedir(dir);
}


/* whether some process holds the folder of a run, and whose that is */

static ngx_uint_t
ngx_http_mtls_check_alive(ngx_str_t *state, char *name, ngx_uid_t *user)
{
    char         path[NGX_MAX_PATH];
    ngx_fd_t     fd;
    ngx_uint_t   alive;
    struct stat  folder, sb;

    (void) ngx_snprintf((u_char *) path, NGX_MAX_PATH, "%V/%s%Z", state, name);
    path[NGX_MAX_PATH - 1] = '\0';

    if (lstat(path, &folder) == -1 || !S_ISDIR(folder.st_mode)) {
        return 0;
    }

    (void) ngx_snprintf((u_char *) path, NGX_MAX_PATH, "%V/%s/alive%Z", state,
                        name);
    path[NGX_MAX_PATH - 1] = '\0';

    fd = open(path, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    alive = fstat(fd, &sb) == 0 && sb.st_uid == folder.st_uid
            && flock(fd, LOCK_EX|LOCK_NB) == -1 && ngx_errno == NGX_EAGAIN;

    (void) close(fd);

    *user = folder.st_uid;

    return alive;
}


/* the files of each source that there are now */

static ngx_int_t
ngx_http_mtls_check_paths(ngx_http_mtls_main_conf_t *mmcf, ngx_array_t *sets,
    ngx_log_t *log)
{
    ngx_uint_t          i;
    ngx_pool_t         *pool;
    ngx_array_t        *files, paths;
    ngx_mtls_source_t  *source;

    pool = mmcf->cycle->pool;
    files = ngx_mtls_ca_paths(mmcf->core.configured);

    if (ngx_http_mtls_add_set(sets, "\"mtls_ca\"", NULL, files->elts,
                              files->nelts)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    source = mmcf->core.sources.elts;

    for (i = 0; i < mmcf->core.sources.nelts; i++) {

        if (source[i].kind == NGX_MTLS_SOURCE_CA) {
            continue;
        }

        if (ngx_mtls_source_paths(&source[i], pool, log, &paths) != NGX_OK
            || ngx_http_mtls_add_set(sets, "\"mtls_crl\"", &source[i],
                                     paths.elts, paths.nelts)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (source[i].issuer.len
            && ngx_http_mtls_add_set(sets, "\"issuer=\" of \"mtls_crl\"",
                                     &source[i], &source[i].issuer, 1)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* nginx has made the state path by now, or it was there */

static ngx_int_t
ngx_http_mtls_check_state(ngx_http_mtls_main_conf_t *mmcf, ngx_array_t *all,
    ngx_log_t *log)
{
    ngx_str_t        *path;
    ngx_file_info_t   fi;

    if (mmcf->core.state_path == NULL) {
        return NGX_OK;
    }

    path = &mmcf->core.state_path->name;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "\"mtls_state_path\" \"%V\" is not a folder", path);
        return NGX_ERROR;
    }

    return ngx_http_mtls_add_paths(all, path, 1);
}


static ngx_int_t
ngx_http_mtls_add_set(ngx_array_t *sets, const char *what,
    ngx_mtls_source_t *source, ngx_str_t *paths, ngx_uint_t n)
{
    ngx_http_mtls_set_t  *set;

    set = ngx_array_push(sets);
    if (set == NULL) {
        return NGX_ERROR;
    }

    set->what = what;
    set->source = source;
    set->paths = paths;
    set->n = n;

    return NGX_OK;
}


/* a CRL file of which there is a copy need not be readable */

static ngx_int_t
ngx_http_mtls_add_readable(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_set_t *set, ngx_array_t *all, ngx_array_t *kept)
{
    ngx_str_t        *path;
    ngx_uint_t        i;
    ngx_array_t      *array;
    ngx_file_info_t   fi;

    path = set->paths;

    if (set->source == NULL
        || path == &set->source->issuer
        || mmcf->core.state_path == NULL)
    {
        return ngx_http_mtls_add_paths(all, path, set->n);
    }

    for (i = 0; i < set->n; i++) {
        array = all;

        if (ngx_mtls_kept_there(&mmcf->core.state_path->name, &path[i])) {

            /* of one that is missing it has been said */

            if (ngx_file_info(path[i].data, &fi) == NGX_FILE_ERROR) {
                continue;
            }

            array = kept;
        }

        if (ngx_http_mtls_add_paths(array, &path[i], 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_add_paths(ngx_array_t *all, ngx_str_t *paths, ngx_uint_t n)
{
    ngx_str_t  *path;

    if (n == 0) {
        return NGX_OK;
    }

    path = ngx_array_push_n(all, n);
    if (path == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(path, paths, n * sizeof(ngx_str_t));

    return NGX_OK;
}
