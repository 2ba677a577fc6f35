/* What the network's input and answer are scaled by, as in denoiser/normalisation.py. */
#ifndef FAN_NORMALISATION_H
#define FAN_NORMALISATION_H

#include <stdint.h>

#define SHOT_FLOOR 2e-5f
#define SHOT_IN_READ 4.0f
#define NO_NOISE 1e-12f
#define STABILISED_SCALE 16.0f
#define DEEPEST_SIGMAS 8.0f
#define RESIDUAL_SIGMAS 4.0f

#define FAN_PLANES 4u

/* Of the planes R, Gr, Gb, B, in a noise model. */
static const uint8_t colour_of_plane[FAN_PLANES] = {0u, 1u, 1u, 2u};

#endif
