/* The agent as a Linux program: on its standard streams (ssh), a serial port, TCP or a pseudo-terminal.
 *
 * fan-agent --stdio | --tty PATH [--baud N] | --tcp [ADDRESS:]PORT | --pty    [--memory BYTES] [--board NAME]
 */
#define _XOPEN_SOURCE 700
#include "board.h"
#include "connection.h"
#include "options.h"
#include "tcp.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES 65536u
#define TTY_WINDOW_BYTES 4096u /* what Linux keeps of a port that isn't read */
#define CONNECTIONS_MOST 4u
#define RATE_POLL_MS 200
#define REOPEN_MS 500

static fan_agent agent;
static connection connections[CONNECTIONS_MOST];

/* A free place; where there is none, the connection that has been silent for longest makes room. */
static connection *place_for_one_more(void)
{
    connection *chosen = &connections[0];
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        if (!connection_is_open(&connections[i])) {
            return &connections[i];
        }
        if (connections[i].heard < chosen->heard) {
            chosen = &connections[i];
        }
    }
    connection_close(chosen);
    return chosen;
}

/* Returns what is to be listened at, -1 for nothing. */
static int start(const options *chosen)
{
    if (chosen->kind == TRANSPORT_TCP) {
        return tcp_listen(chosen->place, (int)CONNECTIONS_MOST);
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
        in = chosen->kind == TRANSPORT_TTY ? terminal_open(chosen->place, chosen->baud) : terminal_make();
        out = in;
    }
    if (in < 0) {
        stop(1, chosen->place, errno == ENOTTY ? "not a serial port" : strerror(errno));
    }
    connection_open(&connections[0], &agent, in, out);
    return -1;
}

static void accept_one(int listener)
{
    const int made = tcp_accept(listener);
    if (made >= 0) {
        connection_open(place_for_one_more(), &agent, made, made);
    }
}

/* Waits until something is to be done, and does it for each connection. */
static void take_turn(int listener, int timeout_ms)
{
    struct pollfd watched[2u * CONNECTIONS_MOST + 1u];
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        const connection *one = &connections[i];
        const int is_written = connection_is_open(one) && connection_has_replies(one);
        watched[2u * i] = (struct pollfd){connection_may_be_read(one) ? one->in : -1, POLLIN, 0};
        watched[2u * i + 1u] = (struct pollfd){is_written ? one->out : -1, POLLOUT, 0};
    }
    watched[2u * CONNECTIONS_MOST] = (struct pollfd){listener, POLLIN, 0};
    if (poll(watched, sizeof watched / sizeof watched[0], timeout_ms) < 0) {
        return;
    }
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connection *one = &connections[i];
        if (watched[2u * i].revents != 0) {
            connection_receive(one);
        }
        if (connection_is_open(one)) {
            connection_flush(one, 0);
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
    if (!terminal_may_come_back(chosen->place)) {
        (void)fprintf(stderr, "fan-agent: %s hung up\n", chosen->place);
        exit(0);
    }
    (void)fprintf(stderr, "fan-agent: %s hung up; waiting for it\n", chosen->place);
    int port = -1;
    while (port < 0) {
        (void)poll(NULL, 0u, REOPEN_MS);
        port = terminal_open(chosen->place, chosen->baud);
    }
    connection_open(&connections[0], &agent, port, port);
}

static void close_finished(const options *chosen)
{
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connection *one = &connections[i];
        if (connection_is_open(one) && (connection_is_finished(one) || (one->ended && chosen->kind == TRANSPORT_TTY))) {
            connection_close(one);
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
        .board = chosen.board != NULL ? chosen.board : board_model(),
        .boot_id = board_boot_id(),
        .tick_hz = NANOSECONDS,
        .core_features = board_core_features(),
        .window_bytes = has_rate ? TTY_WINDOW_BYTES : WINDOW_BYTES,
        .start_baud = chosen.baud,
        .now_ticks = board_ticks,
        .write = connection_write,
        .can_baud = terminal_can_baud,
        .set_baud = terminal_set_baud,
    };
    fan_agent_init(&agent, &port, &fan_bundle, memory, chosen.memory_bytes);
    for (size_t i = 0u; i < CONNECTIONS_MOST; ++i) {
        connection_init(&connections[i]);
    }
    const int listener = start(&chosen);
    int running = 0;
    for (;;) {
        take_turn(listener, running ? 0 : (has_rate ? RATE_POLL_MS : -1));
        running = fan_agent_poll(&agent);
        close_finished(&chosen);
    }
}
