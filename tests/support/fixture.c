#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/die.h"
#include "tests/support/golden_case.h"
#include "tests/support/program.h"

#define ARGUMENTS_MAX 32
#define PATIENCE      60000 /* ms, for a machine under load */

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

void fixture_add_converted(struct fixture *fixture, const char *model, const char *file,
                           const char *const *arguments)
{
    const char *bin = getenv("BIN");
    char path[256];
    struct program program;
    snprintf(path, sizeof path, "%s/lstm-convert", bin != NULL ? bin : "build");
    const char *all[ARGUMENTS_MAX] = {path, file, "--out", fixture->dir.path, "--name", model};
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        if (i + 7 >= ARGUMENTS_MAX)
            die("too many arguments");
        all[i + 6] = arguments[i];
    }
    program_start(&program, all, NULL);
    if (program_wait(&program, PATIENCE) != 0)
        die("%s: %s", file, program_errors(&program));
    program_fini(&program);
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
