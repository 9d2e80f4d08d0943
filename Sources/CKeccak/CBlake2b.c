// The compression of BLAKE2b (RFC 7693, 3.2). In C because it is hashed over whole services, also by
// builds that are not optimised: the same in Swift took a second for each MB there.

#include "CKeccak.h"

// RFC 7693, 2.6: those of SHA-512.
static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// RFC 7693, 2.7. The last two rounds are the first two again.
static const uint8_t schedule[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3}};

#define ROTATE(word, by) ((word) >> (by) | (word) << (64 - (by)))

#define MIX(a, b, c, d, x, y)                                                                  \
    do {                                                                                       \
        v[a] += v[b] + (x);                                                                    \
        v[d] = ROTATE(v[d] ^ v[a], 32);                                                        \
        v[c] += v[d];                                                                          \
        v[b] = ROTATE(v[b] ^ v[c], 24);                                                        \
        v[a] += v[b] + (y);                                                                    \
        v[d] = ROTATE(v[d] ^ v[a], 16);                                                        \
        v[c] += v[d];                                                                          \
        v[b] = ROTATE(v[b] ^ v[c], 63);                                                        \
    } while (0)

void celaut_blake2b_compress(uint64_t *state, const uint8_t *block, uint64_t count, int isLast)
{
    uint64_t m[16];
    uint64_t v[16];

    for (int index = 0; index < 16; index += 1) {
        m[index] = 0;
        for (int byte = 7; byte >= 0; byte -= 1) m[index] = m[index] << 8 | block[8 * index + byte];
    }
    for (int index = 0; index < 8; index += 1) {
        v[index] = state[index];
        v[index + 8] = initial[index];
    }
    v[12] ^= count;
    if (isLast) v[14] = ~v[14];
    for (int round = 0; round < 12; round += 1) {
        const uint8_t *s = schedule[round];
        MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);
        MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);
        MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);
        MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);
        MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);
        MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);
        MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);
        MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int index = 0; index < 8; index += 1) state[index] ^= v[index] ^ v[index + 8];
}
