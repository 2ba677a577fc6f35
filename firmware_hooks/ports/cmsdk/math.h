/* The functions of the C library that fan_npu.c calls, where there is no C library. */
#ifndef MATH_H
#define MATH_H

static inline float sqrtf(float x)
{
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x)); /* the compiler's own would set errno */
    return root;
}

/* Instructions of the core's FPU. */
#define rintf(x) __builtin_rintf(x)
#define fmaxf(x, y) __builtin_fmaxf((x), (y))
#define fminf(x, y) __builtin_fminf((x), (y))

float log10f(float x);

#endif
