/* Calls fan_npu.c for the tests, with a driver that only notes what it is given.
 *
 *     npu_program give   SPECIALIST NOISE... IN STRIDE INTEGERS         the NPU's input for a mosaic
 *     npu_program run    SPECIALIST NOISE... IN STRIDE INTEGERS OUT STRIDE  the NPU answers what is in INTEGERS
 *     npu_program choose SHOT...                                        the specialist for each
 *     npu_program misuse                                                everything that must be refused
 *
 * Memory has exactly as many bytes as asked for, and is dirty. */
#include <ethosu_driver.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fan_npu.h"
#include "fan_npu_model.h"

#define CHECK(holds) \
    do { \
        if (!(holds)) { \
            fprintf(stderr, "line %d: %s\n", __LINE__, #holds); \
            failures++; \
        } \
    } while (0)

static int failures;

struct ethosu_driver {
    const fan_npu_network *network;
    const fan_npu_memory *memory;
    const void *answer;
    size_t answer_bytes;
    int result;
    int calls;
};

int ethosu_invoke_v3(struct ethosu_driver *drv, const void *custom_data_ptr, const int custom_data_size,
                     uint64_t *const base_addr, const size_t *base_addr_size, const int num_base_addr, void *user_arg)
{
    const fan_npu_network *network = drv->network;
    const fan_npu_memory *memory = drv->memory;
    drv->calls++;
    CHECK(custom_data_ptr == network->payload && custom_data_size == (int)network->payload_bytes);
    CHECK((uintptr_t)network->payload % 16u == 0u && (uintptr_t)network->weights % 16u == 0u);
    CHECK(num_base_addr == (int)FAN_NPU_REGIONS && user_arg == NULL);
    CHECK(base_addr[network->weights_region] == (uintptr_t)network->weights);
    CHECK(base_addr_size[network->weights_region] == network->weights_bytes);
    CHECK(base_addr[network->scratch_region] == (uintptr_t)memory->scratch);
    CHECK(base_addr_size[network->scratch_region] == memory->scratch_bytes);
    if (memory->fast) {
        CHECK(base_addr[network->fast_region] == (uintptr_t)memory->fast);
        CHECK(base_addr_size[network->fast_region] == memory->fast_bytes);
    }
    memcpy((uint8_t *)memory->scratch + network->output.offset, drv->answer, drv->answer_bytes);
    return drv->result;
}

static void *allocated(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) {
        exit(3);
    }
    memset(memory, 0xA5, bytes);
    return memory;
}

static fan_npu_memory memory_for(uint32_t specialist)
{
    fan_npu_memory memory = {NULL, fan_npu_scratch_bytes(specialist), NULL, fan_npu_fast_bytes(specialist)};
    memory.scratch = allocated(memory.scratch_bytes);
    memory.fast = memory.fast_bytes ? allocated(memory.fast_bytes) : NULL;
    return memory;
}

static void release(fan_npu_memory *memory)
{
    free(memory->scratch);
    free(memory->fast);
}

static void transfer(const char *path, const char *mode, void *data, size_t bytes)
{
    FILE *file = fopen(path, mode);
    if (!file || (mode[0] == 'r' ? fread(data, 1u, bytes, file) : fwrite(data, 1u, bytes, file)) != bytes) {
        exit(3);
    }
    fclose(file);
}

/* Of a picture whose last row ends with its last pixel. */
static size_t bytes_of(uint32_t side, size_t stride) { return ((side - 1u) * stride + side) * sizeof(float); }

static fan_noise noise_of(char **texts)
{
    fan_noise noise;
    for (int i = 0; i < 3; ++i) {
        noise.shot[i] = strtof(texts[i], NULL);
        noise.read[i] = strtof(texts[3 + i], NULL);
    }
    return noise;
}

