import dataclasses

import pytest

from vae_jax.runs import throughput


@pytest.fixture
def small(tiny, tiny_data):
  """A small experiment on one device."""
  return dataclasses.replace(tiny, dataset='tiny', devices=1)


@pytest.fixture
def quick(monkeypatch):
  """Rounds of one call: what a test looks at is no time."""
  monkeypatch.setattr(throughput, 'ROUNDS', 2)
  monkeypatch.setattr(throughput, 'ROUND_S', 0.0)
  peak = throughput.Peak(1e9, 1e9)
  monkeypatch.setattr(throughput, 'reaching', lambda *args: lambda: peak)
