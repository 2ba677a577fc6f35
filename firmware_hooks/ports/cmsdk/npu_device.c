/* A stand-in for an NPU, for tests: on an emulated machine a simulator on the host takes the NPU's place.
 *
 * It stands behind the interface of Arm's driver. The simulator shares the machine's external memory, as an NPU does; a
 * UART of its own rings its bell with the addresses of payload and regions, and brings back how it went. All numbers are
 * little-endian:
 *
 *     to the device     u32 0x3155504E, u32 regions, u64 payload, u64 payload's bytes, then u64 address, u64 bytes each
 *     from the device   u32 0x3155504E, i32 status: 0, or negative on an error; u32 bytes of text, the text
 */
#include <ethosu_driver.h>

#include "machine.h"
#include "uart.h"

#define BELL 0x3155504Eu
#define REGIONS_MOST 8
#define ALIGNMENT 16u /* of payload and regions: Arm's driver refuses others, too */

typedef struct {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt;
    volatile uint32_t divider;
} uart_registers;

#define UART ((uart_registers *)NPU_UART_BASE)
#define TRANSMIT_FULL 1u
#define RECEIVE_FULL 2u
#define BOTH_WAYS 3u
#define DIVIDER 16u

struct ethosu_driver {
    uint8_t is_reserved;
};

static struct ethosu_driver only;

struct ethosu_driver *ethosu_reserve_driver(void)
{
    UART->divider = DIVIDER;
    UART->control = BOTH_WAYS;
    only.is_reserved = 1u;
    return &only;
}

void ethosu_release_driver(struct ethosu_driver *driver) { driver->is_reserved = 0u; }

static void send(uint64_t value, unsigned bytes)
{
    for (unsigned i = 0u; i < bytes; ++i, value >>= 8u) {
        while ((UART->state & TRANSMIT_FULL) != 0u) {
        }
        UART->data = (uint32_t)(value & 0xFFu);
    }
}

static uint8_t receive_byte(void)
{
    while ((UART->state & RECEIVE_FULL) == 0u) {
    }
    return (uint8_t)UART->data;
}

static uint32_t receive(void)
{
    uint32_t value = 0u;
    for (unsigned i = 0u; i < 4u; ++i) {
        value |= (uint32_t)receive_byte() << 8u * i;
    }
    return value;
}

/* The device sees what the core has written, and later the core what the device has. */
static void barrier(void) { __asm__ volatile("dsb" ::: "memory"); }

/* As drivers log what is wrong. */
static int fail(const char *why)
{
    uart_say("\r\nNPU: ");
    uart_say(why);
    uart_say("\r\n");
    return -1;
}

static int answer(void)
{
    const uint32_t echoed = receive();
    const int32_t status = (int32_t)receive();
    const uint32_t words = receive();
    if (echoed != BELL) {
        return fail("an answer that is none");
    }
    if (status == 0) {
        return 0;
    }
    uart_say("\r\nNPU: ");
    for (uint32_t i = 0u; i < words; ++i) {
        const uint8_t byte = receive_byte();
        uart_write(&byte, 1u);
    }
    uart_say("\r\n");
    return (int)status;
}

int ethosu_invoke_v3(struct ethosu_driver *driver, const void *payload, const int payload_bytes, uint64_t *const bases,
                     const size_t *sizes, const int count, void *user_argument)
{
    (void)user_argument;
    if (driver == NULL || driver->is_reserved == 0u) {
        return fail("the driver is not reserved");
    }
    if (payload == NULL || payload_bytes <= 0 || (uintptr_t)payload % ALIGNMENT != 0u || count < 0 ||
        count > REGIONS_MOST) {
        return fail("a payload or regions that it can't take");
    }
    for (int i = 0; i < count; ++i) {
        if (bases[i] % ALIGNMENT != 0u) {
            return fail("a region that is not aligned");
        }
    }
    barrier();
    send(BELL, 4u);
    send((uint64_t)count, 4u);
    send((uintptr_t)payload, 8u);
    send((uint64_t)payload_bytes, 8u);
    for (int i = 0; i < count; ++i) {
        send(bases[i], 8u);
        send(sizes[i], 8u);
    }
    const int status = answer();
    barrier();
    return status;
}
