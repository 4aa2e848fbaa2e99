"""Ways from one code to another, and what is decoded along them."""

import numpy as np

from vae_jax.data import spread
from vae_jax.measures.trained import Trained


def along_line(a_R, b_R, t_S):
  """a + t (b - a): [R, S, ...]."""
  t = t_S.reshape(1, -1, *[1] * (a_R.ndim - 1))
  return a_R[:, None] + t * (b_R - a_R)[:, None]


def along_circle(a_RZ, b_RZ, t_S):
  """Spherical interpolation (Shoemake 1985), the length going linearly, for
  codes whose prior is a shell: [R, S, Z]."""
  length_a, length_b = (
    np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
    for x in (a_RZ, b_RZ)
  )
  a_RZ, b_RZ = a_RZ / length_a, b_RZ / length_b
  cosine_R = (a_RZ * b_RZ).sum(-1).clip(-1, 1)
  angle = np.maximum(np.arccos(cosine_R), 1e-6)[:, None, None]
  t = t_S[None, :, None]
  to_a, to_b = np.sin((1 - t) * angle), np.sin(t * angle)
  turned = to_a * a_RZ[:, None] + to_b * b_RZ[:, None]
  turned /= np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-12)
  return (turned * along_line(length_a, length_b, t_S)).astype(np.float32)


def apart(trained: Trained, pairs: int = 100, steps: int = 11) -> dict:
  """Study: the share of steps at which what is decoded on the great circle
  between the codes of two unseen phrases differs from what is decoded of the
  first and of the second, means over at most so many pairs: [steps] each. {}
  for a single phrase."""
  seen, _, given = trained.test
  chosen = spread(len(seen) // 2 * 2, 2 * pairs)
  a_R, b_R = chosen[::2], chosen[1::2]
  if not len(a_R):
    return {}
  given_R = None if given is None else given[a_R]
  z_RZ = [
    trained.encode(seen[at], None if given is None else given[at])
    for at in (a_R, b_R)
  ]
  share_S = np.linspace(0, 1, steps, dtype=np.float32)
  way_RSZ = along_circle(*z_RZ, share_S)
  given_N = None if given is None else np.repeat(given_R, steps, 0)
  said = trained.decode(way_RSZ.reshape(-1, way_RSZ.shape[-1]), given_N)
  said = said.argmax(-1).reshape(len(a_R), steps, -1)
  ends = {'from_first': said[:, :1], 'from_second': said[:, -1:]}
  found = {name: (said != x).mean((0, 2)).tolist() for name, x in ends.items()}
  return {'share': share_S.tolist()} | found
