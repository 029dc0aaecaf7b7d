#include "tests/support/convert/case_tests.h"

#include <math.h>

#include "tests/support/convert/convert_file.h"

#define BOUND 5e-6

size_t case_tests_add(struct CMUnitTest *tests, struct case_folders *folders,
                      CMUnitTestFunction test)
{
    for (size_t i = 0; i < folders->count; i++)
        tests[i] = (struct CMUnitTest){folders->paths[i], test, NULL, NULL, folders->paths[i]};
    return folders->count;
}

double case_tests_expect_near(const char *folder, const char *tensor, const float *found,
                              const float *wanted, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)found[i] - (double)wanted[i]);
        if (!(difference <= BOUND))
            fail_msg("%s: %s[%zu] is %.9g, the framework's %.9g", folder, tensor, i, found[i],
                     wanted[i]);
        largest = fmax(largest, difference);
    }
    return largest;
}

static void assert_same(const struct blob *a, const struct blob *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}

void case_tests_expect_itself(const struct converted *first)
{
    struct converted again;
    struct fault fault = {0};
    if (!convert_again(first, &again, &fault))
        fail_msg("%s", fault.text);
    assert_same(&again.config, &first->config);
    assert_same(&again.weights, &first->weights);
    converted_fini(&again);
}
