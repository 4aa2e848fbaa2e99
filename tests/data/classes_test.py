import jax
import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.classes import parted


@pytest.mark.parametrize(
  ('name', 'whole', 'classes'),
  [
    ('mnist', 'mnist', []),
    ('mnist:3.0.1', 'mnist:3.0.1', []),
    ('mnist:3', 'mnist', ['3']),
    ('mnist:3.0.1:3+5', 'mnist:3.0.1', ['3', '5']),
    ('photos:flower', 'photos', ['flower']),
    ('digits:', 'digits', ['']),
  ],
)
def test_classes_come_last_and_a_version_is_none(name, whole, classes):
  assert parted(name) == (whole, classes)


@pytest.mark.parametrize('asked', ['a', 'c+a', 'a+b+c', 'b+b'])
def test_the_examples_are_those_of_the_classes_in_their_order(tiny_data, asked):
  found = data.load(f'tiny:{asked}')
  wanted = {'abc'.index(name) for name in asked.split('+')}
  for split, batch in tiny_data.items():
    index = [i for i, y in enumerate(batch.label) if y in wanted]
    assert 0 < len(index)
    jax.tree.map(np.testing.assert_array_equal, found[split], batch.take(index))
    assert found[split].classes == ('a', 'b', 'c')


def test_photographs_are_chosen_by_name():
  whole, flower = data.load('photos'), data.load('photos:flower')
  for split, batch in flower.items():
    assert set(batch.label) == {0}
    assert batch.size == (whole[split].label == 0).sum()


def test_classes_without_names_are_their_numbers(tiny_data, monkeypatch):
  bare = {k: batch.replace(classes=()) for k, batch in tiny_data.items()}
  monkeypatch.setitem(data.EMBEDDED, 'bare', lambda: bare)
  assert set(data.load('bare:2')['train'].label) == {2}
  refused('bare:3', "bare has no class '3': there are 0, 1, 2")


def refused(name, words):
  with pytest.raises(data.DataError, match=words) as error:
    data.load(name)
  assert '\n' not in str(error.value)


def test_a_wrong_class_names_those_there_are(tiny_data, monkeypatch):
  refused('tiny:d', "tiny has no class 'd': there are a, b, c")
  refused('tiny:', "tiny has no class '': there are a, b, c")
  refused('photos:flowers', "'flowers' .did you mean 'flower'.*: there are")
  unlabelled = {k: b.replace(label=None) for k, b in tiny_data.items()}
  monkeypatch.setitem(data.EMBEDDED, 'plain', lambda: unlabelled)
  refused('plain:a', "plain has no labels, so no class 'a'")
  refused('digitz:3', "unknown dataset 'digitz' .did you mean 'digits'")


def test_a_class_that_a_split_lacks_is_one_line(tiny_data, monkeypatch):
  batch = tiny_data['test']
  lacking = tiny_data | {'test': batch.take(np.flatnonzero(batch.label != 1))}
  monkeypatch.setitem(data.EMBEDDED, 'lacking', lambda: lacking)
  refused('lacking:b', 'lacking:b has no images in test')
  assert data.load('lacking:a+b')['test'].size
