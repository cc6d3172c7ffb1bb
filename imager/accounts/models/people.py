"""Accounts: of people and of hosts."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from imager.accounts.models.organizations import Language, Organization


class Role(models.TextChoices):
    """What an account is for. People are members or staff; hosts are creators or writers."""

    MEMBER = "member", _("member")
    STAFF = "staff", _("staff")
    CREATOR = "creator", _("creator host")
    WRITER = "writer", _("writer host")


class Bar(models.TextChoices):
    """Why an account may do nothing at present."""

    DISABLED = "disabled", _("This account is disabled. Ask the people who run this service to enable it.")
    EXPIRED = "expired", _("This account has expired. Ask the people who run this service to extend it.")
    ORGANIZATION = (
        "organization_inactive",
        _("Your organization is not active at present. Ask the people who run this service why."),
    )


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user with that e-mail; without a password nobody can log in with it."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A staff user with all permissions."""
        return self.create_user(email, password, **{"role": Role.STAFF, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> User:
        """By e-mail, in any case."""
        return self.get(email__iexact=username)


_CREDENTIALS = frozenset({"password", "is_active", "token_epoch"})


class User(AbstractBaseUser, PermissionsMixin):
    """An account: a person, or a host (then role creator or writer)."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.MEMBER)
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
        verbose_name=_("organization"),
    )
    language = models.CharField(_("language"), max_length=5, choices=Language.choices, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    expires_at = models.DateTimeField(
        _("account ends"),
        null=True,
        blank=True,
        help_text=_("From then on nobody can log in with it. Two mails warn before. Empty: never."),
    )
    can_order_cards = models.BooleanField(
        _("may order cards"),
        default=True,
        db_default=True,
        help_text=_("Otherwise downloads alone. Staff may both."),
    )
    token_epoch = models.PositiveIntegerField(_("epoch of tokens"), default=0, editable=False)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        verbose_name = _("user")
        verbose_name_plural = _("users")
        permissions = [("manage_staff", "Can manage the accounts of staff and hosts")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_in_any_case"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Staff may enter the admin; what they may do there, permissions say."""
        return self.role == Role.STAFF

    @property
    def is_host(self) -> bool:
        """Whether a machine, not a person, uses this account."""
        return self.role in {Role.CREATOR, Role.WRITER}

    def may(self, permission: str) -> bool:
        """Whether the person may do what staff need `permission` for; members do it in their organization."""
        return self.role == Role.MEMBER or (self.is_staff and self.has_perm(permission))

    @property
    def bar(self) -> Bar | None:
        """What keeps the account out at this moment, be it with a password, a session or a token."""
        if not self.is_active:
            return Bar.DISABLED
        if self.expires_at and self.expires_at <= timezone.now():
            return Bar.EXPIRED
        if self.role == Role.MEMBER and self.organization and not self.organization.active:
            return Bar.ORGANIZATION
        return None

    @property
    def may_order_cards(self) -> bool:
        """Whether cards are written and sent for this person, or images alone are built."""
        return self.is_staff or self.can_order_cards

    @property
    def preferred_language(self) -> str:
        """The language of pages and mails for this account; empty: whatever the browser asks for."""
        return self.language or (self.organization.language if self.organization else "")

    def get_short_name(self) -> str:
        """How to address the person."""
        return self.name or self.email

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """E-mails are kept in lower case: people type them in any."""
        return super().normalize_username(username).lower()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new password or a disabling ends every token and session of the account with it.

        `token_epoch` is always taken from the row under lock: a stale copy can never revive old tokens.
        """
        fields = kwargs.get("update_fields")
        if self._state.adding or (fields is not None and _CREDENTIALS.isdisjoint(fields)):
            return super().save(*args, **kwargs)
        if fields is not None:
            kwargs["update_fields"] = {*fields, "token_epoch"}
        with transaction.atomic(using=kwargs.get("using")):
            row = User.objects.select_for_update().only(*_CREDENTIALS).get(pk=self.pk)
            disabled = row.is_active and not self.is_active
            self.token_epoch = row.token_epoch + (disabled or row.password != self.password)
            return super().save(*args, **kwargs)

    def check_password(self, raw_password: str | None) -> bool:
        """Whether that is the password; an outdated hash is renewed on the way, which is no new password."""

        def renew(raw: str) -> None:
            self.password = hashers.make_password(raw)
            User.objects.filter(pk=self.pk).update(password=self.password)

        return hashers.check_password(raw_password, self.password, renew)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """What ties a session to the account: a new password or epoch ends it."""
        state = f"{self.token_epoch}:{self.password}"
        return salted_hmac("imager.accounts.session", state, secret=secret, algorithm="sha256").hexdigest()
