
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificates that a test needs, minted while it runs.
 */


#ifndef _PKI_H_INCLUDED_
#define _PKI_H_INCLUDED_


#include "shim.h"

#include <openssl/x509.h>


#define PKI_DAY         (24 * 60 * 60)
#define PKI_EXTENSIONS  6


/* a certificate and its key, P-256 */
typedef struct {
    X509          *x509;
    EVP_PKEY      *key;
} pki_t;


typedef struct {
    const char    *cn;
    int            ca;         /* basicConstraints and keyUsage of a CA */
    long           from;       /* seconds from now; both 0: a day ago */
    long           to;         /* and in a year */
    long           serial;     /* 0: the next one */
    EVP_PKEY      *key;        /* NULL: a new one */

    /* names and values as of openssl's configuration files */
    const char    *extensions[PKI_EXTENSIONS][2];
    const char    *conf;       /* sections that these name, or NULL */
} pki_spec_t;


typedef struct {
    long           from;       /* thisUpdate, seconds from now; both 0: a */
    long           to;         /* and nextUpdate: day ago, in a week */
    long           number;     /* CRLNumber; 0: none */
    pki_t         *revoked[PKI_EXTENSIONS];
    const char    *extensions[PKI_EXTENSIONS][2];
    const char    *conf;
} pki_crl_t;


/* issuer NULL: self-signed; the test fails if it cannot be made */
void pki_issue(pki_t *cert, pki_t *issuer, const pki_spec_t *spec);
void pki_free(pki_t *cert);

/* writes a CRL in DER to a new file of this folder */
ngx_str_t pki_crl(const char *dir, const char *name, pki_t *issuer,
    const pki_crl_t *spec);

/* writes certificates as PEM blocks to a new file of this folder */
ngx_str_t pki_file(const char *dir, const char *name, pki_t **certs,
    ngx_uint_t n);

/* writes any text */
ngx_str_t pki_text(const char *dir, const char *name, const char *text,
    size_t len);

/* a folder, and its end */
const char *pki_dir(void);
void pki_dir_remove(const char *dir);


#endif /* _PKI_H_INCLUDED_ */
