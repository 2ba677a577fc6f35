/* The UART of Arm's Cortex-M System Design Kit (DDI 0479, 4.3), received by interrupt into a ring. */
#ifndef UART_H
#define UART_H

#include <stddef.h>
#include <stdint.h>

#define UART_RING_BYTES 16384u /* a power of two */
#define UART_START_BAUD 115200u

void uart_start(void);

/* The interrupt's handler. */
void uart_receive(void);

/* Takes up to count received bytes; returns how many. */
size_t uart_take(uint8_t *bytes, size_t count);

/* Sleeps until an interrupt unless there are received bytes. */
void uart_wait(void);

/* Waits until the last byte is in the UART. */
void uart_write(const uint8_t *bytes, size_t count);

void uart_say(const char *text);

int uart_can_baud(uint32_t baud);

/* Waits until what was written is sent; only to a rate that it can. */
void uart_set_baud(uint32_t baud);

#endif
