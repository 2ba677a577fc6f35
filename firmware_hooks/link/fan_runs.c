/* From an input to its output: what a host does to get a tile denoised. */
#include "fan_exchange.h"

#define BUSY_PER_S 5u

static void reply_bitmap(fan_agent *agent, const fan_exchange *with, uint32_t first)
{
    const uint32_t end = fan_job_bitmap_bytes(&agent->job);
    uint8_t *out = agent->payload;
    for (uint32_t i = first; i < end && i - first < FAN_AGENT_PAYLOAD_BYTES; ++i) {
        *out = fan_job_bitmap(&agent->job, i);
        ++out;
    }
    fan_reply_until(agent, with, out);
}

void fan_handle_open(fan_agent *agent, const fan_exchange *with)
{
    const uint8_t *in = with->asked->payload;
    const uint32_t number = fan_link_u32(in);
    const uint32_t bytes = fan_link_u32(in + 4);
    const uint32_t crc = fan_link_u32(in + 8);
    if (number == 0u || bytes == 0u) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    if (!fan_job_fits(&agent->job, bytes)) {
        fan_reply_no_memory(agent, with);
        return;
    }
    if (number != agent->job.number || bytes != agent->job.bytes || crc != agent->job.crc) {
        fan_agent_forget_run(agent);
        fan_job_begin(&agent->job, number, bytes, crc);
    }
    reply_bitmap(agent, with, 0u);
}

void fan_handle_write(fan_agent *agent, const fan_exchange *with)
{
    if (!fan_job_is_whole_blocks(&agent->job, with->asked->argument, with->asked->payload_bytes)) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    agent->duplicates += fan_job_write(&agent->job, with->asked->argument, with->asked->payload,
                                       with->asked->payload_bytes);
    fan_reply_status(agent, with, FAN_REPLY_OK);
}

void fan_handle_query(fan_agent *agent, const fan_exchange *with)
{
    if (with->asked->argument > fan_job_bitmap_bytes(&agent->job)) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    reply_bitmap(agent, with, with->asked->argument);
}

void fan_handle_commit(fan_agent *agent, const fan_exchange *with)
{
    if (agent->job.missing != 0u) {
        fan_reply_status(agent, with, FAN_REPLY_MISSING);
    } else if (!fan_job_commit(&agent->job)) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_CRC);
    } else {
        fan_reply_status(agent, with, FAN_REPLY_OK);
    }
}

void fan_agent_forget_run(fan_agent *agent)
{
    agent->running = 0u;
    agent->done = 0u;
    agent->run_link = NULL;
}

static float number_of(const uint8_t *bytes)
{
    union {
        uint32_t bits;
        float value;
    } number = {fan_link_u32(bytes)};
    return number.value;
}

static void reply_run(fan_agent *agent, const fan_exchange *with)
{
    uint8_t *out = agent->payload;
    out = fan_link_put_u64(out, agent->run_ticks);
    out = fan_link_put_u64(out, agent->arena_bytes);
    out = fan_link_put_u32(out, agent->output_crc);
    out = fan_link_put_u32(out, agent->output_bytes);
    fan_reply_until(agent, with, out);
}

static void say_busy(fan_agent *agent, const fan_exchange *with)
{
    agent->told = fan_agent_now(agent);
    fan_reply(agent, with, FAN_REPLY_BUSY, fan_work_rows_done(&agent->work));
}

static int is_the_run(const fan_agent *agent, const fan_link_frame *asked)
{
    if ((agent->running == 0u && agent->done == 0u) || asked->argument != agent->run_job) {
        return 0;
    }
    for (uint32_t i = 0u; i < FAN_AGENT_RUN_BYTES; ++i) {
        if (asked->payload[i] != agent->run_request[i]) {
            return 0;
        }
    }
    return 1;
}

