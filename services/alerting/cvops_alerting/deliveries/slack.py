"""Messages for Slack's incoming webhooks: a text for notifications, and blocks.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: an incoming webhook cannot change a message
and knows no idempotency key. An attempt whose end is not known is therefore repeated and says so: better told twice
than never.
"""

import json
from typing import Any

from cvops_alerting.deliveries.post import Message, Post, severity_of, state_of
from cvops_protos.v1.alerting_pb2 import Incident

# Limit of Slack, in characters.
_MOST_SECTION = 3000
_MOST_ALARMS = 5
_SIGNS = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


def slack_post(message: Message, url: str) -> Post:
    """The message as Slack takes it; the address is the secret."""
    return Post(
        url,
        json.dumps(slack_payload(message)).encode(),
        {"Content-Type": "application/json"},
        secrets=(url, url.split("://", 1)[-1].partition("/")[2]),
    )


def slack_payload(message: Message) -> dict[str, Any]:
    """Text and blocks."""
    incident = message.incident
    state, severity = state_of(incident), severity_of(incident)
    sign = ":white_check_mark:" if state == "resolved" else _SIGNS[severity]
    title = _escaped(incident.title)
    repeat = "_(may have been told already)_ " if message.maybe_told else ""
    heading = "Test" if message.what == "test" else f"{state.capitalize()}: {severity} {incident.kind} incident"
    blocks = [_section(f"{repeat}{sign} {heading}\n*{title}*")]
    if lines := _alarm_lines(incident):
        blocks.append(_section(lines))
    context = [f"project {incident.project}", f"incident {incident.incident_id[:8]}", *incident.shared]
    if incident.by:
        context.append(f"{state} by {incident.by}")
    if incident.note:
        context.append(incident.note)
    blocks.append(_section(_escaped(" · ".join(context))))
    return {"text": _cut(f"{repeat}[{state}] {title}", _MOST_SECTION), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _MOST_SECTION)}}


def _alarm_lines(incident: Incident) -> str:
    lines = [f"• `{_escaped(alarm.camera_id or alarm.signal)}` {_escaped(alarm.text)}" for alarm in incident.alarms]
    more = len(lines) - _MOST_ALARMS
    return "\n".join(lines[:_MOST_ALARMS] + ([f"and {more} more alarms"] if more > 0 else []))


def _escaped(text: str) -> str:
    """What Slack takes for control characters, as text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
