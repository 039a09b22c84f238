
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The table: what was written is found and nothing else is, and a file that is
 * not as it should be is refused or at least does no harm.
 */


#include "pki.h"

#include <ngx_mtls_table.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>


#define MANY  100000


/* records as a source gives them */
typedef struct {
    u_char                    serial[NGX_MTLS_SERIAL_MAX];
    ngx_mtls_table_record_t   record;
} item_t;


typedef struct {
    item_t                   *items;
    ngx_uint_t                n;
    ngx_uint_t                i;
} source_t;


static ngx_pool_t        *pool;
static const char        *dir;
static ngx_mtls_error_t   err;
static u_char             run_id[NGX_MTLS_RUN_ID_LEN] = "a run";
static u_char             hash[NGX_MTLS_HASH_LEN];
static ngx_str_t          path;
static char               path_text[256];
static uint64_t           seed;


static int
setup(void **state)
{
    shim_reset();

    pool = shim_pool();
    dir = pki_dir();

    snprintf(path_text, sizeof(path_text), "%s/table", dir);
    path.data = (u_char *) path_text;
    path.len = strlen(path_text);

    seed = 1;

    return 0;
}


static int
teardown(void **state)
{
    ngx_destroy_pool(pool);
    pki_dir_remove(dir);

    return 0;
}


static uint64_t
random64(void)
{
    uint64_t  x;

    seed += 0x9e3779b97f4a7c15ULL;

    x = seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}


static void
set_item(item_t *item, const void *serial, size_t len, ngx_uint_t issuer,
    u_char reason, uint32_t date)
{
    memcpy(item->serial, serial, len);

    item->record.serial = item->serial;
    item->record.len = len;
    item->record.issuer = (uint16_t) issuer;
    item->record.reason = reason;
    item->record.date = date;
}


static ngx_int_t
next(void *data, ngx_mtls_table_record_t *record)
{
    source_t *source = data;

    if (source->i == source->n) {
        return NGX_DONE;
    }

    *record = source->items[source->i++].record;

    return NGX_OK;
}


/* a table of four entry issuers, an anchor and two names */

static ngx_int_t
write_to(int fd, item_t *items, ngx_uint_t n, size_t max,
    ngx_mtls_table_header_t *header)
{
    source_t   source;
    u_char     hashes[7][NGX_MTLS_HASH_LEN];

    memset(hashes, 0, sizeof(hashes));
    hashes[0][0] = 'a';
    hashes[1][0] = 'n';
    hashes[2][0] = 'm';
    hashes[3][0] = 'i';
    hashes[6][0] = 'j';

    ngx_memzero(header, sizeof(ngx_mtls_table_header_t));

    header->kind = NGX_MTLS_TABLE_CRL;
    header->nrecords = n;
    header->record_size = ngx_mtls_table_record_size(max);
    header->nanchors = 1;
    header->nnames = 2;
    header->nissuers = 4;

    memcpy(header->run_id, run_id, sizeof(run_id));

    source.items = items;
    source.n = n;
    source.i = 0;

    return ngx_mtls_table_write(fd, header, hashes, next, &source, hash, &err);
}


static void
write_table(item_t *items, ngx_uint_t n, size_t max)
{
    int                       fd;
    struct stat               st;
    ngx_mtls_table_header_t   header;

    (void) unlink(path_text);

    fd = open(path_text, O_RDWR|O_CREAT|O_EXCL, 0600);
    assert_int_not_equal(fd, -1);

    if (write_to(fd, items, n, max, &header) != NGX_OK) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, header.size);

    close(fd);
}


static ngx_mtls_table_t *
open_table(void)
{
    ngx_mtls_table_t  *table;

    table = ngx_mtls_table_open(&path, run_id, hash, &err);
    if (table == NULL) {
        fail_msg("%.*s", (int) err.len, err.text);
    }

    return table;
}


static ngx_int_t
lookup(ngx_mtls_table_t *table, ngx_uint_t issuer, const void *serial,
    size_t len, ngx_mtls_table_record_t *record)
{
    u_char     *p;
    ngx_int_t   rc;

    p = malloc(len ? len : 1);
    assert_non_null(p);
    memcpy(p, serial, len);

    rc = ngx_mtls_table_lookup(table, issuer, p, len, record);

    free(p);

    return rc;
}


