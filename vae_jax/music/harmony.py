"""Chords that lead somewhere, and melodies that can be sung over them.

A melody is counted in degrees: 0 is the tonic, 7 the tonic an octave higher.
A bar of it is a motif laid on a chord: two rhythms of half a bar and two
shapes, each from a chord tone. The next bar is mostly the same motif with
little changed, so that two bars carry some 24 bits and not a hundred.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar('T')
Dice = Iterator[int]  # words of 64 random bits
Line = tuple[tuple[int, int, int], ...]  # a bar: start, end, degree or pitch

ROOTS = ('C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B')
INTERVALS = {
  '': (0, 4, 7),
  'm': (0, 3, 7),
  '7': (0, 4, 7, 10),
  'm7': (0, 3, 7, 10),
}
CHORDS = tuple(root + kind for kind in INTERVALS for root in ROOTS)
SCALES = {
  'major': (0, 2, 4, 5, 7, 9, 11),
  'minor': (0, 2, 3, 5, 7, 8, 10),
}
NUMERALS = ('i', 'ii', 'iii', 'iv', 'v', 'vi', 'vii')

# Two bars each: how a phrase of four begins, and how it stops (open: it asks
# for more, closed: it is home).
PHRASES = {
  'major': {
    'begin': (
      *('I vi', 'I V', 'I IV', 'I ii', 'I iii', 'I I', 'I bVII'),
      *('vi IV', 'IV I', 'vi iii', 'ii7 V7', 'I VI7'),
    ),
    'open': (
      *('IV V', 'ii V', 'IV V7', 'ii7 V7', 'II7 V7', 'V vi', 'vi V'),
      *('IV ii7', 'iii IV'),
    ),
    'closed': ('V I', 'V7 I', 'IV I', 'bVII I'),
  },
  'minor': {
    'begin': (
      *('i VI', 'i iv', 'i VII', 'i v', 'i III', 'i i', 'VI VII'),
      *('iv i', 'i V7', 'VI III', 'iv7 VII7', 'i I7'),
    ),
    'open': (
      *('iv V', 'VI V7', 'iv7 V7', 'VI VII', 'iv VII', 'V VI', 'III V'),
      *('iv v', 'i V7'),
    ),
    'closed': ('V i', 'V7 i', 'iv i', 'VII i'),
  },
}

# A note, how long it holds, and rests, of half a bar.
CELLS = (
  *('o-------', 'o---o---', 'o---o-o-', 'o-o-o---', 'o-o-o-o-'),
  *('o-----o-', 'o--o--o-', '..o-o-o-', 'o---..o-', 'o-ooo---'),
)
ENDINGS = ('o-------', 'o-----..', 'o---....')
WHOLE = ('o---------------', 'o-----------....', 'o-------........')
# Steps away from a chord tone: what leaps comes back.
SHAPES = (
  *((0, 1, 2, 3), (0, -1, -2, -3), (0, 1, 0, -1), (0, -1, 0, 1)),
  *((0, 2, 1, 0), (0, -2, -1, 0), (0, 0, 1, 0), (0, 0, -1, -2)),
  *((0, 2, 4, 3), (0, -2, -4, -3), (0, 1, 1, 2), (0, -1, 1, 0)),
)
LOWEST, HIGHEST = -1, 9  # degrees: with any tonic, 55 to 84


class Chord(NamedTuple):
  """A chord in its key."""

  name: str
  root: int  # 0 to 11: 0 is C
  intervals: tuple[int, ...]  # of its tones above the root
  degrees: frozenset[int]  # which of the scale's seven are its tones
  scale: tuple[int, ...]  # semitones above the tonic, bent to the chord
  tonic: int  # the pitch of degree 0

  def pitch(self, degree: int) -> int:
    """The pitch of a degree, of MIDI."""
    octave, degree = divmod(degree, 7)
    return self.tonic + 12 * octave + self.scale[degree]

  def nearest(self, degree: int) -> int:
    """The degree of the chord's tone that is nearest, the lower of two."""
    near = (degree, degree - 1, degree + 1, degree - 2, degree + 2)
    for tone in near:
      if tone % 7 in self.degrees and LOWEST <= tone <= HIGHEST:
        return tone
    return self.nearest(folded(degree))


