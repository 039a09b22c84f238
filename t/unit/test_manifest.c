
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The manifest: what is written is read again, anything else is refused, and
 * each table is found by its issuer and its distribution points.
 */


#include "shim.h"

#include <ngx_mtls_manifest.h>


#define SHARDS  128


static char              folder[64];
static ngx_str_t         dir;
static ngx_pool_t       *pool;
static ngx_mtls_zone_t   zone;
static ngx_mtls_error_t  err;


/* a hash that tests recognize */

static u_char *
hash_of(const char *text, ngx_uint_t n)
{
    char    buf[64];
    u_char  *hash;

    hash = ngx_palloc(pool, NGX_MTLS_HASH_LEN);
    assert_non_null(hash);

    snprintf(buf, sizeof(buf), "%s %lu", text, (unsigned long) n);
    assert_int_equal(ngx_mtls_sha256(buf, strlen(buf), hash), NGX_OK);

    return hash;
}


static int
setup(void **state)
{
    shim_reset();
    pool = shim_pool();

    strcpy(folder, "/tmp/mtls_manifest.XXXXXX");

    dir.data = (u_char *) mkdtemp(folder);
    dir.len = strlen(folder);

    ngx_memzero(&zone, sizeof(ngx_mtls_zone_t));
    memcpy(zone.run_id, "0123456789abcdef", NGX_MTLS_RUN_ID_LEN);
    memcpy(zone.key, hash_of("key", 0), NGX_MTLS_HASH_LEN);

    return dir.data ? 0 : -1;
}


static int
teardown(void **state)
{
    char  cmd[96];

    ngx_destroy_pool(pool);

    snprintf(cmd, sizeof(cmd), "rm -r '%s'", folder);

    return system(cmd);
}


/* the last two results hold */

static char *
in_dir(const char *name)
{
    static char        path[2][256];
    static ngx_uint_t  n;

    n ^= 1;
    snprintf(path[n], sizeof(path[n]), "%s/%s", folder, name);

    return path[n];
}


static ngx_int_t
no_records(void *data, ngx_mtls_table_record_t *record)
{
    return NGX_DONE;
}


/*
 * A table of "issuer" with the names "name" to "name + nnames - 1", in a slot
 * of source number "source".
 */

static void
add_table(ngx_mtls_manifest_t *m, ngx_uint_t source, const char *path,
    ngx_uint_t issuer, ngx_uint_t name, ngx_uint_t nnames)
{
    u_char                   (*hashes)[NGX_MTLS_HASH_LEN], *p;
    ngx_fd_t                   fd;
    ngx_uint_t                 i;
    ngx_mtls_slot_t           *slot;
    ngx_mtls_table_header_t    header;

    ngx_memzero(&header, sizeof(ngx_mtls_table_header_t));
    header.kind = NGX_MTLS_TABLE_CRL;
    header.record_size = ngx_mtls_table_record_size(0);
    memcpy(header.run_id, zone.run_id, NGX_MTLS_RUN_ID_LEN);
    memcpy(header.issuer, hash_of("issuer", issuer), NGX_MTLS_HASH_LEN);

    header.nanchors = 1;
    header.nnames = nnames;
    header.nissuers = 1;

    hashes = ngx_pcalloc(pool, (nnames + 2) * NGX_MTLS_HASH_LEN);
    assert_non_null(hashes);

    for (i = 0; i < nnames; i++) {
        memcpy(hashes[1 + i], hash_of("name", name + i), NGX_MTLS_HASH_LEN);
    }

    memcpy(hashes[1 + nnames], header.issuer, NGX_MTLS_HASH_LEN);

    slot = &m->slots[m->nslots];
    ngx_memzero(slot, sizeof(ngx_mtls_slot_t));

    p = ngx_hex_dump(slot->name, hash_of(path, m->nslots), NGX_MTLS_HASH_LEN);
    *p = '\0';

    fd = open(in_dir((char *) slot->name), O_RDWR|O_CREAT|O_EXCL, 0600);
    assert_int_not_equal(fd, -1);
    assert_int_equal(ngx_mtls_table_write(fd, &header, hashes, no_records,
                                          NULL, slot->hash, &err),
                     NGX_OK);
    close(fd);

    memcpy(slot->source, hash_of("source", source), NGX_MTLS_HASH_LEN);
    memcpy(slot->file, hash_of("file", m->nslots), NGX_MTLS_HASH_LEN);

    slot->path.data = (u_char *) path;
    slot->path.len = strlen(path);
    slot->grace = 5;
    slot->max_age = 7;
    slot->taken = 11;
    slot->stat.ino = 13;
    slot->stat.ctime.tv_nsec = 17;

    m->nslots++;
}


