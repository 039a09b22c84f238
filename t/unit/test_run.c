
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The folder of a run: one writer at a time, and nothing removed that is in
 * use, young, or not ours.
 */


#include "shim.h"

#include <ngx_mtls_manifest.h>
#include <ngx_mtls_run.h>

#include <sys/wait.h>


#define OWN   "00112233445566778899aabbccddeeff"
#define DEAD  "ffeeddccbbaa99887766554433221100"
#define NAME  "0123456789abcdef0123456789abcdef"                             \
              "0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffff"                             \
              "0123456789abcdef0123456789abcdef"


static char              state_path[64], own[128];
static ngx_str_t         state, dir;
static ngx_mtls_run_t    run;
static ngx_mtls_error_t  err;


static int
setup(void **s)
{
    shim_reset();
    shim_time_set(time(NULL));

    strcpy(state_path, "/tmp/mtls_run.XXXXXX");

    if (mkdtemp(state_path) == NULL) {
        return -1;
    }

    state.data = (u_char *) state_path;
    state.len = strlen(state_path);

    snprintf(own, sizeof(own), "%s/" OWN, state_path);
    dir.data = (u_char *) own;
    dir.len = strlen(own);

    run.alive = -1;
    run.compile = -1;

    return 0;
}


static int
teardown(void **s)
{
    char  cmd[96];

    ngx_mtls_run_close(&run);

    snprintf(cmd, sizeof(cmd), "rm -r '%s'", state_path);

    return system(cmd);
}


/* the last two results hold */

static char *
in_state(const char *name)
{
    static char        path[2][256];
    static ngx_uint_t  n;

    n ^= 1;
    snprintf(path[n], sizeof(path[n]), "%s/%s", state_path, name);

    return path[n];
}


static void
touch(const char *name)
{
    int  fd;

    fd = open(in_state(name), O_WRONLY|O_CREAT, 0600);
    assert_int_not_equal(fd, -1);
    close(fd);
}


static ngx_uint_t
there(const char *name)
{
    struct stat  sb;

    return lstat(in_state(name), &sb) == 0;
}


static void
test_open(void **s)
{
    struct stat     sb;
    ngx_mtls_run_t  other;

    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);
    assert_int_equal(stat(own, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);

    /* another manager of the run waits, then has it */

    other.alive = -1;
    other.compile = -1;

    assert_int_equal(ngx_mtls_run_open(&dir, &other, &err), NGX_AGAIN);
    assert_int_equal(ngx_mtls_run_open(&dir, &other, &err), NGX_AGAIN);

    ngx_mtls_run_close(&run);

    assert_int_equal(ngx_mtls_run_open(&dir, &other, &err), NGX_OK);
    assert_true(ngx_mtls_run_valid(&dir, &other));

    ngx_mtls_run_close(&other);
}


static void
test_open_failed(void **s)
{
    ngx_str_t  nowhere = ngx_string("/nowhere/" OWN);

    assert_int_equal(ngx_mtls_run_open(&nowhere, &run, &err), NGX_ERROR);
    assert_non_null(ngx_strnstr(err.text, "No such file", err.len));

    /* neither a link, nor a folder that others may write */

    assert_int_equal(mkdir(in_state("real"), 0700), 0);
    assert_int_equal(symlink("real", own), 0);
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_ERROR);
    assert_false(there("real/alive"));
    unlink(own);

    assert_int_equal(mkdir(own, 0700), 0);
    assert_int_equal(chmod(own, 0770), 0);
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_ERROR);
    assert_int_equal(chmod(own, 0700), 0);

    assert_int_equal(symlink("../real", in_state(OWN "/alive")), 0);
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_ERROR);
}


static void
test_valid(void **s)
{
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);
    assert_true(ngx_mtls_run_valid(&dir, &run));

    unlink(in_state(OWN "/compile"));
    assert_false(ngx_mtls_run_valid(&dir, &run));

    touch(OWN "/compile");
    assert_false(ngx_mtls_run_valid(&dir, &run));
}


static void
test_hold(void **s)
{
    ngx_mtls_run_t  other;

    other.alive = -1;
    other.compile = -1;

    assert_int_equal(ngx_mtls_run_hold(&dir, &err), NGX_ERROR);

    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);
    assert_int_equal(ngx_mtls_run_hold(&dir, &err), NGX_OK);
    ngx_mtls_run_close(&run);

    /* a holder hinders no other manager */

    assert_int_equal(ngx_mtls_run_open(&dir, &other, &err), NGX_OK);
    ngx_mtls_run_close(&other);
}


static ngx_uint_t
is_named(void *data, u_char *name)
{
    return strcmp((char *) name, NAME) == 0;
}


