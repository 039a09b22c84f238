
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Trust anchors by label, and the other certificates of the same files, which
 * only help to build chains and to verify CRLs.
 */


#ifndef _NGX_MTLS_CA_H_INCLUDED_
#define _NGX_MTLS_CA_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_ca_list.h>
#include <ngx_mtls_certificate.h>
#include <ngx_mtls_table.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>


/* what is checked for revocation, strictness ascending; UNSET: not said */
#define NGX_MTLS_REVOCATION_OFF    0
#define NGX_MTLS_REVOCATION_LEAF   1
#define NGX_MTLS_REVOCATION_CHAIN  2
/* what no answer means, strictness ascending */
#define NGX_MTLS_UNKNOWN_ALLOW     0
#define NGX_MTLS_UNKNOWN_DENY      1


typedef struct {
    ngx_str_t                      name;
    ngx_uint_t                     number;
    ngx_uint_t                     revocation;  /* or NGX_CONF_UNSET_UINT */
    ngx_uint_t                     unknown;     /* or NGX_CONF_UNSET_UINT */
    ngx_str_t                      trust_domain;  /* len 0: none */
    u_char                         hash[NGX_MTLS_HASH_LEN];    /* of the name */
} ngx_mtls_label_t;


/* a CA certificate and its facts; also of intermediates that clients send */
typedef struct {
    X509                          *x509;        /* NULL for intermediates */
    ngx_mtls_certificate_t         facts;
    u_char                         subject[NGX_MTLS_HASH_LEN]; /* name hash */
    ngx_uint_t                     refs;        /* 0: of a set, which has it */
} ngx_mtls_ca_cert_t;


/* a certificate of the files of a set, once however many labels have it */
typedef struct {
    ngx_mtls_ca_cert_t            *cert;
    const u_char                  *fingerprint;

    ngx_uint_t                     anchor;      /* trusted in some label */

    /* ascending numbers of the labels in which it is an anchor */
    ngx_uint_t                    *labels;
    ngx_uint_t                     nlabels;

    /*
     * the strictest of the labels' own settings, and whether some label has
     * none, so that the location's setting counts too
     */
    ngx_uint_t                     revocation;
    ngx_uint_t                     unknown;
    ngx_uint_t                     inherit_revocation;
    ngx_uint_t                     inherit_unknown;

    ngx_str_t                     *path;        /* the first file that had it */
} ngx_mtls_anchor_t;


/* what one file gives to a set */
typedef struct {
    ngx_mtls_ca_list_t             list;
    ngx_mtls_table_t              *table;       /* that has the list, or NULL */
    ngx_uint_t                     label;       /* its number */
    ngx_uint_t                     source;      /* its number, or _STATIC */
    uint64_t                       read;        /* of the configuration's: when,
                                                   of ngx_mtls_now() */
    ngx_str_t                      path;
} ngx_mtls_ca_part_t;


/* the source of files that are read with the configuration only */
#define NGX_MTLS_CA_STATIC         ((ngx_uint_t) -1)


/* labels that one server accepts: a bitmap by label number, and its name */
typedef struct {
    uintptr_t                     *bits;
} ngx_mtls_trust_t;


/*
 * A set of CA certificates: that of the configuration, or a live one.  What it
 * holds does not change; a certificate is parsed when it is first reached.
 */
typedef struct ngx_mtls_ca_s       ngx_mtls_ca_t;


/* the set of a configuration; it lives as long as the pool */
ngx_mtls_ca_t *ngx_mtls_ca_create(ngx_pool_t *pool);

/*
 * A live set: the tables of "parts" (of each "table", "label", "source" and
 * "path" are to be filled), and for sources that have no part what
 * "configured" has of them, as it has the labels.  A part whose "table" is NULL
 * only says that its source is not to be taken from "configured": of one that
 * has no other part nothing is trusted.  Takes references to tables,
 * and to what "previous" (may be NULL) has parsed.  NULL, and "err" says why:
 * out of memory, or a table is corrupt.  The caller has a reference.
 */
