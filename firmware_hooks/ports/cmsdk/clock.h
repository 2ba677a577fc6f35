/* SysTick as a clock of 64 bits. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

void clock_start(void);

/* The interrupt's handler. */
void clock_wrapped(void);

/* Cycles of the core since the start. Not to be called where interrupts are masked. */
uint64_t clock_ticks(void);

#endif
