#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/float_decimal.h"
#include "proto/float_text.h"
#include "tests/support/float_bits.h"
#include "tests/support/random.h"

enum {
    COUNT = 4096,
    ROOM = COUNT + 2 * FLOAT_DECIMAL_BLOCK,
    CANARY = 0x5a5a5a5a,
    INFINITE = 255, /* field of exponents: no numbers */
};

struct found {
    uint32_t digits[ROOM];
    int32_t exponents[ROOM];
};

static void fill(struct found *found)
{
    for (size_t i = 0; i < ROOM; i++) {
        found->digits[i] = CANARY;
        found->exponents[i] = CANARY;
    }
}

static void compare(const float *values, size_t count)
{
    static struct found scalar, avx2;
    fill(&avx2);
    float_decimals_scalar(values, count, scalar.digits, scalar.exponents);
    float_decimals_avx2(values, count, avx2.digits, avx2.exponents);
    for (size_t i = 0; i < count; i++)
        if (scalar.digits[i] != avx2.digits[i] || scalar.exponents[i] != avx2.exponents[i])
            fail_msg("%a: %ue%d and %ue%d", (double)values[i], scalar.digits[i],
                     scalar.exponents[i], avx2.digits[i], avx2.exponents[i]);
    const size_t most = (count + FLOAT_DECIMAL_BLOCK - 1) / FLOAT_DECIMAL_BLOCK;
    for (size_t i = most * FLOAT_DECIMAL_BLOCK; i < ROOM; i++)
        assert_true(avx2.digits[i] == CANARY && avx2.exponents[i] == CANARY);
}

/* Of every exponent: the ends, what is next to them, halves, and thousands at random. */
static void both_ways_find_the_same(void **state)
{
    static const uint32_t fractions[] = {0,        1,        2,        3,       0x3fffff,
                                         0x400000, 0x400001, 0x7ffffe, 0x7fffff};
    const size_t named = sizeof fractions / sizeof *fractions;
    static float values[COUNT];
    struct random random = {1};
    (void)state;
    if (!float_decimals_avx2_supported())
        skip();
    for (uint32_t field = 0; field < INFINITE; field++) {
        for (size_t i = 0; i < COUNT; i++) {
            const uint32_t drawn = (uint32_t)random_bits(&random);
            const uint32_t fraction = i < named ? fractions[i] : drawn & 0x7fffff;
            values[i] = float_of((drawn & 0x80000000) | field << 23 | fraction);
        }
        if (field == 0)
            values[0] = 1; /* 0 has no decimal */
        compare(values, COUNT);
    }
}

static void any_count_is_taken(void **state)
{
    static float values[3 * FLOAT_DECIMAL_BLOCK];
    (void)state;
    if (!float_decimals_avx2_supported())
        skip();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = 0.1f * (float)(i + 1);
    for (size_t count = 0; count <= sizeof values / sizeof *values; count++)
        compare(values, count);
}

/* Nothing of a table is read that is not there, and its neighbours come out right. */
static void what_has_no_decimal_does_no_harm(void **state)
{
    static const uint32_t bits[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0xffffffff, 0x7f7fffff, 1};
    static const char text[] = "0.0,-0.0,Infinity,-Infinity,NaN,NaN,3.4028235e38,1e-45,";
    float values[FLOAT_DECIMAL_BLOCK];
    char out[FLOAT_DECIMAL_BLOCK * (FLOAT_TEXT_MAX + 1)];
    (void)state;
    for (size_t i = 0; i < FLOAT_DECIMAL_BLOCK; i++)
        values[i] = float_of(bits[i]);
    assert_int_equal(float_print_list(out, values, FLOAT_DECIMAL_BLOCK), strlen(text));
    assert_memory_equal(out, text, strlen(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_find_the_same),
        cmocka_unit_test(any_count_is_taken),
        cmocka_unit_test(what_has_no_decimal_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
