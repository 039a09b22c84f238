
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificates that a test needs, minted while it runs.
 */


#include "pki.h"

#include <dirent.h>
#include <stdio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>


static void pki_extension(X509 *x509, X509V3_CTX *ctx, const char *name,
    const char *value);


static long  pki_serial = 1000;


void
pki_issue(pki_t *cert, pki_t *issuer, const pki_spec_t *spec)
{
    long         from, to;
    X509        *x509;
    X509_NAME   *name;
    X509V3_CTX   ctx;
    ngx_uint_t   i;

    x509 = X509_new();
    assert_non_null(x509);

    cert->x509 = x509;

    if (spec->key) {
        cert->key = spec->key;
        EVP_PKEY_up_ref(cert->key);

    } else {
        cert->key = EVP_EC_gen("P-256");
        assert_non_null(cert->key);
    }

    if (issuer == NULL) {
        issuer = cert;
    }

    from = spec->from;
    to = spec->to;

    if (from == 0 && to == 0) {
        from = -PKI_DAY;
        to = 365 * PKI_DAY;
    }

    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509),
                     spec->serial ? spec->serial : ++pki_serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), from);
    X509_gmtime_adj(X509_getm_notAfter(x509), to);
    X509_set_pubkey(x509, cert->key);

    name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                               (const unsigned char *) "Test", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *) spec->cn, -1, -1, 0);

    X509_set_issuer_name(x509, X509_get_subject_name(issuer->x509));

    X509V3_set_ctx(&ctx, issuer->x509, x509, NULL, NULL, 0);

    if (spec->ca) {
        pki_extension(x509, &ctx, "basicConstraints", "critical,CA:TRUE");
        pki_extension(x509, &ctx, "keyUsage", "critical,keyCertSign,cRLSign");
    }

    pki_extension(x509, &ctx, "subjectKeyIdentifier", "hash");

    for (i = 0; i < PKI_EXTENSIONS && spec->extensions[i][0]; i++) {
        pki_extension(x509, &ctx, spec->extensions[i][0],
                      spec->extensions[i][1]);
    }

    assert_true(X509_sign(x509, issuer->key, EVP_sha256()) > 0);

    /* as from a file: nothing but its DER */

    {
        int                   n;
        unsigned char        *der = NULL;
        const unsigned char  *p;

        n = i2d_X509(x509, &der);
        assert_true(n > 0);

        p = der;
        cert->x509 = d2i_X509(NULL, &p, n);
        assert_non_null(cert->x509);

        OPENSSL_free(der);
        X509_free(x509);
    }
}


static void
pki_extension(X509 *x509, X509V3_CTX *ctx, const char *name, const char *value)
{
    X509_EXTENSION  *ext;

    ext = X509V3_EXT_conf(NULL, ctx, name, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x509, ext, -1), 1);
    X509_EXTENSION_free(ext);
}


void
pki_free(pki_t *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    ngx_memzero(cert, sizeof(pki_t));
}


ngx_str_t
pki_file(const char *dir, const char *name, pki_t **certs, ngx_uint_t n)
{
    BIO         *bio;
    char        *data;
    long         len;
    ngx_str_t    path;
    ngx_uint_t   i;

    bio = BIO_new(BIO_s_mem());
    assert_non_null(bio);

    for (i = 0; i < n; i++) {
        assert_int_equal(PEM_write_bio_X509(bio, certs[i]->x509), 1);
    }

    len = BIO_get_mem_data(bio, &data);
    path = pki_text(dir, name, data, len);
    BIO_free(bio);

    return path;
}


/* the path is the program's until it ends: a test has few of them */

ngx_str_t
pki_text(const char *dir, const char *name, const char *text, size_t len)
{
    FILE         *f;
    ngx_str_t     path;
    static char   paths[64][256];
    static int    n;

    snprintf(paths[n % 64], sizeof(paths[0]), "%s/%s", dir, name);
    path.data = (u_char *) paths[n++ % 64];
    path.len = strlen((char *) path.data);

    f = fopen((char *) path.data, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);

    return path;
}


const char *
pki_dir(void)
{
    static char  dir[64];

    snprintf(dir, sizeof(dir), "/tmp/mtls-unit-XXXXXX");
    assert_non_null(mkdtemp(dir));

    return dir;
}


void
pki_dir_remove(const char *dir)
{
    DIR            *d;
    char            path[512];
    struct dirent  *e;

    d = opendir(dir);
    assert_non_null(d);

    while ((e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        (void) unlink(path);
    }

    closedir(d);
    assert_int_equal(rmdir(dir), 0);
}
