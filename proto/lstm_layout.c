#include "proto/lstm_layout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"

static const char *const part_names[LSTM_PARTS] = {
    [LSTM_WEIGHT_IH] = "weight_ih", [LSTM_WEIGHT_HH] = "weight_hh",
    [LSTM_BIAS_IH] = "bias_ih",     [LSTM_BIAS_HH] = "bias_hh",
    [LSTM_WEIGHT_HR] = "weight_hr", [LSTM_WEIGHT_PEEPHOLE] = "weight_peephole",
};

/* What the names say: the number of layers, and of each kind of tensor one that proves it, or NULL.
 */
struct census {
    size_t layers;
    const struct safetensors_tensor *last_layer; /* belongs to the highest layer */
    const struct safetensors_tensor *reverse, *bias, *bias_hh, *projection, *peephole;
};

/* While one LSTM is looked at. */
struct inference {
    struct lstm_layout *layout;
    const struct layer_config *config;
    const struct safetensors *weights;
    struct census census;
    struct fault *fault;
};

/* ---- names ---- */

struct tensor_name {
    char text[SAFETENSORS_NAME_MAX];
};

static struct tensor_name name_of(const struct lstm_layout *layout,
                                  const struct layer_config *config, enum lstm_part part,
                                  size_t layer, bool reverse)
{
    struct tensor_name name;
    int size;
    if (layout->cell)
        size = snprintf(name.text, sizeof name.text, "%s%s", config->prefix, part_names[part]);
    else
        size = snprintf(name.text, sizeof name.text, "%s%s_l%zu%s", config->prefix,
                        part_names[part], layer, reverse ? "_reverse" : "");
    assert(size > 0 && (size_t)size < sizeof name.text);
    return name;
}

const struct safetensors_tensor *lstm_layout_find(const struct lstm_layout *layout,
                                                  const struct layer_config *config,
                                                  const struct safetensors *weights,
                                                  enum lstm_part part, size_t layer, bool reverse)
{
    return safetensors_find(weights, name_of(layout, config, part, layer, reverse).text);
}

/* Reads "_l12" or "_l12_reverse", the end of a name. */
static bool parse_layer(const char *text, size_t *layer, bool *reverse)
{
    if (strncmp(text, "_l", 2) != 0)
        return false;
    text += 2;
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 6 || (digits > 1 && text[0] == '0'))
        return false;
    *layer = 0;
    for (size_t i = 0; i < digits; i++)
        *layer = *layer * 10 + (size_t)(text[i] - '0');
    *reverse = strcmp(text + digits, "_reverse") == 0;
    return *reverse || text[digits] == '\0';
}

static void count_tensor(struct census *census, const struct safetensors_tensor *tensor,
                         enum lstm_part part, size_t layer, bool reverse)
{
    if (layer >= census->layers || (layer + 1 == census->layers && !reverse)) {
        census->layers = layer + 1;
        census->last_layer = tensor;
    }
    if (reverse)
        census->reverse = tensor;
    if (part == LSTM_BIAS_IH || part == LSTM_BIAS_HH)
        census->bias = tensor;
    if (part == LSTM_BIAS_HH)
        census->bias_hh = tensor;
    if (part == LSTM_WEIGHT_HR)
        census->projection = tensor;
    if (part == LSTM_WEIGHT_PEEPHOLE)
        census->peephole = tensor;
}

/* Counts the tensors under the prefix, those with LSTM's names and those with LSTMCell's. */
static void count_names(const struct inference *in, struct census *lstm, struct census *cell)
{
    const char *prefix = in->config->prefix;
    for (size_t i = 0; i < in->weights->count; i++) {
        const struct safetensors_tensor *tensor = in->weights->by_name[i];
        if (strncmp(tensor->name, prefix, strlen(prefix)) != 0)
            continue;
        const char *name = tensor->name + strlen(prefix);
        for (enum lstm_part part = 0; part < LSTM_PARTS; part++) {
            const size_t size = strlen(part_names[part]);
            size_t layer = 0;
            bool reverse = false;
            if (strncmp(name, part_names[part], size) != 0)
                continue;
            if (name[size] == '\0')
                count_tensor(cell, tensor, part, 0, false);
            else if (parse_layer(name + size, &layer, &reverse))
                count_tensor(lstm, tensor, part, layer, reverse);
        }
    }
}

/* A tensor of some LSTM under another prefix, to help an operator who forgot the prefix. */
static const struct safetensors_tensor *find_stray(const struct safetensors *weights)
{
    static const char *const ends[] = {"weight_ih_l0", "weight_ih"};
    for (size_t e = 0; e < 2; e++)
        for (size_t i = 0; i < weights->count; i++) {
            const char *name = weights->tensors[i].name;
            const size_t size = strlen(name), end = strlen(ends[e]);
            if (size >= end && strcmp(name + size - end, ends[e]) == 0)
                return &weights->tensors[i];
        }
    return NULL;
}

