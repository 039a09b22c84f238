
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * mtlsload: one connection, from connect() to its last response.
 */


#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mtlsload.h"


static void
conn_want(conn_t *c, uint32_t events)
{
    struct epoll_event  e;

    if (c->events == events) {
        return;
    }

    e.events = events;
    e.data.ptr = c;

    epoll_ctl(epoll, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e);

    c->events = events;
}


/* by reset: the client's ports must not wait */

void
conn_drop(conn_t *c)
{
    SSL_SESSION    *session;
    struct linger   l = { 1, 0 };

    session = c->session;

    if (c->ssl != NULL) {
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
    }

    if (c->fd >= 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
        close(c->fd);
    }

    memset(c, 0, offsetof(conn_t, in));

    c->fd = -1;
    c->session = session;
}


static void
conn_again(conn_t *c)
{
    conn_drop(c);
    conn_start(c);
}


static int
may_start(void)
{
    return opt.requests == 0 || count.started < opt.requests;
}


static void
connect_failed(void)
{
    if (++count.connect_failed > MAX_FAILURES) {
        fprintf(stderr, "cannot connect\n");
        exit(3);
    }
}


void
conn_start(conn_t *c)
{
    int  one;

    if (opt.mode != mode_keep && !may_start()) {
        return;
    }

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (c->fd < 0) {
        perror("socket");
        exit(2);
    }

    one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    c->connected = now();
    c->state = state_tcp;

    if (opt.mode == mode_hs) {
        count.started++;
    }

    if (connect(c->fd, (struct sockaddr *) &peer, sizeof(peer)) < 0
        && errno != EINPROGRESS)
    {
        connect_failed();
        conn_drop(c);
        return;
    }

    conn_want(c, EPOLLOUT);
}


/* the server has closed, or all is over with it */

static void
conn_closed(conn_t *c)
{
    if (c->inflight == 0) {
        count.idle_closed++;

    } else if (c->responses == 0 && c->in_len == 0) {
        count.refused++;
    }

    count.lost += c->inflight;
    count.done += c->inflight;

    conn_again(c);
}


static void
queue_requests(conn_t *c)
{
    int  limit;

    limit = opt.mode == mode_keep ? opt.per_connection : 1;

    while (c->inflight < opt.pipeline && !c->closing && may_start()
           && (limit == 0 || c->requests < limit)
           && c->out_len + request_len <= OUT_SIZE)
    {
        memcpy(c->out + c->out_len, request, request_len);
        c->out_len += request_len;

        c->sent[(c->first + c->inflight) % MAX_PIPELINE] = now();
        c->inflight++;
        c->requests++;
        count.started++;
    }
}


static int
flush_requests(conn_t *c)
{
    int  n;

    while (c->out_sent < c->out_len) {

        n = SSL_write(c->ssl, c->out + c->out_sent, c->out_len - c->out_sent);

        if (n <= 0) {
            n = SSL_get_error(c->ssl, n);

            if (n == SSL_ERROR_WANT_WRITE) {
                conn_want(c, EPOLLIN | EPOLLOUT);
                return 1;
            }

            conn_want(c, EPOLLIN);
            return n == SSL_ERROR_WANT_READ;
        }

        c->out_sent += n;
    }

    c->out_len = 0;
    c->out_sent = 0;
    conn_want(c, EPOLLIN);

    return 1;
}


static void
consume(conn_t *c, size_t n)
{
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);
}


static void
response_done(conn_t *c)
{
    record(&request_time, c->sent[c->first]);

    c->first = (c->first + 1) % MAX_PIPELINE;
    c->part = part_head;
    c->inflight--;
    c->responses++;
    count.done++;
}


/* a head, if it is there: 0 asks for more */

static int
read_head(conn_t *c)
{
    int    class;
    char  *end, *length;

    c->in[c->in_len] = '\0';

    end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }

    *end = '\0';

    class = end - c->in > 12 ? c->in[9] - '0' : 0;
    count.status[class >= 1 && class <= 5 ? class : 0]++;

    length = strcasestr(c->in, "\r\ncontent-length:");

    if (length != NULL) {
        c->left = atoll(length + sizeof("\r\ncontent-length:") - 1);
        c->part = part_body;

    } else if (strcasestr(c->in, "\r\ntransfer-encoding: chunked") != NULL) {
        c->part = part_chunks;

    } else {
        c->left = 0;
        c->part = part_body;
    }

    if (strcasestr(c->in, "\r\nconnection: close") != NULL) {
        c->closing = 1;
    }

    consume(c, end + 4 - c->in);

    return 1;
}


/* the end of the last chunk is looked for, the others are not read */

