
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Revocation: each row of RFC 5280 6.3.3 that is ours.
 */


#include "world.h"

#include <stdio.h>

#include <ngx_mtls_revocation.h>


#define UNCHECKED  NGX_MTLS_OUTCOME_UNCHECKED
#define GOOD       NGX_MTLS_OUTCOME_GOOD
#define STALE      NGX_MTLS_OUTCOME_STALE
#define UNKNOWN    NGX_MTLS_OUTCOME_UNKNOWN
#define REVOKED    NGX_MTLS_OUTCOME_REVOKED
#define ERROR      NGX_MTLS_OUTCOME_ERROR


static const char  *outcomes[] = {
    "unchecked", "good", "stale", "unknown", "revoked", "error"
};


static world_t  w;


static int
setup(void **state)
{
    world_begin(&w);

    return 0;
}


static int
teardown(void **state)
{
    world_end(&w);

    return 0;
}


/*
 * What follows is minted: a root, a CA below it, another root of the same name
 * as the first, and clients of the root.
 */

static pki_t  root, twin, inter, client, hit, alien;

static const pki_spec_t  s_root = { .cn = "Root", .ca = 1 };
static const pki_spec_t  s_inter = { .cn = "Inter", .ca = 1 };
static const pki_spec_t  s_client = { .cn = "client" };


static int
once(void **state)
{
    pki_issue(&root, NULL, &s_root);
    pki_issue(&twin, NULL, &s_root);
    pki_issue(&inter, &root, &s_inter);
    pki_issue(&client, &root, &s_client);
    pki_issue(&hit, &root, &s_client);
    pki_issue(&alien, &twin, &s_client);

    return 0;
}


static int
end(void **state)
{
    pki_free(&root);
    pki_free(&twin);
    pki_free(&inter);
    pki_free(&client);
    pki_free(&hit);
    pki_free(&alien);

    return 0;
}


static void
trusted(void)
{
    ngx_str_t  path;

    path = pki_file(w.dir, "ca.pem", (pki_t *[]) { &root, &twin, &inter }, 3);
    assert_int_equal(world_ca(&w, "a", &path, 0), NGX_OK);
    world_ca_finish(&w);
}


static void
loaded(pki_t *issuer, const pki_crl_t *spec, time_t grace, time_t max_age)
{
    char         name[32];
    ngx_str_t    path;
    static int   n;

    snprintf(name, sizeof(name), "crl%d.crl", ++n);
    path = pki_crl(w.dir, name, issuer, spec);

    if (world_crl(&w, &path, grace, max_age) != NGX_OK) {
        fail_msg("%.*s", (int) w.err.len, w.err.text);
    }
}


static ngx_mtls_revocation_t
check_at(pki_t *cert, pki_t *issuer, pki_t *anchor, time_t now)
{
    ngx_mtls_ca_cert_t      above;
    ngx_mtls_revocation_t   rv;
    ngx_mtls_certificate_t  facts, top;

    world_parse(&w, cert->x509, &facts);
    world_parse(&w, anchor->x509, &top);
    world_issuer(&w, issuer->x509, &above);

    assert_int_equal(ngx_mtls_revocation_check(w.manifest, w.ca, &facts,
                                               &above, top.fingerprint, now,
                                               w.pool, &rv),
                     NGX_OK);

    return rv;
}


static ngx_mtls_revocation_t
check(pki_t *cert)
{
    return check_at(cert, &root, &root, time(NULL));
}


#define outcome(cert, expected)                                              \
    assert_string_equal(outcomes[check(cert).outcome], outcomes[expected])


