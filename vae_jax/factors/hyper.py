"""The numbers of an experiment that are arrays in the compiled step."""

import flax.struct
import jax


@flax.struct.dataclass
class Hyper:
  """The numbers that a sweep may vary without compiling again."""

  learning_rate: jax.Array
  beta: jax.Array
  free_bits: jax.Array
  noise: jax.Array
  sparsity: jax.Array
  critic_rate: jax.Array
  z_mask: jax.Array | None = None  # [Z] of 0 and 1
