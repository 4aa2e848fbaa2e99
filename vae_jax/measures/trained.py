"""A model with its parameters, for pictures, studies and users; and what is
known of it without them, for reports."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from vae_jax import config, data
from vae_jax.config.experiment import Experiment
from vae_jax.data import Batch
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.views import Example
from vae_jax.measures import examples
from vae_jax.training import State


class Run(NamedTuple):
  """What is known of a run that has ended: all that a report sees, and all of
  it is in the run's directory.

  `results` is the content of results.json, `studies` what each of the
  experiment's studies found, arrays among it, `history` the list of
  metrics.jsonl's lines. In a grid, `arm` names the experiment's arm that this
  is, `label` all in which it differs from its neighbours but the seed, and
  `changes` the overrides that give it.
  """

  ex: Experiment
  results: dict
  studies: dict[str, dict]
  history: list[dict]
  arm: str = ''
  label: str = ''
  changes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Trained:
  """An experiment after training. Methods take and give host arrays.

  `history`, `results`, `arm`, `label` and `changes` are those of its Run,
  `rivals` the baselines' predictions for the test split, `among` all models of
  the command, itself too, for studies that ask another one.
  """

  ex: Experiment
  data: dict[str, Batch]
  hyper: Hyper
  state: State
  history: list[dict] = dataclasses.field(default_factory=list)
  results: dict = dataclasses.field(default_factory=dict)
  rivals: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  arm: str = ''
  label: str = ''
  changes: tuple[str, ...] = ()
  among: 'tuple[Trained, ...]' = dataclasses.field(default=(), repr=False)

  def told(self, **changes) -> 'Trained':
    """The same model with these results, rivals or others in `among`."""
    other = dataclasses.replace(self, **changes)
    # What was computed and compiled depends on neither.
    kept = {'model', 'test', '_tested', '_shapes', '_encode', '_decode'} & vars(
      self
    ).keys()
    vars(other).update({name: vars(self)[name] for name in kept})
    return other

  def run(self, studies: dict[str, dict] | None = None) -> Run:
    """What a report sees of it, with what its studies found."""
    names = 'ex', 'results', 'history', 'arm', 'label', 'changes'
    own = {name: getattr(self, name) for name in names}
    return Run(**own, studies=studies or {})

  def first_of_seed(self) -> bool:
    """Whether no other model of its seed comes before it."""
    same = (one for one in self.among if one.ex.seed == self.ex.seed)
    return next(same, self).changes == self.changes

  @functools.cached_property
  def model(self):
    """The bound model."""
    return self.ex.model(self.data['test']).bind(self.hyper.z_mask)

  @functools.cached_property
  def test(self) -> Example:
    """The view of the test split that the measures saw: an Example; of a very
    large split some from all over it (examples.MOST_BYTES)."""
    key = examples.evaluation_key(self.state)
    args = self.ex, self.data['test'], self.hyper, key, self._tested
    return examples.on_host(*args)

  @property
  def test_label(self) -> np.ndarray | None:
    """The labels of `test`."""
    label = self.data['test'].label
    return None if label is None else np.asarray(label)[self._tested]

  @functools.cached_property
  def _tested(self):
    split = self.data['test']
    return data.spread(split.size, examples.fitting(self.ex, split))

  def examples(self, split: str, limit: int) -> Example:
    """The view of at most `limit` examples from all over a split: an Example.

    Its noise is that of no training step, and none of it is in two splits.
    """
    batch = self.data[split]
    mark = examples.EVALUATION if split == 'test' else examples.BASELINES
    key = jax.random.fold_in(self.state.key, mark)
    few = batch.take(data.spread(batch.size, limit))
    return examples.on_host(self.ex, few, self.hyper, key)

  def encode(self, seen, given=None):
    """Posterior means of images [N, H, W, C], floats in [0, 1] or integers as
    they are stored, 0 to 255: [N, Z]; ValueError if they do not fit."""
    seen, shapes = np.asarray(seen), self._shapes
    wanted = shapes.seen.shape[1:]
    if seen.shape[1:] != wanted:
      one = ': one image is a batch of one' * (seen.shape == wanted)
      raise ValueError(
        f'this model sees images [N, {", ".join(map(str, wanted))}], not '
        f'{list(seen.shape)}{one}'
      )
    if seen.dtype.kind in 'ui':
      seen = seen.astype(np.float32) / self.data['test'].scale
    if not np.isfinite(seen).all():
      raise ValueError('images hold values that are not finite')
    self._check_given(len(seen), given)
    if not len(seen):
      return np.zeros((0, self.ex.latents), np.float32)
    return _chunked(self._encode, self.state.params, seen, given)

  def decode(self, z, given=None):
    """Mean images of codes [N, Z]: [N, H, W, C]; ValueError for other Z."""
    if np.shape(z)[1:] != (self.ex.latents,):
      raise ValueError(
        f'this model has {self.ex.latents} latents, not '
        f'{size_in_words(np.shape(z)[1:])}'
      )
    self._check_given(len(z), given)
    if not len(z):
      return np.zeros((0, *self._shapes.wanted.shape[1:]), np.float32)
    return _chunked(self._decode, self.state.params, z, given)

  @functools.cached_property
  def _shapes(self) -> Example:
    return config.example_shapes(self.ex, self.data['test'])

  def _check_given(self, count: int, given):
    wanted = self._shapes.given
    if (wanted is None) != (given is None):
      needs = 'is given nothing' if wanted is None else 'needs what it is given'
      known = '' if wanted is None else f': [N, {wanted.shape[-1]}]'
      raise ValueError(f'this model {needs} with each example{known}')
    if given is not None and np.shape(given) != (count, *wanted.shape[1:]):
      raise ValueError(
        f'{count} examples are given {list(np.shape(given))}, not '
        f'{[count, *wanted.shape[1:]]}'
      )

  def reconstruct(self, seen, given=None):
    """Mean images for the mean codes of images: [N, H, W, C]."""
    return self.decode(self.encode(seen, given), given)

  def generate(self, count: int, seed: int = 0, given=None):
    """Mean images of draws from the prior, or what the network makes of draws
    in its own way: [count, H, W, C]; ValueError for another count of what is
    given."""
    self._check_given(count, given)
    key_B = jax.random.split(jax.random.key(seed), count)
    if self.model.network.generate:
      return self._generated(key_B, given)
    prior = self.model.prior(self.state.params, given)
    return self.decode(jax.device_get(prior.sample(key_B)), given)

  def _generated(self, key_B, given, size: int = 128):
    """Model.generate of every key, `size` at a time."""
    generate, parts = jax.jit(self.model.generate), []
    for start in range(0, len(key_B), size):
      chosen = np.minimum(np.arange(start, start + size), len(key_B) - 1)
      own = None if given is None else np.asarray(given)[chosen]
      made = generate(self.state.params, key_B[chosen], own)
      parts.append(np.asarray(made)[: len(key_B) - start])
    return np.concatenate(parts)

  @functools.cached_property
  def _encode(self):
    def encode(params, seen, given):
      return self.model.encode(params, seen, given).mean

    return jax.jit(encode)

  @functools.cached_property
  def _decode(self):
    def decode(params, z, given):
      outputs = self.model.decode(params, z, given)
      return self.model.likelihood.mean(outputs)

    return jax.jit(decode)


def size_in_words(shape) -> str:
  """'28x28x1'."""
  return 'x'.join(map(str, shape))


def _chunked(f, params, x, given, size: int = 128):
  # One shape whatever the count: each new shape would compile again.
  parts = []
  for start in range(0, len(x), size):
    part = [_padded(a, start, size) for a in (x, given)]
    parts.append(np.asarray(f(params, *part))[: len(x) - start])
  return np.concatenate(parts)


def _padded(x, start, size):
  if x is None:
    return None
  part = np.asarray(x)[start : start + size]
  missing = size - len(part)
  return np.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1))
