#include <assert.h>
#include <string.h>

#include "proto/excerpt.h"
#include "proto/infer_parameters.h"
#include "proto/json_members.h"
#include "proto/v1_predict.h"

enum { DIMENSION_MAX = INT32_MAX };

/* What the rows of one input have shown so far. */
struct rows_seen {
    const struct signature_tensor *tensor; /* NULL: not one of the signature's */
    size_t count;
    size_t steps_max, steps_min;
    bool shaped; /* a row has shown its rank and, in dimensions[1...], its arrays' sizes */
    size_t rank;
    uint64_t dimensions[TENSOR_RANK_MAX];
};

/* A walk through a body. The first one finds out what there is, a second one notes where. */
struct walk {
    struct json_reader reader;
    struct v1_request *v1;
    struct infer_request *request;
    const struct signature *signature;
    struct tensor_row *rows[INFER_TENSOR_MAX]; /* per input; NULL on the first walk */
    struct rows_seen seen[INFER_TENSOR_MAX];
    const char *list; /* "instances" or "inputs", once found */
    bool parameters;  /* found */
    struct fault *fault;
};

/* Says which element it is that something is wrong with; the JSON reader gives a byte instead. */
static bool add_element(const struct walk *walk, size_t element)
{
    if (!walk->reader.failed)
        fault_prefix(walk->fault, "Failed to process element: %zu of '%s' list. Error", element,
                     walk->list);
    return false;
}

/* ---- inputs ---- */

static void begin_rows(struct walk *walk, size_t input)
{
    walk->seen[input] = (struct rows_seen){
        .tensor = signature_input(walk->signature, walk->request->inputs[input].name),
        .steps_min = SIZE_MAX,
    };
}

/* The request's input of that name, which is added when it is not there yet. false: too many. */
static bool take_input(struct walk *walk, const char *name, size_t *index)
{
    struct infer_request *request = walk->request;
    for (*index = 0; *index < request->input_count; ++*index)
        if (strcmp(request->inputs[*index].name, name) == 0)
            return true;
    if (request->input_count == INFER_TENSOR_MAX)
        return fault_set(walk->fault, 400, "at most %d inputs are wanted, got more",
                         INFER_TENSOR_MAX);
    struct infer_input *input = &request->inputs[request->input_count++];
    *input = (struct infer_input){.form = TENSOR_ROWS};
    memcpy(input->name, name, strlen(name) + 1);
    begin_rows(walk, *index);
    return true;
}

/* ---- rows ---- */

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

/* Members of an array that ends at its own ']', which last is or comes before. */
static size_t count_members(const char *array, const char *last)
{
    size_t depth = 0, commas = 0;
    if (*skip_space(array + 1) == ']')
        return 0;
    for (const char *at = array; at <= last; at++) {
        depth += *at == '[';
        depth -= *at == ']';
        commas += *at == ',' && depth == 1;
        if (depth == 0)
            break;
    }
    return commas + 1;
}

static bool is_empty(const struct tensor_row *row)
{
    return *row->text == '[' && *skip_space(row->text + 1) == ']';
}

/* The rank of a row and the sizes of the first arrays in it; an empty row has nothing to show. */
static bool see_shape(const struct walk *walk, struct rows_seen *seen, const struct tensor_row *row)
{
    if (seen->shaped || is_empty(row))
        return true;
    seen->shaped = true;
    for (const char *at = row->text; *at == '['; at = skip_space(at + 1)) {
        if (seen->rank + 1 == TENSOR_RANK_MAX)
            return fault_set(walk->fault, 400, "at most %d dimensions are wanted, got more",
                             TENSOR_RANK_MAX);
        seen->dimensions[seen->rank++] = count_members(at, row->text + row->size - 1);
    }
    return true;
}

/* Reads one row's text. */
static bool read_row(struct walk *walk, struct tensor_row *row)
{
    size_t arrays;
    switch (json_peek(&walk->reader)) {
    case JSON_NUMBER:
        row->steps = 0;
        return json_skip(&walk->reader, &row->text, &row->size);
    case JSON_ARRAY:
        if (!json_skip_numbers(&walk->reader, &row->text, &row->size, &arrays))
            return false;
        row->steps = arrays > 0 ? arrays : count_members(row->text, row->text + row->size - 1);
        return true;
    case JSON_ERROR:
        return false;
    default:
        return fault_set(walk->fault, 400, "a number or a list of numbers is wanted");
    }
}

