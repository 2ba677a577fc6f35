/* The first process of the virtual machine: starts the agent on the port of its argument, and lets the kernel say
 * something on the console ten times a second. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    if (count == 2 && fork() == 0) {
        (void)execl("/fan-agent", "/fan-agent", "--tty", arguments[1], (char *)0);
        _exit(1);
    }
    const int log = open("/dev/kmsg", O_WRONLY);
    for (unsigned second_tenth = 0;; ++second_tenth) {
        (void)dprintf(log, "<4>sensor: embedded data line %u", second_tenth);
        (void)usleep(100000);
    }
}