class Motif(NamedTuple):
  """What a bar of melody and its relatives share."""

  cells: tuple[str, str]
  shapes: tuple[tuple[int, ...], tuple[int, ...]]
  lean: int  # where the second half begins, from where the first stopped
  ornament: int = 0  # a long note divides, and its end goes so many steps off


def words(*seed: int) -> Dice:
  """Random words without end, the same in every version of NumPy."""
  bits = np.random.PCG64(seed)
  while True:
    yield from bits.random_raw(512).tolist()


def pick(dice: Dice, options: Sequence[T]) -> T:
  """One of them, all as likely."""
  return options[next(dice) % len(options)]


def side(content: Iterable[int]) -> int:
  """0 or 1: which of two splits may have this, as fair as a coin's throw."""
  return blake2b(bytes(content), digest_size=1).digest()[0] & 1


@cache
def chord(key: int, mode: str, numeral: str) -> Chord:
  """The chord of a numeral ('ii7', 'bVII') in the key of root `key`."""
  stem = numeral.strip('b7')
  place = NUMERALS.index(stem.lower())
  kind = 'm' * stem.islower() + '7' * numeral.endswith('7')
  above = SCALES[mode][place] - numeral.startswith('b')
  scale = list(SCALES[mode])
  for i, interval in enumerate(INTERVALS[kind]):
    degree = (place + 2 * i) % 7
    # V of a minor key raises the seventh, bVII of a major one lowers it.
    scale[degree] += (above + interval - scale[degree] + 6) % 12 - 6
  root = (key + above) % 12
  degrees = frozenset((place + 2 * i) % 7 for i in range(len(INTERVALS[kind])))
  tonic = 57 + (key + 3) % 12
  name = ROOTS[root] + kind
  return Chord(name, root, INTERVALS[kind], degrees, tuple(scale), tonic)


def folded(degree: int) -> int:
  """The degree, turned back where it left what can be sung."""
  if degree > HIGHEST:
    return 2 * HIGHEST - degree
  return 2 * LOWEST - degree if degree < LOWEST else degree


@cache
def spans(text: str) -> tuple[tuple[int, int, str], ...]:
  """Start, end and letter of the notes that a text of '-' and '.' draws."""
  starts = [i for i, letter in enumerate(text) if letter not in '-.']
  ends = (i + 1 + len(text[i + 1 :]) - len(text[i + 1 :].lstrip('-'))
          for i in starts)  # fmt: skip
  return tuple((i, end, text[i]) for i, end in zip(starts, ends, strict=True))


def new_motif(dice: Dice) -> Motif:
  """A motif that owes nothing to another."""
  cells = pick(dice, CELLS), pick(dice, CELLS)
  shapes = pick(dice, SHAPES), pick(dice, SHAPES)
  return Motif(cells, shapes, pick(dice, (-1, 1)))


def varied(dice: Dice, motif: Motif) -> Motif:
  """The motif as it was (half of the time), or with one thing changed."""
  change, half = next(dice) % 8, next(dice) % 2
  if change == 4:
    cells = replaced(motif.cells, half, pick(dice, CELLS))
    return motif._replace(cells=cells)
  if change == 5:
    shapes = replaced(motif.shapes, half, pick(dice, SHAPES))
    return motif._replace(shapes=shapes)
  if change == 6:
    first, second = motif.shapes
    upside_down = tuple(-s for s in first), tuple(-s for s in second)
    return motif._replace(shapes=upside_down, lean=-motif.lean)
  if change == 7:
    return motif._replace(ornament=pick(dice, (-1, 1)))
  return motif


def replaced(pair: tuple[T, T], half: int, by: T) -> tuple[T, T]:
  """The pair with one half of it replaced."""
  return (pair[0], by) if half else (by, pair[1])


def laid(motif: Motif, under: Chord, degree: int) -> Line:
  """A bar: the motif on a chord from a tone of it, in degrees."""
  line = []
  for half in (0, 1):
    if half and line:
      degree = under.nearest(line[-1][2] + motif.lean)
    shape = motif.shapes[half]
    for i, (start, end, _) in enumerate(spans(motif.cells[half])):
      line.append((8 * half + start, 8 * half + end, folded(degree + shape[i])))
  if motif.ornament:
    longest = max(range(len(line)), key=lambda i: line[i][1] - line[i][0])
    start, end, degree = line[longest]
    middle, off = (start + end) // 2, folded(degree + motif.ornament)
    line[longest : longest + 1] = (start, middle, degree), (middle, end, off)
  return tuple(line)


