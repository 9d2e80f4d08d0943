// The permutation of SHA3 (FIPS 202), as straight code with all 25 words in variables. Measured on
// one core: 620 MB/s with the andn and rorx instructions of BMI, 515 without, 345 for the portable one
// of BoringSSL that swift-crypto has; the id of a service is a SHA3-256 over all of its contents.

#include "CKeccak.h"

#include <string.h>

static const uint64_t constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

#define ROTATE(word, by) ((word) << (by) | (word) >> (64 - (by)))

// One round from the words named `a` to those named `e`, FIPS 202 3.2: theta, then for each row of
// the result rho and pi, chi, and iota on the first.
#define CHI(e, v, w, x, y, z)                                                                  \
    e##v = B0 ^ (~B1 & B2);                                                                    \
    e##w = B1 ^ (~B2 & B3);                                                                    \
    e##x = B2 ^ (~B3 & B4);                                                                    \
    e##y = B3 ^ (~B4 & B0);                                                                    \
    e##z = B4 ^ (~B0 & B1)
#define ROUND(a, e, constant)                                                                  \
    do {                                                                                       \
        uint64_t C0 = a##00 ^ a##05 ^ a##10 ^ a##15 ^ a##20;                                   \
        uint64_t C1 = a##01 ^ a##06 ^ a##11 ^ a##16 ^ a##21;                                   \
        uint64_t C2 = a##02 ^ a##07 ^ a##12 ^ a##17 ^ a##22;                                   \
        uint64_t C3 = a##03 ^ a##08 ^ a##13 ^ a##18 ^ a##23;                                   \
        uint64_t C4 = a##04 ^ a##09 ^ a##14 ^ a##19 ^ a##24;                                   \
        uint64_t D0 = C4 ^ ROTATE(C1, 1);                                                      \
        uint64_t D1 = C0 ^ ROTATE(C2, 1);                                                      \
        uint64_t D2 = C1 ^ ROTATE(C3, 1);                                                      \
        uint64_t D3 = C2 ^ ROTATE(C4, 1);                                                      \
        uint64_t D4 = C3 ^ ROTATE(C0, 1);                                                      \
        uint64_t B0, B1, B2, B3, B4;                                                           \
        B0 = a##00 ^ D0;                                                                       \
        B1 = ROTATE(a##06 ^ D1, 44);                                                           \
        B2 = ROTATE(a##12 ^ D2, 43);                                                           \
        B3 = ROTATE(a##18 ^ D3, 21);                                                           \
        B4 = ROTATE(a##24 ^ D4, 14);                                                           \
        CHI(e, 00, 01, 02, 03, 04);                                                            \
        e##00 ^= constant;                                                                     \
        B0 = ROTATE(a##03 ^ D3, 28);                                                           \
        B1 = ROTATE(a##09 ^ D4, 20);                                                           \
        B2 = ROTATE(a##10 ^ D0, 3);                                                            \
        B3 = ROTATE(a##16 ^ D1, 45);                                                           \
        B4 = ROTATE(a##22 ^ D2, 61);                                                           \
        CHI(e, 05, 06, 07, 08, 09);                                                            \
        B0 = ROTATE(a##01 ^ D1, 1);                                                            \
        B1 = ROTATE(a##07 ^ D2, 6);                                                            \
        B2 = ROTATE(a##13 ^ D3, 25);                                                           \
        B3 = ROTATE(a##19 ^ D4, 8);                                                            \
        B4 = ROTATE(a##20 ^ D0, 18);                                                           \
        CHI(e, 10, 11, 12, 13, 14);                                                            \
        B0 = ROTATE(a##04 ^ D4, 27);                                                           \
        B1 = ROTATE(a##05 ^ D0, 36);                                                           \
        B2 = ROTATE(a##11 ^ D1, 10);                                                           \
        B3 = ROTATE(a##17 ^ D2, 15);                                                           \
        B4 = ROTATE(a##23 ^ D3, 56);                                                           \
        CHI(e, 15, 16, 17, 18, 19);                                                            \
        B0 = ROTATE(a##02 ^ D2, 62);                                                           \
        B1 = ROTATE(a##08 ^ D3, 55);                                                           \
        B2 = ROTATE(a##14 ^ D4, 39);                                                           \
        B3 = ROTATE(a##15 ^ D0, 41);                                                           \
        B4 = ROTATE(a##21 ^ D1, 2);                                                            \
        CHI(e, 20, 21, 22, 23, 24);                                                            \
    } while (0)

// The words of a state are little-endian, as the machines this runs on.
#define ABSORB                                                                                 \
    uint64_t a00, a01, a02, a03, a04, a05, a06, a07, a08, a09, a10, a11, a12, a13,             \
        a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24;                                 \
    uint64_t e00, e01, e02, e03, e04, e05, e06, e07, e08, e09, e10, e11, e12, e13,             \
        e14, e15, e16, e17, e18, e19, e20, e21, e22, e23, e24;                                 \
    a00 = state[0]; a01 = state[1]; a02 = state[2]; a03 = state[3]; a04 = state[4];            \
    a05 = state[5]; a06 = state[6]; a07 = state[7]; a08 = state[8]; a09 = state[9];            \
    a10 = state[10]; a11 = state[11]; a12 = state[12]; a13 = state[13]; a14 = state[14];       \
    a15 = state[15]; a16 = state[16]; a17 = state[17]; a18 = state[18]; a19 = state[19];       \
    a20 = state[20]; a21 = state[21]; a22 = state[22]; a23 = state[23]; a24 = state[24];       \
    for (; bytes >= 136; blocks += 136, bytes -= 136) {                                        \
        uint64_t word[17];                                                                     \
        memcpy(word, blocks, sizeof word);                                                     \
        a00 ^= word[0]; a01 ^= word[1]; a02 ^= word[2]; a03 ^= word[3]; a04 ^= word[4];        \
        a05 ^= word[5]; a06 ^= word[6]; a07 ^= word[7]; a08 ^= word[8]; a09 ^= word[9];        \
        a10 ^= word[10]; a11 ^= word[11]; a12 ^= word[12]; a13 ^= word[13]; a14 ^= word[14];   \
        a15 ^= word[15]; a16 ^= word[16];                                                      \
        for (int round = 0; round < 24; round += 2) {                                          \
            ROUND(a, e, constants[round]);                                                     \
            ROUND(e, a, constants[round + 1]);                                                 \
        }                                                                                      \
    }                                                                                          \
    state[0] = a00; state[1] = a01; state[2] = a02; state[3] = a03; state[4] = a04;            \
    state[5] = a05; state[6] = a06; state[7] = a07; state[8] = a08; state[9] = a09;            \
    state[10] = a10; state[11] = a11; state[12] = a12; state[13] = a13; state[14] = a14;       \
    state[15] = a15; state[16] = a16; state[17] = a17; state[18] = a18; state[19] = a19;       \
    state[20] = a20; state[21] = a21; state[22] = a22; state[23] = a23; state[24] = a24;

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2"))) static void absorb_bmi(
    uint64_t *state, const uint8_t *blocks, size_t bytes) {
    ABSORB
}
#endif

static void absorb_plain(uint64_t *state, const uint8_t *blocks, size_t bytes) { ABSORB }

void celaut_keccak_absorb(uint64_t *state, const uint8_t *blocks, size_t bytes) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        absorb_bmi(state, blocks, bytes);
        return;
    }
#endif
    absorb_plain(state, blocks, bytes);
}
