
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The shared zone: run id, key, generations, and the verified intermediates.
 */


#ifndef _NGX_MTLS_ZONE_H_INCLUDED_
#define _NGX_MTLS_ZONE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_table.h>


/* one word per kind of data beside the overall one */
#define NGX_MTLS_WORD_TRUST        0
#define NGX_MTLS_WORD_CRL          1
#define NGX_MTLS_WORD_OCSP         2
#define NGX_MTLS_WORD_DENY_LIST    3
#define NGX_MTLS_WORD_REGISTRY     4
#define NGX_MTLS_WORDS             5

#define NGX_MTLS_ZONE_CERTS        512   /* intermediates kept */


/* an intermediate: one block, so that one store publishes it whole */
typedef struct {
    u_char                         fingerprint[NGX_MTLS_HASH_LEN];
    size_t                         len;
    u_char                         der[1];
} ngx_mtls_zone_cert_t;


/*
 * The root of the zone's slab pool.  "run_id" and "key" are written once,
 * before any worker starts.  The words are read without a lock and written by
 * the manager alone; "generation" is stored last, with release semantics.
 */
typedef struct {
    u_char                         run_id[NGX_MTLS_RUN_ID_LEN];
    u_char                         key[NGX_MTLS_HASH_LEN];
    ngx_atomic_t                   generation;   /* 0: nothing published */
    ngx_atomic_t                   words[NGX_MTLS_WORDS];
    ngx_atomic_t                   failing;      /* what is there to be
                                                    published cannot be */
    ngx_atomic_t                   unusable;     /* a worker could not use
                                                    what is published */

    /*
     * intermediates, placed by their fingerprint; under the slab's mutex,
     * which the master gives back where a worker was killed holding it
     */
    ngx_mtls_zone_cert_t          *certs[NGX_MTLS_ZONE_CERTS];
} ngx_mtls_zone_t;


#define ngx_mtls_zone(shm_zone)                                              \
    ((ngx_mtls_zone_t *) ((ngx_slab_pool_t *) (shm_zone)->shm.addr)->data)

/* the generation, with acquire semantics */
#define ngx_mtls_zone_generation(zone)                                       \
    __atomic_load_n(&(zone)->generation, __ATOMIC_ACQUIRE)


/*
 * Sets the zone up at start, or adopts what is there at reload; to be called
 * from the shm zone's init handler.  NGX_ERROR, logged: the zone is too small,
 * or there are no random numbers.
 */
ngx_int_t ngx_mtls_zone_init(ngx_shm_zone_t *shm_zone, void *data);

/*
 * Keeps the DER of an intermediate of a verified chain; the place that its
 * fingerprint maps to is taken over.  Failing (no room) is not an error.
 */
void ngx_mtls_zone_cert_put(ngx_shm_zone_t *shm_zone,
    const u_char fingerprint[NGX_MTLS_HASH_LEN], u_char *der, size_t len);

/* copies the DER out, from the pool; NGX_DECLINED: not there */
ngx_int_t ngx_mtls_zone_cert_get(ngx_shm_zone_t *shm_zone,
    const u_char fingerprint[NGX_MTLS_HASH_LEN], ngx_pool_t *pool,
    ngx_str_t *der);


#endif /* _NGX_MTLS_ZONE_H_INCLUDED_ */
