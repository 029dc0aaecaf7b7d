/* How long one pass takes: many samples over a set time, their median and their minimum. */
#ifndef TESTS_BENCH_STOPWATCH_H
#define TESTS_BENCH_STOPWATCH_H

struct stopwatch_times {
    double us_median;
    double us_min;
};

/* Calls pass(context) again and again for about this many seconds (at least STOPWATCH_SAMPLES_MIN
 * samples, however long that takes) after a warm-up. A sample is one call, or for passes shorter
 * than STOPWATCH_SAMPLE_US the mean of so many calls that reading the clock does not count. */
#define STOPWATCH_SAMPLES_MIN 3
#define STOPWATCH_SAMPLE_US   10.0
struct stopwatch_times stopwatch_measure(void (*pass)(void *context), void *context,
                                         double seconds);

#endif
