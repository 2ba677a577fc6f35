/* The agent on a Cortex-M machine with one CMSDK UART. */
#include "clock.h"
#include "fan_agent.h"
#include "machine.h"
#include "start.h"
#include "uart.h"

#include <stddef.h>
#include <stdint.h>

/* Lives through a reset; at power-on it is what it happens to be. */
__attribute__((section(".noinit"))) static uint32_t boots;

static fan_agent agent;
static fan_agent_link cable;

static void write_link(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    uart_write(bytes, count);
}

static int can_baud(void *context, uint32_t baud)
{
    (void)context;
    return uart_can_baud(baud);
}

static void set_baud(void *context, uint32_t baud)
{
    (void)context;
    uart_set_baud(baud);
}

int main(void)
{
    ++boots;
    clock_start();
    uart_say("\r\nfan-agent on " MACHINE_NAME "\r\n");
    const fan_agent_port port = {
        .board = MACHINE_NAME,
        .boot_id = boots,
        .tick_hz = TICK_HZ,
        .core_features = CORE_FEATURES,
        .window_bytes = UART_RING_BYTES,
        .start_baud = UART_START_BAUD,
        .now_ticks = clock_ticks,
        .write = write_link,
        .can_baud = can_baud,
        .set_baud = set_baud,
    };
    fan_agent_init(&agent, &port, &fan_bundle, memory_start, (size_t)(memory_end - memory_start));
    fan_agent_link_init(&agent, &cable, NULL);
    for (;;) {
        uint8_t bytes[64];
        const size_t count = uart_take(bytes, sizeof bytes);
        fan_agent_receive(&agent, &cable, bytes, count);
        fan_agent_link_poll(&agent, &cable);
        if (fan_agent_poll(&agent) == 0 && count == 0u) {
            uart_wait(); /* for a byte, or for the clock */
        }
    }
}
