"""An experiment as a frozen value."""

import dataclasses
import types
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from vae_jax import networks
from vae_jax.config.declared import (
  count,
  function,
  plain,
  rate,
  size,
)
from vae_jax.config.leaves import bound_function, leaves_of, parts
from vae_jax.factors import (
  likelihoods,
  objectives,
  posteriors,
  priors,
  views,
)
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import Model

_measures = 'model params example key_B'
# The fields whose float arguments are leaves, and the plain leaves.
LEAF_FIELDS = 'view', 'objective', 'posterior', 'prior'
RATES = 'learning_rate', 'critic_rate'
# What some leaves are also called, each a flag of its own.
SHORT = {
  'beta': 'objective.beta',
  'free_bits': 'objective.free_bits',
  'sparsity': 'objective.sparsity',
  'noise': 'view.noise',
}


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Numbers and pure functions; the generic loop does the rest.

  Two runs are the same experiment if they agree in every field but those that
  only say how long it trains, how often it is tested and what is reported.
  """

  dataset: str = plain('digits', 'dataset by name')
  phrase: str | None = plain(
    None, 'what is cut out of music: KIND/BARS, such as melody/2'
  )
  view: Callable = function(
    views.clean,
    'what is seen, wanted and given',
    'batch key_B',
    model=True,
  )
  network: Callable = function(
    networks.mlp,
    'encoder and decoder',
    'latents shapes size heads',
    model=True,
  )
  posterior: Callable = function(
    posteriors.normal, 'q(z given x)', 'latents', model=True
  )
  prior: Callable = function(
    priors.standard_normal, 'p(z)', 'latents', model=True
  )
  likelihood: Callable = function(
    likelihoods.bernoulli, 'p(x given z)', '', model=True
  )
  objective: Callable = function(
    objectives.elbo, 'what is minimised', _measures
  )
  critic: Callable | None = function(
    None, 'network on codes', 'latents', model=True
  )
  optimizer: Callable = function(
    optax.scale_by_adam, 'direction of an update, without a rate', ''
  )
  # Each is (leaf, function of the step): that leaf times what it gives.
  schedule: tuple[tuple[str, Callable], ...] = dataclasses.field(
    default=(),
    metadata={
      'help': 'leaves that change over the run: LEAF=linear(steps=1000)',
      'identity': True,
      'model': False,
    },
  )
  latents: int | None = size(
    2, 'size of the code; None: what the network makes of the images'
  )
  batch_size: int = size(128, 'examples per step, over all devices')
  epochs: float = plain(
    20.0, 'passes over the training set', identity=False, low=1e-6, high=1e6
  )
  steps: int | None = count(
    None, 'training steps, instead of epochs', identity=False
  )
  learning_rate: float = rate(1e-3, 'step size')
  clip_norm: float | None = rate(
    None, 'most that the norm of all gradients may be; None: anything'
  )
  critic_rate: float = rate(1e-3, 'step size of the critic')
  seed: int = plain(
    0, 'seed of weights, noise and order', low=0, high=2**32 - 1
  )
  monitor: str = plain(
    'nelbo_nats', 'test measure of the best checkpoint; lower is better'
  )
  micro_batch: int | None = size(
    None,
    'examples on a device whose gradients are taken at once; None: all, but '
    'on CPU as many as are fastest for the network',
    identity=False,
  )
  steps_per_call: int = size(50, 'steps of one compiled call', identity=False)
  unroll: int = count(
    1, 'steps written out in the body of their loop', identity=False
  )
  report_every: int | None = count(
    None, 'steps from test to test; None: a tenth of the run', identity=False
  )
  nll_samples: int = plain(
    100,
    'draws per image of the importance-sampled NLL at the end; 0: none',
    identity=False,
    low=0,
    high=2**20,
  )
  nll_images: int = count(
    1000, 'test images of that NLL, from all over the split', identity=False
  )
  devices: int | None = count(
    None, 'devices to use; None: all there are', identity=False
  )
  precision: str = plain(
    'float32', "of the networks' products: float32, tf32 or bfloat16"
  )
  skip_nonfinite: bool = plain(
    False,
    'go on without an update whose loss or gradient is not finite, and count '
    'it, instead of stopping there',
    identity=False,
  )
  debug_nans: bool = plain(
    False,
    'where a run stops on what is not finite, make that step again operation '
    'by operation and name the one that made it',
    identity=False,
  )
  resident: str = plain(
    'auto',
    'training set on the devices: auto (if it fits), always, or never',
    identity=False,
  )
  stack: str = plain(
    'auto',
    'runs of a sweep on one device: map (one after another), vmap (side by '
    'side), or auto (map on CPU)',
    identity=False,
  )
  measures: tuple[Callable, ...] = function(
    (), 'what is measured on the test split', _measures, identity=False
  )
  baselines: tuple[Callable, ...] = function(
    (), 'trivial rivals', 'train test', identity=False
  )
  pictures: tuple[Callable, ...] = function(
    (), 'figures at the end', 'trained', identity=False
  )
  studies: tuple[Callable, ...] = function(
    (), 'what is found out about a trained model', 'trained', identity=False
  )
  report: Callable | None = function(
    None, 'verdicts on one run or several', 'runs', identity=False
  )
  # Each is one run of an experiment that compares: (name, 'FIELD=VALUE', ...),
  # or (name, another experiment).
  arms: tuple[tuple, ...] = dataclasses.field(
    default=(),
    metadata={'help': 'runs to compare', 'identity': False, 'model': False},
  )

  def leaves(self) -> dict[str, float]:
    """Leaf -> number: the rates of learning, and 'objective.beta' for every
    float argument of a factor's function, also within its own functions."""
    values = {name: getattr(self, name) for name in RATES}
    for field in LEAF_FIELDS:
      values |= leaves_of(getattr(self, field), field, self.takes(field))
    return values

  def hyper(self) -> Hyper:
    """The leaves as float32 scalars."""
    return Hyper({k: jnp.float32(v) for k, v in self.leaves().items()})

  def measured(self) -> tuple[Callable, ...]:
    """All measures: the objective is one."""
    own, _ = parts(self.objective)
    others = [f for f in self.measures if parts(f)[0] is not own]
    return (self.objective, *others)

  def bound(self, hyper: Hyper) -> 'Experiment':
    """The experiment with these numbers, which may be traced, as its leaves."""
    changes = {name: hyper.leaves[name] for name in RATES}
    for field in LEAF_FIELDS:
      changes[field] = bound_function(getattr(self, field), field, hyper.leaves)
    return dataclasses.replace(self, **changes)

  def scheduled(self, hyper: Hyper, step) -> Hyper:
    """The numbers after `step` updates."""
    leaves = dict(hyper.leaves)
    for name, schedule in self.schedule:
      leaves[name] = leaves[name] * schedule(step)
    return hyper.replace(leaves=leaves)

  @staticmethod
  def takes(field: str) -> tuple[str, ...]:
    """The arguments with which the program calls a field's function."""
    return fields()[field].metadata['takes']

  def model(self, data, axis=None) -> Model:
    """The factors bound to the shapes of this data's examples."""
    example = example_shapes(self, data)
    shapes = views.Example(*[x and x.shape[1:] for x in example])
    likelihood = self.likelihood()
    heads = self.posterior(self.latents).heads
    # Two modules alone are a network too.
    network = networks.Network(
      *self.network(self.latents, shapes, likelihood.size, heads)
    )
    latents = self.latents or code_size(network.encoder, example)
    return Model(
      latents=latents,
      network=network,
      q_factor=self.posterior(latents),
      p_factor=self.prior(latents),
      likelihood=likelihood,
      c_factor=self.critic and self.critic(latents),
      precision=self.precision,
      axis=axis,
    )

  def total_steps(self, n: int) -> int:
    """Steps of a whole run on n training examples."""
    if self.steps is not None:
      return self.steps
    return max(1, -(-int(self.epochs * n) // self.batch_size))


def example_shapes(ex: Experiment, data) -> views.Example:
  """What the view makes of two examples of this data, as shapes."""

  def view(data, key):
    key_B = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(2))
    return ex.view(data.take(jnp.zeros(2, int)), key_B)

  return jax.eval_shape(view, data, jax.random.key(0))


def code_size(encoder, example) -> int:
  """Latents that an encoder makes of such examples, those of its first head;
  runs nothing."""

  def encode(key, seen, given):
    return encoder.init_with_output(key, seen, given)[0]

  key = jax.random.key(0)
  stats = jax.eval_shape(encode, key, example.seen, example.given)
  return next(iter(stats.values())).shape[-1]


def sized(ex: Experiment, data) -> Experiment:
  """ex with the number of latents that it has on this data."""
  return dataclasses.replace(ex, latents=ex.model(data).latents)


def fields() -> dict[str, dataclasses.Field]:
  """Name -> field of an Experiment."""
  return {field.name: field for field in dataclasses.fields(Experiment)}


def types_of(name: str) -> tuple:
  """The types that a field may have: (int, NoneType) for steps."""
  return alternatives(typing.get_type_hints(Experiment)[name])


def alternatives(hint) -> tuple:
  """The members of a union; of any other type, itself."""
  if typing.get_origin(hint) in (typing.Union, types.UnionType):
    return typing.get_args(hint)
  return (hint,)


def plain_fields() -> list[dataclasses.Field]:
  """The fields that hold a number or a word, each a flag of its own."""
  several = {'arms', 'schedule', *(f.name for f in function_fields())}
  return [f for f in fields().values() if f.name not in several]


def function_fields() -> list[dataclasses.Field]:
  """The fields that hold functions: changed by --set."""
  return [f for f in fields().values() if 'takes' in f.metadata]
