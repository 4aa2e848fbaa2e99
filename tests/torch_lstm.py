"""networks.recurrent, flat, and its loss in PyTorch: for against_torch.py.

p is {'encoder': ..., 'decoder': ...} of PyTorch's own LSTM weights; sequences
are one-hot [B, L, 1, V]. PyTorch has two biases a layer, of which the second is
zero here and stays so.
"""

import numpy as np
import torch
from torch.nn import functional as F


def in_torch(params, layout=None):
  """Our parameters, numpy arrays, as PyTorch's p."""
  del layout

  def own(x):
    return torch.nn.Parameter(torch.tensor(np.ascontiguousarray(x)))

  def layer(values):
    if 'recurrent' in values:
      weights = [own(values[k].T) for k in ('kernel', 'recurrent')]
      bias = own(values['bias'])
      return [*weights, bias, torch.zeros_like(bias)]
    return [own(values['kernel'].T), own(values['bias'])]

  return {
    side: {
      name: layer(values) if isinstance(values, dict) else own(values)
      for name, values in own_side.items()
    }
    for side, own_side in params.items()
  }


def trained(p):
  """The parameters of p that are trained, those that we have too."""
  leaves = []
  for side in p.values():
    for value in side.values():
      leaves += value if isinstance(value, list) else [value]
  return [x for x in leaves if isinstance(x, torch.nn.Parameter)]


def lstm(x, state, weights, layers, both=False):
  """(outputs, last h, last c) of PyTorch's LSTM for [L, B, F]."""
  return torch._VF.lstm(
    x, state, weights, True, layers, 0.0, torch.is_grad_enabled(), both, False
  )


def nelbo(p, x, drawn=True):
  """-ELBO per sequence after the right steps, of a draw or the mean code."""
  mean, log_sigma = encode(p['encoder'], x)
  z = mean + log_sigma.exp() * torch.randn_like(mean) if drawn else mean
  kl = (mean**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum() / 2
  logits = decode(p['decoder'], z, x)
  wanted = x[:, :, 0].argmax(-1)
  nll = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction='sum')
  return (nll + kl) / len(x)


def encode(p, x):
  """(mean, log sigma) from the last states of both directions."""
  x_LBV = x[:, :, 0].transpose(0, 1)
  units = len(p['steps_ahead'][2]) // 4
  zero = x.new_zeros(2, len(x), units)
  weights = [*p['steps_ahead'], *p['steps_back']]
  _, h, _ = lstm(x_LBV, (zero, zero), weights, 1, both=True)
  last = torch.cat([h[0], h[1]], -1)
  return F.linear(last, *p['z_mean']), F.linear(last, *p['z_log_sigma'])


def decode(p, z, x):
  """Logits after the right steps: [B, L, V]."""
  before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)[:, :, 0]
  beside = z[None].expand(x.shape[1], -1, -1)
  inputs = torch.cat([before.transpose(0, 1), beside], -1)
  layers = sum(name.startswith('part_0_lstm') for name in p)
  starts = [
    F.linear(z, *p[f'part_0_start_{k}']).tanh().chunk(2, -1)
    for k in range(layers)
  ]
  state = tuple(torch.stack(own) for own in zip(*starts, strict=True))
  weights = [w for k in range(layers) for w in p[f'part_0_lstm_{k}']]
  outputs, _, _ = lstm(inputs, state, weights, layers)
  logits = outputs @ p['part_0_logits'] + p['part_0_bias']
  return logits.transpose(0, 1)
