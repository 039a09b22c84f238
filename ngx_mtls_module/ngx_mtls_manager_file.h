
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the files of the manager share: its state, per source and per file.
 */


#ifndef _NGX_MTLS_MANAGER_FILE_H_INCLUDED_
#define _NGX_MTLS_MANAGER_FILE_H_INCLUDED_


#include <ngx_mtls_compiler.h>
#include <ngx_mtls_manager.h>
#include <ngx_mtls_run.h>


/* that a CRL is past its nextUpdate was said; that its grace is over, too */
#define NGX_MTLS_MANAGER_STALE     1
#define NGX_MTLS_MANAGER_EXPIRED   2


/* a source of the configuration */
typedef struct {
    ngx_mtls_source_t             *conf;

    ngx_rbtree_t                   tree;       /* of files, by path */
    ngx_rbtree_node_t              sentinel;
    ngx_queue_t                    files;      /* the same */

    ngx_msec_t                     due;        /* of the next poll */
    ngx_uint_t                     waiting;    /* first attempts not ended */

    ngx_mtls_stat_t                issuer;     /* of issuer=FILE */
    time_t                         issuer_taken;

    uint64_t                       scan;       /* when the last poll began */
    uint64_t                       since;      /* of CAs: as the manifest's */
    uint64_t                       read;       /* the same */
    uint64_t                       fresh;      /* "read", if "changed" */
    uint64_t                       retired;    /* the same, until the first */
    int64_t                        until;      /* attempt has ended */

    unsigned                       polled:1;
    unsigned                       attempted:1;
    unsigned                       failed:1;   /* the glob, and it was said */
    unsigned                       empty:1;    /* it matches nothing, said */
    unsigned                       issuer_known:1;
    unsigned                       changed:1;  /* unpublished: of CAs, what
                                                  the files give */
} ngx_mtls_manager_source_t;


/*
 * The tables of one file, in three parallel arrays.  They stay when the file
 * vanishes or goes bad.
 */
typedef struct {
    ngx_mtls_table_header_t       *headers;
    ngx_mtls_made_t               *made;
    u_char                        *stale;      /* what was said of them */
    ngx_uint_t                     n;
    ngx_mtls_table_t              *map;        /* that of a CA file */
} ngx_mtls_manager_tables_t;


/* a file of a source; allocated on its own, with its path */
typedef struct {
    ngx_str_node_t                 node;       /* the path */
    ngx_queue_t                    link;       /* in source->files */
    ngx_queue_t                    queue;      /* in manager->cas, ->crls or
                                                  ->running */

    ngx_mtls_manager_source_t     *source;
    u_char                         key[NGX_MTLS_HASH_LEN];

    ngx_mtls_stat_t                stat;       /* at the last attempt */
    time_t                         taken;
    uint64_t                       read;       /* the same, of ngx_mtls_now() */

    ngx_mtls_manager_tables_t      tables;
    ngx_mtls_stat_t                good;       /* of the tables */
    time_t                         good_taken;

    ngx_uint_t                     tries;      /* that failed, in a row */
    ngx_msec_t                     retry;      /* when, if tries */

    u_char                         said[NGX_MTLS_HASH_LEN]; /* last error */
    ngx_mtls_stat_t                said_stat;  /* and of which file */

    unsigned                       seen:1;     /* by this poll */
    unsigned                       queued:1;   /* "queue" is used */
    unsigned                       tried:1;    /* the first attempt ended */
    unsigned                       counted:1;  /* in source->waiting */
    unsigned                       known:1;    /* "stat" is of an attempt */
    unsigned                       bad:1;
    unsigned                       gone:1;

    /* of CRLs */
    unsigned                       kept:1;     /* what the tables are of */
    unsigned                       keeping:1;  /* the child is about it */

    /* of CAs */
    unsigned                       own:1;      /* this manager has loaded it */
    unsigned                       vanished:1; /* of a glob, gone */
    unsigned                       needed:1;   /* by its label */
} ngx_mtls_manager_file_t;


/* of kept CRLs */
typedef struct {
    ngx_str_t                      dir;        /* their folder */
    ngx_msec_t                     retry;
    ngx_uint_t                     tries;      /* that failed, in a row */
    ngx_msec_t                     sweep;      /* when to clean up */
    ngx_mtls_manager_file_t       *files[NGX_MTLS_COMPILER_JOBS];

    unsigned                       wanted:1;   /* there may be a file to keep */
    unsigned                       running:1;  /* the child keeps files */
    unsigned                       failed:1;   /* and one failed */
} ngx_mtls_manager_kept_t;


struct ngx_mtls_manager_s {
    ngx_mtls_conf_t               *conf;
    ngx_pool_t                    *pool;
    ngx_log_t                     *log;
    ngx_event_t                    timer;

