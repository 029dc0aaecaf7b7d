"""Keras' models around LSTM: masks, both directions, what stands before and behind. Sequential or
functional, where Keras writes masks into the graph; a step taken by slicing and functions called on
tensors, which are no layers, ask for that."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import absl.logging
import keras
import numpy
from keras import layers
from network import Network, Run, often

absl.logging.set_verbosity(absl.logging.ERROR) # that .h5 is old

RUNS = 3
ACTIVATIONS = ["tanh", "relu", "sigmoid", "softsign", "linear", "elu", "selu", "softplus", "gelu",
               "silu", "hard_sigmoid", "leaky_relu", "relu6"]


def last_step(x):
    return x[:, -1, :]


def scale(x):
    return 1 - x * 2 / 3


def mean(x):
    return keras.ops.mean(x, axis=1)


def largest(x):
    return keras.ops.max(x, axis=-2)


FUNCTIONS = [scale, keras.ops.relu, keras.ops.sigmoid, keras.ops.tanh, keras.ops.softmax, keras.ops.gelu,
             keras.ops.elu, keras.ops.leaky_relu, keras.activations.relu, keras.activations.gelu,
             keras.activations.hard_sigmoid, keras.activations.exponential]


def has_functions(inner):
    return any(not isinstance(layer, layers.Layer) for layer in inner)


def called(layer, x, with_none):
    """mask=None says nothing to Keras 3, but stands in the graph."""
    takes_masks = isinstance(layer, (layers.LSTM, layers.Bidirectional, layers.TimeDistributed,
                                     layers.GlobalAveragePooling1D))
    return layer(x, mask=None) if with_none and takes_masks else layer(x)


def model_of(begin, inner):
    x = begin
    for layer in inner:
        x = layer(x)
    return keras.Model(begin, x)


class Plan:
    """Layers so far, and what their input is to look like."""

    def __init__(self, random):
        self.random = random
        self.steps = random.choice([None, None, 6, 9])
        self.features = random.choice([1, 3, 8])
        self.vocabulary = self.mask_value = None
        self.masked = False
        self.layers, self.told = [], []

    def add(self, layer, **told):
        self.layers.append(layer)
        name = getattr(layer, "__name__", type(layer).__name__)
        self.told.append(f"{name}{told or ''}")

    def add_input(self):
        random = self.random
        if often(random, 0.25):
            self.vocabulary, self.masked = random.choice([5, 20]), often(random, 0.5)
            self.add(keras.Input((self.steps,), dtype="int32"))
            self.add(layers.Embedding(self.vocabulary, self.features, mask_zero=self.masked),
                     mask_zero=self.masked)
            return
        self.add(keras.Input((self.steps, self.features)))
        if often(random, 0.15):
            self.add_normalization()
        elif often(random, 0.15):
            self.add_rescaling()
        if often(random, 0.25):
            self.mask_value, self.masked = random.choice([0.0, -1.0]), True
            self.add(layers.Masking(self.mask_value), mask_value=self.mask_value)
        elif often(random, 0.2):
            options = {"kernel_size": random.choice([1, 2, 3]),
                       "padding": random.choice(["same", "causal", "valid"])}
            self.add(layers.Conv1D(4, **options), **options)

    def add_normalization(self):
        """Adapted, or with numbers that are given; of each feature, or of all."""
        random = self.random
        axis, invert = random.choice([-1, -1, None]), often(random, 0.2)
        given = {}
        if often(random, 0.4):
            count = self.features if axis == -1 and often(random, 0.7) else 1
            numbers = [[random.uniform(low, 20) for _ in range(count)] for low in (-20, 0)]
            # Larger ones blow up in activations without bounds, where sums in any order differ.
            numbers[1][-1] += random.choice([0.1, 1])
            mean, variance = (each if count > 1 else each[0] for each in numbers)
            given = {"mean": mean, "variance": variance}
        self.add(layers.Normalization(axis=axis, invert=invert, **given), axis=axis, invert=invert,
                 **given)

    def add_rescaling(self):
        scale, offset = self.random.choice([1 / 255, 2.0, -0.1]), self.random.choice([0, -1, 0.5])
        self.add(layers.Rescaling(scale, offset), scale=scale, offset=offset)

    def add_lstm(self, sequences):
        random = self.random
        options = {"units": random.choice([1, 3, 8, 17]), "return_sequences": sequences,
                   "use_bias": often(random, 0.85)}
        if often(random, 0.25):
            options["activation"] = random.choice(ACTIVATIONS)
        if often(random, 0.2):
            options["recurrent_activation"] = random.choice(["hard_sigmoid", "relu", "tanh"])
        if often(random, 0.3):
            options["dropout"], options["recurrent_dropout"] = 0.2, 0.1
        if often(random, 0.3):
            merge = random.choice(["concat", "concat", "sum", "mul", "ave"])
            self.add(layers.Bidirectional(layers.LSTM(**options), merge_mode=merge),
                     merge_mode=merge, **options)
            return
        if often(random, 0.1):
            cell = {name: value for name, value in options.items() if name != "return_sequences"}
            self.add(layers.RNN(layers.LSTMCell(**cell), return_sequences=sequences), **options)
            return
        # On masked steps the converter refuses them, and says so.
        if often(random, 0.15) and not (sequences and self.masked):
            options["go_backwards"] = True
        self.add(layers.LSTM(**options), **options)

    def add_between(self, sequences):
        random = self.random
        kind = random.choice(["dropout", "layer", "batch", "dense", "activation", "rescaling", "function"])
        if sequences and often(random, 0.15):
            self.add(layers.Conv1D(3, 2, padding="same")) # ends masks
            self.masked = False
        elif kind == "dropout":
            self.add(layers.Dropout(0.3))
        elif kind == "layer":
            self.add(layers.LayerNormalization())
        elif kind == "batch":
            self.add(layers.BatchNormalization())
        elif kind == "function" and not self.masked: # masks end there, and begin nowhere else
            self.add(random.choice(FUNCTIONS))
        elif kind == "rescaling":
            self.add_rescaling()
        elif kind == "activation":
            self.add(layers.Activation(random.choice(["relu", "tanh", "softmax"])))
        else:
            activation = random.choice([None, "softmax", *ACTIVATIONS])
            dense = layers.Dense(random.choice([1, 4]), activation=activation)
            self.add(layers.TimeDistributed(dense) if sequences and often(random, 0.4) else dense,
                     activation=activation)

    def add_end(self, sequences):
        random = self.random
        kinds = [layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D]
        if sequences and often(random, 0.3):
            self.add(random.choice([last_step, largest] + ([] if self.masked else [mean])))
        elif sequences and often(random, 0.3):
            self.add(random.choice(kinds + ([layers.Flatten] if self.steps else []))())
        if often(random, 0.6):
            self.add(layers.Dense(2, activation=random.choice([None, "sigmoid", "softmax"])))

    def build(self):
        random = self.random
        self.add_input()
        depth = random.choice([1, 1, 2, 3])
        for i in range(depth):
            sequences = i + 1 < depth or often(random, 0.4)
            self.add_lstm(sequences)
            for _ in range(random.choice([0, 0, 1, 2])):
                self.add_between(sequences)
        self.add_end(sequences)
        if not has_functions(self.layers[1:]) and often(random, 0.4):
            return keras.Sequential(self.layers)
        return self.graph()

    def graph(self):
        """Functional; now and then some layers are a model in it, over whose borders masks go too."""
        random, (first, *others) = self.random, self.layers
        x = first
        while others:
            count = random.randint(1, len(others)) if often(random, 0.15) else 1
            inner = others[:count]
            others = others[count:]
            if count == 1:
                x = called(inner[0], x, often(random, 0.2))
                continue
            begin = keras.Input(x.shape[1:], dtype=x.dtype)
            functional = has_functions(inner) or often(random, 0.5)
            self.told.append(f"{count} of them a {'functional' if functional else 'Sequential'}")
            x = (model_of(begin, inner) if functional else keras.Sequential([begin, *inner]))(x)
        return keras.Model(first, x)

    def input(self, noise):
        shape = (self.random.choice([1, 2, 5]), self.steps or self.random.choice([3, 4, 7]))
        if self.vocabulary:
            return noise.integers(0, self.vocabulary, shape).astype(numpy.int32)
        x = noise.standard_normal((*shape, self.features)).astype(numpy.float32)
        if self.mask_value is not None:
            x[noise.random(shape) < 0.35] = self.mask_value
        return x


def fill(model, noise):
    """Biases, scales and moving averages too, which begin as zeros and ones."""
    for weight in model.weights:
        if "seed" in weight.path or "count" in weight.path:
            continue
        values = noise.standard_normal(weight.shape).astype(numpy.float32) * 0.4
        weight.assign(abs(values) + 0.3 if "variance" in weight.path else values)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()


def networks(random, folder, count):
    noise = numpy.random.default_rng(random.getrandbits(32))
    for i in range(count):
        plan = Plan(random)
        model = plan.build()
        fill(model, noise)
        path = f"{folder}/keras-{i}.{random.choice(['keras', 'h5'])}"
        model.save(path)
        inputs = [plan.input(noise) for _ in range(RUNS)]
        runs = [Run({"input": x}, {None: keras.ops.convert_to_numpy(model(x, training=False))})
                for x in inputs]
        yield Network(path, ", ".join(plan.told), runs)