/* an empty manifest with sources 0 to n - 1 attempted */

static ngx_mtls_manifest_t *
manifest_create(ngx_uint_t nattempted, ngx_uint_t max)
{
    ngx_uint_t            i;
    ngx_mtls_manifest_t  *m;

    m = ngx_pcalloc(pool, sizeof(ngx_mtls_manifest_t));
    assert_non_null(m);

    m->generation = 1;
    m->slots = ngx_pcalloc(pool, max * sizeof(ngx_mtls_slot_t));
    m->attempted = ngx_pcalloc(pool, (nattempted + 1)
                                     * sizeof(ngx_mtls_attempted_t));
    assert_non_null(m->slots);
    assert_non_null(m->attempted);

    for (i = 0; i < nattempted; i++) {
        memcpy(m->attempted[i].key, hash_of("source", i), NGX_MTLS_HASH_LEN);
        m->attempted[i].since = 100 + i;
    }

    m->nattempted = nattempted;

    return m;
}


/* sources "first" to "last" of a configuration */

static ngx_array_t *
sources(ngx_uint_t first, ngx_uint_t last)
{
    ngx_array_t        *a;
    ngx_mtls_source_t  *source;

    a = ngx_array_create(pool, 4, sizeof(ngx_mtls_source_t));
    assert_non_null(a);

    while (first <= last) {
        source = ngx_array_push(a);
        assert_non_null(source);

        ngx_memzero(source, sizeof(ngx_mtls_source_t));
        source->kind = NGX_MTLS_SOURCE_CRL;
        memcpy(source->key, hash_of("source", first++), NGX_MTLS_HASH_LEN);
    }

    return a;
}


static ngx_int_t
read_manifest(ngx_array_t *own, ngx_mtls_manifest_t *old,
    ngx_mtls_manifest_t **m)
{
    err.len = 0;

    return ngx_mtls_manifest_read(&dir, &zone, own, old, &shim_log, m, &err);
}


static void
assert_error(const char *text)
{
    if (ngx_strnstr(err.text, (char *) text, err.len) == NULL) {
        fail_msg("no \"%s\" in \"%.*s\"", text, (int) err.len, err.text);
    }
}


static void
test_round_trip(void **state)
{
    ngx_uint_t             i;
    ngx_mtls_slot_t       *slot;
    ngx_mtls_manifest_t   *m, *got;
    ngx_mtls_attempted_t  *attempted;

    m = manifest_create(3, 4);
    m->generation = 42;
    m->words[NGX_MTLS_WORD_CRL] = 9;

    add_table(m, 0, "/etc/a.crl", 1, 0, 0);
    add_table(m, 1, "/etc/b.crl", 2, 0, 0);
    add_table(m, 1, "/etc/c.crl", 2, 0, 1);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_OK);

    assert_int_equal(got->generation, 42);
    assert_int_equal(got->words[NGX_MTLS_WORD_CRL], 9);
    assert_int_equal(got->words[NGX_MTLS_WORD_TRUST], 0);
    assert_int_equal(got->nattempted, 3);
    assert_int_equal(got->nslots, 3);

    for (i = 0; i < 3; i++) {
        attempted = ngx_mtls_manifest_attempted(got, hash_of("source", i));
        assert_non_null(attempted);
        assert_int_equal(attempted->since, 100 + i);

        slot = &got->slots[i];

        assert_memory_equal(slot->hash, m->slots[i].hash, NGX_MTLS_HASH_LEN);
        assert_memory_equal(slot->file, m->slots[i].file, NGX_MTLS_HASH_LEN);
        assert_memory_equal(slot->source, m->slots[i].source,
                            NGX_MTLS_HASH_LEN);
        assert_string_equal((char *) slot->name, (char *) m->slots[i].name);
        assert_string_equal((char *) slot->path.data,
                            (char *) m->slots[i].path.data);
        assert_int_equal(slot->grace, 5);
        assert_int_equal(slot->max_age, 7);
        assert_int_equal(slot->taken, 11);
        assert_int_equal(slot->stat.ino, 13);
        assert_int_equal(slot->stat.ctime.tv_nsec, 17);
        assert_non_null(slot->table->header);
    }

    assert_null(ngx_mtls_manifest_attempted(got, hash_of("source", 3)));

    ngx_mtls_manifest_destroy(got);
}


