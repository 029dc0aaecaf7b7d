#include "server/request_id.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t next;

/* So that the ids of two runs are not the same. */
static void begin_anywhere(void)
{
    uint64_t start;
    while (getrandom(&start, sizeof start, 0) != (ssize_t)sizeof start)
        continue;
    atomic_store(&next, start);
}

/* Each number has one of its own, and neighbours look nothing alike. */
static uint64_t scatter(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

static bool is_good(const char *id)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789-_.:/+=";
    const size_t size = strspn(id, good);
    return size > 0 && size <= REQUEST_ID_MAX && id[size] == '\0';
}

void request_id_take(const char *given, char id[REQUEST_ID_MAX + 1])
{
    if (given != NULL && is_good(given)) {
        strcpy(id, given);
        return;
    }
    pthread_once(&once, begin_anywhere);
    snprintf(id, REQUEST_ID_MAX + 1, "%016" PRIx64, scatter(atomic_fetch_add(&next, 1)));
}
