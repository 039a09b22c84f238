
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Stand-in for nginx's core in unit tests: memory, log, clock, configuration.
 */


#include "shim.h"


#define SHIM_LOG_KEPT  64


static void *shim_alloc(size_t size);
static u_char *shim_log_errno(u_char *buf, u_char *last, ngx_err_t err);


ngx_log_t                    shim_log;

static char                  shim_messages[SHIM_LOG_KEPT][NGX_MAX_ERROR_STR];
static ngx_uint_t            shim_message_count;
static ngx_uint_t            shim_message_level;

static ngx_uint_t            shim_allocs;
static ngx_uint_t            shim_alloc_limit;

static ngx_time_t            shim_now;
static ngx_cycle_t           shim_cycle;
static ngx_open_file_t       shim_log_file;


volatile ngx_cycle_t        *ngx_cycle = &shim_cycle;
volatile ngx_time_t         *ngx_cached_time = &shim_now;
volatile ngx_msec_t          ngx_current_msec;
volatile ngx_str_t           ngx_cached_err_log_time;
volatile ngx_str_t           ngx_cached_http_time;
volatile ngx_str_t           ngx_cached_http_log_time;
volatile ngx_str_t           ngx_cached_http_log_iso8601;
volatile ngx_str_t           ngx_cached_syslog_time;

ngx_uint_t                   ngx_pagesize;
ngx_uint_t                   ngx_pagesize_shift;
ngx_uint_t                   ngx_cacheline_size = 64;
ngx_int_t                    ngx_ncpu = 1;

ngx_pid_t                    ngx_pid;
ngx_pid_t                    ngx_parent;
ngx_uint_t                   ngx_process;
ngx_uint_t                   ngx_worker;
ngx_uint_t                   ngx_test_config;
ngx_uint_t                   ngx_exiting;
sig_atomic_t                 ngx_quit;
sig_atomic_t                 ngx_terminate;


__attribute__((constructor))
static void
shim_init(void)
{
    ngx_uint_t  n;

    ngx_pid = getpid();
    ngx_parent = getppid();
    ngx_pagesize = getpagesize();

    for (n = ngx_pagesize; n >>= 1; ngx_pagesize_shift++) { /* void */ }

    shim_log_file.fd = STDERR_FILENO;

    shim_log.log_level = NGX_LOG_DEBUG_ALL|NGX_LOG_DEBUG;
    shim_log.file = &shim_log_file;

    shim_cycle.log = &shim_log;
    ngx_str_set(&shim_cycle.prefix, "/prefix/");
    ngx_str_set(&shim_cycle.conf_prefix, "/prefix/conf/");

    shim_reset();
}


void
shim_reset(void)
{
    shim_log_clear();
    shim_alloc_fail(0);
    shim_time_set(1700000000);
}


/* memory */

void
shim_alloc_fail(ngx_uint_t n)
{
    shim_allocs = 0;
    shim_alloc_limit = n;
}


ngx_uint_t
shim_alloc_count(void)
{
    return shim_allocs;
}


static void *
shim_alloc(size_t size)
{
    shim_allocs++;

    if (shim_alloc_limit && shim_allocs >= shim_alloc_limit) {
        return NULL;
    }

    /* a size that came from an underflow, which sanitizers would abort on */

    if (size > (size_t) 1 << 40) {
        return NULL;
    }

    return malloc(size);
}


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    void  *p;

    p = shim_alloc(size);

    if (p == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, ENOMEM,
                      "malloc(%uz) failed", size);
    }

    return p;
}


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    void  *p;

    p = ngx_alloc(size, log);

    if (p) {
        ngx_memzero(p, size);
    }

    return p;
}


void *
ngx_memalign(size_t alignment, size_t size, ngx_log_t *log)
{
    void  *p;

    p = shim_alloc(0);

    if (p == NULL) {
        return NULL;
    }

    free(p);

    if (posix_memalign(&p, alignment, size) != 0) {
        return NULL;
    }

    (void) log;

    return p;
}


ngx_pool_t *
shim_pool(void)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, &shim_log);
    assert_non_null(pool);

    return pool;
}


ngx_pool_t *
ngx_create_pool(size_t size, ngx_log_t *log)
{
    ngx_pool_t  *pool;

    pool = ngx_calloc(sizeof(ngx_pool_t), log);

    if (pool) {
        pool->max = ngx_min(size, NGX_MAX_ALLOC_FROM_POOL);
        pool->current = pool;
        pool->log = log;
    }

    return pool;
}


void
ngx_destroy_pool(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t  *c;

    for (c = pool->cleanup; c; c = c->next) {
        if (c->handler) {
            c->handler(c->data);
        }
    }

    ngx_reset_pool(pool);
    free(pool);
}


