#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/die.h"
#include "tests/support/golden_case.h"

#define ARGUMENTS_MAX 32

void fixture_init(struct fixture *fixture)
{
    temp_dir_create(&fixture->dir);
}

void fixture_add_golden_as(struct fixture *fixture, const char *name, const char *model)
{
    char file[96], weights[192];
    struct golden_case golden;
    golden_case_open(&golden, name);
    snprintf(weights, sizeof weights, "%s/model.safetensors", golden.folder);
    char *path = realpath(weights, NULL);
    char *config = golden_case_config(&golden, true, path);
    snprintf(file, sizeof file, "%s.json", model);
    temp_dir_write(&fixture->dir, file, "%s", config);
    free(config);
    free(path);
    golden_case_close(&golden);
}

void fixture_add_golden(struct fixture *fixture, const char *name)
{
    fixture_add_golden_as(fixture, name, name);
}

/* weight_ih [4H,1], weight_hh [4H,H]; the zeros behind the header are a hole in the file. */
static void write_zeros(const char *path, size_t hidden_size)
{
    const size_t rows = 4 * hidden_size, first = rows * sizeof(float);
    const size_t end = first + rows * hidden_size * sizeof(float);
    char header[256];
    const int size = snprintf(header, sizeof header,
                              "{\"weight_ih_l0\":{\"dtype\":\"F32\",\"shape\":[%zu,1],"
                              "\"data_offsets\":[0,%zu]},\"weight_hh_l0\":{\"dtype\":\"F32\","
                              "\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}}",
                              rows, first, rows, hidden_size, first, end);
    const uint64_t length = (uint64_t)size;
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(&length, sizeof length, 1, file) != 1 ||
        fwrite(header, (size_t)size, 1, file) != 1 || fflush(file) != 0 ||
        ftruncate(fileno(file), (off_t)(sizeof length + (size_t)size + end)) != 0)
        die("%s could not be written", path);
    fclose(file);
}

void fixture_add_zeros(struct fixture *fixture, const char *model, size_t hidden_size)
{
    char weights[96], config[96];
    snprintf(weights, sizeof weights, "%s.safetensors", model);
    snprintf(config, sizeof config, "%s.json", model);
    char *path = temp_dir_file(&fixture->dir, weights);
    write_zeros(path, hidden_size);
    free(path);
    temp_dir_write(&fixture->dir, config, "{\"weights\":\"%s\"}", weights);
}

bool fixture_start(struct fixture *fixture, const char *const *arguments,
                   const char *const *environment)
{
    const char *all[ARGUMENTS_MAX] = {"--models", fixture->dir.path};
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        if (i + 3 >= ARGUMENTS_MAX)
            die("too many arguments");
        all[i + 2] = arguments[i];
    }
    const bool ready = daemon_start(&fixture->daemon, all, environment);
    http_client_init(&fixture->client, fixture->daemon.port);
    return ready;
}

int fixture_stop(struct fixture *fixture)
{
    const int status = daemon_stop(&fixture->daemon);
    http_client_fini(&fixture->client);
    daemon_fini(&fixture->daemon);
    temp_dir_remove(&fixture->dir);
    return status;
}
