/* What HTTP itself costs here: libmicrohttpd answering every POST with the same bytes, straight
 * from its handler, on one epoll thread.
 *
 *   constant-server --bytes N
 *
 * Prints "constant-server ready http=127.0.0.1:PORT" on stderr; ends on SIGTERM. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/die.h"

static struct MHD_Response *response;

/* First called without the body, then with its pieces, then without again. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *piece,
                              size_t *piece_size, void **request)
{
    static int begun;
    (void)context, (void)target, (void)method, (void)version, (void)piece;
    if (*request == NULL || *piece_size > 0) {
        *request = &begun;
        *piece_size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

static size_t parse_bytes(int argc, char **argv)
{
    char *rest = NULL;
    const bool named = argc == 3 && strcmp(argv[1], "--bytes") == 0;
    const unsigned long bytes = named ? strtoul(argv[2], &rest, 10) : 0;
    if (bytes < 1 || bytes > 1 << 30 || *rest != '\0') {
        fputs("usage: constant-server --bytes N\n", stderr);
        exit(2);
    }
    return bytes;
}

int main(int argc, char **argv)
{
    const size_t bytes = parse_bytes(argc, argv);
    char *body = must_allocate(bytes);
    memset(body, '1', bytes);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (response == NULL || daemon == NULL)
        die("constant-server: could not be started");
    fprintf(stderr, "constant-server ready http=127.0.0.1:%u \n",
            MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    int caught;
    sigwait(&signals, &caught);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    free(body);
    return 0;
}
