/* Any sequence of requests, damage, noise, silence and cut cables into the agent; whatever it says must be a frame.
 *
 * See README.md for how to build and run it. The input is read as a script: each command makes a frame with the right
 * CRC, for the most part with sizes and offsets that are near those that are right, so that what lies behind the
 * checks is reached. The library is a stand-in that touches every byte it is given.
 */
#define _POSIX_C_SOURCE 200112L
#include "fan_agent.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define LINKS 2u
#define OPERATIONS 16u
#define TICK_HZ 1000u
#define MOST_ENCODED FAN_LINK_ENCODED_BYTES(FAN_AGENT_PAYLOAD_BYTES)

typedef struct {
    const uint8_t *bytes;
    size_t left;
} script;

static fan_agent agent;
static fan_agent_link links[LINKS];
static uint64_t now;
static uint8_t session;
static uint32_t answers;
static uint32_t job_bytes; /* of the last OPEN */

static const size_t memory_sizes[] = {65536u, 8192u, 2112u, 64u};
static uint8_t *memories[sizeof memory_sizes / sizeof memory_sizes[0]];

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static uint8_t take(script *from)
{
    if (from->left == 0u) {
        return 0u;
    }
    --from->left;
    return *from->bytes++;
}

static uint32_t take_number(script *from)
{
    static const uint32_t edges[] = {0u,     1u,     2u,          3u,          16u,         255u,        256u,
                                     257u,   1023u,  1024u,       1025u,       2048u,       4096u,       65535u,
                                     65536u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFF00u, 0xFFFFFFC0u, 0xFFFFFFFFu};
    const uint8_t kind = take(from);
    if (kind < 200u) {
        return edges[kind % (sizeof edges / sizeof edges[0])];
    }
    const uint32_t low = take(from);
    return low | (uint32_t)take(from) << 8 | (kind < 230u ? 0u : (uint32_t)take(from) << 24);
}

static uint64_t now_ticks(void) { return now; }

static int can_baud(void *context, uint32_t baud)
{
    (void)context;
    return baud >= 256u && baud <= 65536u;
}

static void set_baud(void *context, uint32_t baud)
{
    (void)context;
    check(baud == 115200u || (baud >= 256u && baud <= 65536u));
}

static void check_reply(const fan_link_frame *reply)
{
    const uint8_t status = reply->session_or_status;
    const uint8_t operation = (uint8_t)(reply->operation & ~FAN_LINK_REPLY);
    check(reply->version == FAN_LINK_VERSION && (reply->operation & FAN_LINK_REPLY) != 0u);
    check(status <= (uint8_t)FAN_REPLY_BAD_VERSION);
    check(status != (uint8_t)FAN_REPLY_BUSY || operation == (uint8_t)FAN_OP_RUN);
    check(status == (uint8_t)FAN_REPLY_OK || reply->payload_bytes == (status == (uint8_t)FAN_REPLY_TAKEN ? 4u : 0u));
    if (operation == (uint8_t)FAN_OP_HELLO && status == (uint8_t)FAN_REPLY_OK) {
        check(reply->argument >= 1u && reply->argument <= 255u);
        session = (uint8_t)reply->argument;
    }
}

static void write_link(void *context, const uint8_t *bytes, size_t count)
{
    static uint8_t buffer[FAN_LINK_FRAME_BYTES(FAN_AGENT_PAYLOAD_BYTES)];
    (void)context;
    fan_link_counts counts = {0};
    fan_link_parser parser;
    fan_link_frame reply;
    fan_link_parser_init(&parser, buffer, sizeof buffer, &counts);
    for (size_t i = 0u; i + 1u < count; ++i) {
        check(fan_link_take(&parser, bytes[i], &reply) == 0);
    }
    check(count != 0u && fan_link_take(&parser, bytes[count - 1u], &reply) != 0);
    check_reply(&reply);
    ++answers;
}

