/* Stands in for a bundle's library in test_compiled.py: not a network, but a filter whose answer numpy can tell.
 *
 * Of the RGGB tile, with zeros beyond it:
 *     out(y, x) = sum of w(dy, dx) * in(y + 2 dy, x + 2 dx), dy, dx = -1 to 1, w = 1 to 9 row by row, over 45
 *               + mean of the aligned 16 x 16 block of (y, x)           as a strided network sees its own grid
 *               + shot of the pixel's colour + 10 * read of the pixel's colour + specialist
 * ABI, FIRST, HALO, STATUS and SLEEP_MS come from the compiler's command line. */

#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    float shot[3];
    float read[3];
} fan_noise;

enum { OK = 0, BAD_ARGUMENT = 1, BAD_SIZE = 2, ARENA_TOO_SMALL = 3 };

static const char *const names[] = {FIRST, "specialist-2"};

uint32_t fan_abi_version(void) { return ABI; }
uint32_t fan_specialist_count(void) { return 2; }
const char *fan_specialist_name(uint32_t specialist) { return specialist < 2 ? names[specialist] : NULL; }
uint32_t fan_specialist_for(const fan_noise *noise) { return noise->shot[1] >= 1e-3f; }
uint32_t fan_halo(uint32_t specialist) { return specialist < 2 ? HALO : 0; }

size_t fan_arena_bytes_of_parts(uint32_t specialist, uint32_t width, uint32_t height, uint32_t parts)
{
    if (specialist >= 2 || width % 16 || height % 16 || !width || !height || parts < 1 || parts > 16)
        return 0;
    return (size_t)width / 16 * sizeof(float);
}

static void pause_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

/* A part makes every parts-th block of columns, and waits for nobody. */
int32_t fan_run_part(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                     size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes, uint32_t part,
                     uint32_t parts, void *team)
{
    float *means = arena;
    if (STATUS)
        return STATUS;
    if (specialist >= 2 || (uintptr_t)arena % 64 || part >= parts || !team)
        return BAD_ARGUMENT;
    if (width % 16 || height % 16 || !width || !height)
        return BAD_SIZE;
    if (arena_bytes < fan_arena_bytes_of_parts(specialist, width, height, parts))
        return ARENA_TOO_SMALL;
    for (uint32_t y = 0; y < height; y++) {
        if (y % 16 == 0) {
            for (uint32_t block = part; block < width / 16; block += parts) {
                double sum = 0;
                for (uint32_t i = 0; i < 256; i++)
                    sum += in[(y + i / 16) * in_stride + 16 * block + i % 16];
                means[block] = (float)(sum / 256);
            }
            pause_ms(SLEEP_MS); /* another call that has the same arena would change it now */
        }
        for (uint32_t x = 0; x < width; x++) {
            const uint32_t colour = y % 2 + x % 2;
            float sum = 0;
            if (x / 16 % parts != part)
                continue;
            for (int k = 0; k < 9; k++) {
                const int64_t from_y = (int64_t)y + 2 * (k / 3 - 1), from_x = (int64_t)x + 2 * (k % 3 - 1);
                if (from_y >= 0 && from_y < height && from_x >= 0 && from_x < width)
                    sum += (float)(k + 1) * in[(size_t)from_y * in_stride + (size_t)from_x];
            }
            out[y * out_stride + x] = sum / 45 + means[x / 16] + noise->shot[colour] + 10 * noise->read[colour]
                                      + (float)specialist;
        }
    }
    return OK;
}
