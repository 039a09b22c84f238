
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sets of CA certificates of tables that are corrupt, and without memory:
 * nothing is trusted that was not published.
 */


#include "set.h"


static void
corrupt(void)
{
    err.len = 0;

    assert_null(ngx_mtls_ca_live(configured, configured, parts, nparts,
                                 &shim_log, &err));
    assert_true(err_has("the table of CA file \""));
    assert_true(err_has("\" is corrupt"));
    assert_true(err_has((char *) parts[0].path.data));

    /* nothing was kept */
    assert_int_equal(parts[0].table->refs, 1);
}


/* any octet of the records, which say what is trusted: no set is made of it */

static void
test_corrupt_records(void **state)
{
    u_char      *p;
    size_t       i;

    file("a", 0, 0, certs(&root));
    configure();

    (void) part("a", 0, 0, certs(&inter, &other));
    p = (u_char *) live_records(parts[0].table);

    for (i = 0; i < 2 * sizeof(ngx_mtls_ca_record_t); i++) {
        p[i] ^= 0x01;
        corrupt();
        p[i] ^= 0x81;
        corrupt();
        p[i] ^= 0x80;
    }

    /* the wish of every thief */

    assert_int_equal(live_records(parts[0].table)[0].anchor, 0);
    live_records(parts[0].table)[0].anchor = 1;
    corrupt();
    live_records(parts[0].table)[0].anchor = 0;

    ngx_mtls_ca_free(swap(configured));
    parts_end();
}


/* a header that is not that of a CA file's table, or tells another hash */

static void
test_corrupt_header(void **state)
{
    u_char                    octet;
    ngx_mtls_table_header_t  *header;

    file("a", 0, 0, certs(&root));
    configure();

    (void) part("a", 0, 0, certs(&inter, &other));
    header = parts[0].table->header;

    header->kind = NGX_MTLS_TABLE_CRL;
    corrupt();
    header->kind = NGX_MTLS_TABLE_CA;

    header->record_size--;
    corrupt();
    header->record_size++;

    header->nrecords--;
    corrupt();
    header->nrecords++;

    octet = header->issuer[31];
    header->issuer[31] ^= 1;
    corrupt();
    header->issuer[31] = octet;

    ngx_mtls_ca_free(swap(configured));
    parts_end();
}


/*
 * Records of anything under a hash that fits them, as only the compiler's own
 * user could write them: no access outside, and no certificate that is not the
 * one its fingerprint says
 */

static void
test_forged_records(void **state)
{
    u_char                 *p, *good, hash[NGX_MTLS_HASH_LEN];
    size_t                  i, len;
    ngx_uint_t              j, made_of, usable;
    ngx_mtls_ca_t          *set;
    ngx_mtls_anchor_t     **anchor;
    ngx_mtls_ca_record_t   *r;

    static u_char  values[] = { 0x00, 0x01, 0x7f, 0xff };

    file("a", 0, 0, certs(&own));
    configure();

    (void) part("a", 0, 1, certs(&inter, &root));
    r = live_records(parts[0].table);
    p = (u_char *) r;
    len = 2 * sizeof(ngx_mtls_ca_record_t);

    good = malloc(len);
    assert_non_null(good);
    memcpy(good, p, len);

    made_of = 0;
    usable = 0;

    for (i = 0; i < len * sizeof(values); i++) {
        memcpy(p, good, len);
        p[i / sizeof(values)] = values[i % sizeof(values)];

        assert_int_equal(ngx_mtls_sha256(p, len,
                                         parts[0].table->header->issuer),
                         NGX_OK);

        set = ngx_mtls_ca_live(configured, NULL, parts, nparts, &shim_log,
                               &err);
        if (set == NULL) {
            continue;
        }

        made_of++;
        ca = set;

        anchor = ngx_mtls_ca_certs(set)->elts;

        for (j = 0; j < ngx_mtls_ca_certs(set)->nelts; j++) {

            if (ngx_mtls_ca_cert(set, anchor[j]->fingerprint) == NULL) {
                continue;
            }

            usable++;
            assert_int_equal(ngx_mtls_sha256(anchor[j]->cert->facts.der.data,
                                             anchor[j]->cert->facts.der.len,
                                             hash),
                             NGX_OK);
            assert_memory_equal(anchor[j]->fingerprint, hash,
                                NGX_MTLS_HASH_LEN);
        }

        (void) vouched(&leaf, present(&inter2));
        (void) vouched(&direct, NULL, 0);

        ngx_mtls_ca_free(set);
    }

    assert_true(made_of > 500);
    assert_true(usable > 500);

    free(good);
    parts_end();
}


/* an octet of a certificate flipped: the set is there, and it is not used */

