/* Runs an engine where every slip is fatal: pages that may not be touched lie directly before and behind each picture
 * and the arena, beside what the sanitizers see.
 *
 *     guarded_run SPECIALIST WIDTH HEIGHT IN_STRIDE OUT_STRIDE IN OUT
 *
 * Runs twice, with everything at the end and at the start of its pages; both results must be equal. IN and OUT: files
 * of WIDTH x HEIGHT floats. */
#define _DEFAULT_SOURCE
#include "fan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    unsigned char *pages;
    size_t page;
    size_t size;
    unsigned char *start;
} region;

/* Bytes that end with the last page that may be used, or begin with the first, but for `alignment`. */
static region placed(size_t size, int at_end, size_t alignment)
{
    region made;
    made.page = (size_t)sysconf(_SC_PAGESIZE);
    made.size = (size + made.page - 1) / made.page * made.page;
    made.pages = mmap(NULL, made.size + 2 * made.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made.pages == MAP_FAILED || mprotect(made.pages, made.page, PROT_NONE) != 0 ||
        mprotect(made.pages + made.page + made.size, made.page, PROT_NONE) != 0) {
        perror("mmap");
        exit(9);
    }
    memset(made.pages + made.page, 0xFF, made.size); /* NaN */
    made.start = made.pages + made.page + (at_end ? (made.size - size) / alignment * alignment : 0);
    return made;
}

static void removed(region which) { munmap(which.pages, which.size + 2 * which.page); }

static void run(char **argv, const float *given, float *result, int at_end)
{
    const uint32_t specialist = (uint32_t)strtoul(argv[1], NULL, 10);
    const uint32_t width = (uint32_t)strtoul(argv[2], NULL, 10), height = (uint32_t)strtoul(argv[3], NULL, 10);
    const size_t in_stride = strtoul(argv[4], NULL, 10), out_stride = strtoul(argv[5], NULL, 10);
    const fan_noise noise = {{2e-3f, 1e-3f, 8e-4f}, {1e-5f, 8e-6f, 2e-5f}};
    const size_t arena_bytes = fan_arena_bytes(specialist, width, height);
    /* The last row ends with its last pixel: there is no stride behind it. */
    region in = placed((in_stride * (height - 1) + width) * sizeof(float), at_end, sizeof(float));
    region out = placed((out_stride * (height - 1) + width) * sizeof(float), at_end, sizeof(float));
    region arena = placed(arena_bytes, at_end, FAN_ARENA_ALIGNMENT);
    float *picture = (float *)(void *)in.start, *clean = (float *)(void *)out.start;
    for (size_t y = 0; y < height; ++y)
        memcpy(picture + y * in_stride, given + y * width, width * sizeof(float));
    mprotect(in.pages, in.size + 2 * in.page, PROT_NONE);
    mprotect(in.pages + in.page, in.size, PROT_READ);
    const fan_status status = fan_run(specialist, &noise, picture, in_stride, clean, out_stride, width, height,
                                      arena.start, arena_bytes);
    if (status != FAN_OK) {
        fprintf(stderr, "fan_run gave %d\n", (int)status);
        exit(8);
    }
    for (size_t y = 0; y < height; ++y) {
        memcpy(result + y * width, clean + y * out_stride, width * sizeof(float));
        for (size_t x = width; x < out_stride && y + 1 < height; ++x)
            for (size_t byte = 0; byte < sizeof(float); ++byte)
                if (((unsigned char *)(clean + y * out_stride + x))[byte] != 0xFF) {
                    fprintf(stderr, "written beside the picture in row %zu\n", y);
                    exit(7);
                }
    }
    removed(in);
    removed(out);
    removed(arena);
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    const size_t count = strtoul(argv[2], NULL, 10) * strtoul(argv[3], NULL, 10);
    float *given = malloc(count * sizeof(float)), *at_end = malloc(count * sizeof(float)),
          *at_start = malloc(count * sizeof(float));
    FILE *file = fopen(argv[6], "rb");
    if (file == NULL || fread(given, sizeof(float), count, file) != count)
        return 3;
    fclose(file);
    run(argv, given, at_end, 1);
    run(argv, given, at_start, 0);
    if (memcmp(at_end, at_start, count * sizeof(float)) != 0) {
        fprintf(stderr, "two runs differ\n");
        return 6;
    }
    file = fopen(argv[7], "wb");
    if (file == NULL || fwrite(at_end, sizeof(float), count, file) != count || fclose(file) != 0)
        return 4;
    free(given);
    free(at_end);
    free(at_start);
    return 0;
}