static bool take_row(struct walk *walk, size_t input)
{
    struct rows_seen *seen = &walk->seen[input];
    struct tensor_row row;
    if (!read_row(walk, &row))
        return false;
    if (walk->rows[input] != NULL)
        walk->rows[input][seen->count] = row;
    seen->count++;
    seen->steps_max = row.steps > seen->steps_max ? row.steps : seen->steps_max;
    seen->steps_min = row.steps < seen->steps_min ? row.steps : seen->steps_min;
    if (seen->steps_max != seen->steps_min && seen->tensor != NULL &&
        seen->tensor->role != ROLE_INPUT)
        return fault_set(walk->fault, 400, "Expecting tensor size: %zu but got: %zu",
                         row.steps == seen->steps_min ? seen->steps_max : seen->steps_min,
                         row.steps);
    return see_shape(walk, seen, &row);
}

/* ---- rows with names ---- */

static bool take_member(struct walk *walk, const char *name, size_t element)
{
    size_t input;
    const size_t known = walk->request->input_count;
    if (!take_input(walk, name, &input))
        return false;
    if (input == known && element > 0)
        return fault_set(walk->fault, 400, "'%s' is not in the elements before it",
                         excerpt_of(name).text);
    if (walk->seen[input].count != element)
        return fault_set(walk->fault, 400, "'%s' is given twice", excerpt_of(name).text);
    return take_row(walk, input);
}

static bool take_named_row(struct walk *walk, size_t element)
{
    char name[TENSOR_NAME_MAX];
    if (!json_enter_object(&walk->reader))
        return false;
    while (json_next_member(&walk->reader, name, sizeof name))
        if (!take_member(walk, name, element))
            return false;
    if (walk->reader.failed)
        return false;
    for (size_t i = 0; i < walk->request->input_count; i++)
        if (walk->seen[i].count == element)
            return fault_set(walk->fault, 400, "'%s' is missing",
                             excerpt_of(walk->request->inputs[i].name).text);
    return true;
}

/* ---- lists of rows ---- */

/* A list of an input's bare rows, which is entered already. */
static bool take_list(struct walk *walk, const char *name)
{
    size_t input;
    if (!take_input(walk, name, &input))
        return false;
    for (size_t i = walk->seen[input].count; json_next_element(&walk->reader); i++)
        if (!take_row(walk, input))
            return add_element(walk, i);
    return !walk->reader.failed;
}

static bool take_instances(struct walk *walk)
{
    struct json_reader *reader = &walk->reader;
    if (json_peek(reader) != JSON_ARRAY)
        return !reader->failed &&
               fault_set(walk->fault, 400, "Expecting 'instances' to be an list/array");
    json_enter_array(reader);
    const struct json_reader start = *reader;
    if (!json_next_element(reader))
        return !reader->failed; /* an empty list, which is refused at the end */
    const bool named = json_peek(reader) == JSON_OBJECT;
    if (reader->failed)
        return false;
    *reader = start;
    if (!named)
        return take_list(walk, signature_main_input(walk->signature)->name);
    for (size_t i = 0; json_next_element(reader); i++) {
        if (json_peek(reader) != JSON_OBJECT && !reader->failed)
            fault_set(walk->fault, 400, "an object is wanted, as the elements before it are");
        else if (take_named_row(walk, i))
            continue;
        return add_element(walk, i);
    }
    return !reader->failed;
}

static bool take_named_column(struct walk *walk, const char *name)
{
    struct json_reader *reader = &walk->reader;
    size_t input;
    if (!take_input(walk, name, &input))
        return false;
    if (walk->seen[input].count > 0)
        return fault_set(walk->fault, 400, "'%s' is given twice in 'inputs'",
                         excerpt_of(name).text);
    if (json_peek(reader) != JSON_ARRAY)
        return !reader->failed &&
               fault_set(walk->fault, 400, "Expecting '%s' in 'inputs' to be an list/array",
                         excerpt_of(name).text);
    return json_enter_array(reader) && take_list(walk, name);
}

