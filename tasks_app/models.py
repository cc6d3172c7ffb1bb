"""Tasks, the hosts that do them, slots, cards, and what was said about them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Channel, User
from imager.lifecycle import Move
from tasks_app.lifecycle import TaskStatus
from workers.contract import Kind as TaskKind


class Host(models.Model):
    """A machine that works for a channel: a creator, or a writer (which downloads, too)."""

    class Kind(models.TextChoices):
        CREATOR = "creator", _("creator")
        WRITER = "writer", _("writer")

    name = models.SlugField(_("name"), max_length=50, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="hosts", verbose_name=_("channel"))
    account = models.OneToOneField(User, models.PROTECT, related_name="host", verbose_name=_("account"))
    operator_email = models.EmailField(_("operator's e-mail"), blank=True)
    signing_key = models.CharField(_("public key"), max_length=64, blank=True)
    automatic = models.BooleanField(
        _("automatic"),
        default=False,
        help_text=_("Cards are written as soon as they are inserted, without confirmation."),
    )
    draining = models.BooleanField(
        _("draining"), default=False, help_text=_("Finishes its work, takes no more.")
    )
    disabled = models.BooleanField(_("disabled"), default=False)
    version = models.CharField(_("version"), max_length=30, blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    free_bytes = models.BigIntegerField(_("free disk"), null=True)
    last_seen_at = models.DateTimeField(_("last seen"), null=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("host")
        verbose_name_plural = _("hosts")

    def __str__(self) -> str:
        return self.name


class Slot(models.Model):
    """A named card reader of a writer host, and the card that is in it now, as the host last said."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="slots")
    name = models.CharField(_("name"), max_length=20)
    disabled = models.BooleanField(_("disabled"), default=False)
    present = models.BooleanField(_("card present"), default=False)
    card_bytes = models.PositiveBigIntegerField(_("size of the card"), default=0)
    diskseq = models.BigIntegerField(null=True)
    boot_id = models.CharField(max_length=64, blank=True)
    model = models.CharField(_("reader"), max_length=200, blank=True)
    contents = models.CharField(_("what is on the card"), max_length=500, blank=True)
    problem = models.CharField(_("problem"), max_length=500, blank=True)
    used_diskseq = models.BigIntegerField(
        null=True
    )  # the insertion that was last written: occupied until it is removed
    used_boot_id = models.CharField(max_length=64, blank=True)
    seen_at = models.DateTimeField(_("last seen"), null=True)

    class Meta:
        ordering = ["host", "name"]
        verbose_name = _("slot")
        verbose_name_plural = _("slots")
        constraints = [models.UniqueConstraint(fields=["host", "name"], name="slot_name_once_per_host")]

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"

    @property
    def used(self) -> bool:
        """Whether the card in the slot was written already and must be taken out first."""
        return (
            self.present
            and self.diskseq is not None
            and (self.diskseq, self.boot_id) == (self.used_diskseq, self.used_boot_id)
        )


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
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+")
    status = models.CharField(
        _("status"), max_length=20, choices=TaskStatus.choices, default=TaskStatus.QUEUED
    )
    host = models.ForeignKey(
        Host, models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("host")
    )
    slot = models.ForeignKey(
        Slot, models.PROTECT, null=True, blank=True, related_name="tasks", verbose_name=_("slot")
    )
    confirmed_diskseq = models.BigIntegerField(null=True)  # the insertion that the operator confirmed
    confirmed_boot_id = models.CharField(max_length=64, blank=True)
    spec = models.JSONField(default=dict, editable=False)  # what the host needs, but for secrets
    total_bytes = models.PositiveBigIntegerField(default=0)  # what bounds the hard time limit
    priority = models.SmallIntegerField(_("priority"), default=100)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lost_attempts = models.PositiveIntegerField(default=0)  # those that count against the budget
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(default=timezone.now)
    not_before = models.DateTimeField(default=timezone.now)
    rung_at = models.DateTimeField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    reclaim_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    step = models.CharField(_("step"), max_length=20, blank=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(null=True)
    progress_rate = models.FloatField(null=True)
    progress_eta = models.FloatField(null=True)
    progress_at = models.DateTimeField(null=True)
    trouble = models.JSONField(null=True)  # contract.Trouble of the last failed attempt
    result = models.JSONField(null=True)

    class Meta:
        ordering = ["created_at", "unit"]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            models.Index(
                fields=["kind", "priority", "queued_at"], condition=Q(status="queued"), name="task_queue"
            ),
            models.Index(fields=["reclaim_at"], condition=Q(status="running"), name="task_expiring"),
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
        return f"{self.kind} {str(self.pk)[:8]}"


class TaskMove(Move):
    """The history of a task."""

    subject = models.ForeignKey(Task, models.CASCADE, related_name="moves")

    class Meta(Move.Meta):
        verbose_name = _("move of a task")
        verbose_name_plural = _("moves of tasks")


class Attempt(models.Model):
    """One try of a host at a task, from claim to end, with its log."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="attempts")
    attempt = models.PositiveIntegerField()
    host = models.ForeignKey(Host, models.PROTECT, related_name="attempts")
    boot_id = models.CharField(max_length=64)
    claim_id = models.UUIDField(unique=True)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)  # done, failed, canceled, lost, timeout, released
    trouble = models.JSONField(null=True)
    log = models.TextField(blank=True)
    log_end = models.PositiveBigIntegerField(default=0)  # characters received so far

    class Meta:
        ordering = ["id"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes = [models.Index(fields=["ended_at"], name="attempt_ended")]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="attempt_once")]

    def __str__(self) -> str:
        return f"{self.task} attempt {self.attempt}"


class TaskEvent(models.Model):
    """An event that was taken in; its id makes a repetition harmless."""

    event_id = models.UUIDField(primary_key=True)
    task = models.ForeignKey(Task, models.CASCADE, related_name="events")
    attempt = models.PositiveIntegerField()
    what = models.CharField(max_length=20)  # outcome, release, permit
    answer = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]
        verbose_name = _("event")
        verbose_name_plural = _("events")

    def __str__(self) -> str:
        return f"{self.what} {self.event_id}"


class RefusedReport(models.Model):
    """A report of an attempt that was no longer current: evidence of a zombie."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="refused_reports")
    attempt = models.PositiveIntegerField()
    host = models.ForeignKey(Host, models.SET_NULL, null=True)
    event_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=50)
    body = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = _("refused report")
        verbose_name_plural = _("refused reports")

    def __str__(self) -> str:
        return f"{self.task_id} {self.attempt} {self.reason}"


