"""Records of trainings whose figures are known."""

import numpy as np

from partwise_report.study.guesses.trial import TrialRecord


def made_trial(name, seed, values_N, figure="mask_iou", mark=0.0, looks=None, steps=100, **settings) -> TrialRecord:
    """A training with one figure by frame; its marks have the value `mark` in every frame."""
    values_N = np.asarray(values_N, float)
    by_frame = lambda array: {"mean": float(np.nanmean(array)), "by_frame": array.tolist()}
    names = ("constant_iou", "prior_near", "prior_far", "order_constant", "order_place")
    figures = {other: by_frame(np.full(len(values_N), mark)) for other in names} | {figure: by_frame(values_N)}
    settings = {
        "steps": steps,
        "features": {part: {"frames": 1, "size": [1, 1]} for part in ("train", "val")},
    } | settings
    return TrialRecord(name, "heads", seed, name, settings, steps, 60.0, "", [1.0, 0.5], looks or {}, figures)


def made_trials(name, mean, seeds=3, frames=100, of_frames=0.05, of_seeds=0.01, rng=None, **how) -> list[TrialRecord]:
    """Trainings whose figure is `mean`, with noise of frames that all seeds share, and noise of the seeds."""
    rng = rng or np.random.default_rng(len(name))
    shared = rng.normal(0, of_frames, frames)
    return [made_trial(name, seed, mean + shared + rng.normal(0, of_seeds), **how) for seed in range(seeds)]
