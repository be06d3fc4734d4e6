"""The tables in the pages equal what the commands print, to the last digit."""

import functools
import re
import shlex

import pytest
from commands import call

from plots import pages
from vae_info.errors import UserError

BLOCKS = sorted(
  (str(page.relative_to(pages.ROOT)), block[2])
  for page in pages.pages()
  for block in pages.BLOCK.finditer(page.read_text())
)
# Results with an error that the text has and no table has, and why.
WITHOUT_ROW = {
  '0.187 ± 0.006': 'C of validation images',
  '91.29 ± 0.22': 'NLL of a flow',
  '91.67 ± 0.22': 'NLL of a flow',
  '100.50 ± 0.32': 'NLL of a flow',
  '102.03 ± 0.37': 'NLL of a flow',
}


@functools.cache
def printed(command):
  """What the command prints, run in the process of the tests."""
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(pages.ROOT)
    return call(*shlex.split(command)[2:])


def test_results_claims_and_comparisons_are_in_pages():
  commands = [command for _, command in BLOCKS]
  for name in ('claims', 'claims --brief', 'compare', 'baselines', 'trainings'):
    assert any(f'plots.{name}' in command for command in commands), name


@pytest.mark.parametrize('page', sorted({page for page, _ in BLOCKS}))
def test_the_tables_of_a_page_are_what_their_commands_print(page):
  text = (pages.ROOT / page).read_text()
  assert pages.filled(text, printed) == text, 'python -m plots mends it'


def test_another_digit_in_a_table_would_be_found():
  page, command = next(b for b in BLOCKS if 'compare' in b[1])
  text = (pages.ROOT / page).read_text()
  [block] = [b for b in pages.BLOCK.finditer(text) if b[2] == command]
  digit = re.search(r'\d\.\d', text[block.start() :])
  place = block.start() + digit.end() - 1
  other = str((int(text[place]) + 1) % 10)
  changed = text[:place] + other + text[place + 1 :]
  assert pages.filled(changed, printed) == text


def results_of_text(page):
  """The results with an error in a page's sentences, such as `0.35 ± 0.01†`."""
  text = (pages.ROOT / page).read_text()
  text = pages.BLOCK.sub('', re.sub(r'```.*?```', '', text, flags=re.DOTALL))
  lines = [line for line in text.splitlines() if not line.startswith('|')]
  return re.findall(r'[\d.]+ ± \d+(?:\.\d+)?†?', ' '.join(lines))


def test_the_results_that_the_text_repeats_are_in_a_table():
  tables = ''.join(printed(command) for _, command in BLOCKS)
  repeated = [
    result
    for page in ('README.md', 'plots/README.md')
    for result in results_of_text(page)
  ]
  assert len(repeated) > 10
  assert {one for one in repeated if one not in tables} == {*WITHOUT_ROW}


def test_what_is_not_in_a_block_is_left_alone():
  text = 'a 1\n<!-- begin: python -m plots.x -->\nold\n<!-- end -->\nb 2\n'
  new = pages.filled(text, lambda command: f'of {command}\n')
  assert new == text.replace('old', 'of python -m plots.x')


def test_a_command_that_fails_is_an_error():
  with pytest.raises(UserError, match='compare --results=none.csv failed: err'):
    pages.printed('python -m plots.compare --results=none.csv')


def test_remaking_draws_the_figures_and_fills_in_every_page(
  tmp_path, monkeypatch, capsys
):
  text = '<!-- begin: python -m plots.{} -->\nold\n<!-- end -->\n'
  for name in 'ab':
    (tmp_path / f'{name}.md').write_text(text.format(name))
  monkeypatch.setattr(pages, 'ROOT', tmp_path)
  monkeypatch.setattr(pages, 'pages', lambda: [*tmp_path.glob('*.md')])
  monkeypatch.setattr(pages, 'printed', lambda command: f'of {command}\n')
  pages.remake()
  for name in 'ab':
    new = text.format(name).replace('old', f'of python -m plots.{name}')
    assert (tmp_path / f'{name}.md').read_text() == new
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == 'of python -m plots.figures'
  assert sorted(lines[1:]) == ['wrote a.md', 'wrote b.md']
