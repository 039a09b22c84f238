
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Revocation: the outcome of one chain element by the CRL tables of a
 * generation (RFC 5280 6.3.3).
 */


#include <ngx_mtls.h>
#include <ngx_mtls_revocation.h>


/* all reasons of RFC 5280 4.2.1.13 but "unused", as in ngx_mtls_dp_t */
#define NGX_MTLS_REASONS_ALL       0x1fe

/* what bounds a CRL without nextUpdate where max_age= does not (seconds) */
#define NGX_MTLS_CRL_MAX_AGE       (7 * 24 * 60 * 60)

/* what a CRL is worth now, the more the higher */
#define NGX_MTLS_CRL_FUTURE        0
#define NGX_MTLS_CRL_EXPIRED       1
#define NGX_MTLS_CRL_STALE         2
#define NGX_MTLS_CRL_FRESH         3

/* flags of CRLs that say nothing of a certificate by themselves */
#define NGX_MTLS_CRL_UNUSABLE                                                \
    (NGX_MTLS_CRL_DELTA|NGX_MTLS_CRL_INDIRECT|NGX_MTLS_CRL_ONLY_ATTR)


/* one certificate while it is judged */
typedef struct {
    ngx_mtls_manifest_t           *manifest;
    ngx_mtls_ca_t                 *ca;
    ngx_mtls_certificate_t        *cert;
    const u_char                  *issuer;    /* its name's hash */
    const u_char                  *anchor;
    int64_t                        now;

    /* the certificate above; NULL: "cert" signed a CRL itself */
    ngx_mtls_ca_cert_t            *above;

    ngx_uint_t                     fresh;     /* reasons that fresh CRLs know */
    ngx_uint_t                     usable;    /* and fresh or stale ones */

    ngx_mtls_slot_t               *slot;      /* whose word is taken */
    ngx_uint_t                     worth;     /* of that slot */

    ngx_uint_t                     revoked;
    ngx_uint_t                     corrupt;
    ngx_uint_t                     failed;    /* out of memory */
    int64_t                        time;
    int64_t                        until;
} ngx_mtls_revocation_ctx_t;


static ngx_uint_t ngx_mtls_revocation_judge(ngx_mtls_revocation_ctx_t *ctx);
static void ngx_mtls_revocation_dp(ngx_mtls_revocation_ctx_t *ctx,
    ngx_uint_t reasons, const u_char *name);
static void ngx_mtls_revocation_slot(ngx_mtls_revocation_ctx_t *ctx,
    ngx_uint_t reasons, ngx_mtls_slot_t *slot);
static ngx_uint_t ngx_mtls_revocation_scope(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_t *table);
static ngx_uint_t ngx_mtls_revocation_anchored(
    ngx_mtls_revocation_ctx_t *ctx, ngx_mtls_table_t *table);
