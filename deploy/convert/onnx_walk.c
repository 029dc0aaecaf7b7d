#include "deploy/convert/onnx_walk.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "deploy/convert/onnx_inputs.h"
#include "deploy/convert/onnx_operators.h"
#include "deploy/convert/onnx_whole.h"
#include "proto/excerpt.h"

#define NODES_MAX ((size_t)1 << 20)

/* ---- names ---- */

struct binding {
    const char *name;
    const struct onnx_value *value;
};

/* The values of one graph; those of the graph it stands in are seen through it. */
struct scope {
    const struct scope *outer;
    void *tree; /* of bindings, which are the arena's */
};

static int compare_bindings(const void *a, const void *b)
{
    const struct binding *const x = a, *const y = b;
    return strcmp(x->name, y->name);
}

static void keep_binding(void *binding)
{
    (void)binding;
}

static const struct onnx_value *look_up(const struct scope *scope, const char *name)
{
    const struct binding wanted = {name, NULL};
    for (; scope != NULL; scope = scope->outer) {
        struct binding *const *found = tfind(&wanted, &scope->tree, compare_bindings);
        if (found != NULL)
            return (*found)->value;
    }
    return NULL;
}

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, 503, "out of memory for the graph");
}

/* A name given twice keeps the first value: graphs must not do so. */
static bool bind(struct onnx_walk *walk, struct scope *scope, const char *name,
                 const struct onnx_value *value, struct fault *fault)
{
    struct binding *binding = onnx_arena_take(&walk->chain.arena, sizeof *binding);
    if (binding == NULL)
        return no_memory(fault);
    *binding = (struct binding){name, value};
    return tsearch(binding, &scope->tree, compare_bindings) != NULL || no_memory(fault);
}

static bool bind_unknown(struct onnx_walk *walk, struct scope *scope, const char *name,
                         const struct fault *why, struct fault *fault)
{
    const struct onnx_value *value = onnx_value_unknown(&walk->chain.arena, why, fault);
    return value != NULL && bind(walk, scope, name, value, fault);
}

/* ---- constants and inputs ---- */

static bool bind_constants(struct onnx_walk *walk, const OnnxGraph *graph, struct scope *scope,
                           struct fault *fault)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const OnnxTensor *tensor = graph->initializer[i];
        const char *name = tensor->name != NULL ? tensor->name : "";
        struct fault why = {0};
        const struct onnx_value *value = onnx_constant_value(&walk->chain.arena, tensor, &why);
        if (value == NULL && why.status == 503) {
            *fault = why;
            return false;
        }
        if (value == NULL)
            fault_prefix(&why, "tensor '%s'", excerpt_of(name).text);
        if (value != NULL ? !bind(walk, scope, name, value, fault)
                          : !bind_unknown(walk, scope, name, &why, fault))
            return false;
    }
    return true;
}

bool onnx_walk_is_input(const OnnxGraph *graph, size_t input)
{
    const char *name = graph->input[input]->name;
    for (size_t i = 0; name != NULL && i < graph->n_initializer; i++)
        if (graph->initializer[i]->name != NULL && strcmp(graph->initializer[i]->name, name) == 0)
            return false;
    return name != NULL;
}

static bool bind_inputs(struct onnx_walk *walk, struct scope *scope, struct fault *fault)
{
    const OnnxGraph *graph = walk->model->graph;
    for (size_t i = 0; i < graph->n_input; i++) {
        if (!onnx_walk_is_input(graph, i))
            continue;
        const struct onnx_value *value = onnx_inputs_value(walk, i, fault);
        if (value == NULL || !bind(walk, scope, graph->input[i]->name, value, fault))
            return false;
    }
    return true;
}

/* ---- one node ---- */

static bool walk_graph(struct onnx_walk *walk, const OnnxGraph *graph, struct scope *scope,
                       struct fault *fault);

static const char *name_of(const OnnxNode *node)
{
    if (node->name != NULL && node->name[0] != '\0')
        return node->name;
    return node->n_output > 0 ? node->output[0] : "";
}

static int64_t opset_of(const OnnxModel *model)
{
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = model->opset_import[i]->domain;
        if (domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0)
            return model->opset_import[i]->version;
    }
    return 1;
}

/* known: names with spaces around each. */
static bool is_known(const char *name, const char *known)
{
    const size_t size = strlen(name);
    if (size == 0 || strchr(name, ' ') != NULL)
        return false;
    const char *found = strstr(known, name);
    while (found != NULL && (found[-1] != ' ' || found[size] != ' '))
        found = strstr(found + 1, name);
    return found != NULL;
}

