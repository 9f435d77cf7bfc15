import json

import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.report.curves import draw_curves, read_metrics


def write(path, lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def entry(step, loss, **terms):
    return {"step": step, "seconds": 2.0 * step, "loss": loss, "loss_terms": terms, "lr": 0.01}


def test_a_resumed_run_counts_each_step_as_it_was_last(tmp_path):
    lines = [entry(1, 5.0, a=5.0), entry(2, 4.0, a=4.0), entry(3, 9.0), entry(2, 3.0, a=2.0, b=1.0), entry(3, 2.0)]
    metrics = read_metrics(write(tmp_path / "m", lines))
    assert metrics.steps.tolist() == [1, 2, 3] and metrics.losses.tolist() == [5, 3, 2]
    assert metrics.seconds.tolist() == [2, 4, 6]
    np.testing.assert_array_equal(metrics.terms["a"], [5, 2, np.nan])
    np.testing.assert_array_equal(metrics.terms["b"], [np.nan, 1, np.nan])


def test_a_last_line_cut_by_a_kill_is_passed_over_and_others_are_not(tmp_path):
    assert read_metrics(write(tmp_path / "m", [entry(1, 1.0), '{"step": 2, "lo'])).steps.tolist() == [1]
    with pytest.raises(PartwiseError, match="line 2"):
        read_metrics(write(tmp_path / "m", [entry(1, 1.0), '{"step": 2, "lo', entry(3, 1.0)]))


def test_the_drawn_lines_are_the_values(tmp_path):
    lines = [entry(step, 1 + step % 3, a=step, b=1.0) for step in range(1, 50)]
    lines += [{"step": step, "evaluation": {"instance": {"ap": step / 100, "ap50": None}}} for step in (20, 40)]
    figure = draw_curves(read_metrics(write(tmp_path / "m", lines)))
    loss, terms, scores = figure.axes
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [1 + step % 3 for step in range(1, 50)])
    assert loss.lines[1].get_ydata()[10:-10] == pytest.approx(2, abs=0.7)
    assert [text.get_text() for text in terms.get_legend().get_texts()] == ["a", "b"]
    assert [text.get_text() for text in scores.get_legend().get_texts()] == ["AP"]
    assert list(scores.lines[0].get_ydata()) == [0.2, 0.4]


@pytest.mark.parametrize("lines", [[], [entry(1, None)], [entry(1, 0.0)], [entry(1, -1.0), entry(2, 3.0)]])
def test_few_or_no_values_can_be_drawn(tmp_path, lines):
    figure = draw_curves(read_metrics(write(tmp_path / "m", lines)))
    figure.canvas.draw()
    assert len(figure.axes) == 1


def test_pyplot_holds_no_figure(tmp_path):
    from matplotlib import pyplot

    draw_curves(read_metrics(write(tmp_path / "m", [entry(1, 1.0)])))
    assert pyplot.get_fignums() == []
