import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.networks.layers import lstm

L, B, F, H = 6, 3, 5, 4


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def reference(x_LBF, kernel, recurrent, bias, h_BH, c_BH):
  """Step after step in numpy, from the equations of the paper."""
  found = []
  for x_BF in x_LBF:
    i, f, g, o = np.split(x_BF @ kernel + h_BH @ recurrent + bias, 4, -1)
    c_BH = sigmoid(f) * c_BH + sigmoid(i) * np.tanh(g)
    h_BH = sigmoid(o) * np.tanh(c_BH)
    found.append(h_BH)
  return np.stack(found)


@pytest.fixture
def arrays():
  """Inputs, weights and a first state in float64."""
  rng = np.random.default_rng(0)
  shapes = (L, B, F), (F, 4 * H), (H, 4 * H), (4 * H,), (B, H), (B, H)
  return [rng.normal(size=shape) for shape in shapes]


def test_a_layer_is_the_reference_in_float64(arrays):
  with jax.enable_x64():
    x, *weights, h, c = map(jnp.asarray, arrays)
    weights = lstm.Weights(*weights)
    found = weights.over(x, (h, c))
    np.testing.assert_allclose(found, reference(*arrays), rtol=1e-12)


def test_its_gradients_are_those_of_finite_differences(arrays):
  weights = np.random.default_rng(1).normal(size=(L, B, H))

  def loss(x, kernel, recurrent, bias, h, c):
    own = lstm.Weights(kernel, recurrent, bias)
    return (own.over(x, (h, c)) * weights).sum()

  with jax.enable_x64():
    given = [jnp.asarray(a) for a in arrays]
    gradients = jax.grad(loss, tuple(range(6)))(*given)
    for i, gradient in enumerate(gradients):
      at = tuple(n // 2 for n in arrays[i].shape)
      wanted = 0.0
      for sign in (1, -1):
        moved = [np.array(a) for a in arrays]
        moved[i][at] += sign * 1e-5
        wanted += sign * (reference(*moved) * weights).sum() / 2e-5
      assert gradient[at] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize('back', [False, True])
def test_its_gradients_are_those_of_the_plain_loop(arrays, back):
  x, kernel, recurrent, _, *state = (
    jnp.asarray(a, jnp.float32) for a in arrays
  )
  fixed, target = jax.random.normal(jax.random.key(0), (2, L, B, 4 * H))

  def loss(f):
    def own(*given):
      return (f(*given, back) * target[..., :H]).sum()

    return own

  given = x, kernel, recurrent, fixed[0], tuple(state)
  found = jax.grad(loss(lstm.unrolled), range(5))(*given)
  plain = loss(lambda *given: lstm.run(*given)[0])
  wanted = jax.grad(plain, range(5))(*given)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    found,
    wanted,
  )


def test_one_step_after_another_is_the_loop(arrays):
  x, *weights, h, c = (jnp.asarray(a, jnp.float32) for a in arrays)
  weights, state = lstm.Weights(*weights), (h, c)
  wanted = weights.over(x, state)
  for x_BF, wanted_BH in zip(x, wanted, strict=True):
    state = lstm.cell(weights.gates(x_BF), weights.recurrent, state)
    np.testing.assert_allclose(state[0], wanted_BH, rtol=1e-5, atol=1e-6)


def test_inputs_in_two_parts_are_one_input(arrays):
  x, *weights, _, _ = (jnp.asarray(a, jnp.float32) for a in arrays)
  weights, zero = lstm.Weights(*weights), lstm.zero_state(B, H)
  beside = x.at[:, :, 2:].set(x[0, :, 2:])
  wanted = weights.over(beside, zero)
  found = weights.over(x[..., :2], zero, weights.fixed_gates(x[0, :, 2:], 2))
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_without_inputs_a_layer_goes_on_from_what_is_beside_them(arrays):
  x, *weights, h, c = (jnp.asarray(a, jnp.float32) for a in arrays)
  weights, same = lstm.Weights(*weights), jnp.broadcast_to(x[:1], x.shape)

  def found(kernel):
    own = weights._replace(kernel=kernel)
    return own.over(x[..., :0], (h, c), own.gates(x[0])).sum()

  def wanted(kernel):
    return weights._replace(kernel=kernel).over(same, (h, c)).sum()

  np.testing.assert_allclose(
    *(jax.grad(f)(weights.kernel) for f in (found, wanted)), rtol=1e-4
  )


def test_back_is_the_layer_of_the_sequence_turned(arrays):
  x, *weights, h, c = (jnp.asarray(a, jnp.float32) for a in arrays)
  weights = lstm.Weights(*weights)
  found = weights.over(x, (h, c), back=True)
  turned = weights.over(x[::-1], (h, c))
  np.testing.assert_allclose(found, turned[::-1], rtol=1e-6)


def test_a_layer_begins_orthogonal_and_forgets_little():
  layer = lstm.Lstm(F, H)
  params = layer.init(jax.random.key(0), jnp.zeros(()))['params']
  for own in np.split(params['recurrent'], 4, 1):
    np.testing.assert_allclose(own @ own.T, np.eye(H), atol=1e-5)
  bias = np.split(params['bias'], 4)
  assert (bias[1] == 1).all() and not np.any(bias[0] + bias[2] + bias[3])


def test_a_cell_keeps_float32_where_the_rest_is_bfloat16():
  like = jnp.zeros((), jnp.bfloat16)
  layer = lstm.Lstm(F, H)
  params = layer.init(jax.random.key(0), jnp.zeros(()))
  params = jax.tree.map(lambda w: w.astype(jnp.bfloat16), params)
  weights = layer.apply(params, like)
  gates = weights.gates(jnp.ones((B, F), jnp.bfloat16))
  h, c = lstm.cell(
    gates, weights.recurrent, lstm.zero_state(B, H, jnp.bfloat16)
  )
  assert (h.dtype, c.dtype) == (jnp.bfloat16, jnp.float32)


def test_written_out_every_step_is_counted():
  x, recurrent = jnp.zeros((L, B, F)), jnp.zeros((H, 4 * H))
  kernel, bias = jnp.zeros((F, 4 * H)), jnp.zeros(4 * H)

  def flops():
    def loss(x, recurrent):
      weights = lstm.Weights(kernel, recurrent, bias)
      return weights.over(x, lstm.zero_state(B, H)).sum()

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    return gradient.lower(x, recurrent).cost_analysis()['flops']

  once, products = flops(), 2 * B * H * 4 * H
  with lstm.written_out():
    every = flops()
  assert every > 3 * L * products - products  # the first has no state before
  assert every - once > 2 * (L - 1) * products and flops() == once
