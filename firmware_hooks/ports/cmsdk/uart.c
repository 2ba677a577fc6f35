#include "uart.h"

#include "clock.h"
#include "machine.h"

typedef struct {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupt; /* a bit is cleared by writing 1 */
    volatile uint32_t divider;
} uart_registers;

#define UART ((uart_registers *)UART_BASE)
#define TRANSMIT_FULL 1u
#define RECEIVE_FULL 2u
#define RECEIVE_OVERRUN 8u
#define TRANSMIT_ENABLE 1u
#define RECEIVE_ENABLE 2u
#define RECEIVE_INTERRUPT_ENABLE 8u
#define RECEIVE_INTERRUPT 2u
#define LEAST_DIVIDER 16u
#define MOST_DIVIDER 0xFFFFFu
#define BITS_OF_BYTE 10u

/* NVIC: interrupt set-enable registers. */
#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)

/* written: by the interrupt alone. taken: by the program alone. Both count on beyond the ring's size. */
static uint8_t ring[UART_RING_BYTES];
static volatile uint32_t written;
static volatile uint32_t taken;

static uint32_t divider_of(uint32_t baud) { return (UART_CLOCK_HZ + baud / 2u) / baud; }

void uart_start(void)
{
    UART->divider = divider_of(UART_START_BAUD);
    UART->control = TRANSMIT_ENABLE | RECEIVE_ENABLE | RECEIVE_INTERRUPT_ENABLE;
    NVIC_ENABLE[UART_RECEIVE_INTERRUPT / 32u] = 1u << (UART_RECEIVE_INTERRUPT % 32u);
}

/* A byte that the UART or the ring has no room for is lost, which the link notices and repairs. */
void uart_receive(void)
{
    UART->interrupt = RECEIVE_INTERRUPT;
    while ((UART->state & RECEIVE_FULL) != 0u) {
        if ((UART->state & RECEIVE_OVERRUN) != 0u) {
            UART->state = RECEIVE_OVERRUN;
        }
        const uint8_t byte = (uint8_t)UART->data;
        if (written - taken != UART_RING_BYTES) {
            ring[written % UART_RING_BYTES] = byte;
            ++written;
        }
    }
}

size_t uart_take(uint8_t *bytes, size_t count)
{
    size_t got = 0u;
    while (got < count && taken != written) {
        bytes[got++] = ring[taken % UART_RING_BYTES];
        ++taken;
    }
    return got;
}

void uart_wait(void)
{
    /* An interrupt that is pending ends wfi even while it is masked, so none can slip in between. */
    __asm__ volatile("cpsid i" ::: "memory");
    if (taken == written) {
        __asm__ volatile("wfi" ::: "memory");
    }
    __asm__ volatile("cpsie i" ::: "memory");
}

void uart_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0u; i < count; ++i) {
        while ((UART->state & TRANSMIT_FULL) != 0u) {
        }
        UART->data = bytes[i];
    }
}

void uart_say(const char *text)
{
    for (; *text != '\0'; ++text) {
        const uint8_t byte = (uint8_t)*text;
        uart_write(&byte, 1u);
    }
}

int uart_can_baud(uint32_t baud)
{
    return baud != 0u && baud <= UART_CLOCK_HZ && divider_of(baud) >= LEAST_DIVIDER && divider_of(baud) <= MOST_DIVIDER;
}

void uart_set_baud(uint32_t baud)
{
    while ((UART->state & TRANSMIT_FULL) != 0u) {
    }
    /* The last byte has left the buffer, but not yet the wire. */
    const uint64_t start = clock_ticks();
    while (clock_ticks() - start < (uint64_t)TICK_HZ * 2u * BITS_OF_BYTE * UART->divider / UART_CLOCK_HZ) {
    }
    UART->divider = divider_of(baud);
}
