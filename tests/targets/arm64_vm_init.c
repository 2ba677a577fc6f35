/* The first process of the virtual machine: starts the agent on the port of its argument, and lets the kernel say
 * something on the console ten times a second. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int given, char **arguments)
{
    if (given == 2 && fork() == 0) {
        (void)execl("/fan-agent", "/fan-agent", "--tty", arguments[1], (char *)0);
        _exit(1);
    }
    const int log = open("/dev/kmsg", O_WRONLY);
    for (unsigned second_tenth = 0;; ++second_tenth) {
        /* Not dprintf, which wants to know where in the file it is. */
        char line[64];
        const int count = snprintf(line, sizeof line, "<4>sensor: embedded data line %u", second_tenth);
        if (write(log, line, (size_t)count) != count) {
            perror("/dev/kmsg");
        }
        (void)usleep(100000);
    }
}
