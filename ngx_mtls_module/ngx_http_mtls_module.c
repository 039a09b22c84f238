
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: directives, configuration levels, phases.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


static char *ngx_http_mtls_early_data(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
extern ngx_module_t  ngx_http_rewrite_module;


static ngx_int_t ngx_http_mtls_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_mtls_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_mtls_create_main_conf(ngx_conf_t *cf);
static void ngx_http_mtls_read_running(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static void ngx_http_mtls_cleanup(void *data);
static char *ngx_http_mtls_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_mtls_create_srv_conf(ngx_conf_t *cf);
static char *ngx_http_mtls_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void *ngx_http_mtls_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_mtls_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_mtls_merge_deny(ngx_conf_t *cf, ngx_array_t *prev,
    ngx_array_t **conf);
static ngx_int_t ngx_http_mtls_add_state_path(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
static ngx_int_t ngx_http_mtls_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_http_mtls_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_mtls_init_process(ngx_cycle_t *cycle);


static ngx_str_t  ngx_http_mtls_zone_name = ngx_string("ngx_mtls");


static ngx_conf_enum_t  ngx_http_mtls_early_data_values[] = {
    { ngx_string("deny"), NGX_MTLS_EARLY_DENY },
    { ngx_string("safe"), NGX_MTLS_EARLY_SAFE },
    { ngx_string("allow"), NGX_MTLS_EARLY_ALLOW },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_mtls_commands[] = {

    { ngx_string("mtls"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_mtls_mode,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_ca"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_mtls_ca,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_trust"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_trust,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_group"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_mtls_group,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_psd2"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_psd2,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LMT_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_deny"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LMT_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      1,
      NULL },

    { ngx_string("mtls_crl"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_crl,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_revocation"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_mtls_revocation,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_early_data"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_mtls_early_data,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mtls_loc_conf_t, rules.early_data),
      ngx_http_mtls_early_data_values },

    { ngx_string("mtls_error"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_mtls_error,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_state_path"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_mtls_state_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mtls_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_mtls_zone_size,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_mtls_module_ctx = {
    ngx_http_mtls_preconfiguration,        /* preconfiguration */
    ngx_http_mtls_postconfiguration,       /* postconfiguration */

    ngx_http_mtls_create_main_conf,        /* create main configuration */
    ngx_http_mtls_init_main_conf,          /* init main configuration */

    ngx_http_mtls_create_srv_conf,         /* create server configuration */
    ngx_http_mtls_merge_srv_conf,          /* merge server configuration */

    ngx_http_mtls_create_loc_conf,         /* create location configuration */
    ngx_http_mtls_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_mtls_module = {
    NGX_MODULE_V1,
    &ngx_http_mtls_module_ctx,             /* module context */
    ngx_http_mtls_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_mtls_init_module,             /* init module */
    ngx_http_mtls_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_mtls_early_data(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mtls_used(cf);

    return ngx_conf_set_enum_slot(cf, cmd, conf);
}


static ngx_int_t
ngx_http_mtls_preconfiguration(ngx_conf_t *cf)
{
    if (ngx_mtls_evidence_init(cf->log) != NGX_OK
        || ngx_mtls_session_init(cf->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mtls_add_variables(cf);
}


static ngx_int_t
ngx_http_mtls_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);

    if (ngx_http_mtls_compile_variables(cf, mmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!mmcf->active) {

        if (mmcf->file.len) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"mtls_ca\" is not configured, but an \"mtls_*\" "
                          "directive is in %V:%ui; add \"mtls_ca LABEL FILE\"",
                          &mmcf->file, mmcf->line);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_mtls_resolve(cf, mmcf) != NGX_OK
        || ngx_http_mtls_add_state_path(cf, mmcf) != NGX_OK
        || ngx_http_mtls_check(cf, mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mmcf->core.shm_zone->init = ngx_http_mtls_init_zone;
    mmcf->core.shm_zone->data = mmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_mtls_access_handler;

    return NGX_OK;
}


static void *
ngx_http_mtls_create_main_conf(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mtls_main_conf_t));
    if (mmcf == NULL) {
        return NULL;
    }

    mmcf->cycle = cf->cycle;
    mmcf->zone_size = NGX_CONF_UNSET_SIZE;

    mmcf->core.configured = ngx_mtls_ca_create(cf->pool);
    mmcf->core.policy = ngx_mtls_policy_create(cf->pool);

    if (mmcf->core.configured == NULL || mmcf->core.policy == NULL) {
        return NULL;
    }

    mmcf->core.ca = ngx_mtls_ca_ref(mmcf->core.configured);

    ngx_http_mtls_read_running(cf, mmcf);

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_mtls_cleanup;
    cln->data = mmcf;

    if (ngx_array_init(&mmcf->core.sources, cf->pool, 4,
                       sizeof(ngx_mtls_source_t))
        != NGX_OK
        || ngx_array_init(&mmcf->labels, cf->pool, 4,
                          sizeof(ngx_http_mtls_where_t))
           != NGX_OK
        || ngx_array_init(&mmcf->rules, cf->pool, 4,
                          sizeof(ngx_http_mtls_rule_t *))
           != NGX_OK
        || ngx_array_init(&mmcf->places, cf->pool, 16,
                          sizeof(ngx_http_mtls_place_t))
           != NGX_OK)
    {
        return NULL;
    }

    return mmcf;
}


/* the generation that is published while no file has been read yet */

static void
ngx_http_mtls_read_running(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_uint_t        i;
    ngx_str_t        *name;
    ngx_cycle_t      *old;
    ngx_shm_zone_t   *shm_zone;
    ngx_list_part_t  *part;
    ngx_mtls_zone_t  *zone;

    old = cf->cycle->old_cycle;
    name = &ngx_http_mtls_zone_name;

    /* the first cycle of a process has no list */

    if (old == NULL || old->shared_memory.part.nelts == 0) {
        return;
    }

    part = &old->shared_memory.part;
    shm_zone = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            part = part->next;

            if (part == NULL) {
                return;
            }

            shm_zone = part->elts;
            i = 0;
        }

        if (shm_zone[i].tag == &ngx_http_mtls_module
            && shm_zone[i].shm.addr
            && shm_zone[i].shm.name.len == name->len
            && ngx_memcmp(shm_zone[i].shm.name.data, name->data, name->len)
               == 0)
        {
            zone = ngx_mtls_zone(&shm_zone[i]);

            if (zone) {
                mmcf->core.read_generation = ngx_mtls_zone_generation(zone);
                mmcf->core.read_trust = zone->words[NGX_MTLS_WORD_TRUST];
            }

            return;
        }
    }
}


static void
ngx_http_mtls_cleanup(void *data)
{
    ngx_http_mtls_main_conf_t *mmcf = data;

    ngx_mtls_manager_release(&mmcf->core);
}


static char *
ngx_http_mtls_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_mtls_main_conf_t *mmcf = conf;

    if (!mmcf->active) {
        return NGX_CONF_OK;
    }

    ngx_conf_init_size_value(mmcf->zone_size, 8 * 1024 * 1024);

    mmcf->core.shm_zone = ngx_shared_memory_add(cf, &ngx_http_mtls_zone_name,
                                                mmcf->zone_size,
                                                &ngx_http_mtls_module);
    if (mmcf->core.shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_mtls_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_mtls_srv_conf_t));
}


static char *
ngx_http_mtls_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_mtls_srv_conf_t *prev = parent;
    ngx_http_mtls_srv_conf_t *conf = child;

    (void) cf;

    if (conf->trust_names == NULL) {
        conf->trust_names = prev->trust_names;
        conf->file = prev->file;
        conf->line = prev->line;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_mtls_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_mtls_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mtls_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->rules.mode = NGX_CONF_UNSET_UINT;
    conf->rules.revocation = NGX_CONF_UNSET_UINT;
    conf->rules.unknown = NGX_CONF_UNSET_UINT;
    conf->rules.early_data = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_mtls_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_mtls_loc_conf_t *prev = parent;
    ngx_http_mtls_loc_conf_t *conf = child;

    ngx_uint_t                  own;
    ngx_http_mtls_place_t      *place;
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mtls_module);

    ngx_conf_merge_uint_value(conf->rules.mode, prev->rules.mode,
                              NGX_MTLS_MODE_ON);
    ngx_conf_merge_uint_value(conf->rules.revocation, prev->rules.revocation,
                              mmcf->core.ncrls
                              ? NGX_MTLS_REVOCATION_CHAIN
                              : NGX_MTLS_REVOCATION_OFF);
    ngx_conf_merge_uint_value(conf->rules.unknown, prev->rules.unknown,
                              NGX_MTLS_UNKNOWN_DENY);
    ngx_conf_merge_uint_value(conf->rules.early_data, prev->rules.early_data,
                              NGX_MTLS_EARLY_SAFE);

    own = (conf->rules.allow != NULL);

    if (!own) {
        conf->rules.allow = prev->rules.allow;
    }

    if (conf->error == NULL) {
        conf->error = prev->error;
    }

    if (ngx_http_mtls_merge_deny(cf, prev->rules.deny, &conf->rules.deny)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    place = ngx_array_push(&mmcf->places);
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }

    place->mlcf = conf;
    place->own = own;
    place->clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    place->cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    /* its structure is private, but begins with the codes */

    place->rewrite = ngx_http_conf_get_module_loc_conf(cf,
                                                     ngx_http_rewrite_module);

    return NGX_CONF_OK;
}


/* mtls_deny accumulates from http{} inwards */

static char *
ngx_http_mtls_merge_deny(ngx_conf_t *cf, ngx_array_t *prev,
    ngx_array_t **conf)
{
    ngx_array_t       *own, *all;
    ngx_mtls_rule_t  **rule;

    own = *conf;

    if (own == NULL) {
        *conf = prev;
        return NGX_CONF_OK;
    }

    if (prev == NULL) {
        return NGX_CONF_OK;
    }

    all = ngx_array_create(cf->pool, prev->nelts + own->nelts,
                           sizeof(ngx_mtls_rule_t *));
    if (all == NULL) {
        return NGX_CONF_ERROR;
    }

    rule = ngx_array_push_n(all, prev->nelts + own->nelts);

    ngx_memcpy(rule, prev->elts, prev->nelts * sizeof(ngx_mtls_rule_t *));
    ngx_memcpy(rule + prev->nelts, own->elts,
               own->nelts * sizeof(ngx_mtls_rule_t *));

    *conf = all;

    return NGX_CONF_OK;
}


/*
 * The state path brings nginx's cache manager process to life, so it is there
 * only where a source wants to be watched.
 */

static ngx_int_t
ngx_http_mtls_add_state_path(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    u_char                      *p;
    ngx_path_t                  *path;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_core_srv_conf_t   **cscfp;

    if (mmcf->core.sources.nelts == 0) {
        return NGX_OK;
    }

    path = mmcf->state_path;

    if (path == NULL) {

        /* "mtls" beside the client body temporary path */

        cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

        if (cmcf->servers.nelts == 0) {
            return NGX_OK;
        }

        cscfp = cmcf->servers.elts;
        clcf = cscfp[0]->ctx->loc_conf[ngx_http_core_module.ctx_index];

        path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
        if (path == NULL) {
            return NGX_ERROR;
        }

        path->name = clcf->client_body_temp_path->name;

        while (path->name.len && path->name.data[path->name.len - 1] != '/') {
            path->name.len--;
        }

        p = ngx_pnalloc(cf->pool, path->name.len + sizeof("mtls"));
        if (p == NULL) {
            return NGX_ERROR;
        }

        path->name.len = ngx_sprintf(p, "%Vmtls%Z", &path->name) - p - 1;
        path->name.data = p;
    }

    path->manager = ngx_mtls_manager;
    path->data = &mmcf->core;
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    mmcf->core.state_path = path;

    return ngx_add_path(cf, &mmcf->core.state_path);
}


static ngx_int_t
ngx_http_mtls_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_mtls_main_conf_t  *mmcf = shm_zone->data;

    u_char           *p;
    ngx_mtls_zone_t  *zone;

    if (ngx_mtls_zone_init(shm_zone, data) != NGX_OK) {
        return NGX_ERROR;
    }

    if (data == NULL) {

        /* a zone of another size, and so another run */

        mmcf->core.read_generation = 0;
        mmcf->core.read_trust = 0;
    }

    mmcf->core.trust = mmcf->core.read_trust;

    if (mmcf->core.state_path) {
        zone = ngx_mtls_zone(shm_zone);

        p = ngx_pnalloc(mmcf->cycle->pool,
                        mmcf->core.state_path->name.len
                        + 2 * NGX_MTLS_RUN_ID_LEN + 2);
        if (p == NULL) {
            return NGX_ERROR;
        }

        mmcf->core.dir.data = p;

        p = ngx_cpymem(p, mmcf->core.state_path->name.data,
                       mmcf->core.state_path->name.len);
        *p++ = '/';
        p = ngx_hex_dump(p, zone->run_id, NGX_MTLS_RUN_ID_LEN);
        *p = '\0';

        mmcf->core.dir.len = p - mmcf->core.dir.data;
    }

    return ngx_http_mtls_check_user(mmcf, data, shm_zone->shm.log);
}


/*
 * A module that is loaded later comes before us in the access phase, and under
 * "satisfy any" the first one that is satisfied ends it: ours goes first, or
 * nobody would ask it about a certificate that is revoked.
 */

static ngx_int_t
ngx_http_mtls_init_module(ngx_cycle_t *cycle)
{
    ngx_http_phase_handler_t   *ph, *first, own;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf == NULL) {
        return NGX_OK;
    }

    first = NULL;

    for (ph = cmcf->phase_engine.handlers; ph->checker; ph++) {

        if (ph->checker != ngx_http_core_access_phase) {
            continue;
        }

        if (first == NULL) {
            first = ph;
        }

        if (ph->handler == ngx_http_mtls_access_handler) {
            own = *ph;
            ngx_memmove(first + 1, first, (u_char *) ph - (u_char *) first);
            *first = own;

            break;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mtls_init_process(ngx_cycle_t *cycle)
{
    ngx_http_mtls_main_conf_t  *mmcf;

    mmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mtls_module);

    if (mmcf == NULL || mmcf->core.state_path == NULL) {
        return NGX_OK;
    }

    switch (ngx_process) {

    case NGX_PROCESS_WORKER:

        /* what is published is mapped before the first request comes */

        (void) ngx_mtls_manager_sync(&mmcf->core, cycle->log);

        return NGX_OK;

    case NGX_PROCESS_SINGLE:

        /* without a master there is no cache manager process */

        return ngx_mtls_manager_start(&mmcf->core, cycle);

    default:
        return NGX_OK;
    }
}
