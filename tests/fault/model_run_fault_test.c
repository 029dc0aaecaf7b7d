/* A small model's pass takes no memory, no lock that could wait, and makes no system call: every
 * allocation would fail, and the process may do nothing but end (seccomp's strict mode), in a child
 * that dies of anything else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/model.h"
#include "tests/fault/failing_calls.h"
#include "tests/support/random.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { INPUT = 24, HIDDEN = 40, OUTPUT = 3, ROWS = 2, STEPS = 9, CELLS = 2 };

struct pass {
    struct model *model;
    struct model_row rows[ROWS];
    float *floats[2 * CELLS + 1 + 3 * ROWS]; /* to be freed */
    size_t float_count;
    struct model_scratch scratch;
};

static float *floats(struct pass *pass, size_t count)
{
    struct random random = {count + 1};
    float *block = malloc(count * sizeof *block);
    assert_non_null(block);
    random_floats(&random, block, count, 0.5f);
    pass->floats[pass->float_count++] = block;
    return block;
}

/* A bidirectional LSTM and a dense layer. */
static void pass_init(struct pass *pass, const struct kernel *kernel)
{
    *pass = (struct pass){0};
    struct lstm_weights cells[CELLS];
    for (size_t d = 0; d < CELLS; d++)
        cells[d] = (struct lstm_weights){
            .weight_ih = floats(pass, (size_t)4 * HIDDEN * INPUT),
            .weight_hh = floats(pass, (size_t)4 * HIDDEN * HIDDEN),
        };
    const struct layer_spec layers[] = {
        {.type = LAYER_LSTM,
         .as.lstm = {.input_size = INPUT,
                     .hidden_size = HIDDEN,
                     .num_layers = 1,
                     .bidirectional = true,
                     .weights = cells}},
        {.type = LAYER_DENSE,
         .as.dense = {.in_features = CELLS * HIDDEN,
                      .out_features = OUTPUT,
                      .activation.kind = ACTIVATION_SIGMOID,
                      .weight = floats(pass, (size_t)OUTPUT * CELLS * HIDDEN)}},
    };
    pass->model = model_create(layers, 2, kernel);
    assert_non_null(pass->model);
    for (size_t r = 0; r < ROWS; r++)
        pass->rows[r] = (struct model_row){
            .input = floats(pass, (size_t)STEPS * INPUT),
            .output = floats(pass, (size_t)STEPS * OUTPUT),
            .input_stride = INPUT,
            .output_stride = OUTPUT,
            .steps = STEPS - r,
            .ends = true,
            .state = floats(pass, model_state_size(pass->model)),
        };
    struct model_scratch *scratch = &pass->scratch;
    assert_true(model_scratch_size(pass->model, ROWS, STEPS, &scratch->size));
    const size_t lines = scratch->size / MODEL_SCRATCH_ALIGNMENT + 1;
    scratch->memory = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, lines * MODEL_SCRATCH_ALIGNMENT);
    assert_non_null(scratch->memory);
}

static void pass_fini(struct pass *pass)
{
    model_destroy(pass->model);
    for (size_t i = 0; i < pass->float_count; i++)
        free(pass->floats[i]);
    free(pass->scratch.memory);
}

enum { FILTERED_ALREADY = 2 };

static void run_alone(const struct pass *pass)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        syscall(SYS_exit, FILTERED_ALREADY);
    model_run(pass->model, pass->rows, ROWS, pass->scratch);
    syscall(SYS_exit, 0); /* not _exit: that is exit_group, which is not allowed */
}

static void a_pass_makes_no_system_call(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* their own bookkeeping may call the system */
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        struct pass pass;
        int status;
        if (!(*k)->supported())
            continue;
        pass_init(&pass, *k);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            run_alone(&pass);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        pass_fini(&pass);
        if (WEXITSTATUS(status) == FILTERED_ALREADY)
            skip(); /* inside a container's filter there is no stricter one to be had */
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void a_pass_takes_no_memory(void **state)
{
    (void)state;
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        struct pass pass;
        if (!(*k)->supported())
            continue;
        pass_init(&pass, *k);
        fail_memory_after(0);
        model_run(pass.model, pass.rows, ROWS, pass.scratch);
        const bool asked = fail_memory_no_more();
        assert_false(asked);
        assert_int_equal(live_blocks(), 0);
        pass_fini(&pass);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_makes_no_system_call),
        cmocka_unit_test(a_pass_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
