"""VGG16 (Simonyan & Zisserman 2015) as in the FCN and InstanceFCN papers: 13 convolutions, with holes or without."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import vgg

from partwise.backbones.backbone import Backbone
from partwise.backbones.initialisation import he_normal
from partwise.errors import PartwiseError

__all__ = ["BLOCK_CHANNELS", "LAST_RELU", "POOL", "VggBackbone"]

# Index of the last ReLU and of the pooling of each block in torchvision's `features`.
LAST_RELU = {1: 3, 2: 8, 3: 15, 4: 22, 5: 29}
POOL = {1: 4, 2: 9, 3: 16, 4: 23, 5: 30}
BLOCK_CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}


class VggBackbone(Backbone):
    """The convolutions of VGG16; parameters have torchvision's names ("features.0.weight" ... "features.28.bias").

    Args:
        holes: Whether to use the hole algorithm of InstanceFCN (section 4): pool4 keeps the resolution and conv5_1..3
            are dilated by 2. The maps are then {4: conv3_3, 8: conv5_3} for "conv" and {8: conv5_3} for "pool".
        taps: Which layers give the maps. "conv": the finest layer of each stride, for a pyramid, {4: conv3_3, 8:
            conv4_3,
            16: conv5_3, 32: pool5}. "pool": those of the skips of FCN-8s, {8: pool3, 16: pool4, 32: pool5}.
        frozen_blocks: This many blocks, from the first on, keep their weights (2 in Fast R-CNN, section 4.5), so that
            training needs no backward pass through them.
        finest_px: 4, or 2 to add {2: conv2_2} to the maps of "conv".
    """

    name = "vgg16"

    def __init__(self, *, holes: bool = False, taps: str = "conv", frozen_blocks: int = 0, finest_px: int = 4):
        super().__init__()
        self.holes = holes
        self.frozen_layers = POOL[frozen_blocks] + 1 if frozen_blocks else 0
        self.features = vgg.make_layers(vgg.cfgs["D"])  # "D" is VGG16; the 124 M weights of its classifier are left out
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # a layer must not overwrite a map that is returned
        he_normal(self.features)
        if holes:
            self.features[POOL[4]] = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
            for index in (24, 26, 28):  # conv5_1, conv5_2, conv5_3
                self.features[index].dilation = self.features[index].padding = (2, 2)
            self.taps = {"conv": {4: LAST_RELU[3], 8: LAST_RELU[5]}, "pool": {8: LAST_RELU[5]}}[taps]
        else:
            self.taps = {
                "conv": {4: LAST_RELU[3], 8: LAST_RELU[4], 16: LAST_RELU[5], 32: POOL[5]},
                "pool": {8: POOL[3], 16: POOL[4], 32: POOL[5]},
            }[taps]
        if taps == "conv" and finest_px == 2:
            self.taps = {2: LAST_RELU[2]} | self.taps
        for parameter in self.features[: self.frozen_layers].parameters():
            parameter.requires_grad_(False)
        block_of = {index: block for table in (LAST_RELU, POOL) for block, index in table.items()}
        self.channels = {stride: BLOCK_CHANNELS[block_of[index]] for stride, index in self.taps.items()}

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute the feature maps of a batch, see `Backbone.forward`."""
        conv4_3, finer = self.to_conv4_3(images_B3HW)
        return finer | self.from_conv4_3(conv4_3)

    def to_conv4_3(self, images_B3HW: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Compute the layers that all variants of conv5 have in common, so that their result can be stored.

        `forward(images)` is `finer | from_conv4_3(conv4_3)`.

        Args:
            images_B3HW: Normalised images.

        Returns:
            conv4_3 after its ReLU, (B, 512, H / 8, W / 8), and the maps of `channels` that lie before it, by their
            strides: none with "pool" taps and holes.
        """
        conv4_3, maps = self._run(images_B3HW, range(LAST_RELU[4] + 1))
        return conv4_3, {stride: one for stride, one in maps.items() if self.taps[stride] < LAST_RELU[4]}

    def from_conv4_3(self, conv4_3: Tensor) -> dict[int, Tensor]:
        """Compute what follows conv4_3.

        Args:
            conv4_3: (B, 512, h, w) from `to_conv4_3`, of this backbone or of one with the same first layers.

        Returns:
            The maps of `channels` that do not lie before conv4_3, by their strides.
        """
        own = {stride: conv4_3 for stride, index in self.taps.items() if index == LAST_RELU[4]}
        return own | self._run(conv4_3, range(LAST_RELU[4] + 1, max(self.taps.values()) + 1))[1]

    def _run(self, features: Tensor, layers: range) -> tuple[Tensor, dict[int, Tensor]]:
        """Compute consecutive layers: what the last of them gives, and the maps of `channels` among them."""
        strides = {index: stride for stride, index in self.taps.items()}
        maps = {}
        for index in layers:
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.frozen_layers):
                features = self.features[index](features)
            if index in strides:
                maps[strides[index]] = features
        return features, maps

    def load_pretrained(self, source: str) -> str:
        """Load pretrained weights.

        Args:
            source: "torchvision" (downloads its ImageNet weights) or the path of a .safetensors file with torchvision's
                names.

        Returns:
            The origin of the weights in words.

        Raises:
            PartwiseError: If the file is missing, cannot be read, or lacks tensors.
        """
        if source == "torchvision":
            weights = vgg.VGG16_Weights.IMAGENET1K_FEATURES
            self.features.load_state_dict(
                {k.removeprefix("features."): v for k, v in weights.get_state_dict().items() if "features." in k}
            )
            return "VGG16, ImageNet weights of torchvision (IMAGENET1K_FEATURES)"
        path = Path(source)
        if not path.is_file():
            raise PartwiseError(
                f"{source}: no such weight file for vgg16: give 'torchvision', 'random' or a .safetensors file"
            )
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise PartwiseError(
                f"{path}: not a safetensors file ({error}): give VGG16's features as safetensors"
            ) from None
        wanted = {f"features.{key}" for key in self.features.state_dict()}
        if missing := wanted - set(state):
            raise PartwiseError(
                f"{path}: {len(missing)} of VGG16's {len(wanted)} tensors are missing, such as {min(missing)}"
            )
        self.features.load_state_dict({k.removeprefix("features."): state[k].to(torch.float32) for k in wanted})
        return f"VGG16 features from {path.name}"
