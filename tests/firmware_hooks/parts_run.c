/* Runs an engine in one part, then in several threads, and compares to the bit.
 *
 *     parts_run SPECIALIST WIDTH HEIGHT PARTS REPETITIONS
 *
 * Exit code 6 if the results differ. */
#define _GNU_SOURCE
#include "fan.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fan_noise noise = {{2e-3f, 1e-3f, 8e-4f}, {1e-5f, 8e-6f, 2e-5f}};

typedef struct {
    uint32_t specialist, width, height, part, parts;
    const float *in;
    float *out;
    void *arena;
    size_t arena_bytes;
    fan_team *team;
    fan_status status;
} task;

static void *run(void *context)
{
    task *given = context;
    given->status = fan_run_part(given->specialist, &noise, given->in, given->width, given->out, given->width,
                                 given->width, given->height, given->arena, given->arena_bytes, given->part,
                                 given->parts, given->team);
    return NULL;
}

static void *memory(size_t bytes)
{
    void *made = NULL;
    if (posix_memalign(&made, FAN_ARENA_ALIGNMENT, bytes) != 0)
        exit(9);
    return made;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    task whole = {0};
    whole.specialist = (uint32_t)atoi(argv[1]);
    whole.width = (uint32_t)atoi(argv[2]);
    whole.height = (uint32_t)atoi(argv[3]);
    whole.parts = 1;
    const uint32_t parts = (uint32_t)atoi(argv[4]);
    const size_t pixels = (size_t)whole.width * whole.height;
    float *in = memory(pixels * sizeof(float)), *expected = memory(pixels * sizeof(float)),
          *out = memory(pixels * sizeof(float));
    for (size_t i = 0; i < pixels; ++i)
        in[i] = (float)(i * 2654435761u % 1000u) / 1000.0f;
    whole.in = in;
    whole.out = expected;
    whole.arena_bytes = fan_arena_bytes_of_parts(whole.specialist, whole.width, whole.height, parts);
    whole.arena = memory(whole.arena_bytes);
    memset(whole.arena, 0xFF, whole.arena_bytes); /* NaN */
    run(&whole);
    for (int repetition = atoi(argv[5]); repetition > 0; --repetition) {
        fan_team team = {0};
        team.yield = sched_yield;
        task tasks[FAN_PARTS_MOST];
        pthread_t threads[FAN_PARTS_MOST];
        memset(whole.arena, 0xFF, whole.arena_bytes);
        memset(out, 0xFF, pixels * sizeof(float));
        for (uint32_t part = 0; part < parts; ++part) {
            tasks[part] = whole;
            tasks[part].out = out;
            tasks[part].part = part;
            tasks[part].parts = parts;
            tasks[part].team = &team;
            if (pthread_create(&threads[part], NULL, run, &tasks[part]) != 0)
                return 9;
        }
        for (uint32_t part = 0; part < parts; ++part) {
            pthread_join(threads[part], NULL);
            if (tasks[part].status != FAN_OK || whole.status != FAN_OK)
                return 8;
        }
        if (memcmp(out, expected, pixels * sizeof(float)) != 0) {
            fprintf(stderr, "repetition %d differs\n", repetition);
            return 6;
        }
    }
    free(in);
    free(expected);
    free(out);
    free(whole.arena);
    return 0;
}