static bool take_columns(struct walk *walk)
{
    struct json_reader *reader = &walk->reader;
    char name[TENSOR_NAME_MAX];
    switch (json_peek(reader)) {
    case JSON_ARRAY:
        return json_enter_array(reader) &&
               take_list(walk, signature_main_input(walk->signature)->name);
    case JSON_OBJECT:
        break;
    case JSON_ERROR:
        return false;
    default:
        return fault_set(walk->fault, 400, "Expecting 'inputs' to be an list/array or an object");
    }
    json_enter_object(reader);
    while (json_next_member(reader, name, sizeof name))
        if (!take_named_column(walk, name))
            return false;
    return !reader->failed;
}

/* ---- the body ---- */

static bool read_signature_name(struct walk *walk)
{
    char name[TENSOR_NAME_MAX];
    if (!json_read_string(&walk->reader, name, sizeof name))
        return false;
    walk->v1->states = strcmp(name, V1_SIGNATURE_STATES) == 0;
    return name[0] == '\0' || strcmp(name, V1_SIGNATURE) == 0 || walk->v1->states ||
           fault_set(walk->fault, 400, "Serving signature name: \"%s\" not found in signature def",
                     excerpt_of(name).text);
}

/* On the second walk they are what was made of them: a sequence without an id has one by now. */
static bool read_parameters(struct walk *walk)
{
    struct infer_parameters *parameters = &walk->request->parameters;
    if (walk->rows[0] != NULL)
        return json_skip(&walk->reader, NULL, NULL);
    if (walk->parameters)
        return fault_set(walk->fault, 400, "'parameters' is given twice");
    walk->parameters = true;
    if (!infer_parameters_read(&walk->reader, parameters))
        return json_place_member(&walk->reader, "parameters");
    return !parameters->binary_data_output ||
           fault_set(walk->fault, 400, "outputs are JSON here: binary_data_output is not possible");
}

/* Who puts one of these beside 'parameters' would get answers of no sequence, were it skipped. */
static bool is_misplaced(const char *key)
{
    return strcmp(key, "sequence_id") == 0 || strcmp(key, "sequence_start") == 0 ||
           strcmp(key, "sequence_end") == 0;
}

static bool take_key(struct walk *walk, const char *key)
{
    const bool instances = strcmp(key, "instances") == 0, inputs = strcmp(key, "inputs") == 0;
    if (strcmp(key, "signature_name") == 0)
        return read_signature_name(walk);
    if (strcmp(key, "parameters") == 0)
        return read_parameters(walk);
    if (is_misplaced(key))
        return fault_set(walk->fault, 400, "'%s' is wanted within 'parameters'", key);
    if (!instances && !inputs)
        return json_skip(&walk->reader, NULL, NULL);
    if (walk->list != NULL)
        return fault_set(walk->fault, 400,
                         "one of 'inputs' and 'instances' is wanted once, got '%s' and '%s'",
                         walk->list, key);
    walk->list = instances ? "instances" : "inputs";
    walk->v1->columns = inputs;
    return instances ? take_instances(walk) : take_columns(walk);
}

static bool fail_not_object(struct walk *walk)
{
    char shown[EXCERPT_MAX] = "";
    const size_t size = walk->v1->size < sizeof shown ? walk->v1->size : sizeof shown - 1;
    memcpy(shown, walk->v1->body, size);
    return fault_set(walk->fault, 400, "JSON Value: %s Is not object", excerpt_of(shown).text);
}

static bool walk_body(struct walk *walk)
{
    struct json_reader *reader = &walk->reader;
    char key[TENSOR_NAME_MAX];
    json_reader_init(reader, walk->v1->body, walk->v1->size, walk->fault);
    reader->words = true;
    if (json_peek(reader) != JSON_OBJECT)
        return !reader->failed && fail_not_object(walk);
    json_enter_object(reader);
    while (json_next_member(reader, key, sizeof key))
        if (!take_key(walk, key))
            return false;
    return json_finish(reader);
}

/* ---- shapes ---- */

/* Rows that are all empty show nothing: they are taken for what the signature has, without steps.
 */
static void set_empty_shape(struct rows_seen *seen, size_t axis)
{
    const struct signature_tensor *tensor = seen->tensor;
    for (size_t i = 0; i < tensor->rank; i++)
        if (i != axis)
            seen->dimensions[seen->rank++] = tensor->shape[i] > 0 ? (uint64_t)tensor->shape[i] : 0;
}

