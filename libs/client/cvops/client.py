"""The client: cameras, models and predictions of one platform."""

from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cvops.alerting import Alerting
from cvops.cameras import Cameras
from cvops.connection import Connection
from cvops.drift import DriftMonitoring
from cvops.labeling import Labeling
from cvops.loop import Loop
from cvops.models import Models, ModelVersion
from cvops.predictions import Inference, Predictions
from cvops.training import Training


class Client:
    """Speaks with a platform. Connections are opened at the first call of each service.

    Example:
        with Client() as client:
            client.cameras.add(Camera("gate-3", site="north"))
            found = client.predict("picture.jpg", model="coco")
    """

    def __init__(self, connection: Connection | None = None) -> None:
        """Finds the platform by itself when no connection is given.

        Raises:
            ConnectionFailed: no platform was found.
        """
        self.connection = connection or Connection.find()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        for name in ("alerting", "cameras", "models", "inference", "drift", "labeling", "loop", "training"):
            if (part := self.__dict__.pop(name, None)) is not None:
                part.close()

    @cached_property
    def cameras(self) -> Cameras:
        """The registry of cameras."""
        return Cameras(self.connection)

    @cached_property
    def models(self) -> Models:
        """The store of models and what serves."""
        return Models(self.connection)

    @cached_property
    def inference(self) -> Inference:
        """Models that answer apps."""
        return Inference(self.connection)

    @cached_property
    def drift(self) -> DriftMonitoring:
        """What has changed, and how every camera is doing."""
        return DriftMonitoring(self.connection)

    @cached_property
    def labeling(self) -> Labeling:
        """Projects, frames, tasks, labels and datasets."""
        return Labeling(self.connection)

    @cached_property
    def training(self) -> Training:
        """Training runs, and candidates on their way to the cameras."""
        return Training(self.connection)

    @cached_property
    def alerting(self) -> Alerting:
        """Incidents, and the messages about them."""
        return Alerting(self.connection)

    @cached_property
    def loop(self) -> Loop:
        """Episodes, and the hand brake of the loop."""
        return Loop(self.connection)

    def predict(
        self,
        image: str | Path | bytes | NDArray[np.uint8],
        model: str,
        *,
        threshold: float | None = None,
        camera_id: str = "",
    ) -> Predictions:
        """What a model says of one image.

        Args:
            image: a path, the bytes of a JPEG, PNG or WebP, or pixels, uint8 (H, W, 3) in RGB order.
            model: "name" or "name:version"; it must be released.
            threshold: lowest confidence, 0..1; None: the model's own.
            camera_id: told to the platform when the image is of a camera.

        Raises:
            SourceError: the image cannot be read here. Refused: the platform cannot use it, or no such model serves.
            ConnectionFailed: the platform does not answer.
        """
        return self.inference.predict(image, model, threshold=threshold, camera_id=camera_id)

    def upload_bundle(self, path: Path) -> ModelVersion:
        """Uploads a model bundle; see `Models.upload`."""
        return self.models.upload(path)
