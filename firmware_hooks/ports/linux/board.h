/* The board that runs Linux: its clock, its core, its name. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define NANOSECONDS 1000000000u

/* Nanoseconds of a clock that nobody sets. */
uint64_t board_ticks(void);

/* Another one for each start of the program. */
uint32_t board_boot_id(void);

/* FAN_FEATURE_... of the core. */
uint32_t board_core_features(void);

/* As the device tree calls the board; NULL where there is none, as on a PC. */
const char *board_model(void);

#endif
