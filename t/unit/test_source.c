
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sources: keys tell apart what gives other tables, globs see folders as they
 * are now, changes of files are seen, and so is what a user cannot read.
 */


#include "shim.h"

#include <ngx_mtls_source.h>


static char         dir[64];
static ngx_pool_t  *pool;


static int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    strcpy(dir, "/tmp/mtls_source.XXXXXX");

    return mkdtemp(dir) ? 0 : -1;
}


static int
teardown(void **state)
{
    char  cmd[96];

    ngx_destroy_pool(pool);

    snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);

    return system(cmd);
}


/* the path of a file in the folder */

static ngx_str_t
in_dir(const char *name)
{
    ngx_str_t  path;

    path.data = ngx_pnalloc(pool, 128);
    assert_non_null(path.data);

    path.len = snprintf((char *) path.data, 128, "%s/%s", dir, name);

    return path;
}


static ngx_str_t
write_file(const char *name, const char *text)
{
    FILE       *f;
    ngx_str_t   path;

    path = in_dir(name);

    f = fopen((char *) path.data, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);

    return path;
}


static void
source_init(ngx_mtls_source_t *source, const char *path)
{
    ngx_memzero(source, sizeof(ngx_mtls_source_t));

    source->kind = NGX_MTLS_SOURCE_CRL;
    source->path.data = (u_char *) path;
    source->path.len = strlen(path);
    source->glob = strpbrk(path, "*?[") != NULL;
    source->refresh = 60;
}


static void
test_key(void **state)
{
    u_char             trust[NGX_MTLS_HASH_LEN], other[NGX_MTLS_HASH_LEN];
    ngx_uint_t         i;
    ngx_mtls_source_t  a, b;

    memset(trust, 1, sizeof(trust));
    memset(other, 2, sizeof(other));

    source_init(&a, "/etc/a.crl");
    assert_int_equal(ngx_mtls_source_key(&a, trust), NGX_OK);

    for (i = 0; i < 8; i++) {
        source_init(&b, "/etc/a.crl");

        switch (i) {
        case 0: b.kind++; break;
        case 1: b.path.len--; break;
        case 2: b.glob = 1; break;
        case 3: ngx_str_set(&b.issuer, "x"); break;
        case 4: b.grace = 1; break;
        case 5: b.max_age = 1; break;

        /* a letter that moves from one value to the next */
        case 6: b.path.len--; ngx_str_set(&b.issuer, "l"); break;
        }

        assert_int_equal(ngx_mtls_source_key(&b, i == 7 ? other : trust),
                         NGX_OK);
        assert_memory_not_equal(a.key, b.key, NGX_MTLS_HASH_LEN);
    }

    source_init(&b, "/etc/a.crl");
    b.refresh = 1;
    b.line = 7;
    assert_int_equal(ngx_mtls_source_key(&b, trust), NGX_OK);
    assert_memory_equal(a.key, b.key, NGX_MTLS_HASH_LEN);
}


static void
test_file_key(void **state)
{
    u_char             one[NGX_MTLS_HASH_LEN], two[NGX_MTLS_HASH_LEN];
    ngx_str_t          path = ngx_string("/etc/a.crl");
    ngx_mtls_source_t  a, b;

    memset(one, 1, sizeof(one));

    source_init(&a, "/etc/a.crl");
    source_init(&b, "/etc/*.crl");

    assert_int_equal(ngx_mtls_source_key(&a, one), NGX_OK);
    assert_int_equal(ngx_mtls_source_key(&b, one), NGX_OK);

    assert_int_equal(ngx_mtls_source_file_key(&a, &path, one), NGX_OK);
    assert_int_equal(ngx_mtls_source_file_key(&b, &path, two), NGX_OK);
    assert_memory_not_equal(one, two, NGX_MTLS_HASH_LEN);

    path.len--;
    assert_int_equal(ngx_mtls_source_file_key(&a, &path, two), NGX_OK);
    assert_memory_not_equal(one, two, NGX_MTLS_HASH_LEN);
}


static void
test_paths(void **state)
{
    ngx_str_t          *path, glob;
    ngx_array_t         paths;
    ngx_mtls_source_t   source;

    /* one path is given, whether it is there or not */

    source_init(&source, "/nowhere/a.crl");
    assert_int_equal(ngx_mtls_source_paths(&source, pool, &shim_log, &paths),
                     NGX_OK);
    assert_int_equal(paths.nelts, 1);
    assert_str_equal((ngx_str_t *) paths.elts, "/nowhere/a.crl");

    glob = in_dir("*.crl");
    source_init(&source, (char *) glob.data);

    assert_int_equal(ngx_mtls_source_paths(&source, pool, &shim_log, &paths),
                     NGX_OK);
    assert_int_equal(paths.nelts, 0);

    write_file("b.crl", "b");
    write_file("a.crl", "a");
    write_file("a.pem", "a");

    assert_int_equal(ngx_mtls_source_paths(&source, pool, &shim_log, &paths),
                     NGX_OK);
    assert_int_equal(paths.nelts, 2);

    path = paths.elts;
    assert_string_equal((char *) path[0].data, (char *) in_dir("a.crl").data);
    assert_string_equal((char *) path[1].data, (char *) in_dir("b.crl").data);
    assert_int_equal(path[1].len, strlen((char *) path[1].data));

    assert_int_equal(shim_log_count(), 0);
}


