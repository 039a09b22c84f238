
/*
 * Copyright (C) the ngx_mtls_module authors
 *
 * The table: one compiled, mapped, exact-match file.
 */


#ifndef _NGX_MTLS_TABLE_H_INCLUDED_
#define _NGX_MTLS_TABLE_H_INCLUDED_


#include <ngx_mtls.h>


#define NGX_MTLS_TABLE_MAGIC       "MTLSTBL"  /* with its NUL: 8 octets */
#define NGX_MTLS_TABLE_VERSION     2
#define NGX_MTLS_RUN_ID_LEN        16
#define NGX_MTLS_SERIAL_MAX        24   /* octets; longer ones are refused */
#define NGX_MTLS_NUMBER_MAX        21   /* CRLNumber: 20 octets and a sign */

#define NGX_MTLS_TABLE_CRL         1    /* kinds */
#define NGX_MTLS_TABLE_CA          2

/* flags of a CRL's table */
#define NGX_MTLS_CRL_DELTA         0x0001
#define NGX_MTLS_CRL_INDIRECT      0x0002
#define NGX_MTLS_CRL_ONLY_USER     0x0004
#define NGX_MTLS_CRL_ONLY_CA       0x0008
#define NGX_MTLS_CRL_ONLY_ATTR     0x0010
#define NGX_MTLS_CRL_V1            0x0020
#define NGX_MTLS_CRL_NO_NEXT       0x0040
#define NGX_MTLS_CRL_HAS_FRESHEST  0x0080
#define NGX_MTLS_CRL_HAS_NUMBER    0x0100
#define NGX_MTLS_CRL_HAS_IDP       0x0200


/*
 * The head of a table file, in the host's byte order: tables never leave the
 * run that made them.  Offsets and sizes are octets.  After it come, in a CRL's
 * table, the arrays of hashes (anchors, IDP names, entry issuers), the bucket
 * index (nbuckets + 1 numbers of 32 bits), the tags (8 bits of each record's
 * hash) and the records; both are grouped by bucket.  In that of a CA file, at
 * "records", comes a list of ngx_mtls_ca_list.h: "issuer" is the SHA-256 of its
 * records then, and of the other facts only "ntrusted" is used.
 */
typedef struct {
    u_char                         magic[8];
    uint32_t                       version;
    uint32_t                       kind;
    u_char                         run_id[NGX_MTLS_RUN_ID_LEN];
    u_char                         source_key[NGX_MTLS_HASH_LEN];
    u_char                         source_hash[NGX_MTLS_HASH_LEN]; /* of DER,
                                                          or of the list */
    u_char                         trust[NGX_MTLS_HASH_LEN]; /* digest of what
                                                  a CRL was verified with */
    u_char                         hash_key[16];     /* of the buckets */

    uint64_t                       size;             /* of the whole file */
    uint64_t                       nrecords;
    uint64_t                       hashes;           /* offset */
    uint64_t                       index;            /* offset */
    uint64_t                       tags;             /* offset */
    uint64_t                       records;          /* offset */
    uint32_t                       nbuckets;         /* a power of two */
    uint32_t                       record_size;      /* 16, 24, 28, 32 */

    int64_t                        this_update;
    int64_t                        next_update;      /* if not CRL_NO_NEXT */

    uint32_t                       flags;            /* NGX_MTLS_CRL_* */
    uint32_t                       reasons;          /* as in ngx_mtls_dp_t */
    uint32_t                       nanchors;
    uint32_t                       nnames;           /* of the IDP */
    uint32_t                       nissuers;         /* entry issuers, ≥ 1 */
    uint32_t                       ntrusted;         /* of a CA file */
    u_char                         number_len;       /* CRLNumber */
    u_char                         base_len;         /* BaseCRLNumber */
    u_char                         number[NGX_MTLS_NUMBER_MAX];
    u_char                         base[NGX_MTLS_NUMBER_MAX];

    u_char                         issuer[NGX_MTLS_HASH_LEN]; /* crl.issuer */
    u_char                         signer_spki[NGX_MTLS_HASH_LEN];
    u_char                         signer[NGX_MTLS_HASH_LEN];

    /* of the signer's certificate: its issuer's key and name, its number */
    u_char                         signer_from[NGX_MTLS_HASH_LEN];
    u_char                         signer_issuer[NGX_MTLS_HASH_LEN];
    u_char                         signer_serial[NGX_MTLS_SERIAL_MAX];
    u_char                         signer_serial_len;  /* 0: longer */

    u_char                         aki[NGX_MTLS_HASH_LEN]; /* of the extension,
                                                              zero: absent */
    u_char                         idp[NGX_MTLS_HASH_LEN];
} ngx_mtls_table_header_t;


