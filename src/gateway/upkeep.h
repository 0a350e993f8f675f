/* upkeep.h - what has to be done now and then: what has expired is taken away.
 *
 * Files and vector stores whose time has come are not found any more from that second on; their
 * texts, index entries and bytes go with the next round, at start and then once a minute.
 *
 * Threads: a loop's; a fiber of its own does the work.
 */
#pragma once

#include "gateway/service.h"

struct fiber *upkeep_start(struct service *s);
void upkeep_stop(struct fiber *f); /* accepts NULL */
