import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vae_jax import data


def pictures(n, shape=(4, 6, 3), seed=0):
  return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


@pytest.fixture
def album(tmp_path):
  """A function (x, names) that writes images; the folder."""
  folder = tmp_path / 'my, album'

  def album(x, names):
    for pixels, name in zip(x, names, strict=True):
      path = folder / name
      path.parent.mkdir(parents=True, exist_ok=True)
      Image.fromarray(pixels.squeeze()).save(path)
    return folder

  return album


@pytest.mark.parametrize('channels', [1, 3])
def test_a_folder_is_its_images_with_subfolders_as_classes(album, channels):
  x = pictures(40, (5, 7, channels))
  names = [f'{"cat" if i % 2 else "dog"}/{i:02}.png' for i in range(40)]
  folder = album(x, names)
  (folder / 'cat' / 'notes.txt').write_text('no image')
  splits = data.load(f'folder:{folder}')
  both = [splits['train'], splits['test']]
  found = np.concatenate([batch.x for batch in both])
  label = np.concatenate([batch.label for batch in both])
  wanted = {x_HWC.tobytes(): i % 2 for i, x_HWC in enumerate(x)}
  assert {
    x_P.tobytes(): 1 - k for x_P, k in zip(found, label, strict=True)
  } == (wanted)
  assert both[0].classes == ('cat', 'dog')
  assert both[0].shape == (5, 7, channels) and both[0].scale == 255
  batch, names_read = data.own_images(folder)
  assert batch.size == 40 and set(names_read) == set(names)


def test_the_split_of_an_image_hangs_on_its_name_alone(album):
  x = pictures(60)
  names = [f'{i}.png' for i in range(60)]
  few = data.load(f'folder:{album(x[:40], names[:40])}')
  more = data.load(f'folder:{album(x, names)}')
  for split in ('train', 'test'):
    rows = {x_P.tobytes() for x_P in few[split].x}
    assert rows <= {x_P.tobytes() for x_P in more[split].x}
    assert few[split].label is None


def jpeg_named_png(folder):
  Image.fromarray(pictures(1)[0]).save(folder / '5.png', 'JPEG')


def text(folder):
  (folder / '5.png').write_text('I am a text')


def empty(folder):
  (folder / '5.png').touch()


def cut(folder):
  content = (folder / '1.png').read_bytes()
  (folder / '5.png').write_bytes(content[: len(content) - 30])


def corrupt(folder):
  content = bytearray((folder / '1.png').read_bytes())
  content[60] ^= 255
  (folder / '5.png').write_bytes(content)


def other_size(folder):
  Image.new('RGB', (7, 4)).save(folder / '5.png')


def grey(folder):
  Image.new('L', (6, 4)).save(folder / '5.png')


def transparent(folder):
  Image.new('RGBA', (6, 4)).save(folder / '5.png')


def deep(folder):
  Image.new('I;16', (6, 4)).save(folder / '5.png')


def bomb(folder, side=20_000):
  # 400 million pixels in a header; nothing may be decoded.
  head = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
  content = b'\x89PNG\r\n\x1a\n'
  for kind, body in ((b'IHDR', head), (b'IDAT', b''), (b'IEND', b'')):
    crc = struct.pack('>I', zlib.crc32(kind + body))
    content += struct.pack('>I', len(body)) + kind + body + crc
  (folder / '0.png').write_bytes(content)


def wide(folder):
  Image.new('L', (5000, 4000)).save(folder / '5.png')


def small_bomb(folder):
  bomb(folder, 10_000)


def in_a_class(folder):
  (folder / 'cat').mkdir()
  Image.new('RGB', (6, 4)).save(folder / 'cat' / '5.png')


