
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * SPIFFE IDs and the certificates that carry them: the rules of the SPIFFE-ID
 * and X509-SVID standards.
 */


#ifndef _NGX_MTLS_SPIFFE_H_INCLUDED_
#define _NGX_MTLS_SPIFFE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>


#define NGX_MTLS_SPIFFE_LEN          2048  /* of an ID (SPIFFE-ID 2.3) */
#define NGX_MTLS_SPIFFE_DOMAIN_LEN   255   /* of a trust domain's name */


/* all point into the URI */
typedef struct {
    ngx_str_t                     id;
    ngx_str_t                     trust_domain;
    ngx_str_t                     path;      /* with its "/", or empty */
} ngx_mtls_spiffe_t;


/* what a certificate says by SPIFFE */
struct ngx_mtls_svid_s {
    ngx_mtls_spiffe_t             spiffe;    /* data is NULL where "wrong" */
    ngx_uint_t                    n;         /* 0: nothing, it is no SVID */
    const char                   *wrong;     /* the rule that it breaks, as
                                                text; NULL: none */
};


/*
 * A SPIFFE ID (SPIFFE-ID 2), with or without a path.  NULL: it is valid; else
 * the rule that it breaks, as text.
 */
const char *ngx_mtls_spiffe_id(ngx_str_t *uri, ngx_mtls_spiffe_t *spiffe);

/*
 * A pattern for the ID of a workload: the same, with a path, in which "*" may
 * be a segment and "**" the last one.
 */
const char *ngx_mtls_spiffe_pattern(ngx_str_t *text,
    ngx_mtls_spiffe_t *spiffe);

/* the name of a trust domain (SPIFFE-ID 2.1); NULL or text as above */
const char *ngx_mtls_spiffe_domain(ngx_str_t *name);

/*
 * The trust domain that every ID has which a regular expression for the whole
 * of it matches, copied to "domain" of NGX_MTLS_SPIFFE_DOMAIN_LEN octets: it is
 * there as a literal.  NGX_DECLINED: it is not.
 */
ngx_int_t ngx_mtls_spiffe_regex(ngx_str_t *regex, ngx_str_t *domain);

/*
 * The host for which a URI of scheme "spiffe" speaks, valid or not: without
 * user and port, in the case in which it stands.  NGX_DECLINED: it is of
 * another scheme.
 */
ngx_int_t ngx_mtls_spiffe_claim(ngx_str_t *uri, ngx_str_t *domain);

/*
 * What a certificate says, judged by X509-SVID 2, 3.1, 4.1, 4.3 and 5.2: one
 * URI, which is the ID of a workload; no CA; a critical keyUsage with
 * digitalSignature, without keyCertSign and cRLSign.  A URI that cannot be
 * decoded could be any.  Costs nothing after the first call.  NGX_ERROR: out of
 * memory.
 */
ngx_int_t ngx_mtls_spiffe_svid(ngx_mtls_certificate_t *cert,
    ngx_mtls_svid_t **svid);


#endif /* _NGX_MTLS_SPIFFE_H_INCLUDED_ */
