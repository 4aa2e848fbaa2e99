"""What every source of music gives and every writer takes."""

from collections.abc import Sequence
from typing import NamedTuple

BAR = 16  # steps of a bar: sixteenth notes of a 4/4 one
BEAT = 4  # steps of a quarter note


class Note(NamedTuple):
  """A note that begins at step `start` and sounds until step `end`."""

  start: int
  end: int  # later than start
  pitch: int  # of MIDI: 60 is middle C; of drums, which of them
  velocity: int = 96  # of MIDI, 1 to 127
  offset: float = 0.0  # how much later than its step, in steps: [-0.5, 0.5)


class Track(NamedTuple):
  """The notes of one instrument, by start and pitch."""

  notes: tuple[Note, ...]
  program: int = 0  # of General MIDI, 0 to 127
  drums: bool = False


class Song(NamedTuple):
  """Tracks that sound together, in bars of 16 steps."""

  tracks: tuple[Track, ...]
  bars: int
  chords: tuple[str, ...] = ()  # one a bar, '' for none, or () if not known
  tempo: float = 120.0  # quarter notes a minute
  name: str = ''

  @property
  def steps(self) -> int:
    """Its length in steps."""
    return self.bars * BAR


def in_a_row(songs: Sequence[Song], rest: int = 1) -> Song:
  """The songs one after another with so many bars of rest between them, at the
  tempo of the first; tracks of one place are one."""
  count = max((len(song.tracks) for song in songs), default=0)
  notes, like, start = [[] for _ in range(count)], {}, 0
  for song in songs:
    for i, track in enumerate(song.tracks):
      like.setdefault(i, track)
      notes[i] += [
        note._replace(start=note.start + start, end=note.end + start)
        for note in track.notes
      ]
    start += (song.bars + rest) * BAR
  tracks = tuple(
    like[i]._replace(notes=tuple(own)) for i, own in enumerate(notes)
  )
  tempo = songs[0].tempo if songs else 120.0
  return Song(tracks, max(0, start // BAR - rest), tempo=tempo)
