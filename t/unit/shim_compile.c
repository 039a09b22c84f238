
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * CRL files that are compiled, and what became of them.
 */


#include "compile.h"

#include <dirent.h>
#include <stdio.h>



compile_t  compile;

static compile_t  *c = &compile;


int
compile_group_setup(void **state)
{
    static const pki_spec_t  root_spec = { .cn = "Root", .ca = 1 };
    static const pki_spec_t  ca_spec = { .cn = "CA", .ca = 1 };
    static const pki_spec_t  other_spec = { .cn = "Other", .ca = 1 };

    (void) state;

    pki_issue(&c->root, NULL, &root_spec);
    pki_issue(&c->ca, &c->root, &ca_spec);
    pki_issue(&c->other, &c->root, &other_spec);

    return 0;
}


int
compile_group_teardown(void **state)
{
    (void) state;

    pki_free(&c->root);
    pki_free(&c->ca);
    pki_free(&c->other);

    return 0;
}


int
compile_setup(void **state)
{
    ngx_str_t  path;

    (void) state;

    world_begin(&c->w);

    path = pki_file(c->w.dir, "ca.pem", (pki_t *[]) { &c->root, &c->ca }, 2);
    assert_int_equal(world_ca(&c->w, "a", &path, 0), NGX_OK);
    world_ca_finish(&c->w);

    ngx_memzero(&c->job, sizeof(ngx_mtls_job_t));

    c->job.dir.data = (u_char *) c->w.dir;
    c->job.dir.len = strlen(c->w.dir);
    c->job.ca = c->w.ca;
    memcpy(c->job.run_id, "run", 3);
    memcpy(c->job.source_key, "key", 3);

    return 0;
}


int
compile_teardown(void **state)
{
    (void) state;

    world_end(&c->w);

    return 0;
}


/* files of the folder with this suffix */

ngx_uint_t
compile_files(const char *suffix)
{
    DIR            *d;
    size_t          len;
    ngx_uint_t      n;
    struct dirent  *e;

    d = opendir(c->w.dir);
    assert_non_null(d);

    n = 0;

    while ((e = readdir(d)) != NULL) {
        len = strlen(e->d_name);

        if (len > strlen(suffix)
            && strcmp(e->d_name + len - strlen(suffix), suffix) == 0)
        {
            n++;
        }
    }

    closedir(d);

    return n;
}


ngx_int_t
compile_run(const void *data, size_t len)
{
    c->job.path = pki_text(c->w.dir, "a.crl", data, len);

    return compile_again();
}


ngx_int_t
compile_again(void)
{
    return ngx_mtls_crl_compile(&c->job, c->w.pool, &c->made, &c->nmade,
                                &c->err);
}


void
compile_good(const void *data, size_t len, ngx_uint_t n)
{
    if (compile_run(data, len) != NGX_OK) {
        fail_msg("%.*s", (int) c->err.len, c->err.text);
    }

    assert_int_equal(c->nmade, n);
    assert_int_equal(compile_files(".tmp"), n);
}


/* the cause after the file's name */

void
compile_cause(const char *cause)
{
    char  text[1024];

    c->err.text[ngx_min(c->err.len, sizeof(c->err.text) - 1)] = '\0';

    snprintf(text, sizeof(text), "CRL file \"%s\": %s", c->job.path.data,
             cause);

    if (strcmp((char *) c->err.text, text) != 0) {
        fail_msg("is \"%s\", not \"%s\"", c->err.text, text);
    }
}


void
compile_refused(const void *data, size_t len, const char *cause)
{
    assert_int_equal(compile_run(data, len), NGX_DECLINED);
    compile_cause(cause);

    assert_int_equal(c->nmade, 0);
    assert_int_equal(compile_files(".tmp"), 0);
}


ngx_uint_t
compile_listed(ngx_uint_t n, const char *serial, size_t len)
{
    char                      path[512];
    ngx_int_t                 rc;
    ngx_str_t                 name;
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    snprintf(path, sizeof(path), "%s/%s.tmp", c->w.dir, c->made[n].name);
    name.data = (u_char *) path;
    name.len = strlen(path);

    table = ngx_mtls_table_open(&name, c->job.run_id, c->made[n].hash,
                                &c->err);
    if (table == NULL) {
        fail_msg("%.*s", (int) c->err.len, c->err.text);
    }

    rc = ngx_mtls_table_lookup(table, 0, (u_char *) serial, len, &record);
    assert_true(rc == NGX_OK || rc == NGX_DECLINED);

    ngx_mtls_table_close(table);

    return rc == NGX_OK;
}


void
compile_clean(void)
{
    char        path[512];
    ngx_uint_t  i;

    for (i = 0; i < c->nmade; i++) {
        snprintf(path, sizeof(path), "%s/%s.tmp", c->w.dir, c->made[i].name);
        assert_int_equal(unlink(path), 0);
    }
}


ngx_str_t
compile_join(ngx_str_t *parts, ngx_uint_t n)
{
    ngx_str_t   all;
    ngx_uint_t  i;

    all.len = 0;
    all.data = ngx_pnalloc(c->w.pool, 1024 * 1024);
    assert_non_null(all.data);

    for (i = 0; i < n; i++) {
        memcpy(all.data + all.len, parts[i].data, parts[i].len);
        all.len += parts[i].len;
    }

    return all;
}


der_t
compile_crl(pki_t *signer, const char *number)
{
    char        text[128];
    crl_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    snprintf(text, sizeof(text), CRL_NUMBER("%s"), number);

    spec.entries = CRL_ENTRY("05", "") CRL_ENTRY("0600", CRL_REASON("01"));
    spec.extensions = text;

    return crl_make(c->w.pool, signer, &spec);
}
