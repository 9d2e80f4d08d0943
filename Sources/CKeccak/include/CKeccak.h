#ifndef CELAUT_KECCAK_H
#define CELAUT_KECCAK_H

#include <stddef.h>
#include <stdint.h>

// Takes whole blocks of 136 bytes (the rate of SHA3-256) into a state of 25 words: FIPS 202, 3.3 and 4.
// `bytes` is a multiple of 136.
void celaut_keccak_absorb(uint64_t *state, const uint8_t *blocks, size_t bytes);

// Takes one block of 128 bytes into a state of 8 words: the compression of BLAKE2b, RFC 7693, 3.2. `count`
// is of the bytes so far, with those of this block that are not padding.
void celaut_blake2b_compress(uint64_t *state, const uint8_t *block, uint64_t count, int isLast);

#endif
