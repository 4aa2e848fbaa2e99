import functools
import math

import jax
import numpy as np
import optax
import pytest

from vae_jax.factors import schedules

STEPS = np.arange(0, 130, 7)
partial = functools.partial


def found(schedule, steps=STEPS):
  return np.array([schedule(step) for step in steps], np.float64)


@pytest.mark.parametrize(
  ('ours', 'optax_s'),
  [
    (
      partial(schedules.linear, steps=50, first=0.2, last=0.9),
      optax.linear_schedule(0.2, 0.9, 50),
    ),
    (
      partial(schedules.cosine, steps=100, last=0.1),
      optax.cosine_decay_schedule(1.0, 100, alpha=0.1),
    ),
    (
      partial(schedules.warm_cosine, warm=20, steps=100, last=0.1),
      optax.warmup_cosine_decay_schedule(0.0, 1.0, 20, 100, end_value=0.1),
    ),
    (
      partial(schedules.exponential, rate=0.98, last=0.3),
      optax.exponential_decay(1.0, 1, 0.98, end_value=0.3),
    ),
  ],
)
def test_what_optax_has_too_is_the_same(ours, optax_s):
  np.testing.assert_allclose(found(ours), found(optax_s), atol=1e-6)


def test_a_cycle_is_warm_up_and_rest():
  cyclic = partial(schedules.cyclic, period=40, warm=0.25)
  wanted = [min((step % 40) / 10, 1.0) for step in STEPS]
  np.testing.assert_allclose(found(cyclic), wanted, atol=1e-6)
  assert list(found(cyclic, [0, 5, 10, 39, 40, 45])) == [0, 0.5, 1, 1, 0, 0.5]


def test_scheduled_samplings_own_formula_holds_and_never_overflows():
  k = 250.0
  steps = [0, 1, 700, 1400, 5000]
  wanted = [1 - k / (k + math.exp(step / k)) for step in steps]
  ours = partial(schedules.inverse_sigmoid, steps=k)
  np.testing.assert_allclose(found(ours, steps), wanted, rtol=1e-4)
  assert found(ours, [1e6]) == 1.0  # exp(4000) is no float


@pytest.mark.parametrize('rate', [0.99999, 0.9])
def test_music_vaes_warm_up_loses_no_digits(rate):
  steps = [0, 1, 10, 1000, 100_000, 5_000_000]
  wanted = [-math.expm1(step * math.log(rate)) for step in steps]
  saturating = partial(schedules.saturating, rate=rate)
  np.testing.assert_allclose(found(saturating, steps), wanted, rtol=1e-6)


@pytest.mark.parametrize(
  'schedule',
  [
    schedules.linear,
    schedules.cosine,
    schedules.cyclic,
    schedules.exponential,
    schedules.saturating,
    schedules.warm_cosine,
  ],
)
def test_the_step_of_a_schedule_may_be_traced(schedule):
  traced = jax.eval_shape(schedule, jax.ShapeDtypeStruct((), np.int32))
  assert traced.shape == () and traced.dtype == np.float32
  values = found(schedule, [0, 1, 500, 10**6])
  assert np.isfinite(values).all() and (values >= 0).all()


def test_no_steps_are_the_last_value_at_once():
  assert schedules.linear(1, steps=0) == 1.0
  assert schedules.cosine(1, steps=0) == 0.0
  assert schedules.warm_cosine(0, warm=0, steps=0) == 1.0
