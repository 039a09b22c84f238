
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What the files of mtlsload share.
 */


#ifndef _MTLSLOAD_H_INCLUDED_
#define _MTLSLOAD_H_INCLUDED_


#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdint.h>


#define MAX_PIPELINE  64
#define MAX_SERVERS   16
#define MAX_PROCS     65536
#define MAX_FAILURES  100000            /* of connect() */
#define IN_SIZE       16384
#define OUT_SIZE      65536
#define NBUCKETS      2000000           /* of 1 us, up to 2 s */


typedef enum {
    mode_keep = 0,
    mode_full,
    mode_resume,
    mode_hs
} load_mode_t;


typedef enum {
    state_idle = 0,
    state_tcp,
    state_tls,
    state_http
} conn_state_t;


/* what of a response is awaited */

typedef enum {
    part_head = 0,
    part_body,                          /* conn_t.left octets of it */
    part_chunks
} part_t;


typedef struct {
    int              fd;
    conn_state_t     state;
    uint32_t         events;            /* asked of epoll */
    SSL             *ssl;
    SSL_SESSION     *session;           /* outlives the connection */
    double           connected;
    double           sent[MAX_PIPELINE];
    int              first;             /* in the ring of sent */
    int              inflight;
    int              requests;          /* sent on this connection */
    int              responses;
    int              closing;           /* the server will close */
    part_t           part;
    long long        left;
    size_t           in_len;
    size_t           out_len;
    size_t           out_sent;
    char             in[IN_SIZE + 1];
    char             out[OUT_SIZE];
} conn_t;


typedef struct {
    uint32_t         bucket[NBUCKETS];
    double           max;
} histogram_t;


typedef struct {
    long             started;
    long             done;
    long             handshakes;
    long             resumed;
    long             handshake_failed;
    long             connect_failed;
    long             lost;              /* requests without an answer */
    long             refused;           /* closed before any answer */
    long             idle_closed;
    long             status[6];         /* by class; 0: anything else */
} counters_t;


typedef struct {
    double           cpu;               /* seconds */
    long             rss;               /* KiB */
    long             pss;
    int              procs;
    int              threads;
} usage_t;


typedef struct {
    const char      *address;
    int              port;
    const char      *sni;
    const char      *path;
    const char      *headers;
    const char      *cert;
    const char      *key;
    const char      *ca;
    const char      *label;
    int              tls;
    load_mode_t      mode;
    int              connections;
    long             requests;
    double           seconds;
    double           warmup;
    int              pipeline;
    int              per_connection;
    int              server[MAX_SERVERS];
    int              nservers;
} options_t;


extern options_t           opt;
extern counters_t          count;
extern histogram_t         request_time;
extern histogram_t         handshake_time;
extern int                 epoll;
extern int                 conn_index;  /* of the SSL's ex_data */
extern SSL_CTX            *ctx;
extern struct sockaddr_in  peer;
extern char                request[4096];
extern size_t              request_len;


/* seconds of a clock that only goes forward */
double now(void);

void record(histogram_t *h, double since);

/* microseconds in which a part (0 to 1) of all was done */
double percentile(const histogram_t *h, double part);

/* seconds of CPU that this process has used */
double client_cpu(void);

/* of processes and their descendants, without those that have ended */
void server_usage(usage_t *u, const int *server, int nservers, int memory);

void conn_start(conn_t *c);
void conn_drop(conn_t *c);
void conn_event(conn_t *c, uint32_t events);

/* the callback of SSL_CTX_sess_set_new_cb() */
int conn_session(SSL *ssl, SSL_SESSION *session);


#endif /* _MTLSLOAD_H_INCLUDED_ */
