#include "server/api_sequences.h"

#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"
#include "proto/sequence_message.h"

enum { PAGE = 100, PAGE_MAX = 1000 };

/* Memory that only the answering takes. */
struct workspace {
    struct budget *budget;
    size_t charge;
    void *memory;
};

static bool workspace_init(struct workspace *workspace, struct budget *budget, size_t bytes,
                           struct fault *fault)
{
    *workspace = (struct workspace){.budget = budget};
    if (!budget_take(budget, bytes, 0, fault))
        return false;
    workspace->charge = bytes;
    workspace->memory = malloc(bytes != 0 ? bytes : 1);
    return workspace->memory != NULL || fault_set(fault, 503, "out of memory");
}

/* Also after workspace_init has failed. */
static void workspace_fini(struct workspace *workspace)
{
    free(workspace->memory);
    budget_give(workspace->budget, workspace->charge);
}

static struct sequence_model model_of(const struct served_model *served)
{
    return (struct sequence_model){served->name, &served->signature, served->sequences.state_size};
}

static bool read_id(const struct route *route, struct sequence_id *id, struct fault *fault)
{
    return sequence_id_read_url(route->sequence, route->sequence_size, id, fault);
}

/* ---- list ---- */

struct page {
    size_t limit, count;
    bool more;
    struct sequence_view *views; /* [limit] */
};

static bool add_to_page(void *context, const struct sequence_view *view)
{
    struct page *page = context;
    page->more = page->count == page->limit;
    if (!page->more)
        page->views[page->count++] = *view;
    return !page->more;
}

static void write_view(struct json_writer *writer, const struct sequence_view *view)
{
    json_open_object(writer);
    json_key(writer, "sequence_id");
    sequence_id_write(&view->id, writer);
    json_key(writer, "rows");
    json_uint64(writer, view->rows);
    json_key(writer, "steps");
    json_uint64(writer, view->steps);
    json_key(writer, "idle_us");
    json_uint64(writer, view->idle / 1000);
    json_key(writer, "requests");
    json_uint64(writer, view->requests);
    json_close_object(writer);
}

static void write_page(struct json_writer *writer, const struct page *page)
{
    json_open_object(writer);
    json_key(writer, "sequences");
    json_open_array(writer);
    for (size_t i = 0; i < page->count; i++)
        write_view(writer, &page->views[i]);
    json_close_array(writer);
    json_key(writer, "more");
    json_bool(writer, page->more);
    json_close_object(writer);
}

static bool read_limit(const char *text, size_t *limit, struct fault *fault)
{
    *limit = PAGE;
    if (text == NULL)
        return true;
    *limit = 0;
    for (const char *c = text; *c >= '0' && *c <= '9' && *limit <= PAGE_MAX; c++)
        *limit = *limit * 10 + (size_t)(*c - '0');
    if (strspn(text, "0123456789") == strlen(text) && *limit >= 1 && *limit <= PAGE_MAX)
        return true;
    return fault_set(fault, 400, "limit: a whole number from 1 to %d expected, got '%s'", PAGE_MAX,
                     excerpt_of(text).text);
}

static bool read_after(const char *text, struct sequence_id *after, struct fault *fault)
{
    *after = sequence_id_of_number(0);
    return text == NULL || sequence_id_read_url(text, strlen(text), after, fault) ||
           fault_prefix(fault, "after");
}

/* The views are copied under the table's lock, and written without it. */
bool api_sequences_list(struct api_call *call, struct fault *fault)
{
    struct service *service = call->service;
    struct page page = {.count = 0};
    struct sequence_id after;
    struct workspace views;
    if (!read_limit(call->route->limit, &page.limit, fault) ||
        !read_after(call->route->after, &after, fault))
        return false;
    const bool taken =
        workspace_init(&views, &service->budget, page.limit * sizeof *page.views, fault);
    if (taken) {
        page.views = views.memory;
        sequences_each(service->sequences, call->served->name, &after, add_to_page, &page);
        write_page(call->writer, &page);
    }
    workspace_fini(&views);
    return taken;
}

/* ---- export ---- */

/* On the ticket's turn. What is written is charged to the call. */
static bool write_state(struct api_call *call, const struct sequence_id *id,
                        const struct sequence_ticket *ticket, struct fault *fault)
{
    struct budget *budget = &call->service->budget;
    const struct sequence_model model = model_of(call->served);
    const size_t rows = sequences_rows(ticket);
    const float *states;
    uint64_t steps;
    size_t size;
    struct workspace scratch;
    if (!sequences_state(ticket, &states, &steps, fault))
        return false;
    if (!sequence_message_size(&model, rows, &size))
        return fault_set(fault, 413, "the sequence is too large to be written as JSON");
    if (!budget_take(budget, size, 0, fault))
        return false;
    const bool taken =
        workspace_init(&scratch, budget, rows * model.state_size * sizeof(float), fault);
    if (taken) {
        json_reserve(call->writer, size);
        sequence_message_write(call->writer, &model, id, rows, steps, states, scratch.memory);
        call->charge = size;
    } else {
        budget_give(budget, size);
    }
    workspace_fini(&scratch);
    return taken;
}

