#include "server/http_library.h"

#include <dlfcn.h>
#include <microhttpd.h>
#include <string.h>

int http_library_descriptor(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

void *http_library_session(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info != NULL ? info->tls_session : NULL;
}

bool http_library_find(const char *name, void *function, struct fault *fault)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        return fault_set(fault, 503, "%s is not there in a library", name);
    memcpy(function, &found, sizeof found); /* ISO C knows no cast for it */
    return true;
}
