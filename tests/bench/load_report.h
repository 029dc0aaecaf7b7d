/* A run's figures, as one line of name=value or as a JSON object of the same names. */
#ifndef TESTS_BENCH_LOAD_REPORT_H
#define TESTS_BENCH_LOAD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "tests/bench/load_run.h"

enum load_report_form { LOAD_REPORT_LINE, LOAD_REPORT_JSON };

/* Rates (_s) are by the answers that came in the measured time, latencies (_us) of requests due in
 * it; with several classes of steps each one's figures follow as stepsN_... */
void load_report_write(FILE *out, enum load_report_form form, const struct load_options *options,
                       const struct load_result *result);

#endif
