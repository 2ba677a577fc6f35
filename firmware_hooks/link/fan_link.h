/* Frames between a host and a board: what goes over the cable, and nothing of what it means.
 *
 * A frame is COBS(header, payload, CRC-32 of both) and a zero: Cheshire and Baker, "Consistent Overhead Byte
 * Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999; the CRC is that of zlib and Ethernet. No byte of a frame
 * but its last is zero, so that after any fault the next zero sets the receiver right again.
 *
 * Header, 12 bytes: magic, version, operation, session or status, sequence u16, payload bytes u16, argument u32. All
 * numbers on the wire are little-endian.
 */
#ifndef FAN_LINK_H
#define FAN_LINK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAN_LINK_MAGIC 0xD7u
#define FAN_LINK_VERSION 1u
#define FAN_LINK_HEADER_BYTES 12u
#define FAN_LINK_CRC_BYTES 4u
/* An operation with this bit is a reply. */
#define FAN_LINK_REPLY 0x80u

/* A frame before it is encoded, and at most afterwards, with its zero. */
#define FAN_LINK_FRAME_BYTES(payload) (FAN_LINK_HEADER_BYTES + (payload) + FAN_LINK_CRC_BYTES)
#define FAN_LINK_ENCODED_BYTES(payload) (FAN_LINK_FRAME_BYTES(payload) + FAN_LINK_FRAME_BYTES(payload) / 254u + 2u)

typedef struct {
    uint8_t version;
    uint8_t operation;
    uint8_t session_or_status; /* a request's session, a reply's status */
    uint16_t sequence;
    uint16_t payload_bytes;
    uint32_t argument;
    const uint8_t *payload;
} fan_link_frame;

/* What parsers have met; several may share one. */
typedef struct {
    uint32_t frames;    /* good ones */
    uint32_t bad_crc;
    uint32_t malformed; /* not COBS, too short, another magic or length */
    uint32_t overflows; /* longer than the buffer */
} fan_link_counts;

/* One end of one cable. */
typedef struct {
    fan_link_counts *counts;
    uint8_t *buffer;
    size_t capacity;
    size_t count;   /* decoded bytes in the buffer; beyond capacity: too many came */
    uint8_t left;   /* bytes until the next length byte */
    uint8_t zero;   /* nonzero: a zero is due before the next block */
    uint8_t begun;  /* nonzero: something came since the last zero */
} fan_link_parser;

/* buffer: FAN_LINK_FRAME_BYTES(longest payload). */
void fan_link_parser_init(fan_link_parser *parser, uint8_t *buffer, size_t capacity, fan_link_counts *counts);

/* Takes a byte; nonzero when it ends a good frame, of any version. The payload lies in the parser's buffer until the
 * next byte is taken. */
int fan_link_take(fan_link_parser *parser, uint8_t byte, fan_link_frame *frame);

/* Writes an encoded frame of this version; returns its bytes, 0 where they don't fit. */
size_t fan_link_encode(const fan_link_frame *frame, uint8_t *out, size_t capacity);

/* Goes on from the CRC of what came before; of nothing it is 0. */
uint32_t fan_link_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

uint16_t fan_link_u16(const uint8_t *bytes);
uint32_t fan_link_u32(const uint8_t *bytes);
uint64_t fan_link_u64(const uint8_t *bytes);

/* These return where the next number goes. */
uint8_t *fan_link_put_u16(uint8_t *bytes, uint16_t value);
uint8_t *fan_link_put_u32(uint8_t *bytes, uint32_t value);
uint8_t *fan_link_put_u64(uint8_t *bytes, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
