"""`check_configs`: what no longer holds is named, with its way out; nothing is changed."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from imager import clock
from imager.accounts.models import Organization
from orders.models import Configuration, Content, Upload
from tests import factories as make


def run(*args: str) -> tuple[int, str]:
    """Exit code and what it says."""
    out = io.StringIO()
    try:
        call_command("check_configs", *args, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def findings(*args: str) -> list[tuple[str, str, str | None]]:
    code, text = run("--json", *args)
    found = json.loads(text)
    assert code == (1 if found else 0)
    return [(one["code"], one["what"], one["replacement"]) for one in found]


def content(name: str, **fields) -> Content:
    facts = {"ident": f"openZIM:{name}:maxi", "name": name, "flavour": "maxi", "kind": "zim"}
    values = {**facts, "title": name.title(), "size": 1, "url": "https://x.example/x", **fields}
    return Content.objects.create(path=f"/data/{values['ident']}", **values)


def test_all_is_well(school):
    assert run() == (0, "No configurations to be mended.\n")
    assert findings() == []


def test_contents_that_went_and_what_replaces_them(school):
    gone = content("ted", missing_since=clock.now())
    lost = content("lost", active=False)
    new = content("ted", ident="other:ted:maxi", publisher="other", version="2026-11")
    school.configuration.contents.add(gone, lost)

    assert findings() == [
        ("missing", lost.ident, None),
        ("replaceable", gone.ident, new.ident),
    ]
    code, text = run()
    assert code == 1
    assert f"{school.organization.slug}: Library (configuration {school.configuration.pk})\n" in text
    assert "content replaced openZIM:ted:maxi: “Ted” is no longer available." in text
    assert "Replace it by “Ted maxi 2026-11”." in text
    assert "content gone openZIM:lost:maxi: “Lost” is no longer available, and nothing comes close" in text
    assert text.endswith("1 configuration to be mended.\n")
    assert set(school.configuration.contents.unavailable()) == {gone, lost}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("admin_account", "a b"),
        ("admin_password", "é"),
        ("wifi_password", "short"),
        ("language", "tlh"),
        ("timezone", "Mars/Olympus"),
        ("name", ""),
        ("ssid", "a/b"),
        ("domain", "Not A Domain"),
    ],
)
def test_fields_that_would_be_refused_today(school, field, value):
    Configuration.objects.update(**{field: value})
    assert findings() == [("invalid", field, None)]
    assert value not in run()[1] or "password" not in field


def test_what_the_organization_may_no_longer_choose(school):
    Configuration.objects.update(ssid="Ours", beta_features=["warp"])
    Organization.objects.update(can_brand=False)
    assert findings() == [("invalid", "ssid", None), ("invalid", "beta_features", None)]


def test_deleted_ones_and_other_organizations_are_left_out(school):
    other = make.configuration(make.organization(), name="Other", timezone="x")
    make.configuration(school.organization, name="Deleted", timezone="x", deleted_at=clock.now())
    assert findings("--organization", school.organization.slug) == []
    assert findings("--organization", other.organization.slug) == [("invalid", "timezone", None)]
    with pytest.raises(CommandError, match="no organization “nobody”") as refused:
        run("--organization", "nobody")
    assert refused.value.returncode == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_it_asks_as_much_for_many(school, rows, django_assert_num_queries):
    gone = content("ted", missing_since=clock.now())
    for _ in range(rows):
        configuration = make.configuration(school.organization)
        configuration.contents.add(gone)
        logo = Upload.objects.create(
            organization=school.organization, kind="logo", name="l.png", size=1, unpacked=1, sha256="ab" * 32
        )
        Configuration.objects.filter(pk=configuration.pk).update(branding_logo=logo)
    with django_assert_num_queries(4):  # what went, what comes close, configurations, their contents
        assert len(findings()) == rows
