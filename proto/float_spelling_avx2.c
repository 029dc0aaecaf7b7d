/* The arithmetic of float_spelling.c, step by step, eight floats at a time. Conditions are masks:
 * all bits set, which is also -1, or none. */
#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "proto/float_spelling.h"
#include "proto/powers_of_ten.h"

#define ALL(number) _mm256_set1_epi32(number)
#define ZERO        _mm256_setzero_si256()

/* Eight numbers c * 2^q, and what is said of their rounding intervals. */
struct eight {
    __m256i four_c, q;
    __m256i lower_half; /* mask */
    __m256i odd;        /* 1 or 0 */
};

static struct eight take_apart(__m256i bits)
{
    const __m256i fraction = _mm256_and_si256(bits, ALL(0x7fffff));
    const __m256i field = _mm256_and_si256(_mm256_srli_epi32(bits, 23), ALL(0xff));
    const __m256i normal = _mm256_cmpgt_epi32(field, ZERO);
    const __m256i hidden = _mm256_and_si256(normal, ALL(1 << 23));
    const __m256i c = _mm256_or_si256(fraction, hidden);
    return (struct eight){
        .four_c = _mm256_slli_epi32(c, 2),
        .q = _mm256_add_epi32(_mm256_sub_epi32(field, ALL(149)), normal),
        .lower_half =
            _mm256_and_si256(_mm256_cmpeq_epi32(fraction, ZERO), _mm256_cmpgt_epi32(field, ALL(1))),
        .odd = _mm256_and_si256(c, ALL(1)),
    };
}

/* floor_log10 */
static __m256i exponents_of(const struct eight *x)
{
    const __m256i less = _mm256_and_si256(x->lower_half, ALL(512));
    return _mm256_srai_epi32(_mm256_sub_epi32(_mm256_mullo_epi32(x->q, ALL(1233)), less), 12);
}

/* q + floor_log2_of_power(-k) + 1 */
static __m256i shifts_of(const struct eight *x, __m256i k)
{
    const __m256i log2 = _mm256_srai_epi32(_mm256_mullo_epi32(k, ALL(-217706)), 16);
    return _mm256_add_epi32(_mm256_add_epi32(x->q, ALL(1)), log2);
}

/* power_of_ten(-k) + 1 of four k. */
static __m256i factors_of(__m128i k)
{
    const __m128i place = _mm_sub_epi32(_mm_set1_epi32(-POWERS_OF_TEN_MIN), k);
    const __m256i power = _mm256_i32gather_epi64((const long long *)powers_of_ten, place, 8);
    return _mm256_add_epi64(power, _mm256_set1_epi64x(1));
}

/* scale, of four: 32 bits in lanes of 64. Of the product's 96 bits, sum has the upper 64: the
 * result, and what is left over. */
static __m256i scale_four(__m256i g, __m128i x)
{
    const __m256i wide = _mm256_cvtepu32_epi64(x);
    const __m256i low = _mm256_srli_epi64(_mm256_mul_epu32(g, wide), 32);
    const __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(g, 32), wide);
    const __m256i sum = _mm256_add_epi64(high, low);
    const __m256i exact = _mm256_cmpeq_epi32(sum, ZERO); /* its lower halves are asked for */
    const __m256i left_over = _mm256_andnot_si256(exact, _mm256_set1_epi64x(1));
    return _mm256_or_si256(_mm256_srli_epi64(sum, 32), left_over);
}

static __m256i scale(const __m256i g[2], __m256i x)
{
    const __m256 first = _mm256_castsi256_ps(scale_four(g[0], _mm256_castsi256_si128(x)));
    const __m256 second = _mm256_castsi256_ps(scale_four(g[1], _mm256_extracti128_si256(x, 1)));
    /* The lower half of each lane; the shuffle works within halves of the register. */
    const __m256i mixed = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));
    return _mm256_permute4x64_epi64(mixed, 0xd8);
}

