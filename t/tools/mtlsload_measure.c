
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * mtlsload: time, and what processes use, by /proc.
 */


#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "mtlsload.h"


double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return t.tv_sec + t.tv_nsec / 1e9;
}


void
record(histogram_t *h, double since)
{
    long    us;
    double  t;

    t = now() - since;
    us = (long) (t * 1e6);

    h->bucket[us < NBUCKETS ? us : NBUCKETS - 1]++;

    if (t > h->max) {
        h->max = t;
    }
}


/* microseconds in which a part of all was done */

double
percentile(const histogram_t *h, double part)
{
    long                i;
    unsigned long long  all, sum;

    all = 0;
    sum = 0;

    for (i = 0; i < NBUCKETS; i++) {
        all += h->bucket[i];
    }

    for (i = 0; i < NBUCKETS && all != 0; i++) {
        sum += h->bucket[i];

        if (sum >= part * all) {
            return i;
        }
    }

    return 0;
}


/* one line of a file in /proc */

static int
proc_line(char *line, int size, const char *format, int pid, const char *task)
{
    int    ok;
    char   path[64];
    FILE  *f;

    snprintf(path, sizeof(path), format, pid, task);

    f = fopen(path, "r");
    if (f == NULL) {
        return 0;
    }

    ok = fgets(line, size, f) != NULL;
    fclose(f);

    return ok;
}


static void
add_cpu(usage_t *u, int pid)
{
    DIR                 *d;
    char                 path[64], line[128], task[16];
    struct dirent       *e;
    unsigned long long   ns;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);

    d = opendir(path);
    if (d == NULL) {
        return;
    }

    while ((e = readdir(d)) != NULL) {
        snprintf(task, sizeof(task), "%.15s", e->d_name);

        if (isdigit((unsigned char) task[0])
            && proc_line(line, sizeof(line), "/proc/%d/task/%s/schedstat",
                         pid, task)
            && sscanf(line, "%llu", &ns) == 1)
        {
            u->cpu += ns / 1e9;
            u->threads++;
        }
    }

    closedir(d);
}


static void
add_memory(usage_t *u, int pid)
{
    long   kb;
    char   path[64], line[256];
    FILE  *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);

    f = fopen(path, "r");
    if (f == NULL) {
        return;
    }

    while (fgets(line, sizeof(line), f) != NULL) {

        if (sscanf(line, "Rss: %ld kB", &kb) == 1) {
            u->rss += kb;

        } else if (sscanf(line, "Pss: %ld kB", &kb) == 1) {
            u->pss += kb;
        }
    }

    fclose(f);
}


/* all processes: their number, and those of the servers marked */

static int
list_processes(int *pid, int *parent, char *ours, const int *server,
    int nservers)
{
    int             i, n;
    DIR            *d;
    char            line[1024], *p;
    struct dirent  *e;

    n = 0;

    d = opendir("/proc");
    if (d == NULL) {
        return 0;
    }

    while ((e = readdir(d)) != NULL && n < MAX_PROCS) {

        pid[n] = atoi(e->d_name);

        if (pid[n] <= 0
            || !proc_line(line, sizeof(line), "/proc/%d/stat%s", pid[n], "")
            || (p = strrchr(line, ')')) == NULL
            || sscanf(p + 1, " %*c %d", &parent[n]) != 1)
        {
            continue;
        }

        ours[n] = 0;

        for (i = 0; i < nservers; i++) {
            ours[n] |= server[i] == pid[n];
        }

        n++;
    }

    closedir(d);

    return n;
}


/* without what children that have ended used */

void
server_usage(usage_t *u, const int *server, int nservers, int memory)
{
    int          i, j, n, more;

    static int   pid[MAX_PROCS], parent[MAX_PROCS];
    static char  ours[MAX_PROCS];

    memset(u, 0, sizeof(usage_t));

    n = list_processes(pid, parent, ours, server, nservers);

    do {
        more = 0;

        for (i = 0; i < n; i++) {
            for (j = 0; j < n && !ours[i]; j++) {

                if (ours[j] && pid[j] == parent[i]) {
                    ours[i] = 1;
                    more = 1;
                }
            }
        }

    } while (more);

    for (i = 0; i < n; i++) {

        if (!ours[i]) {
            continue;
        }

        u->procs++;
        add_cpu(u, pid[i]);

        if (memory) {
            add_memory(u, pid[i]);
        }
    }
}


double
client_cpu(void)
{
    struct rusage  u;

    getrusage(RUSAGE_SELF, &u);

    return u.ru_utime.tv_sec + u.ru_stime.tv_sec
           + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
