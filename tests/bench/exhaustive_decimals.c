/* The shortest decimal of every positive float32 by both ways of proto/float_decimal.h: the same
 * digits and exponents. `make exhaustive`; a minute. Prints TAP. */
#include <inttypes.h>
#include <stdio.h>

#include "proto/float_decimal.h"
#include "tests/support/die.h"
#include "tests/support/float_bits.h"

enum { BLOCK = 4096 };
#define FIRST 1u          /* 0 has no decimal */
#define END   0x7f800000u /* nor have infinity and what is no number */

struct block {
    float values[BLOCK];
    uint32_t digits[BLOCK], other_digits[BLOCK];
    int32_t exponents[BLOCK], other_exponents[BLOCK];
};

static void compare(struct block *block, uint32_t begin, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block->values[i] = float_of(begin + (uint32_t)i);
    float_decimals_scalar(block->values, count, block->digits, block->exponents);
    float_decimals_avx2(block->values, count, block->other_digits, block->other_exponents);
    for (size_t i = 0; i < count; i++)
        if (block->digits[i] != block->other_digits[i] ||
            block->exponents[i] != block->other_exponents[i])
            die("not ok 1 - %a: %" PRIu32 "e%" PRId32 " and %" PRIu32 "e%" PRId32,
                (double)block->values[i], block->digits[i], block->exponents[i],
                block->other_digits[i], block->other_exponents[i]);
}

int main(void)
{
    static struct block block;
    if (!float_decimals_avx2_supported())
        die("this processor has no AVX2");
    puts("1..1");
    for (uint32_t begin = FIRST; begin < END;) {
        const uint32_t left = END - begin, count = left < BLOCK ? left : BLOCK;
        compare(&block, begin, count);
        begin += count;
    }
    printf("ok 1 - %" PRIu32 " decimals found both ways\n", END - FIRST);
    return 0;
}
