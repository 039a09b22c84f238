
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The table's writer.
 *
 * Records are partitioned by the high bits of their hash first and put into
 * their buckets one partition after the other, each small enough for the
 * processor's cache: much faster than putting each into its bucket at once.
 */


#include <ngx_mtls_table.h>
#include <ngx_mtls_table_record.h>

#include <sys/mman.h>

#include <openssl/rand.h>


#define NGX_MTLS_TABLE_FILL        4      /* records per bucket, at most */
#define NGX_MTLS_TABLE_PART        4096   /* buckets per partition */
#define NGX_MTLS_TABLE_CHUNK       256    /* records */
#define NGX_MTLS_TABLE_PAGE        (2 * 1024 * 1024)


/*
 * Records of one partition, in the order of the source, stand in chunks that
 * are linked to each other
 */
typedef struct {
    uint32_t                       head;       /* chunks, from 0 */
    uint32_t                       tail;
    uint64_t                       n;          /* records */
} ngx_mtls_table_part_t;


/* where a record goes in its partition, and its tag */
typedef struct {
    uint16_t                       bucket;
    u_char                         tag;
} ngx_mtls_table_spot_t;


typedef struct {
    ngx_fd_t                       fd;
    ngx_mtls_table_header_t       *header;
    ngx_mtls_error_t              *err;

    ngx_mtls_table_part_t         *parts;
    ngx_uint_t                     nparts;
    size_t                         width;      /* of a serial */

    u_char                        *records;    /* all, by chunk */
    ngx_mtls_table_spot_t         *spots;      /* of each */
    uint32_t                      *chunks;     /* the next one of each */
    uint32_t                       nchunks;    /* in use */

    uint32_t                      *index;
    u_char                        *tags;       /* those of "out" are last */
    u_char                        *out;        /* one partition, by bucket */
    uint64_t                       total;      /* records before it */

    /* of the partition's buckets: where one begins, how many it has */
    uint32_t                       first[NGX_MTLS_TABLE_PART];
    uint32_t                       fill[NGX_MTLS_TABLE_PART];
} ngx_mtls_table_build_t;


static void ngx_mtls_table_layout(ngx_mtls_table_header_t *header);
static void ngx_mtls_table_encode(u_char *p, size_t width,
    ngx_mtls_table_key_t *key, ngx_mtls_table_record_t *record);
static ngx_uint_t ngx_mtls_table_same(u_char *p, u_char *q, size_t width);
static ngx_int_t ngx_mtls_table_alloc(ngx_mtls_table_build_t *build);
static ngx_int_t ngx_mtls_table_partition(ngx_mtls_table_build_t *build,
    ngx_mtls_table_next_pt next, void *data);
static uint64_t ngx_mtls_table_slot(ngx_mtls_table_build_t *build,
    ngx_mtls_table_part_t *part);
static ngx_int_t ngx_mtls_table_records(ngx_mtls_table_build_t *build);
static void ngx_mtls_table_close_up(ngx_mtls_table_build_t *build,
    ngx_uint_t part);
static ngx_int_t ngx_mtls_table_place(ngx_mtls_table_build_t *build,
    ngx_mtls_table_part_t *part);
static ngx_int_t ngx_mtls_table_insert(ngx_mtls_table_build_t *build,
    u_char *p, ngx_mtls_table_spot_t *spot);
static ngx_int_t ngx_mtls_table_put(ngx_mtls_table_build_t *build,
    const void *data, size_t len, uint64_t offset);
static void ngx_mtls_table_free(ngx_mtls_table_build_t *build);


