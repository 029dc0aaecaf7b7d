#include "tests/bench/bench_numbers.h"

/* The output function of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014), over a counter. */
static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void bench_numbers_fill(float *values, size_t count, uint32_t stream, float scale)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t bits = mix((uint64_t)stream << 32 | i) >> 40;
        values[i] = ((float)bits / 8388608.0f - 1.0f) * scale;
    }
}
