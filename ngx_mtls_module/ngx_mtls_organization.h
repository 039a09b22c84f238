
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The organizationIdentifier of a subject (ETSI EN 319 412-1, 5.1.4; TS 119
 * 495, 5.2.1) and its parts.
 */


#ifndef _NGX_MTLS_ORGANIZATION_H_INCLUDED_
#define _NGX_MTLS_ORGANIZATION_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_certificate.h>


/* parts of the text that was split; one that its scheme has not is empty */
struct ngx_mtls_organization_s {
    ngx_mtls_values_t             whole;     /* set by whoever splits it */
    ngx_str_t                     scheme;    /* "PSD", "NTR", "VAT", "LEI",
                                                national "EI:", "OFBBR",
                                                "OPIBR" */
    ngx_str_t                     country;
    ngx_str_t                     state;     /* "HE" of "NTRDE+HE-…" */
    ngx_str_t                     authority; /* "BAFIN" of "PSDDE-BAFIN-…" */
    ngx_str_t                     value;     /* the rest, hyphens and all */
};


/* NGX_DECLINED: the text has none of these forms, all parts are empty */
ngx_int_t ngx_mtls_organization_split(ngx_str_t *text,
    ngx_mtls_organization_t *org);


#endif /* _NGX_MTLS_ORGANIZATION_H_INCLUDED_ */
