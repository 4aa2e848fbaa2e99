"""MIDI bytes as songs on the grid of sixteenths, and songs as MIDI files.

A step is a quarter of a quarter note whatever the meter says, and a bar is 16
steps: bars of a waltz are not bars of the song. Files of format 0 are split by
channel; the patterns of format 2, one after the other, are read as if together.
A note of no length, as drum machines write them, lasts one step. Within a track
the first note of a pitch to begin is the first to end: MIDI cannot tell.
"""

import os
import pathlib
import struct

from vae_jax import files
from vae_jax.music.songs import BAR, BEAT, Note, Song, Track

MOST_BYTES = 16 * 2**20
MOST_TRACKS = 256  # that have notes
MOST_NOTES = 200_000
LONGEST_S = 3600  # at the song's only tempo, the first of the file
TEMPI = 4, 1000  # quarter notes a minute: others are taken for damage
TICKS = 480  # of a quarter note, in what is written
STEP = TICKS // BEAT
DRUMS = 9  # channel 10 to those who count from one
PITCHED = [channel for channel in range(16) if channel != DRUMS]


class BadMidi(ValueError):
  """A reason, one of few, for which a file is no song."""


def song(content: bytes, name: str = '') -> Song:
  """What the bytes of a MIDI file hold, a Track for each program of a channel.

  Raises BadMidi, of a file that is not MIDI or out of bounds.
  """
  _check_header(content)
  score = _score(content)
  parts = [part for part in score.tracks if len(part.notes)]
  _check_size(parts)
  tempo = _tempo(score)
  tracks, last = [], 0
  for part in parts:
    notes, end = _notes(part, score.ticks_per_quarter, tempo)
    tracks.append(Track(notes, part.program, part.is_drum))
    last = max(last, end)
  return Song(tuple(tracks), -(-last // BAR), tempo=tempo, name=name)


def _check_header(content: bytes):
  if len(content) > MOST_BYTES:
    raise BadMidi(f'larger than {MOST_BYTES >> 20} MB')
  if len(content) < 14 or content[:4] != b'MThd':
    raise BadMidi('not MIDI')
  [division] = struct.unpack('>h', content[12:14])
  if division < 0:
    raise BadMidi('SMPTE time')
  if division == 0:
    raise BadMidi('no ticks a quarter note')


def _score(content: bytes):
  # 70 ms that who only writes need not wait for.
  import symusic

  try:
    return symusic.Score.from_midi(content)
  except (RuntimeError, ValueError) as error:
    raise BadMidi('damaged MIDI') from error


def _check_size(parts):
  if not parts:
    raise BadMidi('no notes')
  if len(parts) > MOST_TRACKS:
    raise BadMidi('too many tracks')
  if sum(len(part.notes) for part in parts) > MOST_NOTES:
    raise BadMidi('too many notes')


def _tempo(score) -> float:
  tempi = (one.qpm for one in score.tempos)
  return next((t for t in tempi if TEMPI[0] <= t <= TEMPI[1]), 120.0)


def _notes(part, ticks: int, tempo: float) -> tuple[tuple[Note, ...], int]:
  """The notes of one symusic track in order, and the step where all ended."""
  import numpy as np

  raw = {k: v.astype(np.int64) for k, v in part.notes.numpy().items()}
  begin, end = raw['time'], raw['time'] + raw['duration']
  last_s = end.max() / ticks * 60 / tempo
  # symusic counts in 32 bits: what is before the beginning was after 2^31.
  if begin.min() < 0 or last_s > LONGEST_S:
    raise BadMidi('longer than an hour')
  start = _steps(begin, ticks)
  end = np.maximum(_steps(end, ticks), start + 1)
  # Of whole numbers until here, so that 1/120 of a step comes back as that.
  offset = (BEAT * begin - ticks * start) / ticks
  columns = start, end, raw['pitch'], raw['velocity'], offset
  order = np.lexsort((offset, raw['velocity'], end, raw['pitch'], start))
  rows = (column[order].tolist() for column in columns)
  return tuple(map(Note, *rows)), int(end.max())


def _steps(time, ticks: int):
  """The nearest steps, halves to the later: offsets are in [-0.5, 0.5)."""
  return (2 * BEAT * time + ticks) // (2 * ticks)


def content(song: Song) -> bytes:
  """A MIDI file of format 1: a track of the tempo, then one for each Track.

  Reading it gives the same notes, if no note lies within a longer one of its
  pitch; offsets to 1/120 of a step, none before the beginning; no chords, and
  no empty tracks or bars at the end.
  """
  tempo = min(max(song.tempo, TEMPI[0]), TEMPI[1])
  head = b'\0\xff\x51\x03' + round(60e6 / tempo).to_bytes(3, 'big')
  meter = b'\0\xff\x58\x04\4\2\x18\x08'  # 4/4, a click a quarter note
  end = song.steps * STEP
  chunks = [_chunk(head + meter + _delta(end))]
  pitched = 0
  # Ours, as symusic's writer gives drums a channel of the others' as well, so
  # that 15 instruments and drums would share one.
  for track in song.tracks:
    channel = DRUMS if track.drums else PITCHED[pitched % len(PITCHED)]
    pitched += not track.drums
    chunks.append(_chunk(_messages(track, channel, end)))
  header = struct.pack('>4sIHHH', b'MThd', 6, 1, len(chunks), TICKS)
  return header + b''.join(chunks)


def _messages(track: Track, channel: int, last: int) -> bytes:
  """Program, notes and the time until the end of the song."""
  if not all(0 <= n < 128 for n in (track.program, *_pitches(track))):
    raise ValueError('programs and pitches of MIDI are 0 to 127')
  written, now = [bytes([0, 0xC0 | channel, track.program])], 0
  for tick, on, _, pitch, velocity in sorted(_events(track.notes)):
    status = (0x90 if on else 0x80) | channel
    written += _delta(tick - now), bytes([status, pitch, velocity])
    now = tick
  return b''.join(written) + _delta(max(last - now, 0))


def _pitches(track: Track):
  return (note.pitch for note in track.notes)


def _events(notes):
  """(tick, 0 for off or 1 for on, end, pitch, velocity); sorted, offs come
  first, and of notes that begin together those that end first."""
  begins = [(_tick(note), note) for note in notes]
  nearest = {}
  for tick, note in begins:
    key = note.pitch, note.start
    nearest[key] = min(tick, nearest.get(key, tick))
  for tick, note in begins:
    # Where the next one of the pitch is early, this end would silence it.
    end = min(note.end * STEP, nearest.get((note.pitch, note.end), 1 << 40))
    yield tick, 1, end, note.pitch, min(max(note.velocity, 1), 127)
    yield end, 0, end, note.pitch, 0


def _tick(note: Note) -> int:
  # 60 ticks late would be the next step.
  late = min(round(note.offset * STEP), STEP // 2 - 1)
  return max(note.start * STEP + late, 0)


def _delta(ticks: int) -> bytes:
  """Seven bits a byte, all but the last marked."""
  sevens = [ticks & 0x7F]
  while ticks := ticks >> 7:
    sevens.append(0x80 | ticks & 0x7F)
  return bytes(reversed(sevens))


def _chunk(messages: bytes) -> bytes:
  """A track; its messages end in the time until its end."""
  body = messages + b'\xff\x2f\0'
  return struct.pack('>4sI', b'MTrk', len(body)) + body


def write(song: Song, path: str | os.PathLike) -> pathlib.Path:
  """The path, now a MIDI file; makes its folder."""
  return saved(content(song), path)


def saved(content: bytes, path: str | os.PathLike) -> pathlib.Path:
  """The path, now a file of these bytes, never half of them."""
  with files.replaced(path, 'wb') as file:
    file.write(content)
  return pathlib.Path(path)
