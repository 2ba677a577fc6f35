/* Inside the agent: one request and how it is answered. Not for ports. */
#ifndef FAN_EXCHANGE_H
#define FAN_EXCHANGE_H

#include "fan_agent.h"

/* Sessions are numbered from 1 on, and then again. */
#define FAN_SESSION_LAST 255u

/* Where the reply goes, and what it repeats. */
typedef struct {
    fan_agent_link *link;
    const fan_link_frame *asked;
} fan_exchange;

uint64_t fan_agent_now(const fan_agent *agent);
uint64_t fan_agent_ticks(const fan_agent *agent, uint32_t seconds);

/* Nonzero where the core has what the library needs. */
int fan_agent_core_suffices(const fan_agent *agent);

void fan_reply_bytes(fan_agent *agent, const fan_exchange *with, fan_agent_status status, uint32_t argument,
                     const uint8_t *payload, size_t payload_bytes);

/* Without a payload. */
void fan_reply(fan_agent *agent, const fan_exchange *with, fan_agent_status status, uint32_t argument);

/* Without a payload, and with the argument of the request. */
void fan_reply_status(fan_agent *agent, const fan_exchange *with, fan_agent_status status);

/* With what was written to the agent's payload, up to end, and the argument of the request. */
void fan_reply_until(fan_agent *agent, const fan_exchange *with, const uint8_t *end);

/* NO_MEMORY. */
void fan_reply_no_memory(fan_agent *agent, const fan_exchange *with);

/* A length byte and so many bytes of UTF-8, never half a character; returns where the next goes. */
uint8_t *fan_put_text(uint8_t *out, const char *text);
uint8_t *fan_put_bytes(uint8_t *out, const uint8_t *bytes, size_t count);

/* The requests. Their payload's length was looked at before, but for HELLO and WRITE. */
void fan_handle_hello(fan_agent *agent, const fan_exchange *with);
void fan_handle_bye(fan_agent *agent, const fan_exchange *with);
void fan_handle_baud(fan_agent *agent, const fan_exchange *with);
void fan_handle_open(fan_agent *agent, const fan_exchange *with);
void fan_handle_write(fan_agent *agent, const fan_exchange *with);
void fan_handle_query(fan_agent *agent, const fan_exchange *with);
void fan_handle_commit(fan_agent *agent, const fan_exchange *with);
void fan_handle_run(fan_agent *agent, const fan_exchange *with);
void fan_handle_read(fan_agent *agent, const fan_exchange *with);

/* To a frame of another session. */
void fan_reply_taken(fan_agent *agent, const fan_exchange *with);

/* No run is under way, and no output there. */
void fan_agent_forget_run(fan_agent *agent);

#endif
