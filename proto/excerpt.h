/* A piece of somebody else's text made fit for an error message: short, cut at a whole UTF-8
 * character, control characters shown as '?'. */
#ifndef PROTO_EXCERPT_H
#define PROTO_EXCERPT_H

#define EXCERPT_MAX 100 /* with the NUL */

struct excerpt {
    char text[EXCERPT_MAX];
};

/* text is NUL-terminated UTF-8. What had to be left out at the end shows as "...". Meant for the
 * argument list of fault_set: excerpt_of(name).text. */
struct excerpt excerpt_of(const char *text);

#endif
