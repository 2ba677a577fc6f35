/* A part of fan.c: what the network is told of the noise, without a library of mathematics. */
#ifndef FAN_NOISE_H
#define FAN_NOISE_H

#include "fan.h"
#include "fan_model.h"
#include "fan_normalisation.h"

/* Square root of a value from 1e-30 to 1e30: Newton's method, from a start within 6 %. */
static double square_root(double value)
{
    union {
        float value;
        uint32_t bits;
    } start = {(float)value};
    start.bits = (start.bits >> 1) + 0x1fbb4f2eu;
    double root = (double)start.value;
    for (int i = 0; i < 4; ++i) {
        root = 0.5 * (root + value / root);
    }
    return root;
}

/* Decimal logarithm of a value from 1e-30 to 1e30: the series of artanh, from three quarters to one and a half. */
static double decimal_logarithm(double value)
{
    static const double of_two = 0.30102999566398120;
    static const double twice_of_e = 0.86858896380650366;
    double whole = 0.0;
    for (; value > 1.5; value *= 0.5) {
        whole += of_two;
    }
    for (; value < 0.75; value *= 2.0) {
        whole -= of_two;
    }
    const double s = (value - 1.0) / (value + 1.0);
    double sum = 0.0;
    for (int odd = 17; odd > 0; odd -= 2) {
        sum = sum * s * s + 1.0 / odd;
    }
    return whole + twice_of_e * s * sum;
}

static float larger(float a, float b) { return a > b ? a : b; }

/* The network's constants of one noise model. */
static void set_constants(fan_call *call, const fan_noise *noise)
{
    const uint32_t channels = call->network->rings[0].channels;
    float *shot = call->stabilise;
    float *zero = shot + channels;
    float *zero_squared = zero + channels;
    float *per_zero = zero_squared + channels;
    float *scale = per_zero + channels;
    float *offset = scale + channels;
    float level = 0.0f;
    for (uint32_t i = 0u; i < channels; ++i) {
        shot[i] = scale[i] = offset[i] = 0.0f;
        zero[i] = zero_squared[i] = per_zero[i] = 1.0f;
    }
    for (uint32_t plane = 0u; plane < FAN_PLANES; ++plane) {
        const float true_shot = noise->shot[colour_of_plane[plane]];
        const float true_read = noise->read[colour_of_plane[plane]];
        const float least_shot = larger(true_shot, NO_NOISE);
        const float excess = larger(SHOT_FLOOR / (least_shot + SHOT_IN_READ * true_read), 1.0f);
        const float told_shot = least_shot * excess;
        shot[plane] = told_shot;
        zero[plane] = (float)square_root(0.375 * (double)told_shot * (double)told_shot + (double)(true_read * excess));
        zero_squared[plane] = zero[plane] * zero[plane];
        per_zero[plane] = 1.0f / zero[plane];
        scale[plane] = 1.0f / STABILISED_SCALE;
        level += larger(told_shot, SHOT_FLOOR) / (float)FAN_PLANES;
        float *restore = call->restore[plane / 2u] + plane % 2u;
        restore[0] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_shot / excess;
        restore[2] = RESIDUAL_SIGMAS * RESIDUAL_SIGMAS * true_read / excess;
        restore[4] = -DEEPEST_SIGMAS * zero[plane];
    }
    offset[FAN_PLANES] = (float)(0.5 * decimal_logarithm((double)level) + 1.5);
}

#endif
