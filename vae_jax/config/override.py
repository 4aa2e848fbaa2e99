"""Changing the fields of an experiment by text: 'network.widths=(256,)'."""

import ast
import dataclasses
import functools
import inspect
import math
import types
import typing

from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import (
  LEAF_FIELDS,
  SHORT,
  Experiment,
  alternatives,
  fields,
  plain_fields,
  types_of,
)
from vae_jax.config.leaves import parts
from vae_jax.config.lookup import function, hints, required, value_named
from vae_jax.config.text import render
from vae_jax.factors import schedules

WORDS = {
  int: 'a whole number',
  float: 'a finite number',
  bool: 'True or False',
  str: 'a word',
  types.NoneType: 'None',
}


def override(ex: Experiment, assignment: str) -> Experiment:
  """ex with 'a.b=value' done, through partials; ConfigError in one line."""
  path, equals, text = (part.strip() for part in assignment.partition('='))
  if not equals:
    raise ConfigError(f'{assignment!r} is not of the form FIELD=VALUE')
  if not text:
    raise ConfigError(f'{path}= needs a value')
  if path in SHORT:
    check_short(ex, path)
  name, *names = SHORT.get(path, path).split('.')
  also = {} if names else dict.fromkeys(SHORT)
  field = value_named(name, fields() | also, 'field')
  old = getattr(ex, name)
  if name == 'arms':
    new = picked(text, old)
  elif name == 'schedule':
    new = scheduled(ex, '.'.join(names), text)
  elif names:
    new = nested(old, names, text, path, field.metadata.get('takes', ()))
  elif field in plain_fields():
    new = plain(field, text)
  elif text == 'None' and types.NoneType in types_of(name):
    new = None
  elif isinstance(old, tuple):
    new = several(text, old, field)
  else:
    new = called(text, field.default or old, field.metadata['takes'], name)
  return dataclasses.replace(ex, **{name: new})


def check_short(ex: Experiment, name: str):
  """ConfigError if what this is short for does not exist in ex."""
  if not has(ex, SHORT[name]):
    field, argument = SHORT[name].split('.')
    f = render(parts(getattr(ex, field))[0])
    raise ConfigError(
      f'{name} is {SHORT[name]}, and {f} has no {argument}: the numbers of '
      f'this experiment are {", ".join(ex.leaves())}'
    )


def has(ex: Experiment, path: str) -> bool:
  """Whether FIELD.ARGUMENT is an argument of the function in that field."""
  field, argument = path.split('.')
  return argument in inspect.signature(getattr(ex, field)).parameters


def scheduled(ex: Experiment, leaf: str, text: str) -> tuple:
  """The schedules of ex with this one for the leaf, or without one for it;
  without any if no leaf is named and the text is None."""
  leaf = SHORT.get(leaf, leaf)
  if not leaf and text == 'None':
    return ()
  if not leaf:
    raise ConfigError(
      f'schedule={text}: say of what, as in schedule.{next(iter(ex.leaves()))}='
      f'{text}'
    )
  value_named(leaf, ex.leaves(), 'number')
  others = tuple(pair for pair in ex.schedule if pair[0] != leaf)
  if text == 'None':
    return others
  path = f'schedule.{leaf}'
  new = leaf, called(text, schedules.linear, ('step',), path)
  return tuple(sorted((*others, new), key=lambda pair: pair[0]))


def called(text: str, like, takes: tuple[str, ...], path: str):
  """The function that 'noisy' or 'noisy(noise=0.3)' means."""
  node = parsed(text)
  if not isinstance(node, ast.Call):
    return function(text, like, takes, path)
  f = function(ast.unparse(node.func), like, takes, path)
  if node.args or any(keyword.arg is None for keyword in node.keywords):
    raise ConfigError(f'{path}={text}: give arguments by name, as in f(a=1)')
  for keyword in node.keywords:
    value, at = keyword.value, f'{path}.{keyword.arg}'
    word = isinstance(value, ast.Constant) and isinstance(value.value, str)
    value = value.value if word else ast.unparse(value)
    f = nested(f, [keyword.arg], value, at, takes)
  return f


def parsed(text: str):
  """A text as an expression; None if it is none."""
  try:
    node = ast.parse(text.strip(), mode='eval').body
    ast.unparse(node)
    return node
  except (ValueError, SyntaxError, MemoryError, RecursionError):
    return None


def picked(text: str, arms: tuple) -> tuple:
  """The arms with these names: 'lesson, unet'."""
  there = {arm[0]: arm for arm in arms}
  names = [name.strip() for name in text.split(',')]
  return tuple(value_named(name, there, 'arm') for name in dict.fromkeys(names))


def plain(field, text: str):
  """The number or word that `text` means for this field, in its range."""
  value = parse(text, types_of(field.name), field.name)
  low, high = field.metadata['low'], field.metadata['high']
  if isinstance(value, int | float) and not isinstance(value, bool):
    check_range(value, low, high, field.name, text)
  return value


