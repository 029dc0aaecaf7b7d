#include "server/api_sequences.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/sequence_message.h"
#include "server/clock.h"

enum { PAGE = 100, PAGE_MAX = 1000 };

/* Memory of this server's own while it answers. */
struct charged {
    struct budget *budget;
    size_t bytes;
    void *memory;
};

static bool charged_take(struct charged *charged, struct budget *budget, size_t bytes,
                         struct fault *fault)
{
    *charged = (struct charged){.budget = budget};
    if (!budget_take(budget, bytes, 0, fault))
        return false;
    charged->bytes = bytes;
    charged->memory = malloc(bytes != 0 ? bytes : 1);
    return charged->memory != NULL || fault_set(fault, 503, "out of memory");
}

static void charged_give(struct charged *charged)
{
    free(charged->memory);
    budget_give(charged->budget, charged->bytes);
}

static struct sequence_model model_of(const struct served_model *served)
{
    return (struct sequence_model){served->name, &served->signature, served->sequences.state_size};
}

static void reply_object(struct reply *reply, struct json_writer *writer)
{
    json_close_object(writer);
    reply_json(reply, 200, writer);
    json_writer_fini(writer);
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

static void reply_page(struct reply *reply, const struct page *page)
{
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "sequences");
    json_open_array(&writer);
    for (size_t i = 0; i < page->count; i++)
        write_view(&writer, &page->views[i]);
    json_close_array(&writer);
    json_key(&writer, "more");
    json_bool(&writer, page->more);
    reply_object(reply, &writer);
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

static bool list(struct service *service, const struct served_model *served,
                 const struct sequence_query *query, struct reply *reply, struct fault *fault)
{
    struct page page = {.count = 0};
    struct charged views;
    struct sequence_id after = sequence_id_of_number(0);
    if (!read_limit(query->limit, &page.limit, fault))
        return false;
    if (query->after != NULL &&
        !sequence_id_read_url(query->after, strlen(query->after), &after, fault))
        return fault_prefix(fault, "after");
    const bool taken =
        charged_take(&views, &service->budget, page.limit * sizeof *page.views, fault);
    if (taken) {
        page.views = views.memory;
        sequences_each(service->sequences, served->name, &after, add_to_page, &page);
        reply_page(reply, &page);
    }
    charged_give(&views);
    return taken;
}

/* ---- export ---- */

static void write_message(struct reply *reply, const struct sequence_model *model,
                          const struct sequence_id *id, size_t rows, uint64_t steps,
                          const float *states, float *scratch, size_t text_size)
{
    struct json_writer writer;
    json_writer_init(&writer);
    json_reserve(&writer, text_size);
    sequence_message_write(&writer, model, id, rows, steps, states, scratch);
    reply_json(reply, 200, &writer);
    json_writer_fini(&writer);
}

/* On the ticket's turn. The reply keeps the charge of its text. */
static bool export_state(struct service *service, const struct served_model *served,
                         const struct sequence_id *id, const struct sequence_ticket *ticket,
                         struct reply *reply, struct fault *fault)
{
    struct budget *budget = &service->budget;
    const struct sequence_model model = model_of(served);
    const size_t rows = sequences_rows(ticket);
    const float *states;
    uint64_t steps;
    size_t text_size;
    struct charged scratch;
    if (!sequences_state(ticket, &states, &steps, fault))
        return false;
    if (!sequence_message_size(&model, rows, &text_size))
        return fault_set(fault, 413, "the sequence is too large to be written as JSON");
    if (!budget_take(budget, text_size, 0, fault))
        return false;
    const bool taken =
        charged_take(&scratch, budget, rows * model.state_size * sizeof(float), fault);
    if (taken)
        write_message(reply, &model, id, rows, steps, states, scratch.memory, text_size);
    charged_give(&scratch);
    if (!taken) {
        budget_give(budget, text_size);
        return false;
    }
    reply->budget = budget;
    reply->charge = text_size;
    return true;
}

static bool export(struct service *service, const struct served_model *served,
                   const struct sequence_id *id, struct reply *reply, struct fault *fault)
{
    struct sequence_ticket ticket;
    if (!sequences_enter_at_rest(service->sequences, &served->sequences, id, false, false, 0,
                                 &ticket, fault))
        return false;
    const bool done = export_state(service, served, id, &ticket, reply, fault);
    sequences_leave(service->sequences, &ticket, NULL, 0);
    return done;
}

/* ---- import ---- */

static bool store(struct service *service, const struct served_model *served,
                  const struct sequence_id *id, const struct sequence_message *message,
                  const float *states, struct fault *fault)
{
    struct sequence_ticket ticket;
    if (!sequences_enter_at_rest(service->sequences, &served->sequences, id, true, false,
                                 message->rows, &ticket, fault))
        return false;
    sequences_leave(service->sequences, &ticket, states, message->steps);
    return true;
}

static void reply_stored(struct reply *reply, const struct served_model *served,
                         const struct sequence_id *id, const struct sequence_message *message)
{
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "model_name");
    json_string(&writer, served->name);
    json_key(&writer, "sequence_id");
    sequence_id_write(id, &writer);
    json_key(&writer, "rows");
    json_uint64(&writer, message->rows);
    json_key(&writer, "steps");
    json_uint64(&writer, message->steps);
    reply_object(reply, &writer);
}