@pytest.mark.parametrize(
  ('spoil', 'words'),
  [
    (text, '5.png is no image$'),
    (empty, '5.png is no image .it is empty'),
    (cut, '5.png is corrupt or truncated'),
    (corrupt, '5.png is corrupt or truncated'),
    (other_size, '1.png is 4 x 6 colour and .*5.png is 4 x 7 colour'),
    (grey, '1.png is 4 x 6 colour and .*5.png is 4 x 6 grey'),
    (transparent, '5.png is RGBA, and some of it transparent: 8-bit'),
    (deep, '5.png is I;16'),
    (bomb, '0.png is too large an image'),
    (small_bomb, '0.png is too large an image'),
    (wide, '5.png is 4000 x 5000, more than 16,777,216 pixels'),
    (in_a_class, 'holds 1.png beside the class folder cat'),
  ],
)
def test_a_bad_image_is_one_line_with_its_name(refused, album, spoil, words):
  folder = album(pictures(4), [f'{i}.png' for i in range(1, 5)])
  spoil(folder)
  refused(f'folder:{folder}', words)


def test_what_a_file_is_counts_and_not_its_name(album):
  folder = album(pictures(4), [f'{i}.png' for i in range(1, 5)])
  jpeg_named_png(folder)
  assert sum(b.size for b in data.load(f'folder:{folder}').values()) == 5


def test_a_folder_that_is_none_or_empty_or_holds_one_image(
  refused, album, tmp_path
):
  refused('folder:', 'needs a path: folder:PATH')
  refused(f'folder:{tmp_path}/no', 'no does not exist')
  refused(f'folder:{tmp_path}', 'holds no .png, .jpg, .jpeg, .webp, .bmp, .tif')
  folder = album(pictures(1), ['a.png'])
  refused(f'folder:{folder}', 'holds 1 image: one to train on and one to test')
  refused(f'folder:{folder}/a.png', 'a.png is not a folder')


def test_one_class_and_fewer_images_than_a_batch_are_fine(album):
  folder = album(pictures(3), [f'only/{i}.png' for i in range(3)])
  splits = data.load(f'folder:{folder}')
  assert splits['train'].classes == ('only',)
  assert (splits['train'].size, splits['test'].size) == (2, 1)
  assert len(data.order(0, splits['train'].size, 0, 128)) == 128


X = pictures(1, (4, 6, 3))[0]


def photo(folder, name, image, **options):
  (folder / name).parent.mkdir(parents=True, exist_ok=True)
  image.save(folder / name, **options)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['png', 'jpg', 'webp', 'tiff'])
def test_photographs_stand_upright(orientation, ending, tmp_path):
  # What EXIF 2.32 says of the first row and the first column.
  upright = np.repeat(np.repeat(X, 16, 0), 16, 1)  # blocks, which JPEG keeps
  stored = {
    1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
    5: upright.swapaxes(0, 1), 6: upright.swapaxes(0, 1)[::-1],
    7: upright.swapaxes(0, 1)[::-1, ::-1], 8: upright.swapaxes(0, 1)[:, ::-1],
  }[orientation]  # fmt: skip
  exif = Image.Exif()
  exif[0x0112] = orientation
  options = {'quality': 100} if ending in ('jpg', 'webp') else {}
  image = Image.fromarray(np.ascontiguousarray(stored))
  photo(tmp_path, f'a.{ending}', image, exif=exif, **options)
  batch, _ = data.own_images(tmp_path)
  assert batch.shape == (64, 96, 3)
  middles = batch.x.reshape(64, 96, 3)[8::16, 8::16].astype(int)
  atol = 40 if options else 0  # half of the colours' rows are stored
  np.testing.assert_allclose(middles, X, atol=atol)


@pytest.mark.parametrize(
  ('ending', 'mode'),
  [
    ('webp', 'RGB'), ('bmp', 'RGB'), ('bmp', 'L'), ('tif', 'RGB'),
    ('tif', 'L'), ('gif', 'RGB'), ('png', 'RGBA'), ('png', 'LA'),
    ('webp', 'RGBA'), ('tiff', 'RGBA'),
  ],
)  # fmt: skip
def test_images_of_any_format_have_their_values(ending, mode, tmp_path):
  grey = mode[0] == 'L'
  x = X[..., :1] if grey else X
  image = Image.fromarray(x.squeeze())
  if mode.endswith('A'):  # opaque everywhere
    image.putalpha(255)
  options = {'lossless': True} if ending == 'webp' else {}
  photo(tmp_path, f'a.{ending}', image, **options)
  batch, _ = data.own_images(tmp_path)
  assert batch.shape == (4, 6, 1 if grey else 3)
  np.testing.assert_array_equal(batch.x[0], x.ravel())