static void
test_plain(void **state)
{
    time_t                 now;
    ngx_mtls_revocation_t  rv;

    trusted();

    /* nothing was ever loaded, then nothing of this issuer */

    outcome(&client, UNKNOWN);
    assert_int_equal(check(&client).until, NGX_MTLS_FOREVER);

    loaded(&inter, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);
    outcome(&client, UNKNOWN);
    assert_int_equal(check(&client).source.len, 0);

    loaded(&root, &(pki_crl_t) { .revoked = { &hit } }, 0, 0);
    world_publish(&w);

    now = time(NULL);
    rv = check(&client);
    assert_int_equal(rv.outcome, GOOD);
    assert_true(rv.until > now + 7 * PKI_DAY - 60);
    assert_true(rv.until <= now + 7 * PKI_DAY);
    assert_true(rv.time > now - PKI_DAY - 60);
    assert_true(rv.time <= now - PKI_DAY + 1);
    assert_true(memmem(rv.source.data, rv.source.len, ".crl", 4) != NULL);

    rv = check(&hit);
    assert_int_equal(rv.outcome, REVOKED);
    assert_int_equal(rv.until, NGX_MTLS_FOREVER);
    assert_true(rv.time < now - 2 * PKI_DAY + 60);
    assert_true(memmem(rv.source.data, rv.source.len, ".crl", 4) != NULL);
}


/* rows 2 and 3: the signer must reach the anchor of the chain */

static void
test_signer(void **state)
{
    trusted();

    loaded(&twin, &(pki_crl_t) { .revoked = { &client } }, 0, 0);
    world_publish(&w);

    assert_int_equal(check_at(&alien, &twin, &twin, time(NULL)).outcome, GOOD);
    outcome(&client, UNKNOWN);

    loaded(&root, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);

    outcome(&client, GOOD);
}


/* a key for CRLs alone, under the issuer's name: its certificate counts too */

static void
test_signer_revoked(void **state)
{
    pki_t      key;
    ngx_str_t  path;

    static const pki_crl_t  cas = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,onlyCA:TRUE" } },
    };
    pki_crl_t               revoked = cas;

    pki_issue(&key, &root, &s_root);
    revoked.revoked[0] = &key;

    path = pki_file(w.dir, "key.pem", (pki_t *[]) { &key }, 1);
    assert_int_equal(world_ca(&w, "a", &path, 0), NGX_OK);
    trusted();

    loaded(&key, &(pki_crl_t) { .revoked = { &hit } }, 0, 0);
    world_publish(&w);

    outcome(&client, GOOD);
    outcome(&hit, REVOKED);

    /* no witness for itself */

    outcome(&key, UNKNOWN);

    /* its issuer says that it is good, and then that it is not */

    loaded(&root, &cas, 0, 0);
    world_publish(&w);

    outcome(&key, GOOD);
    outcome(&client, GOOD);
    outcome(&hit, REVOKED);

    loaded(&root, &revoked, 0, 0);
    world_publish(&w);

    outcome(&key, REVOKED);
    outcome(&client, UNKNOWN);
    outcome(&hit, UNKNOWN);

    pki_free(&key);
}


/* row 6 */

static void
test_kinds(void **state)
{
    static const pki_crl_t  users = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,onlyuser:TRUE" } },
    };
    static const pki_crl_t  cas = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,onlyCA:TRUE" } },
    };
    static const pki_crl_t  attributes = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,onlyAA:TRUE" } },
    };

    trusted();

    loaded(&root, &users, 0, 0);
    world_publish(&w);
    outcome(&client, GOOD);
    outcome(&inter, UNKNOWN);

    loaded(&root, &cas, 0, 0);
    world_publish(&w);
    outcome(&client, GOOD);
    outcome(&inter, GOOD);

    w.nslots = 0;
    loaded(&root, &attributes, 0, 0);
    world_publish(&w);
    outcome(&client, UNKNOWN);
    outcome(&inter, UNKNOWN);
}


/* rows 1 and 5 */

static const pki_spec_t  s_a = {
    .cn = "a",
    .extensions = { { "crlDistributionPoints", "URI:http://c/a.crl" } },
};
static const pki_spec_t  s_b = {
    .cn = "b",
    .extensions = { { "crlDistributionPoints", "URI:http://c/b.crl" } },
};
static const pki_spec_t  s_foreign = {
    .cn = "foreign",
    .extensions = { { "crlDistributionPoints", "dp" } },
    .conf = "[dp]\nfullname=URI:http://c/a.crl\nCRLissuer=dirName:is\n"
            "[is]\nO=Test\nCN=Somebody else\n",
};
static const pki_spec_t  s_dir = {
    .cn = "dir",
    .extensions = { { "crlDistributionPoints", "dp" } },
    .conf = "[dp]\nfullname=dirName:is\n[is]\nO=test\nCN=Root\n",
};
static const pki_spec_t  s_many = {
    .cn = "many",
    .extensions = { { "crlDistributionPoints",
                      "URI:http://c/x.crl,URI:http://c/b.crl" } },
};
static const pki_spec_t  s_none = { .cn = "none" };


