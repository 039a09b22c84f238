
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * A set of CA certificates: built of the lists of its files, live ones of the
 * tables of a generation, and its certificates parsed when they are reached.
 */


#include <ngx_mtls.h>
#include <ngx_mtls_ca_index.h>

#include <openssl/err.h>


/* what the digest is made of, once for each certificate of a label */
typedef struct {
    u_char                         hash[NGX_MTLS_HASH_LEN];
    u_char                         label[NGX_MTLS_HASH_LEN];
    u_char                         anchor;
} ngx_mtls_ca_known_t;


static ngx_int_t ngx_mtls_ca_live_parts(ngx_mtls_ca_t *ca,
    ngx_mtls_ca_t *configured, ngx_mtls_ca_part_t *parts, ngx_uint_t nparts,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_live_part(ngx_mtls_ca_t *ca,
    ngx_mtls_ca_part_t *part, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_ca_add(ngx_mtls_ca_t *ca, ngx_mtls_ca_part_t *part,
    ngx_mtls_ca_record_t *record, ngx_mtls_ca_t *previous);
static ngx_mtls_ca_entry_t *ngx_mtls_ca_insert(ngx_mtls_ca_t *ca,
    ngx_mtls_ca_part_t *part, ngx_mtls_ca_record_t *record);
static ngx_int_t ngx_mtls_ca_insert_label(ngx_mtls_ca_entry_t *entry,
    ngx_uint_t number);
static void ngx_mtls_ca_merge(ngx_mtls_ca_t *ca, ngx_mtls_ca_entry_t *entry);
static ngx_int_t ngx_mtls_ca_digest_make(ngx_mtls_ca_t *ca);
static int ngx_libc_cdecl ngx_mtls_ca_cmp(const void *one, const void *two);
static void ngx_mtls_ca_share(ngx_mtls_ca_entry_t *entry,
    ngx_mtls_ca_t *previous);
static ngx_int_t ngx_mtls_ca_parse(ngx_mtls_ca_entry_t *entry,
    ngx_pool_t *pool, ngx_mtls_ca_loaded_t **out);
static void ngx_mtls_ca_loaded_free(ngx_mtls_ca_loaded_t *loaded);


ngx_mtls_ca_t *
ngx_mtls_ca_live(ngx_mtls_ca_t *configured, ngx_mtls_ca_t *previous,
    ngx_mtls_ca_part_t *parts, ngx_uint_t nparts, ngx_log_t *log,
    ngx_mtls_error_t *err)
{
    ngx_pool_t     *pool;
    ngx_mtls_ca_t  *ca;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (pool == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        return NULL;
    }

    ca = ngx_pcalloc(pool, sizeof(ngx_mtls_ca_t));

    if (ca == NULL) {
        (void) ngx_mtls_error(err, "out of memory");
        ngx_destroy_pool(pool);
        return NULL;
    }

    ca->refs = 1;
    ca->pool = pool;
    ca->live = 1;
    ca->labels = configured->labels;

    if (ngx_array_init(&ca->parts, pool, nparts + configured->parts.nelts + 1,
                       sizeof(ngx_mtls_ca_part_t))
        != NGX_OK
        || ngx_array_init(&ca->certs, pool, configured->certs.nelts + 16,
                          sizeof(ngx_mtls_anchor_t *))
           != NGX_OK)
    {
        (void) ngx_mtls_error(err, "out of memory");
        goto failed;
    }

    if (ngx_mtls_ca_live_parts(ca, configured, parts, nparts, err) != NGX_OK) {
        goto failed;
    }

    if (ngx_mtls_ca_build(ca, previous) != NGX_OK) {
        (void) ngx_mtls_error(err, "out of memory");
        goto failed;
    }

    return ca;

failed:

    ngx_mtls_ca_free(ca);

    return NULL;
}


static ngx_int_t
ngx_mtls_ca_live_parts(ngx_mtls_ca_t *ca, ngx_mtls_ca_t *configured,
    ngx_mtls_ca_part_t *parts, ngx_uint_t nparts, ngx_mtls_error_t *err)
{
    ngx_uint_t           i, j;
    ngx_mtls_ca_part_t  *part;

    for (i = 0; i < nparts; i++) {

        /* of a source without a table is known that nothing else counts */

        if (parts[i].table
            && ngx_mtls_ca_live_part(ca, &parts[i], err) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    part = configured->parts.elts;

    for (i = 0; i < configured->parts.nelts; i++) {

        for (j = 0; j < nparts; j++) {
            if (parts[j].source == part[i].source) {
                break;
            }
        }

        if (j == nparts) {
            /* there is room for all of them */
            *(ngx_mtls_ca_part_t *) ngx_array_push(&ca->parts) = part[i];
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_ca_live_part(ngx_mtls_ca_t *ca, ngx_mtls_ca_part_t *part,
    ngx_mtls_error_t *err)
{
    u_char                    hash[NGX_MTLS_HASH_LEN];
    ngx_str_t                *path;
    ngx_mtls_ca_part_t       *own;
    ngx_mtls_table_header_t  *header;

    header = part->table->header;

    own = ngx_array_push(&ca->parts);

    *own = *part;

    own->table = ngx_mtls_table_ref(part->table);
    own->list.records = (ngx_mtls_ca_record_t *)
                        (part->table->map + header->records);
    own->list.n = header->nrecords;
    own->list.size = header->size - header->records;

    path = &own->path;
    path->data = ngx_pstrdup(ca->pool, &part->path);

    if (path->data == NULL) {
        return ngx_mtls_error(err, "out of memory");
    }

    /* the records, and so what is trusted, are those that were published */

    if (header->kind != NGX_MTLS_TABLE_CA
        || header->record_size != sizeof(ngx_mtls_ca_record_t)
        || ngx_mtls_sha256(own->list.records,
                           own->list.n * sizeof(ngx_mtls_ca_record_t), hash)
           != NGX_OK
        || ngx_memcmp(hash, header->issuer, NGX_MTLS_HASH_LEN) != 0
        || ngx_mtls_ca_list_check(&own->list) != NGX_OK)
    {
        return ngx_mtls_error(err, "the table of CA file \"%V\" is corrupt",
                              path);
    }

    return NGX_OK;
}


ngx_mtls_ca_t *
ngx_mtls_ca_ref(ngx_mtls_ca_t *ca)
{
    ca->refs++;

    return ca;
}


void
ngx_mtls_ca_free(ngx_mtls_ca_t *ca)
{
    ngx_uint_t           i;
    ngx_mtls_ca_part_t  *part;

    if (--ca->refs || !ca->live) {
        return;
    }

    ngx_mtls_ca_unload(ca);

    part = ca->parts.elts;

    for (i = 0; i < ca->parts.nelts; i++) {
        if (part[i].table) {
            ngx_mtls_table_close(part[i].table);
        }
    }

    /* the cycle that it was made in, and its log, may be gone */
    ca->pool->log = ngx_cycle->log;

    ngx_destroy_pool(ca->pool);
}


ngx_int_t
ngx_mtls_ca_build(ngx_mtls_ca_t *ca, ngx_mtls_ca_t *previous)
{
    ngx_uint_t            i, j;
    ngx_mtls_ca_part_t   *part;
    ngx_mtls_anchor_t   **anchor;

    ca->trusted = ngx_pcalloc(ca->pool, (ca->labels->nelts + 1)
                                        * sizeof(ngx_uint_t));
    if (ca->trusted == NULL) {
        return NGX_ERROR;
    }

    part = ca->parts.elts;

    for (i = 0; i < ca->parts.nelts; i++) {

        for (j = 0; j < part[i].list.n; j++) {
            if (ngx_mtls_ca_add(ca, &part[i], &part[i].list.records[j],
                                previous)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    anchor = ca->certs.elts;

    for (i = 0; i < ca->certs.nelts; i++) {
        ngx_mtls_ca_merge(ca, (ngx_mtls_ca_entry_t *) anchor[i]);
    }

    return ngx_mtls_ca_digest_make(ca);
}


static ngx_int_t
ngx_mtls_ca_add(ngx_mtls_ca_t *ca, ngx_mtls_ca_part_t *part,
    ngx_mtls_ca_record_t *record, ngx_mtls_ca_t *previous)
{
    ngx_mtls_ca_entry_t  *entry;

    entry = ngx_mtls_ca_entry(ca, record->fingerprint);

    if (entry == NULL) {
        entry = ngx_mtls_ca_insert(ca, part, record);
        if (entry == NULL) {
            return NGX_ERROR;
        }

    } else if (record->size > record->len) {

        /* a copy with OpenSSL's own trust settings is the stricter one */

        entry->record = record;
        entry->octets = (u_char *) part->list.records;
        entry->anchor.fingerprint = record->fingerprint;

        if (entry->loaded) {
            ngx_mtls_ca_loaded_free(entry->loaded);
            entry->loaded = NULL;
            entry->anchor.cert = NULL;
        }
    }

    if (previous && entry->loaded == NULL) {
        ngx_mtls_ca_share(entry, previous);
    }

    if (!record->anchor) {
        return NGX_OK;
    }

    entry->anchor.anchor = 1;

    return ngx_mtls_ca_insert_label(entry, part->label);
}


static ngx_mtls_ca_entry_t *
ngx_mtls_ca_insert(ngx_mtls_ca_t *ca, ngx_mtls_ca_part_t *part,
    ngx_mtls_ca_record_t *record)
{
    ngx_uint_t             n;
    ngx_mtls_anchor_t    **p;
    ngx_mtls_ca_entry_t   *entry;

    entry = ngx_pcalloc(ca->pool, sizeof(ngx_mtls_ca_entry_t));

    if (entry == NULL
        || ngx_array_init(&entry->labels, ca->pool, 1, sizeof(ngx_uint_t))
           != NGX_OK)
    {
        return NULL;
    }

    p = ngx_array_push(&ca->certs);
    if (p == NULL) {
        return NULL;
    }

    entry->record = record;
    entry->octets = (u_char *) part->list.records;
    entry->index = ca->certs.nelts - 1;
    entry->anchor.fingerprint = record->fingerprint;
    entry->anchor.path = &part->path;

    *p = &entry->anchor;

    n = ngx_mtls_ca_bucket(record->fingerprint);
    entry->next_fingerprint = ca->fingerprints[n];
    ca->fingerprints[n] = entry;

    n = ngx_mtls_ca_bucket(record->subject);
    entry->next_subject = ca->subjects[n];
    ca->subjects[n] = entry;

    entry->next_name = ngx_mtls_ca_names(ca, record->name);
    ngx_mtls_ca_names(ca, record->name) = entry;

    return entry;
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


/* what the labels of an anchor say together */

static void
ngx_mtls_ca_merge(ngx_mtls_ca_t *ca, ngx_mtls_ca_entry_t *entry)
{
    ngx_uint_t           i, *number;
    ngx_mtls_label_t   **label;
    ngx_mtls_anchor_t   *anchor;

    anchor = &entry->anchor;
    label = ca->labels->elts;
    number = entry->labels.elts;

    anchor->labels = number;
    anchor->nlabels = entry->labels.nelts;
    anchor->revocation = NGX_MTLS_REVOCATION_OFF;
    anchor->unknown = NGX_MTLS_UNKNOWN_ALLOW;

    for (i = 0; i < anchor->nlabels; i++) {
        ca->trusted[number[i]]++;

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


/* the order of files and lines, and what is said twice, mean nothing */

static ngx_int_t
ngx_mtls_ca_digest_make(ngx_mtls_ca_t *ca)
{
    ngx_int_t              rc;
    ngx_uint_t             i, j, n;
    ngx_mtls_label_t     **label;
    ngx_mtls_ca_part_t    *part;
    ngx_mtls_ca_known_t   *known;

    part = ca->parts.elts;
    label = ca->labels->elts;

    for (n = 0, i = 0; i < ca->parts.nelts; i++) {
        n += part[i].list.n;
    }

    known = ngx_alloc((n + 1) * sizeof(ngx_mtls_ca_known_t), ca->pool->log);
    if (known == NULL) {
        return NGX_ERROR;
    }

    for (n = 0, i = 0; i < ca->parts.nelts; i++) {

        for (j = 0; j < part[i].list.n; j++, n++) {
            ngx_memcpy(known[n].hash, part[i].list.records[j].hash,
                       NGX_MTLS_HASH_LEN);
            ngx_memcpy(known[n].label, label[part[i].label]->hash,
                       NGX_MTLS_HASH_LEN);
            known[n].anchor = (u_char) part[i].list.records[j].anchor;
        }
    }

    ngx_qsort(known, n, sizeof(ngx_mtls_ca_known_t), ngx_mtls_ca_cmp);

    for (i = 0, j = 0; i < n; i++) {
        if (j == 0 || ngx_mtls_ca_cmp(&known[j - 1], &known[i]) != 0) {
            known[j++] = known[i];
        }
    }

    rc = ngx_mtls_sha256(known, j * sizeof(ngx_mtls_ca_known_t), ca->digest);

    ngx_free(known);

    return rc;
}


static int ngx_libc_cdecl
ngx_mtls_ca_cmp(const void *one, const void *two)
{
    return ngx_memcmp(one, two, sizeof(ngx_mtls_ca_known_t));
}


/* a certificate that an earlier set has parsed need not be parsed again */

static void
ngx_mtls_ca_share(ngx_mtls_ca_entry_t *entry, ngx_mtls_ca_t *previous)
{
    ngx_mtls_ca_entry_t  *old;

    old = ngx_mtls_ca_entry(previous, entry->record->fingerprint);

    if (old == NULL
        || old->loaded == NULL
        || ngx_memcmp(old->loaded->hash, entry->record->hash,
                      NGX_MTLS_HASH_LEN)
           != 0)
    {
        return;
    }

    old->loaded->refs++;

    entry->loaded = old->loaded;
    entry->anchor.cert = &old->loaded->cert;
}


ngx_mtls_ca_cert_t *
ngx_mtls_ca_loaded(ngx_mtls_ca_t *ca, ngx_mtls_ca_entry_t *entry)
{
    ngx_int_t              rc;
    ngx_pool_t            *pool;
    ngx_mtls_ca_loaded_t  *loaded;

    if (entry->loaded) {
        return &entry->loaded->cert;
    }

    if (entry->bad) {
        return NULL;
    }

    /* one of a live set may go on to live in the next one */

    pool = ca->live ? ngx_create_pool(2048, ngx_cycle->log) : ca->pool;
    if (pool == NULL) {
        return NULL;
    }

    rc = ngx_mtls_ca_parse(entry, pool, &loaded);

    if (rc != NGX_OK) {

        if (ca->live) {
            ngx_destroy_pool(pool);
        }

        /* memory may be there the next time */

        entry->bad = (rc == NGX_DECLINED);

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "mtls_ca: a certificate of CA file \"%V\" cannot be "
                      "used: %s", entry->anchor.path,
                      entry->bad ? "its table is corrupt" : "out of memory");
        return NULL;
    }

    if (ca->live) {
        loaded->pool = pool;
    }

    entry->loaded = loaded;
    entry->anchor.cert = &entry->loaded->cert;

    return entry->anchor.cert;
}


/* NGX_DECLINED: the octets are not those of the record; NGX_ERROR: no memory */

static ngx_int_t
ngx_mtls_ca_parse(ngx_mtls_ca_entry_t *entry, ngx_pool_t *pool,
    ngx_mtls_ca_loaded_t **out)
{
    u_char                *octets;
    const u_char          *p;
    ngx_int_t              rc;
    ngx_str_t              der;
    ngx_mtls_error_t       err;
    ngx_mtls_ca_loaded_t  *loaded;
    ngx_mtls_ca_record_t  *record;
    u_char                 hash[NGX_MTLS_HASH_LEN];
    u_char                 fingerprint[NGX_MTLS_HASH_LEN];

    record = entry->record;
    octets = entry->octets + record->offset;

    /* the octets of a table were not looked at before */

    if (ngx_mtls_sha256(octets, record->size, hash) != NGX_OK
        || ngx_mtls_sha256(octets, record->len, fingerprint) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_memcmp(hash, record->hash, NGX_MTLS_HASH_LEN) != 0
        || ngx_memcmp(fingerprint, record->fingerprint, NGX_MTLS_HASH_LEN)
           != 0)
    {
        return NGX_DECLINED;
    }

    loaded = ngx_pcalloc(pool, sizeof(ngx_mtls_ca_loaded_t));

    der.len = record->len;
    der.data = ngx_pnalloc(pool, record->len);

    if (loaded == NULL || der.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(der.data, octets, record->len);
    ngx_memcpy(loaded->hash, record->hash, NGX_MTLS_HASH_LEN);

    rc = ngx_mtls_ca_cert_parse(pool, &der, record->fingerprint, &loaded->cert,
                                &err);
    if (rc != NGX_OK) {
        return rc;
    }

    p = octets;

    loaded->cert.x509 = (record->size > record->len)
                        ? d2i_X509_AUX(NULL, &p, record->size)
                        : d2i_X509(NULL, &p, record->len);

    if (loaded->cert.x509 == NULL) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    loaded->refs = 1;

    *out = loaded;

    return NGX_OK;
}


void
ngx_mtls_ca_unload(ngx_mtls_ca_t *ca)
{
    ngx_uint_t             i;
    ngx_mtls_anchor_t    **anchor;
    ngx_mtls_ca_entry_t   *entry;

    anchor = ca->certs.elts;

    for (i = 0; i < ca->certs.nelts; i++) {
        entry = (ngx_mtls_ca_entry_t *) anchor[i];

        if (entry->loaded) {
            ngx_mtls_ca_loaded_free(entry->loaded);
            entry->loaded = NULL;
        }
    }
}


static void
ngx_mtls_ca_loaded_free(ngx_mtls_ca_loaded_t *loaded)
{
    if (--loaded->refs) {
        return;
    }

    X509_free(loaded->cert.x509);

    if (loaded->pool) {

        /* the cycle that it was made in, and its log, may be gone */
        loaded->pool->log = ngx_cycle->log;

        ngx_destroy_pool(loaded->pool);
    }
}
