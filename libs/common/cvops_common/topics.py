"""Every topic of the platform, declared once, and created when missing."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from cvops_common.errors import Unavailable

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

FRAMES = "frames"
PREDICTIONS = "predictions"
CAMERA_STATUS = "camera-status"
CAMERAS = "cameras"
MODEL_RELEASED = "model-released"
DRIFT_EVENTS = "drift-events"
FEEDBACK = "feedback"
PROJECTS = "projects"
SELECTIONS = "selections"
LABELS = "labels"
DATASET_RELEASED = "dataset-released"
TRAINING_RUNS = "training-runs"
ROLLOUTS = "rollouts"
INCIDENTS = "incidents"
EPISODES = "episodes"
LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the platform.

    Attributes:
        name: as on Kafka.
        key: what the key of a record is.
        per_camera: same key and number of partitions as all such topics, so that a camera's streams can meet.
        compacted: the last record of a key is kept for ever; a tombstone removes it.
        retention_ms: how long a record is kept when not compacted; -1: for ever.
    """

    name: str
    key: str
    per_camera: bool = False
    compacted: bool = False
    retention_ms: int = -1


TOPICS = {
    topic.name: topic
    for topic in (
        Topic(FRAMES, "camera_id", per_camera=True, retention_ms=DAY_MS),
        Topic(PREDICTIONS, "camera_id", per_camera=True, retention_ms=7 * DAY_MS),
        Topic(CAMERA_STATUS, "camera_id", per_camera=True, retention_ms=7 * DAY_MS),
        Topic(FEEDBACK, "camera_id", per_camera=True, retention_ms=365 * DAY_MS),
        Topic(DRIFT_EVENTS, "camera_id", retention_ms=365 * DAY_MS),
        Topic(CAMERAS, "camera_id", compacted=True),
        Topic(MODEL_RELEASED, "project/slot", compacted=True),
        Topic(PROJECTS, "project", compacted=True),
        Topic(LOOP, "project", compacted=True),
        Topic(LABELS, "camera_id", per_camera=True),
        Topic(SELECTIONS, "selection_id", retention_ms=365 * DAY_MS),
        Topic(DATASET_RELEASED, "project/name"),
        Topic(TRAINING_RUNS, "run_id", retention_ms=365 * DAY_MS),
        Topic(ROLLOUTS, "rollout_id", retention_ms=365 * DAY_MS),
        Topic(INCIDENTS, "incident_id", retention_ms=365 * DAY_MS),
        Topic(EPISODES, "episode_id", retention_ms=365 * DAY_MS),
    )
}

DEAD_LETTER_RETENTION_MS = 14 * DAY_MS


def dead_letter_topic(topic: str, group: str) -> str:
    """Where records of `topic` go that `group` cannot handle."""
    return f"{topic}.{group}.dlq"


def declaration(topic: Topic, partitions: int, replicas: int) -> NewTopic:
    """What Kafka is told to create."""
    config = {"cleanup.policy": "compact"} if topic.compacted else {"retention.ms": str(topic.retention_ms)}
    if topic.compacted:
        config |= {"min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": str(7 * DAY_MS)}
    return NewTopic(topic.name, partitions if topic.per_camera else 1, replicas, topic_configs=config)


def dead_letter_declaration(topic: str, group: str, replicas: int) -> NewTopic:
    """The dead letters of one consumer group: one partition, kept for 14 days."""
    config = {"retention.ms": str(DEAD_LETTER_RETENTION_MS)}
    return NewTopic(dead_letter_topic(topic, group), 1, replicas, topic_configs=config)


async def create_topics(bootstrap: str, wanted: Iterable[NewTopic]) -> None:
    """Creates what does not exist yet; what exists is left as it is.

    Raises:
        Unavailable: Kafka does not answer or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="cvops-topics")
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing:
            response = await admin.create_topics(missing)
            for name, code, *_ in response.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise Unavailable(f"Kafka at {bootstrap} did not create topic {name}: {for_code(code).__name__}")
    except (TimeoutError, KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {bootstrap} does not answer: {error}; is it running?") from error
    finally:
        await admin.close()
