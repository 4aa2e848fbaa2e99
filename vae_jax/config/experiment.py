"""An experiment as a frozen value."""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from vae_jax import networks
from vae_jax.factors import (
  likelihoods,
  objectives,
  posteriors,
  priors,
  views,
)
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import Model


class ConfigError(ValueError):
  """A field, type or value that cannot be; one line that says what can."""


def _plain(default, text, identity=True, low=None, high=None):
  """A number from low to high, or a word: it gets a flag of its own."""
  facts = {'help': text, 'identity': identity, 'low': low, 'high': high}
  facts['model'] = True
  return dataclasses.field(default=default, metadata=facts)


def _function(default, text, takes, identity=True, model=False):
  """A function, called with the arguments that `takes` names; `model` if what
  was trained cannot be used without it."""
  facts = {'help': text, 'identity': identity, 'takes': tuple(takes.split())}
  facts['model'] = model
  return dataclasses.field(default=default, metadata=facts)


_count = functools.partial(_plain, low=1, high=2**31 - 1)
_size = functools.partial(_plain, low=1, high=2**20)
# Far inside float32: neither 0 nor infinite once they are on the device.
_rate = functools.partial(_plain, low=1e-12, high=1e12)
_weight = functools.partial(_plain, low=0.0, high=1e12)
_measures = 'model params example key_B hyper'


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Numbers and pure functions; the generic loop does the rest.

  Two runs are the same experiment if they agree in every field but those that
  only say how long it trains, how often it is tested and what is reported.
  """

  dataset: str = _plain('digits', 'dataset by name')
  view: Callable = _function(
    views.clean,
    'what is seen, wanted and given',
    'batch key_B hyper',
    model=True,
  )
  network: Callable = _function(
    networks.mlp,
    'encoder and decoder',
    'latents shapes size heads',
    model=True,
  )
  posterior: Callable = _function(
    posteriors.Normal,
    'q(z given x)',
    'z_mean z_log_sigma z_mask',
    model=True,
  )
  prior: Callable = _function(
    priors.standard_normal, 'p(z)', 'latents', model=True
  )
  likelihood: Callable = _function(
    likelihoods.bernoulli, 'p(x given z)', '', model=True
  )
  objective: Callable = _function(
    objectives.elbo, 'what is minimised', _measures
  )
  critic: Callable | None = _function(
    None, 'network on codes', 'latents', model=True
  )
  optimizer: Callable = _function(
    optax.scale_by_adam, 'direction of an update, without a rate', ''
  )
  schedule: Callable = _function(
    objectives.constant, 'numbers that change over the run', 'hyper step'
  )
  latents: int | None = _size(
    2, 'size of the code; None: what the network makes of the images'
  )
  batch_size: int = _size(128, 'examples per step, over all devices')
  epochs: float = _plain(
    20.0, 'passes over the training set', identity=False, low=1e-6, high=1e6
  )
  steps: int | None = _count(
    None, 'training steps, instead of epochs', identity=False
  )
  learning_rate: float = _rate(1e-3, 'step size')
  beta: float = _weight(1.0, 'weight of the KL')
  free_bits: float = _weight(0.0, 'bits of KL that cost nothing')
  noise: float = _weight(0.5, 'standard deviation of added noise')
  sparsity: float = _weight(0.0, 'weight of the L1 norm of the code')
  critic_rate: float = _rate(1e-3, 'step size of the critic')
  seed: int = _plain(
    0, 'seed of weights, noise and order', low=0, high=2**32 - 1
  )
  monitor: str = _plain(
    'nelbo_nats', 'test measure of the best checkpoint; lower is better'
  )
  micro_batch: int | None = _size(
    None,
    'examples on a device whose gradients are taken at once; None: all, but '
    'on CPU as many as are fastest for the network',
    identity=False,
  )
  steps_per_call: int = _size(50, 'steps of one compiled call', identity=False)
  report_every: int | None = _count(
    None, 'steps from test to test; None: a tenth of the run', identity=False
  )
  nll_samples: int = _plain(
    100,
    'draws per image of the importance-sampled NLL at the end; 0: none',
    identity=False,
    low=0,
    high=2**20,
  )
  nll_images: int = _count(
    1000, 'test images of that NLL, from all over the split', identity=False
  )
  devices: int | None = _count(
    None, 'devices to use; None: all there are', identity=False
  )
  precision: str = _plain(
    'float32', "of the networks' products: float32, tf32 or bfloat16"
  )
  resident: str = _plain(
    'auto',
    'training set on the devices: auto (if it fits), always, or never',
    identity=False,
  )
  stack: str = _plain(
    'auto',
    'runs of a sweep on one device: map (one after another), vmap (side by '
    'side), or auto (map on CPU)',
    identity=False,
  )
  measures: tuple[Callable, ...] = _function(
    (), 'what is measured on the test split', _measures, identity=False
  )
  baselines: tuple[Callable, ...] = _function(
    (), 'trivial rivals', 'ex train test', identity=False
  )
  pictures: tuple[Callable, ...] = _function(
    (), 'figures at the end', 'trained', identity=False
  )
  report: Callable | None = _function(
    None, 'verdicts on one run or several', 'runs', identity=False
  )
  # Each is (name, 'FIELD=VALUE', ...): one run of an experiment that compares.
  arms: tuple[tuple[str, ...], ...] = dataclasses.field(
    default=(),
    metadata={'help': 'runs to compare', 'identity': False, 'model': False},
  )

  def hyper(self) -> Hyper:
    """The sweepable numbers as float32 scalars."""
    names = {f.name for f in dataclasses.fields(Hyper)} - {'z_mask'}
    return Hyper(**{name: jnp.float32(getattr(self, name)) for name in names})

  def model(self, data, axis=None) -> Model:
    """The factors bound to the shapes of this data's examples."""
    example = example_shapes(self, data)
    shapes = views.Example(*[x and x.shape[1:] for x in example])
    likelihood = self.likelihood()
    encoder, decoder = self.network(
      self.latents, shapes, likelihood.size, self.posterior.heads
    )
    latents = self.latents or code_size(encoder, example)
    return Model(
      latents=latents,
      encoder=encoder,
      decoder=decoder,
      posterior=self.posterior,
      factor=self.prior(latents),
      likelihood=likelihood,
      critic_net=self.critic and self.critic(latents),
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
    return ex.view(data.take(jnp.zeros(2, int)), key_B, ex.hyper())

  return jax.eval_shape(view, data, jax.random.key(0))


def code_size(encoder, example) -> int:
  """Latents that an encoder makes of such examples; runs nothing."""

  def encode(key, seen, given):
    return encoder.init_with_output(key, seen, given)[0]

  key = jax.random.key(0)
  return jax.eval_shape(encode, key, example.seen, example.given)[0].shape[-1]


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
  several = {'arms', *(f.name for f in function_fields())}
  return [f for f in fields().values() if f.name not in several]


def function_fields() -> list[dataclasses.Field]:
  """The fields that hold functions: changed by --set."""
  return [f for f in fields().values() if 'takes' in f.metadata]
