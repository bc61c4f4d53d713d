"""Projects: what is absent, what is allowed, what changed.

A project is a declaration with gaps. `with_defaults` fills them with what suits one laptop; `check` is the door;
`parse` and `to_yaml` are its file.
"""

from typing import Any

from cvops_common.project_file import parse, plain, to_yaml
from cvops_common.project_rules import check
from cvops_protos.v1.project_pb2 import Project

__all__ = ["DEFAULT_PROJECT", "changes", "check", "parse", "to_yaml", "with_defaults"]

DEFAULT_PROJECT = "default"

_DEFAULTS = Project(
    project=DEFAULT_PROJECT,
    task="detect",
    edge_cases=Project.EdgeCases(
        budget_boxes=1000,
        budget_frames=100,
        random_share=0.3,
        duplicate_bits=4,
        keep_share=0.001,
        lease_s=600,
    ),
    drift=Project.DriftPolicy(false_alarm_days=30),
    training=Project.Training(recipe="detector-tiny"),
    release=Project.ReleasePolicy(
        shadow_frames=60,
        canary_share=0.5,
        canary_frames=60,
        stage_timeout_s=600,
        error_rate=0.05,
        most_clean_loss=0.05,
        least_gain=0.02,
        most_class_loss=0.10,
        most_latency_ratio=2.0,
        by_hand=False,
    ),
    alerts=Project.Alerts(pending_s=5, group_s=60),
    loop=Project.LoopPolicy(
        enabled=True,
        most_open=1,
        most_per_day=4,
        settle_s=15,
        least_severity="warning",
        # Faults after which the picture shows something else, or nothing: no model should learn them. Infrared is a
        # view that models can and should learn; what concerns time and transport leaves the picture as it is.
        excluded_faults=[
            "moved",
            "defocus",
            "covered",
            "dirt",
            "dark",
            "overexposed",
            "frozen",
            "colour_cast",
            "channels_swapped",
            "size_changed",
        ],
        timeout_s=3600,
    ),
)


def with_defaults(project: Project) -> Project:
    """A copy in which every field that is absent has its default; empty classes mean those of the model.

    A list counts as absent when it is empty; `excluded_faults` alone cannot be emptied so: exclude one fault instead.
    """
    whole = Project()
    whole.CopyFrom(_DEFAULTS)
    if project.loop.excluded_faults:
        del whole.loop.excluded_faults[:]
    whole.MergeFrom(project)
    return whole


def changes(old: Project | None, new: Project) -> list[str]:
    """What is different for the platform, one sentence a field: "training.recipe: detector-tiny -> yolox".

    Defaults count as said, so that writing down a default changes nothing. `old` None: the project is new.
    """
    if old is None:
        return [f"project {new.project} is new"]
    before, after = _flat(plain(with_defaults(old))), _flat(plain(with_defaults(new)))
    names = [*after, *(name for name in before if name not in after)]
    return [
        f"{name}: {_said(before.get(name))} -> {_said(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields by dotted name; things in a list that have a name go by it."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            item = {part["name"]: part for part in item}
        if isinstance(item, dict):
            flat |= _flat(item, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)
