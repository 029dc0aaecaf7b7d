/* What torch.save writes: the zip container (PyTorch 1.6 and later) and the stream before it. Both
 * hold a pickle that describes tensors, and storages that tensors are views of. */
#ifndef DEPLOY_CONVERT_TORCH_READER_H
#define DEPLOY_CONVERT_TORCH_READER_H

#include "deploy/convert/reader.h"

extern const struct reader torch_zip_reader;
extern const struct reader torch_legacy_reader;

#endif
