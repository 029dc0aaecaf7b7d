/* Networks of all kinds of layers: against a reference in double that shares nothing with the core
 * but the specs, and against themselves cut, alone, by teams and with every kernel. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/random.h"
#include "tests/support/row_batch.h"

enum {
    CASES = 1500,
    ROWS_MAX = 7,
    STEPS_MAX = 17,
    LAYERS_MAX = 6,
    BLOCKS_MAX = 400,
    WIDTH_MAX = 300,
    ROW_STEPS_MAX = 400, /* of a row between two layers */
    VOCABULARY = 11,
};

#define MASK_VALUE 0.25f

/* ---- random networks ---- */

struct network {
    struct random random;
    struct layer_spec layers[LAYERS_MAX];
    size_t layer_count;
    float *blocks[BLOCKS_MAX];
    size_t block_count;
    void *lists[2 * LAYERS_MAX];
    size_t list_count;
    size_t width, steps; /* of a row of STEPS_MAX steps, so far */
    bool vector;
};

static float *block(struct network *n, size_t count, float scale)
{
    float *floats = malloc(count * sizeof *floats);
    assert_non_null(floats);
    assert_true(n->block_count < BLOCKS_MAX);
    n->blocks[n->block_count++] = floats;
    random_floats(&n->random, floats, count, scale);
    return floats;
}

static float *maybe_block(struct network *n, size_t count, float scale)
{
    return random_size(&n->random, 0, 2) > 0 ? block(n, count, scale) : NULL;
}

static void *list(struct network *n, size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    n->lists[n->list_count++] = memory;
    return memory;
}

static bool toss(struct network *n, size_t one_in)
{
    return random_size(&n->random, 1, one_in) == 1;
}

static struct activation_function pick(struct network *n, const enum activation *kinds,
                                       size_t count)
{
    struct activation_function function;
    const enum activation kind = kinds[random_size(&n->random, 0, count - 1)];
    assert_true(activation_from_name(activation_name(kind), &function));
    if (kind == ACTIVATION_HARD_SIGMOID && toss(n, 2))
        function.alpha = 1.0f / 6;
    return function;
}

static struct activation_function any_activation(struct network *n)
{
    static const enum activation kinds[] = {
        ACTIVATION_LINEAR,   ACTIVATION_RELU,       ACTIVATION_SIGMOID,     ACTIVATION_TANH,
        ACTIVATION_SOFTSIGN, ACTIVATION_SOFTPLUS,   ACTIVATION_ELU,         ACTIVATION_SWISH,
        ACTIVATION_GELU,     ACTIVATION_LEAKY_RELU, ACTIVATION_SOFTMAX,     ACTIVATION_HARD_SIGMOID,
        ACTIVATION_RELU6,    ACTIVATION_CLIP,       ACTIVATION_LOG_SOFTMAX,
    };
    return pick(n, kinds, sizeof kinds / sizeof kinds[0]);
}

static const struct lstm_activations *lstm_activations(struct network *n, size_t directions)
{
    static const enum activation gates[] = {ACTIVATION_SIGMOID, ACTIVATION_HARD_SIGMOID};
    static const enum activation values[] = {ACTIVATION_TANH, ACTIVATION_RELU, ACTIVATION_SOFTSIGN,
                                             ACTIVATION_ELU};
    if (toss(n, 2))
        return NULL;
    struct lstm_activations *a = list(n, directions, sizeof *a);
    for (size_t d = 0; d < directions; d++)
        a[d] = (struct lstm_activations){pick(n, gates, 2), pick(n, values, 4), pick(n, values, 4)};
    return a;
}