static bool fail_missing(const struct inference *in, const char *name,
                         const struct safetensors_tensor *because)
{
    if (because == NULL)
        return fault_set(in->fault, 400, "%s: tensor '%s' is missing", in->config->place,
                         excerpt_of(name).text);
    return fault_set(in->fault, 400, "%s: tensor '%s' is missing, while '%s' is there",
                     in->config->place, excerpt_of(name).text, excerpt_of(because->name).text);
}

static bool read_names(struct inference *in)
{
    struct lstm_layout *layout = in->layout;
    struct census lstm = {0}, cell = {0};
    count_names(in, &lstm, &cell);
    layout->cell = lstm.layers == 0 && cell.layers > 0;
    in->census = layout->cell ? cell : lstm;
    layout->num_layers = in->census.layers;
    layout->bidirectional = in->census.reverse != NULL;
    layout->bias = in->census.bias != NULL;
    layout->peepholes = in->census.peephole != NULL;
    if (layout->num_layers == 0)
        return fail_missing(in, name_of(layout, in->config, LSTM_WEIGHT_IH, 0, false).text,
                            find_stray(in->weights));
    return true;
}

/* ---- what the config says, held against names ---- */

/* part and reverse: whose presence in layer 0 decides, as a rule. */
static bool check_flag(const struct inference *in, const char *key, struct optional_bool said,
                       const struct safetensors_tensor *proof, enum lstm_part part, bool reverse)
{
    const bool found = proof != NULL;
    if (!said.given || said.value == found)
        return true;
    const struct tensor_name usual = name_of(in->layout, in->config, part, 0, reverse);
    const bool usual_there = safetensors_find(in->weights, usual.text) != NULL;
    const char *name = found && !usual_there ? proof->name : usual.text;
    return fault_set(in->fault, 400, "%s.%s: %s expected, as there is %s%s, got %s",
                     in->config->place, key, found ? "true" : "false", found ? "" : "no ",
                     excerpt_of(name).text, said.value ? "true" : "false");
}

static bool check_config_names(const struct inference *in)
{
    const struct layer_config *config = in->config;
    const struct census *census = &in->census;
    if (config->num_layers.given && config->num_layers.value != census->layers)
        return fault_set(in->fault, 400,
                         "%s.num_layers: %zu expected, as %s is of the last layer, got %zu",
                         config->place, census->layers, excerpt_of(census->last_layer->name).text,
                         config->num_layers.value);
    if (!check_flag(in, "bidirectional", config->bidirectional, census->reverse, LSTM_WEIGHT_IH,
                    true) ||
        !check_flag(in, "bias", config->bias, census->bias, LSTM_BIAS_IH, false) ||
        !check_flag(in, "peepholes", config->peepholes, census->peephole, LSTM_WEIGHT_PEEPHOLE,
                    false))
        return false;
    if (census->projection == NULL && config->proj_size.given && config->proj_size.value > 0)
        return fault_set(
            in->fault, 400, "%s.proj_size: 0 expected, as there is no %s, got %zu", config->place,
            excerpt_of(name_of(in->layout, config, LSTM_WEIGHT_HR, 0, false).text).text,
            config->proj_size.value);
    return true;
}

/* ---- every tensor, by name ---- */

/* What proves that all directions of all layers have the part; NULL when nothing does. */
static const struct safetensors_tensor *optional_part(const struct inference *in,
                                                      enum lstm_part part)
{
    switch (part) {
    case LSTM_BIAS_IH:
        return in->census.bias;
    case LSTM_BIAS_HH:
        return in->census.bias_hh;
    case LSTM_WEIGHT_HR:
        return in->census.projection;
    case LSTM_WEIGHT_PEEPHOLE:
        return in->census.peephole;
    default:
        return NULL;
    }
}

static bool is_optional(enum lstm_part part)
{
    return part != LSTM_WEIGHT_IH && part != LSTM_WEIGHT_HH;
}

static bool part_wanted(const struct inference *in, enum lstm_part part)
{
    return !is_optional(part) || optional_part(in, part) != NULL;
}

/* Why that part of that direction must be there. */
static const struct safetensors_tensor *proof_of(const struct inference *in, enum lstm_part part,
                                                 bool reverse)
{
    if (is_optional(part))
        return optional_part(in, part);
    return reverse ? in->census.reverse : in->census.last_layer;
}

/* Calls visit for every tensor that the names call for, until it returns false. */
static bool for_all_tensors(const struct inference *in,
                            bool (*visit)(const struct inference *in, enum lstm_part part,
                                          size_t layer, bool reverse))
{
    for (size_t layer = 0; layer < in->layout->num_layers; layer++)
        for (unsigned direction = 0; direction <= in->layout->bidirectional; direction++)
            for (enum lstm_part part = 0; part < LSTM_PARTS; part++)
                if (part_wanted(in, part) && !visit(in, part, layer, direction == 1))
                    return false;
    return true;
}

static const struct safetensors_tensor *find(const struct inference *in, enum lstm_part part,
                                             size_t layer, bool reverse)
{
    return lstm_layout_find(in->layout, in->config, in->weights, part, layer, reverse);
}

