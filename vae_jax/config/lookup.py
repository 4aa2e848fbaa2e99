"""Functions found by name, if they fit a field: 'networks.conv'."""

import difflib
import inspect
import typing

import optax

from vae_jax.config.declared import ConfigError
from vae_jax.config.leaves import parts
from vae_jax.config.text import (
  current,
  module,
  module_name,
  own_files,
  render,
)
from vae_jax.console import nearest

DIRECTION = optax.GradientTransformation


def value_named(name: str, allowed: dict, kind: str, where: str = ''):
  """allowed[name]; ConfigError with the nearest and all names otherwise."""
  if name in allowed:
    return allowed[name]
  names = ', '.join(allowed) if allowed else 'none'
  raise ConfigError(
    f'unknown {kind} {name!r}{where}{nearest(name, allowed)}: there are {names}'
  )


def function(text: str, like, takes: tuple[str, ...], path: str):
  """The function that `text` names, in the module of `like` if it says none.

  Raises ConfigError naming those that fit there, or anywhere.
  """
  if '.' not in text and like is None:
    raise ConfigError(f'{path}={text}: say module.name, as in objectives.elbo')
  full = text if '.' in text else f'{module_name(parts(like)[0])}.{text}'
  home, _, name = current(full).rpartition('.')
  try:
    here = module(home)
  except ImportError:
    here = None
  value = getattr(here, name, None)
  if fits(value, like, takes):
    return value
  homes = [here] if like is None else [here, home_of(like)]
  offered = [choices(home, like, takes) for home in homes if home]
  offered = next(filter(None, offered), None) or everywhere(like, takes)
  raise ConfigError(
    f'{path} cannot be {text!r}{nearest(name, offered)}: '
    f'there are {listed(offered, name)}, called with ({", ".join(takes)})'
  )


def home_of(f):
  """The module in which the user finds this function; None for one that is
  neither ours nor the user's."""
  try:
    return module(module_name(parts(f)[0]))
  except ImportError:
    return None


def choices(home, like, takes: tuple[str, ...]) -> dict:
  """Name -> function of the module's own functions that fit."""
  return {
    name: f
    for name, f in vars(home).items()
    if not name.startswith('_')
    and fits(f, like, takes)
    and f.__module__.startswith(home.__name__)
  }


def everywhere(like, takes: tuple[str, ...]) -> dict:
  """Name -> function of all functions of this package that fit."""
  fitting = {}
  for name in own_files():
    fitting |= choices(module(name), like, takes)
  return fitting


def fits(f, like, takes: tuple[str, ...]) -> bool:
  """Whether f can be called with these arguments and, as far as annotations
  tell, returns what `like` does."""
  if not (inspect.isfunction(f) or inspect.isclass(f)):
    return False
  try:
    parameters = inspect.signature(f).parameters
  except ValueError:  # a class written in C
    return False
  # The step has a rate of its own: an optimizer with one is not a direction.
  ready = 'learning_rate' not in parameters
  first = tuple(parameters)[: len(takes)]
  rest = [p for p in list(parameters.values())[len(takes) :] if mandatory(p)]
  if not ready or first != takes or rest or not same_kind(f, like):
    return False
  kind = returned(f)
  return not kind or not issubclass(kind, DIRECTION) or is_direction(f)


def is_direction(f) -> bool:
  """Whether an optimizer of optax makes a direction of gradients alone: those
  that scale_by_ something, and plain descent. Others need the loss
  (scale_by_polyak), or expect an update that has its rate and its sign."""
  if f.__module__.partition('.')[0] != 'optax':
    return True
  if f.__name__ != 'identity' and not f.__name__.startswith('scale_by_'):
    return False
  more = list(inspect.signature(f().update).parameters.values())[3:]
  return not any(map(mandatory, more))


def mandatory(parameter: inspect.Parameter) -> bool:
  """Whether a call must give this argument."""
  variadic = parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
  return parameter.default is parameter.empty and parameter.kind not in variadic


def required(f) -> tuple[str, ...]:
  """The arguments that every call must give."""
  parameters = inspect.signature(f).parameters
  return tuple(name for name, p in parameters.items() if mandatory(p))


def same_kind(f, like) -> bool:
  """Whether f returns what `like` returns; where `like` does not say, True."""
  kind = returned(like)
  if kind is None or inspect.isclass(like):
    return True
  if (own_kind := returned(f)) is None:
    return module_name(f) == module_name(like)
  return issubclass(own_kind, kind)


def returned(f):
  """The class that f returns, None if its annotations do not say."""
  kind = f if inspect.isclass(f) else hints(parts(f)[0]).get('return')
  return kind if inspect.isclass(kind) else None


def listed(offered: dict, name: str, most: int = 12) -> str:
  """'networks.mlp, networks.conv'; of many, those that are like this name."""
  if not offered:
    return 'none'
  names = list(offered)
  if len(names) > most:
    near = difflib.get_close_matches(name, names, n=most, cutoff=0.0)
    shown = ', '.join(render(offered[name]) for name in near)
    return f'{shown} and {len(names) - most} more'
  return ', '.join(render(f) for f in offered.values())


def hints(f, extras: bool = False) -> dict:
  """The annotations of a function, with `extras` as they were written; none if
  they do not resolve."""
  try:
    return typing.get_type_hints(f, include_extras=extras)
  except (NameError, TypeError, AttributeError):
    return {}
