#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "tcp.h"

#include "connection.h"
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int tcp_listen(const char *place, int most_waiting)
{
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const char *colon = strrchr(place, ':');
    if (colon != NULL) {
        char host[INET_ADDRSTRLEN] = "";
        const size_t count = (size_t)(colon - place);
        if (count < sizeof host) {
            (void)memcpy(host, place, count);
        }
        if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
            stop(BAD_USAGE, place, "not an IPv4 address and a port, such as 0.0.0.0:7000");
        }
    }
    const char *digits = colon != NULL ? colon + 1 : place;
    char *end = NULL;
    const unsigned long port = strtoul(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || port > 65535u) {
        stop(BAD_USAGE, place, "not a port from 0 to 65535, or an IPv4 address and a port");
    }
    address.sin_port = htons((uint16_t)port);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    socklen_t size = sizeof address;
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, most_waiting) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        stop(1, place, strerror(errno));
    }
    char text[INET_ADDRSTRLEN] = "";
    (void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    (void)fprintf(stderr, "listening on %s:%u\n", text, (unsigned)ntohs(address.sin_port));
    return listener;
}

int tcp_accept(int listener)
{
    const int made = accept(listener, NULL, NULL);
    if (made >= 0) {
        const int yes = 1;
        (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        (void)set_non_blocking(made);
    }
    return made;
}
