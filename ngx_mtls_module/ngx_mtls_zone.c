
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The shared zone: made at start, adopted at reload, gone with the master.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_mtls_zone.h>

#include <openssl/rand.h>


#define ngx_mtls_zone_slab(shm_zone)                                         \
    ((ngx_slab_pool_t *) (shm_zone)->shm.addr)


static ngx_mtls_zone_cert_t **ngx_mtls_zone_place(ngx_mtls_zone_t *zone,
    const u_char *fingerprint);
static ngx_mtls_zone_cert_t *ngx_mtls_zone_alloc(ngx_slab_pool_t *shpool,
    ngx_mtls_zone_cert_t **place, size_t len);


ngx_int_t
ngx_mtls_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t  *shpool;
    ngx_mtls_zone_t  *zone;

    shpool = ngx_mtls_zone_slab(shm_zone);

    /* the same size and tag: nginx gives the memory of the running cycle */

    if (data && shpool->data) {
        return NGX_OK;
    }

    /* a full zone is an ordinary state, not worth a line in the log */
    shpool->log_nomem = 0;

    zone = ngx_slab_calloc(shpool, sizeof(ngx_mtls_zone_t));
    if (zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is too small", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    if (RAND_bytes(zone->run_id, NGX_MTLS_RUN_ID_LEN) != 1
        || RAND_priv_bytes(zone->key, NGX_MTLS_HASH_LEN) != 1)
    {
        ngx_slab_free(shpool, zone);
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no random numbers for zone \"%V\"",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    shpool->data = zone;

    return NGX_OK;
}


/*
 * A killed process must leave a structure that holds: a block is filled
 * before its pointer is stored, and its pointer is gone before it is freed.
 * What a kill in between loses is one block.
 */

void
ngx_mtls_zone_cert_put(ngx_shm_zone_t *shm_zone,
    const u_char fingerprint[NGX_MTLS_HASH_LEN], u_char *der, size_t len)
{
    ngx_slab_pool_t        *shpool;
    ngx_mtls_zone_cert_t   *cert, *old, **place;

    if (len == 0 || len > NGX_MTLS_CERT_MAX) {
        return;
    }

    shpool = ngx_mtls_zone_slab(shm_zone);
    place = ngx_mtls_zone_place(ngx_mtls_zone(shm_zone), fingerprint);

    ngx_shmtx_lock(&shpool->mutex);

    old = *place;

    if (old && ngx_memcmp(old->fingerprint, fingerprint, NGX_MTLS_HASH_LEN)
               == 0)
    {
        goto done;
    }

    cert = ngx_mtls_zone_alloc(shpool, place, len);
    if (cert == NULL) {
        goto done;
    }

    ngx_memcpy(cert->fingerprint, fingerprint, NGX_MTLS_HASH_LEN);
    ngx_memcpy(cert->der, der, len);
    cert->len = len;

    /* the room of the old one may have been needed */
    old = *place;

    __atomic_store_n(place, cert, __ATOMIC_RELEASE);

    if (old) {
        ngx_slab_free_locked(shpool, old);
    }

done:

    ngx_shmtx_unlock(&shpool->mutex);
}


static ngx_mtls_zone_cert_t **
ngx_mtls_zone_place(ngx_mtls_zone_t *zone, const u_char *fingerprint)
{
    ngx_uint_t  n;

    n = ((ngx_uint_t) fingerprint[0] << 8) | fingerprint[1];

    return &zone->certs[n % NGX_MTLS_ZONE_CERTS];
}


static ngx_mtls_zone_cert_t *
ngx_mtls_zone_alloc(ngx_slab_pool_t *shpool, ngx_mtls_zone_cert_t **place,
    size_t len)
{
    size_t                 size;
    ngx_mtls_zone_cert_t  *cert, *old;

    size = offsetof(ngx_mtls_zone_cert_t, der) + len;

    cert = ngx_slab_alloc_locked(shpool, size);

    if (cert == NULL && *place) {
        old = *place;
        __atomic_store_n(place, NULL, __ATOMIC_RELEASE);
        ngx_slab_free_locked(shpool, old);

        cert = ngx_slab_alloc_locked(shpool, size);
    }

    return cert;
}


ngx_int_t
ngx_mtls_zone_cert_get(ngx_shm_zone_t *shm_zone,
    const u_char fingerprint[NGX_MTLS_HASH_LEN], ngx_pool_t *pool,
    ngx_str_t *der)
{
    ngx_int_t               rc;
    ngx_slab_pool_t        *shpool;
    ngx_mtls_zone_cert_t   *cert, **place;

    shpool = ngx_mtls_zone_slab(shm_zone);
    place = ngx_mtls_zone_place(ngx_mtls_zone(shm_zone), fingerprint);

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&shpool->mutex);

    cert = *place;

    if (cert && ngx_memcmp(cert->fingerprint, fingerprint, NGX_MTLS_HASH_LEN)
                == 0)
    {
        der->len = cert->len;
        der->data = ngx_pnalloc(pool, cert->len);

        if (der->data) {
            ngx_memcpy(der->data, cert->der, cert->len);
            rc = NGX_OK;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}