ngx_int_t
ngx_mtls_table_write(ngx_fd_t fd, ngx_mtls_table_header_t *header,
    u_char (*hashes)[NGX_MTLS_HASH_LEN], ngx_mtls_table_next_pt next,
    void *data, u_char hash[NGX_MTLS_HASH_LEN], ngx_mtls_error_t *err)
{
    size_t                   nhashes;
    ngx_int_t                rc;
    ngx_mtls_table_build_t  *build;

    if (header->nrecords > NGX_MTLS_TABLE_MAX) {
        return ngx_mtls_error(err, "too many entries");
    }

    build = calloc(1, sizeof(ngx_mtls_table_build_t));
    if (build == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    build->fd = fd;
    build->header = header;
    build->err = err;
    build->width = header->record_size - NGX_MTLS_TABLE_TAIL;

    nhashes = (size_t) header->nanchors + header->nnames + header->nissuers;

    ngx_mtls_table_layout(header);

    rc = NGX_ERROR;

    if (RAND_bytes(header->hash_key, sizeof(header->hash_key)) != 1) {
        (void) ngx_mtls_error(err, "no random numbers");
        goto done;
    }

    if (ngx_mtls_table_alloc(build) != NGX_OK
        || ngx_mtls_table_partition(build, next, data) != NGX_OK
        || ngx_mtls_table_records(build) != NGX_OK)
    {
        goto done;
    }

    header->size = header->records
                   + header->nrecords * (uint64_t) header->record_size;

    if (ngx_mtls_table_put(build, build->index,
                           ((size_t) header->nbuckets + 1) * sizeof(uint32_t),
                           header->index)
        != NGX_OK
        || ngx_mtls_table_put(build, build->tags, header->nrecords,
                              header->tags)
           != NGX_OK
        || ngx_mtls_table_put(build, hashes, nhashes * NGX_MTLS_HASH_LEN,
                              header->hashes)
           != NGX_OK
        || ngx_mtls_table_put(build, header, sizeof(ngx_mtls_table_header_t),
                              0)
           != NGX_OK)
    {
        goto done;
    }

    /* padding may end an empty table */

    if (ftruncate(fd, header->size) == -1 || fsync(fd) == -1) {
        (void) ngx_mtls_error(err, "cannot write the table (%d: %s)",
                              ngx_errno, strerror(ngx_errno));
        goto done;
    }

    rc = ngx_mtls_sha256(header, sizeof(ngx_mtls_table_header_t), hash);

    if (rc != NGX_OK) {
        (void) ngx_mtls_error(err, "cannot hash the table's header");
    }

done:

    ngx_mtls_table_free(build);

    return rc;
}


/* how many buckets, and what stands where */

static void
ngx_mtls_table_layout(ngx_mtls_table_header_t *header)
{
    uint64_t  n;

    ngx_memcpy(header->magic, NGX_MTLS_TABLE_MAGIC, sizeof(header->magic));
    header->version = NGX_MTLS_TABLE_VERSION;

    header->nbuckets = 1;

    while ((uint64_t) header->nbuckets * NGX_MTLS_TABLE_FILL
           < header->nrecords)
    {
        header->nbuckets *= 2;
    }

    header->hashes = sizeof(ngx_mtls_table_header_t);

    n = (uint64_t) header->nanchors + header->nnames + header->nissuers;
    n *= NGX_MTLS_HASH_LEN;

    header->index = ngx_mtls_table_align(header->hashes + n);

    n = (uint64_t) header->nbuckets + 1;
    n *= sizeof(uint32_t);

    header->tags = ngx_mtls_table_align(header->index + n);
    header->records = ngx_mtls_table_align(header->tags
                          + ngx_mtls_table_tags_size(header->nrecords));
}


/* widths are few and the compiler's copies short */

static ngx_inline void
ngx_mtls_table_copy(u_char *dst, u_char *src, size_t width)
{
    ngx_memcpy(dst, src, 8);

    if (width > 8) {
        ngx_memcpy(dst + 8, src + 8, 8);
    }

    if (width > 16) {
        ngx_memcpy(dst + 16, src + 16, 4);
    }

    if (width > 20) {
        ngx_memcpy(dst + 20, src + 20, 4);
    }
}


static void
ngx_mtls_table_encode(u_char *p, size_t width, ngx_mtls_table_key_t *key,
    ngx_mtls_table_record_t *record)
{
    ngx_mtls_table_set_word(p, key->words[0]);

    if (width > 8) {
        ngx_mtls_table_set_word(p + 8, key->words[1]);
    }

    /* of a width of 20, the last zeros are written over */

    if (width > 16) {
        ngx_mtls_table_set_word(p + 16, key->words[2]);
    }

    p += width;

    ngx_memcpy(p, &record->date, sizeof(uint32_t));
    p[NGX_MTLS_TABLE_REASON] = record->reason;
    p[NGX_MTLS_TABLE_LEN] = (u_char) record->len;
    ngx_memcpy(p + NGX_MTLS_TABLE_ISSUER, &record->issuer, sizeof(uint16_t));
}


/* whether two records have the same key */

static ngx_uint_t
ngx_mtls_table_same(u_char *p, u_char *q, size_t width)
{
    uint64_t  a, b;

    ngx_memcpy(&a, p, sizeof(a));
    ngx_memcpy(&b, q, sizeof(b));

    return a == b
           && ngx_memcmp(p, q, width) == 0
           && ngx_memcmp(p + width + NGX_MTLS_TABLE_LEN,
                         q + width + NGX_MTLS_TABLE_LEN,
                         NGX_MTLS_TABLE_TAIL - NGX_MTLS_TABLE_LEN)
              == 0;
}


static ngx_int_t
ngx_mtls_table_alloc(ngx_mtls_table_build_t *build)
{
    size_t                    n;
    ngx_mtls_table_header_t  *header;

    header = build->header;

    build->nparts = (header->nbuckets + NGX_MTLS_TABLE_PART - 1)
                    / NGX_MTLS_TABLE_PART;

    /* the last chunk of each partition may not be full */

    n = header->nrecords / NGX_MTLS_TABLE_CHUNK + build->nparts;

    build->parts = calloc(build->nparts, sizeof(ngx_mtls_table_part_t));
    build->chunks = calloc(n, sizeof(uint32_t));
    build->records = ngx_mtls_table_memory(n * NGX_MTLS_TABLE_CHUNK
                                           * header->record_size);
    build->spots = malloc(n * NGX_MTLS_TABLE_CHUNK
                          * sizeof(ngx_mtls_table_spot_t));
    build->index = calloc((size_t) header->nbuckets + 1, sizeof(uint32_t));
    build->tags = malloc((size_t) header->nrecords + 1);

    if (build->parts == NULL || build->chunks == NULL
        || build->records == NULL || build->spots == NULL
        || build->index == NULL || build->tags == NULL)
    {
        return ngx_mtls_error(build->err, "out of memory");
    }

    return NGX_OK;
}


/* every record beside those of its partition */

static ngx_int_t
ngx_mtls_table_partition(ngx_mtls_table_build_t *build,
    ngx_mtls_table_next_pt next, void *data)
{
    uint64_t                  i, hash, slot;
    ngx_uint_t                bucket;
    ngx_mtls_table_key_t      key;
    ngx_mtls_table_header_t  *header;
    ngx_mtls_table_record_t   record;

    header = build->header;

    for (i = 0; i < header->nrecords; i++) {

        if (next(data, &record) != NGX_OK
            || record.len == 0 || record.len > build->width)
        {
            return ngx_mtls_error(build->err, "the entries cannot be read"
                                  " again");
        }

        ngx_mtls_table_key(&key, record.serial, record.len, record.issuer);

        hash = ngx_mtls_table_hash(header, &key);
        bucket = ngx_mtls_table_bucket(header, hash);
        slot = ngx_mtls_table_slot(build,
                                   &build->parts[bucket / NGX_MTLS_TABLE_PART]);

        ngx_mtls_table_encode(build->records + slot * header->record_size,
                              build->width, &key, &record);

        build->spots[slot].bucket = bucket % NGX_MTLS_TABLE_PART;
        build->spots[slot].tag = ngx_mtls_table_tag(hash);
    }

    return NGX_OK;
}


/* the place of a partition's next record */

static uint64_t
ngx_mtls_table_slot(ngx_mtls_table_build_t *build, ngx_mtls_table_part_t *part)
{
    ngx_uint_t  n;

    n = part->n++ % NGX_MTLS_TABLE_CHUNK;

    if (n == 0) {

        if (part->n == 1) {
            part->head = build->nchunks;

        } else {
            build->chunks[part->tail] = build->nchunks;
        }

        part->tail = build->nchunks++;
    }

    return (uint64_t) part->tail * NGX_MTLS_TABLE_CHUNK + n;
}


/* writes one partition after the other; fewer records if some were twice */

static ngx_int_t
ngx_mtls_table_records(ngx_mtls_table_build_t *build)
{
    size_t      size;
    uint64_t    max, before;
    ngx_uint_t  i;

    max = 1;

    for (i = 0; i < build->nparts; i++) {
        max = ngx_max(max, build->parts[i].n);
    }

    size = build->header->record_size;

    build->out = malloc(max * size);
    if (build->out == NULL) {
        return ngx_mtls_error(build->err, "out of memory");
    }

    for (i = 0; i < build->nparts; i++) {

        if (ngx_mtls_table_place(build, &build->parts[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        before = build->total;

        ngx_mtls_table_close_up(build, i);

        if (ngx_mtls_table_put(build, build->out,
                               (build->total - before) * size,
                               build->header->records + before * size)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    build->header->nrecords = build->total;

    return NGX_OK;
}


/* ends the gaps that records which were twice have left, makes the index */

static void
ngx_mtls_table_close_up(ngx_mtls_table_build_t *build, ngx_uint_t part)
{
    size_t      size;
    u_char     *tags;
    uint32_t    to, from, n;
    ngx_uint_t  i, nbuckets;

    to = 0;
    size = build->header->record_size;
    tags = build->tags + build->total;
    nbuckets = ngx_min(build->header->nbuckets, NGX_MTLS_TABLE_PART);

    for (i = 0; i < nbuckets; i++) {
        from = build->first[i];
        n = build->fill[i];

        if (from != to) {
            ngx_memmove(build->out + to * size, build->out + from * size,
                        n * size);
            ngx_memmove(tags + to, tags + from, n);
        }

        to += n;
        build->total += n;

        build->index[part * NGX_MTLS_TABLE_PART + i + 1]
                                                     = (uint32_t) build->total;
    }
}


/* puts the records of one partition into its buckets */

static ngx_int_t
ngx_mtls_table_place(ngx_mtls_table_build_t *build,
    ngx_mtls_table_part_t *part)
{
    uint64_t    i, slot;
    uint32_t    sum, n, chunk;
    ngx_uint_t  j, pass;

    ngx_memzero(build->fill, sizeof(build->fill));

    for (pass = 0; pass < 2; pass++) {
        chunk = part->head;
        slot = 0;

        for (i = 0; i < part->n; i++, slot++) {

            if (i % NGX_MTLS_TABLE_CHUNK == 0) {
                chunk = i ? build->chunks[chunk] : part->head;
                slot = (uint64_t) chunk * NGX_MTLS_TABLE_CHUNK;
            }

            if (pass == 0) {
                build->fill[build->spots[slot].bucket]++;

            } else if (ngx_mtls_table_insert(build,
                                             build->records
                                             + slot
                                               * build->header->record_size,
                                             &build->spots[slot])
                       != NGX_OK)
            {
                return ngx_mtls_error(build->err,
                                      "too many entries in a bucket");
            }
        }

        if (pass == 0) {
            sum = 0;

            for (j = 0; j < NGX_MTLS_TABLE_PART; j++) {
                n = build->fill[j];
                build->fill[j] = 0;
                build->first[j] = sum;
                sum += n;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_table_insert(ngx_mtls_table_build_t *build, u_char *p,
    ngx_mtls_table_spot_t *spot)
{
    u_char    *q, *tags;
    size_t     size, width;
    uint32_t   i, n, first;

    size = build->header->record_size;
    width = build->width;
    n = build->fill[spot->bucket];
    first = build->first[spot->bucket];
    tags = build->tags + build->total + first;
    q = build->out + (size_t) first * size;

    for (i = 0; i < n; i++, q += size) {

        if (tags[i] == spot->tag && ngx_mtls_table_same(p, q, width)) {

            /* twice: only removeFromCRL gives way */

            if (q[width + NGX_MTLS_TABLE_REASON] == 8) {
                ngx_memcpy(q, p, size);
            }

            return NGX_OK;
        }
    }

    if (n == NGX_MTLS_TABLE_BUCKET_MAX) {
        return NGX_ERROR;
    }

    ngx_mtls_table_copy(q, p, width);
    ngx_memcpy(q + width, p + width, NGX_MTLS_TABLE_TAIL);

    tags[n] = spot->tag;
    build->fill[spot->bucket]++;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_table_put(ngx_mtls_table_build_t *build, const void *data, size_t len,
    uint64_t offset)
{
    ssize_t        n;
    const u_char  *p;

    p = data;

    while (len) {
        n = pwrite(build->fd, p, len, (off_t) offset);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            return ngx_mtls_error(build->err,
                                  "cannot write the table (%d: %s)", ngx_errno,
                                  strerror(ngx_errno));
        }

        p += n;
        len -= n;
        offset += n;
    }

    return NGX_OK;
}


static void
ngx_mtls_table_free(ngx_mtls_table_build_t *build)
{
    free(build->parts);
    free(build->chunks);
    free(build->records);
    free(build->spots);
    free(build->index);
    free(build->tags);
    free(build->out);
    free(build);
}


void *
ngx_mtls_table_memory(size_t size)
{
    void  *p;

    if (size < NGX_MTLS_TABLE_PAGE) {
        return malloc(size);
    }

    if (posix_memalign(&p, NGX_MTLS_TABLE_PAGE, size) != 0) {
        return NULL;
    }

#ifdef MADV_HUGEPAGE
    (void) madvise(p, size, MADV_HUGEPAGE);
#endif

    return p;
}