ngx_mtls_ca_t *ngx_mtls_ca_live(ngx_mtls_ca_t *configured,
    ngx_mtls_ca_t *previous, ngx_mtls_ca_part_t *parts, ngx_uint_t nparts,
    ngx_log_t *log, ngx_mtls_error_t *err);

/* one more reference, to a live set or not; to give one back */
ngx_mtls_ca_t *ngx_mtls_ca_ref(ngx_mtls_ca_t *ca);
void ngx_mtls_ca_free(ngx_mtls_ca_t *ca);

/*
 * The label of this name, made if it is new.  Settings that are said twice
 * and differ are NGX_DECLINED.
 */
ngx_int_t ngx_mtls_ca_label(ngx_mtls_ca_t *ca, ngx_str_t *name,
    ngx_uint_t revocation, ngx_uint_t unknown, ngx_mtls_label_t **label,
    ngx_mtls_error_t *err);

/*
 * Binds a SPIFFE trust domain to a label.  NGX_DECLINED: the name is none, or
 * the label has another one.
 */
ngx_int_t ngx_mtls_ca_domain(ngx_mtls_label_t *label, ngx_str_t *domain,
    ngx_mtls_error_t *err);

/*
 * Whether an anchor may vouch for this trust domain, whose case does not
 * matter: it is bound to no label, or to one in which this is an anchor.
 */
ngx_uint_t ngx_mtls_ca_speaks(ngx_mtls_ca_t *ca, ngx_mtls_anchor_t *anchor,
    ngx_str_t *domain);

/*
 * Adds the certificates of one file (PEM with any number of them, or DER) to
 * the configuration's set.  Trusted in the label are self-signed ones, with
 * "partial" all.  NGX_DECLINED: unreadable, empty, broken; "err" names the
 * file and why.
 */
ngx_int_t ngx_mtls_ca_file(ngx_mtls_ca_t *ca, ngx_mtls_label_t *label,
    ngx_str_t *path, ngx_uint_t partial, ngx_uint_t source,
    ngx_mtls_error_t *err);

/*
 * Reads one such file into a list, of the pool; for the configuration and for
 * the compiler.  Errors as those of ngx_mtls_ca_file().
 */
ngx_int_t ngx_mtls_ca_file_list(ngx_str_t *path, ngx_uint_t partial,
    ngx_pool_t *pool, ngx_mtls_ca_list_t *list, ngx_mtls_error_t *err);

/*
 * Ends configuration: parses all, merges settings, builds the indices and the
 * digest.  NGX_DECLINED: a label without an anchor.
 */
ngx_int_t ngx_mtls_ca_finish(ngx_mtls_ca_t *ca, ngx_mtls_error_t *err);

ngx_uint_t ngx_mtls_ca_nlabels(ngx_mtls_ca_t *ca);
ngx_mtls_label_t *ngx_mtls_ca_label_number(ngx_mtls_ca_t *ca, ngx_uint_t n);
ngx_mtls_label_t *ngx_mtls_ca_label_name(ngx_mtls_ca_t *ca, ngx_str_t *name);

/* the paths of all files read, for the check of readability: of ngx_str_t */
ngx_array_t *ngx_mtls_ca_paths(ngx_mtls_ca_t *ca);

/* the configuration's certificates, anchors or not: of ngx_mtls_anchor_t * */
ngx_array_t *ngx_mtls_ca_certs(ngx_mtls_ca_t *ca);

/* when the configuration has read the last file of a source; 0: none */
uint64_t ngx_mtls_ca_when(ngx_mtls_ca_t *configured, ngx_uint_t source);

/* how many certificates are trusted in the label of that number */
ngx_uint_t ngx_mtls_ca_trusted(ngx_mtls_ca_t *ca, ngx_uint_t label);

/*
 * SHA-256 over what is trusted in which label and what is known: changes when
 * any of it changes
 */
