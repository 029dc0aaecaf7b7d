/* The thread that changes the models while the server serves (server/model_update.h), one command
 * after the other: a reload of all of them (SIGHUP), or clients' loads and unloads. */
#ifndef SERVER_MODEL_CONTROL_H
#define SERVER_MODEL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "server/model_update.h"

struct model_control;

struct model_control_config {
    struct model_update update; /* what it points to stays as long as the control */
    bool allowed;               /* load and unload */
    /* Called by the thread when it has done as the last model_control_reload wanted, or could not.
     */
    void (*reloaded)(void *context);
    void *context;
};

bool model_control_start(struct model_control **control, const struct model_control_config *config,
                         struct fault *fault);

/* Waits for a command that is under way, at most until that moment of clock_now's. false: it was
 * not done by then; thread and memory are left as they are until the process ends. No command may
 * be waiting. */
bool model_control_stop(struct model_control *control, uint64_t deadline);

/* All models as their files say, once more after a reload that is under way. What comes of it is
 * logged and counted. */
void model_control_reload(struct model_control *control);

/* ---- one model ---- */

struct model_command;

enum model_command_kind { MODEL_LOAD, MODEL_UNLOAD };

/* NULL: 503 when loading is not allowed or memory is lacking, 404 for what is no name. */
struct model_command *model_command_create(const struct model_control *control,
                                           enum model_command_kind kind, const char *name,
                                           size_t name_size, struct fault *fault);
/* Not between submit and done. */
void model_command_destroy(struct model_command *command);

/* done(context) is called by the thread when it has been carried out or has failed, unless it was
 * abandoned. false, 503: too many wait; the command is still the caller's. */
bool model_control_submit(struct model_control *control, struct model_command *command,
                          void (*done)(void *context), void *context, struct fault *fault);

/* true: done will not be called, and the command is no longer the caller's; one that was begun is
 * still carried out. false: done was called or is about to be. */
bool model_control_abandon(struct model_control *control, struct model_command *command);

/* After done: true, or why not. Without paths: it is for clients. */
bool model_command_result(const struct model_command *command, struct fault *fault);

/* ---- watching ---- */

struct model_control_counts {
    uint64_t succeeded, failed; /* reloads, loads */
    bool last_failed;
    uint64_t last_success_ms; /* wall clock, since 1970 */
};
/* control: NULL counts nothing. */
void model_control_count(struct model_control *control, struct model_control_counts *counts);

#endif
