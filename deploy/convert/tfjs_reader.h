/* TensorFlow.js' LayersModel: model.json, and beside it the shards with its weights. */
#ifndef DEPLOY_CONVERT_TFJS_READER_H
#define DEPLOY_CONVERT_TFJS_READER_H

#include "deploy/convert/reader.h"

extern const struct reader tfjs_reader;

#endif
