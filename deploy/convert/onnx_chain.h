/* The layers found while an ONNX graph is walked, each behind the one whose output it takes, and
 * the places (onnx_value.h) that tell what of which layer an element is.
 *
 * Nothing here is changed once it is made: two layers may stand behind one, and the network is what
 * leads from the graph's input to its output. */
#ifndef DEPLOY_CONVERT_ONNX_CHAIN_H
#define DEPLOY_CONVERT_ONNX_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/onnx_value.h"
#include "proto/fault.h"

struct OnnxValueInfo;

#define ONNX_SOURCES_MAX 4096
#define ONNX_KNOWN       UINT32_MAX /* of a source: there is none */

enum onnx_source_kind {
    ONNX_SOURCE_INPUT,   /* the graph's input: steps of rows, or whole numbers for an embedding */
    ONNX_SOURCE_STATE,   /* a graph's input of initial states: cells of rows */
    ONNX_SOURCE_LENGTHS, /* a graph's input of one number a row */
    ONNX_SOURCE_LAYER,   /* what comes out of a layer */
    ONNX_SOURCE_H,       /* the final states of an LSTM: cells of rows */
    ONNX_SOURCE_C,
};

struct onnx_source {
    enum onnx_source_kind kind;
    const struct OnnxValueInfo *input; /* of the graph's inputs */
    const struct onnx_layer *layer;    /* LAYER, H, C; INPUT has none */
    size_t width;                      /* features */
    size_t cells;                      /* of states: as many; 0 for others */
    size_t steps;                      /* of a row in this walk; 1 of a vector; 0 of others */
    bool vector;                       /* one a row, step 0; otherwise one for every step */
    bool whole_numbers;                /* INPUT of an embedding */
    bool batch_first;                  /* INPUT: [B,T,F]; STATE: [B,cells,F] */
};

struct onnx_function {
    const char *name; /* MODEL_CONFIG.md's */
    bool has_alpha, has_beta;
    double alpha, beta;
};

/* An initial state of an LSTM: zeros, or cells of a graph's input. */
struct onnx_state {
    bool given;
    uint32_t source;
    size_t first_cell;
};

struct onnx_lstm {
    size_t directions, hidden_size, input_size;
    bool reverse; /* of the one direction */
    bool last_only;
    const char *merge; /* of two directions: "sum", "mul"; NULL: side by side */
    bool input_forget;
    double clip; /* 0: none */
    bool activations_given;
    struct onnx_function activations[6];         /* [3 * directions] */
    const struct onnx_value *weight, *recurrent; /* W [D,4H,I], R [D,4H,H] */
    const struct onnx_value *bias, *peephole;    /* B [D,8H], P [D,3H], or NULL */
    struct onnx_state h, c;
    bool lengths; /* it is given the rows' lengths, */
    uint32_t lengths_source;
};

enum onnx_layer_kind {
    ONNX_LAYER_LSTM,
    ONNX_LAYER_EMBEDDING,
    ONNX_LAYER_DENSE,
    ONNX_LAYER_ACTIVATION,
    ONNX_LAYER_SCALE,
    ONNX_LAYER_LAYER_NORM,
    ONNX_LAYER_LAST_STEP,
    ONNX_LAYER_FLATTEN,
    ONNX_LAYER_REPEAT,    /* a vector at every step of the walk */
    ONNX_LAYER_MEAN_POOL, /* over all steps */
    ONNX_LAYER_MAX_POOL,
    ONNX_LAYER_CONV, /* over windows of steps */
    ONNX_LAYER_MAX_WINDOWS,
    ONNX_LAYER_AVERAGE_WINDOWS,
    ONNX_LAYER_PART, /* of a layer that exporters write in parts: not one by itself */
};

/* Of onnx_normalization.c, PADDED of onnx_pad.c, FUNCTION and JOIN of onnx_expression.c. */
enum onnx_part {
    ONNX_PART_MEAN,
    ONNX_PART_CENTERED,
    ONNX_PART_SQUARE,
    ONNX_PART_VARIANCE,
    ONNX_PART_DEVIATION,
    ONNX_PART_PADDED,
    ONNX_PART_FUNCTION,
    ONNX_PART_WHOLE, /* of onnx_whole.c; before: the graph's input */
    ONNX_PART_JOIN,  /* before: what all that it joins are functions of */
};

/* A window that moves along the steps, in MODEL_CONFIG.md's words. */
struct onnx_window {
    size_t size, stride, dilation;
    const char *padding; /* "valid", "same", "causal"; NULL: pad steps at both ends */
    size_t pad;
};

