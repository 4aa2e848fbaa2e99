"""Notes of a track as class numbers, one a step, and back, as in MusicVAE
(Roberts et al. 2018).

A melody has 90 classes: 0 goes on as before, 1 ends the note, 2 to 89 begin the
pitches 21 to 108. Drums have 512: a bit for each of nine kinds that are hit.
"""

import bisect
from collections.abc import Iterable, Sequence

import numpy as np

from vae_jax.music.songs import Note

HOLD, OFF, LOWEST, HIGHEST = 0, 1, 21, 108
PITCHED = HIGHEST - LOWEST + 3  # classes of a melody
HITS = 9
DRUMS = 2**HITS  # classes of drums
# Kind of hit -> the pitches that are taken for it; the first one is written.
KINDS = {
  'bass drum': (36, 35),
  'snare': (38, 37, 40),
  'closed hi-hat': (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
  'open hi-hat': (46, 67, 72, 74, 79, 81, 26),
  'low tom': (45, 29, 41, 43, 61, 64, 84),
  'middle tom': (48, 47, 60, 63, 77, 86, 87),
  'high tom': (50, 30, 62, 76, 83),
  'crash': (49, 52, 55, 57, 58),
  'ride': (51, 31, 34, 39, 53, 56, 59, 75, 82, 85),
}
KIND_OF = {p: i for i, own in enumerate(KINDS.values()) for p in own}
WRITTEN = [own[0] for own in KINDS.values()]
# Bit k of class v, and whether nothing is hit: [512, 10].
BITS = np.concatenate(
  [np.arange(DRUMS)[:, None] >> np.arange(HITS) & 1, np.eye(DRUMS)[:, :1]], 1
).astype(np.float32)


def melody(notes: Iterable[Note], steps: int) -> np.ndarray:
  """Classes of the highest notes that begin, one at a time: [steps]. A note
  ends where the next one begins."""
  classes = np.zeros(steps, np.int32)
  highest = {}
  for note in notes:
    if LOWEST <= note.pitch <= HIGHEST and 0 <= note.start < steps:
      now = highest.get(note.start)
      if now is None or note.pitch > now.pitch:
        highest[note.start] = note
  for note in highest.values():
    classes[note.start] = note.pitch - LOWEST + 2
  later = steps
  for start in sorted(highest, reverse=True):
    if highest[start].end < later:
      classes[highest[start].end] = OFF
    later = start
  return classes


def melody_notes(classes) -> list[Note]:
  """The notes that these classes [L] say, in order; an end of nothing is
  nothing."""
  notes, begun = [], None
  for step, value in enumerate([*map(int, classes), OFF]):
    if value == HOLD:
      continue
    if begun is not None:
      start, pitch = begun
      notes.append(Note(start, step, pitch))
    begun = (step, value - 2 + LOWEST) if value > OFF else None
  return notes


def drums(notes: Iterable[Note], steps: int) -> np.ndarray:
  """Classes of what is hit at each step: [steps]."""
  classes = np.zeros(steps, np.int32)
  for note in notes:
    kind = KIND_OF.get(note.pitch)
    if kind is not None and 0 <= note.start < steps:
      classes[note.start] |= 1 << kind
  return classes


def drum_notes(classes) -> list[Note]:
  """The hits that these classes [L] say, a step long each, in order."""
  return [
    Note(step, step + 1, pitch)
    for step, value in enumerate(map(int, classes))
    for pitch in sorted(WRITTEN[k] for k in range(HITS) if value >> k & 1)
  ]


def struck(notes: Iterable[Note], steps: int) -> np.ndarray:
  """How drums are hit, [steps, 9, 3] of uint8: whether (0 or 255), the velocity
  (255 is 127) and how late (0 to 255 is -0.5 to 0.5 of a step)."""
  x = np.zeros((steps, HITS, 3), np.uint8)
  for note in notes:
    kind = KIND_OF.get(note.pitch)
    if kind is not None and 0 <= note.start < steps:
      velocity = np.clip(note.velocity, 1, 127) * 255 / 127
      late = np.clip(note.offset + 0.5, 0, 1) * 255
      x[note.start, kind] = 255, np.rint(velocity), np.rint(late)
  return x


def struck_notes(x_L93) -> list[Note]:
  """The hits that these numbers in [0, 1], [L, 9, 3], say, in order."""
  notes = []
  for step, kind in np.argwhere(np.asarray(x_L93)[:, :, 0] > 0.5):
    _, velocity, late = map(float, x_L93[step, kind])
    how = max(1, round(127 * velocity)), min(late, 0.996) - 0.5
    notes.append(Note(int(step), int(step) + 1, WRITTEN[kind], *how))
  return sorted(notes)


def shifted(notes: Sequence[Note], start: int, steps: int) -> list[Note]:
  """The notes, which are in the order of their starts, that begin in these
  steps, as if `start` were the first one."""
  first, last = (
    bisect.bisect_left(notes, at, key=lambda note: note.start)
    for at in (start, start + steps)
  )
  return [
    note._replace(start=note.start - start, end=note.end - start)
    for note in notes[first:last]
  ]
