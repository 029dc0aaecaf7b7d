/* What one request is called in every log it passes: the client's X-Request-Id, if that can stand
 * in a log as it is, or one that is made here.
 *
 * Threads: any. */
#ifndef SERVER_REQUEST_ID_H
#define SERVER_REQUEST_ID_H

#define REQUEST_ID_MAX 64

/* given: 1 to REQUEST_ID_MAX letters, digits or -_.:/+=, which are taken; NULL or anything else: 16
 * hexadecimal digits are made, which no other request has had. */
void request_id_take(const char *given, char id[REQUEST_ID_MAX + 1]);

#endif
