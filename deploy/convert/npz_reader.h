/* What numpy.savez writes: a zip archive of .npy arrays, here of bare weights. */
#ifndef DEPLOY_CONVERT_NPZ_READER_H
#define DEPLOY_CONVERT_NPZ_READER_H

#include "deploy/convert/reader.h"

extern const struct reader npz_reader;

#endif
