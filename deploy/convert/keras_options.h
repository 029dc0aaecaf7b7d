/* The options of one Keras layer, read off the "config" object that Keras wrote for it. Keras 1
 * called many by other names, so each function takes two keys, the second NULL where there was only
 * ever one. An option that is absent or null is at its default: the value stays as it was.
 *
 * Faults have status 400 and say layer, option, what was wanted and what was found:
 * "LSTM lstm_1.time_major: false expected, got true". */
#ifndef DEPLOY_CONVERT_KERAS_OPTIONS_H
#define DEPLOY_CONVERT_KERAS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

struct cJSON;

#define KERAS_SIZE_MAX ((size_t)1 << 24)

struct keras_options {
    const struct cJSON *json; /* borrowed */
    char place[160];          /* "LSTM lstm_1" */
};

/* Refuses an object with an option that nobody looks at: one that is not in known (ended by NULL),
 * is not null, and is not of those that only training has a use for (initializers...). Refuses
 * weights of a type that is not a float ("dtype"), and options given twice. */
bool keras_options_init(struct keras_options *options, const char *class_name, const char *name,
                        const struct cJSON *json, const char *const *known, struct fault *fault);

/* What stands there; NULL when it is absent or null. */
const struct cJSON *keras_options_find(const struct keras_options *options, const char *key,
                                       const char *old_key);

/* A whole number from min to KERAS_SIZE_MAX; [n] is the same as n. required: neither absent nor
 * null. */
bool keras_options_size(const struct keras_options *options, const char *key, const char *old_key,
                        bool required, size_t min, size_t *value, struct fault *fault);

/* A whole number of either sign, or [n]. */
bool keras_options_integer(const struct keras_options *options, const char *key, long *value,
                           struct fault *fault);

bool keras_options_number(const struct keras_options *options, const char *key, const char *old_key,
                          double *value, struct fault *fault);

bool keras_options_bool(const struct keras_options *options, const char *key, const char *old_key,
                        bool *value, struct fault *fault);

/* One of choices (ended by NULL, the last one at most eighth), *value being the default. */
bool keras_options_choice(const struct keras_options *options, const char *key, const char *old_key,
                          const char *const *choices, const char **value, struct fault *fault);

/* An option that may only be false. */
bool keras_options_never(const struct keras_options *options, const char *key, struct fault *fault);

/* "PLACE.key: WANTED expected, got FOUND"; false. */
bool keras_options_refuse(const struct keras_options *options, const char *key, const char *old_key,
                          const char *wanted, struct fault *fault);

#endif
