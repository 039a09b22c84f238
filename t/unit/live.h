
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * For the tests of live trust: CA files that are compiled as the manager has
 * them compiled, and their tables.
 */


#ifndef _LIVE_H_INCLUDED_
#define _LIVE_H_INCLUDED_


#include "ca.h"

#include <ngx_mtls_ca_index.h>
#include <ngx_mtls_ca_table.h>
#include <ngx_mtls_source.h>

#include <dirent.h>

#include <openssl/pem.h>


static ngx_mtls_job_t     job;
static ngx_mtls_made_t   *made;
static ngx_uint_t         nmade;


static inline int
live_setup(void **state)
{
    setup(state);

    ngx_memzero(&job, sizeof(ngx_mtls_job_t));

    job.kind = NGX_MTLS_SOURCE_CA;
    job.dir.data = (u_char *) dir;
    job.dir.len = strlen(dir);
    memcpy(job.run_id, "0123456789abcdef", NGX_MTLS_RUN_ID_LEN);
    memcpy(job.source_key, "key", 3);

    return 0;
}


/* the file's only certificate, with a trust setting of OpenSSL's own */

static inline ngx_str_t
live_aux(const char *name, pki_t *cert, int nid)
{
    BIO        *bio;
    X509       *x509;
    char       *data;
    long        len;
    ngx_str_t   path;

    bio = BIO_new(BIO_s_mem());
    x509 = X509_dup(cert->x509);

    assert_int_equal(X509_add1_reject_object(x509, OBJ_nid2obj(nid)), 1);
    assert_int_equal(PEM_write_bio_X509_AUX(bio, x509), 1);

    len = BIO_get_mem_data(bio, &data);
    path = pki_text(dir, name, data, len);

    X509_free(x509);
    BIO_free(bio);

    return path;
}


/* a new name for each file */

static inline ngx_str_t
live_file(pki_t **certs, ngx_uint_t n)
{
    char         name[32];
    static int   number;

    snprintf(name, sizeof(name), "live%d.pem", ++number);

    return pki_file(dir, name, certs, n);
}


static inline ngx_int_t
live_compile(ngx_str_t *path, ngx_uint_t partial)
{
    err.len = 0;

    job.path = *path;
    job.partial = partial;

    return ngx_mtls_ca_compile(&job, pool, &made, &nmade, &err);
}


/* where the last table lies, until it is renamed */

static inline char *
live_made(void)
{
    static char  path[256];

    snprintf(path, sizeof(path), "%s/%s.tmp", dir, made->name);

    return path;
}


static inline ngx_mtls_table_t *
live_open(void)
{
    ngx_str_t          path;
    ngx_mtls_table_t  *table;

    path.data = (u_char *) live_made();
    path.len = strlen(live_made());

    table = ngx_mtls_table_open(&path, job.run_id, made->hash, &err);

    if (table == NULL) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    return table;
}


/* the table of a file that must be good */

static inline ngx_mtls_table_t *
live_table(ngx_str_t *path, ngx_uint_t partial)
{
    ngx_mtls_table_t  *table;

    if (live_compile(path, partial) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    assert_int_equal(nmade, 1);

    table = live_open();
    assert_int_equal(unlink(live_made()), 0);

    return table;
}


/*
 * A table in memory that may be written to, and whose bounds are watched; the
 * one that was mapped is given back
 */

static inline ngx_mtls_table_t *
live_copy(ngx_mtls_table_t *table)
{
    ngx_mtls_table_t  *copy;

    copy = calloc(1, sizeof(ngx_mtls_table_t));
    assert_non_null(copy);

    copy->refs = 1;
    copy->size = table->size;
    copy->map = malloc(table->size);
    assert_non_null(copy->map);

    memcpy(copy->map, table->map, table->size);
    copy->header = (ngx_mtls_table_header_t *) copy->map;

    ngx_mtls_table_close(table);

    return copy;
}


static inline void
live_copy_free(ngx_mtls_table_t *copy)
{
    /* nobody else has kept it */
    assert_int_equal(copy->refs, 1);

    free(copy->map);
    free(copy);
}


static inline ngx_mtls_ca_record_t *
live_records(ngx_mtls_table_t *table)
{
    return (ngx_mtls_ca_record_t *) (table->map + table->header->records);
}


/* files in the folder with this suffix */

static inline ngx_uint_t
live_files(const char *suffix)
{
    DIR            *d;
    size_t          len;
    ngx_uint_t      n;
    struct dirent  *e;

    d = opendir(dir);
    assert_non_null(d);

    for (n = 0; (e = readdir(d)) != NULL; /* void */ ) {
        len = strlen(e->d_name);

        n += (len > strlen(suffix)
              && strcmp(e->d_name + len - strlen(suffix), suffix) == 0);
    }

    closedir(d);

    return n;
}


#define live(f)  cmocka_unit_test_setup_teardown(f, live_setup, teardown)


#endif /* _LIVE_H_INCLUDED_ */