static void
test_points(void **state)
{
    pki_t                   a, b, none, foreign, dir, many;

    static const pki_crl_t  c_a = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,fullname:URI:http://c/a.crl" } },
    };
    static const pki_crl_t  c_dir = {
        .extensions = { { "issuingDistributionPoint", "critical,@idp" } },
        .conf = "[idp]\nfullname=dirName:is\n[is]\nO=Test\nCN=root\n",
    };
    pki_crl_t               c_b = {
        .extensions = { { "issuingDistributionPoint",
                          "critical,fullname:URI:http://c/b.crl" } },
        .revoked = { &b },
    };

    trusted();

    pki_issue(&a, &root, &s_a);
    pki_issue(&b, &root, &s_b);
    pki_issue(&foreign, &root, &s_foreign);
    pki_issue(&dir, &root, &s_dir);
    pki_issue(&many, &root, &s_many);
    pki_issue(&none, &root, &s_none);

    loaded(&root, &c_a, 0, 0);
    loaded(&root, &c_b, 0, 0);
    world_publish(&w);

    outcome(&a, GOOD);
    outcome(&b, REVOKED);
    outcome(&many, GOOD);
    outcome(&foreign, UNKNOWN);
    outcome(&dir, UNKNOWN);
    outcome(&none, UNKNOWN);

    /* a CRL for the point that the issuer's name is; names are names */

    loaded(&root, &c_dir, 0, 0);
    world_publish(&w);

    outcome(&none, GOOD);
    outcome(&dir, GOOD);
    outcome(&foreign, UNKNOWN);

    /* one without a name is for every point, but not for a foreign one */

    w.nslots = 0;
    loaded(&root, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);

    outcome(&a, GOOD);
    outcome(&b, GOOD);
    outcome(&dir, GOOD);
    outcome(&none, GOOD);
    outcome(&foreign, UNKNOWN);

    pki_free(&a);
    pki_free(&b);
    pki_free(&foreign);
    pki_free(&dir);
    pki_free(&many);
    pki_free(&none);
}


/* rows 7 and 12: every reason must be known, and a hit counts at once */

static void
test_reasons(void **state)
{
    pki_t  split;

    static const pki_spec_t  s_split = {
        .cn = "split",
        .extensions = { { "crlDistributionPoints", "one,two" } },
        .conf = "[one]\nfullname=URI:http://c/1.crl\n"
                "reasons=keyCompromise,CACompromise\n"
                "[two]\nfullname=URI:http://c/2.crl\n"
                "reasons=affiliationChanged,superseded,cessationOfOperation,"
                "certificateHold,privilegeWithdrawn,AACompromise\n",
    };
    static const pki_crl_t  some = {
        .extensions = { { "issuingDistributionPoint", "critical,@idp" } },
        .conf = "[idp]\nonlysomereasons=keyCompromise,CACompromise\n",
    };
    static const pki_crl_t  rest = {
        .extensions = { { "issuingDistributionPoint", "critical,@idp" } },
        .conf = "[idp]\nonlysomereasons=affiliationChanged,superseded,"
                "cessationOfOperation,certificateHold,privilegeWithdrawn,"
                "AACompromise\n",
    };
    pki_crl_t               revoked = some;

    trusted();

    loaded(&root, &some, 0, 0);
    world_publish(&w);
    outcome(&client, UNKNOWN);

    loaded(&root, &rest, 0, 0);
    world_publish(&w);
    outcome(&client, GOOD);

    w.nslots = 0;
    revoked.revoked[0] = &client;
    loaded(&root, &revoked, 0, 0);
    world_publish(&w);
    outcome(&client, REVOKED);
    outcome(&hit, UNKNOWN);

    /* the points of the certificate have reasons too */

    pki_issue(&split, &root, &s_split);

    w.nslots = 0;
    loaded(&root, &(pki_crl_t) { .extensions = { {
                        "issuingDistributionPoint",
                        "critical,fullname:URI:http://c/1.crl" } } }, 0, 0);
    world_publish(&w);
    outcome(&split, UNKNOWN);

    loaded(&root, &(pki_crl_t) { .extensions = { {
                        "issuingDistributionPoint",
                        "critical,fullname:URI:http://c/2.crl" } } }, 0, 0);
    world_publish(&w);
    outcome(&split, GOOD);

    pki_free(&split);
}


