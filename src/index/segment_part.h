/* segment_part.h - the form of an image; for segment.c and segment_build.c alone. */
#pragma once

#include "index/segment.h"

#include <string.h>

struct segment_head {
    uint32_t n_passages, n_words, n_codes, n_documents;
    uint64_t n_postings, n_list, n_text, n_passage_bytes;
    struct bm25_params params;
    float mean_length;
};

enum { SEGMENT_SHARES = 255 }; /* steps in which highest shares are kept */

/* Of a block in a longer list. */
struct block_head {
    uint32_t last;
    uint16_t size; /* bytes */
    uint8_t max;   /* share in SEGMENT_SHARES */
};
enum { BLOCK_HEAD = 7 }; /* bytes, without padding */

static inline struct block_head block_head_at(const uint8_t *p)
{
    struct block_head h;
    memcpy(&h.last, p, 4);
    memcpy(&h.size, p + 4, 2);
    h.max = p[6];
    return h;
}

static inline void block_head_put(uint8_t *p, struct block_head h)
{
    memcpy(p, &h.last, 4);
    memcpy(p + 4, &h.size, 2);
    p[6] = h.max;
}

/* Goes over the table of passages: a document, then each of its passages. */
struct segment_table {
    const uint8_t *p, *end;
    uint64_t number, key; /* that are likely to come next */
    uint32_t lang;
    bool fields; /* the document has words outside of its bodies */
};

struct segment_table segment_table_of(const struct segment *s);
bool segment_table_next(struct segment_table *t,
                        struct segment_document *doc); /* zeroed at first */
void segment_table_passage(struct segment_table *t, int64_t *key, uint32_t length[BM25_FIELDS]);

uint64_t segment_image_size(const struct segment_head *h);
/* `image` is of a head that fits; NULL when the rest does not. */
struct segment *segment_open(const char *image, struct segment_holder *holder,
                             const struct bm25_params *params, bool check);
