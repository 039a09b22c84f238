
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The PSD2 statement of a certificate (ETSI TS 119 495, 5.1): roles, and the
 * authority that granted them.
 */


#ifndef _NGX_MTLS_PSD2_H_INCLUDED_
#define _NGX_MTLS_PSD2_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>


#define NGX_MTLS_PSD2_ROLES_MAX   64    /* known ones, built in or added */
#define NGX_MTLS_PSD2_TEXT_MAX    256   /* characters of a name or an id */


/* what became of the statement; no role is known but of the last three */
typedef enum {
    NGX_MTLS_PSD2_NONE = 0,          /* there is none */
    NGX_MTLS_PSD2_MALFORMED,
    NGX_MTLS_PSD2_MISMATCH,          /* a role's name is not that of its OID */
    NGX_MTLS_PSD2_DUPLICATE,         /* two of them, or two extensions */
    NGX_MTLS_PSD2_OK,
    NGX_MTLS_PSD2_COMPAT_FLAT,
    NGX_MTLS_PSD2_COMPAT_UNWRAPPED
} ngx_mtls_psd2_status_e;


/* a role: its OID decides, and its name must be this one */
typedef struct {
    ngx_str_t                     oid;       /* content octets */
    ngx_str_t                     name;
} ngx_mtls_psd2_role_t;


/* how statements are read; without any, or all zeros: strictly */
struct ngx_mtls_psd2_rules_s {
    ngx_uint_t                    flat;      /* all roles in one SEQUENCE */
    ngx_uint_t                    unwrapped; /* one statement, not a list */
    ngx_mtls_psd2_role_t         *roles;     /* beside those built in */
    ngx_uint_t                    nroles;
};


/* everything points into the certificate, the rules or static memory */
typedef struct {
    ngx_mtls_psd2_status_e        status;
    uint64_t                      roles;     /* a set, by number */
    ngx_str_t                     nca_name;  /* UTF-8 */
    ngx_str_t                     nca;       /* NCAId, "DE-BAFIN" */
} ngx_mtls_psd2_t;


/*
 * Reads a PSD2QcType, which must be all of "info", into what is OK, MALFORMED,
 * MISMATCH or COMPAT_FLAT.  "rules" may be NULL.
 */
void ngx_mtls_psd2_read(ngx_mtls_psd2_rules_t *rules, ngx_mtls_der_t *info,
    ngx_mtls_psd2_t *psd2);

/* the name of a role by its number; NULL: there is no such number */
ngx_str_t *ngx_mtls_psd2_role(ngx_mtls_psd2_rules_t *rules,
    ngx_uint_t number);

/* whether a role has this name and gives a right, as "Unspecified" does not */
ngx_uint_t ngx_mtls_psd2_grants(ngx_mtls_psd2_rules_t *rules,
    ngx_str_t *name);

/*
 * Adds a role written as "OID:NAME", whose text must stay.  NGX_DECLINED: it
 * is wrong or known already, "err" says how; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_psd2_add(ngx_pool_t *pool, ngx_mtls_psd2_rules_t *rules,
    ngx_str_t *text, ngx_mtls_error_t *err);

/*
 * The country of the authority, "DE" of "DE-BAFIN".  NGX_DECLINED: there is
 * none, and need not be: the roles are of those that have no authority, and
 * the id says "NA" (TS 119 495, 5.2.3); NGX_ERROR: it cannot be told.
 */
ngx_int_t ngx_mtls_psd2_country(ngx_mtls_psd2_t *psd2, ngx_str_t *country);


#endif /* _NGX_MTLS_PSD2_H_INCLUDED_ */
