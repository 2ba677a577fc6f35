/* The agent's work, done by a library on the core. */
#include "fan_work.h"

#define USUAL_PX 64u

uint32_t fan_work_abi_version(void) { return fan_abi_version(); }

uint32_t fan_work_specialist_count(void) { return fan_specialist_count(); }

const char *fan_work_specialist_name(uint32_t specialist) { return fan_specialist_name(specialist); }

uint32_t fan_work_halo(uint32_t specialist) { return fan_halo(specialist); }

size_t fan_work_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height)
{
    return fan_arena_bytes(specialist, width, height);
}

uint32_t fan_work_usual_px(uint32_t specialist)
{
    (void)specialist;
    return USUAL_PX;
}

uint32_t fan_work_output_bytes(const fan_work *work)
{
    const int fits = work->specialist < fan_specialist_count() && work->in_bytes % sizeof(float) == 0u &&
                     (uint64_t)work->width * work->height == work->in_bytes / sizeof(float);
    return fits ? work->in_bytes : 0u;
}

uint32_t fan_work_begin(fan_work *work)
{
    /* Floats lie on the wire as this core has them: little-endian. */
    const void *in = work->in;
    void *out = work->out;
    work->status = (uint32_t)fan_begin(&work->state.call, work->specialist, &work->noise, in, work->width, out,
                                       work->width, work->width, work->height, work->arena, work->arena_bytes);
    return work->status;
}

int fan_work_advance(fan_work *work) { return fan_advance(&work->state.call); }

uint32_t fan_work_rows_done(const fan_work *work) { return fan_rows_done(&work->state.call); }
