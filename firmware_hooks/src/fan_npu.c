/* Mosaics to the integers of a network on an Ethos-U, and its answer back; compile/ethos_u/border.py does the same. */
#include "fan_npu.h"

#include <ethosu_driver.h>
#include <math.h>

#include "fan_normalisation.h"
#include "fan_npu_model.h"

/* What the arithmetic needs to know of one plane's noise. told_shot, zero: what the network is told, the deviation at
 * black; shot, read: of the answer, one unit of which has the variance shot * x + read. */
typedef struct {
    float told_shot;
    float zero;
    float shot;
    float read;
} plane_noise;

static const fan_npu_network *network_of(uint32_t specialist)
{
    return specialist < fan_npu_networks_count ? &fan_npu_networks[specialist] : NULL;
}

uint32_t fan_npu_specialist_count(void) { return fan_npu_networks_count; }

const char *fan_npu_specialist_name(uint32_t specialist)
{
    const fan_npu_network *network = network_of(specialist);
    return network ? network->name : NULL;
}

uint32_t fan_npu_specialist_for(const fan_noise *noise)
{
    const float shot = (noise->shot[0] + 2.0f * noise->shot[1] + noise->shot[2]) / 4.0f;
    uint32_t chosen = 0u;
    for (uint32_t i = 1u; i < fan_npu_networks_count; ++i) {
        if (shot >= fan_npu_networks[i].chosen_from) {
            chosen = i;
        }
    }
    return chosen;
}

uint32_t fan_npu_tile_px(uint32_t specialist)
{
    const fan_npu_network *network = network_of(specialist);
    return network ? network->tile_px : 0u;
}

uint32_t fan_npu_halo_px(uint32_t specialist)
{
    const fan_npu_network *network = network_of(specialist);
    return network ? network->halo_px : 0u;
}

size_t fan_npu_scratch_bytes(uint32_t specialist)
{
    const fan_npu_network *network = network_of(specialist);
    return network ? network->scratch_bytes : 0u;
}

size_t fan_npu_fast_bytes(uint32_t specialist)
{
    const fan_npu_network *network = network_of(specialist);
    return network ? network->fast_bytes : 0u;
}

static int is_aligned(const void *memory) { return (uintptr_t)memory % FAN_NPU_ALIGNMENT == 0u; }

static fan_npu_status check_memory(const fan_npu_network *network, const fan_npu_memory *memory)
{
    if (!network || !memory || !memory->scratch || !is_aligned(memory->scratch) || !is_aligned(memory->fast)) {
        return FAN_NPU_BAD_ARGUMENT;
    }
    if (memory->scratch_bytes < network->scratch_bytes || (memory->fast && memory->fast_bytes < network->fast_bytes)) {
        return FAN_NPU_MEMORY_TOO_SMALL;
    }
    return FAN_NPU_OK;
}

static int noise_is_possible(const fan_noise *noise)
{
    for (unsigned colour = 0u; noise && colour < 3u; ++colour) {
        const float shot = noise->shot[colour], read = noise->read[colour];
        if (!(shot >= 0.0f && shot <= 1e30f && read >= 0.0f && read <= 1e30f)) {
            return 0;
        }
    }
    return noise != NULL;
}

/* Returns the value of the noise-level plane. */
static float set_planes(const fan_noise *noise, plane_noise planes[FAN_PLANES])
{
    float level = 0.0f;
    for (unsigned plane = 0u; plane < FAN_PLANES; ++plane) {
        const float shot = fmaxf(noise->shot[colour_of_plane[plane]], NO_NOISE);
        const float read = noise->read[colour_of_plane[plane]];
        const float excess = fmaxf(SHOT_FLOOR / (shot + SHOT_IN_READ * read), 1.0f);
        const float told_shot = shot * excess;
        const float unit = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS / excess;
        planes[plane].told_shot = told_shot;
        planes[plane].zero = sqrtf(0.375f * told_shot * told_shot + read * excess);
        planes[plane].shot = noise->shot[colour_of_plane[plane]] * unit;
        planes[plane].read = read * unit;
        level += fmaxf(told_shot, SHOT_FLOOR) / (float)FAN_PLANES;
    }
    return 0.5f * log10f(level) + 1.5f;
}

/* The generalised Anscombe transform, and below black its tangent there. */
static float stabilised(float value, const plane_noise *noise)
{
    const float light = fmaxf(value, 0.0f);
    const float zero = noise->zero;
    const float above = 2.0f * light / (sqrtf(noise->told_shot * light + zero * zero) + zero);
    return (above + fmaxf((value - light) / zero, -DEEPEST_SIGMAS)) / STABILISED_SCALE;
}

static float restored(float value, float answer, const plane_noise *noise)
{
    if (value < -DEEPEST_SIGMAS * noise->zero) {
        return value;
    }
    return value + answer * sqrtf(noise->shot * fmaxf(value, 0.0f) + noise->read);
}

static void store(uint8_t *values, size_t index, unsigned value_bytes, float value)
{
    const float largest = value_bytes == 1u ? 127.0f : 32767.0f;
    const float bounded = fminf(fmaxf(rintf(value), -largest), largest);
    if (value_bytes == 1u) {
        ((int8_t *)values)[index] = (int8_t)bounded;
    } else {
        ((int16_t *)(void *)values)[index] = (int16_t)bounded;
    }
}

static float load(const uint8_t *values, size_t index, unsigned value_bytes)
{
    return value_bytes == 1u ? (float)((const int8_t *)values)[index]
                             : (float)((const int16_t *)(const void *)values)[index];
}