/* number * factor / 2^shift, of numbers and a factor of 32 bits. */
static __m256i multiply_shift(__m256i number, uint32_t factor, int shift)
{
    const __m256i factors = ALL((int)factor);
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(number, factors), shift);
    const __m256i upper = _mm256_srli_epi64(number, 32);
    const __m256i odd = _mm256_srli_epi64(_mm256_mul_epu32(upper, factors), shift);
    return _mm256_or_si256(even, _mm256_slli_epi64(odd, 32));
}

/* 2^34 / 5 and 2^45 / 10^4, rounded up: right for all of 32 bits. */
static __m256i divide_by_40(__m256i number)
{
    return multiply_shift(number, 0xcccccccd, 37);
}

static __m256i divide_by_10000(__m256i number)
{
    return multiply_shift(number, 0xd1b71759, 45);
}

/* As in shortest: four times the interval's ends and the number, all below 2^31. Of a pair of
 * candidates the one within the interval is taken; (a ^ b) != 0 is not-a == b. */
static __m256i choose(__m256i lower, __m256i value, __m256i upper)
{
    const __m256i tens = divide_by_40(value);
    const __m256i forty_tens = _mm256_mullo_epi32(tens, ALL(40));
    const __m256i not_ten_below =
        _mm256_or_si256(_mm256_cmpeq_epi32(tens, ZERO), _mm256_cmpgt_epi32(lower, forty_tens));
    const __m256i ten_above = _mm256_cmpgt_epi32(upper, _mm256_add_epi32(forty_tens, ALL(39)));

    const __m256i ones = _mm256_srli_epi32(value, 2);
    const __m256i four_ones = _mm256_slli_epi32(ones, 2);
    const __m256i not_one_below = _mm256_cmpgt_epi32(lower, four_ones);
    const __m256i one_above = _mm256_cmpgt_epi32(upper, _mm256_add_epi32(four_ones, ALL(3)));
    const __m256i to_even = _mm256_add_epi32(value, _mm256_and_si256(ones, ALL(1)));
    const __m256i nearer_above = _mm256_cmpgt_epi32(to_even, _mm256_add_epi32(four_ones, ALL(2)));
    const __m256i above =
        _mm256_blendv_epi8(nearer_above, one_above, _mm256_cmpeq_epi32(not_one_below, one_above));

    const __m256i one = _mm256_sub_epi32(ones, above);
    const __m256i ten = _mm256_mullo_epi32(_mm256_sub_epi32(tens, ten_above), ALL(10));
    return _mm256_blendv_epi8(one, ten, _mm256_cmpeq_epi32(not_ten_below, ten_above));
}

/* digits * 10^exponent, digits > 0, of zero too */
struct eight_decimals {
    __m256i digits, exponent;
};

static struct eight_decimals shortest(const struct eight *x)
{
    const __m256i k = exponents_of(x), h = shifts_of(x, k);
    const __m256i g[2] = {factors_of(_mm256_castsi256_si128(k)),
                          factors_of(_mm256_extracti128_si256(k, 1))};
    const __m256i two_below = _mm256_sub_epi32(x->four_c, ALL(2));
    const __m256i below = _mm256_sub_epi32(two_below, x->lower_half); /* by 1 then */
    const __m256i above = _mm256_add_epi32(x->four_c, ALL(2));
    const __m256i lower = _mm256_add_epi32(scale(g, _mm256_sllv_epi32(below, h)), x->odd);
    const __m256i value = scale(g, _mm256_sllv_epi32(x->four_c, h));
    const __m256i upper = _mm256_sub_epi32(scale(g, _mm256_sllv_epi32(above, h)), x->odd);
    return (struct eight_decimals){_mm256_max_epu32(choose(lower, value, upper), ALL(1)), k};
}

