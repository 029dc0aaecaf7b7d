/* Golden files converted by lstm-convert and served by the daemon, each under its folder's name. */
#ifndef TESTS_SUPPORT_CONVERT_SERVED_FOLDERS_H
#define TESTS_SUPPORT_CONVERT_SERVED_FOLDERS_H

#include <stdbool.h>

#include "tests/support/convert/case_folder.h"
#include "tests/support/fixture.h"

/* "tests/golden/onnx/forward" -> "forward" */
const char *case_folder_name(const char *path);

/* Dies when a file is refused. Otherwise as fixture_start. */
bool served_folders_start(struct fixture *fixture, const struct case_folders *folders);

#endif
