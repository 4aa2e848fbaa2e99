"""Laws of the figure of a matrix, read from its artists and its pixels."""

import io

import numpy as np
import pytest
from matplotlib import colormaps, image
from matplotlib.colors import to_rgb

from vae_jax import figures

VALUES = [[1.0, -2.25, 30.0], [4.0, np.nan, 6.0]]
ROWS, COLUMNS = ('first', 'second'), ('a', 'b', 'c')


def cells(figure):
  """(row, column) -> the text in that cell."""
  return {
    (round(t.get_position()[1]), round(t.get_position()[0])): t
    for t in figure.axes[0].texts
  }


def colours(figure):
  return np.asarray(figure.axes[0].images[0].get_array())


def test_every_number_is_in_its_cell_with_a_true_minus():
  found = cells(figures.matrix(VALUES, ROWS, COLUMNS))
  texts = {at: t.get_text() for at, t in found.items()}
  assert texts == {
    (0, 0): '1.0', (0, 1): '−2.2', (0, 2): '30.0',
    (1, 0): '4.0', (1, 1): '–', (1, 2): '6.0',
  }  # fmt: skip
  found = cells(figures.matrix([[-0.04]], ['r'], ['c']))
  assert found[0, 0].get_text() == '0.0'
  found = cells(figures.matrix([[0.12345]], ['r'], ['c'], form='.3f'))
  assert found[0, 0].get_text() == '0.123'


def test_names_unit_and_labels_are_written_and_nothing_is_cut():
  long = ['a name that is rather long', 'b', 'c']
  figure = figures.matrix(
    VALUES, ROWS, long, 'A title', 'across', 'down', unit='PSNR (dB)'
  )
  axes = figure.axes[0]
  assert [t.get_text() for t in axes.get_yticklabels()] == list(ROWS)
  assert [t.get_text() for t in axes.get_xticklabels()] == long
  assert (axes.get_xlabel(), axes.get_ylabel()) == ('across', 'down')
  assert axes.get_title('right') == 'PSNR (dB)'
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=figures.DPI)
  buffer.seek(0)
  pixels = image.imread(buffer)[..., :3]
  for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
    np.testing.assert_array_equal(edge, 1)


def test_colours_go_from_the_lowest_to_the_highest_number():
  found = colours(figures.matrix(VALUES, ROWS, COLUMNS))
  ends = colormaps['viridis']([0.0, 1.0])
  np.testing.assert_allclose(found[0, 1], ends[0])
  np.testing.assert_allclose(found[0, 2], ends[1])
  share = (4.0 + 2.25) / 32.25
  np.testing.assert_allclose(found[1, 0], colormaps['viridis'](share))
  np.testing.assert_allclose(found[1, 1, :3], 0.9)


def test_columns_of_different_units_have_colours_of_their_own():
  figure = figures.matrix(VALUES, ROWS, COLUMNS, by_column=True)
  low, high = colormaps['viridis']([0.0, 1.0])
  found = colours(figure)
  np.testing.assert_allclose(found[:, 0], [low, high])
  np.testing.assert_allclose(found[:, 2], [high, low])


@pytest.mark.parametrize('by_column', [False, True])
def test_equal_numbers_and_none_at_all_are_drawn(by_column):
  for value in (3.0, np.nan):
    values = np.full((2, 2), value)
    figure = figures.matrix(values, 'ab', 'cd', by_column=by_column)
    found = colours(figure)
    assert (found == found[0, 0]).all()


def test_numbers_can_be_read_on_every_colour():
  values = np.arange(40.0).reshape(8, 5)
  figure = figures.matrix(values, 'abcdefgh', 'abcde')
  ground = colours(figure)
  for at, text in cells(figure).items():
    dark, light = sorted(map(luminance, (to_rgb(text.get_color()), ground[at])))
    assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG 2.1, level AA


def luminance(colour):
  c = np.asarray(colour[:3])
  light = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
  return light @ [0.2126, 0.7152, 0.0722]


def test_highlighted_cells_are_framed():
  figure = figures.matrix(VALUES, ROWS, COLUMNS, highlight=[(0, 0), (1, 2)])
  framed = {
    tuple(np.round(patch.get_center()).astype(int)[::-1])
    for patch in figure.axes[0].patches
  }
  assert framed == {(0, 0), (1, 2)}


@pytest.mark.parametrize(
  ('values', 'match'),
  [
    ([[1.0, 2.0]], r'\[2, 3\].*got \[1, 2\]'),
    (np.zeros((3, 2)), r'\[2, 3\].*got \[3, 2\]'),
    (np.full((2, 3), np.inf), 'finite or NaN'),
  ],
)
def test_other_shapes_and_infinite_numbers_are_refused(values, match):
  with pytest.raises(ValueError, match=match):
    figures.matrix(values, ROWS, COLUMNS)


def test_a_cell_that_is_not_there_cannot_be_highlighted():
  with pytest.raises(ValueError, match=r'no cell \(2, 0\)'):
    figures.matrix(VALUES, ROWS, COLUMNS, highlight=[(2, 0)])
