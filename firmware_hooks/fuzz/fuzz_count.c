/* Counts the frames of all inputs. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t all_good;
static uint64_t all_damaged;

static void tell(void)
{
    (void)fprintf(stderr, "frames: %" PRIu64 " good, %" PRIu64 " damaged\n", all_good, all_damaged);
}

void fuzz_count(uint64_t good, uint64_t damaged)
{
    static int is_told;
    if (!is_told) {
        is_told = 1;
        (void)atexit(tell);
    }
    all_good += good;
    all_damaged += damaged;
}
