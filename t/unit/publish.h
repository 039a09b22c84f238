
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of generations: a zone, sources of CAs and CRLs, and manifests
 * of what their files were compiled to.
 */


#ifndef _PUBLISH_H_INCLUDED_
#define _PUBLISH_H_INCLUDED_


#include "live.h"

#include <ngx_mtls_crl.h>
#include <ngx_mtls_manager.h>
#include <ngx_mtls_manifest.h>
#include <ngx_mtls_zone.h>


#define SLOTS  8


static ngx_mtls_conf_t        conf;
static ngx_mtls_zone_t       *zone;
static ngx_mtls_slot_t        slots[SLOTS];
static ngx_uint_t             nslots;
static ngx_mtls_attempted_t   attempted[SLOTS];
static ngx_uint_t             nattempted;


static inline int
publish_setup(void **state)
{
    live_setup(state);

    ngx_memzero(&conf, sizeof(ngx_mtls_conf_t));

    conf.shm_zone = shim_zone_create(1024 * 1024);
    assert_int_equal(ngx_mtls_zone_init(conf.shm_zone, NULL), NGX_OK);
    zone = ngx_mtls_zone(conf.shm_zone);

    conf.dir = job.dir;
    conf.held = 1;
    conf.configured = ca;
    conf.ca = ngx_mtls_ca_ref(ca);

    assert_int_equal(ngx_array_init(&conf.sources, pool, SLOTS,
                                    sizeof(ngx_mtls_source_t)),
                     NGX_OK);

    memcpy(job.run_id, zone->run_id, NGX_MTLS_RUN_ID_LEN);
    nslots = 0;
    nattempted = 0;

    return 0;
}


static inline int
publish_teardown(void **state)
{
    ngx_mtls_manager_release(&conf);
    shim_zone_destroy(conf.shm_zone);

    return teardown(state);
}


static inline ngx_mtls_source_t *
source_of(ngx_uint_t kind, ngx_str_t path)
{
    ngx_mtls_source_t  *source;
    u_char              trust[NGX_MTLS_HASH_LEN];

    ngx_memzero(trust, sizeof(trust));

    source = ngx_array_push(&conf.sources);

    ngx_memzero(source, sizeof(ngx_mtls_source_t));

    source->kind = kind;
    source->path = path;

    if (kind == NGX_MTLS_SOURCE_CA) {
        source->number = conf.ncas++;
        ngx_str_set(&source->label_name, "a");
        source->label = label("a")->number;

    } else {
        conf.ncrls++;
    }

    assert_int_equal(ngx_mtls_source_key(source, trust), NGX_OK);

    return source;
}


/* a source of CAs as it was read with the configuration */

static inline ngx_mtls_source_t *
source_ca(pki_t **certs, ngx_uint_t n)
{
    ngx_str_t           path;
    ngx_mtls_source_t  *source;

    path = live_file(certs, n);
    source = source_of(NGX_MTLS_SOURCE_CA, path);

    if (ngx_mtls_ca_file(ca, label("a"), &path, 0, source->number, &err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    return source;
}


/* the source was tried, and what it gives has changed in this generation */

static inline void
tried(ngx_mtls_source_t *source, uint64_t since)
{
    ngx_uint_t  i;

    for (i = 0; i < nattempted; i++) {
        if (memcmp(attempted[i].key, source->key, NGX_MTLS_HASH_LEN) == 0) {
            break;
        }
    }

    assert_true(i < SLOTS);

    if (i == nattempted) {
        nattempted++;
    }

    memcpy(attempted[i].key, source->key, NGX_MTLS_HASH_LEN);
    attempted[i].since = since;
    attempted[i].read = ngx_mtls_now();
}


/* a slot of what was compiled last */

static inline ngx_mtls_slot_t *
slot_of(ngx_mtls_source_t *source, ngx_str_t *path)
{
    char              to[256];
    ngx_mtls_slot_t  *slot;

    snprintf(to, sizeof(to), "%s/%s", dir, made->name);
    assert_int_equal(rename(live_made(), to), 0);

    assert_true(nslots < SLOTS);
    slot = &slots[nslots++];

    ngx_memzero(slot, sizeof(ngx_mtls_slot_t));

    memcpy(slot->source, source->key, NGX_MTLS_HASH_LEN);
    memcpy(slot->hash, made->hash, NGX_MTLS_HASH_LEN);
    memcpy(slot->name, made->name, sizeof(slot->name));
    assert_int_equal(ngx_mtls_source_file_key(source, path, slot->file),
                     NGX_OK);
    slot->path = *path;

    return slot;
}


/* a file of a source of CAs, which has now these certificates */

static inline ngx_mtls_slot_t *
compiled(ngx_mtls_source_t *source, pki_t **certs, ngx_uint_t n)
{
    ngx_str_t  path;

    path = live_file(certs, n);
    memcpy(job.source_key, source->key, NGX_MTLS_HASH_LEN);

    if (live_compile(&path, source->partial) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    return slot_of(source, &path);
}


/* an empty CRL of the root's */

static inline ngx_mtls_slot_t *
compiled_crl(ngx_mtls_source_t *source)
{
    ngx_mtls_job_t  crl;

    crl = job;
    crl.kind = NGX_MTLS_SOURCE_CRL;
    crl.path = source->path;
    crl.ca = conf.configured;
    memcpy(crl.source_key, source->key, NGX_MTLS_HASH_LEN);

    if (ngx_mtls_crl_compile(&crl, pool, &made, &nmade, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    return slot_of(source, &source->path);
}


/* the next generation, of the slots and sources so far */

static inline void
publish(ngx_uint_t trust)
{
    ngx_mtls_manifest_t  m;

    ngx_memzero(&m, sizeof(ngx_mtls_manifest_t));

    m.generation = zone->generation + 1;
    m.words[NGX_MTLS_WORD_TRUST] = trust;
    m.slots = slots;
    m.nslots = nslots;
    m.attempted = attempted;
    m.nattempted = nattempted;

    if (ngx_mtls_manifest_write(&conf.dir, zone, &m, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    zone->words[NGX_MTLS_WORD_TRUST] = trust;
    zone->generation = m.generation;
}


#define certs(...)                                                           \
    (pki_t *[]) { __VA_ARGS__ },                                             \
    sizeof((pki_t *[]) { __VA_ARGS__ }) / sizeof(pki_t *)

#define p(f)                                                                 \
    cmocka_unit_test_setup_teardown(f, publish_setup, publish_teardown)


#endif /* _PUBLISH_H_INCLUDED_ */
