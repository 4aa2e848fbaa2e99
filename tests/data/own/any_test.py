"""Any array and any damage to an image: its very values, or one line."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from vae_jax import data

ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
NUMBERS = st.one_of(
  arrays.boolean_dtypes(),
  arrays.integer_dtypes(),
  arrays.unsigned_integer_dtypes(),
  arrays.floating_dtypes(),
  arrays.complex_number_dtypes(),
  arrays.unicode_string_dtypes(max_len=2),
  arrays.datetime64_dtypes(),
)
IMAGES = st.tuples(*[st.integers(1, 4)] * 3)
VALUES = {
  np.uint8: st.integers(0, 255),
  np.int64: st.integers(0, 255),
  np.float32: st.floats(0, 1, width=32),
  np.float64: st.floats(0, 1),
  np.bool_: st.booleans(),
}


def loaded(name):
  """The batch of all images, or None if one line refuses them."""
  try:
    return data.own_images(name)[0]
  except data.DataError as error:
    assert '\n' not in str(error) and 10 < len(str(error)) < 500
    return None


@ANY
@given(x=arrays.arrays(NUMBERS, SHAPES), y=arrays.arrays(NUMBERS, SHAPES))
def test_any_arrays_are_images_or_one_line(x, y, tmp_path):
  np.savez(tmp_path / 'a.npz', x=x, y=y)
  batch = loaded(f'npz:{tmp_path}/a.npz')
  if batch is not None:
    assert batch.size == len(x) == len(batch.label)
    np.testing.assert_allclose(
      np.asarray(batch.images()).ravel() * (255 / batch.scale),
      x.astype(float).ravel() * (1 if x.max() > 1 else 255 / batch.scale),
      atol=0.51,
    )


@ANY
@given(st.sampled_from(sorted(VALUES, key=str)), IMAGES, st.data())
def test_what_can_be_an_image_is_one(tmp_path, dtype, shape, draw):
  x = draw.draw(arrays.arrays(dtype, shape, elements=VALUES[dtype]))
  np.savez(tmp_path / 'a.npz', x=x)
  batch = loaded(f'npz:{tmp_path}/a.npz')
  assert batch is not None and batch.shape == (*shape[1:], 1)
  binary = ((x == 0) | (x == 1)).all()
  top = 255 if x.dtype.kind in 'ui' and not binary else 1
  assert batch.scale == (1 if binary else 255)
  images = np.asarray(batch.images()).reshape(shape)
  np.testing.assert_allclose(images, x / top, atol=0.51 / 255)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
@ANY
@given(draw=st.data())
def test_a_damaged_image_is_an_image_or_one_line(kind, draw, tmp_path):
  file = io.BytesIO()
  x = np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)
  Image.fromarray(x).save(file, kind)
  content = bytearray(file.getvalue())
  (tmp_path / 'a.png').write_bytes(content)
  for at in draw.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
    content[at] ^= draw.draw(st.integers(1, 255))
  end = draw.draw(st.integers(0, len(content)))
  (tmp_path / 'b.png').write_bytes(content[:end])
  batch = loaded(f'folder:{tmp_path}')
  assert batch is None or batch.x.shape == (2, 6 * 9 * 3)
  if batch is not None and bytes(content) == file.getvalue():
    np.testing.assert_array_equal(batch.x[0], batch.x[1])
