/* The agent as a Linux program: on its standard streams (ssh), a serial port, TCP or a pseudo-terminal.
 *
 * fan-agent --stdio | --tty PATH [--baud N] | --tcp [ADDRESS:]PORT | --pty    [--memory BYTES] [--board NAME]
 */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "fan_agent.h"

#include <arpa/inet.h>
/* The kernel's own, which knows any rate; <termios.h> would clash with it. */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define NANOSECONDS 1000000000u
#define START_BAUD 115200u
#define LEAST_BAUD 1200u
#define MOST_BAUD 12000000u
#define LEAST_MEMORY_BYTES 65536u
#define USUAL_MEMORY_BYTES (64u << 20)
#define WINDOW_BYTES 65536u
#define TTY_WINDOW_BYTES 4096u /* what Linux keeps of a port that isn't read */
#define CONNECTIONS_MOST 4u
#define READ_BYTES 4096u
#define WRITE_BYTES 4096u /* a pipe that can be written takes so many without waiting */
#define RATE_POLL_MS 200
#define REOPEN_MS 500
#define DRAIN_MS 1000
#define BAD_USAGE 2

/* A connection is read only while the replies to all that one read can ask for still fit. */
#define SHORTEST_REQUEST_BYTES (FAN_LINK_FRAME_BYTES(0u) + 2u)
#define REPLIES_BYTES ((READ_BYTES / SHORTEST_REQUEST_BYTES + 1u) * FAN_LINK_ENCODED_BYTES(FAN_AGENT_PAYLOAD_BYTES))
#define QUEUE_BYTES (REPLIES_BYTES + 65536u)

typedef enum { TRANSPORT_NONE, TRANSPORT_STDIO, TRANSPORT_TTY, TRANSPORT_TCP, TRANSPORT_PTY } transport_kind;

typedef struct {
    transport_kind kind;
    const char *place;
    uint32_t baud;
    size_t memory_bytes;
    const char *board;
} options;

typedef struct {
    int in; /* -1: no connection */
    int out;
    int ended;  /* nothing more will come */
    int broken; /* nothing can be sent, or its replies aren't taken */
    uint64_t heard;
    size_t sent;
    size_t queued; /* with what is sent */
    fan_agent_link link;
    uint8_t queue[QUEUE_BYTES];
} connection;

static fan_agent agent;
static connection connections[CONNECTIONS_MOST];

static const char usage[] =
    "usage: fan-agent --stdio | --tty PATH [--baud N] | --tcp [ADDRESS:]PORT | --pty\n"
    "                 [--memory BYTES] [--board NAME]\n"
    "\n"
    "Lets a host work this board's denoiser over a cable.\n"
    "  --stdio                 on the standard streams, as over ssh\n"
    "  --tty PATH              on a serial port, such as /dev/ttyAMA0\n"
    "  --baud N                its rate at the start (115200)\n"
    "  --tcp [ADDRESS:]PORT    on a TCP port; of 127.0.0.1 unless an IPv4 address is given; 0: any that is free\n"
    "  --pty                   on a pseudo-terminal, whose name is printed\n"
    "  --memory BYTES          for a job's input, output and arena (67108864)\n"
    "  --board NAME            what the board is called\n";

__attribute__((noreturn)) static void stop(int code, const char *what, const char *why)
{
    (void)fprintf(stderr, "fan-agent: %s: %s\n", what, why);
    exit(code);
}

/* --- the board --- */

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec time = {0};
    (void)clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

static uint64_t now_ticks(void) { return nanoseconds(CLOCK_MONOTONIC); }

static uint32_t new_boot_id(void)
{
    const uint64_t now = nanoseconds(CLOCK_REALTIME);
    return (uint32_t)(now ^ now >> 32) ^ (uint32_t)getpid() << 16;
}

static uint32_t core_features(void)
{
    uint32_t features = 0u;
#if defined(__aarch64__)
    const unsigned long has = getauxval(AT_HWCAP);
    features |= (has & HWCAP_ASIMD) != 0u ? FAN_FEATURE_NEON : 0u;
    features |= (has & HWCAP_ASIMDHP) != 0u ? FAN_FEATURE_FP16 : 0u;
    features |= (has & HWCAP_ASIMDDP) != 0u ? FAN_FEATURE_DOT_PRODUCT : 0u;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        features |= FAN_FEATURE_X86_64_V3;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl")) {
            features |= FAN_FEATURE_X86_64_V4;
        }
    }
