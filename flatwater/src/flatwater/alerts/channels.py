"""The ways an alert goes out: the log, a webhook, e-mail. Each try ends at its deadline; secrets are in no log and no repr."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from flatwater import outward
from flatwater.alerts.alarms import Alert
from flatwater.supervisor import thread_beside

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

log = logging.getLogger("flatwater.alerts")
# The libraries of a way out are loaded when it is first gone: together they take a megabyte, and most programs only log.

DEADLINE_S: Final = 5.0
"""As long as connecting to the database may take; who does not answer by then is asked again, not waited for."""

WORTH_ANOTHER_TRY: Final = frozenset({408, 425, 429})
"""Answers of the 4xx that mean later, not never."""


class Undelivered(Exception):
    """The alert was not delivered."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final
        """Whether another try can't help."""


class Channel(Protocol):
    """A way out for alerts. `send` raises Undelivered; `name` has no secrets in it and stands in logs and metrics."""

    @property
    def name(self) -> str: ...

    async def send(self, alert: Alert) -> None: ...


class Secret:
    """A text that shows itself to nobody who does not ask by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"


class Log:
    """Alerts in the log: warnings as warnings, critical ones as errors, what is over as information."""

    name = "log"

    async def send(self, alert: Alert) -> None:
        if alert.kind == "cleared":
            level = logging.INFO
        else:
            level = logging.ERROR if alert.verdict == "critical" else logging.WARNING
        log.log(level, "%s: %s", subject(alert), alert.sentence)


class _Attempts:
    """Runs blocking work in a thread that is given up at the deadline; never more than one thread.

    The interruption closes the socket, on which the work then fails. Where there is no socket to close yet (the name is
    still being looked up) the thread stays until it ends by itself, and the next attempt is refused until then.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    async def within(
        self, deadline_s: float, work: Callable[[], None], interrupt: Callable[[], None]
    ) -> None:
        if self._thread is not None and self._thread.is_alive():
            raise Undelivered("the attempt before is still stuck")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            outcome: Exception | None = None
            try:
                work()
            except Exception as error:  # noqa: BLE001  # it is raised again on the other side
                outcome = error
            # The loop may have closed in the meantime; then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, ended, outcome)

        self._thread = thread_beside(run, name="flatwater alert")
        try:
            async with asyncio.timeout(deadline_s):
                await ended
        except TimeoutError:
            raise Undelivered(f"no answer within {deadline_s:g} s") from None
        finally:
            if not ended.done() or ended.cancelled():
                interrupt()


def _settle(ended: asyncio.Future[None], outcome: Exception | None) -> None:
    if ended.done():
        return
    if outcome is None:
        ended.set_result(None)
    else:
        ended.set_exception(outcome)


def _shut(sock: socket.socket | None) -> None:
    if sock is not None:
        # A socket that is not connected any more has nothing to shut.
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class Webhook:
    """Alerts as JSON by POST. `text` in it is what chat services show; redirects are not followed.

    An operator chose the address, so it may lead anywhere, also inside.
    """

    def __init__(
        self,
        url: Secret,
        *,
        headers: Mapping[str, Secret] | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        try:
            self._address = outward.read_address(url.reveal())
        except ValueError as error:
            # Not from the error: a traceback may show what it was about.
            raise ValueError(f"a webhook has a web address: {error}") from None
        self._tls = tls
        self._headers = dict(headers or {})
        self._deadline_s = deadline_s

    @property
    def name(self) -> str:
        return f"webhook {self._address.host}"

    def __repr__(self) -> str:
        return f"Webhook({self._address.host!r}, …)"

    async def send(self, alert: Alert) -> None:
        content = {"text": f"{subject(alert)}: {alert.sentence}", **msgspec.to_builtins(alert)}
        headers = {name: value.reveal() for name, value in self._headers.items()}
        try:
            answer = await outward.post(
                self._address,
                msgspec.json.encode(content),
                headers={"Content-Type": "application/json"} | headers,
                reaches=outward.anywhere,
                tls=self._tls,
                deadline_s=self._deadline_s,
            )
        except outward.NotAnswered as error:
            raise Undelivered(str(error)) from None
        if not 200 <= answer.status < 300:
            is_final = 300 <= answer.status < 500 and answer.status not in WORTH_ANOTHER_TRY
            raise Undelivered(f"answered {answer.status}", is_final=is_final)


class Email:
    """Alerts by e-mail through one SMTP server. A password goes over TLS only."""

    def __init__(
        self,
        host: str,
        *,
        sender: str,
        recipients: tuple[str, ...],
        port: int = 587,
        tls: Literal["starttls", "whole", "none"] = "starttls",
        context: ssl.SSLContext | None = None,
        user: str | None = None,
        password: Secret | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        if not recipients:
            raise ValueError("an e-mail has at least one recipient")
        if tls == "none" and password is not None:
            raise ValueError("a password is not sent without TLS")
        if (user is None) != (password is None):
            raise ValueError("user and password come together")
        self._host, self._port, self._tls = host, port, tls
        self._context = context or (None if tls == "none" else ssl.create_default_context())
        self._sender, self._recipients = sender, recipients
        self._user, self._password = user, password
        self._deadline_s = deadline_s
        self._attempts = _Attempts()

    @property
    def name(self) -> str:
        return f"e-mail {self._host}"

    def __repr__(self) -> str:
        return f"Email({self._host!r}, …)"

    async def send(self, alert: Alert) -> None:
        message = self._message(alert)
        connected: list[smtplib.SMTP] = []
        await self._attempts.within(
            self._deadline_s,
            lambda: self._mail(message, connected),
            lambda: [_shut(smtp.sock) for smtp in connected].clear(),
        )

    def _message(self, alert: Alert) -> EmailMessage:
        from email.message import EmailMessage

        message = EmailMessage()
        message["Subject"] = " ".join(subject(alert).split())
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message.set_content(f"{alert.sentence}\n\nSince {alert.since_at:%Y-%m-%d %H:%M:%S} UTC.\n")
        return message

    def _mail(self, message: EmailMessage, connected: list[smtplib.SMTP]) -> None:
        import smtplib

        try:
            with self._connect() as smtp:
                connected.append(smtp)
                if self._tls == "starttls":
                    smtp.starttls(context=self._context)
                if self._user is not None and self._password is not None:
                    smtp.login(self._user, self._password.reveal())
                smtp.send_message(message)
        except smtplib.SMTPResponseException as error:
            # Its kind and number only: the text of a refused login may quote it.
            reason = f"{type(error).__name__} {error.smtp_code}"
            raise Undelivered(reason, is_final=error.smtp_code >= 500) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        import smtplib

        if self._tls == "whole":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._deadline_s, context=self._context)
        return smtplib.SMTP(self._host, self._port, timeout=self._deadline_s)


def subject(alert: Alert) -> str:
    """The alert in a few words: `memory_bytes critical (raised)`."""
    return f"{alert.name} {alert.verdict} ({alert.kind})"
