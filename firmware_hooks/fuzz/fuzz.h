/* What the fuzzed programs share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Adds to the frames that were fed; their sums are told when the program ends. */
void fuzz_count(uint64_t good, uint64_t damaged);

#endif
