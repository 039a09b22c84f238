
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Stand-in for nginx's core in unit tests: files, addresses, shared memory and
 * the containers that live there.
 */


#include "shim.h"


/* what stands before each allocation of a slab */
typedef struct shim_chunk_s  shim_chunk_t;

struct shim_chunk_s {
    shim_chunk_t     *next;
    void             *p;
    size_t            size;
};


typedef struct {
    ngx_slab_pool_t   sp;
    size_t            left;
    shim_chunk_t     *chunks;
} shim_slab_t;


static void shim_slab_assert_locked(ngx_slab_pool_t *pool);
static void shim_crc32_init(void);


/* crc32: the tables are read by inline functions of nginx's header */

static uint32_t   shim_crc32_short[16];

uint32_t         *ngx_crc32_table_short = shim_crc32_short;
uint32_t          ngx_crc32_table256[256];


__attribute__((constructor))
static void
shim_crc32_init(void)
{
    uint32_t    c;
    ngx_uint_t  i, bit;

    for (i = 0; i < 256; i++) {
        c = i;

        for (bit = 0; bit < 8; bit++) {
            c = (c & 1) ? 0xedb88320 ^ (c >> 1) : c >> 1;

            if (bit == 3 && i < 16) {
                shim_crc32_short[i] = c;
            }
        }

        ngx_crc32_table256[i] = c;
    }
}


/* files */

ssize_t
ngx_read_file(ngx_file_t *file, u_char *buf, size_t size, off_t offset)
{
    ssize_t  n;

    n = pread(file->fd, buf, size, offset);

    if (n == -1) {
        ngx_log_error(NGX_LOG_CRIT, file->log, ngx_errno,
                      "pread() \"%s\" failed", file->name.data);
        return NGX_ERROR;
    }

    file->offset += n;

    return n;
}


ssize_t
ngx_write_file(ngx_file_t *file, u_char *buf, size_t size, off_t offset)
{
    ssize_t  n;
    size_t   done;

    for (done = 0; done < size; done += n) {
        n = pwrite(file->fd, buf + done, size - done, offset + done);

        if (n == -1) {
            ngx_log_error(NGX_LOG_CRIT, file->log, ngx_errno,
                          "pwrite() \"%s\" failed", file->name.data);
            return NGX_ERROR;
        }

        file->offset += n;
    }

    return done;
}


ngx_fd_t
ngx_open_tempfile(u_char *name, ngx_uint_t persistent, ngx_uint_t access)
{
    ngx_fd_t  fd;

    fd = open((char *) name, O_CREAT|O_EXCL|O_RDWR, access ? access : 0600);

    if (fd != -1 && !persistent) {
        (void) unlink((char *) name);
    }

    return fd;
}


