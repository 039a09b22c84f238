
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Sets of CA certificates that are swapped while nginx runs: what a set holds,
 * what its digest says, and what one set has from another.
 */


#include "set.h"


#define MANY  700


static void
test_added(void **state)
{
    ngx_mtls_ca_t      *set;
    ngx_mtls_anchor_t  *a;

    file("a", 0, 0, certs(&root));
    configure();

    assert_null(find(&other));
    assert_int_equal(vouched(&own, NULL, 0), 0);

    (void) part("a", 0, 0, certs(&root, &own, &inter));
    set = swap(configured);

    a = find(&own);
    assert_non_null(a);
    assert_int_equal(a->nlabels, 1);
    assert_int_equal(a->labels[0], 0);
    assert_memory_equal(a->fingerprint, a->cert->facts.fingerprint, 32);
    assert_int_equal(X509_cmp(a->cert->x509, own.x509), 0);
    assert_int_equal(a->cert->refs, 0);
    assert_str_equal(a->path, (char *) parts[0].path.data);

    assert_int_equal(vouched(&own, NULL, 0), 1);
    assert_int_equal(vouched(&direct, NULL, 0), 1);

    /* a helper is known, and is no anchor */

    assert_null(find(&inter));
    assert_non_null(known(&inter));
    assert_int_equal(vouched(&leaf, present(&inter2)), 1);

    assert_int_equal(ngx_mtls_ca_trusted(set, 0), 2);
    assert_int_equal(ngx_mtls_ca_nlabels(set), 1);

    /* what the master read stays what it is */

    ca = configured;
    assert_null(find(&own));
    assert_int_equal(vouched(&own, NULL, 0), 0);
    assert_int_equal(ngx_mtls_ca_trusted(configured, 0), 1);

    ngx_mtls_ca_free(set);
    parts_end();
}


static void
test_removed(void **state)
{
    u_char          (*anchors)[NGX_MTLS_HASH_LEN];
    ngx_uint_t        n, i;
    ngx_mtls_ca_t    *set;
    u_char            subject[NGX_MTLS_HASH_LEN];

    file("a", 0, 0, certs(&root, &other, &inter));
    configure();
    assert_int_equal(vouched(&leaf, present(&inter2)), 1);
    memcpy(subject, find(&root)->cert->subject, NGX_MTLS_HASH_LEN);

    (void) part("a", 0, 0, certs(&other, &inter));
    set = swap(configured);

    assert_null(find(&root));
    assert_null(known(&root));
    assert_non_null(find(&other));
    assert_int_equal(vouched(&direct, NULL, 0), 0);
    assert_int_equal(vouched(&direct, present(&root)), 0);
    assert_int_equal(vouched(&leaf, present(&inter2, &inter, &root)), 0);

    i = 0;
    assert_null(ngx_mtls_ca_subject(set, subject, &i));

    /* nor may it be what signers of CRLs lead to */

    assert_int_equal(ngx_mtls_ca_reach(set, inter.x509, NULL, pool, &anchors,
                                       &n),
                     NGX_OK);
    assert_int_equal(n, 0);
    assert_null(ngx_mtls_ca_issuer(set, inter.x509, NULL, pool));

    assert_int_equal(ngx_mtls_ca_reach(configured, inter.x509, NULL, pool,
                                       &anchors, &n),
                     NGX_OK);
    assert_int_equal(n, 1);

    ngx_mtls_ca_free(set);
    parts_end();
}


/* a source counts by its tables, all of them, or else as it was read */

static void
test_sources(void **state)
{
    ngx_mtls_ca_t  *set, *next;

    file("a", 0, 0, certs(&root));
    file("a", 0, 0, certs(&other));
    file("b", 1, 1, certs(&inter));
    file("b", NGX_MTLS_CA_STATIC, 0, certs(&own));
    configure();

    (void) part("a", 0, 0, certs(&root, &inter2));
    set = swap(configured);

    assert_non_null(find(&root));
    assert_null(find(&other));
    assert_null(find(&inter2));
    assert_non_null(known(&inter2));
    assert_non_null(find(&inter));
    assert_non_null(find(&own));

    /* of two files now; the other source has changed, too */

    (void) part("a", 0, 0, certs(&other));
    (void) part("b", 1, 1, certs(&inter2));
    next = swap(set);
    ngx_mtls_ca_free(set);

    assert_non_null(find(&root));
    assert_non_null(find(&other));
    assert_null(known(&inter));
    assert_int_equal(find(&inter2)->labels[0], 1);
    assert_int_equal(find(&inter2)->nlabels, 1);
    assert_non_null(find(&own));

    /* none has a table: all is as it was read */

    set = swap_to(next, NULL, 0);
    ngx_mtls_ca_free(next);

    assert_int_equal(ngx_mtls_ca_certs(set)->nelts, 4);
    assert_non_null(find(&other));
    assert_non_null(find(&inter));
    assert_null(known(&inter2));
    assert_memory_equal(ngx_mtls_ca_digest(set),
                        ngx_mtls_ca_digest(configured), NGX_MTLS_HASH_LEN);

    ngx_mtls_ca_free(set);
    parts_end();
}


