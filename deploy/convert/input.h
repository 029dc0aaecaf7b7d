/* What a reader gets: the bytes of the file to convert, whole in memory, and a way to those that
 * lie beside it. Readers open nothing themselves: they run where files cannot be opened. */
#ifndef DEPLOY_CONVERT_INPUT_H
#define DEPLOY_CONVERT_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

#define INPUT_SIZE_MAX ((size_t)2 << 30) /* bytes of a file */

/* Bytes in memory, with a NUL behind them that is not counted. */
struct blob {
    unsigned char *bytes;
    size_t size;
};

/* What the command line says about reading; NULL or false where it does not. */
struct read_options {
    const char *prefix;       /* --prefix: which LSTM, by what stands before its weights' names */
    const char *subgraph;     /* --subgraph: which of an ONNX file's graphs */
    const char *layers;       /* --layers: the chain that a file of bare weights cannot tell */
    const char *gate_columns; /* --gate-columns: of matrices that multiply h and x stacked */
    bool batch_first;         /* --batch-first */
    bool lstm_only;           /* --lstm-only */
};

struct input {
    const char *name; /* of the file, without folders; for the texts of faults */
    struct blob file;
    struct blob config; /* --config: the architecture that the file lacks; bytes NULL without */
    struct read_options options;
    /* Reads the file of that plain name (no folder in it) from the input's folder; the blob is the
     * caller's to free. */
    bool (*beside)(void *context, const char *name, struct blob *blob, struct fault *fault);
    void *context;
};

#endif
