"""conditionals, and loops of unknown length, in every compiled train step

Each makes the host wait for the device in every step. On CPU a step has one
conditional of its own, step.only_if.
"""

import functools
import re

import jax
import jax.numpy as jnp
from jaxlib.mlir.passmanager import PassManager

from tests.accelerator import same
from vae_jax import data, training
from vae_jax.runs.prepare import abstract

THREADS = same.THREADS


def rows(flags):
  """One row an experiment: what its program holds that it should not."""
  for name, ex in same.chosen(flags.small).items():
    yield name, functools.partial(row, ex)


def row(ex) -> dict:
  """The census of the program as it is compiled here."""
  text = lowered(ex).compile().as_text()
  found = census(text)
  allowed = int(jax.default_backend() == 'cpu')
  good = len(found['conditionals']) <= allowed and not found['loops']
  return found | {'ok': good}


def lowered(ex, **how):
  """K steps of ex on one device, before they are compiled."""
  batch = data.load(ex.dataset, None, ex.phrase)['train']
  state = abstract(ex, batch, jax.local_devices()[0])
  index = jnp.zeros((ex.steps_per_call, ex.batch_size), jnp.int32)
  call = jax.jit(functools.partial(training.steps, ex))
  return call.trace(batch, ex.hyper(), state, index).lower(**how)


def census(text: str) -> dict:
  """{'conditionals': names, 'loops': names of those of unknown length} in a
  compiled program, XLA's text of it."""
  lines = text.splitlines()
  loops = [line for line in lines if re.search(r'\bwhile\(', line)]
  return {
    'conditionals': [
      op_name(line) for line in lines if re.search(r'\bconditional\(', line)
    ],
    'loops': [
      op_name(line) for line in loops if 'known_trip_count' not in line
    ],
  }


def op_name(line: str) -> str:
  """Where in our code an operation comes from, or its own name."""
  found = re.search(r'op_name="([^"]*)"', line)
  return found[1] if found else line.split('=')[0].strip()


def undecided(lowered) -> list[str]:
  """Conditionals of a lowered program that XLA cannot decide as it compiles;
  those of the platform hang on a constant, if through many calls."""
  module = lowered.compiler_ir('stablehlo')
  with module.context:
    passes = PassManager.parse('builtin.module(inline,sccp,canonicalize)')
    passes.run(module.operation)
  return re.findall(r'"?stablehlo\.(?:case|if)"?\(.*', str(module))