static void
test_empty(void **state)
{
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    write_table(NULL, 0, 0);
    table = open_table();

    assert_int_equal(table->header->nrecords, 0);
    assert_int_equal(lookup(table, 0, "\x01", 1, &record), NGX_DECLINED);
    assert_int_equal(lookup(table, 0, "", 0, &record), NGX_DECLINED);
    assert_int_equal(lookup(table, 0, "123456789", 9, &record), NGX_DECLINED);

    assert_int_equal(table->anchors[0][0], 'a');
    assert_int_equal(table->names[0][0], 'n');
    assert_int_equal(table->names[1][0], 'm');
    assert_int_equal(table->issuers[0][0], 'i');
    assert_int_equal(table->issuers[3][0], 'j');

    /* it stays as long as somebody has it */

    assert_ptr_equal(ngx_mtls_table_ref(table), table);
    ngx_mtls_table_close(table);
    assert_int_equal(table->header->nrecords, 0);
    ngx_mtls_table_close(table);
}


/* the key is issuer, length and every octet */

static void
test_keys(void **state)
{
    ngx_uint_t                i, j;
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    static struct {
        const char   *serial;
        size_t        len;
        ngx_uint_t    issuer;
    } keys[] = {
        { "\x01", 1, 0 },
        { "\x01", 1, 1 },
        { "\x01\x00", 2, 0 },
        { "\x00\x81", 2, 0 },
        { "\x81", 1, 0 },
        { "\x00", 1, 0 },
        { "\xff", 1, 3 },
        { "12345678", 8, 0 },
        { "12345678\x00", 9, 0 },
        { "1234567890123456", 16, 0 },
        { "1234567890123456\x00\x00\x00\x00", 20, 0 },
        { "12345678901234567890", 20, 2 },
        { "123456789012345678901234", 24, 0 },

        /* not in the table */
        { "\x02", 1, 0 },
        { "\x01", 1, 2 },
        { "\x01\x00\x00", 3, 0 },
        { "\x00\x00", 2, 0 },
        { "12345678", 8, 1 },
        { "1234567", 7, 0 },
        { "123456789012345678901235", 24, 0 },
        { "1234567890123456789012340", 25, 0 },
        { "\x01", 1, 4 },
        { "\x01", 1, 65536 },
        { "", 0, 0 }
    };

    static ngx_uint_t  listed = 13;
    static item_t      items[13];

    for (i = 0; i < listed; i++) {
        set_item(&items[i], keys[i].serial, keys[i].len, keys[i].issuer,
                 (u_char) i, 1000 + i);
    }

    write_table(items, listed, 24);
    table = open_table();

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        j = lookup(table, keys[i].issuer, keys[i].serial, keys[i].len,
                   &record);

        assert_int_equal(j, i < listed ? NGX_OK : NGX_DECLINED);

        if (i < listed) {
            assert_int_equal(record.reason, i);
            assert_int_equal(record.date, 1000 + i);
            assert_int_equal(record.issuer, keys[i].issuer);
            assert_int_equal(record.len, keys[i].len);
            assert_memory_equal(record.serial, keys[i].serial, keys[i].len);
        }
    }

    ngx_mtls_table_close(table);
}


static void
test_widths(void **state)
{
    item_t                    item;
    size_t                    len, size;
    u_char                    serial[NGX_MTLS_SERIAL_MAX];
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    memset(serial, 0x7f, sizeof(serial));

    for (len = 1; len <= NGX_MTLS_SERIAL_MAX; len++) {
        set_item(&item, serial, len, 3, 0xff, UINT32_MAX);

        write_table(&item, 1, len);
        table = open_table();

        size = len <= 8 ? 16 : len <= 16 ? 24 : len <= 20 ? 28 : 32;
        assert_int_equal(table->header->record_size, size);

        assert_int_equal(lookup(table, 3, serial, len, &record), NGX_OK);
        assert_int_equal(record.reason, 0xff);
        assert_int_equal(record.date, UINT32_MAX);
        assert_int_equal(lookup(table, 3, serial, len - 1, &record),
                         NGX_DECLINED);

        ngx_mtls_table_close(table);
    }
}


