/* onednn-bench: the pass of lstm-bench computed by oneDNN 3, through its C interface.
 *
 *   onednn-bench --shape T,B,I,H,L,D --threads N [--seconds S] [--output FILE]
 *
 * One lstm_forward inference primitive a layer, weights reordered beforehand into whatever layout
 * the primitive asks for. Threads are oneDNN's own: an OpenMP build is told how many; one with SYCL
 * and TBB counts the processors it may run on, so those are cut down to N. */
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "tests/bench/bench_line.h"
#include "tests/bench/bench_options.h"
#include "tests/bench/lstm_case.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/die.h"

#define MUST(call) must((call), #call)

enum { LAYER_ARGUMENTS = 9 };

#define OVERHEAD_SHARE 0.2 /* of the seconds, on top */

struct layer {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[LAYER_ARGUMENTS];
    dnnl_memory_t dst_layer, dst_iter, dst_iter_c;
};

struct network {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    size_t layer_count;
    struct layer *layers;
};

static void must(dnnl_status_t status, const char *call)
{
    if (status != dnnl_success)
        die("oneDNN status %d from %s", (int)status, call);
}

/* ---- memories ---- */

static dnnl_memory_desc_t describe(int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    MUST(dnnl_memory_desc_create_with_tag(&desc, ndims, dims, dnnl_f32, tag));
    return desc;
}

static dnnl_memory_t allocate(const struct network *network, const_dnnl_memory_desc_t desc)
{
    dnnl_memory_t memory;
    MUST(dnnl_memory_create(&memory, desc, network->engine, DNNL_MEMORY_ALLOCATE));
    return memory;
}

static void fill(dnnl_memory_t memory, const float *from, size_t first, size_t count)
{
    void *floats;
    MUST(dnnl_memory_map_data(memory, &floats));
    memcpy((float *)floats + first, from, count * sizeof(float));
    MUST(dnnl_memory_unmap_data(memory, floats));
}

static void fetch(dnnl_memory_t memory, float *to, size_t count)
{
    void *floats;
    MUST(dnnl_memory_map_data(memory, &floats));
    memcpy(to, floats, count * sizeof(float));
    MUST(dnnl_memory_unmap_data(memory, floats));
}

/* A memory in the layout the primitive asks for, with plain's content. */
static dnnl_memory_t reorder(const struct network *network, const_dnnl_memory_desc_t plain_desc,
                             dnnl_memory_t plain, const_dnnl_memory_desc_t wanted)
{
    dnnl_memory_t packed = allocate(network, wanted);
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    MUST(dnnl_reorder_primitive_desc_create(&desc, plain_desc, network->engine, wanted,
                                            network->engine, NULL));
    MUST(dnnl_primitive_create(&primitive, desc));
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, packed}};
    MUST(dnnl_primitive_execute(primitive, network->stream, 2, arguments));
    MUST(dnnl_stream_wait(network->stream));
    MUST(dnnl_primitive_destroy(primitive));
    MUST(dnnl_primitive_desc_destroy(desc));
    return packed;
}

/* ---- one layer ---- */

/* The weights of layer's cells: PyTorch's [4H, in] a direction is oneDNN's ldgoi, gate order and
 * all. */
static dnnl_memory_t pack_weights(const struct network *network, const struct lstm_case *lstm,
                                  size_t layer, bool recurrent, const_dnnl_memory_desc_t wanted)
{
    const struct lstm_shape *shape = &lstm->shape;
    const size_t in = recurrent ? shape->hidden_size : lstm_shape_layer_input(shape, layer);
    const size_t count = 4 * shape->hidden_size * in;
    const dnnl_dims_t dims = {1, (dnnl_dim_t)shape->directions, (dnnl_dim_t)in, 4,
                              (dnnl_dim_t)shape->hidden_size};
    dnnl_memory_desc_t desc = describe(5, dims, dnnl_ldgoi);
    dnnl_memory_t plain = allocate(network, desc);
    for (size_t d = 0; d < shape->directions; d++) {
        const struct lstm_weights *cell = &lstm->weights[layer * shape->directions + d];
        fill(plain, recurrent ? cell->weight_hh : cell->weight_ih, d * count, count);
    }
    dnnl_memory_t packed = reorder(network, desc, plain, wanted);
    MUST(dnnl_memory_destroy(plain));
    MUST(dnnl_memory_desc_destroy(desc));
    return packed;
}

static dnnl_memory_t sum_biases(const struct network *network, const struct lstm_case *lstm,
                                size_t layer, const_dnnl_memory_desc_t desc)
{
    const size_t count = 4 * lstm->shape.hidden_size;
    float *sums = must_allocate(count * sizeof *sums);
    dnnl_memory_t memory = allocate(network, desc);
    for (size_t d = 0; d < lstm->shape.directions; d++) {
        const struct lstm_weights *cell = &lstm->weights[layer * lstm->shape.directions + d];
        for (size_t i = 0; i < count; i++)
            sums[i] = cell->bias_ih[i] + cell->bias_hh[i];
        fill(memory, sums, d * count, count);
    }
    free(sums);
    return memory;
}

