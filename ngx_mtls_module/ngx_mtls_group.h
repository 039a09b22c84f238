
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The inside of a policy, shared by the files that build and evaluate it.
 */


#ifndef _NGX_MTLS_GROUP_H_INCLUDED_
#define _NGX_MTLS_GROUP_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_policy.h>
#include <ngx_mtls_psd2.h>
#include <ngx_mtls_identity.h>


/* how deep "group" lines may nest; it bounds the recursion of evaluation */
#define NGX_MTLS_GROUP_HEIGHT_MAX   64

#define NGX_MTLS_GROUP_BUCKETS      1024  /* of the hash of names */

#define NGX_MTLS_INDEX_NONE         ((ngx_uint_t) -1)


/* the groups whose index lines name this value of this attribute */
typedef struct ngx_mtls_posting_s   ngx_mtls_posting_t;

struct ngx_mtls_posting_s {
    ngx_mtls_posting_t           *next;
    ngx_str_t                     key;
    uint32_t                      hash;
    uint32_t                      attr;      /* its number in "attrs" */
    ngx_uint_t                    named;     /* lines that name the value */
    ngx_mtls_group_t            **groups;
    ngx_uint_t                    ngroups;
};


typedef struct {
    ngx_mtls_attribute_t          attr;
    ngx_uint_t                    used;      /* an index line has it */
} ngx_mtls_index_attr_t;


struct ngx_mtls_policy_s {
    ngx_pool_t                   *pool;
    ngx_array_t                   groups;    /* of ngx_mtls_group_t * */
    ngx_mtls_group_t            **names;     /* NGX_MTLS_GROUP_BUCKETS */
    ngx_mtls_psd2_rules_t         psd2;

    /* the index of exact values, made by ngx_mtls_index_build() */

    ngx_array_t                   attrs;     /* of ngx_mtls_index_attr_t */
    ngx_mtls_posting_t          **buckets;
    ngx_uint_t                    mask;      /* their count, a power of two,
                                                less one */
    ngx_uint_t                    ca;        /* number of "ca" in "attrs" */
    ngx_uint_t                    group;     /* of "group"; if none, these are
                                                NGX_MTLS_INDEX_NONE */
    ngx_array_t                   tried;     /* of ngx_mtls_group_t *: all with
                                                "full" or "scanned" */

    ngx_uint_t                    evaluation;  /* the last of this process */
};


/*
 * Chooses the index line of each group and builds the index; names are
 * resolved and "full" is set.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_index_build(ngx_mtls_policy_t *policy);

/*
 * The groups whose index line this value of an attribute of "attrs" makes
 * true; NULL: none.
 */
ngx_mtls_posting_t *ngx_mtls_index_find(ngx_mtls_policy_t *policy,
    ngx_uint_t attr, ngx_str_t *key);


#endif /* _NGX_MTLS_GROUP_H_INCLUDED_ */