ngx_int_t
ngx_open_dir(ngx_str_t *name, ngx_dir_t *dir)
{
    dir->dir = opendir((char *) name->data);
    dir->valid_info = 0;

    return (dir->dir == NULL) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_read_dir(ngx_dir_t *dir)
{
    dir->de = readdir(dir->dir);

    if (dir->de == NULL) {
        return NGX_ERROR;
    }

    dir->type = dir->de->d_type;

    return NGX_OK;
}


ngx_int_t
ngx_open_glob(ngx_glob_t *gl)
{
    int  n;

    n = glob((char *) gl->pattern, 0, NULL, &gl->pglob);

    if (n == 0 || (n == GLOB_NOMATCH && gl->test)) {
        return NGX_OK;
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_read_glob(ngx_glob_t *gl, ngx_str_t *name)
{
    if (gl->n >= gl->pglob.gl_pathc) {
        return NGX_DONE;
    }

    name->data = (u_char *) gl->pglob.gl_pathv[gl->n++];
    name->len = ngx_strlen(name->data);

    return NGX_OK;
}


void
ngx_close_glob(ngx_glob_t *gl)
{
    globfree(&gl->pglob);
}


/* addresses */

/* an octet may be empty, as in "1..2.3", and have leading zeros */

in_addr_t
ngx_inet_addr(u_char *text, size_t len)
{
    uint32_t    addr;
    ngx_uint_t  octet, dots;

    addr = 0;
    octet = 0;
    dots = 0;

    for ( /* void */ ; len; len--, text++) {

        if (*text == '.') {
            addr = addr << 8 | octet;
            octet = 0;
            dots++;
            continue;
        }

        octet = octet * 10 + (*text - '0');

        if (*text < '0' || *text > '9' || octet > 255) {
            return INADDR_NONE;
        }
    }

    return (dots == 3) ? htonl(addr << 8 | octet) : INADDR_NONE;
}


ngx_int_t
ngx_inet6_addr(u_char *p, size_t len, u_char *addr)
{
    char  text[NGX_INET6_ADDRSTRLEN + 1];

    if (len == 0 || len >= sizeof(text)) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn((u_char *) text, p, len + 1);

    return (inet_pton(AF_INET6, text, addr) == 1) ? NGX_OK : NGX_ERROR;
}


/* NGX_DONE: bits beyond the mask were set, and are cleared */

ngx_int_t
ngx_ptocidr(ngx_str_t *text, ngx_cidr_t *cidr)
{
    u_char     *mask, *last, *a, *m;
    size_t      len, i, n;
    ngx_int_t   bits, rc;

    last = text->data + text->len;
    mask = ngx_strlchr(text->data, last, '/');
    len = (mask ? mask : last) - text->data;

    ngx_memzero(cidr, sizeof(ngx_cidr_t));
    cidr->u.in.addr = ngx_inet_addr(text->data, len);

    if (cidr->u.in.addr != INADDR_NONE) {
        cidr->family = AF_INET;
        a = (u_char *) &cidr->u.in.addr;
        m = (u_char *) &cidr->u.in.mask;
        n = 4;

    } else if (ngx_inet6_addr(text->data, len, cidr->u.in6.addr.s6_addr)
               == NGX_OK)
    {
        cidr->family = AF_INET6;
        a = cidr->u.in6.addr.s6_addr;
        m = cidr->u.in6.mask.s6_addr;
        n = 16;

    } else {
        return NGX_ERROR;
    }

    bits = mask ? ngx_atoi(mask + 1, last - mask - 1) : (ngx_int_t) n * 8;

    if (bits < 0 || bits > (ngx_int_t) n * 8) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (i = 0; i < n; i++, bits -= 8) {
        m[i] = (bits >= 8) ? 0xff : (bits > 0) ? 0xff << (8 - bits) : 0;

        if (a[i] & ~m[i]) {
            a[i] &= m[i];
            rc = NGX_DONE;
        }
    }

    return rc;
}


size_t
ngx_inet_ntop(int family, void *addr, u_char *text, size_t len)
{
    char  buf[INET6_ADDRSTRLEN];

    if (inet_ntop(family, addr, buf, sizeof(buf)) == NULL) {
        return 0;
    }

    return ngx_snprintf(text, len, "%s", buf) - text;
}


size_t
ngx_inet6_ntop(u_char *p, u_char *text, size_t len)
{
    return ngx_inet_ntop(AF_INET6, p, text, len);
}


/* shared memory, of one process here */

ngx_shm_zone_t *
shim_zone_create(size_t size)
{
    shim_slab_t     *slab;
    ngx_shm_zone_t  *zone;

    zone = calloc(1, sizeof(ngx_shm_zone_t));
    slab = calloc(1, sizeof(shim_slab_t));

    assert_non_null(zone);
    assert_non_null(slab);

    slab->left = size;
    slab->sp.log_nomem = 1;
    slab->sp.mutex.lock = &slab->sp.lock.lock;
    slab->sp.addr = slab;

    zone->shm.addr = (u_char *) slab;
    zone->shm.size = size;
    zone->shm.log = &shim_log;
    ngx_str_set(&zone->shm.name, "shim");

    return zone;
}


void
shim_zone_destroy(ngx_shm_zone_t *zone)
{
    shim_slab_t   *slab;
    shim_chunk_t  *chunk;

    slab = (shim_slab_t *) zone->shm.addr;

    while (slab->chunks) {
        chunk = slab->chunks;
        slab->chunks = chunk->next;

        free(chunk->p);
        free(chunk);
    }

    free(slab);
    free(zone);
}


void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    ngx_shmtx_lock(&pool->mutex);
    p = ngx_slab_alloc_locked(pool, size);
    ngx_shmtx_unlock(&pool->mutex);

    return p;
}


void *
ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    shim_slab_t   *slab;
    shim_chunk_t  *chunk;

    slab = (shim_slab_t *) pool;

    shim_slab_assert_locked(pool);

    if (size > slab->left) {
        return NULL;
    }

    chunk = malloc(sizeof(shim_chunk_t));
    if (chunk == NULL) {
        return NULL;
    }

    chunk->p = ngx_alloc(size, &shim_log);
    if (chunk->p == NULL) {
        free(chunk);
        return NULL;
    }

    chunk->size = size;
    chunk->next = slab->chunks;

    slab->chunks = chunk;
    slab->left -= size;

    return chunk->p;
}


void *
ngx_slab_calloc(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    ngx_shmtx_lock(&pool->mutex);
    p = ngx_slab_calloc_locked(pool, size);
    ngx_shmtx_unlock(&pool->mutex);

    return p;
}


void *
ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_slab_alloc_locked(pool, size);

    if (p) {
        ngx_memzero(p, size);
    }

    return p;
}


