"""Models in every form in which Keras 1, 2 and 3 save them, with the framework's own answers.

keras_files.py GOLDEN_FOLDER writes GOLDEN_FOLDER/keras_files/CASE/: the file as it was saved (model.*),
`arguments` (lstm-convert's own, one a line) and io.safetensors: input, output0, output1... Weights are
random, biases and statistics too. Cases of keras_files/refused/ hold one file each and `because`, a
part of the text that must be said.

Keras 1 cannot be installed any more: its files are written by hand, and answered by tf_keras, which
can load them. The same goes for CuDNNLSTM, which only runs on a GPU.
"""
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import warnings
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import keras
import numpy as np
import safetensors.numpy
import tensorflow
import tf_keras

FOLDER = pathlib.Path(sys.argv[1]) / "keras_files"
ROWS, STEPS, FEATURES, UNITS = 3, 7, 4, 5
random = np.random.default_rng(7)


def randomize(model):
    """Weights of a size that moves the gates; variances stay positive."""
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)
        if "seed" in name or "count" in name:
            continue
        value = random.uniform(-0.6, 0.6, weight.shape)
        weight.assign(np.abs(value) + 0.5 if "variance" in name else value)
    for layer in model._flatten_layers():
        if type(layer).__name__ == "Normalization":
            layer.finalize_state()


