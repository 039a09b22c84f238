
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * CRLs that no honest tool makes: their DER is written as text.
 */


#ifndef _CRL_H_INCLUDED_
#define _CRL_H_INCLUDED_


#include "pki.h"

#include <ngx_mtls_crl.h>


/*
 * A piece of DER, of a pool.  As text: octets in hexadecimal, 'text' as it
 * is, and TAG{ ... } for an element whose length is counted.
 */
typedef struct {
    ngx_pool_t    *pool;
    u_char        *data;
    size_t         len;
    size_t         size;
} der_t;


void der_init(der_t *d, ngx_pool_t *pool);
void der_raw(der_t *d, const void *data, size_t len);

/* the test fails if the text is wrong */
void der_text(der_t *d, const char *text);


/* parts of a CertificateList as text; what is NULL is as usual */
typedef struct {
    const char    *version;      /* v2 */
    const char    *algorithm;    /* ecdsa-with-SHA256 */
    const char    *outer;        /* the same outside of the signed part */
    const char    *issuer;       /* the signer's subject */
    const char    *times;        /* CRL_TIMES */
    const char    *entries;      /* content, none */
    const char    *extensions;   /* content of the SEQUENCE, none */
    const char    *rest;         /* at the end of the signed part, none */

    const char    *digest;       /* "SHA256"; "": the key's own */
    int            pss;          /* RSASSA-PSS with a salt of this length,
                                    -1: of none */
} crl_spec_t;


#define CRL_TIME        "17{'230101000000Z'}"
#define CRL_TIMES       CRL_TIME "17{'490101000000Z'}"

#define CRL_ENTRY(n, more)  "30{02{" n "}" CRL_TIME more "}"

/* extension 2.5.29.n, n as two digits */
#define CRL_EXT(n, value)       "30{06{551d" n "}04{" value "}}"
#define CRL_EXT_CRITICAL(n, value)                                           \
    "30{06{551d" n "}0101ff04{" value "}}"

#define CRL_NUMBER(n)   CRL_EXT("14", "02{" n "}")
#define CRL_REASON(n)   "30{" CRL_EXT("15", "0a{" n "}") "}"
#define CRL_IDP(value)  CRL_EXT_CRITICAL("1c", "30{" value "}")


/* a CRL signed by this key */
der_t crl_make(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec);

/* the same as a PEM block */
ngx_str_t crl_pem(ngx_pool_t *pool, der_t *crl);

/* parses a copy that ends where its memory ends */
ngx_int_t crl_parse(ngx_pool_t *pool, const void *der, size_t len,
    ngx_mtls_crl_t *crl, ngx_mtls_error_t *err);

/* makes and parses one that must be good, must be refused; "what" names it */
void crl_good(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec,
    const char *what, ngx_mtls_crl_t *crl);
void crl_refused(ngx_pool_t *pool, pki_t *signer, const crl_spec_t *spec,
    const char *what, const char *cause);


#endif /* _CRL_H_INCLUDED_ */
