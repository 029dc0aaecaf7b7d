#include "tests/support/golden_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"
#include "tests/support/run_rows.h"

/* A row's place in the case's tensors. */
static size_t row_offset(const struct golden_case *golden, size_t row, size_t step, size_t width)
{
    const size_t before =
        golden->batch_first ? row * golden->steps + step : step * golden->rows + row;
    return before * width;
}

static size_t row_length(const struct golden_case *golden, size_t row)
{
    return golden->lengths != NULL ? (size_t)golden->lengths[row] : golden->steps;
}

/* The row's piece of at most plan->chunk steps that starts at first. */
static struct model_row row_piece(const struct golden_case *golden, const struct golden_plan *plan,
                                  size_t row, size_t first, float *output, float *state)
{
    const size_t length = row_length(golden, row);
    const size_t left = first < length ? length - first : 0;
    const size_t apart = golden->batch_first ? 1 : golden->rows;
    return (struct model_row){
        .input = golden->input + row_offset(golden, row, first, golden->input_size),
        .output = output + row_offset(golden, row, first, golden->output_size),
        .input_stride = apart * golden->input_size,
        .output_stride = apart * golden->output_size,
        .steps = plan->chunk != 0 && plan->chunk < left ? plan->chunk : left,
        .state = state,
    };
}

/* Between the tensor h [cells,B,P] and the rows' states: to the states when load, else back. */
static void move_states(const struct golden_case *golden, const struct model *model, float *states,
                        float *h, float *c, bool load)
{
    const struct model_lstm_state place = model_lstm_state(model, 0);
    const size_t state_size = model_state_size(model);
    if (model_lstm_count(model) != 1 || place.cells != golden->cells ||
        place.h_size != golden->h_size || place.c_size != golden->hidden_size)
        die("%s: the model's state has another shape", golden->folder);

    for (size_t cell = 0; cell < place.cells; cell++)
        for (size_t row = 0; row < golden->rows; row++) {
            float *at =
                states + row * state_size + place.offset + cell * (place.h_size + place.c_size);
            float *row_h = h + (cell * golden->rows + row) * place.h_size;
            float *row_c = c + (cell * golden->rows + row) * place.c_size;
            memcpy(load ? at : row_h, load ? row_h : at, place.h_size * sizeof(float));
            memcpy(load ? at + place.h_size : row_c, load ? row_c : at + place.h_size,
                   place.c_size * sizeof(float));
        }
}

static void run_pieces(const struct golden_case *golden, const struct model *model,
                       const struct golden_plan *plan, float *output, float *states)
{
    const size_t piece = plan->chunk != 0 ? plan->chunk : golden->steps;
    const size_t together = plan->row_by_row ? 1 : golden->rows;
    struct model_row *rows = must_allocate_zeros(golden->rows, sizeof *rows);

    for (size_t first = 0; first < golden->steps; first += piece) {
        for (size_t row = 0; row < golden->rows; row++)
            rows[row] =
                row_piece(golden, plan, row, first, output, states + row * model_state_size(model));
        for (size_t row = 0; row < golden->rows; row += together)
            run_rows(model, rows + row, together);
    }
    free(rows);
}

void golden_run(const struct golden_case *golden, const struct model *model,
                const struct golden_plan *plan, struct golden_answer *answer)
{
    answer->output_elements = golden->steps * golden->rows * golden->output_size;
    answer->h_elements = golden->cells * golden->rows * golden->h_size;
    answer->c_elements = golden->cells * golden->rows * golden->hidden_size;
    answer->output = must_allocate_zeros(answer->output_elements, sizeof(float));
    answer->h_n = must_allocate_zeros(answer->h_elements, sizeof(float));
    answer->c_n = must_allocate_zeros(answer->c_elements, sizeof(float));

    float *states = must_allocate_zeros(golden->rows * model_state_size(model), sizeof(float));
    if (golden->h_0 != NULL)
        move_states(golden, model, states, golden->h_0, golden->c_0, true);
    run_pieces(golden, model, plan, answer->output, states);
    move_states(golden, model, states, answer->h_n, answer->c_n, false);
    free(states);
}

void golden_answer_fini(struct golden_answer *answer)
{
    free(answer->output);
    free(answer->h_n);
    free(answer->c_n);
}

static double largest_difference(const struct golden_case *golden, const char *name,
                                 const float *values, size_t elements)
{
    const struct safetensors_tensor *tensor = safetensors_find(&golden->io.tensors, name);
    if (tensor == NULL || tensor->elements != elements)
        die("%s: %s has not %zu elements", golden->folder, name, elements);
    double *wanted = tensor_file_f64(&golden->io, name);
    double worst = 0;
    for (size_t i = 0; i < elements; i++) {
        const double difference = fabs((double)values[i] - wanted[i]);
        if (!(difference <= worst))
            worst = isnan(difference) ? INFINITY : difference;
    }
    free(wanted);
    return worst;
}

double golden_error(const struct golden_case *golden, const struct golden_answer *answer)
{
    const double output =
        largest_difference(golden, "output_f64", answer->output, answer->output_elements);
    const double h = largest_difference(golden, "h_n_f64", answer->h_n, answer->h_elements);
    const double c = largest_difference(golden, "c_n_f64", answer->c_n, answer->c_elements);
    return fmax(output, fmax(h, c));
}

bool golden_same_bits(const struct golden_answer *a, const struct golden_answer *b)
{
    return a->output_elements == b->output_elements && a->h_elements == b->h_elements &&
           a->c_elements == b->c_elements &&
           memcmp(a->output, b->output, a->output_elements * sizeof(float)) == 0 &&
           memcmp(a->h_n, b->h_n, a->h_elements * sizeof(float)) == 0 &&
           memcmp(a->c_n, b->c_n, a->c_elements * sizeof(float)) == 0;
}