static void
test_empty(void **state)
{
    ngx_mtls_slot_t      **slots;
    ngx_mtls_manifest_t   *m, *got;

    m = manifest_create(0, 1);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_OK);

    assert_int_equal(ngx_mtls_manifest_find(got, hash_of("issuer", 1), NULL,
                                            &slots),
                     0);
    assert_null(ngx_mtls_manifest_attempted(got, hash_of("source", 0)));

    ngx_mtls_manifest_destroy(got);
}


static void
test_not_there(void **state)
{
    ngx_mtls_manifest_t  *got;

    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    assert_error("No such file");
}


/* the octets of the file, changed by one test after the other */

static size_t
slurp(u_char *buf, size_t size)
{
    FILE    *f;
    size_t   n;

    f = fopen(in_dir("manifest"), "r");
    assert_non_null(f);
    n = fread(buf, 1, size, f);
    fclose(f);

    assert_true(n >= 1 && n <= size - 1);

    return n;
}


static void
spit(u_char *buf, size_t n)
{
    FILE  *f;

    f = fopen(in_dir("manifest"), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(buf, 1, n, f), n);
    fclose(f);
}


static void
test_tampered(void **state)
{
    u_char                buf[4096];
    size_t                i, n;
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(1, 1);
    add_table(m, 0, "/etc/a.crl", 1, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    n = slurp(buf, sizeof(buf));

    for (i = 0; i < n; i++) {
        buf[i] ^= 0x01;
        spit(buf, n);
        buf[i] ^= 0x01;

        assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
        assert_error("MAC is wrong");
    }
}


static void
test_truncated(void **state)
{
    u_char                buf[4096];
    size_t                i, n;
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(1, 1);
    add_table(m, 0, "/etc/a.crl", 1, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    n = slurp(buf, sizeof(buf));

    for (i = 0; i < n; i++) {
        spit(buf, i);
        assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    }

    buf[n] = 0;
    spit(buf, n + 1);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);

    spit(buf, n);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_OK);
    ngx_mtls_manifest_destroy(got);
}


/* a good MAC, as only a broken manager would make it: still no crash */

static void
test_truncated_signed(void **state)
{
    u_char                buf[4096], copy[4096];
    size_t                i, n;
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(2, 2);
    add_table(m, 0, "/etc/a.crl", 1, 0, 0);
    add_table(m, 1, "/etc/b.crl", 1, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    n = slurp(buf, sizeof(buf)) - NGX_MTLS_HASH_LEN;

    for (i = 1; i < n; i++) {
        memcpy(copy, buf, i);
        assert_int_equal(ngx_mtls_hmac(zone.key, copy, i, NULL, 0, copy + i),
                         NGX_OK);
        spit(copy, i + NGX_MTLS_HASH_LEN);

        assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    }

    for (i = 0; i < n; i++) {
        memcpy(copy, buf, n);
        copy[i] ^= 0xff;
        assert_int_equal(ngx_mtls_hmac(zone.key, copy, n, NULL, 0, copy + n),
                         NGX_OK);
        spit(copy, n + NGX_MTLS_HASH_LEN);

        if (read_manifest(NULL, NULL, &got) == NGX_OK) {
            ngx_mtls_manifest_destroy(got);
        }
    }
}


static void
test_wrong_run(void **state)
{
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(0, 1);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    zone.run_id[0] ^= 1;
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    assert_error("of another run");

    zone.run_id[0] ^= 1;
    zone.key[0] ^= 1;
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    assert_error("MAC is wrong");
}


static void
test_generation(void **state)
{
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(0, 1);
    m->generation = 7;

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    zone.generation = 8;
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    assert_error("older than");

    /* the word is raised after the file */

    zone.generation = 6;
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_OK);
    assert_int_equal(got->generation, 7);
    ngx_mtls_manifest_destroy(got);
}


