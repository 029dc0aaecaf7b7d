/* Golden cases as cmocka's tests, and what they have in common. */
#ifndef TESTS_SUPPORT_CONVERT_CASE_TESTS_H
#define TESTS_SUPPORT_CONVERT_CASE_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deploy/convert/convert.h"
#include "tests/support/convert/case_folder.h"

/* Appends a test for each folder, called as the folder and with its path as *state. How many it
 * added. */
size_t case_tests_add(struct CMUnitTest *tests, struct case_folders *folders,
                      CMUnitTestFunction test);

/* Each number of found is within 5e-6 of the framework's. The largest difference. */
double case_tests_expect_near(const char *folder, const char *tensor, const float *found,
                              const float *wanted, size_t count);

/* What was written is written again, to the byte, when it is converted itself. */
void case_tests_expect_itself(const struct converted *first);

#endif
