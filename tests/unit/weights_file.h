/* Makes safetensors files in memory, good ones and bad ones, and reads real ones from disk. */
#ifndef TESTS_UNIT_WEIGHTS_FILE_H
#define TESTS_UNIT_WEIGHTS_FILE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weights_file {
    unsigned char *bytes; /* exactly size of them, so that sanitizers see a read past the end */
    size_t size;
};

static inline void weights_file_fini(struct weights_file *file)
{
    free(file->bytes);
    *file = (struct weights_file){0};
}

/* A header of any bytes, and the data behind it. */
static inline struct weights_file weights_file_raw(const char *header, size_t header_size,
                                                   const void *data, size_t data_size)
{
    struct weights_file file = {malloc(8 + header_size + data_size), 8 + header_size + data_size};
    assert(file.bytes != NULL);
    for (size_t i = 0; i < 8; i++)
        file.bytes[i] = (unsigned char)(header_size >> 8 * i);
    memcpy(file.bytes + 8, header, header_size);
    if (data_size > 0)
        memcpy(file.bytes + 8 + header_size, data, data_size);
    return file;
}

/* An F32 tensor; columns 0 makes it a vector. Values count up in steps of 1/64 and start anew. */
struct weights_tensor {
    const char *name;
    size_t rows, columns;
};

/* A good file of those tensors, ended by one without a name. */
static inline struct weights_file weights_file_make(const struct weights_tensor *tensors)
{
    char *header = calloc(1, 1 << 16);
    float *data = calloc(1 << 18, sizeof *data);
    assert(header != NULL && data != NULL);
    size_t used = 0, count = 0;
    for (size_t i = 0; tensors[i].name != NULL; i++) {
        const struct weights_tensor *t = &tensors[i];
        const size_t elements = t->columns > 0 ? t->rows * t->columns : t->rows;
        char shape[48];
        if (t->columns > 0)
            snprintf(shape, sizeof shape, "[%zu,%zu]", t->rows, t->columns);
        else
            snprintf(shape, sizeof shape, "[%zu]", t->rows);
        used +=
            (size_t)snprintf(header + used, (1 << 16) - used,
                             "%c\"%s\":{\"dtype\":\"F32\",\"shape\":%s,"
                             "\"data_offsets\":[%zu,%zu]}",
                             i == 0 ? '{' : ',', t->name, shape, 4 * count, 4 * (count + elements));
        assert(used < 1 << 16 && count + elements <= 1 << 18);
        for (size_t k = 0; k < elements; k++)
            data[count++] = (float)(k % 64) / 64;
    }
    header[used++] = '}';
    struct weights_file file = weights_file_raw(header, used, data, 4 * count);
    free(header);
    free(data);
    return file;
}

static inline struct weights_file weights_file_read(const char *path)
{
    FILE *stream = fopen(path, "rb");
    assert(stream != NULL); /* the tests run from the top of the project */
    struct weights_file file = {malloc(1 << 20), 0};
    assert(file.bytes != NULL);
    file.size = fread(file.bytes, 1, 1 << 20, stream);
    assert(file.size < 1 << 20);
    fclose(stream);
    return file;
}

#endif
