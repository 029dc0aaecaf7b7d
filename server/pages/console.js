// Looks at the server and pokes a model. Text only ever becomes text: nothing is parsed as HTML.
"use strict";

const byId = (id) => document.getElementById(id);

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401 || answer.status === 403) byId("access").hidden = false;
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${errorOf(text)}`);
  return text;
}

function errorOf(text) {
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text;
  }
}

// Numbers that JSON does not know stand bare in answers.
const parse = (text) => JSON.parse(text.replace(/([[,:])(NaN|-?Infinity)(?=[\],}])/g, "$1null"));
const askJson = async (path, options) => parse(await ask(path, options));
// A number beyond 2^53 would become another one: ids are kept as their digits.
const parseSequences = (text) => JSON.parse(text.replace(/("sequence_id":)(\d+)/g, '$1{"digits":"$2"}'));

async function attempt(action) {
  try {
    await action();
    byId("trouble").textContent = "";
  } catch (error) {
    byId("trouble").textContent = error.message;
  }
}

const mean = (duration) => (duration.count ? Math.round(duration.ns / duration.count / 100) / 10 : "");

function modelRow(stats) {
  const all = stats.inference_stats;
  const passes = stats.execution_count;
  const cells = [all.success.count, all.fail.count, stats.inference_count, mean(all.queue),
    mean(all.compute_infer), passes ? Math.round((stats.inference_count / passes) * 100) / 100 : ""];
  return make("tr", {}, make("td", { textContent: stats.name }),
    ...cells.map((cell) => make("td", { className: "number", textContent: cell })));
}

function showNames(names) {
  const select = byId("model");
  if (names.join() === [...select.options].map((option) => option.value).join()) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (names.includes(chosen)) select.value = chosen;
  attempt(showTensors);
}

let metadata = null;

async function showTensors() {
  if (!byId("model").value) return;
  metadata = await askJson(`/v2/models/${byId("model").value}`);
  const row = (kind) => (tensor) => make("tr", {}, ...[kind, tensor.name, tensor.datatype,
    `[${tensor.shape.join(",")}]`].map((textContent) => make("td", { textContent })));
  byId("tensors").replaceChildren(make("table", {}, ...metadata.inputs.map(row("in")),
    ...metadata.outputs.map(row("out"))));
}

function sequenceRow(model, view) {
  const id = view.sequence_id.digits ?? `"${view.sequence_id}"`;
  const drop = () => attempt(async () => {
    await ask(`/v2/models/${model}/sequences/${encodeURIComponent(id)}`, { method: "DELETE" });
    await refresh();
  });
  return make("tr", {}, make("td", { textContent: id }),
    ...[view.rows, view.steps, Math.round(view.idle_us / 1e5) / 10].map((textContent) =>
      make("td", { className: "number", textContent })),
    make("td", {}, make("button", { textContent: "drop", onclick: drop })));
}

async function refresh() {
  const { model_stats: stats } = await askJson("/v2/models/stats");
  byId("models").replaceChildren(...stats.map(modelRow));
  showNames(stats.map((one) => one.name));
  const model = byId("model").value;
  if (!model) return;
  const { sequences } = parseSequences(await ask(`/v2/models/${model}/sequences`));
  byId("sequences").replaceChildren(...sequences.map((view) => sequenceRow(model, view)));
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

// Which of the input's open dimensions is the batch: batch_first is a property of the model.
function inputShape(tensor) {
  const open = metadata.properties?.batch_first === "true" ? ["rows", "steps"] : ["steps", "rows"];
  let next = 0;
  return tensor.shape.map((size) => (size >= 0 ? size : Number(byId(open[next++ % 2]).value)));
}

function makeRequest() {
  const [tensor] = metadata.inputs;
  const shape = inputShape(tensor);
  const count = shape.reduce((product, size) => product * size, 1);
  const number = tensor.datatype === "FP32" ? () => Math.fround(normal()) : () => 0;
  const request = { inputs: [{ name: tensor.name, datatype: tensor.datatype, shape,
    data: Array.from({ length: count }, number) }] };
  const sequence = byId("sequence").value.trim();
  if (sequence)
    request.parameters = { sequence_id: sequence, sequence_start: byId("start").checked,
      sequence_end: byId("end").checked };
  return request;
}

// [T,B,F], [B,T,F] or [B,F], of the first row: F down, T across; blue below 0, red above.
function draw(output) {
  const canvas = byId("picture");
  const [a, b, c] = output.shape;
  const batchFirst = metadata.properties?.batch_first === "true";
  const [steps, rows, features] = c === undefined ? [1, a, b] : batchFirst ? [b, a, c] : [a, b, c];
  canvas.hidden = !output.data || output.shape.length > 3 || !steps || !features;
  if (canvas.hidden) return;
  Object.assign(canvas, { width: steps, height: features });
  canvas.style.width = `${Math.max(steps, Math.min(900, steps * 8))}px`;
  canvas.style.height = `${Math.min(400, features * 8)}px`;
  const picture = new ImageData(steps, features);
  const most = output.data.reduce((most_, value) => Math.max(most_, Math.abs(value ?? 0)), 1e-9);
  for (let t = 0; t < steps; t++)
    for (let f = 0; f < features; f++) {
      const at = (batchFirst || c === undefined ? t : t * rows) * features + f;
      const fade = Math.round(255 * (1 - Math.abs(output.data[at] ?? 0) / most));
      picture.data.set(output.data[at] < 0 ? [fade, fade, 255, 255] : [255, fade, fade, 255], (f * steps + t) * 4);
    }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

async function send() {
  const body = JSON.stringify(makeRequest());
  const begun = performance.now();
  const text = await ask(`/v2/models/${byId("model").value}/infer`, { method: "POST", body });
  const took = performance.now() - begun;
  const answer = parse(text);
  byId("result").textContent = `${took.toFixed(1)} ms, ${body.length} bytes there, ${text.length} back`;
  byId("answer").textContent = text.length > 4000 ? `${text.slice(0, 4000)} …` : text;
  byId("answer").hidden = false;
  draw(answer.outputs[0]);
  await refresh();
}

async function showServer() {
  const server = await askJson("/v2");
  byId("server").textContent = `${server.name} ${server.version}`;
}

byId("model").onchange = () => attempt(async () => { await showTensors(); await refresh(); });
byId("try").onsubmit = (event) => { event.preventDefault(); attempt(send); };
byId("access").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value);
  byId("access").hidden = true;
  attempt(async () => { await showServer(); await refresh(); });
};
attempt(async () => { await showServer(); await refresh(); });
setInterval(() => { if (!document.hidden) attempt(refresh); }, 2000);
