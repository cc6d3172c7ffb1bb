"""Forms of the accounts' own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from imager.accounts import invitations, second_factor
from imager.accounts.models import User

if TYPE_CHECKING:
    _UserForm = forms.ModelForm[User]
else:
    _UserForm = forms.ModelForm

MAX_PASSWORD = 4096


def _new_password(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, max_length=MAX_PASSWORD, strip=False, widget=widget)


class AcceptForm(forms.Form):
    """Name and password of a new member."""

    name = forms.CharField(label=_("your name"), max_length=150)
    password1 = _new_password(_("password"))  # type: ignore[arg-type]  # translated when shown
    password2 = _new_password(_("password, once more"))  # type: ignore[arg-type]

    def clean(self) -> dict[str, Any]:
        """Both passwords are the same."""
        data = super().clean() or self.cleaned_data
        if "password1" in data and "password2" in data and data["password1"] != data["password2"]:
            self.add_error("password2", _("The two passwords differ. Type the same twice."))
        return data

    def accept(self, token: str) -> User | None:
        """The new member; None with the refusal beside its field. Raises Gone."""
        try:
            return invitations.accept(
                token, name=self.cleaned_data["name"], password=self.cleaned_data["password1"]
            )
        except ValidationError as error:
            self.add_error(None, error)
        return None


class ProfileForm(_UserForm):
    """What people say about themselves."""

    class Meta:
        model = User
        fields = ("name", "language")
        help_texts = {"language": _("Of pages and mails. Empty: your organization's, or the browser's.")}

    def save(self, commit: bool = True) -> User:  # noqa: ARG002  # Django's signature
        """Only these fields: everything else may have changed meanwhile."""
        self.instance.save(update_fields=["name", "language"])
        return self.instance


class DeleteForm(forms.Form):
    """The password, as a confirmation that cannot be clicked away."""

    password = forms.CharField(
        label=_("password"),
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        """The account's own."""
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise ValidationError(_("This is not the password of your account."))
        return password


class CodeForm(AuthenticateForm):  # type: ignore[misc]  # the library has no types
    """The second factor of a login; a code works once."""

    def clean_code(self) -> str:
        """The code, which is spent by that."""
        code: str = super().clean_code()
        second_factor.spend(self.authenticator, code)
        return code


class CodeAgainForm(ReauthenticateForm):  # type: ignore[misc]  # as above
    """The second factor once more, before something sensitive; a code works once."""

    def clean_code(self) -> str:
        """The code, which is spent by that."""
        code: str = super().clean_code()
        second_factor.spend(self.authenticator, code)
        return code


class KeyForm(AddWebAuthnForm):  # type: ignore[misc]  # as above
    """A new passkey or security key, named in the language of the page."""

    name = forms.CharField(label=_("name"), max_length=100, required=False)


class KeyNameForm(EditWebAuthnForm):  # type: ignore[misc]  # as above
    """Another name for a key."""

    name = forms.CharField(label=_("name"), max_length=100)
