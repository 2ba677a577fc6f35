/* A library with a known result, in place of the engine: four specialists, one of them slow.
 *
 * out = in * (specialist + 1) + shot[0] - read[2], row by row; so a result says what reached the library.
 */
#define _POSIX_C_SOURCE 200112L
#include "fan.h"

#include <time.h>

#define SPECIALISTS 4u
#define SLOW 3u
#define BYTES_A_COLUMN 32u
#ifndef PAUSE_NS
#define PAUSE_NS 50000000
#endif

uint32_t stub_begun;
uint32_t stub_turns;

uint32_t fan_abi_version(void) { return FAN_ABI_VERSION; }

uint32_t fan_specialist_count(void) { return SPECIALISTS; }

const char *fan_specialist_name(uint32_t specialist)
{
    static const char *const names[SPECIALISTS] = {"dusk", "night", "höchst-iso", "slow"};
    return specialist < SPECIALISTS ? names[specialist] : NULL;
}

uint32_t fan_halo(uint32_t specialist) { return specialist < SPECIALISTS ? 16u * (specialist + 1u) : 0u; }

size_t fan_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height)
{
    const int is_possible = width % FAN_SIZE_MULTIPLE == 0u && height % FAN_SIZE_MULTIPLE == 0u && width != 0u &&
                            height != 0u && width <= FAN_WIDTH_MOST;
    return specialist < SPECIALISTS && is_possible ? (size_t)(specialist + 1u) * width * BYTES_A_COLUMN : 0u;
}

fan_status fan_begin(fan_call *call, uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride,
                     float *out, size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes)
{
    if (specialist >= SPECIALISTS || !(noise->shot[0] >= 0.0f) || (uintptr_t)arena % FAN_ARENA_ALIGNMENT != 0u) {
        return FAN_BAD_ARGUMENT;
    }
    if (fan_arena_bytes(specialist, width, height) == 0u) {
        return FAN_BAD_SIZE;
    }
    if (arena_bytes < fan_arena_bytes(specialist, width, height)) {
        return FAN_ARENA_TOO_SMALL;
    }
    ++stub_begun;
    call->in = in;
    call->out = out;
    call->in_stride = in_stride;
    call->out_stride = out_stride;
    call->width = width;
    call->start = 0u;
    call->end = height;
    call->part = specialist;
    call->stabilise[0] = noise->shot[0];
    call->stabilise[1] = noise->read[2];
    call->arena = arena;
    for (size_t i = 0u; i < arena_bytes; ++i) {
        call->arena[i] = 0xA5u;
    }
    return FAN_OK;
}

int fan_advance(fan_call *call)
{
    ++stub_turns;
    if (call->part == SLOW && PAUSE_NS > 0) {
        const struct timespec pause = {0, PAUSE_NS};
        (void)nanosleep(&pause, NULL);
    }
    for (uint32_t i = 0u; i < 16u && call->start < call->end; ++i, ++call->start) {
        for (uint32_t x = 0u; x < call->width; ++x) {
            const float value = call->in[call->start * call->in_stride + x];
            call->out[call->start * call->out_stride + x] =
                value * (float)(call->part + 1u) + call->stabilise[0] - call->stabilise[1];
        }
    }
    return call->start < call->end;
}

uint32_t fan_rows_done(const fan_call *call) { return call->start; }
