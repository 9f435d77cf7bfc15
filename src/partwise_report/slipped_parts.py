"""The working method with slips of the report's code put back, to measure what each is worth."""

from __future__ import annotations

from dataclasses import field

from torch import Tensor

from partwise.errors import PartwiseError
from partwise.fields import configuration
from partwise.methods import PartMaps, PartsConfig, Targets
from partwise.methods.parts import NEGATIVE, POSITIVE, assign_windows
from partwise.scene import Scene
from partwise_report.slips import SPARSE_STEP_CELLS, Slips, put_back, without_mean
from streeteval.labels import CITYSCAPES, LabelSet

NOT_HERE = (  # slips of what part maps do not have
    *("one_dilated_layer", "wrong_negatives", "one_positive_shift", "whole_parts"),
    *("overlap_of_image", "summed_windows", "linear_branches"),
)


@configuration
class SlippedPartsConfig(PartsConfig):
    """Part maps with slips.

    Attributes:
        slips: Which slips of the report's code are put back; a window here is what a padded box is there.
    """

    slips: Slips = field(default_factory=Slips)


class SlippedPartMaps(PartMaps):
    """`PartMaps` but for the slips of its configuration; without any it is the same network."""

    Config = SlippedPartsConfig
    config: SlippedPartsConfig

    def __init__(self, config: SlippedPartsConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__(config, label_set)
        for name in NOT_HERE:
            if getattr(config.slips, name):
                raise PartwiseError(
                    f"method.slips.{name}: part maps have nothing of the kind: give method instance_fcn"
                )
        if config.slips.sparse_inference:
            self.decoder.step_cells = SPARSE_STEP_CELLS
        put_back(self, config.slips)

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """See Method.normalise."""
        if self.config.slips.no_mean_subtraction:
            return without_mean(images_B3HW, self.backbone)
        return super().normalise(images_B3HW)

    def assigned_windows(self, scene: Scene) -> Targets:
        """See PartMaps.assigned_windows."""
        slips = self.config.slips
        assigned = assign_windows(scene, self.windows, self.config.assign, not slips.no_border_windows)
        if slips.objectness_all_ones:
            for index in range(len(self.windows)):
                objectness = assigned[f"objectness_{index}"]
                objectness[objectness == NEGATIVE] = POSITIVE
        return assigned
