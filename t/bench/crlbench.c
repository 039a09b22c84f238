
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What a CRL costs: compiling it to a table, the table's size, a lookup.
 *
 * usage: crlbench CA.pem CRL DIR [ROUNDS [PROBES]]
 *
 * The table is written to DIR and removed.  In each round it is made and each
 * kind of lookup done PROBES (1,000,000) times.  What is printed is the least
 * of ROUNDS (3), of lookups that of 100,000 in a row; where a bar for a million
 * entries is not held, the least of some rounds more: other work takes time and
 * memory from us.  The status is 1 if one is still not held.
 */


#include "shim.h"

#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>

#include <sys/resource.h>


#define CRLBENCH_PROBES       1000000
#define CRLBENCH_SLICE        100000   /* probes */
#define CRLBENCH_ROUNDS       3
#define CRLBENCH_MORE         12

/* the bars: for this many entries, milliseconds of CPU; octets; nanoseconds */
#define CRLBENCH_ENTRIES      1000000
#define CRLBENCH_COMPILE      150
#define CRLBENCH_SIZE         32
#define CRLBENCH_INDEPENDENT  150
#define CRLBENCH_DEPENDENT    250


typedef struct {
    u_char         serial[NGX_MTLS_SERIAL_MAX];
    size_t         len;
} crlbench_key_t;


/* the least so far */
typedef struct {
    uint64_t       entries;
    double         wall;             /* of a compile, ms */
    double         cpu;
    double         size;             /* of an entry */
    double         absent;           /* a lookup of what is not listed, ns */
    double         independent;      /* half of them are */
    double         dependent;
    long           peak;             /* kB, while compiling */
} crlbench_result_t;


/* which serials are looked up, and how */
typedef enum {
    CRLBENCH_OF_ABSENT = 0,
    CRLBENCH_OF_MIXED,
    CRLBENCH_OF_MIXED_DEPENDENT
} crlbench_kind_e;


static uint64_t    crlbench_seed = 1;
static ngx_uint_t  crlbench_nprobes = CRLBENCH_PROBES;


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
        || ngx_mtls_ca_file(ca, l, &name, 1, NGX_MTLS_CA_STATIC, &err)
           != NGX_OK
        || ngx_mtls_ca_finish(ca, &err) != NGX_OK)
    {
        crlbench_die(path, &err);
    }

    return ca;
}


/* every other one of the probes is a serial of the CRL */

