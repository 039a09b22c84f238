
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manifest's file: fixed parts under one MAC.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_manifest_file.h>

#include <openssl/crypto.h>


#define NGX_MTLS_MANIFEST_MAGIC    "MTLSMAN"   /* with its NUL: 8 octets */
#define NGX_MTLS_MANIFEST_VERSION  3

/* octets; room for some 100,000 files */
#define NGX_MTLS_MANIFEST_MAX      (64 * 1024 * 1024)


/*
 * The file, in the host's byte order: this head, the sources that were
 * attempted, for each slot an entry and its path with a NUL, and the MAC
 * over all of that.
 */
typedef struct {
    u_char                         magic[8];
    uint32_t                       version;
    uint32_t                       nattempted;
    uint32_t                       nslots;
    uint32_t                       reserved;
    u_char                         run_id[NGX_MTLS_RUN_ID_LEN];
    uint64_t                       size;        /* of the whole file */
    uint64_t                       generation;
    uint64_t                       words[NGX_MTLS_WORDS];
} ngx_mtls_manifest_header_t;


typedef struct {
    u_char                         source[NGX_MTLS_HASH_LEN];
    u_char                         file[NGX_MTLS_HASH_LEN];
    u_char                         hash[NGX_MTLS_HASH_LEN];
    u_char                         name[NGX_MTLS_NAME_LEN];
    int64_t                        grace;
    int64_t                        max_age;
    int64_t                        taken;
    uint64_t                       dev;
    uint64_t                       ino;
    int64_t                        size;
    int64_t                        mtime;
    int64_t                        mtime_nsec;
    int64_t                        ctime;
    int64_t                        ctime_nsec;
    uint64_t                       path_len;    /* without the NUL */
} ngx_mtls_manifest_entry_t;


static int ngx_mtls_manifest_cmp_attempted(const void *one, const void *two);
static size_t ngx_mtls_manifest_size(ngx_mtls_manifest_t *m);
static void ngx_mtls_manifest_encode(ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t *m, u_char *buf, size_t size);
static u_char *ngx_mtls_manifest_encode_slot(u_char *p,
    ngx_mtls_slot_t *slot);
static ngx_int_t ngx_mtls_manifest_store(ngx_str_t *dir, u_char *buf,
    size_t size, ngx_mtls_error_t *err);
static u_char *ngx_mtls_manifest_decode_slot(u_char *p, u_char *last,
    ngx_mtls_slot_t *slot);
static ngx_int_t ngx_mtls_manifest_decode_slots(u_char *p, u_char *last,
    ngx_uint_t n, ngx_mtls_manifest_t *m);


ngx_int_t
ngx_mtls_manifest_write(ngx_str_t *dir, ngx_mtls_zone_t *zone,
    ngx_mtls_manifest_t *m, ngx_mtls_error_t *err)
{
    size_t      size;
    u_char     *buf;
    ngx_int_t   rc;

    if (m->nattempted) {
        ngx_qsort(m->attempted, m->nattempted, sizeof(ngx_mtls_attempted_t),
                  ngx_mtls_manifest_cmp_attempted);
    }

    if (m->nslots) {
        ngx_qsort(m->slots, m->nslots, sizeof(ngx_mtls_slot_t),
                  ngx_mtls_manifest_cmp_slot);
    }

    size = ngx_mtls_manifest_size(m);

    if (size > NGX_MTLS_MANIFEST_MAX) {
        return ngx_mtls_error(err, "too many files for one manifest");
    }

    buf = ngx_alloc(size, ngx_cycle->log);
    if (buf == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    ngx_mtls_manifest_encode(zone, m, buf, size);

    rc = ngx_mtls_hmac(zone->key, buf, size - NGX_MTLS_HASH_LEN, NULL, 0,
                       buf + size - NGX_MTLS_HASH_LEN);

    if (rc == NGX_OK) {
        rc = ngx_mtls_manifest_store(dir, buf, size, err);

    } else {
        ngx_mtls_error(err, "no MAC for the manifest");
    }

    ngx_free(buf);

    return rc;
}


static int
ngx_mtls_manifest_cmp_attempted(const void *one, const void *two)
{
    const ngx_mtls_attempted_t *first = one;
    const ngx_mtls_attempted_t *second = two;

    return ngx_memcmp(first->key, second->key, NGX_MTLS_HASH_LEN);
}


int
ngx_mtls_manifest_cmp_slot(const void *one, const void *two)
{
    const ngx_mtls_slot_t *first = one;
    const ngx_mtls_slot_t *second = two;

    return ngx_memcmp(first->name, second->name, NGX_MTLS_NAME_LEN);
}


static size_t
ngx_mtls_manifest_size(ngx_mtls_manifest_t *m)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof(ngx_mtls_manifest_header_t)
           + m->nattempted * sizeof(ngx_mtls_attempted_t)
           + NGX_MTLS_HASH_LEN;

    for (i = 0; i < m->nslots; i++) {
        size += sizeof(ngx_mtls_manifest_entry_t) + m->slots[i].path.len + 1;
    }

    return size;
}


