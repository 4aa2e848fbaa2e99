"""Laws of the figures, read from their artists and from the drawn pixels."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from vae_jax import figures

HISTORY = [
  {'step': 0, 'train/loss': 9.0, 'test/loss': 9.5},
  {'step': 10, 'train/loss': 7.0},
  {'step': 20, 'train/loss': None, 'test/loss': 8.0},
  {'train/loss': 1.0},
  {'step': 30, 'train/loss': 6.0, 'test/loss': None},
]
LOSS = {'loss': ('train/loss', 'test/loss')}


def random_images(*shape):
  return np.random.default_rng(0).random(shape, np.float32)


def drawn(figure):
  """The pixels of the figure: [H, W, 3] in [0, 1]."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=figures.DPI)
  buffer.seek(0)
  return image.imread(buffer)[..., :3]


def texts(figure):
  return {t.get_text(): t for t in figure.texts}


def shown(axes):
  return np.asarray(axes.images[0].get_array())


def box(figure, artist):
  """The artist's (left, bottom, right, top) in pixels of the figure."""
  renderer = FigureCanvasAgg(figure).get_renderer()
  return artist.get_window_extent(renderer).extents


def assert_nothing_is_cut(figure):
  """A text that the edge cuts leaves ink there: the edge must be white."""
  pixels = drawn(figure)
  for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
    np.testing.assert_array_equal(edge, 1)


def test_importing_figures_does_not_import_matplotlib():
  code = 'import sys, vae_jax.figures; sys.exit("matplotlib" in sys.modules)'
  subprocess.run([sys.executable, '-c', code], check=True)


def test_rows_show_each_image_in_its_row_and_column():
  images = {
    'low': random_images(3, 4, 4, 1),
    'high': random_images(3, 8, 8, 3),
  }
  figure = figures.rows(images, title='T', notes={'high': 'PSNR 19.4 dB'})
  assert len(figure.axes) == 6
  corners = {a: np.round(a.get_position().p0, 6) for a in figure.axes}
  places = sorted(corners, key=lambda a: (-corners[a][1], corners[a][0]))
  for i, axes in enumerate(places):
    expected = images['low' if i < 3 else 'high'][i % 3]
    np.testing.assert_array_equal(shown(axes), expected.squeeze())
  boxes = [a.get_position() for a in places]
  for row in (boxes[:3], boxes[3:]):
    assert np.ptp([b.y0 for b in row]) < 1e-9
  for top, bottom in zip(boxes[:3], boxes[3:], strict=True):
    assert abs(top.x0 - bottom.x0) < 1e-9 and top.y0 > bottom.y1


def test_row_labels_and_notes_stand_beside_their_own_row():
  images = {'input': random_images(2, 8, 8, 1)}
  images['a longer name'] = images['input']
  figure = figures.rows(images, notes={'input': 'note'})
  assert_nothing_is_cut(figure)
  found = texts(figure)
  assert set(found) == {'input', 'a longer name', 'note'}
  for name, axes in zip(images, figure.axes[::2], strict=True):
    left, bottom, right, top = box(figure, axes.patch)
    label = box(figure, found[name])
    assert label[2] < left and bottom < label[1] and label[3] < top
  _, bottom, right, top = box(figure, figure.axes[1].patch)
  note = box(figure, found['note'])
  assert note[0] > right and bottom < note[1] and note[3] < top


def test_a_pixel_of_an_image_is_a_whole_square_of_the_png():
  images_NHWC = random_images(3, 7, 7, 3)
  figure = figures.rows({'x': images_NHWC}, title='T')
  pixels = drawn(figure)
  for image_HWC, axes in zip(images_NHWC, figure.axes, strict=True):
    left, bottom, right, top = np.round(box(figure, axes.patch)).astype(int)
    tile = pixels[len(pixels) - top : len(pixels) - bottom, left:right]
    scale = tile.shape[0] // 7
    assert scale > 1 and tile.shape == (7 * scale, 7 * scale, 3)
    expected = image_HWC.repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_allclose(tile, expected, atol=1 / 255)


def test_grey_runs_from_black_at_zero_to_white_at_one():
  half = np.full((1, 4, 4, 1), 0.5, np.float32)
  figure = figures.rows({'x': half})
  left, bottom, right, top = box(figure, figure.axes[0].patch)
  pixels = drawn(figure)
  middle = pixels[
    int(len(pixels) - (top + bottom) / 2), int((left + right) / 2)
  ]
  np.testing.assert_allclose(middle, 0.5, atol=1 / 255)


def test_an_image_out_of_range_or_not_a_number_is_clipped():
  images = np.array([-1.0, 2.0, np.nan]).reshape(3, 1, 1, 1)
  figure = figures.rows({'x': images})
  values = [float(shown(axes)[0, 0]) for axes in figure.axes]
  assert values == [0, 1, 0]


