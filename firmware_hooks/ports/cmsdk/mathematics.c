/* See math.h. */
#include <math.h>
#include <stdint.h>

#define LOG10_OF_2 0.30102999566398119521
#define TWICE_LOG10_OF_E 0.86858896380650365530
#define SQRT_2 1.41421356237309504880
#define FRACTION 0x007FFFFFu
#define ONE 0x3F800000u

/* x: positive and normal. x = 2^e m with m from 1/sqrt(2) to sqrt(2), and ln m = 2 (t + t^3/3 + t^5/5 + ...) with
 * t = (m - 1) / (m + 1) (Abramowitz & Stegun 4.1.27); |t| < 0.172, so that what is left out is below 1e-13. */
float log10f(float x)
{
    union {
        float value;
        uint32_t bits;
    } number = {x};
    int exponent = (int)(number.bits >> 23) - 127;
    number.bits = (number.bits & FRACTION) | ONE;
    double mantissa = (double)number.value;
    if (mantissa > SQRT_2) {
        mantissa *= 0.5;
        ++exponent;
    }
    const double t = (mantissa - 1.0) / (mantissa + 1.0);
    const double square = t * t;
    double power = t, sum = t;
    for (int term = 3; term <= 15; term += 2) {
        power *= square;
        sum += power / term;
    }
    return (float)(exponent * LOG10_OF_2 + TWICE_LOG10_OF_E * sum);
}
