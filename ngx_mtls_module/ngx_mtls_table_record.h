
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

/*
 * Tags are read eight at a time, so that many octets follow the last one.  A
 * tag is of those bits of the hash that do not pick the bucket.
 */
#define ngx_mtls_table_tags_size(n)  ((n) + 8)

#define ngx_mtls_table_tag(hash)   ((u_char) (hash))

#define ngx_mtls_table_bucket(header, hash)                                  \
    ((ngx_uint_t) ((((hash) >> 32) * (header)->nbuckets) >> 32))


/*
 * What is looked for: the serial's octets padded with zeros, as words that
 * begin with the lowest octet.  They are made in registers: octets that are
 * written in one way and read in another keep the processor waiting.
 */
typedef struct {
    uint64_t                       words[NGX_MTLS_SERIAL_MAX / 8];
    size_t                         len;
    ngx_uint_t                     issuer;
} ngx_mtls_table_key_t;


/* eight octets; compilers make one load, one store of these */
static ngx_inline uint64_t
ngx_mtls_table_word(const u_char *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16
           | (uint64_t) p[3] << 24 | (uint64_t) p[4] << 32
           | (uint64_t) p[5] << 40 | (uint64_t) p[6] << 48
           | (uint64_t) p[7] << 56;
}


static ngx_inline void
ngx_mtls_table_set_word(u_char *p, uint64_t word)
{
    p[0] = (u_char) word;
    p[1] = (u_char) (word >> 8);
    p[2] = (u_char) (word >> 16);
    p[3] = (u_char) (word >> 24);
    p[4] = (u_char) (word >> 32);
    p[5] = (u_char) (word >> 40);
    p[6] = (u_char) (word >> 48);
    p[7] = (u_char) (word >> 56);
}


/* "len" must be from 1 to NGX_MTLS_SERIAL_MAX */
void ngx_mtls_table_key(ngx_mtls_table_key_t *key, const u_char *serial,
    size_t len, ngx_uint_t issuer);

/*
 * SipHash-1-3 of the serial, its length and the issuer, of which the high bits
 * pick the bucket.  The key is the file's: whoever picks serial numbers cannot
 * fill one bucket with them.
 */
uint64_t ngx_mtls_table_hash(ngx_mtls_table_header_t *header,
    ngx_mtls_table_key_t *key);


#endif /* _NGX_MTLS_TABLE_RECORD_H_INCLUDED_ */