static void add_lstm(struct network *n, struct layer_spec *layer)
{
    const size_t hidden = random_size(&n->random, 1, 18);
    const size_t proj = hidden > 1 && toss(n, 6) ? random_size(&n->random, 1, hidden - 1) : 0;
    const size_t out = proj != 0 ? proj : hidden;
    const bool both = toss(n, 4), peepholes = toss(n, 4);
    const size_t layers = random_size(&n->random, 1, 2), directions = both ? 2 : 1;
    struct lstm_weights *weights = list(n, layers * directions, sizeof *weights);
    for (size_t i = 0; i < layers * directions; i++) {
        const size_t in = i < directions ? n->width : directions * out;
        weights[i] = (struct lstm_weights){
            .weight_ih = block(n, 4 * hidden * in, 0.3f),
            .weight_hh = block(n, 4 * hidden * out, 0.3f),
            .bias_ih = maybe_block(n, 4 * hidden, 0.5f),
            .bias_hh = maybe_block(n, 4 * hidden, 0.5f),
            .weight_hr = proj != 0 ? block(n, proj * hidden, 0.5f) : NULL,
            .weight_peephole = peepholes ? block(n, 3 * hidden, 0.5f) : NULL,
        };
    }
    layer->type = LAYER_LSTM;
    layer->as.lstm = (struct lstm_spec){
        .input_size = n->width,
        .hidden_size = hidden,
        .num_layers = layers,
        .proj_size = proj,
        .bidirectional = both,
        .weights = weights,
        .reverse = !both && toss(n, 8),
        .last_only = toss(n, 4),
        .merge = both && layers == 1 ? (enum lstm_merge)random_size(&n->random, 0, 3) : LSTM_CONCAT,
        .activations = lstm_activations(n, directions),
        .clip = toss(n, 6) ? 0.4f : 0.0f,
        .input_forget = toss(n, 6),
    };
    layer->as.lstm.zero_masked = !layer->as.lstm.last_only && toss(n, 3);
    if (!both && !layer->as.lstm.reverse && toss(n, 8))
        layer->as.lstm.go_backwards = true;
    n->width = layer->as.lstm.merge == LSTM_CONCAT ? directions * out : out;
    if (layer->as.lstm.last_only) {
        n->vector = true;
        n->steps = 1;
    }
}

static void add_dense(struct network *n, struct layer_spec *layer)
{
    const size_t out = random_size(&n->random, 1, 40);
    layer->type = LAYER_DENSE;
    layer->as.dense = (struct dense_spec){.in_features = n->width,
                                          .out_features = out,
                                          .activation = any_activation(n),
                                          .weight = block(n, out * n->width, 0.4f),
                                          .bias = maybe_block(n, out, 1)};
    n->width = out;
}

static void add_activation(struct network *n, struct layer_spec *layer)
{
    layer->type = LAYER_ACTIVATION;
    layer->as.activation = (struct activation_spec){n->width, any_activation(n)};
}

static void add_masking(struct network *n, struct layer_spec *layer)
{
    layer->type = LAYER_MASKING;
    layer->as.masking = (struct masking_spec){n->width, n->layer_count == 0 ? MASK_VALUE : 0.0f};
}

static void add_norm(struct network *n, struct layer_spec *layer)
{
    const bool batch = toss(n, 2);
    layer->type = batch ? LAYER_BATCH_NORM : LAYER_LAYER_NORM;
    layer->as.norm = (struct norm_spec){.features = n->width,
                                        .epsilon = 1e-3,
                                        .weight = maybe_block(n, n->width, 1),
                                        .bias = maybe_block(n, n->width, 1)};
    if (!batch)
        return;
    float *variance = block(n, n->width, 0.5f);
    for (size_t i = 0; i < n->width; i++)
        variance[i] += 1.0f;
    layer->as.norm.running_var = variance;
    layer->as.norm.running_mean = block(n, n->width, 1);
}

static void add_last_step(struct network *n, struct layer_spec *layer)
{
    layer->type = LAYER_LAST_STEP;
    layer->as.last_step.features = n->width;
    n->vector = true;
    n->steps = 1;
}

/* Flattens, or cuts each step, where sizes allow. */
static void add_reshape(struct network *n, struct layer_spec *layer)
{
    const size_t total = n->width * n->steps;
    layer->type = LAYER_RESHAPE;
    if (!n->vector && n->width % 2 == 0 && toss(n, 2)) {
        layer->as.reshape =
            (struct reshape_spec){.in_features = n->width, .out_features = n->width / 2};
        n->steps *= 2;
        n->width /= 2;
        return;
    }
    const size_t out = total > WIDTH_MAX ? total / n->steps : total;
    layer->as.reshape = (struct reshape_spec){
        .in_features = n->width, .out_features = out, .steps = n->steps, .vector = out == total};
    n->steps = total / out;
    n->width = out;
    n->vector = out == total;
}

static void add_repeat(struct network *n, struct layer_spec *layer)
{
    layer->type = LAYER_REPEAT_VECTOR;
    layer->as.repeat_vector = (struct repeat_vector_spec){n->width, random_size(&n->random, 1, 6)};
    n->steps = layer->as.repeat_vector.n;
    n->vector = false;
}

