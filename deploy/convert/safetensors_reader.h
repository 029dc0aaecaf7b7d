/* A safetensors file of bare weights, named as PyTorch names them. */
#ifndef DEPLOY_CONVERT_SAFETENSORS_READER_H
#define DEPLOY_CONVERT_SAFETENSORS_READER_H

#include "deploy/convert/reader.h"

extern const struct reader safetensors_reader;

#endif
