#include "deploy/convert/hdf5_file.h"

#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/deflate_ratio.h"
#include "proto/excerpt.h"

struct hdf5_file {
    hid_t id;
    size_t size;
};

void hdf5_texts_fini(struct hdf5_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->texts[i]);
    free(texts->texts);
    *texts = (struct hdf5_texts){0};
}

static bool fail_memory(struct fault *fault)
{
    return fault_set(fault, 503, "not enough memory for the file's content");
}

static bool fail(struct fault *fault, const char *what)
{
    return fault_set(fault, 400, "%s", what);
}

static bool fail_at(struct fault *fault, const char *path)
{
    return path[0] != '\0' && fault_prefix(fault, "%s", excerpt_of(path).text);
}

bool hdf5_file_recognises(const void *bytes, size_t size)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    return size >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

bool hdf5_file_open(struct hdf5_file **file, unsigned char *bytes, size_t size, struct fault *fault)
{
    /* The library would print to stderr what we say in our own words, and load what the
     * environment names. */
    if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || H5PLset_loading_state(0) < 0)
        return fault_set(fault, 503, "the HDF5 library does not start");
    struct hdf5_file *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return fail_memory(fault);
    opened->size = size;
    opened->id =
        H5LTopen_file_image(bytes, size, H5LT_FILE_IMAGE_DONT_COPY | H5LT_FILE_IMAGE_DONT_RELEASE);
    if (opened->id < 0) {
        free(opened);
        return fault_set(fault, 400, "a whole HDF5 file expected, got one that is damaged or cut");
    }
    *file = opened;
    return true;
}

void hdf5_file_close(struct hdf5_file *file)
{
    if (file == NULL)
        return;
    H5Fclose(file->id);
    free(file);
}

/* ---- paths ---- */

