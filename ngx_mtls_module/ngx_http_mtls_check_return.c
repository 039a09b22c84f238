
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The HTTP front: "return" answers before access is checked, so what it
 * discloses is protected by no rule.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_mtls_module.h>


extern ngx_module_t  ngx_http_rewrite_module;


/* a "return" that discloses something */
typedef struct {
    ngx_uint_t                     found;
    ngx_uint_t                     inside;   /* of an "if" */
    ngx_uint_t                     always;   /* nothing behind it is reached */
} ngx_http_mtls_return_t;


static ngx_uint_t ngx_http_mtls_return_guarded(ngx_http_mtls_place_t *place);
static void ngx_http_mtls_return_find(ngx_array_t **rewrite, ngx_uint_t own,
    ngx_http_mtls_return_t *ret);
static ngx_uint_t ngx_http_mtls_return_discloses(
    ngx_http_script_return_code_t *code, ngx_uint_t inside, ngx_uint_t own);
static void ngx_http_mtls_return_warn(ngx_conf_t *cf,
    ngx_http_mtls_place_t *place, ngx_str_t *name,
    ngx_http_mtls_return_t *ret);


/*
 * The codes of a server run before those of its locations, whose rules they
 * leave alone as well: one warning is enough for all of these.
 */

ngx_int_t
ngx_http_mtls_check_returns(ngx_conf_t *cf, ngx_http_mtls_main_conf_t *mmcf)
{
    ngx_str_t                  all;
    ngx_uint_t                 i, warned;
    ngx_http_mtls_place_t     *place;
    ngx_http_mtls_return_t     ret, server;
    ngx_http_core_srv_conf_t  *cscf;

    ngx_str_set(&all, "*");
    ngx_memzero(&server, sizeof(ngx_http_mtls_return_t));

    cscf = NULL;
    warned = 0;
    place = mmcf->places.elts;

    for (i = 0; i < mmcf->places.nelts; i++) {

        /* a server is merged before what is in it */

        if (place[i].cscf != cscf) {
            cscf = place[i].cscf;
            warned = 0;
            ngx_http_mtls_return_find(place[i].rewrite, place[i].own, &server);
        }

        if (!ngx_http_mtls_return_guarded(&place[i])) {
            continue;
        }

        if (server.found && !warned) {
            ngx_http_mtls_return_warn(cf, &place[i], &all, &server);
            warned = 1;
        }

        /*
         * an "if" shares the codes of what it stands in, and the other ones
         * are reached only by a location that has been asked
         */

        if (server.always
            || place[i].clcf == cscf->ctx->loc_conf[
                                                ngx_http_core_module.ctx_index]
            || place[i].clcf->noname
            || place[i].clcf->named
            || place[i].clcf->internal)
        {
            continue;
        }

        ngx_http_mtls_return_find(place[i].rewrite, place[i].own, &ret);

        if (ret.found) {
            ngx_http_mtls_return_warn(cf, &place[i], &place[i].clcf->name,
                                      &ret);
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_mtls_returns(ngx_http_mtls_place_t *place)
{
    ngx_http_mtls_return_t   ret;

    ngx_http_mtls_return_find(
          place->cscf->ctx->loc_conf[ngx_http_rewrite_module.ctx_index], 0,
          &ret);

    if (!ret.always) {
        ngx_http_mtls_return_find(place->rewrite, 0, &ret);
    }

    return ret.always && !ret.found;
}


static ngx_uint_t
ngx_http_mtls_return_guarded(ngx_http_mtls_place_t *place)
{
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = place->cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    return place->mlcf->rules.allow
           && place->mlcf->rules.mode != NGX_MTLS_MODE_OFF
           && sscf->verify;
}


/*
 * Codes are of many kinds and sizes, other modules' too, but each begins with
 * the pointer of its function, which nothing else in them is equal to.
 */

static void
ngx_http_mtls_return_find(ngx_array_t **rewrite, ngx_uint_t own,
    ngx_http_mtls_return_t *ret)
{
    size_t                      n, end, size;
    u_char                     *p;
    ngx_array_t                *codes;
    ngx_http_script_code_pt     code;
    ngx_http_script_if_code_t  *test;

    ngx_memzero(ret, sizeof(ngx_http_mtls_return_t));

    codes = rewrite ? *rewrite : NULL;
    if (codes == NULL) {
        return;
    }

    end = 0;
    size = codes->nelts;

    for (n = 0; n + sizeof(uintptr_t) <= size; n += sizeof(uintptr_t)) {

        p = (u_char *) codes->elts + n;
        code = *(ngx_http_script_code_pt *) p;

        if (code == ngx_http_script_if_code
            && n + sizeof(ngx_http_script_if_code_t) <= size)
        {
            test = (ngx_http_script_if_code_t *) p;
            end = n + ngx_min(test->next, size - n);

        } else if (code == ngx_http_script_break_code && n >= end) {
            return;

        } else if (code
                   == (ngx_http_script_code_pt) ngx_http_script_return_code
                   && n + sizeof(ngx_http_script_return_code_t) <= size)
        {
            ret->inside = (n < end);
            ret->always = !ret->inside;
            ret->found = ngx_http_mtls_return_discloses(
                                       (ngx_http_script_return_code_t *) p,
                                       ret->inside, own);

            if (ret->found || ret->always) {
                return;
            }
        }
    }

    ret->inside = 0;
}


/*
 * An error is a refusal like ours.  A redirect, or a short answer to some
 * requests such as CORS preflights, is meant for everybody: it is a mistake
 * only where somebody wrote a rule for it.
 */

static ngx_uint_t
ngx_http_mtls_return_discloses(ngx_http_script_return_code_t *code,
    ngx_uint_t inside, ngx_uint_t own)
{
    if (code->status >= 400) {
        return 0;
    }

    if (inside) {
        return code->status < 300 && code->text.value.len != 0;
    }

    return code->status < 300 || own;
}


static void
ngx_http_mtls_return_warn(ngx_conf_t *cf, ngx_http_mtls_place_t *place,
    ngx_str_t *name, ngx_http_mtls_return_t *ret)
{
    ngx_mtls_rule_t  **allow;

    allow = place->mlcf->rules.allow->elts;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"mtls_allow\" in %V:%ui does not protect location \"%V\" "
                  "of the server in %s:%ui, since \"return\"%s answers there "
                  "before access is checked; put \"return\" into a named "
                  "location and reach it by \"try_files\"",
                  &allow[0]->file, allow[0]->line, name,
                  place->cscf->file_name, place->cscf->line,
                  ret->inside ? " in an \"if\"" : "");
}
