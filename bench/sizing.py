"""How large a machine a number of people needs: two weeks of them, minute by minute, at what was measured for one.

    bin/bench sizing [--people=100,300] [--active=0.6] [--in-lab=0.5] [--idle-hours=12] [--data-mib=200] [--gib-each=5]

Nothing is measured here. MEASURED is, by the other benchmarks and on two processors; what people do is assumed, by the
options, and printed with the table. A person who comes on a working day looks at pages, opens a Lab with some chance,
computes in it now and then, and leaves it behind in the evening; it lives until nobody has used it for LAB_IDLE_LIMIT.
"""

import argparse
import math
import random
import statistics
import sys
from dataclasses import dataclass, field

DAY, WEEK = 24 * 60, 7 * 24 * 60
DAYS, WARM_UP_DAYS = 14, 3
RUNS = 5
PEOPLE = (10, 30, 100, 300, 1000, 3000)
COLUMNS = ["people", "Labs at once", "memory", "processors busy", "disk"]
COLUMNS += ["pages/s, of what two processors serve", "launches/min"]


@dataclass(frozen=True)
class Measured:
    """Figures of bench/README.md, November 2026, of two processors."""

    portal_mib: float = 491
    """All processes of a site that has been used (`bin/bench idle`)."""
    lab_mib: float = 43.6
    """An idle Lab, forked, with its kernel server (`bin/bench hub`)."""
    kernel_mib: float = 93
    """A kernel that has imported pandas and Matplotlib, alone on the machine; forked ones share part of it."""
    pages_per_second: float = 131
    """Home, four clients at once, SQLite (`bin/bench pages`)."""
    launches_per_second: float = 30 / 4.66
    """Thirty people at once (`bin/bench hub`)."""
    database_mib: float = 0.387
    """Database of a person after five years (`bin/bench ageing`)."""
    archive_mib_a_year: float = 0.19
    """Archive of the audit trail, of a person (`bin/bench ageing`)."""


MEASURED = Measured()


@dataclass(frozen=True)
class Habits:
    """What is assumed of people."""

    active: float
    """Share of people who come on a working day; a sixth of that on others."""
    in_lab: float
    """Share of those who open their Lab that day."""
    idle_hours: float
    data_mib: float
    """Median of what a kernel holds in memory; a twentieth of kernels holds seven times that."""
    memory_limit_mib: float = 4096
    pages_an_hour: float = 30
    kernels: float = 1.5
    computing: float = 0.1
    """Share of the time in a Lab in which it keeps one processor busy."""


@dataclass
class Peaks:
    """Of one run: the busiest minute of each."""

    labs: int = 0
    memory_mib: float = 0
    processors: float = 0
    pages_a_minute: int = 0
    launches_a_minute: int = 0


@dataclass
class Minutes:
    """What begins and ends, by minute."""

    length: int
    labs: list[int] = field(init=False)
    memory: list[float] = field(init=False)
    at_work: list[int] = field(init=False)
    in_lab: list[int] = field(init=False)
    launches: list[int] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("labs", "memory", "at_work", "in_lab", "launches"):
            setattr(self, name, [0] * (self.length + 1))

    def span(self, values: list, begins: float, ends: float, amount: float = 1) -> None:
        """Count something from one minute to another."""
        first, last = (min(max(int(at), 0), self.length) for at in (begins, ends))
        values[first] += amount
        values[last] -= amount


def simulate(people: int, habits: Habits, chance: random.Random) -> Peaks:
    """Two weeks, of which the first days fill the house."""
    minutes = Minutes(DAYS * DAY)
    for _ in range(people):
        _live(minutes, habits, chance)
    return _peaks(minutes, habits, chance)


