/* Where numbers are written with a comma, the daemon reads and writes JSON's all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <langinfo.h>
#include <locale.h>
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

/* Makes the locale in that folder: a fresh machine has none. */
static void make_locale(const char *folder)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" LOCALE, folder);
    const char *const arguments[] = {
        "/usr/bin/localedef", "-i", "de_DE", "-f", "UTF-8", path, NULL};
    struct program program;
    program_start(&program, arguments, NULL);
    const int status = program_wait(&program, 60000);
    char *errors = program_errors(&program);
    if (status != 0)
        fail_msg("localedef: exit %d: %s", status, errors);
    free(errors);
    program_fini(&program);
}

/* A program that did what the daemon must not do would get the comma. */
static void assert_the_locale_has_a_comma(const char *folder)
{
    setenv("LOCPATH", folder, 1);
    locale_t german = newlocale(LC_ALL_MASK, LOCALE, (locale_t)0);
    assert_true(german != (locale_t)0);
    assert_string_equal(nl_langinfo_l(RADIXCHAR, german), ",");
    freelocale(german);
}

static void remove_locale(const char *folder)
{
    const char *const arguments[] = {"/bin/rm", "-rf", folder, NULL};
    struct program program;
    program_start(&program, arguments, NULL);
    program_wait(&program, 60000);
    program_fini(&program);
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
    assert_the_locale_has_a_comma(locales.path);

    snprintf(path, sizeof path, "LOCPATH=%s", locales.path);
    const char *const environment[] = {path, "LC_ALL=" LOCALE, "LANG=" LOCALE, NULL};
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
