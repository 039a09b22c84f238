
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Kept CRLs: the file.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_kept.h>
#include <ngx_mtls_run.h>


#define NGX_MTLS_KEPT_MAGIC        "MTLSKPT"   /* with its NUL: 8 octets */
#define NGX_MTLS_KEPT_VERSION      1
#define NGX_MTLS_KEPT_SIZE_MAX     0x7fffffff  /* octets of a file */

#define NGX_MTLS_KEPT_OPEN         (O_NOFOLLOW|O_NONBLOCK|O_NOCTTY|O_CLOEXEC)

/* kinds of entries */
#define NGX_MTLS_KEPT_CRL          1
#define NGX_MTLS_KEPT_CERT         2

/* NAME.RUN_ID.tmp with its NUL */
#define NGX_MTLS_KEPT_TEMP_LEN                                               \
    (NGX_MTLS_KEPT_NAME_LEN + 2 * NGX_MTLS_RUN_ID_LEN + sizeof("..tmp"))


/*
 * The file, in the host's byte order: this head, the path of the source file
 * with a NUL, the entries, and the DER of each in the same order.  It outlives
 * versions of this module, so nothing of it is a structure of another file.
 */
typedef struct {
    u_char                         magic[8];
    uint32_t                       version;
    uint32_t                       nentries;
    uint32_t                       path_len;  /* with the NUL */
    uint32_t                       reserved;
    uint64_t                       size;      /* of the whole file */
    int64_t                        time;
    u_char                         hash[NGX_MTLS_HASH_LEN]; /* of all before
                                                 the DER, itself zeroes */
} ngx_mtls_kept_head_t;


/* of a certificate only kind and length */
typedef struct {
    uint32_t                       kind;
    uint32_t                       delta;     /* 0 or 1 */
    uint64_t                       len;       /* of the DER */
    int64_t                        this_update;
    u_char                         hash[NGX_MTLS_HASH_LEN]; /* of the DER */
    u_char                         issuer[NGX_MTLS_HASH_LEN];
    u_char                         signer_spki[NGX_MTLS_HASH_LEN];
    u_char                         idp[NGX_MTLS_HASH_LEN];
    u_char                         number_len;              /* 0: none */
    u_char                         number[NGX_MTLS_NUMBER_MAX];
    u_char                         reserved[2];
} ngx_mtls_kept_entry_t;


