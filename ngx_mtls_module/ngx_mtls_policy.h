
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The policy: groups are compiled once, evaluated once per connection and
 * generation, and explained on request.
 */


#ifndef _NGX_MTLS_POLICY_H_INCLUDED_
#define _NGX_MTLS_POLICY_H_INCLUDED_


#include <ngx_mtls.h>
#include <ngx_mtls_attribute.h>
#include <ngx_mtls_regex.h>


/* the three values of a line and of a group */
#define NGX_MTLS_FALSE            0
#define NGX_MTLS_TRUE             1
#define NGX_MTLS_UNDEFINED        2


typedef struct ngx_mtls_policy_s  ngx_mtls_policy_t;
typedef struct ngx_mtls_group_s   ngx_mtls_group_t;


/* how one value of a line is compared */
typedef enum {
    NGX_MTLS_MATCH_EXACT = 0,
    NGX_MTLS_MATCH_PREFIX,           /* ^~ */
    NGX_MTLS_MATCH_REGEX,            /* ~ and ~*, against the whole value */
    NGX_MTLS_MATCH_SEGMENTS,         /* uri, spiffe: "*" and "**" segments */
    NGX_MTLS_MATCH_LABEL,            /* dns: *.example.com */
    NGX_MTLS_MATCH_CIDR              /* ip */
} ngx_mtls_match_e;


typedef struct {
    ngx_mtls_match_e              match;
    ngx_str_t                     value;     /* in normal form */
    ngx_mtls_regex_t             *regex;
    ngx_uint_t                    number;    /* ca: label, group: index;
                                                segments: what is literal
                                                before the first "*" */
    ngx_uint_t                    tail;      /* and after the last one */
    ngx_cidr_t                    cidr;
} ngx_mtls_pattern_t;


typedef struct {
    ngx_mtls_attribute_t          attr;
    ngx_uint_t                    negative;  /* "not" */
    ngx_uint_t                    any_ca;    /* "ca any" */
    ngx_mtls_pattern_t           *patterns;  /* OR; exact ones first, sorted */
    ngx_uint_t                    npatterns;
    ngx_uint_t                    nexact;
    ngx_uint_t                    number;    /* of "attr" in the index */
    ngx_str_t                     file;
    ngx_uint_t                    line;
    ngx_str_t                     text;      /* as written, for the trace */
} ngx_mtls_line_t;


typedef struct ngx_mtls_template_s  ngx_mtls_template_t;


struct ngx_mtls_group_s {
    ngx_str_t                     name;      /* [a-z0-9_]+ */
    ngx_str_t                     file;
    ngx_uint_t                    line;
    ngx_uint_t                    index;     /* configuration order */
    ngx_array_t                   lines;     /* of ngx_mtls_line_t, AND */
    ngx_mtls_template_t          *identity;  /* NULL: none */
    ngx_uint_t                    denied;    /* an mtls_deny names it */
    ngx_uint_t                    full;      /* a deny or a "not group"
                                                reaches it */
    ngx_uint_t                    spiffe;    /* asks for the SPIFFE ID, itself
                                                or by a "group" line */
    ngx_uint_t                    scanned;   /* has no exact line */
    ngx_mtls_line_t              *index_line;  /* by whose exact values the
                                                group is found, or NULL */
    ngx_uint_t                    height;    /* of its "group" lines, from 1 */

    /* of this process */

    ngx_uint_t                    evaluation;  /* in which "value" was found */
    u_char                        value;
    u_char                        tried;
    time_t                        warned;    /* of a regex limit */

    ngx_mtls_group_t             *next;      /* of the same hash of name */
};


/* what is judged */
typedef struct {
    ngx_mtls_certificate_t       *cert;
    ngx_uint_t                   *labels;    /* ascending numbers of the labels
                                                that hold the anchor */
    ngx_uint_t                    nlabels;
} ngx_mtls_facts_t;


/* what holds for one certificate, whatever the location */
typedef struct {
    ngx_uint_t                   *groups;    /* ascending indices: true */
    ngx_uint_t                    ngroups;
    ngx_uint_t                   *undefined; /* of those with "full" */
    ngx_uint_t                    nundefined;
    ngx_str_t                     identity;  /* len 0: none */
    ngx_mtls_group_t             *identity_group;
} ngx_mtls_policy_result_t;


/* Configuration time.  Everything lives as long as the pool. */

ngx_mtls_policy_t *ngx_mtls_policy_create(ngx_pool_t *pool);

