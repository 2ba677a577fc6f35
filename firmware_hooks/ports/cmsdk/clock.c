#include "clock.h"

#include "machine.h"

/* Armv7-M ARM (DDI 0403) B3.3. */
typedef struct {
    volatile uint32_t control;
    volatile uint32_t reload;
    volatile uint32_t current;
} systick_registers;

#define SYSTICK ((systick_registers *)0xE000E010u)
#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define SYSTICK_PENDING (1u << 26)
#define ON_WITH_INTERRUPT_AT_CORE_CLOCK 7u
/* Often enough to wake a program that sleeps while it has to look after the link's rate. */
#define WRAPS_PER_SECOND 8u
#define PERIOD (TICK_HZ / WRAPS_PER_SECOND) /* at most 1 << 24 */

static volatile uint32_t wraps;

void clock_start(void)
{
    SYSTICK->reload = PERIOD - 1u;
    SYSTICK->current = 0u;
    SYSTICK->control = ON_WITH_INTERRUPT_AT_CORE_CLOCK;
}

void clock_wrapped(void) { ++wraps; }

uint64_t clock_ticks(void)
{
    uint32_t before;
    uint32_t current;
    /* Again where the interrupt came in between, or is about to. */
    do {
        before = wraps;
        current = SYSTICK->current;
    } while ((ICSR & SYSTICK_PENDING) != 0u || before != wraps);
    /* It counts down, and interrupts when it comes to 0, where it also begins. */
    return (uint64_t)before * PERIOD + (current == 0u ? 0u : PERIOD - current);
}
