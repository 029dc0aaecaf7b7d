#include "tests/support/slow_model.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/infer_client.h"

enum { HIDDEN = 1024, TRIAL_STEPS = 30, TRIALS = 5 };

/* weight_ih [4H,1], weight_hh [4H,H]; the zeros behind the header are a hole in the file. */
static void write_weights(const char *path)
{
    const size_t rows = 4 * HIDDEN, first = rows * sizeof(float);
    const size_t end = first + rows * HIDDEN * sizeof(float);
    char header[256];
    const int size = snprintf(header, sizeof header,
                              "{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[%zu,1],"
                              "\"data_offsets\":[0,%zu]},\"weight_hh_l0\":{\"dtype\":\"F32\","
                              "\"shape\":[%zu,%d],\"data_offsets\":[%zu,%zu]}}",
                              rows, first, rows, HIDDEN, first, end);
    const uint64_t length = (uint64_t)size;
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(&length, sizeof length, 1, file) != 1 ||
        fwrite(header, (size_t)size, 1, file) != 1 || fflush(file) != 0 ||
        ftruncate(fileno(file), (off_t)(sizeof length + (size_t)size + end)) != 0)
        die("%s could not be written", path);
    fclose(file);
}

void slow_model_add(struct fixture *fixture)
{
    char *path = temp_dir_file(&fixture->dir, "slow.safetensors");
    write_weights(path);
    free(path);
    temp_dir_write(&fixture->dir, "slow.json", "{\"weights\":\"slow.safetensors\"}");
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The shortest of some: the others were held up by whatever else the machine does. */
size_t slow_model_steps(struct fixture *fixture, double seconds)
{
    char *body = slow_model_body(TRIAL_STEPS);
    double shortest = 1e9;
    for (int i = 0; i < TRIALS; i++) {
        struct infer_result result;
        const double start = seconds_now();
        if (!infer_post_text(&fixture->client, "slow", body, strlen(body), &result))
            die("the slow model did not answer");
        const double took = seconds_now() - start;
        shortest = took < shortest ? took : shortest;
        infer_result_fini(&result);
    }
    free(body);
    return (size_t)(seconds / shortest * TRIAL_STEPS) + 1;
}

char *slow_model_body(size_t steps)
{
    char head[160];
    const int size = snprintf(head, sizeof head,
                              "{\"outputs\":[{\"name\":\"h_n\"}],\"inputs\":[{\"name\":\"input\","
                              "\"datatype\":\"FP32\",\"shape\":[%zu,1,1],\"data\":[0",
                              steps);
    char *body = must_allocate((size_t)size + 2 * steps + 8);
    char *end = stpcpy(body, head);
    for (size_t t = 1; t < steps; t++)
        end = stpcpy(end, ",0");
    strcpy(end, "]}]}");
    return body;
}
