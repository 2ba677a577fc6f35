/* The engine: walks the rows of a mosaic through all layers of a network at once.
 *
 * In one turn the mosaic advances by as many rows as make one row of the coarsest scale, and each layer makes
 * the rows that its inputs allow. A layer keeps its last rows in a ring; above, below and beside the tile
 * there are zeros. The compiler (compile/row_program.py) works out how far each layer lags behind
 * and how many rows it must keep.
 */
#include "fan.h"
#include "fan_model.h"

/* As in denoiser/normalisation.py. */
#define SHOT_FLOOR 2e-5f
#define SHOT_IN_READ 4.0f
#define NO_NOISE 1e-12f
#define STABILISED_SCALE 16.0f
#define DEEPEST_SIGMAS 8.0f
#define RESIDUAL_SIGMAS 4.0f

#define COLUMNS_MULTIPLE (2u * FAN_COLUMNS)
/* Some ten microseconds: more than parts are apart while each has a core. */
#define SPINS_BEFORE_YIELD 1000u
/* Pixels of the widest tile that is halved: of wider ones, strips keep more rows in the caches. */
#define HALVED_WIDTH_MOST 1024u

static const uint8_t colour_of_plane[FAN_PLANES] = {0u, 1u, 1u, 2u};

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

/* The row of the tile that a row of the call's group is. */
static uint32_t row_of_tile(const fan_call *call, int32_t row, uint8_t scale)
{
    const int32_t middle = (int32_t)((call->middle / 2u) >> scale);
    return (uint32_t)(is_upward(call) ? middle - 1 - row : middle + row);
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

/* Square root of a value from 1e-30 to 1e30: Newton's method, from a start within 6 %. */
static double square_root(double value)
{
    union {
        float value;
        uint32_t bits;
    } start = {(float)value};
    start.bits = (start.bits >> 1) + 0x1fbb4f2eu;
    double root = (double)start.value;
    for (int i = 0; i < 4; ++i) {
        root = 0.5 * (root + value / root);
    }
    return root;
}

/* Decimal logarithm of a value from 1e-30 to 1e30: the series of artanh, from three quarters to one and a half. */
static double decimal_logarithm(double value)
{
    static const double of_two = 0.30102999566398120;
    static const double twice_of_e = 0.86858896380650366;
    double whole = 0.0;
    for (; value > 1.5; value *= 0.5) {
        whole += of_two;
    }
    for (; value < 0.75; value *= 2.0) {
        whole -= of_two;
    }
    const double s = (value - 1.0) / (value + 1.0);
    double sum = 0.0;
    for (int odd = 17; odd > 0; odd -= 2) {
        sum = sum * s * s + 1.0 / odd;
    }
    return whole + twice_of_e * s * sum;
}

static float larger(float a, float b) { return a > b ? a : b; }

/* The network's constants of one noise model. */
static void set_constants(fan_call *call, const fan_noise *noise)
{
    const uint32_t channels = call->network->rings[0].channels;
    float *shot = call->stabilise;
    float *zero = shot + channels;
    float *zero_squared = zero + channels;
    float *per_zero = zero_squared + channels;
    float *scale = per_zero + channels;
    float *offset = scale + channels;
    float level = 0.0f;
    for (uint32_t i = 0u; i < channels; ++i) {
        shot[i] = scale[i] = offset[i] = 0.0f;
        zero[i] = zero_squared[i] = per_zero[i] = 1.0f;
    }
    for (uint32_t plane = 0u; plane < FAN_PLANES; ++plane) {
        const float true_shot = noise->shot[colour_of_plane[plane]];
        const float true_read = noise->read[colour_of_plane[plane]];
        const float least_shot = larger(true_shot, NO_NOISE);
        const float excess = larger(SHOT_FLOOR / (least_shot + SHOT_IN_READ * true_read), 1.0f);
        const float told_shot = least_shot * excess;
        shot[plane] = told_shot;
        zero[plane] = (float)square_root(0.375 * (double)told_shot * (double)told_shot + (double)(true_read * excess));
        zero_squared[plane] = zero[plane] * zero[plane];
        per_zero[plane] = 1.0f / zero[plane];
        scale[plane] = 1.0f / STABILISED_SCALE;
        level += larger(told_shot, SHOT_FLOOR) / (float)FAN_PLANES;
        float *restore = call->restore[plane / 2u] + plane % 2u;
        restore[0] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_shot / excess;
        restore[2] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_read / excess;
        restore[4] = -DEEPEST_SIGMAS * zero[plane];
    }
    offset[FAN_PLANES] = (float)(0.5 * decimal_logarithm((double)level) + 1.5);
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

/* Tells the core that it waits for another. */
static void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* longer than `yield` */
#endif
}

/* Parts share the work phase by phase: a phase is the rows of one turn of one or more steps, group by group. Each part
 * takes its own group first, then those that are not in hand: of both halves as long as these need each other, then of
 * its own, and when that is done of the other. So a part that its core has left for other work holds up the others with
 * the group in its hands at most, and one that comes late finds everything done. A group's line in the team says twice
 * the phases that are done, and one more while a part has the next one in hand. */

/* Returns when all groups that this part looks after are done with the phases so far; what was written in them is then
 * there. */
static void wait_for_all(const fan_call *call)
{
    for (uint32_t group = call->first_group; group < call->end_group; ++group) {
        const uint32_t *state = &call->team->groups[group][0];
        for (uint32_t waited = 0u; __atomic_load_n(state, __ATOMIC_ACQUIRE) < 2u * call->phase; ++waited) {
            if (waited < SPINS_BEFORE_YIELD || call->team->yield == NULL) {
                pause_core();
            } else {
                (void)call->team->yield();
            }
        }
    }
}

/* Begins a phase that reads those rings of other groups, and writes those; rings are bits. Waits for the phases before
 * it only where neighbours may still write what this one reads of theirs, or read what it writes. */
static void begin_phase(fan_call *call, uint64_t read, uint64_t written)
{
    if (call->parts > 1u && ((call->rings_written & read) != 0u || (call->rings_read & written) != 0u)) {
        wait_for_all(call);
        call->rings_read = 0u;
        call->rings_written = 0u;
    }
    call->rings_read |= read;
    call->rings_written |= written;
    ++call->phase;
    call->tried = 0u;
}

/* Takes the next group of a phase for this part, the one before being done; zero if there are no more. A group that
 * isn't done with the phase before is left to the part that has it in hand, which comes by here later. */
static int take_group(fan_call *call)
{
    if (call->parts == 1u) {
        return call->tried++ == 0u;
    }
    if (call->holds_group != 0u) {
        __atomic_store_n(&call->team->groups[call->group][0], 2u * call->phase, __ATOMIC_RELEASE);
        call->holds_group = 0u;
    }
    const uint32_t groups = call->end_group - call->first_group;
    while (call->tried < groups) {
        const uint32_t group = call->first_group + (call->part + call->tried) % groups;
        ++call->tried;
        uint32_t *state = &call->team->groups[group][0];
        uint32_t before = 2u * (call->phase - 1u);
        /* To look first is cheaper where another part has it. */
        if (__atomic_load_n(state, __ATOMIC_RELAXED) == before &&
            __atomic_compare_exchange_n(state, &before, before + 1u, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            call->holds_group = 1u;
            turn_to(call, group);
            return 1;
        }
    }
    return 0;
}

/* Has the part look after one half's groups, or after all. */
static void look_after(fan_call *call, uint32_t half, uint32_t halves)
{
    call->first_group = half * call->strips;
    call->end_group = (half + halves) * call->strips;
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
        const float *mosaic = in_row(call, 2u * row_of_tile(call, (int32_t)y, 0u)) + column;
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
            const uint32_t line = 2u * row_of_tile(call, (int32_t)y, 0u) + half;
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
static void clear_margins(const fan_call *call, uint32_t index)
{
    const fan_ring *ring = &call->network->rings[index];
    const size_t value_bytes = call->network->value_bytes;
    const size_t left_bytes = ring->channels * value_bytes;
    const size_t pitch_bytes = call->ring_pitches[index] * value_bytes;
    const size_t right = (own_columns(call, ring->scale) + 1u) * left_bytes;
    uint8_t *row = pointer_to(call, (int32_t)(call->ring_starts[index] + call->group * call->group_values));
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
        for (uint32_t i = 0u; i < network->ring_count; ++i) {
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
