
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * An X.509 certificate as plain facts (RFC 5280): parsed once, then read.
 */


#ifndef _NGX_MTLS_CERTIFICATE_H_INCLUDED_
#define _NGX_MTLS_CERTIFICATE_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_der.h>
#include <ngx_mtls_name.h>


/* bounds; a certificate that exceeds one is refused */
#define NGX_MTLS_EXTENSIONS_MAX   64
#define NGX_MTLS_SAN_MAX          4096
#define NGX_MTLS_OIDS_MAX         256   /* purposes, policies */
#define NGX_MTLS_DP_MAX           32    /* distribution points */
#define NGX_MTLS_DP_NAMES_MAX     16    /* names of one of them */


typedef struct {
    ngx_str_t                     oid;       /* content octets */
    ngx_mtls_der_t                value;     /* content of extnValue */
    ngx_uint_t                    critical;

    /* late: ngx_mtls_certificate_extension_text() */
    ngx_str_t                     text;
    ngx_uint_t                    decoded;
} ngx_mtls_extension_t;


/* kinds of subjectAltName */
#define NGX_MTLS_SAN_DNS          0
#define NGX_MTLS_SAN_URI          1
#define NGX_MTLS_SAN_EMAIL        2
#define NGX_MTLS_SAN_IP           3
#define NGX_MTLS_SAN_UPN          4   /* otherName 1.3.6.1.4.1.311.20.2.3 */
#define NGX_MTLS_SAN_RID          5
#define NGX_MTLS_SAN_DIRNAME      6
#define NGX_MTLS_SAN_TYPES        7


/*
 * The values of one kind, in the order of the certificate, as text: dns in
 * lower case, email with its domain in lower case, ip as inet_ntop() prints
 * it, rid dotted, dirname in RFC 4514 form.  A value whose data is NULL is
 * undefined: an embedded NUL, octets that its type does not allow (in dns, uri
 * and email all but 0x20 to 0x7e), a wrong length, a malformed name.
 */
typedef struct {
    ngx_str_t                    *elts;
    ngx_uint_t                    n;
} ngx_mtls_values_t;


/* the values of an attribute that occurs several times in a name */
typedef struct ngx_mtls_list_s    ngx_mtls_list_t;

struct ngx_mtls_list_s {
    ngx_mtls_ava_t               *first;     /* its first occurrence */
    ngx_mtls_values_t             values;
    ngx_mtls_list_t              *next;
};


/* one DistributionPoint (RFC 5280 4.2.1.13) */
typedef struct {
    /*
     * SHA-256 of each GeneralName of fullName: its whole DER, but a
     * directoryName by the hash of its canonical octets; a
     * nameRelativeToCRLIssuer is one name, the directoryName that it makes
     * with cRLIssuer or the certificate's issuer
     */
    u_char                      (*names)[NGX_MTLS_HASH_LEN];
    ngx_uint_t                    n;
    ngx_uint_t                    reasons;   /* bits 1–8 as 1 << n, all:
                                                0x1fe */
    ngx_uint_t                    crl_issuer;  /* cRLIssuer is present */
} ngx_mtls_dp_t;


/* made when asked for, by ngx_mtls_spiffe_svid() */
typedef struct ngx_mtls_svid_s          ngx_mtls_svid_t;

/* made when asked for, by ngx_mtls_attribute_values() */
typedef struct ngx_mtls_qc_s            ngx_mtls_qc_t;
typedef struct ngx_mtls_organization_s  ngx_mtls_organization_t;

typedef struct ngx_mtls_psd2_rules_s    ngx_mtls_psd2_rules_t;


/* key usage bits (RFC 5280 4.2.1.3) */
#define NGX_MTLS_KU_SIGNATURE     0x01
#define NGX_MTLS_KU_CERT_SIGN     0x20
#define NGX_MTLS_KU_CRL_SIGN      0x40


/*
 * Everything points into "der" or "pool", neither of which the certificate
 * owns.  What is computed late (hashes, texts) is kept here too.
 */
typedef struct {
    ngx_pool_t                   *pool;
    ngx_str_t                     der;
    u_char                        fingerprint[NGX_MTLS_HASH_LEN];

    ngx_uint_t                    version;   /* 1, 2, 3 */
    ngx_mtls_der_t                serial;    /* content octets */
    ngx_mtls_name_t               issuer;
    ngx_mtls_name_t               subject;
    int64_t                       not_before;
    int64_t                       not_after;
    ngx_mtls_der_t                spki;      /* whole SubjectPublicKeyInfo */

    ngx_mtls_extension_t         *extensions;
    ngx_uint_t                    nextensions;

    ngx_mtls_values_t             san[NGX_MTLS_SAN_TYPES];
    ngx_mtls_values_t             san_all;   /* "dns:a", "uri:b" … */

    /* canonical octets of the names in san[NGX_MTLS_SAN_DIRNAME] */
    ngx_mtls_values_t             dirnames;
    ngx_uint_t                    dirnames_doubtful;

    /*
     * an extension that occurs twice or cannot be parsed makes what it says
     * undefined: one undefined value
     */

    ngx_uint_t                    ca;        /* basicConstraints cA */
    ngx_uint_t                    ca_undefined;
    ngx_uint_t                    key_usage; /* first octet reversed: bit n =
                                                1 << n; all set if absent */

    /*
     * object identifiers; the text of "eku" and "policies" is made by
     * ngx_mtls_certificate_eku() and ngx_mtls_certificate_policies()
     */
    ngx_mtls_der_t                eku_list;
    ngx_mtls_values_t             eku;
    ngx_mtls_der_t                policy_list;
    ngx_mtls_values_t             policies;

    ngx_mtls_svid_t              *svid;      /* NULL until asked */

    /* set by ngx_mtls_certificate_dps() */
    ngx_mtls_dp_t                *dps;
    ngx_uint_t                    ndps;
    ngx_uint_t                    cdp_malformed;
    ngx_uint_t                    dps_parsed;

    ngx_mtls_list_t              *lists;     /* made when asked for */

    /* how QCStatements are read, set by whoever knows; NULL: strictly */
    ngx_mtls_psd2_rules_t        *psd2_rules;
    ngx_mtls_qc_t                *qc;
    ngx_mtls_organization_t      *organization;

    /* late facts; data is NULL until asked */
    ngx_str_t                     fingerprint_hex;
    ngx_str_t                     thumbprint;    /* base64url, 43 octets */
    ngx_str_t                     spki_hex;
    ngx_str_t                     serial_hex;    /* as $ssl_client_serial */
    ngx_str_t                     key_type;
    ngx_str_t                     subject_canonical;
    ngx_str_t                     issuer_canonical;
    ngx_str_t                     subject_text;
} ngx_mtls_certificate_t;


