import numpy as np

from vae_jax.measures import ways


def test_a_great_circle_keeps_the_length_of_its_ends_at_equal_steps():
  a, b = np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]])
  t = np.array([0.0, 1 / 3, 2 / 3, 1.0])
  found = ways.along_circle(a, b, t)[0]
  np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 2.0, rtol=1e-6)
  turned = np.pi / 2 * t
  wanted = 2 * np.stack([np.cos(turned), np.sin(turned)], -1)
  np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_circle_between_equal_or_opposite_or_no_codes_is_finite():
  a = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
  b = np.array([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
  t = np.linspace(0, 1, 5)
  found = ways.along_circle(a, b, t)
  assert np.isfinite(found).all()
  np.testing.assert_allclose(found[0], np.tile(a[0], (5, 1)), atol=1e-5)


class Bits:
  """A model whose code is a phrase of bits, decoded by their signs."""

  def __init__(self, count, given=None):
    rng = np.random.default_rng(0)
    self.asked = []
    seen = np.eye(2)[rng.integers(0, 2, (count, 40))]
    self.test = seen, seen, given

  def encode(self, seen, given):
    return (2.0 * seen.argmax(-1) - 1).astype(np.float32)

  def decode(self, z, given):
    self.asked.append(given)
    return np.stack([-z, z], -1)


def test_on_a_great_circle_one_end_comes_nearer_as_the_other_goes():
  found = ways.apart(Bits(9), pairs=3, steps=5)
  assert found['share'] == [0, 0.25, 0.5, 0.75, 1]
  first, second = found['from_first'], found['from_second']
  seen = Bits(9).test[0].argmax(-1)
  pairs = [(0, 1), (2, 4), (5, 6)]
  wanted = np.mean([(seen[a] != seen[b]).mean() for a, b in pairs])
  # Where two codes of bits differ, all bits turn together half way.
  np.testing.assert_allclose(first[:2] + first[3:], [0, 0, wanted, wanted])
  np.testing.assert_allclose(second[:2] + second[3:], [wanted, wanted, 0, 0])
  assert ways.apart(Bits(1)) == {}


def test_the_first_phrase_says_what_is_given_on_the_way():
  model = Bits(4, np.arange(4)[:, None])
  ways.apart(model, steps=3)
  assert model.asked[0].ravel().tolist() == [0, 0, 0, 2, 2, 2]
