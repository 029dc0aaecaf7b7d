#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/float_text.h"
#include "proto/powers_of_ten.h"
#include "tests/support/float_bits.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Parses text as a number in an array, once within more text and once at the end of its memory,
 * with nothing behind it but the byte that the contract asks for. */
static float parse(const char *text)
{
    static char middle[20000];
    const size_t size = strlen(text);
    snprintf(middle, sizeof middle, "%s,12345678,", text);
    char *last = malloc(size + 1);
    assert_non_null(last);
    memcpy(last, text, size);
    last[size] = ']';
    float value = 0, again = 0;
    if (float_parse(middle, middle + strlen(middle) - 1, &value) != middle + size ||
        float_parse(last, last + size, &again) != last + size)
        fail_msg("not a number, or not all of it: %s", text);
    assert_int_equal(bits_of(value), bits_of(again));
    free(last);
    return value;
}

static void expect_bits(const char *text, uint32_t wanted)
{
    const uint32_t got = bits_of(parse(text));
    if (got != wanted)
        fail_msg("%s is read as %.9g (%08x), wanted %.9g (%08x)", text, (double)float_of(got), got,
                 (double)float_of(wanted), wanted);
}

static void expect(const char *text, float wanted)
{
    expect_bits(text, bits_of(wanted));
}

/* xorshift64*: the same numbers in every run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* ---- the table ---- */

/* A number of 256 bits, the lowest first. */
struct big {
    uint32_t limb[8];
};

static struct big big_of(uint64_t value)
{
    return (struct big){{(uint32_t)value, (uint32_t)(value >> 32)}};
}

static void big_multiply(struct big *big, uint32_t factor, int times)
{
    for (int t = 0; t < times; t++) {
        uint64_t carry = 0;
        for (int i = 0; i < 8; i++) {
            carry += (uint64_t)big->limb[i] * factor;
            big->limb[i] = (uint32_t)carry;
            carry >>= 32;
        }
        assert_int_equal(carry, 0);
    }
}