static struct window any_window(struct network *n, bool pool)
{
    const size_t size = random_size(&n->random, 1, 4);
    struct window window = {.size = size,
                            .stride = random_size(&n->random, 1, 3),
                            .dilation = pool ? 1 : random_size(&n->random, 1, 2),
                            .padding = toss(n, 2) ? PADDING_SAME : PADDING_EXPLICIT};
    if (window.padding == PADDING_EXPLICIT) {
        window.pad_left = random_size(&n->random, 0, pool ? size - 1 : 3);
        window.pad_right = random_size(&n->random, 0, pool ? size - 1 : 3);
    }
    return window;
}

static void add_conv(struct network *n, struct layer_spec *layer)
{
    const struct window window = any_window(n, false);
    const size_t out = random_size(&n->random, 1, 12);
    layer->type = LAYER_CONV1D;
    layer->as.conv1d = (struct conv1d_spec){.in_channels = n->width,
                                            .out_channels = out,
                                            .window = window,
                                            .activation = any_activation(n),
                                            .weight = block(n, out * n->width * window.size, 0.3f),
                                            .bias = maybe_block(n, out, 1)};
    n->width = out;
    n->steps = window_output_steps(&window, n->steps);
}

static void add_pool(struct network *n, struct layer_spec *layer)
{
    layer->type = LAYER_POOL1D;
    layer->as.pool1d = (struct pool1d_spec){.features = n->width,
                                            .pooling = toss(n, 2) ? POOLING_MAX : POOLING_AVERAGE,
                                            .global = toss(n, 2)};
    if (layer->as.pool1d.global) {
        n->vector = true;
        n->steps = 1;
        return;
    }
    layer->as.pool1d.window = any_window(n, true);
    n->steps = window_output_steps(&layer->as.pool1d.window, n->steps);
}

static void add_embedding(struct network *n, struct layer_spec *layer)
{
    const size_t out = random_size(&n->random, 1, 9);
    layer->type = LAYER_EMBEDDING;
    layer->as.embedding =
        (struct embedding_spec){VOCABULARY, out, toss(n, 2), block(n, VOCABULARY * out, 1)};
    n->width = out;
}

static void add_layer(struct network *n)
{
    static void (*const of_steps[])(struct network * n, struct layer_spec * layer) = {
        add_lstm, add_lstm,      add_lstm,    add_dense, add_activation, add_masking,
        add_norm, add_last_step, add_reshape, add_conv,  add_pool,
    };
    static void (*const of_vectors[])(struct network * n, struct layer_spec * layer) = {
        add_dense, add_activation, add_norm, add_repeat, add_reshape,
    };
    struct layer_spec *layer = &n->layers[n->layer_count];
    *layer = (struct layer_spec){0};
    if (n->vector)
        of_vectors[random_size(&n->random, 0, 4)](n, layer);
    else
        of_steps[random_size(&n->random, 0, 10)](n, layer);
    n->layer_count++;
}

/* A layer of LSTMs at the start in most cases: it is what the rest is for. */
static void network_init(struct network *n, uint64_t seed)
{
    *n = (struct network){.random = {seed}, .steps = STEPS_MAX};
    const size_t layers = random_size(&n->random, 1, LAYERS_MAX);
    n->width = random_size(&n->random, 1, 12);
    if (toss(n, 4))
        add_embedding(n, &n->layers[n->layer_count++]);
    else if (toss(n, 3))
        add_masking(n, &n->layers[n->layer_count++]);
    while (n->layer_count < layers && n->steps > 0 && n->steps * n->width < ROW_STEPS_MAX)
        add_layer(n);
    if (n->layer_count == 0)
        add_lstm(n, &n->layers[n->layer_count++]);
}

static void network_fini(struct network *n)
{
    for (size_t i = 0; i < n->block_count; i++)
        free(n->blocks[i]);
    for (size_t i = 0; i < n->list_count; i++)
        free(n->lists[i]);
}

/* ---- batches ---- */

/* Inputs that the first layer has use for: numbers of embeddings, steps to be masked. */
static void fill_input(const struct model *model, struct random *random, float *input,
                       size_t stride, size_t steps)
{
    const size_t width = model_input_size(model);
    for (size_t t = 0; t < steps; t++, input += stride) {
        random_floats(random, input, stride, 1.5f);
        const bool masked = random_size(random, 0, 2) == 0;
        for (size_t i = 0; masked && i < width; i++)
            input[i] = MASK_VALUE;
        if (model_vocabulary(model) != 0)
            input[0] = masked ? 0.0f : (float)random_size(random, 0, VOCABULARY - 1);
    }
}

