"""Sends one message by one route, once."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx

from cvops_alerting.deliveries.answer import Answer, Outcome, judge, without_secrets
from cvops_alerting.deliveries.pagerduty import pagerduty_post
from cvops_alerting.deliveries.post import Message, Post
from cvops_alerting.deliveries.slack import slack_post
from cvops_alerting.deliveries.webhook import webhook_post
from cvops_alerting.metrics import SEND_S
from cvops_common.errors import Unavailable
from cvops_protos.v1.project_pb2 import Project

_MOST_ANSWER_BYTES = 2048
_MOST_CONNECTIONS = 50


class Sender:
    """One HTTP client for all routes; no redirect is followed, and answers are read to 2 KiB at most."""

    def __init__(self, timeout_s: float, environment: Mapping[str, str] = os.environ) -> None:
        """`timeout_s` is for a whole attempt; secrets are read from `environment` when they are needed."""
        self._timeout_s = timeout_s
        self._environment = environment
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        # It logs addresses of requests, and the address of a Slack webhook is its secret.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._http = httpx.AsyncClient(
            timeout=self._timeout_s,
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=10),
            headers={"User-Agent": "cvops-alerting"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def send(self, route: Project.Alerts.Route, message: Message) -> Answer:
        """One attempt; whatever goes wrong is in the answer."""
        try:
            post = self._post(route, message)
        except Unavailable as error:
            return Answer(Outcome.AGAIN, str(error))
        with SEND_S.labels(route.kind).time():
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._exchange(post)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                said = without_secrets(str(error), post.secrets)[:150] or type(error).__name__
                return Answer(Outcome.AGAIN, f"no connection: {said}")
            except (TimeoutError, httpx.TimeoutException):
                return Answer(Outcome.AGAIN, f"no answer within {self._timeout_s:g} s", in_doubt=True)
            except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError, ValueError):
                return Answer(Outcome.REFUSED, "the address cannot be used: expected http://... or https://...")
            except (httpx.HTTPError, OSError) as error:
                return Answer(Outcome.AGAIN, f"the connection broke: {type(error).__name__}", in_doubt=True)

    async def _exchange(self, post: Post) -> Answer:
        assert self._http is not None
        async with self._http.stream("POST", post.url, content=post.body, headers=post.headers) as response:
            body = b""
            async for chunk in response.aiter_bytes(_MOST_ANSWER_BYTES):
                body = (body + chunk)[:_MOST_ANSWER_BYTES]
                if len(body) == _MOST_ANSWER_BYTES:
                    break
            text = without_secrets(body.decode(errors="replace"), post.secrets)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return judge(response.status_code, headers, text, datetime.now(UTC))

    def _post(self, route: Project.Alerts.Route, message: Message) -> Post:
        secret = self._environment.get(route.secret_env, "").strip() if route.secret_env else ""
        if route.secret_env and not secret:
            raise Unavailable(
                f"environment variable {route.secret_env} of alerting is not set: set it, then restart alerting"
            )
        if route.kind == "slack":
            return slack_post(message, secret or route.url)
        if route.kind == "pagerduty":
            return pagerduty_post(message, route.url, secret)
        return webhook_post(message, route.url, secret, int(time.time()))
