
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a test of judgement needs around it: CA files, a zone, and a manifest
 * of CRLs that were compiled as the manager has them compiled.
 */


#ifndef _WORLD_H_INCLUDED_
#define _WORLD_H_INCLUDED_


#include "pki.h"

#include <ngx_mtls_ca.h>
#include <ngx_mtls_crl.h>
#include <ngx_mtls_manifest.h>
#include <ngx_mtls_zone.h>


#define WORLD_SLOTS  16


typedef struct {
    ngx_pool_t           *pool;
    const char           *dir;
    ngx_shm_zone_t       *shm_zone;
    ngx_mtls_zone_t      *zone;
    ngx_mtls_ca_t        *ca;
    ngx_mtls_manifest_t  *manifest;
    ngx_mtls_slot_t       slots[WORLD_SLOTS];
    ngx_uint_t            nslots;
    ngx_mtls_error_t      err;
} world_t;


void world_begin(world_t *w);
void world_end(world_t *w);

/* a CA file in a label; NGX_OK or what ngx_mtls_ca_file() says */
ngx_int_t world_ca(world_t *w, const char *label, ngx_str_t *path,
    ngx_uint_t partial);
void world_ca_finish(world_t *w);

/* compiles a CRL file; NGX_OK or what ngx_mtls_crl_compile() says */
ngx_int_t world_crl(world_t *w, ngx_str_t *path, time_t grace,
    time_t max_age);

/* publishes what was compiled so far, as the next generation */
void world_publish(world_t *w);

/* the facts of a certificate, from the world's pool */
void world_parse(world_t *w, X509 *x509, ngx_mtls_certificate_t *cert);
void world_issuer(world_t *w, X509 *x509, ngx_mtls_ca_cert_t *cert);


#endif /* _WORLD_H_INCLUDED_ */
