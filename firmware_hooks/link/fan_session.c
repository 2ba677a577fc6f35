/* Who has the board, and how fast the cable is. */
#include "fan_exchange.h"

#define SESSION_S 3u
#define NEW_RATE_S 1u
#define HELLO_BYTES 9u

/* Until another host may have the board. */
static uint32_t milliseconds_left(const fan_agent *agent)
{
    const uint64_t silent = agent->running != 0u ? 0u : fan_agent_now(agent) - agent->heard;
    const uint64_t all = fan_agent_ticks(agent, SESSION_S);
    if (agent->alive == 0u || silent >= all) {
        return 0u;
    }
    /* No more than three seconds of ticks, which fit: a core of 32 bits would need a library to divide more. */
    return (uint32_t)(all - silent) / (agent->port->tick_hz / 1000u) + 1u;
}

void fan_reply_taken(fan_agent *agent, const fan_exchange *with)
{
    (void)fan_link_put_u32(agent->payload, milliseconds_left(agent));
    fan_reply_bytes(agent, with, FAN_REPLY_TAKEN, with->asked->argument, agent->payload, sizeof(uint32_t));
}

static void say_hello(fan_agent *agent, const fan_exchange *with)
{
    const fan_agent_port *port = agent->port;
    const fan_agent_bundle *bundle = agent->bundle;
    uint8_t *out = agent->payload;
    out = fan_link_put_u16(out, FAN_AGENT_PAYLOAD_BYTES);
    out = fan_link_put_u16(out, FAN_JOB_BLOCK_BYTES);
    out = fan_link_put_u32(out, port->window_bytes);
    out = fan_link_put_u32(out, fan_work_abi_version());
    out = fan_link_put_u32(out, port->boot_id);
    out = fan_link_put_u32(out, port->tick_hz);
    out = fan_link_put_u32(out, port->core_features);
    out = fan_link_put_u32(out, bundle->needed_features);
    out = fan_link_put_u64(out, agent->job.memory_bytes);
    out = fan_link_put_u32(out, fan_work_specialist_count());
    out = fan_put_bytes(out, bundle->id, FAN_BUNDLE_ID_BYTES);
    out = fan_put_text(out, port->board != NULL ? port->board : bundle->board);
    out = fan_put_text(out, bundle->core);
    out = fan_put_text(out, bundle->build);
    fan_reply_bytes(agent, with, FAN_REPLY_OK, agent->session, agent->payload, (size_t)(out - agent->payload));
}

void fan_handle_hello(fan_agent *agent, const fan_exchange *with)
{
    const uint8_t *in = with->asked->payload;
    const uint64_t host = with->asked->payload_bytes == HELLO_BYTES ? fan_link_u64(in) : 0u;
    if (host == 0u || in[8] > 1u) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    const int release_other = in[8] == 1u;
    if (host != agent->host && release_other == 0 && milliseconds_left(agent) != 0u) {
        fan_reply_taken(agent, with);
        return;
    }
    if (host != agent->host || agent->alive == 0u) {
        agent->session = agent->session == FAN_SESSION_LAST ? 1u : (uint8_t)(agent->session + 1u);
        agent->run_link = NULL;
    }
    agent->host = host;
    agent->alive = 1u;
    agent->heard = fan_agent_now(agent);
    say_hello(agent, with);
}

static void set_rate(fan_agent *agent, fan_agent_link *link, uint32_t baud)
{
    if (link->baud != baud) {
        agent->port->set_baud(link->context, baud);
        link->baud = baud;
        link->waiting = 1u;
        link->patience_s = NEW_RATE_S;
        link->waiting_since = fan_agent_now(agent);
    }
}

void fan_handle_bye(fan_agent *agent, const fan_exchange *with)
{
    agent->alive = 0u;
    fan_reply_status(agent, with, FAN_REPLY_OK);
    set_rate(agent, with->link, agent->port->start_baud);
}

void fan_handle_baud(fan_agent *agent, const fan_exchange *with)
{
    const uint32_t baud = with->asked->argument;
    if (with->link->baud == 0u || baud == 0u || agent->port->can_baud(with->link->context, baud) == 0) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    fan_reply_status(agent, with, FAN_REPLY_OK);
    set_rate(agent, with->link, baud);
}

void fan_agent_link_poll(fan_agent *agent, fan_agent_link *link)
{
    if (link->baud != agent->port->start_baud && link->waiting != 0u &&
        fan_agent_now(agent) - link->waiting_since >= fan_agent_ticks(agent, link->patience_s)) {
        set_rate(agent, link, agent->port->start_baud);
    }
}
