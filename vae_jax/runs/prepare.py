"""What must be known before a run starts: that it can, and its first state."""

import contextlib
import functools
import time

import jax
import jax.numpy as jnp

from vae_jax import config, data, hosts, training
from vae_jax.config.experiment import Experiment
from vae_jax.console import listed
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import PRECISIONS, WholeBatch
from vae_jax.measures import pooled
from vae_jax.runs.directory import Refused
from vae_jax.training import State, sharded
from vae_jax.training.devices import devices_of


class Clock:
  """Seconds spent in each named part of a run; `started` is a perf_counter."""

  def __init__(self, started=None):
    now = time.perf_counter()
    self.started = now if started is None else started
    self.seconds = {'start': now - self.started}

  @contextlib.contextmanager
  def __call__(self, part: str):
    """Adds the time of the block to this part."""
    start = time.perf_counter()
    hosts.mark(part)
    try:
      yield
    finally:
      hosts.mark(f'after {part}')
      spent = time.perf_counter() - start
      self.seconds[part] = self.seconds.get(part, 0.0) + spent

  def add(self, other: 'Clock'):
    """Adds the parts of another clock to this one's."""
    for part, spent in other.seconds.items():
      self.seconds[part] = self.seconds.get(part, 0.0) + spent

  def wall(self) -> float:
    """Seconds since the start."""
    return time.perf_counter() - self.started


def check_batch(ex: Experiment, devices: int):
  """Refused if the devices cannot share a training batch, or are not there."""
  there = len(jax.local_devices())
  if ex.devices and ex.devices > there:
    raise Refused(f'devices must be from 1 to {there}, not {ex.devices}')
  if ex.batch_size % devices:
    down = ex.batch_size // devices * devices or devices
    raise Refused(
      f'batch_size {ex.batch_size} cannot be divided over {devices} devices: '
      f'use a multiple of {devices}, for instance {down}'
    )
  if ex.micro_batch is None:
    return
  each = ex.batch_size // devices
  if each % ex.micro_batch:
    raise Refused(
      f'micro_batch {ex.micro_batch} does not divide the {each} examples of a '
      'device: use one of '
      + ', '.join(str(n) for n in range(1, each + 1) if each % n == 0)
    )


def check(ex: Experiment, splits: dict[str, data.Batch]):
  """Refused if this experiment cannot run on this data; compiles nothing."""
  check_words(ex)
  for leaf, _ in ex.schedule:
    if leaf not in ex.leaves():
      there = ', '.join(ex.leaves())
      raise Refused(f'schedule moves {leaf}, which is not there: {there} are')
  try:
    shapes = pooled.shapes(ex, splits['test'])
    check_pieces(ex, splits['test'])
  except (ValueError, TypeError, ArithmeticError) as error:
    raise Refused(str(error).splitlines()[0]) from error
  numbers = [name for name, shape in shapes.items() if not shape]
  if ex.monitor not in numbers:
    there = ', '.join(numbers)
    raise Refused(f'monitor {ex.monitor!r} is not measured: there are {there}')


def check_words(ex: Experiment):
  """Refused if a field that is one of several words is none of them."""
  words = {
    'resident': ('auto', 'always', 'never'),
    'stack': ('auto', 'map', 'vmap'),
    'precision': tuple(PRECISIONS),
  }
  for name, allowed in words.items():
    if (word := getattr(ex, name)) not in allowed:
      raise Refused(f'{name} must be {listed(allowed)}, not {word!r}')


def check_pieces(ex: Experiment, batch: data.Batch):
  """Refused if an objective that compares examples is to be given pieces."""
  shares = len(devices_of(ex)) * hosts.count()
  if ex.micro_batch is None or ex.micro_batch >= ex.batch_size // shares:
    return

  def step(batch, hyper: Hyper, state: State):
    return training.step(ex, batch, hyper, state, jnp.zeros(ex.batch_size, int))

  try:
    state = abstract(ex, batch, jax.local_devices()[0])
    jax.eval_shape(step, batch, ex.hyper(), state)
  except WholeBatch as error:
    name = config.render(config.parts(ex.objective)[0])
    raise Refused(
      f'objective {name} compares the examples of a batch: micro_batch must be '
      'None'
    ) from error


def abstract(ex: Experiment, batch: data.Batch, device) -> State:
  """Shapes of a State on this device, for a checkpoint to be restored like."""
  init = functools.partial(training.init, ex=ex, hyper=ex.hyper())
  state = jax.eval_shape(
    lambda key, batch: init(key, data=batch), jax.random.key(0), batch
  )
  sharding = sharded([device], jax.sharding.PartitionSpec())
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state
  )


def initial(ex: Experiment, batch: data.Batch):
  """A function (experiment) -> its State before the first step, compiled once
  for all that differ from ex in the numbers of Hyper and the seed alone."""
  init = jax.jit(
    functools.partial(training.init, ex=ex), compiler_options=hasty()
  )
  # Only shapes matter here; a large set stays where it is.
  one = jax.tree.map(lambda x: x[:1], batch)
  return lambda ex: init(jax.random.key(ex.seed), hyper=ex.hyper(), data=one)


def hasty() -> dict | None:
  """Compiler options for what runs once or not at all: on CPU, LLVM takes
  seconds to optimise what XLA has made of it."""
  on_cpu = jax.default_backend() == 'cpu'
  return {'xla_backend_optimization_level': 0} if on_cpu else None