static void
test_foreign_file(void **state)
{
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(0, 1);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(rename(in_dir("manifest"), in_dir("moved")), 0);
    assert_int_equal(symlink("moved", in_dir("manifest")), 0);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    unlink(in_dir("moved"));

    unlink(in_dir("manifest"));
    assert_int_equal(mkfifo(in_dir("manifest"), 0600), 0);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_DECLINED);
    assert_error("not a file of ours");
    unlink(in_dir("manifest"));

    /* a link where the temporary file would be is removed, not followed */

    assert_int_equal(symlink("moved", in_dir("manifest.tmp")), 0);
    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(access(in_dir("moved"), F_OK), -1);
}


static void
test_unwritable(void **state)
{
    ngx_str_t             nowhere = ngx_string("/nowhere");
    ngx_mtls_manifest_t  *m;

    m = manifest_create(0, 1);

    assert_int_equal(ngx_mtls_manifest_write(&nowhere, &zone, m, &err),
                     NGX_ERROR);
    assert_error("failed (2: No such file");
}


/* tables that did not change stay mapped where they are */

static void
test_taken_over(void **state)
{
    u_char                name[NGX_MTLS_NAME_LEN + 1], *maps[5];
    ngx_uint_t            i, n, kept;
    ngx_mtls_slot_t     **slots;
    ngx_mtls_manifest_t  *m, *one, *two;

    m = manifest_create(1, 6);

    for (i = 0; i < 5; i++) {
        add_table(m, 0, "/etc/a.crl", i, 0, 0);
    }

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(read_manifest(NULL, NULL, &one), NGX_OK);

    /* two go, one comes */

    for (i = 1; i <= 2; i++) {
        unlink(in_dir((char *) m->slots[i].name));
        m->slots[i] = m->slots[--m->nslots];
    }

    add_table(m, 0, "/etc/new.crl", 7, 0, 0);
    m->generation++;

    /* first a table that is not there: the old manifest stays whole */

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    memcpy(name, m->slots[0].name, sizeof(name));

    for (i = 0; i < m->nslots; i++) {
        if (strcmp((char *) m->slots[i].path.data, "/etc/new.crl") == 0) {
            memcpy(name, m->slots[i].name, sizeof(name));
        }
    }

    assert_int_equal(rename(in_dir((char *) name), in_dir("gone")), 0);
    assert_int_equal(read_manifest(NULL, one, &two), NGX_DECLINED);

    for (i = 0; i < one->nslots; i++) {
        assert_non_null(one->slots[i].table->map);
        assert_int_equal(one->slots[i].table->header->nrecords, 0);
    }

    assert_int_equal(rename(in_dir("gone"), in_dir((char *) name)), 0);

    /* "one" may go afterwards: what both have stays where it is */

    for (i = 0; i < 5; i++) {
        maps[i] = one->slots[i].table->map;
    }

    assert_int_equal(read_manifest(NULL, one, &two), NGX_OK);
    assert_int_equal(two->nslots, 4);
    assert_int_equal(one->nslots, 5);

    ngx_mtls_manifest_destroy(one);

    kept = 0;

    for (i = 0; i < two->nslots; i++) {
        for (n = 0; n < 5; n++) {
            kept += (two->slots[i].table->map == maps[n]);
        }
    }

    /* the new one may have come to lie where an old one was */
    assert_true(kept >= 3 && kept <= 4);

    assert_int_equal(ngx_mtls_manifest_find(two, hash_of("issuer", 7), NULL,
                                            &slots),
                     1);
    assert_int_equal(slots[0]->table->header->nrecords, 0);

    ngx_mtls_manifest_destroy(two);
}


/* a worker gets what its own configuration names, if all of it was tried */

static void
test_own_sources(void **state)
{
    ngx_mtls_slot_t     **slots;
    ngx_mtls_manifest_t  *m, *got;

    m = manifest_create(3, 4);
    add_table(m, 0, "/etc/a.crl", 1, 0, 0);
    add_table(m, 1, "/etc/b.crl", 1, 0, 0);
    add_table(m, 2, "/etc/c.crl", 1, 0, 0);

    /* of a source whose first attempt goes on */
    add_table(m, 3, "/etc/d.crl", 1, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);

    assert_int_equal(read_manifest(sources(0, 1), NULL, &got), NGX_OK);
    assert_int_equal(got->nslots, 2);
    assert_int_equal(ngx_mtls_manifest_find(got, hash_of("issuer", 1), NULL,
                                            &slots),
                     2);

    /* what "got" holds stays where the newer one is not for it */

    assert_int_equal(read_manifest(sources(2, 3), got, &m), NGX_AGAIN);
    assert_int_equal(got->slots[0].table->header->nrecords, 0);
    assert_non_null(got->slots[1].table->map);

    assert_int_equal(read_manifest(sources(2, 2), got, &m), NGX_OK);
    ngx_mtls_manifest_destroy(got);
    assert_int_equal(m->nslots, 1);
    assert_string_equal((char *) m->slots[0].path.data, "/etc/c.crl");

    ngx_mtls_manifest_destroy(m);
}


