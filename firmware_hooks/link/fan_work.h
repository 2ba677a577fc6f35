/* Between the agent and what computes: a library on the core (engines/fan_work_core.c), or networks on an NPU beside it
 * (engines/fan_work_npu.c). One of the two is linked. Not for ports.
 */
#ifndef FAN_WORK_H
#define FAN_WORK_H

#include "fan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a run may fail of, besides what fan_status says. */
#define FAN_WORK_NPU_FAILED 5u

/* One run. What the agent fills in stays as it is until the run is over. */
typedef struct {
    uint32_t specialist;
    fan_noise noise;
    uint32_t width; /* both 0: the network's own integers, which an NPU takes and gives */
    uint32_t height;
    const uint8_t *in; /* as all memory here at a multiple of FAN_ARENA_ALIGNMENT; numbers are little-endian */
    uint32_t in_bytes;
    uint8_t *out; /* as large as the input */
    uint8_t *arena;
    size_t arena_bytes;

    /* The engine's own. */
    union {
        fan_call call;
        uint32_t step;
    } state;
    uint32_t status;
} fan_work;

/* Of the interface that is linked: FAN_ABI_VERSION or FAN_NPU_ABI_VERSION. */
uint32_t fan_work_abi_version(void);

uint32_t fan_work_specialist_count(void);
const char *fan_work_specialist_name(uint32_t specialist);
uint32_t fan_work_halo(uint32_t specialist);

/* Bytes of arena for a tile of that size; 0 where it can't be computed. */
size_t fan_work_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height);

/* Side of the tile that the host is told the arena of. */
uint32_t fan_work_usual_px(uint32_t specialist);

/* Of the output, at most as many as the input; 0 where specialist, size and input's bytes don't go together. */
uint32_t fan_work_output_bytes(const fan_work *work);

/* 0, or why it can't begin: fan_status. */
uint32_t fan_work_begin(fan_work *work);

/* One turn. Nonzero while the run goes on; after that, `status` says how it ended. */
int fan_work_advance(fan_work *work);

/* Rows that are done, where the engine knows. */
uint32_t fan_work_rows_done(const fan_work *work);

#ifdef __cplusplus
}
#endif

#endif
