
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What every room of the house shares: errors, hashes and UTF-8.
 */


#include <ngx_mtls.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>


#define NGX_MTLS_HASH_BLOCK  64    /* octets, of SHA-256 (FIPS 180-4) */


static ngx_int_t ngx_mtls_sha256_init(void);
static ngx_int_t ngx_mtls_sha256_pieces(const void *a, size_t alen,
    const void *b, size_t blen, const void *c, size_t clen, u_char *hash);


/*
 * Naming a digest makes OpenSSL search its providers on every call, and a
 * context of one's own is several allocations: both are made once per process.
 */
static EVP_MD      *ngx_mtls_md;
static EVP_MD_CTX  *ngx_mtls_md_ctx;


ngx_int_t
ngx_mtls_error(ngx_mtls_error_t *err, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(err->text, err->text + sizeof(err->text), fmt, args);
    va_end(args);

    err->len = p - err->text;

    return NGX_ERROR;
}


static ngx_int_t
ngx_mtls_sha256_init(void)
{
    if (ngx_mtls_md == NULL) {
        ngx_mtls_md = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (ngx_mtls_md == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_mtls_md_ctx == NULL) {
        ngx_mtls_md_ctx = EVP_MD_CTX_new();
        if (ngx_mtls_md_ctx == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_sha256_pieces(const void *a, size_t alen, const void *b, size_t blen,
    const void *c, size_t clen, u_char *hash)
{
    if (ngx_mtls_sha256_init() != NGX_OK) {
        return NGX_ERROR;
    }

    if (EVP_DigestInit_ex2(ngx_mtls_md_ctx, ngx_mtls_md, NULL) != 1
        || EVP_DigestUpdate(ngx_mtls_md_ctx, a, alen) != 1
        || (blen && EVP_DigestUpdate(ngx_mtls_md_ctx, b, blen) != 1)
        || (clen && EVP_DigestUpdate(ngx_mtls_md_ctx, c, clen) != 1)
        || EVP_DigestFinal_ex(ngx_mtls_md_ctx, hash, NULL) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


uint64_t
ngx_mtls_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


ngx_int_t
ngx_mtls_sha256(const void *data, size_t len, u_char *hash)
{
    return ngx_mtls_sha256_pieces(data, len, NULL, 0, NULL, 0, hash);
}


/* RFC 2104 over the one digest context: no key object, no allocation */

ngx_int_t
ngx_mtls_hmac(const u_char key[NGX_MTLS_HASH_LEN], const void *a, size_t alen,
    const void *b, size_t blen, u_char *mac)
{
    u_char      pad[NGX_MTLS_HASH_BLOCK], inner[NGX_MTLS_HASH_LEN];
    ngx_int_t   rc;
    ngx_uint_t  i;

    ngx_memset(pad, 0x36, NGX_MTLS_HASH_BLOCK);

    for (i = 0; i < NGX_MTLS_HASH_LEN; i++) {
        pad[i] ^= key[i];
    }

    rc = ngx_mtls_sha256_pieces(pad, NGX_MTLS_HASH_BLOCK, a, alen, b, blen,
                                inner);

    if (rc == NGX_OK) {

        for (i = 0; i < NGX_MTLS_HASH_BLOCK; i++) {
            pad[i] ^= 0x36 ^ 0x5c;
        }

        rc = ngx_mtls_sha256_pieces(pad, NGX_MTLS_HASH_BLOCK, inner,
                                    NGX_MTLS_HASH_LEN, NULL, 0, mac);
    }

    OPENSSL_cleanse(pad, sizeof(pad));

    return rc;
}


ngx_uint_t
ngx_mtls_utf8(const u_char *p, size_t len)
{
    size_t         n;
    uint32_t       c, min;
    uint64_t       w;
    const u_char  *last;

    last = p + len;

    /* most text is ASCII: eight octets at once, none 0 or above 0x7f */

    while (last - p >= 8) {
        ngx_memcpy(&w, p, 8);

        if ((w | (w - NGX_MTLS_OCTETS(0x01))) & NGX_MTLS_OCTETS(0x80)) {
            break;
        }

        p += 8;
    }

    while (p < last) {
        c = *p++;

        if (c < 0x80) {
            if (c == 0) {
                return 0;
            }

            continue;
        }

        if (c >= 0xc2 && c < 0xe0) {
            n = 1;
            min = 0x80;
            c &= 0x1f;

        } else if (c >= 0xe0 && c < 0xf0) {
            n = 2;
            min = 0x800;
            c &= 0x0f;

        } else if (c >= 0xf0 && c < 0xf5) {
            n = 3;
            min = 0x10000;
            c &= 0x07;

        } else {
            return 0;
        }

        if ((size_t) (last - p) < n) {
            return 0;
        }

        while (n--) {
            if ((*p & 0xc0) != 0x80) {
                return 0;
            }

            c = (c << 6) | (*p++ & 0x3f);
        }

        if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


u_char *
ngx_mtls_utf8_put(u_char *dst, uint32_t c)
{
    if (c < 0x80) {
        *dst++ = (u_char) c;

    } else if (c < 0x800) {
        *dst++ = (u_char) (0xc0 | (c >> 6));
        *dst++ = (u_char) (0x80 | (c & 0x3f));

    } else if (c < 0x10000) {
        *dst++ = (u_char) (0xe0 | (c >> 12));
        *dst++ = (u_char) (0x80 | ((c >> 6) & 0x3f));
        *dst++ = (u_char) (0x80 | (c & 0x3f));

    } else {
        *dst++ = (u_char) (0xf0 | (c >> 18));
        *dst++ = (u_char) (0x80 | ((c >> 12) & 0x3f));
        *dst++ = (u_char) (0x80 | ((c >> 6) & 0x3f));
        *dst++ = (u_char) (0x80 | (c & 0x3f));
    }

    return dst;
}