class Card(models.Model):
    """A physical card that was written for a unit of an order, or that turned out bad."""

    class Verdict(models.TextChoices):
        WRITING = "writing", _("being written")
        ACCEPTED = "accepted", _("verified")
        BAD = "bad", _("bad")
        ABANDONED = "abandoned", _("abandoned")

    serial = models.CharField(_("serial number"), max_length=20, unique=True)
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices, default=Verdict.WRITING)
    task = models.ForeignKey(Task, models.PROTECT, related_name="cards")
    attempt = models.PositiveIntegerField()
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="cards", verbose_name=_("order"))
    unit = models.PositiveSmallIntegerField(_("unit"))
    host = models.ForeignKey(Host, models.PROTECT, related_name="cards", verbose_name=_("host"))
    slot = models.ForeignKey(Slot, models.PROTECT, related_name="cards", verbose_name=_("slot"))
    diskseq = models.BigIntegerField(null=True)
    boot_id = models.CharField(max_length=64, blank=True)
    card_bytes = models.PositiveBigIntegerField(_("size of the card"), default=0)
    facts = models.JSONField(default=dict)  # contract.CardResult
    trouble = models.JSONField(null=True)
    permitted_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-permitted_at"]
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = [
            models.UniqueConstraint(fields=["task", "attempt"], name="card_once_per_attempt"),
            models.UniqueConstraint(
                fields=["order", "unit"], condition=Q(verdict="accepted"), name="card_accepted_once_per_unit"
            ),
            models.UniqueConstraint(
                fields=["slot", "boot_id", "diskseq"],
                condition=Q(verdict__in=["accepted", "writing"]),
                name="card_insertion_once",
            ),
            models.CheckConstraint(condition=Q(unit__gte=1), name="card_unit"),
        ]

    def __str__(self) -> str:
        return self.serial


class Outbox(models.Model):
    """Work for the server itself (mails), written in the transaction that caused it and done once."""

    kind = models.CharField(max_length=50)
    dedupe = models.CharField(max_length=200, unique=True)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField(default=timezone.now)
    rung_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    given_up_at = models.DateTimeField(null=True)  # tried often enough: staff decide

    class Meta:
        ordering = ["id"]
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox")
        indexes = [
            models.Index(fields=["not_before"], condition=Q(sent_at__isnull=True), name="outbox_unsent")
        ]

    def __str__(self) -> str:
        return self.dedupe


class Stumble(models.Model):
    """A piece of the scheduler's work that failed, and when it is tried again. It goes when that works."""

    job = models.CharField(_("job"), max_length=50)
    subject = models.CharField(_("of what"), max_length=100)
    error = models.TextField(_("error"), blank=True)
    count = models.PositiveIntegerField(_("times"), default=0)
    first_at = models.DateTimeField(_("first"), auto_now_add=True)
    last_at = models.DateTimeField(_("last"), null=True)
    not_before = models.DateTimeField(_("tried again after"))

    class Meta:
        ordering = ["-last_at"]
        verbose_name = _("stumble of the scheduler")
        verbose_name_plural = _("stumbles of the scheduler")
        constraints = [models.UniqueConstraint(fields=["job", "subject"], name="stumble_once_per_subject")]

    def __str__(self) -> str:
        return f"{self.job} {self.subject}"


class Pulse(models.Model):
    """The last sign of life of a process of the server."""

    role = models.CharField(max_length=20)
    place = models.CharField(max_length=255)
    at = models.DateTimeField()

    class Meta:
        ordering = ["role", "place"]
        constraints = [models.UniqueConstraint(fields=["role", "place"], name="pulse_once_per_place")]

    def __str__(self) -> str:
        return f"{self.role} {self.place}"


class Chore(models.Model):
    """Work of every hour or day: the beginning of the last one in which it was done."""

    name = models.CharField(max_length=100, unique=True)
    slot = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
