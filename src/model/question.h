/* question.h - what kind of answer a question wants, and whether a sentence has that kind.
 *
 * Asked words give it away ("how many" wants a number, "who" a name). The rules are few and only
 * ever prefer one sentence to another that shares as many words with the question; a question of no
 * known kind prefers nothing. English and German.
 *
 * Threads: any.
 */
#pragma once

#include "base/str.h"

/* kind, does one sentence hold such an answer (else an explanation may take several) */
#define QUESTION_KINDS(X)                                                                          \
    X(OTHER, false)                                                                                \
    X(NUMBER, true)                                                                                \
    X(TIME, true)                                                                                  \
    X(PERSON, true)                                                                                \
    X(PLACE, true)                                                                                 \
    X(REASON, false)                                                                               \
    X(METHOD, false)                                                                               \
    X(MEANING, false)

#define X(name, fact) QUESTION_##name,
enum question_kind { QUESTION_KINDS(X) };
#undef X

enum question_kind question_kind(struct str question);
bool question_wants_fact(enum question_kind kind);
/* Does the sentence hold something of the kind that is not in the question itself? */
bool question_fits(enum question_kind kind, struct str question, struct str sentence);
/* A word that only asks ("how", "does", "explain", "please"): it need not be in the answer. */
bool question_only_asks(struct str word);
