"""Examples as they are stored, and the checks that any dataset must pass."""

import flax.struct
import jax
import jax.numpy as jnp


class DataError(ValueError):
  """A dataset that cannot be had or is not what it should be; one line."""


def check_file(path):
  """DataError unless this is a file: to open a pipe would wait for ever."""
  if not path.is_file():
    wrong = 'is not a file' if path.exists() else 'does not exist'
    if path.is_symlink() and not path.exists():
      wrong = 'is a link that leads nowhere'
    raise DataError(f'{path} {wrong}')


@flax.struct.dataclass
class Batch:
  """Examples as stored: x integers [N, H*W*C], label int [N] or None.

  `shape` (H, W, C), `scale` (the value that means 1.0) and `classes` (names)
  are facts about all examples, static under jit. With `numbers` x is [N, H*W],
  and each of them is one of C classes: sequences of H steps and W tracks.
  """

  x: jax.Array
  label: jax.Array | None
  shape: tuple[int, ...] = flax.struct.field(pytree_node=False)
  scale: float = flax.struct.field(pytree_node=False, default=255.0)
  classes: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())
  numbers: bool = flax.struct.field(pytree_node=False, default=False)

  @property
  def size(self) -> int:
    """Number of examples, N."""
    return self.x.shape[0]

  def take(self, index) -> 'Batch':
    """The examples at `index` [B]; it may be traced, also of host arrays."""
    traced = isinstance(index, jax.core.Tracer)
    x, label = self.x, self.label
    x = jnp.asarray(x) if traced else x
    if label is not None:
      label = (jnp.asarray(label) if traced else label)[index]
    return self.replace(x=x[index], label=label)

  def images(self) -> jax.Array:
    """x as floats in [0, 1], one-hot if it is numbers: [N, H, W, C]; the only
    division by the scale."""
    if self.numbers:
      x_NHW = self.x.reshape(-1, *self.shape[:2]).astype(jnp.int32)
      return jax.nn.one_hot(x_NHW, self.shape[2])
    x_NP = self.x.astype(jnp.float32) / self.scale
    return x_NP.reshape(-1, *self.shape)


def checked(batch: Batch) -> Batch:
  """The batch itself; DataError if its values do not fit its scale."""
  low, high = int(batch.x.min()), int(batch.x.max())
  if low < 0 or high > batch.scale:
    raise DataError(
      f'pixels lie in [{low}, {high}], outside [0, {batch.scale:g}]'
    )
  if 0 < high <= 1 < batch.scale:
    raise DataError(
      f'pixels lie in [{low}, {high}] but the scale is {batch.scale:g}: '
      'they seem to have been divided already'
    )
  return batch
