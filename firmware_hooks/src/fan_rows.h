/* A part of fan.c: what a group makes of its rows, step by step, and what it fetches for that of its neighbours. */
#ifndef FAN_ROWS_H
#define FAN_ROWS_H

#include "fan_groups.h"
#include "fan_model.h"

static void clear(uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        bytes[i] = 0u;
    }
}

static void copy(uint8_t *to, const uint8_t *from, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        to[i] = from[i];
    }
}

typedef struct {
    uint32_t first;
    uint32_t end;
} span;

/* Rows of a turn that there are: `count` of them from `first` on, as far as they lie within 0 to `all`. */
static span rows_of_turn(int32_t first, int32_t count, int32_t all)
{
    const int32_t end = first + count < all ? first + count : all;
    span rows = {0u, 0u};
    rows.first = first > 0 ? (uint32_t)first : 0u;
    rows.end = end > 0 ? (uint32_t)end : 0u;
    return rows;
}

static uint32_t chunks_of(uint32_t columns, uint32_t in_chunk) { return (columns + in_chunk - 1u) / in_chunk; }

/* Fetches the columns beside a row of a ring from the strips beside it. to: where the row's first column is. row: that
 * there is, of the groups from `groups` on. */
static void fetch_margins(const fan_call *call, uint8_t index, uint8_t *to, uint32_t row, uint32_t groups)
{
    const fan_ring *ring = &call->network->rings[index];
    const size_t pixel_bytes = ring->channels * call->network->value_bytes;
    const uint32_t strip = strip_of(call);
    if (strip > 0u) {
        const uint8_t *left = pointer_to(call, row_of_group(call, index, row, groups + strip - 1u));
        copy(to - pixel_bytes, left + (strip_columns(call, strip - 1u, ring->scale) - 1u) * pixel_bytes, pixel_bytes);
    }
    if (strip + 1u < call->strips) {
        const uint8_t *right = pointer_to(call, row_of_group(call, index, row, groups + strip + 1u));
        copy(to + own_columns(call, ring->scale) * pixel_bytes, right, pixel_bytes);
    }
}

/* Fetches what a step that looks around reads of other groups: the columns beside those rows of a ring that there are,
 * and the first row of the other half if one of them is before the own first. */
static void fetch(const fan_call *call, uint8_t index, int32_t first, int32_t end)
{
    const fan_ring *ring = &call->network->rings[index];
    const uint32_t half = is_upward(call) ? 0u : call->halves - 1u;
    const span rows = rows_of_turn(first, end - first, own_rows(call, ring->scale));
    for (uint32_t y = rows.first; y < rows.end && call->strips > 1u; ++y) {
        fetch_margins(call, index, pointer_to(call, row_at(call, index, (int32_t)y)), y, half * call->strips);
    }
    if (first < 0 && call->halves == 2u) {
        const uint32_t others = (1u - half) * call->strips;
        uint8_t *to = pointer_to(call, row_at(call, index, -1));
        copy(to, pointer_to(call, row_of_group(call, index, 0u, others + strip_of(call))),
             own_columns(call, ring->scale) * ring->channels * call->network->value_bytes);
        fetch_margins(call, index, to, 0u, others);
    }
}

/* The first row of its source that a step reads for a row. */
static int32_t first_read(const fan_step *step, int32_t row)
{
    return ((row * (int32_t)step->multiply) >> step->shift) + step->origin;
}

static void make_row(const fan_call *call, const fan_step *step, int32_t row)
{
    const size_t value_bytes = call->network->value_bytes;
    const fan_ring *target = &call->network->rings[step->target];
    const uint32_t columns = own_columns(call, target->scale);
    const uint32_t in_chunk = FAN_COLUMNS * step->spread;
    const uint32_t chunks = chunks_of(columns, in_chunk);
    const int32_t first = first_read(step, row);
    const uint32_t upward = is_upward(call);
    int32_t rows[3];
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t place = i < (int32_t)step->count ? i : 0;
        rows[i] = row_at(call, step->source, first + (upward != 0u ? (int32_t)step->count - 1 - place : place));
    }
    const uint8_t *side = step->side == FAN_NONE ? call->arena : pointer_to(call, row_at(call, step->side, row));
    const size_t pixel_bytes = target->channels * value_bytes;
    uint8_t *out = pointer_to(call, row_at(call, step->target, row));
    const uint32_t odd = ((uint32_t)row ^ upward) & 1u; /* in the tile: halves begin at its even rows */
    const size_t weights = (odd != 0u ? step->odd_row_weights : step->weights) * value_bytes;
    (void)step->kernel(call->arena, rows[0], rows[1], rows[2], side, call->weights + weights, (int32_t)chunks, out,
                       call->scratch);
    /* What the last chunk made beyond the group's edge must be zero for those who look there, where the tile ends. */
    clear(out + columns * pixel_bytes, (chunks * in_chunk - columns) * pixel_bytes);
}