/* What inputs are made of, from any place on. */
static void fill(uint8_t *out, uint32_t offset, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        out[i] = (uint8_t)((offset + i) * 37u >> 3) & 0x3Fu;
    }
}

static uint32_t crc_of_input(uint32_t bytes)
{
    static uint8_t input[8192];
    if (bytes > sizeof input) {
        return 0u;
    }
    fill(input, 0u, bytes);
    return fan_link_crc32(0u, input, bytes);
}

static void put_float(uint8_t *out, uint8_t kind)
{
    static const uint32_t bits[] = {0u,          0x3A83126Fu, 0x3F800000u, 0x7FC00000u,
                                    0x7F800000u, 0x80000000u, 0xBF800000u, 1u};
    (void)fan_link_put_u32(out, bits[kind % 8u]);
}

/* The payload and the argument of a request, near to what is right. */
static void fill_request(script *from, fan_link_frame *frame, uint8_t *payload)
{
    size_t count = 0u;
    frame->argument = take_number(from);
    switch (frame->operation) {
    case FAN_OP_HELLO:
        (void)fan_link_put_u64(payload, take(from) % 3u);
        payload[8] = take(from) % 4u == 0u ? 1u : 0u;
        count = 9u;
        break;
    case FAN_OP_OPEN: {
        const uint8_t kind = take(from);
        job_bytes = kind % 4u == 0u ? take_number(from) : 1024u * (kind % 3u + 1u);
        (void)fan_link_put_u32(payload, kind / 64u);
        (void)fan_link_put_u32(payload + 4, job_bytes);
        (void)fan_link_put_u32(payload + 8, crc_of_input(job_bytes) + (kind % 16u == 15u ? 1u : 0u));
        count = 12u;
        break;
    }
    case FAN_OP_WRITE: {
        const uint8_t kind = take(from);
        if (kind < 200u) {
            frame->argument = kind % 16u * FAN_JOB_BLOCK_BYTES;
            count = kind / 16u % 5u * FAN_JOB_BLOCK_BYTES;
            if (frame->argument < job_bytes && (kind / 64u == 0u || count > job_bytes - frame->argument)) {
                count = job_bytes - frame->argument;
            }
        } else {
            count = take_number(from) % (FAN_AGENT_PAYLOAD_BYTES + 1u);
        }
        count = count > FAN_AGENT_PAYLOAD_BYTES ? FAN_AGENT_PAYLOAD_BYTES : count;
        fill(payload, frame->argument, count);
        break;
    }
    case FAN_OP_RUN: {
        const uint8_t kind = take(from);
        frame->argument = kind / 64u;
        (void)fan_link_put_u32(payload, kind % 6u);
        for (size_t i = 0u; i < 6u; ++i) {
            put_float(payload + 4u + 4u * i, kind < 224u ? 1u : take(from));
        }
        (void)fan_link_put_u32(payload + 28, kind % 32u == 31u ? take_number(from) : 16u);
        (void)fan_link_put_u32(payload + 32, kind % 16u == 15u ? take_number(from) : job_bytes / 64u);
        count = FAN_AGENT_RUN_BYTES;
        break;
    }
    case FAN_OP_READ:
        (void)fan_link_put_u32(payload, take(from) / 64u);
        (void)fan_link_put_u16(payload + 4, (uint16_t)take_number(from));
        count = 6u;
        break;
    case FAN_OP_ECHO:
        count = take_number(from) % (FAN_AGENT_PAYLOAD_BYTES + 1u);
        break;
    default:
        break;
    }
    const uint8_t other = take(from);
    if (other >= 240u) {
        count = take_number(from) % (FAN_AGENT_PAYLOAD_BYTES + 1u);
    }
    frame->payload_bytes = (uint16_t)count;
}

