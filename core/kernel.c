#include "core/kernel.h"

#include <string.h>

#include "core/kernels.h"

const struct kernel *const kernel_table[] = {
    &kernel_avx512,
    &kernel_avx2,
    &kernel_scalar,
    NULL,
};

const struct kernel *kernel_find(const char *name)
{
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++)
        if ((name == NULL || strcmp(name, (*k)->name) == 0) && (*k)->supported())
            return *k;
    return NULL;
}
