// Draws /docs/openapi.json. Text only ever becomes text: nothing is parsed as HTML.
"use strict";

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);

function resolve(document_, thing) {
  while (thing.$ref) thing = thing.$ref.slice(2).split("/").reduce((at, key) => at[key], document_);
  return thing;
}

// A schema in a line: string, [number], InferInput (a link), a | b.
function type(schema) {
  if (schema.$ref) {
    const name = nameOf(schema.$ref);
    return [make("a", { href: "#schema-" + name, textContent: name })];
  }
  const among = schema.anyOf || schema.oneOf;
  if (among && !schema.properties) return among.flatMap((one, i) => (i ? [" | ", ...type(one)] : type(one)));
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" | ")];
  if (schema.type === "array") return schema.items ? ["[", ...type(schema.items), "]"] : ["array"];
  if (schema.properties && Object.keys(schema.properties).length)
    return ["{ " + Object.keys(schema.properties).join(", ") + " }"];
  return [Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "anything"];
}

function table(rows) {
  return make("div", { className: "scroll" }, make("table", {}, ...rows.map((cells) =>
    make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat()))))));
}

function contents(content) {
  return Object.entries(content || {}).flatMap(([media, body], i) =>
    [i ? ", " : "", make("code", { textContent: media }), " ", ...type(body.schema)]);
}

function example(path, verb, operation) {
  const url = `${location.origin}${path}`;
  const method = verb === "get" ? "" : ` -X ${verb.toUpperCase()}`;
  const body = operation.requestBody ? " -d @body.json" : "";
  return make("pre", { textContent: `curl -s${method} '${url}'${body}` });
}

function operation(document_, path, verb, op) {
  const parameters = (op.parameters || []).map((one) => resolve(document_, one));
  const responses = Object.entries(op.responses).map(([status, one]) => [status, resolve(document_, one)]);
  return make("details", { id: op.operationId },
    make("summary", {}, make("code", {}, make("span", { className: "verb", textContent: verb.toUpperCase() }), path),
      op.summary),
    op.description ? make("p", { textContent: op.description }) : null,
    example(path, verb, op),
    parameters.length ? make("h3", { textContent: "Parameters" }) : null,
    parameters.length ? table(parameters.map((one) =>
      [make("code", { textContent: one.name }), one.in, type(one.schema), one.description || ""])) : null,
    op.requestBody ? make("h3", { textContent: "Body" }) : null,
    op.requestBody ? make("p", {}, ...contents(op.requestBody.content)) : null,
    make("h3", { textContent: "Answers" }),
    table(responses.map(([status, one]) => [status, one.description, contents(one.content)])));
}

function schema(name, one) {
  const required = new Set(one.required || []);
  const rows = Object.entries(one.properties || {}).map(([key, value]) =>
    [make("code", { textContent: key }), type(value), required.has(key) ? "" : "optional", value.description || ""]);
  return make("section", { id: "schema-" + name }, make("h3", { textContent: name }),
    one.description ? make("p", { textContent: one.description }) : null,
    rows.length ? table(rows) : make("p", {}, ...type(one)));
}

function draw(document_) {
  document.getElementById("about").textContent = `${document_.info.summary} ${document_.info.description}`;
  const operations = document.getElementById("operations");
  for (const tag of document_.tags) {
    operations.append(make("h2", { textContent: tag.name }));
    if (tag.description) operations.append(make("p", { className: "quiet", textContent: tag.description }));
    for (const [path, verbs] of Object.entries(document_.paths))
      for (const [verb, op] of Object.entries(verbs))
        if (op.tags.includes(tag.name)) operations.append(operation(document_, path, verb, op));
  }
  document.getElementById("schemas").append(
    ...Object.entries(document_.components.schemas).map(([name, one]) => schema(name, one)));
  document.querySelector(location.hash || "none")?.scrollIntoView();
}

fetch("/docs/openapi.json").then((answer) => answer.json()).then(draw).catch((error) => {
  document.getElementById("about").textContent = `openapi.json could not be read: ${error.message}`;
});