/* From here on a run is under way, or the request was refused. */
static void begin_run(fan_agent *agent, const fan_exchange *with)
{
    const uint8_t *in = with->asked->payload;
    fan_work *work = &agent->work;
    work->specialist = fan_link_u32(in);
    for (uint32_t i = 0u; i < 3u; ++i) {
        work->noise.shot[i] = number_of(in + 4u + 4u * i);
        work->noise.read[i] = number_of(in + 16u + 4u * i);
    }
    work->width = fan_link_u32(in + 28);
    work->height = fan_link_u32(in + 32);
    work->in = fan_job_input(&agent->job);
    work->in_bytes = agent->job.bytes;
    work->out = fan_job_output(&agent->job);
    work->arena = fan_job_arena(&agent->job);
    work->arena_bytes = fan_job_arena_bytes(&agent->job);
    if (!fan_agent_core_suffices(agent)) {
        fan_reply_status(agent, with, FAN_REPLY_UNSUPPORTED);
        return;
    }
    const size_t arena_bytes = fan_work_arena_bytes(work->specialist, work->width, work->height);
    if (arena_bytes > work->arena_bytes) {
        fan_reply_no_memory(agent, with);
        return;
    }
    work->arena_bytes = arena_bytes;
    agent->output_bytes = fan_work_output_bytes(work);
    if (agent->output_bytes == 0u) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
        return;
    }
    const uint64_t before = fan_agent_now(agent);
    const uint32_t status = fan_work_begin(work);
    agent->run_ticks = fan_agent_now(agent) - before;
    if (status != 0u) {
        fan_reply(agent, with, FAN_REPLY_RUN_FAILED, status);
        return;
    }
    agent->run_job = with->asked->argument;
    (void)fan_put_bytes(agent->run_request, in, FAN_AGENT_RUN_BYTES);
    agent->arena_bytes = arena_bytes;
    agent->running = 1u;
}

void fan_handle_run(fan_agent *agent, const fan_exchange *with)
{
    if (with->asked->argument != agent->job.number || agent->job.committed == 0u) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_STATE);
        return;
    }
    if (!is_the_run(agent, with->asked)) {
        fan_agent_forget_run(agent);
        begin_run(agent, with);
    }
    if (agent->running != 0u) {
        agent->run_link = with->link;
        agent->run_sequence = with->asked->sequence;
        say_busy(agent, with);
    } else if (agent->done != 0u) {
        reply_run(agent, with);
    }
}

static void finish_run(fan_agent *agent)
{
    agent->running = 0u;
    agent->heard = fan_agent_now(agent);
    if (agent->work.status != 0u) {
        return;
    }
    agent->done = 1u;
    agent->output_crc = fan_link_crc32(0u, fan_job_output(&agent->job), agent->output_bytes);
    ++agent->runs;
    if (agent->arena_bytes > agent->arena_peak_bytes) {
        agent->arena_peak_bytes = agent->arena_bytes;
    }
}

/* To the link that asked for the run last. */
static void reply_turn(fan_agent *agent, uint64_t now)
{
    const fan_link_frame asked = {FAN_LINK_VERSION, FAN_OP_RUN, agent->session, agent->run_sequence, 0u,
                                  agent->run_job, agent->payload};
    const fan_exchange with = {agent->run_link, &asked};
    if (agent->done != 0u) {
        reply_run(agent, &with);
    } else if (agent->running == 0u) {
        fan_reply(agent, &with, FAN_REPLY_RUN_FAILED, agent->work.status);
    } else if (now - agent->told >= agent->port->tick_hz / BUSY_PER_S) {
        say_busy(agent, &with);
    }
}

int fan_agent_poll(fan_agent *agent)
{
    if (agent->running == 0u) {
        return 0;
    }
    const uint64_t before = fan_agent_now(agent);
    const int goes_on = fan_work_advance(&agent->work);
    const uint64_t now = fan_agent_now(agent);
    agent->run_ticks += now - before;
    if (goes_on == 0) {
        finish_run(agent);
    }
    if (agent->run_link != NULL) {
        reply_turn(agent, now);
    }
    return goes_on;
}

void fan_handle_read(fan_agent *agent, const fan_exchange *with)
{
    const uint32_t offset = with->asked->argument;
    const uint32_t job = fan_link_u32(with->asked->payload);
    const uint32_t count = fan_link_u16(with->asked->payload + 4);
    if (agent->done == 0u || job != agent->run_job) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_STATE);
    } else if (offset > agent->output_bytes || count > agent->output_bytes - offset || count > FAN_AGENT_PAYLOAD_BYTES) {
        fan_reply_status(agent, with, FAN_REPLY_BAD_ARGUMENT);
    } else {
        fan_reply_bytes(agent, with, FAN_REPLY_OK, offset, fan_job_output(&agent->job) + offset, count);
    }
}