@pytest.mark.parametrize(
  ('images', 'match'),
  [
    ({}, 'equally many'),
    ({'a': np.zeros((2, 4, 4, 1)), 'b': np.zeros((3, 4, 4, 1))}, 'equally'),
    ({'a': np.zeros((2, 4, 4))}, r"'a'.*\[n, H, W, C\].*\[2, 4, 4\]"),
    ({'a': np.zeros((2, 4, 4, 2))}, 'C = 1 or 3'),
    ({'a': np.zeros((0, 4, 4, 1))}, r'\[0, 4, 4, 1\]'),
    ({'a': np.zeros((2, 4, 4, 1), np.uint8)}, 'uint8'),
  ],
)
def test_rows_refuse_other_shapes(images, match):
  with pytest.raises(ValueError, match=match):
    figures.rows(images)


def test_a_note_for_no_row_names_the_nearest_row():
  with pytest.raises(ValueError, match="did you mean 'input'"):
    figures.rows({'input': np.zeros((1, 2, 2, 1))}, notes={'inputs': ''})


@pytest.mark.parametrize('channels', [1, 3])
def test_every_tile_of_the_mosaic_is_its_image(channels):
  images_RCHWC = random_images(2, 3, 4, 5, channels)
  mosaic = shown(figures.grid(images_RCHWC).axes[0])
  mosaic = mosaic.reshape(2 * 4, 3 * 5, channels)
  for row in range(2):
    for column in range(3):
      tile = mosaic[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
      np.testing.assert_array_equal(tile, images_RCHWC[row, column])


@pytest.mark.parametrize('count', [1, 2, 5, 9, 10, 20, 21])
def test_grid_ticks_are_few_and_at_the_centre_of_the_tile_they_name(count):
  names = [f'tile {i}' for i in range(count)]
  figure = figures.grid(
    np.zeros((count, count, 4, 4, 1)), 'T', 'x', 'y', names, names
  )
  axes = figure.axes[0]
  for axis in (axes.xaxis, axes.yaxis):
    found = [t.get_text() for t in axis.get_ticklabels()]
    assert found[0] == names[0] and found[-1] == names[-1]
    assert len(found) <= 6
    centres = [4 * names.index(name) + 1.5 for name in found]
    np.testing.assert_allclose(axis.get_ticklocs(), centres)


def test_no_text_of_a_grid_is_cut():
  ticks = np.linspace(-2, 2, 12)
  images_RCHWC = np.zeros((12, 12, 8, 8, 1))
  assert_nothing_is_cut(figures.grid(images_RCHWC, 'T', 'x', 'y', ticks, ticks))
  assert_nothing_is_cut(figures.grid(images_RCHWC, 'T', 'x', 'y'))


def test_a_figure_of_images_is_as_wide_as_its_title():
  title = 'A title far wider than one column of small images, ' * 2
  images_RCHWC = np.zeros((9, 1, 8, 8, 1))
  assert_nothing_is_cut(figures.grid(images_RCHWC, title))
  assert_nothing_is_cut(figures.rows({'x': images_RCHWC[0]}, title))


@pytest.mark.parametrize('length, all_fit', [(1, True), (4, True), (5, False)])
def test_short_names_of_classes_stand_all_at_their_tiles(length, all_fit):
  names = ['abcdefghij'[i] * length for i in range(10)]
  figure = figures.grid(np.zeros((2, 10, 8, 8, 1)), x_ticks=names)
  found = [t.get_text() for t in figure.axes[0].get_xticklabels()]
  assert (found == names) == all_fit and found[0] == names[0]
  assert_nothing_is_cut(figure)


def test_numbers_on_ticks_have_a_true_minus_and_no_negative_zero():
  figure = figures.grid(
    np.zeros((1, 3, 4, 4, 1)), x_ticks=[-1.6449, -1e-17, 0.05]
  )
  found = [t.get_text() for t in figure.axes[0].get_xticklabels()]
  assert found == ['−1.64', '0', '0.05']


def test_grid_refuses_other_shapes():
  with pytest.raises(ValueError, match=r'\[rows, columns, H, W, C\]'):
    figures.grid(np.zeros((2, 4, 4, 1)), 'T')
  with pytest.raises(ValueError, match='x_ticks must be 3 values, got 2'):
    figures.grid(np.zeros((2, 3, 4, 4, 1)), 'T', x_ticks=[0, 1])


def test_each_class_of_a_scatter_is_exactly_the_points_of_its_label():
  rng = np.random.default_rng(0)
  z_N2, label_N = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
  names = ('cat', 'dog', 'ship', 'never seen')
  figure = figures.scatter(z_N2, label_N, names, 'T', 'x', 'y')
  axes = figure.axes[0]
  handles, found = axes.get_legend_handles_labels()
  assert tuple(found) == names
  for y, points in enumerate(handles):
    np.testing.assert_array_equal(points.get_offsets(), z_N2[label_N == y])
  colours = {tuple(points.get_facecolor()[0]) for points in handles}
  assert len(colours) == 4


def test_the_legend_of_a_scatter_is_outside_the_axes_and_inside_the_figure():
  label_N = np.arange(10)
  names = [f'class {y}' for y in label_N]
  figure = figures.scatter(np.zeros((10, 2)), label_N, names, 'title')
  assert_nothing_is_cut(figure)
  axes = figure.axes[0]
  legend = axes.get_legend()
  assert [t.get_text() for t in legend.get_texts()] == names
  assert box(figure, legend)[0] >= box(figure, axes.patch)[2]


def test_more_classes_than_colours_still_look_different():
  label_N = np.arange(25)
  axes = figures.scatter(np.zeros((25, 2)), label_N).axes[0]
  looks = {
    (tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes())
    for c in axes.collections
  }
  assert len(looks) == 25


def test_a_unit_is_as_long_on_both_axes_of_a_scatter():
  figure = figures.scatter(np.array([[0.0, 0.0], [9.0, 1.0]]))
  drawn(figure)
  axes = figure.axes[0]
  origin, right, up = axes.transData.transform([(0, 0), (1, 0), (0, 1)])
  assert abs((right - origin)[0] - (up - origin)[1]) < 1e-6


def test_a_scatter_without_labels_has_one_colour_and_no_legend():
  z_N2 = np.random.default_rng(0).normal(size=(5, 2))
  axes = figures.scatter(z_N2).axes[0]
  (points,) = axes.collections
  np.testing.assert_array_equal(points.get_offsets(), z_N2)
  assert len(points.get_facecolor()) == 1 and axes.get_legend() is None


@pytest.mark.parametrize(
  ('z', 'label', 'match'),
  [
    (np.zeros((4, 3)), None, r'\[N, 2\], got \(4, 3\)'),
    (np.zeros((4, 2)), np.zeros(3, int), r'integers \[4\]'),
    (np.zeros((4, 2)), np.zeros(4), 'float64'),
    (np.zeros((4, 2)), np.array([0, 1, 2, 0]), 'from 0 to 1, got 0 to 2'),
    (np.zeros((4, 2)), np.array([0, -1, 1, 0]), 'from 0 to 1, got -1 to 1'),
  ],
)
def test_scatter_refuses_other_shapes_and_unnamed_labels(z, label, match):
  with pytest.raises(ValueError, match=match):
    figures.scatter(z, label, ('a', 'b'))


def test_curves_join_the_held_values_and_skip_the_missing():
  axes = figures.curves(HISTORY, LOSS).axes[0]
  train, test = axes.lines
  np.testing.assert_array_equal(train.get_xydata(), [[0, 9], [10, 7], [30, 6]])
  np.testing.assert_array_equal(test.get_xydata(), [[0, 9.5], [20, 8]])
  [legend] = axes.figure.legends
  found = [t.get_text() for t in legend.get_texts()]
  assert found == ['train', 'test']
  axes.figure.draw_without_rendering()
  assert legend.get_window_extent().y1 <= axes.get_window_extent().y0


def test_curves_label_their_axes_and_stay_linear():
  figure = figures.curves(HISTORY, LOSS, 'T', units={'loss': 'nats'})
  assert_nothing_is_cut(figure)
  axes = figure.axes[0]
  assert axes.get_title('left') == 'loss' and axes.get_ylabel() == 'nats'
  assert axes.get_xlabel() == 'training step'
  assert axes.get_xscale() == axes.get_yscale() == 'linear'


def test_a_line_keeps_its_name_and_colour_from_panel_to_panel():
  panels = LOSS | {'test only': ('test/loss',)}
  first, second = figures.curves(HISTORY, panels).axes
  (line,) = second.lines
  assert line.get_label() == 'test'
  assert line.get_color() == first.lines[1].get_color()
  assert line.get_color() != first.lines[0].get_color()


def test_keys_that_differ_in_more_than_the_split_keep_their_name():
  history = [{'step': 0, 'test/kl': 1.0, 'test/nll': 2.0, 'lr': 3.0}]
  panels = {'a': ('test/kl', 'test/nll', 'lr')}
  axes = figures.curves(history, panels).axes[0]
  assert [i.get_label() for i in axes.lines] == ['test kl', 'test nll', 'lr']


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 7])
def test_there_is_one_axes_a_panel(count):
  panels = {str(i): ('train/loss',) for i in range(count)}
  assert len(figures.curves(HISTORY, panels).axes) == count


