
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manager's kept CRLs: written when all that is new is published, used
 * where a file cannot be, and removed when no source means them any more.
 *
 * The folder may be shared with other instances.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_kept.h>
#include <ngx_mtls_manager_file.h>

#include <fnmatch.h>


#define NGX_MTLS_MANAGER_KEPT_SWEEP  3600000               /* ms */
#define NGX_MTLS_MANAGER_KEPT_DAY    (24 * 60 * 60)        /* seconds */
#define NGX_MTLS_MANAGER_KEPT_AGE                                            \
    (30 * NGX_MTLS_MANAGER_KEPT_DAY)


/* a file of the sources */
typedef struct {
    u_char                         name[NGX_MTLS_KEPT_NAME_LEN + 1];
    u_char                         meant;    /* by a source, now */
} ngx_mtls_manager_kept_name_t;


static ngx_int_t ngx_mtls_manager_kept_folder(ngx_mtls_manager_t *m,
    ngx_mtls_error_t *err);
static void ngx_mtls_manager_kept_batch(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_kept_failed(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_kept_end(ngx_mtls_manager_t *m);
static void ngx_mtls_manager_kept_serves(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static void ngx_mtls_manager_kept_say(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);
static DIR *ngx_mtls_manager_kept_open(ngx_mtls_manager_t *m);
static ngx_int_t ngx_mtls_manager_kept_names(ngx_array_t *names,
    ngx_mtls_manager_source_t *source);
static void ngx_mtls_manager_kept_sort(ngx_array_t *names);
static ngx_mtls_manager_kept_name_t *ngx_mtls_manager_kept_find(
    ngx_array_t *names, const char *name);
static int ngx_mtls_manager_kept_cmp(const void *one, const void *two);
static void ngx_mtls_manager_kept_match(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, DIR *dir, ngx_array_t *names);
static void ngx_mtls_manager_kept_clean(ngx_mtls_manager_t *m, DIR *dir,
    ngx_array_t *names);
static void ngx_mtls_manager_kept_old(ngx_mtls_manager_t *m, ngx_fd_t folder,
    const char *name, ngx_uint_t meant);
static void ngx_mtls_manager_kept_temp(ngx_mtls_manager_t *m, ngx_fd_t folder,
    const char *name);


ngx_int_t
ngx_mtls_manager_kept_init(ngx_mtls_manager_t *m)
{
    u_char     *p;
    ngx_str_t  *state;

    state = &m->conf->state_path->name;

    p = ngx_pnalloc(m->pool, state->len + sizeof("/" NGX_MTLS_KEPT_FOLDER));
    if (p == NULL) {
        return NGX_ERROR;
    }

    m->kept.dir.data = p;
    m->kept.dir.len = ngx_sprintf(p, "%V/" NGX_MTLS_KEPT_FOLDER "%Z", state)
                      - p - 1;

    m->kept.wanted = 1;
    m->kept.sweep = ngx_current_msec;

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_manager_kept_there(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file)
{
    return file->source->conf->kind == NGX_MTLS_SOURCE_CRL
           && (file->tables.n == 0
               || ngx_memcmp(file->tables.headers->trust,
                             ngx_mtls_ca_digest(m->ca), NGX_MTLS_HASH_LEN)
                  != 0)
           && ngx_mtls_kept_there(&m->conf->state_path->name,
                                  &file->node.str);
}


void
ngx_mtls_manager_kept_next(ngx_mtls_manager_t *m)
{
    if (!m->kept.wanted
        || m->renew
        || m->compiler.pid
        || !ngx_queue_empty(&m->cas)
        || !ngx_queue_empty(&m->crls)
        || (m->kept.tries && !ngx_mtls_manager_due(m->kept.retry)))
    {
        return;
    }

    ngx_mtls_manager_kept_batch(m);

    if (m->compiler.njobs == 0) {

        if (m->kept.tries) {
            ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                          "mtls_crl: CRLs are kept again in \"%V\"",
                          &m->kept.dir);
        }

        m->kept.tries = 0;
        m->kept.wanted = 0;

        return;
    }

    m->kept.running = 1;
    m->kept.failed = 0;
    m->compiler.err.len = 0;

    if (ngx_mtls_manager_kept_folder(m, &m->compiler.err) != NGX_OK
        || ngx_mtls_compiler_start(&m->compiler) != NGX_OK)
    {
        ngx_mtls_manager_kept_failed(m);
        ngx_mtls_manager_kept_end(m);
    }
}


static ngx_int_t
ngx_mtls_manager_kept_folder(ngx_mtls_manager_t *m, ngx_mtls_error_t *err)
{
    ngx_fd_t  folder;

    if (mkdir((char *) m->kept.dir.data, 0700) == -1
        && ngx_errno != NGX_EEXIST)
    {
        return ngx_mtls_error(err, "mkdir(\"%V\") failed (%d: %s)",
                              &m->kept.dir, ngx_errno, strerror(ngx_errno));
    }

    folder = ngx_mtls_run_folder(&m->kept.dir);

    if (folder == -1) {
        return ngx_mtls_error(err, "\"%V\" cannot be used (%d: %s)",
                              &m->kept.dir, ngx_errno, strerror(ngx_errno));
    }

    (void) close(folder);

    return NGX_OK;
}


/* the next files whose CRLs are not known to be kept */

static void
ngx_mtls_manager_kept_batch(ngx_mtls_manager_t *m)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_mtls_job_t             *job;
    ngx_mtls_manager_file_t    *file;
    ngx_mtls_manager_source_t  *source;

    m->compiler.njobs = 0;
    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (source[i].conf->kind != NGX_MTLS_SOURCE_CRL) {
            continue;
        }

        for (q = ngx_queue_head(&source[i].files);
             q != ngx_queue_sentinel(&source[i].files);
             q = ngx_queue_next(q))
        {
            file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

            if (file->kept || file->tables.n == 0) {
                continue;
            }

            if (m->compiler.njobs == NGX_MTLS_COMPILER_JOBS) {
                return;
            }

            job = &m->compiler.jobs[m->compiler.njobs];

            ngx_mtls_manager_job(m, file, job);
            job->keep = 1;

            file->keeping = 1;
            m->kept.files[m->compiler.njobs++] = file;
        }
    }
}


void
ngx_mtls_manager_kept_take(ngx_mtls_manager_t *m)
{
    ngx_mtls_manager_file_t  *file;

    file = m->kept.files[m->compiler.job - 1];

    if (m->compiler.rc == NGX_ERROR) {
        ngx_mtls_manager_kept_failed(m);

    } else {

        /* NGX_DECLINED: the file has changed, and will be read again */

        file->kept = 1;
    }

    if (m->compiler.pid == 0) {
        ngx_mtls_manager_kept_end(m);
    }
}


/* said once, until all is kept again */

static void
ngx_mtls_manager_kept_failed(ngx_mtls_manager_t *m)
{
    if (m->kept.tries == 0 && !m->kept.failed) {
        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_crl: CRLs cannot be kept for the next start: %*s; "
                      "it is tried again", m->compiler.err.len,
                      m->compiler.err.text);
    }

    m->kept.failed = 1;
}