/* One step down, by a hard link; negative when there is none. Takes at over. */
static hid_t step_down(hid_t at, const char *name)
{
    H5L_info_t link;
    hid_t below = -1;
    if (H5Lget_info(at, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD)
        below = H5Oopen(at, name, H5P_DEFAULT);
    H5Oclose(at);
    return below;
}

/* The object at the path, the caller's to H5Oclose; negative when there is none. */
static hid_t walk(const struct hdf5_file *file, const char *path)
{
    hid_t at = H5Oopen(file->id, "/", H5P_DEFAULT);
    while (at >= 0) {
        path += strspn(path, "/");
        const size_t length = strcspn(path, "/");
        if (length == 0)
            break;
        char *name = strndup(path, length);
        if (name == NULL) {
            H5Oclose(at);
            return -1;
        }
        at = step_down(at, name);
        free(name);
        path += length;
    }
    return at;
}

bool hdf5_file_has(const struct hdf5_file *file, const char *path)
{
    const hid_t object = walk(file, path);
    if (object >= 0)
        H5Oclose(object);
    return object >= 0;
}

/* ---- attributes ---- */

/* Negative when there is none. */
static hid_t open_attribute(const struct hdf5_file *file, const char *path, const char *name)
{
    const hid_t object = walk(file, path);
    if (object < 0)
        return -1;
    const hid_t attribute =
        H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : (hid_t)-1;
    H5Oclose(object);
    return attribute;
}

bool hdf5_file_has_attribute(const struct hdf5_file *file, const char *path, const char *name)
{
    const hid_t attribute = open_attribute(file, path, name);
    if (attribute >= 0)
        H5Aclose(attribute);
    return attribute >= 0;
}

/* An open attribute of strings. */
struct strings {
    hid_t attribute, type, space;
    size_t count;
    bool variable; /* each of a length of its own, else all of size bytes */
    size_t size;   /* bytes of one in memory: of a pointer when variable */
};

static void strings_close(struct strings *strings)
{
    if (strings->space >= 0)
        H5Sclose(strings->space);
    if (strings->type >= 0)
        H5Tclose(strings->type);
    if (strings->attribute >= 0)
        H5Aclose(strings->attribute);
}

static bool strings_open(struct strings *strings, const struct hdf5_file *file, const char *path,
                         const char *name, struct fault *fault)
{
    *strings = (struct strings){.attribute = -1, .type = -1, .space = -1};
    strings->attribute = open_attribute(file, path, name);
    if (strings->attribute < 0)
        return fail(fault, "an attribute is missing");
    strings->type = H5Aget_type(strings->attribute);
    strings->space = H5Aget_space(strings->attribute);
    const hssize_t points = strings->space < 0 ? -1 : H5Sget_simple_extent_npoints(strings->space);
    if (strings->type < 0 || points < 0 || (uint64_t)points > file->size)
        return fail(fault, "an attribute is damaged");
    strings->count = (size_t)points;
    if (strings->count == 0)
        return true;
    if (H5Tget_class(strings->type) != H5T_STRING)
        return fail(fault, "strings expected, got another type");
    strings->variable = H5Tis_variable_str(strings->type) > 0;
    strings->size = strings->variable ? sizeof(char *) : H5Tget_size(strings->type);
    size_t bytes;
    if (strings->size == 0 || !checked_mul(strings->count, strings->size, &bytes) ||
        bytes > file->size)
        return fail(fault, "an attribute is larger than the file");
    return true;
}

/* A copy of string i of what H5Aread gave. */
static char *string_copy(const struct strings *strings, const void *read, size_t i)
{
    const char *at = (const char *)read + i * strings->size;
    if (!strings->variable)
        return strndup(at, strings->size);
    char *const *pointer = (char *const *)read + i;
    return strdup(*pointer == NULL ? "" : *pointer);
}

/* Appends all that were read. */
static bool strings_append(const struct strings *strings, const void *read,
                           struct hdf5_texts *texts)
{
    char **grown = realloc(texts->texts, (texts->count + strings->count) * sizeof *grown);
    if (grown == NULL)
        return false;
    texts->texts = grown;
    for (size_t i = 0; i < strings->count; i++) {
        grown[texts->count] = string_copy(strings, read, i);
        if (grown[texts->count] == NULL)
            return false;
        texts->count++;
    }
    return true;
}

static bool strings_read(const struct strings *strings, struct hdf5_texts *texts,
                         struct fault *fault)
{
    if (strings->count == 0)
        return true;
    void *read = calloc(strings->count, strings->size);
    if (read == NULL)
        return fail_memory(fault);
    /* The file's own type is what fits memory too: only its strings of variable length change, into
     * pointers. */
    if (H5Aread(strings->attribute, strings->type, read) < 0) {
        free(read);
        return fail(fault, "an attribute is damaged");
    }
    const bool kept = strings_append(strings, read, texts);
    if (strings->variable)
        H5Dvlen_reclaim(strings->type, strings->space, H5P_DEFAULT, read);
    free(read);
    return kept || fail_memory(fault);
}

bool hdf5_file_read_texts(const struct hdf5_file *file, const char *path, const char *name,
                          struct hdf5_texts *texts, struct fault *fault)
{
    struct strings strings;
    const bool read =
        strings_open(&strings, file, path, name, fault) && strings_read(&strings, texts, fault);
    strings_close(&strings);
    if (!read)
        fault_prefix(fault, "%s", excerpt_of(name).text);
    return read || fail_at(fault, path);
}

bool hdf5_file_read_text(const struct hdf5_file *file, const char *path, const char *name,
                         char **text, struct fault *fault)
{
    struct hdf5_texts texts = {0};
    bool read = hdf5_file_read_texts(file, path, name, &texts, fault);
    if (read && texts.count != 1)
        read = fault_set(fault, 400, "%s: one string expected, got %zu", excerpt_of(name).text,
                         texts.count);
    if (read) {
        *text = texts.texts[0];
        texts.texts[0] = NULL;
    }
    hdf5_texts_fini(&texts);
    return read;
}

/* ---- datasets ---- */

/* An open dataset of floats. */
struct dataset {
    hid_t id, plan, type, space; /* plan: how it was created */
    size_t type_size;
};

static void dataset_close(struct dataset *dataset)
{
    if (dataset->space >= 0)
        H5Sclose(dataset->space);
    if (dataset->type >= 0)
        H5Tclose(dataset->type);
    if (dataset->plan >= 0)
        H5Pclose(dataset->plan);
    if (dataset->id >= 0)
        H5Oclose(dataset->id);
}

static bool dataset_open(struct dataset *dataset, const struct hdf5_file *file, const char *path,
                         struct fault *fault)
{
    *dataset = (struct dataset){.id = -1, .plan = -1, .type = -1, .space = -1};
    dataset->id = walk(file, path);
    if (dataset->id < 0)
        return fail(fault, "not in the file, or behind a link that is not followed");
    if (H5Iget_type(dataset->id) != H5I_DATASET)
        return fail(fault, "a dataset expected, got a group");
    dataset->plan = H5Dget_create_plist(dataset->id);
    dataset->type = H5Dget_type(dataset->id);
    dataset->space = H5Dget_space(dataset->id);
    if (dataset->plan < 0 || dataset->type < 0 || dataset->space < 0)
        return fail(fault, "the dataset is damaged");
    dataset->type_size = H5Tget_size(dataset->type);
    return true;
}

/* IEEE 754 binary16, for which the library has no name. */
static bool is_half(hid_t type)
{
    size_t sign, exponent, exponent_size, mantissa, mantissa_size;
    return H5Tget_size(type) == 2 && H5Tget_precision(type) == 16 && H5Tget_ebias(type) == 15 &&
           H5Tget_norm(type) == H5T_NORM_IMPLIED &&
           H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) >= 0 &&
           sign == 15 && exponent == 10 && exponent_size == 5 && mantissa == 0 &&
           mantissa_size == 10;
}