static void give(char **arguments)
{
    const uint32_t specialist = (uint32_t)atoi(arguments[0]);
    const fan_noise noise = noise_of(&arguments[1]);
    const size_t stride = (size_t)atoi(arguments[8]), in_bytes = bytes_of(fan_npu_tile_px(specialist), stride);
    fan_npu_memory memory = memory_for(specialist);
    float *in = allocated(in_bytes);
    size_t bytes = 0u;
    transfer(arguments[7], "rb", in, in_bytes);
    CHECK(fan_npu_give(specialist, &noise, in, stride, &memory) == FAN_NPU_OK);
    void *integers = fan_npu_input(specialist, &memory, &bytes);
    transfer(arguments[9], "wb", integers, bytes);
    free(in);
    release(&memory);
}

static void run(char **arguments)
{
    const uint32_t specialist = (uint32_t)atoi(arguments[0]);
    const fan_noise noise = noise_of(&arguments[1]);
    const size_t stride = (size_t)atoi(arguments[8]), out_stride = (size_t)atoi(arguments[11]);
    const uint32_t side = fan_npu_tile_px(specialist);
    const size_t in_bytes = bytes_of(side, stride), out_bytes = bytes_of(side, out_stride);
    fan_npu_memory memory = memory_for(specialist);
    float *in = allocated(in_bytes), *out = allocated(out_bytes);
    size_t bytes = 0u;
    const void *place = fan_npu_output(specialist, &memory, &bytes);
    void *answer = allocated(bytes);
    struct ethosu_driver driver = {&fan_npu_networks[specialist], &memory, answer, bytes, 0, 0};
    CHECK(place == (uint8_t *)memory.scratch + driver.network->output.offset);
    transfer(arguments[7], "rb", in, in_bytes);
    transfer(arguments[9], "rb", answer, bytes);
    CHECK(fan_npu_run(specialist, &noise, in, stride, out, out_stride, &memory, &driver) == FAN_NPU_OK);
    CHECK(driver.calls == 1);
    transfer(arguments[10], "wb", out, out_bytes);
    /* The same in place. */
    if (stride == out_stride) {
        CHECK(fan_npu_run(specialist, &noise, in, stride, in, stride, &memory, &driver) == FAN_NPU_OK);
        for (uint32_t y = 0u; y < side; ++y) {
            CHECK(memcmp(&in[y * stride], &out[y * stride], side * sizeof(float)) == 0);
        }
    }
    free(in);
    free(out);
    free(answer);
    release(&memory);
}

static void choose(char **shots, int count)
{
    for (int i = 0; i < count; ++i) {
        const float shot = strtof(shots[i], NULL);
        const fan_noise noise = {{shot * 2.0f, shot, 0.0f}, {0.0f, 0.0f, 0.0f}};
        printf("%u\n", (unsigned)fan_npu_specialist_for(&noise));
    }
}

