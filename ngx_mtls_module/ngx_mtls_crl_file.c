
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Files with CRLs: read once into private memory, PEM or DER, and peeked at.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>


#define NGX_MTLS_CRL_HEAD          65536   /* octets that hold any head */
#define NGX_MTLS_CRL_LABEL_MAX     64

#define NGX_MTLS_CRL_BEGIN         "-----BEGIN "
#define NGX_MTLS_CRL_END           "-----END "
#define NGX_MTLS_CRL_DASHES        "-----"


static ngx_int_t ngx_mtls_crl_fill(ngx_fd_t fd, size_t limit,
    ngx_mtls_crl_file_t *file, ngx_mtls_error_t *err);
static u_char *ngx_mtls_crl_line(u_char *p, u_char *first, u_char *last);
static ngx_uint_t ngx_mtls_crl_starts(u_char *p, u_char *last,
    const char *text);
static ngx_uint_t ngx_mtls_crl_pem_kind(ngx_str_t *label);
static void ngx_mtls_crl_base64(uint32_t table[4][256]);
static ngx_int_t ngx_mtls_crl_peek_pem(ngx_pool_t *pool,
    ngx_mtls_crl_file_t *file, time_t now, ngx_array_t *issuers,
    ngx_uint_t *stale, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_peek_der(ngx_pool_t *pool, u_char *der,
    size_t len, size_t missing, time_t now, ngx_array_t *issuers,
    ngx_uint_t *stale, ngx_mtls_error_t *err);


ngx_int_t
ngx_mtls_crl_file_read(ngx_str_t *path, size_t limit,
    ngx_mtls_crl_file_t *file, ngx_mtls_error_t *err)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    ngx_memzero(file, sizeof(ngx_mtls_crl_file_t));

    /* not to hang on a FIFO */

    fd = open((char *) path->data, O_RDONLY|O_NONBLOCK|O_CLOEXEC);
    if (fd == -1) {
        return ngx_mtls_crl_refuse(err, "cannot be opened (%d: %s)",
                                   ngx_errno, strerror(ngx_errno));
    }

    rc = ngx_mtls_crl_fill(fd, limit, file, err);

    (void) close(fd);

    if (rc != NGX_OK) {
        ngx_mtls_crl_file_free(file);
    }

    return rc;
}


