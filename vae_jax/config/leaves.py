"""The float arguments of a function, which a sweep may vary: by their paths."""

import functools
import inspect
from collections.abc import Callable


def parts(f) -> tuple[Callable, dict]:
  """The function under a keyword partial, and the keywords."""
  if isinstance(f, functools.partial):
    return f.func, dict(f.keywords)
  return f, {}


def leaves_of(f, path: str, takes=()) -> dict[str, float]:
  """Path -> number of every float argument of f but those that the program
  gives, `takes`; of the functions among its arguments too."""
  base, keywords = parts(f)
  values = {}
  for name, parameter in inspect.signature(base).parameters.items():
    value = keywords.get(name, parameter.default)
    if name in takes or value is parameter.empty:
      continue
    if isinstance(value, float):
      values[f'{path}.{name}'] = value
    elif inspect.isfunction(parts(value)[0]):
      values |= leaves_of(value, f'{path}.{name}')
  return values


def bound_function(f, path: str, leaves: dict):
  """f with these numbers, which may be traced, as its leaves below `path`."""
  base, keywords = parts(f)
  own = {}
  for name, parameter in inspect.signature(base).parameters.items():
    value, at = keywords.get(name, parameter.default), f'{path}.{name}'
    if at in leaves:
      own[name] = leaves[at]
    elif any(leaf.startswith(f'{at}.') for leaf in leaves):
      own[name] = bound_function(value, at, leaves)
  return functools.partial(base, **keywords | own) if own else f
