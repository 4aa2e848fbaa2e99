"""The numbers of an experiment that are arrays in the compiled step."""

from typing import Annotated

import flax.struct
import jax

# Of arguments that are weights or widths; far inside float32.
Positive = Annotated[float, 0.0, 1e12]
Share = Annotated[float, 0.0, 1.0]


@flax.struct.dataclass
class Hyper:
  """Leaf -> number: what a sweep may vary without compiling again.

  A leaf is a float argument of the view, objective, posterior or prior,
  'objective.beta', or one of the rates of learning.
  """

  leaves: dict[str, jax.Array]
  z_mask: jax.Array | None = None  # [Z] of 0 and 1

  def set(self, leaf: str, number) -> 'Hyper':
    """These with another number, which may be traced, for a leaf; KeyError
    naming those that there are."""
    if leaf not in self.leaves:
      raise KeyError(f'no leaf {leaf!r} among {list(self.leaves)}')
    return self.replace(leaves=self.leaves | {leaf: number})
