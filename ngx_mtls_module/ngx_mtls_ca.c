
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors by label, and the other certificates of the same files.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>

#include <openssl/err.h>


/* fingerprints and our hashes of names are evenly spread as they are */
#define ngx_mtls_ca_bucket(hash)                                             \
    (((ngx_uint_t) (hash)[0] | (ngx_uint_t) (hash)[1] << 8)                  \
     & (NGX_MTLS_CA_BUCKETS - 1))


static void ngx_mtls_ca_cleanup(void *data);
static ngx_int_t ngx_mtls_ca_add(ngx_mtls_ca_t *ca, ngx_mtls_label_t *label,
    X509 *x509, ngx_str_t *path, ngx_uint_t partial, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_insert(ngx_mtls_ca_t *ca, X509 *x509,
    ngx_str_t *path, u_char *der, size_t len, const u_char *fingerprint,
    ngx_mtls_ca_entry_t **new, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_insert_label(ngx_mtls_ca_entry_t *entry,
    ngx_uint_t number);
static void ngx_mtls_ca_merge(ngx_mtls_ca_t *ca, ngx_mtls_ca_entry_t *entry);
static ngx_int_t ngx_mtls_ca_digest_make(ngx_mtls_ca_t *ca);
static int ngx_libc_cdecl ngx_mtls_ca_cmp(const void *one, const void *two);


ngx_mtls_ca_t *
ngx_mtls_ca_create(ngx_pool_t *pool)
{
    ngx_mtls_ca_t       *ca;
    ngx_pool_cleanup_t  *cln;

    ca = ngx_pcalloc(pool, sizeof(ngx_mtls_ca_t));
    if (ca == NULL) {
        return NULL;
    }

    ca->pool = pool;

    if (ngx_array_init(&ca->labels, pool, 4, sizeof(ngx_mtls_label_t *))
        != NGX_OK
        || ngx_array_init(&ca->certs, pool, 16, sizeof(ngx_mtls_anchor_t *))
           != NGX_OK
        || ngx_array_init(&ca->paths, pool, 4, sizeof(ngx_str_t)) != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_mtls_ca_cleanup;
    cln->data = ca;

    return ca;
}


static void
ngx_mtls_ca_cleanup(void *data)
{
    ngx_mtls_ca_t  *ca = data;

    ngx_uint_t           i;
    ngx_mtls_anchor_t  **anchor;

    anchor = ca->certs.elts;

    for (i = 0; i < ca->certs.nelts; i++) {
        X509_free(anchor[i]->cert.x509);
    }
}


ngx_int_t
ngx_mtls_ca_label(ngx_mtls_ca_t *ca, ngx_str_t *name, ngx_uint_t revocation,
    ngx_uint_t unknown, ngx_mtls_label_t **label, ngx_mtls_error_t *err)
{
    ngx_mtls_label_t  *l, **p;

    l = ngx_mtls_ca_label_name(ca, name);

    if (l == NULL) {
        l = ngx_pcalloc(ca->pool, sizeof(ngx_mtls_label_t));
        p = ngx_array_push(&ca->labels);

        if (l == NULL || p == NULL) {
            (void) ngx_mtls_error(err, "out of memory");
            return NGX_ERROR;
        }

        l->name = *name;
        l->number = ca->labels.nelts - 1;
        l->revocation = NGX_CONF_UNSET_UINT;
        l->unknown = NGX_CONF_UNSET_UINT;

        *p = l;
    }

    if (revocation != NGX_CONF_UNSET_UINT) {
        if (l->revocation != NGX_CONF_UNSET_UINT
            && l->revocation != revocation)
        {
            (void) ngx_mtls_error(err, "\"revocation=\" of label \"%V\" was "
                                  "already set to another value", name);
            return NGX_DECLINED;
        }

        l->revocation = revocation;
    }

    if (unknown != NGX_CONF_UNSET_UINT) {
        if (l->unknown != NGX_CONF_UNSET_UINT && l->unknown != unknown) {
            (void) ngx_mtls_error(err, "\"unknown=\" of label \"%V\" was "
                                  "already set to another value", name);
            return NGX_DECLINED;
        }

        l->unknown = unknown;
    }

    *label = l;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_ca_file(ngx_mtls_ca_t *ca, ngx_mtls_label_t *label, ngx_str_t *path,
    ngx_uint_t partial, ngx_mtls_error_t *err)
{
    int              i;
    size_t           len;
    u_char          *data;
    ngx_int_t        rc;
    ngx_str_t       *s;
    STACK_OF(X509)  *certs;
    u_char           text[NGX_MAX_CONF_ERRSTR];

    rc = ngx_mtls_ca_load(path, ca->pool->log, &data, &len, err);
    if (rc != NGX_OK) {
        return rc;
    }

    certs = NULL;

    rc = ngx_mtls_ca_read(data, len, &certs, err);

    ngx_free(data);

    if (rc == NGX_OK && sk_X509_num(certs) == 0) {
        (void) ngx_mtls_error(err, "no certificate");
        rc = NGX_DECLINED;
    }

    for (i = 0; rc == NGX_OK && i < sk_X509_num(certs); i++) {
        rc = ngx_mtls_ca_add(ca, label, sk_X509_value(certs, i), path,
                             partial, err);
        if (rc == NGX_DECLINED) {
            len = ngx_min(err->len, sizeof(text));
            ngx_memcpy(text, err->text, len);
            (void) ngx_mtls_error(err, "certificate %d is malformed: %*s",
                                  i + 1, len, text);
        }
    }

    sk_X509_pop_free(certs, X509_free);

    if (rc != NGX_OK) {
        len = ngx_min(err->len, sizeof(text));
        ngx_memcpy(text, err->text, len);
        (void) ngx_mtls_error(err, "%*s in \"%V\"", len, text, path);
        return rc;
    }

    s = ngx_array_push(&ca->paths);
    if (s == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    *s = *path;

    return NGX_OK;
}


/* NGX_DECLINED: a certificate that our own parser refuses */

static ngx_int_t
ngx_mtls_ca_add(ngx_mtls_ca_t *ca, ngx_mtls_label_t *label, X509 *x509,
    ngx_str_t *path, ngx_uint_t partial, ngx_mtls_error_t *err)
{
    size_t                len;
    u_char               *der;
    ngx_int_t             rc;
    ngx_mtls_ca_entry_t  *entry;
    u_char                fingerprint[NGX_MTLS_HASH_LEN];

    if (ngx_mtls_ca_fingerprint(x509, &der, &len, fingerprint) != NGX_OK) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    entry = ngx_mtls_ca_entry(ca, fingerprint);

    if (entry == NULL) {
        rc = ngx_mtls_ca_insert(ca, x509, path, der, len, fingerprint, &entry,
                                err);
        if (rc != NGX_OK) {
            OPENSSL_free(der);
            return rc;
        }

    } else if (X509_get0_reject_objects(x509)
               || X509_get0_trust_objects(x509))
    {
        /* a copy with OpenSSL's own trust settings is the stricter one */

        X509_up_ref(x509);
        X509_free(entry->anchor.cert.x509);
        entry->anchor.cert.x509 = x509;
    }

    OPENSSL_free(der);

    if (!partial && X509_self_signed(entry->anchor.cert.x509, 1) != 1) {
        ERR_clear_error();
        return NGX_OK;
    }

    entry->anchor.anchor = 1;

    if (ngx_mtls_ca_insert_label(entry, label->number) != NGX_OK) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_insert(ngx_mtls_ca_t *ca, X509 *x509, ngx_str_t *path,
    u_char *der, size_t len, const u_char *fingerprint,
    ngx_mtls_ca_entry_t **new, ngx_mtls_error_t *err)
{
    ngx_int_t              rc;
    ngx_str_t              copy;
    ngx_uint_t             n, subject;
    ngx_mtls_anchor_t    **p;
    ngx_mtls_ca_entry_t   *entry;

    entry = ngx_pcalloc(ca->pool, sizeof(ngx_mtls_ca_entry_t));
    copy.data = ngx_pnalloc(ca->pool, len);

    if (entry == NULL || copy.data == NULL
        || ngx_array_init(&entry->labels, ca->pool, 1, sizeof(ngx_uint_t))
           != NGX_OK
        || ngx_mtls_ca_name(X509_get_subject_name(x509), &subject) != NGX_OK
        || ngx_mtls_ca_name(X509_get_issuer_name(x509), &entry->issuer)
           != NGX_OK)
    {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    ngx_memcpy(copy.data, der, len);
    copy.len = len;

    rc = ngx_mtls_ca_cert_parse(ca->pool, &copy, fingerprint,
                                &entry->anchor.cert, err);
    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_array_push(&ca->certs);
    if (p == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    X509_up_ref(x509);

    entry->anchor.cert.x509 = x509;
    entry->anchor.path = *path;
    entry->index = ca->certs.nelts - 1;

    *p = &entry->anchor;

    n = ngx_mtls_ca_bucket(fingerprint);
    entry->next_fingerprint = ca->fingerprints[n];
    ca->fingerprints[n] = entry;

    n = ngx_mtls_ca_bucket(entry->anchor.cert.subject);
    entry->next_subject = ca->subjects[n];
    ca->subjects[n] = entry;

    entry->next_name = ca->names[subject];
    ca->names[subject] = entry;

    *new = entry;

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_insert_label(ngx_mtls_ca_entry_t *entry, ngx_uint_t number)
{
    ngx_uint_t  i, n, *label;

    n = entry->labels.nelts;
    label = entry->labels.elts;

    for (i = 0; i < n && label[i] < number; i++) { /* void */ }

    if (i < n && label[i] == number) {
        return NGX_OK;
    }

    if (ngx_array_push(&entry->labels) == NULL) {
        return NGX_ERROR;
    }

    label = entry->labels.elts;

    ngx_memmove(label + i + 1, label + i, (n - i) * sizeof(ngx_uint_t));
    label[i] = number;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_ca_cert_parse(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_ca_cert_t *cert, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    cert->x509 = NULL;
    cert->refs = 0;

    rc = ngx_mtls_certificate_parse(pool, der, fingerprint, &cert->facts, err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_mtls_name_hash(pool, &cert->facts.subject, cert->subject)
        != NGX_OK)
    {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_mtls_ca_finish(ngx_mtls_ca_t *ca, ngx_mtls_error_t *err)
{
    ngx_uint_t           i;
    ngx_mtls_label_t   **label;
    ngx_mtls_anchor_t  **anchor;

    anchor = ca->certs.elts;

    for (i = 0; i < ca->certs.nelts; i++) {
        ngx_mtls_ca_merge(ca, (ngx_mtls_ca_entry_t *) anchor[i]);
    }

    label = ca->labels.elts;

    for (i = 0; i < ca->labels.nelts; i++) {
        if (label[i]->nanchors == 0) {
            (void) ngx_mtls_error(err, "label \"%V\" trusts no certificate: "
                                  "its files have no self-signed one, add "
                                  "one or \"partial\"", &label[i]->name);
            return NGX_DECLINED;
        }
    }

    if (ngx_mtls_ca_digest_make(ca) != NGX_OK) {
        (void) ngx_mtls_error(err, "out of memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what the labels of an anchor say together */

static void
ngx_mtls_ca_merge(ngx_mtls_ca_t *ca, ngx_mtls_ca_entry_t *entry)
{
    ngx_uint_t           i, *number;
    ngx_mtls_label_t   **label;
    ngx_mtls_anchor_t   *anchor;

    anchor = &entry->anchor;
    label = ca->labels.elts;
    number = entry->labels.elts;

    anchor->labels = number;
    anchor->nlabels = entry->labels.nelts;
    anchor->revocation = NGX_MTLS_REVOCATION_OFF;
    anchor->unknown = NGX_MTLS_UNKNOWN_ALLOW;

    for (i = 0; i < anchor->nlabels; i++) {
        label[number[i]]->nanchors++;

        if (label[number[i]]->revocation == NGX_CONF_UNSET_UINT) {
            anchor->inherit_revocation = 1;

        } else {
            anchor->revocation = ngx_max(anchor->revocation,
                                         label[number[i]]->revocation);
        }

        if (label[number[i]]->unknown == NGX_CONF_UNSET_UINT) {
            anchor->inherit_unknown = 1;

        } else {
            anchor->unknown = ngx_max(anchor->unknown,
                                      label[number[i]]->unknown);
        }
    }
}


/* in the order of fingerprints: that of files and lines means nothing */

static ngx_int_t
ngx_mtls_ca_digest_make(ngx_mtls_ca_t *ca)
{
    u_char              *buf, *p;
    ngx_int_t            rc;
    ngx_uint_t           i, n;
    ngx_mtls_anchor_t  **anchor;

    n = ca->certs.nelts;
    anchor = ca->certs.elts;

    buf = ngx_alloc(n * (NGX_MTLS_HASH_LEN + 1) + 1, ca->pool->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    p = buf;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, anchor[i]->cert.facts.fingerprint,
                       NGX_MTLS_HASH_LEN);
        *p++ = anchor[i]->anchor ? 1 : 0;
    }

    ngx_qsort(buf, n, NGX_MTLS_HASH_LEN + 1, ngx_mtls_ca_cmp);

    rc = ngx_mtls_sha256(buf, p - buf, ca->digest);

    ngx_free(buf);

    return rc;
}


static int ngx_libc_cdecl
ngx_mtls_ca_cmp(const void *one, const void *two)
{
    return ngx_memcmp(one, two, NGX_MTLS_HASH_LEN + 1);
}


ngx_uint_t
ngx_mtls_ca_nlabels(ngx_mtls_ca_t *ca)
{
    return ca->labels.nelts;
}


ngx_mtls_label_t *
ngx_mtls_ca_label_number(ngx_mtls_ca_t *ca, ngx_uint_t n)
{
    ngx_mtls_label_t  **label;

    label = ca->labels.elts;

    return (n < ca->labels.nelts) ? label[n] : NULL;
}


ngx_mtls_label_t *
ngx_mtls_ca_label_name(ngx_mtls_ca_t *ca, ngx_str_t *name)
{
    ngx_uint_t          i;
    ngx_mtls_label_t  **label;

    label = ca->labels.elts;

    for (i = 0; i < ca->labels.nelts; i++) {
        if (label[i]->name.len == name->len
            && ngx_memcmp(label[i]->name.data, name->data, name->len) == 0)
        {
            return label[i];
        }
    }

    return NULL;
}


ngx_array_t *
ngx_mtls_ca_paths(ngx_mtls_ca_t *ca)
{
    return &ca->paths;
}


ngx_array_t *
ngx_mtls_ca_certs(ngx_mtls_ca_t *ca)
{
    return &ca->certs;
}


const u_char *
ngx_mtls_ca_digest(ngx_mtls_ca_t *ca)
{
    return ca->digest;
}


ngx_mtls_ca_entry_t *
ngx_mtls_ca_entry(ngx_mtls_ca_t *ca, const u_char *fingerprint)
{
    ngx_mtls_ca_entry_t  *entry;

    entry = ca->fingerprints[ngx_mtls_ca_bucket(fingerprint)];

    while (entry && ngx_memcmp(entry->anchor.cert.facts.fingerprint,
                               fingerprint, NGX_MTLS_HASH_LEN)
                    != 0)
    {
        entry = entry->next_fingerprint;
    }

    return entry;
}


ngx_mtls_anchor_t *
ngx_mtls_ca_cert(ngx_mtls_ca_t *ca,
    const u_char fingerprint[NGX_MTLS_HASH_LEN])
{
    return (ngx_mtls_anchor_t *) ngx_mtls_ca_entry(ca, fingerprint);
}


ngx_mtls_anchor_t *
ngx_mtls_ca_find(ngx_mtls_ca_t *ca,
    const u_char fingerprint[NGX_MTLS_HASH_LEN])
{
    ngx_mtls_anchor_t  *anchor;

    anchor = ngx_mtls_ca_cert(ca, fingerprint);

    return (anchor && anchor->anchor) ? anchor : NULL;
}


ngx_mtls_ca_cert_t *
ngx_mtls_ca_subject(ngx_mtls_ca_t *ca, const u_char subject[NGX_MTLS_HASH_LEN],
    ngx_uint_t *iterator)
{
    ngx_mtls_anchor_t    **anchor;
    ngx_mtls_ca_entry_t   *entry;

    if (*iterator == 0) {
        entry = ca->subjects[ngx_mtls_ca_bucket(subject)];

    } else {
        anchor = ca->certs.elts;
        entry = ((ngx_mtls_ca_entry_t *) anchor[*iterator - 1])->next_subject;
    }

    for ( /* void */ ; entry; entry = entry->next_subject) {
        if (ngx_memcmp(entry->anchor.cert.subject, subject, NGX_MTLS_HASH_LEN)
            == 0)
        {
            *iterator = entry->index + 1;
            return &entry->anchor.cert;
        }
    }

    return NULL;
}


ngx_int_t
ngx_mtls_ca_name(const X509_NAME *name, ngx_uint_t *bucket)
{
    int            ok;
    unsigned long  hash;

    hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);

    *bucket = hash & (NGX_MTLS_CA_BUCKETS - 1);

    return ok ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_mtls_ca_fingerprint(X509 *x509, u_char **der, size_t *len,
    u_char *fingerprint)
{
    int  n;

    *der = NULL;

    n = i2d_X509(x509, der);
    if (n <= 0) {
        return NGX_ERROR;
    }

    *len = n;

    if (ngx_mtls_sha256(*der, *len, fingerprint) != NGX_OK) {
        OPENSSL_free(*der);
        return NGX_ERROR;
    }

    return NGX_OK;
}
