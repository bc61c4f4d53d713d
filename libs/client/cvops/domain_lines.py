"""How a camera compares with the training data of its models and with other cameras, in lines for people."""

from cvops_protos.v1.drift_pb2 import CameraDriftStatus


def domain_lines(camera: CameraDriftStatus) -> list[str]:
    """One line for each light of each model that was compared."""
    lines = []
    for model in camera.models:
        for domain in model.domains:
            said = []
            if domain.HasField("training_distance"):
                outside = domain.training_outside
                said.append(f"{domain.training_distance:.1f} sd from training, {outside:.0%} of frames outside")
            if domain.nearest_camera:
                said.append(f"nearest of {domain.cameras} cameras is {domain.nearest_camera}")
            said += [f"unlike: {each}" for each in domain.unlike]
            if said:
                lines.append(f"{camera.camera_id} by {domain.regime}: {'; '.join(said)}")
    return lines
