/* The agent's work, done by an NPU: the core turns the tile into integers, the driver computes, the core puts the answer
 * on the tile. Or, for a tile of 0 x 0, integers in and integers out, so that the host can compare every bit.
 *
 * The driver must have been initialised (ethosu_init). All three steps wait: the NPU's takes milliseconds.
 */
#include <ethosu_driver.h>

#include "fan_npu.h"
#include "fan_work.h"

enum { GIVE, COMPUTE, TAKE };

uint32_t fan_work_abi_version(void) { return FAN_NPU_ABI_VERSION; }

uint32_t fan_work_specialist_count(void) { return fan_npu_specialist_count(); }

const char *fan_work_specialist_name(uint32_t specialist) { return fan_npu_specialist_name(specialist); }

uint32_t fan_work_halo(uint32_t specialist) { return fan_npu_halo_px(specialist); }

static size_t aligned(size_t bytes)
{
    return (bytes + FAN_ARENA_ALIGNMENT - 1u) / FAN_ARENA_ALIGNMENT * FAN_ARENA_ALIGNMENT;
}

static int is_integers(uint32_t width, uint32_t height) { return width == 0u && height == 0u; }

size_t fan_work_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height)
{
    const uint32_t side = fan_npu_tile_px(specialist);
    if (side == 0u || !(is_integers(width, height) || (width == side && height == side))) {
        return 0u;
    }
    return aligned(fan_npu_scratch_bytes(specialist)) + aligned(fan_npu_fast_bytes(specialist));
}

uint32_t fan_work_usual_px(uint32_t specialist) { return fan_npu_tile_px(specialist); }

/* The arena: the tensors, then what takes the part of memory beside the NPU, where the network wants some. */
static fan_npu_memory memory_of(const fan_work *work)
{
    const size_t scratch_bytes = aligned(fan_npu_scratch_bytes(work->specialist));
    const size_t fast_bytes = fan_npu_fast_bytes(work->specialist);
    const int fits = scratch_bytes <= work->arena_bytes;
    fan_npu_memory memory = {work->arena, fits ? scratch_bytes : work->arena_bytes, NULL, 0u};
    if (fits && fast_bytes != 0u) {
        memory.fast = work->arena + scratch_bytes;
        memory.fast_bytes = work->arena_bytes - scratch_bytes;
    }
    return memory;
}

uint32_t fan_work_output_bytes(const fan_work *work)
{
    if (!is_integers(work->width, work->height)) {
        const uint64_t pixels = (uint64_t)work->width * work->height;
        const int fits = fan_work_arena_bytes(work->specialist, work->width, work->height) != 0u &&
                         work->in_bytes % sizeof(float) == 0u && pixels == work->in_bytes / sizeof(float);
        return fits ? work->in_bytes : 0u;
    }
    const fan_npu_memory memory = memory_of(work);
    size_t in_bytes = 0u, out_bytes = 0u;
    const int known = fan_npu_input(work->specialist, &memory, &in_bytes) != NULL &&
                      fan_npu_output(work->specialist, &memory, &out_bytes) != NULL;
    return known && in_bytes == work->in_bytes && out_bytes <= in_bytes ? (uint32_t)out_bytes : 0u;
}

static uint32_t status_of(fan_npu_status status)
{
    switch (status) {
    case FAN_NPU_OK:
        return FAN_OK;
    case FAN_NPU_MEMORY_TOO_SMALL:
        return FAN_ARENA_TOO_SMALL;
    case FAN_NPU_DRIVER_FAILED:
        return FAN_WORK_NPU_FAILED;
    default:
        return FAN_BAD_ARGUMENT;
    }
}

static void copy(uint8_t *to, const uint8_t *from, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        to[i] = from[i];
    }
}

static fan_npu_status give(const fan_work *work, const fan_npu_memory *memory)
{
    if (!is_integers(work->width, work->height)) {
        const void *in = work->in;
        return fan_npu_give(work->specialist, &work->noise, in, work->width, memory);
    }
    size_t bytes = 0u;
    uint8_t *input = fan_npu_input(work->specialist, memory, &bytes);
    copy(input, work->in, bytes);
    return FAN_NPU_OK;
}

static fan_npu_status compute(const fan_work *work, const fan_npu_memory *memory)
{
    struct ethosu_driver *driver = ethosu_reserve_driver();
    const fan_npu_status status = fan_npu_compute(work->specialist, memory, driver);
    ethosu_release_driver(driver);
    return status;
}

static fan_npu_status take(const fan_work *work, const fan_npu_memory *memory)
{
    if (!is_integers(work->width, work->height)) {
        const void *in = work->in;
        void *out = work->out;
        return fan_npu_take(work->specialist, &work->noise, in, work->width, out, work->width, memory);
    }
    size_t bytes = 0u;
    const uint8_t *output = fan_npu_output(work->specialist, memory, &bytes);
    copy(work->out, output, bytes);
    return FAN_NPU_OK;
}

uint32_t fan_work_begin(fan_work *work)
{
    work->state.step = GIVE;
    work->status = FAN_OK;
    return FAN_OK;
}

int fan_work_advance(fan_work *work)
{
    static fan_npu_status (*const steps[])(const fan_work *, const fan_npu_memory *) = {give, compute, take};
    const fan_npu_memory memory = memory_of(work);
    work->status = status_of(steps[work->state.step](work, &memory));
    ++work->state.step;
    return work->status == FAN_OK && work->state.step <= TAKE;
}

uint32_t fan_work_rows_done(const fan_work *work)
{
    return work->state.step > TAKE && work->status == FAN_OK ? work->height : 0u;
}
