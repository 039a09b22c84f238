
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the files of the HTTP front share: configurations and the record of a
 * request.
 */


#ifndef _NGX_HTTP_MTLS_MODULE_H_INCLUDED_
#define _NGX_HTTP_MTLS_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_mtls.h>
#include <ngx_mtls_decision.h>
#include <ngx_mtls_manager.h>
#include <ngx_mtls_psd2.h>
#include <ngx_mtls_session.h>


/* a line of the configuration */
typedef struct {
    ngx_str_t                      file;
    ngx_uint_t                     line;
} ngx_http_mtls_where_t;


typedef struct {
    /* what the rooms below know */
    ngx_mtls_conf_t                core;

    ngx_cycle_t                   *cycle;

    ngx_uint_t                     active;      /* there is an mtls_ca */
    ngx_path_t                    *state_path;
    size_t                         zone_size;

    /* the first mtls_* directive, for the error without any mtls_ca */
    ngx_str_t                      file;
    ngx_uint_t                     line;

    ngx_array_t                    labels;      /* where: by number */
    ngx_array_t                    rules;     /* of ngx_http_mtls_rule_t * */
    ngx_array_t                    places;      /* of ngx_http_mtls_place_t */
} ngx_http_mtls_main_conf_t;


typedef struct {
    ngx_array_t                   *trust_names; /* of ngx_str_t */
    ngx_str_t                      file;        /* of mtls_trust */
    ngx_uint_t                     line;

    ngx_mtls_server_t              server;
} ngx_http_mtls_srv_conf_t;


/* one mtls_error */
typedef struct {
    ngx_uint_t                     form;
    ngx_uint_t                    *status;      /* by reason; 0: its own */
} ngx_http_mtls_error_t;


typedef struct {
    ngx_mtls_rules_t               rules;
    ngx_http_mtls_error_t         *error;       /* NULL: none */

    ngx_str_t                      mode_file;   /* of this level's "mtls" */
    ngx_uint_t                     mode_line;
} ngx_http_mtls_loc_conf_t;


/* an mtls_allow or mtls_deny and where it was written */
typedef struct {
    ngx_mtls_rule_t                rule;
    ngx_uint_t                     deny;
    ngx_http_core_srv_conf_t      *cscf;        /* http{}'s, if there */
    ngx_http_core_srv_conf_t      *alone;       /* warned of a deny there */
} ngx_http_mtls_rule_t;


/* every level of configuration that was merged */
typedef struct {
    ngx_http_mtls_loc_conf_t      *mlcf;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_core_srv_conf_t      *cscf;
    ngx_array_t                  **rewrite;     /* codes; NULL: no module */
    ngx_uint_t                     own;         /* has an mtls_allow itself */
} ngx_http_mtls_place_t;


/* of a request that waits for the first load of a source */
typedef struct {
    ngx_event_t                    event;
    ngx_msec_t                     deadline;
} ngx_http_mtls_wait_t;


/*
 * One per main request, found by its pool's cleanup: what was decided.  The
 * first refusal stays, whatever later locations say.
 */
typedef struct {
    ngx_mtls_session_t            *session;     /* a reference or NULL */
    ngx_mtls_verdict_t            *verdict;     /* a reference or NULL */
    ngx_mtls_decision_t            decision;
    ngx_http_mtls_loc_conf_t      *policy;      /* that decided; NULL: none */
    ngx_http_mtls_wait_t          *wait;

    unsigned                       sampled:1;   /* early is known */
    unsigned                       early:1;     /* came as early data */
} ngx_http_mtls_record_t;


/* the record; made if "make"; NULL: none, or out of memory */
ngx_http_mtls_record_t *ngx_http_mtls_record(ngx_http_request_t *r,
    ngx_uint_t make);

/*
 * The client certificate's session of a request, held by its record.
 * NGX_OK, NGX_DECLINED: plain HTTP or no certificate, NGX_ERROR.
 */
