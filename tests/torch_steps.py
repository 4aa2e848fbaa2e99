"""Our networks and train steps in PyTorch and in pythae: for against_torch.py.

p is {side: {flax's name of a layer: (weight, bias)}}; images are [B, 1, H, W].
Rows of dense layers are in the order of ours, which channels_last has too.
"""

import contextlib
import logging
import os
from functools import partial

import jax
import numpy as np
import torch
from torch.nn import functional as F

from tests import torch_lstm

relu = partial(F.relu, inplace=True)  # a tenth of a step of convolutions


def in_torch(params, layout='channels_last'):
  """Our parameters, numpy arrays, as PyTorch's p for images as `pixels` gives
  them."""
  params = turned(params) if is_strided(params) else params

  def layer(name, kernel, bias):
    if name.startswith('ConvTranspose'):
      kernel = kernel[::-1, ::-1].swapaxes(2, 3)
    weight = torch.tensor(np.moveaxis(kernel, (-1, -2), (0, 1)).copy())
    if weight.ndim == 4:
      weight = laid(weight, layout)
    return tuple(map(torch.nn.Parameter, (weight, torch.tensor(bias.copy()))))

  return {
    side: {name: layer(name, **values) for name, values in own.items()}
    for side, own in params.items()
  }


def laid(x, layout):
  return x.contiguous(memory_format=getattr(torch, layout))


def pixels(params, x_BHWC):
  """Images for a net with these parameters: turned by half if it is strided,
  since PyTorch's padding=1 is 'SAME' for those."""
  x = torch.tensor(x_BHWC).permute(0, 3, 1, 2)
  return x.flip(2, 3) if is_strided(params) else x


def is_strided(params):
  return 'ConvTranspose_0' in params['decoder']


def turned(params):
  """Parameters of networks.conv that do to turned images what these do."""
  channels = params['decoder']['ConvTranspose_0']['kernel'].shape[2]

  def half(x, axis):
    x = np.moveaxis(x, axis, 0)
    rows = x.reshape(-1, channels, *x.shape[1:])[::-1]
    return np.moveaxis(rows.reshape(x.shape), 0, axis)

  def layer(side, name, kernel, bias):
    if kernel.ndim == 4:
      kernel = kernel[::-1, ::-1]
    elif (side, name) == ('encoder', 'Dense_0'):
      kernel = half(kernel, 0)
    elif (side, name) == ('decoder', 'Dense_1'):
      kernel, bias = half(kernel, 1), half(bias, 0)
    return {'kernel': kernel, 'bias': bias}

  return {
    side: {name: layer(side, name, **values) for name, values in own.items()}
    for side, own in params.items()
  }