static bool check_attributes(const OnnxNode *node, const char *known, struct fault *why)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const char *name = node->attribute[i]->name != NULL ? node->attribute[i]->name : "";
        if (!is_known(name, known))
            return fault_set(why, 400, "attribute '%s' is unknown", excerpt_of(name).text);
    }
    return true;
}

static bool run_operator(struct onnx_walk *walk, struct onnx_call *call)
{
    const char *attributes, *op = call->node->op_type, *domain = call->node->domain;
    const bool standard = domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
    onnx_operator *run = standard && op != NULL ? onnx_operator_find(op, &attributes) : NULL;
    for (size_t i = 0; i < call->input_count; i++)
        if (call->inputs[i] != NULL && call->inputs[i]->content == ONNX_UNKNOWN) {
            *call->fault = *call->inputs[i]->why;
            return false;
        }
    if (run != NULL && onnx_whole_is_for(call))
        run = onnx_whole;
    if (++walk->nodes > NODES_MAX)
        return fault_set(call->fault, 400, "more than %zu nodes", NODES_MAX);
    const bool done = run != NULL
                          ? check_attributes(call->node, attributes, call->fault) && run(call)
                          : onnx_refuse(call, "an operator that lstmd has no layer for");
    return done || fault_prefix(call->fault, "%s '%s'", excerpt_of(op != NULL ? op : "").text,
                                excerpt_of(call->name).text);
}

/* ---- If ---- */

static bool is_named(const OnnxGraph *graph, const char *name)
{
    return graph->name != NULL && strcmp(graph->name, name) == 0;
}

/* The graph of that name, or one that holds it. Graphs are at most 20 deep (onnx_scan.h). */
static bool leads_to(const OnnxGraph *graph, const char *name)
{
    if (graph == NULL || is_named(graph, name))
        return graph != NULL;
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t a = 0; a < graph->node[i]->n_attribute; a++)
            if (leads_to(graph->node[i]->attribute[a]->g, name))
                return true;
    return false;
}

static const OnnxGraph *graph_of(const struct onnx_call *call, const char *attribute)
{
    const OnnxAttribute *found = onnx_attribute(call, attribute);
    return found != NULL ? found->g : NULL;
}

static const OnnxGraph *choose(struct onnx_walk *walk, const struct onnx_call *call)
{
    const OnnxGraph *yes = graph_of(call, "then_branch"), *no = graph_of(call, "else_branch");
    const struct onnx_value *condition = onnx_input(call, 0);
    if (yes == NULL || no == NULL || condition == NULL) {
        onnx_refuse(call, "a condition and two branches expected");
        return NULL;
    }
    if (condition->content == ONNX_INTEGERS && condition->elements == 1 &&
        !condition->integers[0].sized)
        return condition->integers[0].value != 0 ? yes : no;
    if (walk->subgraph != NULL && leads_to(yes, walk->subgraph) != leads_to(no, walk->subgraph)) {
        walk->subgraph_met = true;
        return leads_to(yes, walk->subgraph) ? yes : no;
    }
    onnx_refuse(call,
                "which branch is taken is known only with a request: choose '%s' or '%s' with "
                "--subgraph",
                excerpt_of(yes->name != NULL ? yes->name : "").text,
                excerpt_of(no->name != NULL ? no->name : "").text);
    return NULL;
}

static bool run_branch(struct onnx_walk *walk, struct onnx_call *call, const OnnxGraph *branch,
                       const struct scope *outer)
{
    struct scope scope = {.outer = outer};
    bool done = walk_graph(walk, branch, &scope, call->fault);
    for (size_t i = 0; done && i < call->output_count; i++) {
        const char *name = i < branch->n_output ? branch->output[i]->name : NULL;
        call->outputs[i] = name != NULL ? look_up(&scope, name) : NULL;
        done = call->outputs[i] != NULL || onnx_refuse(call, "a branch without output %zu", i);
    }
    tdestroy(scope.tree, keep_binding);
    return done;
}

static bool run_if(struct onnx_walk *walk, struct onnx_call *call, const struct scope *scope)
{
    const OnnxGraph *branch = choose(walk, call);
    return (branch != NULL && run_branch(walk, call, branch, scope)) ||
           fault_prefix(call->fault, "If '%s'", excerpt_of(call->name).text);
}

/* ---- a graph ---- */

