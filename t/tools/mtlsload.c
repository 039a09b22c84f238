/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * mtlsload: a load client for HTTPS (HTTP/1.1) that presents a certificate;
 * one thread, epoll.  Measures throughput and latency and, given the process
 * id of a server, the CPU time and the memory of it and all its descendants.
 *
 * build: cc -O2 -o mtlsload mtlsload*.c -lssl -lcrypto
 *
 * usage: mtlsload -p port [-H address] [-s sni] [-u path] [-A 'Name: v\r\n']
 *     [-e cert.pem] [-k key.pem] [-C ca.pem] [-t 12|13] [-m mode]
 *     [-c connections] [-n requests | -d seconds] [-w seconds_of_warmup]
 *     [-P pipeline] [-r requests_per_connection] [-S server_pid]... [-L label]
 *
 * modes:
 *     keep    each connection sends one request after another
 *     full    every request on a fresh connection with a full handshake
 *     resume  every request on a fresh connection, resumed where possible
 *     hs      connections and handshakes alone
 *
 * The output is one line of key=value.  Times are of the client's clock.
 */


#include <arpa/inet.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mtlsload.h"


options_t  opt = {
    .address = "127.0.0.1", .sni = "localhost", .path = "/", .headers = "",
    .label = "", .tls = 13, .connections = 16, .pipeline = 1
};

counters_t           count;
histogram_t          request_time;
histogram_t          handshake_time;
int                  epoll;
int                  conn_index;
SSL_CTX             *ctx;
struct sockaddr_in   peer;
char                 request[4096];
size_t               request_len;


static void
make_context(void)
{
    int  version;

    ctx = SSL_CTX_new(TLS_client_method());
    version = opt.tls == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL
        || SSL_CTX_set_min_proto_version(ctx, version) != 1
        || SSL_CTX_set_max_proto_version(ctx, version) != 1
        || (opt.cert != NULL
            && (SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1
                || SSL_CTX_use_PrivateKey_file(ctx, opt.key ? opt.key
                                                            : opt.cert,
                                               SSL_FILETYPE_PEM) != 1))
        || (opt.ca != NULL
            && SSL_CTX_load_verify_locations(ctx, opt.ca, NULL) != 1))
    {
        ERR_print_errors_fp(stderr);
        exit(1);
    }

    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (opt.ca != NULL) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }

    if (opt.mode == mode_resume) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT
                                            | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, conn_session);

    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }

    conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}


static int
parse_mode(const char *name)
{
    int                 i;

    static const char  *names[] = { "keep", "full", "resume", "hs" };

    for (i = 0; i < 4; i++) {

        if (strcmp(name, names[i]) == 0) {
            opt.mode = i;
            return 1;
        }
    }

    return 0;
}


static int
parse_options(int argc, char **argv)
{
    int  c;

    while ((c = getopt(argc, argv,
                       "H:p:s:u:A:e:k:C:m:c:n:d:w:P:r:t:S:L:")) != -1)
    {
        switch (c) {
        case 'H': opt.address = optarg; break;
        case 'p': opt.port = atoi(optarg); break;
        case 's': opt.sni = optarg; break;
        case 'u': opt.path = optarg; break;
        case 'A': opt.headers = optarg; break;
        case 'e': opt.cert = optarg; break;
        case 'k': opt.key = optarg; break;
        case 'C': opt.ca = optarg; break;
        case 'c': opt.connections = atoi(optarg); break;
        case 'n': opt.requests = atol(optarg); break;
        case 'd': opt.seconds = atof(optarg); break;
        case 'w': opt.warmup = atof(optarg); break;
        case 'P': opt.pipeline = atoi(optarg); break;
        case 'r': opt.per_connection = atoi(optarg); break;
        case 't': opt.tls = atoi(optarg); break;
        case 'L': opt.label = optarg; break;

        case 'm':
            if (!parse_mode(optarg)) {
                return 0;
            }

            break;

        case 'S':
            if (opt.nservers == MAX_SERVERS) {
                return 0;
            }

            opt.server[opt.nservers++] = atoi(optarg);
            break;

        default:
            return 0;
        }
    }

    if (opt.requests == 0 && opt.seconds <= 0) {
        opt.seconds = 5;
    }

    peer.sin_family = AF_INET;
    peer.sin_port = htons(opt.port);

    return opt.port != 0 && opt.connections > 0 && opt.pipeline > 0
           && opt.pipeline <= MAX_PIPELINE
           && inet_pton(AF_INET, opt.address, &peer.sin_addr) == 1;
}


