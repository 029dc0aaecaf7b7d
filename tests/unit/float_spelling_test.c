#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proto/float_spelling.h"
#include "proto/float_text.h"
#include "tests/support/float_bits.h"
#include "tests/support/random.h"
#include "tests/support/same_spelling.h"

enum { INFINITE = 255 /* field of exponents: no numbers */ };

/* What is written behind the last number's block is seen. */
static void compare(const float *values, size_t count)
{
    struct float_spellings scalar, avx2, untouched;
    memset(&untouched, 0x5a, sizeof untouched);
    avx2 = untouched;
    float_spell_scalar(values, count, &scalar);
    float_spell_avx2(values, count, &avx2);
    for (size_t i = 0; i < count; i++)
        if (!same_spelling(&scalar, &avx2, i))
            fail_msg("%a is spelt in two ways", (double)values[i]);
    const size_t blocks = (count + FLOAT_SPELLINGS_BLOCK - 1) / FLOAT_SPELLINGS_BLOCK;
    const size_t end = blocks * FLOAT_SPELLINGS_BLOCK, left = FLOAT_SPELLINGS_MAX - end;
    assert_memory_equal(avx2.tails + end, untouched.tails + end, left * sizeof *avx2.tails);
    assert_memory_equal(avx2.firsts + end, untouched.firsts + end, left * sizeof *avx2.firsts);
    assert_memory_equal(avx2.points + end, untouched.points + end, left * sizeof *avx2.points);
}

/* Of every exponent: the ends, what is next to them, halves, and thousands at random. */
static void both_ways_spell_the_same(void **state)
{
    static const uint32_t fractions[] = {0,        1,        2,        3,       0x3fffff,
                                         0x400000, 0x400001, 0x7ffffe, 0x7fffff};
    enum { NAMED = sizeof fractions / sizeof *fractions, ROUNDS = 100 };
    float values[FLOAT_SPELLINGS_MAX];
    struct random random = {1};
    (void)state;
    if (!float_spell_avx2_supported())
        skip();
    for (uint32_t field = 0; field < INFINITE; field++)
        for (size_t round = 0; round < ROUNDS; round++) {
            for (size_t i = 0; i < FLOAT_SPELLINGS_MAX; i++) {
                const uint32_t drawn = (uint32_t)random_bits(&random);
                const uint32_t fraction = i < NAMED ? fractions[i] : drawn & 0x7fffff;
                values[i] = float_of((drawn & 0x80000000) | field << 23 | fraction);
            }
            if (field == 0)
                values[0] = 1; /* 0 has no digits */
            compare(values, FLOAT_SPELLINGS_MAX);
        }
}

static void any_count_is_taken(void **state)
{
    float values[FLOAT_SPELLINGS_MAX];
    (void)state;
    if (!float_spell_avx2_supported())
        skip();
    for (size_t i = 0; i < FLOAT_SPELLINGS_MAX; i++)
        values[i] = 0.1f * (float)(i + 1);
    for (size_t count = 0; count <= FLOAT_SPELLINGS_MAX; count++)
        compare(values, count);
}

/* Nothing of a table is read that is not there, nothing goes on for ever, and the neighbours come
 * out right. */
static void what_has_no_digits_does_no_harm(void **state)
{
    static const uint32_t bits[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0xffffffff, 0x7f7fffff, 1};
    enum { COUNT = sizeof bits / sizeof *bits };
    static const char text[] = "0.0,-0.0,Infinity,-Infinity,NaN,NaN,3.4028235e38,1e-45,";
    float values[COUNT];
    struct float_spellings spelt;
    char out[COUNT * (FLOAT_TEXT_MAX + 1)];
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        values[i] = float_of(bits[i]);
    float_spell_scalar(values, COUNT, &spelt);
    assert_int_equal(float_print_list(out, values, COUNT), strlen(text));
    assert_memory_equal(out, text, strlen(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_spell_the_same),
        cmocka_unit_test(any_count_is_taken),
        cmocka_unit_test(what_has_no_digits_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
