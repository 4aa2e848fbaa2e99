import dataclasses

import pytest


@pytest.fixture
def small(tiny, tiny_data):
  """A small experiment on one device."""
  return dataclasses.replace(tiny, dataset='tiny', devices=1)
