/* Prometheus' text format 0.0.4, read strictly. */
#ifndef TESTS_SUPPORT_EXPOSITION_H
#define TESTS_SUPPORT_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

/* Is the text well-formed? Every family has HELP, TYPE and then all its samples, once; names and
 * labels are well written; no series comes twice; a histogram's buckets ascend, its last one is
 * +Inf and says what _count says. On false problem says what is wrong in which line. */
bool exposition_check(const char *text, char *problem, size_t capacity);

/* The value of the series as it is written in the text: "name" or "name{label=\"value\",...}".
 * false: there is none. */
bool exposition_value(const char *text, const char *series, double *value);

#endif
