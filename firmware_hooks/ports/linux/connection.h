/* A host's connection: bytes in, and the replies that wait until they can be sent. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "fan_agent.h"

#include <stddef.h>
#include <stdint.h>

#define CONNECTION_READ_BYTES 4096u

/* A connection is read only while the replies to all that one read can ask for still fit. */
#define SHORTEST_REQUEST_BYTES (FAN_LINK_FRAME_BYTES(0u) + 2u)
#define REPLIES_BYTES \
    ((CONNECTION_READ_BYTES / SHORTEST_REQUEST_BYTES + 1u) * FAN_LINK_ENCODED_BYTES(FAN_AGENT_PAYLOAD_BYTES))
#define QUEUE_BYTES (REPLIES_BYTES + 65536u)

typedef struct {
    fan_agent *agent;
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

/* Before the first `connection_open`: there is none. */
void connection_init(connection *made);

/* Takes over the descriptors, which may be one and the same. */
void connection_open(connection *made, fan_agent *agent, int in, int out);
void connection_close(connection *gone);

int connection_is_open(const connection *of);

/* Whether there is room for replies. */
int connection_may_be_read(const connection *of);

/* Whether replies wait. */
int connection_has_replies(const connection *of);

/* Whether it is of no more use: nothing comes and nothing is to be sent, or nothing can be. */
int connection_is_finished(const connection *of);

/* Hands what has come to the agent. */
void connection_receive(connection *from);

/* Sends what can be sent without waiting for longer than that. */
void connection_flush(connection *to, int timeout_ms);

/* `write` of a fan_agent_port: keeps bytes for the connection `context` until they can be sent. */
void connection_write(void *context, const uint8_t *bytes, size_t count);

int set_non_blocking(int file);

#endif
