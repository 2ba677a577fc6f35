/* The denoiser as a library: Feature-Align Networks for RAW mosaics, compiled for one core.
 *
 * No allocation, no thread, no global that is written: the caller gives an arena for each call, so that
 * several threads can work at once. Of the C library, compilers may call memset and memcpy; nothing else is needed.
 */
#ifndef FAN_H
#define FAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAN_ABI_VERSION 1u
#define FAN_ARENA_ALIGNMENT 64u
/* Width and height of a mosaic must be multiples of this. */
#define FAN_SIZE_MULTIPLE 16u
/* Wider ones are cut into columns: more would not fit the addresses of a 32-bit core. */
#define FAN_WIDTH_MOST 32768u

typedef enum {
    FAN_OK = 0,
    FAN_BAD_ARGUMENT = 1,   /* null, not aligned, a noise that is negative or not finite, no such specialist */
    FAN_BAD_SIZE = 2,       /* width or height */
    FAN_ARENA_TOO_SMALL = 3
} fan_status;

/* Variance of the noise of R, G and B: shot * x + read, where black is 0 and white is 1. */
typedef struct {
    float shot[3];
    float read[3];
} fan_noise;

uint32_t fan_abi_version(void);

uint32_t fan_specialist_count(void);

/* NULL beyond the last. */
const char *fan_specialist_name(uint32_t specialist);

/* The specialist that serves a noise level. */
uint32_t fan_specialist_for(const fan_noise *noise);

/* Mosaic pixels around a tile that may influence it: give as many more on each side and throw them away. */
uint32_t fan_halo(uint32_t specialist);

/* Bytes of arena for a mosaic of that size; 0 if there is no such specialist, or it is no such size. It grows
 * with the width; with the height it doesn't. */
size_t fan_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height);

/* Denoises a mosaic in the order R G / G B: black 0, white 1, before white balance, values below 0 kept.
 * Strides are in floats. Beyond the border the network sees zeros. in and out may not overlap. */
fan_status fan_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                   size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes);

#ifdef __cplusplus
}
#endif

#endif