static crlbench_key_t *
crlbench_probes(ngx_mtls_table_t *table)
{
    u_char          *record;
    uint64_t         r;
    ngx_uint_t       i, j;
    crlbench_key_t  *keys;

    keys = calloc(crlbench_nprobes, sizeof(crlbench_key_t));
    if (keys == NULL) {
        crlbench_die("out of memory", NULL);
    }

    for (i = 0; i < crlbench_nprobes; i++) {
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


/* nanoseconds of a lookup, the least of all slices of the probes */

static double
crlbench_lookup(ngx_mtls_table_t *table, crlbench_key_t *keys,
    crlbench_kind_e kind)
{
    double                   start, now, least;
    ngx_uint_t               i, k, step, slice, found;
    ngx_mtls_table_record_t  record;

    found = 0;
    k = (kind == CRLBENCH_OF_ABSENT);
    step = (kind == CRLBENCH_OF_ABSENT) ? 2 : 1;
    slice = ngx_min(crlbench_nprobes, CRLBENCH_SLICE);
    least = 1e9;
    start = crlbench_now(CLOCK_PROCESS_CPUTIME_ID);

    for (i = 1; i <= crlbench_nprobes; i++) {

        if (ngx_mtls_table_lookup(table, 0, keys[k].serial, keys[k].len,
                                  &record)
            == NGX_OK)
        {
            found++;

            /* the next one is not known before this one was read */

            if (kind == CRLBENCH_OF_MIXED_DEPENDENT) {
                k += record.date & 1;
            }
        }

        k = (k + step) % crlbench_nprobes;

        if (i % slice == 0) {
            now = crlbench_now(CLOCK_PROCESS_CPUTIME_ID);
            least = ngx_min(least, (now - start) * 1e9 / slice);
            start = now;
        }
    }

    if ((found == 0) != (kind == CRLBENCH_OF_ABSENT)) {
        crlbench_die("lookups do not find what they should", NULL);
    }

    return least;
}


static ngx_mtls_table_t *
crlbench_compile(ngx_mtls_job_t *job, ngx_pool_t *pool,
    crlbench_result_t *least)
{
    double             wall, cpu;
    u_char             name[NGX_MAX_PATH];
    ngx_str_t          path;
    ngx_uint_t         n;
    struct rusage      usage;
    ngx_mtls_made_t   *made;
    ngx_mtls_table_t  *table;
    ngx_mtls_error_t   err;

    wall = crlbench_now(CLOCK_MONOTONIC);
    cpu = crlbench_now(CLOCK_PROCESS_CPUTIME_ID);

    if (ngx_mtls_crl_compile(job, pool, &made, &n, &err) != NGX_OK) {
        crlbench_die("compile", &err);
    }

    wall = (crlbench_now(CLOCK_MONOTONIC) - wall) * 1e3;
    cpu = (crlbench_now(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e3;

    least->wall = ngx_min(least->wall, wall);
    least->cpu = ngx_min(least->cpu, cpu);

    if (least->peak == 0) {
        (void) getrusage(RUSAGE_SELF, &usage);
        least->peak = usage.ru_maxrss;
    }

    path.data = name;
    path.len = ngx_sprintf(name, "%V/%s.tmp%Z", &job->dir, made->name)
               - name - 1;

    table = ngx_mtls_table_open(&path, job->run_id, made->hash, &err);
    if (table == NULL) {
        crlbench_die("open", &err);
    }

    (void) unlink((char *) name);

    least->entries = table->header->nrecords;
    least->size = (double) table->size / least->entries;

    return table;
}


static void
crlbench_round(ngx_mtls_job_t *job, ngx_pool_t *pool,
    crlbench_result_t *least)
{
    double             t;
    crlbench_key_t    *keys;
    ngx_mtls_table_t  *table;

    table = crlbench_compile(job, pool, least);
    keys = crlbench_probes(table);

    t = crlbench_lookup(table, keys, CRLBENCH_OF_ABSENT);
    least->absent = ngx_min(least->absent, t);

    t = crlbench_lookup(table, keys, CRLBENCH_OF_MIXED);
    least->independent = ngx_min(least->independent, t);

    t = crlbench_lookup(table, keys, CRLBENCH_OF_MIXED_DEPENDENT);
    least->dependent = ngx_min(least->dependent, t);

    free(keys);
    ngx_mtls_table_close(table);
}


/* size is judged always, time where a bar was set for it */

static ngx_uint_t
crlbench_held(crlbench_result_t *least)
{
    return least->size <= CRLBENCH_SIZE
           && (least->entries != CRLBENCH_ENTRIES
               || (least->cpu <= CRLBENCH_COMPILE
                   && least->independent <= CRLBENCH_INDEPENDENT
                   && least->dependent <= CRLBENCH_DEPENDENT));
}


int
main(int argc, char *argv[])
{
    int                 i, rounds;
    ngx_pool_t         *pool;
    ngx_mtls_job_t      job;
    crlbench_result_t   least;

    if (argc < 4) {
        crlbench_die("usage: crlbench CA.pem CRL DIR [ROUNDS [PROBES]]", NULL);
    }

    rounds = (argc > 4) ? atoi(argv[4]) : CRLBENCH_ROUNDS;

    if (argc > 5) {
        crlbench_nprobes = 2 * ngx_max(1, atoi(argv[5]) / 2);
    }

    ngx_memzero(&least, sizeof(crlbench_result_t));

    least.wall = least.cpu = 1e9;
    least.absent = least.independent = least.dependent = 1e9;

    pool = shim_pool();

    ngx_memzero(&job, sizeof(ngx_mtls_job_t));

    job.ca = crlbench_ca(pool, argv[1]);
    job.path.data = (u_char *) argv[2];
    job.path.len = ngx_strlen(argv[2]);
    job.dir.data = (u_char *) argv[3];
    job.dir.len = ngx_strlen(argv[3]);

    for (i = 0; i < rounds; i++) {
        crlbench_round(&job, pool, &least);
    }

    for (i = 0; i < CRLBENCH_MORE && rounds > 1 && !crlbench_held(&least); i++)
    {
        crlbench_round(&job, pool, &least);
    }

    printf("%9lu %7.0f %7.0f %8.2f %8.0f %8.0f %8.0f %6ld%s\n",
           (unsigned long) least.entries, least.cpu, least.wall, least.size,
           least.independent, least.dependent, least.absent,
           least.peak / 1024, crlbench_held(&least) ? "" : "  MISS");

    ngx_destroy_pool(pool);

    return !crlbench_held(&least);
}
