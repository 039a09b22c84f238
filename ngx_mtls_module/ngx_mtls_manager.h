
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Background work: polls sources, has changed ones compiled by a child, and
 * publishes generations.  Lives in nginx's cache manager process.
 */


#ifndef _NGX_MTLS_MANAGER_H_INCLUDED_
#define _NGX_MTLS_MANAGER_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca.h>
#include <ngx_mtls_manifest.h>
#include <ngx_mtls_policy.h>
#include <ngx_mtls_source.h>
#include <ngx_mtls_zone.h>


/* of the process that does the background work */
typedef struct ngx_mtls_manager_s  ngx_mtls_manager_t;


/*
 * What the rooms below the fronts know of one configuration.  Everything but
 * the last part is constant once the configuration is read.
 */
typedef struct {
    ngx_mtls_ca_t                 *configured; /* as the master read it */
    ngx_mtls_policy_t             *policy;
    ngx_array_t                    sources;    /* of ngx_mtls_source_t */
    ngx_uint_t                     ncrls;      /* how many are of CRLs */
    ngx_uint_t                     ncas;       /* how many are of CAs */
    ngx_path_t                    *state_path;
    ngx_str_t                      dir;        /* state path/run id; set in
                                                  the zone's init */
    ngx_shm_zone_t                *shm_zone;

    /*
     * what the zone of the run that goes on said when the configuration began
     * to be read: the files were read after that
     */
    ngx_atomic_uint_t              read_generation;
    ngx_atomic_uint_t              read_trust;

    /* state of this process */
    ngx_mtls_ca_t                 *ca;         /* in force; a reference */
    ngx_atomic_uint_t              trust;      /* the zone's word, for "ca" */
    ngx_mtls_manifest_t           *manifest;
    ngx_atomic_uint_t              generation; /* of the zone, last looked at */
    ngx_uint_t                     loaded;     /* all sources were attempted */
    time_t                         failed;     /* last bad read of a manifest */
    ngx_msec_t                     failing;    /* since when, if it failed */
    ngx_uint_t                     held;       /* the run's folder is held */
    ngx_mtls_manager_t            *manager;
} ngx_mtls_conf_t;


/* the first load of a source may take this long before requests get a 503 */
#define NGX_MTLS_LOADING_TIMEOUT   5000


/*
 * ngx_path_manager_pt, "data" is a ngx_mtls_conf_t.  The first call starts the
 * work, which then has a timer and events of its own; returns when to call
 * again (ms).
 */
ngx_msec_t ngx_mtls_manager(void *data);

/* starts the work; under "master_process off" from init_process */
ngx_int_t ngx_mtls_manager_start(ngx_mtls_conf_t *conf, ngx_cycle_t *cycle);

/*
 * Brings the process to the zone's generation; with nothing to do cheap.
 * NGX_OK: conf->manifest may be used.  It is NULL where no source is
 * configured, and where the manager cannot publish anything: then what it
 * would have said is unknown.  NGX_AGAIN: a source of CRLs of this
 * configuration was never attempted, or what is trusted has changed and cannot
 * be read: loading.  A manifest that cannot be read leaves the last good one,
 * is logged once and tried again a second later; after NGX_MTLS_LOADING_TIMEOUT
 * it is loading, too, if lists or what is trusted have changed.  What conf->ca
 * points at may be another set afterwards.
 */
ngx_int_t ngx_mtls_manager_sync(ngx_mtls_conf_t *conf, ngx_log_t *log);

/* gives back what the process has mapped; at the end of a cycle */
void ngx_mtls_manager_release(ngx_mtls_conf_t *conf);


#endif /* _NGX_MTLS_MANAGER_H_INCLUDED_ */
