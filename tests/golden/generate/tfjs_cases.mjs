// Keras' layers as TensorFlow.js implements and saves them, with its own answers.
//
// tfjs_cases.mjs GOLDEN_FOLDER writes GOLDEN_FOLDER/keras/CASE/: the LayersModel as TensorFlow.js
// saves it (model.json, weights.bin), io.safetensors (input, output0, output1...), case.json, and the
// same weights under this project's names with a config by hand (lstmd.json, lstmd.safetensors), which
// the layers are tested with apart from the converter. Weights are random, biases too. Its hard_sigmoid
// is clip(0.2x+0.5), its LSTM's default recurrent activation; here sigmoid is the default, as in Keras.
import fs from 'node:fs';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs';

const FOLDER = path.join(process.argv[2], 'keras');

// ---- random numbers that are the same every time ----

let state = 42;

function uniform(low, high) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return low + (high - low) * (state / 2 ** 32);
}

function randomTensor(shape, low, high) {
  return tf.tensor(Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => uniform(low, high)),
                   shape);
}

// ---- safetensors ----

function writeSafetensors(file, tensors) {
  const header = {};
  const parts = [];
  let offset = 0;
  for (const name of Object.keys(tensors).sort()) {
    const {shape, values} = tensors[name];
    const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    header[name] = {dtype: 'F32', shape, data_offsets: [offset, offset + data.length]};
    offset += data.length;
    parts.push(data);
  }
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - text.length % 8) % 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(file, Buffer.concat([size, Buffer.from(text), ...parts]));
}

function stored(tensor) {
  return {shape: tensor.shape, values: Float32Array.from(tensor.dataSync())};
}

// ---- the weights under this project's names: kernels transposed, Keras' i,f,c,o is i,f,g,o ----

function renamed(model) {
  const names = {kernel: 'weight_ih_l0', recurrent_kernel: 'weight_hh_l0', bias: 'bias_ih_l0'};
  const tensors = {};
  for (const layer of model.layers) {
    const recurrent = /LSTM|Bidirectional/.test(layer.getClassName());
    for (const weight of layer.weights) {
      const role = weight.originalName.split('/').at(-1).replace(/_\d+$/, '');
      const reverse = weight.originalName.includes('backward_') ? '_reverse' : '';
      const name = recurrent ? names[role] + reverse : role === 'bias' ? 'bias' : 'weight';
      const value = weight.read();
      const turned = role.endsWith('kernel') ? value.transpose() : value;
      tensors[`${layer.name}.${name}`] = stored(turned);
    }
  }
  return tensors;
}

// ---- a case; layers: what each of the model's is in proto/MODEL_CONFIG.md's words ----

async function writeCase(name, model, input, layers, extra = {}) {
  const folder = path.join(FOLDER, name);
  fs.mkdirSync(folder, {recursive: true});
  model.setWeights(model.getWeights().map(w => randomTensor(w.shape, -0.6, 0.6)));
  await model.save(tf.io.withSaveHandler(async artifacts => {
    const {modelTopology, weightSpecs, weightData, format, generatedBy} = artifacts;
    const weights = Array.isArray(weightData) ? Buffer.concat(weightData.map(b => Buffer.from(b)))
                                              : Buffer.from(weightData);
    fs.writeFileSync(path.join(folder, 'weights.bin'), weights);
    fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify({
      modelTopology, format, generatedBy, convertedBy: null,
      weightsManifest: [{paths: ['weights.bin'], weights: weightSpecs}],
    }));
    return {modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts)};
  }));

  const outputs = [model.predict(input)].flat();
  const io = {input: stored(input)};
  outputs.forEach((y, i) => io[`output${i}`] = stored(y));
  writeSafetensors(path.join(folder, 'io.safetensors'), io);
  const named = model.layers.filter(l => l.getClassName() !== 'InputLayer').map((layer, i) => {
    const {type, ...options} = layers[i];
    return {type, ...(layer.weights.length > 0 ? {weights: layer.name} : {}), ...options};
  });
  writeSafetensors(path.join(folder, 'lstmd.safetensors'), renamed(model));
  fs.writeFileSync(path.join(folder, 'lstmd.json'), JSON.stringify(
    {name, weights: 'lstmd.safetensors', batch_first: true, layers: named}, null, 1) + '\n');
  fs.writeFileSync(path.join(folder, 'case.json'), JSON.stringify({
    source: `TensorFlow.js ${tf.version.tfjs} (Keras layers), ${tf.getBackend()} backend`,
    outputs: outputs.map(y => y.shape), params: model.countParams(),
    layers: model.layers.map(l => [l.name, l.getClassName(), l.countParams()]), ...extra,
  }, null, 1) + '\n');
}

