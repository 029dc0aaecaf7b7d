/* Where numbers are written with a comma, the daemon reads and writes JSON's all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"
#include "tests/support/expect.h"
#include "tests/support/fixture.h"
#include "tests/support/golden_case.h"
#include "tests/support/golden_run.h"
#include "tests/support/infer_client.h"
#include "tests/support/program.h"

#define LOCALE "de_DE.UTF-8"

/* Runs a program to its good end and returns what it wrote, the caller's to free. */
static char *run(const char *const *arguments, const char *const *environment)
{
    struct program program;
    program_start(&program, arguments, environment);
    const int status = program_wait(&program, 60000);
    char *output = program_output(&program), *errors = program_errors(&program);
    if (status != 0)
        fail_msg("%s: exit %d: %s", arguments[0], status, errors);
    program_fini(&program);
    free(errors);
    return output;
}

/* Makes the locale in that folder: a fresh machine has none. */
static void make_locale(const char *folder)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" LOCALE, folder);
    const char *const arguments[] = {
        "/usr/bin/localedef", "-i", "de_DE", "-f", "UTF-8", path, NULL};
    free(run(arguments, NULL));
}

/* A program that did what the daemon must not do would get the comma. */
static void assert_the_locale_has_a_comma(const char *const *environment)
{
    static const char *const arguments[] = {"/usr/bin/locale", "decimal_point", NULL};
    char *output = run(arguments, environment);
    assert_string_equal(output, ",\n");
    free(output);
}

static void remove_locale(const char *folder)
{
    const char *const arguments[] = {"/bin/rm", "-rf", folder, NULL};
    free(run(arguments, NULL));
}

static void assert_exact_answer(struct fixture *fixture)
{
    struct golden_case golden;
    struct golden_answer own;
    struct infer_body body;
    struct infer_result result;
    golden_case_open(&golden, "seed_simple");
    struct model *model = golden_case_model(&golden, true, kernel_find("scalar"));
    golden_run(&golden, model, &(struct golden_plan){0}, &own);

    infer_body_begin(&body, NULL);
    infer_body_f32(&body, "input", 3, (const size_t[]){17, 2, 10}, golden.input);
    assert_true(infer_post(&fixture->client, "simple", &body, &result));
    assert_memory_equal(expect_tensor(&result, "output", 17, 2, 7), own.output,
                        own.output_elements * sizeof(float));
    infer_result_fini(&result);
    golden_answer_fini(&own);
    model_destroy(model);
    golden_case_close(&golden);
}

static void numbers_do_not_follow_the_locale(void **state)
{
    struct temp_dir locales;
    struct fixture fixture;
    char path[96];
    (void)state;
    temp_dir_create(&locales);
    make_locale(locales.path);
    snprintf(path, sizeof path, "LOCPATH=%s", locales.path);
    /* With LOCPATH set, p11-kit (by way of GnuTLS) leaks a few bytes when it is loaded. */
    const char *const environment[] = {path, "LC_ALL=" LOCALE, "LANG=" LOCALE,
                                       "ASAN_OPTIONS=detect_leaks=0", NULL};
    assert_the_locale_has_a_comma(environment);

    char *weights = realpath("tests/golden/torch/seed_simple/model.safetensors", NULL);
    fixture_init(&fixture);
    temp_dir_write(&fixture.dir, "simple.json", "{\"weights\":\"%s\",\"lstm\":{\"dropout\":0.25}}",
                   weights);
    assert_true(fixture_start(&fixture, NULL, environment));
    assert_exact_answer(&fixture);
    assert_int_equal(fixture_stop(&fixture), 0);
    free(weights);
    remove_locale(locales.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_do_not_follow_the_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
