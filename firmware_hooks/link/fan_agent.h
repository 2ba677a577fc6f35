/* The agent: runs on a board and lets a host work the denoiser over a cable.
 *
 * It never waits and never allocates. A port (firmware_hooks/ports) gives it memory, a clock and one or several links,
 * hands it the bytes that come, and calls it in turns:
 *
 *     fan_agent_init(&agent, &port, &fan_bundle, memory, sizeof memory);
 *     fan_agent_link_init(&agent, &link, &uart);
 *     for (;;) {
 *         const size_t count = take_received(bytes, sizeof bytes);
 *         fan_agent_receive(&agent, &link, bytes, count);
 *         if (fan_agent_poll(&agent) == 0 && count == 0u) {
 *             wait_for_interrupt();
 *         }
 *     }
 *
 * Every request may come twice: the second time nothing is done again. While a run goes on, all other requests are
 * answered at once. An input outlives its session, so that a host that was stopped goes on where it was.
 */
#ifndef FAN_AGENT_H
#define FAN_AGENT_H

#include "fan.h"
#include "fan_job.h"
#include "fan_link.h"
#include "fan_work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Longest payload of a frame, either way: from 1024 to 65535. Each link keeps one such, and the agent two. */
#ifndef FAN_AGENT_PAYLOAD_BYTES
#define FAN_AGENT_PAYLOAD_BYTES 1024u
#endif

#define FAN_BUNDLE_ID_BYTES 16u
#define FAN_SHA256_BYTES 32u

typedef enum {
    FAN_OP_HELLO = 1,
    FAN_OP_BYE = 2,
    FAN_OP_DESCRIBE = 3,
    FAN_OP_OPEN = 4,
    FAN_OP_WRITE = 5,
    FAN_OP_QUERY = 6,
    FAN_OP_COMMIT = 7,
    FAN_OP_RUN = 8,
    FAN_OP_READ = 9,
    FAN_OP_STATS = 10,
    FAN_OP_ECHO = 11,
    FAN_OP_RESET = 12,
    FAN_OP_BAUD = 13
} fan_agent_operation;

typedef enum {
    FAN_REPLY_OK = 0,
    FAN_REPLY_BUSY = 1,         /* the run goes on; argument: rows done */
    FAN_REPLY_BAD_OPERATION = 2,
    FAN_REPLY_BAD_ARGUMENT = 3,
    FAN_REPLY_BAD_STATE = 4,    /* no such job, or its input isn't committed, or it wasn't run */
    FAN_REPLY_BAD_CRC = 5,
    FAN_REPLY_NO_MEMORY = 6,    /* argument: bytes there are in all */
    FAN_REPLY_MISSING = 7,      /* blocks */
    FAN_REPLY_RUN_FAILED = 8,   /* argument: fan_status, or FAN_WORK_NPU_FAILED */
    FAN_REPLY_TAKEN = 9,        /* another host has the board; payload: milliseconds until it may be asked again, u32 */
    FAN_REPLY_UNSUPPORTED = 10, /* the library needs what this core has not */
    FAN_REPLY_BAD_VERSION = 11
} fan_agent_status;

/* What a core has, and what a library needs. */
#define FAN_FEATURE_NEON 1u
#define FAN_FEATURE_FP16 2u
#define FAN_FEATURE_DOT_PRODUCT 4u
#define FAN_FEATURE_THUMB_FPU 8u /* single precision */
#define FAN_FEATURE_MVE_FLOAT 16u
#define FAN_FEATURE_X86_64_V3 32u
#define FAN_FEATURE_X86_64_V4 64u
#define FAN_FEATURE_THUMB_FPU_DOUBLE 128u

/* The library that the agent is linked with: generated with it. Texts are UTF-8, at most 255 bytes of them are told. */
typedef struct {
    const char *board; /* where the port doesn't know better */
    const char *core;  /* what it is compiled for */
    const char *build; /* by what */
    uint8_t id[FAN_BUNDLE_ID_BYTES];
    uint32_t needed_features;
    const uint8_t (*weights_sha256)[FAN_SHA256_BYTES]; /* one for each specialist */
} fan_agent_bundle;

