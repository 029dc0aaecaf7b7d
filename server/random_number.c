#include "server/random_number.h"

#include <sys/random.h>
#include <sys/types.h>

uint64_t random_number(void)
{
    uint64_t number;
    while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        continue;
    return number;
}