const u_char *ngx_mtls_ca_digest(ngx_mtls_ca_t *ca);

/*
 * The anchor of this fingerprint; NULL: none, or it is only a helper, or its
 * file says with OpenSSL's trust settings that it is not for clients.  What it
 * points at lives as long as the set.
 */
ngx_mtls_anchor_t *ngx_mtls_ca_find(ngx_mtls_ca_t *ca,
    const u_char fingerprint[NGX_MTLS_HASH_LEN]);

/* the same, anchor or not */
ngx_mtls_anchor_t *ngx_mtls_ca_cert(ngx_mtls_ca_t *ca,
    const u_char fingerprint[NGX_MTLS_HASH_LEN]);

/*
 * Parses the facts of a CA certificate.  "der" must stay as long as "cert",
 * whose other memory is from "pool"; "fingerprint" may be NULL.  NGX_DECLINED:
 * malformed, "err" says how; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_ca_cert_parse(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_ca_cert_t *cert,
    ngx_mtls_error_t *err);

/* a set of labels (count 0: all); memory of the pool */
ngx_mtls_trust_t *ngx_mtls_trust_create(ngx_pool_t *pool, ngx_mtls_ca_t *ca,
    ngx_uint_t *labels, ngx_uint_t nlabels);

/* whether a server of this trust accepts the anchor */
ngx_uint_t ngx_mtls_trust_has(ngx_mtls_trust_t *trust,
    ngx_mtls_anchor_t *anchor);

/*
 * Verifies what a handshake presented against the anchors of "trust" only:
 * gives "store" the trusted anchors and untrusted helpers that the issuer
 * names of the chain reach, allows partial chains and calls
 * X509_verify_cert().  Returns what that returned, 0 if out of memory; the
 * verdict is the store's error.  "leaf" is the fingerprint of the certificate.
 * "anchor" gets the first trusted certificate of a verified chain, "depth" its
 * place in it (1 if it issued the leaf, 0 if it is the leaf); NULL if the
 * verdict is not X509_V_OK.
 */
int ngx_mtls_ca_verify(ngx_mtls_ca_t *ca, ngx_mtls_trust_t *trust,
    X509_STORE_CTX *store, const u_char leaf[NGX_MTLS_HASH_LEN],
    ngx_mtls_anchor_t **anchor, ngx_uint_t *depth);

/*
 * The anchors that a certificate reaches (itself, if it is one): fingerprints
 * of all anchors of all labels to which a chain of verified signatures leads,
 * over the files' certificates and "extra"; validity times do not count.
 * For the signers of CRLs.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_ca_reach(ngx_mtls_ca_t *ca, X509 *cert,
    STACK_OF(X509) *extra, ngx_pool_t *pool,
    u_char (**anchors)[NGX_MTLS_HASH_LEN], ngx_uint_t *nanchors);

/*
 * A certificate that issued this one, by name, usage and signature, of the
 * files or else of "extra"; NULL: none is known, or out of memory.
 */
X509 *ngx_mtls_ca_issuer(ngx_mtls_ca_t *ca, X509 *cert, STACK_OF(X509) *extra,
    ngx_pool_t *pool);

/*
 * The certificates of the files with this subject name hash, one a call; the
 * iterator begins with 0.  NULL: no more.
 */
ngx_mtls_ca_cert_t *ngx_mtls_ca_subject(ngx_mtls_ca_t *ca,
    const u_char subject[NGX_MTLS_HASH_LEN], ngx_uint_t *iterator);

/*
 * Reads all certificates of a PEM (any number; other block types are passed
 * over) or DER file in memory; for mtls_ca, issuer= and CRL files.  The stack
 * owns references.  NGX_DECLINED: a block that is broken; "err" says which.
 */
ngx_int_t ngx_mtls_ca_read(u_char *data, size_t len, STACK_OF(X509) **certs,
    ngx_mtls_error_t *err);


#endif /* _NGX_MTLS_CA_H_INCLUDED_ */