/* h and c are anything, what else is in a state is zeros: the row is new. */
static void fill_state(const struct model *model, struct random *random, float *state)
{
    memset(state, 0, model_state_size(model) * sizeof *state);
    for (size_t k = 0; k < model_lstm_count(model); k++) {
        const struct model_lstm_state s = model_lstm_state(model, k);
        random_floats(random, state + s.offset, s.cells * (s.h_size + s.c_size), 0.9f);
    }
}

static void fill(const struct model *model, struct random *random, float *input, size_t stride,
                 size_t steps, float *state)
{
    fill_input(model, random, input, stride, steps);
    fill_state(model, random, state);
}

static const struct row_batch_rule rule = {ROWS_MAX, STEPS_MAX, fill};

/* ---- the reference ---- */

/* A row between two layers. */
struct sequence {
    double *x; /* [steps][width] */
    size_t steps, width;
    bool *masked; /* [steps] */
    bool has_mask;
};

static struct sequence sequence_create(size_t steps, size_t width)
{
    struct sequence s = {calloc(steps * width + 1, sizeof *s.x), steps, width,
                         calloc(steps + 1, sizeof *s.masked), false};
    assert_true(s.x != NULL && s.masked != NULL);
    return s;
}

static void sequence_fini(struct sequence *s)
{
    free(s->x);
    free(s->masked);
}

static void keep_mask(struct sequence *to, const struct sequence *from)
{
    memcpy(to->masked, from->masked, from->steps * sizeof *to->masked);
    to->has_mask = from->has_mask;
}

static double exact(const struct activation_function *f, double x)
{
    const double alpha = (double)f->alpha, beta = (double)f->beta;
    switch (f->kind) {
    case ACTIVATION_RELU:
        return fmax(x, 0);
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_HARD_SIGMOID:
        return fmin(fmax(alpha * x + beta, 0), 1);
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabs(x));
    case ACTIVATION_SOFTPLUS:
        return log1p(exp(x));
    case ACTIVATION_ELU:
        return x < 0 ? alpha * expm1(x) : x;
    case ACTIVATION_SWISH:
        return x / (1 + exp(-x));
    case ACTIVATION_GELU:
        return x * erfc(-x / sqrt(2)) / 2;
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case ACTIVATION_RELU6:
        return fmin(fmax(x, 0), 6);
    case ACTIVATION_CLIP:
        return fmin(fmax(x, alpha), beta);
    default:
        assert_int_equal(f->kind, ACTIVATION_LINEAR);
        return x;
    }
}