static int
read_chunks(conn_t *c)
{
    char  *end;

    end = memmem(c->in, c->in_len, "0\r\n\r\n", 5);

    if (end == NULL) {

        if (c->in_len > 4) {
            consume(c, c->in_len - 4);
        }

        return 0;
    }

    consume(c, end + 5 - c->in);

    return 1;
}


static int
read_body(conn_t *c)
{
    size_t  n;

    n = c->in_len < (size_t) c->left ? c->in_len : (size_t) c->left;

    consume(c, n);
    c->left -= n;

    return c->left == 0;
}


static void
read_responses(conn_t *c)
{
    for ( ;; ) {

        if (c->part == part_head && !read_head(c)) {
            return;
        }

        if (!(c->part == part_body ? read_body(c) : read_chunks(c))) {
            return;
        }

        response_done(c);
    }
}


static void
tls_error(void)
{
    static int  shown;

    if (!shown++) {
        ERR_print_errors_fp(stderr);
    }

    ERR_clear_error();
    count.handshake_failed++;
}


static void
handshake(conn_t *c)
{
    int  rc;

    rc = SSL_connect(c->ssl);

    if (rc == 1) {
        record(&handshake_time, c->connected);

        count.handshakes++;
        count.resumed += SSL_session_reused(c->ssl);

        if (opt.mode == mode_hs) {
            count.done++;
            conn_again(c);
            return;
        }

        c->state = state_http;
        queue_requests(c);

        if (!flush_requests(c)) {
            conn_closed(c);
        }

        return;
    }

    switch (SSL_get_error(c->ssl, rc)) {

    case SSL_ERROR_WANT_READ:
        conn_want(c, EPOLLIN);
        return;

    case SSL_ERROR_WANT_WRITE:
        conn_want(c, EPOLLOUT);
        return;
    }

    tls_error();

    count.done++;

    if (opt.mode != mode_hs) {
        count.started++;
    }

    conn_again(c);
}


static void
connected(conn_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(err);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);

    if (err != 0) {
        connect_failed();

        if (opt.mode == mode_hs) {
            count.done++;
        }

        conn_again(c);
        return;
    }

    c->ssl = SSL_new(ctx);

    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1
        || SSL_set_ex_data(c->ssl, conn_index, c) != 1
        || SSL_set_tlsext_host_name(c->ssl, opt.sni) != 1)
    {
        ERR_print_errors_fp(stderr);
        exit(2);
    }

    if (opt.mode == mode_resume && c->session != NULL) {
        SSL_set_session(c->ssl, c->session);
    }

    c->state = state_tls;
    handshake(c);
}


/* 1 if more may be read at once */

static int
read_some(conn_t *c)
{
    int  n;

    if (c->in_len == IN_SIZE) {         /* a head larger than the buffer */
        count.status[0]++;
        conn_closed(c);
        return 0;
    }

    ERR_clear_error();
    n = SSL_read(c->ssl, c->in + c->in_len, IN_SIZE - c->in_len);

    if (n > 0) {
        c->in_len += n;
        read_responses(c);

        if (c->inflight == 0
            && (c->closing || opt.mode != mode_keep
                || (opt.per_connection != 0
                    && c->requests >= opt.per_connection)))
        {
            conn_again(c);
            return 0;
        }

        if (SSL_pending(c->ssl) != 0) {
            return 1;
        }

        queue_requests(c);

        if (!flush_requests(c)) {
            conn_closed(c);
        }

        return 0;
    }

    switch (SSL_get_error(c->ssl, n)) {

    case SSL_ERROR_WANT_READ:
        return 0;

    case SSL_ERROR_WANT_WRITE:
        conn_want(c, EPOLLIN | EPOLLOUT);
        return 0;

    case SSL_ERROR_SSL:

        /* in TLS 1.3 a refusal comes after the client's Finished */

        if (c->responses == 0) {
            tls_error();
        }
    }

    conn_closed(c);

    return 0;
}


void
conn_event(conn_t *c, uint32_t events)
{
    switch (c->state) {

    case state_tcp:
        connected(c);
        return;

    case state_tls:
        handshake(c);
        return;

    case state_http:

        if ((events & EPOLLOUT) && !flush_requests(c)) {
            conn_closed(c);
            return;
        }

        while (read_some(c)) { /* void */ }

        return;

    case state_idle:
        return;
    }
}


int
conn_session(SSL *ssl, SSL_SESSION *session)
{
    conn_t  *c;

    c = SSL_get_ex_data(ssl, conn_index);

    SSL_SESSION_free(c->session);
    c->session = session;

    return 1;
}
