/* An ONNX graph run for requests of one size, node by node, with values that are known or places in
 * the network (onnx_value.h). */
#ifndef DEPLOY_CONVERT_ONNX_WALK_H
#define DEPLOY_CONVERT_ONNX_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/onnx_chain.h"
#include "deploy/convert/onnx_value.h"
#include "proto/fault.h"

struct OnnxModel;
struct OnnxGraph;

/* How the graph's inputs are taken. */
struct onnx_sizes {
    size_t input;             /* which of the graph's inputs the network begins with */
    const char *axes;         /* what its dimensions are, T steps, B rows, F features: "TBF", "BTF",
                               * "BFT" as convolutions have it; where steps or features are none
                               * of them there is one */
    bool numbers;             /* whole ones, of an embedding */
    size_t steps, rows;       /* of this walk */
    bool any_steps, any_rows; /* stand for any number */
    size_t width;             /* features of a step where the graph does not say; 0: not known,
                               * the walk is with some */
};

/* Which of the dimensions that one is; as many as there are where none is. */
size_t onnx_axis_of(const char *axes, char which);

/* Are rows before steps? */
bool onnx_axes_batch_first(const char *axes);

struct onnx_walk {
    const struct OnnxModel *model;
    const char *subgraph; /* --subgraph, or NULL */
    bool subgraph_met;    /* it was chosen somewhere */
    struct onnx_sizes sizes;
    struct onnx_chain chain;
    const struct onnx_value **outputs; /* of the graph's, in order; in the chain's arena */
    size_t wanted_width; /* another number of features than the walk was with; 0: none */
    bool wants_steps;    /* more than the walk was with, which stand for any number */
    size_t nodes;        /* run so far */
};

/* Runs the whole graph; what cannot be expressed becomes unknown, which is a fault only where it is
 * needed. false (503) without memory. *walk holds model, subgraph, sizes and the arena's size; the
 * caller gives it up with onnx_walk_fini in any case. */
bool onnx_walk_run(struct onnx_walk *walk, struct fault *fault);
void onnx_walk_fini(struct onnx_walk *walk);

/* Is it a graph's input that is not one of its constants? */
bool onnx_walk_is_input(const struct OnnxGraph *graph, size_t input);

#endif
