/* Lets a test be port and clock of an agent: commands on stdin, what they led to on stdout.
 *
 * agent-driver MEMORY_BYTES CORE_FEATURES BOOT_ID START_BAUD TICKS_A_TURN BOARD; a tick is a millisecond.
 * r LINK u32 BYTES...: receive; p LINK: poll; t LINK u32: time passes; c LINK: the link closes and is a new one.
 * Answers: w LINK u32 BYTES...; b LINK u32 baud; and . u32 goes on, u32 begun runs at the end of each command.
 */
#define _POSIX_C_SOURCE 200112L
#include "fan_agent.h"

#include <stdio.h>
#include <stdlib.h>

#define LINKS 2
#define TICK_HZ 1000u
#define HIGHEST_BAUD 3000000u

extern uint32_t stub_begun;
extern uint32_t stub_turns;

static fan_agent agent;
static fan_agent_link links[LINKS];
static uint64_t passed;
static uint32_t ticks_a_turn;

static uint64_t now_ticks(void) { return passed + (uint64_t)stub_turns * ticks_a_turn; }

static void say(int kind, const void *link, uint32_t value)
{
    uint8_t number[4];
    (void)fan_link_put_u32(number, value);
    (void)putchar(kind);
    if (link != NULL) {
        (void)putchar((int)((const fan_agent_link *)link - links));
    }
    (void)fwrite(number, 1u, sizeof number, stdout);
}

static void write_link(void *context, const uint8_t *bytes, size_t count)
{
    say('w', context, (uint32_t)count);
    (void)fwrite(bytes, 1u, count, stdout);
}

static int can_baud(void *context, uint32_t baud)
{
    (void)context;
    return baud <= HIGHEST_BAUD;
}

static void set_baud(void *context, uint32_t baud) { say('b', context, baud); }

static uint32_t read_u32(void)
{
    uint8_t number[4];
    if (fread(number, 1u, sizeof number, stdin) != sizeof number) {
        exit(3);
    }
    return fan_link_u32(number);
}

int main(int count, char **arguments)
{
    if (count != 7) {
        return 2;
    }
    const size_t memory_bytes = (size_t)strtoul(arguments[1], NULL, 0);
    ticks_a_turn = (uint32_t)strtoul(arguments[5], NULL, 0);
    const fan_agent_port port = {
        .board = arguments[6][0] != '\0' ? arguments[6] : NULL,
        .boot_id = (uint32_t)strtoul(arguments[3], NULL, 0),
        .tick_hz = TICK_HZ,
        .core_features = (uint32_t)strtoul(arguments[2], NULL, 0),
        .window_bytes = 4096u,
        .start_baud = (uint32_t)strtoul(arguments[4], NULL, 0),
        .now_ticks = now_ticks,
        .write = write_link,
        .can_baud = can_baud,
        .set_baud = set_baud,
    };
    /* Its end is that of the block, so that the sanitizer sees a byte beyond. */
    void *memory = NULL;
    if (posix_memalign(&memory, FAN_ARENA_ALIGNMENT, memory_bytes) != 0) {
        return 3;
    }
    fan_agent_init(&agent, &port, &fan_bundle, memory, memory_bytes);
    for (int i = 0; i < LINKS; ++i) {
        fan_agent_link_init(&agent, &links[i], &links[i]);
    }
    for (int command = getchar(); command != EOF; command = getchar()) {
        fan_agent_link *link = &links[(unsigned)getchar() % LINKS];
        int goes_on = 0;
        if (command == 'r') {
            const uint32_t size = read_u32();
            uint8_t *bytes = malloc(size);
            if (fread(bytes, 1u, size, stdin) != size) {
                return 3;
            }
            fan_agent_receive(&agent, link, bytes, size);
            free(bytes);
        } else if (command == 'p') {
            goes_on = fan_agent_poll(&agent);
            fan_agent_link_poll(&agent, link);
        } else if (command == 't') {
            passed += read_u32();
        } else {
            fan_agent_link_close(&agent, link);
            fan_agent_link_init(&agent, link, link);
        }
        say('.', NULL, (uint32_t)goes_on);
        uint8_t begun[4];
        (void)fan_link_put_u32(begun, stub_begun);
        (void)fwrite(begun, 1u, sizeof begun, stdout);
        (void)fflush(stdout);
    }
    free(memory);
    return 0;
}
