
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a test of judgement needs around it: CA files, a zone, and a manifest
 * of CRLs that were compiled as the manager has them compiled.
 */


#include "world.h"

#include <stdio.h>


void
world_begin(world_t *w)
{
    shim_reset();

    ngx_memzero(w, sizeof(world_t));

    w->dir = pki_dir();
    w->pool = shim_pool();
    w->shm_zone = shim_zone_create(1024 * 1024);

    assert_int_equal(ngx_mtls_zone_init(w->shm_zone, NULL), NGX_OK);
    w->zone = ngx_mtls_zone(w->shm_zone);

    w->ca = ngx_mtls_ca_create(w->pool);
    assert_non_null(w->ca);
}


void
world_end(world_t *w)
{
    if (w->manifest) {
        ngx_mtls_manifest_destroy(w->manifest);
    }

    ngx_destroy_pool(w->pool);
    shim_zone_destroy(w->shm_zone);
    pki_dir_remove(w->dir);
}


ngx_int_t
world_ca(world_t *w, const char *label, ngx_str_t *path, ngx_uint_t partial)
{
    ngx_str_t          name;
    ngx_mtls_label_t  *l;

    name.data = (u_char *) label;
    name.len = strlen(label);

    assert_int_equal(ngx_mtls_ca_label(w->ca, &name, NGX_CONF_UNSET_UINT,
                                       NGX_CONF_UNSET_UINT, &l, &w->err),
                     NGX_OK);

    return ngx_mtls_ca_file(w->ca, l, path, partial, NGX_MTLS_CA_STATIC,
                            &w->err);
}


void
world_ca_finish(world_t *w)
{
    if (ngx_mtls_ca_finish(w->ca, &w->err) != NGX_OK) {
        fail_msg("%.*s", (int) w->err.len, w->err.text);
    }
}


ngx_int_t
world_crl(world_t *w, ngx_str_t *path, time_t grace, time_t max_age)
{
    char                  from[512], to[512];
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    ngx_mtls_slot_t      *slot;
    ngx_mtls_job_t        job;
    ngx_mtls_made_t      *made;

    ngx_memzero(&job, sizeof(ngx_mtls_job_t));

    job.path = *path;
    job.dir.data = (u_char *) w->dir;
    job.dir.len = strlen(w->dir);
    job.ca = w->ca;
    ngx_memcpy(job.run_id, w->zone->run_id, NGX_MTLS_RUN_ID_LEN);
    assert_int_equal(ngx_mtls_sha256(path->data, path->len, job.source_key),
                     NGX_OK);

    rc = ngx_mtls_crl_compile(&job, w->pool, &made, &n, &w->err);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < n; i++) {
        assert_true(w->nslots < WORLD_SLOTS);

        snprintf(from, sizeof(from), "%s/%s.tmp", w->dir, made[i].name);
        snprintf(to, sizeof(to), "%s/%s", w->dir, made[i].name);
        assert_int_equal(rename(from, to), 0);

        slot = &w->slots[w->nslots++];

        ngx_memcpy(slot->source, job.source_key, NGX_MTLS_HASH_LEN);
        ngx_memcpy(slot->file, job.source_key, NGX_MTLS_HASH_LEN);
        ngx_memcpy(slot->hash, made[i].hash, NGX_MTLS_HASH_LEN);
        ngx_memcpy(slot->name, made[i].name, sizeof(slot->name));
        slot->path = *path;
        slot->grace = grace;
        slot->max_age = max_age;
    }

    return NGX_OK;
}


void
world_publish(world_t *w)
{
    ngx_str_t             dir;
    ngx_mtls_manifest_t   m, *old;

    ngx_memzero(&m, sizeof(ngx_mtls_manifest_t));

    m.generation = w->zone->generation + 1;
    m.slots = w->slots;
    m.nslots = w->nslots;

    dir.data = (u_char *) w->dir;
    dir.len = strlen(w->dir);

    if (ngx_mtls_manifest_write(&dir, w->zone, &m, &w->err) != NGX_OK) {
        fail_msg("%.*s", (int) w->err.len, w->err.text);
    }

    w->zone->generation = m.generation;

    old = w->manifest;

    if (ngx_mtls_manifest_read(&dir, w->zone, NULL, old, &shim_log,
                               &w->manifest, &w->err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) w->err.len, w->err.text);
    }

    if (old) {
        ngx_mtls_manifest_destroy(old);
    }
}


void
world_parse(world_t *w, X509 *x509, ngx_mtls_certificate_t *cert)
{
    int             n;
    ngx_str_t       der;
    unsigned char  *p;

    n = i2d_X509(x509, NULL);
    assert_true(n > 0);

    der.len = n;
    der.data = ngx_pnalloc(w->pool, n);
    p = der.data;
    i2d_X509(x509, &p);

    if (ngx_mtls_certificate_parse(w->pool, &der, NULL, cert, &w->err)
        != NGX_OK)
    {
        fail_msg("%.*s", (int) w->err.len, w->err.text);
    }
}


void
world_issuer(world_t *w, X509 *x509, ngx_mtls_ca_cert_t *cert)
{
    ngx_memzero(cert, sizeof(ngx_mtls_ca_cert_t));

    world_parse(w, x509, &cert->facts);
    assert_int_equal(ngx_mtls_name_hash(w->pool, &cert->facts.subject,
                                        cert->subject),
                     NGX_OK);
}
