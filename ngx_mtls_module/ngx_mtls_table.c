
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The table as its readers see it: checked, mapped, asked.
 */


#include <ngx_mtls_table.h>
#include <ngx_mtls_table_record.h>

#include <sys/mman.h>


static ngx_int_t ngx_mtls_table_read(ngx_fd_t fd, ngx_str_t *path,
    ngx_mtls_table_header_t *header, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_table_check(ngx_mtls_table_header_t *header);
static uint64_t ngx_mtls_table_tagged(const u_char *tags, u_char tag,
    ngx_uint_t n);
static ngx_int_t ngx_mtls_table_check_ca(ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_table_match(u_char *p, size_t width,
    ngx_mtls_table_key_t *key);


ngx_mtls_table_t *
ngx_mtls_table_open(ngx_str_t *path, const u_char *run_id,
    const u_char hash[NGX_MTLS_HASH_LEN], ngx_mtls_error_t *err)
{
    u_char                    digest[NGX_MTLS_HASH_LEN];
    u_char                   *name;
    ngx_fd_t                  fd;
    ngx_int_t                 rc;
    ngx_mtls_table_t         *table;
    ngx_mtls_table_header_t   header;

    table = calloc(1, sizeof(ngx_mtls_table_t) + path->len + 1);
    if (table == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NULL;
    }

    table->refs = 1;

    /* open() wants a NUL */

    name = (u_char *) table + sizeof(ngx_mtls_table_t);
    ngx_cpystrn(name, path->data, path->len + 1);

    fd = open((char *) name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        (void) ngx_mtls_error(err, "table \"%V\": cannot be opened (%d: %s)",
                              path, ngx_errno, strerror(ngx_errno));
        free(table);
        return NULL;
    }

    rc = ngx_mtls_table_read(fd, path, &header, err);

    if (rc == NGX_OK
        && (ngx_memcmp(header.run_id, run_id, NGX_MTLS_RUN_ID_LEN) != 0
            || ngx_mtls_sha256(&header, sizeof(header), digest) != NGX_OK
            || ngx_memcmp(digest, hash, NGX_MTLS_HASH_LEN) != 0))
    {
        (void) ngx_mtls_error(err, "table \"%V\": not the one that was"
                              " published", path);
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        table->size = (size_t) header.size;
        table->map = mmap(NULL, table->size, PROT_READ, MAP_SHARED, fd, 0);

        if (table->map == MAP_FAILED) {
            (void) ngx_mtls_error(err, "table \"%V\": cannot be mapped"
                                  " (%d: %s)", path, ngx_errno,
                                  strerror(ngx_errno));
            table->map = NULL;
            rc = NGX_DECLINED;
        }
    }

    (void) close(fd);

    if (rc != NGX_OK) {
        free(table);
        return NULL;
    }

    table->header = (ngx_mtls_table_header_t *) table->map;

    table->anchors = (u_char (*)[NGX_MTLS_HASH_LEN])
                     (table->map + header.hashes);
    table->names = table->anchors + header.nanchors;
    table->issuers = table->names + header.nnames;

    return table;
}


static ngx_int_t
ngx_mtls_table_read(ngx_fd_t fd, ngx_str_t *path,
    ngx_mtls_table_header_t *header, ngx_mtls_error_t *err)
{
    const char   *cause;
    struct stat   st;

    if (fstat(fd, &st) == -1) {
        cause = "cannot be examined";

    } else if (!S_ISREG(st.st_mode)) {
        cause = "not a regular file";

    } else if (st.st_uid != geteuid()) {
        cause = "owned by another user";

    } else if (pread(fd, header, sizeof(ngx_mtls_table_header_t), 0)
               != (ssize_t) sizeof(ngx_mtls_table_header_t)
               || header->size != (uint64_t) st.st_size)
    {
        cause = "not of its size";

    } else if (ngx_mtls_table_check(header) != NGX_OK) {
        cause = "not a table of this version";

    } else {
        return NGX_OK;
    }

    (void) ngx_mtls_error(err, "table \"%V\": %s", path, cause);

    return NGX_DECLINED;
}


/* every array must lie inside the file, in its place */

static ngx_int_t
ngx_mtls_table_check(ngx_mtls_table_header_t *header)
{
    uint64_t  end;

    if (ngx_memcmp(header->magic, NGX_MTLS_TABLE_MAGIC, sizeof(header->magic))
        != 0
        || header->version != NGX_MTLS_TABLE_VERSION)
    {
        return NGX_ERROR;
    }

    if (header->kind == NGX_MTLS_TABLE_CA) {
        return ngx_mtls_table_check_ca(header);
    }

    if (header->kind != NGX_MTLS_TABLE_CRL) {
        return NGX_ERROR;
    }

    if (header->nrecords > NGX_MTLS_TABLE_MAX
        || header->nbuckets == 0
        || header->nbuckets > NGX_MTLS_TABLE_MAX
        || (header->nbuckets & (header->nbuckets - 1)) != 0)
    {
        return NGX_ERROR;
    }

    switch (header->record_size) {

    case 16:
    case 24:
    case 28:
    case 32:
        break;

    default:
        return NGX_ERROR;
    }

    /* none of these products and sums can overflow 64 bits */

    end = ((uint64_t) header->nanchors + header->nnames + header->nissuers)
          * NGX_MTLS_HASH_LEN;

    if (header->nissuers == 0
        || header->hashes != sizeof(ngx_mtls_table_header_t)
        || header->index != ngx_mtls_table_align(header->hashes + end))
    {
        return NGX_ERROR;
    }

    end = ((uint64_t) header->nbuckets + 1) * sizeof(uint32_t);

    if (header->tags != ngx_mtls_table_align(header->index + end)) {
        return NGX_ERROR;
    }

    /* there were as many tags as records before those that were twice */

    end = ngx_mtls_table_tags_size(header->nrecords);

    if (header->records < header->tags + end
        || header->records > header->size)
    {
        return NGX_ERROR;
    }

    end = header->nrecords * (uint64_t) header->record_size;

    if (header->size - header->records != end
        || header->number_len > NGX_MTLS_NUMBER_MAX
        || header->base_len > NGX_MTLS_NUMBER_MAX
        || header->signer_serial_len > NGX_MTLS_SERIAL_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* arrays that lie in the file are checked when a record of it is asked for */

static ngx_int_t
ngx_mtls_table_check_ca(ngx_mtls_table_header_t *header)
{
    if (header->nrecords == 0
        || header->nrecords > NGX_MTLS_TABLE_MAX
        || header->record_size == 0
        || header->ntrusted > header->nrecords
        || header->nanchors
        || header->nnames
        || header->nissuers
        || header->hashes != sizeof(ngx_mtls_table_header_t)
        || header->records != ngx_mtls_table_align(header->hashes)
        || header->size < header->records + header->nrecords
                          * (uint64_t) header->record_size)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_mtls_table_t *
ngx_mtls_table_ref(ngx_mtls_table_t *table)
{
    table->refs++;

    return table;
}


void
ngx_mtls_table_close(ngx_mtls_table_t *table)
{
    if (--table->refs) {
        return;
    }

    (void) munmap(table->map, table->size);

    free(table);
}


/*
 * A record is one of millions and far from the processor, index and tags are
 * near: of 256 records with another key, 255 are passed over by their tags.
 */

ngx_int_t
ngx_mtls_table_lookup(ngx_mtls_table_t *table, ngx_uint_t issuer,
    u_char *serial, size_t len, ngx_mtls_table_record_t *record)
{
    u_char                   *p, *tags;
    size_t                    width;
    uint32_t                  first, last, i, *index;
    uint64_t                  hash, tagged;
    ngx_uint_t                bucket;
    ngx_mtls_table_key_t      key;
    ngx_mtls_table_header_t  *header;

    header = table->header;
    width = header->record_size - NGX_MTLS_TABLE_TAIL;

    if (len == 0 || len > width || issuer >= header->nissuers) {
        return NGX_DECLINED;
    }

    ngx_mtls_table_key(&key, serial, len, issuer);

    hash = ngx_mtls_table_hash(header, &key);
    bucket = ngx_mtls_table_bucket(header, hash);

    index = (uint32_t *) (table->map + header->index);
    first = index[bucket];
    last = index[bucket + 1];

    if (first > last
        || last > header->nrecords
        || last - first > NGX_MTLS_TABLE_BUCKET_MAX)
    {
        return NGX_ERROR;
    }

    tags = table->map + header->tags;

    for ( /* void */ ; first < last; first += 8) {

        tagged = ngx_mtls_table_tagged(tags + first, ngx_mtls_table_tag(hash),
                                       last - first);

        for (i = first; tagged; i++, tagged >>= 8) {

            if (!(tagged & 0x80)) {
                continue;
            }

            p = table->map + header->records
                + (uint64_t) i * header->record_size;

            if (!ngx_mtls_table_match(p, width, &key)) {
                continue;
            }

            record->serial = p;
            record->len = len;
            record->issuer = (uint16_t) issuer;
            record->reason = p[width + NGX_MTLS_TABLE_REASON];
            ngx_memcpy(&record->date, p + width, sizeof(uint32_t));

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/*
 * Which of the first "n" of eight tags are this one: the high bit of the n-th
 * octet, counted from the lowest, for the n-th tag.
 */

static uint64_t
ngx_mtls_table_tagged(const u_char *tags, u_char tag, ngx_uint_t n)
{
    uint64_t  word, low, tagged;

    low = 0x7f7f7f7f7f7f7f7fULL;

    word = ngx_mtls_table_word(tags) ^ tag * 0x0101010101010101ULL;

    /* octets that are zero, without a carry from one to the next */

    tagged = ~(((word & low) + low) | word | low);

    if (n < 8) {
        tagged &= ((uint64_t) 1 << (8 * n)) - 1;
    }

    return tagged;
}


/* whether a record has this key */

static ngx_uint_t
ngx_mtls_table_match(u_char *p, size_t width, ngx_mtls_table_key_t *key)
{
    uint16_t  issuer;

    ngx_memcpy(&issuer, p + width + NGX_MTLS_TABLE_ISSUER, sizeof(issuer));

    if (p[width + NGX_MTLS_TABLE_LEN] != key->len || issuer != key->issuer
        || ngx_mtls_table_word(p) != key->words[0])
    {
        return 0;
    }

    if (width > 8 && ngx_mtls_table_word(p + 8) != key->words[1]) {
        return 0;
    }

    return width <= 16
           || ngx_mtls_table_word(p + width - 8) >> (8 * (24 - width))
              == key->words[2];
}


void
ngx_mtls_table_key(ngx_mtls_table_key_t *key, const u_char *serial, size_t len,
    ngx_uint_t issuer)
{
    size_t  i, n;

    key->len = len;
    key->issuer = issuer;

    for (i = 0; i < NGX_MTLS_SERIAL_MAX / 8; i++) {
        key->words[i] = (len >= 8 * (i + 1))
                        ? ngx_mtls_table_word(serial + 8 * i) : 0;
    }

    n = len % 8;
    i = len / 8;

    if (n == 0) {
        return;
    }

    /* the last octets, of the last eight or one by one */

    if (i) {
        key->words[i] = ngx_mtls_table_word(serial + len - 8) >> (64 - 8 * n);
        return;
    }

    while (n--) {
        key->words[0] = key->words[0] << 8 | serial[n];
    }
}


#define ngx_mtls_table_rotate(x, n)  (((x) << (n)) | ((x) >> (64 - (n))))

#define ngx_mtls_table_round(v)                                              \
    v[0] += v[1]; v[1] = ngx_mtls_table_rotate(v[1], 13); v[1] ^= v[0];      \
    v[0] = ngx_mtls_table_rotate(v[0], 32);                                  \
    v[2] += v[3]; v[3] = ngx_mtls_table_rotate(v[3], 16); v[3] ^= v[2];      \
    v[0] += v[3]; v[3] = ngx_mtls_table_rotate(v[3], 21); v[3] ^= v[0];      \
    v[2] += v[1]; v[1] = ngx_mtls_table_rotate(v[1], 17); v[1] ^= v[2];      \
    v[2] = ngx_mtls_table_rotate(v[2], 32)


uint64_t
ngx_mtls_table_hash(ngx_mtls_table_header_t *header,
    ngx_mtls_table_key_t *key)
{
    uint64_t    k[2], v[4], word;
    ngx_uint_t  i, n;

    ngx_memcpy(k, header->hash_key, sizeof(k));

    v[0] = k[0] ^ 0x736f6d6570736575ULL;
    v[1] = k[1] ^ 0x646f72616e646f6dULL;
    v[2] = k[0] ^ 0x6c7967656e657261ULL;
    v[3] = k[1] ^ 0x7465646279746573ULL;

    n = (key->len + 7) / 8;

    for (i = 0; i < n; i++) {
        word = key->words[i];
        v[3] ^= word;
        ngx_mtls_table_round(v);
        v[0] ^= word;
    }

    word = (uint64_t) key->len << 56 | key->issuer;
    v[3] ^= word;
    ngx_mtls_table_round(v);
    v[0] ^= word;

    v[2] ^= 0xff;
    ngx_mtls_table_round(v);
    ngx_mtls_table_round(v);
    ngx_mtls_table_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
