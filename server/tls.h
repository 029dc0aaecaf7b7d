/* The server's certificate and key, and who may connect: files in PEM, read again on demand, so
 * that a certificate is renewed without a connection lost. GnuTLS is the HTTP library's own.
 *
 * One at a time in a process: the HTTP library asks for the certificate without saying for whom.
 *
 * Threads: any, once opened. */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdbool.h>

#include "proto/fault.h"

struct tls_files {
    const char *certificate; /* and those that signed it, in order */
    const char *key;
    const char *client_ca; /* those that clients' certificates must be signed by; NULL: none is
                              asked for */
};

/* The paths stay as long as it is open. On failure nothing is held; texts start with the option's
 * key. */
bool tls_open(const struct tls_files *files, struct fault *fault);
void tls_close(void);

/* Certificate and key; the clients' authorities stay as they were. On failure all does. */
bool tls_reload(struct fault *fault);

/* What the HTTP library is to be given: its callback (gnutls_certificate_retrieve_function3), and
 * the text of client_ca, which it only reads, or NULL. */
void *tls_callback(void);
char *tls_client_ca(void);

/* session: a gnutls_session_t whose handshake is done. Has the client shown a certificate that is
 * good? */
bool tls_client_is_known(void *session);

#endif
