#include "tests/bench/stopwatch.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/die.h"

/* One second of the shortest samples, and what is beyond replaces the oldest. */
enum { SAMPLES_KEPT = 100000 };

#define WARM_UP_SHARE 0.1

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static double sample_us(void (*pass)(void *), void *context, size_t calls)
{
    const double start = now_us();
    for (size_t i = 0; i < calls; i++)
        pass(context);
    return (now_us() - start) / (double)calls;
}

/* Runs until caches, branch predictors and thread pools are warm; how many calls make a sample. */
static size_t warm_up(void (*pass)(void *), void *context, double seconds)
{
    const double end = now_us() + seconds * 1e6;
    double us;
    do
        us = sample_us(pass, context, 1);
    while (now_us() < end);
    return us >= STOPWATCH_SAMPLE_US ? 1 : (size_t)(STOPWATCH_SAMPLE_US / (us + 0.01)) + 1;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct stopwatch_times summary(double *samples, size_t count)
{
    qsort(samples, count, sizeof samples[0], compare_doubles);
    return (struct stopwatch_times){
        .us_median = (samples[(count - 1) / 2] + samples[count / 2]) / 2,
        .us_min = samples[0],
    };
}

struct stopwatch_times stopwatch_measure(void (*pass)(void *context), void *context, double seconds)
{
    double *samples = must_allocate_zeros(SAMPLES_KEPT, sizeof *samples);
    const size_t calls = warm_up(pass, context, seconds * WARM_UP_SHARE);
    const double end = now_us() + seconds * 1e6;
    size_t taken = 0;
    do
        samples[taken++ % SAMPLES_KEPT] = sample_us(pass, context, calls);
    while (taken < STOPWATCH_SAMPLES_MIN || now_us() < end);

    const struct stopwatch_times times =
        summary(samples, taken < SAMPLES_KEPT ? taken : SAMPLES_KEPT);
    free(samples);
    return times;
}
