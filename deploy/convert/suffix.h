/* What a name ends with. */
#ifndef DEPLOY_CONVERT_SUFFIX_H
#define DEPLOY_CONVERT_SUFFIX_H

#include <stdbool.h>

/* Also where it is the whole name. */
bool suffix_is(const char *name, const char *suffix);

#endif
