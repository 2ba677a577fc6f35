#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "terminal.h"

#include "options.h"

/* The kernel's own, which knows any rate; <termios.h> would clash with it. */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAIN_MS 1000
#define PTY_FOLDER "/dev/pts/"

int terminal_can_baud(void *context, uint32_t baud)
{
    (void)context;
    return baud >= LEAST_BAUD && baud <= MOST_BAUD;
}

/* Nonzero where the port refuses. */
static int set_raw(int port, uint32_t baud)
{
    struct termios2 modes;
    /* Emulators of Linux may know only the older call, whose structure is the beginning of the newer one's; what they
     * run has no cable with a rate. */
    const int knows_rates = ioctl(port, TCGETS2, &modes) == 0;
    if (!knows_rates && ioctl(port, TCGETS, &modes) != 0) {
        return -1;
    }
    modes.c_iflag = IGNBRK;
    modes.c_oflag = 0u;
    modes.c_lflag = 0u;
    modes.c_cflag = CS8 | CREAD | CLOCAL | (knows_rates ? BOTHER : modes.c_cflag & CBAUD);
    modes.c_ispeed = baud;
    modes.c_ospeed = baud;
    modes.c_cc[VMIN] = 1u;
    modes.c_cc[VTIME] = 0u;
    return ioctl(port, knows_rates ? TCSETS2 : TCSETS, &modes);
}

void terminal_set_baud(void *context, uint32_t baud)
{
    connection *port = context;
    connection_flush(port, DRAIN_MS);
    (void)ioctl(port->out, TCSBRK, 1); /* waits until all is sent */
    if (set_raw(port->out, baud) != 0) {
        (void)fprintf(stderr, "fan-agent: the port refuses %lu baud: %s\n", (unsigned long)baud, strerror(errno));
    }
}

int terminal_open(const char *path, uint32_t baud)
{
    const int port = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (port >= 0 && set_raw(port, baud) != 0) {
        const int why = errno;
        (void)close(port);
        errno = why;
        return -1;
    }
    return port;
}

int terminal_may_come_back(const char *path) { return strncmp(path, PTY_FOLDER, sizeof PTY_FOLDER - 1u) != 0; }

int terminal_make(void)
{
    const int host = posix_openpt(O_RDWR | O_NOCTTY);
    if (host < 0 || grantpt(host) != 0 || unlockpt(host) != 0) {
        stop(1, "no pseudo-terminal", strerror(errno));
    }
    const char *name = ptsname(host);
    /* It stays open, so that a host that goes doesn't hang it up. */
    const int kept = name != NULL ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (kept < 0) {
        stop(1, "no pseudo-terminal", strerror(errno));
    }
    if (set_raw(kept, START_BAUD) != 0 || set_non_blocking(host) != 0) {
        stop(1, name, strerror(errno));
    }
    (void)fprintf(stderr, "listening on %s\n", name);
    return host;
}