def test_of_an_animation_the_first_frame_counts(tmp_path):
  frames = [Image.fromarray(x[..., 0]) for x in pictures(3)]
  photo(tmp_path, 'a.gif', frames[0], save_all=True, append_images=frames[1:])
  batch, _ = data.own_images(tmp_path)
  grey = np.repeat(pictures(3)[0, ..., :1], 3, -1)  # a palette is of colours
  np.testing.assert_array_equal(batch.x[0], grey.ravel())


@pytest.mark.parametrize(
  ('train', 'tests'),
  [
    ('train', ['test']),
    ('training', ['val']),
    ('Train', ['Valid']),
    ('train', ['validation', 'test']),
  ],
)
def test_folders_of_splits_are_splits(train, tests, album):
  x = pictures(12)
  tops = [train] * 6 + [tests[0]] * 3 + [tests[-1]] * 3
  classes = [*'aaabbb', *'aab', *'abb']
  names = [
    f'{top}/{y}/{i:02}.png'
    for i, (top, y) in enumerate(zip(tops, classes, strict=True))
  ]
  splits = data.load(f'folder:{album(x, names)}')
  assert splits['train'].classes == ('a', 'b')
  np.testing.assert_array_equal(splits['train'].x, x[:6].reshape(6, -1))
  assert splits['train'].label.tolist() == [0, 0, 0, 1, 1, 1]
  sizes = {name: batch.size for name, batch in splits.items()}
  if len(tests) == 1:
    assert sizes == {'train': 6, 'test': 6}
  else:
    assert sizes == {'train': 6, 'test': 3, 'validation': 3}
    np.testing.assert_array_equal(splits['test'].x, x[9:].reshape(3, -1))


def test_a_class_called_train_is_a_class(album):
  names = [f'{top}/{i}.png' for i in range(6) for top in ('train', 'car')]
  batch, _ = data.own_images(album(pictures(12), names))
  assert batch.classes == ('car', 'train')


def test_links_to_class_folders_are_followed(album, tmp_path, refused):
  folder = album(pictures(6), [f'cat/{i}.png' for i in range(6)])
  other = tmp_path / 'elsewhere'
  for i, x in enumerate(pictures(5, seed=1)):
    photo(other, f'{i}.png', Image.fromarray(x))
  (folder / 'dog').symlink_to(other)
  batch, names = data.own_images(folder)
  assert batch.classes == ('cat', 'dog') and batch.size == 11
  (other / 'again').symlink_to(folder)
  refused(f'folder:{folder}', 'again is a link to a folder that it lies in')


def test_what_is_passed_over_is_counted_by_its_ending(album, capsys):
  folder = album(pictures(3), [f'{i}.png' for i in range(3)])
  for name in ('a.heic', 'b.HEIC', 'notes', 'c.txt', '.hidden'):
    (folder / name).touch()
  assert data.own_images(folder)[0].size == 3
  note = 'passed over 2 .heic, 1 without an ending and 1 .txt\n'
  said = capsys.readouterr().err
  assert said.startswith('note: ') and sorted(said) == sorted(
    f'note: {folder}: {note}'
  )


def test_a_class_without_an_image_to_train_on_is_told(album, capsys):
  names = ['train/a/1.png', 'train/a/2.png', 'test/a/3.png', 'test/b/4.png']
  folder = album(pictures(4), names)
  assert data.load(f'folder:{folder}')['test'].label.tolist() == [0, 1]
  said = f'note: {folder}: no image to train on is of b\n'
  assert capsys.readouterr().err == said