/* States and scratch, one behind the other. */
static bool read_and_store(struct service *service, const struct served_model *served,
                           const struct sequence_id *id, const struct sequence_message *message,
                           struct fault *fault)
{
    const struct sequence_model model = model_of(served);
    const size_t elements = message->rows * model.state_size; /* the body has text for them */
    struct charged floats;
    bool done = charged_take(&floats, &service->budget, 2 * elements * sizeof(float), fault);
    if (done) {
        float *states = floats.memory;
        done = sequence_message_read(message, &model, states, states + elements, fault) &&
               store(service, served, id, message, states, fault);
    }
    charged_give(&floats);
    return done;
}

static bool check_message(const struct served_model *served, const struct sequence_id *id,
                          struct sequence_message *message, const struct body *body,
                          struct fault *fault)
{
    const struct sequence_model model = model_of(served);
    if (!sequence_message_parse(message, body->text, body->size, &model, fault))
        return false;
    if (message->id.kind == SEQUENCE_ID_NONE || sequence_id_equal(&message->id, id))
        return true;
    return fault_set(fault, 400, "sequence_id: %s expected as in the URL, got %s",
                     sequence_id_excerpt(id).text, sequence_id_excerpt(&message->id).text);
}

static bool import(struct service *service, const struct served_model *served,
                   const struct sequence_id *id, const struct body *body, struct reply *reply,
                   struct fault *fault)
{
    struct charged memory;
    if (body->size == 0)
        return fault_set(fault, 400, "a JSON body expected, got an empty one");
    bool done = charged_take(&memory, &service->budget, sizeof(struct sequence_message), fault);
    if (done) {
        struct sequence_message *message = memory.memory;
        done = check_message(served, id, message, body, fault) &&
               read_and_store(service, served, id, message, fault);
        if (done)
            reply_stored(reply, served, id, message);
    }
    charged_give(&memory);
    return done;
}

/* ---- drop ---- */

static bool drop(struct service *service, const struct served_model *served,
                 const struct sequence_id *id, struct reply *reply, struct fault *fault)
{
    struct sequence_ticket ticket;
    const float *states;
    uint64_t steps;
    if (!sequences_enter_at_rest(service->sequences, &served->sequences, id, false, true, 0,
                                 &ticket, fault))
        return false;
    const bool done = sequences_state(&ticket, &states, &steps, fault);
    sequences_leave(service->sequences, &ticket, done ? states : NULL, 0);
    if (!done)
        return false;
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    reply_object(reply, &writer);
    return true;
}

/* ---- all of them ---- */

static bool answer_one(struct service *service, const struct served_model *served,
                       const struct route *route, const struct body *body, struct reply *reply,
                       struct fault *fault)
{
    struct sequence_id id;
    if (!sequence_id_read_url(route->sequence, route->sequence_size, &id, fault))
        return false;
    switch (route->verb) {
    case VERB_GET:
        return export(service, served, &id, reply, fault);
    case VERB_PUT:
        return import(service, served, &id, body, reply, fault);
    case VERB_DELETE:
        return drop(service, served, &id, reply, fault);
    case VERB_POST:
        break;
    }
    assert(!"the router lets no other verb pass");
    return false;
}

void api_sequences_answer(struct service *service, const struct route *route,
                          const struct sequence_query *query, const struct body *body,
                          struct reply *reply)
{
    struct fault fault;
    const struct served_model *served =
        model_store_find(service->models, route->model, route->model_size, NULL, 0, &fault);
    bool done = served != NULL;
    if (done && route->kind == ROUTE_SEQUENCE_LIST)
        done = list(service, served, query, reply, &fault);
    else if (done)
        done = answer_one(service, served, route, body, reply, &fault);
    if (!done)
        reply_fault(reply, &fault);
}
