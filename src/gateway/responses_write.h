/* responses_write.h - writes an answer as OpenAI's Responses have it: an object, and while it is
 * streamed the events that lead to it.
 *
 *     response.created, response.in_progress
 *       response.output_item.added                 for each item, one after the other
 *         a search: .in_progress, .searching, .completed
 *         a message: content_part.added, output_text.delta ... (annotations), .done, part.done
 *         a call: function_call_arguments.delta ..., .done
 *         reasoning: reasoning_summary_part.added, _text.delta ..., .done, part.done
 *       response.output_item.done
 *     response.completed, .incomplete or .failed
 *
 * Numbered without a gap. They begin with the model's first word, so that what fails before is an
 * ordinary error. `response.failed` has the error a second time, as `error` at its top: that is
 * where OpenAI's clients look to raise.
 *
 * Ids of items are made of the response's, so that an item is found again by its own.
 *
 * Memory:  lives in the request's arena; the answer's texts are kept until its end.
 * Threads: the fiber of the request.
 */
#pragma once

#include "gateway/request.h"
#include "gateway/responses_read.h"

struct responses_writer;

/* The last sink of the chain. *q stays until the end. */
struct chat_sink *responses_writer(struct request *r, const struct responses *q);
/* The id of the response; what stands behind "resp_" is in the ids of its items too. */
struct str responses_writer_id(struct chat_sink *sink);
/* The answer is whole: the response as JSON, in the request's arena, closed for the events too. */
bool responses_writer_finish(struct chat_sink *sink, struct str *answer, struct err *e);
/* Sends it: as it is, or as the last event. */
bool responses_writer_send(struct chat_sink *sink, struct str answer, struct err *e);
/* It broke off behind its head. */
void responses_writer_fail(struct chat_sink *sink, const struct err *why);

/* The id of the response that an item's id was made of, in `a`; "" when it is not one of ours. */
struct str responses_of_item(struct str item, struct arena *a);
