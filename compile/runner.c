/* Runs one tile through a bundle's library, on the machine that the library is for.
 *
 *     runner SPECIALIST IN OUT WIDTH HEIGHT SHOT_R SHOT_G SHOT_B READ_R READ_G READ_B REPETITIONS
 *
 * SPECIALIST counts from 0. IN and OUT are files of WIDTH x HEIGHT floats in the machine's byte order, RGGB mosaics,
 * black 0, white 1. Prints one line of JSON: the specialist's name, fan_run's status, the arena's size, whether
 * anything was written beside the output or the arena, and the processor time of the fastest repetition.
 *
 * It makes things as hard as the interface allows: pictures are aligned to a float and no more, their rows are an odd
 * number of floats apart with NaN between those of the input, and the arena is full of NaN.
 *
 * Exit codes: 0 done; 1 fan_run reported an error (the line is printed, OUT is not written); 2 usage; 3 a file;
 * 4 out of memory; 5 header and library of different ABI versions.
 */
#include "fan.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_FAN_ERROR = 1, EXIT_USAGE = 2, EXIT_FILE = 3, EXIT_MEMORY = 4, EXIT_ABI = 5 };
enum { ARGUMENT_COUNT = 13, GUARD_BYTES = 64, IN_PADDING = 5, OUT_PADDING = 3 };

#define NAN_BYTE 0xFF   /* four of them are a NaN */
#define GUARD_BYTE 0xA5

static int fail(int exit_code, const char *what, const char *which)
{
    fprintf(stderr, "runner: %s%s\n", what, which);
    return exit_code;
}

static int read_rows(const char *path, float *to, size_t stride, size_t width, size_t height)
{
    FILE *file = fopen(path, "rb");
    int whole = file != NULL;
    for (size_t y = 0; whole && y < height; y++)
        whole = fread(to + y * stride, sizeof(float), width, file) == width;
    if (file != NULL)
        fclose(file);
    return whole;
}

static int write_rows(const char *path, const float *from, size_t stride, size_t width, size_t height)
{
    FILE *file = fopen(path, "wb");
    int whole = file != NULL;
    for (size_t y = 0; whole && y < height; y++)
        whole = fwrite(from + y * stride, sizeof(float), width, file) == width;
    if (file != NULL && fclose(file) != 0)
        whole = 0;
    return whole;
}

static int untouched(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        if (at[i] != GUARD_BYTE)
            return 0;
    return 1;
}

static unsigned char *aligned(unsigned char *address)
{
    return address + (FAN_ARENA_ALIGNMENT - (uintptr_t)address % FAN_ARENA_ALIGNMENT) % FAN_ARENA_ALIGNMENT;
}

int main(int argc, char **argv)
{
    if (argc != ARGUMENT_COUNT)
        return fail(EXIT_USAGE, "SPECIALIST IN OUT WIDTH HEIGHT, three of shot and of read noise, REPETITIONS", "");
    if (fan_abi_version() != FAN_ABI_VERSION)
        return fail(EXIT_ABI, "fan.h and the library are of different ABI versions", "");

    const uint32_t specialist = (uint32_t)strtoul(argv[1], NULL, 10);
    const uint32_t width = (uint32_t)strtoul(argv[4], NULL, 10), height = (uint32_t)strtoul(argv[5], NULL, 10);
    const long repetitions = strtol(argv[12], NULL, 10);
    fan_noise noise;
    for (int colour = 0; colour < 3; colour++) {
        noise.shot[colour] = strtof(argv[6 + colour], NULL);
        noise.read[colour] = strtof(argv[9 + colour], NULL);
    }
    const char *name = fan_specialist_name(specialist);
    const size_t arena_bytes = fan_arena_bytes(specialist, width, height);
    if (name == NULL || arena_bytes == 0 || repetitions < 1)
        return fail(EXIT_USAGE, "no such specialist or size, or no repetition", "");

    const size_t in_stride = (size_t)width + IN_PADDING, out_stride = (size_t)width + OUT_PADDING;
    const size_t in_bytes = in_stride * height * sizeof(float), out_bytes = out_stride * height * sizeof(float);
    unsigned char *in_block = malloc(FAN_ARENA_ALIGNMENT + sizeof(float) + in_bytes);
    unsigned char *out_block = malloc(FAN_ARENA_ALIGNMENT + sizeof(float) + out_bytes);
    unsigned char *arena_block = malloc(FAN_ARENA_ALIGNMENT + GUARD_BYTES + arena_bytes + GUARD_BYTES);
    if (in_block == NULL || out_block == NULL || arena_block == NULL)
        return fail(EXIT_MEMORY, "out of memory", "");

    float *in = (float *)(void *)(aligned(in_block) + sizeof(float));
    float *out = (float *)(void *)(aligned(out_block) + sizeof(float));
    unsigned char *arena = aligned(arena_block) + GUARD_BYTES;
    memset(in, NAN_BYTE, in_bytes);
    memset(out, GUARD_BYTE, out_bytes);
    memset(arena - GUARD_BYTES, GUARD_BYTE, GUARD_BYTES);
    memset(arena, NAN_BYTE, arena_bytes);
    memset(arena + arena_bytes, GUARD_BYTE, GUARD_BYTES);
    if (!read_rows(argv[2], in, in_stride, width, height))
        return fail(EXIT_FILE, "cannot read ", argv[2]);

    int status = 0;
    double best_s = 0;
    for (long i = 0; i < repetitions && status == 0; i++) {
        const clock_t start = clock();
        status = (int)fan_run(specialist, &noise, in, in_stride, out, out_stride, width, height, arena, arena_bytes);
        const double spent_s = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (i == 0 || spent_s < best_s)
            best_s = spent_s;
    }

    int overrun = !untouched(arena - GUARD_BYTES, GUARD_BYTES) || !untouched(arena + arena_bytes, GUARD_BYTES);
    for (size_t y = 0; y < height; y++)
        overrun |= !untouched(out + y * out_stride + width, OUT_PADDING * sizeof(float));
    if (status == 0 && !write_rows(argv[3], out, out_stride, width, height))
        return fail(EXIT_FILE, "cannot write ", argv[3]);
    printf("{\"specialist\": \"%s\", \"status\": %d, \"arena_bytes\": %zu, \"overrun\": %s, \"best_s\": %.6f}\n", name,
           status, arena_bytes, overrun ? "true" : "false", best_s);
    free(in_block);
    free(out_block);
    free(arena_block);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAN_ERROR;
}
