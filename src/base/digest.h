/* digest.h - SHA-256 for content and for keys at rest, comparing secrets, hexadecimal.
 *
 * Threads: any; a digest_key may be used by many at once, a digest_stream by one.
 * Source: FIPS 180-4, RFC 2104; the compression function is OpenSSL's.
 */
#pragma once

#include "base/str.h"

enum { SHA256_SIZE = 32 };
void digest_sha256(struct str s, uint8_t out[SHA256_SIZE]);
/* Keyed: HMAC-SHA-256. */
void digest_hmac(struct str key, struct str s, uint8_t out[SHA256_SIZE]);

/* A key that has been prepared: what RFC 2104 does with the key is done once, which halves the cost
 * of a short message. It is as secret as the key. */
struct digest_key {
    uint32_t inner[8], outer[8];
};
void digest_key_init(struct digest_key *k, struct str key);
void digest_keyed(const struct digest_key *k, struct str s, uint8_t out[SHA256_SIZE]);

struct digest_stream; /* SHA-256 of what comes in pieces */
struct digest_stream *digest_stream_new(void);
void digest_stream_add(struct digest_stream *h, struct str piece);
void digest_stream_end(struct digest_stream *h, uint8_t out[SHA256_SIZE]); /* frees h */

/* Compares without telling by its time where the first difference is. */
bool digest_equal(const void *a, const void *b, size_t n);

void digest_to_hex(char *out, const void *bytes, size_t n); /* 2n lower-case characters, a NUL */
bool digest_from_hex(void *out, struct str hex, size_t n);  /* exactly n bytes, either case */