static int big_compare(const struct big *a, const struct big *b)
{
    for (int i = 7; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* Compares fraction * 2^(e - 63) with 10^q, both brought to whole numbers; 10^q is 5^q * 2^q. */
static int compare_with_power(uint64_t fraction, int e, int q)
{
    struct big left = big_of(fraction), right = big_of(1);
    const int twos = e - 63 - q;
    big_multiply(twos >= 0 ? &left : &right, 2, abs(twos));
    big_multiply(q < 0 ? &left : &right, 5, abs(q));
    return big_compare(&left, &right);
}

static void every_power_of_ten_is_rounded_down_to_64_bits(void **state)
{
    (void)state;
    for (int q = POWERS_OF_TEN_MIN; q <= POWERS_OF_TEN_MAX; q++) {
        const uint64_t fraction = power_of_ten(q);
        const int e = floor_log2_of_power(q);
        assert_true(fraction >> 63 == 1);
        const bool exact = q >= 0 && q <= POWERS_OF_TEN_EXACT_MAX;
        assert_int_equal(compare_with_power(fraction, e, q), exact ? 0 : -1);
        if (fraction != UINT64_MAX)
            assert_int_equal(compare_with_power(fraction + 1, e, q), 1);
    }
}

/* ---- values ---- */

static void plain_numbers_are_read(void **state)
{
    (void)state;
    expect("0", 0.0f);
    expect("-0", -0.0f);
    expect("0.0", 0.0f);
    expect("-0.000", -0.0f);
    expect("0e5", 0.0f);
    expect("-0e-5", -0.0f);
    expect("1", 1);
    expect("-1", -1);
    expect("10", 10);
    expect("123456789", 123456792);
    expect("12345678901", 12345678848);
    expect("0.1", 0.1f);
    expect("-0.5", -0.5f);
    expect("3.14159265", 3.14159274f);
    expect("0.3745401203632355", 0.374540120f);
    expect("1e0", 1);
    expect("1E+05", 1e5f);
    expect("2.5e-3", 0.0025f);
    expect("16777216", 16777216);
    expect("16777217", 16777216);
    expect("16777219", 16777220);
    expect("16777217.0", 16777216);
    expect("8388608.5", 8388608);
    expect("8388609.5", 8388610);
    expect("8388609.50000000000000000000000000000000", 8388610);
    expect("8388608.50000000000000000000000000000001", 8388609);
    expect("99999999999999999999", 1e20f);
}

static void ends_of_the_range_are_read(void **state)
{
    (void)state;
    expect("3.4028234663852886e38", FLT_MAX);
    expect("3.4028235677973366e38", FLT_MAX);
    expect("3.4028235677973367e38", INFINITY);
    expect("340282356779733661637539395458142568447", FLT_MAX);
    expect("340282356779733661637539395458142568448", INFINITY);
    expect("-340282356779733661637539395458142568448", -INFINITY);
    expect("1.17549435e-38", FLT_MIN);
    expect("1.1754942e-38", float_of(0x007fffff));
    expect("1.4e-45", float_of(1));
    expect("1e-45", float_of(1));
    expect("7.1e-46", float_of(1));
    expect("7.0e-46", 0);
    expect("-7.0e-46", -0.0f);
    expect("1e-46", 0);
    expect("1e38", 1e38f);
    expect("1e39", INFINITY);
}

static void exponents_of_any_size_are_read(void **state)
{
    (void)state;
    expect("1e400", INFINITY);
    expect("-1e400", -INFINITY);
    expect("1e-400", 0);
    expect("-1e-400", -0.0f);
    expect("1e2147483648", INFINITY);
    expect("1e-2147483648", 0);
    expect("1e18446744073709551617", INFINITY);
    expect("1e-18446744073709551617", 0);
    expect("0e99999999999999999999999999", 0);
    expect("0.00000e99999999999999999999999999", 0);
    expect("1e000000000000000000000000000005", 1e5f);
    expect("1.5e-00000000000000000000000000000000", 1.5f);
}

/* Zeros move the point, and the exponent moves it back. */
static void digits_of_any_number_are_read(void **state)
{
    (void)state;
    static char text[12000];
    static const int counts[] = {1, 7, 8, 15, 16, 17, 18, 19, 20, 21, 50, 399, 400, 5000, 9999};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        const int n = counts[i];
        snprintf(text, sizeof text, "0.%0*d1e%d", n, 0, n + 1);
        expect(text, 1);
        snprintf(text, sizeof text, "-0.%0*d125e%d", n, 0, n + 3);
        expect(text, -125);
        snprintf(text, sizeof text, "1%0*de-%d", n, 0, n);
        expect(text, 1);
        snprintf(text, sizeof text, "25%0*d.0e-%d", n, 0, n + 1);
        expect(text, 2.5f);
        snprintf(text, sizeof text, "0.5%0*d", n, 0);
        expect(text, 0.5f);
        snprintf(text, sizeof text, "16777217.%0*d", n, 0);
        expect(text, 16777216);
        snprintf(text, sizeof text, "16777217.%0*d1", n, 0);
        expect(text, 16777218);
        snprintf(text, sizeof text, "0.%0*d7006492321624085e%d", n, 0, n - 45);
        expect(text, 0); /* just below half of the smallest */
        snprintf(text, sizeof text, "0.%0*d7006492321624086e%d", n, 0, n - 45);
        expect(text, float_of(1));
    }
}

static void tokens_are_read(void **state)
{
    (void)state;
    assert_true(isnan(parse("NaN")));
    expect("Infinity", INFINITY);
    expect("-Infinity", -INFINITY);
}

/* ---- grammar ---- */

static void number_ends_where_the_grammar_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        float value;
    } cases[] = {
        {"1]", 1, 1},
        {"1,2]", 1, 1},
        {"01]", 1, 0},
        {"-01]", 2, -0.0f},
        {"1 ]", 1, 1},
        {"1-2]", 1, 1},
        {"1.5.5]", 3, 1.5f},
        {"0x1]", 1, 0},
        {"1e5e5]", 3, 1e5f},
        {"1e5.5]", 3, 1e5f},
        {"00.5]", 1, 0},
        {"NaNN]", 3, 0},
        {"1f]", 1, 1},
        {"12345678x]", 8, 12345678},
        {"8388608.500000000000000.001]", 23, 8388608},
        {"8388608.50000000000000000000000.001]", 31, 8388608},
        {"0.0000000000000000000000.9]", 24, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        float value = 7;
        const char *end = cases[i].text + strlen(cases[i].text) - 1;
        assert_ptr_equal(float_parse(cases[i].text, end, &value), cases[i].text + cases[i].size);
        if (cases[i].text[0] != 'N')
            assert_int_equal(bits_of(value), bits_of(cases[i].value));
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "]",           " 1]",    "-]",        "+1]",   ".5]",   "-.5]",  "1.]",      "1.e5]",
        "1.x]",        "1e]",    "1e+]",      "1e-]",  "1ex]",  "1e.5]", "--1]",     "-+1]",
        "e5]",         "\"1\"]", "nan]",      "NAN]",  "Na]",   "-NaN]", "+NaN]",    "inf]",
        "Inf]",        "-Inf]",  "infinity]", "true]", "null]", "Infi]", "Infinit]", "-Infinit]",
        "--Infinity]", "x]",     "/1]",       ":1]"};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        float value;
        if (float_parse(texts[i], texts[i] + strlen(texts[i]) - 1, &value) != NULL)
            fail_msg("%s is taken for a number", texts[i]);
    }
}

/* ---- rounding ---- */

static void check_against_strtof(const char *text)
{
    expect(text, strtof(text, NULL));
}

