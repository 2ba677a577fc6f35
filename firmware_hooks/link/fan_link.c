/* See fan_link.h. */
#include "fan_link.h"

#define LONGEST_BLOCK 255u

uint32_t fan_link_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    /* Of four bits at a time, so that the table takes 64 bytes; the polynomial is 0xEDB88320, reflected. */
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
                                       0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    uint32_t inverted = ~crc;
    for (size_t i = 0u; i < count; ++i) {
        inverted ^= bytes[i];
        inverted = table[inverted & 15u] ^ (inverted >> 4);
        inverted = table[inverted & 15u] ^ (inverted >> 4);
    }
    return ~inverted;
}

uint16_t fan_link_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | (uint32_t)bytes[1] << 8); }

uint32_t fan_link_u32(const uint8_t *bytes)
{
    return fan_link_u16(bytes) | (uint32_t)fan_link_u16(bytes + 2) << 16;
}

uint64_t fan_link_u64(const uint8_t *bytes)
{
    return fan_link_u32(bytes) | (uint64_t)fan_link_u32(bytes + 4) << 32;
}

uint8_t *fan_link_put_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value & 0xFFu);
    bytes[1] = (uint8_t)(value >> 8);
    return bytes + 2;
}

uint8_t *fan_link_put_u32(uint8_t *bytes, uint32_t value)
{
    return fan_link_put_u16(fan_link_put_u16(bytes, (uint16_t)(value & 0xFFFFu)), (uint16_t)(value >> 16));
}

uint8_t *fan_link_put_u64(uint8_t *bytes, uint64_t value)
{
    return fan_link_put_u32(fan_link_put_u32(bytes, (uint32_t)(value & 0xFFFFFFFFu)), (uint32_t)(value >> 32));
}

static void start_over(fan_link_parser *parser)
{
    parser->count = 0u;
    parser->left = 0u;
    parser->zero = 0u;
    parser->begun = 0u;
}

void fan_link_parser_init(fan_link_parser *parser, uint8_t *buffer, size_t capacity, fan_link_counts *counts)
{
    parser->counts = counts;
    parser->buffer = buffer;
    parser->capacity = capacity;
    start_over(parser);
}

static void keep(fan_link_parser *parser, uint8_t byte)
{
    if (parser->count < parser->capacity) {
        parser->buffer[parser->count] = byte;
        ++parser->count;
    } else {
        parser->count = parser->capacity + 1u;
    }
}

/* What came since the last zero, as a frame; nonzero where it is a good one. */
static int finish(const fan_link_parser *parser, fan_link_frame *frame)
{
    const uint8_t *bytes = parser->buffer;
    if (parser->count > parser->capacity) {
        ++parser->counts->overflows;
        return 0;
    }
    if (parser->left != 0u || parser->count < FAN_LINK_FRAME_BYTES(0u) || bytes[0] != FAN_LINK_MAGIC ||
        parser->count != FAN_LINK_FRAME_BYTES((size_t)fan_link_u16(bytes + 6))) {
        ++parser->counts->malformed;
        return 0;
    }
    const size_t checked = parser->count - FAN_LINK_CRC_BYTES;
    if (fan_link_crc32(0u, bytes, checked) != fan_link_u32(bytes + checked)) {
        ++parser->counts->bad_crc;
        return 0;
    }
    frame->version = bytes[1];
    frame->operation = bytes[2];
    frame->session_or_status = bytes[3];
    frame->sequence = fan_link_u16(bytes + 4);
    frame->payload_bytes = fan_link_u16(bytes + 6);
    frame->argument = fan_link_u32(bytes + 8);
    frame->payload = bytes + FAN_LINK_HEADER_BYTES;
    ++parser->counts->frames;
    return 1;
}

int fan_link_take(fan_link_parser *parser, uint8_t byte, fan_link_frame *frame)
{
    int good = 0;
    if (byte == 0u) {
        if (parser->begun != 0u) {
            good = finish(parser, frame);
        }
        start_over(parser);
    } else if (parser->left != 0u) {
        keep(parser, byte);
        --parser->left;
    } else {
        if (parser->zero != 0u) {
            keep(parser, 0u);
        }
        parser->begun = 1u;
        parser->left = (uint8_t)(byte - 1u);
        parser->zero = byte != LONGEST_BLOCK;
    }
    return good;
}

typedef struct {
    uint8_t *out;
    size_t length_at; /* of the block that is being written */
    size_t next;
} encoder;

static void close_block(encoder *into)
{
    into->out[into->length_at] = (uint8_t)(into->next - into->length_at);
    into->length_at = into->next;
    ++into->next;
}

static void encode_bytes(encoder *into, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        if (into->next - into->length_at == LONGEST_BLOCK) {
            close_block(into);
        }
        if (bytes[i] == 0u) {
            close_block(into);
        } else {
            into->out[into->next] = bytes[i];
            ++into->next;
        }
    }
}

size_t fan_link_encode(const fan_link_frame *frame, uint8_t *out, size_t capacity)
{
    if (capacity < FAN_LINK_ENCODED_BYTES((size_t)frame->payload_bytes)) {
        return 0u;
    }
    uint8_t header[FAN_LINK_HEADER_BYTES] = {FAN_LINK_MAGIC, FAN_LINK_VERSION, frame->operation,
                                             frame->session_or_status};
    (void)fan_link_put_u32(
        fan_link_put_u16(fan_link_put_u16(header + 4, frame->sequence), frame->payload_bytes), frame->argument);
    uint32_t crc = fan_link_crc32(0u, header, sizeof header);
    crc = fan_link_crc32(crc, frame->payload, frame->payload_bytes);
    uint8_t check[FAN_LINK_CRC_BYTES];
    (void)fan_link_put_u32(check, crc);

    encoder into = {out, 0u, 1u};
    encode_bytes(&into, header, sizeof header);
    encode_bytes(&into, frame->payload, frame->payload_bytes);
    encode_bytes(&into, check, sizeof check);
    close_block(&into);
    out[into.length_at] = 0u;
    return into.next;
}
