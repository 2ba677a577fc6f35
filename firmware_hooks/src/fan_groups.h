/* A part of fan.c: how a tile is cut into groups, and where in the arena the rows of each lie. */
#ifndef FAN_GROUPS_H
#define FAN_GROUPS_H

#include "fan.h"
#include "fan_model.h"

#define COLUMNS_MULTIPLE (2u * FAN_COLUMNS)
/* Pixels of the widest tile that is halved: of wider ones, strips keep more rows in the caches. */
#define HALVED_WIDTH_MOST 1024u

static size_t rounded(size_t value, size_t multiple) { return (value + multiple - 1u) / multiple * multiple; }

/* Packed columns of a scale that belong to the tile. */
static uint32_t columns_of(uint32_t width, uint8_t scale) { return (width / 2u) >> scale; }

/* Whether a network may run upwards as well as downwards: each step reads the same rows then, in the other order. */
static int is_symmetric(const fan_network *network)
{
    for (uint8_t i = 0u; i < network->step_count; ++i) {
        const fan_step *step = &network->steps[i];
        const int around = step->multiply == 1u && step->shift == 0u && step->origin == -1 && step->count == 3u;
        const int pair = step->multiply == 2u && step->shift == 0u && step->origin == 0 && step->count == 2u;
        const int one = step->multiply == 1u && step->origin == 0 && step->count == 1u;
        if (!around && !pair && !one) {
            return 0;
        }
    }
    return 1;
}

/* Cuts a tile into groups, one for each part as far as there is enough of it. An even number of parts halves it: the
 * upper half is made from the middle upwards, the lower one downwards, so that each needs of the other no more than the
 * first rows. The other parts cut each half, or the whole, into strips of whole chunks of columns. Each group has rings
 * of its own: cores that read ahead would else take from each other what lies over a border. */
static void cut(fan_call *call, uint32_t width, uint32_t height, uint32_t parts)
{
    const uint32_t most_strips = width / FAN_SIZE_MULTIPLE;
    const uint32_t units = height / FAN_SIZE_MULTIPLE;
    call->width = width;
    call->height = height;
    const int may_be_halved = units > 1u && width <= HALVED_WIDTH_MOST && parts % 2u == 0u;
    call->halves = may_be_halved && call->network != NULL && is_symmetric(call->network) ? 2u : 1u;
    call->middle = call->halves == 1u ? 0u : units / 2u * FAN_SIZE_MULTIPLE;
    call->strips = parts / call->halves < most_strips ? parts / call->halves : most_strips;
}

static uint32_t group_count(const fan_call *call) { return call->halves * call->strips; }

static uint32_t strip_of(const fan_call *call) { return call->group % call->strips; }

/* Whether the call's group is made from the middle upwards. */
static uint32_t is_upward(const fan_call *call) { return call->group < call->strips && call->halves == 2u; }

/* Makes a group that of the call. */
static void turn_to(fan_call *call, uint32_t group)
{
    call->group = group;
    call->rows = (is_upward(call) ? call->middle : call->height - call->middle) / 2u;
}

/* Packed rows of a scale that the call's group has; they are counted from where it begins. */
static int32_t own_rows(const fan_call *call, uint8_t scale) { return (int32_t)(call->rows >> scale); }

/* The packed row of the tile that a row of the call's group is, at the finest scale. */
static uint32_t row_of_tile(const fan_call *call, uint32_t row)
{
    const uint32_t middle = call->middle / 2u;
    return is_upward(call) ? middle - 1u - row : middle + row;
}

/* Where a strip begins, in packed columns of a scale. */
static uint32_t first_column(const fan_call *call, uint32_t strip, uint8_t scale)
{
    return columns_of(call->width / FAN_SIZE_MULTIPLE * strip / call->strips * FAN_SIZE_MULTIPLE, scale);
}

/* Packed columns of a scale that a strip has. */
static uint32_t strip_columns(const fan_call *call, uint32_t strip, uint8_t scale)
{
    return first_column(call, strip + 1u, scale) - first_column(call, strip, scale);
}