/* Whether a step reads columns beside those it makes, which may be another group's. */
static int looks_around(const fan_step *step) { return step->count == 3u; }

/* What a step makes in the turn that begins with that row, for the call's group. */
static void make_rows(const fan_call *call, const fan_step *step, int32_t start)
{
    const fan_ring *target = &call->network->rings[step->target];
    const span made = rows_of_turn((start >> target->scale) - (int32_t)target->lag,
                                   (int32_t)call->per_turn >> target->scale, own_rows(call, target->scale));
    if (made.first >= made.end) {
        return;
    }
    if (call->parts > 1u && looks_around(step)) {
        fetch(call, step->source, first_read(step, (int32_t)made.first),
              first_read(step, (int32_t)made.end - 1) + (int32_t)step->count);
    }
    for (uint32_t y = made.first; y < made.end; ++y) {
        make_row(call, step, (int32_t)y);
    }
}

/* Rows that the call's group takes in, or gives, in the turn that begins with that row. */
static span rows_at_border(const fan_call *call, int32_t start)
{
    return rows_of_turn(start, (int32_t)call->per_turn, own_rows(call, 0u));
}

static void stabilise_rows(const fan_call *call, span rows)
{
    const uint32_t column = 2u * first_column(call, strip_of(call), 0u);
    const int32_t chunks = (int32_t)chunks_of(own_columns(call, 0u), FAN_COLUMNS);
    for (uint32_t y = rows.first; y < rows.end; ++y) {
        const float *mosaic = in_row(call, 2u * row_of_tile(call, y)) + column;
        (void)call->network->stabilise(mosaic, 0, (int32_t)call->in_stride, 0, call->arena, call->stabilise, chunks,
                                       pointer_to(call, row_at(call, 0u, (int32_t)y)), call->scratch);
    }
}

static void restore_rows(const fan_call *call, span rows)
{
    const uint8_t answer = call->network->answer;
    const uint32_t column = 2u * first_column(call, strip_of(call), 0u);
    const int32_t chunks = (int32_t)chunks_of(own_columns(call, 0u), FAN_COLUMNS);
    for (uint32_t y = rows.first; y < rows.end; ++y) {
        const int32_t row = row_at(call, answer, (int32_t)y);
        for (uint32_t half = 0u; half < 2u; ++half) {
            const uint32_t line = 2u * row_of_tile(call, y) + half;
            (void)call->network->restore(in_row(call, line) + column, 0, 0, 0,
                                         pointer_to(call, row + 2 * (int32_t)half), call->restore[half], chunks,
                                         out_row(call, line) + column, call->scratch);
        }
    }
}

static void copy_rows(const fan_call *call, span rows)
{
    for (uint32_t y = 2u * rows.first; y < 2u * rows.end; ++y) {
        for (uint32_t x = strip_of(call); x < call->width; x += call->strips) {
            out_row(call, y)[x] = in_row(call, y)[x];
        }
    }
}

/* Makes zero what lies on both sides of the rows of a ring of the call's group. The rows themselves are written before
 * they are read. */
static void clear_margins(const fan_call *call, uint8_t index)
{
    const fan_ring *ring = &call->network->rings[index];
    const size_t value_bytes = call->network->value_bytes;
    const size_t left_bytes = ring->channels * value_bytes;
    const size_t pitch_bytes = call->ring_pitches[index] * value_bytes;
    const size_t right = (own_columns(call, ring->scale) + 1u) * left_bytes;
    uint8_t *row = pointer_to(call, place_of(call, index, 0u, call->group)) - left_bytes;
    for (uint32_t i = 0u; i < ring_rows(call, ring); ++i) {
        clear(row, left_bytes);
        clear(row + right, pitch_bytes - right);
        row += pitch_bytes;
    }
}

#endif