/* To at least seven digits; only subnormal numbers have less. */
static struct eight_decimals lengthen(struct eight_decimals x)
{
    for (;;) {
        const __m256i shorter = _mm256_cmpgt_epi32(ALL(1000000), x.digits);
        if (_mm256_testz_si256(shorter, shorter))
            return x;
        const __m256i longer = _mm256_mullo_epi32(x.digits, ALL(10));
        x.digits = _mm256_blendv_epi8(x.digits, longer, shorter);
        x.exponent = _mm256_add_epi32(x.exponent, shorter);
    }
}

/* eight_digits_split of high and low, a number's in each lane of 64 bits. */
static __m256i split(__m256i fours)
{
    const __m256i hundreds = _mm256_srli_epi32(_mm256_mullo_epi32(fours, ALL(5243)), 19);
    const __m256i pairs = _mm256_sub_epi32(_mm256_slli_epi32(fours, 16),
                                           _mm256_mullo_epi32(hundreds, ALL((100 << 16) - 1)));
    const __m256i tens = _mm256_srli_epi16(_mm256_mullo_epi16(pairs, _mm256_set1_epi16(103)), 10);
    return _mm256_sub_epi16(_mm256_slli_epi16(pairs, 8),
                            _mm256_mullo_epi16(tens, _mm256_set1_epi16((10 << 8) - 1)));
}

static void store_tails(uint64_t *tails, __m256i high, __m256i low)
{
    /* Of each half of the registers the first two numbers, and the last two. */
    const __m256i first = split(_mm256_unpacklo_epi32(high, low));
    const __m256i last = split(_mm256_unpackhi_epi32(high, low));
    _mm256_storeu_si256((__m256i *)tails, _mm256_permute2x128_si256(first, last, 0x20));
    _mm256_storeu_si256((__m256i *)(tails + 4), _mm256_permute2x128_si256(first, last, 0x31));
}

/* The i-th of out and those behind it. */
static void spell_eight(__m256i bits, struct float_spellings *out, size_t i)
{
    const struct eight numbers = take_apart(bits);
    const struct eight_decimals x = lengthen(shortest(&numbers));
    const __m256i one_missing = _mm256_cmpgt_epi32(ALL(100000000), x.digits);
    const __m256i two_missing = _mm256_cmpgt_epi32(ALL(10000000), x.digits);
    const __m256i power = _mm256_add_epi32(_mm256_add_epi32(_mm256_and_si256(one_missing, ALL(9)),
                                                            _mm256_and_si256(two_missing, ALL(90))),
                                           ALL(1));
    const __m256i nine = _mm256_mullo_epi32(x.digits, power);
    const __m256i five = divide_by_10000(nine), one = divide_by_10000(five);
    const __m256i high = _mm256_sub_epi32(five, _mm256_mullo_epi32(one, ALL(10000)));
    const __m256i low = _mm256_sub_epi32(nine, _mm256_mullo_epi32(five, ALL(10000)));
    const __m256i missing = _mm256_add_epi32(one_missing, two_missing); /* negative */
    store_tails(out->tails + i, high, low);
    _mm256_storeu_si256((__m256i *)(out->firsts + i), one);
    _mm256_storeu_si256((__m256i *)(out->points + i),
                        _mm256_add_epi32(_mm256_add_epi32(x.exponent, missing), ALL(FLOAT_DIGITS)));
}

void float_spell_avx2(const float *values, size_t count, struct float_spellings *out)
{
    size_t i = 0;
    assert(count <= FLOAT_SPELLINGS_MAX);
    for (; i + FLOAT_SPELLINGS_BLOCK <= count; i += FLOAT_SPELLINGS_BLOCK)
        spell_eight(_mm256_loadu_si256((const __m256i *)(values + i)), out, i);
    if (i == count)
        return;
    float last[FLOAT_SPELLINGS_BLOCK] = {0};
    memcpy(last, values + i, (count - i) * sizeof *last);
    spell_eight(_mm256_loadu_si256((const __m256i *)last), out, i);
}

bool float_spell_avx2_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}
