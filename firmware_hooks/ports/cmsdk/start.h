/* What start-up code calls, and the memory that the linker script leaves to the program. */
#ifndef START_H
#define START_H

#include <stdint.h>

/* Free memory, aligned to 64 bytes. */
extern uint8_t memory_start[], memory_end[];

int main(void);

#endif
