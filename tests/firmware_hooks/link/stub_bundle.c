/* The bundle that stub_fan.c stands for. */
#include "fan_agent.h"

#ifndef NEEDED_FEATURES
#define NEEDED_FEATURES 0u
#endif

static const uint8_t weights[4][FAN_SHA256_BYTES] = {{1u, 2u, 3u}, {4u}, {5u}, {6u}};

const fan_agent_bundle fan_bundle = {
    "stub-board", "stub-core", "stub-build 1.2 ü", {0xB0u, 0xB1u, 0xB2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 11u, 12u,
                                                   13u, 14u, 15u},
    NEEDED_FEATURES, weights};