static void
report(const counters_t *from, double seconds, double cpu, double server_cpu,
    const usage_t *server)
{
    int   i;
    long  n, hs, status[6];

    n = count.done - from->done;
    hs = count.handshakes - from->handshakes;

    printf("label=%s req=%ld time=%.3f rps=%.0f p50us=%.0f p99us=%.0f"
           " p999us=%.0f maxus=%.0f", opt.label, n, seconds, n / seconds,
           percentile(&request_time, .5), percentile(&request_time, .99),
           percentile(&request_time, .999), request_time.max * 1e6);

    printf(" hs=%ld hsps=%.0f hs_resumed=%ld hs_p50us=%.0f hs_p99us=%.0f"
           " hs_maxus=%.0f", hs, hs / seconds, count.resumed - from->resumed,
           percentile(&handshake_time, .5), percentile(&handshake_time, .99),
           handshake_time.max * 1e6);

    for (i = 0; i < 6; i++) {
        status[i] = count.status[i] - from->status[i];
    }

    printf(" s2xx=%ld s4xx=%ld s5xx=%ld sother=%ld lost=%ld early_close=%ld"
           " idle_close=%ld hs_fail=%ld tcp_fail=%ld", status[2], status[4],
           status[5], status[0] + status[1] + status[3],
           count.lost - from->lost, count.refused - from->refused,
           count.idle_closed - from->idle_closed,
           count.handshake_failed - from->handshake_failed,
           count.connect_failed - from->connect_failed);

    printf(" cli_cpu_us_per_req=%.2f", n ? cpu * 1e6 / n : 0);

    if (opt.nservers != 0) {
        printf(" srv_cpu_us_per_req=%.2f srv_util=%.2f srv_procs=%d"
               " srv_threads=%d srv_rss_kb=%ld srv_pss_kb=%ld",
               n ? server_cpu * 1e6 / n : 0, server_cpu / seconds,
               server->procs, server->threads, server->rss, server->pss);
    }

    printf("\n");
}


/* runs until a time (0: never) or until all requests are done */

static void
run(conn_t *conns, double until)
{
    int                 i, n;
    conn_t             *c;
    struct epoll_event  ev[256];

    while ((until == 0 || now() < until)
           && (opt.requests == 0 || count.done < opt.requests))
    {
        n = epoll_wait(epoll, ev, 256, 100);

        for (i = 0; i < n; i++) {
            c = ev[i].data.ptr;

            if (c->fd >= 0) {
                conn_event(c, ev[i].events);
            }
        }

        for (i = 0; n == 0 && i < opt.connections; i++) {

            if (conns[i].fd < 0) {
                conn_start(&conns[i]);
            }
        }
    }
}


int
main(int argc, char **argv)
{
    int         i;
    double      start, seconds, cpu;
    conn_t     *conns;
    usage_t     before, after;
    counters_t  from;

    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: mtlsload -p port [-e cert.pem -k key.pem]"
                        " [-m keep|full|resume|hs], more at the top of"
                        " mtlsload.c\n");
        return 1;
    }

    signal(SIGPIPE, SIG_IGN);

    request_len = snprintf(request, sizeof(request),
                           "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
                           opt.path, opt.sni, opt.headers,
                           opt.mode == mode_keep ? ""
                                                 : "Connection: close\r\n");

    if (request_len >= sizeof(request)) {
        fprintf(stderr, "the request is too long\n");
        return 1;
    }

    make_context();

    epoll = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(opt.connections, sizeof(conn_t));

    if (epoll < 0 || conns == NULL) {
        perror("mtlsload");
        return 1;
    }

    for (i = 0; i < opt.connections; i++) {
        conns[i].fd = -1;
        conn_start(&conns[i]);
    }

    if (opt.warmup > 0) {
        run(conns, now() + opt.warmup);
        memset(&request_time, 0, sizeof(request_time));
        memset(&handshake_time, 0, sizeof(handshake_time));
    }

    from = count;
    server_usage(&before, opt.server, opt.nservers, 0);
    cpu = client_cpu();
    start = now();

    run(conns, opt.seconds > 0 ? start + opt.seconds : 0);

    seconds = now() - start;
    cpu = client_cpu() - cpu;
    server_usage(&after, opt.server, opt.nservers, 1);

    report(&from, seconds, cpu, after.cpu - before.cpu, &after);

    for (i = 0; i < opt.connections; i++) {
        conn_drop(&conns[i]);
        SSL_SESSION_free(conns[i].session);
    }

    SSL_CTX_free(ctx);
    free(conns);

    return 0;
}
