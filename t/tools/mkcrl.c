
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * mkcrl: makes CRLs of up to millions of entries, quickly; it writes the DER
 * by itself and lets OpenSSL sign.
 *
 * build: cc -O2 -o mkcrl mkcrl.c -lcrypto
 *
 * usage: mkcrl -c ca.pem -k ca.key -o out [-n entries] [-f pem|der] [-s seed]
 *     [-b serial_bytes (16)] [-r serial_hex]... [-p percent_with_reason (0)]
 *     [-N crl_number (1)] [-D base_crl_number, which makes it a delta CRL]
 *     [-t thisUpdate] [-u nextUpdate] (seconds from now; 0 and 604800)
 *     [-l file: all serials, hex, one a line, in the order of the CRL]
 *
 * All but times and an ECDSA signature is a function of the arguments.  Serial
 * i of seed s is splitmix64(s * 2^32 + i * 4 + k), k = 0, 1, ..., big-endian,
 * with the first octet & 0x7f | 0x40: positive, of exactly serial_bytes.
 */


#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define MAX_SERIAL   20
#define MAX_EXTRA    1024
#define DAY          86400


typedef struct {
    const char     *cert;
    const char     *key;
    const char     *out;
    const char     *list;
    const char     *extra[MAX_EXTRA];   /* serials by -r */
    int             nextra;
    int             der;
    int             serial_bytes;
    int             percent;            /* of the entries have a reason */
    long            n;
    long long       number;
    long long       base;               /* of a delta CRL, else -1 */
    long long       this_update;
    long long       next_update;
    time_t          now;
    uint64_t        seed;
} options_t;


typedef struct {
    X509           *cert;
    EVP_PKEY       *key;
    unsigned char   alg[16];            /* AlgorithmIdentifier */
    size_t          alg_len;
} signer_t;


static unsigned char  *buf;             /* the CRL as it grows */
static size_t          len;
static size_t          cap;


static void
die(const char *what)
{
    perror(what);
    exit(1);
}


static void
put(const void *p, size_t n)
{
    if (len + n > cap) {
        cap = (len + n) * 2 + 4096;
        buf = realloc(buf, cap);

        if (buf == NULL) {
            die("realloc");
        }
    }

    memcpy(buf + len, p, n);
    len += n;
}


/* a tag and a length in DER's shortest form; gives the octets written */

static size_t
header(unsigned char *out, int tag, size_t n)
{
    int     i;
    size_t  k;

    out[0] = tag;

    if (n < 128) {
        out[1] = n;
        return 2;
    }

    k = 0;

    for (i = 7; i >= 0; i--) {
        if (k != 0 || ((n >> (8 * i)) & 255) != 0) {
            out[2 + k++] = n >> (8 * i);
        }
    }

    out[1] = 0x80 | k;

    return 2 + k;
}


static void
put_tlv(int tag, const void *p, size_t n)
{
    unsigned char  h[12];

    put(h, header(h, tag, n));
    put(p, n);
}


/* makes all from an offset on the content of an element */

static void
wrap(size_t at, int tag)
{
    size_t         n, k;
    unsigned char  h[12];

    n = len - at;
    k = header(h, tag, n);

    put(h, k);
    memmove(buf + at + k, buf + at, n);
    memcpy(buf + at, h, k);
}


/* the content of a UTCTime or GeneralizedTime; gives the tag */

static int
time_string(char *out, size_t size, time_t t)
{
    struct tm  tm;

    gmtime_r(&t, &tm);

    if (tm.tm_year < 150) {
        strftime(out, size, "%y%m%d%H%M%SZ", &tm);
        return 0x17;
    }

    strftime(out, size, "%Y%m%d%H%M%SZ", &tm);
    return 0x18;
}


static void
put_time(time_t t)
{
    int   tag;
    char  text[24];

    tag = time_string(text, sizeof(text), t);
    put_tlv(tag, text, strlen(text));
}


/* Extension { oid, critical, OCTET STRING { INTEGER } } */

static void
put_number_extension(const char *oid, int critical, uint64_t v)
{
    int            k;
    size_t         start, value;
    unsigned char  n[9];

    k = 9;

    do {
        n[--k] = v;
        v >>= 8;
    } while (v != 0);

    if (n[k] & 0x80) {
        n[--k] = 0;
    }

    start = len;
    put(oid, 5);

    if (critical) {
        put("\x01\x01\xff", 3);
    }

    value = len;
    put_tlv(0x02, n + k, 9 - k);
    wrap(value, 0x04);
    wrap(start, 0x30);
}


static uint64_t
splitmix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}


