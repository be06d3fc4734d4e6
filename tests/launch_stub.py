"""A stub of a training: a process that takes steps, and misbehaves.

    python tests/launch_stub.py BEHAVIOUR --run=DIR

Every step adds a line to DIR/steps.txt, so that a test can see steps that were
done twice. Some behaviours let the first start end badly.
"""

import os
import pathlib
import signal
import sys
import time

from vae_info.runs import Run

STEPS = 6


def main(behaviour, run):
  run.mkdir(parents=True, exist_ok=True)
  # A baseline evaluates itself, so its rows alone mean that it is done.
  (run / 'config.json').write_text('{"kind": "baseline"}')
  starts = run / 'starts.txt'
  with open(starts, 'a') as file:
    file.write(f'{os.environ.get("TPU_VISIBLE_CHIPS", "")}\n')
  first = len(starts.read_text().splitlines()) == 1
  if behaviour == 'fails':
    print('error: on purpose')
    sys.exit(1)
  if behaviour == 'busy' and first:
    sys.exit(75)
  if behaviour in ('slow', 'endless'):
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(42))
  if behaviour == 'stubborn':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
  steps = run / 'steps.txt'
  done = len(steps.read_text().splitlines()) if steps.exists() else 0
  endless = behaviour in ('endless', 'stubborn')
  for step in range(done, 1000 if endless else STEPS):
    if first and step == STEPS // 2:
      if behaviour == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
      if behaviour == 'preempted':
        sys.exit(42)
    with open(steps, 'a') as file:
      file.write(f'{step}\n')
    time.sleep(0.5 if endless or behaviour == 'slow' else 0.01)
  row = {
    'run': run.name,
    'task': 'digit',
    'label_distortion': 1.0,
    'label_distortion_stderr': 0.1,
    'label_accuracy': 0.5,
    'label_accuracy_stderr': 0.1,
  }
  Run(run).write_rows([row])


if __name__ == '__main__':
  main(sys.argv[1], pathlib.Path(sys.argv[2].removeprefix('--run=')))
