"""Every `partwise ...` command line in the docs parses, and its recipes and fields exist."""

import re
import shlex

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from docs.markdown import ROOT, blocks, pages, spans
from partwise.cli import app, main
from partwise.cli.app import add_plugged_in
from partwise.errors import PartwiseError

add_plugged_in()  # as every call of the program does first
ASSIGNED = re.compile(r'^(\w+)="([^"]*)"$')


def commands_of(code: str) -> list[list[str]]:
    """The arguments of every partwise command in a block of shell, with its variables replaced."""
    found, values = [], {}
    for line in code.replace("\\\n", " ").splitlines():
        line = re.sub(r"\$(\w+)", lambda name: values.get(name[1], name[0]), line.strip())
        if assigned := ASSIGNED.match(line):
            values[assigned[1]] = assigned[2]
            continue
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if "partwise" in words and "install" not in words:
                found.append(words[words.index("partwise") + 1 :])
    return found


def every_command() -> list:
    """A case for each different command of each page: (its arguments, whether it stands in a sentence)."""
    cases = {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        whole = [code for language, code in blocks(text) if language in ("", "bash", "sh")]
        for words in (words for code in whole for words in commands_of(code)):
            cases[page.relative_to(ROOT), " ".join(words)] = (words, False)
        told = [span for span in spans(text) if re.search(r"(^|\s)partwise \w", span)]
        for words in (words for code in told for words in commands_of(code)):
            cases.setdefault((page.relative_to(ROOT), " ".join(words)), (words, True))
    return [pytest.param(*case, id=f"{page}: {text}"[:110]) for (page, text), case in cases.items()]


def check(words: list[str], capsys, part: bool = False) -> None:
    """Raises CycloptsError or PartwiseError for a command, a recipe or a field that does not exist.

    part   a sentence may show a part of a command, such as one option
    """
    if words[0].isupper():  # partwise VERB --help
        return
    if "..." in words:
        app[words[0]]
        return
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except MissingArgumentError:
        if not part:
            raise
    after = zip(["", *words], words, strict=False)  # --map has class=class, which is no field
    fields = [word for before, word in after if re.match(r"[a-z_.]+=", word) and before != "--map"]
    recipe = words[1] if words[0] in ("train", "doctor") and len(words) > 1 else ""
    if recipe.islower() and recipe not in ("fcn", "fcn_report", "run"):
        main(["config", recipe, *fields])
        capsys.readouterr()


@pytest.mark.parametrize(("words", "part"), every_command())
def test_command_parses(words, part, capsys):
    check(words, capsys, part)


@pytest.mark.parametrize(
    "line",
    [
        "partwise predictt photo.png --out out",
        "partwise evaluate --data ROOT --json J --frmaes 3",
        "partwise train parts_light --data ROOT",
        "partwise train parts_light --data ROOT --out run optim.no_such_field=3",
        "partwise train no_such_recipe --data ROOT --out run",
    ],
)
def test_wrong_commands_are_seen(line, capsys):
    with pytest.raises((CycloptsError, PartwiseError, KeyError, SystemExit)):
        check(commands_of(line)[0], capsys)


def test_commands_are_found_behind_other_programs():
    code = 'A="--out x"\nOMP_NUM_THREADS=1 taskset -c 1 partwise bench speed $A  # why\ntorchrun -m partwise train r\n'
    assert commands_of(code) == [["bench", "speed", "--out", "x"], ["train", "r"]]
