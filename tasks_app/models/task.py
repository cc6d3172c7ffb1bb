"""Tasks and their history."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Channel
from imager.lifecycle import Move
from tasks_app.lifecycle import TaskStatus
from tasks_app.models.host import Host
from tasks_app.models.slot import Slot
from workers.contract import Kind as TaskKind


class Task(models.Model):
    """One piece of work for one host: build an image, download it, or write one card."""

    class Kind(models.TextChoices):
        CREATE = TaskKind.CREATE.value, _("build")
        DOWNLOAD = TaskKind.DOWNLOAD.value, _("download")
        WRITE = TaskKind.WRITE.value, _("write")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey("orders.Order", models.CASCADE, related_name="tasks", verbose_name=_("order"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    unit = models.PositiveSmallIntegerField(
        _("unit"), default=0
    )  # 1… for write tasks: which card of the order
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+", verbose_name=_("channel"))
    status = models.CharField(
        _("status"), max_length=20, choices=TaskStatus.choices, default=TaskStatus.QUEUED
    )
    host = models.ForeignKey(
        Host, models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("host")
    )
    slot = models.ForeignKey(
        Slot, models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("slot")
    )
    confirmed_diskseq = models.BigIntegerField(
        _("confirmed insertion"), null=True
    )  # the insertion that the operator confirmed
    confirmed_boot_id = models.CharField(
        _("start of the host at the confirmation"), max_length=64, blank=True
    )
    spec = models.JSONField(
        _("specification"), default=dict, editable=False
    )  # what the host needs, but for secrets
    total_bytes = models.PositiveBigIntegerField(
        _("size in bytes"), default=0
    )  # what bounds the hard time limit
    priority = models.SmallIntegerField(_("priority"), default=100)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lost_attempts = models.PositiveIntegerField(
        _("lost attempts"), default=0
    )  # those that count against the budget
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    queued_at = models.DateTimeField(_("queued since"), default=timezone.now)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    rung_at = models.DateTimeField(_("last rung"), null=True)
    lease_expires_at = models.DateTimeField(_("lease ends"), null=True)
    reclaim_at = models.DateTimeField(_("taken back at"), null=True)
    deadline_at = models.DateTimeField(_("deadline"), null=True)
    cancel_requested_at = models.DateTimeField(_("cancel asked"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    step = models.CharField(_("step"), max_length=20, blank=True)
    progress_done = models.PositiveBigIntegerField(_("bytes done"), default=0)
    progress_total = models.PositiveBigIntegerField(_("bytes in all"), null=True)
    progress_rate = models.FloatField(_("bytes per second"), null=True)
    progress_eta = models.FloatField(_("seconds left"), null=True)
    progress_at = models.DateTimeField(_("last progress"), null=True)
    trouble = models.JSONField(_("trouble"), null=True)  # contract.Trouble of the last failed attempt
    result = models.JSONField(_("result"), null=True)

    class Meta:
        ordering = ["created_at", "unit"]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            models.Index(
                fields=["kind", "priority", "queued_at"], condition=Q(status="queued"), name="task_queue"
            ),
            models.Index(
                fields=["status", "host"],
                condition=Q(status__in=["waiting", "queued", "running"]),
                name="task_open",
            ),
            models.Index(fields=["created_at"], name="task_created"),
            models.Index(fields=["status", "-created_at"], name="task_list_of_status"),
            # of nothing that a sign of life changes: those updates touch no index, and stay on their page
            models.Index(fields=["cancel_requested_at"], condition=Q(status="running"), name="task_running"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["order", "kind", "unit"], name="task_once_per_unit"),
            models.UniqueConstraint(
                fields=["slot"],
                condition=Q(slot__isnull=False, status__in=["queued", "running"]),
                name="task_one_per_slot",
            ),
            models.CheckConstraint(condition=Q(status__in=TaskStatus.values), name="task_status_known"),
            models.CheckConstraint(
                condition=~Q(status="running")
                | Q(
                    host__isnull=False,
                    lease_expires_at__isnull=False,
                    reclaim_at__isnull=False,
                    attempt__gte=1,
                ),
                name="task_running_is_leased",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.pk)[:8]}"


class TaskMove(Move):
    """The history of a task."""

    subject = models.ForeignKey(Task, models.CASCADE, related_name="moves", verbose_name=_("task"))

    class Meta(Move.Meta):
        verbose_name = _("move of a task")
        verbose_name_plural = _("moves of tasks")
