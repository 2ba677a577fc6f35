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

static const uint8_t colour_of_plane[FAN_PLANES] = {0u, 1u, 1u, 2u};

/* The network's constants of one noise model. */
typedef struct {
    float stabilise[FAN_STABILISE_CONSTANTS * FAN_IMAGE_CHANNELS_MAX];
    float restore[2][2 * FAN_RESTORE_CONSTANTS];
} noise_constants;

/* One call: where everything lies in the arena, in values from its start; scratch comes first. */
typedef struct {
    const fan_network *network;
    const uint8_t *weights;
    uint8_t *arena;
    size_t zeros;
    size_t starts[FAN_RINGS_MAX];
    size_t pitches[FAN_RINGS_MAX]; /* from one row to the next */
    uint32_t width;
    uint32_t height;
} run_state;

static size_t rounded(size_t value, size_t multiple) { return (value + multiple - 1u) / multiple * multiple; }

/* Packed columns of a scale that belong to the tile. */
static uint32_t columns_of(uint32_t width, uint8_t scale) { return (width / 2u) >> scale; }

/* Values from one row of a ring to the next: a column of zeros on the left, one at least on the right. */
static size_t row_values(const fan_ring *ring, uint32_t width)
{
    return (rounded(columns_of(width, ring->scale), COLUMNS_MULTIPLE) + 2u) * ring->channels;
}

/* Lays out the arena; returns its size in bytes. */
static size_t lay_out(run_state *run)
{
    const fan_network *network = run->network;
    const size_t alignment = FAN_ARENA_ALIGNMENT / network->value_bytes;
    size_t widest = 0u;
    for (uint8_t i = 0u; i < network->ring_count; ++i) {
        const size_t row = row_values(&network->rings[i], run->width);
        widest = row > widest ? row : widest;
    }
    run->zeros = rounded(network->scratch_bytes, FAN_ARENA_ALIGNMENT) / network->value_bytes;
    size_t place = run->zeros + rounded(widest, alignment);
    for (uint8_t i = 0u; i < network->ring_count; ++i) {
        const fan_ring *ring = &network->rings[i];
        run->starts[i] = place;
        run->pitches[i] = row_values(ring, run->width);
        place += rounded(run->pitches[i] * ring->capacity, alignment);
    }
    return place * network->value_bytes;
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
    if (specialist >= fan_specialists_count || !size_is_possible(width, height)) {
        return 0u;
    }
    run_state run = {0};
    run.network = fan_specialists[specialist].network;
    run.width = width;
    return lay_out(&run);
}

static void clear(uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        bytes[i] = 0u;
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

static noise_constants constants_of(const fan_noise *noise, uint32_t channels)
{
    noise_constants made;
    float *shot = made.stabilise;
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
        float *restore = made.restore[plane / 2u] + plane % 2u;
        restore[0] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_shot / excess;
        restore[2] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_read / excess;
        restore[4] = -DEEPEST_SIGMAS * zero[plane];
    }
    offset[FAN_PLANES] = (float)(0.5 * decimal_logarithm((double)level) + 1.5);
    return made;
}

/* Where the first column of a ring's row lies, in values from the arena's start. */
static int32_t row_at(const run_state *run, uint8_t index, int32_t row)
{
    const fan_ring *ring = &run->network->rings[index];
    const int32_t rows = (int32_t)((run->height / 2u) >> ring->scale);
    if (row < 0 || row >= rows) {
        return (int32_t)(run->zeros + ring->channels);
    }
    const size_t place = (size_t)((uint32_t)row % ring->capacity);
    return (int32_t)(run->starts[index] + place * run->pitches[index] + ring->channels);
}

static uint8_t *pointer_to(const run_state *run, int32_t place)
{
    return run->arena + (size_t)place * run->network->value_bytes;
}

