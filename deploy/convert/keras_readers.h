/* The formats Keras and TensorFlow.js keep trained models in. */
#ifndef DEPLOY_CONVERT_KERAS_READERS_H
#define DEPLOY_CONVERT_KERAS_READERS_H

#include "deploy/convert/reader.h"

extern const struct reader keras_hdf5_reader; /* .h5, whole or weights alone with --config */
extern const struct reader keras_zip_reader;  /* .keras */
extern const struct reader tfjs_reader;       /* model.json, its shards beside it */

#endif