static void send_frame(script *from, fan_agent_link *link, uint8_t operation)
{
    static uint8_t payload[FAN_AGENT_PAYLOAD_BYTES];
    static uint8_t encoded[MOST_ENCODED];
    static const uint8_t zero = 0u;
    static uint16_t sequence;
    fan_link_frame frame = {FAN_LINK_VERSION, operation, session, ++sequence, 0u, 0u, payload};
    const uint8_t how = take(from);
    if (operation == (uint8_t)FAN_OP_HELLO || how % 16u == 1u) {
        frame.session_or_status = (uint8_t)(how / 16u);
    }
    fill_request(from, &frame, payload);
    size_t count = fan_link_encode(&frame, encoded, sizeof encoded);
    const int damaged = how >= 208u;
    if (how >= 240u) {
        count = take_number(from) % count;
    } else if (damaged) {
        encoded[take_number(from) % count] ^= (uint8_t)(1u << how % 8u);
    }
    /* Ends whatever came before, such as the last frame's beginning. */
    fan_agent_receive(&agent, link, &zero, 1u);
    const uint32_t before = answers;
    fan_agent_receive(&agent, link, encoded, count);
    check(damaged || answers - before == (operation < FAN_LINK_REPLY ? 1u : 0u));
    fuzz_count(damaged ? 0u : 1u, damaged ? 1u : 0u);
}

static void send_noise(script *from, fan_agent_link *link)
{
    static uint8_t noise[2048];
    const size_t count = take_number(from) % sizeof noise;
    const uint8_t same = take(from);
    (void)memset(noise, same, sizeof noise);
    for (size_t i = 0u; i < count && from->left != 0u && same % 2u == 0u; ++i) {
        noise[i] = take(from);
    }
    fan_agent_receive(&agent, link, noise, count);
}

static void start(script *from)
{
    static fan_agent_port port;
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890123456789012345678901234567890123\xC3\xBC\xC3\xBC";
    const uint8_t kind = take(from);
    const size_t size = kind % 4u == 3u ? kind / 64u : 0u;
    if (memories[size] == NULL) {
        check(posix_memalign((void **)&memories[size], FAN_ARENA_ALIGNMENT, memory_sizes[size]) == 0);
    }
    port.board = kind % 8u == 1u ? longest : NULL;
    port.boot_id = kind;
    port.tick_hz = TICK_HZ;
    port.core_features = kind % 8u == 2u ? 0u : 1u;
    port.window_bytes = 4096u;
    port.start_baud = kind % 2u == 0u ? 115200u : 0u;
    port.now_ticks = now_ticks;
    port.write = write_link;
    port.can_baud = can_baud;
    port.set_baud = set_baud;
    now = 0u;
    session = 0u;
    job_bytes = 0u;
    /* Nothing may depend on what was there. */
    (void)memset(&agent, 0xA5, sizeof agent);
    (void)memset(links, 0xA5, sizeof links);
    fan_agent_init(&agent, &port, &fan_bundle, memories[size], memory_sizes[size]);
    for (size_t i = 0u; i < LINKS; ++i) {
        fan_agent_link_init(&agent, &links[i], &links[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t operations[OPERATIONS] = {1u, 2u,  3u,  4u,  5u,  6u, 7u,    8u,
                                                   9u, 10u, 11u, 12u, 13u, 0u, 0x88u, 14u};
    script from = {data, size};
    start(&from);
    while (from.left != 0u) {
        const uint8_t command = take(&from);
        fan_agent_link *link = &links[command / 128u];
        switch (command % 8u) {
        case 0u:
            (void)fan_agent_poll(&agent);
            fan_agent_link_poll(&agent, link);
            break;
        case 1u:
            now += take_number(&from) % 4096u;
            break;
        case 2u:
            if (take(&from) % 4u == 0u) {
                fan_agent_link_close(&agent, link);
                fan_agent_link_init(&agent, link, link);
            } else {
                send_noise(&from, link);
            }
            break;
        default:
            send_frame(&from, link, operations[command / 8u % OPERATIONS]);
            break;
        }
    }
    return 0;
}
