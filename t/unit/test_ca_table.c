
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * From CA files to tables: what is written, what is refused and leaves
 * nothing, and that the table says what a start would have read.
 */


#include "live.h"

#include <signal.h>
#include <sys/resource.h>


static void
refused(ngx_str_t *path, ngx_int_t rc, const char *cause)
{
    ngx_int_t  got;

    got = live_compile(path, 0);

    if (got != rc
        || !err_has(cause)
        || memmem(err.text, err.len, path->data, path->len) == NULL)
    {
        fail_msg("%d, not \"%s\": \"%.*s\"", (int) got, cause, (int) err.len,
                 err.text);
    }

    assert_int_equal(nmade, 0);
    assert_int_equal(live_files(".tmp"), 0);
}


/* every fact of a table, and that its list is what a start would have read */

static void
expect_table(ngx_str_t *path, ngx_uint_t partial, ngx_uint_t n,
    ngx_uint_t trusted)
{
    u_char                    hash[NGX_MTLS_HASH_LEN];
    u_char                    keys[2 * NGX_MTLS_HASH_LEN];
    u_char                    zeroes[NGX_MTLS_HASH_LEN];
    u_char                    name[2 * NGX_MTLS_HASH_LEN + 1];
    struct stat               st;
    ngx_mtls_table_t         *table;
    ngx_mtls_ca_list_t        list, got;
    ngx_mtls_table_header_t  *header;

    ngx_memzero(zeroes, sizeof(zeroes));

    if (live_compile(path, partial) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    assert_int_equal(nmade, 1);
    assert_int_equal(live_files(".tmp"), 1);
    assert_int_equal(stat(live_made(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    table = live_open();
    header = table->header;

    assert_int_equal(header->kind, NGX_MTLS_TABLE_CA);
    assert_int_equal(header->size, st.st_size);
    assert_int_equal(header->nrecords, n);
    assert_int_equal(header->ntrusted, trusted);
    assert_memory_equal(header->source_key, job.source_key, 32);
    assert_memory_equal(header->run_id, job.run_id, NGX_MTLS_RUN_ID_LEN);
    assert_memory_equal(header->trust, zeroes, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_ca_file_list(path, partial, pool, &list, &err),
                     NGX_OK);

    got.records = live_records(table);
    got.n = header->nrecords;
    got.size = header->size - header->records;

    assert_int_equal(got.n, list.n);
    assert_int_equal(got.size, list.size);
    assert_memory_equal(got.records, list.records, list.size);
    assert_int_equal(ngx_mtls_ca_list_check(&got), NGX_OK);

    /* bound to the header, and so to the manifest: the list and its records */

    assert_int_equal(ngx_mtls_sha256(list.records, list.size, hash), NGX_OK);
    assert_memory_equal(header->source_hash, hash, NGX_MTLS_HASH_LEN);

    assert_int_equal(ngx_mtls_sha256(list.records,
                                     n * sizeof(ngx_mtls_ca_record_t), hash),
                     NGX_OK);
    assert_memory_equal(header->issuer, hash, NGX_MTLS_HASH_LEN);

    memcpy(keys, header->source_key, NGX_MTLS_HASH_LEN);
    memcpy(keys + NGX_MTLS_HASH_LEN, header->source_hash, NGX_MTLS_HASH_LEN);
    assert_int_equal(ngx_mtls_sha256(keys, sizeof(keys), hash), NGX_OK);
    *ngx_hex_dump(name, hash, NGX_MTLS_HASH_LEN) = '\0';
    assert_string_equal((char *) made->name, (char *) name);

    ngx_mtls_table_close(table);
    assert_int_equal(unlink(live_made()), 0);
}


static void
test_pem(void **state)
{
    ngx_str_t  path;

    path = live_file((pki_t *[]) { &root, &inter, &own }, 3);

    expect_table(&path, 0, 3, 2);
    expect_table(&path, 1, 3, 3);

    /* one that trusts nothing is for the manager to judge */

    path = live_file((pki_t *[]) { &inter }, 1);
    expect_table(&path, 0, 1, 0);
}


static void
test_der(void **state)
{
    int             n;
    ngx_str_t       path;
    u_char          name[2 * NGX_MTLS_HASH_LEN + 1];
    unsigned char  *der = NULL;

    n = i2d_X509(root.x509, &der);
    path = pki_text(dir, "root.der", (char *) der, n);
    expect_table(&path, 0, 1, 1);
    memcpy(name, made->name, sizeof(name));

    /* the same, however it is written down: nothing is new */

    path = live_file((pki_t *[]) { &root }, 1);
    expect_table(&path, 0, 1, 1);
    assert_string_equal((char *) made->name, (char *) name);

    /* of another source it is another table */

    job.source_key[0] ^= 1;
    expect_table(&path, 0, 1, 1);
    assert_string_not_equal((char *) made->name, (char *) name);

    path = pki_text(dir, "tail.der", (char *) der, n - 1);
    refused(&path, NGX_DECLINED, "no certificate in DER");

    OPENSSL_free(der);
}


static void
test_aux(void **state)
{
    ngx_str_t  path;
    u_char     name[2 * NGX_MTLS_HASH_LEN + 1];

    path = live_aux("aux.pem", &root, NID_client_auth);
    expect_table(&path, 0, 1, 1);
    memcpy(name, made->name, sizeof(name));

    path = live_aux("aux2.pem", &root, NID_server_auth);
    expect_table(&path, 0, 1, 1);
    assert_string_not_equal((char *) made->name, (char *) name);

    path = live_file((pki_t *[]) { &root }, 1);
    expect_table(&path, 0, 1, 1);
    assert_string_not_equal((char *) made->name, (char *) name);
}


/* all or nothing */

static void
test_refused(void **state)
{
    int         fd;
    char        text[512];
    ngx_str_t   path;

    ngx_str_set(&path, "/nonexistent/ca.pem");
    refused(&path, NGX_DECLINED, "failed: ");

    path.data = (u_char *) dir;
    path.len = strlen(dir);
    refused(&path, NGX_DECLINED, "not a regular file");

    path = pki_text(dir, "empty.pem", "", 0);
    refused(&path, NGX_DECLINED, "has 0 octets");

    path = pki_text(dir, "text.pem", "no certificate\n", 15);
    refused(&path, NGX_DECLINED, "no certificate in");

    snprintf(text, sizeof(text), "-----BEGIN PRIVATE KEY-----\nMAA=\n"
                                 "-----END PRIVATE KEY-----\n");
    path = pki_text(dir, "key.pem", text, strlen(text));
    refused(&path, NGX_DECLINED, "no certificate in");

    path = pki_text(dir, "fifo.pem", "", 0);
    unlink((char *) path.data);
    assert_int_equal(mkfifo((char *) path.data, 0600), 0);
    refused(&path, NGX_DECLINED, "not a regular file");

    /* a good one is before it */

    path = live_file((pki_t *[]) { &root, &other }, 2);
    assert_int_equal(truncate((char *) path.data, 900), 0);
    refused(&path, NGX_DECLINED, "PEM block 2 is broken");

    path = live_file((pki_t *[]) { &root }, 1);
    fd = open((char *) path.data, O_WRONLY|O_APPEND);
    assert_int_not_equal(fd, -1);
    snprintf(text, sizeof(text), "-----BEGIN CERTIFICATE-----\nMAA=\n"
                                 "-----END CERTIFICATE-----\n");
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    refused(&path, NGX_DECLINED, "PEM block 2 (\"CERTIFICATE\") is malformed");
}


static void
test_too_large(void **state)
{
    ngx_str_t  path;

    path = live_file((pki_t *[]) { &root }, 1);

    assert_int_equal(truncate((char *) path.data, NGX_MTLS_CA_FILE_MAX + 1),
                     0);
    refused(&path, NGX_DECLINED, "has 16777217 octets");

    assert_int_equal(truncate((char *) path.data, (off_t) 1 << 33), 0);
    refused(&path, NGX_DECLINED, "octets");
}


/* that OpenSSL reads it is not enough: clients' chains are judged by it */

static void
test_malformed(void **state)
{
    BIO        *bio;
    X509       *x509;
    char       *data;
    long        len;
    ngx_str_t   path;

    bio = BIO_new(BIO_s_mem());
    x509 = X509_dup(other.x509);

    assert_int_equal(X509_set_version(x509, 3), 1);
    assert_true(i2d_re_X509_tbs(x509, NULL) > 0);

    PEM_write_bio_X509(bio, root.x509);
    PEM_write_bio_X509(bio, x509);
    len = BIO_get_mem_data(bio, &data);
    path = pki_text(dir, "version.pem", data, len);

    refused(&path, NGX_DECLINED, "certificate 2 is malformed: ");

    X509_free(x509);
    BIO_free(bio);
}


/* the cause lies here, not in the file: it is tried again */

static void
test_unwritable(void **state)
{
    ngx_str_t      path, good;
    struct rlimit  old, limit;

    path = live_file((pki_t *[]) { &root, &inter }, 2);

    good = job.dir;
    ngx_str_set(&job.dir, "/nonexistent");
    refused(&path, NGX_ERROR, "(2: No such file or directory)");
    assert_true(err_has("cannot create \"/nonexistent/"));
    job.dir = good;

    /* in the midst of it */

    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;

    for (limit.rlim_cur = 0; limit.rlim_cur < 1200; limit.rlim_cur += 100) {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        refused(&path, NGX_ERROR, "(27: File too large)");
    }

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void) signal(SIGXFSZ, SIG_DFL);

    expect_table(&path, 0, 2, 1);
}


/* what a compiler that was killed left, or somebody else put in the way */

static void
test_in_the_way(void **state)
{
    char         name[256], victim[256];
    ngx_str_t    path;
    struct stat  st;

    path = live_file((pki_t *[]) { &root }, 1);
    expect_table(&path, 0, 1, 1);

    snprintf(name, sizeof(name), "%s", live_made());
    snprintf(victim, sizeof(victim), "%s/victim", dir);

    (void) pki_text(dir, "victim", "precious", 8);
    assert_int_equal(symlink(victim, name), 0);
    expect_table(&path, 0, 1, 1);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 8);

    assert_int_equal(rename(victim, name), 0);
    expect_table(&path, 0, 1, 1);

    /* what cannot be removed */

    assert_int_equal(mkdir(name, 0700), 0);
    assert_int_equal(live_compile(&path, 0), NGX_ERROR);
    assert_int_equal(nmade, 0);
    assert_true(err_has("(17: File exists)"));
    assert_int_equal(rmdir(name), 0);
}


static void
test_memory(void **state)
{
    ngx_int_t   rc;
    ngx_str_t   path;
    ngx_uint_t  i;

    path = live_file((pki_t *[]) { &root, &inter }, 2);

    for (i = 1; i < 1000; i++) {
        shim_alloc_fail(i);
        rc = live_compile(&path, 0);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        assert_true(err_has("out of memory"));
        assert_int_equal(nmade, 0);
        assert_int_equal(live_files(".tmp"), 0);
    }

    assert_true(i > 8 && i < 1000);
    assert_int_equal(nmade, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        live(test_pem),
        live(test_der),
        live(test_aux),
        live(test_refused),
        live(test_too_large),
        live(test_malformed),
        live(test_unwritable),
        live(test_in_the_way),
        live(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