#endif
    return features;
}

/* As the device tree calls the board; NULL where there is none, as on a PC. */
static const char *model_of_board(void)
{
    static char model[128];
    const int file = open("/proc/device-tree/model", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return NULL;
    }
    const ssize_t count = read(file, model, sizeof model - 1u);
    (void)close(file);
    return count > 0 ? model : NULL;
}

/* --- connections --- */

static int is_open(const connection *of) { return of->in >= 0; }

static size_t waiting_bytes(const connection *of) { return of->queued - of->sent; }

static int can_write(int file, int timeout_ms)
{
    struct pollfd writable = {file, POLLOUT, 0};
    return poll(&writable, 1u, timeout_ms) == 1 && (writable.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

/* Sends what can be sent without waiting for longer than that. */
static void flush(connection *to, int timeout_ms)
{
    while (waiting_bytes(to) != 0u && !to->broken && can_write(to->out, timeout_ms)) {
        const size_t left = waiting_bytes(to);
        const ssize_t count = write(to->out, to->queue + to->sent, left < WRITE_BYTES ? left : WRITE_BYTES);
        if (count >= 0) {
            to->sent += (size_t)count;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            to->broken = 1;
        }
    }
    if (waiting_bytes(to) == 0u) {
        to->sent = 0u;
        to->queued = 0u;
    }
}

static void write_link(void *context, const uint8_t *bytes, size_t count)
{
    connection *to = context;
    if (count > QUEUE_BYTES - to->queued) {
        (void)memmove(to->queue, to->queue + to->sent, waiting_bytes(to));
        to->queued -= to->sent;
        to->sent = 0u;
    }
    if (count > QUEUE_BYTES - to->queued) {
        to->broken = 1;
    } else {
        (void)memcpy(to->queue + to->queued, bytes, count);
        to->queued += count;
    }
}

static void open_connection(connection *made, int in, int out)
{
    made->in = in;
    made->out = out;
    made->ended = 0;
    made->broken = 0;
    made->heard = now_ticks();
    made->sent = 0u;
    made->queued = 0u;
    fan_agent_link_init(&agent, &made->link, made);
}

static void close_connection(connection *gone)
{
    fan_agent_link_close(&agent, &gone->link);
    (void)close(gone->in);
    if (gone->out != gone->in) {
        (void)close(gone->out);
    }
    gone->in = -1;
}

static void receive(connection *from)
{
    uint8_t bytes[READ_BYTES];
    const ssize_t count = read(from->in, bytes, sizeof bytes);
    if (count > 0) {
        from->heard = now_ticks();
        fan_agent_receive(&agent, &from->link, bytes, (size_t)count);
    } else if (count == 0) {
        from->ended = 1;
    } else if (errno != EAGAIN && errno != EINTR) {
        from->broken = 1;
    }
}

static int is_finished(const connection *of)
{
    const int waits_for_run = agent.running != 0u && agent.run_link == &of->link;
    return of->broken || (of->ended && waiting_bytes(of) == 0u && !waits_for_run);
}

static int set_non_blocking(int file) { return fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK); }

/* --- serial ports and pseudo-terminals --- */

static int can_baud(void *context, uint32_t baud)
{
    (void)context;
    return baud >= LEAST_BAUD && baud <= MOST_BAUD;
}

/* Bytes as they are, 8 bits, no flow control. Nonzero where the port refuses. */
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

static void set_baud(void *context, uint32_t baud)
{
    connection *port = context;
    flush(port, DRAIN_MS);
    (void)ioctl(port->out, TCSBRK, 1); /* waits until all is sent */
    if (set_raw(port->out, baud) != 0) {
        (void)fprintf(stderr, "fan-agent: the port refuses %lu baud: %s\n", (unsigned long)baud, strerror(errno));
    }
}

/* -1, and errno says why. */
static int open_tty(const options *chosen)
{
    const int port = open(chosen->place, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (port >= 0 && set_raw(port, chosen->baud) != 0) {
        const int why = errno;
        (void)close(port);
        errno = why;
        return -1;
    }
    return port;
}

static int open_pty(void)
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

/* --- TCP --- */

static int listen_at(const char *place)
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
        bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, (int)CONNECTIONS_MOST) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        stop(1, place, strerror(errno));
    }
    char text[INET_ADDRSTRLEN] = "";
    (void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    (void)fprintf(stderr, "listening on %s:%u\n", text, (unsigned)ntohs(address.sin_port));
    return listener;
}

