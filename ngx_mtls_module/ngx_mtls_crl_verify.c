
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Who signed a CRL, and whether that is true.
 */


#include <ngx_mtls_crl.h>
#include <ngx_mtls_crl_parse.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>


/* keys of one name that are tried, each may cost a hash of the whole CRL */
#define NGX_MTLS_CRL_KEYS_MAX      16

/* certificates of one name beside the CRL that are looked at */
#define NGX_MTLS_CRL_EXTRA_MAX     16

/* how far a certificate came, so that the best one's error is told */
#define NGX_MTLS_CRL_NO_CERT       0
#define NGX_MTLS_CRL_OTHER_KEY     1
#define NGX_MTLS_CRL_NO_SIGNATURE  2
#define NGX_MTLS_CRL_NO_USAGE      3
#define NGX_MTLS_CRL_NO_ANCHOR     4


typedef struct {
    int                            nid;
    const char                    *key;     /* for EVP_PKEY_is_a() */
    int                            digest;  /* NID_undef: of the parameters,
                                               or the algorithm's own */
} ngx_mtls_crl_algorithm_t;


/* how a signature is to be verified */
typedef struct {
    const EVP_MD                  *md;
    const EVP_MD                  *mgf;     /* NULL: not RSASSA-PSS */
    int                            salt;
} ngx_mtls_crl_scheme_t;


typedef struct {
    ngx_mtls_crl_t                *crl;
    ngx_mtls_ca_t                 *ca;
    STACK_OF(X509)                *extra;
    ngx_pool_t                    *pool;
    ngx_uint_t                     stage;
    ngx_array_t                    anchors;
    ngx_uint_t                     signer;  /* is found */
    ngx_uint_t                     key;     /* that signed is found */

    /* keys that did not sign */
    u_char                         keys[NGX_MTLS_CRL_KEYS_MAX]
                                       [NGX_MTLS_HASH_LEN];
    ngx_uint_t                     nkeys;

    ngx_mtls_error_t              *err;
} ngx_mtls_crl_search_t;


