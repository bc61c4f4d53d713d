"""Messages for any receiver: the incident as JSON, signed.

Headers:
- `X-Cvops-Delivery`: the same for every attempt of one message; a receiver that knows it answers 2xx and does nothing.
- `X-Cvops-Timestamp`: when it was signed, seconds since the epoch.
- `X-Cvops-Signature`: "v1=" and the HMAC-SHA256, in hex, of timestamp, ".", and the body, with the secret of the route.
  Absent when the route names no secret.
"""

import hmac
import json
from hashlib import sha256

from google.protobuf.json_format import MessageToDict

from cvops_alerting.deliveries.post import Message, Post, severity_of, state_of

DELIVERY_HEADER = "X-Cvops-Delivery"
TIMESTAMP_HEADER = "X-Cvops-Timestamp"
SIGNATURE_HEADER = "X-Cvops-Signature"


def webhook_post(message: Message, url: str, secret: str, timestamp_s: int) -> Post:
    """The message as JSON: delivery_id, what, state, severity, title, and the whole incident.

    Args:
        message: what is told.
        url: of the receiver.
        secret: the key of the signature; empty: not signed.
        timestamp_s: now, seconds since the epoch.
    """
    incident = message.incident
    body = json.dumps(
        {
            "delivery_id": message.delivery_id,
            "what": message.what,
            "state": state_of(incident),
            "severity": severity_of(incident),
            "title": incident.title,
            "incident": MessageToDict(incident, preserving_proto_field_name=True),
        },
        separators=(",", ":"),
    ).encode()
    headers = {
        "Content-Type": "application/json",
        DELIVERY_HEADER: message.delivery_id,
        TIMESTAMP_HEADER: str(timestamp_s),
    }
    if secret:
        headers[SIGNATURE_HEADER] = signature(secret, timestamp_s, body)
    return Post(url, body, headers, secrets=(secret,))


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """What `X-Cvops-Signature` holds; receivers compare it in constant time, and refuse old timestamps."""
    digest = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, sha256)
    return f"v1={digest.hexdigest()}"
