"""Makes `sounds/` and `covers/`: five little pieces in two takes each, and twelve covers.

Needs `lame` (sound) and `ffmpeg` (covers); only to remake the files, which are committed:

    python -m tracker.demo.compose [sounds] [covers]

Everything is computed here, with the standard library: nothing is sampled, nothing is taken from anywhere.
"""

import concurrent.futures
import dataclasses
import functools
import json
import math
import random
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from pathlib import Path
from typing import TypeAlias

HERE = Path(__file__).parent
RATE = 32_000
TARGET_LOUDNESS = 0.21  # root mean square, full scale = 1
FADE_SECONDS = 4.0

Wave: TypeAlias = "array[float]"
PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


# ---- instruments: a pitch and a length in, a wave out -------------------------------------------------


def pitch(name: str) -> int:
    """MIDI number of `C#4` or `Bb3`."""
    number = PITCHES[name[0]] + 12 * (int(name[-1]) + 1)
    return number + name.count("#") - name[1:-1].count("b")


def hertz(note: float) -> float:
    return 440.0 * math.pow(2.0, (note - 69) / 12)


@functools.cache
def cycle(harmonics: int, tilt: float, only_odd: bool) -> list[float]:
    """One period, 2048 samples, of a sound whose n-th partial has the strength n ** -tilt."""
    size = 2048
    table = [0.0] * size
    for n in range(1, harmonics + 1, 2 if only_odd else 1):
        strength = n**-tilt
        step = 2 * math.pi * n / size
        for i in range(size):
            table[i] += strength * math.sin(step * i)
    top = max(map(abs, table))
    return [value / top for value in table]


def oscillate(note: float, count: int, *, tilt: float, only_odd: bool = False, vibrato: float = 0) -> list[float]:
    frequency = hertz(note)
    table = cycle(max(1, min(40, int(RATE * 0.45 / frequency))), tilt, only_odd)
    step = frequency * 2048 / RATE
    if not vibrato:
        return [table[int(i * step) & 2047] for i in range(count)]
    turn = 2 * math.pi * 5.2 / RATE
    depth = vibrato * step / turn
    # The vibrato sets in after a third of a second, as a player's does.
    return [
        table[int(i * step + depth * min(1.0, i / (RATE * 0.35)) * math.sin(i * turn)) & 2047] for i in range(count)
    ]


def darken(wave: Iterable[float], cutoff: float, sweep_to: float = 0, seconds: float = 1) -> list[float]:
    """A one-pole low pass, its cutoff gliding down to `sweep_to`."""
    out = []
    state = 0.0
    alpha = 1 - math.exp(-2 * math.pi * cutoff / RATE)
    floor = 1 - math.exp(-2 * math.pi * (sweep_to or cutoff) / RATE)
    shrink = math.exp(-1 / (RATE * seconds / 3))
    for value in wave:
        state += (floor + (alpha - floor)) * (value - state)
        alpha = floor + (alpha - floor) * shrink
        out.append(state)
    return out


def shaped(wave: Sequence[float], attack: float, release: float, decay: float = 0) -> Wave:
    """`decay` is the time in which the sound falls to a third; 0 holds it."""
    count = len(wave)
    rise, fall = max(1, int(attack * RATE)), max(1, int(release * RATE))
    shrink = math.exp(-1 / (decay * RATE)) if decay else 1.0
    out = array("f", bytes(4 * count))
    level = 1.0
    for i, value in enumerate(wave):
        edge = min(1.0, i / rise, (count - i) / fall)
        out[i] = value * level * edge
        level *= shrink
    return out


@functools.cache
def guitar(note: int, seconds: float, muted: bool) -> Wave:
    """A power chord through an overdriven amplifier."""
    count = int(seconds * RATE)
    parts = [
        oscillate(note + offset + detune, count, tilt=0.9)
        for offset, detune in ((0, 0.03), (0, -0.04), (7, 0.02), (12, -0.03))
    ]
    drive = 1.6 if muted else 2.6
    dirty = [math.tanh(drive * sum(values)) for values in zip(*parts, strict=True)]
    soft = darken(darken(dirty, 1500 if muted else 3800, 700 if muted else 3000, 0.2), 5200)
    return shaped(soft, 0.003, 0.02, 0.11 if muted else 1.4)


@functools.cache
def lead(note: int, seconds: float) -> Wave:
    count = int(seconds * RATE)
    first = oscillate(note - 0.045, count, tilt=1.1, vibrato=0.006)
    second = oscillate(note + 0.045, count, tilt=1.1, vibrato=0.005)
    return shaped(darken(map(add, first, second), 4200, 1900, 0.5), 0.012, 0.06, 1.6)


