/* What the compiler tells the engine of the networks: tables in fan_model.c, kernels in kernels.o. */
#ifndef FAN_MODEL_H
#define FAN_MODEL_H

#include <stdint.h>

/* Of what the library's parts share: a shared library gives only fan.h's functions to others. */
#ifndef FAN_PRIVATE
#if defined(__GNUC__)
#define FAN_PRIVATE __attribute__((visibility("hidden")))
#else
#define FAN_PRIVATE
#endif
#endif

#define FAN_NONE 255u
/* Columns of a chunk. */
#define FAN_COLUMNS 8u

/* Values are float or, in half precision, two bytes each; the mosaic's are always float.
 * rowN: where an input row's first column lies, in values from rows; a border column precedes it. chunks:
 * groups of columns to make. */
typedef int32_t (*fan_kernel)(const void *rows, int32_t row0, int32_t row1, int32_t row2, const void *side,
                              const void *weights, int32_t chunks, void *out, void *scratch);

/* The last rows of one layer. lag: rows by which it is behind the mosaic at the end of a turn. */
typedef struct {
    uint16_t channels;
    uint16_t capacity;
    uint16_t lag;
    uint8_t scale;
} fan_ring;

/* One layer: reads count rows from (y * multiply >> shift) + origin on. weights: values before them. spread:
 * columns of the target for each of the source's. */
typedef struct {
    fan_kernel kernel;
    uint32_t weights;
    uint32_t odd_row_weights;
    uint8_t source;
    uint8_t side;
    uint8_t target;
    uint8_t multiply;
    uint8_t shift;
    uint8_t count;
    int8_t origin;
    uint8_t spread;
} fan_step;

/* rings[0] is the stabilised mosaic. coarsest: the scale whose rows are one turn apart. */
typedef struct fan_network {
    const fan_ring *rings;
    const fan_step *steps;
    fan_kernel stabilise;
    fan_kernel restore;
    uint32_t scratch_bytes;
    uint32_t halo;
    uint8_t ring_count;
    uint8_t step_count;
    uint8_t coarsest;
    uint8_t answer;
    uint8_t value_bytes;
} fan_network;

/* chosen_from: the least shot noise that it serves; rising from one to the next. */
typedef struct {
    const char *name;
    const fan_network *network;
    const uint8_t *weights;
    float chosen_from;
} fan_specialist;

FAN_PRIVATE extern const fan_specialist fan_specialists[];
FAN_PRIVATE extern const uint32_t fan_specialists_count;

#endif
