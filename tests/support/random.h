/* Random numbers that are the same on every machine and every run: a failing case can be repeated
 * from the seed that its message names. (xorshift64*, Vigna 2016.) */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

static inline uint64_t random_bits(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545F4914F6CDD1Du;
}

/* low..high, both included. */
static inline size_t random_size(struct random *random, size_t low, size_t high)
{
    return low + (size_t)(random_bits(random) % (high - low + 1));
}

/* -scale..scale */
static inline float random_float(struct random *random, float scale)
{
    return (float)((double)(random_bits(random) >> 11) / 4503599627370496.0 - 1.0) * scale;
}

static inline void random_floats(struct random *random, float *out, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        out[i] = random_float(random, scale);
}

#endif