bool api_sequences_export(struct api_call *call, struct fault *fault)
{
    struct sequences *sequences = call->service->sequences;
    struct sequence_id id;
    struct sequence_ticket ticket;
    if (!read_id(call->route, &id, fault) ||
        !sequences_enter_at_rest(sequences, &call->served->sequences, &id, false, false, 0, &ticket,
                                 fault))
        return false;
    const bool done = write_state(call, &id, &ticket, fault);
    sequences_leave(sequences, &ticket, NULL, 0);
    return done;
}

/* ---- import ---- */

static bool parse_message(struct api_call *call, const struct sequence_id *id,
                          struct sequence_message *message, struct fault *fault)
{
    const struct sequence_model model = model_of(call->served);
    if (call->body_size == 0)
        return fault_set(fault, 400, "a JSON body expected, got an empty one");
    if (!sequence_message_parse(message, call->body, call->body_size, &model, fault))
        return false;
    if (message->id.kind == SEQUENCE_ID_NONE || sequence_id_equal(&message->id, id))
        return true;
    return fault_set(fault, 400, "sequence_id: %s expected as in the URL, got %s",
                     sequence_id_excerpt(id).text, sequence_id_excerpt(&message->id).text);
}

static bool store(struct api_call *call, const struct sequence_id *id,
                  const struct sequence_message *message, const float *states, struct fault *fault)
{
    struct sequences *sequences = call->service->sequences;
    struct sequence_ticket ticket;
    if (!sequences_enter_at_rest(sequences, &call->served->sequences, id, true, false,
                                 message->rows, &ticket, fault))
        return false;
    sequences_leave(sequences, &ticket, states, message->steps);
    return true;
}

/* States and scratch stand one behind the other. */
static bool read_and_store(struct api_call *call, const struct sequence_id *id,
                           const struct sequence_message *message, struct fault *fault)
{
    const struct sequence_model model = model_of(call->served);
    const size_t elements = message->rows * model.state_size; /* there is text for them all */
    struct workspace floats;
    bool done =
        workspace_init(&floats, &call->service->budget, 2 * elements * sizeof(float), fault);
    if (done) {
        float *states = floats.memory;
        done = sequence_message_read(message, &model, states, states + elements, fault) &&
               store(call, id, message, states, fault);
    }
    workspace_fini(&floats);
    return done;
}

static void write_stored(struct api_call *call, const struct sequence_id *id,
                         const struct sequence_message *message)
{
    struct json_writer *writer = call->writer;
    json_open_object(writer);
    api_write_member(writer, "model_name", call->served->name);
    json_key(writer, "sequence_id");
    sequence_id_write(id, writer);
    json_key(writer, "rows");
    json_uint64(writer, message->rows);
    json_key(writer, "steps");
    json_uint64(writer, message->steps);
    json_close_object(writer);
}

bool api_sequences_import(struct api_call *call, struct fault *fault)
{
    struct sequence_id id;
    struct workspace memory;
    if (!read_id(call->route, &id, fault))
        return false;
    bool done =
        workspace_init(&memory, &call->service->budget, sizeof(struct sequence_message), fault);
    if (done) {
        struct sequence_message *message = memory.memory;
        done =
            parse_message(call, &id, message, fault) && read_and_store(call, &id, message, fault);
        if (done)
            write_stored(call, &id, message);
    }
    workspace_fini(&memory);
    return done;
}

/* ---- drop ---- */

bool api_sequences_drop(struct api_call *call, struct fault *fault)
{
    struct sequences *sequences = call->service->sequences;
    struct sequence_id id;
    struct sequence_ticket ticket;
    const float *states;
    uint64_t steps;
    if (!read_id(call->route, &id, fault) ||
        !sequences_enter_at_rest(sequences, &call->served->sequences, &id, false, true, 0, &ticket,
                                 fault))
        return false;
    const bool alive = sequences_state(&ticket, &states, &steps, fault);
    sequences_leave(sequences, &ticket, alive ? states : NULL, 0);
    if (alive) {
        json_open_object(call->writer);
        json_close_object(call->writer);
    }
    return alive;
}