/* row 9, with grace and max_age, to the second */

static void
test_times(void **state)
{
    time_t                 now, next, until;
    ngx_uint_t             i;
    ngx_mtls_revocation_t  rv;

    static const struct {
        long        from;
        long        to;
        time_t      grace;
        time_t      max_age;
        long        at;          /* from nextUpdate, or from thisUpdate */
        ngx_uint_t  outcome;
        ngx_uint_t  hit;
        long        until;       /* as "at", 0: never */
    } cases[] = {
        { -100, 1000, 0, 0,      -1,  GOOD, REVOKED,    0 + 1000000 },
        { -100, 1000, 0, 0,       0,  UNKNOWN, REVOKED, 0 },
        { -100, 1000, 60, 0,      0,  STALE, REVOKED,   60 },
        { -100, 1000, 60, 0,     59,  STALE, REVOKED,   60 },
        { -100, 1000, 60, 0,     60,  UNKNOWN, REVOKED, 0 },
        { -100, 1000, 0, 600,  -501,  GOOD, REVOKED,   -500 },
        { -100, 1000, 0, 600,  -500,  UNKNOWN, REVOKED, 0 },
        { -100, 1000, 60, 600,    0,  UNKNOWN, REVOKED, 0 },
        { -100, 1000, 60, 1130,   0,  STALE, REVOKED,  30 },
        { -100, 1000, 60, 1130,  30,  UNKNOWN, REVOKED, 0 },
    };

    trusted();

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        w.nslots = 0;
        now = time(NULL);

        loaded(&root, &(pki_crl_t) { .from = cases[i].from, .to = cases[i].to,
                                     .revoked = { &hit } },
               cases[i].grace, cases[i].max_age);
        world_publish(&w);

        next = w.manifest->slots[0].table->header->next_update;
        assert_true(next >= now + cases[i].to);
        assert_int_equal(next - w.manifest->slots[0].table->header->this_update,
                         1100);

        rv = check_at(&client, &root, &root, next + cases[i].at);

        until = (cases[i].until == 1000000) ? next
                : cases[i].until ? next + cases[i].until : NGX_MTLS_FOREVER;

        if (rv.outcome != cases[i].outcome || rv.until != until) {
            fail_msg("case %d: %s until %ld", (int) i, outcomes[rv.outcome],
                     (long) (rv.until - next));
        }

        /* however old it is, what it lists is revoked */

        rv = check_at(&hit, &root, &root, next + cases[i].at);
        assert_int_equal(rv.outcome, cases[i].hit);
    }

    /* what an unknown answer was looked for in */

    rv = check_at(&client, &root, &root, next + PKI_DAY);
    assert_int_equal(rv.outcome, UNKNOWN);
    assert_true(rv.source.len > 0);
    assert_int_equal(rv.time,
                     w.manifest->slots[0].table->header->this_update);
}


static void
test_future(void **state)
{
    time_t                 this;
    ngx_mtls_revocation_t  rv;

    trusted();

    loaded(&root, &(pki_crl_t) { .from = 1000, .to = 10000,
                                 .revoked = { &hit } }, 0, 0);
    world_publish(&w);

    this = w.manifest->slots[0].table->header->this_update;

    rv = check_at(&client, &root, &root,
                  this - NGX_MTLS_CLOCK_SKEW - 1);
    assert_int_equal(rv.outcome, UNKNOWN);
    assert_int_equal(rv.until, this - NGX_MTLS_CLOCK_SKEW);

    rv = check_at(&hit, &root, &root, this - NGX_MTLS_CLOCK_SKEW - 1);
    assert_int_equal(rv.outcome, UNKNOWN);

    rv = check_at(&client, &root, &root, this - NGX_MTLS_CLOCK_SKEW);
    assert_int_equal(rv.outcome, GOOD);
    rv = check_at(&hit, &root, &root, this - NGX_MTLS_CLOCK_SKEW);
    assert_int_equal(rv.outcome, REVOKED);
}


