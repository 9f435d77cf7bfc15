"""What libraries do with cityscapesScripts works with one changed import: the calls are theirs, line by line."""

import contextlib
import glob
import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from streeteval.official.create import convert2panoptic


@pytest.fixture
def fresh_args():
    """The parameters of the modules, as they were before a caller changed them."""
    import streeteval.official.instance as instance
    import streeteval.official.pixel as pixel

    before = {module: dict(vars(module.args)) for module in (instance, pixel)}
    yield
    for module, values in before.items():
        vars(module.args).clear()
        vars(module.args).update(values)


pytestmark = pytest.mark.usefixtures("fresh_args")


def test_as_detectron2_scores_instances(city, tmp_path):
    """detectron2/evaluation/cityscapes_evaluation.py, CityscapesInstanceEvaluator."""
    import streeteval.official.instance as cityscapes_eval
    from streeteval.official.labels import name2label

    temp_dir = str(tmp_path)
    for name, ids_HW in city.truth.items():
        with open(os.path.join(temp_dir, name + "_pred.txt"), "w") as fout:
            for i, value in enumerate(v for v in np.unique(ids_HW) if v >= 1000 and v // 1000 in (24, 26, 33)):
                class_id = name2label[{24: "person", 26: "car", 33: "bicycle"}[value // 1000]].id
                mask = (ids_HW == value).astype("uint8")
                png_filename = os.path.join(temp_dir, f"{name}_{i}_car.png")
                Image.fromarray(mask * 255).save(png_filename)
                fout.write(f"{os.path.basename(png_filename)} {class_id} 0.9\n")

    cityscapes_eval.args.predictionPath = os.path.abspath(temp_dir)
    cityscapes_eval.args.predictionWalk = None
    cityscapes_eval.args.JSONOutput = False
    cityscapes_eval.args.colorized = False
    cityscapes_eval.args.gtInstancesFile = os.path.join(temp_dir, "gtInstances.json")
    groundTruthImgList = glob.glob(os.path.join(city.root, "gtFine", "val", "*", "*_gtFine_instanceIds.png"))
    assert len(groundTruthImgList)
    predictionImgList = []
    for gt in groundTruthImgList:
        predictionImgList.append(cityscapes_eval.getPrediction(gt, cityscapes_eval.args))
    results = cityscapes_eval.evaluateImgLists(predictionImgList, groundTruthImgList, cityscapes_eval.args)["averages"]
    ret = {"segm": {"AP": results["allAp"] * 100, "AP50": results["allAp50%"] * 100}}
    assert results["classes"]["car"]["ap"] == results["classes"]["person"]["ap"] == pytest.approx(1)
    assert 0 < ret["segm"]["AP"] <= ret["segm"]["AP50"] < 100


def test_as_detectron2_scores_semantic_maps(city):
    """detectron2, CityscapesSemSegEvaluator."""
    import streeteval.official.pixel as cityscapes_eval

    cityscapes_eval.args.predictionPath = os.path.abspath(city.pixels)
    cityscapes_eval.args.predictionWalk = None
    cityscapes_eval.args.JSONOutput = False
    cityscapes_eval.args.colorized = False
    groundTruthImgList = glob.glob(os.path.join(city.root, "gtFine", "val", "*", "*_gtFine_labelIds.png"))
    predictionImgList = [cityscapes_eval.getPrediction(cityscapes_eval.args, gt) for gt in groundTruthImgList]
    results = cityscapes_eval.evaluateImgLists(predictionImgList, groundTruthImgList, cityscapes_eval.args)
    ret = {
        "IoU": 100.0 * results["averageScoreClasses"],
        "iIoU": 100.0 * results["averageScoreInstClasses"],
        "IoU_sup": 100.0 * results["averageScoreCategories"],
        "iIoU_sup": 100.0 * results["averageScoreInstCategories"],
    }
    assert all(0 < value < 100 for value in ret.values())


def test_as_mmdetection_scores_instances(city):
    """mmdet/evaluation/metrics/cityscapes_metric.py, compute_metrics."""
    import streeteval.official.instance as CSEval
    import streeteval.official.labels as CSLabels

    assert CSLabels.name2label["car"].id == 26 and CSLabels.id2label[26].hasInstances
    gts = sorted(glob.glob(str(city.root / "gtFine" / "val" / "*" / "*_instanceIds.png")))
    preds = [str(city.instances / os.path.basename(gt).replace("_gtFine_instanceIds.png", "_pred.txt")) for gt in gts]
    CSEval.args.cityscapesPath = os.path.join(str(city.root), "../..")
    CSEval.args.predictionPath = os.path.abspath(city.instances)
    CSEval.args.predictionWalk = None
    CSEval.args.JSONOutput = False
    CSEval.args.colorized = False
    CSEval.args.gtInstancesFile = os.path.join(city.instances, "gtInstances.json")
    results = CSEval.evaluateImgLists(preds, gts, CSEval.args)["averages"]
    assert 0 < results["allAp"] < results["allAp50%"] < 1
    assert not os.path.exists(CSEval.args.gtInstancesFile)


def test_as_mmsegmentation_scores_semantic_maps(city):
    """mmseg/evaluation/metrics/citys_metric.py, compute_metrics."""
    import streeteval.official.pixel as CSEval

    CSEval.args.evalInstLevelScore = True
    CSEval.args.predictionPath = os.path.abspath(city.pixels)
    CSEval.args.evalPixelAccuracy = True
    CSEval.args.JSONOutput = False
    gt_list = sorted(glob.glob(str(city.root / "gtFine" / "val" / "*" / "*_labelIds.png")))
    pred_list = [CSEval.getPrediction(CSEval.args, gt) for gt in gt_list]
    metric = {}
    eval_results = CSEval.evaluateImgLists(pred_list, gt_list, CSEval.args)
    metric["averageScoreCategories"] = eval_results["averageScoreCategories"]
    metric["averageScoreInstCategories"] = eval_results["averageScoreInstCategories"]
    assert all(0 < value < 1 for value in metric.values())
    assert eval_results["perImageScores"].keys() == set(pred_list)


def test_as_detectron2_scores_panoptic_maps(city, tmp_path):
    """detectron2/evaluation/panoptic_evaluation.py: perfect results score 100."""
    from streeteval.official.panoptic import id2rgb, pq_compute

    with contextlib.redirect_stdout(io.StringIO()):
        convert2panoptic(str(city.root / "gtFine"), str(tmp_path), setNames=["val"])
    gt_json = str(tmp_path / "cityscapes_panoptic_val.json")
    gt_folder = str(tmp_path / "cityscapes_panoptic_val")
    with open(gt_json) as f:
        json_data = json.load(f)
    pred_dir, _predictions = str(tmp_path / "pred"), []
    os.makedirs(pred_dir)
    for annotation in json_data["annotations"]:
        name = annotation["image_id"] + ".png"
        panoptic_img = city.truth[annotation["image_id"]].copy()
        info = [one for one in annotation["segments_info"] if not one["iscrowd"]]
        panoptic_img[~np.isin(panoptic_img, [one["id"] for one in info])] = 0
        Image.fromarray(id2rgb(panoptic_img)).save(os.path.join(pred_dir, name))
        _predictions.append({"image_id": annotation["image_id"], "file_name": name, "segments_info": info})
    json_data["annotations"] = _predictions
    predictions_json = os.path.join(str(tmp_path), "predictions.json")
    with open(predictions_json, "w") as f:
        f.write(json.dumps(json_data))
    with contextlib.redirect_stdout(io.StringIO()):
        pq_res = pq_compute(gt_json, predictions_json, gt_folder=gt_folder, pred_folder=pred_dir)
    res = {
        "PQ": 100 * pq_res["All"]["pq"],
        "PQ_th": 100 * pq_res["Things"]["pq"],
        "PQ_st": 100 * pq_res["Stuff"]["pq"],
    }
    assert all(value == pytest.approx(100) for value in res.values()), res