static size_t bytes_of(const fan_npu_network *network, const fan_npu_tensor *tensor)
{
    const size_t side = network->tile_px / 2u;
    return side * side * tensor->channels * network->value_bytes;
}

void *fan_npu_input(uint32_t specialist, const fan_npu_memory *memory, size_t *bytes)
{
    const fan_npu_network *network = network_of(specialist);
    if (check_memory(network, memory) != FAN_NPU_OK) {
        return NULL;
    }
    *bytes = bytes_of(network, &network->input);
    return (uint8_t *)memory->scratch + network->input.offset;
}

const void *fan_npu_output(uint32_t specialist, const fan_npu_memory *memory, size_t *bytes)
{
    const fan_npu_network *network = network_of(specialist);
    if (check_memory(network, memory) != FAN_NPU_OK) {
        return NULL;
    }
    *bytes = bytes_of(network, &network->output);
    return (const uint8_t *)memory->scratch + network->output.offset;
}

fan_npu_status fan_npu_give(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride,
                            const fan_npu_memory *memory)
{
    const fan_npu_network *network = network_of(specialist);
    const fan_npu_status status = check_memory(network, memory);
    if (status != FAN_NPU_OK) {
        return status;
    }
    if (!in || !noise_is_possible(noise) || in_stride < network->tile_px) {
        return FAN_NPU_BAD_ARGUMENT;
    }
    plane_noise planes[FAN_PLANES];
    const float level = set_planes(noise, planes);
    const fan_npu_tensor *input = &network->input;
    const float per_step = 1.0f / input->step;
    uint8_t *values = (uint8_t *)memory->scratch + input->offset;
    const size_t side = network->tile_px / 2u;
    for (size_t y = 0u; y < side; ++y) {
        for (size_t x = 0u; x < side; ++x) {
            const size_t pixel = (y * side + x) * input->pixel_stride;
            for (unsigned plane = 0u; plane < FAN_PLANES; ++plane) {
                const float value = in[(2u * y + plane / 2u) * in_stride + 2u * x + plane % 2u];
                const float seen = stabilised(value, &planes[plane]);
                store(values, pixel + plane * input->channel_stride, network->value_bytes, seen * per_step);
            }
            store(values, pixel + FAN_PLANES * input->channel_stride, network->value_bytes, level * per_step);
        }
    }
    return FAN_NPU_OK;
}

fan_npu_status fan_npu_compute(uint32_t specialist, const fan_npu_memory *memory, struct ethosu_driver *driver)
{
    const fan_npu_network *network = network_of(specialist);
    const fan_npu_status status = check_memory(network, memory);
    if (status != FAN_NPU_OK) {
        return status;
    }
    uint64_t addresses[FAN_NPU_REGIONS] = {0};
    size_t sizes[FAN_NPU_REGIONS] = {0};
    /* Without fast memory of its own the NPU has it in the scratch. */
    addresses[network->fast_region] = (uintptr_t)(memory->fast ? memory->fast : memory->scratch);
    sizes[network->fast_region] = memory->fast ? memory->fast_bytes : memory->scratch_bytes;
    addresses[network->scratch_region] = (uintptr_t)memory->scratch;
    sizes[network->scratch_region] = memory->scratch_bytes;
    addresses[network->weights_region] = (uintptr_t)network->weights;
    sizes[network->weights_region] = network->weights_bytes;
    const int failed = ethosu_invoke_v3(driver, network->payload, (int)network->payload_bytes, addresses, sizes,
                                        (int)FAN_NPU_REGIONS, NULL);
    return failed ? FAN_NPU_DRIVER_FAILED : FAN_NPU_OK;
}

fan_npu_status fan_npu_take(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                            size_t out_stride, const fan_npu_memory *memory)
{
    const fan_npu_network *network = network_of(specialist);
    const fan_npu_status status = check_memory(network, memory);
    if (status != FAN_NPU_OK) {
        return status;
    }
    if (!in || !out || !noise_is_possible(noise) || in_stride < network->tile_px || out_stride < network->tile_px) {
        return FAN_NPU_BAD_ARGUMENT;
    }
    plane_noise planes[FAN_PLANES];
    (void)set_planes(noise, planes);
    const fan_npu_tensor *output = &network->output;
    const uint8_t *values = (const uint8_t *)memory->scratch + output->offset;
    const size_t side = network->tile_px / 2u;
    for (size_t y = 0u; y < side; ++y) {
        for (size_t x = 0u; x < side; ++x) {
            const size_t pixel = (y * side + x) * output->pixel_stride;
            for (unsigned plane = 0u; plane < FAN_PLANES; ++plane) {
                const size_t row = 2u * y + plane / 2u, column = 2u * x + plane % 2u;
                const float answer = load(values, pixel + plane * output->channel_stride, network->value_bytes);
                const float value = in[row * in_stride + column];
                out[row * out_stride + column] = restored(value, answer * output->step, &planes[plane]);
            }
        }
    }
    return FAN_NPU_OK;
}

fan_npu_status fan_npu_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                           size_t out_stride, const fan_npu_memory *memory, struct ethosu_driver *driver)
{
    fan_npu_status status = fan_npu_give(specialist, noise, in, in_stride, memory);
    if (status == FAN_NPU_OK) {
        status = fan_npu_compute(specialist, memory, driver);
    }
    return status == FAN_NPU_OK ? fan_npu_take(specialist, noise, in, in_stride, out, out_stride, memory) : status;
}
