#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/compression.h"
#include "tests/support/random.h"

static struct budget budget;
static struct fault fault;

static int begin(void **state)
{
    (void)state;
    budget_init(&budget, (size_t)64 << 20);
    return 0;
}

static int nothing_is_held(void **state)
{
    (void)state;
    return atomic_load(&budget.used) == 0 ? 0 : -1;
}

/* Numbers as answers have them. */
static char *numbers(size_t size)
{
    struct random random = {7};
    char *text = malloc(size + 32);
    assert_non_null(text);
    for (size_t at = 0; at < size;)
        at += (size_t)sprintf(text + at, "0.%zu,", random_size(&random, 0, 9999999));
    return text;
}

static enum deflater_progress finish(struct deflater *deflater)
{
    enum deflater_progress progress;
    while ((progress = deflater_step(deflater)) == DEFLATER_MORE)
        continue;
    return progress;
}

/* The packed bytes are the caller's; *packed_size of them. */
static char *pack(enum content_coding coding, const char *data, size_t size, size_t *packed_size)
{
    char *packed;
    size_t charge;
    struct deflater *deflater = deflater_create(coding, data, size, &budget);
    assert_non_null(deflater);
    assert_int_equal(finish(deflater), DEFLATER_DONE);
    deflater_take(deflater, &packed, packed_size, &charge);
    assert_true(*packed_size < size && charge >= *packed_size);
    deflater_destroy(deflater);
    assert_int_equal(atomic_load(&budget.used), charge);
    budget_give(&budget, charge);
    return packed;
}

/* In pieces; body_fini in any case. */
static bool unpack(enum content_coding coding, const char *packed, size_t size, size_t piece,
                   size_t limit, struct body *body)
{
    struct inflater *inflater = inflater_create(coding, &budget, &fault);
    bool good = true;
    assert_non_null(inflater);
    body_init(body, &budget, limit, 0);
    for (size_t at = 0; good && at < size; at += piece)
        good = inflater_append(inflater, packed + at, size - at < piece ? size - at : piece, body,
                               &fault);
    good = good && inflater_finish(inflater, &fault);
    inflater_destroy(inflater);
    return good;
}

static void what_was_packed_comes_out_again_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {30, 1000, 40000, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (enum content_coding coding = CODING_GZIP; coding <= CODING_DEFLATE; coding++) {
            size_t packed_size;
            char *text = i == 0 ? strdup("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") : numbers(sizes[i]);
            char *packed = pack(coding, text, sizes[i], &packed_size);
            const size_t pieces[] = {packed_size, 1000, 7};
            for (size_t p = 0; p < 3; p++) {
                struct body body;
                assert_true(unpack(coding, packed, packed_size, pieces[p], (size_t)1 << 20, &body));
                assert_int_equal(body.size, sizes[i]);
                assert_memory_equal(body.text, text, body.size);
                body_fini(&body);
            }
            free(packed);
            free(text);
        }
    }
}

static void gzip_s_pieces_may_follow_each_other(void **state)
{
    (void)state;
    size_t size;
    char *text = numbers(500), *packed = pack(CODING_GZIP, text, 500, &size);
    char *twice = malloc(2 * size);
    struct body body;
    assert_non_null(twice);
    memcpy(twice, packed, size);
    memcpy(twice + size, packed, size);
    for (size_t piece = 1; piece <= 2 * size; piece += size - 1) {
        assert_true(unpack(CODING_GZIP, twice, 2 * size, piece, 1000, &body));
        assert_int_equal(body.size, 1000);
        assert_memory_equal(body.text, text, 500);
        assert_memory_equal(body.text + 500, text, 500);
        body_fini(&body);
    }
    free(twice);
    free(packed);
    free(text);
}

static void what_is_not_packed_or_not_whole_is_400(void **state)
{
    (void)state;
    size_t size;
    char *text = numbers(2000), *packed = pack(CODING_DEFLATE, text, 2000, &size);
    char *longer = malloc(size + 1);
    struct body body;
    assert_non_null(longer);
    memcpy(longer, packed, size);
    longer[size] = 'x';
    const struct {
        const char *data;
        size_t size;
        const char *text;
    } cases[] = {
        {"{\"inputs\":[]}", 13, "incorrect header check"},
        {packed, size - 1, "it ends too early"},
        {packed, 1, "it ends too early"},
        {longer, size + 1, "there are bytes behind its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(unpack(CODING_DEFLATE, cases[i].data, cases[i].size, 11, 4000, &body));
        assert_int_equal(fault.status, 400);
        assert_non_null(strstr(fault.text, cases[i].text));
        body_fini(&body);
    }
    longer[size - 1] ^= 1; /* of the checksum */
    assert_false(unpack(CODING_DEFLATE, longer, size, size, 4000, &body));
    assert_non_null(strstr(fault.text, "incorrect data check"));
    body_fini(&body);
    free(longer);
    free(packed);
    free(text);
}

/* A thousand times its size, of which no more is unpacked than may be. */
static void a_bomb_is_413_as_soon_as_it_is_too_large(void **state)
{
    (void)state;
    const size_t full = (size_t)16 << 20;
    size_t size;
    char *zeros = calloc(1, full);
    assert_non_null(zeros);
    char *packed = pack(CODING_GZIP, zeros, full, &size);
    assert_true(size < full / 200);
    budget_init(&budget, (size_t)1 << 20);
    struct body body;
    assert_false(unpack(CODING_GZIP, packed, size, size, 100000, &body));
    assert_int_equal(fault.status, 413);
    assert_true(body.size <= 100000);
    body_fini(&body);
    assert_false(unpack(CODING_GZIP, packed, size, size, full, &body));
    assert_int_equal(fault.status, 413); /* more than the whole budget */
    body_fini(&body);
    free(packed);
    free(zeros);
}

static void what_does_not_get_shorter_is_left_alone(void **state)
{
    (void)state;
    struct random random = {11};
    static unsigned char noise[100000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)random_size(&random, 0, 255);
    struct deflater *deflater =
        deflater_create(CODING_GZIP, (const char *)noise, sizeof noise, &budget);
    assert_non_null(deflater);
    assert_int_equal(finish(deflater), DEFLATER_NO_GAIN);
    deflater_destroy(deflater);
}

static void without_budget_there_is_neither(void **state)
{
    (void)state;
    budget_init(&budget, 1000);
    assert_null(inflater_create(CODING_GZIP, &budget, &fault));
    assert_int_equal(fault.status, 413);
    assert_null(deflater_create(CODING_GZIP, "aaaa", 4, &budget));
    inflater_destroy(NULL);
    deflater_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, nothing_is_held)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_packed_comes_out_again_in_pieces_of_any_size),
        TEST(gzip_s_pieces_may_follow_each_other),
        TEST(what_is_not_packed_or_not_whole_is_400),
        TEST(a_bomb_is_413_as_soon_as_it_is_too_large),
        TEST(what_does_not_get_shorter_is_left_alone),
        TEST(without_budget_there_is_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
