
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Kept CRLs: what is written is what is read, what serves and what does not,
 * and that no octet of a damaged file is believed.
 */


#include "compile.h"

#include <ngx_mtls_crl_parse.h>
#include <ngx_mtls_kept.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <openssl/pem.h>


#define HEAD    72     /* octets of the head, of an entry */
#define ENTRY   176


static compile_t                *c = &compile;

static char                      dir_path[64];
static char                      kept_path[256];     /* of "a.crl" */
static ngx_str_t                 dir;
static ngx_pool_t               *pool;
static ngx_mtls_table_header_t   headers[4];
static ngx_mtls_kept_t           kept;
static ngx_mtls_error_t          err;


static int
setup(void **state)
{
    compile_setup(state);

    strcpy(dir_path, "/tmp/mtls_kept.XXXXXX");

    if (mkdtemp(dir_path) == NULL) {
        return -1;
    }

    dir.data = (u_char *) dir_path;
    dir.len = strlen(dir_path);

    c->job.kept = dir;
    pool = shim_pool();

    return 0;
}


static int
teardown(void **state)
{
    char  cmd[96];

    ngx_destroy_pool(pool);
    compile_teardown(state);

    snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir_path);

    return system(cmd);
}


/* from here on the file has the tables of the last compilation, or none */

static void
has_tables(ngx_uint_t n)
{
    FILE        *f;
    char         path[512];
    ngx_uint_t   i;

    for (i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s.tmp", c->w.dir, c->made[i].name);
        f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fread(&headers[i], sizeof(headers[i]), 1, f), 1);
        fclose(f);
    }

    c->job.loaded = headers;
    c->job.nloaded = n;
}


/* compiles a file and keeps it; the next one is of another run */