/* A free place; where there is none, the connection that has been silent for longest makes room. */
static connection *place_for_one_more(void)
{
    connection *chosen = &connections[0];
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        if (!is_open(&connections[i])) {
            return &connections[i];
        }
        if (connections[i].heard < chosen->heard) {
            chosen = &connections[i];
        }
    }
    close_connection(chosen);
    return chosen;
}

static void accept_one(int listener)
{
    const int made = accept(listener, NULL, NULL);
    if (made >= 0) {
        const int yes = 1;
        (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        (void)set_non_blocking(made);
        open_connection(place_for_one_more(), made, made);
    }
}

/* --- the program --- */

static unsigned long long number_of(const char *option, const char *text, unsigned long long least,
                                    unsigned long long most)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least || value > most) {
        (void)fprintf(stderr, "fan-agent: %s %s: expected a number from %llu to %llu\n", option, text, least, most);
        exit(BAD_USAGE);
    }
    return value;
}

static void choose_transport(options *chosen, transport_kind kind, const char *place)
{
    if (chosen->kind != TRANSPORT_NONE) {
        stop(BAD_USAGE, "--stdio, --tty, --tcp, --pty", "choose one");
    }
    chosen->kind = kind;
    chosen->place = place;
}

static void take_option(options *chosen, const char *option, const char *value)
{
    if (strcmp(option, "--tty") == 0) {
        choose_transport(chosen, TRANSPORT_TTY, value);
    } else if (strcmp(option, "--tcp") == 0) {
        choose_transport(chosen, TRANSPORT_TCP, value);
    } else if (strcmp(option, "--baud") == 0) {
        chosen->baud = (uint32_t)number_of(option, value, LEAST_BAUD, MOST_BAUD);
    } else if (strcmp(option, "--memory") == 0) {
        chosen->memory_bytes = (size_t)number_of(option, value, LEAST_MEMORY_BYTES, SIZE_MAX / 2u);
    } else {
        chosen->board = value;
    }
}

static options options_of(int count, char **arguments)
{
    static const char *const with_value[] = {"--tty", "--tcp", "--baud", "--memory", "--board"};
    options chosen = {TRANSPORT_NONE, NULL, 0u, USUAL_MEMORY_BYTES, NULL};
    for (int i = 1; i < count; ++i) {
        const char *option = arguments[i];
        int takes_value = 0;
        for (size_t j = 0u; j < sizeof with_value / sizeof with_value[0]; ++j) {
            takes_value |= strcmp(option, with_value[j]) == 0;
        }
        if (takes_value) {
            ++i;
            if (i == count) {
                stop(BAD_USAGE, option, "needs a value");
            }
            take_option(&chosen, option, arguments[i]);
        } else if (strcmp(option, "--stdio") == 0) {
            choose_transport(&chosen, TRANSPORT_STDIO, NULL);
        } else if (strcmp(option, "--pty") == 0) {
            choose_transport(&chosen, TRANSPORT_PTY, NULL);
        } else if (strcmp(option, "--help") == 0) {
            (void)fputs(usage, stdout);
            exit(0);
        } else {
            (void)fputs(usage, stderr);
            stop(BAD_USAGE, option, "no such option");
        }
    }
    if (chosen.kind == TRANSPORT_NONE) {
        (void)fputs(usage, stderr);
        stop(BAD_USAGE, "no connection", "give --stdio, --tty, --tcp or --pty");
    }
    if (chosen.baud != 0u && chosen.kind != TRANSPORT_TTY) {
        stop(BAD_USAGE, "--baud", "only a serial port has a rate: give --tty, too");
    }
    if (chosen.kind == TRANSPORT_TTY && chosen.baud == 0u) {
        chosen.baud = START_BAUD;
    }
    return chosen;
}

