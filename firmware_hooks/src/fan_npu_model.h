/* What the compiler tells of the networks for an NPU; fan_npu_model.c holds it. */
#ifndef FAN_NPU_MODEL_H
#define FAN_NPU_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define FAN_NPU_REGIONS 3u

/* A tensor of the tile's size: bytes into a region, values from one pixel to the next and from one channel to the
 * next, and what one integer stands for. */
typedef struct {
    uint32_t offset;
    uint32_t channels;
    uint32_t pixel_stride;
    uint32_t channel_stride;
    float step;
} fan_npu_tensor;

typedef struct {
    const char *name;
    float chosen_from;
    const uint8_t *payload;
    uint32_t payload_bytes;
    const uint8_t *weights;
    uint32_t weights_bytes;
    uint32_t scratch_bytes;
    uint32_t fast_bytes;
    uint8_t weights_region;
    uint8_t scratch_region;
    uint8_t fast_region;
    uint8_t value_bytes;
    uint32_t tile_px;
    uint32_t halo_px;
    fan_npu_tensor input;
    fan_npu_tensor output;
} fan_npu_network;

extern const fan_npu_network fan_npu_networks[];
extern const uint32_t fan_npu_networks_count;

#endif
