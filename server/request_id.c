#include "server/request_id.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/random_number.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t next;

/* So that the ids of two runs are not the same. */
static void begin_anywhere(void)
{
    atomic_store(&next, random_number());
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
    snprintf(id, REQUEST_ID_MAX + 1, "%016" PRIx64, random_scatter(atomic_fetch_add(&next, 1)));
}
