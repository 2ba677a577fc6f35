/* What the engine keeps to itself, for tests. */
#include "fan.c"

double inside_square_root(double value);
double inside_decimal_logarithm(double value);
void inside_constants(const fan_noise *noise, float *stabilise, float *restore);

double inside_square_root(double value) { return square_root(value); }

double inside_decimal_logarithm(double value) { return decimal_logarithm(value); }

void inside_constants(const fan_noise *noise, float *stabilise, float *restore)
{
    fan_call call;
    call.network = fan_specialists[0].network;
    set_constants(&call, noise);
    for (uint32_t i = 0u; i < FAN_STABILISE_CONSTANTS * call.network->rings[0].channels; ++i) {
        stabilise[i] = call.stabilise[i];
    }
    for (uint32_t i = 0u; i < 2u * 2u * FAN_RESTORE_CONSTANTS; ++i) {
        restore[i] = call.restore[i / (2u * FAN_RESTORE_CONSTANTS)][i % (2u * FAN_RESTORE_CONSTANTS)];
    }
}
