"""Token endpoints, and the public keys."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from imager.accounts import services
from imager.accounts.authentication import TokenAuthentication, refusal
from imager.accounts.keys import key_ring
from imager.accounts.serializers import LoginInput, PairOutput, RefreshInput, VerifyInput
from imager.api.strict import Telling

JWKS_SECONDS = 300
TOO_MANY_SECONDS = 300  # as in ACCOUNT_RATE_LIMITS


class _TokenView(APIView):
    """Open to everybody: the body is the credential. Answers are never kept by caches."""

    authentication_classes: list[type[TokenAuthentication]] = []
    permission_classes: list[type] = []
    input_class: type[Telling]

    def get_authenticate_header(self, request: Request) -> str:
        """So that a refusal is 401, not 403."""
        return TokenAuthentication().authenticate_header(request)

    def post(self, request: Request) -> Response:
        """Translate: body → service → answer."""
        body = self.input_class(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            answer = self.answer(request, **body.validated_data)
        except services.Refused as error:
            if error.code == "too_many_attempts":
                raise Throttled(wait=TOO_MANY_SECONDS) from error
            raise refusal(error.code) from error
        return Response(answer, headers={"Cache-Control": "no-store"})

    def answer(self, request: Request, **fields: str) -> dict[str, object]:
        """The body of the answer. Raises services.Refused."""
        raise NotImplementedError


class LoginView(_TokenView):
    """`{email, password}` → `{access, refresh, expires_in}`."""

    input_class = LoginInput
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "login"

    @extend_schema(request=LoginInput, responses=PairOutput)
    def post(self, request: Request) -> Response:
        """Log in with e-mail and password."""
        return super().post(request)

    def answer(self, request: Request, **fields: str) -> dict[str, object]:
        return dict(PairOutput(services.log_in(request._request, **fields)).data)  # noqa: SLF001  # DRF's wrapper


class RefreshView(_TokenView):
    """`{refresh}` → the next pair. A refresh token works once."""

    input_class = RefreshInput

    @extend_schema(request=RefreshInput, responses=PairOutput)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token."""
        return super().post(request)

    def answer(self, request: Request, **fields: str) -> dict[str, object]:
        return dict(PairOutput(services.refresh(fields["refresh"])).data)


class VerifyView(_TokenView):
    """`{token}` → 200 `{}` if it counts at this moment, else 401."""

    input_class = VerifyInput

    @extend_schema(request=VerifyInput, responses=OpenApiResponse(description="The token counts."))
    def post(self, request: Request) -> Response:
        """Ask whether a token counts."""
        return super().post(request)

    def answer(self, request: Request, **fields: str) -> dict[str, object]:
        services.check(fields["token"])
        return {}


@require_safe
@cache_control(public=True, max_age=JWKS_SECONDS)
def jwks(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """The public keys of access tokens and warehouse tickets (RFC 7517)."""
    return JsonResponse(key_ring().jwks())