static void
ngx_mtls_manager_kept_end(ngx_mtls_manager_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < m->compiler.njobs; i++) {
        m->kept.files[i]->keeping = 0;
    }

    m->kept.running = 0;

    if (m->kept.failed) {
        m->kept.retry = ngx_current_msec
                        + ngx_mtls_manager_delay(m->kept.tries);
        m->kept.tries++;
    }
}


void
ngx_mtls_manager_kept_changed(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables)
{
    ngx_uint_t  i, j, same;

    if (file->source->conf->kind != NGX_MTLS_SOURCE_CRL
        || m->compiler.used == NGX_MTLS_KEPT_SAME
        || m->compiler.used == NGX_MTLS_KEPT_SERVES)
    {
        return;
    }

    /* those that were verified under another trust are the same CRLs */

    same = (tables->n == file->tables.n);

    for (i = 0; same && i < tables->n; i++) {

        for (j = 0; j < tables->n; j++) {

            if (ngx_memcmp(tables->headers[i].source_hash,
                           file->tables.headers[j].source_hash,
                           NGX_MTLS_HASH_LEN)
                == 0)
            {
                break;
            }
        }

        same = (j < tables->n);
    }

    if (!same) {
        ngx_mtls_kept_retire(&m->kept.dir, &file->node.str);
    }
}


