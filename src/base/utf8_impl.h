/* utf8_impl.h - the twins behind utf8_valid, for base/utf8.c and for tests that compare them. */
#pragma once

#include "base/utf8.h"

bool utf8_valid_plain(struct str s);
bool utf8_valid_avx2(struct str s); /* only on a machine that has AVX2 */