static void
ngx_mtls_manifest_encode(ngx_mtls_zone_t *zone, ngx_mtls_manifest_t *m,
    u_char *buf, size_t size)
{
    u_char                      *p;
    ngx_uint_t                   i;
    ngx_mtls_manifest_header_t   header;

    ngx_memzero(&header, sizeof(ngx_mtls_manifest_header_t));

    ngx_memcpy(header.magic, NGX_MTLS_MANIFEST_MAGIC, sizeof(header.magic));
    ngx_memcpy(header.run_id, zone->run_id, NGX_MTLS_RUN_ID_LEN);

    header.version = NGX_MTLS_MANIFEST_VERSION;
    header.nattempted = m->nattempted;
    header.nslots = m->nslots;
    header.size = size;
    header.generation = m->generation;

    for (i = 0; i < NGX_MTLS_WORDS; i++) {
        header.words[i] = m->words[i];
    }

    p = ngx_cpymem(buf, &header, sizeof(ngx_mtls_manifest_header_t));

    if (m->nattempted) {
        p = ngx_cpymem(p, m->attempted,
                       m->nattempted * sizeof(ngx_mtls_attempted_t));
    }

    for (i = 0; i < m->nslots; i++) {
        p = ngx_mtls_manifest_encode_slot(p, &m->slots[i]);
    }
}


static u_char *
ngx_mtls_manifest_encode_slot(u_char *p, ngx_mtls_slot_t *slot)
{
    ngx_mtls_manifest_entry_t  entry;

    ngx_memcpy(entry.source, slot->source, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry.file, slot->file, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry.hash, slot->hash, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry.name, slot->name, NGX_MTLS_NAME_LEN);

    entry.grace = slot->grace;
    entry.max_age = slot->max_age;
    entry.taken = slot->taken;
    entry.dev = slot->stat.dev;
    entry.ino = slot->stat.ino;
    entry.size = slot->stat.size;
    entry.mtime = slot->stat.mtime.tv_sec;
    entry.mtime_nsec = slot->stat.mtime.tv_nsec;
    entry.ctime = slot->stat.ctime.tv_sec;
    entry.ctime_nsec = slot->stat.ctime.tv_nsec;
    entry.path_len = slot->path.len;

    p = ngx_cpymem(p, &entry, sizeof(ngx_mtls_manifest_entry_t));
    p = ngx_cpymem(p, slot->path.data, slot->path.len);
    *p++ = '\0';

    return p;
}


