"""Damaged and hostile inputs from outside: NPZ, IDX, images, TOML, configs, sweeps and flags (see ../fuzzing.py)."""

import signal
import traceback
from pathlib import Path
from random import Random

import fuzzing

from battery.outcomes import HANG, TRACEBACK, Outcome
from battery.world import World


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Make one input, and read it."""
    kind = random.choice(list(fuzzing.MAKERS))
    content = fuzzing.MAKERS[kind](random)
    before = signal.signal(signal.SIGALRM, fuzzing.alarm)
    signal.alarm(fuzzing.SECONDS)
    try:
        return Outcome(fuzzing.outcome(kind, content, folder), kind)
    except fuzzing.HangError:
        return Outcome(HANG, kind, f"{content[:600]!r}")
    except Exception:
        return Outcome(TRACEBACK, kind, f"{traceback.format_exc()[-700:]}\n{content[:600]!r}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
