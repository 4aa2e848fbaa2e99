import numpy as np
import pytest

from vae_jax import figures

LINE = {2: [1.0, 2.0, 6.0], 8: [4.0, 4.0, 4.0]}


def test_a_line_goes_through_the_means_with_a_band_of_one_standard_error():
  figure = figures.lines({'PSNR (dB)': {'AE': LINE}}, 'latents')
  [axes] = figure.axes
  np.testing.assert_allclose(axes.lines[0].get_xydata(), [[2, 3], [8, 4]])
  vertices = axes.collections[0].get_paths()[0].vertices
  error = np.std([1, 2, 6], ddof=1) / np.sqrt(3)
  at_two = vertices[vertices[:, 0] == 2, 1]
  assert at_two.min() == pytest.approx(3 - error)
  assert at_two.max() == pytest.approx(3 + error)
  assert (axes.get_xlabel(), axes.get_ylabel()) == ('latents', 'PSNR (dB)')


def test_a_band_may_be_a_range_and_then_the_axis_begins_at_0():
  panels = {'y': {'a': {2: [5.0, 5.5], 8: [7.0]}, 'b': {2: [1.0], 8: [2.0]}}}
  ranges = {'a': {2: (4.0, 6.0), 8: (6.5, 9.0)}}
  [axes] = figures.lines(panels, 'x', ranges=ranges).axes
  [band] = axes.collections
  corners = {tuple(at) for at in band.get_paths()[0].vertices}
  assert {(2, 4), (2, 6), (8, 6.5), (8, 9)} <= corners
  assert axes.get_ylim()[0] == 0


def test_one_seed_has_no_band():
  figure = figures.lines({'y': {'AE': {1: [2.0], 2: [3.0]}}}, 'x')
  assert not figure.axes[0].collections


def test_a_name_has_one_colour_in_all_panels_and_one_legend():
  panels = {'a': {'AE': LINE, 'PCA': LINE}, 'b': {'PCA': LINE}}
  figure = figures.lines(panels, 'latents', dashed=('PCA',))
  lines = [line for axes in figure.axes for line in axes.lines]
  assert lines[1].get_color() == lines[2].get_color() != lines[0].get_color()
  assert lines[1].get_linestyle() == '--' != lines[0].get_linestyle()
  [legend] = figure.legends
  assert [text.get_text() for text in legend.get_texts()] == ['AE', 'PCA']


@pytest.mark.parametrize('count, inside', [(3, True), (4, False)])
def test_many_names_stand_beside_a_lone_panel(count, inside):
  names = [f'{i} latents' for i in range(count)]
  figure = figures.lines({'y': {name: LINE for name in names}}, 'x')
  [axes] = figure.axes
  assert (axes.get_legend() is not None) == inside
  if not inside:
    [legend] = figure.legends
    figure.draw_without_rendering()
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1


def test_the_axis_is_logarithmic_with_a_tick_at_each_x():
  [axes] = figures.lines({'y': {'AE': LINE}}, 'x').axes
  assert axes.get_xscale() == 'log'
  np.testing.assert_allclose(axes.get_xticks(), [2, 8])
  [axes] = figures.lines({'y': {'AE': LINE}}, 'x', log=None).axes
  assert axes.get_xscale() == 'linear'


@pytest.mark.parametrize(
  ('panels', 'words'),
  [
    ({}, 'every panel needs a line'),
    ({'y': {}}, 'every panel needs a line'),
    ({'y': {'AE': {1: [np.nan]}}}, "'AE' must be finite"),
    ({'y': {'AE': {1: []}}}, "'AE' must be finite"),
  ],
)
def test_lines_of_nothing_are_an_error(panels, words):
  with pytest.raises(ValueError, match=words):
    figures.lines(panels, 'x')


def test_a_reference_that_is_no_line_is_an_error():
  with pytest.raises(ValueError, match="dashed: no 'pca'"):
    figures.lines({'y': {'PCA': LINE}}, 'x', dashed=('pca',))


def test_scatters_stand_side_by_side_with_one_legend():
  rng = np.random.default_rng(0)
  points = {'PCA': rng.random((9, 2)), 'AE': rng.random((9, 2))}
  label = np.arange(9) % 3
  figure = figures.scatters(points, label, ['a', 'b', 'c'], 'codes')
  assert [a.get_title('left') for a in figure.axes] == ['PCA', 'AE']
  for axes, z in zip(figure.axes, points.values(), strict=True):
    shown = np.concatenate([c.get_offsets() for c in axes.collections])
    np.testing.assert_allclose(np.sort(shown, 0), np.sort(z, 0))
  legends = [axes.get_legend() for axes in figure.axes]
  assert legends[0] is None
  assert [t.get_text() for t in legends[1].get_texts()] == ['a', 'b', 'c']


def test_scatters_without_labels_have_no_legend():
  figure = figures.scatters({'AE': np.zeros((4, 2))})
  assert figure.axes[0].get_legend() is None


def test_points_that_do_not_lie_in_the_plane_are_an_error():
  with pytest.raises(ValueError, match="'AE' must be"):
    figures.scatters({'AE': np.zeros((4, 3))})
  with pytest.raises(ValueError, match='no points'):
    figures.scatters({})
