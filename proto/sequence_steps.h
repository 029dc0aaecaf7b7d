/* How many steps a sequence has done: counted up to 2^53 - 1, which is the largest number that
 * readers of JSON commonly keep exactly, and not beyond it. No sequence is ever computed as far;
 * one that was imported may say so. So that what is exported can always be imported, the count
 * stays there rather than leave the numbers that an import may say. */
#ifndef PROTO_SEQUENCE_STEPS_H
#define PROTO_SEQUENCE_STEPS_H

#include <stdint.h>

#define SEQUENCE_STEPS_MAX ((UINT64_C(1) << 53) - 1)

static inline uint64_t sequence_steps_add(uint64_t steps, uint64_t more)
{
    return steps < SEQUENCE_STEPS_MAX && more < SEQUENCE_STEPS_MAX - steps ? steps + more
                                                                           : SEQUENCE_STEPS_MAX;
}

#endif
