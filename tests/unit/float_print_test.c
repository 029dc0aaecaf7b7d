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

#include "proto/eight_digits.h"
#include "proto/float_text.h"
#include "proto/little_endian.h"
#include "tests/support/float_bits.h"

/* Prints into exactly the room the contract asks for; text gets a NUL. */
static size_t print(float value, char text[FLOAT_TEXT_MAX + 1])
{
    char *room = malloc(FLOAT_TEXT_MAX);
    assert_non_null(room);
    memset(room, '#', FLOAT_TEXT_MAX);
    const size_t size = float_print(room, value);
    assert_in_range(size, 1, FLOAT_TEXT_MAX);
    memcpy(text, room, size);
    text[size] = '\0';
    free(room);
    return size;
}

static void numbers_are_printed_in_their_form(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {1, "1.0"},
        {-1, "-1.0"},
        {10, "10.0"},
        {0.1f, "0.1"},
        {-0.1f, "-0.1"},
        {0.25f, "0.25"},
        {1.5f, "1.5"},
        {3.14159274f, "3.1415927"},
        {100, "100.0"},
        {123.456f, "123.456"},
        {1234567, "1234567.0"},
        {16777216, "16777216.0"},
        {123456792, "123456790.0"},
        {987654336, "987654340.0"},
        {999999936, "999999940.0"},
        {1e9f, "1e9"},
        {-1.5e9f, "-1.5e9"},
        {1e10f, "1e10"},
        {1e-5f, "0.00001"},
        {-1.2345678e-5f, "-0.000012345678"},
        {9.9999991e-6f, "9.999999e-6"},
        {1e-6f, "1e-6"},
        {1e-7f, "1e-7"},
        {1.17549435e-38f, "1.1754944e-38"},
        {3.4028234663852886e38f, "3.4028235e38"},
        {-3.4028234663852886e38f, "-3.4028235e38"},
        {0.3f, "0.3"},
        {0.33333334f, "0.33333334"},
        {0.0001f, "0.0001"},
        {0.00012207031f, "0.00012207031"},
        {5.5511151e-17f, "5.551115e-17"},
        {9.5367431640625e-7f, "9.536743e-7"},
        {8.589973e9f, "8.589974e9"}, /* both read back; this is nearer */
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[FLOAT_TEXT_MAX + 1];
        print(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void smallest_numbers_are_printed(void **state)
{
    (void)state;
    static const struct {
        uint32_t bits;
        const char *text;
    } cases[] = {
        {1, "1e-45"},
        {2, "3e-45"},
        {3, "4e-45"},
        {7, "1e-44"},
        {10, "1.4e-44"},
        {0x007fffff, "1.1754942e-38"},
        {0x00800001, "1.1754945e-38"},
        {0x80000001, "-1e-45"},
        {0xffc00000, "NaN"},
        {0x7f800001, "NaN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[FLOAT_TEXT_MAX + 1];
        print(float_of(cases[i].bits), text);
        assert_string_equal(text, cases[i].text);
    }
}

/* The digits without sign, point, exponent and the zeros around them, as a number's scientific form
 * d.ddd * 10^exponent has them. */
struct digits {
    char text[32];
    int exponent;
};

static struct digits digits_of(const char *text)
{
    struct digits digits = {{0}, -1};
    size_t count = 0;
    bool point = false;
    for (text += *text == '-'; *text != '\0' && *text != 'e'; text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        if (count > 0 || *text != '0')
            digits.text[count++] = *text;
        if (point ? count == 0 : count > 0)
            digits.exponent += point ? -1 : 1;
    }
    if (*text == 'e')
        digits.exponent += atoi(text + 1);
    while (count > 1 && digits.text[count - 1] == '0')
        digits.text[--count] = '\0';
    return digits;
}

/* Fewest digits of all decimals that read back, and of those the nearest: printf's rounding of the
 * exact value to that many digits. Below a power of two the interval is half as wide, so there the
 * nearest of n digits may fail where another one of n digits does not. */
static void expect_shortest(uint32_t bits, const char *text)
{
    char wanted[32];
    for (int precision = 0; precision < 9; precision++) {
        snprintf(wanted, sizeof wanted, "%.*e", precision, (double)float_of(bits));
        if (bits_of(strtof(wanted, NULL)) == bits)
            break;
    }
    const struct digits got = digits_of(text), best = digits_of(wanted);
    const bool power_of_two = (bits & 0x7fffff) == 0;
    if (power_of_two && strlen(got.text) < strlen(best.text))
        return;
    if (strcmp(got.text, best.text) != 0 || got.exponent != best.exponent)
        fail_msg("%08x is printed %s, wanted the digits of %s", bits, text, wanted);
}

/* JSON's grammar, a '.' or an exponent, no padding. */
static void expect_form(const char *text)
{
    const char *digits = text + (*text == '-');
    assert_false(digits[0] == '0' && digits[1] != '.');
    assert_non_null(strpbrk(digits, ".e"));
    assert_null(strchr(digits, '+'));
    const size_t size = strspn(digits, "0123456789.e-");
    assert_int_equal(size, strlen(digits));
    const char *point = strchr(digits, '.'), *e = strchr(digits, 'e');
    if (point != NULL)
        assert_true(point > digits && point[1] >= '0' && point[1] <= '9');
    if (e != NULL)
        assert_true(e[1] == '-' ? e[2] > '0' : e[1] > '0');
}

static void check(uint32_t bits)
{
    char text[FLOAT_TEXT_MAX + 2];
    const size_t size = print(float_of(bits), text);
    expect_form(text);
    text[size] = ',';
    float back;
    assert_ptr_equal(float_parse(text, text + size, &back), text + size);
    text[size] = '\0';
    if (bits_of(back) != bits || bits_of(strtof(text, NULL)) != bits)
        fail_msg("%08x is printed %s and does not read back", bits, text);
    expect_shortest(bits, text);
}

static void every_9973rd_float_is_shortest_and_reads_back(void **state)
{
    (void)state;
    for (uint32_t bits = 1; bits < 0x7f800000; bits += 9973)
        check(bits | (bits & 1) << 31);
}

static void floats_around_powers_of_two_are_shortest_and_read_back(void **state)
{
    (void)state;
    for (uint32_t field = 0; field < 255; field++) {
        for (uint32_t i = 0; i < 8; i++) {
            if (field > 0 || i > 0)
                check((field << 23) + i);
            check((field << 23) + 0x7fffff - i);
        }
    }
    for (uint32_t subnormal = 1; subnormal < 0x800000; subnormal += subnormal / 3 + 1)
        check(subnormal);
}

static void powers_of_ten_are_one_digit(void **state)
{
    (void)state;
    for (int q = -45; q <= 38; q++) {
        char text[FLOAT_TEXT_MAX + 1], wanted[32];
        snprintf(wanted, sizeof wanted, "1e%d", q);
        print(strtof(wanted, NULL), text);
        const struct digits digits = digits_of(text);
        assert_string_equal(digits.text, "1");
        assert_int_equal(digits.exponent, q);
    }
}

static void whole_numbers_to_2_24_are_printed_whole(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 1u << 24; n += n < 20000 ? 1 : 4999) {
        char text[FLOAT_TEXT_MAX + 1], wanted[32];
        snprintf(wanted, sizeof wanted, "%u.0", n);
        print((float)n, text);
        assert_string_equal(text, wanted);
    }
}

static void eight_digits_are_split_and_joined(void **state)
{
    (void)state;
    for (uint32_t x = 0; x < 10000; x++) {
        const uint32_t other = x * 7919 % 10000;
        const uint64_t digits = eight_digits_split(x, other);
        char text[9] = {0}, wanted[9];
        little_endian_write_u64(text, digits | EIGHT_ZEROS);
        snprintf(wanted, sizeof wanted, "%04u%04u", x % 10000, other % 10000);
        assert_string_equal(text, wanted);
        assert_true(little_endian_read_u64(text) == (digits | EIGHT_ZEROS));
        assert_int_equal(eight_digits_join(digits), x * 10000 + other);
    }
}

/* Of so many numbers: of all sizes, with what is no number among them. */
static void expect_list(size_t count)
{
    float *values = malloc((count + 1) * sizeof *values);
    char *room = malloc(count * (FLOAT_TEXT_MAX + 1) + 1);
    char *wanted = malloc(count * (FLOAT_TEXT_MAX + 1) + 1);
    assert_true(values != NULL && room != NULL && wanted != NULL);
    static const float others[] = {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1e-45f, FLT_MAX};
    const size_t other_count = sizeof others / sizeof *others;
    size_t wanted_size = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] =
            i % 3 == 0 ? others[i / 3 % other_count] : float_of(0x3d000000 + (uint32_t)i * 0x12345);
        wanted_size += float_print(wanted + wanted_size, values[i]);
        wanted[wanted_size++] = ',';
    }
    assert_int_equal(float_print_list(room, values, count), wanted_size);
    assert_memory_equal(room, wanted, wanted_size);
    free(values);
    free(room);
    free(wanted);
}

static void lists_are_their_numbers_each_with_a_comma(void **state)
{
    static const size_t counts[] = {0, 1, 31, 32, 33, 64, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        expect_list(counts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_printed_in_their_form),
        cmocka_unit_test(smallest_numbers_are_printed),
        cmocka_unit_test(every_9973rd_float_is_shortest_and_reads_back),
        cmocka_unit_test(floats_around_powers_of_two_are_shortest_and_read_back),
        cmocka_unit_test(powers_of_ten_are_one_digit),
        cmocka_unit_test(whole_numbers_to_2_24_are_printed_whole),
        cmocka_unit_test(eight_digits_are_split_and_joined),
        cmocka_unit_test(lists_are_their_numbers_each_with_a_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
