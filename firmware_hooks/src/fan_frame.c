/* Frames in strips of columns: cuts them out as they go by, brings them to the order R G / G B, and runs the engine on
 * them with no more than its last rows in memory. The rule at the frame's edges is that of isp/tiling.py. */
#include "fan_frame.h"
#include "fan_model.h"

/* How far a frame goes on beyond its edges. */
#define MARGIN 32
#define SIDE_MOST (1u << 19)

/* A frame on its way through one specialist. halo: multiples of FAN_SIZE_MULTIPLE, as are all that follow. margin: of
 * them, what lies beyond the frame's edges. in_rows, out_rows: rows of a strip that are kept. */
typedef struct {
    const fan_frame *frame;
    int32_t halo;
    int32_t margin;
    int32_t columns;
    int32_t rows;
    uint32_t in_rows;
    uint32_t out_rows;
} plan;

/* Columns of one strip: those that it gives, and those that it needs, which may lie beyond the frame. */
typedef struct {
    int32_t left;
    int32_t right;
    int32_t first;
    int32_t end;
} strip_columns;

static int32_t multiple(uint32_t pixels)
{
    return (int32_t)((pixels + FAN_SIZE_MULTIPLE - 1u) / FAN_SIZE_MULTIPLE * FAN_SIZE_MULTIPLE);
}

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

/* A row or column beyond the frame is one within it: mirrored about the first and the last. */
static uint32_t reflected(int32_t index, uint32_t size)
{
    const uint32_t period = 2u * (size - 1u);
    const uint32_t folded = (uint32_t)(index < 0 ? -index : index) % period;
    return folded < size ? folded : period - folded;
}

static int width_is_possible(uint32_t width) { return width >= 2u && width % 2u == 0u && width <= SIDE_MOST; }

static plan plan_of(uint32_t specialist, uint32_t width)
{
    const fan_network *network = fan_specialists[specialist].network;
    const uint32_t per_turn = 1u << network->coarsest;
    plan made;
    made.frame = NULL;
    made.halo = multiple(network->halo);
    made.margin = smaller(made.halo, MARGIN);
    made.columns = multiple(width);
    made.rows = 0;
    made.in_rows = 2u * (network->rings[network->answer].lag + per_turn);
    made.out_rows = 2u * per_turn;
    return made;
}

/* Columns that the widest of the strips needs. */
static uint32_t widest(const plan *of, uint32_t strip)
{
    return (uint32_t)smaller((int32_t)strip + 2 * of->halo, of->columns + 2 * of->margin);
}

size_t fan_frame_bytes(uint32_t specialist, uint32_t width, uint32_t strip)
{
    if (specialist >= fan_specialists_count || !width_is_possible(width) || strip == 0u ||
        strip % FAN_SIZE_MULTIPLE != 0u || strip > SIDE_MOST) {
        return 0u;
    }
    const plan of = plan_of(specialist, width);
    const uint32_t needed = widest(&of, strip);
    const size_t arena = fan_arena_bytes(specialist, needed, FAN_SIZE_MULTIPLE);
    return arena == 0u ? 0u : arena + (size_t)needed * (of.in_rows + of.out_rows) * sizeof(float);
}

static int fits(uint32_t specialist, uint32_t width, uint32_t strip, size_t bytes)
{
    const size_t needed = fan_frame_bytes(specialist, width, strip);
    return needed != 0u && needed <= bytes;
}

uint32_t fan_frame_strip(uint32_t specialist, uint32_t width, size_t bytes)
{
    if (!fits(specialist, width, FAN_SIZE_MULTIPLE, bytes)) {
        return 0u;
    }
    /* In units of FAN_SIZE_MULTIPLE: `least` fits, more than `most` don't, or are of no use. */
    const uint32_t all = (width + FAN_SIZE_MULTIPLE - 1u) / FAN_SIZE_MULTIPLE;
    uint32_t least = 1u;
    uint32_t most = all;
    while (least < most) {
        const uint32_t middle = (least + most + 1u) / 2u;
        if (fits(specialist, width, middle * FAN_SIZE_MULTIPLE, bytes)) {
            least = middle;
        } else {
            most = middle - 1u;
        }
    }
    const uint32_t strips = (all + least - 1u) / least;
    return (all + strips - 1u) / strips * FAN_SIZE_MULTIPLE; /* as wide as each other */
}

static void reverse(float *values, uint32_t count)
{
    for (uint32_t i = 0u, j = count; i + 1u < j; ++i) {
        --j;
        const float value = values[i];
        values[i] = values[j];
        values[j] = value;
    }
}