def sung(line: Line, over: Chord) -> Line:
  """The bar in pitches."""
  return tuple((start, end, over.pitch(d)) for start, end, d in line)


def belongs(line: Line, to: int) -> bool:
  """Whether a bar, in pitches, may be in songs of that side."""
  return side(number for note in line for number in note) == to


class Phrase(NamedTuple):
  """Four bars: chords, and what is sung over them, in degrees."""

  letter: str
  chords: tuple[Chord, ...]
  lines: tuple[Line, ...]


def phrases(dice: Dice, to: int, key: int, mode: str, form: str):
  """The phrases of a form such as 'AABA': what has one letter begins alike."""
  begun, ended, song = {}, {}, []
  second = pick(dice, ('open', 'closed'))
  for letter, stop in zip(
    form, ('open', second, 'open', 'closed'), strict=True
  ):
    if letter not in begun:
      begun[letter] = beginning(dice, to, progression(dice, key, mode, 'begin'))
    elif next(dice) % 3 == 0:
      begun[letter] = again(dice, to, *begun[letter])
    chords, lines, motif = begun[letter]
    if (letter, stop) not in ended:
      to_stop = progression(dice, key, mode, stop)
      degree = lines[-1][-1][2]
      lines_to_stop = ending(dice, to, to_stop, motif, degree, stop == 'closed')
      ended[letter, stop] = to_stop, lines_to_stop
    to_stop, lines_to_stop = ended[letter, stop]
    song.append(Phrase(letter, chords + to_stop, lines + lines_to_stop))
  return song


def progression(dice: Dice, key: int, mode: str, part: str):
  """Two chords of a part of a phrase."""
  numerals = pick(dice, PHRASES[mode][part]).split()
  return tuple(chord(key, mode, numeral) for numeral in numerals)


def beginning(dice: Dice, to: int, chords: tuple[Chord, Chord]):
  """Chords, lines and motif of two bars: a new motif, then a relative."""
  while True:
    motif = new_motif(dice)
    line = laid(motif, chords[0], chords[0].nearest(next(dice) % 8))
    if belongs(sung(line, chords[0]), to):
      return again(dice, to, chords, (line,), motif)


def again(dice: Dice, to: int, chords: tuple[Chord, Chord], lines, motif):
  """The same, with the second bar drawn once more."""
  second = following(dice, to, chords[1], motif, lines[0][-1][2])
  return chords, (lines[0], second), motif


def following(dice: Dice, to: int, under: Chord, motif: Motif, degree: int):
  """A bar of a motif's relative that begins near a degree."""
  while True:
    near = under.nearest(folded(degree + next(dice) % 5 - 2))
    line = laid(varied(dice, motif), under, near)
    if belongs(sung(line, under), to):
      return line


def ending(dice: Dice, to: int, chords, motif: Motif, degree: int, home: bool):
  """The lines of two bars: the motif's relative, then one that rests."""
  third = following(dice, to, chords[0], motif, degree)
  while True:
    near = chords[1].nearest(folded(third[-1][2] + next(dice) % 5 - 2))
    fourth = resting(dice, motif, chords[1], near, home)
    if belongs(sung(fourth, chords[1]), to):
      return third, fourth


def resting(dice: Dice, motif: Motif, under: Chord, degree: int, home: bool):
  """A bar that ends in a long note: a tone of the chord, or the tonic."""
  if next(dice) % 4 == 0:
    (start, end, _), line = spans(pick(dice, WHOLE))[0], ()
  else:
    (start, end, _), cell = spans(pick(dice, ENDINGS))[0], pick(dice, CELLS)
    start, end = start + 8, end + 8
    line = laid(motif._replace(cells=(cell, '........')), under, degree)
    degree = under.nearest(line[-1][2] + motif.lean)
  if home:
    degree = 7 if degree > 3 else 0
  return *line, (start, end, degree)