/* without nextUpdate a CRL counts for a week, or as long as it is told */

static void
test_no_next(void **state)
{
    time_t     this;
    ngx_str_t  path;

    trusted();

    path = pki_crl(w.dir, "nonext.crl", &root,
                   &(pki_crl_t) { .from = -100, .to = 0 });
    assert_int_equal(world_crl(&w, &path, 1000, 0), NGX_OK);
    world_publish(&w);

    this = w.manifest->slots[0].table->header->this_update;

#define at(t)  check_at(&client, &root, &root, this + (t))

    assert_int_equal(at(0).outcome, GOOD);
    assert_int_equal(at(0).until, this + 7 * PKI_DAY);
    assert_int_equal(at(7 * PKI_DAY - 1).outcome, GOOD);
    assert_int_equal(at(7 * PKI_DAY).outcome, UNKNOWN);

    w.slots[0].max_age = 30 * PKI_DAY;
    world_publish(&w);

    assert_int_equal(at(7 * PKI_DAY).outcome, GOOD);
    assert_int_equal(at(30 * PKI_DAY).outcome, UNKNOWN);
}


/* two lists of one issuer: a fresh one helps a stale one, a hit beats both */

static void
test_several(void **state)
{
    trusted();

    loaded(&root, &(pki_crl_t) { .from = -3 * PKI_DAY, .to = -PKI_DAY },
           2 * PKI_DAY, 0);
    world_publish(&w);
    outcome(&client, STALE);

    loaded(&root, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);
    outcome(&client, GOOD);

    loaded(&root, &(pki_crl_t) { .from = -30 * PKI_DAY, .to = -20 * PKI_DAY,
                                 .revoked = { &client } }, 0, 0);
    world_publish(&w);
    outcome(&client, REVOKED);
    outcome(&hit, GOOD);
}


/* a CDP extension that cannot be read says nothing: an error, not "good" */

static void
test_malformed(void **state)
{
    pki_t                    bad;
    static const pki_spec_t  s_bad = {
        .cn = "bad",
        .extensions = { { "2.5.29.31", "DER:30:03:02:01:00" } },
    };

    trusted();

    loaded(&root, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);

    pki_issue(&bad, &root, &s_bad);
    outcome(&bad, ERROR);
    pki_free(&bad);
}


/* a table that was damaged after it was mapped: refused, unless it lists */

static void
test_corrupt(void **state)
{
    FILE                     *f;
    char                      path[512];
    uint32_t                  index[2];
    ngx_mtls_table_header_t  *header;

    trusted();

    loaded(&root, &(pki_crl_t) { .revoked = { &hit } }, 0, 0);
    world_publish(&w);
    outcome(&client, GOOD);

    header = w.manifest->slots[0].table->header;
    index[0] = 0xffffffff;
    index[1] = 0xfffffff0;

    snprintf(path, sizeof(path), "%s/%s", w.dir, w.manifest->slots[0].name);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, header->index, SEEK_SET), 0);
    assert_int_equal(fwrite(index, 1, sizeof(index), f), sizeof(index));
    fclose(f);

    outcome(&client, ERROR);
}


static void
test_memory(void **state)
{
    ngx_int_t               rc;
    ngx_mtls_revocation_t   rv;
    ngx_mtls_ca_cert_t      above;
    ngx_mtls_certificate_t  facts, top;

    trusted();

    loaded(&root, &(pki_crl_t) { 0 }, 0, 0);
    world_publish(&w);

    world_parse(&w, client.x509, &facts);
    world_parse(&w, root.x509, &top);
    world_issuer(&w, root.x509, &above);

    shim_alloc_fail(1);
    rc = ngx_mtls_revocation_check(w.manifest, w.ca, &facts, &above,
                                   top.fingerprint, time(NULL), w.pool, &rv);
    shim_alloc_fail(0);

    assert_int_equal(rc, NGX_ERROR);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_plain),
        t(test_signer),
        t(test_signer_revoked),
        t(test_kinds),
        t(test_points),
        t(test_reasons),
        t(test_times),
        t(test_future),
        t(test_no_next),
        t(test_several),
        t(test_malformed),
        t(test_corrupt),
        t(test_memory),
    };

    return cmocka_run_group_tests(tests, once, end);
}
