/* Who answers what; see fan_agent.h. */
#include "fan_exchange.h"

#define LOST_RATE_S 3u
#define OPEN_BYTES 12u
#define READ_BYTES 6u
#define ANY_LENGTH 0xFFFFu

/* A reply to HELLO with three of the longest texts is 824 bytes. */
#if FAN_AGENT_PAYLOAD_BYTES < 1024u || FAN_AGENT_PAYLOAD_BYTES > 65535u
#error "FAN_AGENT_PAYLOAD_BYTES must be from 1024 to 65535"
#endif

static void describe(fan_agent *agent, const fan_exchange *with)
{
    const uint32_t specialist = with->asked->argument;
    if (specialist >= fan_work_specialist_count()) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    if (!fan_agent_core_suffices(agent)) {
        fan_reply_status(agent, with, FAN_REPLY_UNSUPPORTED);
        return;
    }
    const uint32_t side = fan_work_usual_px(specialist);
    uint8_t *out = agent->payload;
    out = fan_link_put_u32(out, fan_work_halo(specialist));
    out = fan_link_put_u64(out, fan_work_arena_bytes(specialist, side, side));
    out = fan_put_bytes(out, agent->bundle->weights_sha256[specialist], FAN_SHA256_BYTES);
    out = fan_put_text(out, fan_work_specialist_name(specialist));
    fan_reply_until(agent, with, out);
}

static void statistics(fan_agent *agent, const fan_exchange *with)
{
    uint8_t *out = agent->payload;
    out = fan_link_put_u32(out, agent->counts.frames);
    out = fan_link_put_u32(out, agent->counts.bad_crc);
    out = fan_link_put_u32(out, agent->counts.malformed);
    out = fan_link_put_u32(out, agent->counts.overflows);
    out = fan_link_put_u32(out, agent->duplicates);
    out = fan_link_put_u32(out, agent->runs);
    out = fan_link_put_u64(out, agent->arena_peak_bytes);
    out = fan_link_put_u64(out, agent->job.memory_bytes);
    fan_reply_until(agent, with, out);
}

static void reset(fan_agent *agent, const fan_exchange *with)
{
    fan_agent_forget_run(agent);
    fan_job_forget(&agent->job);
    fan_reply_status(agent, with, FAN_REPLY_OK);
}

static void echo(fan_agent *agent, const fan_exchange *with)
{
    fan_reply_bytes(agent, with, FAN_REPLY_OK, with->asked->argument, with->asked->payload, with->asked->payload_bytes);
}

/* payload_bytes: ANY_LENGTH where the handler looks at it. */
typedef struct {
    void (*handle)(fan_agent *agent, const fan_exchange *with);
    uint16_t payload_bytes;
    uint8_t needs_job;
} operation;

static const operation operations[] = {
    [FAN_OP_BYE] = {fan_handle_bye, 0u, 0u},
    [FAN_OP_DESCRIBE] = {describe, 0u, 0u},
    [FAN_OP_OPEN] = {fan_handle_open, OPEN_BYTES, 0u},
    [FAN_OP_WRITE] = {fan_handle_write, ANY_LENGTH, 1u},
    [FAN_OP_QUERY] = {fan_handle_query, 0u, 1u},
    [FAN_OP_COMMIT] = {fan_handle_commit, 0u, 1u},
    [FAN_OP_RUN] = {fan_handle_run, FAN_AGENT_RUN_BYTES, 1u},
    [FAN_OP_READ] = {fan_handle_read, READ_BYTES, 1u},
    [FAN_OP_STATS] = {statistics, 0u, 0u},
    [FAN_OP_ECHO] = {echo, ANY_LENGTH, 0u},
    [FAN_OP_RESET] = {reset, 0u, 0u},
    [FAN_OP_BAUD] = {fan_handle_baud, 0u, 0u},
};

static void handle_in_session(fan_agent *agent, const fan_exchange *with)
{
    const uint8_t number = with->asked->operation;
    if (number >= sizeof operations / sizeof operations[0] || operations[number].handle == NULL) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_OPERATION);
        return;
    }
    const operation *asked = &operations[number];
    if (asked->payload_bytes != ANY_LENGTH && asked->payload_bytes != with->asked->payload_bytes) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
    } else if (asked->needs_job != 0u && agent->job.number == 0u) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_STATE);
    } else {
        asked->handle(agent, with);
    }
}

static void handle(fan_agent *agent, fan_agent_link *link, const fan_link_frame *asked)
{
    const fan_exchange with = {link, asked};
    const int is_hello = asked->operation == FAN_OP_HELLO;
    if ((asked->operation & FAN_LINK_REPLY) != 0u || (asked->version != FAN_LINK_VERSION && is_hello == 0)) {
        ++agent->counts.malformed;
    } else if (asked->version != FAN_LINK_VERSION) {
        fan_reply_status(agent, &with, FAN_REPLY_BAD_VERSION);
    } else if (is_hello != 0) {
        fan_handle_hello(agent, &with);
    } else if (asked->session_or_status != agent->session || (agent->alive == 0u && asked->operation != FAN_OP_BYE)) {
        fan_reply_taken(agent, &with);
    } else {
        agent->heard = fan_agent_now(agent);
        handle_in_session(agent, &with);
    }
}

void fan_agent_receive(fan_agent *agent, fan_agent_link *link, const uint8_t *bytes, size_t count)
{
    int unfinished = 0;
    fan_link_frame frame;
    for (size_t i = 0u; i < count; ++i) {
        if (fan_link_take(&link->parser, bytes[i], &frame) != 0) {
            link->waiting = 0u;
            unfinished = 0;
            handle(agent, link, &frame);
        } else {
            unfinished = 1;
        }
    }
    if (unfinished != 0 && link->waiting == 0u) {
        link->waiting = 1u;
        link->patience_s = LOST_RATE_S;
        link->waiting_since = fan_agent_now(agent);
    }
}

void fan_agent_link_init(fan_agent *agent, fan_agent_link *link, void *context)
{
    fan_link_parser_init(&link->parser, link->buffer, sizeof link->buffer, &agent->counts);
    link->context = context;
    link->baud = agent->port->start_baud;
    link->patience_s = 0u;
    link->waiting_since = 0u;
    link->waiting = 0u;
}

void fan_agent_link_close(fan_agent *agent, const fan_agent_link *link)
{
    if (agent->run_link == link) {
        agent->run_link = NULL;
    }
}

void fan_agent_init(fan_agent *agent, const fan_agent_port *port, const fan_agent_bundle *bundle, void *memory,
                    size_t memory_bytes)
{
    agent->port = port;
    agent->bundle = bundle;
    agent->counts.frames = 0u;
    agent->counts.bad_crc = 0u;
    agent->counts.malformed = 0u;
    agent->counts.overflows = 0u;
    fan_job_init(&agent->job, memory, memory_bytes);
    agent->host = 0u;
    agent->heard = 0u;
    /* Frames of a session from before the start should meet no session. */
    agent->session = (uint8_t)(port->boot_id % FAN_SESSION_LAST);
    agent->alive = 0u;
    agent->run_job = 0u;
    fan_agent_forget_run(agent);
    agent->run_sequence = 0u;
    agent->told = 0u;
    agent->run_ticks = 0u;
    agent->arena_bytes = 0u;
    agent->output_bytes = 0u;
    agent->output_crc = 0u;
    agent->duplicates = 0u;
    agent->runs = 0u;
    agent->arena_peak_bytes = 0u;
}