static void
test_twice(void **state)
{
    item_t                    items[6];
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    set_item(&items[0], "a", 1, 0, 1, 10);
    set_item(&items[1], "b", 1, 0, 8, 20);
    set_item(&items[2], "a", 1, 0, 4, 30);
    set_item(&items[3], "b", 1, 0, 6, 40);
    set_item(&items[4], "a", 1, 0, 8, 50);
    set_item(&items[5], "b", 1, 0, 8, 60);

    write_table(items, 6, 1);
    table = open_table();

    assert_int_equal(table->header->nrecords, 2);

    assert_int_equal(lookup(table, 0, "a", 1, &record), NGX_OK);
    assert_int_equal(record.reason, 1);
    assert_int_equal(record.date, 10);

    assert_int_equal(lookup(table, 0, "b", 1, &record), NGX_OK);
    assert_int_equal(record.reason, 6);
    assert_int_equal(record.date, 40);

    ngx_mtls_table_close(table);
}


static int
compare(const void *one, const void *two)
{
    const item_t  *a, *b;

    a = one;
    b = two;

    if (a->record.len != b->record.len) {
        return a->record.len < b->record.len ? -1 : 1;
    }

    return memcmp(a->serial, b->serial, a->record.len);
}


/* a table against a sorted array, of serials of length "min" to "max" */

static void
differential(ngx_uint_t n, size_t min, size_t max)
{
    item_t                   *items, probe, *found;
    size_t                    j, len;
    u_char                    serial[NGX_MTLS_SERIAL_MAX];
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_mtls_table_t         *table;
    ngx_mtls_table_record_t   record;

    items = calloc(n, sizeof(item_t));
    assert_non_null(items);

    for (i = 0; i < n; i++) {
        len = min + random64() % (max - min + 1);

        for (j = 0; j < len; j++) {
            serial[j] = (u_char) random64();
        }

        set_item(&items[i], serial, len, 0, i % 11, (uint32_t) i);
    }

    write_table(items, n, max);
    table = open_table();

    /* sorted, each still tells its place by its date */

    qsort(items, n, sizeof(item_t), compare);

    for (i = 0; i < 2 * n; i++) {

        if (i < n) {
            probe = items[i];

        } else {
            len = min + random64() % (max - min + 1);

            for (j = 0; j < len; j++) {
                probe.serial[j] = (u_char) random64();
            }

            probe.record.len = len;
        }

        found = bsearch(&probe, items, n, sizeof(item_t), compare);

        rc = ngx_mtls_table_lookup(table, 0, probe.serial, probe.record.len,
                                   &record);

        assert_int_equal(rc, found ? NGX_OK : NGX_DECLINED);

        if (found && min > 4) {
            assert_int_equal(record.date, found->record.date);
            assert_int_equal(record.reason, found->record.reason);
        }
    }

    ngx_mtls_table_close(table);
    free(items);
}


static void
test_differential(void **state)
{
    differential(MANY, 16, 16);
}


static void
test_differential_lengths(void **state)
{
    differential(MANY / 5, 1, NGX_MTLS_SERIAL_MAX);
}


/* around the sizes at which buckets and partitions change */

static void
test_differential_sizes(void **state)
{
    ngx_uint_t  i;

    static ngx_uint_t  sizes[] = {
        1, 2, 3, 4, 5, 8, 9, 255, 256, 257, 16383, 16384, 16385, 33000
    };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        differential(sizes[i], 6, 20);
    }
}


/* serials that a CA picks do not fill a bucket, and equal ones are one */

static void
test_buckets(void **state)
{
    item_t                   *items;
    uint32_t                 *index, max;
    ngx_uint_t                i;
    ngx_mtls_table_t         *table;
    u_char                    serial[8];

    items = calloc(MANY, sizeof(item_t));
    assert_non_null(items);

    memset(serial, 0, sizeof(serial));

    for (i = 0; i < MANY; i++) {
        serial[5] = (u_char) (i >> 16);
        serial[6] = (u_char) (i >> 8);
        serial[7] = (u_char) i;
        set_item(&items[i], serial, 8, 0, 1, 1);
    }

    write_table(items, MANY, 8);
    table = open_table();

    max = 0;
    index = (uint32_t *) (table->map + table->header->index);

    for (i = 0; i < table->header->nbuckets; i++) {
        max = ngx_max(max, index[i + 1] - index[i]);
    }

    assert_int_equal(index[i], MANY);
    assert_true(max >= 4 && max <= 24);

    ngx_mtls_table_close(table);

    for (i = 0; i < MANY; i++) {
        set_item(&items[i], "\x01", 1, 0, 1, i);
    }

    write_table(items, MANY, 8);
    table = open_table();
    assert_int_equal(table->header->nrecords, 1);
    ngx_mtls_table_close(table);

    free(items);
}


