/* The engine: walks the rows of a mosaic through all layers of a network at once.
 *
 * In one turn the mosaic advances by as many rows as make one row of the coarsest scale, and each layer makes
 * the rows that its inputs allow. A layer keeps its last rows in a ring; above, below and beside the tile
 * there are zeros. The compiler (compile/row_program.py) works out how far each layer lags behind
 * and how many rows it must keep.
 */
#include "fan.h"
#include "fan_groups.h"
#include "fan_model.h"
#include "fan_noise.h"
#include "fan_team.h"

static int size_is_possible(uint32_t width, uint32_t height)
{
    return width >= FAN_SIZE_MULTIPLE && height >= FAN_SIZE_MULTIPLE && width % FAN_SIZE_MULTIPLE == 0u &&
           height % FAN_SIZE_MULTIPLE == 0u && width <= FAN_WIDTH_MOST && height <= (1u << 20);
}

uint32_t fan_abi_version(void) { return FAN_ABI_VERSION; }

uint32_t fan_specialist_count(void) { return fan_specialists_count; }

const char *fan_specialist_name(uint32_t specialist)
{
    return specialist < fan_specialists_count ? fan_specialists[specialist].name : NULL;
}

uint32_t fan_specialist_for(const fan_noise *noise)
{
    const float shot = (noise->shot[0] + 2.0f * noise->shot[1] + noise->shot[2]) / 4.0f;
    uint32_t chosen = 0u;
    for (uint32_t i = 1u; i < fan_specialists_count; ++i) {
        if (shot >= fan_specialists[i].chosen_from) {
            chosen = i;
        }
    }
    return chosen;
}

uint32_t fan_halo(uint32_t specialist)
{
    return specialist < fan_specialists_count ? fan_specialists[specialist].network->halo : 0u;
}

size_t fan_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height)
{
    return fan_arena_bytes_of_parts(specialist, width, height, 1u);
}

size_t fan_arena_bytes_of_parts(uint32_t specialist, uint32_t width, uint32_t height, uint32_t parts)
{
    if (specialist >= fan_specialists_count || !size_is_possible(width, height) || parts == 0u ||
        parts > FAN_PARTS_MOST) {
        return 0u;
    }
    fan_call call;
    call.network = fan_specialists[specialist].network;
    cut(&call, width, height, parts);
    return lay_out(&call) + (parts - 1u) * scratch_bytes(call.network);
}

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

static uint64_t ring_bit(uint8_t index) { return (uint64_t)1u << index; }

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

static int noise_is_possible(const fan_noise *noise)
{
    for (uint32_t i = 0u; i < 3u; ++i) {
        if (!(noise->shot[i] >= 0.0f && noise->shot[i] < 1e6f && noise->read[i] >= 0.0f && noise->read[i] < 1e6f)) {
            return 0;
        }
    }
    return 1;
}

static int there_is_noise(const fan_noise *noise)
{
    float sum = 0.0f;
    for (uint32_t i = 0u; i < 3u; ++i) {
        sum += noise->shot[i] + noise->read[i];
    }
    return sum > 0.0f;
}

fan_status fan_begin_part(fan_call *call, uint32_t specialist, const fan_noise *noise, const float *in,
                          size_t in_stride, float *out, size_t out_stride, uint32_t width, uint32_t height, void *arena,
                          size_t arena_bytes, uint32_t part, uint32_t parts, fan_team *team)
{
    if (call == NULL) {
        return FAN_BAD_ARGUMENT;
    }
    call->start = 0u;
    call->end = 0u;
    if (specialist >= fan_specialists_count || noise == NULL || in == NULL || out == NULL || arena == NULL ||
        (uintptr_t)arena % FAN_ARENA_ALIGNMENT != 0u || in_stride < width || out_stride < width ||
        !noise_is_possible(noise) || parts == 0u || parts > FAN_PARTS_MOST || part >= parts ||
        (team == NULL && parts > 1u)) {
        return FAN_BAD_ARGUMENT;
    }
    if (!size_is_possible(width, height)) {
        return FAN_BAD_SIZE;
    }
    if (arena_bytes < fan_arena_bytes_of_parts(specialist, width, height, parts)) {
        return FAN_ARENA_TOO_SMALL;
    }
    const fan_network *network = fan_specialists[specialist].network;
    call->network = there_is_noise(noise) ? network : NULL;
    call->weights = fan_specialists[specialist].weights;
    call->in = in;
    call->out = out;
    call->in_stride = in_stride;
    call->out_stride = out_stride;
    call->in_rows = height;
    call->out_rows = height;
    call->arena = arena;
    call->part = part;
    call->parts = parts;
    call->team = team;
    cut(call, width, height, parts);
    look_after(call, 0u, call->halves);
    turn_to(call, 0u);
    call->holds_group = 0u;
    call->phase = 0u;
    call->rings_read = 0u;
    call->rings_written = 0u;
    call->per_turn = 1u << network->coarsest;
    call->lag = call->network == NULL ? 0u : network->rings[network->answer].lag;
    call->end = (height - call->middle) / 2u + call->lag;
    call->helps = 0u;
    if (call->network == NULL) {
        return FAN_OK;
    }
    const size_t shared_bytes = lay_out(call);
    call->scratch = part == 0u ? call->arena : call->arena + shared_bytes + (part - 1u) * scratch_bytes(network);
    begin_phase(call, 0u, ~(uint64_t)0u);
    while (take_group(call)) {
        if (call->group == 0u) {
            clear(pointer_to(call, (int32_t)call->zeros), (call->ring_starts[0] - call->zeros) * network->value_bytes);
        }
        for (uint8_t i = 0u; i < network->ring_count; ++i) {
            clear_margins(call, i);
        }
    }
    set_constants(call, noise);
    return FAN_OK;
}