extern const fan_agent_bundle fan_bundle;

/* Facts of the port, and what it does for the agent. context: that of the link in question. */
typedef struct {
    const char *board; /* NULL: as the bundle says */
    uint32_t boot_id;  /* another one at each start, as far as the board can */
    uint32_t tick_hz;  /* from 1000 to 1,400,000,000 */
    uint32_t core_features;
    uint32_t window_bytes; /* that may be under way to the board, such as the size of its receive buffer */
    uint32_t start_baud;   /* 0: the links have no rate */

    /* Ticks since some moment; may not wrap. */
    uint64_t (*now_ticks)(void);
    /* Takes all bytes: keeps them or waits until they are sent. */
    void (*write)(void *context, const uint8_t *bytes, size_t count);
    /* Nonzero where the link can have that rate. Both are NULL where start_baud is 0. */
    int (*can_baud)(void *context, uint32_t baud);
    /* Changes the rate once all that was written is sent. */
    void (*set_baud)(void *context, uint32_t baud);
} fan_agent_port;

/* One cable. */
typedef struct {
    fan_link_parser parser;
    void *context;
    uint32_t baud;
    uint32_t patience_s;   /* how long to wait for a good frame, where waiting */
    uint64_t waiting_since;
    uint8_t waiting;       /* nonzero: bytes came, or the rate changed, and no good frame since */
    uint8_t buffer[FAN_LINK_FRAME_BYTES(FAN_AGENT_PAYLOAD_BYTES)];
} fan_agent_link;

#define FAN_AGENT_RUN_BYTES 36u

typedef struct {
    const fan_agent_port *port;
    const fan_agent_bundle *bundle;
    fan_link_counts counts;
    fan_job job;

    uint64_t host;
    uint64_t heard; /* when the last good frame of the session came, or its run ended */
    uint8_t session;
    uint8_t alive; /* nonzero: nobody said BYE */

    fan_work work;
    uint32_t output_bytes;
    uint32_t run_job;
    uint8_t run_request[FAN_AGENT_RUN_BYTES]; /* the payload that asked for it */
    uint8_t running;
    uint8_t done; /* nonzero: the output is there */
    uint16_t run_sequence;
    fan_agent_link *run_link; /* NULL: it is gone */
    uint64_t told;            /* when the host heard last that the run goes on */
    uint64_t run_ticks;
    uint64_t arena_bytes;
    uint32_t output_crc;

    uint32_t duplicates;
    uint32_t runs;
    uint64_t arena_peak_bytes;
    uint8_t payload[FAN_AGENT_PAYLOAD_BYTES];
    uint8_t encoded[FAN_LINK_ENCODED_BYTES(FAN_AGENT_PAYLOAD_BYTES)];
} fan_agent;

/* port, bundle and memory stay the caller's and must last as long as the agent; memory at a multiple of
 * FAN_ARENA_ALIGNMENT. */
void fan_agent_init(fan_agent *agent, const fan_agent_port *port, const fan_agent_bundle *bundle, void *memory,
                    size_t memory_bytes);

/* context: handed to the port's functions. */
void fan_agent_link_init(fan_agent *agent, fan_agent_link *link, void *context);

/* The cable is gone; what was begun over it goes on. */
void fan_agent_link_close(fan_agent *agent, const fan_agent_link *link);

/* Handles the bytes that came over a link. */
void fan_agent_receive(fan_agent *agent, fan_agent_link *link, const uint8_t *bytes, size_t count);

/* Makes one turn of a run: nonzero while a run goes on. */
int fan_agent_poll(fan_agent *agent);

/* Puts a link's rate back to that of the start where nothing is understood at the present one: for 1 s after it
 * changed, for 3 s later on. Only for links that have a rate; call it at least four times a second. A host that says
 * BYE leaves the start's rate behind, too. */
void fan_agent_link_poll(fan_agent *agent, fan_agent_link *link);

#ifdef __cplusplus
}
#endif

#endif
