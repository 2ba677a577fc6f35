/* Feeds a fuzzed program without libFuzzer: inputs that were kept, and changes of them, from a seed.
 *
 * PROGRAM INPUTS SEED FILE...
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FILES 1024
#define MOST_BYTES 4096u

static uint8_t kept[MOST_FILES][MOST_BYTES];
static size_t kept_bytes[MOST_FILES];
static uint64_t state;

/* Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003. */
static uint32_t random_below(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % bound;
}

static size_t changed(uint8_t *out, size_t count)
{
    for (uint32_t i = 1u + random_below(8u); i != 0u; --i) {
        const size_t at = count == 0u ? 0u : random_below((uint32_t)count);
        switch (random_below(4u)) {
        case 0u: /* another byte */
            out[at] = (uint8_t)random_below(256u);
            break;
        case 1u: /* a byte more */
            if (count < MOST_BYTES) {
                (void)memmove(out + at + 1u, out + at, count - at);
                out[at] = (uint8_t)random_below(256u);
                ++count;
            }
            break;
        case 2u: /* a byte less */
            if (count != 0u) {
                (void)memmove(out + at, out + at + 1u, count - at - 1u);
                --count;
            }
            break;
        default: /* more bytes at the end */
            for (uint32_t more = random_below(64u); more != 0u && count < MOST_BYTES; --more, ++count) {
                out[count] = (uint8_t)random_below(256u);
            }
            break;
        }
    }
    return count;
}

int main(int count, char **arguments)
{
    if (count < 4 || count - 3 > MOST_FILES) {
        (void)fputs("usage: PROGRAM INPUTS SEED FILE...\n", stderr);
        return 2;
    }
    const unsigned long inputs = strtoul(arguments[1], NULL, 10);
    state = strtoull(arguments[2], NULL, 10) * 2u + 1u;
    const uint32_t files = (uint32_t)(count - 3);
    for (uint32_t i = 0u; i < files; ++i) {
        FILE *file = fopen(arguments[i + 3u], "rb");
        if (file == NULL) {
            perror(arguments[i + 3u]);
            return 2;
        }
        kept_bytes[i] = fread(kept[i], 1u, MOST_BYTES, file);
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(kept[i], kept_bytes[i]);
    }
    for (unsigned long i = 0u; i < inputs; ++i) {
        static uint8_t input[MOST_BYTES];
        const uint32_t one = random_below(files);
        (void)memcpy(input, kept[one], kept_bytes[one]);
        const size_t size = changed(input, kept_bytes[one]);
        /* No byte more than it has, so that the sanitizer sees one beyond. */
        uint8_t *exact = malloc(size);
        (void)memcpy(exact, input, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    return 0;
}