static bool set_shape(struct walk *walk, size_t index)
{
    struct infer_input *input = &walk->request->inputs[index];
    struct rows_seen *seen = &walk->seen[index];
    const struct signature_tensor *tensor = seen->tensor;
    size_t axis = tensor != NULL ? tensor->rows_axis : 0;
    if (!seen->shaped && tensor != NULL)
        set_empty_shape(seen, axis);
    if (tensor == NULL || tensor->rank != seen->rank + 1)
        axis = 0; /* binding_init will not have it */
    seen->dimensions[0] = seen->steps_max;
    input->datatype = tensor != NULL ? tensor->datatype : DATATYPE_FP32;
    strcpy(input->datatype_text, datatype_name(input->datatype));
    input->row_axis = axis;
    for (size_t i = 0; i < seen->rank + 1; i++) {
        const uint64_t size = i == axis ? seen->count : seen->dimensions[i - (i > axis)];
        if (size > DIMENSION_MAX)
            return fault_set(walk->fault, 400, "input '%s': at most %d is wanted, got %zu",
                             excerpt_of(input->name).text, DIMENSION_MAX, (size_t)size);
        input->shape[input->rank++] = size;
    }
    return infer_elements(input->shape, input->rank, &input->elements) ||
           fault_set(walk->fault, 400, "input '%s': less than 2^64 elements are wanted, got more",
                     excerpt_of(input->name).text);
}

/* Lengths that are said and lengths that are shown could differ. */
static bool check_lengths(const struct walk *walk)
{
    bool ragged = false, lengths = false;
    for (size_t i = 0; i < walk->request->input_count; i++) {
        const struct rows_seen *seen = &walk->seen[i];
        ragged |= seen->steps_max != seen->steps_min;
        lengths |= seen->tensor != NULL && seen->tensor->role == ROLE_LENGTHS;
    }
    return !ragged || !lengths ||
           fault_set(walk->fault, 400,
                     "rows of one length are wanted beside an input that says their lengths");
}

static bool set_shapes(struct walk *walk)
{
    if (walk->list == NULL)
        return fault_set(walk->fault, 400, "Missing 'inputs' or 'instances' key");
    if (walk->request->input_count == 0)
        return fault_set(walk->fault, 400, "'%s' is empty, at least one row is wanted", walk->list);
    for (size_t i = 0; i < walk->request->input_count; i++) {
        if (walk->seen[i].count == 0)
            return fault_set(walk->fault, 400, "'%s' in '%s' is empty, at least one row is wanted",
                             excerpt_of(walk->request->inputs[i].name).text, walk->list);
        if (!set_shape(walk, i))
            return false;
        walk->v1->row_count += walk->seen[i].count;
    }
    return true;
}

/* ---- outputs ---- */

static void want_outputs(const struct v1_request *v1, struct infer_request *request)
{
    for (size_t i = 0; i < v1->signature->output_count; i++) {
        const struct signature_tensor *output = &v1->signature->outputs[i];
        if (!v1->states && !output->returned)
            continue;
        struct infer_output *wanted = &request->outputs[request->output_count++];
        *wanted = (struct infer_output){0};
        strcpy(wanted->name, output->name);
    }
}

/* ---- both walks ---- */

bool v1_request_parse(struct v1_request *v1, struct infer_request *request, const char *body,
                      size_t size, const struct signature *signature, struct fault *fault)
{
    struct walk walk = {.v1 = v1, .request = request, .signature = signature, .fault = fault};
    *v1 = (struct v1_request){.body = body, .size = size, .signature = signature};
    infer_request_clear(request);
    if (walk_body(&walk)) {
        want_outputs(v1, request);
        return set_shapes(&walk) && check_lengths(&walk);
    }
    if (walk.reader.failed)
        fault_prefix(fault, "JSON Parse error");
    return false;
}

void v1_request_index(struct v1_request *v1, struct infer_request *request, struct tensor_row *rows)
{
    struct fault fault;
    struct walk walk = {.v1 = v1, .request = request, .signature = v1->signature, .fault = &fault};
    for (size_t i = 0; i < request->input_count; i++) {
        struct infer_input *input = &request->inputs[i];
        begin_rows(&walk, i);
        walk.rows[i] = rows;
        input->rows = rows;
        rows += input->shape[input->row_axis];
    }
    const bool good = walk_body(&walk);
    assert(good);
}
