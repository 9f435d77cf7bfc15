"""A Python with cityscapesScripts 2.3.0 and the NumPy that it still runs with, so that no shim of ours is trusted."""

import json
import subprocess
import tempfile
from pathlib import Path

PACKAGES = ("numpy==1.26.4", "pillow==11.3.0", "pyquaternion==0.9.9", "cityscapesScripts==2.3.0")
DRIVER = """
import contextlib, glob, io, json, os, sys
import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance
import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel
import cityscapesscripts.evaluation.evalPanopticSemanticLabeling as panoptic
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

def main():
    root, out = sys.argv[1:]
    os.chdir(out)  # the instance script writes matches.json into the working folder
    held = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for module, kind, end in ((instance, "instances", "instanceIds"), (pixel, "pixels", "labelIds")):
            module.args.predictionPath = os.path.join(root, "results", kind)
            module.args.gtInstancesFile = os.path.join(out, "gtInstances.json")
            module.args.exportFile = os.path.join(out, kind + ".json")
            truth = glob.glob(os.path.join(root, "gtFine", "val", "*", "*_gtFine_%s.png" % end))
            find = (lambda path: module.getPrediction(path, module.args)) if module is instance else (
                lambda path: module.getPrediction(module.args, path))
            module.evaluateImgLists([find(path) for path in truth], truth, module.args)
        convert2panoptic(os.path.join(root, "gtFine"), out, setNames=["val"])
        truth = os.path.join(out, "cityscapes_panoptic_val")
        if os.path.exists(os.path.join(root, "results", "panoptic.json")):
            found, scores = os.path.join(root, "results", "panoptic"), os.path.join(out, "panoptic.json")
            panoptic.evaluatePanoptic(truth + ".json", truth, found + ".json", found, scores)

main()
"""


def official_results(python: Path, root: Path) -> dict[str, dict]:
    """Run the official scripts on a data set; the content of every JSON file that they write."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([python, "-c", DRIVER, root, out], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return {path.stem: json.loads(path.read_text()) for path in Path(out).glob("*.json")}
