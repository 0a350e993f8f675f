/* upkeep.h - what has to be done now and then: what has expired is taken away.
 *
 * Files and vector stores whose time has come are not found any more from that second on; their
 * texts, index entries and bytes go with the next round, at start and then once a minute. So do
 * responses that were kept for as long as the configuration says. The first round also takes away
 * bytes that no file names: what an upload or a deletion leaves that is killed half-way.
 *
 * Threads: a loop's; a fiber of its own does the work.
 */
#pragma once

#include "gateway/service.h"

struct fiber *upkeep_start(struct service_loop *l);
void upkeep_stop(struct fiber *f); /* accepts NULL */
