"""What a frozen VGG16 says of frames, stored layer by layer; layers after conv4_3 can be made from a stored conv4_3.

Axes: N frames, C channels, h and w cells, H and W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones import VggBackbone
from partwise.backbones.vgg import BLOCK_CHANNELS, LAST_RELU, POOL
from partwise.errors import PartwiseError
from partwise.methods.method import image_batch
from partwise.scene import Scenes
from partwise.training.checkpoint import read_model
from partwise.training.start import file_of, is_model
from partwise_report.features.store import FeatureStore, StoreDescription, require_frames
from partwise_report.slips import dilate_one_layer
from streeteval.errors import unknown_name
from streeteval.scene import names_of

BASE = "conv4_3"  # every variant of the fifth block starts from it
HOLES = "conv5_3_holes"  # stride 8: pool4 keeps its resolution, conv5_1 to conv5_3 are dilated
# Layer -> (index in torchvision's `features` after which it is read, stride); HOLES has another fifth block.
LAYERS = {
    "conv3_3": (LAST_RELU[3], 4),
    "pool3": (POOL[3], 8),
    BASE: (LAST_RELU[4], 8),
    "pool4": (POOL[4], 16),
    "conv5_3": (LAST_RELU[5], 16),
    "pool5": (POOL[5], 32),
    HOLES: (LAST_RELU[5], 8),
}
CHANGES = {"one_dilated_layer": dilate_one_layer}  # slips of the report's code that lie in the fifth block
SIZE_MULTIPLE = 32
RANDOM_SEED = 0  # of the weights "random"
FP16_MAX = float(np.finfo(np.float16).max)


def require_layers(names: Sequence[str]) -> None:
    """Raises PartwiseError for a name that is not in LAYERS, or for none."""
    if not names:
        raise PartwiseError(f"no layer to store: give one or more of {', '.join(LAYERS)}")
    for name in names:
        if name not in LAYERS:
            raise unknown_name("layer", name, LAYERS)


class FrozenVgg:
    """VGG16 with fixed weights, looked at layer by layer.

    Attributes:
        source: Its weights, in words.
    """

    def __init__(self, weights: str, *, mean_subtracted: bool = True, changes: Sequence[str] = ()):
        """Load the weights.

        Args:
            weights: A safetensors file of VGG16's features, "torchvision", "random", a model file or a run folder.
            mean_subtracted: False: images keep their mean, as in the report's published code.
            changes: Of CHANGES, put into the dilated fifth block.

        Raises:
            PartwiseError: If there are no such weights, or for an unknown change.
        """
        for change in changes:
            if change not in CHANGES:
                raise unknown_name("slip of the backbone", change, CHANGES)
        self.mean_subtracted, self.changes = mean_subtracted, tuple(sorted(set(changes)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(RANDOM_SEED)  # so that "random" has the same weights for every split
            self.plain, self.source = VggBackbone(taps="pool"), ""
        self.source = _load(self.plain, weights)
        self.holes = VggBackbone(holes=True, taps="pool")
        self.holes.load_state_dict(self.plain.state_dict())
        for change in self.changes:
            CHANGES[change](self.holes)
        for backbone in (self.plain, self.holes):
            backbone.eval().to(memory_format=torch.channels_last).requires_grad_(False)

    def hash(self, layers: Iterable[str]) -> str:
        """Of all weights that these layers depend on."""
        last = max(LAYERS[name][0] for name in layers)
        digest = hashlib.sha256()
        for name, value in self.plain.features[: last + 1].state_dict().items():
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @torch.inference_mode()
    def maps(self, image_HW3: np.ndarray, layers: Sequence[str]) -> dict[str, Tensor]:
        """The layers (1, C, h, w) float32 of one uint8 RGB image."""
        std = torch.tensor(self.plain.std).view(3, 1, 1)
        mean = torch.tensor(self.plain.mean).view(3, 1, 1) if self.mean_subtracted else 0.0
        features = ((image_batch(image_HW3) / 255.0 - mean) / std).contiguous(memory_format=torch.channels_last)
        return after(self.plain.features, self.holes.features, features, -1, layers)

    @torch.inference_mode()
    def maps_from_base(self, base_1Chw: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The same layers from conv4_3; only those after it."""
        return after(self.plain.features, self.holes.features, base_1Chw, LAYERS[BASE][0], layers)


def after(
    plain: nn.Sequential, holes: nn.Sequential, features: Tensor, begin: int, layers: Sequence[str]
) -> dict[str, Tensor]:
    """The layers by name, from what layer `begin` said (-1: from the normalised image)."""
    at = {LAYERS[name][0]: name for name in layers if name != HOLES}
    split = LAYERS[BASE][0]
    end = max([*at, split if HOLES in layers else -1], default=-1)
    found, branch = ({BASE: features} if begin == split else {}), features
    for index in range(begin + 1, end + 1):
        features = plain[index](features)
        if index in at:
            found[at[index]] = features
        if index == split:
            branch = features
    if HOLES in layers:
        found[HOLES] = holes[split + 1 : LAYERS[HOLES][0] + 1](branch)
    return {name: found[name] for name in layers}


