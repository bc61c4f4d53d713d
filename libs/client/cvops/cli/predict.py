"""`cvops predict`: ask a model about a picture."""

from pathlib import Path

import click

from cvops.cli.context import Context, command
from cvops.predictions import Predictions


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "name", required=True, help='Which: "coco" or "coco:3"; it must be released.')
@click.option("--threshold", type=click.FloatRange(0, 1), help="Lowest confidence.  [default: the model's own]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture with boxes here.")
@click.option("--camera", "camera_id", default="", help="The camera that the picture is of.")
@command
def predict(
    context: Context, image: Path, name: str, threshold: float | None, output: Path | None, camera_id: str
) -> None:
    """Ask a released model about an IMAGE (JPEG, PNG or WebP).

    Example: cvops predict street.jpg --model coco --output boxes.png
    """
    with context.client() as client:
        found = client.predict(image, name, threshold=threshold, camera_id=camera_id)
    if output is not None:
        from cvops.drawing import draw

        draw(image, found, output)
    context.answer(_as_dict(found), lambda: _show(context, found, output))


def _as_dict(found: Predictions) -> dict[str, object]:
    boxes = [
        {"xyxy": [round(float(v), 2) for v in xyxy], "confidence": round(float(confidence), 4), "class": name}
        for xyxy, confidence, name in zip(found.xyxy, found.confidence, found.class_names, strict=True)
    ]
    answer: dict[str, object] = {"model": found.model, "latency_ms": round(1e3 * found.latency_s, 1)}
    if found.probabilities is None:
        return answer | {"detections": boxes}
    return answer | {"probabilities": dict(_top(found, len(found.classes)))}


def _top(found: Predictions, count: int) -> list[tuple[str, float]]:
    if found.probabilities is None:
        return []
    order = found.probabilities.argsort()[::-1][:count]
    return [(found.classes[number], round(float(found.probabilities[number]), 4)) for number in order]


def _show(context: Context, found: Predictions, output: Path | None) -> None:
    for xyxy, confidence, name in zip(found.xyxy, found.confidence, found.class_names, strict=True):
        click.echo(f"{name:20} {confidence:.2f}  " + " ".join(f"{value:7.1f}" for value in xyxy))
    for name, probability in _top(found, 5):
        click.echo(f"{name:20} {probability:.4f}")
    said = f"{len(found)} boxes" if found.probabilities is None else "the five likeliest classes"
    where = f", drawn to {output}" if output is not None else ""
    context.console.print(f"{said} by {found.model} in {1e3 * found.latency_s:.0f} ms{where}", style="dim")