static ngx_int_t ngx_mtls_kept_open(ngx_str_t *dir, ngx_str_t *path,
    ngx_fd_t *fd, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_kept_load(ngx_fd_t fd, ngx_uint_t whole,
    ngx_mtls_kept_t *kept, ngx_mtls_kept_head_t *head, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_kept_pread(ngx_fd_t fd, void *buf, size_t len);
static ngx_uint_t ngx_mtls_kept_head_good(ngx_mtls_kept_head_t *head);
static ngx_int_t ngx_mtls_kept_parse(ngx_pool_t *pool, ngx_uint_t whole,
    ngx_mtls_kept_head_t *head, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_kept_entries(ngx_uint_t whole,
    ngx_mtls_kept_head_t *head, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_kept_hash(u_char *data, size_t len, u_char *hash);
static void ngx_mtls_kept_decode(ngx_mtls_kept_entry_t *entry,
    ngx_mtls_table_header_t *header);
static void ngx_mtls_kept_encode(ngx_mtls_kept_entry_t *entry,
    ngx_mtls_table_header_t *header);
static u_char *ngx_mtls_kept_index(ngx_mtls_kept_t *kept, size_t *len);
static ngx_int_t ngx_mtls_kept_fill(ngx_fd_t fd, ngx_mtls_kept_t *kept);
static ngx_int_t ngx_mtls_kept_put(ngx_fd_t fd, const u_char *p, size_t len);


/* sets the text of an error; the value is NGX_ABORT */
#define ngx_mtls_kept_refuse(err, ...)                                       \
    ((void) ngx_mtls_error(err, __VA_ARGS__), NGX_ABORT)

#define ngx_mtls_kept_index_len(head)                                        \
    ((head)->path_len + (head)->nentries * sizeof(ngx_mtls_kept_entry_t))


ngx_int_t
ngx_mtls_kept_name(ngx_str_t *path, u_char name[NGX_MTLS_KEPT_NAME_LEN + 1])
{
    u_char  hash[NGX_MTLS_HASH_LEN];

    if (ngx_mtls_sha256(path->data, path->len, hash) != NGX_OK) {
        return NGX_ERROR;
    }

    *ngx_hex_dump(name, hash, NGX_MTLS_HASH_LEN) = '\0';

    return NGX_OK;
}


ngx_int_t
ngx_mtls_kept_read(ngx_str_t *dir, ngx_str_t *path, ngx_uint_t head,
    ngx_pool_t *pool, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    ngx_fd_t               fd;
    ngx_int_t              rc;
    ngx_mtls_error_t       cause;
    ngx_mtls_kept_head_t   h;

    ngx_memzero(kept, sizeof(ngx_mtls_kept_t));

    rc = ngx_mtls_kept_open(dir, path, &fd, &cause);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_kept_load(fd, !head, kept, &h, &cause);
        (void) close(fd);
    }

    if (rc == NGX_OK) {
        rc = ngx_mtls_kept_parse(pool, !head, &h, kept, &cause);
    }

    if (rc == NGX_OK
        && (kept->path.len != path->len
            || ngx_memcmp(kept->path.data, path->data, path->len) != 0))
    {
        rc = ngx_mtls_kept_refuse(&cause, "it is of another file");
    }

    if (rc != NGX_OK) {
        ngx_mtls_kept_free(kept);
        ngx_mtls_kept_unused(dir, path, &cause, err);
    }

    return rc;
}


void
ngx_mtls_kept_unused(ngx_str_t *dir, ngx_str_t *path, ngx_mtls_error_t *cause,
    ngx_mtls_error_t *err)
{
    u_char  name[NGX_MTLS_KEPT_NAME_LEN + 1];

    if (ngx_mtls_kept_name(path, name) != NGX_OK) {
        name[0] = '\0';
    }

    ngx_mtls_error(err, "the kept file \"%V/%s\" is not used: %*s", dir, name,
                   cause->len, cause->text);
}


void
ngx_mtls_kept_free(ngx_mtls_kept_t *kept)
{
    free(kept->data);
    kept->data = NULL;
}


static ngx_int_t
ngx_mtls_kept_open(ngx_str_t *dir, ngx_str_t *path, ngx_fd_t *fd,
    ngx_mtls_error_t *err)
{
    u_char     name[NGX_MTLS_KEPT_NAME_LEN + 1];
    ngx_fd_t   folder;
    ngx_err_t  e;

    if (ngx_mtls_kept_name(path, name) != NGX_OK) {
        return ngx_mtls_error(err, "cannot hash");
    }

    folder = ngx_mtls_run_folder(dir);
    e = ngx_errno;

    if (folder != -1) {
        *fd = openat(folder, (char *) name, O_RDONLY|NGX_MTLS_KEPT_OPEN);
        e = ngx_errno;

        (void) close(folder);

        if (*fd != -1) {
            return NGX_OK;
        }
    }

    /* what may pass must not make an older list count */

    if (e == NGX_EMFILE || e == NGX_ENFILE || e == NGX_ENOMEM) {
        return ngx_mtls_error(err, "it cannot be opened (%d: %s)", e,
                              strerror(e));
    }

    if (folder == -1 || e == NGX_ENOENT) {
        return NGX_DECLINED;
    }

    return ngx_mtls_kept_refuse(err, "it cannot be opened (%d: %s)", e,
                                strerror(e));
}


/* reads into memory of our own what a file of our own has */

static ngx_int_t
ngx_mtls_kept_load(ngx_fd_t fd, ngx_uint_t whole, ngx_mtls_kept_t *kept,
    ngx_mtls_kept_head_t *head, ngx_mtls_error_t *err)
{
    size_t       len;
    struct stat  sb;

    if (fstat(fd, &sb) == -1) {
        return ngx_mtls_kept_refuse(err, "it cannot be examined (%d: %s)",
                                    ngx_errno, strerror(ngx_errno));
    }

    if (!S_ISREG(sb.st_mode)) {
        return ngx_mtls_kept_refuse(err, "it is no regular file");
    }

    if (sb.st_uid != geteuid() || (sb.st_mode & 077)) {
        return ngx_mtls_kept_refuse(err, "it is not the worker user's alone");
    }

    kept->retired = !(sb.st_mode & S_IWUSR);

    if (sb.st_size > NGX_MTLS_KEPT_SIZE_MAX) {
        return ngx_mtls_kept_refuse(err, "it is larger than 2 GiB");
    }

    if (ngx_mtls_kept_pread(fd, head, sizeof(ngx_mtls_kept_head_t)) != NGX_OK
        || !ngx_mtls_kept_head_good(head))
    {
        return ngx_mtls_kept_refuse(err, "its head is wrong");
    }

    if (head->size != (uint64_t) sb.st_size) {
        return ngx_mtls_kept_refuse(err, "it has %O octets instead of %uL",
                                    sb.st_size, head->size);
    }

    len = sizeof(ngx_mtls_kept_head_t) + ngx_mtls_kept_index_len(head);

    if (len > head->size) {
        return ngx_mtls_kept_refuse(err, "its head is wrong");
    }

    if (whole) {
        len = head->size;
    }

    kept->data = ngx_mtls_table_memory(len);

    if (kept->data == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    if (ngx_mtls_kept_pread(fd, kept->data, len) != NGX_OK) {
        return ngx_mtls_kept_refuse(err, "it cannot be read");
    }

    if (ngx_memcmp(kept->data, head, sizeof(ngx_mtls_kept_head_t)) != 0) {
        return ngx_mtls_kept_refuse(err, "it changed while it was read");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_kept_pread(ngx_fd_t fd, void *buf, size_t len)
{
    off_t    offset;
    ssize_t  n;

    for (offset = 0; (size_t) offset < len; offset += n) {
        n = pread(fd, (u_char *) buf + offset, len - offset, offset);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_mtls_kept_head_good(ngx_mtls_kept_head_t *head)
{
    return ngx_memcmp(head->magic, NGX_MTLS_KEPT_MAGIC, sizeof(head->magic))
           == 0
           && head->version == NGX_MTLS_KEPT_VERSION
           && head->nentries > 0
           && head->nentries <= 2 * NGX_MTLS_KEPT_MAX
           && head->path_len > 1
           && head->path_len <= NGX_MAX_PATH;
}


static ngx_int_t
ngx_mtls_kept_parse(ngx_pool_t *pool, ngx_uint_t whole,
    ngx_mtls_kept_head_t *head, ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    u_char  hash[NGX_MTLS_HASH_LEN];
    size_t  len;

    len = sizeof(ngx_mtls_kept_head_t) + ngx_mtls_kept_index_len(head);

    if (ngx_mtls_kept_hash(kept->data, len, hash) != NGX_OK) {
        return ngx_mtls_error(err, "cannot hash");
    }

    if (ngx_memcmp(hash, head->hash, NGX_MTLS_HASH_LEN) != 0) {
        return ngx_mtls_kept_refuse(err, "its head is not what was written");
    }

    kept->time = (time_t) head->time;
    kept->path.data = kept->data + sizeof(ngx_mtls_kept_head_t);
    kept->path.len = head->path_len - 1;

    if (kept->path.data[kept->path.len] != '\0') {
        return ngx_mtls_kept_refuse(err, "its path is wrong");
    }

    kept->crls = ngx_pcalloc(pool, head->nentries
                                   * sizeof(ngx_mtls_kept_crl_t));
    kept->certs = ngx_pcalloc(pool, head->nentries * sizeof(ngx_str_t));

    if (kept->crls == NULL || kept->certs == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    return ngx_mtls_kept_entries(whole, head, kept, err);
}


static ngx_int_t
ngx_mtls_kept_entries(ngx_uint_t whole, ngx_mtls_kept_head_t *head,
    ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    u_char                 *p, *data;
    uint64_t                left;
    ngx_str_t              *der;
    ngx_uint_t              i;
    ngx_mtls_kept_crl_t    *crl;
    ngx_mtls_kept_entry_t   entry;

    p = kept->data + sizeof(ngx_mtls_kept_head_t) + head->path_len;
    data = p + head->nentries * sizeof(ngx_mtls_kept_entry_t);
    left = head->size - (data - kept->data);

    for (i = 0; i < head->nentries; i++) {

        ngx_memcpy(&entry, p, sizeof(ngx_mtls_kept_entry_t));
        p += sizeof(ngx_mtls_kept_entry_t);

        if (entry.len == 0 || entry.len > left) {
            break;
        }

        if (entry.kind == NGX_MTLS_KEPT_CERT
            && kept->ncerts < NGX_MTLS_KEPT_MAX)
        {
            der = &kept->certs[kept->ncerts++];

        } else if (entry.kind == NGX_MTLS_KEPT_CRL
                   && kept->ncrls < NGX_MTLS_KEPT_MAX
                   && entry.number_len <= NGX_MTLS_NUMBER_MAX)
        {
            crl = &kept->crls[kept->ncrls++];
            ngx_mtls_kept_decode(&entry, &crl->header);
            der = &crl->der;

        } else {
            break;
        }

        der->len = entry.len;
        der->data = whole ? data : NULL;

        data += whole ? entry.len : 0;
        left -= entry.len;
    }

    if (i < head->nentries || left || kept->ncrls == 0) {
        return ngx_mtls_kept_refuse(err, "its entries are wrong");
    }

    return NGX_OK;
}


/* of the head and what belongs to it, the place of the hash itself zeroed */

static ngx_int_t
ngx_mtls_kept_hash(u_char *data, size_t len, u_char *hash)
{
    ngx_memzero(data + offsetof(ngx_mtls_kept_head_t, hash),
                NGX_MTLS_HASH_LEN);

    return ngx_mtls_sha256(data, len, hash);
}


static void
ngx_mtls_kept_decode(ngx_mtls_kept_entry_t *entry,
    ngx_mtls_table_header_t *header)
{
    header->flags = (entry->delta ? NGX_MTLS_CRL_DELTA : 0)
                    | (entry->number_len ? NGX_MTLS_CRL_HAS_NUMBER : 0);

    header->this_update = entry->this_update;
    header->number_len = entry->number_len;

    ngx_memcpy(header->number, entry->number, entry->number_len);
    ngx_memcpy(header->source_hash, entry->hash, NGX_MTLS_HASH_LEN);
    ngx_memcpy(header->issuer, entry->issuer, NGX_MTLS_HASH_LEN);
    ngx_memcpy(header->signer_spki, entry->signer_spki, NGX_MTLS_HASH_LEN);
    ngx_memcpy(header->idp, entry->idp, NGX_MTLS_HASH_LEN);
}


static void
ngx_mtls_kept_encode(ngx_mtls_kept_entry_t *entry,
    ngx_mtls_table_header_t *header)
{
    entry->kind = NGX_MTLS_KEPT_CRL;
    entry->delta = (header->flags & NGX_MTLS_CRL_DELTA) ? 1 : 0;
    entry->this_update = header->this_update;

    if (header->flags & NGX_MTLS_CRL_HAS_NUMBER) {
        entry->number_len = header->number_len;
        ngx_memcpy(entry->number, header->number, header->number_len);
    }

    ngx_memcpy(entry->hash, header->source_hash, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry->issuer, header->issuer, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry->signer_spki, header->signer_spki, NGX_MTLS_HASH_LEN);
    ngx_memcpy(entry->idp, header->idp, NGX_MTLS_HASH_LEN);
}


ngx_int_t
ngx_mtls_kept_write(ngx_str_t *dir, const u_char run_id[NGX_MTLS_RUN_ID_LEN],
    ngx_mtls_kept_t *kept, ngx_mtls_error_t *err)
{
    u_char     *p, name[NGX_MTLS_KEPT_NAME_LEN + 1];
    u_char      temp[NGX_MTLS_KEPT_TEMP_LEN];
    ngx_fd_t    folder, fd;
    ngx_int_t   rc;

    if (ngx_mtls_kept_name(&kept->path, name) != NGX_OK) {
        return ngx_mtls_error(err, "cannot hash");
    }

    /* another instance may write the same file */

    p = ngx_sprintf(temp, "%s.", name);
    p = ngx_hex_dump(p, (u_char *) run_id, NGX_MTLS_RUN_ID_LEN);
    (void) ngx_cpystrn(p, (u_char *) ".tmp", sizeof(".tmp"));

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return ngx_mtls_error(err, "\"%V\" cannot be used (%d: %s)", dir,
                              ngx_errno, strerror(ngx_errno));
    }

    (void) unlinkat(folder, (char *) temp, 0);

    rc = NGX_ERROR;
    fd = openat(folder, (char *) temp,
                O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);

    if (fd != -1) {
        rc = ngx_mtls_kept_fill(fd, kept);

        if (close(fd) == -1) {
            rc = NGX_ERROR;
        }
    }

    if (rc == NGX_OK
        && renameat(folder, (char *) temp, folder, (char *) name) == -1)
    {
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_mtls_error(err, "cannot write \"%V/%s\" (%d: %s)", dir, name,
                       ngx_errno, strerror(ngx_errno));

        (void) unlinkat(folder, (char *) temp, 0);

    } else {
        (void) fsync(folder);
    }

    (void) close(folder);

    return rc;
}


/* what stands before the DER, to be freed; NULL: out of memory, too large */

static u_char *
ngx_mtls_kept_index(ngx_mtls_kept_t *kept, size_t *len)
{
    u_char                 *p, *buf;
    uint64_t                size;
    ngx_uint_t              i, n;
    ngx_mtls_kept_head_t    head;
    ngx_mtls_kept_entry_t   entry;

    ngx_memzero(&head, sizeof(ngx_mtls_kept_head_t));

    n = kept->ncrls + kept->ncerts;

    ngx_memcpy(head.magic, NGX_MTLS_KEPT_MAGIC, sizeof(head.magic));
    head.version = NGX_MTLS_KEPT_VERSION;
    head.nentries = n;
    head.path_len = kept->path.len + 1;
    head.time = kept->time;

    *len = sizeof(ngx_mtls_kept_head_t) + ngx_mtls_kept_index_len(&head);
    size = *len;

    buf = malloc(*len);
    if (buf == NULL) {
        return NULL;
    }

    p = buf + sizeof(ngx_mtls_kept_head_t);
    p = ngx_cpymem(p, kept->path.data, kept->path.len);
    *p++ = '\0';

    for (i = 0; i < n; i++) {
        ngx_memzero(&entry, sizeof(ngx_mtls_kept_entry_t));

        if (i < kept->ncrls) {
            ngx_mtls_kept_encode(&entry, &kept->crls[i].header);
            entry.len = kept->crls[i].der.len;

        } else {
            entry.kind = NGX_MTLS_KEPT_CERT;
            entry.len = kept->certs[i - kept->ncrls].len;
        }

        size += entry.len;
        p = ngx_cpymem(p, &entry, sizeof(ngx_mtls_kept_entry_t));
    }

    head.size = size;
    ngx_memcpy(buf, &head, sizeof(ngx_mtls_kept_head_t));

    if (size > NGX_MTLS_KEPT_SIZE_MAX) {
        ngx_set_errno(EFBIG);

    } else if (ngx_mtls_kept_hash(buf, *len, head.hash) == NGX_OK) {
        ngx_memcpy(buf, &head, sizeof(ngx_mtls_kept_head_t));
        return buf;
    }

    free(buf);

    return NULL;
}


static ngx_int_t
ngx_mtls_kept_fill(ngx_fd_t fd, ngx_mtls_kept_t *kept)
{
    size_t       len;
    u_char      *buf;
    ngx_int_t    rc;
    ngx_uint_t   i;

    buf = ngx_mtls_kept_index(kept, &len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_mtls_kept_put(fd, buf, len);

    free(buf);

    for (i = 0; rc == NGX_OK && i < kept->ncrls; i++) {
        rc = ngx_mtls_kept_put(fd, kept->crls[i].der.data,
                               kept->crls[i].der.len);
    }

    for (i = 0; rc == NGX_OK && i < kept->ncerts; i++) {
        rc = ngx_mtls_kept_put(fd, kept->certs[i].data, kept->certs[i].len);
    }

    if (rc == NGX_OK && fsync(fd) == -1) {
        rc = NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_mtls_kept_put(ngx_fd_t fd, const u_char *p, size_t len)
{
    ssize_t  n;

    for ( /* void */ ; len; p += n, len -= n) {
        n = write(fd, p, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a file is written once, so its mode is free to say it: at once, and cheap */

void
ngx_mtls_kept_retire(ngx_str_t *dir, ngx_str_t *path)
{
    u_char       name[NGX_MTLS_KEPT_NAME_LEN + 1];
    ngx_fd_t     folder;
    struct stat  sb;

    folder = ngx_mtls_run_folder(dir);

    if (folder == -1) {
        return;
    }

    /* a link must not be followed to a file of somebody else */

    if (ngx_mtls_kept_name(path, name) == NGX_OK
        && fstatat(folder, (char *) name, &sb, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISREG(sb.st_mode)
        && fchmodat(folder, (char *) name, S_IRUSR, 0) == -1)
    {
        (void) unlinkat(folder, (char *) name, 0);
    }

    (void) close(folder);
}


ngx_uint_t
ngx_mtls_kept_there(ngx_str_t *state_path, ngx_str_t *path)
{
    u_char       name[NGX_MTLS_KEPT_NAME_LEN + 1];
    u_char       full[NGX_MAX_PATH];
    struct stat  sb;

    if (state_path->len + sizeof("/" NGX_MTLS_KEPT_FOLDER "/") + sizeof(name)
        > sizeof(full)
        || ngx_mtls_kept_name(path, name) != NGX_OK)
    {
        return 0;
    }

    (void) ngx_sprintf(full, "%V/" NGX_MTLS_KEPT_FOLDER "/%s%Z", state_path,
                       name);

    return lstat((char *) full, &sb) == 0 && S_ISREG(sb.st_mode);
}


ngx_int_t
ngx_mtls_kept_path(ngx_fd_t folder, const char *name, u_char *buf,
    ngx_str_t *path)
{
    u_char                 own[NGX_MTLS_KEPT_NAME_LEN + 1];
    ssize_t                n;
    ngx_fd_t               fd;
    ngx_mtls_kept_head_t   head;

    fd = openat(folder, name, O_RDONLY|NGX_MTLS_KEPT_OPEN);
    if (fd == -1) {
        return NGX_DECLINED;
    }

    if (ngx_mtls_kept_pread(fd, &head, sizeof(ngx_mtls_kept_head_t)) != NGX_OK
        || !ngx_mtls_kept_head_good(&head))
    {
        (void) close(fd);
        return NGX_DECLINED;
    }

    n = pread(fd, buf, head.path_len, sizeof(ngx_mtls_kept_head_t));

    (void) close(fd);

    if (n != (ssize_t) head.path_len
        || buf[n - 1] != '\0'
        || ngx_strlen(buf) != (size_t) n - 1)
    {
        return NGX_DECLINED;
    }

    path->data = buf;
    path->len = n - 1;

    /* a file that was renamed speaks of another source */

    if (ngx_mtls_kept_name(path, own) != NGX_OK
        || ngx_strcmp(own, name) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