    ngx_mtls_run_t                 run;
    ngx_msec_t                     run_since;  /* waiting for its locks */
    ngx_msec_t                     run_retry;
    ngx_uint_t                     run_tries;
    ngx_msec_t                     sweep;      /* when to clean up */

    ngx_array_t                    sources;    /* ngx_mtls_manager_source_t */

    /* files to be compiled: those of CRLs wait for those of CAs */
    ngx_queue_t                    cas;
    ngx_queue_t                    crls;
    ngx_queue_t                    running;    /* those that a child has */
    ngx_mtls_compiler_t            compiler;
    ngx_mtls_manager_kept_t        kept;

    ngx_mtls_ca_t                 *ca;         /* what CRLs are verified with;
                                                  a reference */

    ngx_mtls_manifest_t           *retired;    /* sources of others, or NULL */

    ngx_atomic_uint_t              generation; /* last known to be written */
    ngx_atomic_uint_t              words[NGX_MTLS_WORDS]; /* that were there */
    ngx_atomic_uint_t              mended;     /* the one written to mend */
    ngx_msec_t                     since;      /* unpublished changes */
    ngx_msec_t                     publish_retry;
    ngx_uint_t                     publish_tries;

    unsigned                       ready:1;    /* the run's locks are held */
    unsigned                       run_waits:1; /* and it was said */
    unsigned                       cold:1;     /* no manifest of this run */
    unsigned                       changed:1;  /* unpublished: CRLs */
    unsigned                       trust:1;    /* unpublished: CAs */
    unsigned                       renew:1;    /* unpublished: anything */
    unsigned                       unsettled:1; /* "ca" may be out of date */
    unsigned                       unable:1;   /* and it cannot be made; said */
};


#define NGX_MTLS_MANAGER_BATCH     200     /* ms; changes wait for others */
#define NGX_MTLS_MANAGER_TOGETHER  1000    /* ms; CAs wait for their CRLs */
#define NGX_MTLS_MANAGER_TEXT      64      /* octets of a number or a time */

#define ngx_mtls_manager_is_ca(source)                                       \
    ((source)->conf->kind == NGX_MTLS_SOURCE_CA)


/* seconds until a failed attempt is repeated: 1, 2, 4 ... 60; in ms */
ngx_msec_t ngx_mtls_manager_delay(ngx_uint_t tries);

/* whether a point of time, in ms, has come */
#define ngx_mtls_manager_due(t)                                              \
    ((ngx_msec_int_t) (ngx_current_msec - (t)) >= 0)


/* there is something to be published, the first since now */
void ngx_mtls_manager_renew(ngx_mtls_manager_t *m);

/* the source's first attempt has ended */
void ngx_mtls_manager_attempted(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);

/* forgets all files and gives the run's locks back: as at the start */
void ngx_mtls_manager_reset(ngx_mtls_manager_t *m);

/* what an earlier manager of this run has published goes on to count */
void ngx_mtls_manager_takeover(ngx_mtls_manager_t *m);

/*
 * Whether tables of a source of CAs, changed in generation "since" by a look at
 * its files at "read", are newer than what the configuration has read of it.
 * What was looked at before that may be published after it.
 */
ngx_uint_t ngx_mtls_manager_newer(ngx_mtls_conf_t *conf,
    ngx_mtls_source_t *source, uint64_t since, uint64_t read);

/* writes a manifest and raises the zone's words, if it is time to */
void ngx_mtls_manager_publish(ngx_mtls_manager_t *m);

/*
 * What is trusted by a manifest, as workers make it; the caller has a
 * reference.  NULL: "err" says why.
 */
ngx_mtls_ca_t *ngx_mtls_manager_trust(ngx_mtls_conf_t *conf,
    ngx_mtls_manifest_t *m, ngx_mtls_error_t *err);

/*
 * Looks at what is published, since a worker cannot use it: if the files are
 * bad, writes the manifest again, or if that was no help, begins anew.
 */
void ngx_mtls_manager_mend(ngx_mtls_manager_t *m);

/* cleans up, if it is time to */
void ngx_mtls_manager_sweep(ngx_mtls_manager_t *m);

/* looks for new, changed and vanished files and queues them */
void ngx_mtls_manager_poll(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);

/* the file of that path, made if it is new; NULL: out of memory */
ngx_mtls_manager_file_t *ngx_mtls_manager_file(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source, ngx_str_t *path);

