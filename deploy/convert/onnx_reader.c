#include "deploy/convert/onnx_reader.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/network_write.h"
#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_external.h"
#include "deploy/convert/onnx_inputs.h"
#include "deploy/convert/onnx_network.h"
#include "deploy/convert/onnx_outputs.h"
#include "deploy/convert/onnx_scan.h"
#include "deploy/convert/onnx_walk.h"
#include "proto/excerpt.h"

/* Of what walks make at most so much, by the size of the file. */
#define ARENA_BASE ((size_t)512 << 20)
#define ARENA_MAX  ((size_t)6 << 30)
#define ARENA_FOLD 64

/* Sizes that the graph does not fix stand for any: the walk is done for two of each, and must find
 * the same network. No two are alike, nor 1. Steps are more where windows want more. */
static const size_t any_steps[][2] = {{5, 7}, {29, 37}, {211, 227}, {1613, 1627}};
static const size_t any_rows[] = {3, 2};
#define ANY_STEPS (sizeof any_steps / sizeof any_steps[0])

/* ---- one walk ---- */

/* While a way to take the graph is looked for. */
struct search {
    const OnnxModel *model;
    const char *subgraph;
    size_t arena;            /* bytes a walk may have */
    size_t width;            /* features of a step where the graph does not say */
    size_t any;              /* which of any_steps */
    bool met;                /* --subgraph was of use */
    size_t progress;         /* of the walk that got farthest */
    struct onnx_sizes sizes; /* that it was of */
    struct fault farthest;
};

/* Walks the graph and fills the network, which is empty. false: *fault says why, *progress how far
 * it got. search->width becomes another number of features to try, search->any of steps. */
static bool walk_once(struct search *search, const struct onnx_sizes *sizes,
                      struct network *network, size_t *progress, struct fault *fault)
{
    struct onnx_walk *walk = calloc(1, sizeof *walk);
    struct onnx_outputs *outputs = calloc(1, sizeof *outputs);
    bool done = false;
    *progress = 0;
    if (walk != NULL && outputs != NULL) {
        walk->model = search->model;
        walk->subgraph = search->subgraph;
        walk->sizes = *sizes;
        walk->sizes.width = search->width;
        walk->chain.arena.left = search->arena;
        done = onnx_walk_run(walk, fault) && onnx_outputs_read(walk, outputs, fault) &&
               onnx_network_fill(walk, outputs, network, fault);
        *progress = walk->chain.layer_count;
        search->met = search->met || walk->subgraph_met;
        if (!done && walk->wanted_width != 0)
            search->width = walk->wanted_width;
        if (walk->wants_steps && sizes->any_steps && search->any + 1 < ANY_STEPS)
            search->any++;
        onnx_walk_fini(walk);
    } else {
        fault_set(fault, 503, "out of memory");
    }
    free(walk);
    free(outputs);
    return done;
}

/* The same with the width that the first layer wants, where the graph does not say it, and with as
 * many steps as windows want. */
static bool walk_fitting(struct search *search, struct onnx_sizes *sizes, struct network *network,
                         size_t *progress, struct fault *fault)
{
    search->any = 0;
    for (bool width_tried = false;;) {
        const size_t width = search->width, any = search->any;
        if (sizes->any_steps)
            sizes->steps = any_steps[any][0];
        const bool done = walk_once(search, sizes, network, progress, fault);
        const bool wider = !width_tried && search->width != width;
        if (search->any == any && (done || !wider))
            return done;
        if (!done && fault->status == 503)
            return false;
        width_tried = width_tried || wider;
        network_fini(network);
        network_init(network);
    }
}

/* ---- the same network whatever the sizes ---- */