static void
test_corrupt_der(void **state)
{
    u_char                *p, subject[NGX_MTLS_HASH_LEN];
    size_t                 i;
    ngx_uint_t             iterator;
    ngx_mtls_ca_t         *set;
    ngx_mtls_ca_record_t  *r;

    file("a", 0, 0, certs(&other));
    configure();

    (void) part("a", 0, 0, certs(&root, &own));
    r = live_records(parts[0].table);
    p = (u_char *) r + r[0].offset;
    memcpy(subject, r[0].subject, NGX_MTLS_HASH_LEN);

    for (i = 0; i < r[0].size; i++) {
        p[i] ^= (u_char) (1 << i % 8);
        set = swap(configured);

        /* it counts as one that is trusted, and never is */

        assert_int_equal(ngx_mtls_ca_trusted(set, 0), 2);

        shim_log_clear();

        assert_int_equal(vouched(&direct, NULL, 0), 0);
        assert_int_equal(vouched(&direct, present(&root)), 0);
        assert_int_equal(vouched(&leaf, present(&inter2, &inter, &root)), 0);
        assert_int_equal(vouched(&root, NULL, 0), 0);
        assert_null(find(&root));
        assert_null(known(&root));
        assert_null(entry(set, &root)->anchor.cert);

        iterator = 0;
        assert_null(ngx_mtls_ca_subject(set, subject, &iterator));

        /* said once */

        assert_int_equal(shim_log_count(), 1);
        assert_int_equal(shim_log_level(), NGX_LOG_ERR);
        assert_true(shim_log_has("its table is corrupt"));
        assert_true(shim_log_has((char *) parts[0].path.data));

        /* the other one is what it was */

        assert_non_null(find(&own));
        assert_int_equal(vouched(&own, NULL, 0), 1);

        ngx_mtls_ca_free(set);
        p[i] ^= (u_char) (1 << i % 8);
    }

    set = swap(configured);
    assert_int_equal(vouched(&direct, NULL, 0), 1);
    ngx_mtls_ca_free(set);
    parts_end();
}


/* the same of OpenSSL's settings, which must not be got rid of */

static void
test_corrupt_aux(void **state)
{
    u_char                *p;
    size_t                 i;
    ngx_str_t              aux;
    ngx_mtls_ca_t         *set;
    ngx_mtls_ca_record_t  *r;

    file("a", 0, 0, certs(&own));
    configure();

    aux = live_aux("aux.pem", &root, NID_server_auth);
    (void) part_of("a", 0, 0, &aux);
    r = live_records(parts[0].table);
    p = (u_char *) r + r[0].offset;

    set = swap(configured);
    assert_int_equal(vouched(&direct, NULL, 0), 1);
    ngx_mtls_ca_free(set);

    for (i = r[0].len; i < r[0].size; i++) {
        p[i] ^= 0x01;
        set = swap(configured);
        assert_int_equal(vouched(&direct, NULL, 0), 0);
        assert_null(find(&root));
        ngx_mtls_ca_free(set);
        p[i] ^= 0x01;
    }

    parts_end();
}


/* without memory no set is made, and what others have stays */

static void
test_memory(void **state)
{
    ngx_uint_t      i;
    ngx_mtls_ca_t  *set, *next;

    file("a", 0, 0, certs(&root));
    file("b", 1, 0, certs(&own));
    configure();

    (void) part("a", 0, 1, certs(&root, &inter));
    set = swap(configured);
    assert_non_null(find(&inter));
    (void) part("b", 1, 0, certs(&own, &other, &root));

    for (i = 1; i < 1000; i++) {
        err.len = 0;
        shim_alloc_fail(i);
        next = ngx_mtls_ca_live(configured, set, parts, nparts, &shim_log,
                                &err);
        shim_alloc_fail(0);

        if (next) {
            break;
        }

        assert_true(err_has("out of memory"));
        assert_int_equal(parts[0].table->refs, 2);
        assert_int_equal(parts[1].table->refs, 1);
        assert_int_equal(entry(set, &inter)->loaded->refs, 1);
    }

    assert_true(i > 10 && i < 1000);
    ngx_mtls_ca_free(set);

    /* nor is a certificate parsed, until there is memory again */

    ca = next;

    for (i = 1; i < 1000; i++) {
        shim_alloc_fail(i);
        set = find(&other) ? next : NULL;
        shim_alloc_fail(0);

        if (set) {
            break;
        }

        assert_null(entry(next, &other)->anchor.cert);
    }

    assert_true(i > 4 && i < 1000);
    assert_int_equal(vouched(&own, NULL, 0), 1);

    ngx_mtls_ca_free(next);
    parts_end();
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        s(test_corrupt_records),
        s(test_corrupt_header),
        s(test_forged_records),
        s(test_corrupt_der),
        s(test_corrupt_aux),
        s(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
