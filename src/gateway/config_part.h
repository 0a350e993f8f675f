/* config_part.h - what the files of the configuration share, and nobody else.
 *
 * What is found wrong after a file has been read is told with the line of the key that the message
 * begins with, in quotes: "penstock.yaml:7: log: 'level' is ...".
 *
 * Threads: one, while a snapshot is built.
 */
#pragma once

#include "gateway/config.h"
#include "gateway/fields.h"

extern const struct fields config_provider_fields, config_model_fields, config_retrieval_fields,
    config_embedder_fields, config_collection_fields;

/* Fills and checks what the tables above hold; models are there already. */
bool config_retrieval_build(struct config *c, const struct yaml *root, const char *file,
                            struct err *e);
/* A model that stands in no list, with the settings that one has when none are given. */
bool config_model_make(struct config *c, struct config_model *m, struct str name,
                       struct str provider, struct str upstream, struct err *e);
/* config_found.c: servers that were found, behind those that are configured. */
bool config_found_add(struct config *c, const struct config_found *found, size_t n, struct err *e);

/* Names the place in front of the message; false. Of a list's i-th entry: */
bool config_entry_failed(const struct yaml *root, const char *file, const char *list, size_t i,
                         const char *what, struct str name, struct err *e);
/* Of a map of the file's, NULL = the file itself: */
bool config_section_failed(const struct yaml *root, const char *file, const char *section,
                           struct err *e);
/* The same with the message. */
bool config_wrong(const struct yaml *root, const char *file, const char *section, struct err *e,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The i-th name that would be good, "" behind the last. */
typedef struct str config_name(const void *ctx, size_t i);
/* "; did you mean 'x'?" for a name that is close to a good one, else "". */
struct str config_nearest(const struct config *c, struct str name, config_name *at,
                          const void *ctx);