void
ngx_mtls_manager_kept_accepted(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file)
{
    file->kept = 0;
    m->kept.wanted = 1;

    if (m->compiler.used == NGX_MTLS_KEPT_BAD) {
        ngx_log_error(NGX_LOG_WARN, m->log, 0,
                      "mtls_crl: loaded, but not compared: %*s",
                      m->compiler.err.len, m->compiler.err.text);
    }

    if (m->compiler.used == NGX_MTLS_KEPT_SERVES) {
        ngx_mtls_manager_kept_serves(m, file);
    }
}


/* the tables are not those of the file, which is watched as a bad one */

static void
ngx_mtls_manager_kept_serves(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file)
{
    u_char            hash[NGX_MTLS_HASH_LEN];
    ngx_uint_t        said;
    ngx_mtls_stat_t   none;

    ngx_memzero(&none, sizeof(ngx_mtls_stat_t));

    file->bad = 1;
    file->good = none;
    file->gone = (ngx_memcmp(&file->stat, &none, sizeof(ngx_mtls_stat_t))
                  == 0);

    /* once for each content and cause, as of files that are refused */

    said = 0;

    if (ngx_mtls_sha256(m->compiler.err.text, m->compiler.err.len, hash)
        == NGX_OK)
    {
        said = ngx_memcmp(hash, file->said, NGX_MTLS_HASH_LEN) == 0
               && ngx_memcmp(&file->stat, &file->said_stat,
                             sizeof(ngx_mtls_stat_t)) == 0;

        ngx_memcpy(file->said, hash, NGX_MTLS_HASH_LEN);
        file->said_stat = file->stat;
    }

    if (!said) {
        ngx_mtls_manager_kept_say(m, file);
    }

    /* under another name it may be there */

    if (!file->seen) {
        ngx_mtls_manager_unseen(m, file);
    }
}


static void
ngx_mtls_manager_kept_say(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file)
{
    u_char  number[NGX_MTLS_MANAGER_TEXT], time[NGX_MTLS_MANAGER_TEXT];

    ngx_mtls_manager_time(time, m->compiler.kept_time);

    if (file->tables.n == 1) {
        ngx_mtls_manager_number(number, file->tables.headers);

        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls_crl: refused %*s; the one kept at %s (CRL number "
                      "%s) serves", m->compiler.err.len, m->compiler.err.text,
                      time, number);

    } else {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "mtls_crl: refused %*s; the %ui CRLs kept at %s serve",
                      m->compiler.err.len, m->compiler.err.text,
                      file->tables.n, time);
    }
}


void
ngx_mtls_manager_kept_forget(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file)
{
    u_char    name[NGX_MTLS_KEPT_NAME_LEN + 1];
    ngx_fd_t  folder;

    folder = ngx_mtls_run_folder(&m->kept.dir);

    if (folder == -1) {
        return;
    }

    if (ngx_mtls_kept_name(&file->node.str, name) == NGX_OK) {
        (void) unlinkat(folder, (char *) name, 0);
    }

    (void) close(folder);
}


/*
 * The folder of a glob may be one that is not mounted: what was in it once
 * counts as a file that vanishes while nginx runs does.
 */

void
ngx_mtls_manager_kept_glob(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source)
{
    DIR          *dir;
    ngx_pool_t   *pool;
    ngx_array_t   names;

    if (!source->conf->glob || source->conf->kind != NGX_MTLS_SOURCE_CRL) {
        return;
    }

    dir = ngx_mtls_manager_kept_open(m);

    if (dir == NULL) {
        return;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);

    if (pool) {
        if (ngx_array_init(&names, pool, 16,
                           sizeof(ngx_mtls_manager_kept_name_t))
            == NGX_OK
            && ngx_mtls_manager_kept_names(&names, source) == NGX_OK)
        {
            ngx_mtls_manager_kept_sort(&names);
            ngx_mtls_manager_kept_match(m, source, dir, &names);
        }

        ngx_destroy_pool(pool);
    }

    (void) closedir(dir);
}


