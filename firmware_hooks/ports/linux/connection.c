#define _XOPEN_SOURCE 700
#include "connection.h"

#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES 4096u /* a pipe that can be written takes so many without waiting */

void connection_init(connection *made) { made->in = -1; }

int connection_is_open(const connection *of) { return of->in >= 0; }

static size_t waiting_bytes(const connection *of) { return of->queued - of->sent; }

int connection_has_replies(const connection *of) { return waiting_bytes(of) != 0u; }

int connection_may_be_read(const connection *of)
{
    return connection_is_open(of) && !of->ended && QUEUE_BYTES - waiting_bytes(of) >= REPLIES_BYTES;
}

static int can_write(int file, int timeout_ms)
{
    struct pollfd writable = {file, POLLOUT, 0};
    return poll(&writable, 1u, timeout_ms) == 1 && (writable.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

void connection_flush(connection *to, int timeout_ms)
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

void connection_write(void *context, const uint8_t *bytes, size_t count)
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

void connection_open(connection *made, fan_agent *agent, int in, int out)
{
    made->agent = agent;
    made->in = in;
    made->out = out;
    made->ended = 0;
    made->broken = 0;
    made->heard = board_ticks();
    made->sent = 0u;
    made->queued = 0u;
    fan_agent_link_init(agent, &made->link, made);
}

void connection_close(connection *gone)
{
    fan_agent_link_close(gone->agent, &gone->link);
    (void)close(gone->in);
    if (gone->out != gone->in) {
        (void)close(gone->out);
    }
    gone->in = -1;
}

void connection_receive(connection *from)
{
    uint8_t bytes[CONNECTION_READ_BYTES];
    const ssize_t count = read(from->in, bytes, sizeof bytes);
    if (count > 0) {
        from->heard = board_ticks();
        fan_agent_receive(from->agent, &from->link, bytes, (size_t)count);
    } else if (count == 0) {
        from->ended = 1;
    } else if (errno != EAGAIN && errno != EINTR) {
        from->broken = 1;
    }
}

int connection_is_finished(const connection *of)
{
    const int waits_for_run = of->agent->running != 0u && of->agent->run_link == &of->link;
    return of->broken || (of->ended && waiting_bytes(of) == 0u && !waits_for_run);
}

int set_non_blocking(int file) { return fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK); }
