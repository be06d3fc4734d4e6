"""In place of a training: a process that takes steps, and misbehaves.

    python tests/launch_stub.py BEHAVIOUR --run=DIR

Every step is a line of DIR/steps.txt, so that a test sees whether one was done
twice. The first time it is started it may end in a bad way.
"""

import json
import os
import pathlib
import signal
import sys
import time

from vae_info import results

STEPS = 6


def main(behaviour, run):
  run.mkdir(parents=True, exist_ok=True)
  # Of a command that evaluates by itself: its rows are all.
  (run / 'config.json').write_text(json.dumps({'baseline': behaviour}))
  starts = run / 'starts.txt'
  with open(starts, 'a') as file:
    file.write(f'{os.environ.get("TPU_VISIBLE_CHIPS", "")}\n')
  first = len(starts.read_text().splitlines()) == 1
  if behaviour == 'fails':
    print('error: as told')
    sys.exit(1)
  if behaviour == 'busy' and first:
    sys.exit(75)
  if behaviour == 'endless':
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(42))
  steps = run / 'steps.txt'
  done = len(steps.read_text().splitlines()) if steps.exists() else 0
  for step in range(done, 1000 if behaviour == 'endless' else STEPS):
    if first and step == STEPS // 2:
      if behaviour == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
      if behaviour == 'preempted':
        sys.exit(42)
    with open(steps, 'a') as file:
      file.write(f'{step}\n')
    time.sleep(0.5 if behaviour in ('slow', 'endless') else 0.01)
  row = dict.fromkeys(results.COLUMNS) | {
    'run': run.name,
    'task': 'digit',
    'label_distortion': 1.0,
    'label_distortion_stderr': 0.1,
    'label_accuracy': 0.5,
    'label_accuracy_stderr': 0.1,
  }
  (run / results.EVALUATION).write_text(json.dumps({'rows': [row]}))


if __name__ == '__main__':
  main(sys.argv[1], pathlib.Path(sys.argv[2].removeprefix('--run=')))
