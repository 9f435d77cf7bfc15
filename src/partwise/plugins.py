"""Extensions: other packages add to partwise by entry points, without an edit in partwise.

A package writes into its pyproject.toml, for example::

    [project.entry-points."partwise.methods"]
    star_convex = "my_package.star_convex:StarConvex"

`GROUPS` names the groups and what an entry point of each group must be. partwise's own methods, recipes and so on are
plain dictionaries (`METHODS`, `RECIPES`, ...); `Plugins` joins both.
"""

from __future__ import annotations

from streeteval.plugins import Plugins, forget

__all__ = ["GROUPS", "Plugins", "forget"]

GROUPS = {
    "partwise.methods": "a subclass of partwise.methods.Method with its configuration class as `Config`",
    "partwise.backbones": "a function (frozen_blocks=, finest_px=, holes=) -> partwise.backbones.Backbone",
    "partwise.models": "a function () -> pathlib.Path of a model file",
    "partwise.recipes": "a function () -> partwise.training.Recipe",
    "partwise.pipelines": "a dictionary: name of a recipe -> its share of the length, in the order of the stages",
    "partwise.datasets": "a class that follows partwise.data.DatasetFormat",
    "partwise.label_sets": "a partwise.LabelSet; the group streeteval.label_sets is as good",
    "partwise.metrics": "a class that follows partwise.evaluation.Metric; the group streeteval.metrics is as good",
    "partwise.commands": "a function or a cyclopts.App: a command of the command line",
    "partwise.doctor": "a function (partwise.doctor.Subject) -> list of partwise.doctor.Finding",
}
"""Group of entry points -> what an entry point of this group must be."""