def layer_shape(name: str, size: tuple[int, int]) -> tuple[int, int, int]:
    """(C, h, w) of a layer for images of `size` (H, W).

    >>> layer_shape("conv4_3", (512, 1024))
    (512, 64, 128)
    """
    index, stride = LAYERS[name]
    block = next(block for block in BLOCK_CHANNELS if index in (LAST_RELU[block], POOL[block]))
    return BLOCK_CHANNELS[block], size[0] // stride, size[1] // stride


def store_features(
    scenes: Scenes,
    backbone: FrozenVgg,
    layers: Sequence[str],
    folder: Path,
    *,
    data_name: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda text: None,
    base: FeatureStore | None = None,
) -> FeatureStore:
    """Store layers of frames; a folder that holds a part of them is completed.

    Args:
        scenes: The frames, all of one size, whose sides are multiples of 32 px.
        backbone: What looks at them.
        layers: Names in LAYERS.
        folder: Of the store.
        data_name: The data in words.
        progress: Is told (frames done, frames).
        note: Is told what is about to happen, with the room on the disk that it takes.
        base: Features of the same frames with conv4_3, from which later layers are made without the images.

    Raises:
        PartwiseError: For an unknown layer, frames of unlike or unfit sizes, features that do not fit into fp16, and
            for what `FeatureStore.create` raises.
    """
    require_layers(layers)
    names = tuple(names_of(scenes))
    if not names:
        raise PartwiseError(f"{data_name}: no frame to store features of: give data with frames")
    size = _size_of_first(scenes, data_name)
    description = StoreDescription(
        data_name,
        names,
        size,
        backbone.source,
        backbone.hash(layers),
        backbone.mean_subtracted,
        {name: layer_shape(name, size) for name in layers},
        backbone.changes,
    )
    if base is not None:
        _require_base(base, description, backbone)
    store = FeatureStore.create(folder, description)
    needed = sum(np.prod(shape) for shape in description.layers.values()) * 2 * len(names) / 1e9
    note(f"{folder}: {', '.join(layers)} of {len(names)} frames of {size[1]}x{size[0]} px, {needed:.1f} GB in all")
    if store.done:
        note(f"{folder}: {store.done} frames are there")
    for number in range(store.done, len(names)):
        if base is None:
            maps = backbone.maps(_image(scenes, number, size), layers)
        else:
            stored = np.asarray(base.layer(BASE)[base.place(names[number])], np.float32)
            given = torch.from_numpy(stored)[None].contiguous(memory_format=torch.channels_last)
            maps = backbone.maps_from_base(given, layers)
        store.write(number, _in_fp16(maps, names[number]))
        progress(number + 1, len(names))
    return store


def _load(backbone: VggBackbone, weights: str) -> str:
    """Load the weights into a backbone; returns their origin in words."""
    if weights == "random":
        return "VGG16, random weights"
    path = file_of(weights)
    if not is_model(path):
        return backbone.load_pretrained(path)
    state, info = read_model(path)
    own = backbone.state_dict()
    taken = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    if any(name not in taken or taken[name].shape != value.shape for name, value in own.items()):
        raise PartwiseError(f"{path}: its backbone is not VGG16: give a model on VGG16, such as a trained fcn8s")
    backbone.load_state_dict({name: taken[name] for name in own})
    return f"VGG16 of {info.origin.get('recipe')} ({info.origin.get('steps')} steps)"


def _size_of_first(scenes: Scenes, data_name: str) -> tuple[int, int]:
    height, width = scenes[0].size
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise PartwiseError(
            f"{data_name}: frames of {width}x{height} px: give frames, or a view of them, whose sides are multiples of "
            f"{SIZE_MULTIPLE} px"
        )
    return height, width


def _image(scenes: Scenes, number: int, size: tuple[int, int]) -> np.ndarray:
    scene = scenes[number]
    if scene.size != size:
        raise PartwiseError(
            f"{scene.name}: {scene.size[1]}x{scene.size[0]} px, the first frame has {size[1]}x{size[0]}: "
            "give frames of one size, or partwise study cache --view WIDTHxHEIGHT, which cuts or pads each"
        )
    return scene.image_HW3


def _in_fp16(maps: Mapping[str, Tensor], frame: str) -> dict[str, np.ndarray]:
    """(C, h, w) float16 of each layer. Raises PartwiseError for values that fp16 cannot hold."""
    for name, value in maps.items():
        if not float(value.abs().max()) <= FP16_MAX:
            raise PartwiseError(f"{frame}: {name} has values that fp16 cannot hold: give other weights")
    return {name: value[0].half().numpy() for name, value in maps.items()}


def _require_base(base: FeatureStore, wanted: StoreDescription, backbone: FrozenVgg) -> None:
    """Raises PartwiseError if layers cannot be made from this store."""
    require_frames(base, wanted.frames)
    before = [name for name in wanted.layers if LAYERS[name][0] < LAYERS[BASE][0]]
    if before:
        raise PartwiseError(f"{base.folder}: {before[0]} lies before {BASE}, from which layers are made: leave it out")
    base.layer(BASE)
    same = base.description.mean_subtracted == wanted.mean_subtracted
    if base.description.size != wanted.size or not same:
        raise PartwiseError(f"{base.folder}: features of images of another size or mean: give those of the same images")
    if base.description.weights_hash != backbone.hash(list(base.description.layers)):
        raise PartwiseError(f"{base.folder}: features of other weights: give the weights that they were made with")
