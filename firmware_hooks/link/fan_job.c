/* See fan_job.h. */
#include "fan_job.h"

#include "fan.h"
#include "fan_link.h"

static uint64_t room_for(uint32_t bytes)
{
    return ((uint64_t)bytes + FAN_ARENA_ALIGNMENT - 1u) / FAN_ARENA_ALIGNMENT * FAN_ARENA_ALIGNMENT;
}

void fan_job_init(fan_job *job, uint8_t *memory, size_t memory_bytes)
{
    job->memory = memory;
    job->memory_bytes = memory_bytes;
    fan_job_forget(job);
}

void fan_job_forget(fan_job *job)
{
    job->number = 0u;
    job->bytes = 0u;
    job->crc = 0u;
    job->missing = 0u;
    job->committed = 0u;
}

int fan_job_fits(const fan_job *job, uint32_t bytes) { return 2u * room_for(bytes) <= job->memory_bytes; }

uint32_t fan_job_blocks(const fan_job *job)
{
    return job->bytes / FAN_JOB_BLOCK_BYTES + (job->bytes % FAN_JOB_BLOCK_BYTES != 0u ? 1u : 0u);
}

uint32_t fan_job_bitmap_bytes(const fan_job *job) { return (fan_job_blocks(job) + 7u) / 8u; }

static void begin_again(fan_job *job)
{
    uint8_t *bitmap = fan_job_output(job);
    const uint32_t count = fan_job_bitmap_bytes(job);
    for (uint32_t i = 0u; i < count; ++i) {
        bitmap[i] = 0u;
    }
    job->missing = fan_job_blocks(job);
    job->committed = 0u;
}

void fan_job_begin(fan_job *job, uint32_t number, uint32_t bytes, uint32_t crc)
{
    job->number = number;
    job->bytes = bytes;
    job->crc = crc;
    begin_again(job);
}

int fan_job_is_whole_blocks(const fan_job *job, uint32_t offset, uint32_t count)
{
    return offset < job->bytes && offset % FAN_JOB_BLOCK_BYTES == 0u && count != 0u && count <= job->bytes - offset &&
           (count % FAN_JOB_BLOCK_BYTES == 0u || count == job->bytes - offset);
}

/* Nonzero where the block is new. */
static int write_block(fan_job *job, uint32_t block, const uint8_t *bytes, uint32_t count)
{
    uint8_t *bitmap = fan_job_output(job) + block / 8u;
    const uint8_t bit = (uint8_t)(1u << block % 8u);
    if ((*bitmap & bit) != 0u) {
        return 0;
    }
    uint8_t *out = job->memory + (size_t)block * FAN_JOB_BLOCK_BYTES;
    for (uint32_t i = 0u; i < count; ++i) {
        out[i] = bytes[i];
    }
    *bitmap |= bit;
    --job->missing;
    return 1;
}

uint32_t fan_job_write(fan_job *job, uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    uint32_t there = 0u;
    for (uint32_t done = 0u; done < count; done += FAN_JOB_BLOCK_BYTES) {
        const uint32_t left = count - done;
        const uint32_t some = left < FAN_JOB_BLOCK_BYTES ? left : FAN_JOB_BLOCK_BYTES;
        /* Where none is missing, the output may have taken the bitmap's place. */
        if (job->missing == 0u || write_block(job, (offset + done) / FAN_JOB_BLOCK_BYTES, bytes + done, some) == 0) {
            ++there;
        }
    }
    return there;
}

uint8_t fan_job_bitmap(const fan_job *job, uint32_t index)
{
    if (job->missing != 0u) {
        return fan_job_output(job)[index];
    }
    const uint32_t blocks = fan_job_blocks(job) - index * 8u;
    return (uint8_t)(blocks < 8u ? (1u << blocks) - 1u : 0xFFu);
}

int fan_job_commit(fan_job *job)
{
    if (job->committed == 0u) {
        if (fan_link_crc32(0u, job->memory, job->bytes) != job->crc) {
            begin_again(job);
            return 0;
        }
        job->committed = 1u;
    }
    return 1;
}

const uint8_t *fan_job_input(const fan_job *job) { return job->memory; }

uint8_t *fan_job_output(const fan_job *job) { return job->memory + (size_t)room_for(job->bytes); }

uint8_t *fan_job_arena(const fan_job *job) { return job->memory + 2u * (size_t)room_for(job->bytes); }

size_t fan_job_arena_bytes(const fan_job *job) { return job->memory_bytes - 2u * (size_t)room_for(job->bytes); }
