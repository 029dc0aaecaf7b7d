/* The part of HDF5 that trained Keras models are kept in, read from memory by the HDF5 library:
 * groups joined by hard links, attributes of strings, datasets of floats that stand in the file
 * itself. Everything else of the format (soft and external links, external and virtual storage,
 * filters other than deflate, plug-ins) is refused, never followed.
 *
 * Sizes are held against the size of the file before memory is taken for what they announce. The
 * library is no match for files made to break it: use this where a crash takes nothing along.
 *
 * Paths are written "group/group/object", from the root; "" is the root. Faults have status 400
 * (503 without memory) and begin with the path. */
#ifndef DEPLOY_CONVERT_HDF5_FILE_H
#define DEPLOY_CONVERT_HDF5_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/float_array.h"
#include "proto/fault.h"

struct hdf5_file;

/* Strings of the caller's: hdf5_texts_fini. All zero: none. */
struct hdf5_texts {
    size_t count;
    char **texts;
};
void hdf5_texts_fini(struct hdf5_texts *texts);

/* Do the bytes begin like an HDF5 file? (One with a user block in front does not.) */
bool hdf5_file_recognises(const void *bytes, size_t size);

/* bytes are not copied or changed and must stay until hdf5_file_close. On success *file is the
 * caller's to close. */
bool hdf5_file_open(struct hdf5_file **file, unsigned char *bytes, size_t size,
                    struct fault *fault);
void hdf5_file_close(struct hdf5_file *file); /* NULL is allowed */

/* Is there such an object, every link on the way to it a hard one? */
bool hdf5_file_has(const struct hdf5_file *file, const char *path);
bool hdf5_file_has_attribute(const struct hdf5_file *file, const char *path, const char *name);

/* One string, NUL-terminated, the caller's to free. A string that holds a NUL ends there. */
bool hdf5_file_read_text(const struct hdf5_file *file, const char *path, const char *name,
                         char **text, struct fault *fault);

/* An array of strings, appended to texts. An empty array of any type holds none: h5py writes an
 * empty list as float64. On failure texts holds what it held, or more. */
bool hdf5_file_read_texts(const struct hdf5_file *file, const char *path, const char *name,
                          struct hdf5_texts *texts, struct fault *fault);

/* A dataset of float16, float32 or float64 (rounded to nearest); on failure array holds nothing. */
bool hdf5_file_read_array(const struct hdf5_file *file, const char *path, struct float_array *array,
                          struct fault *fault);

#endif