def saved(model, suffix, **arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"model.{suffix}"
        model.save(path, **arguments)
        return path.read_bytes()


def saved_weights(model, suffix="weights.h5"):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"w.{suffix}"
        model.save_weights(path)
        return path.read_bytes()


def edited(content, change):
    """The HDF5 file after change(file)."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def written(make):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        make(file)
    return buffer.getvalue()


def sequence(steps=STEPS, features=FEATURES):
    return random.uniform(-1, 1, [ROWS, steps, features]).astype(np.float32)


def write(name, content, suffix, x, outputs, architecture=None):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / f"model.{suffix}").write_bytes(content)
    arguments = []
    if architecture is not None:
        (folder / "architecture.json").write_text(architecture)
        arguments = ["--config", f"tests/golden/keras_files/{name}/architecture.json"]
    (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    tensors = {f"output{i}": np.ascontiguousarray(y, np.float32) for i, y in enumerate(outputs)}
    safetensors.numpy.save_file({"input": np.ascontiguousarray(x)} | tensors, folder / "io.safetensors")


def refuse(name, content, suffix, because, architecture=None):
    folder = FOLDER / "refused" / name
    folder.mkdir(parents=True)
    (folder / f"model.{suffix}").write_bytes(content)
    arguments = []
    if architecture is not None:
        (folder / "architecture.json").write_text(architecture)
        arguments = ["--config", f"tests/golden/keras_files/refused/{name}/architecture.json"]
    (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    (folder / "because").write_text(because + "\n")


def answer(model, x):
    y = model(x)
    return [np.asarray(v) for v in y] if isinstance(y, (list, tuple)) else np.asarray(y)


def both(name, model, x, suffixes):
    """One model in several files."""
    randomize(model)
    for suffix in suffixes:
        write(f"{name}_{suffix}", saved(model, suffix), suffix, x, answer(model, x))


# ---- models that both Keras 2 and Keras 3 can make; k is the one or the other ----

def tagger(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.LSTM(UNITS, return_sequences=True, dropout=0.1),
        layers.Dropout(0.5),
        layers.LSTM(UNITS, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False,
                    return_sequences=True),
        layers.TimeDistributed(layers.Dense(3, activation="softmax"))])


def bidirectional(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((STEPS, FEATURES)),
        layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True)),
        layers.SpatialDropout1D(0.2),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="ave"),
        layers.Bidirectional(layers.LSTM(3), merge_mode="mul"),
        layers.Dense(2)])


def masked(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((STEPS,)),
        layers.Embedding(11, FEATURES, mask_zero=True),
        layers.Dropout(0.1),
        layers.LSTM(UNITS, return_sequences=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.LSTM(UNITS),
        layers.Dense(1, activation="sigmoid")])


def masked_tagger(k):
    """Bidirectional's outputs are zero at masked steps, an LSTM's those of the step before."""
    layers = k.layers
    return k.Sequential([
        layers.Input((None,)),
        layers.Embedding(11, FEATURES, mask_zero=True),
        layers.LSTM(UNITS, return_sequences=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="sum"),
        layers.TimeDistributed(layers.Dense(2))])


def masking(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.Masking(0.25),
        layers.LSTM(UNITS, return_sequences=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, activation="tanh")])


def convolutions(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((17, FEATURES)),
        layers.Conv1D(6, 3, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(5, 4, padding="same", strides=2),
        layers.Conv1D(5, 2, padding="causal", dilation_rate=2, use_bias=False),
        layers.AveragePooling1D(2, strides=1, padding="same"),
        layers.LSTM(UNITS, return_sequences=True),
        layers.Flatten(),
        layers.Dense(2)])


def norms(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.BatchNormalization(),
        layers.LSTM(UNITS, return_sequences=True),
        layers.LayerNormalization(),
        layers.LSTM(UNITS),
        layers.BatchNormalization(scale=False, epsilon=0.01),
        layers.LayerNormalization(center=False, epsilon=0.1),
        layers.Dense(2)])


def bug_501_normalized(k):
    """Adapted, and with numbers given: of each feature, and of all."""
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.Normalization(),
        layers.Rescaling(1 / 4, offset=-0.5),
        layers.LSTM(UNITS, return_sequences=True),
        layers.Normalization(axis=None),
        layers.Normalization(mean=[0.5, 0.25, -0.5, 0.125, 100], variance=[4, 0.25, 2, 9, 5000]),
        layers.LSTM(UNITS),
        layers.Normalization(axis=None, mean=3.0, variance=2.0, invert=True),
        layers.Normalization(invert=True)])


def bug_502_functions_called(k):
    """Functions called on tensors, which the graph keeps as layers."""
    layers, new = k.layers, k is keras
    call = keras.ops if new else tensorflow.nn
    mean = (lambda x: keras.ops.mean(x, axis=1)) if new else (lambda x: tensorflow.reduce_mean(x, 1))
    i = layers.Input((None, FEATURES))
    x = call.relu(layers.LSTM(UNITS, return_sequences=True)(1 - i * 2))
    x = call.softmax(layers.Dense(UNITS)(k.activations.sigmoid(x) / 3))
    x = call.leaky_relu(layers.LSTM(UNITS, return_sequences=True)(x + 0.5))
    x = call.gelu(layers.Dense(6)(k.activations.relu(x, max_value=0.2)))
    return k.Model(i, layers.Dense(2)(call.elu(mean(k.activations.hard_sigmoid(x)))))


def bug_504_cells(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.TimeDistributed(layers.Flatten()),
        layers.RNN(layers.LSTMCell(UNITS, use_bias=False), return_sequences=True),
        layers.Identity(),
        layers.RNN(layers.LSTMCell(3, activation="relu"), go_backwards=True)])


def autoencoder(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((STEPS, FEATURES)),
        layers.LSTM(UNITS),
        layers.RepeatVector(6),
        layers.LSTM(UNITS, return_sequences=True),
        layers.TimeDistributed(layers.Dense(FEATURES))])


def functions(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((None, FEATURES)),
        layers.LSTM(UNITS, activation="elu", recurrent_activation="softsign", return_sequences=True),
        layers.LeakyReLU(),
        layers.Dense(6, activation="gelu"),
        layers.ReLU(max_value=0.4),
        layers.Dense(6, activation=layers.LeakyReLU()),
        layers.ELU(alpha=0.7),
        layers.Dense(6, activation="selu"),
        layers.Dense(6, activation="softplus"),
        layers.ReLU(negative_slope=0.1),
        layers.Dense(6, activation="swish"),
        layers.Activation("exponential"),
        layers.Softmax()])


def reshaped(k):
    layers = k.layers
    return k.Sequential([
        layers.Input((6, FEATURES)),
        layers.Reshape((3, 8)),
        layers.LSTM(UNITS, return_sequences=True),
        layers.GlobalMaxPooling1D(),
        layers.Dense(6),
        layers.Reshape((3, 2)),
        layers.LSTM(2, return_sequences=True),
        layers.Flatten()])


def nested(k):
    """A frozen layer in a model in a model: .h5 lists its weights behind the others."""
    layers = k.layers
    inner = k.Sequential([layers.Input((None, UNITS)), layers.Dense(UNITS, use_bias=False),
                          layers.BatchNormalization(), layers.LayerNormalization()], name="norms")
    inner.layers[0].trainable = False
    i = layers.Input((None, FEATURES))
    x = layers.LSTM(UNITS, return_sequences=True, return_state=True)(i)[0]
    encoder = k.Model(i, layers.Dense(UNITS)(inner(x)), name="encoder")
    i = layers.Input((None, FEATURES))
    return k.Model(i, layers.LSTM(2, go_backwards=True)(encoder(i)))


def states(k):
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.LSTM(UNITS, return_sequences=True)(i)
    return k.Model(i, layers.LSTM(UNITS, return_sequences=True, return_state=True)(x))


def bidirectional_states(k):
    layers = k.layers
    i = layers.Input((None, FEATURES))
    return k.Model(i, layers.Bidirectional(layers.LSTM(UNITS, return_state=True))(i))


def last_step(k):
    """The last step of all, though it may be masked; the mask ends there."""
    layers = k.layers
    encoder = k.Sequential([layers.Input((None, FEATURES)), layers.Masking(0.25),
                            layers.LSTM(UNITS, return_sequences=True)], name="encoder")
    i = layers.Input((None, FEATURES))
    return k.Model(i, layers.Dense(2)(encoder(i)[:, -1, :]))


def last_step_of_both(k):
    layers = k.layers
    i = layers.Input((STEPS, FEATURES))
    x = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(i)
    return k.Model(i, layers.LayerNormalization()(x[:, -1]))


def masked_graph(k):
    """Masks through every layer that looks at them; Keras 3 writes them into the graph."""
    layers = k.layers
    i = layers.Input((None,), dtype="int32")
    x = layers.Embedding(11, FEATURES, mask_zero=True)(i)
    x = layers.LSTM(UNITS, return_sequences=True)(layers.Dropout(0.1)(x))
    x = layers.LayerNormalization()(layers.BatchNormalization()(x))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(4, activation="tanh"))(x)
    return k.Model(i, layers.Dense(2)(layers.LSTM(UNITS)(x)))


def masking_graph(k):
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.LSTM(UNITS, return_sequences=True)(layers.Masking(0.25)(i))
    return k.Model(i, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def masking_twice(k):
    """The second mask replaces the first; steps that one masked are zeros, which the other masks."""
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.Masking(0.0)(layers.Dropout(0.1)(layers.Masking(0.25)(i)))
    x = layers.LSTM(UNITS, return_sequences=True)(x)
    return k.Model(i, layers.LSTM(3, return_sequences=True)(x))


def masks_end(k):
    """A convolution ends the mask: the second LSTM looks at all steps."""
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.LSTM(UNITS, return_sequences=True)(layers.Masking(0.25)(i))
    return k.Model(i, layers.LSTM(3)(layers.Conv1D(4, 2, padding="same")(x)))


def bug_506_mask_of_none(k):
    """mask=None says nothing to Keras 3: the mask comes along."""
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Masking(0.25)(i), mask=None)
    x = layers.LSTM(UNITS, return_sequences=True)(x, mask=None)
    return k.Model(i, layers.GlobalAveragePooling1D()(x, mask=None))


def masks_through_models(k):
    """Between models Keras 3's graphs say nothing of masks, which come along when it computes."""
    layers = k.layers
    i = layers.Input((None, UNITS))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(i)
    inner = k.Model(i, layers.TimeDistributed(layers.Dense(4))(x), name="inner")
    both = k.Sequential([layers.Input((None, UNITS)), layers.Dense(UNITS), inner], name="both")
    i = layers.Input((None, FEATURES))
    x = layers.LSTM(UNITS, return_sequences=True)(layers.Masking(0.25)(i))
    return k.Model(i, layers.LSTM(3)(both(x)))


def ids():
    """Padding behind, before and within."""
    x = random.integers(1, 11, [ROWS, STEPS])
    x[0, 4:], x[1, :2], x[2, 3] = 0, 0, 0
    return x


def padded():
    x = sequence()
    x[0, 5:], x[1, 0], x[1, 2, :2] = 0.25, 0.25, 0.25
    return x


def padded_and_zeros():
    x = padded()
    x[2, 3], x[1, 6] = 0, 0
    return x


def masks_in_graphs():
    both("k3_bug_506_mask_of_none", bug_506_mask_of_none(keras), padded(), ["keras"])
    for k, old, suffixes in ((keras, "k3", ["keras", "h5"]), (tf_keras, "k2", ["h5"])):
        both(f"{old}_masked_graph", masked_graph(k), ids().astype(np.int32), suffixes)
        both(f"{old}_masking_graph", masking_graph(k), padded(), suffixes)
        both(f"{old}_masking_twice", masking_twice(k), padded_and_zeros(), suffixes[:1])
        both(f"{old}_masks_end", masks_end(k), padded(), suffixes[:1])
        both(f"{old}_masks_through_models", masks_through_models(k), padded(), suffixes[:1])


def all_models():
    for k, old, suffixes in ((keras, "k3", ["keras", "h5"]), (tf_keras, "k2", ["h5"])):
        both(f"{old}_tagger", tagger(k), sequence(), suffixes)
        both(f"{old}_bidirectional", bidirectional(k), sequence(), suffixes)
        both(f"{old}_masked", masked(k), ids(), suffixes[:1])
        both(f"{old}_masked_tagger", masked_tagger(k), ids(), suffixes[:1])
        both(f"{old}_masking", masking(k), padded(), suffixes[:1])
        both(f"{old}_convolutions", convolutions(k), sequence(17), suffixes[:1])
        both(f"{old}_norms", norms(k), sequence(), suffixes)
        both(f"{old}_bug_501_normalized", bug_501_normalized(k), sequence(), suffixes)
        both(f"{old}_bug_502_functions_called", bug_502_functions_called(k), sequence(), suffixes)
        both(f"{old}_bug_504_cells", bug_504_cells(k), sequence(), suffixes[:1])
        both(f"{old}_autoencoder", autoencoder(k), sequence(), suffixes[:1])
        both(f"{old}_functions", functions(k), sequence(), suffixes[:1])
        both(f"{old}_reshaped", reshaped(k), sequence(6), suffixes[:1])
        both(f"{old}_nested", nested(k), sequence(), suffixes)
        both(f"{old}_states", states(k), sequence(), suffixes[:1])
        both(f"{old}_bidirectional_states", bidirectional_states(k), sequence(), suffixes[:1])
    both("k2_nested", nested(tf_keras), sequence(), ["keras"])
    for k, old, suffixes in ((keras, "k3", ["keras", "h5"]), (tf_keras, "k2", ["h5"])):
        both(f"{old}_last_step", last_step(k), padded(), suffixes)
        both(f"{old}_last_step_of_both", last_step_of_both(k), sequence(), suffixes[:1])


# ---- the seed: LSTM(7) on [2,17,10] ----

def seed():
    for k, old, suffixes in ((keras, "k3", ["keras"]), (tf_keras, "k2", ["h5"])):
        layers = k.layers

        def model(*parts):
            return k.Sequential([layers.Input((17, 10)), *parts])

        def case(name, model):
            x = random.uniform(-2, 2, [2, 17, 10]).astype(np.float32)
            both(f"{old}_seed_{name}", model, x, suffixes)

        case("simple", model(layers.LSTM(7)))
        i = layers.Input((17, 10))
        case("sequences_states",
             k.Model(i, layers.LSTM(7, return_sequences=True, return_state=True)(i)))
        case("bidirectional", model(layers.Bidirectional(layers.LSTM(7))))
        case("stacked3", model(layers.LSTM(7, return_sequences=True),
                               layers.LSTM(7, return_sequences=True), layers.LSTM(7)))


# ---- what else stands in users' files ----

def trained(name, k, suffix):
    """After a step of training: the optimizer's state, a loss of one's own in the config."""
    layers = k.layers
    model = k.Sequential([layers.Input((STEPS, FEATURES)), layers.LSTM(UNITS, recurrent_dropout=0.2),
                          layers.Dense(3, activation="softmax"), layers.Activation("softmax")])

    def error_to_signal(y, p):
        return tensorflow.reduce_mean(tensorflow.square(y - p))

    x = sequence()
    model.compile(optimizer="adam", loss=error_to_signal)
    model.fit(x, np.ones([ROWS, 3]), epochs=1, verbose=0)
    write(name, saved(model, suffix), suffix, x, answer(model, x))


def stateful(name, k, suffix):
    """A fixed batch; its state is a sequence's here."""
    layers = k.layers
    model = k.Sequential([layers.Input(batch_shape=(ROWS, STEPS, FEATURES)),
                          layers.LSTM(UNITS, stateful=True, return_sequences=True, unroll=True),
                          layers.LSTM(UNITS, stateful=True, go_backwards=True)])
    randomize(model)
    x = sequence()
    write(name, saved(model, suffix), suffix, x, answer(model, x))


def users_files():
    trained("k3_trained_keras", keras, "keras")
    trained("k3_trained_h5", keras, "h5")
    trained("k2_trained_h5", tf_keras, "h5")
    stateful("k3_stateful_keras", keras, "keras")
    stateful("k2_stateful_h5", tf_keras, "h5")


# ---- layers called with training= ----

def bug_566_trains(k, training):
    layers = k.layers
    i = layers.Input((None, FEATURES))
    x = layers.Dropout(0.5, name="odd")(layers.LSTM(UNITS)(i), training=training)
    return k.Model(i, layers.Dense(3)(x))


def trained_in_graphs():
    """Keras 3's predict overrules training=True, Keras 2's does not."""
    for name, k, training, suffix in (("k3_bug_566_trains", keras, True, "keras"),
                                      ("k2_bug_566_does_not_train", tf_keras, False, "h5")):
        model, x = bug_566_trains(k, training), sequence()
        randomize(model)
        write(f"{name}_{suffix}", saved(model, suffix), suffix, x, model.predict(x, verbose=0))
    refuse("bug_566_trains", saved(bug_566_trains(tf_keras, True), "h5"), "h5",
           "Dropout odd: called with training: false expected, got true")


# ---- classes of the user's own that are called like Keras' ----

def bug_567_own_classes():
    class LSTM(keras.layers.LSTM):
        pass

    class LSTMCell(tf_keras.layers.LSTMCell):
        pass

    refuse("bug_567_own_lstm",
           saved(keras.Sequential([keras.layers.Input((None, FEATURES)), LSTM(UNITS, name="odd")]), "keras"),
           "keras", "odd (LSTM): a class of Keras' own expected, got the custom class LSTM")
    layers = tf_keras.layers
    refuse("bug_567_own_cell",
           saved(tf_keras.Sequential([layers.Input((None, FEATURES)), layers.RNN(LSTMCell(UNITS, name="odd"))]),
                 "h5"),
           "h5", "odd (LSTMCell): a class of Keras' own expected, got the custom class LSTMCell")


# ---- an archive that has an entry twice ----

def bug_568_entries_twice():
    """Python's zipfile, and so Keras, takes the last one."""
    models = [keras.Sequential([keras.layers.Input((None, 2)), keras.layers.LSTM(1)]) for _ in range(2)]
    for model in models:
        randomize(model)
    last = zipfile.ZipFile(io.BytesIO(saved(models[1], "keras")))
    for name in ("metadata.json", "config.json", "model.weights.h5"):
        archive = io.BytesIO(saved(models[0], "keras"))
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(archive, "a") as both_of_them:
            both_of_them.writestr(name, last.read(name), zipfile.ZIP_DEFLATED)
        refuse(f"bug_568_{name.split('.')[-2]}_twice", archive.getvalue(), "keras",
               f"zip: '{name}' is there twice")


# ---- weights alone ----

def weights_alone():
    model = norms(keras)
    randomize(model)
    x = sequence()
    write("k3_weights_alone", saved_weights(model), "h5", x, answer(model, x), model.to_json())
    write("k3_architecture_in_a_string", saved_weights(model), "h5", x, answer(model, x),
          json.dumps(model.to_json()))
    model = tagger(tf_keras)
    randomize(model)
    write("k2_weights_alone", saved_weights(model, "h5"), "h5", x, answer(model, x), model.to_json())
    refuse("no_architecture", saved_weights(model, "h5"), "h5", "--config")
    refuse("another_architecture", saved_weights(model, "h5"), "h5", "3 weights expected, got 2",
           autoencoder(tf_keras).to_json())
    refuse("too_few_layers", saved_weights(model, "h5"), "h5",
           "weights of a layer that the config does not have",
           tf_keras.Sequential(tagger(tf_keras).layers[:3]).to_json())
    longer = tf_keras.Sequential(tagger(tf_keras).layers + [tf_keras.layers.Dense(2, name="more")])
    refuse("too_many_layers", saved_weights(model, "h5"), "h5",
           "more: its weights are not in the file", longer.to_json())
    wider = json.loads(model.to_json())
    wider["config"]["layers"][1]["config"]["units"] = 6
    refuse("another_width", saved_weights(model, "h5"), "h5", "bias: shape [24] expected, got [20]",
           json.dumps(wider))


# ---- CuDNNLSTM ----

def cudnn():
    """Weights of CuDNNLSTM layers, as tf_keras makes LSTMs of them."""
    layers = tf_keras.layers
    plain = tf_keras.Sequential([
        layers.Input((None, FEATURES)),
        layers.LSTM(UNITS, return_sequences=True, name="a"),
        layers.Bidirectional(layers.LSTM(3, name="b"), name="c"), layers.Dense(2, name="d")])
    randomize(plain)

    def widen(file):
        """Kernels as cuDNN keeps them, random; two biases."""
        for group in ("a", "c"):
            names = [n for n in file[group].attrs["weight_names"]]
            for name in names:
                values = random.uniform(-0.6, 0.6, file[group][name].shape)
                if name.endswith("bias:0"):
                    values = random.uniform(-0.6, 0.6, 2 * len(values))
                del file[group][name]
                file[group].create_dataset(name, data=values.astype(np.float32))

    content = edited(saved_weights(plain, "h5"), widen)
    with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        file.write(content)
        file.flush()
        plain.load_weights(file.name)
    config = json.loads(plain.to_json())
    x = sequence()
    write("cudnn_loaded_by_lstm", content, "h5", x, answer(plain, x), json.dumps(config))

    def rename(layer):
        layer["class_name"] = "CuDNNLSTM"
        for key in ("activation", "recurrent_activation", "use_bias", "dropout", "recurrent_dropout",
                    "implementation", "unroll"):
            del layer["config"][key]
    rename(config["config"]["layers"][1])
    rename(config["config"]["layers"][2]["config"]["layer"])
    write("cudnn", content, "h5", x, answer(plain, x), json.dumps(config))


# ---- Keras 1 and early Keras 2, written by hand ----

def fixed(names):
    """An attribute as h5py of those years wrote it."""
    return np.array([n.encode() for n in names])


def keras1():
    layers = tf_keras.layers
    new = tf_keras.Sequential([
        layers.Input((17, FEATURES)),
        layers.Conv1D(6, 3, activation="relu", padding="same", name="convolution1d_1"),
        layers.MaxPooling1D(2, name="maxpooling1d_1"),
        layers.LSTM(UNITS, recurrent_activation="hard_sigmoid", return_sequences=True, name="lstm_1"),
        layers.Bidirectional(layers.LSTM(3, recurrent_activation="hard_sigmoid", name="lstm_2"),
                             name="bidirectional_1"),
        layers.Dense(2, activation="sigmoid", name="dense_1")])
    lstm = {"trainable": True, "inner_init": "orthogonal", "init": "glorot_uniform",
            "forget_bias_init": "one", "activation": "tanh", "inner_activation": "hard_sigmoid",
            "W_regularizer": None, "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.2,
            "dropout_U": 0.0, "consume_less": "cpu", "go_backwards": False, "stateful": False,
            "unroll": False, "input_dtype": "float32", "input_dim": None, "input_length": None}
    config = [
        {"class_name": "Convolution1D", "config": {
            "name": "convolution1d_1", "trainable": True, "batch_input_shape": [None, 17, FEATURES],
            "input_dtype": "float32", "nb_filter": 6, "filter_length": 3, "init": "glorot_uniform",
            "activation": "relu", "border_mode": "same", "subsample_length": 1, "bias": True,
            "W_regularizer": None, "input_dim": FEATURES, "input_length": None}},
        {"class_name": "MaxPooling1D", "config": {"name": "maxpooling1d_1", "trainable": True,
                                                  "pool_length": 2, "stride": 2,
                                                  "border_mode": "valid"}},
        {"class_name": "LSTM", "config": lstm | {"name": "lstm_1", "output_dim": UNITS,
                                                 "return_sequences": True}},
        {"class_name": "Bidirectional", "config": {
            "name": "bidirectional_1", "trainable": True, "merge_mode": "concat", "layer": {
                "class_name": "LSTM", "config": lstm | {"name": "lstm_2", "output_dim": 3,
                                                        "return_sequences": False}}}},
        {"class_name": "Dense", "config": {
            "name": "dense_1", "trainable": True, "output_dim": 2, "activation": "sigmoid",
            "init": "glorot_uniform", "bias": True, "W_regularizer": None, "input_dim": None}},
        {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": True, "p": 0.5}}]

    def make(backend):
        def gates(name, inputs, units):
            return [(f"{name}_{part}_{gate}", shape) for gate in "icfo"
                    for part, shape in (("W", [inputs, units]), ("U", [units, units]), ("b", [units]))]
        names = {
            "convolution1d_1": [("convolution1d_1_W", [3, 1, FEATURES, 6]), ("convolution1d_1_b", [6])],
            "maxpooling1d_1": [],
            "lstm_1": gates("lstm_1", 6, UNITS),
            "bidirectional_1": gates("forward_lstm_2", UNITS, 3) + gates("backward_lstm_2", UNITS, 3),
            "dense_1": [("dense_1_W", [6, 2]), ("dense_1_b", [2])],
            "dropout_1": []}

        def fill(file, whole):
            root = file.create_group("model_weights") if whole else file
            if whole:
                file.attrs["model_config"] = json.dumps(
                    {"class_name": "Sequential", "config": config}).encode()
            file.attrs["keras_version"] = b"1.2.2"
            file.attrs["backend"] = backend.encode()
            root.attrs["layer_names"] = fixed(names)
            local = np.random.default_rng(3)
            for layer, arrays in names.items():
                group = root.create_group(layer)
                group.attrs["weight_names"] = fixed([n for n, _ in arrays]) if arrays else []
                for name, shape in arrays:
                    group.create_dataset(name, data=local.uniform(-0.6, 0.6, shape).astype(np.float32))
        return fill

    x = sequence(17)

    def load(backend):
        with tempfile.NamedTemporaryFile(suffix=".h5") as file:
            file.write(written(lambda f: make(backend)(f, False)))
            file.flush()
            with h5py.File(file.name, "r+") as f:  # tf_keras converts from "1" alone
                f.attrs["keras_version"] = "1"
            new.load_weights(file.name)
        if backend == "theano":  # which convolves where the others correlate
            kernel, bias = new.layers[0].get_weights()
            new.layers[0].set_weights([kernel[::-1], bias])

    for backend in ("tensorflow", "theano"):
        load(backend)
        write(f"k1_{backend}", written(lambda f: make(backend)(f, True)), "h5", x, answer(new, x))
    alone = written(lambda f: (make("tensorflow")(f, False), f.attrs.pop("keras_version"),
                               f.attrs.pop("backend")))
    load("tensorflow")
    write("k1_weights_alone", alone, "h5", x, answer(new, x),
          json.dumps({"class_name": "Sequential", "config": config}))


def keras2_early():
    """A bare list of layers, fixed ASCII names, hard_sigmoid."""
    layers = tf_keras.layers
    model = tf_keras.Sequential([
        layers.Input((None, FEATURES)),
        layers.LSTM(UNITS, recurrent_activation="hard_sigmoid", stateful=False, unroll=False),
        layers.Dense(2), layers.Activation("sigmoid")])
    randomize(model)

    def change(file):
        config = json.loads(file.attrs["model_config"])
        kept = config["config"]["layers"][1:]
        kept[0]["config"]["batch_input_shape"] = [None, None, FEATURES]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": kept}).encode()
        file.attrs["keras_version"] = b"2.1.5"
        file.attrs["training_config"] = b'{"loss": "error_to_signal"}'
        root = file["model_weights"]
        root.attrs["layer_names"] = fixed(root.attrs["layer_names"])
        for group in root.values():
            names = group.attrs["weight_names"]
            group.attrs["weight_names"] = fixed(names) if len(names) else []
        file.create_group("info").attrs["author"] = "somebody"
    x = sequence()
    write("k2_bare_list", edited(saved(model, "h5"), change), "h5", x, answer(model, x))


# ---- how HDF5 keeps an array ----

def storage():
    model = tagger(tf_keras)
    randomize(model)
    content, x = saved(model, "h5"), sequence()
    y = answer(model, x)

    def each(change):
        def walk(file):
            paths = []
            file.visititems(lambda n, o: paths.append(n) if isinstance(o, h5py.Dataset) else None)
            for path in paths:
                value = file[path][()]
                del file[path]
                change(file, path, value)
        return edited(content, walk)

    write("hdf5_deflated", each(lambda f, p, v: f.create_dataset(p, data=v, compression="gzip")),
          "h5", x, y)
    write("hdf5_double", each(lambda f, p, v: f.create_dataset(p, data=v.astype(">f8"))), "h5", x, y)
    half = {}

    def shorten(file, path, value):
        half[path] = value.astype("<f2")
        file.create_dataset(path, data=half[path])
    short = each(shorten)
    for weight in model.weights:
        weight.assign(weight.numpy().astype(np.float16).astype(np.float32))
    write("hdf5_half", short, "h5", x, answer(model, x))

    def external(file, path, value):
        file.create_dataset(path, shape=value.shape, dtype="f4",
                            external=[("/etc/hostname", 0, value.size * 4)])

    def virtual(file, path, value):
        layout = h5py.VirtualLayout(value.shape, "f4")
        layout[...] = h5py.VirtualSource("elsewhere.h5", "x", value.shape)
        file.create_virtual_dataset(path, layout)

    def soft(file, path, value):
        file.create_dataset(path + "_", data=value)
        file[path] = h5py.SoftLink("/" + path + "_")

    refuse("hdf5_external", each(external), "h5", "stored in another file")
    refuse("hdf5_virtual", each(virtual), "h5", "stored in a way that is not read")
    refuse("hdf5_soft_link", each(soft), "h5", "behind a link that is not followed")
    refuse("hdf5_external_link",
           each(lambda f, p, v: f.__setitem__(p, h5py.ExternalLink("elsewhere.h5", "x"))), "h5",
           "behind a link that is not followed")
    refuse("hdf5_filter", each(lambda f, p, v: f.create_dataset(p, data=v, compression="lzf")), "h5",
           "a filter other than deflate")
    refuse("hdf5_integers", each(lambda f, p, v: f.create_dataset(p, data=v.astype("i4"))), "h5",
           "float16, float32 or float64 expected")
    refuse("hdf5_unwritten", each(lambda f, p, v: f.create_dataset(p, v.shape, "f4")), "h5",
           "larger than what the file holds")
    refuse("hdf5_five_dimensions", each(lambda f, p, v: f.create_dataset(p, data=v[None, None, None, None])),
           "h5", "at most 4 dimensions")
    refuse("hdf5_not_finite", each(lambda f, p, v: f.create_dataset(p, data=v * np.nan)), "h5",
           "a finite float32 expected")

    def swap(file):
        group = file["model_weights/lstm"] if "model_weights/lstm" in file else next(
            g for n, g in file["model_weights"].items() if n.startswith("lstm"))
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = [names[1], names[0]] + names[2:]
    refuse("swapped_names", edited(content, swap), "h5", "kernel expected in its place")
    refuse("truncated", content[:len(content) // 2], "h5", "damaged or cut")


# ---- masks, layers and options that cannot be expressed ----

def refused_masks():
    layers, ops = keras.layers, keras.ops
    i, n = layers.Input((None, FEATURES), name="x"), layers.Input((None,), dtype="int32", name="n")

    def one(name, given, x, because):
        refuse(name, saved(keras.Model(given, x), "keras"), "keras", because)

    one("mask_without_maker", n,
        layers.LSTM(2, name="odd")(layers.Embedding(9, 4)(n), mask=ops.not_equal(n, 0)),
        "LSTM odd: called with a mask that no Embedding or Masking before it makes")
    masking = layers.Masking(0.25, name="masking")
    masked = masking(i)
    one("mask_of_another_value", i,
        layers.LSTM(2, name="odd")(masked, mask=ops.any(ops.not_equal(i, 0.5), axis=-1)),
        "LSTM odd: called with a mask that no Embedding or Masking before it makes")
    one("mask_of_another_tensor", i,
        layers.LSTM(2, name="odd")(masked, mask=ops.any(ops.not_equal(masked, 0.25), axis=-1)),
        "LSTM odd: called with a mask that no Embedding or Masking before it makes")
    convolved = layers.Conv1D(3, 2, padding="same")(masked)
    one("mask_that_ended", i, layers.LSTM(2, name="odd")(convolved, mask=masking.compute_mask(i)),
        "LSTM odd: called with another mask than comes along with its input")
    j = layers.Input((None, FEATURES))
    inner = keras.Model(j, keras.activations.relu(layers.LSTM(4, return_sequences=True)(j)))
    refuse("bug_503_function_ends_masks",
           saved(keras.Model(i, layers.LSTM(2, name="odd")(inner(masked))), "h5"), "h5",
           "LSTM odd: masked steps before a layer that ends masks cannot be expressed")
    refuse("bug_505_mask_of_none", saved(bug_506_mask_of_none(tf_keras), "h5"), "h5",
           "called with mask=None on masked steps, which cannot be expressed")
    again = layers.Masking(0.0)(masked)
    one("mask_that_was_replaced", i,
        layers.LSTM(2, name="odd")(again, mask=masking.compute_mask(i)),
        "LSTM odd: called with another mask than comes along with its input")



def refusals():
    layers = keras.layers

    def model(*parts, shape=(None, FEATURES)):
        return keras.Sequential([layers.Input(shape), *parts])

    def one(name, parts, because, shape=(None, FEATURES), suffix="keras"):
        refuse(name, saved(model(*parts, shape=shape), suffix), suffix, because)

    one("gru", [layers.GRU(3)], "GRU")
    one("simple_rnn", [layers.SimpleRNN(3)], "SimpleRNN")
    one("permute", [layers.LSTM(3, return_sequences=True), layers.Permute((2, 1))], "Permute",
        shape=(6, FEATURES))
    one("bidirectional_gru", [layers.Bidirectional(layers.GRU(3))], "LSTM or CuDNNLSTM expected, got GRU")
    one("merge_mode_none", [layers.Bidirectional(layers.LSTM(3), merge_mode=None)], "merge_mode")
    one("norm_of_steps", [layers.BatchNormalization(axis=1)], "axis: the last one", shape=(6, FEATURES))
    one("softmax_of_steps", [layers.LSTM(3, return_sequences=True), layers.Softmax(axis=1)],
        "axis: the last one")
    one("grouped_convolution", [layers.Conv1D(4, 2, groups=2)], "groups: 1 expected, got 2")
    one("channels_first", [layers.LSTM(3, return_sequences=True),
                           layers.GlobalMaxPooling1D(data_format="channels_first")],
        "channels_last expected", shape=(6, FEATURES))
    one("keepdims", [layers.LSTM(3, return_sequences=True), layers.GlobalMaxPooling1D(keepdims=True)],
        "keepdims: false expected, got true")
    one("flatten_any_length", [layers.LSTM(3, return_sequences=True), layers.Flatten()],
        "fixed number of steps")
    one("vector_input", [layers.RepeatVector(3), layers.LSTM(2)], "two dimensions", shape=(4,))
    one("image_input", [layers.TimeDistributed(layers.Flatten()), layers.LSTM(2)], "dimensions",
        shape=(5, 4, 3))
    one("masked_last_output_is_zero",
        [layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3, zero_output_for_mask=True)],
        "zero_output_for_mask without return_sequences", shape=(None,))
    one("custom_function", [layers.Dense(3, activation=tensorflow.math.sin), layers.LSTM(2)],
        "Keras' own functions", suffix="h5")

    a, b = layers.Input((None, 4), name="a"), layers.Input((None, 4), name="b")
    joined = layers.Concatenate(name="joined")([a, b])
    refuse("two_inputs", saved(keras.Model([a, b], layers.LSTM(2)(joined)), "keras"), "keras",
           "one input expected, got 2")
    a = layers.Input((None, 4), name="a")
    split = layers.Concatenate(name="joined")([layers.LSTM(2)(a), layers.LSTM(3)(a)])
    refuse("branches", saved(keras.Model(a, split), "keras"), "keras",
           "Concatenate joined: one input expected, got 2")
    x = layers.LSTM(2, return_sequences=True, name="first")(a)
    refuse("two_outputs", saved(keras.Model(a, [x, layers.LSTM(2)(x)]), "keras"), "keras", "output_layers")
    shared = layers.LSTM(4, return_sequences=True, name="again")
    refuse("used_twice", saved(keras.Model(a, shared(shared(a))), "keras"), "keras",
           "again: used once expected, got 2 times")
    y, h, c = layers.LSTM(2, return_sequences=True, return_state=True, name="giver")(a)
    refuse("state_as_output", saved(keras.Model(a, [y, h]), "keras"), "keras", "giver: all 3 outputs")
    refuse("state_as_input", saved(keras.Model(a, layers.LSTM(2, name="taker")(y, initial_state=[h, c])),
                                   "h5"), "h5", "taker")
    refuse("attention", saved(keras.Model(a, layers.Attention(name="looker")([y, y])), "keras"), "keras",
           "Attention looker: one input expected, got 2")
    refuse("first_step", saved(keras.Model(a, y[:, 0, :]), "keras"), "keras",
           "slicing other than [:, -1, :] cannot be expressed, got [:, 0, :]")

    content = saved(model(layers.LSTM(2, name="odd")), "h5")

    def option(key, value):
        def change(file):
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1]["config"][key] = value
            file.attrs["model_config"] = json.dumps(config)
        return edited(content, change)
    refuse("unknown_option", option("peepholes", True), "h5",
           "LSTM odd.peepholes: no such option is known")
    refuse("time_major", option("time_major", True), "h5", "LSTM odd.time_major: false expected, got true")
    refuse("unknown_function", option("activation", "snake"), "h5", "got \"snake\"")
    refuse("no_units", option("units", None), "h5", "LSTM odd.units")
    refuse("integer_weights", option("dtype", "int8_from_float32"), "h5", "LSTM odd.dtype")

    def forget(file):
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["recurrent_activation"] = "hard_sigmoid"
        file.attrs["model_config"] = json.dumps({k: v for k, v in config.items() if k != "module"})
        del file.attrs["keras_version"], file["model_weights"].attrs["keras_version"]
    refuse("hard_sigmoid_of_which_keras", edited(content, forget), "h5", "keras_version")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    all_models()
    masks_in_graphs()
    trained_in_graphs()
    bug_567_own_classes()
    bug_568_entries_twice()
    weights_alone()
    cudnn()
    keras1()
    keras2_early()
    storage()
    refusals()
    refused_masks()
    seed()
    users_files()


main()
