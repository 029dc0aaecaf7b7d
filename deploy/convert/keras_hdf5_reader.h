/* Keras' .h5: a whole model of Keras 1 to 3, or weights alone, whose architecture --config gives.
 */
#ifndef DEPLOY_CONVERT_KERAS_HDF5_READER_H
#define DEPLOY_CONVERT_KERAS_HDF5_READER_H

#include "deploy/convert/reader.h"

extern const struct reader keras_hdf5_reader;

#endif
