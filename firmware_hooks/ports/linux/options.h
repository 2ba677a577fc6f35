/* What the program's arguments ask for. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define START_BAUD 115200u
#define LEAST_BAUD 1200u
#define MOST_BAUD 12000000u
#define BAD_USAGE 2

typedef enum { TRANSPORT_NONE, TRANSPORT_STDIO, TRANSPORT_TTY, TRANSPORT_TCP, TRANSPORT_PTY } transport_kind;

typedef struct {
    transport_kind kind;
    const char *place;
    uint32_t baud; /* of a serial port, else 0 */
    size_t memory_bytes;
    const char *board; /* NULL where it wasn't given */
} options;

/* Ends the program where they are wrong, and after --help. */
options options_of(int count, char **arguments);

/* Ends the program, and says why. */
__attribute__((noreturn)) void stop(int code, const char *what, const char *why);

#endif
