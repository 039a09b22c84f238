
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * What CA certificates vouch for: chains of handshakes and signers of CRLs.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>


#define NGX_MTLS_CA_REACH_MAX    128    /* certificates above a CRL's signer */
#define NGX_MTLS_CA_CHECKS_MAX   128    /* signatures that are checked then */

#define NGX_MTLS_TRUST_BITS      (8 * sizeof(uintptr_t))

#define ngx_mtls_trust_set(trust, n)                                         \
    (trust)->bits[(n) / NGX_MTLS_TRUST_BITS] |=                              \
        (uintptr_t) 1 << (n) % NGX_MTLS_TRUST_BITS

#define ngx_mtls_trust_test(trust, n)                                        \
    ((trust)->bits[(n) / NGX_MTLS_TRUST_BITS]                                \
     >> (n) % NGX_MTLS_TRUST_BITS & 1)


/* what the issuer names of a presented chain lead to */
typedef struct {
    ngx_mtls_trust_t            *trust;
    STACK_OF(X509)              *trusted;
    STACK_OF(X509)              *untrusted;
    ngx_mtls_ca_entry_t         *anchors;      /* by next_reached */
    ngx_mtls_ca_entry_t         *helpers;      /* a queue by next_reached */
    ngx_mtls_ca_entry_t        **last;
} ngx_mtls_ca_reached_t;


static ngx_int_t ngx_mtls_ca_collect(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t
    *reached, X509_STORE_CTX *store, const u_char *leaf);
static ngx_int_t ngx_mtls_ca_issuers(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t
    *reached, const X509_NAME *name, uint32_t hash);
static ngx_int_t ngx_mtls_ca_reached(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t
    *reached, ngx_mtls_ca_entry_t *entry);
static ngx_mtls_anchor_t *ngx_mtls_ca_vouching(ngx_mtls_ca_reached_t *reached,
    X509_STORE_CTX *store, ngx_uint_t *depth);
static ngx_int_t ngx_mtls_ca_climb_files(ngx_mtls_ca_t *ca, X509 *subject,
    ngx_array_t *queue, ngx_uint_t *checks, ngx_uint_t one);
static ngx_int_t ngx_mtls_ca_climb(X509 *issuer, X509 *subject, ngx_array_t
    *queue, ngx_uint_t *checks);


ngx_mtls_trust_t *
ngx_mtls_trust_create(ngx_pool_t *pool, ngx_mtls_ca_t *ca,
    ngx_uint_t *labels, ngx_uint_t nlabels)
{
    ngx_uint_t         i, n;
    ngx_mtls_trust_t  *trust;

    n = ca->labels->nelts;

    trust = ngx_palloc(pool, sizeof(ngx_mtls_trust_t));
    if (trust == NULL) {
        return NULL;
    }

    trust->bits = ngx_pcalloc(pool, (n / NGX_MTLS_TRUST_BITS + 1)
                                    * sizeof(uintptr_t));
    if (trust->bits == NULL) {
        return NULL;
    }

    if (nlabels == 0) {
        for (i = 0; i < n; i++) {
            ngx_mtls_trust_set(trust, i);
        }

        return trust;
    }

    for (i = 0; i < nlabels; i++) {
        ngx_mtls_trust_set(trust, labels[i]);
    }

    return trust;
}


ngx_uint_t
ngx_mtls_trust_has(ngx_mtls_trust_t *trust, ngx_mtls_anchor_t *anchor)
{
    ngx_uint_t  i;

    for (i = 0; i < anchor->nlabels; i++) {
        if (ngx_mtls_trust_test(trust, anchor->labels[i])) {
            return 1;
        }
    }

    return 0;
}


int
ngx_mtls_ca_verify(ngx_mtls_ca_t *ca, ngx_mtls_trust_t *trust,
    X509_STORE_CTX *store, const u_char leaf[NGX_MTLS_HASH_LEN],
    ngx_mtls_anchor_t **anchor, ngx_uint_t *depth)
{
    int                     rc;
    STACK_OF(X509)         *presented;
    X509_VERIFY_PARAM      *param;
    ngx_mtls_ca_reached_t   reached;

    *anchor = NULL;
    *depth = 0;

    ngx_memzero(&reached, sizeof(ngx_mtls_ca_reached_t));

    reached.trust = trust;
    reached.last = &reached.helpers;
    reached.trusted = sk_X509_new_null();
    reached.untrusted = sk_X509_new_null();

    if (reached.trusted == NULL || reached.untrusted == NULL
        || ngx_mtls_ca_collect(ca, &reached, store, leaf) != NGX_OK)
    {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        rc = 0;
        goto done;
    }

    presented = X509_STORE_CTX_get0_untrusted(store);

    /*
     * A trusted stack, empty as it may be, replaces the store of the SSL_CTX.
     * Every trusted certificate here is an anchor in its own right, so that a
     * chain may end at any of them.
     */

    param = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);

    X509_STORE_CTX_set0_trusted_stack(store, reached.trusted);
    X509_STORE_CTX_set0_untrusted(store, reached.untrusted);

    rc = X509_verify_cert(store);

    if (rc > 0 && X509_STORE_CTX_get_error(store) == X509_V_OK) {
        *anchor = ngx_mtls_ca_vouching(&reached, store, depth);
    }

    /* the stacks end here, the context does not; certificates are counted */

    X509_STORE_CTX_set0_trusted_stack(store, NULL);
    X509_STORE_CTX_set0_untrusted(store, presented);

