"""An experiment as a frozen value, and changing its fields by name."""

import ast
import dataclasses
import difflib
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from vae_jax import (
  likelihoods,
  networks,
  objectives,
  posteriors,
  priors,
  views,
)
from vae_jax.model import Model
from vae_jax.objectives import Hyper


class ConfigError(ValueError):
  """A field, type or value that cannot be; one line that says what can."""


def _field(default, text, identity=True):
  return dataclasses.field(
    default=default, metadata={'help': text, 'identity': identity}
  )


def _number(default, text, low=None, above=None, identity=True):
  limits = {'help': text, 'identity': identity, 'low': low, 'above': above}
  return dataclasses.field(default=default, metadata=limits)


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Numbers and pure functions; the generic loop does the rest."""

  dataset: str = _field('digits', 'dataset by name')
  view: Callable = _field(views.clean, 'batch -> Example')
  network: Callable = _field(networks.mlp, 'encoder/decoder pair')
  posterior: Callable = _field(posteriors.Normal, 'q(z given x)')
  prior: Callable = _field(priors.standard_normal, 'p(z)')
  likelihood: Callable = _field(likelihoods.bernoulli, 'p(x given z)')
  objective: Callable = _field(objectives.elbo, 'what is minimised')
  critic: Callable | None = _field(None, 'latents -> critic network')
  optimizer: Callable = _field(optax.scale_by_adam, 'direction of an update')
  schedule: Callable = _field(objectives.constant, 'hyper by step')
  latents: int = _number(2, 'size of the code', low=1)
  batch_size: int = _number(128, 'examples per step, all devices', low=1)
  epochs: float = _number(
    20.0, 'passes over the training set', above=0, identity=False
  )
  steps: int | None = _number(
    None, 'training steps, instead of epochs', low=1, identity=False
  )
  learning_rate: float = _number(1e-3, 'step size', above=0)
  beta: float = _number(1.0, 'weight of the KL', low=0)
  free_bits: float = _number(0.0, 'bits of KL that cost nothing', low=0)
  noise: float = _number(0.5, 'standard deviation of added noise', low=0)
  critic_rate: float = _number(1e-3, "step size of the critic's", above=0)
  seed: int = _number(0, 'seed of weights, noise and order', low=0)
  monitor: str = _field(
    'nelbo_nats', 'test metric, lower is better, of the best checkpoint'
  )
  steps_per_call: int = _number(
    50, 'steps of one compiled call, K', low=1, identity=False
  )
  report_every: int | None = _number(
    None,
    'steps between tests and checkpoints; a tenth of the run if not given',
    low=1,
    identity=False,
  )
  measures: tuple[Callable, ...] = _field((), 'test measures', False)
  baselines: tuple[Callable, ...] = _field((), 'trivial rivals', False)
  pictures: tuple[Callable, ...] = _field((), 'figures at the end', False)
  report: Callable | None = _field(None, 'run -> verdicts', False)

  def hyper(self) -> Hyper:
    """The sweepable numbers as float32 scalars."""
    fields = {f.name for f in dataclasses.fields(Hyper)} - {'z_mask'}
    return Hyper(**{name: jnp.float32(getattr(self, name)) for name in fields})

  def model(self, data, axis=None) -> Model:
    """The factors bound to the shapes of this data's examples."""
    example = example_shapes(self, data)
    shapes = views.Example(*[x and x.shape[1:] for x in example])
    likelihood = self.likelihood()
    encoder, decoder = self.network(
      self.latents, shapes, likelihood.size, self.posterior.heads
    )
    return Model(
      latents=self.latents,
      encoder=encoder,
      decoder=decoder,
      posterior=self.posterior,
      factor=self.prior(self.latents),
      likelihood=likelihood,
      critic_net=self.critic and self.critic(self.latents),
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


def override(ex: Experiment, assignment: str) -> Experiment:
  """ex with 'a.b=value' done, through partials; ConfigError in one line."""
  path, equals, text = assignment.partition('=')
  if not equals:
    raise ConfigError(f'{assignment!r} is not of the form field=value')
  name, *rest = path.strip().split('.')
  field = _known(name, {f.name: f for f in dataclasses.fields(ex)}, 'field')
  old = getattr(ex, name)
  if rest:
    new = _nested(old, rest, text, path)
  elif plain(field):
    new = parse(text, typing.get_type_hints(Experiment)[name], name)
    _within(new, field)
  else:
    new = _function(text, old, path)
  return dataclasses.replace(ex, **{name: new})


def plain(field) -> bool:
  """Whether a field holds a number or a word, so that it gets a flag."""
  hint = typing.get_type_hints(Experiment)[field.name]
  return all(t in (int, float, str, bool, types.NoneType) for t in _union(hint))


def parse(text: str, hint, name: str):
  """The value that `text` means for a field of this type; or ConfigError."""
  options = _union(hint)
  if str in options:
    return text
  try:
    value = ast.literal_eval(text.strip())
  except (ValueError, SyntaxError):
    value = text
  if isinstance(value, int) and not isinstance(value, bool) and int in options:
    return value
  if isinstance(value, (int, float)) and float in options:
    if not isinstance(value, bool):
      return float(value)
  if isinstance(value, tuple(t for t in options if t not in (int, float))):
    return value
  if typing.get_origin(hint) is tuple and isinstance(value, (tuple, list)):
    element = typing.get_args(hint)[0]
    return tuple(parse(repr(v), element, name) for v in value)
  words = {int: 'a whole number', float: 'a number', types.NoneType: 'None'}
  wanted = ' or '.join(
    words.get(t, getattr(t, '__name__', str(t))) for t in options
  )
  raise ConfigError(f'{name} must be {wanted}, not {text!r}')


def _union(hint) -> tuple:
  if isinstance(hint, types.UnionType):
    return typing.get_args(hint)
  return (typing.get_origin(hint) or hint,)


def _within(value, field):
  if value is None or isinstance(value, str):
    return
  low, above = field.metadata.get('low'), field.metadata.get('above')
  if value != value or value in (float('inf'), float('-inf')):
    raise ConfigError(f'{field.name} must be finite, not {value}')
  if low is not None and value < low:
    raise ConfigError(f'{field.name} must be at least {low}, not {value}')
  if above is not None and value <= above:
    raise ConfigError(f'{field.name} must be above {above}, not {value}')


def _known(name, allowed: dict, kind):
  if name in allowed:
    return allowed[name]
  near = difflib.get_close_matches(name, allowed, n=1)
  hint = f' (did you mean {near[0]!r}?)' if near else ''
  raise ConfigError(
    f'unknown {kind} {name!r}{hint}: there are {", ".join(allowed)}'
  )


def _nested(f, names, text, path):
  if f is None:
    raise ConfigError(f'{path}: nothing is there to change')
  function, keywords = parts(f)
  signature = inspect.signature(function).parameters
  # What the program passes by position is not the user's to set.
  allowed = {
    k: p for k, p in signature.items() if p.default is not inspect._empty
  }
  parameter = _known(names[0], allowed, f'argument of {render(function)}')
  old = keywords.get(names[0], parameter.default)
  if len(names) > 1:
    new = _nested(old, names[1:], text, path)
  elif callable(old):
    new = _function(text, old, path)
  else:
    new = parse(text, _hint(function, parameter), path)
  return functools.partial(function, **{**keywords, names[0]: new})


def _hint(function, parameter):
  try:
    hints = typing.get_type_hints(function)
  except (NameError, TypeError):
    hints = {}
  hint = hints.get(parameter.name, type(parameter.default))
  return hint if hint is not typing.Any else type(parameter.default)


def _function(text, old, path):
  module, dot, name = text.strip().rpartition('.')
  if text.strip() == 'None':
    return None
  if not dot:
    if old is None:
      raise ConfigError(f'{path}: give module.name, as in objectives.elbo')
    home = inspect.getmodule(parts(old)[0])
    if home.__name__.startswith('optax'):
      home = optax
  elif module == 'optax':
    home = optax
  else:
    try:
      home = importlib.import_module(f'vae_jax.{module}')
    except ImportError:
      raise ConfigError(
        f'{path}: no module {module!r} in vae_jax, nor is it optax'
      ) from None
  found = getattr(home, name, None)
  if callable(found):
    return found
  known = {n: f for n, f in vars(home).items() if _offered(n, f, home)}
  return _known(name, known, f'function of {home.__name__}')


def _offered(name, f, home):
  return (
    callable(f)
    and not name.startswith('_')
    and getattr(f, '__module__', '').split('.')[0]
    == home.__name__.split('.')[0]
  )


def parts(f) -> tuple[Callable, dict]:
  """The function under a keyword partial, and the keywords."""
  if isinstance(f, functools.partial):
    return f.func, dict(f.keywords)
  return f, {}


def render(value) -> str:
  """A field as text: a number, or module.name(arguments)."""
  if isinstance(value, tuple):
    return '(' + ''.join(render(v) + ', ' for v in value).rstrip() + ')'
  if not callable(value):
    return repr(value)
  function, keywords = parts(value)
  module = function.__module__.removeprefix('vae_jax.')
  if module.startswith('optax'):
    module = 'optax'
  text = f'{module}.{function.__qualname__}'
  inside = ', '.join(f'{k}={render(v)}' for k, v in sorted(keywords.items()))
  return f'{text}({inside})' if keywords else text


def rendered(ex: Experiment) -> dict[str, str]:
  """Every field of an experiment as text."""
  return {f.name: render(getattr(ex, f.name)) for f in dataclasses.fields(ex)}


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
  """Fields, among those that make a run what it is, that are not the same."""
  names = [
    f.name for f in dataclasses.fields(Experiment) if f.metadata['identity']
  ]
  return [
    f'{name} was {old.get(name)}, now {new[name]}'
    for name in names
    if old.get(name) != new[name]
  ]
