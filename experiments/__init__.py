"""One file is one experiment: a docstring and a value named `experiment`.

"The lesson" in them is F. Chollet's "Building autoencoders in Keras" (2016,
https://blog.keras.io/building-autoencoders-in-keras.html), on which courses
build, with what those add: conditional and adversarial ones, super-resolution.
"""

import ast
import importlib
import pathlib
import pkgutil

from vae_jax.console import nearest

ROOT = pathlib.Path(__file__).resolve().parent


def known() -> dict[str, str]:
  """Name -> first line of its docstring, of every file here; runs none."""
  found = {}
  for module in pkgutil.iter_modules([str(ROOT)]):
    source = (ROOT / f'{module.name}.py').read_text('utf-8')
    document = ast.get_docstring(ast.parse(source)) or '(no docstring)'
    found[module.name] = document.splitlines()[0]
  return found


def listing() -> str:
  """One line per experiment."""
  lines = known()
  width = max(map(len, lines))
  return '\n'.join(f'{name:<{width}}  {line}' for name, line in lines.items())


def load(name: str):
  """The experiment of this name; ConfigError naming the nearest."""
  from vae_jax.config import ConfigError  # needs jax, as a listing does not

  there = known()
  if name not in there:
    raise ConfigError(
      f'unknown experiment {name!r}{nearest(name, there)}: '
      f'there are {", ".join(there)}'
    )
  return importlib.import_module(f'experiments.{name}').experiment