static bool same_text(const struct blob *a, const struct blob *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static bool same_weights(const struct network *a, const struct network *b)
{
    for (size_t i = 0; i < a->layer_count; i++) {
        if (a->layers[i].tensor_count != b->layers[i].tensor_count)
            return false;
        for (size_t t = 0; t < a->layers[i].tensor_count; t++) {
            const struct network_tensor *x = &a->layers[i].tensors[t];
            const struct network_tensor *y = &b->layers[i].tensors[t];
            if (x->elements != y->elements ||
                memcmp(x->values, y->values, x->elements * sizeof *x->values) != 0)
                return false;
        }
    }
    return true;
}

static bool same_network(const struct network *a, const struct network *b, struct fault *fault)
{
    struct blob x = {0}, y = {0};
    bool same =
        network_write_config(a, "model", &x, fault) && network_write_config(b, "model", &y, fault);
    if (same)
        same = (same_text(&x, &y) && same_weights(a, b)) ||
               fault_set(fault, 400,
                         "the graph is another network for other numbers of steps or rows");
    free(x.bytes);
    free(y.bytes);
    return same;
}

static bool walk_again(struct search *search, const struct onnx_sizes *first,
                       const struct network *network, struct fault *fault)
{
    struct onnx_sizes sizes = *first;
    struct network second;
    size_t progress;
    if (!first->any_steps && !first->any_rows)
        return true;
    if (first->any_steps)
        sizes.steps = any_steps[search->any][1];
    if (first->any_rows)
        sizes.rows = any_rows[1];
    network_init(&second);
    const bool same = (walk_once(search, &sizes, &second, &progress, fault) ||
                       fault_prefix(fault, "for %zu steps of %zu rows", sizes.steps, sizes.rows)) &&
                      same_network(network, &second, fault);
    network_fini(&second);
    return same;
}

/* ---- ways to take the graph's input ---- */

/* Of two that got as far, the first; or the same with more of the graph's own sizes, where it shows
 * better what is wrong. */
static void remember(struct search *search, size_t progress, const struct onnx_sizes *sizes,
                     const struct fault *fault)
{
    const struct onnx_sizes *before = &search->sizes;
    const bool none = search->farthest.status == 0;
    const bool surer = !none && sizes->input == before->input &&
                       strcmp(sizes->axes, before->axes) == 0 &&
                       sizes->numbers == before->numbers &&
                       sizes->any_rows + sizes->any_steps < before->any_rows + before->any_steps;
    if (!none && (progress < search->progress || (progress == search->progress && !surer)))
        return;
    search->farthest = *fault;
    search->progress = progress;
    search->sizes = *sizes;
}

/* What an input may be: its dimensions, as in struct onnx_sizes; of an embedding's numbers. */
struct form {
    const char *axes;
    bool numbers;
};

/* Ended by one without axes. Where the last dimension of three alone is open, it is steps rather
 * than features. */
static const struct form *forms_for(const struct onnx_declared *declared)
{
    static const struct form numbers[] = {{"TB", true}, {"BT", true}, {NULL, false}};
    static const struct form flat[] = {{"BT", false}, {"TB", false}, {"BF", false},
                                       {"TB", true},  {"BT", true},  {NULL, false}};
    static const struct form floats[] = {
        {"TBF", false}, {"BTF", false}, {"BFT", false}, {NULL, false}};
    static const struct form steps_open[] = {
        {"BFT", false}, {"TBF", false}, {"BTF", false}, {NULL, false}};
    if (declared->rank == 2)
        return onnx_declared_is_float(declared) ? flat : numbers;
    return declared->dims[1] > 0 && declared->dims[2] < 0 ? steps_open : floats;
}

/* fixed: how many of steps and rows are as the graph declares them; a graph without steps has one.
 * false with the rows or steps that are not fixed there. */
static bool sizes_for(const struct onnx_declared *declared, size_t input, const struct form *form,
                      int fixed, struct onnx_sizes *sizes)
{
    const size_t axis = onnx_axis_of(form->axes, 'T');
    const int64_t steps = axis < declared->rank ? declared->dims[axis] : 1;
    const int64_t rows = declared->dims[onnx_axis_of(form->axes, 'B')];
    *sizes = (struct onnx_sizes){.input = input,
                                 .axes = form->axes,
                                 .numbers = form->numbers,
                                 .steps = any_steps[0][0],
                                 .rows = any_rows[0],
                                 .any_steps = fixed == 0,
                                 .any_rows = fixed < 2};
    if ((fixed > 0 && steps < 0) || (fixed > 1 && rows < 0) || steps > UINT32_MAX ||
        rows > UINT32_MAX || (fixed == 0 && axis == declared->rank))
        return false;
    if (fixed > 0)
        sizes->steps = (size_t)steps;
    if (fixed > 1)
        sizes->rows = (size_t)rows;
    return true;
}

/* Sizes as free as can be first: that is what shows which dimension is which. */
static bool try_input(struct search *search, size_t input, struct network *network,
                      struct fault *fault)
{
    const OnnxValueInfo *info = search->model->graph->input[input];
    const struct onnx_declared declared = onnx_declared_of(info);
    const struct form *forms = forms_for(&declared);
    for (int fixed = 0; fixed < 3; fixed++)
        for (const struct form *form = forms; form->axes != NULL; form++) {
            struct onnx_sizes sizes;
            size_t progress;
            search->width = 0;
            if (!sizes_for(&declared, input, form, fixed, &sizes))
                continue;
            if (walk_fitting(search, &sizes, network, &progress, fault) &&
                walk_again(search, &sizes, network, fault))
                return true;
            network_fini(network);
            network_init(network);
            if (fault->status == 503)
                return false;
            remember(search, progress, &sizes, fault);
        }
    *fault = search->farthest;
    return false;
}

/* Floats, or numbers for an embedding. */
static bool may_be_input(const OnnxGraph *graph, size_t i)
{
    const struct onnx_declared declared = onnx_declared_of(graph->input[i]);
    const bool floats = onnx_declared_is_float(&declared);
    return onnx_walk_is_input(graph, i) &&
           ((floats && declared.rank == 3) ||
            ((floats || onnx_declared_is_integer(&declared)) && declared.rank == 2));
}

static bool try_inputs(struct search *search, struct network *network, struct fault *fault)
{
    const OnnxGraph *graph = search->model->graph;
    fault_set(
        fault, 400,
        "an input of floats, as [T,B,F], [B,T,F] or [B,F,T], or of integers, [B,T], expected");
    for (size_t i = 0; i < graph->n_input; i++) {
        if (!may_be_input(graph, i))
            continue;
        if (try_input(search, i, network, fault))
            return search->subgraph == NULL || search->met ||
                   fault_set(fault, 400,
                             "--subgraph: there is no choice that leads to a graph of "
                             "that name");
        if (fault->status == 503)
            return false;
    }
    return false;
}

/* ---- the file ---- */

/* A message has no magic: ir_version first, as every writer has it, then another field that a model
 * has there. A safetensors file may begin alike, with the size of a header in JSON. */
static bool recognises(const struct input *input)
{
    static const unsigned char second[] = {0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42};
    const unsigned char *bytes = input->file.bytes;
    if (input->file.size < 16 || bytes[0] != 0x08 || bytes[1] == 0 || bytes[1] >= 0x80)
        return false;
    return memchr(second, bytes[2], sizeof second) != NULL &&
           memcmp(bytes + 4, "\0\0\0\0{", 5) != 0;
}

static bool check_model(const OnnxModel *model, struct fault *fault)
{
    if (model->graph == NULL)
        return fault_set(fault, 400, "a model with a graph expected");
    if (model->n_opset_import == 0)
        return fault_set(fault, 400, "opset_import is missing");
    if (model->graph->n_sparse_initializer > 0)
        return fault_set(fault, 400, "sparse tensors");
    if (model->graph->n_input > 1024 || model->graph->n_output > 1024)
        return fault_set(fault, 400, "more than 1024 inputs or outputs");
    return true;
}

/* size: of the file and what was read beside it. */
static size_t arena_for(size_t size)
{
    return size < (ARENA_MAX - ARENA_BASE) / ARENA_FOLD ? ARENA_BASE + ARENA_FOLD * size
                                                        : ARENA_MAX;
}

static bool read(const struct input *input, struct network *network, struct fault *fault)
{
    const size_t size = input->file.size;
    size_t beside = 0;
    if (!onnx_scan(input->file.bytes, size, fault))
        return false;
    OnnxModel *model = onnx_model__unpack(NULL, size, input->file.bytes);
    if (model == NULL)
        return fault_set(fault, 400, "broken, or too large for the memory there is");
    bool done = check_model(model, fault) && onnx_external_load(model, input, &beside, fault);
    struct search search = {
        .model = model, .subgraph = input->options.subgraph, .arena = arena_for(size + beside)};
    done = done && try_inputs(&search, network, fault);
    onnx_model__free_unpacked(model, NULL);
    return done;
}

const struct reader onnx_reader = {
    .format = "ONNX",
    .recognises = recognises,
    .read = read,
    .takes_subgraph = true,
};