static void make_row(const run_state *run, const fan_step *step, int32_t row)
{
    const size_t value_bytes = run->network->value_bytes;
    const fan_ring *target = &run->network->rings[step->target];
    const uint32_t columns = columns_of(run->width, target->scale);
    const int32_t first = ((row * (int32_t)step->multiply) >> step->shift) + step->origin;
    int32_t rows[3];
    for (int32_t i = 0; i < 3; ++i) {
        rows[i] = row_at(run, step->source, first + (i < (int32_t)step->count ? i : 0));
    }
    const uint8_t *side = step->side == FAN_NONE ? run->arena : pointer_to(run, row_at(run, step->side, row));
    uint8_t *out = pointer_to(run, row_at(run, step->target, row));
    const uint32_t in_chunk = FAN_COLUMNS * step->spread;
    const uint32_t chunks = (columns + in_chunk - 1u) / in_chunk;
    const size_t weights = ((row & 1) != 0 ? step->odd_row_weights : step->weights) * value_bytes;
    (void)step->kernel(run->arena, rows[0], rows[1], rows[2], side, run->weights + weights, (int32_t)chunks, out,
                       run->arena);
    /* What the last chunk made beyond the tile's edge must be zero for those who look there. */
    const size_t pixel_bytes = target->channels * value_bytes;
    clear(out + columns * pixel_bytes, (chunks * in_chunk - columns) * pixel_bytes);
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

fan_status fan_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                   size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes)
{
    if (specialist >= fan_specialists_count || noise == NULL || in == NULL || out == NULL || arena == NULL ||
        (uintptr_t)arena % FAN_ARENA_ALIGNMENT != 0u || in_stride < width || out_stride < width ||
        !noise_is_possible(noise)) {
        return FAN_BAD_ARGUMENT;
    }
    if (!size_is_possible(width, height)) {
        return FAN_BAD_SIZE;
    }
    if (arena_bytes < fan_arena_bytes(specialist, width, height)) {
        return FAN_ARENA_TOO_SMALL;
    }
    if (!there_is_noise(noise)) {
        for (uint32_t y = 0u; y < height; ++y) {
            for (uint32_t x = 0u; x < width; ++x) {
                out[y * out_stride + x] = in[y * in_stride + x];
            }
        }
        return FAN_OK;
    }

    const fan_network *network = fan_specialists[specialist].network;
    run_state run = {0};
    run.network = network;
    run.weights = fan_specialists[specialist].weights;
    run.arena = arena;
    run.width = width;
    run.height = height;
    clear(run.arena, lay_out(&run));

    const noise_constants constants = constants_of(noise, network->rings[0].channels);
    const int32_t chunks = (int32_t)(columns_of(width, 0u) / FAN_COLUMNS);
    const int32_t per_turn = 1 << network->coarsest;
    const int32_t rows = (int32_t)(height / 2u);
    const fan_ring *answer = &network->rings[network->answer];
    for (int32_t start = 0; start < rows + answer->lag; start += per_turn) {
        for (int32_t y = start; y < start + per_turn && y < rows; ++y) {
            (void)network->stabilise(in + (size_t)y * 2u * in_stride, 0, (int32_t)in_stride, 0, run.arena,
                                     constants.stabilise, chunks, pointer_to(&run, row_at(&run, 0u, y)), run.arena);
        }
        for (uint8_t i = 0u; i < network->step_count; ++i) {
            const fan_step *step = &network->steps[i];
            const fan_ring *target = &network->rings[step->target];
            const int32_t first = (start >> target->scale) - (int32_t)target->lag;
            const int32_t end = first + (per_turn >> target->scale);
            const int32_t all = rows >> target->scale;
            for (int32_t y = first < 0 ? 0 : first; y < end && y < all; ++y) {
                make_row(&run, step, y);
            }
        }
        const int32_t first = start - (int32_t)answer->lag;
        for (int32_t y = first < 0 ? 0 : first; y < first + per_turn && y < rows; ++y) {
            const int32_t row = row_at(&run, network->answer, y);
            for (int32_t half = 0; half < 2; ++half) {
                const size_t line = (size_t)y * 2u + (size_t)half;
                (void)network->restore(in + line * in_stride, 0, 0, 0, pointer_to(&run, row + 2 * half),
                                       constants.restore[half], chunks, out + line * out_stride, run.arena);
            }
        }
    }
    return FAN_OK;
}
