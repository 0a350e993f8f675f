/* flight.h - identical requests in flight share one upstream call.
 *
 * The first request of a kind leads: its call goes to the provider, and the events of the answer
 * are kept beside. Requests of the same tenant with the same body that come meanwhile follow: they
 * get the same events, from the first on, each through the codec of its own. When the leader's
 * client leaves while others follow, the call goes on for them. A follower of a leader that was
 * cancelled asks for itself, unless it has said something already.
 *
 * Only where a model says so (`coalesce`), as clients may want different answers to equal requests;
 * and only answers that are not grounded. A follower's ledger row has no tokens and no cost: the
 * leader's has them.
 *
 * Memory:  a flight keeps up to 1 MB of its answer for those who join late; longer answers can be
 *          joined no more, and only those who follow already make it keep more.
 * Threads: the fiber of the request; flights are shared by all loops under a lock.
 */
#pragma once

#include "gateway/request.h"

/* In place of dispatch, for a request that may share. */
bool flight_answer(struct request *r, struct err *e);