/* The frame's row that a row of the strips is. */
static int32_t frame_row(const plan *of, uint32_t row)
{
    const int32_t bottom_up = of->rows + of->margin - 1 - (int32_t)row;
    return (of->frame->bayer & 2) != 0 ? bottom_up : (int32_t)row - of->margin;
}

/* Fetches a row of a strip, with what lies beyond the frame's edges. Nonzero if a callback ends the run. */
static int read_row(const plan *of, strip_columns strip, uint32_t row, float *values)
{
    const fan_frame *frame = of->frame;
    const uint32_t y = reflected(frame_row(of, row), frame->height);
    const int32_t from = larger(strip.first, 0);
    const int32_t to = smaller(strip.end, (int32_t)frame->width);
    int stop = frame->read(frame->context, (uint32_t)from, y, (uint32_t)(to - from), values + (from - strip.first));
    int32_t x = strip.first < from ? strip.first : to;
    while (x < strip.end && stop == 0) {
        const int32_t seen = (int32_t)reflected(x, frame->width);
        if (seen >= from && seen < to) {
            values[x - strip.first] = values[seen - strip.first];
        } else {
            stop = frame->read(frame->context, (uint32_t)seen, y, 1u, values + (x - strip.first));
        }
        x = x + 1 == from ? to : x + 1;
    }
    if ((frame->bayer & 1) != 0) {
        reverse(values, (uint32_t)(strip.end - strip.first));
    }
    return stop;
}

/* Hands over what of a row is the frame's. */
static int write_row(const plan *of, strip_columns strip, uint32_t row, float *values)
{
    const fan_frame *frame = of->frame;
    const int32_t y = frame_row(of, row);
    if (y < 0 || y >= (int32_t)frame->height) {
        return 0;
    }
    if ((frame->bayer & 1) != 0) {
        reverse(values, (uint32_t)(strip.end - strip.first));
    }
    return frame->write(frame->context, (uint32_t)strip.left, (uint32_t)y, (uint32_t)(strip.right - strip.left),
                        values + (strip.left - strip.first));
}

static fan_status run_strip(const plan *of, uint32_t specialist, const fan_noise *noise, strip_columns strip,
                            uint8_t *memory)
{
    const uint32_t width = (uint32_t)(strip.end - strip.first);
    const uint32_t height = (uint32_t)(of->rows + 2 * of->margin);
    const size_t arena_bytes = fan_arena_bytes(specialist, width, height);
    float *in = (float *)(void *)(memory + arena_bytes);
    float *out = in + (size_t)width * of->in_rows;
    fan_call call;
    const fan_status status =
        fan_begin(&call, specialist, noise, in, width, out, width, width, height, memory, arena_bytes);
    if (status != FAN_OK) {
        return status;
    }
    call.in_rows = of->in_rows;
    call.out_rows = of->out_rows;
    uint32_t read = 0u;
    uint32_t written = 0u;
    int more = 1;
    while (more != 0) {
        const uint32_t needed = read + of->out_rows < height ? read + of->out_rows : height;
        for (; read < needed; ++read) {
            if (read_row(of, strip, read, in + (size_t)(read % of->in_rows) * width) != 0) {
                return FAN_STOPPED;
            }
        }
        more = fan_advance(&call);
        for (; written < fan_rows_done(&call); ++written) {
            if (write_row(of, strip, written, out + (size_t)(written % of->out_rows) * width) != 0) {
                return FAN_STOPPED;
            }
        }
    }
    return FAN_OK;
}

fan_status fan_frame_run(uint32_t specialist, const fan_noise *noise, const fan_frame *frame, void *memory,
                         size_t bytes)
{
    if (specialist >= fan_specialists_count || noise == NULL || frame == NULL || frame->read == NULL ||
        frame->write == NULL || memory == NULL || (unsigned)frame->bayer > (unsigned)FAN_BGGR) {
        return FAN_BAD_ARGUMENT;
    }
    if (!width_is_possible(frame->width) || !width_is_possible(frame->height)) {
        return FAN_BAD_SIZE;
    }
    const int32_t width = (int32_t)fan_frame_strip(specialist, frame->width, bytes);
    if (width == 0) {
        return FAN_ARENA_TOO_SMALL;
    }
    plan of = plan_of(specialist, frame->width);
    of.frame = frame;
    of.rows = multiple(frame->height);
    for (int32_t left = 0; left < (int32_t)frame->width; left += width) {
        strip_columns strip;
        strip.left = left;
        strip.right = smaller(left + width, (int32_t)frame->width);
        strip.first = larger(left - of.halo, -of.margin);
        strip.end = smaller(multiple((uint32_t)strip.right) + of.halo, of.columns + of.margin);
        const fan_status status = run_strip(&of, specialist, noise, strip, memory);
        if (status != FAN_OK) {
            return status;
        }
    }
    return FAN_OK;
}
