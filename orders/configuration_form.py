"""The form of a configuration: what is typed, what is uploaded, and what the organization may not choose."""

from __future__ import annotations

import zoneinfo
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Organization, Role, User
from orders import branding, describing, keeping, uploads
from orders.card_files_field import CardFilesField
from orders.models import UPLOADS, Configuration, Upload
from orders.queries import choosable

PASSWORDS: Final = ("wifi_password", "admin_password")
NOT_TO_BRAND: Final = _("Your organization uses the names of the service. Ask the staff to let it choose.")


def _timezones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(zoneinfo.available_timezones())]


def _file(label: Any, accept: str, help_text: Any = "") -> forms.FileField:
    widget = forms.FileInput(attrs={"accept": accept})
    return forms.FileField(label=label, required=False, widget=widget, help_text=help_text)


def _remove(label: Any) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False)


class ConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A hotspot. Passwords are never shown again; left empty, those that are there stay.

    What is uploaded is kept at once, so that it is still there when another field is wrong. `version` is the
    one that the person has seen.
    """

    timezone = forms.ChoiceField(label=_("time zone"), choices=_timezones, initial="UTC")
    open_network = forms.BooleanField(
        label=_("Remove the Wi-Fi password"),
        required=False,
        help_text=_("Everybody nearby can then use the hotspot."),
    )
    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    branding_logo_file = _file(
        _("logo"), "image/png,image/jpeg,image/webp,image/gif", _("PNG, JPEG, WebP or GIF of at most 1 MiB.")
    )
    branding_logo_remove = _remove(_("Remove the logo"))
    branding_favicon_file = _file(
        _("square logo"),
        "image/png,image/jpeg,image/webp,image/gif,image/x-icon",
        _("As wide as high; PNG, JPEG, WebP, GIF or ICO of at most 1 MiB."),
    )
    branding_favicon_remove = _remove(_("Remove the square logo"))
    preload_zip_file = _file(
        _("or upload a ZIP archive"), ".zip,application/zip", _("Choose either an address or an upload.")
    )
    preload_zip_remove = _remove(_("Remove the archive"))
    preload_url = forms.URLField(
        label=_("address of a ZIP archive"),
        required=False,
        max_length=500,
        assume_scheme="https",
        help_text=_("Its files will lie in the File Manager of the hotspot."),
    )
    per_card = CardFilesField()
    beta_features = forms.MultipleChoiceField(
        label=_("beta features"), required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Configuration
        fields = [
            "organization",
            "name",
            "ssid",
            "domain",
            "wifi_password",
            "open_network",
            "admin_account",
            "admin_password",
            "language",
            "timezone",
            "variant",
            *UPLOADS,
            "content_metrics",
            "option_kiwix_readers",
            "preload_url",
            "beta_features",
            "per_card",
            "contents",
        ]
        widgets = {
            "wifi_password": forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            "admin_password": forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            "contents": forms.MultipleHiddenInput,
            **dict.fromkeys(UPLOADS, forms.HiddenInput),
        }
        error_messages = {
            "wifi_password": {
                "max_length": _(
                    "The Wi-Fi password has 8 to 63 characters; this one has %(show_value)s. Shorten it."
                )
            },
            "ssid": {
                "max_length": _(
                    "The Wi-Fi name has at most 32 characters; this one has %(show_value)s. Shorten it."
                )
            },
        }

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        self.kept = {name: getattr(self.instance, name) for name in PASSWORDS}
        self.fields["version"].initial = self.instance.version
        self._settle_organization()
        self._queryset("contents").queryset = choosable(self.instance)
        self._settle_passwords()
        self._settle_rights()

    def _queryset(self, name: str) -> forms.ModelChoiceField:  # type: ignore[type-arg]  # of many models
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  # a relation of the model
        return field

    @property
    def organization(self) -> Organization | None:
        """Whose it will be, as far as that is known."""
        return self.instance.organization if self.instance.organization_id else None

    def _settle_organization(self) -> None:
        """Only staff choose the organization, and only of a new configuration."""
        if self.instance.pk or self.by.role != Role.STAFF:
            del self.fields["organization"]
        if not self.instance.pk and self.by.organization:
            self.instance.organization = self.by.organization

    def _settle_passwords(self) -> None:
        """Say that what is left empty is kept, where there is something to keep."""
        if self.instance.pk:
            self.fields["admin_password"].required = False
            self.fields["admin_password"].help_text = _("Leave empty to keep the present one.")
        if self.kept["wifi_password"]:
            self.fields["wifi_password"].help_text = _(
                "8 to 63 characters; leave empty to keep the present one."
            )
        else:
            del self.fields["open_network"]

    def _settle_rights(self) -> None:
        """Leave out what the organization may not choose. Staff choose it first: see `clean`."""
        of = self.organization
        whose = self._sent_organization() or of
        for name, kind in UPLOADS.items():
            mine = whose.uploads.filter(kind=kind) if whose else Upload.objects.none()
            self._queryset(name).queryset = mine
            if not getattr(self.instance, f"{name}_id"):
                del self.fields[f"{name}_remove"]
        if of:
            branding.leave_betas(self.instance, settings.BETA_FEATURES)
        features = settings.BETA_FEATURES if of and of.beta_is_active else {}
        self.fields["variant"].choices = [("", _("the usual one")), *Configuration.Variant.choices]  # type: ignore[attr-defined]
        self.fields["beta_features"].choices = list(features.items())  # type: ignore[attr-defined]
        if not features:
            del self.fields["beta_features"]
        if of and not of.can_brand and "organization" not in self.fields:
            self._leave_branding()

    def _sent_organization(self) -> Organization | None:
        """The one that staff chose in this form: what they upload beside it is that one's."""
        field = self.fields.get("organization")
        if field is None or not self.is_bound:
            return None
        try:
            chosen: Organization | None = field.clean(self["organization"].data)
        except ValidationError:  # told as any wrong choice, by the field itself
            return None
        return chosen

    def _leave_branding(self) -> None:
        branding.unbrand(self.instance)
        for name in ("ssid", "domain"):
            self.fields[name].disabled = True
            self.fields[name].help_text = NOT_TO_BRAND
            self.initial[name] = branding.DEFAULTS[name]
        for name in ("variant", "branding_logo", "branding_favicon"):
            for each in (name, f"{name}_file", f"{name}_remove"):
                self.fields.pop(each, None)

    def without_complaints(self) -> None:
        """Show it as it was sent, at a step that saves nothing: what is missing may still come."""
        self._errors = ErrorDict()
        self.cleaned_data = {}
        for name in PASSWORDS:
            widget = self.fields[name].widget
            if isinstance(widget, forms.PasswordInput):
                widget.render_value = True  # what was just typed, or it would be lost without JavaScript

    def clean(self) -> dict[str, Any]:
        """Keep passwords that were left empty, and what was uploaded; refuse what does not go together."""
        data = super().clean() or self.cleaned_data
        if not data.get("admin_password") and self.instance.pk and "admin_password" not in self.errors:
            data["admin_password"] = self.kept["admin_password"]
        if not data.get("wifi_password") and "wifi_password" not in self.errors:
            data["wifi_password"] = "" if data.get("open_network") else self.kept["wifi_password"]
        of = data.get("organization") or self.organization
        if of is None:
            if "organization" not in self.errors:
                raise ValidationError(
                    _("You belong to no organization. Ask the staff to add you to yours."), "no_organization"
                )
            return data
        for name in UPLOADS:
            self._take_in(name, data, of)
        self._check_together(data, of)
        return data

    def _take_in(self, name: str, data: dict[str, Any], of: Organization) -> None:
        file: UploadedFile[Any] | None = data.get(f"{name}_file")
        if data.get(f"{name}_remove"):
            data[name] = None
        if file is not None:
            try:
                data[name] = uploads.keep(file, kind=UPLOADS[name], of=of, by=self.by)
            except ValidationError as error:
                self.add_error(f"{name}_file", error)
                return
        if name in self.fields and (file is not None or data.get(f"{name}_remove")):
            self.show(name, str(data[name].pk) if data.get(name) else "")

    def show(self, name: str, value: str) -> None:
        """Have that value in the field when the form is shown again."""
        shown = QueryDict(mutable=True)
        shown.update(cast("Any", self.data))
        shown[self.add_prefix(name)] = value
        self.data = shown

    def _check_together(self, data: dict[str, Any], of: Organization) -> None:
        draft = describing.Draft(
            of,
            {**{name: getattr(self.instance, name) for name in describing.NAMES}, **data},
            tuple(data.get("contents") or ()),
            was=self.instance.preload_url if self.instance.pk else "",
            was_bytes=self.instance.preload_bytes,
        )
        for name, sentence in describing.refusals(draft).items():
            shown = f"{name}_file" if name in UPLOADS and f"{name}_file" in self.fields else name
            if shown not in self.errors:
                self.add_error(shown if shown in self.fields else None, sentence)
        self.instance.preload_bytes = draft.preload_bytes

    def save(self, commit: bool = True) -> Configuration:  # noqa: ARG002  # Django's signature
        """The configuration, kept as its newest version. Raises keeping.Stale."""
        return keeping.keep(
            self.instance,
            by=self.by,
            contents=self.cleaned_data["contents"],
            seen=self.cleaned_data["version"] if self.instance.pk else None,
        )