static ngx_uint_t
count(ngx_mtls_manifest_t *m, ngx_uint_t issuer, const u_char *dp)
{
    ngx_uint_t         i, n;
    ngx_mtls_slot_t  **slots;

    n = ngx_mtls_manifest_find(m, hash_of("issuer", issuer), dp, &slots);

    for (i = 0; i < n; i++) {
        assert_memory_equal(slots[i]->table->header->issuer,
                            hash_of("issuer", issuer), NGX_MTLS_HASH_LEN);
    }

    return n;
}


static void
test_find(void **state)
{
    u_char                zeroes[NGX_MTLS_HASH_LEN];
    ngx_uint_t            i;
    ngx_mtls_slot_t     **slots;
    ngx_mtls_manifest_t  *m, *got;

    ngx_memzero(zeroes, sizeof(zeroes));

    m = manifest_create(1, SHARDS + 4);

    /* one CA in shards, each under two names, the second one shared by two */

    for (i = 0; i < SHARDS; i++) {
        add_table(m, 0, "/etc/shard.crl", 1, i, 2);
    }

    /* a full one beside them, and one of another CA, with a name twice */

    add_table(m, 0, "/etc/full.crl", 1, 0, 0);
    add_table(m, 0, "/etc/other.crl", 2, 0, 1);
    add_table(m, 0, "/etc/none.crl", 3, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(read_manifest(NULL, NULL, &got), NGX_OK);

    assert_int_equal(count(got, 1, NULL), SHARDS + 1);
    assert_int_equal(count(got, 1, zeroes), 1);
    assert_int_equal(count(got, 2, NULL), 1);
    assert_int_equal(count(got, 2, zeroes), 0);
    assert_int_equal(count(got, 3, NULL), 1);
    assert_int_equal(count(got, 3, zeroes), 1);
    assert_int_equal(count(got, 4, NULL), 0);

    assert_int_equal(count(got, 1, hash_of("name", 0)), 1);
    assert_int_equal(count(got, 1, hash_of("name", SHARDS)), 1);
    assert_int_equal(count(got, 1, hash_of("name", SHARDS + 1)), 0);
    assert_int_equal(count(got, 2, hash_of("name", 0)), 1);
    assert_int_equal(count(got, 3, hash_of("name", 0)), 0);

    for (i = 1; i < SHARDS; i++) {
        assert_int_equal(count(got, 1, hash_of("name", i)), 2);
    }

    assert_int_equal(ngx_mtls_manifest_find(got, hash_of("issuer", 1),
                                            zeroes, &slots),
                     1);
    assert_string_equal((char *) slots[0]->path.data, "/etc/full.crl");

    ngx_mtls_manifest_destroy(got);
}


static void
test_memory(void **state)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_mtls_manifest_t  *m, *old, *got;

    m = manifest_create(1, 3);
    add_table(m, 0, "/etc/a.crl", 1, 0, 2);
    add_table(m, 0, "/etc/b.crl", 1, 0, 0);

    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err), NGX_OK);
    assert_int_equal(read_manifest(NULL, NULL, &old), NGX_OK);

    for (i = 1; i < 100; i++) {
        shim_alloc_fail(i);
        rc = read_manifest(NULL, old, &got);
        shim_alloc_fail(0);

        if (rc == NGX_OK) {
            break;
        }

        assert_int_equal(rc, NGX_DECLINED);
        assert_error("out of memory");
        assert_int_equal(old->slots[0].table->header->nrecords, 0);
        assert_int_equal(old->slots[1].table->header->nrecords, 0);
    }

    assert_true(i >= 5 && i <= 99);

    ngx_mtls_manifest_destroy(old);
    ngx_mtls_manifest_destroy(got);

    shim_alloc_fail(1);
    assert_int_equal(ngx_mtls_manifest_write(&dir, &zone, m, &err),
                     NGX_ERROR);
    shim_alloc_fail(0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tampered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_signed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wrong_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwritable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
