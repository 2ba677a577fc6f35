#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MEMORY_BYTES 65536u
#define USUAL_MEMORY_BYTES (64u << 20)

static const char usage[] =
    "usage: fan-agent --stdio | --tty PATH [--baud N] | --tcp [ADDRESS:]PORT | --pty\n"
    "                 [--memory BYTES] [--board NAME]\n"
    "\n"
    "Lets a host work this board's denoiser over a cable.\n"
    "  --stdio                 on the standard streams, as over ssh\n"
    "  --tty PATH              on a serial port, such as /dev/ttyAMA0\n"
    "  --baud N                its rate at the start (115200)\n"
    "  --tcp [ADDRESS:]PORT    on a TCP port; of 127.0.0.1 unless an IPv4 address is given; 0: any that is free\n"
    "  --pty                   on a pseudo-terminal, whose name is printed\n"
    "  --memory BYTES          for a job's input, output and arena (67108864)\n"
    "  --board NAME            what the board is called\n";

void stop(int code, const char *what, const char *why)
{
    (void)fprintf(stderr, "fan-agent: %s: %s\n", what, why);
    exit(code);
}

static unsigned long long number_of(const char *option, const char *text, unsigned long long least,
                                    unsigned long long most)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least || value > most) {
        (void)fprintf(stderr, "fan-agent: %s %s: expected a number from %llu to %llu\n", option, text, least, most);
        exit(BAD_USAGE);
    }
    return value;
}

static void choose_transport(options *chosen, transport_kind kind, const char *place)
{
    if (chosen->kind != TRANSPORT_NONE) {
        stop(BAD_USAGE, "--stdio, --tty, --tcp, --pty", "choose one");
    }
    chosen->kind = kind;
    chosen->place = place;
}

static void take_option(options *chosen, const char *option, const char *value)
{
    if (strcmp(option, "--tty") == 0) {
        choose_transport(chosen, TRANSPORT_TTY, value);
    } else if (strcmp(option, "--tcp") == 0) {
        choose_transport(chosen, TRANSPORT_TCP, value);
    } else if (strcmp(option, "--baud") == 0) {
        chosen->baud = (uint32_t)number_of(option, value, LEAST_BAUD, MOST_BAUD);
    } else if (strcmp(option, "--memory") == 0) {
        chosen->memory_bytes = (size_t)number_of(option, value, LEAST_MEMORY_BYTES, SIZE_MAX / 2u);
    } else {
        chosen->board = value;
    }
}

options options_of(int count, char **arguments)
{
    static const char *const with_value[] = {"--tty", "--tcp", "--baud", "--memory", "--board"};
    options chosen = {TRANSPORT_NONE, NULL, 0u, USUAL_MEMORY_BYTES, NULL};
    for (int i = 1; i < count; ++i) {
        const char *option = arguments[i];
        int takes_value = 0;
        for (size_t j = 0u; j < sizeof with_value / sizeof with_value[0]; ++j) {
            takes_value |= strcmp(option, with_value[j]) == 0;
        }
        if (takes_value) {
            ++i;
            if (i == count) {
                stop(BAD_USAGE, option, "needs a value");
            }
            take_option(&chosen, option, arguments[i]);
        } else if (strcmp(option, "--stdio") == 0) {
            choose_transport(&chosen, TRANSPORT_STDIO, NULL);
        } else if (strcmp(option, "--pty") == 0) {
            choose_transport(&chosen, TRANSPORT_PTY, NULL);
        } else if (strcmp(option, "--help") == 0) {
            (void)fputs(usage, stdout);
            exit(0);
        } else {
            (void)fputs(usage, stderr);
            stop(BAD_USAGE, option, "no such option");
        }
    }
    if (chosen.kind == TRANSPORT_NONE) {
        (void)fputs(usage, stderr);
        stop(BAD_USAGE, "no connection", "give --stdio, --tty, --tcp or --pty");
    }
    if (chosen.baud != 0u && chosen.kind != TRANSPORT_TTY) {
        stop(BAD_USAGE, "--baud", "only a serial port has a rate: give --tty, too");
    }
    if (chosen.kind == TRANSPORT_TTY && chosen.baud == 0u) {
        chosen.baud = START_BAUD;
    }
    return chosen;
}
