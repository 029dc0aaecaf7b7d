/* The shortest decimal that reads back as the same float32, of several the one nearest to it
 * (R. Giulietti, The Schubfach way to render doubles, 2020, for float32), as nine digits.
 *
 * The i-th number, its sign left aside, is 0.d1d2d3...d9 * 10^points[i], d1 > 0. Of what is zero,
 * infinite or no number the digits mean nothing. */
#ifndef PROTO_FLOAT_SPELLING_H
#define PROTO_FLOAT_SPELLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLOAT_DIGITS = 9,          /* that any float32 needs at most */
    FLOAT_SPELLINGS_MAX = 32,  /* at once */
    FLOAT_SPELLINGS_BLOCK = 8, /* so many may be written where fewer are asked for */
};

struct float_spellings {
    uint64_t tails[FLOAT_SPELLINGS_MAX]; /* d2 to d9, 0..9 each, d2 in the lowest byte */
    uint32_t firsts[FLOAT_SPELLINGS_MAX];
    int32_t points[FLOAT_SPELLINGS_MAX];
};

/* count <= FLOAT_SPELLINGS_MAX, by the quicker of the two below that this processor has; both find
 * the same. */
void float_spell(const float *values, size_t count, struct float_spellings *out);

/* One after the other: the definition. */
void float_spell_scalar(const float *values, size_t count, struct float_spellings *out);

/* Eight at a time, where it is supported. */
bool float_spell_avx2_supported(void);
void float_spell_avx2(const float *values, size_t count, struct float_spellings *out);

#endif
