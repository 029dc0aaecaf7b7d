/* lstm-bench: how long core/ takes for one forward pass with initial states.
 *
 *   lstm-bench --shape T,B,I,H,L,D --threads N [--seconds S] [--kernel NAME] [--output FILE]
 *
 * Weights and inputs are random; everything is prepared before timing. A timed pass starts from
 * h_0 and c_0 and gives output, h_n and c_n, as the peers' passes do. Of the N threads as many work
 * on a pass as the core finds worth having. */
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "server/huge_pages.h"
#include "tests/bench/bench_line.h"
#include "tests/bench/bench_options.h"
#include "tests/bench/bench_team.h"
#include "tests/bench/lstm_case.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/die.h"

/* What a pass works on. A row's state is what model.h says: per cell h, then c. */
struct pass {
    struct model *model;
    struct bench_team *team;
    struct model_row *rows; /* [B] */
    float *state_0;         /* [B, model_state_size] */
    float *state;           /* the same, used up by each pass */
    size_t state_bytes;
    struct model_scratch scratch;
    size_t row_count;
};

static const struct kernel *find_kernel(const char *name)
{
    const struct kernel *kernel = kernel_find(name);
    if (kernel != NULL)
        return kernel;
    char known[256] = "";
    for (const struct kernel *const *k = kernel_table; *k != NULL; k++) {
        strncat(known, " ", sizeof known - strlen(known) - 1);
        strncat(known, (*k)->name, sizeof known - strlen(known) - 1);
    }
    bench_options_refuse("kernel '%s' is unknown, or this machine cannot run it; built in:%s", name,
                         known);
}

static struct model *create_model(const struct lstm_case *lstm, const struct kernel *kernel)
{
    const struct layer_spec spec = {
        .type = LAYER_LSTM,
        .as.lstm = {.input_size = lstm->shape.input_size,
                    .hidden_size = lstm->shape.hidden_size,
                    .num_layers = lstm->shape.layers,
                    .bidirectional = lstm->shape.directions == 2,
                    .weights = lstm->weights},
    };
    struct model *model = model_create(&spec, 1, kernel);
    if (model == NULL)
        die("no memory for the model");
    huge_pages_hold(model); /* as the daemon does */
    return model;
}

static struct model_scratch create_scratch(const struct model *model,
                                           const struct lstm_shape *shape, size_t team_size)
{
    struct model_scratch scratch;
    if (!model_team_scratch_size(model, team_size, shape->batch, shape->steps, &scratch.size))
        die("the scratch's size does not fit a size_t");
    const size_t lines = scratch.size / MODEL_SCRATCH_ALIGNMENT + 1;
    scratch.memory = aligned_alloc(MODEL_SCRATCH_ALIGNMENT, lines * MODEL_SCRATCH_ALIGNMENT);
    if (scratch.memory == NULL)
        die("no memory for %zu bytes of scratch", scratch.size);
    return scratch;
}

/* Moves one state tensor between [L*D,B,H] and the rows' states, where it begins first floats into
 * each cell's 2 * H. */
static void move_states(const struct pass *pass, const struct lstm_shape *shape, size_t first,
                        float *tensor, float *states, bool into_states)
{
    const size_t hidden = shape->hidden_size;
    const size_t state_size = model_state_size(pass->model);
    for (size_t cell = 0; cell < shape->layers * shape->directions; cell++)
        for (size_t row = 0; row < shape->batch; row++) {
            float *in_state = states + row * state_size + cell * 2 * hidden + first;
            float *in_tensor = tensor + (cell * shape->batch + row) * hidden;
            memcpy(into_states ? in_state : in_tensor, into_states ? in_tensor : in_state,
                   hidden * sizeof(float));
        }
}

static void set_rows(struct pass *pass, const struct lstm_case *lstm)
{
    const struct lstm_shape *shape = &lstm->shape;
    const size_t state_size = model_state_size(pass->model);
    const size_t width = shape->directions * shape->hidden_size;
    for (size_t row = 0; row < shape->batch; row++)
        pass->rows[row] = (struct model_row){
            .input = lstm->input + row * shape->input_size,
            .output = lstm->output + row * width,
            .input_stride = shape->batch * shape->input_size,
            .output_stride = shape->batch * width,
            .steps = shape->steps,
            .state = pass->state + row * state_size,
        };
}

static struct pass create_pass(const struct lstm_case *lstm, const struct kernel *kernel,
                               size_t threads)
{
    const struct lstm_shape *shape = &lstm->shape;
    struct pass pass = {.model = create_model(lstm, kernel), .row_count = shape->batch};
    const size_t team_size = model_team_size(pass.model, shape->batch, shape->steps, threads);
    pass.team = bench_team_create(team_size);
    pass.scratch = create_scratch(pass.model, shape, team_size);
    pass.state_bytes = shape->batch * model_state_size(pass.model) * sizeof(float);
    pass.state_0 = must_allocate(pass.state_bytes);
    pass.state = must_allocate(pass.state_bytes);
    pass.rows = must_allocate_zeros(shape->batch, sizeof *pass.rows);

    move_states(&pass, shape, 0, lstm->h_0, pass.state_0, true);
    move_states(&pass, shape, shape->hidden_size, lstm->c_0, pass.state_0, true);
    set_rows(&pass, lstm);
    return pass;
}

static void destroy_pass(struct pass *pass)
{
    bench_team_destroy(pass->team);
    free(pass->scratch.memory);
    free(pass->state);
    free(pass->state_0);
    free(pass->rows);
    model_destroy(pass->model);
}

static void run_share(void *context, const struct share *share)
{
    const struct pass *pass = context;
    model_run_member(pass->model, pass->rows, pass->row_count, pass->scratch, share);
}

/* The copy is what a caller does who keeps his initial states. */
static void run_pass(void *context)
{
    struct pass *pass = context;
    memcpy(pass->state, pass->state_0, pass->state_bytes);
    bench_team_run(pass->team, run_share, pass);
}

static void write_answer(struct pass *pass, struct lstm_case *lstm, const char *path)
{
    move_states(pass, &lstm->shape, 0, lstm->h_n, pass->state, false);
    move_states(pass, &lstm->shape, lstm->shape.hidden_size, lstm->c_n, pass->state, false);
    lstm_case_write(lstm, path);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    bench_options_parse(argc, argv, "[--kernel NAME]", &options);

    const struct kernel *kernel = find_kernel(options.kernel);
    struct lstm_case *lstm = lstm_case_create(&options.shape);
    struct pass pass = create_pass(lstm, kernel, options.threads);
    const struct stopwatch_times times = stopwatch_measure(run_pass, &pass, options.seconds);
    const double flops =
        model_flops_per_step(pass.model) * (double)(options.shape.steps * options.shape.batch);
    bench_line_print("kernel", kernel->name, &options, &times, flops);
    if (options.output != NULL)
        write_answer(&pass, lstm, options.output);
    destroy_pass(&pass);
    lstm_case_destroy(lstm);
    return 0;
}