/* Returns what is to be listened at, -1 for nothing. */
static int start(const options *chosen)
{
    if (chosen->kind == TRANSPORT_TCP) {
        return listen_at(chosen->place);
    }
    int in = STDIN_FILENO;
    int out = STDOUT_FILENO;
    if (chosen->kind == TRANSPORT_STDIO) {
        /* Nothing but frames goes there, whoever prints. */
        out = dup(STDOUT_FILENO);
        if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
            stop(1, "standard output", strerror(errno));
        }
    } else {
        in = chosen->kind == TRANSPORT_TTY ? open_tty(chosen) : open_pty();
        out = in;
    }
    if (in < 0) {
        stop(1, chosen->place, errno == ENOTTY ? "not a serial port" : strerror(errno));
    }
    open_connection(&connections[0], in, out);
    return -1;
}

/* Waits until something is to be done, and does it for each connection. */
static void take_turn(int listener, int timeout_ms)
{
    struct pollfd watched[2u * CONNECTIONS_MOST + 1u];
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        const connection *one = &connections[i];
        const int is_read = is_open(one) && !one->ended && QUEUE_BYTES - waiting_bytes(one) >= REPLIES_BYTES;
        const int is_written = is_open(one) && waiting_bytes(one) != 0u;
        watched[2u * i] = (struct pollfd){is_read ? one->in : -1, POLLIN, 0};
        watched[2u * i + 1u] = (struct pollfd){is_written ? one->out : -1, POLLOUT, 0};
    }
    watched[2u * CONNECTIONS_MOST] = (struct pollfd){listener, POLLIN, 0};
    if (poll(watched, sizeof watched / sizeof watched[0], timeout_ms) < 0) {
        return;
    }
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connection *one = &connections[i];
        if (watched[2u * i].revents != 0) {
            receive(one);
        }
        if (is_open(one)) {
            flush(one, 0);
            fan_agent_link_poll(&agent, &one->link);
        }
    }
    if (watched[2u * CONNECTIONS_MOST].revents != 0) {
        accept_one(listener);
    }
}

/* A port that was unplugged may come back. */
static void reopen(const options *chosen)
{
    (void)fprintf(stderr, "fan-agent: %s hung up; waiting for it\n", chosen->place);
    int port = -1;
    while (port < 0) {
        (void)poll(NULL, 0u, REOPEN_MS);
        port = open_tty(chosen);
    }
    open_connection(&connections[0], port, port);
}

static void close_finished(const options *chosen)
{
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connection *one = &connections[i];
        if (is_open(one) && (is_finished(one) || (one->ended && chosen->kind == TRANSPORT_TTY))) {
            close_connection(one);
            if (chosen->kind == TRANSPORT_TTY) {
                reopen(chosen);
            } else if (chosen->kind != TRANSPORT_TCP) {
                exit(0);
            }
        }
    }
}

int main(int count, char **arguments)
{
    const options chosen = options_of(count, arguments);
    (void)signal(SIGPIPE, SIG_IGN);
    void *memory = NULL;
    if (posix_memalign(&memory, FAN_ARENA_ALIGNMENT, chosen.memory_bytes) != 0) {
        stop(1, "--memory", "there is not so much memory");
    }
    const int has_rate = chosen.kind == TRANSPORT_TTY;
    const fan_agent_port port = {
        .board = chosen.board != NULL ? chosen.board : model_of_board(),
        .boot_id = new_boot_id(),
        .tick_hz = NANOSECONDS,
        .core_features = core_features(),
        .window_bytes = has_rate ? TTY_WINDOW_BYTES : WINDOW_BYTES,
        .start_baud = chosen.baud,
        .now_ticks = now_ticks,
        .write = write_link,
        .can_baud = can_baud,
        .set_baud = set_baud,
    };
    fan_agent_init(&agent, &port, &fan_bundle, memory, chosen.memory_bytes);
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connections[i].in = -1;
    }
    const int listener = start(&chosen);
    int running = 0;
    for (;;) {
        take_turn(listener, running ? 0 : (has_rate ? RATE_POLL_MS : -1));
        running = fan_agent_poll(&agent);
        close_finished(&chosen);
    }
}
