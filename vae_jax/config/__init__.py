"""An experiment as a value, as text, and as what a command line makes of it.

leaves      float arguments of functions, by their paths
declared    what a field is: a number or word and its range, or a function
experiment  the value: numbers and pure functions
text        that value as text, and back
lookup      functions by name, if they fit a field
override    one field changed by text: 'network.widths=(256,)'
safe        what a run that somebody else made may say of its model
grid        several runs from lists of values and from arms
help        the fields as the text of --help
"""

from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import (
  Experiment,
  example_shapes,
  fields,
  function_fields,
  plain_fields,
  sized,
)
from vae_jax.config.leaves import parts
from vae_jax.config.text import render, rendered

__all__ = [
  'ConfigError', 'Experiment', 'example_shapes', 'fields', 'function_fields',
  'parts', 'plain_fields', 'render', 'rendered', 'sized',
]  # fmt: skip
