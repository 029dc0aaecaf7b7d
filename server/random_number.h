/* Numbers that nobody can guess, and that look like it. */
#ifndef SERVER_RANDOM_NUMBER_H
#define SERVER_RANDOM_NUMBER_H

#include <stdint.h>

/* From the kernel. */
uint64_t random_number(void);

/* Each number another one, and those of neighbours look nothing alike: the finalizer of SplitMix64
 * (Steele, Lea, Flood 2014). */
static inline uint64_t random_scatter(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

#endif