@functools.cache
def bass(note: int, seconds: float) -> Wave:
    raw = oscillate(note, int(seconds * RATE), tilt=1.0)
    sub = oscillate(note, len(raw), tilt=3.0)
    mixed = [0.5 * a + 0.45 * b for a, b in zip(darken(raw, 1400, 320, 0.3), sub, strict=True)]
    return shaped(mixed, 0.004, 0.03, 0.7)


@functools.cache
def bell(note: int, seconds: float) -> Wave:
    """A marimba with a glassy edge."""
    frequency = 2 * math.pi * hertz(note) / RATE
    out = []
    for i in range(int(seconds * RATE)):
        t = i / RATE
        modulation = 1.7 * math.exp(-t * 9) * math.sin(i * frequency * 4)
        ring = 0.25 * math.exp(-t * 14) * math.sin(i * frequency * 10)
        out.append(math.sin(i * frequency + modulation) + ring)
    return shaped(out, 0.002, 0.05, 0.32)


@functools.cache
def piano(note: int, seconds: float) -> Wave:
    """Eleven partials, a little stretched, the high ones dying first."""
    frequency = hertz(note)
    count = int(seconds * RATE)
    out = [0.0] * count
    for n in range(1, 12):
        partial = frequency * n * math.sqrt(1 + 0.0004 * n * n)
        if partial > 7000:
            break
        strength = 0.9 ** (n * n / 3) / n**0.7
        turn = 2 * math.pi * partial / RATE
        # A damped sine by recurrence: two multiplications a sample.
        damping = math.exp(-(0.55 + 0.35 * n + frequency / 900) / RATE)
        a, b = 2 * damping * math.cos(turn), -damping * damping
        before, last = 0.0, strength * math.sin(turn)
        for i in range(count):
            out[i] += last
            before, last = last, a * last + b * before
    return shaped(out, 0.004, 0.12)


