"""Using a trained model on one's own images: load, embed, reconstruct."""

import contextlib
import math
import pathlib
import re

import jax
import numpy as np

from vae_jax import config, console, data, figures
from vae_jax.config import ConfigError
from vae_jax.config.safe import checked
from vae_jax.config.text import restored
from vae_jax.measures.trained import Trained, size_in_words
from vae_jax.runs import directory, settings
from vae_jax.runs.directory import Refused
from vae_jax.runs.job import resumed
from vae_jax.runs.play import play
from vae_jax.runs.prepare import abstract, check_words
from vae_jax.training import checkpoint

# And their defaults, as flags say them.
NUMBERS = {'count': '64', 'seed': '0', 'temperature': '1'}


def load(run_dir) -> Trained:
  """The newest good checkpoint of a run, ready to encode and decode.

  Needs the run's dataset as little as what it was trained, measured and
  reported by: its optimizer's state and those functions stay where they are.
  Raises Refused, ConfigError or CheckpointError with one clear line.
  """
  saved = settings.config_of(run_dir)
  if saved is None:
    raise Refused(f'{run_dir} holds no run')
  if 'runs' in saved:
    raise Refused(settings.choose_a_run(run_dir, saved))
  ex = checked(restored(saved['fields'], model_only=True))
  check_words(ex)
  batch = blank(saved['example'])
  try:
    ex = config.sized(ex, batch)
    like = abstract(ex, batch, jax.local_devices()[0]).replace(opt_state=())
  except (ValueError, TypeError, ArithmeticError) as error:
    raise Refused(f'{run_dir}: {error}'.splitlines()[0]) from error
  manager = checkpoint.open(pathlib.Path(run_dir) / 'checkpoints', ex.monitor)
  with contextlib.ExitStack() as exits:
    exits.callback(checkpoint.close, manager)
    newest = checkpoint.restore(manager, like, partial=True)
  if newest is None:
    raise Refused(f'{run_dir} holds no checkpoint: train it first')
  state = resumed(newest)
  results = {'step': int(state.step)}
  return Trained(ex, {'test': batch}, ex.hyper(), state, results=results)


def use(
  mode: str,
  run_dir,
  sources: list,
  out_dir,
  count: str,
  seed: str,
  temperature: str = '1',
):
  """Embeds or reconstructs the images at the source, or generates `count` new
  ones, with the model of run_dir: the paths written in out_dir. So it does with
  phrases of MIDI files, or plays what lies between two.

  Raises ConfigError, Refused, DataError or CheckpointError, one clear line.
  """
  if (mode == 'generate') == bool(sources):
    takes = 'takes no' if mode == 'generate' else 'needs'
    raise ConfigError(f'--mode={mode} {takes} --input=PATH')
  count, seed = whole('count', count, 1, 100_000), whole('seed', seed, 0)
  heat = degree(temperature)
  if temperature != NUMBERS['temperature'] and mode != 'generate':
    raise ConfigError(f'--mode={mode} draws nothing: it has no --temperature')
  trained = load(run_dir)
  if trained.data['test'].numbers:
    return play(mode, trained, sources, out_dir, count, seed, heat)
  if mode == 'interpolate' or len(sources) > 1:
    raise Refused(
      f'{run_dir} is no model of music: it has no --mode=interpolate, and one '
      '--input'
    )
  if temperature != NUMBERS['temperature']:
    raise Refused(f'{run_dir} is no model of music: it has no --temperature')
  [source] = sources or [None]
  if mode == 'generate':
    if not trained.model.q_factor.density:
      console.say('note: this model has no prior of its own; codes are N(0, 1)')
    return generate(trained, count, seed, out_dir)
  if labels_in_turn(trained, 1) is not None:
    raise Refused(
      f'{run_dir} needs the label of each image: --mode={mode} has none'
    )
  images, names = images_of(source)
  try:
    return {'embed': embed, 'reconstruct': reconstruct}[mode](
      trained, images, names, out_dir
    )
  except ValueError as error:
    raise Refused(f'{source}: {error}') from error


def whole(name: str, text: str, low: int, high: int = 2**32 - 1) -> int:
  """The whole number from low to high that a flag says; or ConfigError."""
  if not (text.isdecimal() and low <= int(text) <= high):
    raise ConfigError(
      f'{name} must be a whole number from {low} to {high}, not {text!r}'
    )
  return int(text)


