/* config_part.h - what config.c and config_retrieval.c share, and nobody else.
 *
 * Threads: one, while a snapshot is built.
 */
#pragma once

#include "gateway/config.h"
#include "gateway/fields.h"

extern const struct fields config_retrieval_fields, config_embedder_fields,
    config_collection_fields;

/* Fills and checks what the tables above hold; models are there already. */
bool config_retrieval_build(struct config *c, const struct yaml *root, const char *file,
                            struct err *e);
/* A model that stands in no list, with the settings that one has when none are given. */
bool config_model_make(struct config *c, struct config_model *m, struct str name,
                       struct str provider, struct str upstream, struct err *e);
/* Names the place of a list's i-th entry in front of the message; false. */
bool config_entry_failed(const struct yaml *root, const char *file, const char *list, size_t i,
                         const char *what, struct str name, struct err *e);
