#include "deploy/convert/reader.h"

#include <stddef.h>

#include "deploy/convert/keras_hdf5_reader.h"
#include "deploy/convert/keras_zip_reader.h"
#include "deploy/convert/npz_reader.h"
#include "deploy/convert/safetensors_reader.h"
#include "deploy/convert/tfjs_reader.h"
#include "deploy/convert/torch_reader.h"

const struct reader *const reader_table[] = {
    &torch_zip_reader, &torch_legacy_reader, &keras_hdf5_reader,  &keras_zip_reader,
    &tfjs_reader,      &npz_reader,          &safetensors_reader, NULL,
};

const struct reader *reader_find(const struct input *input, struct fault *fault)
{
    for (size_t i = 0; reader_table[i] != NULL; i++)
        if (reader_table[i]->recognises(input))
            return reader_table[i];
    fault_set(
        fault, 400,
        "the bytes are of none of the formats that can be converted: PyTorch (.pt, .pth; zip "
        "or legacy), Keras (.h5, .keras), TensorFlow.js (model.json), NumPy .npz, safetensors");
    return NULL;
}
