"""The token endpoints, as a program calls them."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from imager.accounts.models import User
from tests.factories import PASSWORD

LOGIN = "/api/v1/auth/token/"
REFRESH = "/api/v1/auth/token/refresh/"
VERIFY = "/api/v1/auth/token/verify/"


def post(path: str, **body: Any) -> Any:
    return APIClient().post(path, body)


def log_in(user: User, password: str = PASSWORD) -> dict[str, Any]:
    answer = post(LOGIN, email=user.email, password=password)
    assert answer.status_code == 200, answer.content
    return answer.json()


def bearer(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def is_problem(answer: Any, status: int, code: str) -> bool:
    body = answer.json()
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert body["status"] == status
    assert body["code"] == code, body
    assert body["detail"]
    return True