def check_range(value, low, high, name: str, text: str):
  """ConfigError unless low <= value <= high: NaN fails too."""
  if not low <= value <= high:
    raise ConfigError(
      f'{name} must be from {low:.10g} to {high:.10g}, not {text:.60}'
    )


def parse(text: str, allowed: tuple, name: str, least: int = 1):
  """The value of one of the allowed types that `text` means; whole numbers in a
  tuple are `least` or more."""
  if types.NoneType in allowed and text == 'None':
    return None
  if str in allowed:
    return text
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
    value = text
  for kind in allowed:
    if (parsed := converted(value, kind, least)) is not REFUSED:
      return parsed
  wanted = ' or '.join(describe(kind, least) for kind in allowed)
  raise ConfigError(f'{name} must be {wanted}, not {text!r:.60}')


REFUSED = object()


def converted(value, kind, least: int = 1):
  """value as this type, REFUSED if it is not one: int to float, list to tuple.

  A bool is no number, and what sits in a tuple is a size, unless it is said to
  be an index: `least` or more.
  """
  if typing.get_origin(kind) is tuple:
    if not isinstance(value, tuple | list):
      return REFUSED
    element = typing.get_args(kind)[0]
    elements = tuple(converted(v, element) for v in value)
    bad = [v for v in elements if v is REFUSED or type(v) is int and v < least]
    return REFUSED if bad else elements
  if kind is float and type(value) is int:
    return float(value) if abs(value) < 1e300 else math.inf
  return value if type(value) is kind else REFUSED


def describe(kind, least: int = 1) -> str:
  """A type in words: 'a tuple of whole numbers above 0, as in (256,)'."""
  if typing.get_origin(kind) is not tuple:
    return WORDS[kind]
  if typing.get_args(kind)[0] is int:
    return f'a tuple of whole numbers above {least - 1}, as in (256,)'
  return 'a tuple of finite numbers, as in (0.5,)'


def nested(f, names, text: str, path: str, takes: tuple[str, ...]):
  """f, called with what `takes` names, with its argument names[0] changed, or
  an argument of that."""
  if not callable(f):
    raise ConfigError(f'{path}: {render(f)} has no arguments')
  base, keywords = parts(f)
  parameters = settable(base, takes)
  parameter = value_named(
    names[0], parameters, 'argument', f' of {render(base)}'
  )
  old = keywords.get(names[0], parameter.default)
  if len(names) > 1:
    takes = required(old) if callable(old) else ()
    new = nested(old, names[1:], text, path, takes)
  elif callable(old):
    new = called(text, old, required(old), path)
  else:
    new = argument(text, base, parameter, path)
  return functools.partial(base, **{**keywords, names[0]: new})


def settable(f, takes: tuple[str, ...]) -> dict[str, inspect.Parameter]:
  """The arguments of a function that are the user's: those with a default which
  the program does not pass itself."""
  return {
    name: parameter
    for name, parameter in inspect.signature(f).parameters.items()
    if parameter.default is not inspect.Parameter.empty and name not in takes
  }


def argument(text: str, f, parameter, path: str):
  """The plain value that `text` means for this argument of f."""
  least = max(0, int(bounds(f, parameter, path, (1, 1))[0]))
  value = parse(text, argument_types(f, parameter), path, least)
  if isinstance(value, float):
    if not math.isfinite(value):
      raise ConfigError(f'{path} must be finite, not {text}')
    check_range(value, *bounds(f, parameter, path), path, text)
  # Those of networks and schedules are sizes; elsewhere 0 may be an index.
  low = 1 if path.startswith(('network.', 'schedule.')) else 0
  if type(value) is int and value < low <= (parameter.default or low):
    raise ConfigError(f'{path} must be {low} or more, not {text:.60}')
  return value


def argument_types(f, parameter) -> tuple:
  """What the annotation allows, as far as text can say it; without one, the
  default's type."""
  hint = hints(f).get(parameter.name)
  if typing.get_origin(hint) is tuple:
    return (hint,)
  plain_types = tuple(t for t in alternatives(hint) if t in WORDS)
  if plain_types and len(plain_types) == len(alternatives(hint)):
    return plain_types
  default = parameter.default
  if isinstance(default, tuple):
    return (tuple[type(default[0]) if default else int, ...],)
  return (type(default),) if type(default) in WORDS else (str,)


def bounds(f, parameter, path: str, otherwise=None) -> tuple[float, float]:
  """The least and the largest number that an argument may be, by Annotated."""
  hint = hints(f, extras=True).get(parameter.name)
  if typing.get_origin(hint) is typing.Annotated:
    return hint.__metadata__
  if otherwise:
    return otherwise
  if path.split('.')[0] in LEAF_FIELDS:
    return -1e12, 1e12  # far inside float32, in which the program computes
  return -math.inf, math.inf


def several(text: str, old: tuple, field) -> tuple:
  """A tuple of functions: 'per_example.quality, per_example.accuracy'."""
  like, takes = old[0] if old else None, field.metadata['takes']
  node = parsed(text)
  each = [text]
  if isinstance(node, ast.Tuple):
    each = map(ast.unparse, node.elts)
  return tuple(called(one, like, takes, field.name) for one in each)
