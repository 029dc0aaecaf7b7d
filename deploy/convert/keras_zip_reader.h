/* Keras 3's .keras: a zip of the config as JSON and the weights as HDF5. */
#ifndef DEPLOY_CONVERT_KERAS_ZIP_READER_H
#define DEPLOY_CONVERT_KERAS_ZIP_READER_H

#include "deploy/convert/reader.h"

extern const struct reader keras_zip_reader;

#endif