/* A turn of a call without noise. */
static void copy_turn(fan_call *call, int32_t start)
{
    begin_phase(call, 0u, 0u);
    while (take_group(call)) {
        copy_rows(call, rows_at_border(call, start));
    }
}

/* Rings that a step reads of other groups in a turn, as bits. */
static uint64_t read_of_others(const fan_call *call, const fan_step *step, int32_t start)
{
    const fan_ring *target = &call->network->rings[step->target];
    const int32_t first = (start >> target->scale) - (int32_t)target->lag;
    const int makes_first_row = first <= 0 && first + ((int32_t)call->per_turn >> target->scale) > 0;
    return looks_around(step) && (call->strips > 1u || makes_first_row) ? ring_bit(step->source) : 0u;
}

/* A turn of a call: all steps. What looks around begins a phase; what follows and doesn't belongs to it. */
static void make_turn(fan_call *call, int32_t start)
{
    const fan_network *network = call->network;
    begin_phase(call, 0u, ring_bit(0u));
    while (take_group(call)) {
        stabilise_rows(call, rows_at_border(call, start));
    }
    for (uint8_t next, first = 0u; first < network->step_count; first = next) {
        uint64_t written = 0u;
        const fan_step *step = &network->steps[first];
        const uint64_t read = read_of_others(call, step, start);
        for (next = first; next == first || (next < network->step_count && !looks_around(step)); ++next, ++step) {
            written |= ring_bit(step->target);
        }
        begin_phase(call, read, written);
        while (take_group(call)) {
            for (uint8_t i = first; i < next; ++i) {
                make_rows(call, &network->steps[i], start);
            }
            if (next == network->step_count) {
                restore_rows(call, rows_at_border(call, start - (int32_t)call->lag));
            }
        }
    }
}

int fan_advance(fan_call *call)
{
    if (call->start >= call->end) {
        return 0;
    }
    const int32_t start = (int32_t)call->start;
    call->start += call->per_turn;
    if (call->network == NULL) {
        copy_turn(call, start);
        return call->start < call->end;
    }
    if (call->halves == 2u) {
        /* Until the last layer has its first row, halves need each other's. */
        const uint32_t own = call->part % group_count(call) / call->strips;
        if (call->helps != 0u) {
            look_after(call, 1u - own, 1u);
        } else if (start > (int32_t)call->lag) {
            look_after(call, own, 1u);
        }
    }
    make_turn(call, start);
    if (call->start >= call->end && call->halves == 2u && call->helps == 0u) {
        /* The own half is done. The other's phases again from the first, past those that are done. */
        call->helps = 1u;
        call->start = 0u;
        call->phase = 1u;
        call->rings_read = 0u;
        call->rings_written = 0u;
    }
    return call->start < call->end;
}

uint32_t fan_rows_done(const fan_call *call)
{
    if (call->end == 0u) {
        return 0u;
    }
    if (call->halves == 2u) {
        return call->start < call->end ? 0u : call->height;
    }
    const span rows = rows_of_turn(0, (int32_t)call->start - (int32_t)call->lag, (int32_t)(call->height / 2u));
    return 2u * rows.end;
}

fan_status fan_begin(fan_call *call, uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride,
                     float *out, size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes)
{
    return fan_begin_part(call, specialist, noise, in, in_stride, out, out_stride, width, height, arena, arena_bytes,
                          0u, 1u, NULL);
}

fan_status fan_run_part(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                        size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes,
                        uint32_t part, uint32_t parts, fan_team *team)
{
    fan_call call;
    const fan_status status = fan_begin_part(&call, specialist, noise, in, in_stride, out, out_stride, width, height,
                                             arena, arena_bytes, part, parts, team);
    if (status == FAN_OK) {
        while (fan_advance(&call) != 0) {
        }
    }
    return status;
}

fan_status fan_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                   size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes)
{
    return fan_run_part(specialist, noise, in, in_stride, out, out_stride, width, height, arena, arena_bytes, 0u, 1u,
                        NULL);
}
