/* discover.h - finds the model servers that run on this machine.
 *
 * Each vendor's usual port (model/vendor.c), or each address of `discover`, is asked for its list
 * of models, all at once. Who answers with one is a provider. Ports are shared by several vendors,
 * so the answer tells who it is: `owned_by` of its models, or the Server header; else it is the
 * vendor of the port, and on a port that was configured any server of the protocol.
 *
 * Cost:    a connection that is refused for each port where nobody is; at most DISCOVER_MS.
 * Threads: a fiber of the loop whose client is given.
 */
#pragma once

#include "gateway/config.h"

enum { DISCOVER_MS = 300, DISCOVER_EVERY_MS = 30000, DISCOVER_MOST = 32, DISCOVER_MODELS = 200 };

/* Fills found[DISCOVER_MOST], in `a`, in the order of the ports; returns how many. Ports on which
 * we listen ourselves are left out. */
size_t discover(const struct config *c, struct http_client *http, const uint16_t *own, size_t n_own,
                struct arena *a, struct config_found *found);
bool discover_same(const struct config_found *a, size_t n_a, const struct config_found *b,
                   size_t n_b);