static void
keep(const void *data, size_t len, ngx_uint_t n)
{
    u_char  name[NGX_MTLS_KEPT_NAME_LEN + 1];

    compile_good(data, len, n);
    has_tables(n);

    if (ngx_mtls_crl_keep(&c->job, c->w.pool, &err) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    compile_clean();
    c->job.nloaded = 0;

    assert_int_equal(ngx_mtls_kept_name(&c->job.path, name), NGX_OK);
    snprintf(kept_path, sizeof(kept_path), "%s/%s", dir_path, name);
}


static ngx_str_t
file_of(der_t *crl)
{
    return pki_text(c->w.dir, "a.crl", (char *) crl->data, crl->len);
}


static ngx_int_t
read_kept(ngx_uint_t head)
{
    return ngx_mtls_kept_read(&dir, &c->job.path, head, pool, &kept, &err);
}


static void
refused(const char *cause)
{
    assert_int_equal(read_kept(1), NGX_ABORT);
    err.text[ngx_min(err.len, sizeof(err.text) - 1)] = '\0';

    if (strstr((char *) err.text, cause) == NULL) {
        fail_msg("is \"%s\", not \"%s\"", err.text, cause);
    }

    assert_null(kept.data);
}


static u_char *
slurp(size_t *len)
{
    FILE    *f;
    u_char  *p;

    p = ngx_palloc(c->w.pool, 65536);
    assert_non_null(p);

    f = fopen(kept_path, "r");
    assert_non_null(f);
    *len = fread(p, 1, 65536, f);
    fclose(f);

    return p;
}


static void
spew(const void *data, size_t len)
{
    FILE  *f;

    (void) unlink(kept_path);
    f = fopen(kept_path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
    assert_int_equal(chmod(kept_path, 0600), 0);
}


/* what was written is what is read */

static void
test_read(void **state)
{
    char         buf[NGX_MAX_PATH];
    der_t        a, b;
    ngx_fd_t     folder;
    ngx_str_t    all, pa, pb, path;
    struct stat  sb;

    c->job.path = pki_text(c->w.dir, "a.crl", "x", 1);
    assert_int_equal(read_kept(0), NGX_DECLINED);

    a = compile_crl(&c->ca, "07");
    shim_time_set(time(NULL));
    keep(a.data, a.len, 1);

    assert_int_equal(stat(kept_path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);

    assert_int_equal(read_kept(1), NGX_OK);
    assert_int_equal(kept.time, ngx_time());
    assert_int_equal(kept.ncrls, 1);
    assert_int_equal(kept.ncerts, 0);
    assert_int_equal(kept.retired, 0);
    assert_null(kept.crls[0].der.data);
    assert_int_equal(kept.crls[0].der.len, a.len);
    assert_int_equal(kept.crls[0].header.number_len, 1);
    assert_int_equal(kept.crls[0].header.number[0], 7);
    assert_memory_equal(kept.crls[0].header.source_hash,
                        headers[0].source_hash, 32);
    assert_false(ngx_mtls_crl_older(&kept.crls[0].header, &headers[0]));
    assert_false(ngx_mtls_crl_older(&headers[0], &kept.crls[0].header));
    headers[0].number[0] = 6;
    assert_true(ngx_mtls_crl_older(&headers[0], &kept.crls[0].header));
    ngx_mtls_kept_free(&kept);

    /* several, with certificates, one that is superseded */

    b = compile_crl(&c->root, "01");
    pa = crl_pem(c->w.pool, &a);
    pb = crl_pem(c->w.pool, &b);
    b = compile_crl(&c->ca, "06");
    path = crl_pem(c->w.pool, &b);
    b = compile_crl(&c->root, "01");
    all = compile_join((ngx_str_t[]) { pa, path, pb, pa }, 4);
    keep(all.data, all.len, 2);

    assert_int_equal(read_kept(0), NGX_OK);
    assert_int_equal(kept.ncrls, 2);
    assert_int_equal(kept.crls[0].der.len, a.len);
    assert_memory_equal(kept.crls[0].der.data, a.data, a.len);
    ngx_mtls_kept_free(&kept);

    /* whose it is */

    folder = open(dir_path, O_RDONLY|O_DIRECTORY);
    assert_int_not_equal(folder, -1);
    assert_int_equal(ngx_mtls_kept_path(folder, strrchr(kept_path, '/') + 1,
                                        (u_char *) buf, &path),
                     NGX_OK);
    assert_int_equal(path.len, c->job.path.len);
    assert_string_equal((char *) path.data, (char *) c->job.path.data);

    /* under another name it is nobody's */

    snprintf(buf, sizeof(buf), "%s/%064d", dir_path, 0);
    assert_int_equal(rename(kept_path, buf), 0);
    assert_int_equal(ngx_mtls_kept_path(folder, strrchr(buf, '/') + 1,
                                        (u_char *) buf, &path),
                     NGX_DECLINED);
    close(folder);
}


/* nothing is written where it is there, and later ones stay */

static void
test_keep(void **state)
{
    der_t        a, b;
    struct stat  one, two;

    a = compile_crl(&c->ca, "07");
    b = compile_crl(&c->ca, "08");

    keep(a.data, a.len, 1);
    assert_int_equal(stat(kept_path, &one), 0);
    keep(a.data, a.len, 1);
    assert_int_equal(stat(kept_path, &two), 0);
    assert_int_equal(one.st_ino, two.st_ino);

    keep(b.data, b.len, 1);
    assert_int_equal(read_kept(1), NGX_OK);
    assert_int_equal(kept.crls[0].header.number[0], 8);
    ngx_mtls_kept_free(&kept);

    /* another instance has an older one in force */

    c->job.kept.len = 0;
    compile_good(a.data, a.len, 1);
    c->job.kept = dir;
    has_tables(1);
    assert_int_equal(ngx_mtls_crl_keep(&c->job, c->w.pool, &err), NGX_OK);
    assert_int_equal(read_kept(1), NGX_OK);
    assert_int_equal(kept.crls[0].header.number[0], 8);
    ngx_mtls_kept_free(&kept);

    /* the file has changed meanwhile, or is gone */

    assert_int_equal(unlink(kept_path), 0);
    c->job.path = file_of(&b);
    assert_int_equal(ngx_mtls_crl_keep(&c->job, c->w.pool, &err),
                     NGX_DECLINED);
    assert_int_equal(unlink((char *) c->job.path.data), 0);
    assert_int_equal(ngx_mtls_crl_keep(&c->job, c->w.pool, &err),
                     NGX_DECLINED);
    assert_int_equal(read_kept(1), NGX_DECLINED);

    /* nowhere to write */

    c->job.path = file_of(&a);
    ngx_str_set(&c->job.kept, "/nonexistent");
    assert_int_equal(ngx_mtls_crl_keep(&c->job, c->w.pool, &err), NGX_ERROR);
}


/* what serves at the next start */

static void
test_serves(void **state)
{
    der_t  a, b;

    a = compile_crl(&c->ca, "07");
    keep(a.data, a.len, 1);

    compile_good(a.data, a.len, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SAME);
    compile_clean();

    compile_good("broken", 6, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    compile_cause("there is no CRL in it, neither DER nor"
                  " \"-----BEGIN X509 CRL-----\"");
    assert_true(compile_listed(0, "\x05", 1));
    compile_clean();

    assert_int_equal(unlink((char *) c->job.path.data), 0);
    assert_int_equal(compile_again(), NGX_OK);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    compile_clean();

    b = compile_crl(&c->ca, "06");
    compile_good(b.data, b.len, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    c->err.text[c->err.len] = '\0';
    assert_non_null(strstr((char *) c->err.text, "older (CRL number 6) than"
                           " the kept one (CRL number 7); if its CA really"
                           " began anew, remove \"/tmp/"));
    compile_clean();

    b = compile_crl(&c->ca, "08");
    compile_good(b.data, b.len, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_UNUSED);
    compile_clean();

    /* of another CA: nothing to compare */

    b = compile_crl(&c->root, "01");
    compile_good(b.data, b.len, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_UNUSED);
    compile_clean();

    /* a file that has tables needs none, but under another trust */

    compile_good(a.data, a.len, 1);
    has_tables(1);
    compile_clean();
    assert_int_equal(compile_run("broken", 6), NGX_DECLINED);
    headers[0].trust[0] ^= 1;
    compile_good("broken", 6, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    compile_clean();
    c->job.nloaded = 0;

    /* in the place of a list of a stranger, too */

    b = compile_crl(&c->other, "07");
    assert_int_equal(compile_run(b.data, b.len), NGX_OK);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    compile_clean();
}


/* something later was in force that is not kept */

static void
test_retired(void **state)
{
    der_t        a, b;
    struct stat  sb;

    a = compile_crl(&c->ca, "07");
    b = compile_crl(&c->ca, "06");
    keep(a.data, a.len, 1);

    ngx_mtls_kept_retire(&dir, &c->job.path);
    assert_int_equal(stat(kept_path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0400);

    assert_int_equal(compile_run("broken", 6), NGX_DECLINED);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_BAD);
    assert_int_equal(compile_files(".tmp"), 0);
    c->err.text[c->err.len] = '\0';
    assert_non_null(strstr((char *) c->err.text, "a later list was in force"));

    assert_int_equal(compile_run(b.data, b.len), NGX_DECLINED);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_BAD);
    c->err.text[c->err.len] = '\0';
    assert_non_null(strstr((char *) c->err.text, "than the kept one"));

    compile_good(a.data, a.len, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_UNUSED);
    compile_clean();

    keep(a.data, a.len, 1);
    assert_int_equal(stat(kept_path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);

    /* neither is what a link leads to */

    assert_int_equal(rename(kept_path, (char *) c->job.path.data), 0);
    assert_int_equal(symlink((char *) c->job.path.data, kept_path), 0);
    ngx_mtls_kept_retire(&dir, &c->job.path);
    assert_int_equal(stat((char *) c->job.path.data, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);
}


/* the signer stands beside the list, and is kept with it */

static void
test_signer(void **state)
{
    BIO         *bio;
    char        *pem;
    der_t        crl;
    long         n;
    ngx_str_t    all, parts[2];

    bio = BIO_new(BIO_s_mem());
    assert_non_null(bio);
    assert_int_equal(PEM_write_bio_X509(bio, c->other.x509), 1);
    n = BIO_get_mem_data(bio, &pem);
    parts[0].data = (u_char *) pem;
    parts[0].len = n;

    crl = compile_crl(&c->other, "07");
    parts[1] = crl_pem(c->w.pool, &crl);
    all = compile_join(parts, 2);
    BIO_free(bio);

    keep(all.data, all.len, 1);

    assert_int_equal(read_kept(1), NGX_OK);
    assert_int_equal(kept.ncerts, 1);
    ngx_mtls_kept_free(&kept);

    compile_good("broken", 6, 1);
    assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
    assert_true(compile_listed(0, "\x05", 1));
}


/* every octet counts, and each may be the last */

static void
test_damaged(void **state)
{
    u_char      *good, *bad;
    der_t        crl;
    size_t       len, i, index;
    ngx_int_t    rc;
    ngx_pool_t  *saved;

    crl = compile_crl(&c->ca, "07");
    keep(crl.data, crl.len, 1);

    good = slurp(&len);
    index = HEAD + c->job.path.len + 1 + ENTRY;
    assert_int_equal(len, index + crl.len);

    bad = ngx_palloc(c->w.pool, len);
    assert_non_null(bad);

    for (i = 0; i < len; i++) {
        spew(good, i);
        refused("is not used: it");
    }

    c->job.path = pki_text(c->w.dir, "a.crl", "broken", 6);

    saved = c->w.pool;

    for (i = 0; i < len; i++) {
        memcpy(bad, good, len);
        bad[i] ^= 1 << (i & 7);
        spew(bad, len);

        if (i < index) {
            refused("is not used: it");
        }

        c->w.pool = shim_pool();
        rc = compile_again();
        ngx_destroy_pool(c->w.pool);
        c->w.pool = saved;

        if (rc != NGX_DECLINED || c->job.used != NGX_MTLS_KEPT_BAD) {
            fail_msg("octet %d counts for nothing", (int) i);
        }
    }

    assert_int_equal(compile_files(".tmp"), 0);

    spew(good, len);
    compile_good("broken", 6, 1);
}


/* numbers that lead out of the file, the head's hash being right */

static void
test_bounds(void **state)
{
    u_char      *good, *bad, hash[NGX_MTLS_HASH_LEN];
    der_t        crl;
    size_t       len, index;
    ngx_uint_t   i;

    static const struct {
        ngx_int_t    at;         /* of an entry: after the path */
        size_t       size;
        uint64_t     value;
        const char  *cause;
    } cases[] = {
        { 8, 4, 2, "its head is wrong" },                /* version */
        { 12, 4, 0, "its head is wrong" },               /* entries */
        { 12, 4, 2, "its " },
        { 12, 4, 2048, "its head is wrong" },
        { 12, 4, 2049, "its head is wrong" },
        { 12, 4, 0xffffffff, "its head is wrong" },
        { 16, 4, 0, "its head is wrong" },               /* path */
        { 16, 4, 1, "its " },
        { 16, 4, 4096, "its head is wrong" },
        { 16, 4, 4097, "its head is wrong" },
        { 16, 4, 0xffffffff, "its head is wrong" },
        { 24, 8, 0, "it has " },                         /* size */
        { 24, 8, 0xffffffffffffffff, "it has " },
        { -1, 4, 0, "its entries are wrong" },           /* kind */
        { -1, 4, 2, "its entries are wrong" },
        { -1, 4, 3, "its entries are wrong" },
        { -9, 8, 0, "its entries are wrong" },           /* length */
        { -9, 8, 1, "its entries are wrong" },
        { -9, 8, 0x7fffffff, "its entries are wrong" },
        { -9, 8, 0xffffffffffffffff, "its entries are wrong" },
        { -153, 1, 22, "its entries are wrong" },        /* of the number */
        { -153, 1, 255, "its entries are wrong" }
    };

    crl = compile_crl(&c->ca, "07");
    keep(crl.data, crl.len, 1);

    good = slurp(&len);
    bad = ngx_palloc(c->w.pool, len);
    assert_non_null(bad);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bad, good, len);

        index = cases[i].at >= 0 ? (size_t) cases[i].at
                                 : HEAD + c->job.path.len - cases[i].at;

        memcpy(bad + index, &cases[i].value, cases[i].size);

        index = HEAD + c->job.path.len + 1 + ENTRY;
        memset(bad + 40, 0, sizeof(hash));
        assert_int_equal(ngx_mtls_sha256(bad, index, hash), NGX_OK);
        memcpy(bad + 40, hash, sizeof(hash));

        spew(bad, len);
        refused(cases[i].cause);
    }
}


/* what is not ours alone */

static void
test_owner(void **state)
{
    char   other[512];
    der_t  crl;

    crl = compile_crl(&c->ca, "07");
    keep(crl.data, crl.len, 1);
    assert_int_equal(read_kept(1), NGX_OK);
    ngx_mtls_kept_free(&kept);

    assert_int_equal(chmod(kept_path, 0640), 0);
    refused("it is not the worker user's alone");
    assert_int_equal(chmod(kept_path, 0600), 0);

    if (geteuid() == 0) {
        assert_int_equal(chown(kept_path, 65534, 0), 0);
        refused("it is not the worker user's alone");
        assert_int_equal(chown(kept_path, 0, 0), 0);
    }

    snprintf(other, sizeof(other), "%s/other", dir_path);
    assert_int_equal(rename(kept_path, other), 0);
    assert_int_equal(symlink(other, kept_path), 0);
    refused("it cannot be opened");
    unlink(kept_path);

    assert_int_equal(mkfifo(kept_path, 0600), 0);
    refused("it is no regular file");
    unlink(kept_path);

    assert_int_equal(mkdir(kept_path, 0700), 0);
    refused("it is no regular file");
    rmdir(kept_path);

    assert_int_equal(rename(other, kept_path), 0);
    assert_int_equal(truncate(kept_path, (off_t) 3 << 30), 0);
    refused("it is larger than 2 GiB");

    /* of the folder it is the manager that speaks */

    assert_int_equal(chmod(dir_path, 0750), 0);
    assert_int_equal(read_kept(1), NGX_DECLINED);
    assert_int_equal(chmod(dir_path, 0700), 0);
}


/* no memory: neither served nor passed over */

static void
test_memory(void **state)
{
    der_t        a, b;
    ngx_int_t    rc;
    ngx_uint_t   n;
    ngx_pool_t  *saved;

    a = compile_crl(&c->ca, "07");
    b = compile_crl(&c->ca, "06");
    keep(a.data, a.len, 1);

    c->job.path = file_of(&b);
    saved = c->w.pool;

    for (n = 1; /* void */ ; n++) {
        c->w.pool = shim_pool();
        shim_alloc_fail(n);
        rc = compile_again();
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            assert_int_equal(c->job.used, NGX_MTLS_KEPT_SERVES);
            compile_clean();
            ngx_destroy_pool(c->w.pool);
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        assert_int_equal(compile_files(".tmp"), 0);
        ngx_destroy_pool(c->w.pool);
    }

    c->w.pool = saved;

    assert_true(n > 10);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown)
    };

    return cmocka_run_group_tests(tests, compile_group_setup,
                                  compile_group_teardown);
}