static bool check_present(const struct inference *in, enum lstm_part part, size_t layer,
                          bool reverse)
{
    return find(in, part, layer, reverse) != NULL ||
           fail_missing(in, name_of(in->layout, in->config, part, layer, reverse).text,
                        proof_of(in, part, reverse));
}

/* ---- sizes ---- */

static bool fail_shape(const struct inference *in, const struct safetensors_tensor *tensor,
                       const char *wanted)
{
    char shape[SAFETENSORS_SHAPE_TEXT_MAX];
    safetensors_shape_text(tensor, shape, sizeof shape);
    return fault_set(in->fault, 400, "%s: %s expected, got %s", excerpt_of(tensor->name).text,
                     wanted, shape);
}

/* Reads all sizes off the tensors of layer 0. What is left open here, check_shape finds. */
static bool read_sizes(struct inference *in)
{
    struct lstm_layout *layout = in->layout;
    const struct safetensors_tensor *hh = find(in, LSTM_WEIGHT_HH, 0, false);
    const struct safetensors_tensor *ih = find(in, LSTM_WEIGHT_IH, 0, false);
    if (hh->rank != 2 || hh->shape[0] == 0 || hh->shape[0] % 4 != 0)
        return fail_shape(in, hh, "[4*hidden_size,hidden_size]");
    layout->hidden_size = hh->shape[0] / 4;
    if (ih->rank != 2 || ih->shape[1] == 0)
        return fail_shape(in, ih, "[4*hidden_size,input_size]");
    layout->input_size = ih->shape[1];
    layout->proj_size = 0;
    if (in->census.projection != NULL) {
        const struct safetensors_tensor *hr = find(in, LSTM_WEIGHT_HR, 0, false);
        if (hr->rank != 2 || hr->shape[0] == 0 || hr->shape[0] >= layout->hidden_size)
            return fail_shape(in, hr, "[proj_size,hidden_size], the first the smaller,");
        layout->proj_size = hr->shape[0];
    }
    return true;
}

static bool check_size(const struct inference *in, const char *key, struct optional_size said,
                       size_t found, enum lstm_part part)
{
    if (!said.given || said.value == found)
        return true;
    const struct safetensors_tensor *tensor = find(in, part, 0, false);
    char shape[SAFETENSORS_SHAPE_TEXT_MAX];
    safetensors_shape_text(tensor, shape, sizeof shape);
    return fault_set(in->fault, 400, "%s.%s: %zu expected from %s %s, got %zu", in->config->place,
                     key, found, excerpt_of(tensor->name).text, shape, said.value);
}

static bool check_config_sizes(const struct inference *in)
{
    const struct layer_config *config = in->config;
    const struct lstm_layout *layout = in->layout;
    return check_size(in, "input_size", config->input_size, layout->input_size, LSTM_WEIGHT_IH) &&
           check_size(in, "hidden_size", config->hidden_size, layout->hidden_size,
                      LSTM_WEIGHT_HH) &&
           (in->census.projection == NULL ||
            check_size(in, "proj_size", config->proj_size, layout->proj_size, LSTM_WEIGHT_HR));
}

/* Holds a tensor against the sizes, as torch.nn.LSTM documents its shapes. */
static bool check_shape(const struct inference *in, enum lstm_part part, size_t layer, bool reverse)
{
    const struct lstm_layout *layout = in->layout;
    const struct safetensors_tensor *tensor = find(in, part, layer, reverse);
    const size_t hidden = layout->hidden_size;
    const size_t out = layout->proj_size > 0 ? layout->proj_size : hidden;
    const bool vector =
        part == LSTM_BIAS_IH || part == LSTM_BIAS_HH || part == LSTM_WEIGHT_PEEPHOLE;
    const size_t gates = part == LSTM_WEIGHT_PEEPHOLE ? 3 : 4;
    const size_t rows = part == LSTM_WEIGHT_HR ? layout->proj_size : gates * hidden;
    size_t columns = 0;
    char wanted[64];
    if (part == LSTM_WEIGHT_IH)
        columns = layer == 0 ? layout->input_size : (layout->bidirectional ? 2 : 1) * out;
    else if (!vector)
        columns = part == LSTM_WEIGHT_HR ? hidden : out;
    if (tensor->rank == (vector ? 1 : 2) && tensor->shape[0] == rows &&
        (vector || tensor->shape[1] == columns))
        return true;
    if (vector)
        snprintf(wanted, sizeof wanted, "[%zu]", rows);
    else
        snprintf(wanted, sizeof wanted, "[%zu,%zu]", rows, columns);
    return fail_shape(in, tensor, wanted);
}

bool lstm_layout_infer(struct lstm_layout *layout, const struct layer_config *config,
                       const struct safetensors *weights, struct fault *fault)
{
    assert(config->kind == LAYER_KIND_LSTM);
    struct inference in = {.layout = layout, .config = config, .weights = weights, .fault = fault};
    *layout = (struct lstm_layout){0};
    return read_names(&in) && check_config_names(&in) && for_all_tensors(&in, check_present) &&
           read_sizes(&in) && check_config_sizes(&in) && for_all_tensors(&in, check_shape);
}
