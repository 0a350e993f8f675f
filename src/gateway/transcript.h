/* transcript.h - what was asked and answered, for a trace that is to hold it.
 *
 * Only texts: of an answer that passes through in the client's dialect they are looked up where
 * OpenAI's and Anthropic's protocols have them.
 *
 * Threads: the fiber of the request.
 */
#pragma once

#include "model/call.h"

/* The trace is recorded: notes what the request asks for, and its messages when content is wanted.
 */
void transcript_question(struct call *c);
/* A sink in front of `next` that notes what passes. The trace is one with content. */
struct chat_sink *transcript_answer(struct call *c, struct chat_sink *next);
