"""A trained model of music on one's own MIDI files: new phrases, what it makes
of a phrase, and what lies between two."""

import collections
import pathlib

import jax
import numpy as np

from vae_jax import config, figures
from vae_jax.console import say
from vae_jax.data import phrases
from vae_jax.data.phrases import Phrase
from vae_jax.measures.trained import Trained
from vae_jax.measures.ways import along_circle
from vae_jax.music import Song, reader
from vae_jax.networks.recurrent import sample
from vae_jax.runs.directory import (
  Refused,
  save_pictures,
  song_path,
  write_codes,
)

STEPS = 9  # of a way between two phrases, both ends among them
SHOWN = 8  # songs in a picture


def play(
  mode: str,
  trained: Trained,
  sources: list[str],
  out_dir,
  count: int,
  seed: int,
  temperature: float,
) -> list[pathlib.Path]:
  """Writes what `mode` asks for as MIDI, sound and a piano roll in out_dir:
  their paths. Refused in one line for sources that do not fit."""
  what = phrases.phrase(trained.ex.phrase)
  if labelled(trained):
    raise Refused(f'--mode={mode} has no chords to give to this model')
  if mode == 'generate':
    songs = drawn(trained, what, count, seed, temperature)
    return written({'': songs}, what, 'Draws from the prior', out_dir)
  if mode == 'interpolate':
    rows = {'': between(trained, what, sources)}
    return written(rows, what, 'On a great circle between two codes', out_dir)
  x_NLT, names = own_phrases(what, one_of(mode, sources))
  if mode == 'embed':
    return write_codes(trained.encode(hot(trained, x_NLT)), names, out_dir)
  said = trained.reconstruct(hot(trained, x_NLT)).argmax(-1)
  rows = {
    'yours': named(x_NLT, what, names, 'yours'),
    'decoded': named(said, what, names, 'decoded'),
  }
  right = 100 * (said == x_NLT).mean()
  title = f"{right:.1f} % of {len(said)} phrases' steps are decoded right"
  return written(rows, what, title, out_dir)


def labelled(trained: Trained) -> bool:
  """Whether the model is given a label."""
  shapes = config.example_shapes(trained.ex, trained.data['test'])
  return shapes.given is not None


def drawn(trained: Trained, what: Phrase, count, seed, temperature):
  """Songs of so many draws from the prior."""
  model, params = trained.model, trained.state.params
  key_z, key_noise = jax.random.split(jax.random.key(seed))
  z = model.prior(params).sample(jax.random.split(key_z, count))
  draw = jax.jit(
    lambda z, key_B: sample(model, params, z, key_B, None, temperature)
  )
  x = np.asarray(draw(z, jax.random.split(key_noise, count))).argmax(-1)
  return named(x, what, [f'{i:05d}' for i in range(count)], '')


def between(trained: Trained, what: Phrase, sources: list[str]) -> list[Song]:
  """STEPS songs from the first phrase of one file to that of another."""
  if len(sources) != 2:
    raise Refused(
      f'--mode=interpolate needs two --input=FILE.mid, not {len(sources)}'
    )
  ends = [own_phrases(what, source)[0][:1] for source in sources]
  z = trained.encode(hot(trained, np.concatenate(ends)))
  share_S = np.linspace(0, 1, STEPS, dtype=np.float32)
  said = trained.decode(along_circle(z[:1], z[1:], share_S)[0]).argmax(-1)
  return named(said, what, [f'{share:.3f}' for share in share_S], '')


def one_of(mode: str, sources: list[str]) -> str:
  """The one source; Refused if there are others."""
  if len(sources) != 1:
    raise Refused(f'--mode={mode} needs one --input=PATH, not {len(sources)}')
  return sources[0]


def own_phrases(what: Phrase, source: str):
  """(class numbers [N, L, T], names) of the phrases of a MIDI file or of all
  below a folder; Refused with the reason if there are none."""
  path = pathlib.Path(source).expanduser()
  if path.is_dir():
    songs = all_below(path)
  elif path.is_file():
    songs, refused = reader.songs([path])
    if not songs:
      raise Refused(f'{path}: {", ".join(refused)}')
    songs = [songs[0]._replace(name=path.name)]
  else:
    raise Refused(f'--input={source} is neither a file nor a folder')
  rows, names = [], []
  for stem, song in zip(stems(songs), songs, strict=True):
    for i, (row, _) in enumerate(phrases.of_song(song, what)):
      rows.append(row)
      names.append(f'{stem}_{i + 1}')
  if not rows:
    raise Refused(f'{source} has no phrase {what.kind}/{what.bars}')
  return np.array(rows).reshape(len(rows), -1, len(what.tracks)), names


def all_below(folder: pathlib.Path) -> list[Song]:
  """The songs below a folder; says what is none, Refused if nothing is."""
  try:
    songs, refused = reader.folder(folder)
  except reader.NoMusic as error:
    raise Refused(str(error)) from error
  if refused:
    say(f'note: {reader.told(refused, len(songs) + sum(refused.values()))}')
  return songs


def stems(songs: list[Song]) -> list[str]:
  """Their names without .mid, with it where there is a .midi of the same."""
  bare = [
    pathlib.PurePath(song.name).with_suffix('').as_posix() for song in songs
  ]
  counts = collections.Counter(bare)
  return [
    stem if counts[stem] == 1 else song.name
    for stem, song in zip(bare, songs, strict=True)
  ]


def hot(trained: Trained, x_NLT):
  """One-hot phrases as the model sees them: [N, L, T, V]."""
  batch = trained.data['test']
  x = x_NLT.reshape(len(x_NLT), -1).astype(np.uint16)
  return np.asarray(batch.replace(x=x, label=None).images())


def named(x_NLT, what: Phrase, names, suffix: str) -> list[Song]:
  """The songs of class numbers, by these names."""
  return [
    phrases.song(x, what, f'{name} {suffix}'.strip())
    for x, name in zip(x_NLT, names, strict=True)
  ]


def written(rows: dict, what: Phrase, title: str, out_dir):
  """The rolls of the first songs, their sound, and the MIDI of all."""
  out_dir = pathlib.Path(out_dir)
  per_row = max(1, SHOWN // len(rows))
  shown = {label: songs[:per_row] for label, songs in rows.items()}
  if len(rows) == 1:  # in two lines
    [songs] = shown.values()
    half = -(-len(songs) // 2)
    shown = {
      ' ' * i: s for i, s in enumerate((songs[:half], songs[half:])) if s
    }
  figure = figures.rolls(shown, title, names=True, tracks=what.names)
  own = [song for songs in rows.values() for song in songs]
  paths = save_pictures({'songs': figures.Played(figure, own)}, out_dir)
  played = sorted(song_path(song, out_dir / 'songs') for song in own)
  return [*paths, out_dir / 'songs.wav', *played]
