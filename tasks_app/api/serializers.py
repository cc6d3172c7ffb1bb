"""The bodies of the host protocol, as `workers.contract` describes them; anything else is refused by name."""

from __future__ import annotations

import json
import math
from typing import Any

from rest_framework import serializers

from imager.api.strict import Strict
from workers.contract import MAX_LOG_CHUNK, MAX_SLOT_NAME, MAX_TROUBLE, Answer, Fault, Kind, Outcome, Step

BIGGEST = 2**62
MAX_RESULT = 64 * 1024
MAX_HUBS = 8  # USB allows seven tiers
PORT = r"\A[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,8}\Z"
HUB = rf"\Ausb[0-9]{{1,3}}\Z|{PORT}"


class Id(serializers.UUIDField):
    """A UUID that stays text, as the contract has it."""

    def to_internal_value(self, data: Any) -> Any:
        return str(super().to_internal_value(data))


class Size(serializers.IntegerField):
    """Bytes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=BIGGEST, **kwargs)


class Text(serializers.CharField):
    """Text that may be empty, kept as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_blank": True, "trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """What the database cannot keep is replaced, character by character: a label must not stop a beat."""
        text = str(super().to_internal_value(data))
        return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class Number(serializers.IntegerField):
    """The number of an attempt."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1, **kwargs)


class Rate(serializers.FloatField):
    """A finite number, at least 0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        number = float(super().to_internal_value(data))
        if not math.isfinite(number):
            raise serializers.ValidationError("Must be a finite number.")
        return number


class Result(serializers.DictField):
    """What the last report of an attempt brings: small, and nothing that the database cannot keep."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        result = dict(super().to_internal_value(data))
        try:
            written = json.dumps(result, ensure_ascii=False, allow_nan=False)
            size = len(written.encode())
        except (TypeError, ValueError):  # no JSON, or half of a surrogate pair
            raise serializers.ValidationError("Must be plain JSON in valid Unicode.") from None
        if size > MAX_RESULT or "\\u0000" in written:
            raise serializers.ValidationError(f"At most {MAX_RESULT} bytes of JSON, without NUL characters.")
        return result


class ClaimSerializer(Strict):
    claim_id = Id()
    boot_id = serializers.CharField(max_length=64)
    protocol = serializers.IntegerField()
    version = serializers.CharField(max_length=30)


class ProgressSerializer(Strict):
    done = Size()
    total = Size(allow_null=True)
    rate = Rate(allow_null=True)
    eta = Rate(allow_null=True)


class LogSerializer(Strict):
    offset = Size()
    text = Text(max_length=MAX_LOG_CHUNK)


class TroubleSerializer(Strict):
    fault = serializers.ChoiceField(choices=[f.value for f in Fault])
    code = serializers.CharField(max_length=50)
    message = Text(max_length=MAX_TROUBLE)


class ReportSerializer(Strict):
    event_id = Id()
    attempt = Number()
    step = serializers.ChoiceField(choices=[s.value for s in Step])
    progress = ProgressSerializer(required=False)
    log = LogSerializer(required=False)
    outcome = serializers.ChoiceField(choices=[o.value for o in Outcome], required=False)
    trouble = TroubleSerializer(required=False)
    result = Result(required=False)


class AnswerSerializer(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(choices=[a.value for a in Answer])


class ReleaseSerializer(Strict):
    event_id = Id()
    attempt = Number()


class TicketRequestSerializer(Strict):
    attempt = Number()


class PermitSerializer(Strict):
    event_id = Id()
    attempt = Number()
    slot = serializers.CharField(max_length=MAX_SLOT_NAME)
    diskseq = serializers.IntegerField(allow_null=True, min_value=-BIGGEST, max_value=BIGGEST)
    boot_id = serializers.CharField(max_length=64)
    card_bytes = Size()
    card = serializers.RegexField(r"\A((cid|stamp):[0-9a-f]{8,64})?\Z", required=False, allow_blank=True)
    stamp = serializers.RegexField(r"\A([0-9a-f]{32})?\Z", required=False, allow_blank=True)
    follows = serializers.IntegerField(required=False, min_value=-BIGGEST, max_value=BIGGEST)


class HubSerializer(Strict):
    path = serializers.RegexField(HUB)
    speed = Rate(allow_null=True)


class BusSerializer(Strict):
    port = serializers.RegexField(PORT)
    speed = Rate(allow_null=True)
    held_back = serializers.BooleanField()
    hubs = serializers.ListField(child=HubSerializer(), max_length=MAX_HUBS)


class SlotSerializer(Strict):
    name = serializers.RegexField(rf"\A[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_SLOT_NAME - 1}}}\Z")
    present = serializers.BooleanField()
    size = Size()
    diskseq = serializers.IntegerField(allow_null=True, min_value=-BIGGEST, max_value=BIGGEST)
    model = Text()
    contents = Text()
    problem = Text()
    bus = BusSerializer(required=False, allow_null=True)


class HeldSerializer(Strict):
    task = Id()
    attempt = Number()


class BeatSerializer(Strict):
    kind = serializers.ChoiceField(choices=[k.value for k in Kind])
    boot_id = serializers.CharField(max_length=64)
    version = serializers.CharField(max_length=30)
    protocol = serializers.IntegerField()
    free_bytes = Size()
    running = serializers.ListField(child=Id(), max_length=100)
    attempts = serializers.ListField(child=HeldSerializer(), required=False, max_length=100)
    slots = serializers.ListField(child=SlotSerializer(), required=False, max_length=100)

    def validate_slots(self, slots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each slot once."""
        if len({slot["name"] for slot in slots}) < len(slots):
            raise serializers.ValidationError("Two slots have the same name.")
        return slots


class FileSerializer(Strict):
    name = serializers.RegexField(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,140}\Z")
    size = Size()
    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")


class PublishSerializer(Strict):
    task = Id()
    attempt = Number()
    files = serializers.ListField(child=FileSerializer(), allow_empty=False, max_length=10)


class AssignmentSerializer(serializers.Serializer[Any]):
    task = Id()
    order = Id()
    kind = serializers.ChoiceField(choices=[k.value for k in Kind])
    attempt = serializers.IntegerField()
    claim_id = Id()
    lease = serializers.FloatField()
    deadline = serializers.IntegerField()
    report_every = serializers.FloatField()
    spec = serializers.DictField()


class AssignmentsSerializer(serializers.Serializer[Any]):
    assignments = AssignmentSerializer(many=True)


class TicketSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    port = serializers.IntegerField()
    tls = serializers.BooleanField()
    user = serializers.CharField()
    password = serializers.CharField()
    right = serializers.CharField()
    expires_in = serializers.IntegerField()


class SerialSerializer(serializers.Serializer[Any]):
    serial = serializers.CharField()


class BeatAnswerSerializer(serializers.Serializer[Any]):
    ring = serializers.ListField(child=Id())
    drain = serializers.BooleanField()
    keep = serializers.ListField(child=Id(), required=False)
    answers = serializers.DictField(
        child=serializers.ChoiceField(choices=[Answer.CANCEL.value, Answer.STALE.value]), required=False
    )
    pace = serializers.FloatField(required=False)
    every = serializers.FloatField(required=False)


class GrantSerializer(serializers.Serializer[Any]):
    order = Id()


class EndedAttemptSerializer(serializers.Serializer[Any]):
    task = Id()
    attempt = serializers.IntegerField()


class EndedSerializer(serializers.Serializer[Any]):
    cursor = serializers.CharField()
    now = serializers.FloatField()
    ended = EndedAttemptSerializer(many=True)
    removed = serializers.ListField(child=Id())