static void
test_paths_failed(void **state)
{
    ngx_array_t        paths;
    ngx_mtls_source_t  source;

    source_init(&source, "/nowhere/*.crl");

    assert_int_equal(ngx_mtls_source_paths(&source, pool, &shim_log, &paths),
                     NGX_ERROR);
    assert_true(shim_log_has("glob \"/nowhere/*.crl\" failed"));
    assert_true(shim_log_has("No such file"));

    shim_log_clear();

    assert_int_equal(ngx_mtls_source_paths(&source, pool, NULL, &paths),
                     NGX_ERROR);
    assert_int_equal(shim_log_count(), 0);
}


static void
test_paths_memory(void **state)
{
    ngx_int_t          rc;
    ngx_str_t          glob;
    ngx_uint_t         i;
    ngx_array_t        paths;
    ngx_mtls_source_t  source;

    write_file("a.crl", "a");
    write_file("b.crl", "b");

    glob = in_dir("*.crl");
    source_init(&source, (char *) glob.data);

    for (i = 1; i < 100; i++) {
        shim_alloc_fail(i);
        rc = ngx_mtls_source_paths(&source, pool, &shim_log, &paths);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
    }

    assert_true(i >= 2 && i <= 99);
}


static void
test_stat(void **state)
{
    ngx_str_t        path;
    ngx_mtls_stat_t  st;

    path = in_dir("none");
    assert_int_equal(ngx_mtls_source_stat(&path, &st), NGX_DECLINED);
    assert_int_equal(ngx_errno, NGX_ENOENT);

    path = write_file("a", "12345");
    assert_int_equal(ngx_mtls_source_stat(&path, &st), NGX_OK);
    assert_int_equal(st.size, 5);
}


static void
test_changed(void **state)
{
    ngx_uint_t       i;
    ngx_mtls_stat_t  old, now;

    ngx_memzero(&old, sizeof(ngx_mtls_stat_t));
    old.ctime.tv_sec = 1000;

    now = old;
    assert_false(ngx_mtls_source_changed(&old, 2000, &now));

    for (i = 0; i < 7; i++) {
        now = old;

        switch (i) {
        case 0: now.dev++; break;
        case 1: now.ino++; break;
        case 2: now.size++; break;
        case 3: now.mtime.tv_sec--; break;
        case 4: now.mtime.tv_nsec++; break;
        case 5: now.ctime.tv_sec++; break;
        case 6: now.ctime.tv_nsec++; break;
        }

        assert_true(ngx_mtls_source_changed(&old, 2000, &now));
    }

    /* read within 2 seconds of the change */

    assert_true(ngx_mtls_source_changed(&old, 1000, &old));
    assert_true(ngx_mtls_source_changed(&old, 1002, &old));
    assert_true(ngx_mtls_source_changed(&old, 998, &old));
    assert_false(ngx_mtls_source_changed(&old, 1003, &old));
    assert_false(ngx_mtls_source_changed(&old, 997, &old));
}


/* as Kubernetes does it: the name stays, where it leads to changes */

static void
test_symlink_swap(void **state)
{
    ngx_str_t        link, one, two, temp;
    ngx_mtls_stat_t  old, now;

    one = write_file("one", "same");
    two = write_file("two", "same");
    link = in_dir("link");
    temp = in_dir("temp");

    assert_int_equal(symlink((char *) one.data, (char *) link.data), 0);
    assert_int_equal(ngx_mtls_source_stat(&link, &old), NGX_OK);

    assert_int_equal(symlink((char *) two.data, (char *) temp.data), 0);
    assert_int_equal(rename((char *) temp.data, (char *) link.data), 0);
    assert_int_equal(ngx_mtls_source_stat(&link, &now), NGX_OK);

    assert_true(ngx_mtls_source_changed(&old, old.ctime.tv_sec + 60, &now));
}


static ngx_array_t *
paths_of(ngx_str_t *path, ngx_uint_t n)
{
    ngx_array_t  *paths;

    paths = ngx_array_create(pool, n, sizeof(ngx_str_t));
    assert_non_null(paths);

    ngx_memcpy(ngx_array_push_n(paths, n), path, n * sizeof(ngx_str_t));

    return paths;
}


static void
test_readable(void **state)
{
    ngx_str_t         path[3];
    struct passwd    *pwd;
    ngx_core_conf_t   ccf;
    ngx_mtls_error_t  err;

    ngx_memzero(&ccf, sizeof(ngx_core_conf_t));
    ngx_memzero(&err, sizeof(ngx_mtls_error_t));
    ccf.user = (ngx_uid_t) NGX_CONF_UNSET_UINT;

    path[0] = write_file("a", "a");
    path[1] = write_file("b", "b");
    path[2] = in_dir("none");

    assert_int_equal(ngx_mtls_source_readable(paths_of(path, 2), &ccf,
                                              &shim_log, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_source_readable(paths_of(path, 3), &ccf,
                                              &shim_log, &err),
                     NGX_DECLINED);
    assert_non_null(ngx_strnstr(err.text, "is not readable by", err.len));
    assert_non_null(ngx_strnstr(err.text, "No such file", err.len));

    if (geteuid() != 0) {
        skip();
    }

    pwd = getpwnam("nobody");
    assert_non_null(pwd);

    ccf.username = "nobody";
    ccf.user = pwd->pw_uid;
    ccf.group = pwd->pw_gid;

    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod((char *) path[0].data, 0644), 0);
    assert_int_equal(chmod((char *) path[1].data, 0600), 0);

    assert_int_equal(ngx_mtls_source_readable(paths_of(path, 1), &ccf,
                                              &shim_log, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_source_readable(paths_of(path, 2), &ccf,
                                              &shim_log, &err),
                     NGX_DECLINED);
    assert_non_null(ngx_strnstr(err.text, "/b\" is not readable by the worker "
                                "user \"nobody\" (13: Permission denied)",
                                err.len));

    /* this process is still what it was */
    assert_int_equal(geteuid(), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_symlink_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readable, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
