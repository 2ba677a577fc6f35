/* Start of a Cortex-M machine: vector table, reset, and what a fault says on the UART before everything stops.
 *
 * A stack that grows too far faults instead of destroying data: Armv8-M has a register for its limit, and on Armv7-M the
 * memory protection unit guards what lies below it.
 */
#include "clock.h"
#include "machine.h"
#include "start.h"
#include "uart.h"

#include <stddef.h>
#include <stdint.h>

#define SYSTEM_EXCEPTIONS 15u /* vectors before those of the peripherals, without the stack's */

/* Armv7-M ARM (DDI 0403) B3.2, Armv8-M ARM (DDI 0553) D1.2. */
#define CFSR (*(volatile uint32_t *)0xE000ED28u)
#define HFSR (*(volatile uint32_t *)0xE000ED2Cu)
#define MMFAR (*(volatile uint32_t *)0xE000ED34u)
#define BFAR (*(volatile uint32_t *)0xE000ED38u)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define MPU_CTRL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RBAR (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR (*(volatile uint32_t *)0xE000EDA0u)
#define MPU_ON_WITH_DEFAULTS 5u
#define MPU_REGION_0 0x10u
#define MPU_NOBODY_4_KIB ((1u << 28) | (11u << 1) | 1u)
#define STACK_OVERFLOW (1u << 20) /* Armv8-M alone */
#define STACKED 8u                /* registers, by an exception */
#define FPU_FOR_ALL (0xFu << 20)  /* coprocessors 10 and 11: the FPU, and MVE where there is one */

/* Of the linker script. */
extern uint32_t stack_guard[], stack_bottom[], stack_top[], data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_image[];

void reset(void);
void run(void);
void fault(void);
void report_fault(const uint32_t *frame, uint32_t exception);

typedef struct {
    uint32_t *stack;
    void (*system[SYSTEM_EXCEPTIONS])(void);
    void (*peripherals[UART_RECEIVE_INTERRUPT + 1])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, fault, NULL, NULL, NULL, fault, fault, NULL, fault, clock_wrapped},
    {[UART_RECEIVE_INTERRUPT] = uart_receive},
};

/* The FPU comes first: a compiler may use its registers anywhere in C code. */
__attribute__((naked)) void reset(void)
{
    __asm__ volatile("ldr r0, =%c0\n"
                     "ldr r1, [r0]\n"
                     "orr r1, r1, %1\n"
                     "str r1, [r0]\n"
                     "dsb\n"
                     "isb\n"
#if __ARM_ARCH >= 8
                     "ldr r0, =stack_bottom\n"
                     "msr msplim, r0\n"
#endif
                     "b run\n"
                     :
                     : "i"(&CPACR), "i"(FPU_FOR_ALL));
}

static void guard_stack(void)
{
#if __ARM_ARCH < 8
    MPU_RBAR = (uint32_t)(uintptr_t)stack_guard | MPU_REGION_0;
    MPU_RASR = MPU_NOBODY_4_KIB;
    MPU_CTRL = MPU_ON_WITH_DEFAULTS;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
}

void run(void)
{
    const uint32_t *image = data_image;
    for (uint32_t *word = data_start; word < data_end; ++word) {
        *word = *image++;
    }
    for (uint32_t *word = bss_start; word < bss_end; ++word) {
        *word = 0u;
    }
    guard_stack();
    uart_start();
    main();
    for (;;) {
    }
}

/* Takes the stack anew: the old one may be what is at fault. */
__attribute__((naked)) void fault(void)
{
    __asm__ volatile("mov r0, sp\n"
                     "mrs r1, ipsr\n"
#if __ARM_ARCH >= 8
                     "movs r2, #0\n"
                     "msr msplim, r2\n"
#endif
                     "ldr r2, =stack_top\n"
                     "mov sp, r2\n"
                     "b report_fault\n");
}

static void say_register(const char *name, uint32_t value)
{
    static const char digits[] = "0123456789abcdef";
    char text[9];
    for (uint32_t i = 0u; i < 8u; ++i) {
        text[i] = digits[(value >> (28u - 4u * i)) & 0xFu];
    }
    text[8] = '\0';
    uart_say(" ");
    uart_say(name);
    uart_say("=");
    uart_say(text);
}

/* frame: where the core has put the registers of the code that faulted. */
void report_fault(const uint32_t *frame, uint32_t exception)
{
    static const char *const exceptions[] = {"NMI", "HardFault", "MemManage", "BusFault", "UsageFault", "SecureFault"};
    static const char *const stacked[STACKED] = {"r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr"};
    uart_say("\r\nFAULT ");
    uart_say(exception - 2u < sizeof exceptions / sizeof exceptions[0] ? exceptions[exception - 2u] : "exception");
    say_register("cfsr", CFSR);
    say_register("hfsr", HFSR);
    say_register("mmfar", MMFAR);
    say_register("bfar", BFAR);
    say_register("sp", (uint32_t)(uintptr_t)frame);
    const int on_stack = frame >= stack_bottom && frame + STACKED <= stack_top;
    for (uint32_t i = 0u; on_stack && i < STACKED; ++i) {
        say_register(stacked[i], frame[i]);
    }
    if (!on_stack || (CFSR & STACK_OVERFLOW) != 0u) {
        uart_say(" stack overflow");
    }
    uart_say("\r\n");
    for (;;) {
    }
}