static void random_decimals_are_rounded_like_strtof(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 300000; i++) {
        char text[80], *at = text;
        const int digits = 1 + (int)(next_random(&random) % 40);
        const int point = (int)(next_random(&random) % 41);
        if (next_random(&random) % 2 != 0)
            *at++ = '-';
        *at++ = (char)('1' + next_random(&random) % 9);
        for (int d = 1; d < digits; d++) {
            if (d == point)
                *at++ = '.';
            *at++ = (char)('0' + next_random(&random) % 10);
        }
        const uint64_t kind = next_random(&random) % 4;
        const int range = kind == 0 ? 1 : kind == 1 ? 40 : kind == 2 ? 100 : 400;
        sprintf(at, range == 1 ? "" : "e%d",
                (int)(next_random(&random) % (2 * (unsigned)range)) - range);
        check_against_strtof(text);
    }
}

static void float64_texts_are_rounded_like_strtof(void **state)
{
    (void)state;
    uint64_t random = 2463534242u;
    for (int i = 0; i < 300000; i++) {
        char text[40];
        const double unit = (double)(next_random(&random) >> 11) * 0x1p-53;
        snprintf(text, sizeof text, "%.*g", 15 + i % 3, i % 2 == 0 ? unit : (unit - 0.5) * 1e3);
        check_against_strtof(text);
    }
}

/* The midpoint above the float with bits below, written with all its digits; a little more; a
 * little less. */
static void check_midpoint(uint32_t below, double midpoint)
{
    char exact[200], text[260];
    snprintf(exact, sizeof exact, "%.130e", midpoint);
    char *e = strchr(exact, 'e');
    assert_non_null(e);
    const int exponent = atoi(e + 1);
    char *last = e - 1;
    while (*last == '0')
        last--;
    last[1] = '\0';

    const uint32_t even = below + (below & 1);
    snprintf(text, sizeof text, "%se%d", exact, exponent);
    expect_bits(text, even);
    snprintf(text, sizeof text, "%s%030de%d", exact, 0, exponent);
    expect_bits(text, even);
    snprintf(text, sizeof text, "-%s%030de%d", exact, 0, exponent);
    expect_bits(text, even | 0x80000000);
    snprintf(text, sizeof text, "%s%030d1e%d", exact, 0, exponent);
    expect_bits(text, below + 1);
    snprintf(text, sizeof text, "-%s%030d1e%d", exact, 0, exponent);
    expect_bits(text, (below + 1) | 0x80000000);
    assert_true(*last != '.'); /* no midpoint has a single digit */
    --*last;                   /* and 999...: a little less */
    snprintf(text, sizeof text, "%s999999999999999999999999999999e%d", exact, exponent);
    expect_bits(text, below);
}

/* A midpoint of two float32 is a double, and printf writes all digits of that. */
static double midpoint_above(uint32_t bits)
{
    const double value = (double)float_of(bits);
    const double next = bits + 1 == 0x7f800000 ? 0x1p128 : (double)float_of(bits + 1);
    return value + (next - value) / 2;
}

static void midpoints_go_to_even_and_their_neighbours_apart(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f800000; bits += 99991)
        check_midpoint(bits, midpoint_above(bits));
    for (uint32_t field = 0; field < 255; field++) {
        check_midpoint(field << 23, midpoint_above(field << 23));
        check_midpoint((field << 23) + 1, midpoint_above((field << 23) + 1));
        check_midpoint((field << 23) + 0x7fffff, midpoint_above((field << 23) + 0x7fffff));
    }
    for (uint32_t bits = 0; bits < 64; bits++)
        check_midpoint(bits, midpoint_above(bits));
}

/* Whole numbers and short fractions are midpoints too. */
static void plain_midpoints_go_to_even(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        char text[40];
        snprintf(text, sizeof text, "%u", 0x1000000 + 2 * i + 1);
        expect(text, (float)(0x1000000 + 2 * (i + (i & 1))));
        snprintf(text, sizeof text, "%u.5", 0x800000 + i);
        expect(text, (float)(0x800000 + i + (i & 1)));
        snprintf(text, sizeof text, "%u5e-1", 0x800000 + i);
        expect(text, (float)(0x800000 + i + (i & 1)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_power_of_ten_is_rounded_down_to_64_bits),
        cmocka_unit_test(plain_numbers_are_read),
        cmocka_unit_test(ends_of_the_range_are_read),
        cmocka_unit_test(exponents_of_any_size_are_read),
        cmocka_unit_test(digits_of_any_number_are_read),
        cmocka_unit_test(tokens_are_read),
        cmocka_unit_test(number_ends_where_the_grammar_says),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(random_decimals_are_rounded_like_strtof),
        cmocka_unit_test(float64_texts_are_rounded_like_strtof),
        cmocka_unit_test(midpoints_go_to_even_and_their_neighbours_apart),
        cmocka_unit_test(plain_midpoints_go_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
