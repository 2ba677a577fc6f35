/* Whole frames of any even size and Bayer phase, read and written row by row through callbacks: what an ISP's firmware
 * calls where neither a frame of floats nor one in the order R G / G B is at hand.
 *
 * A frame is denoised in strips of columns, from left to right, as wide as the memory allows; each strip computes
 * the halo beside it anew, so wider ones are faster. Beyond its edges the frame goes on by reflection for 32
 * pixels, then come zeros. The result does not depend on the strips but for rounding.
 */
#ifndef FAN_FRAME_H
#define FAN_FRAME_H

#include "fan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Colours of the first two pixels of the first two rows. */
typedef enum { FAN_RGGB = 0, FAN_GRBG = 1, FAN_GBRG = 2, FAN_BGGR = 3 } fan_bayer;

/* width and height: even. Values are as fan_run's: black 0, white 1, before white balance, values below 0 kept.
 *
 * read: fills `values` with `count` pixels of row y from column x on. write: takes them. Both lie within the frame. Each
 * pixel is written once; it is read as often as there are strips that need it, and more often near the edges, also
 * after pixels beside it were written: what is read must not be overwritten by what is written. Rows come and go
 * one after the other, from the bottom up where red is in the second row. Anything but 0 ends the run. */
typedef struct {
    uint32_t width;
    uint32_t height;
    fan_bayer bayer;
    void *context;
    int (*read)(void *context, uint32_t x, uint32_t y, uint32_t count, float *values);
    int (*write)(void *context, uint32_t x, uint32_t y, uint32_t count, const float *values);
} fan_frame;

/* Bytes of memory for a frame of that width in strips of so many columns, a multiple of 16; a frame's height makes no
 * difference. 0 if there is no such specialist, or it is no such width or strip. With the shipped network, whose halo
 * is 96 pixels, in float32 (in float16 about half as many):
 *
 *     columns of a strip                        16    64    128   256   512   1024  4000
 *     MiB                                       1.3   1.4   1.8   2.4   3.8   6.4   21.3
 *     times the work, for a frame 4000 wide    12.7   3.9   2.5   1.7   1.3   1.14  1 */
size_t fan_frame_bytes(uint32_t specialist, uint32_t width, uint32_t strip);

/* Columns of the strips that fan_frame_run takes with so much memory: all of the frame where it fits, 0 where not even
 * the narrowest do. */
uint32_t fan_frame_strip(uint32_t specialist, uint32_t width, size_t bytes);

/* memory is aligned as an arena. FAN_ARENA_TOO_SMALL if it is too little for the narrowest strips, FAN_STOPPED if
 * a callback ended the run. */
fan_status fan_frame_run(uint32_t specialist, const fan_noise *noise, const fan_frame *frame, void *memory,
                         size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
