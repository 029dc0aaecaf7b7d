#include "server/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned long value = 0;
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned long)(text[i] - '0');
    *port = htons((in_port_t)value);
    return value <= UINT16_MAX;
}

static bool parse_v4(struct address *address, const char *host, in_port_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    address->size = sizeof *v4;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool parse_v6(struct address *address, const char *host, in_port_t port)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    address->size = sizeof *v6;
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

static bool parse(struct address *address, const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    in_port_t port;
    if (colon == NULL || !parse_port(colon + 1, &port))
        return false;
    const bool brackets = text[0] == '[';
    if (brackets && (colon - text < 2 || colon[-1] != ']'))
        return false;
    const size_t size = (size_t)(colon - text) - (brackets ? 2 : 0);
    if (size >= sizeof host)
        return false;
    memcpy(host, text + (brackets ? 1 : 0), size);
    host[size] = '\0';
    memset(address, 0, sizeof *address);
    return brackets ? parse_v6(address, host, port) : parse_v4(address, host, port);
}

bool address_parse(struct address *address, const char *text, struct fault *fault)
{
    return parse(address, text) ||
           fault_set(fault, 400, "ADDRESS:PORT expected (127.0.0.1:8080, [::1]:8080), got '%s'",
                     excerpt_of(text).text);
}

bool address_is_loopback(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&address->storage)->sin6_addr);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

void address_print(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    }
}

/* No network of IPv6 has the number of an IPv4 address: none is given out below 2000::. */
uint64_t address_client(const struct sockaddr *at)
{
    if (at->sa_family == AF_INET)
        return UINT64_C(1) << 32 | ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr);
    if (at->sa_family != AF_INET6)
        return 0;
    uint64_t network = 0;
    for (size_t i = 0; i < 8; i++)
        network = network << 8 | ((const struct sockaddr_in6 *)at)->sin6_addr.s6_addr[i];
    return network;
}
