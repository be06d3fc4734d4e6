"""The commands in the pages are valid, and their links lead somewhere."""

import pathlib
import re
import shlex

import pytest
from absl import flags
from commands import ROOT, parse

PAGES = sorted(
  path
  for path in ROOT.rglob('README.md')
  if not any(part.startswith('.') for part in path.relative_to(ROOT).parts)
)


def command_lines(page: pathlib.Path) -> list[str]:
  """The `python -m` lines in a page's blocks, without comments and pipes."""
  blocks = re.findall(r'```\n(.*?)```', page.read_text(), re.DOTALL)
  lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
  return [
    line.split('#')[0].split('|')[0].replace('[', '').replace(']', '')
    for line in lines
    if re.match(r'\S*python -m (vae_info|launch|plots)\b', line)
  ]


def test_there_are_commands_on_the_first_page():
  assert len(command_lines(ROOT / 'README.md')) >= 5


@pytest.mark.parametrize(
  'line', sorted({line for page in PAGES for line in command_lines(page)})
)
def test_the_commands_take_what_the_pages_say(line):
  _, _, module, *words = shlex.split(line)
  # Words after -- are for another command.
  parse(module.removeprefix('vae_info.'), words)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.parent.name))
def test_links_within_the_repository_lead_somewhere(page):
  links = re.findall(r'\]\(([^)#:]*)(?:#([^)]*))?\)', page.read_text())
  assert links
  for target, place in links:
    file = page.parent / target if target else page
    assert file.exists(), target
    if place:
      assert place in places(file), f'{target}#{place}'


def places(page: pathlib.Path) -> set[str]:
  """The anchors of a page's headings, as GitHub spells them."""
  headings = re.findall(r'^#+ (.*)$', page.read_text(), re.MULTILINE)
  return {
    re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
    for heading in headings
  }


def test_the_gate_runs_the_command_of_the_first_page():
  text = (ROOT / 'README.md').read_text()
  [command] = re.findall(r".*'\.\[dev\]'.*", text)
  assert command.endswith('.venv/bin/python -m pytest')
  assert 'grep -m1 -F "\'.[dev]\'" README.md' in (ROOT / '.ci/run').read_text()


def test_a_misspelt_flag_would_be_found():
  with pytest.raises(flags.Error, match='latentsize'):
    parse('train', ['--latentsize=3'])
