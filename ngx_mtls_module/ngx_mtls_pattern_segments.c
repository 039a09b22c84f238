
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Patterns by segments of a path: "*" is one, "**", as the last, all the rest.
 */


#include <ngx_mtls_pattern.h>
#include <ngx_mtls_spiffe.h>


static ngx_int_t ngx_mtls_pattern_wild(ngx_str_t *value, u_char *path,
    ngx_mtls_pattern_t *pattern);
static ngx_uint_t ngx_mtls_pattern_segment(u_char *p, u_char *last);
static u_char *ngx_mtls_pattern_end(u_char *p, u_char *last);
static ngx_uint_t ngx_mtls_pattern_plain(ngx_str_t *uri);


/*
 * The path is that of RFC 3986 3.3; scheme and authority are compared exactly,
 * and a URI with a query or a fragment whole.
 */

ngx_int_t
ngx_mtls_pattern_segments(ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err)
{
    u_char  *p, *path, *end, *last;

    p = value->data;
    last = p + value->len;

    if (ngx_strlchr(p, last, '*') == NULL
        || ngx_strlchr(p, last, '?') != NULL
        || ngx_strlchr(p, last, '#') != NULL)
    {
        return NGX_OK;
    }

    path = ngx_strlchr(p, last, ':');

    if (path == NULL) {
        (void) ngx_mtls_error(err, "\"%V\" has no scheme; write the whole URI, "
                              "as in \"https://example.com/*\"", value);
        return NGX_DECLINED;
    }

    path++;

    if (last - path >= 2 && path[0] == '/' && path[1] == '/') {
        end = ngx_strlchr(path + 2, last, '/');
        path = (end != NULL) ? end + 1 : last;
    }

    if (ngx_strlchr(p, path, '*') != NULL) {
        (void) ngx_mtls_error(err, "\"*\" in \"%V\" must be a whole segment of "
                              "the path; use a regex (\"~...\") for others",
                              value);
        return NGX_DECLINED;
    }

    if (ngx_mtls_pattern_wild(value, path, pattern) != NGX_OK) {
        (void) ngx_mtls_error(err, "\"**\" in \"%V\" must be the last segment; "
                              "use \"*\" for one segment", value);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_pattern_spiffe(ngx_str_t *value, ngx_mtls_pattern_t *pattern,
    ngx_mtls_error_t *err)
{
    const char         *wrong;
    ngx_mtls_spiffe_t   spiffe;

    wrong = ngx_mtls_spiffe_pattern(value, &spiffe);

    if (wrong) {
        (void) ngx_mtls_error(err, "\"%V\" is no pattern of SPIFFE IDs: %s; "
                              "write it as in "
                              "\"spiffe://example.org/ns/*/sa/web\" or "
                              "\"spiffe://example.org/**\"", value, wrong);
        return NGX_DECLINED;
    }

    return ngx_mtls_pattern_wild(value, spiffe.path.data + 1, pattern);
}


/*
 * Finds what is literal before the first "*" and after the last one, where
 * there is one.  NGX_DECLINED: "**" is not the last segment.
 */

static ngx_int_t
ngx_mtls_pattern_wild(ngx_str_t *value, u_char *path,
    ngx_mtls_pattern_t *pattern)
{
    u_char      *p, *end, *last;
    ngx_uint_t   any;

    last = value->data + value->len;

    for (p = path; p <= last; p = end + 1) {
        end = ngx_mtls_pattern_end(p, last);
        any = ngx_mtls_pattern_segment(p, end);

        if (any == 0) {
            continue;
        }

        if (any == 2 && end != last) {
            return NGX_DECLINED;
        }

        if (pattern->match != NGX_MTLS_MATCH_SEGMENTS) {
            pattern->match = NGX_MTLS_MATCH_SEGMENTS;
            pattern->value = *value;
            pattern->number = p - value->data;
        }

        pattern->tail = last - end;
    }

    return NGX_OK;
}


/* whether a segment is "*" (1) or "**" (2) */

static ngx_uint_t
ngx_mtls_pattern_segment(u_char *p, u_char *last)
{
    if (last - p == 1 && p[0] == '*') {
        return 1;
    }

    return (last - p == 2 && p[0] == '*' && p[1] == '*') ? 2 : 0;
}


/* where a segment ends */

static u_char *
ngx_mtls_pattern_end(u_char *p, u_char *last)
{
    u_char  *end;

    end = memchr(p, '/', last - p);

    return (end != NULL) ? end : last;
}


/* what is literal tells nearly all values apart, before any segment is cut */

ngx_uint_t
ngx_mtls_pattern_match_segments(ngx_mtls_pattern_t *pattern, ngx_str_t *value)
{
    size_t       len, tail;
    u_char      *p, *plast, *v, *vlast, *pend, *vend;
    ngx_uint_t   any;

    len = pattern->number;
    tail = pattern->tail;

    p = pattern->value.data;
    plast = p + pattern->value.len;

    v = value->data;
    vlast = v + value->len;

    if (value->len < len + tail
        || ngx_memcmp(v, p, len) != 0
        || ngx_memcmp(vlast - tail, plast - tail, tail) != 0)
    {
        return 0;
    }

    p += len;
    v += len;

    for ( ;; ) {
        pend = ngx_mtls_pattern_end(p, plast);
        vend = ngx_mtls_pattern_end(v, vlast);

        any = ngx_mtls_pattern_segment(p, pend);

        if (any != 0) {

            if (vend == v) {
                return 0;
            }

            if (any == 2) {

                /* the last: it stays for the other segments of the value */

                if (vend == vlast) {
                    return ngx_mtls_pattern_plain(value);
                }

                v = vend + 1;
                continue;
            }

        } else if (pend - p != vend - v
                   || ngx_memcmp(p, v, pend - p) != 0)
        {
            return 0;
        }

        if (pend == plast || vend == vlast) {
            return (pend == plast && vend == vlast
                    && ngx_mtls_pattern_plain(value));
        }

        p = pend + 1;
        v = vend + 1;
    }
}


/* whether a URI has neither query nor fragment */

static ngx_uint_t
ngx_mtls_pattern_plain(ngx_str_t *uri)
{
    return memchr(uri->data, '?', uri->len) == NULL
           && memchr(uri->data, '#', uri->len) == NULL;
}
