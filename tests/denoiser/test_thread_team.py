"""Threads that work together: all at once, each once, and none left behind by an error."""

from __future__ import annotations

import threading

import pytest

from denoiser.thread_team import ThreadTeam


@pytest.mark.parametrize("size", [1, 2, 5])
def test_all_run_at_once(size: int) -> None:
    team, together, ran = ThreadTeam(size), threading.Barrier(size), []

    def work(number: int) -> None:
        together.wait(timeout=10)
        ran.append((number, threading.get_ident()))

    for _ in range(3):
        ran.clear()
        team.together(work)
        assert sorted(number for number, _ in ran) == list(range(size))
        assert len({thread for _, thread in ran}) == size
        assert dict(ran)[0] == threading.get_ident()


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_is_raised_when_all_have_ended(failing: int) -> None:
    team, ended = ThreadTeam(3), []

    def work(number: int) -> None:
        if number == failing:
            raise ZeroDivisionError(number)
        ended.append(number)

    with pytest.raises(ZeroDivisionError, match=str(failing)):
        team.together(work)
    assert sorted(ended) == sorted({0, 1, 2} - {failing})