static ngx_uint_t ngx_mtls_revocation_signer(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_revocation_beside(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header);
static ngx_int_t ngx_mtls_revocation_parent(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_revocation_listed(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header);
static ngx_uint_t ngx_mtls_revocation_worth(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_slot_t *slot, int64_t *until);
static int64_t ngx_mtls_revocation_later(int64_t t, time_t seconds);


static const u_char  ngx_mtls_revocation_nameless[NGX_MTLS_HASH_LEN];


ngx_int_t
ngx_mtls_revocation_check(ngx_mtls_manifest_t *m, ngx_mtls_ca_t *ca,
    ngx_mtls_certificate_t *cert, ngx_mtls_ca_cert_t *issuer,
    const u_char anchor[NGX_MTLS_HASH_LEN], time_t now, ngx_pool_t *pool,
    ngx_mtls_revocation_t *revocation)
{
    ngx_mtls_revocation_ctx_t  ctx;

    ngx_memzero(revocation, sizeof(ngx_mtls_revocation_t));

    revocation->until = NGX_MTLS_FOREVER;

    if (m == NULL) {
        revocation->outcome = NGX_MTLS_OUTCOME_UNKNOWN;
        return NGX_OK;
    }

    ngx_memzero(&ctx, sizeof(ngx_mtls_revocation_ctx_t));

    ctx.manifest = m;
    ctx.ca = ca;
    ctx.cert = cert;
    ctx.issuer = issuer->subject;
    ctx.above = issuer;
    ctx.anchor = anchor;
    ctx.now = now;

    revocation->outcome = ngx_mtls_revocation_judge(&ctx);

    if (ctx.failed) {
        return NGX_ERROR;
    }

    revocation->until = ctx.until;

    if (ctx.slot) {
        revocation->time = ctx.time;
        revocation->source.len = ctx.slot->path.len;
        revocation->source.data = ngx_pstrdup(pool, &ctx.slot->path);

        if (revocation->source.data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Where a certificate names no distribution point its issuer's name is one.
 * Where it names some, only these count: RFC 5280 6.3.3 allows to look
 * further, but does not ask for it.
 */

static ngx_uint_t
ngx_mtls_revocation_judge(ngx_mtls_revocation_ctx_t *ctx)
{
    ngx_uint_t               i, j;
    ngx_mtls_dp_t           *dp;
    ngx_mtls_certificate_t  *cert;

    cert = ctx->cert;
    ctx->until = NGX_MTLS_FOREVER;

    if (ngx_mtls_certificate_dps(cert) != NGX_OK) {
        ctx->failed = 1;
        return NGX_MTLS_OUTCOME_ERROR;
    }

    if (cert->cdp_malformed) {
        return NGX_MTLS_OUTCOME_ERROR;
    }

    if (cert->ndps == 0) {
        ngx_mtls_revocation_dp(ctx, NGX_MTLS_REASONS_ALL,
                               ngx_mtls_revocation_nameless);
        ngx_mtls_revocation_dp(ctx, NGX_MTLS_REASONS_ALL, ctx->issuer);
    }

    for (i = 0; i < cert->ndps; i++) {
        dp = &cert->dps[i];

        if (dp->crl_issuer) {

            /* only an indirect CRL could be meant, and none is loaded */

            continue;
        }

        ngx_mtls_revocation_dp(ctx, dp->reasons, ngx_mtls_revocation_nameless);

        for (j = 0; j < dp->n; j++) {
            ngx_mtls_revocation_dp(ctx, dp->reasons, dp->names[j]);
        }
    }

    if (ctx->revoked) {
        ctx->until = NGX_MTLS_FOREVER;
        return NGX_MTLS_OUTCOME_REVOKED;
    }

    if (ctx->corrupt) {
        return NGX_MTLS_OUTCOME_ERROR;
    }

    /* RFC 5280 6.3.3 (l): every reason must be known, if by several CRLs */

    if (ctx->fresh == NGX_MTLS_REASONS_ALL) {
        return NGX_MTLS_OUTCOME_GOOD;
    }

    if (ctx->usable == NGX_MTLS_REASONS_ALL) {
        return NGX_MTLS_OUTCOME_STALE;
    }

    return NGX_MTLS_OUTCOME_UNKNOWN;
}


/*
 * The CRLs of the issuer whose issuing distribution point has this name
 * (RFC 5280 6.3.3 (b) (2) (i))
 */

static void
ngx_mtls_revocation_dp(ngx_mtls_revocation_ctx_t *ctx, ngx_uint_t reasons,
    const u_char *name)
{
    ngx_uint_t         i, n;
    ngx_mtls_slot_t  **slots;

    n = ngx_mtls_manifest_find(ctx->manifest, ctx->issuer, name, &slots);

    for (i = 0; i < n; i++) {
        ngx_mtls_revocation_slot(ctx, reasons, slots[i]);
    }
}


static void
ngx_mtls_revocation_slot(ngx_mtls_revocation_ctx_t *ctx, ngx_uint_t reasons,
    ngx_mtls_slot_t *slot)
{
    int64_t                   until;
    ngx_int_t                 rc;
    ngx_uint_t                worth;
    ngx_mtls_certificate_t   *cert;
    ngx_mtls_table_header_t  *header;
    ngx_mtls_table_record_t   record;

    cert = ctx->cert;
    header = slot->table->header;

    reasons &= header->reasons & NGX_MTLS_REASONS_ALL;

    if (ctx->revoked
        || reasons == 0
        || !ngx_mtls_revocation_scope(ctx, slot->table)
        || !ngx_mtls_revocation_signer(ctx, header))
    {
        return;
    }

    worth = ngx_mtls_revocation_worth(ctx, slot, &until);

    ctx->until = ngx_min(ctx->until, until);

    if (worth == NGX_MTLS_CRL_FUTURE) {
        return;
    }

    rc = ngx_mtls_table_lookup(slot->table, 0, cert->serial.pos,
                               ngx_mtls_der_len(&cert->serial), &record);

    if (rc == NGX_OK) {

        /* for whatever reason, and however old the list may be */

        ctx->revoked = 1;
        ctx->slot = slot;
        ctx->time = record.date;
        return;
    }

    if (rc == NGX_ERROR) {
        ctx->corrupt = 1;
        return;
    }

    if (ngx_memcmp(header->signer, cert->fingerprint, NGX_MTLS_HASH_LEN)
        == 0)
    {
        /* a certificate is no witness for itself */

        return;
    }

    if (worth > ctx->worth) {
        ctx->worth = worth;
        ctx->slot = slot;
        ctx->time = header->this_update;
    }

    if (worth >= NGX_MTLS_CRL_STALE) {
        ctx->usable |= reasons;
    }

    if (worth == NGX_MTLS_CRL_FRESH) {
        ctx->fresh |= reasons;
    }
}


/*
 * Whether a CRL of the issuer's name speaks of such a certificate: its signer
 * must reach the anchor that the certificate reached (RFC 5280 6.3.3 (f)), and
 * the kind must fit (6.3.3 (b) (2) (ii) to (iv)).
 */

static ngx_uint_t
ngx_mtls_revocation_scope(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_t *table)
{
    uint32_t  flags;

    flags = table->header->flags;

    if (flags & NGX_MTLS_CRL_UNUSABLE) {
        return 0;
    }

    if ((flags & NGX_MTLS_CRL_ONLY_USER)
        && (ctx->cert->ca || ctx->cert->version != 3))
    {
        return 0;
    }

    if ((flags & NGX_MTLS_CRL_ONLY_CA) && !ctx->cert->ca) {
        return 0;
    }

    return ngx_mtls_revocation_anchored(ctx, table);
}


static ngx_uint_t
ngx_mtls_revocation_anchored(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_t *table)
{
    ngx_uint_t  i, n;

    n = table->header->nanchors;

    for (i = 0; i < n; i++) {
        if (ngx_memcmp(table->anchors[i], ctx->anchor, NGX_MTLS_HASH_LEN)
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether the signer's own certificate may still sign: it is part of the chain
 * and judged with it, or it is not revoked (RFC 5280 6.3.3 (f)).  Who signs
 * the list that revokes it is not asked again.
 */

static ngx_uint_t
ngx_mtls_revocation_signer(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header)
{
    ngx_str_t                   name;
    ngx_uint_t                  outcome;
    ngx_mtls_der_t             *key;
    ngx_mtls_anchor_t          *signer;
    ngx_mtls_ca_cert_t         *above;
    ngx_mtls_revocation_ctx_t   sub;
    u_char                      issuer[NGX_MTLS_HASH_LEN];

    above = ctx->above;

    if (above == NULL
        || ngx_memcmp(header->signer, above->facts.fingerprint,
                      NGX_MTLS_HASH_LEN)
           == 0
        || ngx_memcmp(header->signer, ctx->anchor, NGX_MTLS_HASH_LEN) == 0)
    {
        return 1;
    }

    signer = ngx_mtls_ca_cert(ctx->ca, header->signer);

    if (signer == NULL) {
        return ngx_mtls_revocation_beside(ctx, header);
    }

    key = &signer->cert->facts.spki;

    if (ngx_mtls_der_len(key) == ngx_mtls_der_len(&above->facts.spki)
        && ngx_memcmp(key->pos, above->facts.spki.pos, ngx_mtls_der_len(key))
           == 0)
    {
        return 1;
    }

    if (ngx_mtls_certificate_issuer(&signer->cert->facts, &name) != NGX_OK
        || ngx_mtls_sha256(name.data, name.len, issuer) != NGX_OK)
    {
        ctx->failed = 1;
        return 0;
    }

    ngx_memzero(&sub, sizeof(ngx_mtls_revocation_ctx_t));

    sub.manifest = ctx->manifest;
    sub.ca = ctx->ca;
    sub.cert = &signer->cert->facts;
    sub.issuer = issuer;
    sub.anchor = ctx->anchor;
    sub.now = ctx->now;

    outcome = ngx_mtls_revocation_judge(&sub);

    ctx->failed |= sub.failed;
    ctx->until = ngx_min(ctx->until, sub.until);

    return outcome < NGX_MTLS_OUTCOME_REVOKED;
}


/*
 * A signer that is known from beside its CRL only, which may be anybody's who
 * could write the file.  It must have the key of the certificate's issuer, or
 * have been issued by that one or by who issued that one, and not be revoked.
 */

static ngx_uint_t
ngx_mtls_revocation_beside(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header)
{
    u_char           key[NGX_MTLS_HASH_LEN];
    ngx_int_t        rc;
    ngx_mtls_der_t  *spki;

    spki = &ctx->above->facts.spki;

    if (ngx_mtls_sha256(spki->pos, ngx_mtls_der_len(spki), key) != NGX_OK) {
        ctx->failed = 1;
        return 0;
    }

    if (ngx_memcmp(header->signer_spki, key, NGX_MTLS_HASH_LEN) == 0) {
        return 1;
    }

    if (ngx_memcmp(header->signer_from, key, NGX_MTLS_HASH_LEN) != 0) {
        rc = ngx_mtls_revocation_parent(ctx, header);

        if (rc == NGX_ERROR) {
            ctx->failed = 1;
        }

        if (rc != NGX_OK) {
            return 0;
        }
    }

    return !ngx_mtls_revocation_listed(ctx, header);
}


/*
 * Whether a CA of the files that has the name of the issuer's issuer has the
 * key that issued the signer; NGX_DECLINED: none has.
 */

static ngx_int_t
ngx_mtls_revocation_parent(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header)
{
    u_char               name[NGX_MTLS_HASH_LEN], key[NGX_MTLS_HASH_LEN];
    ngx_str_t            canonical;
    ngx_uint_t           iterator;
    ngx_mtls_der_t      *spki;
    ngx_mtls_ca_cert_t  *parent;

    if (ngx_mtls_certificate_issuer(&ctx->above->facts, &canonical) != NGX_OK
        || ngx_mtls_sha256(canonical.data, canonical.len, name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    iterator = 0;

    for ( ;; ) {
        parent = ngx_mtls_ca_subject(ctx->ca, name, &iterator);

        if (parent == NULL) {
            return NGX_DECLINED;
        }

        spki = &parent->facts.spki;

        if (ngx_mtls_sha256(spki->pos, ngx_mtls_der_len(spki), key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_memcmp(header->signer_from, key, NGX_MTLS_HASH_LEN) == 0) {
            return NGX_OK;
        }
    }
}


/* whether a CRL of its issuer names the signer's certificate */

static ngx_uint_t
ngx_mtls_revocation_listed(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_table_header_t *header)
{
    int64_t                    until;
    ngx_int_t                  rc;
    ngx_uint_t                 i, n;
    ngx_mtls_slot_t          **slots;
    ngx_mtls_table_record_t    record;

    n = ngx_mtls_manifest_find(ctx->manifest, header->signer_issuer, NULL,
                               &slots);

    for (i = 0; i < n; i++) {

        if (!ngx_mtls_revocation_anchored(ctx, slots[i]->table)) {
            continue;
        }

        if (ngx_mtls_revocation_worth(ctx, slots[i], &until)
            == NGX_MTLS_CRL_FUTURE)
        {
            ctx->until = ngx_min(ctx->until, until);
            continue;
        }

        /* of a longer number, and one of length zero, no list speaks */

        rc = ngx_mtls_table_lookup(slots[i]->table, 0, header->signer_serial,
                                   header->signer_serial_len, &record);

        if (rc == NGX_ERROR) {
            ctx->corrupt = 1;
        }

        if (rc != NGX_DECLINED) {
            return 1;
        }
    }

    return 0;
}


/* judges the times of a CRL; "until" gets when the judgement changes */

static ngx_uint_t
ngx_mtls_revocation_worth(ngx_mtls_revocation_ctx_t *ctx,
    ngx_mtls_slot_t *slot, int64_t *until)
{
    int64_t                   now, age, fresh, usable;
    ngx_mtls_table_header_t  *header;

    now = ctx->now;
    header = slot->table->header;

    if (header->this_update > ngx_mtls_revocation_later(now,
                                                        NGX_MTLS_CLOCK_SKEW))
    {
        *until = header->this_update - NGX_MTLS_CLOCK_SKEW;
        return NGX_MTLS_CRL_FUTURE;
    }

    age = NGX_MTLS_FOREVER;

    if (slot->max_age) {
        age = ngx_mtls_revocation_later(header->this_update, slot->max_age);

    } else if (header->flags & NGX_MTLS_CRL_NO_NEXT) {
        age = ngx_mtls_revocation_later(header->this_update,
                                        NGX_MTLS_CRL_MAX_AGE);
    }

    if (header->flags & NGX_MTLS_CRL_NO_NEXT) {
        fresh = age;
        usable = age;

    } else {
        fresh = ngx_min(header->next_update, age);
        usable = ngx_mtls_revocation_later(header->next_update, slot->grace);
        usable = ngx_min(usable, age);
    }

    if (now < fresh) {
        *until = fresh;
        return NGX_MTLS_CRL_FRESH;
    }

    if (now < usable) {
        *until = usable;
        return NGX_MTLS_CRL_STALE;
    }

    *until = NGX_MTLS_FOREVER;

    return NGX_MTLS_CRL_EXPIRED;
}


static int64_t
ngx_mtls_revocation_later(int64_t t, time_t seconds)
{
    return (t > NGX_MTLS_FOREVER - seconds) ? NGX_MTLS_FOREVER : t + seconds;
}
