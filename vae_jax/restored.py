"""An experiment from the text of its fields: the inverse of config.rendered."""

import ast
import functools
import importlib

from vae_jax.config import ConfigError, Experiment, fields


def experiment(rendered: dict[str, str]) -> Experiment:
  """The experiment whose fields render as these texts.

  Raises ConfigError naming the field that does not say what it said.
  """
  found = {}
  for name, text in rendered.items():
    if name not in fields():
      raise ConfigError(f'this version has no field {name!r}')
    try:
      found[name] = value(ast.parse(text, mode='eval').body)
    except (ValueError, SyntaxError, ImportError, AttributeError) as error:
      raise ConfigError(f'{name}={text} cannot be had: {error}') from error
  return Experiment(**found)


def value(node):
  """What a piece of rendered text means: a number, function or partial."""
  if isinstance(node, ast.Tuple):
    return tuple(value(element) for element in node.elts)
  if isinstance(node, ast.Call):
    keywords = {keyword.arg: value(keyword.value) for keyword in node.keywords}
    return functools.partial(value(node.func), **keywords)
  if isinstance(node, ast.Attribute):
    return getattr(module(ast.unparse(node.value)), node.attr)
  return ast.literal_eval(node)


def module(name: str):
  """A module of vae_jax, optax, or the experiment file of this dotted name."""
  package = name.partition('.')[0]
  known = package in ('optax', 'experiments')
  return importlib.import_module(name if known else f'vae_jax.{name}')
