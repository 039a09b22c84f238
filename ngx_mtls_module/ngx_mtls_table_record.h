
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * How a record of a table is laid out and found: for its writer and reader.
 */


#ifndef _NGX_MTLS_TABLE_RECORD_H_INCLUDED_
#define _NGX_MTLS_TABLE_RECORD_H_INCLUDED_


#include <ngx_mtls_table.h>


/*
 * A record: the serial's octets padded with zeros to a width of 8, 16, 20 or
 * 24, then date (4 octets), reason (1), length of the serial (1), issuer (2)
 */
#define NGX_MTLS_TABLE_TAIL        8
#define NGX_MTLS_TABLE_REASON      4
#define NGX_MTLS_TABLE_LEN         5
#define NGX_MTLS_TABLE_ISSUER      6

/*
 * No honest bucket is larger: with four records in the mean, the chance of
 * more is below 1e-50.  So a lookup in a corrupt file is short, too.
 */
#define NGX_MTLS_TABLE_BUCKET_MAX  64

#define NGX_MTLS_TABLE_MAX         0x7fffffff   /* records, buckets */

#define ngx_mtls_table_align(n)    (((n) + 63) & ~(uint64_t) 63)


/* what is looked for: octets, padded with zeros, and the same as words */
typedef struct {
    union {
        u_char                     octets[NGX_MTLS_SERIAL_MAX];
        uint64_t                   words[NGX_MTLS_SERIAL_MAX / 8];
    } serial;
    size_t                         len;
    ngx_uint_t                     issuer;
} ngx_mtls_table_key_t;


/* "len" must not exceed NGX_MTLS_SERIAL_MAX */
void ngx_mtls_table_key(ngx_mtls_table_key_t *key, u_char *serial, size_t len,
    ngx_uint_t issuer);

/* the bucket of a key, below header->nbuckets */
ngx_uint_t ngx_mtls_table_bucket(ngx_mtls_table_header_t *header,
    ngx_mtls_table_key_t *key);


#endif /* _NGX_MTLS_TABLE_RECORD_H_INCLUDED_ */