static bool check_type(const struct dataset *dataset, struct fault *fault)
{
    const hid_t type = dataset->type;
    if (H5Tget_class(type) == H5T_FLOAT &&
        (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0 ||
         H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0 || is_half(type)))
        return true;
    return fail(fault, "float16, float32 or float64 expected, got another type");
}

static bool check_shape(const struct dataset *dataset, struct float_array *array,
                        struct fault *fault)
{
    hsize_t shape[FLOAT_ARRAY_RANK_MAX];
    const int rank = H5Sget_simple_extent_ndims(dataset->space);
    if (H5Sget_simple_extent_type(dataset->space) == H5S_NULL || rank < 0 ||
        rank > FLOAT_ARRAY_RANK_MAX)
        return fail(fault, "an array of at most 4 dimensions expected");
    if (H5Sget_simple_extent_dims(dataset->space, shape, NULL) < 0)
        return fail(fault, "the dataset is damaged");
    array->rank = (size_t)rank;
    array->elements = 1;
    for (int i = 0; i < rank; i++) {
        array->shape[i] = (size_t)shape[i];
        if (shape[i] > SIZE_MAX || !checked_mul(array->elements, shape[i], &array->elements))
            return fail(fault, "the shape is too large");
    }
    return true;
}

static bool check_filters(const struct dataset *dataset, struct fault *fault)
{
    const int count = H5Pget_nfilters(dataset->plan);
    for (int i = 0; i < count; i++) {
        unsigned flags, config, values[8];
        size_t value_count = sizeof values / sizeof values[0];
        char name[32];
        const H5Z_filter_t filter = H5Pget_filter2(dataset->plan, (unsigned)i, &flags, &value_count,
                                                   values, sizeof name, name, &config);
        if (filter != H5Z_FILTER_DEFLATE)
            return fail(fault, "stored with a filter other than deflate");
    }
    return count >= 0 || fail(fault, "the dataset is damaged");
}

/* Bytes of one chunk. */
static bool chunk_size(const struct dataset *dataset, size_t rank, size_t *size)
{
    hsize_t chunk[FLOAT_ARRAY_RANK_MAX];
    *size = dataset->type_size;
    if (H5Pget_chunk(dataset->plan, FLOAT_ARRAY_RANK_MAX, chunk) != (int)rank)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (chunk[i] > SIZE_MAX || !checked_mul(*size, chunk[i], size))
            return false;
    return true;
}

/* Does the file hold what the shape announces? */
static bool check_storage(const struct dataset *dataset, const struct hdf5_file *file,
                          const struct float_array *array, struct fault *fault)
{
    const H5D_layout_t layout = H5Pget_layout(dataset->plan);
    const hsize_t stored = H5Dget_storage_size(dataset->id);
    size_t bytes, chunk = 0, room = (size_t)stored;
    if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT && layout != H5D_CHUNKED)
        return fail(fault, "stored in a way that is not read (virtual)");
    if (H5Pget_external_count(dataset->plan) != 0)
        return fail(fault, "stored in another file");
    if (layout == H5D_CHUNKED && !chunk_size(dataset, array->rank, &chunk))
        return fail(fault, "the dataset is damaged");
    if (stored > file->size || !checked_mul(array->elements, dataset->type_size, &bytes) ||
        (layout == H5D_CHUNKED && !checked_mul(room, DEFLATE_RATIO, &room)) || bytes > room ||
        chunk > room)
        return fail(fault, "the shape is larger than what the file holds");
    return true;
}

static bool dataset_read(const struct dataset *dataset, struct float_array *array,
                         struct fault *fault)
{
    size_t bytes;
    if (!checked_mul(array->elements, sizeof(float), &bytes))
        return fail_memory(fault);
    array->values = malloc(bytes > 0 ? bytes : 1);
    if (array->values == NULL)
        return fail_memory(fault);
    if (array->elements == 0 ||
        H5Dread(dataset->id, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, array->values) >= 0)
        return true;
    free(array->values);
    return fail(fault, "the dataset is damaged");
}

bool hdf5_file_read_array(const struct hdf5_file *file, const char *path, struct float_array *array,
                          struct fault *fault)
{
    struct dataset dataset;
    *array = (struct float_array){0};
    const bool read = dataset_open(&dataset, file, path, fault) && check_type(&dataset, fault) &&
                      check_shape(&dataset, array, fault) && check_filters(&dataset, fault) &&
                      check_storage(&dataset, file, array, fault) &&
                      dataset_read(&dataset, array, fault);
    dataset_close(&dataset);
    if (!read)
        *array = (struct float_array){0};
    return read || fail_at(fault, path);
}