/* Of known operands and others; false where the result is too large. */
typedef bool onnx_whole_function(const int64_t in[3], int64_t *out);

struct onnx_layer {
    enum onnx_layer_kind kind;
    const char *name; /* of the node; "" for what picking elements amounts to */
    uint32_t before;  /* the source whose elements it takes */
    uint32_t after;   /* what comes out */
    size_t steps;     /* that come out where steps do; 0: as many as go in */
    struct onnx_lstm lstm;
    const struct onnx_layer *original; /* of an LSTM's last_only or merged form: the one with the
                                        * states */
    uint32_t h, c;                     /* an LSTM's final states */
    struct onnx_function function;     /* ACTIVATION */
    struct onnx_window window;         /* CONV, MAX_WINDOWS, AVERAGE_WINDOWS */
    const struct onnx_value *weight;   /* DENSE: [units,in]; CONV: [out,in,size]; EMBEDDING: [V,E];
                                        * norms: [F] or NULL */
    const struct onnx_value *bias;     /* DENSE, CONV, norms: [F]; or NULL */
    double epsilon;                    /* LAYER_NORM */
    enum onnx_part part;               /* PART */
    size_t pads[2];                    /* PADDED: steps of zeros before and behind */
    const char *op;                    /* FUNCTION, JOIN: the operator */
    double operand;                    /* FUNCTION: the known number it has, if any */
    size_t joined_count;               /* JOIN, WHOLE; 0 for others */
    uint32_t joined[3];                /* sources; of WHOLE ONNX_KNOWN for a known number */
    int64_t numbers[3];                /* WHOLE: those */
    onnx_whole_function *whole;        /* WHOLE */
};

struct onnx_chain {
    struct onnx_arena arena;
    size_t steps, rows; /* of the walk */
    size_t source_count;
    struct onnx_source sources[ONNX_SOURCES_MAX];
    size_t layer_count; /* of nodes, and of windows whose input is one: how far the walk got */
    bool fixed_steps;   /* the graph is of so many steps and no other */
};

/* Another source; false with a fault when there are too many. */
bool onnx_chain_add_source(struct onnx_chain *chain, const struct onnx_source *source,
                           uint32_t *number, struct fault *fault);

/* Another layer, like *layer, with `after` made (and h and c of an LSTM), of width features, a
 * vector or not. NULL with a fault. */
const struct onnx_layer *onnx_chain_add_layer(struct onnx_chain *chain,
                                              const struct onnx_layer *layer, size_t width,
                                              bool vector, struct fault *fault);

/* Is there an LSTM among the layers up to the source that is given the rows' lengths? To the
 * graph's other operators all rows have all steps, to lstmd's layers those up to their length. */
bool onnx_chain_knows_lengths(const struct onnx_chain *chain, uint32_t source);

/* Is there a layer up to the source that looks at windows of steps? Behind it a row's length is
 * another one. */
bool onnx_chain_has_windows(const struct onnx_chain *chain, uint32_t source);

/* A value of places taken as so many features, its last dimension, at each of the places of the
 * others. */
struct onnx_features {
    uint32_t source;
    size_t count;              /* places: product of the other dimensions */
    struct onnx_place *places; /* [count], feature 0: the step and row of each */
};

/* Layers that picking or joining elements amounts to (the last step, the last outputs of both
 * directions, the steps flattened) are added. Refused (400): anything else than all features of a
 * source, in order, at each place. */
bool onnx_chain_features(struct onnx_chain *chain, const struct onnx_value *value,
                         struct onnx_features *features, struct fault *fault);

/* The places of a source's features at the places of `features`: dims are those of value with the
 * last replaced by the source's width. NULL with a fault. */
struct onnx_value *onnx_chain_places(struct onnx_chain *chain, const struct onnx_value *value,
                                     const struct onnx_features *features, uint32_t source,
                                     struct fault *fault);

/* Is it of this source, whole: element [i,j,k] the feature k of step (or cell) i of row j? batch
 * first: of step j of row i. */
bool onnx_chain_is_whole(const struct onnx_chain *chain, const struct onnx_value *value,
                         uint32_t source, bool batch_first);

/* Is it of this source, a vector, the same at every step of the walk: element [i,j,k] the feature k
 * of row j? batch first: of row i. */
bool onnx_chain_is_repeated(const struct onnx_chain *chain, const struct onnx_value *value,
                            uint32_t source, bool batch_first);

#endif
