"""Mails of the accounts. The room that delivers signs up here; we know it by nothing else."""

from __future__ import annotations

from typing import Any, Final, Protocol

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation


class Post(Protocol):
    """Have a mail delivered once after this transaction; the same `dedupe` again is nothing new."""

    def __call__(self, kind: str, *, dedupe: str, payload: dict[str, Any]) -> None: ...


_posts: Final[list[Post]] = []


def deliver_by(post: Post) -> None:
    """Have `post` deliver what is queued."""
    _posts[:] = [post]


def queue(template: str, *, to: str, language: str, dedupe: str, **words: Any) -> None:
    """A mail that may wait for its server. Not for secrets: it is kept for a while."""
    _posts[0]("mail", dedupe=dedupe, payload=_mail(template, to, language, words))


def send_now(template: str, *, to: str, language: str, **words: Any) -> None:
    """A mail that holds a secret, straight to the mail server. Raises OSError (SMTPException is one)."""
    EmailMessage(**_mail(template, to, language, words)).send()


def _mail(template: str, to: str, language: str, words: dict[str, Any]) -> dict[str, Any]:
    """In the outbox's shape. The first line of the template is the subject."""
    with translation.override(language or settings.LANGUAGE_CODE):
        text = render_to_string(f"mail/{template}.txt", {"support": settings.SUPPORT_EMAIL, **words})
    subject, _, body = text.strip().partition("\n")
    mail: dict[str, Any] = {"to": [to], "subject": " ".join(subject.split()), "body": body.strip() + "\n"}
    return mail | ({"reply_to": [settings.SUPPORT_EMAIL]} if settings.SUPPORT_EMAIL else {})
