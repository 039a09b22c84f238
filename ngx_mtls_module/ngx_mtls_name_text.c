
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names as text (RFC 4514): short names, reading, printing.
 */


#include <ngx_mtls_name.h>


/* tag and length of an element at most */
#define NGX_MTLS_NAME_DER_LEN  6


typedef struct {
    ngx_str_t          name;
    ngx_str_t          oid;
} ngx_mtls_name_type_t;


/* the text of a name while it is read, and where its values go */
typedef struct {
    u_char            *pos;
    u_char            *last;
    u_char            *dst;
    ngx_pool_t        *pool;
    ngx_mtls_error_t  *err;
} ngx_mtls_name_text_t;


static void ngx_mtls_name_reverse(ngx_mtls_ava_t *avas, ngx_uint_t n);
static ngx_int_t ngx_mtls_name_text_ava(ngx_mtls_name_text_t *t,
    ngx_mtls_ava_t *ava);
static ngx_int_t ngx_mtls_name_text_type(ngx_mtls_name_text_t *t,
    ngx_mtls_ava_t *ava);
static ngx_int_t ngx_mtls_name_text_string(ngx_mtls_name_text_t *t,
    ngx_mtls_ava_t *ava);
static ngx_int_t ngx_mtls_name_text_hex(ngx_mtls_name_text_t *t,
    ngx_mtls_ava_t *ava);
static ngx_int_t ngx_mtls_name_hex(u_char *p);
static ngx_int_t ngx_mtls_name_print_types(ngx_pool_t *pool,
    ngx_mtls_name_t *name, ngx_uint_t ntypes, ngx_str_t *text);
static ngx_str_t *ngx_mtls_name_type(ngx_str_t *oid, ngx_uint_t ntypes);
static size_t ngx_mtls_name_print_len(ngx_mtls_ava_t *ava, ngx_uint_t ntypes);
static u_char *ngx_mtls_name_print_ava(u_char *dst, ngx_mtls_ava_t *ava,
    ngx_uint_t ntypes);
static u_char *ngx_mtls_name_print_string(u_char *dst, ngx_str_t *text);


#define ngx_mtls_type(name, oid)  { ngx_string(name), ngx_string(oid) }

/*
 * Short names of attributes; the first one of an object identifier is printed.
 * 2.5.4: X.520; 0.9.2342.19200300.100.1: RFC 4519; 1.2.840.113549.1.9: PKCS #9;
 * 1.3.6.1.4.1.311.60.2.1: the place of incorporation of EV certificates.
 */