static int
seeded_serial(unsigned char *out, const options_t *o, long i)
{
    int       k, n;
    uint64_t  x;

    for (n = 0; n < o->serial_bytes; n += 8) {
        x = splitmix64((o->seed << 32) + (uint64_t) i * 4 + n / 8);

        for (k = 0; k < 8 && n + k < o->serial_bytes; k++) {
            out[n + k] = x >> (56 - 8 * k);
        }
    }

    out[0] = (out[0] & 0x7f) | 0x40;

    return o->serial_bytes;
}


/* a serial given in hex, as a positive INTEGER in its shortest form */

static int
given_serial(unsigned char *out, const char *hex)
{
    int       n, digits;
    unsigned  v;

    n = 0;

    for (digits = 2 - strlen(hex) % 2; *hex != '\0' && n < MAX_SERIAL;
         hex += digits, digits = 2)
    {
        if (sscanf(hex, digits == 1 ? "%1x" : "%2x", &v) != 1) {
            fprintf(stderr, "bad serial \"%s\"\n", hex);
            exit(1);
        }

        out[n++] = v;
    }

    while (n > 1 && out[0] == 0 && !(out[1] & 0x80)) {
        memmove(out, out + 1, --n);
    }

    if (out[0] & 0x80) {
        memmove(out + 1, out, n++);
        out[0] = 0;
    }

    return n;
}


static void
put_entry(const options_t *o, long i, FILE *list)
{
    int            k, n, reason;
    time_t         when;
    size_t         start;
    unsigned char  serial[MAX_SERIAL + 1];

    if (i < o->n) {
        n = seeded_serial(serial, o, i);
        reason = (int) (splitmix64(o->seed ^ (uint64_t) i ^ 0x5555) % 100)
                 < o->percent;

    } else {
        n = given_serial(serial, o->extra[i - o->n]);
        reason = 0;
    }

    if (list != NULL) {
        for (k = 0; k < n; k++) {
            fprintf(list, "%02X", serial[k]);
        }

        fputc('\n', list);
    }

    when = o->now + o->this_update - DAY
           - (time_t) (splitmix64(i) % (300 * DAY));

    start = len;
    put_tlv(0x02, serial, n);
    put_time(when);

    if (reason) {

        /* cRLReason: keyCompromise to superseded */

        reason = 1 + i % 4;

        put("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01", 13);
        put(&(unsigned char) { reason }, 1);
    }

    wrap(start, 0x30);
}


static void
put_extensions(const options_t *o, const signer_t *signer)
{
    size_t                    start, ext, value;
    const ASN1_OCTET_STRING  *ski;

    start = len;
    ski = X509_get0_subject_key_id(signer->cert);

    if (ski != NULL) {
        ext = len;
        put("\x06\x03\x55\x1d\x23", 5);

        value = len;
        put_tlv(0x80, ski->data, ski->length);
        wrap(value, 0x30);
        wrap(value, 0x04);
        wrap(ext, 0x30);
    }

    put_number_extension("\x06\x03\x55\x1d\x14", 0, o->number);

    if (o->base >= 0) {
        put_number_extension("\x06\x03\x55\x1d\x1b", 1, o->base);
    }

    wrap(start, 0x30);
    wrap(start, 0xa0);
}


static void
put_tbs(const options_t *o, const signer_t *signer)
{
    int             n;
    long            i;
    FILE           *list;
    size_t          start;
    unsigned char  *name;

    list = NULL;

    if (o->list != NULL) {
        list = fopen(o->list, "w");

        if (list == NULL) {
            die(o->list);
        }
    }

    name = NULL;
    n = i2d_X509_NAME(X509_get_subject_name(signer->cert), &name);

    put_tlv(0x02, "\x01", 1);
    put(signer->alg, signer->alg_len);
    put(name, n);
    put_time(o->now + o->this_update);
    put_time(o->now + o->next_update);

    OPENSSL_free(name);

    if (o->n + o->nextra > 0) {
        start = len;

        for (i = 0; i < o->n + o->nextra; i++) {
            put_entry(o, i, list);
        }

        wrap(start, 0x30);
    }

    put_extensions(o, signer);
    wrap(0, 0x30);

    if (list != NULL && fclose(list) != 0) {
        die(o->list);
    }
}


/* adds the algorithm and the signature to the TBSCertList */

