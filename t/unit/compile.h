
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * CRL files that are compiled, and what became of them.
 */


#ifndef _COMPILE_H_INCLUDED_
#define _COMPILE_H_INCLUDED_


#include "crl.h"
#include "world.h"


/*
 * A root and a CA that the configuration knows, another CA of the root that it
 * does not know, and the last compilation, of "a.crl" in the world's folder
 */
typedef struct {
    world_t                w;
    pki_t                  root;
    pki_t                  ca;
    pki_t                  other;

    ngx_mtls_job_t         job;
    ngx_mtls_made_t       *made;
    ngx_uint_t             nmade;
    ngx_mtls_error_t       err;
} compile_t;


extern compile_t  compile;


int compile_group_setup(void **state);
int compile_group_teardown(void **state);
int compile_setup(void **state);
int compile_teardown(void **state);

/* writes "a.crl" and compiles it; compiles the last file again */
ngx_int_t compile_run(const void *data, size_t len);
ngx_int_t compile_again(void);

/* it must give this many tables */
void compile_good(const void *data, size_t len, ngx_uint_t n);

/* it must be refused with this cause, and leave nothing */
void compile_refused(const void *data, size_t len, const char *cause);

/* the last error must be this, after the file's name */
void compile_cause(const char *cause);

/* whether the n-th table has this serial */
ngx_uint_t compile_listed(ngx_uint_t n, const char *serial, size_t len);

/* removes the tables */
void compile_clean(void);

/* files in the folder with this suffix */
ngx_uint_t compile_files(const char *suffix);

/* a CRL with this number, in hexadecimal, that lists 05 and 0600 */
der_t compile_crl(pki_t *signer, const char *number);

ngx_str_t compile_join(ngx_str_t *parts, ngx_uint_t n);


#endif /* _COMPILE_H_INCLUDED_ */
