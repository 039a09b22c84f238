
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Identity templates: literals, attributes and named captures that spell one
 * name per certificate.
 */


#include <ngx_mtls_identity.h>


/*
 * A value ends where the literal after it begins, and nowhere else: "%" opens
 * an escape of three octets, and the first octet of that literal is escaped
 * inside the value.  So the values can be told from the identity, and two
 * certificates that differ in them never share one.
 */


static ngx_int_t ngx_mtls_identity_name(ngx_str_t *text, u_char **pos,
    ngx_str_t *name, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_identity_part(ngx_mtls_template_t *tpl,
    ngx_str_t *literal, ngx_str_t *name, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_identity_attribute(ngx_mtls_template_t *tpl,
    ngx_str_t *name, ngx_mtls_attribute_t *attr, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_identity_follow(ngx_mtls_template_t *tpl,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_identity_sources(ngx_mtls_template_part_t *part,
    ngx_mtls_line_t *line);
static ngx_int_t ngx_mtls_identity_value(ngx_mtls_template_part_t *part,
    ngx_mtls_facts_t *facts, ngx_str_t *value);
static ngx_int_t ngx_mtls_identity_capture(ngx_mtls_template_part_t *part,
    ngx_mtls_facts_t *facts, ngx_str_t *value);
static size_t ngx_mtls_identity_escape(u_char *dst, ngx_str_t *value,
    u_char follow);


ngx_int_t
ngx_mtls_identity_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_mtls_template_t **tplp, ngx_mtls_error_t *err)
{
    u_char               *p, *last;
    ngx_int_t             rc;
    ngx_str_t             name, literal;
    ngx_mtls_template_t  *tpl;

    if (text->len == 0) {
        (void) ngx_mtls_error(err, "identity is empty");
        return NGX_DECLINED;
    }

    tpl = ngx_pcalloc(pool, sizeof(ngx_mtls_template_t));
    if (tpl == NULL) {
        return NGX_ERROR;
    }

    tpl->pool = pool;
    tpl->text = *text;

    if (ngx_array_init(&tpl->parts, pool, 2, sizeof(ngx_mtls_template_part_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    literal.data = p;

    while (p < last) {

        if (*p < 0x20 || *p == 0x7f) {
            (void) ngx_mtls_error(err, "identity has a control character at "
                                  "offset %uz", (size_t) (p - text->data));
            return NGX_DECLINED;
        }

        if (*p != '$') {
            p++;
            continue;
        }

        literal.len = p - literal.data;

        rc = ngx_mtls_identity_name(text, &p, &name, err);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_mtls_identity_part(tpl, &literal, &name, err);
        if (rc != NGX_OK) {
            return rc;
        }

        literal.data = p;
    }

    tpl->tail.data = literal.data;
    tpl->tail.len = last - literal.data;

    rc = ngx_mtls_identity_follow(tpl, err);

    *tplp = tpl;

    return rc;
}


/* "$name" or "${name}" */

static ngx_int_t
ngx_mtls_identity_name(ngx_str_t *text, u_char **pos, ngx_str_t *name,
    ngx_mtls_error_t *err)
{
    u_char      *p, *last, ch;
    ngx_uint_t   brace;

    p = *pos + 1;
    last = text->data + text->len;

    brace = (p < last && *p == '{');
    p += brace;

    name->data = p;

    while (p < last) {
        ch = *p | 0x20;

        if ((ch < 'a' || ch > 'z') && (*p < '0' || *p > '9') && *p != '_') {
            break;
        }

        p++;
    }

    name->len = p - name->data;

    if (name->len == 0 || (brace && (p == last || *p != '}'))) {
        (void) ngx_mtls_error(err, "invalid variable at offset %uz of identity "
                              "\"%V\", write \"$name\" or \"${name}\"",
                              (size_t) (*pos - text->data), text);
        return NGX_DECLINED;
    }

    *pos = p + brace;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_identity_part(ngx_mtls_template_t *tpl, ngx_str_t *literal,
    ngx_str_t *name, ngx_mtls_error_t *err)
{
    ngx_mtls_template_part_t  *part;

    if (tpl->parts.nelts == NGX_MTLS_TEMPLATE_PARTS_MAX) {
        (void) ngx_mtls_error(err, "identity \"%V\" has more than %d "
                              "variables", &tpl->text,
                              NGX_MTLS_TEMPLATE_PARTS_MAX);
        return NGX_DECLINED;
    }

    if (tpl->parts.nelts != 0 && literal->len == 0) {
        part = tpl->parts.elts;
        part += tpl->parts.nelts - 1;

        (void) ngx_mtls_error(err, "variables \"$%V\" and \"$%V\" of identity "
                              "\"%V\" are adjacent, put a literal between "
                              "them", &part->name, name, &tpl->text);
        return NGX_DECLINED;
    }

    part = ngx_array_push(&tpl->parts);
    if (part == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(part, sizeof(ngx_mtls_template_part_t));

    part->literal = *literal;
    part->name = *name;
    part->attr.id = NGX_MTLS_ATTR_NONE;

    if (name->len >= 5 && ngx_strncmp(name->data, "mtls_", 5) == 0) {
        return ngx_mtls_identity_attribute(tpl, name, &part->attr, err);
    }

    if (name->data[0] >= '0' && name->data[0] <= '9') {
        (void) ngx_mtls_error(err, "capture \"$%V\" of identity \"%V\" has no "
                              "name, give it one: \"(?<name>...)\"",
                              name, &tpl->text);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_identity_attribute(ngx_mtls_template_t *tpl, ngx_str_t *name,
    ngx_mtls_attribute_t *attr, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;
    ngx_str_t  rest;

    rest.data = name->data + 5;
    rest.len = name->len - 5;

    rc = ngx_mtls_attribute_variable(tpl->pool, &rest, attr);

    if (rc == NGX_OK && attr->id != NGX_MTLS_ATTR_DAYS_LEFT) {
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    (void) ngx_mtls_error(err, "variable \"$%V\" cannot be part of identity "
                          "\"%V\", which is made of the certificate's "
                          "attributes and named captures", name, &tpl->text);
    return NGX_DECLINED;
}


/* what follows each variable, once all are known */

static ngx_int_t
ngx_mtls_identity_follow(ngx_mtls_template_t *tpl, ngx_mtls_error_t *err)
{
    ngx_str_t                 *next;
    ngx_uint_t                 i;
    ngx_mtls_template_part_t  *part;

    part = tpl->parts.elts;

    for (i = 0; i < tpl->parts.nelts; i++) {
        next = (i + 1 < tpl->parts.nelts) ? &part[i + 1].literal : &tpl->tail;

        if (next->len == 0) {
            continue;
        }

        if (next->data[0] == '%') {
            (void) ngx_mtls_error(err, "\"%%\" follows variable \"$%V\" of "
                                  "identity \"%V\", but it begins an escape "
                                  "there, choose another literal",
                                  &part[i].name, &tpl->text);
            return NGX_DECLINED;
        }

        part[i].follow = next->data[0];
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_identity_resolve(ngx_mtls_template_t *tpl, ngx_mtls_group_t *group,
    ngx_mtls_error_t *err)
{
    ngx_uint_t                 i, k;
    ngx_mtls_line_t           *line;
    ngx_mtls_template_part_t  *part;

    part = tpl->parts.elts;
    line = group->lines.elts;

    for (i = 0; i < tpl->parts.nelts; i++) {

        if (part[i].attr.id != NGX_MTLS_ATTR_NONE) {
            continue;
        }

        if (ngx_array_init(&part[i].sources, tpl->pool, 1,
                           sizeof(ngx_mtls_template_source_t))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (k = 0; k < group->lines.nelts; k++) {
            if (ngx_mtls_identity_sources(&part[i], &line[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (part[i].sources.nelts == 0) {
            (void) ngx_mtls_error(err, "unknown variable \"$%V\" in identity "
                                  "\"%V\", name a capture \"(?<%V>...)\" in a "
                                  "regex of group \"%V\" or use an "
                                  "attribute \"$mtls_...\"",
                                  &part[i].name, &tpl->text, &part[i].name,
                                  &group->name);
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* a "not" line is true where its regexes match nothing: they capture nothing */

static ngx_int_t
ngx_mtls_identity_sources(ngx_mtls_template_part_t *part,
    ngx_mtls_line_t *line)
{
    ngx_int_t                    n;
    ngx_uint_t                   i;
    ngx_mtls_template_source_t  *source;

    if (line->negative) {
        return NGX_OK;
    }

    for (i = line->nexact; i < line->npatterns; i++) {

        if (line->patterns[i].match != NGX_MTLS_MATCH_REGEX) {
            continue;
        }

        n = ngx_mtls_regex_name(line->patterns[i].regex, &part->name);
        if (n == NGX_DECLINED) {
            continue;
        }

        source = ngx_array_push(&part->sources);
        if (source == NULL) {
            return NGX_ERROR;
        }

        source->line = line;
        source->regex = line->patterns[i].regex;
        source->number = n;
    }

    return NGX_OK;
}


void
ngx_mtls_identity_prefix(ngx_mtls_template_t *tpl, ngx_str_t *prefix)
{
    ngx_mtls_template_part_t  *part;

    part = tpl->parts.elts;

    *prefix = (tpl->parts.nelts != 0) ? part[0].literal : tpl->tail;
}


ngx_int_t
ngx_mtls_identity_make(ngx_mtls_group_t *group, ngx_mtls_facts_t *facts,
    ngx_pool_t *pool, ngx_str_t *identity)
{
    u_char                    *p;
    size_t                     len;
    ngx_int_t                  rc;
    ngx_str_t                  values[NGX_MTLS_TEMPLATE_PARTS_MAX];
    ngx_uint_t                 i, n;
    ngx_mtls_template_t       *tpl;
    ngx_mtls_template_part_t  *part;

    tpl = group->identity;
    part = tpl->parts.elts;
    n = tpl->parts.nelts;

    for (i = 0; i < n; i++) {
        rc = ngx_mtls_identity_value(&part[i], facts, &values[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (identity == NULL) {
        return NGX_OK;
    }

    len = tpl->tail.len;

    for (i = 0; i < n; i++) {
        len += part[i].literal.len
               + ngx_mtls_identity_escape(NULL, &values[i], part[i].follow);
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    identity->len = len;
    identity->data = p;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, part[i].literal.data, part[i].literal.len);
        p += ngx_mtls_identity_escape(p, &values[i], part[i].follow);
    }

    ngx_memcpy(p, tpl->tail.data, tpl->tail.len);

    return NGX_OK;
}


/* the only value of a variable, which is not empty */

static ngx_int_t
ngx_mtls_identity_value(ngx_mtls_template_part_t *part,
    ngx_mtls_facts_t *facts, ngx_str_t *value)
{
    ngx_int_t          rc;
    ngx_mtls_values_t  values;

    if (part->attr.id == NGX_MTLS_ATTR_NONE) {
        rc = ngx_mtls_identity_capture(part, facts, value);
        if (rc != NGX_OK) {
            return rc;
        }

    } else {
        if (ngx_mtls_attribute_values(facts->cert, &part->attr, &values)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (values.n != 1) {
            return NGX_DECLINED;
        }

        *value = values.elts[0];
    }

    return (value->data != NULL && value->len != 0) ? NGX_OK : NGX_DECLINED;
}


/* what every match of every regex that names the capture agrees on */

static ngx_int_t
ngx_mtls_identity_capture(ngx_mtls_template_part_t *part,
    ngx_mtls_facts_t *facts, ngx_str_t *value)
{
    ngx_int_t                    rc;
    ngx_str_t                    captures[NGX_MTLS_REGEX_NAMES_MAX], *found;
    ngx_uint_t                   i, k;
    ngx_mtls_values_t            values;
    ngx_mtls_template_source_t  *source;

    ngx_str_null(value);

    source = part->sources.elts;

    for (i = 0; i < part->sources.nelts; i++) {

        if (ngx_mtls_attribute_values(facts->cert, &source[i].line->attr,
                                      &values)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (k = 0; k < values.n; k++) {

            if (values.elts[k].data == NULL) {
                continue;
            }

            rc = ngx_mtls_regex_match(source[i].regex, &values.elts[k],
                                      values.n, captures);

            if (rc == NGX_DECLINED) {
                continue;
            }

            if (rc != NGX_OK) {
                return rc;
            }

            found = &captures[source[i].number];

            if (found->data == NULL || found->len == 0
                || (value->data != NULL
                    && (value->len != found->len
                        || ngx_memcmp(value->data, found->data, found->len)
                           != 0)))
            {
                return NGX_DECLINED;
            }

            *value = *found;
        }
    }

    return NGX_OK;
}


/*
 * Percent-encodes "%", the octet that follows the value, control octets, and a
 * space at either end, which HTTP drops from the ends of a header's value;
 * returns the length, "dst" may be NULL.
 */

static size_t
ngx_mtls_identity_escape(u_char *dst, ngx_str_t *value, u_char follow)
{
    u_char         ch;
    size_t         i, len;

    static u_char  hex[] = "0123456789ABCDEF";

    len = 0;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (ch >= 0x20 && ch != 0x7f && ch != '%' && ch != follow
            && (ch != ' ' || (i != 0 && i + 1 != value->len)))
        {
            if (dst != NULL) {
                dst[len] = ch;
            }

            len++;
            continue;
        }

        if (dst != NULL) {
            dst[len] = '%';
            dst[len + 1] = hex[ch >> 4];
            dst[len + 2] = hex[ch & 0xf];
        }

        len += 3;
    }

    return len;
}
