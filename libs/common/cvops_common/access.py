"""Who may call: API keys, hashed at rest, each with a role.

A key reads "cvops_<id>_<secret>". The secret has 256 random bits, so one SHA-256 is a safe hash: there is nothing to
guess. Only the hash is stored; the key itself is shown once, when it is made.
"""

import hashlib
import hmac
import json
import os
import secrets
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cvops_common.errors import BadArgument, Forbidden, NotFound, Unauthenticated, Unavailable


class Role(StrEnum):
    """What a key is for."""

    CAMERA = "camera"
    """Pushes frames of one camera and watches its configuration."""
    APP = "app"
    """Asks models for predictions."""
    ANNOTATOR = "annotator"
    """Labels images."""
    OPERATOR = "operator"
    """Runs the fleet: cameras, models, releases; may push for any camera."""
    ADMIN = "admin"
    """May do everything."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the id of the key, its role and, for a camera's key, its camera."""

    key_id: str
    role: Role
    camera_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key: never the key."""

    id: str
    sha256: str
    role: Role
    camera_id: str | None
    name: str
    created_at: str

    @property
    def principal(self) -> Principal:
        """Who calls with this key."""
        return Principal(self.id, Role(self.role), self.camera_id)


_current: ContextVar[Principal | None] = ContextVar("cvops_principal", default=None)


def principal() -> Principal:
    """Who makes the current call; Unauthenticated outside of one."""
    caller = _current.get()
    if caller is None:
        raise Unauthenticated("this call has no API key")
    return caller


def enter(caller: Principal) -> None:
    """Sets who makes the current call; done once per call by the transport."""
    _current.set(caller)


def allow_camera(caller: Principal, camera_id: str) -> None:
    """Raises Forbidden when a camera's key is used for another camera."""
    if caller.role is Role.CAMERA and caller.camera_id != camera_id:
        raise Forbidden(
            f"key {caller.key_id} belongs to camera {caller.camera_id!r} and cannot be used for {camera_id!r}: "
            f"make one with `cvops key create --role camera --camera {camera_id}`"
        )


class KeyFile:
    """The keys of a platform in one JSON file; read again when it changes, so keys come and go without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, StoredKey] = {}

    def create(self, role: Role, camera_id: str | None = None, name: str = "") -> str:
        """Makes a key and returns it in clear: the only time that it is seen.

        Raises:
            BadArgument: a camera's key without a camera, or a camera with another role.
        """
        if (role is Role.CAMERA) != (camera_id is not None):
            raise BadArgument(f"role {role} with camera {camera_id!r}: a camera's key names its camera, others none")
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        clear = f"cvops_{key_id}_{secret}"
        self._reload()
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(self._keys | {key_id: StoredKey(key_id, _hash(clear), role, camera_id, name, created_at)})
        return clear

    def list(self) -> tuple[StoredKey, ...]:
        """All keys, oldest first."""
        self._reload()
        return tuple(sorted(self._keys.values(), key=lambda key: key.created_at))

    def revoke(self, key_id: str) -> None:
        """Forgets a key; NotFound when there is none."""
        self._reload()
        if key_id not in self._keys:
            raise NotFound(f"there is no key {key_id!r}: see `cvops key list`")
        self._write({id_: key for id_, key in self._keys.items() if id_ != key_id})

    def authenticate(self, clear: str) -> Principal | None:
        """Who calls with this key; None when it is not known."""
        self._reload()
        parts = clear.split("_", 2)
        stored = self._keys.get(parts[1]) if len(parts) == 3 else None
        if stored is None or not hmac.compare_digest(stored.sha256, _hash(clear)):
            return None
        return stored.principal

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            entries = json.loads(self._path.read_text())["keys"]
            self._keys = {entry["id"]: StoredKey(**{**entry, "role": Role(entry["role"])}) for entry in entries}
            self._stamp = stamp
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"key file {self._path} cannot be read: {error}; restore it or make new keys") from error

    def _write(self, keys: dict[str, StoredKey]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"keys": [asdict(key) for key in keys.values()]}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        self._stamp = None


def bearer(headers: dict[str, str]) -> str:
    """The API key in the headers of a call: "authorization: Bearer KEY" or "x-api-key: KEY"."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def admit(keys: KeyFile, headers: dict[str, str], roles: frozenset[Role], call: str) -> Principal:
    """Who calls, if the role of the key allows `call`.

    Raises:
        Unauthenticated: no key, or one that is not known.
        Forbidden: the role does not allow the call.
    """
    clear = bearer(headers)
    if not clear:
        raise Unauthenticated(f"{call} needs an API key: send the header 'authorization: Bearer <key>'")
    caller = keys.authenticate(clear)
    if caller is None:
        raise Unauthenticated(f"{call}: the API key is not known; it may have been revoked, see `cvops key list`")
    if caller.role is not Role.ADMIN and caller.role not in roles:
        allowed = ", ".join(sorted(roles | {Role.ADMIN}))
        raise Forbidden(f"{call} is not for role {caller.role} (key {caller.key_id}): expected one of {allowed}")
    return caller


def _hash(clear: str) -> str:
    return hashlib.sha256(clear.encode()).hexdigest()
