"""Translation only: body → service → answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from imager.accounts.permissions import IsHost
from imager.api import Problem
from tasks_app import services
from tasks_app.api import serializers as s
from tasks_app.api.authentication import HostAuthentication
from tasks_app.models import Host
from tasks_app.services.attempts import assignments, refuse_version
from warehouse.authentication import IsWarehouse, WarehouseAuthentication
from warehouse.models import Warehouse
from workers.contract import PROTOCOL, Answer


def body_of(request: Request, serializer: type[Serializer[Any]]) -> Any:
    """The request's body, checked."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data


class HostView(APIView):
    """For hosts only."""

    authentication_classes = [HostAuthentication]
    permission_classes = [IsHost]
    throttle_classes: list[type] = []  # leases and beats keep their own pace

    @property
    def host(self) -> Host:
        """The host whose account asks."""
        host: Host | None = getattr(self.request.user, "host", None)
        if host is None:
            raise Problem(403, "not_yours", "This account belongs to no host. Run create_host again.")
        return host


class ClaimView(HostView):
    @extend_schema(request=s.ClaimSerializer, responses=s.AssignmentSerializer)
    def post(self, request: Request, task: UUID) -> Response:
        """Take a queued task."""
        return Response(services.claim(task, self.host, body_of(request, s.ClaimSerializer)))


class ReportView(HostView):
    @extend_schema(request=s.ReportSerializer, responses=s.AnswerSerializer)
    def post(self, request: Request, task: UUID) -> Response:
        """Say where an attempt is, or how it ended."""
        answer = services.report(task, self.host, body_of(request, s.ReportSerializer))
        return Response({"answer": answer}, status=409 if answer is Answer.STALE else 200)


class ReleaseView(HostView):
    @extend_schema(request=s.ReleaseSerializer, responses=s.AnswerSerializer)
    def post(self, request: Request, task: UUID) -> Response:
        """Give a task back unfinished."""
        body = body_of(request, s.ReleaseSerializer)
        answer = services.release(task, self.host, event_id=body["event_id"], attempt=body["attempt"])
        return Response({"answer": answer}, status=409 if answer is Answer.STALE else 200)


class TicketView(HostView):
    @extend_schema(request=s.TicketRequestSerializer, responses=s.TicketSerializer)
    def post(self, request: Request, task: UUID) -> Response:
        """A login to the warehouse for this attempt."""
        body = body_of(request, s.TicketRequestSerializer)
        return Response(services.ticket(task, self.host, attempt=body["attempt"]))


class PermitView(HostView):
    @extend_schema(request=s.PermitSerializer, responses=s.SerialSerializer)
    def post(self, request: Request, task: UUID) -> Response:
        """Leave to wipe and write the confirmed card."""
        return Response({"serial": services.permit(task, self.host, body_of(request, s.PermitSerializer))})


class BeatView(HostView):
    @extend_schema(request=s.BeatSerializer, responses=s.BeatAnswerSerializer)
    def post(self, request: Request) -> Response:
        """A sign of life; the answer names what waits."""
        body = body_of(request, s.BeatSerializer)
        if body["protocol"] != PROTOCOL:
            raise Problem(426, "protocol", f"Needed is protocol {PROTOCOL}. Upgrade the host.")
        refuse_version(body["version"])
        return Response(services.beat(self.host, body))


class AssignmentsView(HostView):
    @extend_schema(responses=s.AssignmentsSerializer)
    def get(self, request: Request) -> Response:
        """What this host is running, as far as the server knows."""
        return Response({"assignments": assignments(self.host)})


class WarehouseView(APIView):
    """For warehouses only."""

    authentication_classes = [WarehouseAuthentication]
    permission_classes = [IsWarehouse]
    throttle_classes: list[type] = []


class PublishView(WarehouseView):
    @extend_schema(request=s.PublishSerializer, responses=s.GrantSerializer)
    def post(self, request: Request) -> Response:
        """May this attempt's files be published?"""
        body = body_of(request, s.PublishSerializer)
        task, attempt = UUID(body["task"]), body["attempt"]
        assert isinstance(request.auth, Warehouse)  # noqa: S101  # IsWarehouse has looked
        return Response(services.publish(task_id=task, attempt=attempt, files=body["files"], at=request.auth))


class PublishedView(WarehouseView):
    @extend_schema(request=s.PublishSerializer, responses={200: None})
    def post(self, request: Request) -> Response:
        """They were."""
        body = body_of(request, s.PublishSerializer)
        services.published(task_id=UUID(body["task"]), attempt=body["attempt"])
        return Response({})


class EndedView(WarehouseView):
    @extend_schema(parameters=[OpenApiParameter("since", str)], responses=s.EndedSerializer)
    def get(self, request: Request) -> Response:
        """Attempts that ended since the cursor."""
        return Response(services.ended(request.query_params.get("since", "")))