static void misuse(void)
{
    const uint32_t none = fan_npu_specialist_count(), side = fan_npu_tile_px(0u);
    const fan_noise noise = {{1e-3f, 1e-3f, 1e-3f}, {1e-6f, 1e-6f, 1e-6f}};
    fan_npu_memory memory = memory_for(0u), fast = memory_for(1u);
    size_t bytes = 77u;
    float *in = allocated(bytes_of(side, side)), *out = allocated(bytes_of(side, side));
    uint8_t *answer = allocated(fan_npu_scratch_bytes(0u));
    struct ethosu_driver driver = {&fan_npu_networks[0], &memory, answer, 0u, 0, 0};
    memset(in, 0, bytes_of(side, side));

    CHECK(fan_npu_specialist_name(none) == NULL && fan_npu_tile_px(none) == 0u && fan_npu_halo_px(none) == 0u);
    CHECK(fan_npu_scratch_bytes(none) == 0u && fan_npu_fast_bytes(none) == 0u);
    CHECK(fan_npu_halo_px(0u) > 0u && strcmp(fan_npu_specialist_name(0u), "wide") == 0);

    CHECK(fan_npu_give(none, &noise, in, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_compute(none, &memory, &driver) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(none, &noise, in, side, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_run(none, &noise, in, side, out, side, &memory, &driver) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_input(none, &memory, &bytes) == NULL && fan_npu_output(none, &memory, &bytes) == NULL);

    CHECK(fan_npu_give(0u, NULL, in, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_give(0u, &noise, NULL, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_give(0u, &noise, in, side - 1u, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_give(0u, &noise, in, side, NULL) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(0u, NULL, in, side, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(0u, &noise, NULL, side, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(0u, &noise, in, side, NULL, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(0u, &noise, in, side - 1u, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_take(0u, &noise, in, side, out, side - 1u, &memory) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_run(0u, NULL, in, side, out, side, &memory, &driver) == FAN_NPU_BAD_ARGUMENT);

    const float impossible[] = {-1e-6f, NAN, INFINITY, -INFINITY};
    for (unsigned i = 0u; i < sizeof impossible / sizeof *impossible; ++i) {
        for (unsigned colour = 0u; colour < 3u; ++colour) {
            fan_noise shots = noise, reads = noise;
            shots.shot[colour] = reads.read[colour] = impossible[i];
            CHECK(fan_npu_give(0u, &shots, in, side, &memory) == FAN_NPU_BAD_ARGUMENT);
            CHECK(fan_npu_give(0u, &reads, in, side, &memory) == FAN_NPU_BAD_ARGUMENT);
            CHECK(fan_npu_take(0u, &shots, in, side, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
            CHECK(fan_npu_take(0u, &reads, in, side, out, side, &memory) == FAN_NPU_BAD_ARGUMENT);
        }
    }

    const fan_npu_memory missing = {NULL, memory.scratch_bytes, NULL, 0u};
    const fan_npu_memory askew = {(uint8_t *)memory.scratch + 8u, memory.scratch_bytes, NULL, 0u};
    const fan_npu_memory small = {memory.scratch, memory.scratch_bytes - 1u, NULL, 0u};
    const fan_npu_memory fast_askew = {fast.scratch, fast.scratch_bytes, (uint8_t *)fast.fast + 4u, fast.fast_bytes};
    const fan_npu_memory fast_small = {fast.scratch, fast.scratch_bytes, fast.fast, fast.fast_bytes - 1u};
    CHECK(fan_npu_give(0u, &noise, in, side, &missing) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_give(0u, &noise, in, side, &askew) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_give(0u, &noise, in, side, &small) == FAN_NPU_MEMORY_TOO_SMALL);
    CHECK(fan_npu_compute(0u, &small, &driver) == FAN_NPU_MEMORY_TOO_SMALL);
    CHECK(fan_npu_take(0u, &noise, in, side, out, side, &small) == FAN_NPU_MEMORY_TOO_SMALL);
    CHECK(fan_npu_input(0u, &small, &bytes) == NULL && fan_npu_output(0u, &small, &bytes) == NULL);
    CHECK(fan_npu_compute(1u, &fast_askew, &driver) == FAN_NPU_BAD_ARGUMENT);
    CHECK(fan_npu_compute(1u, &fast_small, &driver) == FAN_NPU_MEMORY_TOO_SMALL);
    CHECK(bytes == 77u && driver.calls == 0);

    /* A driver that fails, and memory beside the NPU that the driver knows of. */
    driver.result = -1;
    CHECK(fan_npu_run(0u, &noise, in, side, out, side, &memory, &driver) == FAN_NPU_DRIVER_FAILED);
    fan_npu_memory known = fast;
    known.fast = NULL;
    driver = (struct ethosu_driver){&fan_npu_networks[1], &known, answer, 0u, 0, 0};
    CHECK(fan_npu_compute(1u, &known, &driver) == FAN_NPU_OK && driver.calls == 1);
    free(in);
    free(out);
    free(answer);
    release(&memory);
    release(&fast);
}

int main(int count, char **arguments)
{
    if (count == 12 && strcmp(arguments[1], "give") == 0) {
        give(&arguments[2]);
    } else if (count == 14 && strcmp(arguments[1], "run") == 0) {
        run(&arguments[2]);
    } else if (count > 2 && strcmp(arguments[1], "choose") == 0) {
        choose(&arguments[2], count - 2);
    } else if (count == 2 && strcmp(arguments[1], "misuse") == 0) {
        misuse();
    } else {
        return 2;
    }
    return failures != 0;
}