static ngx_int_t ngx_mtls_crl_scheme(ngx_mtls_crl_t *crl, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_algorithm(X509_ALGOR *algor, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme, ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_not_known(const ASN1_OBJECT *oid,
    ngx_mtls_error_t *err);
static ngx_int_t ngx_mtls_crl_pss(X509_ALGOR *algor,
    ngx_mtls_crl_scheme_t *scheme);
static const EVP_MD *ngx_mtls_crl_digest(X509_ALGOR *algor);
static ngx_int_t ngx_mtls_crl_check(ngx_mtls_crl_t *crl, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme);
static ngx_int_t ngx_mtls_crl_extra(ngx_mtls_crl_search_t *search);
static ngx_int_t ngx_mtls_crl_candidate(ngx_mtls_crl_search_t *search,
    X509 *x509);
static ngx_int_t ngx_mtls_crl_signed(ngx_mtls_crl_search_t *search,
    X509 *x509);
static ngx_int_t ngx_mtls_crl_signer_facts(ngx_mtls_crl_search_t *search,
    X509 *x509);
static ngx_int_t ngx_mtls_crl_failed(ngx_mtls_crl_search_t *search,
    ngx_uint_t stage);
static ngx_int_t ngx_mtls_crl_add(ngx_mtls_crl_search_t *search,
    u_char *anchor);
static ngx_int_t ngx_mtls_crl_spki(X509 *x509, u_char *hash);


static ngx_mtls_crl_algorithm_t  ngx_mtls_crl_algorithms[] = {
    { NID_sha256WithRSAEncryption, "RSA", NID_sha256 },
    { NID_sha384WithRSAEncryption, "RSA", NID_sha384 },
    { NID_sha512WithRSAEncryption, "RSA", NID_sha512 },
    { NID_rsassaPss, "RSA", NID_undef },
    { NID_rsassaPss, "RSA-PSS", NID_undef },
    { NID_ecdsa_with_SHA256, "EC", NID_sha256 },
    { NID_ecdsa_with_SHA384, "EC", NID_sha384 },
    { NID_ecdsa_with_SHA512, "EC", NID_sha512 },
    { NID_ED25519, "ED25519", NID_undef },
    { NID_ED448, "ED448", NID_undef },
    { NID_undef, NULL, NID_undef }
};


ngx_int_t
ngx_mtls_crl_verify(ngx_mtls_crl_t *crl, X509 *signer, ngx_mtls_error_t *err)
{
    EVP_PKEY               *key;
    ngx_int_t               rc;
    ngx_mtls_crl_scheme_t   scheme;

    key = X509_get0_pubkey(signer);
    if (key == NULL) {
        ERR_clear_error();
        return ngx_mtls_crl_refuse(err, "the public key of \"%V\" cannot be"
                                   " read", &crl->name);
    }

    rc = ngx_mtls_crl_scheme(crl, key, &scheme, err);

    if (rc == NGX_OK && ngx_mtls_crl_check(crl, key, &scheme) != NGX_OK) {
        rc = ngx_mtls_crl_refuse(err, "the signature does not verify with the"
                                 " key of \"%V\"", &crl->name);
    }

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_mtls_crl_scheme(ngx_mtls_crl_t *crl, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme, ngx_mtls_error_t *err)
{
    X509_ALGOR    *algor;
    ngx_int_t      rc;
    const u_char  *p;

    p = crl->algorithm.pos;

    algor = d2i_X509_ALGOR(NULL, &p, (long) ngx_mtls_der_len(&crl->algorithm));

    if (algor == NULL || p != crl->algorithm.last) {
        rc = ngx_mtls_crl_refuse(err, "malformed signature algorithm");

    } else {
        rc = ngx_mtls_crl_algorithm(algor, key, scheme, err);
    }

    X509_ALGOR_free(algor);

    return rc;
}


static ngx_int_t
ngx_mtls_crl_algorithm(X509_ALGOR *algor, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme, ngx_mtls_error_t *err)
{
    int                        type, nid;
    ngx_uint_t                 known;
    const void                *value;
    const ASN1_OBJECT         *oid;
    ngx_mtls_crl_algorithm_t  *a;

    ngx_memzero(scheme, sizeof(ngx_mtls_crl_scheme_t));

    X509_ALGOR_get0(&oid, &type, &value, algor);

    nid = OBJ_obj2nid(oid);
    known = 0;

    for (a = ngx_mtls_crl_algorithms; a->key; a++) {

        if (a->nid != nid) {
            continue;
        }

        known = 1;

        if (EVP_PKEY_is_a(key, a->key)) {
            break;
        }
    }

    if (!known) {
        return ngx_mtls_crl_not_known(oid, err);
    }

    if (a->key == NULL) {
        return ngx_mtls_crl_refuse(err, "the signature algorithm %s does not"
                                   " fit the key of its issuer",
                                   OBJ_nid2sn(nid));
    }

    if (nid == NID_rsassaPss) {

        if (ngx_mtls_crl_pss(algor, scheme) != NGX_OK) {
            return ngx_mtls_crl_refuse(err, "malformed or weak parameters of"
                                       " RSASSA-PSS");
        }

        return NGX_OK;
    }

    /* RFC 4055 5: NULL; RFC 5758 3.2, RFC 8410 3: absent */

    if (type != V_ASN1_UNDEF
        && (type != V_ASN1_NULL || ngx_strcmp(a->key, "RSA") != 0))
    {
        return ngx_mtls_crl_refuse(err, "malformed parameters of the signature"
                                   " algorithm %s", OBJ_nid2sn(nid));
    }

    if (a->digest != NID_undef) {
        scheme->md = EVP_get_digestbynid(a->digest);

        if (scheme->md == NULL) {
            return ngx_mtls_crl_not_known(oid, err);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_crl_not_known(const ASN1_OBJECT *oid, ngx_mtls_error_t *err)
{
    int   digest;
    char  text[NGX_MTLS_OID_TEXT_LEN];

    if (OBJ_find_sigid_algs(OBJ_obj2nid(oid), &digest, NULL)) {

        switch (digest) {

        case NID_md2:
        case NID_md4:
        case NID_md5:
        case NID_sha1:
            return ngx_mtls_crl_refuse(err, "the signature algorithm %s is too"
                                       " weak", OBJ_nid2sn(OBJ_obj2nid(oid)));
        }
    }

    (void) OBJ_obj2txt(text, sizeof(text), oid, 1);

    return ngx_mtls_crl_refuse(err, "the signature algorithm %s is not"
                               " supported", text);
}


/* RSASSA-PSS-params (RFC 4055 3.1); all defaults speak of SHA-1 */

static ngx_int_t
ngx_mtls_crl_pss(X509_ALGOR *algor, ngx_mtls_crl_scheme_t *scheme)
{
    long             salt, trailer;
    ngx_int_t        rc;
    X509_ALGOR      *mask;
    RSA_PSS_PARAMS  *pss;

    if (algor->parameter == NULL) {
        return NGX_ERROR;
    }

    pss = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS),
                                    algor->parameter);
    if (pss == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    mask = NULL;

    if (pss->hashAlgorithm == NULL
        || pss->maskGenAlgorithm == NULL
        || OBJ_obj2nid(pss->maskGenAlgorithm->algorithm) != NID_mgf1
        || pss->maskGenAlgorithm->parameter == NULL)
    {
        goto done;
    }

    mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
                                     pss->maskGenAlgorithm->parameter);
    if (mask == NULL) {
        goto done;
    }

    scheme->md = ngx_mtls_crl_digest(pss->hashAlgorithm);
    scheme->mgf = ngx_mtls_crl_digest(mask);

    salt = pss->saltLength ? ASN1_INTEGER_get(pss->saltLength) : 20;
    trailer = pss->trailerField ? ASN1_INTEGER_get(pss->trailerField) : 1;

    if (scheme->md == NULL || scheme->mgf == NULL || salt < 0
        || salt > NGX_MAX_INT32_VALUE || trailer != 1)
    {
        goto done;
    }

    scheme->salt = (int) salt;

    rc = NGX_OK;

done:

    X509_ALGOR_free(mask);
    RSA_PSS_PARAMS_free(pss);

    return rc;
}


static const EVP_MD *
ngx_mtls_crl_digest(X509_ALGOR *algor)
{
    int  nid;

    nid = OBJ_obj2nid(algor->algorithm);

    switch (nid) {

    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
        return EVP_get_digestbynid(nid);

    default:
        return NULL;
    }
}


static ngx_int_t
ngx_mtls_crl_check(ngx_mtls_crl_t *crl, EVP_PKEY *key,
    ngx_mtls_crl_scheme_t *scheme)
{
    ngx_int_t      rc;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (EVP_DigestVerifyInit(ctx, &pctx, scheme->md, NULL, key) != 1) {
        goto done;
    }

    if (scheme->mgf
        && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1
            || EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, scheme->mgf) != 1
            || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, scheme->salt) != 1))
    {
        goto done;
    }

    /* in one call: Ed25519 cannot be updated */

    if (EVP_DigestVerify(ctx, crl->signature.pos,
                         ngx_mtls_der_len(&crl->signature), crl->tbs.pos,
                         ngx_mtls_der_len(&crl->tbs))
        == 1)
    {
        rc = NGX_OK;
    }

done:

    EVP_MD_CTX_free(ctx);

    return rc;
}


/*
 * Several certificates may hold the key: one that is signed anew, or by
 * another anchor.  The CRL counts under the anchors of all of them.
 */

ngx_int_t
ngx_mtls_crl_signer(ngx_mtls_crl_t *crl, ngx_mtls_ca_t *ca,
    STACK_OF(X509) *extra, ngx_pool_t *pool,
    u_char (**anchors)[NGX_MTLS_HASH_LEN], ngx_uint_t *nanchors,
    ngx_mtls_error_t *err)
{
    ngx_uint_t              iterator;
    ngx_mtls_ca_cert_t     *cert;
    ngx_mtls_crl_search_t  *search;

    search = ngx_pcalloc(pool, sizeof(ngx_mtls_crl_search_t));

    if (search == NULL
        || ngx_array_init(&search->anchors, pool, 4, NGX_MTLS_HASH_LEN)
           != NGX_OK)
    {
        return ngx_mtls_error(err, "out of memory");
    }

    search->crl = crl;
    search->ca = ca;
    search->extra = extra;
    search->pool = pool;
    search->err = err;

    iterator = 0;

    for ( ;; ) {
        cert = ngx_mtls_ca_subject(ca, crl->issuer_hash, &iterator);

        if (cert == NULL) {
            break;
        }

        if (ngx_mtls_crl_candidate(search, cert->x509) == NGX_ERROR) {
            return ngx_mtls_error(err, "out of memory");
        }
    }

    if (ngx_mtls_crl_extra(search) != NGX_OK) {
        return ngx_mtls_error(err, "out of memory");
    }

    if (search->signer) {
        *anchors = search->anchors.elts;
        *nanchors = search->anchors.nelts;
        crl->header.nanchors = search->anchors.nelts;

        return NGX_OK;
    }

    if (search->stage == NGX_MTLS_CRL_NO_CERT) {
        (void) ngx_mtls_error(err, "issuer \"%V\" is not known, add its"
                              " certificate to an mtls_ca file or to issuer=",
                              &crl->name);
    }

    return NGX_DECLINED;
}


/* the certificates beside the CRL */

static ngx_int_t
ngx_mtls_crl_extra(ngx_mtls_crl_search_t *search)
{
    int               i, n;
    X509             *x509;
    u_char            hash[NGX_MTLS_HASH_LEN];
    size_t            len;
    ngx_uint_t        named;
    ngx_mtls_der_t    der;
    const u_char     *data;
    ngx_mtls_name_t   name;

    n = search->extra ? sk_X509_num(search->extra) : 0;
    named = 0;

    for (i = 0; i < n && named < NGX_MTLS_CRL_EXTRA_MAX; i++) {
        x509 = sk_X509_value(search->extra, i);

        if (X509_NAME_get0_der(X509_get_subject_name(x509), &data, &len)
            != 1)
        {
            return NGX_ERROR;
        }

        ngx_mtls_der_set(&der, (u_char *) data, len);

        switch (ngx_mtls_name_parse(search->pool, &der, &name)) {

        case NGX_OK:
            break;

        case NGX_DECLINED:
            continue;

        default:
            return NGX_ERROR;
        }

        if (ngx_mtls_name_hash(search->pool, &name, hash) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_memcmp(hash, search->crl->issuer_hash, NGX_MTLS_HASH_LEN)
            != 0)
        {
            continue;
        }

        named++;

        if (ngx_mtls_crl_candidate(search, x509) == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a certificate of the issuer's name */

static ngx_int_t
ngx_mtls_crl_candidate(ngx_mtls_crl_search_t *search, X509 *x509)
{
    size_t                     len;
    u_char                   (*anchors)[NGX_MTLS_HASH_LEN];
    ngx_int_t                  rc;
    ngx_uint_t                 i, n;
    ngx_mtls_der_t            *aki;
    const ASN1_OCTET_STRING   *ski;

    aki = &search->crl->aki;
    len = ngx_mtls_der_len(aki);
    ski = X509_get0_subject_key_id(x509);

    if (len && ski
        && ((size_t) ASN1_STRING_length(ski) != len
            || ngx_memcmp(ASN1_STRING_get0_data(ski), aki->pos, len) != 0))
    {
        return ngx_mtls_crl_failed(search, NGX_MTLS_CRL_OTHER_KEY);
    }

    switch (ngx_mtls_crl_signed(search, x509)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }

    /*
     * All bits are set if the extension is absent (RFC 5280 6.3.3 f): of a
     * client's certificate that has its CA's name that says nothing
     */

    if (!(X509_get_key_usage(x509) & X509v3_KU_CRL_SIGN)
        || (!(X509_get_extension_flags(x509) & EXFLAG_KUSAGE)
            && X509_check_ca(x509) == 0))
    {
        return ngx_mtls_crl_failed(search, NGX_MTLS_CRL_NO_USAGE);
    }

    if (ngx_mtls_ca_reach(search->ca, x509, search->extra, search->pool,
                          &anchors, &n)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (n == 0) {
        return ngx_mtls_crl_failed(search, NGX_MTLS_CRL_NO_ANCHOR);
    }

    if (!search->signer) {
        rc = ngx_mtls_crl_signer_facts(search, x509);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    search->signer = 1;

    for (i = 0; i < n; i++) {

        if (ngx_mtls_crl_add(search, anchors[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* whether its key signed the CRL; each key is asked once */

static ngx_int_t
ngx_mtls_crl_signed(ngx_mtls_crl_search_t *search, X509 *x509)
{
    u_char                    spki[NGX_MTLS_HASH_LEN];
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_mtls_error_t          err;
    ngx_mtls_table_header_t  *header;

    header = &search->crl->header;

    if (ngx_mtls_crl_spki(x509, spki) != NGX_OK) {
        return NGX_ERROR;
    }

    if (search->key) {
        return ngx_memcmp(spki, header->signer_spki, NGX_MTLS_HASH_LEN) == 0
               ? NGX_OK : NGX_DECLINED;
    }

    for (i = 0; i < search->nkeys; i++) {

        if (ngx_memcmp(spki, search->keys[i], NGX_MTLS_HASH_LEN) == 0) {
            return NGX_DECLINED;
        }
    }

    if (search->nkeys == NGX_MTLS_CRL_KEYS_MAX) {
        return NGX_DECLINED;
    }

    rc = ngx_mtls_crl_verify(search->crl, x509, &err);

    if (rc == NGX_OK) {
        ngx_memcpy(header->signer_spki, spki, NGX_MTLS_HASH_LEN);
        search->key = 1;

        return NGX_OK;
    }

    ngx_memcpy(search->keys[search->nkeys++], spki, NGX_MTLS_HASH_LEN);

    if (search->stage <= NGX_MTLS_CRL_NO_SIGNATURE) {
        search->stage = NGX_MTLS_CRL_NO_SIGNATURE;
        *search->err = err;
    }

    return NGX_DECLINED;
}


/* what a worker that does not know the signer's certificate asks of it */

static ngx_int_t
ngx_mtls_crl_signer_facts(ngx_mtls_crl_search_t *search, X509 *x509)
{
    int                        n;
    X509                      *issuer;
    size_t                     len;
    ngx_int_t                  rc;
    ngx_str_t                  der;
    ngx_mtls_error_t           err;
    ngx_mtls_certificate_t     cert;
    ngx_mtls_table_header_t   *header;

    header = &search->crl->header;

    der.data = NULL;

    n = i2d_X509(x509, &der.data);
    if (n <= 0) {
        return NGX_ERROR;
    }

    der.len = n;

    rc = ngx_mtls_certificate_parse(search->pool, &der, NULL, &cert, &err);

    if (rc == NGX_DECLINED) {
        *search->err = err;
        search->stage = NGX_MTLS_CRL_NO_ANCHOR;
    }

    if (rc == NGX_OK) {
        ngx_memcpy(header->signer, cert.fingerprint, NGX_MTLS_HASH_LEN);

        len = ngx_mtls_der_len(&cert.serial);

        if (len <= NGX_MTLS_SERIAL_MAX) {
            ngx_memcpy(header->signer_serial, cert.serial.pos, len);
            header->signer_serial_len = (u_char) len;
        }

        rc = ngx_mtls_name_hash(search->pool, &cert.issuer,
                                header->signer_issuer);
    }

    OPENSSL_free(der.data);

    if (rc != NGX_OK) {
        return rc;
    }

    issuer = ngx_mtls_ca_issuer(search->ca, x509, search->extra,
                                search->pool);

    if (issuer == NULL) {
        return NGX_OK;
    }

    return ngx_mtls_crl_spki(issuer, header->signer_from);
}


static ngx_int_t
ngx_mtls_crl_failed(ngx_mtls_crl_search_t *search, ngx_uint_t stage)
{
    static const char  *texts[] = {
        "",

        "no certificate of its issuer \"%V\" has the key that its authority"
        " key identifier names, add the one that signs CRLs to an mtls_ca file"
        " or to issuer=",

        "",

        "its issuer \"%V\" must not sign CRLs: the key usage of its"
        " certificate lacks cRLSign",

        "the certificate of its issuer \"%V\" leads to no trusted certificate"
        " of an mtls_ca file"
    };

    if (stage > search->stage) {
        search->stage = stage;
        (void) ngx_mtls_error(search->err, texts[stage], &search->crl->name);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_mtls_crl_add(ngx_mtls_crl_search_t *search, u_char *anchor)
{
    u_char      *p;
    ngx_uint_t   i;

    p = search->anchors.elts;

    for (i = 0; i < search->anchors.nelts; i++) {

        if (ngx_memcmp(p + i * NGX_MTLS_HASH_LEN, anchor, NGX_MTLS_HASH_LEN)
            == 0)
        {
            return NGX_OK;
        }
    }

    p = ngx_array_push(&search->anchors);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, anchor, NGX_MTLS_HASH_LEN);

    return NGX_OK;
}


static ngx_int_t
ngx_mtls_crl_spki(X509 *x509, u_char *hash)
{
    int         len;
    u_char     *der;
    ngx_int_t   rc;

    der = NULL;

    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    if (len <= 0) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    rc = ngx_mtls_sha256(der, (size_t) len, hash);

    OPENSSL_free(der);

    return rc;
}
