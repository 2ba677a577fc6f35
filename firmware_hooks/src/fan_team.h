/* A part of fan.c: how parts share the work. */
#ifndef FAN_TEAM_H
#define FAN_TEAM_H

#include "fan.h"
#include "fan_groups.h"

/* Some ten microseconds: more than parts are apart while each has a core. */
#define SPINS_BEFORE_YIELD 1000u

/* Tells the core that it waits for another. */
static void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* longer than `yield` */
#endif
}

/* Parts share the work phase by phase: a phase is the rows of one turn of one or more steps, group by group. Each part
 * takes its own group first, then those that are not in hand: of both halves as long as these need each other, then of
 * its own, and when that is done of the other. So a part that its core has left for other work holds up the others with
 * the group in its hands at most, and one that comes late finds everything done. A group's line in the team says twice
 * the phases that are done, and one more while a part has the next one in hand. */

/* Returns when all groups that this part looks after are done with the phases so far; what was written in them is then
 * there. */
static void wait_for_all(const fan_call *call)
{
    for (uint32_t group = call->first_group; group < call->end_group; ++group) {
        const uint32_t *state = &call->team->groups[group][0];
        for (uint32_t waited = 0u; __atomic_load_n(state, __ATOMIC_ACQUIRE) < 2u * call->phase; ++waited) {
            if (waited < SPINS_BEFORE_YIELD || call->team->yield == NULL) {
                pause_core();
            } else {
                (void)call->team->yield();
            }
        }
    }
}

/* Begins a phase that reads those rings of other groups, and writes those; rings are bits. Waits for the phases before
 * it only where neighbours may still write what this one reads of theirs, or read what it writes. */
static void begin_phase(fan_call *call, uint64_t read, uint64_t written)
{
    if (call->parts > 1u && ((call->rings_written & read) != 0u || (call->rings_read & written) != 0u)) {
        wait_for_all(call);
        call->rings_read = 0u;
        call->rings_written = 0u;
    }
    call->rings_read |= read;
    call->rings_written |= written;
    ++call->phase;
    call->tried = 0u;
}

/* Takes the next group of a phase for this part, the one before being done; zero if there are no more. A group that
 * isn't done with the phase before is left to the part that has it in hand, which comes by here later. */
static int take_group(fan_call *call)
{
    if (call->parts == 1u) {
        return call->tried++ == 0u;
    }
    if (call->holds_group != 0u) {
        __atomic_store_n(&call->team->groups[call->group][0], 2u * call->phase, __ATOMIC_RELEASE);
        call->holds_group = 0u;
    }
    const uint32_t groups = call->end_group - call->first_group;
    while (call->tried < groups) {
        const uint32_t group = call->first_group + (call->part + call->tried) % groups;
        ++call->tried;
        uint32_t *state = &call->team->groups[group][0];
        uint32_t before = 2u * (call->phase - 1u);
        /* To look first is cheaper where another part has it. */
        if (__atomic_load_n(state, __ATOMIC_RELAXED) == before &&
            __atomic_compare_exchange_n(state, &before, before + 1u, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            call->holds_group = 1u;
            turn_to(call, group);
            return 1;
        }
    }
    return 0;
}

/* Has the part look after one half's groups, or after all. */
static void look_after(fan_call *call, uint32_t half, uint32_t halves)
{
    call->first_group = half * call->strips;
    call->end_group = (half + halves) * call->strips;
}

#endif