/* The layer's share of h_0 or c_0, in a memory like desc. */
static dnnl_memory_t initial_state(const struct network *network, const struct lstm_case *lstm,
                                   size_t layer, const float *states, const_dnnl_memory_desc_t desc)
{
    const size_t count = lstm_shape_state_count(&lstm->shape) / lstm->shape.layers;
    dnnl_memory_t memory = allocate(network, desc);
    fill(memory, states + layer * count, 0, count);
    return memory;
}

static dnnl_primitive_desc_t describe_layer(const struct network *network,
                                            const struct lstm_shape *shape, size_t layer)
{
    const dnnl_dim_t steps = (dnnl_dim_t)shape->steps, batch = (dnnl_dim_t)shape->batch;
    const dnnl_dim_t directions = (dnnl_dim_t)shape->directions;
    const dnnl_dim_t hidden = (dnnl_dim_t)shape->hidden_size;
    const dnnl_dim_t in = (dnnl_dim_t)lstm_shape_layer_input(shape, layer);

    dnnl_memory_desc_t src = describe(3, (dnnl_dims_t){steps, batch, in}, dnnl_tnc);
    dnnl_memory_desc_t state = describe(4, (dnnl_dims_t){1, directions, batch, hidden}, dnnl_ldnc);
    dnnl_memory_desc_t w_layer =
        describe(5, (dnnl_dims_t){1, directions, in, 4, hidden}, dnnl_format_tag_any);
    dnnl_memory_desc_t w_iter =
        describe(5, (dnnl_dims_t){1, directions, hidden, 4, hidden}, dnnl_format_tag_any);
    dnnl_memory_desc_t bias = describe(4, (dnnl_dims_t){1, directions, 4, hidden}, dnnl_ldgo);
    dnnl_memory_desc_t dst =
        describe(3, (dnnl_dims_t){steps, batch, directions * hidden}, dnnl_tnc);

    dnnl_primitive_desc_t desc;
    MUST(dnnl_lstm_forward_primitive_desc_create(
        &desc, network->engine, dnnl_forward_inference,
        shape->directions == 2 ? dnnl_bidirectional_concat : dnnl_unidirectional_left2right, src,
        state, state, w_layer, w_iter, NULL, NULL, bias, dst, state, state, 0, NULL));
    dnnl_memory_desc_t all[] = {src, state, w_layer, w_iter, bias, dst};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        MUST(dnnl_memory_desc_destroy(all[i]));
    return desc;
}

static const_dnnl_memory_desc_t wanted(dnnl_primitive_desc_t desc, int argument)
{
    return dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, argument);
}

static struct layer create_layer(const struct network *network, const struct lstm_case *lstm,
                                 size_t index, dnnl_memory_t src)
{
    dnnl_primitive_desc_t desc = describe_layer(network, &lstm->shape, index);
    const_dnnl_memory_desc_t state = wanted(desc, DNNL_ARG_DST_ITER);
    struct layer layer = {
        .dst_layer = allocate(network, wanted(desc, DNNL_ARG_DST_LAYER)),
        .dst_iter = allocate(network, state),
        .dst_iter_c = allocate(network, wanted(desc, DNNL_ARG_DST_ITER_C)),
    };
    MUST(dnnl_primitive_create(&layer.primitive, desc));
    const dnnl_exec_arg_t arguments[LAYER_ARGUMENTS] = {
        {DNNL_ARG_SRC_LAYER, src},
        {DNNL_ARG_SRC_ITER, initial_state(network, lstm, index, lstm->h_0, state)},
        {DNNL_ARG_SRC_ITER_C,
         initial_state(network, lstm, index, lstm->c_0, wanted(desc, DNNL_ARG_SRC_ITER_C))},
        {DNNL_ARG_WEIGHTS_LAYER,
         pack_weights(network, lstm, index, false, wanted(desc, DNNL_ARG_WEIGHTS_LAYER))},
        {DNNL_ARG_WEIGHTS_ITER,
         pack_weights(network, lstm, index, true, wanted(desc, DNNL_ARG_WEIGHTS_ITER))},
        {DNNL_ARG_BIAS, sum_biases(network, lstm, index, wanted(desc, DNNL_ARG_BIAS))},
        {DNNL_ARG_DST_LAYER, layer.dst_layer},
        {DNNL_ARG_DST_ITER, layer.dst_iter},
        {DNNL_ARG_DST_ITER_C, layer.dst_iter_c},
    };
    memcpy(layer.arguments, arguments, sizeof arguments);
    MUST(dnnl_primitive_desc_destroy(desc));
    return layer;
}

/* ---- the network ---- */

/* It lives as long as the program. */
static struct network create_network(const struct lstm_case *lstm)
{
    const struct lstm_shape *shape = &lstm->shape;
    struct network network = {.layer_count = shape->layers};
    network.layers = must_allocate_zeros(shape->layers, sizeof *network.layers);
    MUST(dnnl_engine_create(&network.engine, dnnl_cpu, 0));
    MUST(dnnl_stream_create(&network.stream, network.engine, dnnl_stream_default_flags));