/*
 * Parses a certificate's DER, which must stay as long as the certificate.
 * "fingerprint" is its SHA-256 if the caller knows it, else NULL.
 * NGX_DECLINED: malformed or over a bound, "err" says how; NGX_ERROR: out of
 * memory.
 */
ngx_int_t ngx_mtls_certificate_parse(ngx_pool_t *pool, ngx_str_t *der,
    const u_char *fingerprint, ngx_mtls_certificate_t *cert,
    ngx_mtls_error_t *err);

/* the extension of this OID (content octets); NULL: none, or it occurs twice */
ngx_mtls_extension_t *ngx_mtls_certificate_extension(
    ngx_mtls_certificate_t *cert, const u_char *oid, size_t len);


/*
 * The text of an extension: of a value that is exactly one string of
 * ngx_mtls_der_string() and does not begin with "#" that string, data is NULL
 * where it cannot be decoded; of all else "#" and lower-case hexadecimal.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_mtls_certificate_extension_text(ngx_mtls_certificate_t *cert,
    ngx_mtls_extension_t *ext, ngx_str_t *text);

/*
 * Reads cRLDistributionPoints into "dps"; without the extension there are
 * none.  "cdp_malformed" is set where it occurs twice, cannot be parsed, breaks
 * a rule of RFC 5280 4.2.1.13 or exceeds NGX_MTLS_DP_MAX or
 * NGX_MTLS_DP_NAMES_MAX.  Costs nothing after the first call.  NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_mtls_certificate_dps(ngx_mtls_certificate_t *cert);

/* late facts: each makes its text on the first call; NGX_ERROR: no memory */
ngx_int_t ngx_mtls_certificate_fingerprint(ngx_mtls_certificate_t *cert,
    ngx_str_t *hex);
ngx_int_t ngx_mtls_certificate_thumbprint(ngx_mtls_certificate_t *cert,
    ngx_str_t *b64url);
ngx_int_t ngx_mtls_certificate_spki(ngx_mtls_certificate_t *cert,
    ngx_str_t *hex);
ngx_int_t ngx_mtls_certificate_serial(ngx_mtls_certificate_t *cert,
    ngx_str_t *hex);

/* extended key usages and policies as dotted text */
ngx_int_t ngx_mtls_certificate_eku(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values);
ngx_int_t ngx_mtls_certificate_policies(ngx_mtls_certificate_t *cert,
    ngx_mtls_values_t *values);

/* the object identifier that begins a PolicyInformation (RFC 5280 4.2.1.4) */
ngx_int_t ngx_mtls_certificate_policy(ngx_mtls_der_t *list,
    ngx_mtls_der_t *oid);

/* canonical octets of the names */
ngx_int_t ngx_mtls_certificate_subject(ngx_mtls_certificate_t *cert,
    ngx_str_t *canonical);
ngx_int_t ngx_mtls_certificate_issuer(ngx_mtls_certificate_t *cert,
    ngx_str_t *canonical);

/* the subject as text, by ngx_mtls_name_print_4514() */
ngx_int_t ngx_mtls_certificate_subject_text(ngx_mtls_certificate_t *cert,
    ngx_str_t *text);

/*
 * "rsa:2048", "ec:prime256v1", "ed25519", "ed448"; "ec:1.2.3" for a curve
 * without a name here; else the algorithm's OID
 */
ngx_int_t ngx_mtls_certificate_key_type(ngx_mtls_certificate_t *cert,
    ngx_str_t *type);

/*
 * The text of a key type as above from one in any case, with other names of
 * curves too ("ec:p-256", "ec:secp256r1").  NGX_DECLINED: there is no such
 * type; NGX_ERROR: no memory.
 */
ngx_int_t ngx_mtls_key_type(ngx_pool_t *pool, ngx_str_t *type,
    ngx_str_t *normal);

/* makes "values" one undefined value */
void ngx_mtls_values_undefined(ngx_mtls_values_t *values);


#endif /* _NGX_MTLS_CERTIFICATE_H_INCLUDED_ */