static void exact_vector(const struct activation_function *f, double *x, size_t n)
{
    double sum = 0, most = -INFINITY;
    if (!activation_is_vector(f->kind)) {
        for (size_t i = 0; i < n; i++)
            x[i] = exact(f, x[i]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        most = fmax(most, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] = f->kind == ACTIVATION_SOFTMAX ? exp(x[i] - most) / sum : x[i] - most - log(sum);
}

static void activate(const struct activation_function *f, struct sequence *s)
{
    for (size_t t = 0; t < s->steps; t++)
        exact_vector(f, s->x + t * s->width, s->width);
}

static double cut(double limit, double x)
{
    return limit == 0 ? x : fmin(fmax(x, -limit), limit);
}

/* One step by ONNX' equations; full[H] gets what would be projected. */
static void lstm_step(const struct lstm_spec *spec, const struct lstm_weights *w,
                      const struct lstm_activations *a, size_t in, const double *x, const double *h,
                      double *c, double *full)
{
    const size_t hidden = spec->hidden_size, out = spec->proj_size ? spec->proj_size : hidden;
    const double limit = (double)spec->clip;
    const float *peep = w->weight_peephole;
    for (size_t u = 0; u < hidden; u++) {
        double gate[4];
        for (size_t g = 0; g < 4; g++) {
            const size_t row = g * hidden + u;
            gate[g] = (w->bias_ih ? (double)w->bias_ih[row] : 0) +
                      (w->bias_hh ? (double)w->bias_hh[row] : 0);
            for (size_t k = 0; k < in; k++)
                gate[g] += (double)w->weight_ih[row * in + k] * x[k];
            for (size_t k = 0; k < out; k++)
                gate[g] += (double)w->weight_hh[row * out + k] * h[k];
        }
        const double i =
            exact(&a->gates, cut(limit, gate[0] + (peep ? (double)peep[u] * c[u] : 0)));
        const double f =
            spec->input_forget
                ? 1 - i
                : exact(&a->gates,
                        cut(limit, gate[1] + (peep ? (double)peep[2 * hidden + u] * c[u] : 0)));
        c[u] = f * c[u] + i * exact(&a->candidate, cut(limit, gate[2]));
        const double o =
            exact(&a->gates, cut(limit, gate[3] + (peep ? (double)peep[hidden + u] * c[u] : 0)));
        full[u] = o * exact(&a->hidden, c[u]);
    }
}

static void project(const struct lstm_spec *spec, const struct lstm_weights *w, const double *full,
                    double *h)
{
    if (spec->proj_size == 0) {
        memcpy(h, full, spec->hidden_size * sizeof *h);
        return;
    }
    for (size_t p = 0; p < spec->proj_size; p++) {
        h[p] = 0;
        for (size_t u = 0; u < spec->hidden_size; u++)
            h[p] += (double)w->weight_hr[p * spec->hidden_size + u] * full[u];
    }
}

/* Keras' loop: last is what stands at masked steps, zeros at first. state: h, then c. */
static void lstm_direction(const struct lstm_spec *spec, size_t layer, size_t d,
                           const struct sequence *in, struct sequence *out, double *state,
                           double *last)
{
    static const struct lstm_activations usual = {
        {.kind = ACTIVATION_SIGMOID}, {.kind = ACTIVATION_TANH}, {.kind = ACTIVATION_TANH}};
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t size = spec->proj_size ? spec->proj_size : spec->hidden_size;
    const bool backwards = d == 1 || spec->reverse || spec->go_backwards;
    const struct lstm_weights *w = &spec->weights[layer * directions + d];
    double full[32];
    memset(last, 0, size * sizeof *last);
    for (size_t p = 0; p < in->steps; p++) {
        const size_t t = backwards ? in->steps - 1 - p : p;
        if (!in->masked[t]) {
            lstm_step(spec, w, spec->activations ? &spec->activations[d] : &usual, in->width,
                      in->x + t * in->width, state, state + size, full);
            project(spec, w, full, state);
            memcpy(last, state, size * sizeof *last);
        } else if (spec->zero_masked) {
            memset(last, 0, size * sizeof *last);
        }
        memcpy(out->x + (spec->go_backwards ? p : t) * out->width + d * size, last,
               size * sizeof *last);
    }
}

static double merged(enum lstm_merge merge, double a, double b)
{
    return merge == LSTM_SUM ? a + b : merge == LSTM_MUL ? a * b : (a + b) / 2;
}

static struct sequence merge(const struct lstm_spec *spec, struct sequence s)
{
    if (spec->merge == LSTM_CONCAT)
        return s;
    struct sequence out = sequence_create(s.steps, s.width / 2);
    for (size_t t = 0; t < s.steps; t++)
        for (size_t i = 0; i < out.width; i++)
            out.x[t * out.width + i] =
                merged(spec->merge, s.x[t * s.width + i], s.x[t * s.width + out.width + i]);
    keep_mask(&out, &s);
    sequence_fini(&s);
    return out;
}

static struct sequence lstm(const struct lstm_spec *spec, const struct sequence *input,
                            double **state)
{
    const size_t directions = spec->bidirectional ? 2 : 1;
    const size_t size = spec->proj_size ? spec->proj_size : spec->hidden_size;
    struct sequence in = sequence_create(input->steps, input->width);
    struct sequence ends = sequence_create(1, directions * size);
    memcpy(in.x, input->x, in.steps * in.width * sizeof *in.x);
    keep_mask(&in, input);
    for (size_t layer = 0; layer < spec->num_layers; layer++) {
        struct sequence out = sequence_create(in.steps, directions * size);
        for (size_t d = 0; d < directions; d++, *state += size + spec->hidden_size)
            lstm_direction(spec, layer, d, &in, &out, *state, ends.x + d * size);
        keep_mask(&out, &in);
        sequence_fini(&in);
        in = out;
    }
    sequence_fini(spec->last_only ? &in : &ends);
    return merge(spec, spec->last_only ? ends : in);
}

static struct sequence dense(const struct dense_spec *spec, const struct sequence *in)
{
    struct sequence out = sequence_create(in->steps, spec->out_features);
    for (size_t t = 0; t < in->steps; t++)
        for (size_t o = 0; o < out.width; o++) {
            double sum = spec->bias ? (double)spec->bias[o] : 0;
            for (size_t i = 0; i < in->width; i++)
                sum += (double)spec->weight[o * in->width + i] * in->x[t * in->width + i];
            out.x[t * out.width + o] = sum;
        }
    activate(&spec->activation, &out);
    keep_mask(&out, in);
    return out;
}

static struct sequence copy(const struct sequence *in)
{
    struct sequence out = sequence_create(in->steps, in->width);
    memcpy(out.x, in->x, in->steps * in->width * sizeof *in->x);
    keep_mask(&out, in);
    return out;
}

static struct sequence embedding(const struct embedding_spec *spec, const struct sequence *in)
{
    struct sequence out = sequence_create(in->steps, spec->embedding_dim);
    for (size_t t = 0; t < in->steps; t++) {
        const size_t id = (size_t)in->x[t];
        for (size_t i = 0; i < out.width; i++)
            out.x[t * out.width + i] = (double)spec->weight[id * out.width + i];
        out.masked[t] = spec->mask_zero && id == 0;
    }
    out.has_mask = spec->mask_zero;
    return out;
}

static struct sequence masking(const struct masking_spec *spec, const struct sequence *in)
{
    struct sequence out = copy(in);
    for (size_t t = 0; t < in->steps; t++) {
        out.masked[t] = true;
        for (size_t i = 0; i < in->width; i++)
            out.masked[t] = out.masked[t] && in->x[t * in->width + i] == (double)spec->mask_value;
        for (size_t i = 0; out.masked[t] && i < in->width; i++)
            out.x[t * in->width + i] = 0;
    }
    out.has_mask = true;
    return out;
}

static void norm_step(const struct norm_spec *spec, double *x)
{
    const size_t n = spec->features;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double m = spec->running_mean ? (double)spec->running_mean[i] : mean;
        const double v = spec->running_var ? (double)spec->running_var[i] : variance;
        x[i] = (x[i] - m) / sqrt(v + spec->epsilon) * (spec->weight ? (double)spec->weight[i] : 1) +
               (spec->bias ? (double)spec->bias[i] : 0);
    }
}

static struct sequence norm(const struct norm_spec *spec, const struct sequence *in)
{
    struct sequence out = copy(in);
    for (size_t t = 0; t < in->steps; t++)
        norm_step(spec, out.x + t * in->width);
    return out;
}

static struct sequence last_step(const struct sequence *in)
{
    struct sequence out = sequence_create(1, in->width);
    if (in->steps > 0)
        memcpy(out.x, in->x + (in->steps - 1) * in->width, in->width * sizeof *in->x);
    return out;
}

static struct sequence reshape(const struct reshape_spec *spec, const struct sequence *in)
{
    const size_t steps = spec->steps != 0 ? spec->steps : in->steps;
    struct sequence out =
        sequence_create(steps * in->width / spec->out_features, spec->out_features);
    memcpy(out.x, in->x, in->steps * in->width * sizeof *in->x);
    return out;
}

static struct sequence repeat(const struct repeat_vector_spec *spec, const struct sequence *in)
{
    struct sequence out = sequence_create(spec->n, in->width);
    for (size_t t = 0; t < spec->n; t++)
        memcpy(out.x + t * in->width, in->x, in->width * sizeof *in->x);
    return out;
}

/* Keras' rules: how many come out, and where the first window begins. */
static size_t slide(const struct window *w, size_t steps, long *start)
{
    const long reach = (long)((w->size - 1) * w->dilation) + 1, stride = (long)w->stride;
    const long length = (long)steps;
    if (w->padding == PADDING_SAME) {
        const long out = (length + stride - 1) / stride;
        const long pad = (out - 1) * stride + reach - length;
        *start = pad > 0 ? -(pad / 2) : 0;
        return (size_t)out;
    }
    *start = -(long)w->pad_left;
    const long padded = length + (long)(w->pad_left + w->pad_right);
    return steps == 0 || padded < reach ? 0 : (size_t)((padded - reach) / stride + 1);
}

static struct sequence conv(const struct conv1d_spec *spec, const struct sequence *in)
{
    long start = 0;
    struct sequence out =
        sequence_create(slide(&spec->window, in->steps, &start), spec->out_channels);
    for (size_t t = 0; t < out.steps; t++)
        for (size_t o = 0; o < out.width; o++) {
            double sum = spec->bias ? (double)spec->bias[o] : 0;
            for (size_t k = 0; k < spec->window.size; k++) {
                const long at = start + (long)(t * spec->window.stride + k * spec->window.dilation);
                for (size_t i = 0; at >= 0 && at < (long)in->steps && i < in->width; i++)
                    sum += (double)spec->weight[(o * in->width + i) * spec->window.size + k] *
                           in->x[(size_t)at * in->width + i];
            }
            out.x[t * out.width + o] = sum;
        }
    activate(&spec->activation, &out);
    return out;
}

static struct sequence pool(const struct pool1d_spec *spec, const struct sequence *in)
{
    long start = 0;
    const size_t steps = spec->global ? 1 : slide(&spec->window, in->steps, &start);
    const size_t size = spec->global ? in->steps : spec->window.size;
    struct sequence out = sequence_create(steps, in->width);
    for (size_t t = 0; t < steps; t++)
        for (size_t i = 0; i < in->width; i++) {
            double sum = 0, most = -INFINITY;
            size_t count = 0;
            for (size_t k = 0; k < size; k++) {
                const long at = start + (long)(t * spec->window.stride + k);
                const bool skip = spec->global && spec->pooling == POOLING_AVERAGE;
                if (at < 0 || at >= (long)in->steps || (skip && in->masked[at]))
                    continue;
                sum += in->x[(size_t)at * in->width + i];
                most = fmax(most, in->x[(size_t)at * in->width + i]);
                count++;
            }
            if (count > 0)
                out.x[t * in->width + i] =
                    spec->pooling == POOLING_MAX ? most : sum / (double)count;
        }
    return out;
}

static struct sequence apply(const struct layer_spec *layer, const struct sequence *in,
                             double **state)
{
    struct sequence out;
    switch (layer->type) {
    case LAYER_LSTM:
        return lstm(&layer->as.lstm, in, state);
    case LAYER_DENSE:
        return dense(&layer->as.dense, in);
    case LAYER_ACTIVATION:
        out = copy(in);
        activate(&layer->as.activation.activation, &out);
        return out;
    case LAYER_EMBEDDING:
        return embedding(&layer->as.embedding, in);
    case LAYER_MASKING:
        return masking(&layer->as.masking, in);
    case LAYER_LAYER_NORM:
    case LAYER_BATCH_NORM:
        return norm(&layer->as.norm, in);
    case LAYER_LAST_STEP:
        return last_step(in);
    case LAYER_RESHAPE:
        return reshape(&layer->as.reshape, in);
    case LAYER_REPEAT_VECTOR:
        return repeat(&layer->as.repeat_vector, in);
    case LAYER_CONV1D:
        return conv(&layer->as.conv1d, in);
    case LAYER_POOL1D:
        return pool(&layer->as.pool1d, in);
    }
    fail();
    return (struct sequence){0};
}

/* Is what is masked decided by numbers that another rounding could make unequal? */
static bool masks_computed_numbers(const struct network *n)
{
    for (size_t i = 1; i < n->layer_count; i++)
        if (n->layers[i].type == LAYER_MASKING)
            return true;
    return false;
}

static void assert_near(double found, double expected, uint64_t seed, const char *what, size_t i)
{
    if (!(fabs(found - expected) <= 3e-5 * (1 + fabs(expected))))
        fail_msg("seed %llu: %s[%zu] is %.9g, wanted %.9g", (unsigned long long)seed, what, i,
                 found, expected);
}

static struct sequence input_of(const struct model_row *row, size_t width)
{
    struct sequence in = sequence_create(row->steps, width);
    for (size_t t = 0; t < row->steps; t++)
        for (size_t i = 0; i < width; i++)
            in.x[t * width + i] = (double)row->input[t * row->input_stride + i];
    return in;
}

static void check_row(const struct network *n, const struct model *model,
                      const struct model_row *row, uint64_t seed)
{
    const size_t state_size = model_state_size(model);
    double *state = calloc(state_size + 1, sizeof *state), *at = state;
    assert_non_null(state);
    for (size_t i = 0; i < state_size; i++)
        state[i] = (double)row->state[i];
    struct sequence s = input_of(row, model_input_size(model));
    for (size_t i = 0; i < n->layer_count; i++) {
        struct sequence out = apply(&n->layers[i], &s, &at);
        sequence_fini(&s);
        s = out;
    }
    run_rows(model, row, 1);
    assert_int_equal(s.width, model_output_size(model));
    assert_int_equal(s.steps, model_output_steps(model, row->steps));
    for (size_t t = 0; t < s.steps; t++)
        for (size_t i = 0; i < s.width; i++)
            assert_near((double)row->output[t * row->output_stride + i],
                        row->steps == 0 ? 0 : s.x[t * s.width + i], seed, "output",
                        t * s.width + i);
    for (size_t i = 0; row->steps > 0 && i < (size_t)(at - state); i++)
        assert_near((double)row->state[i], state[i], seed, "state", i);
    sequence_fini(&s);
    free(state);
}

static void every_layer_is_what_its_equations_say(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct network network;
        network_init(&network, seed);
        struct model *model =
            model_create(network.layers, network.layer_count, kernel_find("scalar"));
        assert_non_null(model);
        struct row_batch batch;
        struct random random = {seed + 99};
        row_batch_init(&batch, &rule, model, &random);
        for (size_t r = 0; r < batch.row_count && !masks_computed_numbers(&network); r++)
            check_row(&network, model, &batch.rows[r], seed);
        row_batch_fini(&batch);
        model_destroy(model);
        network_fini(&network);
    }
}