/* what the labels of an anchor say together, wherever it comes from */

static void
test_labels(void **state)
{
    ngx_mtls_ca_t      *set;
    ngx_mtls_trust_t   *first, *second;
    ngx_mtls_label_t   *l;
    ngx_mtls_anchor_t  *a;

    static ngx_str_t  la = ngx_string("a");
    static ngx_str_t  lb = ngx_string("b");
    static ngx_str_t  lc = ngx_string("c");

    assert_int_equal(ngx_mtls_ca_label(ca, &la, NGX_MTLS_REVOCATION_LEAF,
                                       NGX_MTLS_UNKNOWN_ALLOW, &l, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_ca_label(ca, &lb, NGX_MTLS_REVOCATION_CHAIN,
                                       NGX_CONF_UNSET_UINT, &l, &err),
                     NGX_OK);
    assert_int_equal(ngx_mtls_ca_label(ca, &lc, NGX_CONF_UNSET_UINT,
                                       NGX_MTLS_UNKNOWN_DENY, &l, &err),
                     NGX_OK);

    file("a", 0, 0, certs(&root));
    file("b", 1, 0, certs(&other));
    file("c", NGX_MTLS_CA_STATIC, 0, certs(&own));
    configure();

    /* made with the configuration, asked with the set */

    first = ngx_mtls_trust_create(pool, configured, (ngx_uint_t []) { 0 }, 1);
    second = ngx_mtls_trust_create(pool, configured, (ngx_uint_t []) { 1 }, 1);

    (void) part("b", 1, 1, certs(&other, &root, &own));
    (void) part("a", 0, 0, certs(&root));
    (void) part("a", 0, 0, certs(&root, &inter));
    set = swap(configured);

    a = find(&root);
    assert_int_equal(a->nlabels, 2);
    assert_int_equal(a->labels[0], 0);
    assert_int_equal(a->labels[1], 1);
    assert_int_equal(a->revocation, NGX_MTLS_REVOCATION_CHAIN);
    assert_int_equal(a->inherit_revocation, 0);
    assert_int_equal(a->unknown, NGX_MTLS_UNKNOWN_ALLOW);
    assert_int_equal(a->inherit_unknown, 1);

    assert_true(ngx_mtls_trust_has(first, a));
    assert_true(ngx_mtls_trust_has(second, a));
    assert_false(ngx_mtls_trust_has(first, find(&other)));

    a = find(&own);
    assert_int_equal(a->nlabels, 2);
    assert_int_equal(a->labels[0], 1);
    assert_int_equal(a->labels[1], 2);
    assert_int_equal(a->inherit_revocation, 1);
    assert_int_equal(a->inherit_unknown, 1);
    assert_int_equal(a->unknown, NGX_MTLS_UNKNOWN_DENY);

    assert_int_equal(ngx_mtls_ca_trusted(set, 0), 1);
    assert_int_equal(ngx_mtls_ca_trusted(set, 1), 3);
    assert_int_equal(ngx_mtls_ca_trusted(set, 2), 1);

    ngx_mtls_ca_free(set);
    parts_end();

    /* a label that has lost all that it had trusts nothing */

    (void) part("a", 0, 0, certs(&inter));
    set = swap(configured);
    assert_int_equal(ngx_mtls_ca_trusted(set, 0), 0);
    assert_int_equal(ngx_mtls_ca_trusted(set, 1), 1);
    assert_int_equal(vouched(&direct, NULL, 0), 0);

    ngx_mtls_ca_free(set);
    parts_end();
}


/* what is trusted and known, told in ten ways */

static void
way(ngx_uint_t i, ngx_str_t *aux)
{
    switch (i) {

    case 0:
        (void) part("a", 0, 0, certs(&root, &other, &inter));
        break;

    case 1:
        /* another order, and something twice */
        (void) part("a", 0, 0, certs(&inter, &root, &other, &root));
        break;

    case 2:
        /* of other files, in another order */
        (void) part("b", 1, 0, certs(&own));
        (void) part("a", 0, 0, certs(&other));
        (void) part("a", 0, 0, certs(&inter, &root));
        break;

    case 3:
        /* anchors */
        (void) part("a", 0, 1, certs(&root, &other, &inter));
        break;

    case 4:
        /* labels */
        (void) part("b", 1, 0, certs(&own, &other));
        (void) part("a", 0, 0, certs(&root, &inter));
        break;

    case 5:
        /* one in two labels */
        (void) part("b", 1, 0, certs(&own, &root));
        (void) part("a", 0, 0, certs(&root, &other, &inter));
        break;

    case 6:
        /* trust settings */
        (void) part_of("a", 0, 0, aux);
        (void) part("a", 0, 0, certs(&root, &inter));
        break;

    case 7:
        /* one more, one less, even one that is trusted by nobody */
        (void) part("a", 0, 0, certs(&root, &other, &inter, &inter2));
        break;

    case 8:
        (void) part("a", 0, 0, certs(&root, &other));
        break;

    case 9:
        (void) part("a", 0, 0, certs(&root, &inter));
        break;
    }
}


static void
test_digest(void **state)
{
    ngx_str_t       aux;
    ngx_uint_t      i, j;
    ngx_mtls_ca_t  *set;
    u_char          digest[10][NGX_MTLS_HASH_LEN];

    file("a", 0, 0, certs(&root));
    file("b", 1, 0, certs(&own));
    configure();

    aux = live_aux("aux.pem", &other, NID_client_auth);

    for (i = 0; i < 10; i++) {
        way(i, &aux);

        set = swap(configured);
        memcpy(digest[i], ngx_mtls_ca_digest(set), NGX_MTLS_HASH_LEN);
        ngx_mtls_ca_free(set);
        parts_end();
    }

    assert_memory_equal(digest[0], digest[1], NGX_MTLS_HASH_LEN);
    assert_memory_equal(digest[0], digest[2], NGX_MTLS_HASH_LEN);

    for (i = 2; i < 10; i++) {
        for (j = i + 1; j < 10; j++) {
            assert_memory_not_equal(digest[i], digest[j], NGX_MTLS_HASH_LEN);
        }
    }
}


/* a certificate is parsed once, however many sets have it one after another */

static void
test_shared(void **state)
{
    ngx_str_t            aux;
    ngx_uint_t           i;
    ngx_mtls_ca_t       *set, *next;
    ngx_mtls_ca_cert_t  *cert, *added;

    file("a", 0, 0, certs(&root, &other));
    configure();
    cert = find(&root)->cert;

    (void) part("a", 0, 0, certs(&own, &root));
    set = swap(configured);

    assert_int_equal(parsed(set), 1);
    assert_ptr_equal(find(&root)->cert, cert);
    assert_int_equal(parsed(set), 1);
    assert_null(entry(set, &own)->anchor.cert);
    added = find(&own)->cert;
    assert_int_equal(parsed(set), 2);

    /* again and again, and each time the one before goes first */

    for (i = 0; i < 5; i++) {
        next = swap(set);
        ngx_mtls_ca_free(set);
        set = next;

        assert_int_equal(parsed(set), 2);
        assert_ptr_equal(find(&root)->cert, cert);
        assert_ptr_equal(find(&own)->cert, added);
        assert_int_equal(X509_cmp(find(&own)->cert->x509, own.x509), 0);
        assert_int_equal(entry(set, &own)->loaded->refs, 1);
        assert_int_equal(entry(set, &root)->loaded->refs, 2);
    }

    /* what the last one does not have is gone with the set that had it */

    next = swap_to(set, NULL, 0);
    assert_null(known(&own));
    assert_int_equal(parsed(next), 1);
    ngx_mtls_ca_free(set);

    /* parsed anew, as nobody has it now */

    set = swap(next);
    ngx_mtls_ca_free(next);
    assert_null(entry(set, &own)->anchor.cert);
    ngx_mtls_ca_free(set);
    parts_end();

    /* OpenSSL's own settings make another certificate of it */

    aux = live_aux("aux.pem", &root, NID_client_auth);
    (void) part_of("a", 0, 0, &aux);
    set = swap(configured);
    assert_int_equal(parsed(set), 0);
    assert_ptr_not_equal(entry(set, &root)->anchor.cert, cert);
    assert_null(find(&root));
    assert_int_equal(vouched(&direct, NULL, 0), 0);
    ca = configured;
    assert_int_equal(vouched(&direct, NULL, 0), 1);

    /* and without them it is the first one again */

    next = swap_to(set, NULL, 0);
    ngx_mtls_ca_free(set);
    assert_int_equal(vouched(&direct, NULL, 0), 1);
    ngx_mtls_ca_free(next);
    parts_end();
}


/* of two copies the one with OpenSSL's own settings, in whichever order */

static void
test_stricter(void **state)
{
    ngx_str_t       aux;
    ngx_uint_t      i;
    ngx_mtls_ca_t  *set;

    file("a", 0, 0, certs(&root));
    file("b", 1, 0, certs(&root));
    configure();

    aux = live_aux("aux.pem", &root, NID_client_auth);

    for (i = 0; i < 3; i++) {

        switch (i) {

        case 0:
            (void) part_of("a", 0, 0, &aux);
            (void) part("b", 1, 0, certs(&root));
            break;

        case 1:
            (void) part("b", 1, 0, certs(&root));
            (void) part_of("a", 0, 0, &aux);
            break;

        case 2:
            /* the other one as it was read */
            (void) part_of("b", 1, 0, &aux);
            break;
        }

        set = swap(configured);
        assert_int_equal(ngx_mtls_ca_certs(set)->nelts, 1);
        assert_int_equal(entry(set, &root)->anchor.nlabels, 2);
        assert_null(find(&root));
        assert_int_equal(vouched(&direct, NULL, 0), 0);
        assert_int_equal(entry(configured, &root)->loaded->refs, 1);

        ngx_mtls_ca_free(set);
        parts_end();
    }
}


/* what a session has seen of a set lives as long as its reference */

static void
test_references(void **state)
{
    ngx_mtls_ca_t      *set, *next;
    ngx_mtls_anchor_t  *a;

    file("a", 0, 0, certs(&root));
    configure();

    (void) part("a", 0, 0, certs(&root, &own));
    (void) part("a", 0, 0, certs(&root));

    set = swap_to(configured, &parts[0], 1);
    assert_int_equal(parts[0].table->refs, 2);

    assert_ptr_equal(ngx_mtls_ca_ref(set), set);
    a = find(&own);

    next = swap_to(set, &parts[1], 1);

    /* the process has the next one now, and somebody the old one */

    ngx_mtls_ca_free(set);

    assert_null(find(&own));
    assert_memory_equal(a->cert->facts.fingerprint, a->fingerprint, 32);
    assert_int_equal(X509_cmp(a->cert->x509, own.x509), 0);
    ca = set;
    assert_ptr_equal(find(&own), a);
    assert_int_equal(parts[0].table->refs, 2);
    assert_int_equal(parts[1].table->refs, 2);

    ngx_mtls_ca_free(set);
    assert_int_equal(parts[0].table->refs, 1);

    ca = next;
    assert_non_null(find(&root));
    ngx_mtls_ca_free(next);

    /* the configuration's set is its pool's, whoever counts */

    assert_ptr_equal(ngx_mtls_ca_ref(configured), configured);
    ngx_mtls_ca_free(configured);
    ngx_mtls_ca_free(configured);
    ca = configured;
    assert_non_null(find(&root));

    parts_end();
}


/* a certificate is not touched before a handshake's names lead to it */

static void
test_many(void **state)
{
    char            cn[32];
    pki_t          *many, **all, end;
    ngx_uint_t      i;
    ngx_mtls_ca_t  *set, *next;

    pki_spec_t  s_end = { .cn = "end" };
    pki_spec_t  spec = { .cn = cn, .ca = 1, .key = root.key };

    many = calloc(MANY, sizeof(pki_t));
    all = calloc(MANY, sizeof(pki_t *));
    assert_non_null(many);
    assert_non_null(all);

    for (i = 0; i < MANY; i++) {
        snprintf(cn, sizeof(cn), "CA %u", (unsigned) i);
        pki_issue(&many[i], NULL, &spec);
        all[i] = &many[i];
    }

    pki_issue(&end, &many[345], &s_end);

    file("a", 0, 0, certs(&root));
    configure();

    (void) part("a", 0, 0, all, MANY);
    set = swap(configured);

    assert_int_equal(ngx_mtls_ca_certs(set)->nelts, MANY);
    assert_int_equal(ngx_mtls_ca_trusted(set, 0), MANY);
    assert_int_equal(parsed(set), 0);

    /* names that lead nowhere */

    assert_int_equal(vouched(&direct, NULL, 0), 0);
    assert_int_equal(vouched(&leaf, present(&inter2, &inter)), 0);
    assert_int_equal(parsed(set), 0);

    assert_int_equal(vouched(&end, NULL, 0), 1);
    assert_int_equal(parsed(set), 1);
    assert_non_null(entry(set, &many[345])->anchor.cert);

    assert_int_equal(vouched(&end, present(&many[345], &many[1])), 1);
    assert_int_equal(parsed(set), 2);

    next = swap(set);
    ngx_mtls_ca_free(set);
    assert_int_equal(parsed(next), 2);
    assert_int_equal(vouched(&end, NULL, 0), 1);
    assert_int_equal(parsed(next), 2);
    ngx_mtls_ca_free(next);

    parts_end();

    for (i = 0; i < MANY; i++) {
        pki_free(&many[i]);
    }

    pki_free(&end);
    free(all);
    free(many);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        s(test_added),
        s(test_removed),
        s(test_sources),
        s(test_labels),
        s(test_digest),
        s(test_shared),
        s(test_stricter),
        s(test_references),
        s(test_many),
    };

    return cmocka_run_group_tests(tests, once, end);
}