static void
test_write_fails(void **state)
{
    int                       fd;
    item_t                    items[2];
    source_t                  source;
    ngx_mtls_table_header_t   header;

    set_item(&items[0], "1", 1, 0, 1, 1);
    set_item(&items[1], "123456789", 9, 0, 1, 1);

    /* no space */

    fd = open("/dev/full", O_WRONLY);
    assert_int_not_equal(fd, -1);

    assert_int_equal(write_to(fd, items, 1, 8, &header), NGX_ERROR);
    err.text[err.len] = '\0';
    assert_string_equal((char *) err.text,
                        "cannot write the table (28: No space left on"
                        " device)");
    close(fd);

    fd = open(path_text, O_RDWR|O_CREAT|O_EXCL, 0600);
    assert_int_not_equal(fd, -1);

    /* a serial that is longer than the record, too few records, too many */

    assert_int_equal(write_to(fd, items, 2, 8, &header), NGX_ERROR);

    source.items = items;
    source.n = 1;
    source.i = 0;

    assert_int_equal(ngx_mtls_table_write(fd, &header, NULL, next, &source,
                                          hash, &err),
                     NGX_ERROR);

    header.nrecords = 0x80000000;

    assert_int_equal(ngx_mtls_table_write(fd, &header, NULL, next, &source,
                                          hash, &err),
                     NGX_ERROR);

    close(fd);
}


static void
refused(const char *cause)
{
    err.len = 0;

    assert_null(ngx_mtls_table_open(&path, run_id, hash, &err));

    err.text[err.len] = '\0';

    if (strstr((char *) err.text, cause) == NULL
        || strstr((char *) err.text, path_text) == NULL)
    {
        fail_msg("\"%s\" is not \"%s\"", err.text, cause);
    }
}


static void
test_open_refuses(void **state)
{
    item_t  item;
    char    other[sizeof(path_text) + 2], cmd[3 * sizeof(path_text)];

    refused("cannot be opened (2: No such file or directory)");

    set_item(&item, "1", 1, 0, 1, 1);
    write_table(&item, 1, 1);

    run_id[0] ^= 1;
    refused("not the one that was published");
    run_id[0] ^= 1;

    hash[31] ^= 1;
    refused("not the one that was published");
    hash[31] ^= 1;

    snprintf(other, sizeof(other), "%s.", path_text);
    assert_int_equal(rename(path_text, other), 0);
    assert_int_equal(symlink(other, path_text), 0);
    refused("cannot be opened");

    assert_int_equal(rename(other, path_text), 0);
    snprintf(cmd, sizeof(cmd), "printf x >> %s", path_text);
    assert_int_equal(system(cmd), 0);
    refused("not of its size");

    write_table(&item, 1, 1);

    if (geteuid() == 0) {
        assert_int_equal(chown(path_text, 65534, 0), 0);
        refused("owned by another user");
    }

    (void) unlink(path_text);
    assert_int_equal(mkfifo(path_text, 0600), 0);
    refused("not a regular file");

    (void) unlink(path_text);
    assert_int_equal(mkdir(path_text, 0700), 0);
    refused("not a regular file");
    assert_int_equal(rmdir(path_text), 0);
}


/* the file's octets, which end where the memory ends */

static u_char *
octets(size_t *len)
{
    FILE         *f;
    void         *p = NULL;
    struct stat   st;

    assert_int_equal(stat(path_text, &st), 0);
    *len = (size_t) st.st_size;

    /* aligned as a map is */

    assert_int_equal(posix_memalign(&p, 64, *len), 0);

    f = fopen(path_text, "r");
    assert_non_null(f);
    assert_int_equal(fread(p, 1, *len, f), *len);
    fclose(f);

    return p;
}