/*
 * Begins a group.  NGX_DECLINED: a bad name or the second of that name, "err"
 * says what.  The strings are copied by reference.
 */
ngx_int_t ngx_mtls_policy_add(ngx_mtls_policy_t *policy, ngx_str_t *name,
    ngx_str_t *file, ngx_uint_t line, ngx_mtls_group_t **group,
    ngx_mtls_error_t *err);

/*
 * Adds one line of words: "not", attribute, values; or "identity" TEMPLATE.
 * Label and group names are resolved by ngx_mtls_policy_compile().
 * NGX_DECLINED: wrong, "err" says what and how to mend it.
 */
ngx_int_t ngx_mtls_policy_line(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_str_t *words, ngx_uint_t nwords,
    ngx_str_t *file, ngx_uint_t line, ngx_mtls_error_t *err);

/* NULL: no group of this name */
ngx_mtls_group_t *ngx_mtls_policy_find(ngx_mtls_policy_t *policy,
    ngx_str_t *name);

ngx_mtls_group_t *ngx_mtls_policy_group(ngx_mtls_policy_t *policy,
    ngx_uint_t index);

ngx_uint_t ngx_mtls_policy_ngroups(ngx_mtls_policy_t *policy);

/*
 * How PSD2 statements are read, to be set before ngx_mtls_policy_compile();
 * certificates that are judged must be read by the same rules.
 */
ngx_mtls_psd2_rules_t *ngx_mtls_policy_psd2(ngx_mtls_policy_t *policy);

/* marks a group that an mtls_deny names; before ngx_mtls_policy_compile() */
void ngx_mtls_policy_deny(ngx_mtls_policy_t *policy, ngx_mtls_group_t *group);

/*
 * Resolves names, refuses empty groups, cycles and, with two labels or more,
 * groups without "ca"; builds the index of exact values.  "labels" are the
 * names of all labels by number.  NGX_DECLINED: "err" has file and line.
 * Warnings (regexes that match each of three probe values, identity templates
 * that do not begin with prefix-free literals) and the count of groups that
 * must be tried one by one go to "log" at NGX_LOG_WARN and NGX_LOG_NOTICE.
 */
ngx_int_t ngx_mtls_policy_compile(ngx_mtls_policy_t *policy,
    ngx_str_t *labels, ngx_uint_t nlabels, ngx_log_t *log,
    ngx_mtls_error_t *err);

/*
 * Refuses "spiffe" lines for trust domains that are none of these.
 * NGX_DECLINED: "err" has file and line.
 */
ngx_int_t ngx_mtls_policy_domains(ngx_mtls_policy_t *policy,
    ngx_str_t *domains, ngx_uint_t ndomains, ngx_mtls_error_t *err);


/* Run time. */

/*
 * Evaluates all groups that could be true and, in full, those with "full".
 * The result's memory is from "pool".  NGX_ERROR: out of memory or a failure
 * inside: no result may be used.
 */
ngx_int_t ngx_mtls_policy_evaluate(ngx_mtls_policy_t *policy,
    ngx_mtls_facts_t *facts, ngx_pool_t *pool, ngx_log_t *log,
    ngx_mtls_policy_result_t *result);

/*
 * One group in full: NGX_MTLS_TRUE, _FALSE or _UNDEFINED; NGX_ERROR.
 * Temporary memory is from "pool".
 */
ngx_int_t ngx_mtls_policy_evaluate_group(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t *group, ngx_mtls_facts_t *facts, ngx_pool_t *pool,
    ngx_log_t *log);

/*
 * Whether it is because of an SVID that breaks the rules that a group is
 * undefined, which it was found to be.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_mtls_policy_bad_svid(ngx_mtls_group_t *group,
    ngx_mtls_facts_t *facts);

/*
 * One line of text for $mtls_trace: for each of the groups its name and value
 * and the first line (file:line and text, escaped) that failed or was
 * undefined, and which rule an SVID breaks.
 */
ngx_int_t ngx_mtls_policy_trace(ngx_mtls_policy_t *policy,
    ngx_mtls_group_t **groups, ngx_uint_t ngroups, ngx_mtls_facts_t *facts,
    ngx_pool_t *pool, ngx_log_t *log, ngx_str_t *text);

/* whether the ascending list has the index; both by binary search */
ngx_uint_t ngx_mtls_policy_has(ngx_uint_t *list, ngx_uint_t n,
    ngx_uint_t index);


#endif /* _NGX_MTLS_POLICY_H_INCLUDED_ */
