/* A job: an input that arrives in blocks, in any order and some more than once, and the memory it is worked in.
 *
 * Memory holds input, output and arena, each at a multiple of 64 bytes. Until the last block is there, the bitmap of
 * those that are lies where the output will be.
 */
#ifndef FAN_JOB_H
#define FAN_JOB_H

#include <stddef.h>
#include <stdint.h>

#define FAN_JOB_BLOCK_BYTES 256u

typedef struct {
    uint8_t *memory;
    size_t memory_bytes;
    uint32_t number; /* 0: no job */
    uint32_t bytes;
    uint32_t crc;
    uint32_t missing; /* blocks */
    uint8_t committed;
} fan_job;

/* memory: at a multiple of FAN_ARENA_ALIGNMENT. */
void fan_job_init(fan_job *job, uint8_t *memory, size_t memory_bytes);

/* Nonzero where input and output of so many bytes fit. */
int fan_job_fits(const fan_job *job, uint32_t bytes);

/* Begins an input that fits, with no block there. */
void fan_job_begin(fan_job *job, uint32_t number, uint32_t bytes, uint32_t crc);

void fan_job_forget(fan_job *job);

/* Blocks of the input; the last may be shorter. */
uint32_t fan_job_blocks(const fan_job *job);

/* Nonzero where count bytes from offset on are whole blocks of the input. */
int fan_job_is_whole_blocks(const fan_job *job, uint32_t offset, uint32_t count);

/* Takes whole blocks; those that are there stay as they are. Returns how many were there. */
uint32_t fan_job_write(fan_job *job, uint32_t offset, const uint8_t *bytes, uint32_t count);

/* Byte of the bitmap: block i is bit i % 8 of byte i / 8. */
uint8_t fan_job_bitmap(const fan_job *job, uint32_t index);

uint32_t fan_job_bitmap_bytes(const fan_job *job);

/* Nonzero where the input has the CRC it is to have; else all blocks are missing again. Only when none is missing. */
int fan_job_commit(fan_job *job);

const uint8_t *fan_job_input(const fan_job *job);
uint8_t *fan_job_output(const fan_job *job);
uint8_t *fan_job_arena(const fan_job *job);
size_t fan_job_arena_bytes(const fan_job *job);

#endif
