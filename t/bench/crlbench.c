
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a CRL costs: compiling it to a table, the table's size, a lookup.
 *
 * usage: crlbench CA.pem CRL DIR [RUNS]
 *
 * The table is written to DIR and removed.  The least of RUNS (5) is printed.
 */


#include "shim.h"

#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>

#include <sys/resource.h>


#define CRLBENCH_PROBES  1000000


typedef struct {
    u_char         serial[NGX_MTLS_SERIAL_MAX];
    size_t         len;
} crlbench_key_t;


static uint64_t crlbench_seed = 1;


static void
crlbench_die(const char *what, ngx_mtls_error_t *err)
{
    fprintf(stderr, "%s: %.*s\n", what, err ? (int) err->len : 0,
            err ? (char *) err->text : "");
    exit(1);
}


/* other work on the machine makes real time, less so the processor's, longer */

static double
crlbench_now(clockid_t clock)
{
    struct timespec  ts;

    (void) clock_gettime(clock, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static uint64_t
crlbench_random(void)
{
    uint64_t  x;

    crlbench_seed += 0x9e3779b97f4a7c15ULL;

    x = crlbench_seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}


static ngx_mtls_ca_t *
crlbench_ca(ngx_pool_t *pool, char *path)
{
    ngx_str_t          name, label;
    ngx_mtls_ca_t     *ca;
    ngx_mtls_label_t  *l;
    ngx_mtls_error_t   err;

    name.data = (u_char *) path;
    name.len = ngx_strlen(path);
    ngx_str_set(&label, "bench");

    ca = ngx_mtls_ca_create(pool);

    if (ca == NULL
        || ngx_mtls_ca_label(ca, &label, NGX_CONF_UNSET_UINT,
                             NGX_CONF_UNSET_UINT, &l, &err)
           != NGX_OK
        || ngx_mtls_ca_file(ca, l, &name, 1, NGX_MTLS_CA_STATIC, &err) != NGX_OK
        || ngx_mtls_ca_finish(ca, &err) != NGX_OK)
    {
        crlbench_die(path, &err);
    }

    return ca;
}


/* half of the probes are serials of the CRL, half are others */

static crlbench_key_t *
crlbench_probes(ngx_mtls_table_t *table)
{
    u_char          *record;
    uint64_t         r;
    ngx_uint_t       i, j;
    crlbench_key_t  *keys;

    keys = calloc(CRLBENCH_PROBES, sizeof(crlbench_key_t));
    if (keys == NULL) {
        crlbench_die("out of memory", NULL);
    }

    for (i = 0; i < CRLBENCH_PROBES; i++) {
        r = crlbench_random() % table->header->nrecords;

        record = table->map + table->header->records
                 + r * table->header->record_size;

        keys[i].len = record[table->header->record_size - 3];
        ngx_memcpy(keys[i].serial, record, keys[i].len);

        if (i & 1) {
            for (j = 0; j < keys[i].len; j++) {
                keys[i].serial[j] = (u_char) crlbench_random();
            }
        }
    }

    return keys;
}


static double
crlbench_lookup(ngx_mtls_table_t *table, crlbench_key_t *keys,
    ngx_uint_t dependent)
{
    double                   start;
    ngx_uint_t               i, k, found;
    ngx_mtls_table_record_t  record;

    found = 0;
    k = 0;
    start = crlbench_now(CLOCK_PROCESS_CPUTIME_ID);

    for (i = 0; i < CRLBENCH_PROBES; i++) {

        if (ngx_mtls_table_lookup(table, 0, keys[k].serial, keys[k].len,
                                  &record)
            == NGX_OK)
        {
            found++;

            /* the next one is not known before this one was read */

            k += dependent ? record.date & 1 : 0;
        }

        k = (k + 1) % CRLBENCH_PROBES;
    }

    start = crlbench_now(CLOCK_PROCESS_CPUTIME_ID) - start;

    if (found == 0) {
        crlbench_die("nothing was found", NULL);
    }

    return start * 1e9 / CRLBENCH_PROBES;
}


int
main(int argc, char *argv[])
{
    int                    runs;
    double                 start, cpustart, compile, cpu, independent;
    double                 dependent, t;
    u_char                 name[NGX_MAX_PATH];
    ngx_str_t              path;
    ngx_pool_t            *pool;
    ngx_uint_t             n;
    struct rusage          usage;
    crlbench_key_t        *keys;
    ngx_mtls_table_t      *table;
    ngx_mtls_error_t       err;
    ngx_mtls_job_t         job;
    ngx_mtls_made_t       *made;

    if (argc < 4) {
        crlbench_die("usage: crlbench CA.pem CRL DIR [RUNS]", NULL);
    }

    runs = (argc > 4) ? atoi(argv[4]) : 5;
    compile = cpu = independent = dependent = 1e9;

    pool = shim_pool();

    ngx_memzero(&job, sizeof(ngx_mtls_job_t));

    job.ca = crlbench_ca(pool, argv[1]);
    job.path.data = (u_char *) argv[2];
    job.path.len = ngx_strlen(argv[2]);
    job.dir.data = (u_char *) argv[3];
    job.dir.len = ngx_strlen(argv[3]);

    while (runs--) {
        start = crlbench_now(CLOCK_MONOTONIC);
        cpustart = crlbench_now(CLOCK_PROCESS_CPUTIME_ID);

        if (ngx_mtls_crl_compile(&job, pool, &made, &n, &err) != NGX_OK) {
            crlbench_die("compile", &err);
        }

        t = (crlbench_now(CLOCK_MONOTONIC) - start) * 1e3;
        compile = ngx_min(compile, t);

        t = (crlbench_now(CLOCK_PROCESS_CPUTIME_ID) - cpustart) * 1e3;
        cpu = ngx_min(cpu, t);

        (void) getrusage(RUSAGE_SELF, &usage);

        path.data = name;
        path.len = ngx_sprintf(name, "%s/%s.tmp%Z", argv[3], made->name)
                   - name - 1;

        table = ngx_mtls_table_open(&path, job.run_id, made->hash, &err);
        if (table == NULL) {
            crlbench_die("open", &err);
        }

        (void) unlink((char *) name);

        keys = crlbench_probes(table);

        t = crlbench_lookup(table, keys, 0);
        independent = ngx_min(independent, t);

        t = crlbench_lookup(table, keys, 1);
        dependent = ngx_min(dependent, t);

        if (runs == 0) {
            printf("%9lu entries  compile %4.0f ms, CPU %4.0f ms"
                   "  table %5.2f octets an entry  lookup %3.0f ns,"
                   " dependent %3.0f ns  peak %ld MB\n",
                   (unsigned long) table->header->nrecords, compile, cpu,
                   (double) table->size / table->header->nrecords, independent,
                   dependent, usage.ru_maxrss / 1024);
        }

        free(keys);
        ngx_mtls_table_close(table);
    }

    ngx_destroy_pool(pool);

    return 0;
}
