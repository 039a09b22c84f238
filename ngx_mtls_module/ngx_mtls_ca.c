
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors by label, and the other certificates of the same files.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>
#include <ngx_mtls_spiffe.h>

#include <openssl/err.h>


static void ngx_mtls_ca_cleanup(void *data);


ngx_mtls_ca_t *
ngx_mtls_ca_create(ngx_pool_t *pool)
{
    ngx_mtls_ca_t       *ca;
    ngx_pool_cleanup_t  *cln;

    ca = ngx_pcalloc(pool, sizeof(ngx_mtls_ca_t));
    if (ca == NULL) {
        return NULL;
    }

    ca->refs = 1;
    ca->pool = pool;

    ca->labels = ngx_array_create(pool, 4, sizeof(ngx_mtls_label_t *));

    if (ca->labels == NULL
        || ngx_array_init(&ca->parts, pool, 4, sizeof(ngx_mtls_ca_part_t))
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


/* the memory is the pool's, but not that of OpenSSL's certificates */

static void
ngx_mtls_ca_cleanup(void *data)
{
    ngx_mtls_ca_t  *ca = data;

    ngx_mtls_ca_unload(ca);
}


ngx_int_t
ngx_mtls_ca_label(ngx_mtls_ca_t *ca, ngx_str_t *name, ngx_uint_t revocation,
    ngx_uint_t unknown, ngx_mtls_label_t **label, ngx_mtls_error_t *err)
{
    ngx_mtls_label_t  *l, **p;

    l = ngx_mtls_ca_label_name(ca, name);

    if (l == NULL) {
        l = ngx_pcalloc(ca->pool, sizeof(ngx_mtls_label_t));
        p = ngx_array_push(ca->labels);

        if (l == NULL || p == NULL) {
            (void) ngx_mtls_error(err, "out of memory");
            return NGX_ERROR;
        }

        l->name = *name;
        l->number = ca->labels->nelts - 1;
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
ngx_mtls_ca_domain(ngx_mtls_label_t *label, ngx_str_t *domain,
    ngx_mtls_error_t *err)
{
    const char  *wrong;

    wrong = ngx_mtls_spiffe_domain(domain);

    if (wrong) {
        (void) ngx_mtls_error(err, "\"%V\" is no SPIFFE trust domain: %s",
                              domain, wrong);
        return NGX_DECLINED;
    }

    if (label->trust_domain.len
        && (label->trust_domain.len != domain->len
            || ngx_memcmp(label->trust_domain.data, domain->data, domain->len)
               != 0))
    {
        (void) ngx_mtls_error(err, "\"trust_domain=\" of label \"%V\" was "
                              "already set to another value", &label->name);
        return NGX_DECLINED;
    }

    label->trust_domain = *domain;

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_ca_speaks(ngx_mtls_ca_t *ca, ngx_mtls_anchor_t *anchor,
    ngx_str_t *domain)
{
    ngx_uint_t          i, k, bound;
    ngx_mtls_label_t  **label;

    bound = 0;
    label = ca->labels->elts;

    for (i = 0; i < ca->labels->nelts; i++) {

        if (label[i]->trust_domain.len == 0
            || label[i]->trust_domain.len != domain->len
            || ngx_strncasecmp(label[i]->trust_domain.data, domain->data,
                               domain->len)
               != 0)
        {
            continue;
        }

        bound = 1;

        for (k = 0; k < anchor->nlabels; k++) {
            if (anchor->labels[k] == i) {
                return 1;
            }
        }
    }

    return !bound;
}


ngx_int_t
ngx_mtls_ca_file(ngx_mtls_ca_t *ca, ngx_mtls_label_t *label, ngx_str_t *path,
    ngx_uint_t partial, ngx_uint_t source, ngx_mtls_error_t *err)
{
    ngx_int_t            rc;
    ngx_str_t           *s;
    uint64_t             read;
    ngx_mtls_ca_list_t   list;
    ngx_mtls_ca_part_t  *part;

    /* before it is opened: what says more was looked at later */
    read = ngx_mtls_now();

    rc = ngx_mtls_ca_file_list(path, partial, ca->pool, &list, err);
    if (rc != NGX_OK) {
        return rc;
    }

    part = ngx_array_push(&ca->parts);
    if (part == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    part->list = list;
    part->table = NULL;
    part->label = label->number;
    part->source = source;
    part->read = read;
    part->path = *path;

    s = ngx_array_push(&ca->paths);
    if (s == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    *s = *path;

    return NGX_OK;
}


ngx_int_t
ngx_mtls_ca_file_list(ngx_str_t *path, ngx_uint_t partial, ngx_pool_t *pool,
    ngx_mtls_ca_list_t *list, ngx_mtls_error_t *err)
{
    size_t           len;
    u_char          *data;
    ngx_int_t        rc;
    STACK_OF(X509)  *certs;
    u_char           text[NGX_MAX_CONF_ERRSTR];

    rc = ngx_mtls_ca_load(path, pool->log, &data, &len, err);
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

    if (rc == NGX_OK) {
        rc = ngx_mtls_ca_list_make(certs, partial, pool, list, err);
    }

    sk_X509_pop_free(certs, X509_free);

    if (rc != NGX_OK) {
        len = ngx_min(err->len, sizeof(text));
        ngx_memcpy(text, err->text, len);
        (void) ngx_mtls_error(err, "%*s in \"%V\"", len, text, path);
    }

    return rc;
}


ngx_int_t
ngx_mtls_ca_cert_parse(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_ca_cert_t *cert, ngx_mtls_error_t *err)
{
    ngx_int_t  rc;

    cert->x509 = NULL;
    cert->refs = 0;

    rc = ngx_mtls_certificate_parse(pool, der, fingerprint, &cert->facts, err);

    if (rc == NGX_OK) {
        rc = ngx_mtls_name_hash(pool, &cert->facts.subject, cert->subject);
    }

    if (rc == NGX_ERROR) {
        (void) ngx_mtls_error(err, "out of memory");
    }

    return rc;
}


ngx_int_t
ngx_mtls_ca_finish(ngx_mtls_ca_t *ca, ngx_mtls_error_t *err)
{
    ngx_uint_t            i;
    ngx_mtls_label_t    **label;
    ngx_mtls_anchor_t   **anchor;

    label = ca->labels->elts;

    /*
     * Not when a label is made: a digest that OpenSSL is asked for before it
     * has read the first key takes its place in front of what each handshake
     * looks up, and costs each some 20,000 instructions
     */

    for (i = 0; i < ca->labels->nelts; i++) {
        if (ngx_mtls_sha256(label[i]->name.data, label[i]->name.len,
                            label[i]->hash)
            != NGX_OK)
        {
            return ngx_mtls_error(err, "out of memory");
        }
    }

    if (ngx_mtls_ca_build(ca, NULL) != NGX_OK) {
        return ngx_mtls_error(err, "out of memory");
    }

    for (i = 0; i < ca->labels->nelts; i++) {
        if (ca->trusted[i] == 0) {
            (void) ngx_mtls_error(err, "label \"%V\" trusts no certificate: "
                                  "its files have no self-signed one, add "
                                  "one or \"partial\"", &label[i]->name);
            return NGX_DECLINED;
        }
    }

    /* workers inherit them as they are: none is parsed twice */

    anchor = ca->certs.elts;

    for (i = 0; i < ca->certs.nelts; i++) {
        if (ngx_mtls_ca_loaded(ca, (ngx_mtls_ca_entry_t *) anchor[i]) == NULL)
        {
            return ngx_mtls_error(err, "out of memory");
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_mtls_ca_nlabels(ngx_mtls_ca_t *ca)
{
    return ca->labels->nelts;
}


ngx_mtls_label_t *
ngx_mtls_ca_label_number(ngx_mtls_ca_t *ca, ngx_uint_t n)
{
    ngx_mtls_label_t  **label;

    label = ca->labels->elts;

    return (n < ca->labels->nelts) ? label[n] : NULL;
}


ngx_mtls_label_t *
ngx_mtls_ca_label_name(ngx_mtls_ca_t *ca, ngx_str_t *name)
{
    ngx_uint_t          i;
    ngx_mtls_label_t  **label;

    label = ca->labels->elts;

    for (i = 0; i < ca->labels->nelts; i++) {
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


uint64_t
ngx_mtls_ca_when(ngx_mtls_ca_t *configured, ngx_uint_t source)
{
    uint64_t             when;
    ngx_uint_t           i;
    ngx_mtls_ca_part_t  *part;

    when = 0;
    part = configured->parts.elts;

    for (i = 0; i < configured->parts.nelts; i++) {
        if (part[i].source == source) {
            when = ngx_max(when, part[i].read);
        }
    }

    return when;
}


ngx_uint_t
ngx_mtls_ca_trusted(ngx_mtls_ca_t *ca, ngx_uint_t label)
{
    return ca->trusted ? ca->trusted[label] : 0;
}


ngx_mtls_ca_entry_t *
ngx_mtls_ca_entry(ngx_mtls_ca_t *ca, const u_char *fingerprint)
{
    ngx_mtls_ca_entry_t  *entry;

    entry = ca->fingerprints[ngx_mtls_ca_bucket(fingerprint)];

    while (entry && ngx_memcmp(entry->record->fingerprint, fingerprint,
                               NGX_MTLS_HASH_LEN)
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
    ngx_mtls_ca_entry_t  *entry;

    entry = ngx_mtls_ca_entry(ca, fingerprint);

    return (entry && ngx_mtls_ca_loaded(ca, entry)) ? &entry->anchor : NULL;
}


ngx_mtls_anchor_t *
ngx_mtls_ca_find(ngx_mtls_ca_t *ca,
    const u_char fingerprint[NGX_MTLS_HASH_LEN])
{
    ngx_mtls_anchor_t  *anchor;

    anchor = ngx_mtls_ca_cert(ca, fingerprint);

    if (anchor == NULL || !anchor->anchor) {
        return NULL;
    }

    /* OpenSSL's own trust settings may have come since the handshake */

    if (X509_check_trust(anchor->cert->x509, X509_TRUST_SSL_CLIENT, 0)
        == X509_TRUST_REJECTED)
    {
        return NULL;
    }

    return anchor;
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
        if (ngx_memcmp(entry->record->subject, subject, NGX_MTLS_HASH_LEN) == 0
            && ngx_mtls_ca_loaded(ca, entry))
        {
            *iterator = entry->index + 1;
            return entry->anchor.cert;
        }
    }

    return NULL;
}


ngx_int_t
ngx_mtls_ca_name(const X509_NAME *name, uint32_t *hash)
{
    int  ok;

    *hash = (uint32_t) X509_NAME_hash_ex(name, NULL, NULL, &ok);

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
