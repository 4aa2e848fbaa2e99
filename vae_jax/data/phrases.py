"""Songs cut into phrases of one length, as class numbers: what --phrase says.

KIND/BARS, such as melody/2: KIND is melody, bass or drums, the trio of these,
multitrack, which is up to eight tracks, the last one drums, with the bar's
chord for a label, or groove: drums with how each is hit, an image (L, 9, 3). A
phrase begins with a bar and has an onset in at least half of its bars; no
phrase is there twice.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from vae_jax.console import nearest
from vae_jax.data.batch import Batch, DataError
from vae_jax.music import BAR, Note, Song, Track, harmony
from vae_jax.music.classes import (
  DRUMS,
  HITS,
  OFF,
  PITCHED,
  drum_notes,
  drums,
  melody,
  melody_notes,
  shifted,
  struck,
  struck_notes,
)

KINDS = {
  'melody': ('melody',),
  'bass': ('bass',),
  'drums': ('drums',),
  'trio': ('melody', 'bass', 'drums'),
  'groove': ('drums',),
  'multitrack': (*(str(i) for i in range(7)), 'drums'),
}
BASSES = range(32, 40)  # programs of General MIDI
PROGRAMS = {'melody': 0, 'bass': 33, '1': 33, '2': 48, '3': 4, '4': 73}
CHORDS = ('none', *harmony.CHORDS)


class Phrase(NamedTuple):
  """What is cut out of songs."""

  kind: str
  bars: int

  @property
  def tracks(self) -> tuple[str, ...]:
    """The roles of its tracks."""
    return KINDS[self.kind]

  @property
  def names(self) -> list[str]:
    """Its tracks in words."""
    return [f'track {int(t) + 1}' if t.isdigit() else t for t in self.tracks]


def phrase(text: str) -> Phrase:
  """KIND/BARS as a Phrase; DataError in one line for anything else."""
  kind, _, bars = text.partition('/')
  if kind not in KINDS:
    raise DataError(
      f'--phrase={text}: {kind!r} is no kind of phrase{nearest(kind, KINDS)}: '
      f'there are {", ".join(KINDS)}'
    )
  if not bars.isdecimal() or not 1 <= int(bars) <= 64:
    raise DataError(
      f'--phrase={text}: KIND/BARS is expected, with 1 to 64 bars, such as '
      f'{kind}/2'
    )
  return Phrase(kind, int(bars))


def batch(songs: Iterable[Song], what: Phrase, source: str) -> Batch:
  """The phrases of songs: x class numbers [N, L * T] of shape (L, T, V).

  DataError naming the source if they have none.
  """
  kept = {}
  for song in songs:
    for row, chord in of_song(song, what):
      kept.setdefault(row.tobytes(), (row, chord))
  if not kept:
    raise DataError(f'{source} has no phrase {what.kind}/{what.bars}')
  x, chords = map(np.array, zip(*kept.values(), strict=True))
  if what.kind == 'groove':
    return Batch(x, None, shape=(what.bars * BAR, HITS, 3))
  shape = what.bars * BAR, len(what.tracks), classes(what)
  labelled = what.kind == 'multitrack'
  return Batch(
    x.astype(np.uint16),
    chords.astype(np.int32) if labelled else None,
    shape=shape,
    scale=float(shape[2] - 1),
    classes=CHORDS if labelled else (),
    numbers=True,
  )


def classes(what: Phrase) -> int:
  """The most classes that a track of it has."""
  return DRUMS if 'drums' in what.tracks else PITCHED


def of_song(song: Song, what: Phrase):
  """(class numbers [L * T], chord of the first bar) of each phrase."""
  parts = roles(song, what)
  steps, hop = what.bars * BAR, max(1, what.bars // 2)
  for bar in range(0, song.bars - what.bars + 1, hop):
    own = [shifted(notes, bar * BAR, steps) for notes in parts]
    x, begun = encoded(own, what, steps)
    if begun.reshape(what.bars, -1).any(1).sum() >= what.bars / 2:
      yield x.reshape(-1), chord_number(song, bar)


def encoded(parts: list[list[Note]], what: Phrase, steps: int):
  """(x [L, T], or how drums are hit [L, 9, 3]; where something begins) for the
  notes of each role."""
  if what.kind == 'groove':
    x_L93 = struck(parts[0], steps)
    return x_L93, x_L93[..., 0] > 0
  pairs = list(zip(what.tracks, parts, strict=True))
  columns = [
    (drums if role == 'drums' else melody)(notes, steps)
    for role, notes in pairs
  ]
  silent = [0 if role == 'drums' else OFF for role, _ in pairs]
  x_LT = np.stack(columns, 1)
  return x_LT, x_LT > silent


def roles(song: Song, what: Phrase) -> list[list[Note]]:
  """The notes that play each role of a phrase, none where nobody does."""
  hit = [n for track in song.tracks if track.drums for n in track.notes]
  pitched = [t for t in song.tracks if t.notes and not t.drums]
  if what.kind == 'multitrack':
    own = [list(track.notes) for track in pitched[:7]]
    return [*own, *[[]] * (7 - len(own)), sorted(hit)]
  bass = bass_of(pitched)
  others = [track for track in pitched if track is not bass] or pitched
  lead = min(others, key=overlaps, default=None)
  notes = {
    'melody': list(lead.notes) if lead else [],
    'bass': list(bass.notes) if bass else [],
    'drums': sorted(hit),
  }
  return [notes[role] for role in what.tracks]


def song(x, what: Phrase, name: str = '') -> Song:
  """The Song that class numbers [L * T] or [L, T], or hits of groove, say."""
  if what.kind == 'groove':
    notes = struck_notes(np.asarray(x).reshape(-1, HITS, 3))
    return Song((Track(tuple(notes), drums=True),), what.bars, name=name)
  x_LT = np.asarray(x).reshape(-1, len(what.tracks))
  tracks = [
    Track(
      tuple((drum_notes if role == 'drums' else melody_notes)(column)),
      program=PROGRAMS.get(role, 0),
      drums=role == 'drums',
    )
    for role, column in zip(what.tracks, x_LT.T, strict=True)
  ]
  return Song(tuple(tracks), what.bars, name=name)


def bass_of(pitched):
  """The bass: by its program or, of several tracks, the lowest; else None."""
  named = [track for track in pitched if track.program in BASSES]
  if named or len(pitched) < 2:
    return named[0] if named else None
  return min(pitched, key=mean_pitch)


def overlaps(track) -> float:
  """How many of its notes, in tenths, begin while another one sounds: of the
  tracks of which one note sounds at a time, the first one leads."""
  notes = track.notes
  pairs = zip(notes, notes[1:], strict=False)
  count = sum(later.start < note.end for note, later in pairs)
  return round(count / len(notes), 1)


def mean_pitch(track) -> float:
  """The mean of its notes."""
  return float(np.mean([note.pitch for note in track.notes]))


def chord_number(song: Song, bar: int) -> int:
  """The number of a bar's chord among CHORDS: 0 if it is not known."""
  name = song.chords[bar] if bar < len(song.chords) else ''
  return CHORDS.index(name) if name in CHORDS else 0