static ngx_int_t
ngx_mtls_manifest_store(ngx_str_t *dir, u_char *buf, size_t size,
    ngx_mtls_error_t *err)
{
    char        path[NGX_MAX_PATH], temp[NGX_MAX_PATH], *call;
    u_char     *p, *last;
    size_t      len;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_err_t   error;

    p = ngx_snprintf((u_char *) path, sizeof(path) - 1, "%V/%s", dir,
                     NGX_MTLS_MANIFEST_NAME);
    *p = '\0';

    p = ngx_snprintf((u_char *) temp, sizeof(temp) - 1, "%s.tmp", path);
    *p = '\0';

    /* left over by a manager that was killed */

    if (unlink(temp) == -1 && ngx_errno != NGX_ENOENT) {
        return ngx_mtls_error(err, "unlink(\"%s\") failed (%d: %s)", temp,
                              ngx_errno, strerror(ngx_errno));
    }

    fd = open(temp, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);

    if (fd == -1) {
        return ngx_mtls_error(err, "open(\"%s\") failed (%d: %s)", temp,
                              ngx_errno, strerror(ngx_errno));
    }

    call = NULL;
    last = buf + size;

    for (p = buf; p < last; p += n) {
        len = last - p;
        n = write(fd, p, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            call = "write";
            break;
        }
    }

    if (call == NULL && fsync(fd) == -1) {
        call = "fsync";
    }

    error = ngx_errno;

    if (close(fd) == -1 && call == NULL) {
        error = ngx_errno;
        call = "close";
    }

    if (call == NULL && rename(temp, path) == -1) {
        error = ngx_errno;
        call = "rename";
    }

    if (call) {
        (void) unlink(temp);
        return ngx_mtls_error(err, "%s() of \"%s\" failed (%d: %s)", call,
                              temp, error, strerror(error));
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_manifest_load(ngx_str_t *dir, ngx_pool_t *pool, u_char **buf,
    size_t *size, ngx_mtls_error_t *err)
{
    char          path[NGX_MAX_PATH];
    u_char       *p;
    size_t        len;
    ssize_t       n;
    ngx_fd_t      fd;
    struct stat   sb;

    p = ngx_snprintf((u_char *) path, sizeof(path) - 1, "%V/%s", dir,
                     NGX_MTLS_MANIFEST_NAME);
    *p = '\0';

    fd = open(path, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);

    if (fd == -1) {
        return ngx_mtls_error(err, "open(\"%s\") failed (%d: %s)", path,
                              ngx_errno, strerror(ngx_errno));
    }

    if (fstat(fd, &sb) == -1
        || !S_ISREG(sb.st_mode)
        || sb.st_uid != geteuid()
        || sb.st_size < (off_t) (sizeof(ngx_mtls_manifest_header_t)
                                 + NGX_MTLS_HASH_LEN)
        || sb.st_size > NGX_MTLS_MANIFEST_MAX)
    {
        (void) close(fd);
        return ngx_mtls_error(err, "\"%s\" is not a file of ours", path);
    }

    *size = sb.st_size;

    *buf = ngx_palloc(pool, *size);
    if (*buf == NULL) {
        (void) close(fd);
        return ngx_mtls_error(err, "out of memory");
    }

    for (len = 0; len < *size; len += n) {
        n = read(fd, *buf + len, *size - len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            (void) close(fd);
            return ngx_mtls_error(err, "\"%s\" cannot be read", path);
        }
    }

    (void) close(fd);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_manifest_decode(ngx_mtls_zone_t *zone, ngx_atomic_uint_t generation,
    u_char *buf, size_t size, ngx_mtls_manifest_t *m, ngx_mtls_error_t *err)
{
    u_char                      *p, *last, mac[NGX_MTLS_HASH_LEN];
    ngx_uint_t                   i;
    ngx_mtls_manifest_header_t   header;

    last = buf + size - NGX_MTLS_HASH_LEN;

    if (ngx_mtls_hmac(zone->key, buf, last - buf, NULL, 0, mac) != NGX_OK) {
        return ngx_mtls_error(err, "no MAC for the manifest");
    }

    if (CRYPTO_memcmp(mac, last, NGX_MTLS_HASH_LEN) != 0) {
        return ngx_mtls_error(err, "the manifest's MAC is wrong");
    }

    ngx_memcpy(&header, buf, sizeof(ngx_mtls_manifest_header_t));
    p = buf + sizeof(ngx_mtls_manifest_header_t);

    if (ngx_memcmp(header.magic, NGX_MTLS_MANIFEST_MAGIC,
                   sizeof(header.magic)) != 0
        || header.version != NGX_MTLS_MANIFEST_VERSION
        || header.size != size)
    {
        return ngx_mtls_error(err, "the manifest's head is wrong");
    }

    if (ngx_memcmp(header.run_id, zone->run_id, NGX_MTLS_RUN_ID_LEN) != 0) {
        return ngx_mtls_error(err, "the manifest is of another run");
    }

    if (header.generation < generation) {
        return ngx_mtls_error(err, "the manifest's generation %uL is older "
                              "than the zone's %uA",
                              (uint64_t) header.generation, generation);
    }

    m->generation = header.generation;

    for (i = 0; i < NGX_MTLS_WORDS; i++) {
        m->words[i] = header.words[i];
    }

    if (header.nattempted
        > (size_t) (last - p) / sizeof(ngx_mtls_attempted_t))
    {
        return ngx_mtls_error(err, "the manifest is too short");
    }

    /* they stand at a multiple of eight octets */

    m->attempted = (ngx_mtls_attempted_t *) p;
    m->nattempted = header.nattempted;

    p += m->nattempted * sizeof(ngx_mtls_attempted_t);

    for (i = 1; i < m->nattempted; i++) {
        if (ngx_mtls_manifest_cmp_attempted(&m->attempted[i - 1],
                                            &m->attempted[i])
            >= 0)
        {
            return ngx_mtls_error(err, "the manifest is not in order");
        }
    }

    if (header.nslots > (size_t) (last - p)
                        / sizeof(ngx_mtls_manifest_entry_t))
    {
        return ngx_mtls_error(err, "the manifest is too short");
    }

    if (ngx_mtls_manifest_decode_slots(p, last, header.nslots, m) != NGX_OK) {
        return ngx_mtls_error(err, "the manifest's entries are wrong, or out "
                              "of memory");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_manifest_decode_slots(u_char *p, u_char *last, ngx_uint_t n,
    ngx_mtls_manifest_t *m)
{
    ngx_uint_t  i;

    m->slots = ngx_pcalloc(m->pool, (n + 1) * sizeof(ngx_mtls_slot_t));
    if (m->slots == NULL) {
        return NGX_ERROR;
    }

    m->nslots = n;

    for (i = 0; i < n; i++) {

        p = ngx_mtls_manifest_decode_slot(p, last, &m->slots[i]);

        if (p == NULL) {
            return NGX_ERROR;
        }

        if (i && ngx_mtls_manifest_cmp_slot(&m->slots[i - 1], &m->slots[i])
                 >= 0)
        {
            return NGX_ERROR;
        }
    }

    return p == last ? NGX_OK : NGX_ERROR;
}


static u_char *
ngx_mtls_manifest_decode_slot(u_char *p, u_char *last, ngx_mtls_slot_t *slot)
{
    ngx_uint_t                 i;
    ngx_mtls_manifest_entry_t  entry;

    if ((size_t) (last - p) < sizeof(ngx_mtls_manifest_entry_t)) {
        return NULL;
    }

    ngx_memcpy(&entry, p, sizeof(ngx_mtls_manifest_entry_t));
    p += sizeof(ngx_mtls_manifest_entry_t);

    if (entry.path_len >= (size_t) (last - p) || p[entry.path_len] != '\0') {
        return NULL;
    }

    /* the name becomes part of a path */

    for (i = 0; i < NGX_MTLS_NAME_LEN; i++) {
        if (!((entry.name[i] >= '0' && entry.name[i] <= '9')
              || (entry.name[i] >= 'a' && entry.name[i] <= 'f')))
        {
            return NULL;
        }
    }

    ngx_memcpy(slot->source, entry.source, NGX_MTLS_HASH_LEN);
    ngx_memcpy(slot->file, entry.file, NGX_MTLS_HASH_LEN);
    ngx_memcpy(slot->hash, entry.hash, NGX_MTLS_HASH_LEN);
    ngx_memcpy(slot->name, entry.name, NGX_MTLS_NAME_LEN);

    slot->grace = entry.grace;
    slot->max_age = entry.max_age;
    slot->taken = entry.taken;
    slot->stat.dev = entry.dev;
    slot->stat.ino = entry.ino;
    slot->stat.size = entry.size;
    slot->stat.mtime.tv_sec = entry.mtime;
    slot->stat.mtime.tv_nsec = entry.mtime_nsec;
    slot->stat.ctime.tv_sec = entry.ctime;
    slot->stat.ctime.tv_nsec = entry.ctime_nsec;

    slot->path.data = p;
    slot->path.len = entry.path_len;

    return p + entry.path_len + 1;
}
