/* The kernels that kernel.c's table is made of. Everybody else asks kernel_find. */
#ifndef CORE_KERNELS_H
#define CORE_KERNELS_H

#include "core/kernel.h"

extern const struct kernel kernel_scalar;
extern const struct kernel kernel_avx2;   /* AVX2 and FMA; supported() is false on other machines */
extern const struct kernel kernel_avx512; /* AVX-512F and DQ; likewise */

#endif