    const dnnl_dims_t dims = {(dnnl_dim_t)shape->steps, (dnnl_dim_t)shape->batch,
                              (dnnl_dim_t)shape->input_size};
    dnnl_memory_desc_t desc = describe(3, dims, dnnl_tnc);
    dnnl_memory_t src = allocate(&network, desc);
    MUST(dnnl_memory_desc_destroy(desc));
    fill(src, lstm->input, 0, lstm_shape_input_count(shape));
    for (size_t i = 0; i < shape->layers; i++) {
        network.layers[i] = create_layer(&network, lstm, i, src);
        src = network.layers[i].dst_layer;
    }
    return network;
}

static void run_network(void *context)
{
    struct network *network = context;
    for (size_t i = 0; i < network->layer_count; i++)
        MUST(dnnl_primitive_execute(network->layers[i].primitive, network->stream, LAYER_ARGUMENTS,
                                    network->layers[i].arguments));
    MUST(dnnl_stream_wait(network->stream));
}

static void write_answer(const struct network *network, struct lstm_case *lstm, const char *path)
{
    const size_t count = lstm_shape_state_count(&lstm->shape) / lstm->shape.layers;
    for (size_t i = 0; i < network->layer_count; i++) {
        fetch(network->layers[i].dst_iter, lstm->h_n + i * count, count);
        fetch(network->layers[i].dst_iter_c, lstm->c_n + i * count, count);
    }
    fetch(network->layers[network->layer_count - 1].dst_layer, lstm->output,
          lstm_shape_output_count(&lstm->shape));
    lstm_case_write(lstm, path);
}

/* ---- threads ---- */

static void keep_processors(size_t count)
{
    cpu_set_t allowed, kept;
    CPU_ZERO(&kept);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        die("the processors this program may run on cannot be read");
    for (size_t cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++)
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &kept);
            count--;
        }
    if (count > 0 || sched_setaffinity(0, sizeof kept, &kept) != 0)
        bench_options_refuse("--threads: this machine has %zu processors too few", count);
}

/* Found at run time, because a build with SYCL brings no OpenMP along. */
static void set_openmp_threads(size_t count)
{
    void (*set)(int);
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (symbol == NULL)
        die("oneDNN says it uses OpenMP, but there is none in this process");
    memcpy(&set, &symbol, sizeof set);
    set((int)count);
}

static void set_threads(const dnnl_version_t *version, size_t count)
{
    if (version->cpu_runtime == DNNL_RUNTIME_OMP)
        set_openmp_threads(count);
    else
        keep_processors(count);
}

static const char *runtime_name(const dnnl_version_t *version)
{
    return version->cpu_runtime == DNNL_RUNTIME_OMP ? "openmp" : "sycl";
}

/* What the SYCL runtime takes to hand over one primitive a layer: lone floats are reordered. */
struct hand_over {
    struct network *network;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[2];
};

static void run_hand_over(void *context)
{
    const struct hand_over *empty = context;
    for (size_t i = 0; i < empty->network->layer_count; i++)
        MUST(dnnl_primitive_execute(empty->primitive, empty->network->stream, 2, empty->arguments));
    MUST(dnnl_stream_wait(empty->network->stream));
}

static double measure_overhead(struct network *network, double seconds)
{
    dnnl_memory_desc_t one = describe(1, (dnnl_dims_t){1}, dnnl_a);
    dnnl_primitive_desc_t desc;
    struct hand_over empty = {
        .network = network,
        .arguments = {{DNNL_ARG_FROM, allocate(network, one)},
                      {DNNL_ARG_TO, allocate(network, one)}},
    };
    MUST(dnnl_reorder_primitive_desc_create(&desc, one, network->engine, one, network->engine,
                                            NULL));
    MUST(dnnl_primitive_create(&empty.primitive, desc));
    return stopwatch_measure(run_hand_over, &empty, seconds).us_min;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    bench_options_parse(argc, argv, "", &options);
    const dnnl_version_t *version = dnnl_version();
    set_threads(version, options.threads);

    struct lstm_case *lstm = lstm_case_create(&options.shape);
    struct network network = create_network(lstm);
    const struct stopwatch_times times = stopwatch_measure(run_network, &network, options.seconds);
    char name[64];
    snprintf(name, sizeof name, "onednn-%d.%d.%d-%s", version->major, version->minor,
             version->patch, runtime_name(version));
    const double flops = lstm_shape_flops(&options.shape);
    if (version->cpu_runtime == DNNL_RUNTIME_OMP)
        bench_line_print("peer", name, &options, &times, flops);
    else
        bench_line_print_overhead("peer", name, &options, &times, flops,
                                  measure_overhead(&network, options.seconds * OVERHEAD_SHARE));
    if (options.output != NULL)
        write_answer(&network, lstm, options.output);
    lstm_case_destroy(lstm);
    return 0;
}
