/* The config of a model that lstmd serves, with its weights beside it. */
#ifndef DEPLOY_CONVERT_PAIR_READER_H
#define DEPLOY_CONVERT_PAIR_READER_H

#include "deploy/convert/reader.h"

extern const struct reader pair_reader;

#endif
