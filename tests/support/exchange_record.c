#include "tests/support/exchange_record.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/die.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A process that was forked from one with a file has to have its own. */
static FILE *record_file(const char *folder)
{
    static FILE *file;
    static pid_t owner;
    char path[512];
    if (file != NULL && owner == getpid())
        return file;
    owner = getpid();
    snprintf(path, sizeof path, "%s/%d", folder, (int)owner);
    file = fopen(path, "ab");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    return file;
}

void exchange_record(const char *method, const char *path, const char *body, size_t body_size,
                     const struct http_response *response)
{
    const char *folder = getenv("WIRE_RECORD");
    const size_t head_size = strlen(response->headers);
    if (folder == NULL)
        return;
    pthread_mutex_lock(&lock);
    FILE *file = record_file(folder);
    fprintf(file, "%s %s %ld %zu %zu\n%zu\n", method, path, response->status, body_size,
            response->body_size, head_size);
    fwrite(response->headers, 1, head_size, file);
    if (body != NULL)
        fwrite(body, 1, body_size, file);
    fwrite(response->body, 1, response->body_size, file);
    fflush(file);
    pthread_mutex_unlock(&lock);
}
