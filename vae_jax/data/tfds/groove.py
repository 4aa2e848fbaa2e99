"""groove: drum performances of tensorflow-datasets, as MIDI."""

from vae_jax.console import say
from vae_jax.data.batch import DataError
from vae_jax.data.tfds import find

NAME = 'groove/full-midionly'


def groove(path: str, data_dir=None) -> dict[str, list]:
  """The songs of Gillick et al. 2019's drummers, train and test, from a
  prepared directory; DataError if there is none."""
  if path:
    raise DataError(f'groove has no path of its own: --data_dir, not {path}')
  root = find.root(data_dir)
  prepared = find.newest(root, NAME)
  if prepared is None:
    raise DataError(
      f'{NAME} is not prepared in {root}: where tensorflow is, '
      f"tfds.load('{NAME}', data_dir=DIR) prepares it; then --data_dir=DIR"
    )
  import tensorflow_datasets as tfds

  with find.explained(prepared):
    builder = tfds.builder_from_directory(prepared)
    return {s: performances(builder, s) for s in ('train', 'test')}


def performances(builder, split: str) -> list:
  """The songs of a split; what is no music is left out and told."""
  from vae_jax.music import midi

  source, songs = builder.as_data_source(split), []
  for row in source.__getitems__(range(len(source))):
    try:
      songs.append(midi.song(row['midi'], row['id'].decode()))
    except midi.BadMidi as error:
      say(f'note: groove {split}: {error}')
  return songs
