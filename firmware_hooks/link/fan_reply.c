/* How the agent replies. */
#include "fan_exchange.h"

#define LONGEST_TEXT 255u

uint64_t fan_agent_now(const fan_agent *agent) { return agent->port->now_ticks(); }

uint64_t fan_agent_ticks(const fan_agent *agent, uint32_t seconds) { return (uint64_t)agent->port->tick_hz * seconds; }

int fan_agent_core_suffices(const fan_agent *agent)
{
    return (agent->bundle->needed_features & ~agent->port->core_features) == 0u;
}

void fan_reply_bytes(fan_agent *agent, const fan_exchange *with, fan_agent_status status, uint32_t argument,
                     const uint8_t *payload, size_t payload_bytes)
{
    const fan_link_frame *asked = with->asked;
    const uint8_t operation = (uint8_t)(asked->operation | FAN_LINK_REPLY);
    const fan_link_frame frame = {
        FAN_LINK_VERSION, operation, (uint8_t)status, asked->sequence, (uint16_t)payload_bytes, argument, payload};
    const size_t count = fan_link_encode(&frame, agent->encoded, sizeof agent->encoded);
    agent->port->write(with->link->context, agent->encoded, count);
}

void fan_reply(fan_agent *agent, const fan_exchange *with, fan_agent_status status, uint32_t argument)
{
    fan_reply_bytes(agent, with, status, argument, agent->payload, 0u);
}

void fan_reply_status(fan_agent *agent, const fan_exchange *with, fan_agent_status status)
{
    fan_reply(agent, with, status, with->asked->argument);
}

void fan_reply_until(fan_agent *agent, const fan_exchange *with, const uint8_t *end)
{
    fan_reply_bytes(agent, with, FAN_REPLY_OK, with->asked->argument, agent->payload, (size_t)(end - agent->payload));
}

void fan_reply_no_memory(fan_agent *agent, const fan_exchange *with)
{
    const size_t bytes = agent->job.memory_bytes;
    fan_reply(agent, with, FAN_REPLY_NO_MEMORY, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
}

uint8_t *fan_put_text(uint8_t *out, const char *text)
{
    uint8_t count = 0u;
    while (text[count] != '\0' && count < LONGEST_TEXT) {
        ++count;
    }
    while (count > 0u && ((uint8_t)text[count] & 0xC0u) == 0x80u) {
        --count;
    }
    out[0] = count;
    for (uint8_t i = 0u; i < count; ++i) {
        out[1u + i] = (uint8_t)text[i];
    }
    return out + 1u + count;
}

uint8_t *fan_put_bytes(uint8_t *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        out[i] = bytes[i];
    }
    return out + count;
}
