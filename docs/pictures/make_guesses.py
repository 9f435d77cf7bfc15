"""Make the charts of the report's guesses from the records of their trainings.

python docs/pictures/make_guesses.py
"""

from pathlib import Path

from matplotlib.figure import Figure

from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.charts import draw_compared, draw_guesses, draw_steps
from partwise_report.study.guesses.comparisons import chain_of
from partwise_report.study.guesses.rounds import ROUNDS
from partwise_report.study.guesses.trial import TrialRecord, read_trial
from partwise_report.study.guesses.verdicts import verdicts

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "results"
SECOND = ("orders", "nine", "ten", "thirteen")  # studies of the second round


def save(figure: Figure | None, name: str) -> None:
    """Write a chart on white beside this file."""
    assert figure is not None, f"no trainings for {name}"
    figure.savefig(HERE / name, facecolor="white", metadata={"Software": None})


def trials_in(folder: Path) -> dict[str, list[TrialRecord]]:
    """Variant -> the records in a folder."""
    return by_variant([read_trial(path) for path in sorted(folder.glob("*.json"))])


if __name__ == "__main__":
    trials = trials_in(RESULTS / "report_guesses")
    save(draw_guesses(verdicts(trials), trials), "guesses.png")
    save(draw_steps(chain_of(trials, "chain")), "guesses_chain.png")
    second = [trials_in(RESULTS / "report_guesses_second" / name) for name in SECOND]
    found = [(verdict, trials) for trials in second for verdict in verdicts(trials, ROUNDS[2])]
    save(draw_compared(sorted(found, key=lambda one: one[0].guess.number)), "guesses_second.png")