// ---- the cases ----

const L = tf.layers;
const lstm = options => L.lstm({recurrentActivation: 'sigmoid', ...options});

const lstmOf = (units, options = {}) => ({type: 'lstm', hidden_size: units, ...options});
const bidirectionalOf = (units, options) => lstmOf(units, {bidirectional: true, ...options});

function sequential(...layers) {
  return tf.sequential({layers});
}

async function seed() {
  const shape = [17, 10];
  const x = () => randomTensor([2, ...shape], -2, 2);
  await writeCase('seed_simple', sequential(lstm({units: 7, inputShape: shape})), x(),
                  [lstmOf(7, {return_sequences: false})]);
  const input = tf.input({shape});
  const outputs = lstm({units: 7, returnSequences: true, returnState: true}).apply(input);
  await writeCase('seed_sequences_states', tf.model({inputs: input, outputs}), x(),
                  [lstmOf(7, {return_state: true})]);
  await writeCase('seed_bidirectional', sequential(
    L.bidirectional({layer: lstm({units: 7}), mergeMode: 'concat', inputShape: shape})), x(),
                  [bidirectionalOf(7, {return_sequences: false})]);
  await writeCase('seed_stacked3', sequential(
    lstm({units: 7, returnSequences: true, inputShape: shape}),
    lstm({units: 7, returnSequences: true}), lstm({units: 7})), x(),
                  [lstmOf(7), lstmOf(7), lstmOf(7, {return_sequences: false})]);
}

async function options() {
  const sequences = (options, features) =>
    sequential(lstm({units: 6, returnSequences: true, inputShape: [null, features], ...options}));
  await writeCase('hard_sigmoid', sequences({recurrentActivation: 'hardSigmoid'}, 4),
                  randomTensor([3, 9, 4], -3, 3), [lstmOf(6, {recurrent_activation: 'hard_sigmoid'})]);
  await writeCase('relu_no_bias', sequences({activation: 'relu', useBias: false}, 4),
                  randomTensor([3, 9, 4], -1, 1), [lstmOf(6, {activation: 'relu', bias: false})]);
  await writeCase('go_backwards', sequences({goBackwards: true}, 5), randomTensor([2, 8, 5], -2, 2),
                  [lstmOf(6, {go_backwards: true})]);
  for (const mode of ['sum', 'mul', 'ave'])
    await writeCase(`merge_${mode}`, sequential(L.bidirectional({
      layer: lstm({units: 6, returnSequences: true}), mergeMode: mode, inputShape: [null, 5]})),
                    randomTensor([2, 8, 5], -2, 2), [bidirectionalOf(6, {merge_mode: mode})]);
}

// Rows end in steps of zeros.
function padded(lengths, steps, features) {
  const values = randomTensor([lengths.length, steps, features], 0.1, 2).arraySync();
  lengths.forEach((length, row) => values[row].fill(Array(features).fill(0), length));
  return tf.tensor(values);
}

async function networks() {
  const lengths = [10, 6, 1];
  await writeCase('masking', sequential(
    L.masking({maskValue: 0, inputShape: [null, 4]}), lstm({units: 6})), padded(lengths, 10, 4),
                  [{type: 'masking', mask_value: 0}, lstmOf(6, {return_sequences: false})], {mask_lengths: lengths});
  const ids = tf.tensor(Float32Array.from({length: 48}, () => Math.floor(uniform(0, 30))), [4, 12]);
  await writeCase('embedding_dense', sequential(
    L.embedding({inputDim: 30, outputDim: 8, inputLength: 12}), lstm({units: 10}),
    L.dropout({rate: 0.5}), L.dense({units: 1, activation: 'sigmoid'})), ids,
                  [{type: 'embedding', num_embeddings: 30, embedding_dim: 8},
                   lstmOf(10, {return_sequences: false}), {type: 'dropout', rate: 0.5},
                   {type: 'dense', units: 1, activation: 'sigmoid'}]);
  await writeCase('time_distributed', sequential(
    lstm({units: 9, returnSequences: true, inputShape: [null, 3]}),
    L.timeDistributed({layer: L.dense({units: 4, activation: 'softmax'})})),
                  randomTensor([2, 7, 3], -2, 2),
                  [lstmOf(9), {type: 'dense', units: 4, activation: 'softmax'}]);
}

await tf.setBackend('cpu');
fs.rmSync(FOLDER, {recursive: true, force: true});
await seed();
await options();
await networks();
