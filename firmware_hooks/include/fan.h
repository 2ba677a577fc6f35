/* The denoiser as a library: Feature-Align Networks for RAW mosaics, compiled for one kind of core.
 *
 * No allocation, no thread, no global that is written: the caller gives an arena for each call, so that
 * several threads can work at once, each on a mosaic of its own or all on one. Of the C library, compilers may
 * call memset and memcpy; nothing else is needed. Whole frames of any size and Bayer phase: fan_frame.h.
 */
#ifndef FAN_H
#define FAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAN_ABI_VERSION 2u
#define FAN_ARENA_ALIGNMENT 64u
/* Width and height of a mosaic must be multiples of this. */
#define FAN_SIZE_MULTIPLE 16u
/* Wider ones are cut into columns: more would not fit the addresses of a 32-bit core. */
#define FAN_WIDTH_MOST 32768u
#define FAN_PARTS_MOST 16u

typedef enum {
    FAN_OK = 0,
    FAN_BAD_ARGUMENT = 1,   /* null, not aligned, a noise that is negative or not finite, no such specialist or part */
    FAN_BAD_SIZE = 2,       /* width or height */
    FAN_ARENA_TOO_SMALL = 3,
    FAN_STOPPED = 4         /* by a callback */
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

/* The same in turns, for who must do something else in between. A call lies where its caller wants it; what is in it
 * is the library's own. */
typedef struct fan_call fan_call;

fan_status fan_begin(fan_call *call, uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride,
                     float *out, size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes);

/* One turn: it makes up to 16 rows, in the first few none. Nonzero while rows are left; zero, and nothing happens, for
 * a call that is done or that fan_begin refused. */
int fan_advance(fan_call *call);

/* Rows of the mosaic that are done, from the first on. */
uint32_t fan_rows_done(const fan_call *call);

/* Several threads, each on a core of its own, share one mosaic: each calls fan_run_part with the same arguments but for
 * its part, 0 to parts - 1. Best is when all parts run at once; one that comes late, or whose core has other work, has
 * its share done by the others, but for the piece that it has in hand; of a tile that is cut in halves (fan_groups.h),
 * the others come by once, when their own half is done. The result is the same to the bit for any number of parts.
 *
 * team: memory that all parts see, one for each call; before the first part begins, zeros but for `yield`. yield: called
 * again and again by a part that has waited for long, so that cores that have other work get on with it. sched_yield
 * fits; NULL, where every part has its core to itself. What it returns is ignored. Compilers that don't make atomic
 * operations in place take them from their own support library. */
typedef struct {
    int (*yield)(void);
    /* One for each part, far enough apart for caches. */
    uint32_t groups[FAN_PARTS_MOST][16];
} fan_team;

/* Bytes of arena that the parts need together; with one, as many as fan_arena_bytes says. */
size_t fan_arena_bytes_of_parts(uint32_t specialist, uint32_t width, uint32_t height, uint32_t parts);

/* out is whole when all parts have returned. team may be NULL for one part. */
fan_status fan_run_part(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                        size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes,
                        uint32_t part, uint32_t parts, fan_team *team);

/* A part in turns. The parts of a call make as many; which rows are done is known when all have made them. */
fan_status fan_begin_part(fan_call *call, uint32_t specialist, const fan_noise *noise, const float *in,
                          size_t in_stride, float *out, size_t out_stride, uint32_t width, uint32_t height, void *arena,
                          size_t arena_bytes, uint32_t part, uint32_t parts, fan_team *team);

/* What the engine is made for at most; the compiler refuses more. */
#define FAN_RINGS_MAX 64u
#define FAN_IMAGE_CHANNELS_MAX 16u
#define FAN_STABILISE_CONSTANTS 6u
#define FAN_RESTORE_CONSTANTS 3u

/* Not for callers, who only need its size. */
struct fan_call {
    const struct fan_network *network;
    const uint8_t *weights;
    const float *in;
    float *out;
    size_t in_stride;
    size_t out_stride;
    uint8_t *arena;
    uint8_t *scratch;
    fan_team *team;
    uint64_t rings_read;
    uint64_t rings_written;
    uint32_t in_rows;
    uint32_t out_rows;
    uint32_t width;
    uint32_t height;
    uint32_t part;
    uint32_t parts;
    uint32_t halves;
    uint32_t middle;
    uint32_t strips;
    uint32_t first_group;
    uint32_t end_group;
    uint32_t helps;
    uint32_t group_values;
    uint32_t group;
    uint32_t rows;
    uint32_t holds_group;
    uint32_t phase;
    uint32_t tried;
    uint32_t per_turn;
    uint32_t lag;
    uint32_t start;
    uint32_t end;
    uint32_t zeros;
    uint32_t ring_starts[FAN_RINGS_MAX];
    uint32_t ring_pitches[FAN_RINGS_MAX];
    float stabilise[FAN_STABILISE_CONSTANTS * FAN_IMAGE_CHANNELS_MAX];
    float restore[2][2u * FAN_RESTORE_CONSTANTS];
};

#ifdef __cplusplus
}
#endif

#endif