ngx_int_t ngx_http_mtls_session(ngx_http_request_t *r,
    ngx_mtls_session_t **session);

/*
 * What the place of the request says now, without waiting and without
 * recording; "verdict" is a reference to be given back, or NULL.  For
 * variables that may be asked before the access phase.
 */
ngx_int_t ngx_http_mtls_preview(ngx_http_request_t *r,
    ngx_mtls_decision_t *decision, ngx_mtls_verdict_t **verdict);

ngx_int_t ngx_http_mtls_access_handler(ngx_http_request_t *r);

/*
 * Answers a refused request as mtls_error says; what the access handler is to
 * return.
 */
ngx_int_t ngx_http_mtls_error_answer(ngx_http_request_t *r,
    ngx_mtls_reason_e reason);

/*
 * Why nginx itself refused the request before any phase (495, 496, 497, 421);
 * NGX_MTLS_REASON_NONE: it did not.
 */
ngx_mtls_reason_e ngx_http_mtls_core_refusal(ngx_http_request_t *r);

/* words of directives, ended by an empty one */
typedef struct {
    ngx_str_t                      word;
    ngx_uint_t                     value;
} ngx_http_mtls_word_t;

extern ngx_http_mtls_word_t  ngx_http_mtls_revocations[];
extern ngx_http_mtls_word_t  ngx_http_mtls_unknowns[];

/* the value of the word that "arg" is; NGX_DECLINED: of none */
ngx_int_t ngx_http_mtls_word(ngx_str_t *arg, ngx_http_mtls_word_t *words,
    ngx_uint_t *value);

/* what follows the prefix in "arg"; NGX_DECLINED: it begins otherwise */
ngx_int_t ngx_http_mtls_prefixed(ngx_str_t *arg, const char *prefix,
    ngx_str_t *rest);

/* remembers the first mtls_* directive */
void ngx_http_mtls_used(ngx_conf_t *cf);

/* logs an error with its own place, or else the parser's */
char *ngx_http_mtls_fail(ngx_conf_t *cf, ngx_mtls_error_t *err);

/* directives */
char *ngx_http_mtls_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_ca(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_trust(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_group(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_psd2(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_revocation(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mtls_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mtls_state_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mtls_zone_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Resolves names, attaches the callbacks, and refuses or warns of what
 * nginx -t should; from postconfiguration.
 */
ngx_int_t ngx_http_mtls_resolve(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
ngx_int_t ngx_http_mtls_check(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
ngx_int_t ngx_http_mtls_check_returns(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);
ngx_int_t ngx_http_mtls_check_sources(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);

/*
 * " in FILE:LINE", where a variable of this name first stands in the files of
 * the configuration, in memory of the configuration's parser; empty: not found
 */
ngx_str_t ngx_http_mtls_where(ngx_conf_t *cf, ngx_str_t *name);

/* whether "return" refuses or redirects whatever comes to a place */
ngx_uint_t ngx_http_mtls_returns(ngx_http_mtls_place_t *place);

/*
 * What the worker user may do with files, and whether it is another one than
 * before a reload; from the zone's init, where the user is known.  "old" is
 * the configuration that runs, or NULL.
 */
ngx_int_t ngx_http_mtls_check_user(ngx_http_mtls_main_conf_t *mmcf,
    ngx_http_mtls_main_conf_t *old, ngx_log_t *log);

/* sets a variable; an empty value is "not found" */
ngx_int_t ngx_http_mtls_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *value);

/* variables of facts; "data" is a group's index, an attribute or a name */
ngx_int_t ngx_http_mtls_variable_ca(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_mtls_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_mtls_variable_group(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_mtls_variable_attribute(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_mtls_variable_prefix(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

ngx_int_t ngx_http_mtls_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_mtls_compile_variables(ngx_conf_t *cf,
    ngx_http_mtls_main_conf_t *mmcf);


extern ngx_module_t  ngx_http_mtls_module;


#endif /* _NGX_HTTP_MTLS_MODULE_H_INCLUDED_ */