/* one entry, as it is added and as it is found */
typedef struct {
    u_char                        *serial;    /* content octets */
    size_t                         len;       /* ≤ NGX_MTLS_SERIAL_MAX */
    uint32_t                       date;      /* revocationDate, clamped */
    u_char                         reason;    /* 0xff: absent */
    uint16_t                       issuer;    /* index; 0 is crl.issuer */
} ngx_mtls_table_record_t;


/* a mapped table, read-only, counted */
typedef struct {
    ngx_uint_t                     refs;
    u_char                        *map;
    size_t                         size;
    ngx_mtls_table_header_t       *header;
    u_char                       (*anchors)[NGX_MTLS_HASH_LEN];
    u_char                       (*names)[NGX_MTLS_HASH_LEN];
    u_char                       (*issuers)[NGX_MTLS_HASH_LEN];
} ngx_mtls_table_t;


/* gives the next record; NGX_OK, NGX_DONE at the end, NGX_ERROR */
typedef ngx_int_t (*ngx_mtls_table_next_pt)(void *data,
    ngx_mtls_table_record_t *record);


/* the record_size for serials of up to this length */
#define ngx_mtls_table_record_size(len)                                      \
    ((len) <= 8 ? 16 : (len) <= 16 ? 24 : (len) <= 20 ? 28 : 32)

/*
 * Writes a whole table to "fd" (an empty regular file).  The caller fills the
 * header but for magic, version, offsets, size, hash_key and nbuckets;
 * "hashes" are the three arrays one after the other.  "next" is called for
 * nrecords records.  For one key the first record stays, but any reason beats
 * removeFromCRL (8); nrecords gets what is left.  "hash" gets the SHA-256 of
 * the header as written.  Takes about record_size + 6 octets of memory for
 * each record meanwhile.  NGX_ERROR: "err" says why (no space, out of memory).
 */
ngx_int_t ngx_mtls_table_write(ngx_fd_t fd, ngx_mtls_table_header_t *header,
    u_char (*hashes)[NGX_MTLS_HASH_LEN], ngx_mtls_table_next_pt next,
    void *data, u_char hash[NGX_MTLS_HASH_LEN], ngx_mtls_error_t *err);

/*
 * Memory that is filled from end to end, in large pages where the system has
 * them; the caller frees it with free().  NULL: there is none.
 */
void *ngx_mtls_table_memory(size_t size);

/*
 * Maps a table.  Opened with O_NOFOLLOW; it must be a regular file of this
 * process's effective user, of the size that its header says, of this run,
 * with the header's SHA-256 as expected and every offset inside.  The body is
 * not read.  NULL: "err" names the file and why.  The caller has a reference.
 */
ngx_mtls_table_t *ngx_mtls_table_open(ngx_str_t *path, const u_char *run_id,
    const u_char hash[NGX_MTLS_HASH_LEN], ngx_mtls_error_t *err);

/* one more reference; to give one back, the last one unmaps */
ngx_mtls_table_t *ngx_mtls_table_ref(ngx_mtls_table_t *table);
void ngx_mtls_table_close(ngx_mtls_table_t *table);

/*
 * Looks (issuer, serial) up, in O(1).  NGX_OK: found, "record" is filled;
 * NGX_DECLINED: not listed; NGX_ERROR: the file is corrupt.
 */
ngx_int_t ngx_mtls_table_lookup(ngx_mtls_table_t *table, ngx_uint_t issuer,
    u_char *serial, size_t len, ngx_mtls_table_record_t *record);


#endif /* _NGX_MTLS_TABLE_H_INCLUDED_ */
