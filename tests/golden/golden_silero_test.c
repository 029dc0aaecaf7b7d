/* A real trained network, Silero VAD's decoder, against what ONNX Runtime answered: in this process
 * and streamed through the daemon by a client that carries the state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model_builder.h"
#include "tests/support/die.h"
#include "tests/support/fixture.h"
#include "tests/support/silero.h"
#include "tests/support/tensor_file.h"

/* Row state and answer of one run, frame by frame. */
struct run {
    float *probability; /* [frames] */
    float *state;       /* [frames][h 128, c 128] */
};

static struct silero silero;

static struct model *build(const struct kernel *kernel)
{
    static const char config_text[] = SILERO_CONFIG("model.safetensors");
    struct fault fault = {0};
    struct model_config config;
    struct tensor_file weights;
    struct model *model = NULL;
    tensor_file_open(&weights, SILERO_FOLDER "/model.safetensors");
    if (!model_config_parse(&config, config_text, sizeof config_text - 1, "vad", &fault) ||
        !model_build(&config, &weights.tensors, kernel, &model, &fault))
        fail_msg("%s", fault.text);
    model_config_fini(&config);
    tensor_file_close(&weights);
    assert_int_equal(model_input_size(model), SILERO_SIZE);
    assert_int_equal(model_output_size(model), 1);
    assert_int_equal(model_state_size(model), 2 * SILERO_SIZE);
    return model;
}

static void run_frame_by_frame(const struct kernel *kernel, struct run *run)
{
    struct model *model = build(kernel);
    size_t bytes = 0;
    assert_true(model_scratch_size(model, 1, 1, &bytes));
    void *scratch = aligned_alloc(MODEL_SCRATCH_ALIGNMENT,
                                  (bytes / MODEL_SCRATCH_ALIGNMENT + 1) * MODEL_SCRATCH_ALIGNMENT);
    assert_non_null(scratch);
    run->probability = must_allocate_zeros(silero.frames, sizeof(float));
    run->state = must_allocate_zeros(silero.frames, 2 * SILERO_SIZE * sizeof(float));

    float state[2 * SILERO_SIZE] = {0};
    for (size_t t = 0; t < silero.frames; t++) {
        const struct model_row row = {.input = silero.input + t * SILERO_SIZE,
                                      .output = run->probability + t,
                                      .input_stride = SILERO_SIZE,
                                      .output_stride = 1,
                                      .steps = 1,
                                      .state = state};
        model_run(model, &row, 1, (struct model_scratch){scratch, bytes});
        memcpy(run->state + t * 2 * SILERO_SIZE, state, sizeof state);
    }
    free(scratch);
    model_destroy(model);
}

static void run_fini(struct run *run)
{
    free(run->probability);
    free(run->state);
}

static void assert_near(const char *what, size_t frame, double value, double recorded)
{
    if (!(fabs(value - recorded) <= SILERO_BOUND))
        fail_msg("%s at frame %zu: %.9g, recorded %.9g", what, frame, value, recorded);
}

static void every_frame_is_as_recorded(void **state)
{
    struct run run;
    (void)state;
    assert_int_equal(silero.frames, 384);
    run_frame_by_frame(kernel_find("scalar"), &run);
    for (size_t t = 0; t < silero.frames; t++) {
        const float *h = run.state + t * 2 * SILERO_SIZE, *c = h + SILERO_SIZE;
        assert_near("probability", t, run.probability[t], silero.probability[t]);
        for (size_t i = 0; i < SILERO_SIZE; i++) {
            assert_near("h", t, h[i], silero.h[t * SILERO_SIZE + i]);
            /* c is not squashed into [-1,1] by tanh: its rounding grows with it. */
            const double scale = fmax(1, fabs((double)silero.c[t * SILERO_SIZE + i]));
            assert_near("c", t, c[i] / scale, silero.c[t * SILERO_SIZE + i] / scale);
        }
    }
    run_fini(&run);
}

static void every_kernel_gives_the_same_bits(void **state)
{
    struct run definition;
    (void)state;
    run_frame_by_frame(kernel_find("scalar"), &definition);
    for (const struct kernel *const *kernel = kernel_table; *kernel != NULL; kernel++) {
        struct run run;
        if (!(*kernel)->supported())
            continue;
        run_frame_by_frame(*kernel, &run);
        assert_memory_equal(run.probability, definition.probability, silero.frames * sizeof(float));
        assert_memory_equal(run.state, definition.state,
                            silero.frames * 2 * SILERO_SIZE * sizeof(float));
        run_fini(&run);
    }
    run_fini(&definition);
}

static struct fixture fixture;

static int start_daemon(void **state)
{
    char *weights = realpath(SILERO_FOLDER "/model.safetensors", NULL);
    (void)state;
    fixture_init(&fixture);
    temp_dir_write(&fixture.dir, "vad.json", SILERO_CONFIG("%s"), weights);
    free(weights);
    return fixture_start(&fixture, NULL, NULL) ? 0 : -1;
}

static int stop_daemon(void **state)
{
    (void)state;
    return fixture_stop(&fixture);
}

/* Streams everything in pieces of that many frames; always the bits of the run in this process. */
static void stream_in_pieces_of(size_t piece)
{
    struct run run;
    struct silero_stream stream = {.client = &fixture.client, .model = "vad"};
    float *probability = must_allocate_zeros(silero.frames, sizeof(float));
    run_frame_by_frame(kernel_find(NULL), &run);

    for (size_t first = 0; first < silero.frames; first += piece) {
        const size_t left = silero.frames - first, count = left < piece ? left : piece;
        assert_true(silero_stream_send(&stream, silero.input + first * SILERO_SIZE, count,
                                       probability + first));
        const float *last = run.state + (first + count - 1) * 2 * SILERO_SIZE;
        assert_memory_equal(stream.h, last, sizeof stream.h);
        assert_memory_equal(stream.c, last + SILERO_SIZE, sizeof stream.c);
    }
    assert_memory_equal(probability, run.probability, silero.frames * sizeof(float));
    for (size_t t = 0; t < silero.frames; t++)
        assert_near("probability", t, probability[t], silero.probability[t]);
    run_fini(&run);
    free(probability);
}

static void streamed_frame_by_frame_it_is_the_same_bits(void **state)
{
    (void)state;
    stream_in_pieces_of(1);
}

static void streamed_in_pieces_of_7_it_is_the_same_bits(void **state)
{
    (void)state;
    stream_in_pieces_of(7);
}

static void streamed_in_pieces_of_32_it_is_the_same_bits(void **state)
{
    (void)state;
    stream_in_pieces_of(32);
}

static void sent_whole_it_is_the_same_bits(void **state)
{
    (void)state;
    stream_in_pieces_of(silero.frames);
}

int main(void)
{
    const struct CMUnitTest core[] = {
        cmocka_unit_test(every_frame_is_as_recorded),
        cmocka_unit_test(every_kernel_gives_the_same_bits),
    };
    const struct CMUnitTest wire[] = {
        cmocka_unit_test(streamed_frame_by_frame_it_is_the_same_bits),
        cmocka_unit_test(streamed_in_pieces_of_7_it_is_the_same_bits),
        cmocka_unit_test(streamed_in_pieces_of_32_it_is_the_same_bits),
        cmocka_unit_test(sent_whole_it_is_the_same_bits),
    };
    silero_open(&silero);
    int failed = cmocka_run_group_tests(core, NULL, NULL);
    failed += cmocka_run_group_tests(wire, start_daemon, stop_daemon);
    silero_close(&silero);
    return failed;
}
