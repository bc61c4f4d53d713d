"""Asks the service of this container whether it is ready; exit status 0 or 1. Needs nothing but Python."""

import os
import ssl
import sys
import urllib.error
import urllib.request


def setting(name: str) -> str | None:
    """A setting as the service reads it: its own variable first, then the shared one."""
    own = f"CVOPS_{os.environ.get('SERVICE', '').upper()}_{name}"
    return os.environ.get(own) or os.environ.get(f"CVOPS_{name}")


def main() -> int:
    """0 when the service is ready; else 1, and the reason goes to the health log of the container."""
    port = (setting("HTTP_LISTEN") or "127.0.0.1:7101").rpartition(":")[2]
    # The certificate names the host that clients use, not the loopback that is asked here.
    tls = ssl._create_unverified_context() if setting("TLS_CERT") else None  # noqa: S323
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=4, context=tls) as answer:  # noqa: S310
            sys.stdout.write(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode())
    except OSError as error:
        sys.stdout.write(f"{url} does not answer: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
