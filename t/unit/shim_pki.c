
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Certificates that a test needs, minted while it runs.
 */


#include "pki.h"

#include <dirent.h>
#include <stdio.h>
#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>


static X509 *pki_reread(X509 *x509);
static CONF *pki_conf(const char *text);
static void pki_revoke(X509_CRL *crl, X509 *x509, long from);
static X509_EXTENSION *pki_extension(CONF *conf, X509V3_CTX *ctx,
    const char *name, const char *value);
static void pki_add(X509 *x509, X509_EXTENSION *ext);


static long  pki_serial = 1000;


void
pki_issue(pki_t *cert, pki_t *issuer, const pki_spec_t *spec)
{
    long         from, to;
    CONF        *conf;
    X509        *x509;
    X509_NAME   *name;
    X509V3_CTX   ctx;
    ngx_uint_t   i;

    x509 = X509_new();
    assert_non_null(x509);

    conf = pki_conf(spec->conf);

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
        pki_add(x509, pki_extension(conf, &ctx, "basicConstraints",
                                    "critical,CA:TRUE"));
        pki_add(x509, pki_extension(conf, &ctx, "keyUsage",
                                    "critical,keyCertSign,cRLSign"));
    }

    pki_add(x509, pki_extension(conf, &ctx, "subjectKeyIdentifier", "hash"));

    for (i = 0; i < PKI_EXTENSIONS && spec->extensions[i][0]; i++) {
        pki_add(x509, pki_extension(conf, &ctx, spec->extensions[i][0],
                                    spec->extensions[i][1]));
    }

    assert_true(X509_sign(x509, issuer->key, EVP_sha256()) > 0);

    cert->x509 = pki_reread(x509);
    NCONF_free(conf);
}


/* as from a file: nothing but its DER */

static X509 *
pki_reread(X509 *x509)
{
    int                   n;
    X509                 *read;
    unsigned char        *der;
    const unsigned char  *p;

    der = NULL;
    n = i2d_X509(x509, &der);
    assert_true(n > 0);

    p = der;
    read = d2i_X509(NULL, &p, n);
    assert_non_null(read);

    OPENSSL_free(der);
    X509_free(x509);

    return read;
}


static CONF *
pki_conf(const char *text)
{
    BIO   *bio;
    CONF  *conf;
    long   line;

    conf = NCONF_new(NULL);
    assert_non_null(conf);

    if (text) {
        bio = BIO_new_mem_buf(text, -1);
        assert_int_equal(NCONF_load_bio(conf, bio, &line), 1);
        BIO_free(bio);
    }

    return conf;
}


static X509_EXTENSION *
pki_extension(CONF *conf, X509V3_CTX *ctx, const char *name, const char *value)
{
    X509_EXTENSION  *ext;

    X509V3_set_nconf(ctx, conf);

    ext = X509V3_EXT_nconf(conf, ctx, name, value);
    assert_non_null(ext);

    return ext;
}


static void
pki_add(X509 *x509, X509_EXTENSION *ext)
{
    assert_int_equal(X509_add_ext(x509, ext, -1), 1);
    X509_EXTENSION_free(ext);
}


ngx_str_t
pki_crl(const char *dir, const char *name, pki_t *issuer,
    const pki_crl_t *spec)
{
    int               n;
    CONF             *conf;
    long              from, to;
    ASN1_TIME        *t;
    X509_CRL         *crl;
    ngx_str_t         path;
    X509V3_CTX        ctx;
    ngx_uint_t        i;
    ASN1_INTEGER     *number;
    unsigned char    *der;
    X509_EXTENSION   *ext;

    from = spec->from;
    to = spec->to;

    if (from == 0 && to == 0) {
        from = -PKI_DAY;
        to = 7 * PKI_DAY;
    }

    conf = pki_conf(spec->conf);

    crl = X509_CRL_new();
    assert_non_null(crl);

    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));

    t = ASN1_TIME_new();
    X509_gmtime_adj(t, from);
    X509_CRL_set1_lastUpdate(crl, t);

    if (to) {
        X509_gmtime_adj(t, to);
        X509_CRL_set1_nextUpdate(crl, t);
    }

    ASN1_TIME_free(t);

    for (i = 0; i < PKI_EXTENSIONS && spec->revoked[i]; i++) {
        pki_revoke(crl, spec->revoked[i]->x509, from - PKI_DAY);
    }

    X509V3_set_ctx(&ctx, issuer->x509, NULL, NULL, crl, 0);

    if (spec->number) {
        number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, spec->number);
        X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0);
        ASN1_INTEGER_free(number);
    }

    for (i = 0; i < PKI_EXTENSIONS && spec->extensions[i][0]; i++) {
        ext = pki_extension(conf, &ctx, spec->extensions[i][0],
                            spec->extensions[i][1]);
        assert_int_equal(X509_CRL_add_ext(crl, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }

    assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);

    der = NULL;
    n = i2d_X509_CRL(crl, &der);
    assert_true(n > 0);

    path = pki_text(dir, name, (char *) der, n);

    OPENSSL_free(der);
    X509_CRL_free(crl);
    NCONF_free(conf);

    return path;
}


static void
pki_revoke(X509_CRL *crl, X509 *x509, long from)
{
    ASN1_TIME     *t;
    X509_REVOKED  *revoked;

    t = X509_gmtime_adj(NULL, from);
    revoked = X509_REVOKED_new();

    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(x509));
    X509_REVOKED_set_revocationDate(revoked, t);
    assert_int_equal(X509_CRL_add0_revoked(crl, revoked), 1);

    ASN1_TIME_free(t);
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
