/* Lets a test call the parser and the encoder: commands on stdin, answers on stdout.
 *
 * codec-driver PAYLOAD_BYTES. d u32 BYTES...: parse; answers f u8 version, operation, session or status, u16 sequence,
 * u16 bytes, u32 argument, BYTES... for each frame, then . and the four counts. e u32 capacity, header as above,
 * BYTES...: encode; answers u32 BYTES... n u64: answers it plus one. z: a new parser; answers nothing.
 */
#include "fan_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_FIELDS_BYTES 11u

static fan_link_counts counts;

static void put_u32(uint32_t value)
{
    uint8_t number[4];
    (void)fan_link_put_u32(number, value);
    (void)fwrite(number, 1u, sizeof number, stdout);
}

static void read_all(void *bytes, size_t count)
{
    if (fread(bytes, 1u, count, stdin) != count) {
        exit(3);
    }
}

static uint32_t read_u32(void)
{
    uint8_t number[4];
    read_all(number, sizeof number);
    return fan_link_u32(number);
}

static void put_frame(const fan_link_frame *frame)
{
    uint8_t fields[FRAME_FIELDS_BYTES] = {frame->version, frame->operation, frame->session_or_status};
    uint8_t *out = fan_link_put_u16(fields + 3, frame->sequence);
    out = fan_link_put_u16(out, frame->payload_bytes);
    (void)fan_link_put_u32(out, frame->argument);
    (void)putchar('f');
    (void)fwrite(fields, 1u, sizeof fields, stdout);
    (void)fwrite(frame->payload, 1u, frame->payload_bytes, stdout);
}

static void parse(fan_link_parser *parser)
{
    const uint32_t size = read_u32();
    for (uint32_t i = 0u; i < size; ++i) {
        uint8_t byte;
        fan_link_frame frame;
        read_all(&byte, 1u);
        if (fan_link_take(parser, byte, &frame) != 0) {
            put_frame(&frame);
        }
    }
    (void)putchar('.');
    put_u32(counts.frames);
    put_u32(counts.bad_crc);
    put_u32(counts.malformed);
    put_u32(counts.overflows);
}

static void encode(void)
{
    uint8_t fields[FRAME_FIELDS_BYTES];
    const uint32_t capacity = read_u32();
    read_all(fields, sizeof fields);
    fan_link_frame frame = {fields[0], fields[1], fields[2], fan_link_u16(fields + 3), fan_link_u16(fields + 5),
                            fan_link_u32(fields + 7), NULL};
    /* No byte more than needed, so that the sanitizer sees one beyond. */
    uint8_t *payload = malloc(frame.payload_bytes);
    uint8_t *out = malloc(capacity);
    read_all(payload, frame.payload_bytes);
    frame.payload = payload;
    const size_t count = fan_link_encode(&frame, out, capacity);
    put_u32((uint32_t)count);
    (void)fwrite(out, 1u, count, stdout);
    free(payload);
    free(out);
}

static void add_one(void)
{
    uint8_t number[8];
    read_all(number, sizeof number);
    (void)fan_link_put_u64(number, fan_link_u64(number) + 1u);
    (void)fwrite(number, 1u, sizeof number, stdout);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        return 2;
    }
    const size_t capacity = FAN_LINK_FRAME_BYTES(strtoul(arguments[1], NULL, 10));
    uint8_t *buffer = malloc(capacity);
    fan_link_parser parser;
    fan_link_parser_init(&parser, buffer, capacity, &counts);
    for (int command = getchar(); command != EOF; command = getchar()) {
        if (command == 'd') {
            parse(&parser);
        } else if (command == 'e') {
            encode();
        } else if (command == 'n') {
            add_one();
        } else {
            (void)memset(&counts, 0, sizeof counts);
            fan_link_parser_init(&parser, buffer, capacity, &counts);
        }
        (void)fflush(stdout);
    }
    free(buffer);
    return 0;
}
