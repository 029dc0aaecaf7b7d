/* The stack machine that a pickle is a program of: what its opcodes (pickle.c) and the functions it
 * may call (pickle_calls.c) are made of. All fail with the machine's fault set. */
#ifndef DEPLOY_CONVERT_PICKLE_MACHINE_H
#define DEPLOY_CONVERT_PICKLE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/pickle.h"

struct pickle_refs {
    pickle_ref *list;
    size_t count, capacity;
};

struct pickle_machine {
    struct pickle *pickle;
    const unsigned char *bytes;
    size_t size, at;
    struct pickle_refs stack, marks, memo; /* marks: heights of the stack */
    size_t items;                          /* in all containers */
    bool stopped;
    struct fault *fault;
};

/* "pickle: WHAT at byte N"; returns false. */
bool machine_fail(struct pickle_machine *m, const char *what);

/* ---- values ---- */

struct pickle_value *machine_value_of(struct pickle_machine *m, pickle_ref ref);

/* Puts a new value into the table and on the stack. */
bool machine_push(struct pickle_machine *m, const struct pickle_value *value);
bool machine_push_empty(struct pickle_machine *m, enum pickle_type type);

/* Adds to a list of the machine's own: its stack, marks or memo. */
bool machine_append(struct pickle_machine *m, struct pickle_refs *refs, pickle_ref ref);
/* Adds to a tuple, list or dict. */
bool machine_append_item(struct pickle_machine *m, pickle_ref container, pickle_ref ref);

/* ---- the stack ---- */

/* The lowest place on the stack that belongs to what came after the last mark. */
size_t machine_floor_of(const struct pickle_machine *m);

bool machine_pop(struct pickle_machine *m, pickle_ref *ref);
bool machine_pop_type(struct pickle_machine *m, enum pickle_type type, pickle_ref *ref);

/* The same, but it stays on the stack. */
bool machine_top_type(struct pickle_machine *m, enum pickle_type type, pickle_ref *ref);

/* Takes the last mark; what was pushed after it stays above *bottom. */
bool machine_pop_mark(struct pickle_machine *m, size_t *bottom);

/* ---- the program's bytes ---- */

bool machine_take(struct pickle_machine *m, size_t size, const unsigned char **bytes);
/* Little-endian, size <= 8. */
bool machine_take_number(struct pickle_machine *m, size_t size, uint64_t *number);
/* As many bytes as a number of length_size bytes says. */
bool machine_take_text(struct pickle_machine *m, size_t length_size, struct pickle_text *text);
/* Up to a line's end, which is read over. */
bool machine_take_line(struct pickle_machine *m, struct pickle_text *text);

/* ---- calls (pickle_calls.c) ---- */

/* Pushes the function or class of that name, when it is one of the few that may be named. */
bool machine_push_global(struct pickle_machine *m, const struct pickle_text *module,
                         const struct pickle_text *name);
/* Calls what stands on the stack below its arguments' tuple. */
bool machine_call(struct pickle_machine *m);
/* The same for a class whose __new__ is called, without and with arguments by name. */
bool machine_new(struct pickle_machine *m);
bool machine_new_named(struct pickle_machine *m);
/* Pushes the storage that the tuple on the stack tells of:
 * ('storage', type, key, location, elements[, view]). */
bool machine_push_storage(struct pickle_machine *m);

#endif
