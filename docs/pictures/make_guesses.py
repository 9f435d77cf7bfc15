"""Make the charts of the report's guesses from the records of their trainings.

python docs/pictures/make_guesses.py
"""

from pathlib import Path

from matplotlib.figure import Figure

from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.charts import draw_compared, draw_guesses, draw_steps
from partwise_report.study.guesses.comparisons import chain_of
from partwise_report.study.guesses.trial import TrialRecord, read_trial
from partwise_report.study.guesses.verdicts import verdicts, verdicts_of_round

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "results"
STUDIES = {"second": ("orders", "nine", "ten", "thirteen"), "third": ("heads", "twelve")}  # of the later rounds


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
    for number, (name, studies) in enumerate(STUDIES.items(), 2):
        recorded = [trials_in(RESULTS / f"report_guesses_{name}" / study) for study in studies]
        found = [(verdict, trials) for trials in recorded for verdict in verdicts_of_round(trials, number)]
        save(draw_compared(sorted(found, key=lambda one: one[0].guess.number)), f"guesses_{name}.png")
