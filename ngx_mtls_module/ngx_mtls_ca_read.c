
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Files of CA certificates: read with bounds, PEM and DER.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>

#include <openssl/err.h>
#include <openssl/pem.h>


static ngx_int_t ngx_mtls_ca_load_fd(ngx_fd_t fd, ngx_str_t *path,
    ngx_log_t *log, u_char **data, size_t *len, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_errno(ngx_str_t *path, const char *call,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_read_der(u_char *data, size_t len, STACK_OF(X509)
    *certs, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_read_pem(u_char *data, size_t len, STACK_OF(X509)
    *certs, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_block(char *name, u_char *data, long len, X509
    **x509);


ngx_int_t
ngx_mtls_ca_load(ngx_str_t *path, ngx_log_t *log, u_char **data, size_t *len,
    ngx_mtls_error_t *err)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    /* not blocking: a FIFO must not stop a start */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return ngx_mtls_ca_errno(path, "open()", err);
    }

    rc = ngx_mtls_ca_load_fd(fd, path, log, data, len, err);

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_mtls_ca_load_fd(ngx_fd_t fd, ngx_str_t *path, ngx_log_t *log,
    u_char **data, size_t *len, ngx_mtls_error_t *err)
{
    u_char           *buf;
    size_t            size, got;
    ssize_t           n;
    ngx_int_t         rc;
    ngx_file_info_t   fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        return ngx_mtls_ca_errno(path, "fstat()", err);
    }

    if (!ngx_is_file(&fi)) {
        (void) ngx_mtls_error(err, "\"%V\" is not a regular file", path);
        return NGX_DECLINED;
    }

    if (ngx_file_size(&fi) <= 0 || ngx_file_size(&fi) > NGX_MTLS_CA_FILE_MAX) {
        (void) ngx_mtls_error(err, "\"%V\" has %O octets, it must have 1 to "
                              "%d", path, ngx_file_size(&fi),
                              NGX_MTLS_CA_FILE_MAX);
        return NGX_DECLINED;
    }

    size = (size_t) ngx_file_size(&fi);

    buf = ngx_alloc(size, log);
    if (buf == NULL) {
        (void) ngx_mtls_error(err, "out of memory for \"%V\"", path);
        return NGX_ERROR;
    }

    for (got = 0; got < size; got += n) {
        n = ngx_read_fd(fd, buf + got, size - got);

        if (n == -1) {
            rc = ngx_mtls_ca_errno(path, "read()", err);
            ngx_free(buf);
            return rc;
        }

        if (n == 0) {
            break;
        }
    }

    *data = buf;
    *len = got;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_errno(ngx_str_t *path, const char *call, ngx_mtls_error_t *err)
{
    u_char  text[NGX_MAX_ERROR_STR];

    *ngx_strerror(ngx_errno, text, NGX_MAX_ERROR_STR - 1) = '\0';

    (void) ngx_mtls_error(err, "%s \"%V\" failed: %s", call, path, text);

    return NGX_DECLINED;
}


ngx_int_t
ngx_mtls_ca_read(u_char *data, size_t len, STACK_OF(X509) **certs,
    ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    if (len > NGX_MTLS_CA_FILE_MAX) {
        (void) ngx_mtls_error(err, "more than %d octets",
                              NGX_MTLS_CA_FILE_MAX);
        return NGX_DECLINED;
    }

    *certs = sk_X509_new_null();
    if (*certs == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    /* a SEQUENCE of a length that no text begins with */

    if (len > 2 && data[0] == NGX_MTLS_DER_SEQUENCE && (data[1] & 0x80)) {
        rc = ngx_mtls_ca_read_der(data, len, *certs, err);

    } else {
        rc = ngx_mtls_ca_read_pem(data, len, *certs, err);
    }

    /* what was tried leaves its traces in OpenSSL's queue */

    ERR_clear_error();

    if (rc != NGX_OK) {
        sk_X509_pop_free(*certs, X509_free);
        *certs = NULL;
    }

    return rc;
}


static ngx_int_t
ngx_mtls_ca_read_der(u_char *data, size_t len, STACK_OF(X509) *certs,
    ngx_mtls_error_t *err)
{
    X509          *x509;
    const u_char  *p;

    p = data;

    x509 = d2i_X509(NULL, &p, (long) len);
    if (x509 == NULL) {
        (void) ngx_mtls_error(err, "no certificate in DER");
        return NGX_DECLINED;
    }

    if (p != data + len) {
        (void) ngx_mtls_error(err, "octets after the certificate in DER");
        X509_free(x509);
        return NGX_DECLINED;
    }

    if (sk_X509_push(certs, x509) == 0) {
        (void) ngx_mtls_error(err, "out of memory");
        X509_free(x509);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_read_pem(u_char *data, size_t len, STACK_OF(X509) *certs,
    ngx_mtls_error_t *err)
{
    BIO         *bio;
    X509        *x509;
    char        *name, *header;
    long         n;
    u_char      *der;
    ngx_int_t    rc;
    ngx_uint_t   block;

    bio = BIO_new_mem_buf(data, (int) len);
    if (bio == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (block = 1; rc == NGX_OK; block++) {

        ERR_clear_error();

        if (PEM_read_bio(bio, &name, &header, &der, &n) != 1) {
            if (ERR_GET_REASON(ERR_peek_last_error())
                != PEM_R_NO_START_LINE)
            {
                (void) ngx_mtls_error(err, "PEM block %ui is broken", block);
                rc = NGX_DECLINED;
            }

            break;
        }

        rc = ngx_mtls_ca_block(name, der, n, &x509);

        if (rc == NGX_DECLINED) {
            (void) ngx_mtls_error(err, "PEM block %ui (\"%s\") is malformed",
                                  block, name);

        } else if (rc == NGX_OK && x509 && sk_X509_push(certs, x509) == 0) {
            (void) ngx_mtls_error(err, "out of memory");
            X509_free(x509);
            rc = NGX_ERROR;
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, n);
    }

    BIO_free(bio);

    return rc;
}


/*
 * The certificate of one PEM block, NULL if the block is something else.  A
 * "TRUSTED CERTIFICATE" has OpenSSL's own trust settings after it.
 */

static ngx_int_t
ngx_mtls_ca_block(char *name, u_char *data, long len, X509 **x509)
{
    const u_char  *p;

    *x509 = NULL;
    p = data;

    if (ngx_strcmp(name, PEM_STRING_X509) == 0
        || ngx_strcmp(name, PEM_STRING_X509_OLD) == 0)
    {
        *x509 = d2i_X509(NULL, &p, len);

    } else if (ngx_strcmp(name, PEM_STRING_X509_TRUSTED) == 0) {
        *x509 = d2i_X509_AUX(NULL, &p, len);

    } else {
        return NGX_OK;
    }

    if (*x509 == NULL) {
        return NGX_DECLINED;
    }

    if (p != data + len) {
        X509_free(*x509);
        *x509 = NULL;
        return NGX_DECLINED;
    }

    return NGX_OK;
}
