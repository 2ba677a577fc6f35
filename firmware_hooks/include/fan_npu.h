/* The denoiser on an Arm Ethos-U: one tile of a mosaic through Arm's driver.
 *
 * The core brings the mosaic to the network's integers, the NPU computes the network, the core puts the answer on the
 * mosaic. No allocation, no global that is written: the caller gives the memory. Of the C library it needs sqrtf,
 * log10f and rintf, of the driver (https://gitlab.arm.com/artificial-intelligence/ethos-u) ethosu_invoke_v3.
 */
#ifndef FAN_NPU_H
#define FAN_NPU_H

#include "fan.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAN_NPU_ABI_VERSION 1u
/* Of the memory that is given to it. */
#define FAN_NPU_ALIGNMENT 16u

struct ethosu_driver;

typedef enum {
    FAN_NPU_OK = 0,
    FAN_NPU_BAD_ARGUMENT = 1,     /* null, not aligned, a noise that is negative or not finite, no such specialist */
    FAN_NPU_MEMORY_TOO_SMALL = 2,
    FAN_NPU_DRIVER_FAILED = 3
} fan_npu_status;

/* scratch: the tensors, input and output among them. fast: memory beside the NPU, needed where fan_npu_fast_bytes is not
 * 0; leave it NULL where the driver was initialised with that memory. */
typedef struct {
    void *scratch;
    size_t scratch_bytes;
    void *fast;
    size_t fast_bytes;
} fan_npu_memory;

uint32_t fan_npu_specialist_count(void);

/* NULL beyond the last. */
const char *fan_npu_specialist_name(uint32_t specialist);

/* The specialist that serves a noise level. */
uint32_t fan_npu_specialist_for(const fan_noise *noise);

/* Side of the tile, in pixels of the mosaic; 0 if there is no such specialist. */
uint32_t fan_npu_tile_px(uint32_t specialist);

/* As many pixels on each side of a tile influence its rest, or are influenced by what lies beyond it, too much: throw
 * them away. Beyond a frame's edge, let it go on by reflection. */
uint32_t fan_npu_halo_px(uint32_t specialist);

size_t fan_npu_scratch_bytes(uint32_t specialist);
size_t fan_npu_fast_bytes(uint32_t specialist);

/* Denoises one tile in the order R G / G B: black 0, white 1, before white balance, values below 0 kept. Strides are in
 * floats; out may be in. Only one call at a time for each memory. */
fan_npu_status fan_npu_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                           size_t out_stride, const fan_npu_memory *memory, struct ethosu_driver *driver);

/* The same in three steps, so that with two memories the core works on one tile while the NPU works on another. */
fan_npu_status fan_npu_give(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride,
                            const fan_npu_memory *memory);
fan_npu_status fan_npu_compute(uint32_t specialist, const fan_npu_memory *memory, struct ethosu_driver *driver);
fan_npu_status fan_npu_take(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                            size_t out_stride, const fan_npu_memory *memory);

/* Where the network's input and output lie in the memory, for who exchanges integers: NULL if there is no such
 * specialist, or the memory is not fit for it. */
void *fan_npu_input(uint32_t specialist, const fan_npu_memory *memory, size_t *bytes);
const void *fan_npu_output(uint32_t specialist, const fan_npu_memory *memory, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
