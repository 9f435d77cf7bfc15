"""The benchmark's submission form: written for a prediction, found and read back for any tool's results.

<anywhere>/<id>*.txt             one line an instance: mask path (from the .txt), label id, confidence, one space between
<anywhere>/<id>*labelIds.png     8 bit label ids at the size of the image
Source: cityscapesScripts 2.3.0, head of evalInstanceLevelSemanticLabeling.py and of evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.evaluation.evaluator import CityscapesEvaluator
from partwise.evaluation.folder import evaluate_folder
from partwise.files import atomic_write
from partwise.labels import CITYSCAPES, LabelSet
from partwise.scene import Instances, Prediction
