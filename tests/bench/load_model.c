#include "tests/bench/load_model.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/http_scan.h"
#include "tests/support/die.h"

enum { METADATA_MAX = 1 << 16 };

/* ---- the text ---- */

/* The third of three dimensions and the first; -1 is free. */
static bool read_shape(const cJSON *input, double *first, double *last)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(input, "shape");
    if (cJSON_GetArraySize(shape) != 3)
        return false;
    *first = cJSON_GetNumberValue(cJSON_GetArrayItem(shape, 0));
    *last = cJSON_GetNumberValue(cJSON_GetArrayItem(shape, 2));
    return *last >= 1 && *last <= 1 << 20;
}

static bool is_fp32(const cJSON *input)
{
    const char *datatype =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(input, "datatype"));
    return datatype != NULL && strcmp(datatype, "FP32") == 0;
}

static bool read_name(const cJSON *input, char name[LOAD_NAME_MAX])
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(input, "name"));
    return text != NULL && snprintf(name, LOAD_NAME_MAX, "%s", text) < LOAD_NAME_MAX;
}

/* A state is an input with a set number of layers in front. */
static bool read_input(struct load_model *model, const cJSON *input, bool states)
{
    double first, last;
    if (!is_fp32(input) || !read_shape(input, &first, &last))
        return true; /* lengths, and whatever else need not be sent */
    if (first < 1 && model->input_size == 0) {
        model->input_size = (size_t)last;
        return read_name(input, model->input);
    }
    if (!states || first < 1 || first > 1 << 20 || model->state_count == LOAD_STATES_MAX)
        return true;
    struct load_state *state = &model->states[model->state_count++];
    state->layers = (size_t)first;
    state->size = (size_t)last;
    return read_name(input, state->name);
}

bool load_model_parse(struct load_model *model, const char *json, size_t size, bool states,
                      const char **why)
{
    *model = (struct load_model){0};
    *why = NULL;
    cJSON *metadata = cJSON_ParseWithLength(json, size);
    const cJSON *input;
    cJSON_ArrayForEach(input, cJSON_GetObjectItemCaseSensitive(metadata, "inputs"))
    {
        if (!read_input(model, input, states))
            *why = "an input's name is too long or none";
    }
    cJSON_Delete(metadata);
    if (*why == NULL && model->input_size == 0)
        *why = "its metadata has no FP32 input [-1,-1,I]";
    if (*why == NULL && states && model->state_count != LOAD_STATES_MAX)
        *why = "its metadata has no h_0 and c_0";
    return *why == NULL;
}

/* ---- the question ---- */

static int connect_to(const struct load_target *target)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error != 0)
        die("lstm-load: %s:%s: %s", target->host, target->port, gai_strerror(error));
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        die("lstm-load: %s:%s: %s", target->host, target->port, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

/* Everything until the other side closes; its size. */
static size_t ask(const struct load_target *target, const char *name, char *answer, size_t room)
{
    const int fd = connect_to(target);
    if (dprintf(fd, "GET /v2/models/%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", name,
                target->host, target->port) < 0)
        die("lstm-load: asking for the model's metadata: %s", strerror(errno));
    size_t size = 0;
    ssize_t got;
    while (size < room && (got = recv(fd, answer + size, room - size, 0)) > 0)
        size += (size_t)got;
    close(fd);
    return size;
}

void load_model_fetch(struct load_model *model, const struct load_target *target, const char *name,
                      bool states)
{
    static char answer[METADATA_MAX];
    const size_t size = ask(target, name, answer, sizeof answer);
    struct http_scan scan;
    size_t used;
    http_scan_init(&scan);
    const enum http_scan_result result = http_scan_feed(&scan, answer, size, &used);
    if (result == HTTP_SCAN_BAD || scan.status != 200)
        die("lstm-load: model '%s': metadata wanted, got status %d %s", name, scan.status,
            scan.excerpt);
    const char *body = memmem(answer, size, "\r\n\r\n", 4);
    const char *why;
    if (body == NULL ||
        !load_model_parse(model, body + 4, size - (size_t)(body + 4 - answer), states, &why))
        die("lstm-load: model '%s': %s", name, body == NULL ? "no metadata came" : why);
}
