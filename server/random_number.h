/* A number that nobody can guess, from the kernel. */
#ifndef SERVER_RANDOM_NUMBER_H
#define SERVER_RANDOM_NUMBER_H

#include <stdint.h>

uint64_t random_number(void);

#endif
