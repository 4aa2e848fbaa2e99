"""Datasets by name, the order of a run's examples, and placing on devices."""

import difflib
import functools
import gzip
import importlib.util
import pathlib

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


class DataError(ValueError):
  """A dataset that cannot be had or is not what it should be; one line."""


@flax.struct.dataclass
class Batch:
  """Examples as stored: x integers [N, H*W*C], label int [N] or None.

  `shape` (H, W, C), `scale` (the value that means 1.0) and `classes` (names)
  are facts about all examples, static under jit.
  """

  x: jax.Array
  label: jax.Array | None
  shape: tuple[int, ...] = flax.struct.field(pytree_node=False)
  scale: float = flax.struct.field(pytree_node=False, default=255.0)
  classes: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())

  @property
  def size(self) -> int:
    """Number of examples, N."""
    return self.x.shape[0]

  def take(self, index) -> 'Batch':
    """The examples at `index` [B]."""
    label = None if self.label is None else self.label[index]
    return self.replace(x=self.x[index], label=label)

  def images(self) -> jax.Array:
    """x as floats in [0, 1]: [N, H, W, C]; the only division by the scale."""
    x_NP = self.x.astype(jnp.float32) / self.scale
    return x_NP.reshape(-1, *self.shape)


def load(name: str, data_dir: str | None = None) -> dict[str, Batch]:
  """The splits of a dataset: {'train': Batch, 'test': Batch}.

  Raises DataError with the names that exist if there is no such dataset.
  """
  del data_dir  # the embedded sets need no directory
  if name not in EMBEDDED:
    near = difflib.get_close_matches(name, EMBEDDED, n=1)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    raise DataError(
      f'unknown dataset {name!r}{hint}: available are {", ".join(EMBEDDED)}'
    )
  return {split: checked(b) for split, b in EMBEDDED[name]().items()}


def checked(batch: Batch) -> Batch:
  """The batch itself; DataError if its values do not fit its scale."""
  low, high = int(batch.x.min()), int(batch.x.max())
  if low < 0 or high > batch.scale:
    raise DataError(
      f'pixels lie in [{low}, {high}], outside [0, {batch.scale:g}]'
    )
  if high <= 1 < batch.scale:
    raise DataError(
      f'pixels lie in [{low}, {high}] but the scale is {batch.scale:g}: '
      'they seem to have been divided already'
    )
  return batch


def digits() -> dict[str, Batch]:
  """1,797 handwritten digits of scikit-learn in MNIST's geometry, 28x28.

  Enlarged 8x8 -> 96x96, thresholded and area-averaged to 24x24: a plain resize
  is nearly rank 64, and a linear model would beat every network on it.
  """
  x_NP, label_N = _small_digits()
  x_NP = np.stack([_redraw(x_P.reshape(8, 8)) for x_P in x_NP])
  order = np.random.RandomState(0).permutation(len(x_NP))
  names = tuple(str(digit) for digit in range(10))

  def split(index):
    x, label = x_NP[index], label_N[index].astype(np.int32)
    return Batch(x, label, shape=(28, 28, 1), classes=names)

  return {'train': split(order[:1500]), 'test': split(order[1500:])}


def _small_digits():
  # Reads scikit-learn's file without importing scikit-learn, which takes longer
  # than training's first step.
  root = pathlib.Path(importlib.util.find_spec('sklearn').origin).parent
  with gzip.open(root / 'datasets' / 'data' / 'digits.csv.gz') as file:
    table = np.loadtxt(file, delimiter=',', dtype=np.uint8)
  return table[:, :-1], table[:, -1]


def _redraw(x_88):
  from PIL import Image

  small = Image.fromarray((x_88 * (255 / 16)).astype(np.uint8))
  large = np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))
  ink = 255.0 * (large > 127)
  area = ink.reshape(24, 4, 24, 4).mean((1, 3))
  return np.pad(np.rint(area).astype(np.uint8), 2).ravel()


EMBEDDED = {'digits': digits}


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
  return np.random.default_rng((seed, epoch)).permutation(n).astype(np.int32)


def order(seed: int, n: int, start: int, count: int) -> np.ndarray:
  """Positions start .. start+count of a run's endless stream: int32 [count].

  The stream is one permutation of all n examples after another, a pure function
  of (seed, epoch): a resumed run goes on exactly where it stopped.
  """
  parts, position, end = [], start, start + count
  while position < end:
    epoch, offset = divmod(position, n)
    part = _permutation(seed, epoch, n)[offset : offset + end - position]
    parts.append(part)
    position += len(part)
  return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def replicate(tree, devices=None):
  """`tree` on every local device, laid out as `train.over_devices` wants it."""
  devices = jax.local_devices() if devices is None else devices
  # Mesh and not jax.make_mesh, with pmap's axis name: anything else compiles
  # the step a second time.
  mesh = Mesh(np.array(devices), ('devices',))
  sharding = NamedSharding(mesh, PartitionSpec())
  return jax.tree.map(functools.partial(_put, sharding), tree)


def _put(sharding, leaf):
  # Through the host: device_put aliases, and donating the copy would delete
  # the source.
  if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
    key_data = np.asarray(jax.random.key_data(leaf))
    return jax.device_put(jax.random.wrap_key_data(key_data), sharding)
  return jax.device_put(np.asarray(leaf), sharding)
