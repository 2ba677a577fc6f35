/* Start of a program for an emulated Cortex-M machine, and its end, by Arm's semihosting: the emulator ends with status
 * 0 where main returned 0. A fault ends it with another.
 */
#include <stdint.h>

/* Armv7-M ARM (DDI 0403) B3.2, Armv8-M ARM (DDI 0553) D1.2. */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define FPU_FOR_ALL (0xFu << 20) /* coprocessors 10 and 11: the FPU, and MVE where there is one */
#define EXCEPTIONS 15            /* vectors, without the stack's */

/* "Semihosting for AArch32 and AArch64", 5.2: SYS_EXIT. */
#define SYS_EXIT 0x18u
#define APPLICATION_EXIT 0x20026u
#define RUN_TIME_ERROR 0x20023u

extern uint32_t stack_top[]; /* of the linker script */

int main(void);
void reset(void);
void started(void);
void fault(void);

typedef struct {
    uint32_t *stack;
    void (*exceptions[EXCEPTIONS])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};

static void end(uint32_t reason)
{
    register uint32_t operation __asm__("r0") = SYS_EXIT;
    register uint32_t argument __asm__("r1") = reason;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) {
    }
}

void started(void) { end(main() == 0 ? APPLICATION_EXIT : RUN_TIME_ERROR); }

void fault(void) { end(RUN_TIME_ERROR); }

/* The FPU comes first: a compiler may use its registers anywhere in C code. */
__attribute__((naked)) void reset(void)
{
    __asm__ volatile("ldr r0, =%c0\n"
                     "ldr r1, [r0]\n"
                     "orr r1, r1, %1\n"
                     "str r1, [r0]\n"
                     "dsb\n"
                     "isb\n"
                     "b started\n"
                     :
                     : "i"(&CPACR), "i"(FPU_FOR_ALL));
}
