#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "board.h"

#include "fan_agent.h"

#include <fcntl.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec time = {0};
    (void)clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

uint64_t board_ticks(void) { return nanoseconds(CLOCK_MONOTONIC); }

uint32_t board_boot_id(void)
{
    const uint64_t now = nanoseconds(CLOCK_REALTIME);
    return (uint32_t)(now ^ now >> 32) ^ (uint32_t)getpid() << 16;
}

uint32_t board_core_features(void)
{
    uint32_t features = 0u;
#if defined(__aarch64__)
    const unsigned long has = getauxval(AT_HWCAP);
    features |= (has & HWCAP_ASIMD) != 0u ? FAN_FEATURE_NEON : 0u;
    features |= (has & HWCAP_ASIMDHP) != 0u ? FAN_FEATURE_FP16 : 0u;
    features |= (has & HWCAP_ASIMDDP) != 0u ? FAN_FEATURE_DOT_PRODUCT : 0u;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        features |= FAN_FEATURE_X86_64_V3;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl")) {
            features |= FAN_FEATURE_X86_64_V4;
        }
    }
#endif
    return features;
}

const char *board_model(void)
{
    static char model[128];
    const int file = open("/proc/device-tree/model", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return NULL;
    }
    const ssize_t count = read(file, model, sizeof model - 1u);
    (void)close(file);
    return count > 0 ? model : NULL;
}
