/* What firmware_hooks calls of Arm's Ethos-U driver, declared for builds that do without it. On a board take Arm's own
 * header and sources: https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-core-driver
 */
#ifndef ETHOSU_DRIVER_H
#define ETHOSU_DRIVER_H

#include <stddef.h>
#include <stdint.h>

struct ethosu_driver;

/* Waits for an NPU that nobody uses, and keeps it until it is released. */
struct ethosu_driver *ethosu_reserve_driver(void);
void ethosu_release_driver(struct ethosu_driver *driver);

/* Executes the commands in a payload that Vela made, and waits until the NPU is done. bases, sizes: of the regions that
 * the commands refer to. Returns 0, or a negative number on an error. */
int ethosu_invoke_v3(struct ethosu_driver *driver, const void *payload, const int payload_bytes, uint64_t *const bases,
                     const size_t *sizes, const int count, void *user_argument);

#endif