static ngx_mtls_name_type_t  ngx_mtls_name_types[] = {

    ngx_mtls_type("CN", "\x55\x04\x03"),
    ngx_mtls_type("commonName", "\x55\x04\x03"),
    ngx_mtls_type("O", "\x55\x04\x0a"),
    ngx_mtls_type("organizationName", "\x55\x04\x0a"),
    ngx_mtls_type("OU", "\x55\x04\x0b"),
    ngx_mtls_type("organizationalUnitName", "\x55\x04\x0b"),
    ngx_mtls_type("C", "\x55\x04\x06"),
    ngx_mtls_type("countryName", "\x55\x04\x06"),
    ngx_mtls_type("L", "\x55\x04\x07"),
    ngx_mtls_type("localityName", "\x55\x04\x07"),
    ngx_mtls_type("ST", "\x55\x04\x08"),
    ngx_mtls_type("stateOrProvinceName", "\x55\x04\x08"),
    ngx_mtls_type("STREET", "\x55\x04\x09"),
    ngx_mtls_type("streetAddress", "\x55\x04\x09"),
    ngx_mtls_type("DC", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"),
    ngx_mtls_type("domainComponent",
                  "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"),
    ngx_mtls_type("UID", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"),
    ngx_mtls_type("userId", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"),

    ngx_mtls_type("emailAddress", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"),
    ngx_mtls_type("unstructuredName", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"),
    ngx_mtls_type("unstructuredAddress",
                  "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08"),

    ngx_mtls_type("serialNumber", "\x55\x04\x05"),
    ngx_mtls_type("SN", "\x55\x04\x04"),
    ngx_mtls_type("surname", "\x55\x04\x04"),
    ngx_mtls_type("GN", "\x55\x04\x2a"),
    ngx_mtls_type("givenName", "\x55\x04\x2a"),
    ngx_mtls_type("initials", "\x55\x04\x2b"),
    ngx_mtls_type("generationQualifier", "\x55\x04\x2c"),
    ngx_mtls_type("dnQualifier", "\x55\x04\x2e"),
    ngx_mtls_type("pseudonym", "\x55\x04\x41"),
    ngx_mtls_type("title", "\x55\x04\x0c"),
    ngx_mtls_type("description", "\x55\x04\x0d"),
    ngx_mtls_type("name", "\x55\x04\x29"),
    ngx_mtls_type("role", "\x55\x04\x48"),
    ngx_mtls_type("postalCode", "\x55\x04\x11"),
    ngx_mtls_type("postalAddress", "\x55\x04\x10"),
    ngx_mtls_type("postOfficeBox", "\x55\x04\x12"),
    ngx_mtls_type("telephoneNumber", "\x55\x04\x14"),
    ngx_mtls_type("houseIdentifier", "\x55\x04\x33"),
    ngx_mtls_type("businessCategory", "\x55\x04\x0f"),
    ngx_mtls_type("organizationIdentifier", "\x55\x04\x61"),

    ngx_mtls_type("jurisdictionL",
                  "\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01"),
    ngx_mtls_type("jurisdictionST",
                  "\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02"),
    ngx_mtls_type("jurisdictionC",
                  "\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03"),

    { ngx_null_string, ngx_null_string }
};


/* how many of these, from the first, are of the table of RFC 4514 3 */
#define NGX_MTLS_NAME_TYPES_4514  18

#define NGX_MTLS_NAME_TYPES       (sizeof(ngx_mtls_name_types)               \
                                   / sizeof(ngx_mtls_name_type_t) - 1)


ngx_int_t
ngx_mtls_name_text(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *canonical,
    ngx_mtls_error_t *err)
{
    u_char                 c;
    ngx_uint_t             i, n, rdn;
    ngx_mtls_ava_t        *avas;
    ngx_mtls_name_t        name;
    ngx_mtls_name_text_t   t;

    n = 1;

    for (i = 0; i < text->len; i++) {
        c = text->data[i];
        n += (c == ',' || c == '+');
    }

    if (n > NGX_MTLS_NAME_MAX) {
        ngx_mtls_error(err, "too many attributes in the name");
        return NGX_DECLINED;
    }

    avas = ngx_palloc(pool, n * sizeof(ngx_mtls_ava_t));
    if (avas == NULL) {
        return NGX_ERROR;
    }

    /* a value is never longer than its text */

    t.dst = ngx_pnalloc(pool, text->len + 1);
    if (t.dst == NULL) {
        return NGX_ERROR;
    }

    t.pos = text->data;
    t.last = text->data + text->len;
    t.pool = pool;
    t.err = err;

    n = 0;
    rdn = 0;

    for ( ;; ) {
        switch (ngx_mtls_name_text_ava(&t, &avas[n])) {

        case NGX_OK:
            break;

        case NGX_ERROR:
            return NGX_ERROR;

        default:
            return NGX_DECLINED;
        }

        avas[n++].rdn = rdn;

        if (t.pos == t.last) {
            break;
        }

        if (*t.pos++ == ',') {
            rdn++;
        }
    }

    ngx_mtls_name_reverse(avas, n);

    ngx_str_null(&name.der);
    name.avas = avas;
    name.n = n;

    return ngx_mtls_name_canonical(pool, &name, canonical);
}


/* the text has the last RDN first */

static void
ngx_mtls_name_reverse(ngx_mtls_ava_t *avas, ngx_uint_t n)
{
    ngx_uint_t      i, last;
    ngx_mtls_ava_t  ava;

    last = avas[n - 1].rdn;

    for (i = 0; i < n; i++) {
        avas[i].rdn = last - avas[i].rdn;
    }

    for (i = 0; i < n / 2; i++) {
        ava = avas[i];
        avas[i] = avas[n - 1 - i];
        avas[n - 1 - i] = ava;
    }
}


/* "type=value", up to a "," or "+" that is not escaped */

static ngx_int_t
ngx_mtls_name_text_ava(ngx_mtls_name_text_t *t, ngx_mtls_ava_t *ava)
{
    ngx_int_t  rc;

    rc = ngx_mtls_name_text_type(t, ava);
    if (rc != NGX_OK) {
        return rc;
    }

    while (t->pos < t->last && *t->pos == ' ') {
        t->pos++;
    }

    if (t->pos < t->last && *t->pos == '#') {
        t->pos++;
        return ngx_mtls_name_text_hex(t, ava);
    }

    return ngx_mtls_name_text_string(t, ava);
}


static ngx_int_t
ngx_mtls_name_text_type(ngx_mtls_name_text_t *t, ngx_mtls_ava_t *ava)
{
    size_t     len;
    u_char    *p, oid[NGX_MTLS_OID_LEN];
    ngx_str_t  type;

    while (t->pos < t->last && *t->pos == ' ') {
        t->pos++;
    }

    for (p = t->pos; p < t->last && *p != '='; p++) { /* void */ }

    type.data = t->pos;
    type.len = p - t->pos;

    if (p == t->last) {
        ngx_mtls_error(t->err, "no \"=\" in \"%V\" of the name", &type);
        return NGX_DECLINED;
    }

    t->pos = p + 1;

    while (type.len && type.data[type.len - 1] == ' ') {
        type.len--;
    }

    if (ngx_mtls_name_oid(&type, &ava->oid) == NGX_OK) {
        return NGX_OK;
    }

    len = ngx_mtls_oid_parse(type.data, type.len, '.', oid);
    if (len == 0) {
        ngx_mtls_error(t->err, "unknown attribute \"%V\" in the name", &type);
        return NGX_DECLINED;
    }

    ava->oid.data = ngx_pnalloc(t->pool, len);
    if (ava->oid.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ava->oid.data, oid, len);
    ava->oid.len = len;

    return NGX_OK;
}


/* a string with the escapes of RFC 4514 2.4 */

static ngx_int_t
ngx_mtls_name_text_string(ngx_mtls_name_text_t *t, ngx_mtls_ava_t *ava)
{
    u_char     *dst;
    ngx_int_t   c;

    dst = t->dst;

    ava->tag = NGX_MTLS_DER_UTF8;
    ava->text.data = dst;

    while (t->pos < t->last) {
        c = *t->pos;

        if (c == ',' || c == '+') {
            break;
        }

        t->pos++;

        if (c == '"' || c == ';' || c == '<' || c == '>') {
            ngx_mtls_error(t->err, "\"%c\" must be escaped as \"\\%c\" in "
                           "the name", (int) c, (int) c);
            return NGX_DECLINED;
        }

        if (c != '\\') {
            *dst++ = (u_char) c;
            continue;
        }

        if (t->last - t->pos >= 2) {
            c = ngx_mtls_name_hex(t->pos);

            if (c != NGX_ERROR) {
                *dst++ = (u_char) c;
                t->pos += 2;
                continue;
            }
        }

        if (t->pos == t->last
            || ngx_strchr(" \"#+,;<=>\\", *t->pos) == NULL
            || *t->pos == '\0')
        {
            ngx_mtls_error(t->err, "bad escape in the name");
            return NGX_DECLINED;
        }

        *dst++ = *t->pos++;
    }

    t->dst = dst;
    ava->text.len = dst - ava->text.data;

    if (!ngx_mtls_utf8(ava->text.data, ava->text.len)) {
        ngx_mtls_error(t->err, "a value in the name is not UTF-8 or has "
                       "a zero octet");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the whole DER of a value in hexadecimal */

static ngx_int_t
ngx_mtls_name_text_hex(ngx_mtls_name_text_t *t, ngx_mtls_ava_t *ava)
{
    u_char          *p;
    size_t           len;
    ngx_int_t        c;
    ngx_mtls_der_t   d;

    for (p = t->pos; p < t->last && *p != ',' && *p != '+'; p++) { /* void */ }

    len = p - t->pos;

    while (len && t->pos[len - 1] == ' ') {
        len--;
    }

    ngx_mtls_der_set(&d, t->dst, len / 2);

    for (c = (len % 2) ? NGX_ERROR : 0; len && c != NGX_ERROR; len -= 2) {
        c = ngx_mtls_name_hex(t->pos);
        *t->dst++ = (u_char) c;
        t->pos += 2;
    }

    t->pos = p;

    if (c == NGX_ERROR
        || ngx_mtls_der_any(&d, &ava->tag, &ava->raw, NULL) != NGX_OK
        || !ngx_mtls_der_empty(&d))
    {
        ngx_mtls_error(t->err, "a value that begins with \"#\" in the name "
                       "is not DER in hexadecimal");
        return NGX_DECLINED;
    }

    if (ngx_mtls_der_string(t->pool, ava->tag, &ava->raw, &ava->text)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the octet of two hexadecimal digits; NGX_ERROR: they are none */

static ngx_int_t
ngx_mtls_name_hex(u_char *p)
{
    u_char      c;
    ngx_int_t   value;
    ngx_uint_t  i;

    value = 0;

    for (i = 0; i < 2; i++) {
        c = (u_char) (p[i] | 0x20);

        if (p[i] >= '0' && p[i] <= '9') {
            value = value * 16 + p[i] - '0';

        } else if (c >= 'a' && c <= 'f') {
            value = value * 16 + c - 'a' + 10;

        } else {
            return NGX_ERROR;
        }
    }

    return value;
}


ngx_int_t
ngx_mtls_name_print(ngx_pool_t *pool, ngx_mtls_name_t *name, ngx_str_t *text)
{
    return ngx_mtls_name_print_types(pool, name, NGX_MTLS_NAME_TYPES, text);
}


ngx_int_t
ngx_mtls_name_print_4514(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_str_t *text)
{
    return ngx_mtls_name_print_types(pool, name, NGX_MTLS_NAME_TYPES_4514,
                                     text);
}


/* prints by name only what is among the first "ntypes" */

static ngx_int_t
ngx_mtls_name_print_types(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_uint_t ntypes, ngx_str_t *text)
{
    u_char          *p;
    size_t           len;
    ngx_uint_t       i, n, next;
    ngx_mtls_ava_t  *avas;

    avas = name->avas;
    len = 1;

    for (i = 0; i < name->n; i++) {
        len += ngx_mtls_name_print_len(&avas[i], ntypes);
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (next = name->n; next > 0; next = i) {

        for (i = next - 1; i > 0 && avas[i - 1].rdn == avas[i].rdn; i--) {
            /* void */
        }

        if (next != name->n) {
            *p++ = ',';
        }

        for (n = i; n < next; n++) {
            if (n != i) {
                *p++ = '+';
            }

            p = ngx_mtls_name_print_ava(p, &avas[n], ntypes);
        }
    }

    text->len = p - text->data;

    return NGX_OK;
}


/* octets that ngx_mtls_name_print_ava() writes at most, and a separator */

static size_t
ngx_mtls_name_print_len(ngx_mtls_ava_t *ava, ngx_uint_t ntypes)
{
    size_t      len;
    ngx_str_t  *type;

    type = ngx_mtls_name_type(&ava->oid, ntypes);

    len = sizeof("=,") - 1 + (type ? type->len : ava->oid.len * 4);

    if (type && ava->text.data) {
        return len + ava->text.len * (sizeof("\\00") - 1);
    }

    return len + 1 + (NGX_MTLS_NAME_DER_LEN + ngx_mtls_der_len(&ava->raw)) * 2;
}


static u_char *
ngx_mtls_name_print_ava(u_char *dst, ngx_mtls_ava_t *ava, ngx_uint_t ntypes)
{
    size_t      len;
    u_char     *start, oid[NGX_MTLS_OID_TEXT_LEN];
    ngx_str_t  *type;

    type = ngx_mtls_name_type(&ava->oid, ntypes);

    if (type) {
        dst = ngx_cpymem(dst, type->data, type->len);

    } else {
        len = ngx_mtls_oid_text(ava->oid.data, ava->oid.len, oid);
        dst = ngx_cpymem(dst, oid, len);
    }

    *dst++ = '=';

    if (type && ava->text.data) {
        return ngx_mtls_name_print_string(dst, &ava->text);
    }

    /*
     * What has no short name or no text is printed as the whole element
     * (RFC 4514 2.4).  Its header is before the content: tag and length, which
     * has one octet more for each octet of a length above 127.
     */

    start = ava->raw.pos - 2;

    for (len = ngx_mtls_der_len(&ava->raw), len = (len < 128) ? 0 : len;
         len;
         len >>= 8)
    {
        start--;
    }

    *dst++ = '#';

    return ngx_hex_dump(dst, start, ava->raw.last - start);
}


static u_char *
ngx_mtls_name_print_string(u_char *dst, ngx_str_t *text)
{
    u_char  *p, *last;

    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if (*p < 0x20 || *p == 0x7f) {
            *dst++ = '\\';
            dst = ngx_hex_dump(dst, p, 1);
            continue;
        }

        if (ngx_strchr("\"+,;<>\\", *p)
            || (*p == '#' && p == text->data)
            || (*p == ' ' && (p == text->data || p == last - 1)))
        {
            *dst++ = '\\';
        }

        *dst++ = *p;
    }

    return dst;
}


static ngx_str_t *
ngx_mtls_name_type(ngx_str_t *oid, ngx_uint_t ntypes)
{
    ngx_uint_t             i;
    ngx_mtls_name_type_t  *type;

    for (i = 0; i < ntypes; i++) {
        type = &ngx_mtls_name_types[i];

        if (type->oid.len == oid->len
            && ngx_memcmp(type->oid.data, oid->data, oid->len) == 0)
        {
            return &type->name;
        }
    }

    return NULL;
}


ngx_int_t
ngx_mtls_name_oid(ngx_str_t *name, ngx_str_t *oid)
{
    ngx_mtls_name_type_t  *type;

    for (type = ngx_mtls_name_types; type->name.len; type++) {
        if (type->name.len == name->len
            && ngx_strncasecmp(type->name.data, name->data, name->len) == 0)
        {
            *oid = type->oid;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