void ngx_mtls_manager_queue(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* fills a job for the compiler */
void ngx_mtls_manager_job(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_job_t *job);

/* starts a child for the first of the queue, if none runs */
void ngx_mtls_manager_next(ngx_mtls_manager_t *m);

/* takes the compiler's result for one file over */
void ngx_mtls_manager_take(ngx_mtls_manager_t *m);

/*
 * Takes what the compiler has made for a file.  NGX_ERROR: "err" of the
 * compiler says why, and the file has the tables of before.
 */
ngx_int_t ngx_mtls_manager_accept(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* room for "n" tables, none of them filled; NGX_ERROR: out of memory */
ngx_int_t ngx_mtls_manager_tables(ngx_mtls_manager_t *m,
    ngx_mtls_manager_tables_t *tables, ngx_uint_t n);
void ngx_mtls_manager_tables_free(ngx_mtls_manager_tables_t *tables);

/* what is to become of a file that its glob no longer means */
void ngx_mtls_manager_unseen(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* forgets a file, which must be in no queue */
void ngx_mtls_manager_forget(ngx_mtls_manager_file_t *file);


/*
 * Kept CRLs (ngx_mtls_manager_kept.c)
 */

ngx_int_t ngx_mtls_manager_kept_init(ngx_mtls_manager_t *m);

/* whether a file that is not there is to be compiled from what is kept */
ngx_uint_t ngx_mtls_manager_kept_there(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* queues what is kept of files that a glob meant in an earlier run */
void ngx_mtls_manager_kept_glob(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);

/* before tables of other CRLs than those that are kept become known */
void ngx_mtls_manager_kept_changed(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables);

/* after tables were accepted: says and notes whether they are kept ones */
void ngx_mtls_manager_kept_accepted(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* starts a child that keeps what was accepted, when nothing else is to do */
void ngx_mtls_manager_kept_next(ngx_mtls_manager_t *m);

/* takes the result of that child for one file over */
void ngx_mtls_manager_kept_take(ngx_mtls_manager_t *m);

/* a file that is superseded by another one need not be kept */
void ngx_mtls_manager_kept_forget(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/* removes what no source has meant for a long time */
void ngx_mtls_manager_kept_sweep(ngx_mtls_manager_t *m);


/*
 * The CRL number, decimal up to 64 bits, else hexadecimal, and a time, as text
 * in NGX_MTLS_MANAGER_TEXT octets
 */
void ngx_mtls_manager_number(u_char *buf, ngx_mtls_table_header_t *header);
void ngx_mtls_manager_time(u_char *buf, int64_t time);

/* says once which tables of CRLs have passed their nextUpdate */
void ngx_mtls_manager_stale(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/*
 * Makes the manager's files of what the configuration has read of a source of
 * CAs: what has vanished since then is noticed, too.
 */
void ngx_mtls_manager_read(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);

/* whether the configuration has read this CA file */
ngx_uint_t ngx_mtls_manager_was_read(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file);

/*
 * Whether tables say what is trusted of a source of CAs, or will when they are
 * published, and not what the configuration has read of it.
 */
ngx_uint_t ngx_mtls_manager_live(ngx_mtls_manager_t *m,
    ngx_mtls_manager_source_t *source);

/*
 * Whether the label of a CA file trusts anything if the file has "ntrusted"
 * anchors.  If not, "err" of the compiler says so.
 */
ngx_uint_t ngx_mtls_manager_label(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_uint_t ntrusted);

/* a CA file is about to have these tables; returns whether that is news */
ngx_uint_t ngx_mtls_manager_renews(ngx_mtls_manager_t *m,
    ngx_mtls_manager_file_t *file, ngx_mtls_manager_tables_t *tables,
    ngx_uint_t fresh);

/*
 * Where no CA file is left to be compiled: drops those that have vanished,
 * renews m->ca and has CRLs verified with it.
 */
void ngx_mtls_manager_settle(ngx_mtls_manager_t *m);

/*
 * What earlier managers have published is lost: where it was something else
 * than the configuration has read, that does not count for any source of CAs:
 * nothing of a file that cannot be compiled now is trusted by new workers.
 */
void ngx_mtls_manager_distrust(ngx_mtls_manager_t *m);

/*
 * Keeps of a manifest, which is the manager's then, what is not of this
 * configuration; forgets that; and what was kept for long enough.
 */
void ngx_mtls_manager_retire(ngx_mtls_manager_t *m, ngx_mtls_manifest_t *old);
void ngx_mtls_manager_unretire(ngx_mtls_manager_t *m);
void ngx_mtls_manager_expire(ngx_mtls_manager_t *m);

/*
 * For a worker: whether the manifest has a source of CRLs only as it was when
 * an earlier configuration had it
 */
ngx_uint_t ngx_mtls_manager_outdated(ngx_mtls_conf_t *conf,
    ngx_mtls_manifest_t *m);


#endif /* _NGX_MTLS_MANAGER_FILE_H_INCLUDED_ */
