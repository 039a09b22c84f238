
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: the line of the configuration that a variable stands in,
 * which nginx does not keep; looked for only when it is wrong.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


/* what is larger, or included by more files, is not looked into */
#define NGX_HTTP_MTLS_WHERE_SIZE   (4 * 1024 * 1024)
#define NGX_HTTP_MTLS_WHERE_DEPTH  8


static ngx_int_t ngx_http_mtls_where_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *name, ngx_uint_t depth, ngx_http_mtls_where_t *where);
static ngx_int_t ngx_http_mtls_where_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);
static ngx_int_t ngx_http_mtls_where_include(ngx_conf_t *cf, ngx_str_t *line,
    ngx_str_t *name, ngx_uint_t depth, ngx_http_mtls_where_t *where);
static ngx_uint_t ngx_http_mtls_where_line(ngx_str_t *line, ngx_str_t *name);


ngx_str_t
ngx_http_mtls_where(ngx_conf_t *cf, ngx_str_t *name)
{
    size_t                 size;
    ngx_str_t              text;
    ngx_http_mtls_where_t  where;

    ngx_str_null(&text);

    if (ngx_http_mtls_where_file(cf, &cf->cycle->conf_file, name, 0, &where)
        != NGX_OK)
    {
        return text;
    }

    size = sizeof(" in :") - 1 + where.file.len + NGX_INT_T_LEN;

    text.data = ngx_pnalloc(cf->temp_pool, size);

    if (text.data) {
        text.len = ngx_snprintf(text.data, size, " in %V:%ui", &where.file,
                                where.line)
                   - text.data;
    }

    return text;
}


static ngx_int_t
ngx_http_mtls_where_file(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *name,
    ngx_uint_t depth, ngx_http_mtls_where_t *where)
{
    u_char      *p, *last, *end;
    ngx_int_t    rc;
    ngx_str_t    text, line;
    ngx_uint_t   n;

    if (depth == NGX_HTTP_MTLS_WHERE_DEPTH
        || ngx_http_mtls_where_read(cf, path, &text) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    last = text.data + text.len;
    n = 0;

    for (p = text.data; p < last; p = end + 1) {

        n++;

        end = ngx_strlchr(p, last, '\n');
        if (end == NULL) {
            end = last;
        }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        line.data = p;
        line.len = end - p;

        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }

        if (ngx_http_mtls_where_line(&line, name)) {
            where->file = *path;
            where->line = n;
            return NGX_OK;
        }

        rc = ngx_http_mtls_where_include(cf, &line, name, depth, where);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_mtls_where_read(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *text)
{
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return NGX_DECLINED;
    }

    n = -1;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && ngx_is_file(&fi)
        && ngx_file_size(&fi) <= NGX_HTTP_MTLS_WHERE_SIZE)
    {
        text->data = ngx_pnalloc(cf->temp_pool, (size_t) ngx_file_size(&fi)
                                                + 1);
        if (text->data) {
            n = ngx_read_fd(fd, text->data, (size_t) ngx_file_size(&fi));
        }
    }

    (void) ngx_close_file(fd);

    text->len = n < 0 ? 0 : (size_t) n;

    return n < 0 ? NGX_DECLINED : NGX_OK;
}


/* an "include" that begins its line, as it is written */

static ngx_int_t
ngx_http_mtls_where_include(ngx_conf_t *cf, ngx_str_t *line, ngx_str_t *name,
    ngx_uint_t depth, ngx_http_mtls_where_t *where)
{
    u_char      *p, *end;
    ngx_int_t    rc;
    ngx_str_t    pattern, path, copy;
    ngx_glob_t   gl;

    if (line->len < sizeof("include x;") - 1
        || ngx_strncmp(line->data, "include", 7) != 0
        || (line->data[7] != ' ' && line->data[7] != '\t'))
    {
        return NGX_DECLINED;
    }

    p = line->data + 8;
    end = ngx_strlchr(p, line->data + line->len, ';');

    if (end == NULL) {
        return NGX_DECLINED;
    }

    while (p < end && ngx_strchr(" \t\"'", *p)) {
        p++;
    }

    while (end > p && ngx_strchr(" \t\"'", end[-1])) {
        end--;
    }

    pattern.len = end - p;
    pattern.data = ngx_pnalloc(cf->temp_pool, pattern.len + 1);

    if (pattern.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(pattern.data, p, pattern.len + 1);

    if (ngx_conf_full_name(cf->cycle, &pattern, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = pattern.data;
    gl.log = cf->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;

    while (rc == NGX_DECLINED && ngx_read_glob(&gl, &path) == NGX_OK) {

        copy.len = path.len;
        copy.data = ngx_pnalloc(cf->pool, path.len + 1);
        rc = NGX_ERROR;

        if (copy.data) {
            (void) ngx_cpystrn(copy.data, path.data, path.len + 1);
            rc = ngx_http_mtls_where_file(cf, &copy, name, depth + 1, where);
        }
    }

    ngx_close_glob(&gl);

    return rc;
}


static ngx_uint_t
ngx_http_mtls_where_line(ngx_str_t *line, ngx_str_t *name)
{
    u_char      *p, *last, c;
    ngx_uint_t   brace;

    last = line->data + line->len;

    for (p = line->data; p < last; p++) {

        if (*p != '$') {
            continue;
        }

        brace = (p + 1 < last && p[1] == '{');

        if ((size_t) (last - p) < 1 + brace + name->len
            || ngx_strncasecmp(p + 1 + brace, name->data, name->len) != 0)
        {
            continue;
        }

        /* of "$mtls_san_dns_x" the name is not "mtls_san_dns" */

        p += brace + name->len;
        c = p + 1 < last ? p[1] : '\0';

        if (brace ? c == '}'
                  : !(c == '_' || (c >= '0' && c <= '9')
                      || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))
        {
            return 1;
        }
    }

    return 0;
}
