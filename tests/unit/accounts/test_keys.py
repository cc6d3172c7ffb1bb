"""Signing keys: thumbprints by the book, loud about wrong settings, silent about secrets."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from imager.accounts.keys import key_ring, thumbprint


def test_thumbprint_of_the_example_in_rfc_8037() -> None:
    x = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert thumbprint(Ed25519PublicKey.from_public_bytes(x)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_first_key_signs_and_all_are_published(settings) -> None:
    settings.JWT_SIGNING_KEYS = ["aa" * 32, "bb" * 32]
    kids = [
        thumbprint(Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)).public_key()) for n in (0xAA, 0xBB)
    ]
    assert key_ring().kid == kids[0]
    assert [key["kid"] for key in key_ring().jwks()["keys"]] == kids


def test_only_public_members_are_published(settings) -> None:
    settings.JWT_SIGNING_KEYS = ["aa" * 32]
    (key,) = key_ring().jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")


def test_a_change_of_the_settings_takes_effect(settings) -> None:
    settings.JWT_SIGNING_KEYS = ["aa" * 32]
    before = key_ring().kid
    settings.JWT_SIGNING_KEYS = ["cc" * 32]
    assert key_ring().kid != before


@pytest.mark.parametrize("wrong", ["", "ab" * 31, "ab" * 33, "xy" * 32, "secret-word"])
def test_a_wrong_key_is_named_by_its_place_and_never_repeated(settings, wrong: str) -> None:
    settings.JWT_SIGNING_KEYS = ["aa" * 32, wrong]
    with pytest.raises(ImproperlyConfigured, match="key 2 is not 64 hex digits") as caught:
        key_ring()
    assert not wrong or wrong not in str(caught.value)


def test_no_key_at_all(settings) -> None:
    settings.JWT_SIGNING_KEYS = []
    with pytest.raises(ImproperlyConfigured, match="JWT_SIGNING_KEYS is empty"):
        key_ring()