static void
test_sweep(void **s)
{
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);

    touch(OWN "/manifest");
    touch(OWN "/manifest.tmp");
    touch(OWN "/" NAME);
    touch(OWN "/" OTHER);
    touch(OWN "/" OTHER ".tmp");
    touch(OWN "/notes");
    touch(OWN "/" OTHER ".old");

    ngx_mtls_run_sweep(&dir, is_named, NULL);

    assert_true(there(OWN "/manifest"));
    assert_false(there(OWN "/manifest.tmp"));
    assert_false(there(OWN "/" OTHER ".tmp"));
    assert_true(there(OWN "/" OTHER));

    shim_time_set(time(NULL) + NGX_MTLS_RUN_DELAY - 5);
    ngx_mtls_run_sweep(&dir, is_named, NULL);
    assert_true(there(OWN "/" OTHER));

    shim_time_set(time(NULL) + NGX_MTLS_RUN_DELAY + 5);
    ngx_mtls_run_sweep(&dir, is_named, NULL);

    assert_false(there(OWN "/" OTHER));
    assert_true(there(OWN "/" NAME));
    assert_true(there(OWN "/notes"));
    assert_true(there(OWN "/" OTHER ".old"));
    assert_true(there(OWN "/alive"));
    assert_true(there(OWN "/compile"));
}


/* a folder as a dead run leaves it */

static void
make_dead(void)
{
    assert_int_equal(mkdir(in_state(DEAD), 0700), 0);

    touch(DEAD "/alive");
    touch(DEAD "/compile");
    touch(DEAD "/manifest");
    touch(DEAD "/" NAME);
    touch(DEAD "/" OTHER ".tmp");
}


static void
test_clean(void **s)
{
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);

    make_dead();
    assert_int_equal(mkdir(in_state("notes"), 0700), 0);

    ngx_mtls_run_clean(&state, &dir, &shim_log);
    assert_true(there(DEAD "/manifest"));

    shim_time_set(time(NULL) + NGX_MTLS_RUN_DELAY + 5);
    ngx_mtls_run_clean(&state, &dir, &shim_log);

    assert_false(there(DEAD));
    assert_true(there(OWN));
    assert_true(there("notes"));
}


/* a run that lives beside ours: another process holds its lock */

static void
test_clean_alive(void **s)
{
    int        fds[2], status;
    char       c;
    pid_t      pid;
    ngx_str_t  other;

    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);
    make_dead();

    assert_int_equal(pipe(fds), 0);

    pid = fork();
    assert_int_not_equal(pid, -1);

    if (pid == 0) {
        close(fds[0]);

        other.data = (u_char *) in_state(DEAD);
        other.len = strlen((char *) other.data);

        if (ngx_mtls_run_hold(&other, &err) != NGX_OK
            || write(fds[1], "x", 1) != 1)
        {
            _exit(1);
        }

        for ( ;; ) {
            pause();
        }
    }

    close(fds[1]);
    assert_int_equal(read(fds[0], &c, 1), 1);
    close(fds[0]);

    shim_time_set(time(NULL) + NGX_MTLS_RUN_DELAY + 5);
    ngx_mtls_run_clean(&state, &dir, &shim_log);
    assert_true(there(DEAD "/manifest"));
    assert_true(there(DEAD "/" NAME));

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);

    ngx_mtls_run_clean(&state, &dir, &shim_log);
    assert_false(there(DEAD));
}


static void
test_clean_foreign(void **s)
{
    assert_int_equal(ngx_mtls_run_open(&dir, &run, &err), NGX_OK);

    /* a link with the name of a run leads nowhere */

    assert_int_equal(mkdir(in_state("real"), 0700), 0);
    touch("real/manifest");
    assert_int_equal(symlink("real", in_state(DEAD)), 0);

    shim_time_set(time(NULL) + NGX_MTLS_RUN_DELAY + 5);
    ngx_mtls_run_clean(&state, &dir, &shim_log);

    assert_true(there(DEAD));
    assert_true(there("real/manifest"));
    unlink(in_state(DEAD));

    /* links inside are removed, not what they lead to; other files stay */

    make_dead();
    unlink(in_state(DEAD "/" NAME));
    assert_int_equal(symlink("../real/manifest", in_state(DEAD "/" NAME)), 0);
    touch(DEAD "/notes");

    ngx_mtls_run_clean(&state, &dir, &shim_log);

    assert_false(there(DEAD "/" NAME));
    assert_false(there(DEAD "/manifest"));
    assert_true(there(DEAD "/notes"));
    assert_true(there("real/manifest"));
}


static void
test_name(void **s)
{
    assert_true(ngx_mtls_run_is_name((u_char *) NAME));
    assert_false(ngx_mtls_run_is_name((u_char *) NAME "0"));
    assert_false(ngx_mtls_run_is_name((u_char *) NAME ".tmp"));
    assert_false(ngx_mtls_run_is_name((u_char *) "../" NAME));
    assert_false(ngx_mtls_run_is_name((u_char *) "0123"));
    assert_false(ngx_mtls_run_is_name((u_char *) ""));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clean_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clean_foreign, setup, teardown),
        cmocka_unit_test(test_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