def degree(text: str) -> float:
  """The temperature that a flag says; or ConfigError."""
  try:
    number = float(text)
  except ValueError:
    number = math.nan
  if not 0 <= number <= 100:
    raise ConfigError(f'temperature must be from 0 to 100, not {text!r}')
  return number


def images_of(source):
  """(images [N, H, W, C] in [0, 1], names) of a folder or an .npz."""
  batch, names = data.own_images(source)
  return np.asarray(batch.images()), names


def blank(facts: dict) -> data.Batch:
  """A batch of one black image with a dataset's facts."""
  shape = tuple(facts['shape'])
  label = np.zeros(1, np.int32) if facts['labelled'] else None
  numbers = facts.get('numbers', False)
  x_NP = np.zeros((1, math.prod(shape[: 2 if numbers else 3])), np.uint8)
  classes = tuple(facts['classes'])
  return data.Batch(x_NP, label, shape, facts['scale'], classes, numbers)


def embed(trained: Trained, images, names, out_dir) -> list[pathlib.Path]:
  """Writes the codes of images [N, H, W, C] as codes.npz and codes.csv."""
  return directory.write_codes(trained.encode(images), names, out_dir)


def reconstruct(trained: Trained, images, names, out_dir):
  """Writes the reconstruction of each image, and rows of the first ten."""
  reconstructed = trained.reconstruct(images)
  rows = {'input': images[:10], 'reconstruction': reconstructed[:10]}
  title = f'Through {trained.ex.latents} latents'
  picture = made_sure_of(out_dir) / 'reconstructions.png'
  figures.save(figures.rows(rows, title=title), picture)
  return [picture, *write_images(reconstructed, names, out_dir)]


def generate(trained: Trained, count: int, seed: int, out_dir):
  """Writes images of draws from the prior, the classes in turn if it is given
  any, and a grid of them; Refused if it makes no images."""
  given = labels_in_turn(trained, count)
  images = trained.generate(count, seed, given)
  # As many channels as the dataset has, or they are classes.
  if images.shape[-1] not in {1, 3} & {trained.data['test'].shape[-1]}:
    raise Refused(
      f'this model makes no images, but {size_in_words(images.shape[1:])}'
    )
  # A column is a class, where one is asked for.
  columns = min(count, 16 if given is None else given.shape[1])
  whole = images[: count // columns * columns]
  grid = whole.reshape(-1, columns, *whole.shape[1:])
  picture = made_sure_of(out_dir) / 'samples.png'
  title = 'Decoded draws from the prior'
  names = [f'{i:05d}' for i in range(count)]
  told = {}
  if given is not None:
    classes = trained.data['test'].classes
    told = {'x_label': 'class', 'x_ticks': classes[:columns]}
    asked = (as_name(classes[i % len(classes)]) for i in range(count))
    names = [f'{name}_{word}' for name, word in zip(names, asked, strict=True)]
  figures.save(figures.grid(grid, title=title, **told), picture)
  return [picture, *write_images(images, names, out_dir)]


def labels_in_turn(trained: Trained, count: int):
  """One-hot labels, the classes in turn: [count, Y]; None for a model that is
  given none. Refused if it is given something else."""
  batch = trained.data['test']
  given = config.example_shapes(trained.ex, batch).given
  if given is None:
    return None
  if given.shape[1:] != (len(batch.classes),):
    raise Refused('this model is given more than an image or a label')
  return np.eye(len(batch.classes), dtype=np.float32)[
    np.arange(count) % len(batch.classes)
  ]


def as_name(text: str) -> str:
  """The text as part of a file's name."""
  return re.sub(r'[^\w.-]+', '-', text)


def write_images(images, names, out_dir) -> list[pathlib.Path]:
  """Images [N, H, W, C] in [0, 1] as PNGs in out_dir/images, NAME.png for
  NAME.jpg, or NAME.jpg.png where there is another NAME."""
  from PIL import Image

  folder, paths = made_sure_of(pathlib.Path(out_dir) / 'images'), []
  pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
  short = [pathlib.PurePath(name).with_suffix('.png') for name in names]
  if len(set(short)) < len(names):
    short = [f'{name}.png' for name in names]
  for name, pixel_HWC in zip(short, pixels, strict=True):
    flat = pixel_HWC[..., 0] if pixel_HWC.shape[-1] == 1 else pixel_HWC
    paths.append(folder / name)
    paths[-1].parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(flat).save(paths[-1])
  return paths


def made_sure_of(folder) -> pathlib.Path:
  """The folder, which exists from now on."""
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  return folder
