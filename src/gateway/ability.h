/* ability.h - what all models behind a name are known to be able to, as the table of vendors has
 * it.
 *
 * A vendor's name says so only at the vendor's own address: at another one anything may answer.
 * Engines inside have no part in it: they are asked last, and take what others cannot.
 *
 * Threads: any.
 */
#pragma once

#include "model/dispatch.h"

/* Is there a model outside at all? */
bool ability_remote(const struct model *m);
/* Have all of them this trait (enum vendor_trait)? */
bool ability_known(const struct model *m, enum vendor_trait trait);