def _live(minutes: Minutes, habits: Habits, chance: random.Random) -> None:
    """One person. A Lab that still runs the next morning is gone on with."""
    lab_ends, memory = 0.0, 0.0
    for day in range(DAYS):
        comes = habits.active * (1 if day % 7 < 5 else 1 / 6)
        if chance.random() >= comes:
            continue
        begins = day * DAY + chance.gauss(9.5, 1.2) * 60
        ends = begins + max(30, chance.gauss(6.5, 2) * 60)
        minutes.span(minutes.at_work, begins, ends)
        if chance.random() >= habits.in_lab:
            continue
        opened = begins + chance.expovariate(1 / 30)
        closed = max(opened + 10, ends)
        minutes.span(minutes.in_lab, opened, closed)
        if opened >= lab_ends:
            memory = _memory(habits, chance)
            minutes.launches[min(int(opened), minutes.length)] += 1
            lab_ends = opened
        gone = closed + habits.idle_hours * 60
        minutes.span(minutes.labs, lab_ends, gone)
        minutes.span(minutes.memory, lab_ends, gone, memory)
        lab_ends = gone


def _memory(habits: Habits, chance: random.Random) -> float:
    """Of a Lab: itself, its kernels and their data, up to its limit."""
    kernels = 1 + int(chance.expovariate(1 / max(habits.kernels - 1, 0.01)))
    data = sum(chance.lognormvariate(math.log(habits.data_mib), 1.2) for _ in range(kernels))
    return min(MEASURED.lab_mib + kernels * MEASURED.kernel_mib + data, habits.memory_limit_mib)


def _peaks(minutes: Minutes, habits: Habits, chance: random.Random) -> Peaks:
    peaks, labs, memory, at_work, in_lab = Peaks(), 0, 0.0, 0, 0
    for minute in range(minutes.length):
        labs += minutes.labs[minute]
        memory += minutes.memory[minute]
        at_work += minutes.at_work[minute]
        in_lab += minutes.in_lab[minute]
        if minute < WARM_UP_DAYS * DAY:
            continue
        pages = _poisson(at_work * habits.pages_an_hour / 60, chance)
        computing = _poisson(in_lab * habits.computing, chance)
        peaks.labs, peaks.memory_mib = max(peaks.labs, labs), max(peaks.memory_mib, memory)
        peaks.pages_a_minute = max(peaks.pages_a_minute, pages)
        peaks.launches_a_minute = max(peaks.launches_a_minute, minutes.launches[minute])
        serving = 2 * pages / 60 / MEASURED.pages_per_second
        peaks.processors = max(peaks.processors, computing + serving)
    return peaks


def _poisson(mean: float, chance: random.Random) -> int:
    """Of many, the normal distribution is near enough."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, number = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


def row(people: int, habits: Habits, gib_each: float) -> str:
    """One line of the table: medians of the peaks of some runs."""
    runs = [simulate(people, habits, random.Random(f"{people} {run}")) for run in range(RUNS)]

    def median(name: str) -> float:
        return statistics.median(getattr(one, name) for one in runs)

    memory = (MEASURED.portal_mib + median("memory_mib")) / 1024
    disk = people * (gib_each + (MEASURED.database_mib + 5 * MEASURED.archive_mib_a_year) / 1024)
    launches, pages = median("launches_a_minute"), median("pages_a_minute") / 60
    cells = [f"{people:,}", f"{median('labs'):,.0f}", f"{memory:,.1f} GiB", f"{median('processors'):.1f}"]
    cells += [f"{disk:,.0f} GiB", f"{pages:.1f}, {100 * pages / MEASURED.pages_per_second:.0f} %"]
    cells += [f"{launches:.0f}, {100 * launches / 60 / MEASURED.launches_per_second:.0f} %"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, and what it assumes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default=",".join(map(str, PEOPLE)), help="numbers, with commas")
    for name, value in (("active", 0.6), ("in-lab", 0.5), ("idle-hours", 12), ("data-mib", 200), ("gib-each", 5)):
        parser.add_argument(f"--{name}", type=float, default=value)
    given = parser.parse_args(sys.argv[2:])
    habits = Habits(given.active, given.in_lab, given.idle_hours, given.data_mib)
    print(f"{MEASURED}\n{habits}, {given.gib_each} GiB of files each; medians of the peaks of {RUNS} runs\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---|---|---|---|---|---|---|")
    for people in map(int, given.people.split(",")):
        print(row(people, habits, given.gib_each), flush=True)
