/* Every positive float32 spelt by both ways of proto/float_spelling.h: the same digits and points.
 * `make exhaustive`; a minute. Prints TAP. */
#include <inttypes.h>
#include <stdio.h>

#include "proto/float_spelling.h"
#include "tests/support/die.h"
#include "tests/support/float_bits.h"
#include "tests/support/same_spelling.h"

#define FIRST 1u          /* 0 has no digits */
#define END   0x7f800000u /* nor have infinity and what is no number */

static void compare(uint32_t begin, size_t count)
{
    float values[FLOAT_SPELLINGS_MAX];
    struct float_spellings scalar, avx2;
    for (size_t i = 0; i < count; i++)
        values[i] = float_of(begin + (uint32_t)i);
    float_spell_scalar(values, count, &scalar);
    float_spell_avx2(values, count, &avx2);
    for (size_t i = 0; i < count; i++)
        if (!same_spelling(&scalar, &avx2, i))
            die("not ok 1 - %a", (double)values[i]);
}

int main(void)
{
    if (!float_spell_avx2_supported())
        die("this processor has no AVX2");
    puts("1..1");
    for (uint32_t begin = FIRST; begin < END;) {
        const uint32_t left = END - begin,
                       count = left < FLOAT_SPELLINGS_MAX ? left : FLOAT_SPELLINGS_MAX;
        compare(begin, count);
        begin += count;
    }
    printf("ok 1 - %" PRIu32 " numbers spelt the same both ways\n", END - FIRST);
    return 0;
}
