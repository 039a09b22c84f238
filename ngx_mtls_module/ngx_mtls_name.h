
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * Distinguished names: parsed, compared as names and printed, never searched
 * as text.
 */


#ifndef _NGX_MTLS_NAME_H_INCLUDED_
#define _NGX_MTLS_NAME_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_der.h>


#define NGX_MTLS_NAME_MAX        512   /* attributes in one name */


/* one AttributeTypeAndValue (RFC 5280 4.1.2.4) */
typedef struct {
    ngx_str_t                    oid;      /* content octets, in the DER */
    ngx_uint_t                   tag;      /* of the value */
    ngx_mtls_der_t               raw;      /* the value's content, in the DER */
    ngx_str_t                    text;     /* UTF-8; data is NULL: no value */
    ngx_uint_t                   rdn;      /* number of its RDN, from 0 */
} ngx_mtls_ava_t;


typedef struct {
    ngx_str_t                    der;      /* the whole Name */
    ngx_mtls_ava_t              *avas;     /* in the order of the DER */
    ngx_uint_t                   n;
    ngx_uint_t                   doubtful; /* has a string without text */
} ngx_mtls_name_t;


/*
 * Parses a Name from its whole DER (header included), which must stay as long
 * as the name.  NGX_DECLINED: malformed; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_name_parse(ngx_pool_t *pool, ngx_mtls_der_t *der,
    ngx_mtls_name_t *name);

/*
 * The canonical octets of a name, equal for equal names (RFC 5280 7.1):
 * string types unified to UTF-8, ASCII case folded, outer spaces dropped,
 * inner ones squeezed, the attributes of one RDN sorted (a set).  A value
 * that has no text is kept with its tag and octets.
 */
ngx_int_t ngx_mtls_name_canonical(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_str_t *canonical);

/* SHA-256 of the canonical octets */
ngx_int_t ngx_mtls_name_hash(ngx_pool_t *pool, ngx_mtls_name_t *name,
    u_char hash[NGX_MTLS_HASH_LEN]);

/*
 * A name with one more RDN, given by the content of its SET, which must stay
 * too: what nameRelativeToCRLIssuer (RFC 5280 4.2.1.13) means.  The result has
 * no "der".  NGX_DECLINED: malformed; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_name_append(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_mtls_der_t *rdn, ngx_mtls_name_t *result);

/*
 * What a GeneralName (RFC 5280 4.2.1.6), given by its whole DER, is compared
 * by: SHA-256 of that DER, but of the canonical octets for a directoryName.
 * NGX_DECLINED: malformed; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_general_name_hash(ngx_pool_t *pool, ngx_mtls_der_t *whole,
    u_char hash[NGX_MTLS_HASH_LEN]);

/*
 * Canonical octets of a name in RFC 4514 text ("CN=a,O=b", the last RDN
 * first; short names of ngx_mtls_name_oid() or dotted OIDs; escapes, "+" and
 * "#hex" values).  NGX_DECLINED: the text is wrong, "err" says how.
 */
ngx_int_t ngx_mtls_name_text(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *canonical, ngx_mtls_error_t *err);

/* prints a name as RFC 4514 text; non-ASCII stays UTF-8, control octets \xx */
ngx_int_t ngx_mtls_name_print(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_str_t *text);

/*
 * The same in the one form that all who print by RFC 4514 share: names only for
 * the attributes of its own table, and dotted OIDs with "#" and the whole value
 * in lower-case hexadecimal for all others.
 */
ngx_int_t ngx_mtls_name_print_4514(ngx_pool_t *pool, ngx_mtls_name_t *name,
    ngx_str_t *text);

/*
 * The object identifier (static content octets) of an attribute's short name
 * in any case ("cn", "o", "ou", "c", "l", "st", "street", "dc", "uid",
 * "emailaddress", "serialnumber", "givenname", "surname", "title",
 * "organizationidentifier", "businesscategory", "jurisdictionc" …).
 * NGX_DECLINED: no such name.
 */
ngx_int_t ngx_mtls_name_oid(ngx_str_t *name, ngx_str_t *oid);


#endif /* _NGX_MTLS_NAME_H_INCLUDED_ */
