#include "server/reply.h"

#include <stdlib.h>

void reply_json(struct reply *reply, int status, struct json_writer *writer)
{
    *reply = (struct reply){.status = status};
    if (!json_writer_take(writer, &reply->body, &reply->size)) {
        reply->body = NULL;
        reply->size = 0;
        reply->status = 503;
    }
    reply->retry_after = reply->status == 503;
}

void reply_fault(struct reply *reply, const struct fault *fault)
{
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "error");
    json_string(&writer, fault->text);
    json_close_object(&writer);
    reply_json(reply, fault->status, &writer);
    json_writer_fini(&writer);
}

void reply_fini(struct reply *reply)
{
    free(reply->body);
    if (reply->charge != 0)
        budget_give(reply->budget, reply->charge);
    *reply = (struct reply){0};
}