void
ngx_slab_free(ngx_slab_pool_t *pool, void *p)
{
    ngx_shmtx_lock(&pool->mutex);
    ngx_slab_free_locked(pool, p);
    ngx_shmtx_unlock(&pool->mutex);
}


void
ngx_slab_free_locked(ngx_slab_pool_t *pool, void *p)
{
    shim_slab_t   *slab;
    shim_chunk_t  *chunk, **prev;

    slab = (shim_slab_t *) pool;

    shim_slab_assert_locked(pool);

    for (prev = &slab->chunks; *prev; prev = &chunk->next) {
        chunk = *prev;

        if (chunk->p == p) {
            *prev = chunk->next;
            slab->left += chunk->size;

            free(chunk->p);
            free(chunk);

            return;
        }
    }

    fprintf(stderr, "ngx_slab_free(): no such allocation\n");
    abort();
}


static void
shim_slab_assert_locked(ngx_slab_pool_t *pool)
{
    if (*pool->mutex.lock == 0) {
        fprintf(stderr, "the slab's mutex is not held\n");
        abort();
    }
}


ngx_uint_t
ngx_shmtx_trylock(ngx_shmtx_t *mtx)
{
    if (*mtx->lock) {
        return 0;
    }

    *mtx->lock = ngx_pid;

    return 1;
}


void
ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    if (!ngx_shmtx_trylock(mtx)) {
        fprintf(stderr, "the mutex is held already\n");
        abort();
    }
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    if (*mtx->lock == 0) {
        fprintf(stderr, "the mutex is not held\n");
        abort();
    }

    *mtx->lock = 0;
}


/* a tree that is searched like nginx's and never balanced */

static void
shim_rbtree_replace(ngx_rbtree_t *tree, ngx_rbtree_node_t *old,
    ngx_rbtree_node_t *node)
{
    if (old == tree->root) {
        tree->root = node;

    } else if (old == old->parent->left) {
        old->parent->left = node;

    } else {
        old->parent->right = node;
    }

    if (node != tree->sentinel) {
        node->parent = old->parent;
    }
}


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    if (tree->root != tree->sentinel) {
        tree->insert(tree->root, node, tree->sentinel);
        return;
    }

    node->parent = NULL;
    node->left = tree->sentinel;
    node->right = tree->sentinel;
    ngx_rbt_black(node);

    tree->root = node;
}


void
ngx_rbtree_insert_value(ngx_rbtree_node_t *root, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {
        p = (node->key < root->key) ? &root->left : &root->right;

        if (*p == sentinel) {
            break;
        }

        root = *p;
    }

    *p = node;

    node->parent = root;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_rbtree_node_t  *next;

    if (node->left == tree->sentinel) {
        shim_rbtree_replace(tree, node, node->right);

    } else if (node->right == tree->sentinel) {
        shim_rbtree_replace(tree, node, node->left);

    } else {
        next = ngx_rbtree_min(node->right, tree->sentinel);

        if (next->parent != node) {
            shim_rbtree_replace(tree, next, next->right);
            next->right = node->right;
            next->right->parent = next;
        }

        shim_rbtree_replace(tree, node, next);
        next->left = node->left;
        next->left->parent = next;
    }

    node->left = NULL;
    node->right = NULL;
    node->parent = NULL;
    node->key = 0;
}


ngx_rbtree_node_t *
ngx_rbtree_next(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_rbtree_node_t  *parent;

    if (node->right != tree->sentinel) {
        return ngx_rbtree_min(node->right, tree->sentinel);
    }

    for (parent = node->parent;
         parent && node == parent->right;
         parent = parent->parent)
    {
        node = parent;
    }

    return parent;
}