static ngx_int_t
ngx_mtls_crl_fill(ngx_fd_t fd, size_t limit, ngx_mtls_crl_file_t *file,
    ngx_mtls_error_t *err)
{
    size_t       len;
    ssize_t      n;
    struct stat  st, now;

    if (fstat(fd, &st) == -1) {
        return ngx_mtls_crl_refuse(err, "cannot be examined (%d: %s)",
                                   ngx_errno, strerror(ngx_errno));
    }

    if (!S_ISREG(st.st_mode)) {
        return ngx_mtls_crl_refuse(err, "not a regular file");
    }

    if (st.st_size == 0) {
        return ngx_mtls_crl_refuse(err, "the file is empty");
    }

    if (st.st_size > (off_t) NGX_MTLS_CRL_SIZE_MAX) {
        return ngx_mtls_crl_refuse(err, "the file is larger than 2 GiB");
    }

    file->size = (size_t) st.st_size;
    len = ngx_min(file->size, limit);

    file->data = ngx_mtls_table_memory(len);
    if (file->data == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    while (file->len < len) {
        n = read(fd, file->data + file->len, len - file->len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            return ngx_mtls_crl_refuse(err, "cannot be read (%d: %s)",
                                       ngx_errno, strerror(ngx_errno));
        }

        if (n == 0) {
            break;
        }

        file->len += n;
    }

    if (file->len != len
        || fstat(fd, &now) == -1
        || now.st_size != st.st_size
        || now.st_mtim.tv_sec != st.st_mtim.tv_sec
        || now.st_mtim.tv_nsec != st.st_mtim.tv_nsec)
    {
        return ngx_mtls_crl_refuse(err, "the file changed while it was read");
    }

    return NGX_OK;
}


void
ngx_mtls_crl_file_free(ngx_mtls_crl_file_t *file)
{
    free(file->data);
    file->data = NULL;
}


/* a SEQUENCE of a length that no text begins with */

ngx_uint_t
ngx_mtls_crl_file_is_der(ngx_mtls_crl_file_t *file)
{
    return file->len > 1
           && file->data[0] == NGX_MTLS_DER_SEQUENCE
           && (file->data[1] & 0x80);
}


ngx_int_t
ngx_mtls_crl_pem_next(u_char **pos, u_char *last, ngx_mtls_crl_pem_t *pem,
    ngx_mtls_error_t *err)
{
    u_char     *p, *end;
    ngx_str_t   label;

    /* text around the blocks is passed over */

    p = *pos;

    for ( ;; ) {
        p = ngx_mtls_crl_line(p, *pos, last);

        if (p == NULL) {
            return NGX_DONE;
        }

        if (ngx_mtls_crl_starts(p, last, NGX_MTLS_CRL_BEGIN)) {
            break;
        }

        p++;
    }

    pem->number++;
    pem->block = p;

    label.data = p + sizeof(NGX_MTLS_CRL_BEGIN) - 1;
    end = memchr(label.data, LF, last - label.data);

    for (p = label.data; p < last && *p != '-' && *p != LF; p++) {
        /* void */
    }

    label.len = p - label.data;

    if (end == NULL
        || label.len > NGX_MTLS_CRL_LABEL_MAX
        || !ngx_mtls_crl_starts(p, last, NGX_MTLS_CRL_DASHES))
    {
        goto cut;
    }

    pem->body = p + sizeof(NGX_MTLS_CRL_DASHES) - 1;

    /* base64 has no dashes, and what other blocks have does not matter */

    for (p = pem->body; /* void */ ; p++) {
        p = ngx_mtls_crl_line(p, pem->body, last);

        if (p == NULL || ngx_mtls_crl_starts(p, last, NGX_MTLS_CRL_DASHES)) {
            break;
        }
    }

    if (p == NULL || !ngx_mtls_crl_starts(p, last, NGX_MTLS_CRL_END)) {
        goto cut;
    }

    pem->last = p;
    p += sizeof(NGX_MTLS_CRL_END) - 1;

    if ((size_t) (last - p) < label.len + sizeof(NGX_MTLS_CRL_DASHES) - 1
        || ngx_memcmp(p, label.data, label.len) != 0
        || !ngx_mtls_crl_starts(p + label.len, last, NGX_MTLS_CRL_DASHES))
    {
        goto cut;
    }

    *pos = p + label.len + sizeof(NGX_MTLS_CRL_DASHES) - 1;
    pem->kind = ngx_mtls_crl_pem_kind(&label);

    return NGX_OK;

cut:

    return ngx_mtls_crl_refuse(err, "PEM block %ui is cut short", pem->number);
}


/* the next line from "p" on that begins with a dash */

static u_char *
ngx_mtls_crl_line(u_char *p, u_char *first, u_char *last)
{
    for ( ;; ) {

        if (p >= last) {
            return NULL;
        }

        p = memchr(p, '-', last - p);

        if (p == NULL || p == first || p[-1] == LF) {
            return p;
        }

        p++;
    }
}


static ngx_uint_t
ngx_mtls_crl_starts(u_char *p, u_char *last, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    return (size_t) (last - p) >= len && ngx_memcmp(p, text, len) == 0;
}


static ngx_uint_t
ngx_mtls_crl_pem_kind(ngx_str_t *label)
{
    ngx_uint_t          i;

    static struct {
        ngx_str_t       label;
        ngx_uint_t      kind;
    } kinds[] = {
        { ngx_string("X509 CRL"), NGX_MTLS_CRL_PEM_CRL },
        { ngx_string("CERTIFICATE"), NGX_MTLS_CRL_PEM_CERT },
        { ngx_string("X509 CERTIFICATE"), NGX_MTLS_CRL_PEM_CERT },
        { ngx_string("TRUSTED CERTIFICATE"), NGX_MTLS_CRL_PEM_CERT },
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {

        if (kinds[i].label.len == label->len
            && ngx_memcmp(kinds[i].label.data, label->data, label->len) == 0)
        {
            return kinds[i].kind;
        }
    }

    return NGX_MTLS_CRL_PEM_OTHER;
}


/*
 * Values of octets, for the first to the fourth of four: put into their place
 * among 24 bits.  The highest bit is set: not of the alphabet.
 */

static void
ngx_mtls_crl_base64(uint32_t table[4][256])
{
    uint32_t        i;
    ngx_uint_t      n;
    static u_char   alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    ngx_memset(table, 0xff, 4 * sizeof(table[0]));

    for (n = 0; n < 4; n++) {

        for (i = 0; i < 64; i++) {
            table[n][alphabet[i]] = i << (18 - 6 * n);
        }
    }
}


ngx_int_t
ngx_mtls_crl_pem_decode(ngx_mtls_crl_pem_t *pem, size_t limit, size_t *len,
    ngx_mtls_error_t *err)
{
    u_char      *p, *last, *d, *end;
    uint32_t     value, table[4][256];
    ngx_uint_t   n, pad;

    ngx_mtls_crl_base64(table);

    p = pem->body;
    last = pem->last;
    d = pem->body;
    end = d + ngx_min(limit, (size_t) (last - p));
    value = 0;
    n = 0;
    pad = 0;

    while (p < last && d < end) {

        /* nearly all comes in fours */

        while (n + pad == 0 && last - p >= 4 && d < end) {
            value = table[0][p[0]] | table[1][p[1]] | table[2][p[2]]
                    | table[3][p[3]];

            if (value & 0x80000000) {
                break;
            }

            *d++ = (u_char) (value >> 16);
            *d++ = (u_char) (value >> 8);
            *d++ = (u_char) value;

            p += 4;
        }

        if (p == last || *p == LF || *p == CR || *p == ' ' || *p == '\t') {
            p++;
            continue;
        }

        if (*p == '=') {
            p++;
            pad++;
            continue;
        }

        if (pad || (table[3][*p] & 0x80000000)) {
            return ngx_mtls_crl_refuse(err, "octet %d is not base64",
                                       (int) *p);
        }

        value = value << 6 | table[3][*p++];

        if (++n == 4) {
            *d++ = (u_char) (value >> 16);
            *d++ = (u_char) (value >> 8);
            *d++ = (u_char) value;
            n = 0;
        }
    }

    if (d >= end && p < last) {
        /* as much as was asked for */

    } else if (n == 3 && pad == 1) {
        *d++ = (u_char) (value >> 10);
        *d++ = (u_char) (value >> 2);

    } else if (n == 2 && pad == 2) {
        *d++ = (u_char) (value >> 4);

    } else if (n || pad) {
        return ngx_mtls_crl_refuse(err, "its base64 is cut short");
    }

    *len = d - pem->body;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_crl_peek(ngx_pool_t *pool, ngx_str_t *path, time_t now,
    ngx_array_t *issuers, ngx_uint_t *stale, ngx_mtls_error_t *err)
{
    ngx_int_t            rc;
    ngx_mtls_crl_file_t  file;

    *stale = 0;

    rc = ngx_mtls_crl_file_read(path, NGX_MTLS_CRL_HEAD, &file, err);

    if (rc == NGX_OK && ngx_mtls_crl_file_is_der(&file)) {
        rc = ngx_mtls_crl_peek_der(pool, file.data, file.len,
                                   file.size - file.len, now, issuers, stale,
                                   err);

    } else if (rc == NGX_OK) {
        ngx_mtls_crl_file_free(&file);

        rc = ngx_mtls_crl_file_read(path, NGX_MTLS_CRL_SIZE_MAX, &file, err);

        if (rc == NGX_OK) {
            rc = ngx_mtls_crl_peek_pem(pool, &file, now, issuers, stale, err);
        }
    }

    ngx_mtls_crl_file_free(&file);

    if (rc != NGX_OK) {
        ngx_mtls_crl_within(err, "CRL file \"%V\": ", path);
    }

    return rc;
}


static ngx_int_t
ngx_mtls_crl_peek_pem(ngx_pool_t *pool, ngx_mtls_crl_file_t *file, time_t now,
    ngx_array_t *issuers, ngx_uint_t *stale, ngx_mtls_error_t *err)
{
    size_t               len;
    u_char              *pos, *last;
    ngx_int_t            rc;
    ngx_uint_t           n;
    ngx_mtls_crl_pem_t   pem;

    ngx_memzero(&pem, sizeof(ngx_mtls_crl_pem_t));

    pos = file->data;
    last = pos + file->len;
    n = 0;

    for ( ;; ) {
        rc = ngx_mtls_crl_pem_next(&pos, last, &pem, err);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (pem.kind != NGX_MTLS_CRL_PEM_CRL) {
            continue;
        }

        if (n++ == NGX_MTLS_CRL_FILE_MAX) {
            return ngx_mtls_crl_refuse(err, "more than %d CRLs",
                                       NGX_MTLS_CRL_FILE_MAX);
        }

        rc = ngx_mtls_crl_pem_decode(&pem, NGX_MTLS_CRL_HEAD, &len, err);

        if (rc == NGX_OK) {
            rc = ngx_mtls_crl_peek_der(pool, pem.body, len,
                                       pem.last - pem.body, now, issuers,
                                       stale, err);
        }

        if (rc != NGX_OK) {
            ngx_mtls_crl_within(err, "PEM block %ui: ", pem.number);
            return rc;
        }
    }

    if (n == 0) {
        return ngx_mtls_crl_none(err);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_crl_peek_der(ngx_pool_t *pool, u_char *der, size_t len,
    size_t missing, time_t now, ngx_array_t *issuers, ngx_uint_t *stale,
    ngx_mtls_error_t *err)
{
    u_char          *hash;
    ngx_int_t        rc;
    ngx_mtls_der_t   rest;
    ngx_mtls_crl_t   crl;

    rc = ngx_mtls_crl_head(pool, der, len, missing, &crl, &rest, err);
    if (rc != NGX_OK) {
        return rc;
    }

    hash = ngx_array_push(issuers);
    if (hash == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    ngx_memcpy(hash, crl.issuer_hash, NGX_MTLS_HASH_LEN);

    if (!(crl.header.flags & NGX_MTLS_CRL_NO_NEXT)
        && crl.header.next_update <= (int64_t) now)
    {
        *stale = 1;
    }

    return NGX_OK;
}