def test_points_are_marked_only_where_they_are_few():
  history = [
    {'step': i, 'a': i, **({'b': i} if i < 5 else {})} for i in range(99)
  ]
  many, few = figures.curves(history, {'p': ('a', 'b')}).axes[0].lines
  assert many.get_marker() == 'None' and few.get_marker() == 'o'


@pytest.mark.parametrize(
  ('x', 'last', 'text'), [('step', 60_000, '60k'), ('epoch', 0.6, '0.6')]
)
def test_steps_are_written_in_thousands_and_epochs_as_they_are(x, last, text):
  history = [{x: 0, 'a': 1.0}, {x: last, 'a': 2.0}]
  figure = figures.curves(history, {'p': ('a',)}, x=x)
  drawn(figure)
  assert text in [t.get_text() for t in figure.axes[0].get_xticklabels()]


def test_curves_refuse_a_panel_without_values_and_unknown_units():
  with pytest.raises(ValueError, match="one of .'tets/loss'.*'test/loss'"):
    figures.curves(HISTORY, {'loss': ('tets/loss',)})
  with pytest.raises(ValueError, match="did you mean 'loss'"):
    figures.curves(HISTORY, LOSS, units={'los': 'nats'})
  with pytest.raises(ValueError, match='panels is empty'):
    figures.curves(HISTORY, {})