def nelbo(p, x, drawn=True):
  """-ELBO per image, of a draw or of the mean code; no KL without log sigma."""
  mean, log_sigma = encode(p['encoder'], x)
  z, kl = mean, 0.0
  if log_sigma is not None:
    z = mean + log_sigma.exp() * torch.randn_like(mean) if drawn else mean
    kl = (mean**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum() / 2
  logits = decode(p['decoder'], z)
  nll = F.binary_cross_entropy_with_logits(logits, x, reduction='sum')
  return (nll + kl) / len(x)


def encode(p, x):
  """(mean, log sigma): networks.mlp, conv or, without log sigma, pooled."""
  pools = 'z_mean' not in p
  for layer in layers(p, 'Conv'):
    x = F.conv2d(x, *layer, stride=1 if pools else 2, padding=1)
    x = relu(F.max_pool2d(x, 2, ceil_mode=True) if pools else x)
  x = x.permute(0, 2, 3, 1).flatten(1)
  if pools:
    return x, None
  x = relu(dense(p, x))
  return F.linear(x, *p['z_mean']), F.linear(x, *p['z_log_sigma'])


def decode(p, z):
  """Logits of the images."""
  ups, convs = layers(p, 'ConvTranspose'), layers(p, 'Conv')
  if not ups and convs:
    return decode_pooled(convs, z)
  x = maps(dense(p, z), len(ups[0][0]) if ups else 1)
  for weight, bias in ups:
    odd = weight.shape[-1] % 2  # then a row is missing to twice the side
    x = F.conv_transpose2d(relu(x), weight, bias, 2, 1, output_padding=odd)
  for layer in convs:
    x = F.conv2d(relu(x), *layer, padding=1)
  return x


def decode_pooled(convs, z):
  """Logits of the lesson's net: the third convolution has no padding."""
  twice = partial(F.interpolate, scale_factor=2.0)
  first, second, third, last = convs
  x = relu(F.conv2d(maps(z, len(first[0])), *first, padding=1))
  x = relu(F.conv2d(twice(x), *second, padding=1))
  x = relu(F.conv2d(twice(x), *third))
  return F.conv2d(twice(x), *last, padding=1)


def dense(p, x):
  """Dense layers with a relu between them."""
  for i, layer in enumerate(layers(p, 'Dense')):
    x = F.linear(relu(x) if i else x, *layer)
  return x


def layers(p, kind):
  """(weight, bias) of kind_0, kind_1, ..."""
  return [p[name] for name in sorted(p) if name.startswith(f'{kind}_')]


def maps(x, channels):
  """Rows as square maps."""
  side = round((x.shape[1] / channels) ** 0.5)
  return x.reshape(-1, side, side, channels).permute(0, 3, 1, 2)


def plain(
  params,
  x,
  ex,
  layout='channels_last',
  compiled=False,
  device='cpu',
  loss=None,
):
  """A function that makes a step on every batch of the images, K in all; on a
  GPU compiled into CUDA graphs. The loss is nelbo if not said."""
  loss = loss or nelbo
  p, x, adam = on(device, params, x, ex, layout, loss)
  mode = 'reduce-overhead' if device == 'cuda' else None
  if compiled:
    loss = torch.compile(loss, dynamic=False, mode=mode)

  def steps():
    order = torch.randperm(len(x), device=device)
    for index in order.split(ex.batch_size):
      torch.compiler.cudagraph_mark_step_begin()
      adam.zero_grad()
      with cast(ex, device):
        value = loss(p, x[index])
      value.backward()
      adam.step()
    waited(device)

  return steps


def graphed(params, x, ex, layout='channels_last'):
  """The same steps of PyTorch's on a GPU, each the replay of one captured CUDA
  graph, which gathers its batch itself."""
  p, x, adam = on('cuda', params, x, ex, layout, nelbo, capturable=True)
  index = torch.arange(ex.batch_size, device='cuda')

  def step():
    adam.zero_grad(set_to_none=True)
    with cast(ex, 'cuda'):
      value = nelbo(p, x.index_select(0, index))
    value.backward()
    adam.step()

  aside = torch.cuda.Stream()  # where PyTorch wants a capture's warm-up
  aside.wait_stream(torch.cuda.current_stream())
  with torch.cuda.stream(aside):
    for _ in range(3):
      step()
  torch.cuda.current_stream().wait_stream(aside)
  graph = torch.cuda.CUDAGraph()
  with torch.cuda.graph(graph):
    step()

  def steps():
    for chosen in torch.randperm(len(x), device='cuda').split(ex.batch_size):
      index.copy_(chosen)
      graph.replay()
    waited('cuda')

  return steps


def on(device, params, x, ex, layout, loss, **how):
  """(p, images, Adam) on the device."""
  if loss is torch_lstm.nelbo:
    p = torch_lstm.in_torch(params)
    leaves = torch_lstm.trained(p)
  else:
    p = jax.tree.map(
      lambda w: torch.nn.Parameter(w.detach().to(device)),
      in_torch(params, layout),
    )
    leaves, x = jax.tree.leaves(p), laid(x.to(device), layout)
  adam = torch.optim.Adam(leaves, ex.learning_rate, fused=True, **how)
  return p, x, adam


def cast(ex, device):
  """Products in bfloat16 where the experiment's are."""
  wanted = ex.precision == 'bfloat16'
  return torch.autocast(device, torch.bfloat16, enabled=wanted)


def precise(precision: str):
  """Products on a GPU in float32, or in TF32."""
  rough = precision != 'float32'
  torch.backends.cuda.matmul.allow_tf32 = rough
  torch.backends.cudnn.allow_tf32 = rough


def waited(device):
  """Returns when a GPU has done what it was sent."""
  if device == 'cuda':
    torch.cuda.synchronize()


def pythae(params, x, ex, folder):
  """A function that has pythae's trainer make those steps: an epoch."""
  from pythae import models, trainers
  from pythae.data.datasets import BaseDataset
  from pythae.models.base.base_utils import ModelOutput
  from pythae.models.nn import BaseDecoder, BaseEncoder

  p = in_torch(params)

  class Encoder(BaseEncoder):
    def forward(self, x):
      mean, log_sigma = encode(p['encoder'], x)
      return ModelOutput(embedding=mean, log_covariance=2 * log_sigma)

  class Decoder(BaseDecoder):
    def forward(self, z):
      return ModelOutput(reconstruction=decode(p['decoder'], z).sigmoid())

  logging.disable(logging.INFO)
  settings = models.VAEConfig(latent_dim=20, reconstruction_loss='bce')
  model = models.VAE(settings, Encoder(), Decoder())
  model.own = torch.nn.ParameterList(jax.tree.leaves(p))
  losses = []
  for loss in (partial(nelbo, p), lambda x: model({'data': x}).loss):
    torch.manual_seed(0)  # draws the same noise
    losses.append(loss(x).item())
  assert abs(losses[1] / losses[0] - 1) < 1e-4, 'another loss'
  settings = trainers.BaseTrainerConfig(
    folder, ex.batch_size, learning_rate=ex.learning_rate, no_cuda=True
  )
  examples = BaseDataset(x, torch.zeros(len(x)))
  trainer = trainers.BaseTrainer(model, examples, training_config=settings)
  trainer.prepare_training()

  def steps():
    with (
      open(os.devnull, 'w', encoding='utf-8') as bar,
      contextlib.redirect_stderr(bar),
    ):
      trainer.train_step(1)

  return steps