/* ---- bits ---- */

/* Runs case `seed` as scalar batch, and again the way `again` does; the bits must agree. */
static void compare(uint64_t seed,
                    void (*again)(const struct model *, struct row_batch *, struct random *))
{
    struct network network;
    network_init(&network, seed);
    compare_ways(network.layers, network.layer_count, &rule, seed, again);
    network_fini(&network);
}

static void every_kernel_gives_the_scalar_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, all_at_once);
}

static void a_row_alone_gives_the_bits_it_gives_in_a_batch(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, one_by_one);
}

static void a_sequence_in_pieces_gives_the_bits_of_the_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        compare(seed, in_pieces);
}

static void a_team_gives_the_bits_of_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES / 3; seed++)
        compare(seed, by_a_team);
}

/* ---- a plain cell's equations done the other way ---- */

static void assert_near_floats(const struct guarded *a, const struct guarded *b, uint64_t seed,
                               const char *what)
{
    for (size_t i = 0; i < a->count; i++)
        assert_near((double)a->floats[i], (double)b->floats[i], seed, what, i);
}

static void assert_near_answers(const struct row_batch *a, const struct row_batch *b, uint64_t seed)
{
    for (size_t r = 0; r < a->row_count; r++) {
        assert_near_floats(&a->output[r], &b->output[r], seed, "output");
        assert_near_floats(&a->state[r], &b->state[r], seed, "state");
    }
}

