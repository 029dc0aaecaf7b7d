/* number-bench: what a number of a JSON tensor costs to be read and to be printed, on one thread,
 * as lines:
 *
 *   numbers=answers bytes=11.1 read_ns=19.1 print_ns=26.2 strtof_ns=81.0 printf_ns=226.9
 *
 * answers: as a model gives them, between -1 and 1; any: every finite float as likely as another.
 * bytes: a number's text with its comma. strtof and printf("%.9g") are the C library's, for
 * comparison: they neither read as strictly nor print as few digits. The best of many samples:
 * others' work only ever makes it more. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json_writer.h"
#include "proto/tensor_text.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/die.h"
#include "tests/support/float_bits.h"
#include "tests/support/random.h"

/* Some milliseconds a pass, more than the first cache holds, and less than the second. */
enum { COUNT = 16384 };

#define SECONDS 2.0

struct numbers {
    float values[COUNT], read[COUNT];
    struct json_writer text; /* a flat array */
    char *copy;              /* the same, ended by a NUL */
};

static void print_all(void *context)
{
    struct numbers *n = context;
    json_clear(&n->text);
    json_floats(&n->text, n->values, COUNT);
}

static void read_all(void *context)
{
    struct numbers *n = context;
    const uint64_t shape[1] = {COUNT};
    const struct tensor_text text = {n->text.text, n->text.size, shape, 1, COUNT};
    struct tensor_text_cursor cursor;
    struct fault fault;
    tensor_text_begin(&cursor, &text);
    if (!tensor_text_read_f32(&cursor, n->read, COUNT, &fault))
        die("%s", fault.text);
}

static void strtof_all(void *context)
{
    struct numbers *n = context;
    char *at = n->copy + 1;
    for (size_t i = 0; i < COUNT; i++, at++)
        n->read[i] = strtof(at, &at);
}

static void printf_all(void *context)
{
    struct numbers *n = context;
    char text[32];
    for (size_t i = 0; i < COUNT; i++)
        snprintf(text, sizeof text, "%.9g,", (double)n->values[i]);
}

static double ns_each(struct numbers *n, void (*pass)(void *context))
{
    return stopwatch_measure(pass, n, SECONDS).us_min * 1000 / COUNT;
}

static void check_read(const struct numbers *n)
{
    for (size_t i = 0; i < COUNT; i++)
        if (bits_of(n->read[i]) != bits_of(n->values[i]))
            die("%.9g was read as %.9g", (double)n->values[i], (double)n->read[i]);
}

static void measure(struct numbers *n, const char *name)
{
    const double print_ns = ns_each(n, print_all);
    n->copy = must_allocate(n->text.size + 1);
    snprintf(n->copy, n->text.size + 1, "%.*s", (int)n->text.size, n->text.text);
    const double read_ns = ns_each(n, read_all);
    check_read(n);
    const double strtof_ns = ns_each(n, strtof_all);
    check_read(n);
    printf("numbers=%s bytes=%.1f read_ns=%.1f print_ns=%.1f strtof_ns=%.1f printf_ns=%.1f\n", name,
           (double)(n->text.size - 1) / COUNT, read_ns, print_ns, strtof_ns,
           ns_each(n, printf_all));
    free(n->copy);
}

static float finite_of(struct random *random)
{
    float value;
    do
        value = float_of((uint32_t)(random_bits(random) >> 32));
    while (!isfinite(value));
    return value;
}

int main(void)
{
    static struct numbers numbers;
    struct random random = {1};
    json_writer_init(&numbers.text);
    random_floats(&random, numbers.values, COUNT, 1);
    measure(&numbers, "answers");
    for (size_t i = 0; i < COUNT; i++)
        numbers.values[i] = finite_of(&random);
    measure(&numbers, "any");
    json_writer_fini(&numbers.text);
    return 0;
}
