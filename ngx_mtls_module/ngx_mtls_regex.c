
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Regular expressions over hostile values: compiled for whole values, matched
 * under limits.
 */


#include <ngx_mtls_regex.h>

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH  8
#endif
#include <pcre2.h>


/*
 * Whole values: anchored here and not when matching, where the same options
 * silently leave JIT.  "." means any octet and "$" the very end, so that a
 * line feed in a value changes nothing.  Values are matched as octets, so
 * caseless folds ASCII alone.
 */
#define NGX_MTLS_REGEX_OPTIONS                                               \
    (PCRE2_ANCHORED|PCRE2_ENDANCHORED|PCRE2_DOTALL|PCRE2_DOLLAR_ENDONLY      \
     |PCRE2_NEVER_UTF|PCRE2_NEVER_UCP|PCRE2_NEVER_BACKSLASH_C)

#define NGX_MTLS_REGEX_GROUPS_MAX  255             /* named or not */
#define NGX_MTLS_REGEX_STACK_MIN   (32 * 1024)     /* of JIT code */
#define NGX_MTLS_REGEX_STACK_MAX   (512 * 1024)


typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    group;     /* its number in the pattern */
} ngx_mtls_regex_name_t;


struct ngx_mtls_regex_s {
    pcre2_code                   *code;
    size_t                        jit;       /* of its code, 0: none */
    ngx_str_t                     prefix;    /* every match begins so */
    ngx_uint_t                    nnames;
    ngx_mtls_regex_name_t         names[NGX_MTLS_REGEX_NAMES_MAX];
};


/* one per process, as nothing yields while matching */
typedef struct {
    pcre2_match_context          *context;
    pcre2_match_data             *data;
    pcre2_jit_stack              *stack;     /* NULL: JIT takes the thread's */
    ngx_uint_t                    limit;     /* of "context" */
} ngx_mtls_regex_process_t;


static ngx_int_t ngx_mtls_regex_names(ngx_mtls_regex_t *re,
    ngx_str_t *pattern, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_regex_prefix(ngx_pool_t *pool,
    ngx_mtls_regex_t *re, ngx_str_t *pattern);
static ngx_uint_t ngx_mtls_regex_plain(u_char ch);
static ngx_mtls_regex_process_t *ngx_mtls_regex_process(void);
static void ngx_mtls_regex_free(void *data);


ngx_int_t
ngx_mtls_regex_compile(ngx_pool_t *pool, ngx_str_t *pattern,
    ngx_uint_t caseless, ngx_mtls_regex_t **rep, ngx_mtls_error_t *err)
{
    int                  n;
    u_char               text[128];
    size_t               offset;
    uint32_t             options;
    ngx_mtls_regex_t    *re;
    ngx_pool_cleanup_t  *cln;

    re = ngx_pcalloc(pool, sizeof(ngx_mtls_regex_t));
    if (re == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    options = NGX_MTLS_REGEX_OPTIONS | (caseless ? PCRE2_CASELESS : 0);

    re->code = pcre2_compile(pattern->data, pattern->len, options, &n, &offset,
                             NULL);
    if (re->code == NULL) {
        if (pcre2_get_error_message(n, text, sizeof(text)) < 0) {
            ngx_memcpy(text, "unknown error", sizeof("unknown error"));
        }

        (void) ngx_mtls_error(err, "regex \"%V\" is wrong at offset %uz: %s",
                              pattern, offset, text);
        return NGX_DECLINED;
    }

    cln->handler = ngx_mtls_regex_free;
    cln->data = re;

    /*
     * where executable memory is forbidden, or the pattern says (*NO_JIT),
     * the interpreter does the same
     */

    (void) pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    (void) pcre2_pattern_info(re->code, PCRE2_INFO_JITSIZE, &re->jit);

    if (!caseless && ngx_mtls_regex_prefix(pool, re, pattern) != NGX_OK) {
        return NGX_ERROR;
    }

    *rep = re;

    return ngx_mtls_regex_names(re, pattern, err);
}


static ngx_int_t
ngx_mtls_regex_names(ngx_mtls_regex_t *re, ngx_str_t *pattern,
    ngx_mtls_error_t *err)
{
    u_char                 *p;
    uint32_t                groups, n, size, i;
    PCRE2_SPTR              table;
    ngx_mtls_regex_name_t  *name;

    (void) pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    (void) pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &n);
    (void) pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void) pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &table);

    if (groups > NGX_MTLS_REGEX_GROUPS_MAX) {
        (void) ngx_mtls_error(err, "regex \"%V\" has more than %d groups, "
                              "use \"(?:...)\" for those that capture nothing",
                              pattern, NGX_MTLS_REGEX_GROUPS_MAX);
        return NGX_DECLINED;
    }

    if (n > NGX_MTLS_REGEX_NAMES_MAX) {
        (void) ngx_mtls_error(err, "regex \"%V\" has more than %d named "
                              "captures", pattern, NGX_MTLS_REGEX_NAMES_MAX);
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        p = (u_char *) table + (size_t) i * size;

        name = &re->names[i];
        name->group = ((ngx_uint_t) p[0] << 8) | p[1];
        name->name.data = p + 2;
        name->name.len = ngx_strlen(p + 2);

        if (ngx_strncmp(name->name.data, "mtls_", 5) == 0) {
            (void) ngx_mtls_error(err, "capture \"%V\" in regex \"%V\" has a "
                                  "reserved name, choose one that does not "
                                  "begin with \"mtls_\"",
                                  &name->name, pattern);
            return NGX_DECLINED;
        }

        /* the table is sorted; "(?J)" would allow two groups of one name */

        if (i != 0 && ngx_strcmp(p + 2, re->names[i - 1].name.data) == 0) {
            (void) ngx_mtls_error(err, "capture \"%V\" occurs twice in regex "
                                  "\"%V\"", &name->name, pattern);
            return NGX_DECLINED;
        }
    }

    re->nnames = n;

    return NGX_OK;
}


