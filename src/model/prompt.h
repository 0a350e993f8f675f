/* prompt.h - what a model is shown of a grounded request.
 *
 * Rules come first, as the system message, with what the application's own system messages say
 * behind them; then the conversation as it was received; then one user message with the passages
 * and the question. Retrieved text is data: it never gets into a system or developer message, it
 * stands between marks, and marks or citations that a passage itself contains are defused, so that
 * no document can end its own passage, give orders from outside of it or lend its words another
 * document's name.
 *
 * Threads: any.
 */
#pragma once

#include "model/call.h"

/* A document's name as it stands in marks and citations: without the characters that end them
 * ("<>[] and line breaks). Every passage's name is made by this. */
struct str prompt_source_name(struct str name, struct arena *a);

/* The text of a passage, in `a`, without what could be taken for the end of a passage, the
 * beginning of another, or a citation: the bracket of such a thing becomes a round one. Same
 * length. */
struct str prompt_defuse(struct str text, struct arena *a);

/* What every protocol's body is made of. The rules, for the system message: */
struct str prompt_rules(const struct chat_request *r, struct arena *a);
/* Rules and what the application's own system messages say, as one text: some models' templates
 * take only one system message, and only in front. */
struct str prompt_system(const struct chat_request *r, struct arena *a);
/* Is it one of those whose texts go behind the rules? */
bool prompt_is_system(const struct chat_message *m);
/* Index of the message with the question: the user's last one with words, else the last at all;
 * n_messages when there is none. In some protocols what tools return is a message of the user's. */
size_t prompt_question(const struct chat_request *r);
/* What stands in front of the question, in the same message, in `a`: the passages, best at both
 * ends. "" when the model is to look for them itself. */
struct str prompt_passages(const struct chat_request *r, struct arena *a);
/* What a search returns that the model called, in `a`: passages in the same marks, best first. */
struct str prompt_found(const struct passage *passage, size_t n, struct arena *a);

/* The messages as the JSON array of OpenAI's protocol, in `a`. The request is grounded. */
struct str prompt_messages(const struct call *c, struct arena *a);
