"""Records as a study would make them, with figures of one's choice."""

from partwise_report.study.systems.record import Record


def made_up(name: str, group: str = "guesses", oracle: dict | None = None, **probes) -> Record:
    """A record whose probes have these values: a number a frame, or one number for a mark such as constant_order.

    oracle   the same of an oracle network
    """
    figures = {
        key: {"mean": sum(values) / len(values), "by_frame": list(values)} if isinstance(values, list) else values
        for key, values in probes.items()
    }
    return Record(
        name=name,
        group=group,
        recipe="parts_vgg",
        about=f"made-up {name}",
        overrides=[],
        start="",
        steps=100,
        seconds=60.0,
        weights="random",
        loss_first=2.0,
        loss_last=1.0,
        moved={"backbone": 0.01, "rest": 0.1},
        scores={
            "ap": 0.1,
            "ap50": 0.2,
            "ar": {"10": 0.1, "100": 0.2, "1000": 0.3},
            "car_ap": 0.2,
            "by_size": {},
            "iou_class": 0.3,
            "iiou_class": 0.2,
            "iou_category": 0.5,
            "iiou_category": 0.4,
            "iou_by_class": {"car": 0.6, "road": None},
        },
        probes=figures,
        untrained={},
        untrained_scores={"car_ap": 0.0, "iou_class": 0.0},
        converged=True,
        why="",
        oracle={key: {"mean": sum(values) / len(values), "by_frame": values} for key, values in (oracle or {}).items()},
    )
