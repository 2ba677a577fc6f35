/* Any bytes into the parser; what it takes for a frame must be one.
 *
 * See README.md for how to build and run it. The first byte of an input is the longest payload; the rest comes over
 * the cable.
 */
#include "fan_link.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MOST_PAYLOAD 255u

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* A good frame of this version, encoded and parsed, is the same. */
static void check_frame(const fan_link_frame *frame)
{
    uint8_t encoded[FAN_LINK_ENCODED_BYTES(MOST_PAYLOAD)];
    uint8_t buffer[FAN_LINK_FRAME_BYTES(MOST_PAYLOAD)];
    const size_t count = fan_link_encode(frame, encoded, sizeof encoded);
    fan_link_counts counts = {0};
    fan_link_parser parser;
    fan_link_frame again;
    fan_link_parser_init(&parser, buffer, sizeof buffer, &counts);
    check(count != 0u && encoded[count - 1u] == 0u && memchr(encoded, 0, count - 1u) == NULL);
    for (size_t i = 0u; i + 1u < count; ++i) {
        check(fan_link_take(&parser, encoded[i], &again) == 0);
    }
    check(fan_link_take(&parser, 0u, &again) != 0);
    check(again.operation == frame->operation && again.session_or_status == frame->session_or_status &&
          again.sequence == frame->sequence && again.argument == frame->argument &&
          again.payload_bytes == frame->payload_bytes &&
          memcmp(again.payload, frame->payload, frame->payload_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0u) {
        return 0;
    }
    const size_t capacity = FAN_LINK_FRAME_BYTES((size_t)data[0]);
    uint8_t *buffer = malloc(capacity);
    fan_link_counts counts = {0};
    fan_link_parser parser;
    fan_link_parser_init(&parser, buffer, capacity, &counts);
    uint32_t pieces = 0u;
    int begun = 0;
    for (size_t i = 1u; i < size; ++i) {
        fan_link_frame frame;
        const uint32_t before = counts.frames;
        const int good = fan_link_take(&parser, data[i], &frame);
        check(counts.frames - before == (good != 0 ? 1u : 0u));
        if (good != 0) {
            check(frame.payload == buffer + FAN_LINK_HEADER_BYTES && frame.payload_bytes <= data[0]);
            check_frame(&frame);
        }
        pieces += data[i] == 0u && begun ? 1u : 0u;
        begun = data[i] != 0u;
    }
    check(counts.frames + counts.bad_crc + counts.malformed + counts.overflows == pieces);
    fuzz_count(counts.frames, pieces - counts.frames);
    free(buffer);
    return 0;
}