static DIR *
ngx_mtls_manager_kept_open(ngx_mtls_manager_t *m)
{
    DIR       *dir;
    ngx_fd_t   folder;

    folder = ngx_mtls_run_folder(&m->kept.dir);

    if (folder == -1) {
        return NULL;
    }

    dir = fdopendir(folder);

    if (dir == NULL) {
        (void) close(folder);
    }

    return dir;
}


/* adds the names under which the files of a source are kept */

static ngx_int_t
ngx_mtls_manager_kept_names(ngx_array_t *names,
    ngx_mtls_manager_source_t *source)
{
    ngx_queue_t                   *q;
    ngx_mtls_manager_file_t       *file;
    ngx_mtls_manager_kept_name_t  *name;

    for (q = ngx_queue_head(&source->files);
         q != ngx_queue_sentinel(&source->files);
         q = ngx_queue_next(q))
    {
        file = ngx_queue_data(q, ngx_mtls_manager_file_t, link);

        name = ngx_array_push(names);

        if (name == NULL
            || ngx_mtls_kept_name(&file->node.str, name->name) != NGX_OK)
        {
            return NGX_ERROR;
        }

        name->meant = !source->conf->glob || !file->gone;
    }

    return NGX_OK;
}


/* one that several sources mean is there once, then */

static void
ngx_mtls_manager_kept_sort(ngx_array_t *names)
{
    ngx_uint_t                     i, j;
    ngx_mtls_manager_kept_name_t  *name;

    if (names->nelts == 0) {
        return;
    }

    name = names->elts;

    ngx_qsort(name, names->nelts, sizeof(ngx_mtls_manager_kept_name_t),
              ngx_mtls_manager_kept_cmp);

    for (i = 0, j = 0; i < names->nelts; i++) {

        if (ngx_mtls_manager_kept_cmp(&name[i], &name[j]) == 0) {
            name[j].meant |= name[i].meant;

        } else {
            name[++j] = name[i];
        }
    }

    names->nelts = j + 1;
}


static ngx_mtls_manager_kept_name_t *
ngx_mtls_manager_kept_find(ngx_array_t *names, const char *name)
{
    if (names->nelts == 0) {
        return NULL;
    }

    return bsearch(name, names->elts, names->nelts,
                   sizeof(ngx_mtls_manager_kept_name_t),
                   ngx_mtls_manager_kept_cmp);
}


/* the name is what a record begins with */

static int
ngx_mtls_manager_kept_cmp(const void *one, const void *two)
{
    return ngx_memcmp(one, two, NGX_MTLS_KEPT_NAME_LEN);
}


static void
ngx_mtls_manager_kept_match(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, DIR *dir, ngx_array_t *names)
{
    u_char                    buf[NGX_MAX_PATH];
    ngx_str_t                 path;
    struct dirent            *de;
    ngx_mtls_manager_file_t  *file;

    for ( ;; ) {
        de = readdir(dir);

        if (de == NULL) {
            return;
        }

        if (!ngx_mtls_run_is_name((u_char *) de->d_name)
            || ngx_mtls_manager_kept_find(names, de->d_name)
            || ngx_mtls_kept_path(dirfd(dir), de->d_name, buf, &path)
               != NGX_OK
            || fnmatch((char *) source->conf->path.data, (char *) path.data,
                       FNM_PATHNAME|FNM_PERIOD)
               != 0)
        {
            continue;
        }

        file = ngx_mtls_manager_file(m, source, &path);

        if (file && !file->queued) {
            ngx_mtls_manager_queue(m, file);
        }
    }
}


