
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What every room of the house shares: errors, hashes, UTF-8
 * and limits.
 */


#ifndef _NGX_MTLS_H_INCLUDED_
#define _NGX_MTLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_MTLS_HASH_LEN        32    /* SHA-256 */

/* the longest chain that is judged: leaf, intermediates, anchor */
#define NGX_MTLS_CHAIN_MAX       10

#define NGX_MTLS_CERT_MAX        65536 /* octets of DER of one certificate */


/* an octet eight times, for work on eight octets at once */
#define NGX_MTLS_OCTETS(c)       ((uint64_t) 0x0101010101010101 * (c))


/*
 * An error in words, without a trailing period: what is wrong, then the thing
 * in quotes.  "file" and "line" say where, "file" is empty if unknown.
 */
typedef struct {
    ngx_str_t                    file;
    ngx_uint_t                   line;
    size_t                       len;
    u_char                       text[NGX_MAX_CONF_ERRSTR];
} ngx_mtls_error_t;


/* sets the text of an error, in ngx_snprintf()'s format; returns NGX_ERROR */
ngx_int_t ngx_mtls_error(ngx_mtls_error_t *err, const char *fmt, ...);

/* microseconds of a clock that all processes share and nobody sets */
uint64_t ngx_mtls_now(void);

/* SHA-256 of one piece of memory into 32 octets; NGX_ERROR: OpenSSL failed */
ngx_int_t ngx_mtls_sha256(const void *data, size_t len, u_char *hash);

/*
 * HMAC-SHA-256 over the concatenation of two pieces (the second may be empty),
 * 32 octets
 */
ngx_int_t ngx_mtls_hmac(const u_char key[NGX_MTLS_HASH_LEN], const void *a,
    size_t alen, const void *b, size_t blen, u_char *mac);


/*
 * Whether octets are UTF-8 without NUL, overlong forms and surrogates
 * (RFC 3629)
 */
ngx_uint_t ngx_mtls_utf8(const u_char *p, size_t len);

/* appends a character, up to 4 octets; returns the end */
u_char *ngx_mtls_utf8_put(u_char *dst, uint32_t c);


#endif /* _NGX_MTLS_H_INCLUDED_ */