@functools.cache
def zither(note: int, seconds: float, bend: bool) -> Wave:
    """A plucked string (Karplus and Strong); `bend` lets it slide up into its pitch."""
    noise = random.Random(note)  # noqa: S311
    frequency = hertz(note)
    size = int(RATE / frequency - 0.5)
    string = darken([noise.uniform(-1, 1) for _ in range(size)], 5200)
    # Plucked at a seventh of its length: that partial and its kin are missing.
    hand = max(1, size // 7)
    string = [string[i] - string[i - hand] for i in range(size)]
    stay = 0.9985 if note < 60 else 0.999
    out: list[float] = []
    last = 0.0
    count = int(seconds * RATE * 1.05)
    for i in range(count):
        value = string[i % size]
        out.append(value)
        string[i % size] = stay * 0.5 * (value + last)
        last = value
    # The loop is a whole number of samples long; what that leaves out of tune is mended afterwards.
    true_pitch = RATE / (size + 0.5)
    return shaped(_resampled(out, frequency / true_pitch, int(seconds * RATE), bend), 0.001, 0.08)


def _resampled(wave: Sequence[float], ratio: float, count: int, bend: bool) -> list[float]:
    out = []
    position = 0.0
    for i in range(count):
        whole = int(position)
        if whole + 1 >= len(wave):
            break
        part = position - whole
        out.append(wave[whole] * (1 - part) + wave[whole + 1] * part)
        # A bent note begins 1.6 semitones low and arrives within a fifth of a second.
        position += ratio * (2 ** (-1.6 * max(0.0, 1 - i / (RATE * 0.18)) ** 2 / 12) if bend else 1.0)
    return out


@functools.cache
def flute(note: int, seconds: float) -> Wave:
    count = int(seconds * RATE)
    noise = random.Random(note)  # noqa: S311
    breath = darken([noise.uniform(-1, 1) for _ in range(count)], 3000)
    tone = oscillate(note, count, tilt=2.1, vibrato=0.009)
    return shaped([a + 0.11 * b for a, b in zip(tone, breath, strict=True)], 0.05, 0.09)


@functools.cache
def pad(notes: tuple[int, ...], seconds: float) -> Wave:
    count = int(seconds * RATE)
    total = [0.0] * count
    for note in notes:
        for detune in (-0.07, 0.06):
            total = list(map(add, total, oscillate(note + detune, count, tilt=1.2)))
    return shaped(darken(darken(total, 1500, 800, 2), 2200), 0.25, 0.4)


@functools.cache
def pluck(note: int, seconds: float, bright: float) -> Wave:
    raw = oscillate(note, int(seconds * RATE), tilt=0.9, only_odd=True)
    return shaped(darken(raw, bright, 300, 0.25), 0.002, 0.03, 0.16)


@functools.cache
def kick(weight: float) -> Wave:
    out = []
    phase = 0.0
    for i in range(int(0.32 * RATE)):
        t = i / RATE
        phase += 2 * math.pi * (48 + 130 * weight * math.exp(-t * 38)) / RATE
        out.append(0.75 * math.sin(phase) * math.exp(-t * 9) + 0.3 * weight * math.exp(-t * 400))
    return shaped(out, 0.001, 0.05)


@functools.cache
def snare(tone: float, seconds: float) -> Wave:
    noise = random.Random(7)  # noqa: S311
    out = []
    last = 0.0
    for i in range(int(seconds * RATE)):
        t = i / RATE
        raw = noise.uniform(-1, 1)
        hiss = raw - 0.55 * last
        last = raw
        body = math.sin(2 * math.pi * tone * t) * math.exp(-t * 28)
        out.append(0.55 * hiss * math.exp(-t * 4 / seconds) + 0.7 * body)
    return shaped(out, 0.001, 0.03)


@functools.cache
def hat(seconds: float) -> Wave:
    noise = random.Random(11)  # noqa: S311
    out = []
    first = second = 0.0
    for i in range(int(seconds * RATE)):
        raw = noise.uniform(-1, 1)
        out.append((raw - 2 * first + second) * 0.3 * math.exp(-i / RATE * 5 / seconds))
        second, first = first, raw
    return shaped(out, 0.001, 0.01)


@functools.cache
def block(note: int) -> Wave:
    turn = 2 * math.pi * hertz(note) / RATE
    count = int(0.14 * RATE)
    wood = [math.sin(turn * i) + 0.4 * math.sin(turn * 2.7 * i) for i in range(count)]
    return shaped(wood, 0.001, 0.02, 0.025)


# ---- the desk -----------------------------------------------------------------------------------------


class Desk:
    """A dry track and a track that goes through the room; both mono."""

    def __init__(self, seconds: float, bpm: float) -> None:
        self.count = int(seconds * RATE)
        self.beat = 60 / bpm
        self._dry = array("f", bytes(4 * self.count))
        self._wet = array("f", bytes(4 * self.count))

    def play(self, wave: Wave, at_beat: float, loudness: float, room: float = 0.2) -> None:
        start = int(at_beat * self.beat * RATE)
        if start >= self.count:
            return
        part = wave[: self.count - start]
        end = start + len(part)
        for track, level in ((self._dry, loudness), (self._wet, loudness * room)):
            if level:
                track[start:end] = array("f", map(add, track[start:end], [value * level for value in part]))

    def finish(self) -> Wave:
        mixed = array("f", map(add, self._dry, _room(self._wet)))
        power = math.sqrt(sum(value * value for value in mixed) / len(mixed))
        gain = TARGET_LOUDNESS / power
        fade = int(FADE_SECONDS * RATE)
        last = self.count
        out = array("f", [0.92 * math.tanh(value * gain) for value in mixed])
        for i in range(last - fade, last):
            out[i] *= ((last - i) / fade) ** 1.5
        return out


def _room(wave: Wave) -> Wave:
    """Four combs and two all-passes (Schroeder), a period at a time."""
    total = array("f", bytes(4 * len(wave)))
    for delay, feedback in ((1187, 0.79), (1361, 0.77), (1523, 0.75), (1709, 0.73)):
        line = array("f", wave)
        for start in range(delay, len(line), delay):
            end = min(start + delay, len(line))
            before = line[start - delay : start - delay + end - start]
            line[start:end] = array("f", [a + feedback * b for a, b in zip(line[start:end], before, strict=True)])
        total = array("f", map(add, total, line))
    for delay in (211, 83):
        out = array("f", [-0.6 * value for value in total])
        for start in range(delay, len(out), delay):
            end = min(start + delay, len(out))
            old_in, old_out = total[start - delay : end - delay], out[start - delay : end - delay]
            out[start:end] = array(
                "f", [a + b + 0.6 * c for a, b, c in zip(out[start:end], old_in, old_out, strict=True)]
            )
        total = out
    return array("f", [0.4 * value for value in darken(total, 4500)])


Line = list[tuple[float, int, float]]


def line(text: str, shift: int = 0) -> Line:
    """`E5:1 -:.5 G5:2` as (beat, note, beats); `-` rests."""
    out: Line = []
    at = 0.0
    for word in text.split():
        name, _, length = word.partition(":")
        beats = float(length or 1)
        if name != "-":
            out.append((at, pitch(name) + shift, beats))
        at += beats
    return out


@dataclasses.dataclass(frozen=True)
class Take:
    seconds: float
    bpm: float
    shift: int
    # A letter per section of eight bars: what plays in it. `i` is an introduction of four.
    plan: str
    variation: int

    def sections(self) -> Iterator[tuple[int, int, str]]:
        """First beat, bars, letter."""
        start = 0
        for letter in self.plan:
            bars = 4 if letter == "i" else 8
            yield start, bars, letter
            start += bars * 4


# ---- five pieces --------------------------------------------------------------------------------------

NEON_ROOTS = ("E2", "C2", "G2", "D2")
NEON_VERSE = "E4:1 E4:.5 G4:.5 A4:1 G4:1 E4:1.5 D4:.5 E4:2 G4:1 G4:.5 A4:.5 B4:1 A4:1 F#4:1.5 E4:.5 D4:2"
NEON_CHORUS = "B4:1.5 B4:.5 D5:1 B4:1 G4:1 A4:1 B4:2 D5:1.5 D5:.5 E5:1 D5:1 A4:1 B4:1 F#4:1 A4:1"


def neon(take: Take) -> Wave:
    """Emotional punk in E minor: muted verse, open chorus, a tune on top."""
    desk = Desk(take.seconds, take.bpm)
    for start, bars, letter in take.sections():
        for bar in range(bars):
            root = pitch(NEON_ROOTS[bar // 2 % 4 if take.variation else bar % 4]) + take.shift
            _neon_bar(desk, start + bar * 4, root, letter, is_last=bar == bars - 1)
        tune = NEON_VERSE if letter == "v" else NEON_CHORUS
        if letter in "vc":
            for turn in range(2):
                for at, note, beats in line(tune, take.shift):
                    desk.play(lead(note, beats * desk.beat), start + turn * 16 + at, 0.34, 0.35)
                    if letter == "c":
                        desk.play(lead(note + 12, beats * desk.beat), start + turn * 16 + at, 0.12, 0.4)
    return desk.finish()


def _neon_bar(desk: Desk, at: float, root: int, letter: str, *, is_last: bool) -> None:
    low = root if root >= 40 else root + 12
    if letter == "c":
        for beat, length in ((0, 1.5), (1.5, 1.5), (3, 1)):
            desk.play(guitar(low, length * desk.beat, False), at + beat, 0.32, 0.12)
    else:
        for eighth in range(8):
            desk.play(guitar(low, 0.5 * desk.beat, True), at + eighth / 2, 0.42 if eighth % 4 else 0.52, 0.05)
    for eighth in range(8):
        desk.play(bass(low - 12, 0.5 * desk.beat), at + eighth / 2, 0.42, 0)
    if letter == "i":
        desk.play(hat(0.05), at, 0.3, 0.1)
        return
    for beat in (0, 1.5, 2) if letter == "v" else (0, 0.5, 1.5, 2, 2.5):
        desk.play(kick(1.2), at + beat, 0.8, 0.02)
    for beat in (1, 3, 3.25, 3.5, 3.75) if is_last else (1, 3):
        desk.play(snare(190, 0.18), at + beat, 0.55, 0.25)
    for eighth in range(8):
        desk.play(hat(0.3 if letter == "c" and eighth % 2 == 0 else 0.06), at + eighth / 2, 0.28, 0.1)


SPRING_CHORDS = (("G3", "B3", "D4"), ("D3", "F#3", "A3"), ("E3", "G3", "B3"), ("C3", "E3", "G3"))
SPRING_TUNES = (
    (
        "D5:.5 E5:.5 G5:1 E5:.5 D5:.5 B4:1 A4:.5 B4:.5 D5:1 A4:1 F#4:1 "
        "G4:.5 A4:.5 B4:1 D5:.5 E5:.5 G5:1 E5:1 D5:1 C5:.5 B4:.5 A4:1"
    ),
    ("G5:1 F#5:.5 E5:.5 D5:1 B4:1 D5:1.5 A4:.5 D5:1 F#5:1 E5:1 D5:.5 B4:.5 G4:1 B4:1 C5:.5 D5:.5 E5:1 G5:1 A5:1"),
)


def spring(take: Take) -> Wave:
    """Lively pop in G: marimba, four on the floor, hand claps."""
    desk = Desk(take.seconds, take.bpm)
    for start, bars, letter in take.sections():
        for bar in range(bars):
            chord = [pitch(name) + take.shift for name in SPRING_CHORDS[bar % 4]]
            _spring_bar(desk, start + bar * 4, chord, letter, take.variation)
        if letter in "ab":
            tune = SPRING_TUNES[(letter == "b") ^ take.variation]
            for turn in range(2):
                for at, note, beats in line(tune, take.shift):
                    desk.play(bell(note, min(1.2, beats * desk.beat + 0.4)), start + turn * 16 + at, 0.5, 0.3)
    return desk.finish()


def _spring_bar(desk: Desk, at: float, chord: list[int], letter: str, variation: int) -> None:
    pattern = (0, 1, 2, 1, 0, 2, 1, 2) if variation else (0, 2, 1, 2, 0, 1, 2, 1)
    for eighth, which in enumerate(pattern):
        desk.play(pluck(chord[which] + 12, 0.3, 2600), at + eighth / 2, 0.22, 0.3)
    for beat in (0.5, 1.5, 2.5, 3.5):
        for note in chord:
            desk.play(pluck(note, 0.35, 1500), at + beat, 0.16, 0.15)
    root = chord[0] - 12
    for beat, jump in ((0, 0), (0.75, 0), (1.5, 12), (2, 0), (2.75, 0), (3.5, 12)):
        desk.play(bass(root + jump - (12 if root > 45 else 0), 0.45 * desk.beat), at + beat, 0.42, 0)
    if letter == "i":
        return
    for beat in range(4):
        desk.play(kick(0.9), at + beat, 0.72, 0)
        desk.play(hat(0.09), at + beat + 0.5, 0.3, 0.1)
    for beat in (1, 3):
        desk.play(snare(320, 0.14), at + beat, 0.34, 0.35)


RAIN_CHORDS = (
    ("Eb2", "G3", "Bb3", "D4", "F4"),
    ("C3", "Eb3", "G3", "Bb3", "D4"),
    ("F2", "Ab3", "C4", "Eb4", "G4"),
    ("Bb2", "Ab3", "C4", "D4", "G4"),
)
RAIN_TUNES = (
    "-:1 Bb4:.5 D5:.5 F5:1.5 Eb5:.5 D5:1 Bb4:1 G4:2 -:.5 C5:.5 Eb5:.5 G5:.5 F5:1 Eb5:1 D5:1.5 C5:.5 Bb4:2",
    "G5:1.5 F5:.5 D5:2 -:1 Eb5:.5 D5:.5 Bb4:2 -:.5 Ab4:.5 C5:.5 Eb5:.5 G5:2 F5:.5 Eb5:.5 D5:1 C5:2",
)


def rain(take: Take) -> Wave:
    """Lo-fi: a soft piano with sevenths and ninths, brushes, the crackle of a record and rain."""
    desk = Desk(take.seconds, take.bpm)
    for start, bars, letter in take.sections():
        for bar in range(bars):
            chord = [pitch(name) + take.shift for name in RAIN_CHORDS[bar % 4]]
            _rain_bar(desk, start + bar * 4, chord, letter, take.variation)
        if letter in "ab":
            tune = RAIN_TUNES[(letter == "b") ^ take.variation]
            for turn in range(2):
                for at, note, beats in line(tune, take.shift):
                    late = 0.04 * ((at * 7) % 3)
                    length = min(2.4, beats * desk.beat + 0.8)
                    desk.play(piano(note, length), start + turn * 16 + at + late, 0.4, 0.45)
    _crackle(desk, take.variation)
    return desk.finish()


def _rain_bar(desk: Desk, at: float, chord: list[int], letter: str, variation: int) -> None:
    desk.play(piano(chord[0], 2.8), at, 0.4, 0.2)
    for i, note in enumerate(chord[1:]):
        # A rolled chord, then a lighter answer.
        desk.play(piano(note, 2.2), at + 0.05 * i + (0.66 if variation else 0), 0.26, 0.35)
        if not variation or i % 2:
            desk.play(piano(note, 1.4), at + 2.66 + 0.03 * i, 0.16, 0.35)
    desk.play(bass(chord[0] - (12 if chord[0] > 45 else 0), 1.2), at, 0.36, 0)
    if letter == "i":
        return
    for beat in (0, 1.66, 2.5):
        desk.play(kick(0.4), at + beat, 0.55, 0.05)
    for beat in (1, 3):
        desk.play(snare(230, 0.2), at + beat, 0.2, 0.3)
    for beat in (0, 0.66, 1, 1.66, 2, 2.66, 3, 3.66):
        desk.play(hat(0.05), at + beat, 0.12, 0.1)


def _crackle(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    beats = desk.count / RATE / desk.beat
    hiss = darken([chance.uniform(-1, 1) for _ in range(desk.count)], 2600)
    desk.play(array("f", hiss), 0, 0.012, 0)
    for _ in range(int(beats * 5)):
        tick = array("f", [chance.uniform(-1, 1) * 0.5**i for i in range(6)])
        desk.play(tick, chance.uniform(0, beats), chance.uniform(0.02, 0.12), 0.1)


RIVER_CHORDS = (
    ("D2", "A2", "D3", "F#3", "A3", "D4", "E4", "F#4"),
    ("B1", "F#2", "B2", "D3", "F#3", "B3", "D4", "E4"),
    ("E2", "B2", "E3", "F#3", "B3", "D4", "E4", "B4"),
    ("A1", "E2", "A2", "E3", "A3", "B3", "E4", "F#4"),
)
RIVER_TUNES = (
    "A4:1.5 B4:.5 D5:1 E5:1 F#5:1.5 E5:.5 D5:2 B4:1 D5:.5 E5:.5 D5:1 B4:1 A4:3 -:1",
    "F#5:1 A5:1 B5:1.5 A5:.5 F#5:1 E5:1 D5:2 E5:1.5 F#5:.5 E5:.5 D5:.5 B4:1 A4:1 B4:1 E4:2",
    "D5:2 E5:.5 F#5:.5 A5:1 B5:2 A5:1 F#5:1 E5:1 F#5:.5 E5:.5 D5:1 B4:1 D5:3 -:1",
)


def river(take: Take) -> Wave:
    """A zither tune on five notes, later with a bamboo flute, a frame drum far away."""
    desk = Desk(take.seconds, take.bpm)
    for start, bars, letter in take.sections():
        for bar in range(bars):
            chord = [pitch(name) + take.shift for name in RIVER_CHORDS[bar % 4]]
            _river_bar(desk, start + bar * 4, chord, letter, take.variation)
        for turn in range(2):
            tune = RIVER_TUNES[(start // 32 + turn + take.variation) % 3]
            if letter != "i":
                _river_tune(desk, start + turn * 16, line(tune, take.shift), letter)
    return desk.finish()


def _river_tune(desk: Desk, start: float, tune: Line, letter: str) -> None:
    for at, note, beats in tune:
        length = beats * desk.beat
        if letter in "fz":
            desk.play(flute(note, length), start + at, 0.19, 0.6)
        if letter == "f":
            continue
        desk.play(zither(note, length + 0.9, beats >= 1.5), start + at, 0.55, 0.4)
        if beats >= 2:
            # Long notes are kept alive by a tremolo.
            for i in range(int(beats * 6) - 4):
                desk.play(zither(note, 0.5, False), start + at + 0.66 + i / 6, 0.16 + 0.012 * i, 0.4)


def _river_bar(desk: Desk, at: float, chord: list[int], letter: str, variation: int) -> None:
    order = (0, 2, 4, 5, 6, 5, 4, 2) if variation else (0, 1, 2, 3, 4, 5, 4, 3)
    for eighth, which in enumerate(order):
        desk.play(zither(chord[which], 2.2, False), at + eighth / 2, 0.4 if eighth else 0.55, 0.3)
    if letter == "i":
        return
    desk.play(kick(0.3), at, 0.5, 0.6)
    if letter in "zf":
        desk.play(kick(0.3), at + 2.5, 0.3, 0.6)
        desk.play(block(84), at + 1, 0.12, 0.5)
        desk.play(block(79), at + 3, 0.12, 0.5)


ORBIT_CHORDS = (
    ("A2", "C4", "E4", "A4"),
    ("F2", "C4", "F4", "A4"),
    ("C3", "C4", "E4", "G4"),
    ("G2", "B3", "D4", "G4"),
)
ORBIT_TUNES = (
    "E5:3 D5:.5 C5:.5 A4:3 C5:1 G5:2 E5:1 C5:1 D5:3 B4:1",
    "A5:2 G5:1 E5:1 F5:2 E5:1 C5:1 E5:3 G5:1 D5:4",
)


def orbit(take: Take) -> Wave:
    """Synthwave in A minor: a pumping bass, sixteenths, wide chords, a gated snare."""
    desk = Desk(take.seconds, take.bpm)
    for start, bars, letter in take.sections():
        for bar in range(bars):
            chord = [pitch(name) + take.shift for name in ORBIT_CHORDS[bar % 4]]
            _orbit_bar(desk, start + bar * 4, chord, letter, take.variation)
        if letter in "ab":
            for turn in range(2):
                for at, note, beats in line(ORBIT_TUNES[(letter == "b") ^ take.variation], take.shift):
                    wave = lead(note, beats * desk.beat)
                    for echo, level in ((0, 0.36), (0.75, 0.12), (1.5, 0.05)):
                        desk.play(wave, start + turn * 16 + at + echo, level, 0.5)
    return desk.finish()


def _orbit_bar(desk: Desk, at: float, chord: list[int], letter: str, variation: int) -> None:
    desk.play(pad(tuple(chord[1:]), 4 * desk.beat + 0.3), at, 0.13, 0.5)
    order = (1, 2, 3, 2) if variation else (1, 3, 2, 3)
    for sixteenth in range(16):
        octave = 12 if sixteenth % 8 >= 4 else 0
        bright = 1400 + 1200 * math.sin((at + sixteenth / 4) / 64 * math.pi) ** 2
        bright = round(bright / 200) * 200
        note = chord[order[sixteenth % 4]] + octave
        desk.play(pluck(note, 0.22, bright), at + sixteenth / 4, 0.24, 0.35)
    if letter == "i":
        return
    root = chord[0] - (12 if chord[0] > 47 else 0)
    for eighth in range(8):
        desk.play(bass(root + (12 if eighth % 4 == 3 else 0), 0.45 * desk.beat), at + eighth / 2, 0.45, 0)
    for beat in range(4):
        desk.play(kick(0.8), at + beat, 0.75, 0)
        desk.play(hat(0.07), at + beat + 0.5, 0.22, 0.1)
    for beat in (1, 3):
        desk.play(snare(170, 0.26), at + beat, 0.42, 0.6)


PIECES: dict[str, tuple[Callable[[Take], Wave], Take]] = {
    "neon-one": (neon, Take(38.08, 168, 0, "ivcvc", 0)),
    "neon-two": (neon, Take(44.04, 160, 3, "cvcvc", 1)),
    "spring-one": (spring, Take(42.1, 118, 0, "abba", 0)),
    "spring-two": (spring, Take(36.06, 126, -2, "iaba", 1)),
    "rain-one": (rain, Take(56.12, 78, 0, "abab", 0)),
    "rain-two": (rain, Take(50.04, 72, -3, "iabab", 1)),
    "river-one": (river, Take(60.08, 84, 0, "iztz", 0)),
    "river-two": (river, Take(48.1, 92, -5, "tfzt", 1)),
    "orbit-one": (orbit, Take(52.06, 104, 0, "iabab", 0)),
    "orbit-two": (orbit, Take(40.02, 112, 4, "baba", 1)),
}


def make_sound(name: str) -> tuple[str, float]:
    piece, take = PIECES[name]
    wave = piece(take)
    pcm = array("h", [int(32767 * value) for value in wave])
    if sys.byteorder == "big":
        pcm.byteswap()
    command = "lame --silent -r -s 32 --bitwidth 16 --signed --little-endian -m m --cbr -b 64 -q 2 --noreplaygain -"
    subprocess.run(  # noqa: S603
        [*command.split(), str(HERE / "sounds" / f"{name}.mp3")], input=pcm.tobytes(), check=True
    )
    return name, round(len(wave) / RATE, 2)


def make_sounds() -> None:
    (HERE / "sounds").mkdir(exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        durations = dict(pool.map(make_sound, PIECES))
    text = json.dumps(durations, indent=2, sort_keys=True)
    (HERE / "sounds" / "durations.json").write_text(text + "\n", encoding="utf-8")


# ---- covers -------------------------------------------------------------------------------------------

SIZE = 640
Colour = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Cover:
    """A radial gradient of three colours around a centre, and a shape before it."""

    centre: tuple[float, float]
    colours: tuple[str, str, str]
    shape: str


COVER_DESIGNS = (
    Cover((0.25, 0.20), ("ffd28f", "ff7aa8", "5b3df5"), "rings"),
    Cover((0.70, 0.25), ("a7f3d0", "38bdf8", "312e81"), "hills"),
    Cover((0.30, 0.70), ("fde68a", "f97316", "7f1d1d"), "sun"),
    Cover((0.60, 0.60), ("e9d5ff", "a855f7", "1e1b4b"), "moon"),
    Cover((0.50, 0.15), ("fef3c7", "7dd3fc", "0f3460"), "rain"),
    Cover((0.20, 0.80), ("fbcfe8", "818cf8", "172554"), "waves"),
    Cover((0.75, 0.70), ("ecfccb", "34d399", "064e3b"), "hills"),
    Cover((0.35, 0.30), ("fff7ed", "fca5a5", "9f1239"), "moon"),
    Cover((0.80, 0.20), ("fef08a", "f472b6", "4c1d95"), "grid"),
    Cover((0.15, 0.45), ("cffafe", "2dd4bf", "134e4a"), "waves"),
    Cover((0.55, 0.85), ("fed7aa", "fb7185", "3b0764"), "sun"),
    Cover((0.45, 0.40), ("f5f5f4", "fbbf24", "78350f"), "rings"),
)


def colour(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def blend(first: Colour, second: Colour, share: float) -> Colour:
    share = min(1.0, max(0.0, share))
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def smooth(edge: float, width: float = 0.006) -> float:
    """1 inside, 0 outside, soft in between: `edge` is the signed distance from the rim, inwards."""
    return min(1.0, max(0.0, edge / width + 0.5))


def _rings(x: float, y: float) -> float:
    distance = math.hypot(x - 0.64, y - 0.6)
    return 0.5 * max(smooth(0.012 - abs(distance - radius)) for radius in (0.1, 0.17, 0.24, 0.31, 0.38))


def _hills(x: float, y: float) -> float:
    share = 0.0
    for i, base in enumerate((0.62, 0.72, 0.83)):
        rim = base + 0.06 * math.sin(x * (5 + 2 * i) + i * 2.1) + 0.02 * math.sin(x * 13 + i)
        share = max(share, smooth(y - rim) * (0.16 + 0.17 * i))
    return -share


def _sun(x: float, y: float) -> float:
    inside = smooth(0.24 - math.hypot(x - 0.5, y - 0.52), 0.005)
    # The lower half is cut by bars that grow.
    bars = 1.0 if y < 0.52 else smooth(0.5 + 0.5 * math.sin((y - 0.52) * 150) - (y - 0.52) * 2.6, 0.12)
    return 0.75 * inside * bars


def _moon(x: float, y: float) -> float:
    disc = smooth(0.19 - math.hypot(x - 0.36, y - 0.34), 0.005)
    bite = smooth(0.17 - math.hypot(x - 0.44, y - 0.3), 0.005)
    halo = 0.25 * max(0.0, 1 - math.hypot(x - 0.36, y - 0.34) / 0.42)
    return max(0.82 * disc * (1 - bite), halo)


def _rain(x: float, y: float) -> float:
    column = int((x + 0.22 * y) * 42)
    chance = random.Random(column)  # noqa: S311
    head, length = chance.random(), 0.08 + 0.22 * chance.random()
    within = (y - head) % 1.0
    middle = abs(((x + 0.22 * y) * 42) % 1.0 - 0.5)
    return 0.55 * smooth(0.13 - middle, 0.12) * max(0.0, 1 - within / length) if within < length else 0.0


def _waves(x: float, y: float) -> float:
    total = 0.0
    for i in range(6):
        rim = 0.38 + 0.085 * i + (0.05 - 0.004 * i) * math.sin(x * 7 + i * 0.8)
        total = max(total, smooth(0.0045 - abs(y - rim), 0.006) * (0.75 - 0.09 * i))
    return total


def _grid(x: float, y: float) -> float:
    if y < 0.6:
        return 0.8 * smooth(0.15 - math.hypot(x - 0.5, y - 0.42), 0.005)
    depth = (y - 0.58) * 2.4
    rows = smooth(0.05 - abs((1.1 / depth) % 1.0 - 0.5) * 0.4, 0.05)
    columns = smooth(0.05 - abs(((x - 0.5) / depth * 5) % 1.0 - 0.5) * 0.4, 0.05)
    return 0.6 * max(rows, columns) * min(1.0, (y - 0.6) * 6)


SHAPES = {
    "rings": _rings,
    "hills": _hills,
    "sun": _sun,
    "moon": _moon,
    "rain": _rain,
    "waves": _waves,
    "grid": _grid,
}


def make_cover(number: int) -> None:
    design = COVER_DESIGNS[number]
    inner, middle, outer = (colour(text) for text in design.colours)
    shape = SHAPES[design.shape]
    grain = random.Random(number)  # noqa: S311
    pixels = bytearray()
    for row in range(SIZE):
        y = row / SIZE
        for column in range(SIZE):
            x = column / SIZE
            distance = math.hypot(x - design.centre[0], y - design.centre[1])
            if distance < 0.45:
                base = blend(inner, middle, distance / 0.45)
            else:
                base = blend(middle, outer, (distance - 0.45) / 0.6)
            amount = shape(x, y)
            # A negative amount is shade, a positive one light.
            shown = blend(base, (255, 248, 240), amount) if amount > 0 else blend(base, outer, -amount)
            noise = grain.uniform(-1.2, 1.2)
            pixels.extend(min(255, max(0, round(value + noise))) for value in shown)
    picture = b"P6 %d %d 255\n" % (SIZE, SIZE) + pixels
    command = "ffmpeg -v error -y -f image2pipe -c:v ppm -i - -q:v 5 -pix_fmt yuvj420p"
    target = HERE / "covers" / f"{number + 1:02}.jpeg"
    subprocess.run([*command.split(), str(target)], input=picture, check=True)  # noqa: S603


def make_covers() -> None:
    (HERE / "covers").mkdir(exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        list(pool.map(make_cover, range(len(COVER_DESIGNS))))


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["sounds", "covers"]
    if "sounds" in wanted:
        make_sounds()
    if "covers" in wanted:
        make_covers()
