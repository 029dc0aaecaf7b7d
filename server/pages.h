/* What a browser is shown: the files of server/pages/, which are part of the program (pages.S).
 * They need nothing from anywhere else. */
#ifndef SERVER_PAGES_H
#define SERVER_PAGES_H

#include "server/reply.h"
#include "server/router.h"

/* false: the route is none of theirs, and reply is left alone. */
bool pages_answer(enum route_kind route, struct reply *reply);

#endif