static bool find_inputs(struct onnx_walk *walk, const struct scope *scope, struct onnx_call *call,
                        struct fault *fault)
{
    const OnnxNode *node = call->node;
    const struct onnx_value **inputs =
        onnx_arena_take(&walk->chain.arena, node->n_input * sizeof(struct onnx_value *));
    if (inputs == NULL)
        return no_memory(fault);
    for (size_t i = 0; i < node->n_input; i++) {
        if (node->input[i][0] == '\0')
            continue;
        inputs[i] = look_up(scope, node->input[i]);
        if (inputs[i] == NULL)
            return fault_set(fault, 400, "'%s': its input '%s' is not there before it",
                             excerpt_of(call->name).text, excerpt_of(node->input[i]).text);
    }
    call->inputs = inputs;
    call->input_count = node->n_input;
    return true;
}

static bool bind_outputs(struct onnx_walk *walk, struct scope *scope, const struct onnx_call *call,
                         const struct fault *why, struct fault *fault)
{
    for (size_t i = 0; i < call->node->n_output; i++) {
        const char *name = call->node->output[i];
        if (name[0] == '\0')
            continue;
        const struct fault missing = {400, "an output that its operator does not have"};
        const struct onnx_value *value =
            why->status == 0 && i < ONNX_OUTPUTS_MAX ? call->outputs[i] : NULL;
        if (value != NULL
                ? !bind(walk, scope, name, value, fault)
                : !bind_unknown(walk, scope, name, why->status != 0 ? why : &missing, fault))
            return false;
    }
    return true;
}

static bool walk_node(struct onnx_walk *walk, const OnnxNode *node, struct scope *scope,
                      struct fault *fault)
{
    struct fault why = {0};
    struct onnx_call call = {.chain = &walk->chain,
                             .node = node,
                             .name = name_of(node),
                             .opset = opset_of(walk->model),
                             .output_count = node->n_output,
                             .fault = &why,
                             .wanted_width = &walk->wanted_width,
                             .wants_steps = &walk->wants_steps};
    if (call.output_count > ONNX_OUTPUTS_MAX)
        call.output_count = ONNX_OUTPUTS_MAX;
    if (!find_inputs(walk, scope, &call, fault))
        return false;
    const bool is_if = node->op_type != NULL && strcmp(node->op_type, "If") == 0;
    const bool done = is_if ? run_if(walk, &call, scope) : run_operator(walk, &call);
    if (!done && why.status == 503) {
        *fault = why;
        return false;
    }
    return bind_outputs(walk, scope, &call, &why, fault);
}

static bool walk_graph(struct onnx_walk *walk, const OnnxGraph *graph, struct scope *scope,
                       struct fault *fault)
{
    if (!bind_constants(walk, graph, scope, fault))
        return false;
    for (size_t i = 0; i < graph->n_node; i++)
        if (!walk_node(walk, graph->node[i], scope, fault))
            return false;
    return true;
}

static bool find_outputs(struct onnx_walk *walk, const struct scope *scope, struct fault *fault)
{
    const OnnxGraph *graph = walk->model->graph;
    walk->outputs =
        onnx_arena_take(&walk->chain.arena, graph->n_output * sizeof(const struct onnx_value *));
    if (walk->outputs == NULL)
        return no_memory(fault);
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = graph->output[i]->name != NULL ? graph->output[i]->name : "";
        walk->outputs[i] = look_up(scope, name);
        if (walk->outputs[i] == NULL)
            return fault_set(fault, 400, "graph output '%s' is computed nowhere",
                             excerpt_of(name).text);
    }
    return true;
}

size_t onnx_axis_of(const char *axes, char which)
{
    const char stop[] = {which, '\0'};
    return strcspn(axes, stop);
}

bool onnx_axes_batch_first(const char *axes)
{
    return onnx_axis_of(axes, 'B') < onnx_axis_of(axes, 'T');
}

bool onnx_walk_run(struct onnx_walk *walk, struct fault *fault)
{
    struct scope scope = {0};
    walk->chain.steps = walk->sizes.steps;
    walk->chain.rows = walk->sizes.rows;
    walk->chain.fixed_steps = !walk->sizes.any_steps;
    const bool done = bind_inputs(walk, &scope, fault) &&
                      walk_graph(walk, walk->model->graph, &scope, fault) &&
                      find_outputs(walk, &scope, fault);
    tdestroy(scope.tree, keep_binding);
    return done;
}

void onnx_walk_fini(struct onnx_walk *walk)
{
    onnx_arena_fini(&walk->chain.arena);
}