void
ngx_reset_pool(ngx_pool_t *pool)
{
    ngx_pool_large_t  *l;

    while (pool->large) {
        l = pool->large;
        pool->large = l->next;

        free(l->alloc);
        free(l);
    }
}


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    void              *p;
    ngx_pool_large_t  *l;

    p = ngx_alloc(size, pool->log);
    if (p == NULL) {
        return NULL;
    }

    l = malloc(sizeof(ngx_pool_large_t));
    if (l == NULL) {
        free(p);
        return NULL;
    }

    l->alloc = p;
    l->next = pool->large;
    pool->large = l;

    return p;
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_palloc(pool, size);

    if (p) {
        ngx_memzero(p, size);
    }

    return p;
}


void *
ngx_pmemalign(ngx_pool_t *pool, size_t size, size_t alignment)
{
    void  *p;

    p = ngx_palloc(pool, 0);

    if (p) {
        free(p);

        p = ngx_memalign(alignment, size, pool->log);
        pool->large->alloc = p;
    }

    return p;
}


/* frees what nginx would only forget, so that a later use is seen */

ngx_int_t
ngx_pfree(ngx_pool_t *pool, void *p)
{
    ngx_pool_large_t  *l, **prev;

    for (prev = &pool->large; *prev; prev = &l->next) {
        l = *prev;

        if (l->alloc == p) {
            *prev = l->next;

            free(l->alloc);
            free(l);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_pool_cleanup_t *
ngx_pool_cleanup_add(ngx_pool_t *pool, size_t size)
{
    ngx_pool_cleanup_t  *c;

    c = ngx_pcalloc(pool, sizeof(ngx_pool_cleanup_t));
    if (c == NULL) {
        return NULL;
    }

    if (size) {
        c->data = ngx_palloc(pool, size);
        if (c->data == NULL) {
            return NULL;
        }
    }

    c->next = pool->cleanup;
    pool->cleanup = c;

    return c;
}


void
ngx_pool_cleanup_file(void *data)
{
    ngx_pool_cleanup_file_t  *c = data;

    (void) close(c->fd);
}


ngx_array_t *
ngx_array_create(ngx_pool_t *pool, ngx_uint_t n, size_t size)
{
    ngx_array_t  *a;

    a = ngx_palloc(pool, sizeof(ngx_array_t));

    if (a == NULL || ngx_array_init(a, pool, n, size) != NGX_OK) {
        return NULL;
    }

    return a;
}


void
ngx_array_destroy(ngx_array_t *a)
{
    (void) ngx_pfree(a->pool, a->elts);
    (void) ngx_pfree(a->pool, a);
}


void *
ngx_array_push(ngx_array_t *a)
{
    return ngx_array_push_n(a, 1);
}


/* a grown array always moves, and its old elements are gone at once */

void *
ngx_array_push_n(ngx_array_t *a, ngx_uint_t n)
{
    void        *p;
    ngx_uint_t   nalloc;

    if (a->nelts + n > a->nalloc) {
        nalloc = 2 * ngx_max(n, a->nalloc);

        p = ngx_palloc(a->pool, nalloc * a->size);
        if (p == NULL) {
            return NULL;
        }

        ngx_memcpy(p, a->elts, a->nelts * a->size);
        (void) ngx_pfree(a->pool, a->elts);

        a->elts = p;
        a->nalloc = nalloc;
    }

    p = (u_char *) a->elts + a->nelts * a->size;
    a->nelts += n;

    return p;
}


/* log */

const char *
shim_log_last(void)
{
    if (shim_message_count == 0) {
        return "";
    }

    return shim_messages[(shim_message_count - 1) % SHIM_LOG_KEPT];
}


ngx_uint_t
shim_log_level(void)
{
    return shim_message_level;
}


ngx_uint_t
shim_log_count(void)
{
    return shim_message_count;
}


ngx_uint_t
shim_log_has(const char *text)
{
    ngx_uint_t  i, n;

    n = ngx_min(shim_message_count, SHIM_LOG_KEPT);

    for (i = 0; i < n; i++) {
        if (strstr(shim_messages[i], text)) {
            return 1;
        }
    }

    return 0;
}


void
shim_log_clear(void)
{
    shim_message_count = 0;
    shim_message_level = 0;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    char     *text;
    u_char   *p, *last;
    u_char    buf[NGX_MAX_ERROR_STR];
    va_list   args;

    last = buf + sizeof(buf) - 1;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    if (err) {
        p = shim_log_errno(p, last, err);
    }

    if (level >= NGX_LOG_DEBUG) {
        return;
    }

    if (log->handler) {
        p = log->handler(log, p, last - p);
    }

    *p = '\0';

    text = shim_messages[shim_message_count++ % SHIM_LOG_KEPT];
    ngx_memcpy(text, buf, p - buf + 1);

    shim_message_level = level;
}


static u_char *
shim_log_errno(u_char *buf, u_char *last, ngx_err_t err)
{
    return ngx_slprintf(buf, last, " (%d: %s)", err, strerror(err));
}


u_char *
ngx_strerror(ngx_err_t err, u_char *errstr, size_t size)
{
    return ngx_snprintf(errstr, size, "%s", strerror(err));
}


void
ngx_ssl_error(ngx_uint_t level, ngx_log_t *log, ngx_err_t err, char *fmt, ...)
{
    u_char         *p, *last;
    u_char          buf[NGX_MAX_CONF_ERRSTR];
    va_list         args;
    unsigned long   n;

    last = buf + sizeof(buf);

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    n = ERR_peek_error();

    if (n) {
        p = ngx_slprintf(p, last, " (SSL: %s)", ERR_error_string(n, NULL));
        ERR_clear_error();
    }

    ngx_log_error(level, log, err, "%*s", (size_t) (p - buf), buf);
}


/* configuration */

ngx_conf_t *
shim_conf(ngx_pool_t *pool, const char *file, ngx_uint_t line,
    const char **words)
{
    ngx_str_t   *word;
    ngx_conf_t  *cf;

    cf = ngx_pcalloc(pool, sizeof(ngx_conf_t));
    assert_non_null(cf);

    cf->conf_file = ngx_pcalloc(pool, sizeof(ngx_conf_file_t));
    assert_non_null(cf->conf_file);

    cf->args = ngx_array_create(pool, 1, sizeof(ngx_str_t));
    assert_non_null(cf->args);

    cf->conf_file->file.name.data = (u_char *) file;
    cf->conf_file->file.name.len = strlen(file);
    cf->conf_file->line = line;

    cf->cycle = &shim_cycle;
    cf->pool = pool;
    cf->temp_pool = pool;
    cf->log = &shim_log;

    for ( /* void */ ; *words; words++) {
        word = ngx_array_push(cf->args);
        assert_non_null(word);

        word->len = strlen(*words);
        word->data = (u_char *) *words;
    }

    return cf;
}


void
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    u_char   *p, *last;
    u_char    buf[NGX_MAX_CONF_ERRSTR];
    va_list   args;

    last = buf + sizeof(buf);

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    if (err) {
        p = shim_log_errno(p, last, err);
    }

    if (cf->conf_file == NULL) {
        ngx_log_error(level, cf->log, 0, "%*s", (size_t) (p - buf), buf);
        return;
    }

    ngx_log_error(level, cf->log, 0, "%*s in %s:%ui", (size_t) (p - buf), buf,
                  cf->conf_file->file.name.data, cf->conf_file->line);
}


ngx_int_t
ngx_get_full_name(ngx_pool_t *pool, ngx_str_t *prefix, ngx_str_t *name)
{
    u_char  *p;
    size_t   len;

    if (name->len && name->data[0] == '/') {
        return NGX_OK;
    }

    len = prefix->len + name->len;

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_sprintf(p, "%V%V", prefix, name) = '\0';

    name->len = len;
    name->data = p;

    return NGX_OK;
}


/* a cycle of tests has no pool: its names live as long as the program */

ngx_int_t
ngx_conf_full_name(ngx_cycle_t *cycle, ngx_str_t *name, ngx_uint_t conf_prefix)
{
    static ngx_pool_t  *pool;

    if (cycle->pool == NULL && pool == NULL) {
        pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, &shim_log);
        if (pool == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_get_full_name(cycle->pool ? cycle->pool : pool,
                             conf_prefix ? &cycle->conf_prefix : &cycle->prefix,
                             name);
}


/* clock */

void
shim_time_set(time_t sec)
{
    shim_now.sec = sec;
    shim_now.msec = 0;

    ngx_current_msec = (ngx_msec_t) sec * 1000;
}


void
ngx_time_update(void)
{
    /* it is what the test set it to */
}


void
ngx_gmtime(time_t t, ngx_tm_t *tp)
{
    (void) gmtime_r(&t, tp);

    tp->ngx_tm_mon++;
    tp->ngx_tm_year += 1900;
}


u_char *
ngx_http_time(u_char *buf, time_t t)
{
    char       text[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    struct tm  tm;

    (void) gmtime_r(&t, &tm);
    (void) strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);

    return ngx_sprintf(buf, "%s", text);
}
