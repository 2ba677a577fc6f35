/* The functions that compilers call by themselves, where there is no C library. */
#include <stddef.h>
#include <stdint.h>

/* Keeps the compiler from seeing in a loop the very function that it is the body of. */
#define STAYS_A_LOOP() __asm__ volatile("" ::: "memory")

typedef uint32_t __attribute__((may_alias)) word;

void *memset(void *target, int value, size_t count);
void *memcpy(void *restrict target, const void *restrict source, size_t count);
void *memmove(void *target, const void *source, size_t count);

static int aligned(const void *a, const void *b) { return (((uintptr_t)a | (uintptr_t)b) % sizeof(word)) == 0u; }

void *memset(void *target, int value, size_t count)
{
    uint8_t *to = target;
    if (aligned(to, to)) {
        const word four = 0x01010101u * (uint8_t)value;
        for (; count >= sizeof four; count -= sizeof four, to += sizeof four) {
            *(word *)(void *)to = four;
            STAYS_A_LOOP();
        }
    }
    while (count-- != 0u) {
        *to++ = (uint8_t)value;
        STAYS_A_LOOP();
    }
    return target;
}

static void copy_upwards(uint8_t *to, const uint8_t *from, size_t count)
{
    if (aligned(to, from)) {
        for (; count >= sizeof(word); count -= sizeof(word), to += sizeof(word), from += sizeof(word)) {
            *(word *)(void *)to = *(const word *)(const void *)from;
            STAYS_A_LOOP();
        }
    }
    while (count-- != 0u) {
        *to++ = *from++;
        STAYS_A_LOOP();
    }
}

void *memcpy(void *restrict target, const void *restrict source, size_t count)
{
    copy_upwards(target, source, count);
    return target;
}

void *memmove(void *target, const void *source, size_t count)
{
    uint8_t *to = target;
    const uint8_t *from = source;
    if ((uintptr_t)to <= (uintptr_t)from) {
        copy_upwards(to, from, count);
        return target;
    }
    while (count-- != 0u) {
        to[count] = from[count];
        STAYS_A_LOOP();
    }
    return target;
}