static uint32_t own_columns(const fan_call *call, uint8_t scale) { return strip_columns(call, strip_of(call), scale); }

/* Values from one row of a ring to the next, as many as the widest strip needs: a column on the left and one at least
 * on the right are those of its neighbours, or zeros. */
static size_t row_values(const fan_call *call, const fan_ring *ring)
{
    const uint32_t widest = (call->width / FAN_SIZE_MULTIPLE + call->strips - 1u) / call->strips * FAN_SIZE_MULTIPLE;
    return (rounded(columns_of(widest, ring->scale), COLUMNS_MULTIPLE) + 2u) * ring->channels;
}

/* Rows that a ring has place for. Behind those that come and go, halves keep their first row and that of the other. */
static uint32_t ring_rows(const fan_call *call, const fan_ring *ring)
{
    return ring->capacity + (call->halves == 2u ? 2u : 0u);
}

static size_t scratch_bytes(const fan_network *network) { return rounded(network->scratch_bytes, FAN_ARENA_ALIGNMENT); }

/* Lays out the arena, places being values from its start: scratch of the first part, zeros, the rings of each group.
 * Returns the size of that in bytes; the other parts' scratch follows. */
static size_t lay_out(fan_call *call)
{
    const fan_network *network = call->network;
    const size_t alignment = FAN_ARENA_ALIGNMENT / network->value_bytes;
    size_t widest = 0u;
    for (uint8_t i = 0u; i < network->ring_count; ++i) {
        const size_t row = row_values(call, &network->rings[i]);
        widest = row > widest ? row : widest;
    }
    size_t place = scratch_bytes(network) / network->value_bytes;
    call->zeros = (uint32_t)place;
    place += rounded(widest, alignment);
    const size_t rings = place;
    for (uint8_t i = 0u; i < network->ring_count; ++i) {
        const fan_ring *ring = &network->rings[i];
        const size_t pitch = row_values(call, ring);
        call->ring_starts[i] = (uint32_t)place;
        call->ring_pitches[i] = (uint32_t)pitch;
        place += rounded(pitch * ring_rows(call, ring), alignment);
    }
    call->group_values = (uint32_t)(place - rings);
    return (rings + (place - rings) * group_count(call)) * network->value_bytes;
}

/* Where a group's first column of that place for a row in a ring lies, in values from the arena's start. */
static int32_t place_of(const fan_call *call, uint8_t index, uint32_t place, uint32_t group)
{
    const uint32_t start = call->ring_starts[index] + group * call->group_values;
    return (int32_t)(start + place * call->ring_pitches[index] + call->network->rings[index].channels);
}

/* Likewise, of a row that there is, counted from where the group begins. */
static int32_t row_of_group(const fan_call *call, uint8_t index, uint32_t row, uint32_t group)
{
    const uint32_t capacity = call->network->rings[index].capacity;
    return place_of(call, index, row == 0u && call->halves == 2u ? capacity : row % capacity, group);
}

/* Likewise, of any row of the call's group; before its first is that of the other half, beyond the tile are zeros. */
static int32_t row_at(const fan_call *call, uint8_t index, int32_t row)
{
    const fan_ring *ring = &call->network->rings[index];
    if (row < 0 && call->halves == 2u) {
        return place_of(call, index, ring->capacity + 1u, call->group);
    }
    if (row < 0 || row >= own_rows(call, ring->scale)) {
        return (int32_t)(call->zeros + ring->channels);
    }
    return row_of_group(call, index, (uint32_t)row, call->group);
}

static uint8_t *pointer_to(const fan_call *call, int32_t place)
{
    return call->arena + (size_t)place * call->network->value_bytes;
}

static const float *in_row(const fan_call *call, uint32_t y) { return call->in + y % call->in_rows * call->in_stride; }

static float *out_row(const fan_call *call, uint32_t y) { return call->out + y % call->out_rows * call->out_stride; }

#endif
