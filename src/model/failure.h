/* failure.h - failed attempts counted by provider and kind, and refused credentials once more, to
 * be alerted on: nobody but the operator can mend those.
 *
 *     penstock_provider_errors_total{provider,kind}         kind: a name of base/err.h
 *     penstock_provider_auth_failures_total{provider}
 *
 * The usual ones are there from 0 on, so that a rate sees the first.
 *
 * Threads: any.
 */
#pragma once

#include "base/err.h"

void failure_init(struct str provider); /* for each provider that is configured */
/* A client that left is no failure of a provider: ERR_CANCELLED counts nothing. */
void failure_count(struct str provider, enum err_code code);