static void
sign(const signer_t *signer)
{
    size_t          n;
    EVP_MD_CTX     *ctx;
    unsigned char  *sig;

    ctx = EVP_MD_CTX_new();
    sig = NULL;

    if (ctx == NULL
        || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, signer->key) != 1
        || EVP_DigestSign(ctx, NULL, &n, buf, len) != 1
        || (sig = malloc(n + 1)) == NULL
        || EVP_DigestSign(ctx, sig + 1, &n, buf, len) != 1)
    {
        ERR_print_errors_fp(stderr);
        exit(1);
    }

    sig[0] = 0;

    put(signer->alg, signer->alg_len);
    put_tlv(0x03, sig, n + 1);
    wrap(0, 0x30);

    free(sig);
    EVP_MD_CTX_free(ctx);
}


static void
load_signer(signer_t *signer, const options_t *o)
{
    BIO  *cert, *key;

    static const char  ecdsa[] = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04"
                                 "\x03\x02";
    static const char  rsa[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01"
                               "\x01\x0b\x05\x00";

    cert = BIO_new_file(o->cert, "r");
    key = BIO_new_file(o->key, "r");

    if (cert == NULL || key == NULL
        || (signer->cert = PEM_read_bio_X509(cert, NULL, NULL, NULL)) == NULL
        || (signer->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL))
           == NULL)
    {
        ERR_print_errors_fp(stderr);
        exit(1);
    }

    BIO_free(cert);
    BIO_free(key);

    switch (EVP_PKEY_get_base_id(signer->key)) {

    case EVP_PKEY_EC:
        signer->alg_len = sizeof(ecdsa) - 1;
        memcpy(signer->alg, ecdsa, sizeof(ecdsa) - 1);
        break;

    case EVP_PKEY_RSA:
        signer->alg_len = sizeof(rsa) - 1;
        memcpy(signer->alg, rsa, sizeof(rsa) - 1);
        break;

    default:
        fprintf(stderr, "an EC or RSA key is needed\n");
        exit(1);
    }
}


static void
write_file(const options_t *o)
{
    int    ok;
    FILE  *f;

    f = fopen(o->out, "w");

    if (f == NULL) {
        die(o->out);
    }

    if (o->der) {
        ok = fwrite(buf, 1, len, f) == len;

    } else {
        ok = PEM_write(f, "X509 CRL", "", buf, len) > 0;
    }

    if (fclose(f) != 0 || !ok) {
        die(o->out);
    }
}


static int
parse_options(options_t *o, int argc, char **argv)
{
    int  c;

    while ((c = getopt(argc, argv, "c:k:n:o:f:s:b:r:p:N:D:t:u:l:")) != -1) {

        switch (c) {
        case 'c': o->cert = optarg; break;
        case 'k': o->key = optarg; break;
        case 'o': o->out = optarg; break;
        case 'l': o->list = optarg; break;
        case 'n': o->n = atol(optarg); break;
        case 'f': o->der = strcmp(optarg, "der") == 0; break;
        case 's': o->seed = strtoull(optarg, NULL, 0); break;
        case 'b': o->serial_bytes = atoi(optarg); break;
        case 'p': o->percent = atoi(optarg); break;
        case 'N': o->number = atoll(optarg); break;
        case 'D': o->base = atoll(optarg); break;
        case 't': o->this_update = atoll(optarg); break;
        case 'u': o->next_update = atoll(optarg); break;

        case 'r':
            if (o->nextra == MAX_EXTRA) {
                return 0;
            }

            o->extra[o->nextra++] = optarg;
            break;

        default:
            return 0;
        }
    }

    return o->cert != NULL && o->key != NULL && o->out != NULL && o->n >= 0
           && o->serial_bytes >= 1 && o->serial_bytes <= MAX_SERIAL;
}


int
main(int argc, char **argv)
{
    long       n;
    signer_t   signer;
    options_t  o;

    memset(&signer, 0, sizeof(signer));
    memset(&o, 0, sizeof(o));

    o.serial_bytes = 16;
    o.number = 1;
    o.base = -1;
    o.next_update = 7 * DAY;
    o.seed = 1;
    o.now = time(NULL);

    if (!parse_options(&o, argc, argv)) {
        fprintf(stderr, "usage: mkcrl -c ca.pem -k ca.key -o out [-n entries],"
                        " more at the top of mkcrl.c\n");
        return 1;
    }

    load_signer(&signer, &o);
    put_tbs(&o, &signer);
    sign(&signer);
    write_file(&o);

    n = o.n + o.nextra;

    printf("entries=%ld der_bytes=%zu bytes_per_entry=%.2f\n", n, len,
           n ? (double) len / n : 0.0);

    X509_free(signer.cert);
    EVP_PKEY_free(signer.key);
    free(buf);

    return 0;
}
