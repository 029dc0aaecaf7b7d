#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "proto/half_float.h"
#include "tests/support/float_bits.h"

/* The formats' definition: (-1)^sign * 2^(e - bias) * 1.mantissa, in double arithmetic. */
static double by_definition(uint32_t bits, int exponent_bits, int mantissa_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    const int exponent = (int)(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
    const double sign = bits >> (exponent_bits + mantissa_bits) ? -1.0 : 1.0;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp(mantissa + (1u << mantissa_bits), exponent - bias - mantissa_bits);
}

static void check_all(float (*convert)(uint16_t), int exponent_bits, int mantissa_bits)
{
    const uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        const float value = convert((uint16_t)bits);
        assert_int_equal(signbit(value) != 0, bits >> 15);
        if ((bits & 0x7fff) > infinity)
            assert_true(isnan(value));
        else if ((bits & 0x7fff) == infinity)
            assert_true(isinf(value));
        else
            assert_true((double)value == by_definition(bits, exponent_bits, mantissa_bits));
    }
}

static void every_f16_becomes_its_value(void **state)
{
    (void)state;
    check_all(half_float_from_f16, 5, 10);
}

static void every_bf16_becomes_its_value(void **state)
{
    (void)state;
    check_all(half_float_from_bf16, 8, 7);
}

static void known_values_have_known_bits(void **state)
{
    (void)state;
    assert_int_equal(bits_of(half_float_from_f16(0x3c00)), bits_of(1.0f));
    assert_int_equal(bits_of(half_float_from_f16(0x7bff)), bits_of(65504.0f));
    assert_int_equal(bits_of(half_float_from_f16(0x0001)), bits_of(0x1p-24f));
    assert_int_equal(bits_of(half_float_from_f16(0x03ff)), bits_of(0x3ffp-24f));
    assert_int_equal(bits_of(half_float_from_f16(0x8000)), 0x80000000u);
    assert_int_equal(bits_of(half_float_from_bf16(0x3f80)), bits_of(1.0f));
    assert_int_equal(bits_of(half_float_from_bf16(0xc2f7)), bits_of(-123.5f));
    assert_int_equal(bits_of(half_float_from_bf16(0x0001)), 0x00010000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_becomes_its_value),
        cmocka_unit_test(every_bf16_becomes_its_value),
        cmocka_unit_test(known_values_have_known_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