def test_bars_are_in_order_from_the_top_with_their_numbers():
  values = {'bicubic': 19.41, 'ours': 22.07, 'nearest': 16.8}
  figure = figures.bars(values, 'T', 'PSNR (dB)', highlight='ours')
  assert_nothing_is_cut(figure)
  axes = figure.axes[0]
  assert [b.get_width() for b in axes.patches] == list(values.values())
  assert [t.get_text() for t in axes.get_yticklabels()] == list(values)
  assert [t.get_text() for t in axes.texts] == ['19.4', '22.1', '16.8']
  heights = [box(figure, bar)[1] for bar in axes.patches]
  assert heights == sorted(heights, reverse=True)
  for bar, text in zip(axes.patches, axes.texts, strict=True):
    assert box(figure, text)[0] > box(figure, bar)[2]
  accent = [
    b.get_facecolor()[:3] == to_rgb(figures.ACCENT) for b in axes.patches
  ]
  assert accent == [False, True, False]


def test_different_values_have_different_numbers():
  texts = figures.bars({'a': 3.44, 'b': 3.441, 'c': -1.0}).axes[0].texts
  assert [t.get_text() for t in texts] == ['3.440', '3.441', '−1.000']


def test_bars_start_at_zero():
  axes = figures.bars({'a': 90.0, 'b': 91.0}).axes[0]
  assert axes.get_xlim()[0] == 0


@pytest.mark.parametrize('values', [{}, {'a': np.nan}, {'a': None}])
def test_bars_refuse_what_is_not_a_number(values):
  with pytest.raises(ValueError, match='finite numbers'):
    figures.bars(values)


def test_an_unknown_highlight_names_the_nearest_bar():
  with pytest.raises(ValueError, match="did you mean 'ours'"):
    figures.bars({'ours': 1.0}, highlight=('our',))


@pytest.mark.parametrize('side', range(5, 12))
def test_a_saved_png_decodes_to_the_size_of_the_figure(tmp_path, side):
  figure = figures.rows({'x': random_images(2, side, side, 1)})
  path = figures.save(figure, tmp_path / 'new' / 'folder' / 'x.png')
  height, width = image.imread(path).shape[:2]
  inches = figure.get_size_inches()
  np.testing.assert_array_equal([width, height], np.round(inches * 150))
  assert [p.name for p in path.parent.iterdir()] == ['x.png']


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
  path = tmp_path / 'x.png'
  path.write_bytes(b'old')

  class Broken:
    def savefig(self, target, **kwargs):
      del kwargs
      target.write(b'half')
      raise OSError('disk full')

  with pytest.raises(OSError, match='disk full'):
    figures.save(Broken(), path)
  assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_during_a_save_keeps_all_of_it(tmp_path):
  path = tmp_path / 'x.png'
  path.write_bytes(b'old')
  with path.open('rb') as reader:
    figures.save(figures.bars({'a': 1.0}), path)
    assert reader.read() == b'old'
  assert path.read_bytes() != b'old'


def test_the_same_figure_gives_the_same_bytes(tmp_path):
  first, second = (
    figures.save(figures.curves(HISTORY, LOSS), tmp_path / name).read_bytes()
    for name in ('a.png', 'b.png')
  )
  assert first == second
