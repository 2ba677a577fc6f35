/* Serial ports and pseudo-terminals: bytes as they are, 8 bits, no flow control. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "connection.h"

#include <stdint.h>

/* -1, and errno says why. */
int terminal_open(const char *path, uint32_t baud);

/* Makes a pseudo-terminal and prints its name; ends the program where there is none. */
int terminal_make(void);

/* Whether what hung up may come back under its name: a port that is plugged in again does. A pseudo-terminal does not;
 * what has its name later is somebody else's. */
int terminal_may_come_back(const char *path);

/* `can_baud` and `set_baud` of a fan_agent_port. */
int terminal_can_baud(void *context, uint32_t baud);
void terminal_set_baud(void *context, uint32_t baud);

#endif
