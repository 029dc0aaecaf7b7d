#include "deploy/convert/suffix.h"

#include <stddef.h>
#include <string.h>

bool suffix_is(const char *name, const char *suffix)
{
    const size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}
