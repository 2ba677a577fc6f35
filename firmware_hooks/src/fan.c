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
#include "fan_rows.h"
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

static uint64_t ring_bit(uint8_t index) { return (uint64_t)1u << index; }

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
