"""Parts of an evaluation that are done, in a file until all of it is done.

At twelve betas, bounds can take an hour. If it is stopped meanwhile, the same
command makes what is missing.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from vae_info.evaluation.options import Options
from vae_info.runs import Run, provenance
from vae_info.runs.directory import read_json
from vae_info.runs.paths import write_atomically

# Options on which no result depends.
_FREE = ('batch_size', 'data_dir', 'cache_dir')


class Parts:
  """Named parts of one evaluation, each a value for JSON.

  They are those of this training, these options and this version. Parts of
  another evaluation are forgotten when the first new one is kept.
  """

  def __init__(self, run: Run, options: Options):
    chosen = dataclasses.asdict(options)
    key = {name: chosen[name] for name in chosen if name not in _FREE}
    key |= {'training': run.facts, 'version': provenance.version()}
    self._path = run.unfinished
    self._of = json.dumps(key, sort_keys=True)
    content = read_json(self._path)
    same = content.get('of') == self._of
    self._parts: dict[str, Any] = content['parts'] if same else {}

  def kept_or_made(self, name: str, make: Callable[[], Any]) -> Any:
    """The value of a part, from the file or from `make`, which is then kept."""
    if name not in self._parts:
      self._parts[name] = make()
      content = {'of': self._of, 'parts': self._parts}
      write_atomically(self._path, json.dumps(content) + '\n')
    return self._parts[name]


def remove(run: Run) -> None:
  """Removes the file, if there is one."""
  run.unfinished.unlink(missing_ok=True)