done:

    sk_X509_free(reached.trusted);
    sk_X509_free(reached.untrusted);

    return rc;
}


static ngx_int_t
ngx_mtls_ca_collect(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t *reached,
    X509_STORE_CTX *store, const u_char *leaf)
{
    int                   i;
    X509                 *x509;
    uint32_t              name;
    STACK_OF(X509)       *presented;
    ngx_mtls_ca_entry_t  *entry;

    ca->mark++;

    /* the leaf itself may be trusted */

    entry = ngx_mtls_ca_entry(ca, leaf);

    if (entry
        && (ngx_mtls_ca_loaded(ca, entry) == NULL
            || ngx_mtls_ca_reached(ca, reached, entry) != NGX_OK))
    {
        return NGX_ERROR;
    }

    presented = X509_STORE_CTX_get0_untrusted(store);

    for (i = -1; i < sk_X509_num(presented); i++) {

        if (i < 0) {
            x509 = X509_STORE_CTX_get0_cert(store);

        } else {
            x509 = sk_X509_value(presented, i);

            if (sk_X509_push(reached->untrusted, x509) == 0) {
                return NGX_ERROR;
            }

            if (x509 == X509_STORE_CTX_get0_cert(store)) {
                continue;
            }
        }

        if (ngx_mtls_ca_name(X509_get_issuer_name(x509), &name) != NGX_OK
            || ngx_mtls_ca_issuers(ca, reached, X509_get_issuer_name(x509),
                                   name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* helpers may be issued by others of the files: the queue grows */

    for (entry = reached->helpers; entry; entry = entry->next_reached) {
        x509 = entry->anchor.cert->x509;

        if (ngx_mtls_ca_issuers(ca, reached, X509_get_issuer_name(x509),
                                entry->record->issuer)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_issuers(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t *reached,
    const X509_NAME *name, uint32_t hash)
{
    X509                 *x509;
    ngx_mtls_ca_entry_t  *entry;

    for (entry = ngx_mtls_ca_names(ca, hash); entry; entry = entry->next_name)
    {
        if (entry->record->name != hash) {
            continue;
        }

        if (ngx_mtls_ca_loaded(ca, entry) == NULL) {
            return NGX_ERROR;
        }

        x509 = entry->anchor.cert->x509;

        if (X509_NAME_cmp(X509_get_subject_name(x509), name) == 0
            && ngx_mtls_ca_reached(ca, reached, entry) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * An anchor of the server is trusted, and nothing above it is looked for: it
 * vouches by itself.  Everything else only helps.
 */

static ngx_int_t
ngx_mtls_ca_reached(ngx_mtls_ca_t *ca, ngx_mtls_ca_reached_t *reached,
    ngx_mtls_ca_entry_t *entry)
{
    X509  *x509;

    if (entry->mark == ca->mark) {
        return NGX_OK;
    }

    entry->mark = ca->mark;
    x509 = entry->anchor.cert->x509;

    if (entry->anchor.anchor
        && ngx_mtls_trust_has(reached->trust, &entry->anchor))
    {
        entry->next_reached = reached->anchors;
        reached->anchors = entry;

        return sk_X509_push(reached->trusted, x509) ? NGX_OK : NGX_ERROR;
    }

    entry->next_reached = NULL;
    *reached->last = entry;
    reached->last = &entry->next_reached;

    return sk_X509_push(reached->untrusted, x509) ? NGX_OK : NGX_ERROR;
}


/*
 * The first trusted certificate of a verified chain.  A chain without one, or
 * longer than what we judge, is no chain, whatever the verdict was.
 */

static ngx_mtls_anchor_t *
ngx_mtls_ca_vouching(ngx_mtls_ca_reached_t *reached, X509_STORE_CTX *store,
    ngx_uint_t *depth)
{
    int                   n;
    X509                 *x509;
    STACK_OF(X509)       *chain;
    ngx_mtls_ca_entry_t  *entry;

    chain = X509_STORE_CTX_get0_chain(store);
    n = X509_STORE_CTX_get_num_untrusted(store);

    if (n >= NGX_MTLS_CHAIN_MAX) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
        return NULL;
    }

    x509 = (n >= 0 && n < sk_X509_num(chain)) ? sk_X509_value(chain, n) : NULL;

    for (entry = reached->anchors; x509 && entry; entry = entry->next_reached) {
        if (entry->anchor.cert->x509 == x509) {
            *depth = n;
            return &entry->anchor;
        }
    }

    X509_STORE_CTX_set_error(store,
                             X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);

    return NULL;
}


ngx_int_t
ngx_mtls_ca_reach(ngx_mtls_ca_t *ca, X509 *cert, STACK_OF(X509) *extra,
    ngx_pool_t *pool, u_char (**anchors)[NGX_MTLS_HASH_LEN],
    ngx_uint_t *nanchors)
{
    int                   j;
    u_char               *der, *p;
    size_t                len;
    X509                **x509;
    ngx_uint_t            i, checks;
    ngx_array_t           found, queue;
    ngx_mtls_ca_entry_t  *entry;
    u_char                fingerprint[NGX_MTLS_HASH_LEN];

    if (ngx_array_init(&found, pool, 4, NGX_MTLS_HASH_LEN) != NGX_OK
        || ngx_array_init(&queue, pool, 8, sizeof(X509 *)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    x509 = ngx_array_push(&queue);
    if (x509 == NULL) {
        return NGX_ERROR;
    }

    *x509 = cert;
    checks = 0;

    /*
     * The queue grows while it is walked.  Certificates beside a CRL may be
     * anybody's, and each may have signed each other.
     */

    for (i = 0; i < queue.nelts && i < NGX_MTLS_CA_REACH_MAX; i++) {
        x509 = queue.elts;
        cert = x509[i];

        if (ngx_mtls_ca_fingerprint(cert, &der, &len, fingerprint) != NGX_OK) {
            return NGX_ERROR;
        }

        OPENSSL_free(der);

        entry = ngx_mtls_ca_entry(ca, fingerprint);

        if (entry && entry->anchor.anchor) {
            p = ngx_array_push(&found);
            if (p == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(p, fingerprint, NGX_MTLS_HASH_LEN);
        }

        if (ngx_mtls_ca_climb_files(ca, cert, &queue, &checks, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        for (j = 0; j < sk_X509_num(extra); j++) {
            if (ngx_mtls_ca_climb(sk_X509_value(extra, j), cert, &queue,
                                  &checks)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    ERR_clear_error();

    *anchors = found.elts;
    *nanchors = found.nelts;

    return NGX_OK;
}


X509 *
ngx_mtls_ca_issuer(ngx_mtls_ca_t *ca, X509 *cert, STACK_OF(X509) *extra,
    ngx_pool_t *pool)
{
    int                   j;
    X509                **x509;
    ngx_uint_t            checks;
    ngx_array_t           queue;

    if (ngx_array_init(&queue, pool, 1, sizeof(X509 *)) != NGX_OK) {
        return NULL;
    }

    checks = 0;

    if (ngx_mtls_ca_climb_files(ca, cert, &queue, &checks, 1) != NGX_OK) {
        return NULL;
    }

    for (j = 0; j < sk_X509_num(extra) && queue.nelts == 0; j++) {
        if (ngx_mtls_ca_climb(sk_X509_value(extra, j), cert, &queue, &checks)
            != NGX_OK)
        {
            return NULL;
        }
    }

    ERR_clear_error();

    x509 = queue.elts;

    return queue.nelts ? x509[0] : NULL;
}


/* queues the set's certificates that issued the subject, or the first one */

static ngx_int_t
ngx_mtls_ca_climb_files(ngx_mtls_ca_t *ca, X509 *subject, ngx_array_t *queue,
    ngx_uint_t *checks, ngx_uint_t one)
{
    uint32_t              name;
    ngx_uint_t            i, n;
    ngx_mtls_anchor_t   **anchor;
    ngx_mtls_ca_entry_t  *entry;

    if (ngx_mtls_ca_name(X509_get_issuer_name(subject), &name) != NGX_OK) {
        return NGX_ERROR;
    }

    n = queue->nelts;
    anchor = ca->certs.elts;

    /* in the order of the files */

    for (i = 0; i < ca->certs.nelts; i++) {
        entry = (ngx_mtls_ca_entry_t *) anchor[i];

        if (entry->record->name != name) {
            continue;
        }

        if (ngx_mtls_ca_loaded(ca, entry) == NULL
            || ngx_mtls_ca_climb(entry->anchor.cert->x509, subject, queue,
                                 checks)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (one && queue->nelts > n) {
            break;
        }
    }

    return NGX_OK;
}


/* queues a certificate that issued the subject, by name, usage and signature */

static ngx_int_t
ngx_mtls_ca_climb(X509 *issuer, X509 *subject, ngx_array_t *queue,
    ngx_uint_t *checks)
{
    X509        **x509;
    EVP_PKEY     *key;
    ngx_uint_t    i;

    if (*checks == NGX_MTLS_CA_CHECKS_MAX
        || X509_NAME_cmp(X509_get_subject_name(issuer),
                         X509_get_issuer_name(subject))
           != 0)
    {
        return NGX_OK;
    }

    x509 = queue->elts;

    for (i = 0; i < queue->nelts; i++) {
        if (x509[i] == issuer || X509_cmp(x509[i], issuer) == 0) {
            return NGX_OK;
        }
    }

    (*checks)++;

    key = X509_get0_pubkey(issuer);

    if (X509_check_ca(issuer) == 0
        || X509_check_issued(issuer, subject) != X509_V_OK
        || key == NULL
        || X509_verify(subject, key) != 1)
    {
        return NGX_OK;
    }

    x509 = ngx_array_push(queue);
    if (x509 == NULL) {
        return NGX_ERROR;
    }

    *x509 = issuer;

    return NGX_OK;
}