/* whether an octet stands for itself after "\" */

static ngx_uint_t
ngx_mtls_regex_plain(u_char ch)
{
    return (ch > ' ' && ch < 0x7f && (ch < '0' || ch > '9')
            && (ch < 'A' || ch > 'Z') && (ch < 'a' || ch > 'z'));
}


/*
 * The literal with which every value that matches begins: it spares most of
 * the calls where many regexes are tried on one value.  What is not plainly
 * a literal ends it; an alternative anywhere means none.
 */
static ngx_int_t
ngx_mtls_regex_prefix(ngx_pool_t *pool, ngx_mtls_regex_t *re,
    ngx_str_t *pattern)
{
    u_char  *p, *last, *dst, ch;

    p = pattern->data;
    last = p + pattern->len;

    if (ngx_strlchr(p, last, '|') != NULL) {
        return NGX_OK;
    }

    dst = ngx_pnalloc(pool, pattern->len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    re->prefix.data = dst;

    if (p < last && *p == '^') {
        p++;
    }

    for ( /* void */ ; p < last; p++) {
        ch = *p;

        if (ch == '\\' && last - p > 1 && ngx_mtls_regex_plain(p[1])) {
            ch = *++p;

        } else if (ngx_strchr("\\^$.[()?*+{", ch) != NULL) {

            /* which finds an octet of zero, too */

            break;
        }

        *dst++ = ch;
    }

    /* a quantifier there, or after what stands for nothing, takes one away */

    if (dst != re->prefix.data && p < last
        && ngx_strchr("?*+{(\\", *p) != NULL)
    {
        dst--;
    }

    re->prefix.len = dst - re->prefix.data;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_regex_name(ngx_mtls_regex_t *re, ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < re->nnames; i++) {
        if (re->names[i].name.len == name->len
            && ngx_memcmp(re->names[i].name.data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_mtls_regex_match(ngx_mtls_regex_t *re, ngx_str_t *value, ngx_uint_t n,
    ngx_str_t captures[NGX_MTLS_REGEX_NAMES_MAX])
{
    int                        rc;
    size_t                    *ovector;
    ngx_uint_t                 i, limit, group;
    ngx_mtls_regex_process_t  *process;

    if (value->len < re->prefix.len
        || (re->prefix.len != 0
            && ngx_memcmp(value->data, re->prefix.data, re->prefix.len) != 0))
    {
        return NGX_DECLINED;
    }

    process = ngx_mtls_regex_process();
    if (process == NULL) {
        return NGX_ERROR;
    }

    limit = NGX_MTLS_REGEX_MATCH_LIMIT / ngx_max(n, 1);
    limit = ngx_max(limit, NGX_MTLS_REGEX_MATCH_MIN);

    if (process->limit != limit) {
        (void) pcre2_set_match_limit(process->context, limit);
        process->limit = limit;
    }

    if (re->jit != 0) {
        rc = pcre2_jit_match(re->code, value->data, value->len, 0, 0,
                             process->data, process->context);
    } else {
        rc = pcre2_match(re->code, value->data, value->len, 0, 0,
                         process->data, process->context);
    }

    if (rc == PCRE2_ERROR_NOMATCH) {
        return NGX_DECLINED;
    }

    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT
        || rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT
        || rc == PCRE2_ERROR_RECURSELOOP)
    {
        return NGX_BUSY;
    }

    if (rc <= 0) {
        return NGX_ERROR;
    }

    if (captures == NULL) {
        return NGX_OK;
    }

    ovector = pcre2_get_ovector_pointer(process->data);

    for (i = 0; i < re->nnames; i++) {
        group = re->names[i].group;

        if (ovector[2 * group] == PCRE2_UNSET) {
            ngx_str_null(&captures[i]);
            continue;
        }

        captures[i].data = value->data + ovector[2 * group];
        captures[i].len = ovector[2 * group + 1] - ovector[2 * group];
    }

    return NGX_OK;
}


static ngx_mtls_regex_process_t *
ngx_mtls_regex_process(void)
{
    static ngx_mtls_regex_process_t  process;

    if (process.data != NULL) {
        return &process;
    }

    if (process.context == NULL) {
        process.context = pcre2_match_context_create(NULL);
        if (process.context == NULL) {
            return NULL;
        }

        (void) pcre2_set_depth_limit(process.context,
                                     NGX_MTLS_REGEX_DEPTH_LIMIT);
        (void) pcre2_set_heap_limit(process.context,
                                    NGX_MTLS_REGEX_HEAP_LIMIT);
    }

    if (process.stack == NULL) {
        process.stack = pcre2_jit_stack_create(NGX_MTLS_REGEX_STACK_MIN,
                                               NGX_MTLS_REGEX_STACK_MAX, NULL);
        if (process.stack != NULL) {
            pcre2_jit_stack_assign(process.context, NULL, process.stack);
        }
    }

    process.data = pcre2_match_data_create(NGX_MTLS_REGEX_GROUPS_MAX + 1,
                                           NULL);
    return (process.data != NULL) ? &process : NULL;
}


static void
ngx_mtls_regex_free(void *data)
{
    ngx_mtls_regex_t  *re = data;

    pcre2_code_free(re->code);
}