static void
save(u_char *p, size_t len)
{
    (void) unlink(path_text);
    (void) pki_text(dir, "table", (char *) p, len);
}


static void
test_open_truncated(void **state)
{
    size_t      len, n;
    item_t      items[3];
    u_char     *p;

    set_item(&items[0], "1", 1, 0, 1, 1);
    set_item(&items[1], "2", 1, 0, 1, 1);
    set_item(&items[2], "3", 1, 0, 1, 1);
    write_table(items, 3, 1);

    p = octets(&len);

    for (n = 0; n < len; n++) {
        save(p, n);
        refused("not of its size");
    }

    free(p);
}


/*
 * Any octet of a header set to anything, and the hash with it: it is refused
 * or a lookup in it stays inside of it.
 */

static void
test_open_header(void **state)
{
    int                       fd;
    size_t                    len, i;
    u_char                   *p, octet;
    item_t                    items[40];
    ngx_uint_t                j, opened;
    ngx_mtls_table_t          table, *opens;
    ngx_mtls_table_record_t   record;

    static u_char  values[] = { 0x00, 0x01, 0x08, 0x7f, 0x80, 0xff };

    for (i = 0; i < 40; i++) {
        octet = (u_char) i;
        set_item(&items[i], &octet, 1, i % 4, 1, 1);
    }

    write_table(items, 40, 1);
    p = octets(&len);
    opened = 0;

    fd = open(path_text, O_RDWR);
    assert_int_not_equal(fd, -1);

    for (i = 0; i < sizeof(ngx_mtls_table_header_t); i++) {

        for (j = 0; j < sizeof(values); j++) {
            octet = p[i];
            p[i] = values[j];

            assert_int_equal(pwrite(fd, p, sizeof(ngx_mtls_table_header_t), 0),
                             sizeof(ngx_mtls_table_header_t));
            assert_int_equal(ngx_mtls_sha256(p,
                                             sizeof(ngx_mtls_table_header_t),
                                             hash),
                             NGX_OK);

            opens = ngx_mtls_table_open(&path, run_id, hash, &err);

            if (opens) {
                opened++;
                ngx_mtls_table_close(opens);

                /* in memory that the sanitizer watches */

                table.map = p;
                table.size = len;
                table.header = (ngx_mtls_table_header_t *) p;

                (void) lookup(&table, 0, "\x01", 1, &record);
                (void) lookup(&table, 3, "\x03", 1, &record);
            }

            p[i] = octet;
        }
    }

    close(fd);

    /* facts may have any value, what is placed and counted may not */

    assert_true(opened >= 2500 && opened <= 2750);

    free(p);
}


/* a body that was damaged after it was opened */

static void
test_damaged(void **state)
{
    size_t                    len, at;
    u_char                   *p, serial[4];
    item_t                   *items;
    ngx_int_t                 rc;
    ngx_uint_t                i, j, corrupt;
    ngx_mtls_table_t          table;
    ngx_mtls_table_record_t   record;

    items = calloc(500, sizeof(item_t));
    assert_non_null(items);

    for (i = 0; i < 500; i++) {
        memcpy(serial, &i, 4);
        set_item(&items[i], serial, 4, 0, 1, 1);
    }

    write_table(items, 500, 4);

    corrupt = 0;

    for (i = 0; i < 300; i++) {
        p = octets(&len);

        table.map = p;
        table.size = len;
        table.header = (ngx_mtls_table_header_t *) p;

        for (j = 0; j < 1 + i % 20; j++) {
            at = sizeof(ngx_mtls_table_header_t);
            at += random64() % (len - at);
            p[at] = (u_char) random64();
        }

        for (j = 0; j < 500; j++) {
            rc = ngx_mtls_table_lookup(&table, 0, items[j].serial, 4, &record);

            assert_true(rc == NGX_OK || rc == NGX_DECLINED
                        || rc == NGX_ERROR);

            corrupt += (rc == NGX_ERROR);
        }

        free(p);
    }

    assert_true(corrupt > 0);

    free(items);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_differential, setup, teardown),
        cmocka_unit_test_setup_teardown(test_differential_lengths, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_differential_sizes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_buckets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
