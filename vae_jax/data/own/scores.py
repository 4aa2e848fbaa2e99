"""midi:PATH, a folder of the user's MIDI files, and chorales:PATH, JSON."""

import json
import pathlib

from vae_jax.console import counted, say
from vae_jax.data.batch import DataError, check_file
from vae_jax.data.split import held_out
from vae_jax.music import BAR, Note, Song, Track

VOICES = 'soprano', 'alto', 'tenor', 'bass'
BASS = 32  # the program by which a bass is known


def midi(path: str, data_dir=None) -> dict[str, list[Song]]:
  """The songs of all MIDI files below PATH; about a tenth of the files, by a
  hash of their names, is the test split. Says what was refused, and why.

  DataError in one line if there are not two songs.
  """
  from vae_jax.music import reader

  del data_dir
  if not path:
    raise DataError('midi needs a path: midi:PATH')
  root = pathlib.Path(path).expanduser()
  try:
    songs, refused = reader.folder(root)
  except ValueError as error:
    raise DataError(str(error)) from error
  if refused:
    total = len(songs) + sum(refused.values())
    say(f'note: {root}: {reader.told(refused, total)}')
  if len(songs) < 2:
    raise DataError(
      f'{root} holds {counted(len(songs), "song")}: one to train on and one to '
      'test on are needed'
    )
  test_N = held_out([song.name for song in songs])
  return {
    'train': [
      song for song, test in zip(songs, test_N, strict=True) if not test
    ],
    'test': [song for song, test in zip(songs, test_N, strict=True) if test],
  }


def chorales(path: str, data_dir=None) -> dict[str, list[Song]]:
  """Songs of a JSON file {'train': [...], 'test': [...]} of Boulanger-
  Lewandowski et al. (2012): of each chorale the pitches at every sixteenth,
  four voices from the top down, -1 for a rest; equal ones in a row are one
  note. DataError in one line for anything else."""
  del data_dir
  file = pathlib.Path(path).expanduser()
  check_file(file)
  try:
    content = json.loads(file.read_text('utf-8'))
    splits = {
      split: [chorale(x, f'{split} {i}') for i, x in enumerate(content[split])]
      for split in ('train', 'test')
    }
  except OSError as error:
    raise DataError(f'chorales:{path}: {error.strerror}') from error
  except (ValueError, TypeError, KeyError, AttributeError) as error:
    raise DataError(
      f'{file} holds no chorales: lists of four pitches a step, by split'
    ) from error
  for split, songs in splits.items():
    if not songs:
      raise DataError(f'{file} holds no chorales in {split}')
  return splits


def chorale(steps: list[list[int]], name: str) -> Song:
  """The song of such a chorale; ValueError for steps of other sizes."""
  tracks = []
  for voice, pitches in zip(VOICES, zip(*steps, strict=True), strict=True):
    program = BASS if voice == 'bass' else 0
    tracks.append(Track(tuple(held(pitches)), program))
  return Song(tuple(tracks), -(-len(steps) // BAR), name=name)


def held(pitches) -> list[Note]:
  """The notes of a voice: a pitch that stays is one; ValueError for what is no
  pitch."""
  notes, start = [], 0
  for step in range(1, len(pitches) + 1):
    if step == len(pitches) or pitches[step] != pitches[start]:
      pitch = pitches[start]
      if not isinstance(pitch, int) or not -1 <= pitch <= 127:
        raise ValueError(f'{pitch!r} is no pitch')
      if pitch >= 0:
        notes.append(Note(start, step, pitch))
      start = step
  return notes