void
ngx_mtls_manager_kept_sweep(ngx_mtls_manager_t *m)
{
    DIR                        *dir;
    ngx_uint_t                  i;
    ngx_pool_t                 *pool;
    ngx_array_t                 names;
    ngx_mtls_manager_source_t  *source;

    if (!ngx_mtls_manager_due(m->kept.sweep)) {
        return;
    }

    m->kept.sweep = ngx_current_msec + NGX_MTLS_MANAGER_KEPT_SWEEP;

    dir = ngx_mtls_manager_kept_open(m);

    if (dir == NULL) {
        return;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, m->log);

    if (pool == NULL
        || ngx_array_init(&names, pool, 16,
                          sizeof(ngx_mtls_manager_kept_name_t))
           != NGX_OK)
    {
        goto done;
    }

    source = m->sources.elts;

    for (i = 0; i < m->sources.nelts; i++) {

        if (source[i].conf->kind == NGX_MTLS_SOURCE_CRL
            && ngx_mtls_manager_kept_names(&names, &source[i]) != NGX_OK)
        {
            goto done;
        }
    }

    ngx_mtls_manager_kept_sort(&names);
    ngx_mtls_manager_kept_clean(m, dir, &names);

done:

    if (pool) {
        ngx_destroy_pool(pool);
    }

    (void) closedir(dir);
}


static void
ngx_mtls_manager_kept_clean(ngx_mtls_manager_t *m, DIR *dir,
    ngx_array_t *names)
{
    struct dirent                 *de;
    ngx_mtls_manager_kept_name_t  *name;

    for ( ;; ) {
        de = readdir(dir);

        if (de == NULL) {
            return;
        }

        if (ngx_mtls_run_is_name((u_char *) de->d_name)) {
            name = ngx_mtls_manager_kept_find(names, de->d_name);

            ngx_mtls_manager_kept_old(m, dirfd(dir), de->d_name,
                                      name && name->meant);

        } else if (de->d_name[0] != '.') {
            ngx_mtls_manager_kept_temp(m, dirfd(dir), de->d_name);
        }
    }
}


/* its mtime is the last day on which a source has meant the file */

static void
ngx_mtls_manager_kept_old(ngx_mtls_manager_t *m, ngx_fd_t folder,
    const char *name, ngx_uint_t meant)
{
    time_t       age;
    struct stat  sb;

    if (fstatat(folder, name, &sb, AT_SYMLINK_NOFOLLOW) == -1
        || !S_ISREG(sb.st_mode))
    {
        return;
    }

    age = ngx_time() - sb.st_mtime;

    if (meant) {

        if (age >= NGX_MTLS_MANAGER_KEPT_DAY) {
            (void) utimensat(folder, name, NULL, AT_SYMLINK_NOFOLLOW);
        }

        return;
    }

    if (age >= NGX_MTLS_MANAGER_KEPT_AGE
        && unlinkat(folder, name, 0) == 0)
    {
        ngx_log_error(NGX_LOG_NOTICE, m->log, 0,
                      "mtls_crl: kept file \"%V/%s\" removed, since no source "
                      "has meant it for 30 days", &m->kept.dir, name);
    }
}


/* what a killed child has left, of this run or of one long ago */

static void
ngx_mtls_manager_kept_temp(ngx_mtls_manager_t *m, ngx_fd_t folder,
    const char *name)
{
    u_char      *own;
    size_t       len;
    struct stat  sb;

    len = ngx_strlen(name);
    own = m->conf->dir.data + m->conf->dir.len - 2 * NGX_MTLS_RUN_ID_LEN;

    if (len != NGX_MTLS_KEPT_NAME_LEN + 2 * NGX_MTLS_RUN_ID_LEN
               + sizeof(".tmp")
        || ngx_strcmp(name + len - (sizeof(".tmp") - 1), ".tmp") != 0
        || fstatat(folder, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
    {
        return;
    }

    if (ngx_memcmp(name + NGX_MTLS_KEPT_NAME_LEN + 1, own,
                   2 * NGX_MTLS_RUN_ID_LEN)
        == 0
        || ngx_time() - sb.st_mtime >= NGX_MTLS_MANAGER_KEPT_DAY)
    {
        (void) unlinkat(folder, name, 0);
    }
}
