
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The CRL parser (RFC 5280 5): a CertificateList becomes plain facts, or an
 * error that says what is wrong with it.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>


#define NGX_MTLS_CRL_REASON_NONE     0xff

#define NGX_MTLS_CRL_UTCTIME         15    /* octets of the element */

#define NGX_MTLS_CRL_NAME_TEXT       256   /* octets of an issuer in errors */

#define NGX_MTLS_CRL_CE_REASON       21
#define NGX_MTLS_CRL_CE_INVALIDITY   24
#define NGX_MTLS_CRL_CE_CERT_ISSUER  29


static ngx_int_t ngx_mtls_crl_sequence(ngx_mtls_der_t *d, size_t missing,
    const char *what, ngx_mtls_der_t *value, size_t *cut,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_name(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_times(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_rest(ngx_pool_t *pool, ngx_mtls_crl_t *crl,
    ngx_mtls_der_t *d, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_signature(ngx_mtls_crl_t *crl,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_entries(ngx_mtls_crl_t *crl,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_usual(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_table_record_t *record);
static ngx_int_t ngx_mtls_crl_date(u_char *p, uint32_t *date);
static ngx_int_t ngx_mtls_crl_entry_extension(ngx_pool_t *pool,
    ngx_mtls_crl_t *crl, void *data, ngx_mtls_crl_extension_t *extension,
    ngx_mtls_error_t *err);


ngx_int_t
ngx_mtls_crl_parse(ngx_pool_t *pool, u_char *der, size_t len,
    ngx_mtls_crl_t *crl, ngx_mtls_error_t *err)
{
    ngx_int_t       rc;
    ngx_mtls_der_t  d;

    rc = ngx_mtls_crl_head(pool, der, len, 0, crl, &d, err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (crl->der.last != der + len) {
        return ngx_mtls_crl_refuse(err, "octets after the end of the CRL");
    }

    rc = ngx_mtls_crl_signature(crl, err);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_mtls_crl_rest(pool, crl, &d, err);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_mtls_crl_entries(crl, err);
}


ngx_int_t
ngx_mtls_crl_head(ngx_pool_t *pool, u_char *der, size_t len, size_t missing,
    ngx_mtls_crl_t *crl, ngx_mtls_der_t *d, ngx_mtls_error_t *err)
{
    size_t          cut;
    ngx_int_t       rc;
    ngx_uint_t      tag, version;
    ngx_mtls_der_t  list, value;

    ngx_memzero(crl, sizeof(ngx_mtls_crl_t));

    ngx_mtls_der_set(&crl->der, der, len);

    crl->header.kind = NGX_MTLS_TABLE_CRL;
    crl->header.reasons = NGX_MTLS_CRL_REASONS_ALL;
    crl->header.nissuers = 1;

    list = crl->der;

    if (ngx_mtls_crl_sequence(&list, missing, "CRL", &list, &cut, err)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    crl->der.last = list.last;
    crl->tbs = list;

    if (ngx_mtls_crl_sequence(&list, cut, "tbsCertList", d, &cut, err)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    crl->tbs.last = d->last;

    /* version is 1 for v2; its absence means v1 (RFC 5280 5.1.2.1) */

    if (!ngx_mtls_der_empty(d) && *d->pos == NGX_MTLS_DER_INTEGER) {

        if (ngx_mtls_der_uint(d, &version) != NGX_OK) {
            return ngx_mtls_crl_refuse(err, "malformed version");
        }

        if (version != 1) {
            return ngx_mtls_crl_refuse(err, "version %ui is not one of CRLs",
                                       version);
        }

    } else {
        crl->header.flags |= NGX_MTLS_CRL_V1;
    }

    if (ngx_mtls_der_any(d, &tag, &value, &crl->algorithm) != NGX_OK
        || tag != NGX_MTLS_DER_SEQUENCE)
    {
        return ngx_mtls_crl_refuse(err, "malformed signature algorithm");
    }

    rc = ngx_mtls_crl_name(pool, crl, d, err);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_mtls_crl_times(crl, d, err);
}


static ngx_int_t
ngx_mtls_crl_name(ngx_pool_t *pool, ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_error_t *err)
{
    ngx_int_t        rc;
    ngx_uint_t       tag;
    ngx_mtls_der_t   value;
    ngx_mtls_name_t  name;

    if (ngx_mtls_der_any(d, &tag, &value, &crl->issuer) != NGX_OK
        || tag != NGX_MTLS_DER_SEQUENCE)
    {
        return ngx_mtls_crl_refuse(err, "malformed issuer name");
    }

    if (ngx_mtls_der_empty(&value)) {
        return ngx_mtls_crl_refuse(err, "empty issuer name");
    }

    rc = ngx_mtls_name_parse(pool, &crl->issuer, &name);

    if (rc == NGX_DECLINED) {
        return ngx_mtls_crl_refuse(err, "malformed issuer name");
    }

    if (rc != NGX_OK
        || ngx_mtls_name_hash(pool, &name, crl->issuer_hash) != NGX_OK
        || ngx_mtls_name_print(pool, &name, &crl->name) != NGX_OK)
    {
        return ngx_mtls_error(err, "out of memory");
    }

    ngx_memcpy(crl->header.issuer, crl->issuer_hash, NGX_MTLS_HASH_LEN);

    /* an error must have room for its cause, and stay UTF-8 */

    if (crl->name.len > NGX_MTLS_CRL_NAME_TEXT) {
        crl->name.len = NGX_MTLS_CRL_NAME_TEXT;

        while ((crl->name.data[crl->name.len] & 0xc0) == 0x80) {
            crl->name.len--;
        }
    }

    return NGX_OK;
}


/*
 * A SEQUENCE of which the last octets may not be there: "missing" of them may
 * follow those in "d", "cut" gets how many of them belong to the content.
 */

static ngx_int_t
ngx_mtls_crl_sequence(ngx_mtls_der_t *d, size_t missing, const char *what,
    ngx_mtls_der_t *value, size_t *cut, ngx_mtls_error_t *err)
{
    size_t   len, n, rest;
    u_char  *p;

    p = d->pos;
    rest = ngx_mtls_der_len(d);

    if (rest < 2) {
        return ngx_mtls_crl_refuse(err, "%s truncated", what);
    }

    if (*p++ != NGX_MTLS_DER_SEQUENCE) {
        return ngx_mtls_crl_refuse(err, "%s is not a SEQUENCE", what);
    }

    len = *p++;
    rest -= 2;

    if (len & 0x80) {
        n = len & 0x7f;

        if (n == 0) {
            return ngx_mtls_crl_refuse(err, "%s is not DER, its length is"
                                       " indefinite", what);
        }

        if (n > 4) {
            return ngx_mtls_crl_refuse(err, "%s is too long", what);
        }

        if (n > rest) {
            return ngx_mtls_crl_refuse(err, "%s truncated", what);
        }

        if (*p == 0 || (n == 1 && *p < 0x80)) {
            return ngx_mtls_crl_refuse(err, "%s is not DER, its length is not"
                                       " minimal", what);
        }

        for (rest -= n, len = 0; n; n--) {
            len = (len << 8) | *p++;
        }
    }

    if (len > rest && len - rest > missing) {
        return ngx_mtls_crl_refuse(err, "%s truncated, it should have %uz"
                                   " octets", what, len + (p - d->pos));
    }

    *cut = (len > rest) ? len - rest : 0;

    value->pos = p;
    value->last = p + (len - *cut);

    return NGX_OK;
}


/* thisUpdate and nextUpdate (RFC 5280 5.1.2.4, 5.1.2.5) */

static ngx_int_t
ngx_mtls_crl_times(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_error_t *err)
{
    if (ngx_mtls_der_time(d, &crl->header.this_update) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "malformed thisUpdate");
    }

    if (ngx_mtls_der_empty(d)
        || (*d->pos != NGX_MTLS_DER_UTCTIME
            && *d->pos != NGX_MTLS_DER_GENTIME))
    {
        crl->header.flags |= NGX_MTLS_CRL_NO_NEXT;
        return NGX_OK;
    }

    if (ngx_mtls_der_time(d, &crl->header.next_update) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "malformed nextUpdate");
    }

    return NGX_OK;
}


/* what comes after the tbsCertList */

static ngx_int_t
ngx_mtls_crl_signature(ngx_mtls_crl_t *crl, ngx_mtls_error_t *err)
{
    ngx_uint_t      tag, unused;
    ngx_mtls_der_t  d, value, algorithm;

    d = crl->der;
    d.pos = crl->tbs.last;

    if (ngx_mtls_der_any(&d, &tag, &value, &algorithm) != NGX_OK
        || tag != NGX_MTLS_DER_SEQUENCE
        || ngx_mtls_der_bits(&d, &crl->signature, &unused) != NGX_OK
        || unused != 0
        || !ngx_mtls_der_empty(&d))
    {
        return ngx_mtls_crl_refuse(err, "malformed signature");
    }

    /* RFC 5280 5.1.1.2 */

    if (ngx_mtls_der_len(&algorithm) != ngx_mtls_der_len(&crl->algorithm)
        || ngx_memcmp(algorithm.pos, crl->algorithm.pos,
                      ngx_mtls_der_len(&algorithm))
           != 0)
    {
        return ngx_mtls_crl_refuse(err, "the signature algorithm is not the"
                                   " one of the signed part");
    }

    return NGX_OK;
}


/* what comes after nextUpdate: the entries, not yet read, and extensions */

static ngx_int_t
ngx_mtls_crl_rest(ngx_pool_t *pool, ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_error_t *err)
{
    ngx_int_t       rc;
    ngx_mtls_der_t  value;

    rc = ngx_mtls_der_opt(d, NGX_MTLS_DER_SEQUENCE, &crl->revoked);

    if (rc == NGX_ERROR) {
        return ngx_mtls_crl_refuse(err, "malformed list of entries");
    }

    /* RFC 5280 5.1.2.6: absent if there are none */

    if (rc == NGX_OK && ngx_mtls_der_empty(&crl->revoked)) {
        return ngx_mtls_crl_refuse(err, "the list of entries is there and"
                                   " empty");
    }

    rc = ngx_mtls_der_opt(d, NGX_MTLS_DER_CTX_CONS(0), &value);

    if (rc == NGX_ERROR || !ngx_mtls_der_empty(d)) {
        return ngx_mtls_crl_refuse(err, "malformed tbsCertList");
    }

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (crl->header.flags & NGX_MTLS_CRL_V1) {
        return ngx_mtls_crl_refuse(err, "a v1 CRL has no extensions");
    }

    return ngx_mtls_crl_extensions(pool, crl, &value, ngx_mtls_crl_extension,
                                   NULL, err);
}


/* every entry, of which none may be wrong, listed ones or not */

static ngx_int_t
ngx_mtls_crl_entries(ngx_mtls_crl_t *crl, ngx_mtls_error_t *err)
{
    size_t                   len;
    ngx_int_t                rc;
    ngx_mtls_der_t           d;
    ngx_mtls_table_record_t  record;

    len = 0;
    d = crl->revoked;

    for ( ;; ) {
        rc = ngx_mtls_crl_entry(crl, &d, &record, err);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            ngx_mtls_crl_within(err, "entry %ui: ", crl->nrevoked + 1);
            return rc;
        }

        crl->nrevoked++;
        len = ngx_max(len, record.len);
    }

    crl->header.nrecords = crl->nrevoked;
    crl->header.record_size = ngx_mtls_table_record_size(len);

    return NGX_OK;
}


ngx_int_t
ngx_mtls_crl_entry(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_table_record_t *record, ngx_mtls_error_t *err)
{
    int64_t         date;
    ngx_mtls_der_t  entry, serial;

    if (ngx_mtls_crl_usual(crl, d, record) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_mtls_der_empty(d)) {
        return NGX_DONE;
    }

    if (ngx_mtls_der_get(d, NGX_MTLS_DER_SEQUENCE, &entry) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "malformed");
    }

    if (ngx_mtls_der_integer(&entry, &serial) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "malformed serial number");
    }

    if (ngx_mtls_der_time(&entry, &date) != NGX_OK) {
        return ngx_mtls_crl_refuse(err, "malformed revocation date");
    }

    record->serial = serial.pos;
    record->len = ngx_mtls_der_len(&serial);
    record->reason = NGX_MTLS_CRL_REASON_NONE;
    record->issuer = 0;

    if (record->len > NGX_MTLS_SERIAL_MAX) {
        return ngx_mtls_crl_refuse(err, "serial number of %uz octets, more"
                                   " than %d", record->len,
                                   NGX_MTLS_SERIAL_MAX);
    }

    record->date = (date < 0) ? 0
                   : (date > UINT32_MAX) ? UINT32_MAX : (uint32_t) date;

    if (ngx_mtls_der_empty(&entry)) {
        return NGX_OK;
    }

    if (crl->header.flags & NGX_MTLS_CRL_V1) {
        return ngx_mtls_crl_refuse(err, "a v1 CRL has no extensions");
    }

    return ngx_mtls_crl_extensions(NULL, crl, &entry,
                                   ngx_mtls_crl_entry_extension, record, err);
}


/*
 * An entry as nearly all are: a short serial number, a UTCTime and at most a
 * reason that is not critical.  There may be millions of them.  Whatever is
 * not exactly so, be it right or wrong, is NGX_DECLINED and left to the DER
 * reader.
 */

static ngx_int_t
ngx_mtls_crl_usual(ngx_mtls_crl_t *crl, ngx_mtls_der_t *d,
    ngx_mtls_table_record_t *record)
{
    u_char               *p;
    size_t                len, n, rest;

    static const u_char   reason[] = {
        0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03,
        NGX_MTLS_DER_ENUMERATED, 0x01
    };

    p = d->pos;
    rest = ngx_mtls_der_len(d);

    if (rest < 4 || p[0] != NGX_MTLS_DER_SEQUENCE
        || p[2] != NGX_MTLS_DER_INTEGER)
    {
        return NGX_DECLINED;
    }

    len = p[1];
    n = p[3];
    rest -= 2;
    p += 4;

    /* a negative one is left too, and one that is not minimal with it */

    if (len > 0x7f || len > rest || n == 0 || n > NGX_MTLS_SERIAL_MAX
        || len < 2 + n + NGX_MTLS_CRL_UTCTIME
        || (p[0] & 0x80)
        || (p[0] == 0 && n > 1 && !(p[1] & 0x80)))
    {
        return NGX_DECLINED;
    }

    record->serial = p;
    record->len = n;
    record->reason = NGX_MTLS_CRL_REASON_NONE;
    record->issuer = 0;

    p += n;
    len -= 2 + n + NGX_MTLS_CRL_UTCTIME;

    if (ngx_mtls_crl_date(p, &record->date) != NGX_OK) {
        return NGX_DECLINED;
    }

    p += NGX_MTLS_CRL_UTCTIME;

    if (len) {

        if (len != sizeof(reason) + 1
            || ngx_memcmp(p, reason, sizeof(reason)) != 0
            || (crl->header.flags & NGX_MTLS_CRL_V1))
        {
            return NGX_DECLINED;
        }

        record->reason = p[sizeof(reason)];

        if (record->reason == 7 || record->reason > 10) {
            return NGX_DECLINED;
        }
    }

    d->pos = p + len;

    return NGX_OK;
}


#define ngx_mtls_crl_two(p)  (((p)[0] & 0x0f) * 10 + ((p)[1] & 0x0f))


/* a UTCTime of the years 1970 to 2049, but not of a February 29 */

static ngx_int_t
ngx_mtls_crl_date(u_char *p, uint32_t *date)
{
    uint64_t                ymd, hms, high;
    uint32_t                year, month, day, hour, min, sec;

    static const uint16_t   days[] = {
        0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
    };

    if (p[0] != NGX_MTLS_DER_UTCTIME || p[1] != 13 || p[14] != 'Z') {
        return NGX_DECLINED;
    }

    /* digits: the high half of each octet is 3, also with 6 added */

    p += 2;

    ngx_memcpy(&ymd, p, sizeof(uint64_t));
    ngx_memcpy(&hms, p + 4, sizeof(uint64_t));

    high = ymd | (ymd + 0x0606060606060606ULL)
           | hms | (hms + 0x0606060606060606ULL);

    if ((high & 0xf0f0f0f0f0f0f0f0ULL) != 0x3030303030303030ULL
        || (ymd & hms & 0x3030303030303030ULL) != 0x3030303030303030ULL)
    {
        return NGX_DECLINED;
    }

    year = ngx_mtls_crl_two(p);
    month = ngx_mtls_crl_two(p + 2) - 1;
    day = ngx_mtls_crl_two(p + 4) - 1;
    hour = ngx_mtls_crl_two(p + 6);
    min = ngx_mtls_crl_two(p + 8);
    sec = ngx_mtls_crl_two(p + 10);

    if ((year >= 50 && year < 70) || month > 11
        || day >= (uint32_t) days[month + 1] - days[month]
        || hour > 23 || min > 59 || sec > 59)
    {
        return NGX_DECLINED;
    }

    /* years and leap days since 1970; 2000 has one */

    year = (year < 50) ? year + 30 : year - 70;

    day += year * 365 + (year + 1) / 4 + days[month]
           + (month > 1 && year % 4 == 2);

    *date = ((day * 24 + hour) * 60 + min) * 60 + sec;

    return NGX_OK;
}


/* RFC 5280 5.3 */

static ngx_int_t
ngx_mtls_crl_entry_extension(ngx_pool_t *pool, ngx_mtls_crl_t *crl, void *data,
    ngx_mtls_crl_extension_t *extension, ngx_mtls_error_t *err)
{
    ngx_mtls_table_record_t *record = data;

    u_char           reason;
    int64_t          time;
    ngx_mtls_der_t  *value, reasons;

    (void) pool;
    (void) crl;

    value = &extension->value;

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_REASON)) {

        if (ngx_mtls_der_get(value, NGX_MTLS_DER_ENUMERATED, &reasons)
            != NGX_OK
            || !ngx_mtls_der_empty(value)
            || ngx_mtls_der_len(&reasons) != 1)
        {
            return ngx_mtls_crl_refuse(err, "malformed reason");
        }

        reason = *reasons.pos;

        if (reason == 7 || reason > 10) {
            return ngx_mtls_crl_refuse(err, "reason %d does not exist",
                                       (int) reason);
        }

        record->reason = reason;

        return NGX_OK;
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_INVALIDITY)) {

        if (ngx_mtls_der_empty(value)
            || *value->pos != NGX_MTLS_DER_GENTIME
            || ngx_mtls_der_time(value, &time) != NGX_OK
            || !ngx_mtls_der_empty(value))
        {
            return ngx_mtls_crl_refuse(err, "malformed invalidity date");
        }

        return NGX_OK;
    }

    if (ngx_mtls_crl_is_ce(extension, NGX_MTLS_CRL_CE_CERT_ISSUER)) {
        return ngx_mtls_crl_refuse(err, "it names a certificate issuer, as"
                                   " indirect CRLs do, which are not"
                                   " supported");
    }

    return ngx_mtls_crl_unknown(extension, err);
}


ngx_uint_t
ngx_mtls_crl_older(ngx_mtls_table_header_t *crl,
    ngx_mtls_table_header_t *loaded)
{
    ngx_int_t  rc;

    if (((crl->flags ^ loaded->flags) & NGX_MTLS_CRL_DELTA)
        || ngx_memcmp(crl->signer_spki, loaded->signer_spki,
                      NGX_MTLS_HASH_LEN)
           != 0
        || ngx_memcmp(crl->issuer, loaded->issuer, NGX_MTLS_HASH_LEN) != 0
        || ngx_memcmp(crl->idp, loaded->idp, NGX_MTLS_HASH_LEN) != 0)
    {
        return 0;
    }

    if (crl->flags & loaded->flags & NGX_MTLS_CRL_HAS_NUMBER) {

        /* not negative and minimal: the longer is the greater */

        rc = (ngx_int_t) crl->number_len - (ngx_int_t) loaded->number_len;

        if (rc == 0) {
            rc = ngx_memcmp(crl->number, loaded->number, crl->number_len);
        }

        if (rc != 0) {
            return rc < 0;
        }
    }

    return crl->this_update < loaded->this_update;
}


void
ngx_mtls_crl_within(ngx_mtls_error_t *err, const char *fmt, ...)
{
    u_char            *p, *last;
    va_list            args;
    ngx_mtls_error_t   cause;

    cause = *err;
    last = err->text + sizeof(err->text);

    va_start(args, fmt);
    p = ngx_vslprintf(err->text, last, fmt, args);
    va_end(args);

    p = ngx_slprintf(p, last, "%*s", cause.len, cause.text);

    err->len = p - err->text;
}