static void zero_peepholes_change_a_plain_lstm_by_roundings_only(void **state)
{
    (void)state;
    static const float zeros[3 * 18];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct network n = {.random = {seed}, .width = 5, .steps = STEPS_MAX};
        const size_t hidden = random_size(&n.random, 1, 18);
        const struct lstm_weights plain = {.weight_ih = block(&n, 4 * hidden * 5, 0.5f),
                                           .weight_hh = block(&n, 4 * hidden * hidden, 0.5f),
                                           .bias_ih = block(&n, 4 * hidden, 1)};
        struct lstm_weights other = plain;
        other.weight_peephole = zeros;
        struct layer_spec layer = {
            .type = LAYER_LSTM,
            .as.lstm = {
                .input_size = 5, .hidden_size = hidden, .num_layers = 1, .weights = &plain}};
        struct model *a = model_create(&layer, 1, kernel_find(NULL));
        layer.as.lstm.weights = &other;
        struct model *b = model_create(&layer, 1, kernel_find(NULL));
        assert_true(a != NULL && b != NULL);
        struct row_batch first, second;
        struct random one = {seed}, two = {seed};
        row_batch_init(&first, &rule, a, &one);
        row_batch_init(&second, &rule, b, &two);
        run_rows(a, first.rows, first.row_count);
        run_rows(b, second.rows, second.row_count);
        assert_near_answers(&first, &second, seed);
        row_batch_fini(&first);
        row_batch_fini(&second);
        model_destroy(a);
        model_destroy(b);
        network_fini(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_is_what_its_equations_say),
        cmocka_unit_test(every_kernel_gives_the_scalar_bits),
        cmocka_unit_test(a_row_alone_gives_the_bits_it_gives_in_a_batch),
        cmocka_unit_test(a_sequence_in_pieces_gives_the_bits_of_the_whole),
        cmocka_unit_test(a_team_gives_the_bits_of_one),
        cmocka_unit_test(zero_peepholes_change_a_plain_lstm_by_roundings_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
