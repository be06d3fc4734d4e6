"""The networks of a training in PyTorch, timed for `tests.benchmark --peer`.

    PATH_TO_PYTHON tests/torch_peer.py < REQUESTS

It needs torch and numpy alone. The first line of standard input is a `Spec` as
JSON, which `tests/peer.py` writes. The answer is a line of JSON: the number of
weights, and R and D of a given batch, noise and weights. Each further line is a
number of steps. The answer is how many seconds one of them took.

It does what PyTorch is fastest at: channels last, fused AdamW, the gradients'
norm by `foreach`, and `torch.compile` if the spec asks. `torch_networks.py` has
the networks.
"""

import dataclasses
import json
import sys
import time
from typing import Any


@dataclasses.dataclass(frozen=True)
class Spec:
  """What to build, and how to run it.

  Attributes:
    encoder: Parts of a chain, each a dict with an `op`; see `Build`.
    decoder: The same, from a code to logits, or to a causal stack's context.
    causal: None, or `first`, `hidden` (a list) and `out`, each a part.
    arrays: A `.npz` with the weights by number, `images` and `noise`.
    batch_size: Images in a step.
    beta: Weight of the rate.
    learning_rate: Adam's.
    precision: 'float32' or 'bfloat16'.
    threads: Cores to use.
    compiled: Whether `torch.compile` compiles the networks.
  """

  encoder: list[dict[str, Any]]
  decoder: list[dict[str, Any]]
  causal: dict[str, Any] | None
  arrays: str
  batch_size: int
  beta: float
  learning_rate: float
  precision: str
  threads: int
  compiled: bool

  @classmethod
  def parse(cls, text: str) -> 'Spec':
    """Reads the JSON of a spec.

    Raises:
      ValueError: It lacks an attribute, or has one more.
    """
    values = json.loads(text)
    names = {field.name for field in dataclasses.fields(cls)}
    if set(values) != names:
      raise ValueError(
        f'expected {", ".join(sorted(names))}; the difference is '
        f'{", ".join(sorted(names ^ set(values)))}'
      )
    return cls(**values)


def make_steps(spec: Spec, network, images):
  """Returns a function that takes a number of training steps."""
  import torch

  parameters = list(network.parameters())
  adam = torch.optim.AdamW(parameters, spec.learning_rate, fused=True)
  called = torch.compile(network) if spec.compiled else network
  latent_size = spec.encoder[-1]['outputs'] // 2

  def steps(count):
    for _ in range(count):
      picked = torch.randint(len(images), [spec.batch_size])
      noise = torch.randn(spec.batch_size, latent_size)
      rate, distortion = called(images[picked].float(), noise)
      (distortion + spec.beta * rate).backward()
      gradients = [parameter.grad for parameter in parameters]
      norms = torch.stack(torch._foreach_norm(gradients))
      torch._foreach_div_(gradients, torch.linalg.vector_norm(norms))
      adam.step()
      adam.zero_grad(set_to_none=True)

  return steps


def main():
  import numpy as np
  import torch
  from torch_networks import Network

  spec = Spec.parse(sys.stdin.readline())
  torch.set_num_threads(spec.threads)
  arrays = dict(np.load(spec.arrays))
  images = torch.from_numpy(arrays['images']).permute(0, 3, 1, 2)
  with torch.no_grad():
    rate, distortion = Network(spec, arrays, exact=True)(
      images[: spec.batch_size].float(), torch.from_numpy(arrays['noise'])
    )
  network = Network(spec, arrays, exact=False)
  answer = {
    'weights': sum(x.numel() for x in network.parameters()),
    'rate': rate.item(),
    'distortion': distortion.item(),
    'torch': torch.__version__,
  }
  print(json.dumps(answer), flush=True)
  steps = make_steps(spec, network, images)
  for line in sys.stdin:
    count = int(line)
    started = time.perf_counter()
    steps(count)
    print((time.perf_counter() - started) / count, flush=True)


if __name__ == '__main__':
  main()
