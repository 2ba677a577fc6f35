/* Denoises a frame with a bundle's library, as an ISP's firmware would: in strips, with no more memory than it is given.
 *
 *     cc -std=c99 -O2 -I BUNDLE/include denoise_frame.c BUNDLE/lib/libfan.a -o denoise_frame
 *     denoise_frame IN OUT WIDTH HEIGHT rggb|grbg|gbrg|bggr SHOT READ KIB
 *
 * IN and OUT are files of WIDTH x HEIGHT floats: a RAW mosaic before white balance, black 0, white 1. The variance of
 * its noise is SHOT * x + READ. KIB: memory for the library, in units of 1024 bytes.
 *
 * In a firmware the two files are the sensor's frame buffer and the next stage's, and the memory is an array.
 */
#include "fan_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    FILE *in;
    FILE *out;
    uint32_t width;
} files;

static int at_pixel(FILE *file, const files *both, uint32_t x, uint32_t y)
{
    return fseek(file, (long)(((size_t)y * both->width + x) * sizeof(float)), SEEK_SET);
}

/* The library asks for a part of a row. */
static int read_row(void *context, uint32_t x, uint32_t y, uint32_t count, float *values)
{
    const files *both = context;
    return at_pixel(both->in, both, x, y) != 0 || fread(values, sizeof(float), count, both->in) != count;
}

/* The library hands over a part of a row. */
static int write_row(void *context, uint32_t x, uint32_t y, uint32_t count, const float *values)
{
    const files *both = context;
    return at_pixel(both->out, both, x, y) != 0 || fwrite(values, sizeof(float), count, both->out) != count;
}

static int bayer_called(const char *name)
{
    static const char *const names[] = {"rggb", "grbg", "gbrg", "bggr"};
    for (int i = 0; i < 4; ++i) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int fail(const char *what)
{
    fprintf(stderr, "denoise_frame: %s\n", what);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc != 9 || bayer_called(argv[5]) < 0) {
        return fail("IN OUT WIDTH HEIGHT rggb|grbg|gbrg|bggr SHOT READ KIB");
    }
    files both = {fopen(argv[1], "rb"), fopen(argv[2], "wb"), (uint32_t)strtoul(argv[3], NULL, 10)};
    if (both.in == NULL || both.out == NULL) {
        return fail("a file that can't be opened");
    }

    fan_frame frame;
    frame.width = both.width;
    frame.height = (uint32_t)strtoul(argv[4], NULL, 10);
    frame.bayer = (fan_bayer)bayer_called(argv[5]);
    frame.context = &both;
    frame.read = read_row;
    frame.write = write_row;

    /* The noise of each colour, before white balance; here all are alike. */
    const float shot = strtof(argv[6], NULL);
    const float read = strtof(argv[7], NULL);
    const fan_noise noise = {{shot, shot, shot}, {read, read, read}};
    const uint32_t specialist = fan_specialist_for(&noise);

    const size_t bytes = (size_t)strtoul(argv[8], NULL, 10) * 1024u;
    unsigned char *block = malloc(bytes + FAN_ARENA_ALIGNMENT);
    if (block == NULL) {
        return fail("out of memory");
    }
    unsigned char *memory = block + (FAN_ARENA_ALIGNMENT - (uintptr_t)block % FAN_ARENA_ALIGNMENT);

    const uint32_t strip = fan_frame_strip(specialist, frame.width, bytes);
    printf("%s, in strips of %u columns\n", fan_specialist_name(specialist), (unsigned)strip);
    const fan_status status = fan_frame_run(specialist, &noise, &frame, memory, bytes);
    free(block);
    (void)fclose(both.in);
    if (fclose(both.out) != 0) {
        return fail("a file that can't be written");
    }
    switch (status) {
    case FAN_OK:
        return EXIT_SUCCESS;
    case FAN_BAD_SIZE:
        return fail("width and height must be even");
    case FAN_ARENA_TOO_SMALL:
        fprintf(stderr, "denoise_frame: %zu KiB are needed at least\n",
                fan_frame_bytes(specialist, frame.width, FAN_SIZE_MULTIPLE) / 1024u + 1u);
        return EXIT_FAILURE;
    case FAN_STOPPED:
        return fail("a file that is too short, or can't be written");
    case FAN_BAD_ARGUMENT:
    default:
        return fail("noise must be finite and not negative");
    }
}
