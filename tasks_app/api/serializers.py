"""The bodies of the host protocol, as `workers.contract` describes them; anything else is refused by name."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from workers.contract import MAX_LOG_CHUNK, Answer, Fault, Kind, Outcome, Step

BIGGEST = 2**62


class Strict(serializers.Serializer[Any]):
    """Refuses keys that it does not know: a misspelt key must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError({key: ["Unknown key."] for key in sorted(unknown)})
        return super().to_internal_value(data)


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


class ClaimSerializer(Strict):
    claim_id = Id()
    boot_id = serializers.CharField(max_length=64)
    protocol = serializers.IntegerField()
    version = serializers.CharField(max_length=30)


class ProgressSerializer(Strict):
    done = Size()
    total = Size(allow_null=True)
    rate = serializers.FloatField(allow_null=True, min_value=0)
    eta = serializers.FloatField(allow_null=True, min_value=0)


class LogSerializer(Strict):
    offset = Size()
    text = Text(max_length=MAX_LOG_CHUNK)


class TroubleSerializer(Strict):
    fault = serializers.ChoiceField(choices=[f.value for f in Fault])
    code = serializers.CharField(max_length=50)
    message = serializers.CharField(max_length=4000)


class ReportSerializer(Strict):
    event_id = Id()
    attempt = serializers.IntegerField(min_value=1)
    step = serializers.ChoiceField(choices=[s.value for s in Step])
    progress = ProgressSerializer(required=False)
    log = LogSerializer(required=False)
    outcome = serializers.ChoiceField(choices=[o.value for o in Outcome], required=False)
    trouble = TroubleSerializer(required=False)
    result = serializers.DictField(required=False)


class AnswerSerializer(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(choices=[a.value for a in Answer])


class ReleaseSerializer(Strict):
    event_id = Id()
    attempt = serializers.IntegerField(min_value=1)


class TicketRequestSerializer(Strict):
    attempt = serializers.IntegerField(min_value=1)


class PermitSerializer(Strict):
    event_id = Id()
    attempt = serializers.IntegerField(min_value=1)
    slot = serializers.CharField(max_length=20)
    diskseq = serializers.IntegerField(allow_null=True, max_value=BIGGEST)
    boot_id = serializers.CharField(max_length=64)
    card_bytes = Size()


class SlotSerializer(Strict):
    name = serializers.CharField(max_length=20)
    present = serializers.BooleanField()
    size = Size()
    diskseq = serializers.IntegerField(allow_null=True, max_value=BIGGEST)
    model = Text()
    contents = Text()
    problem = Text()


class BeatSerializer(Strict):
    kind = serializers.ChoiceField(choices=[k.value for k in Kind])
    boot_id = serializers.CharField(max_length=64)
    version = serializers.CharField(max_length=30)
    protocol = serializers.IntegerField()
    free_bytes = Size()
    running = serializers.ListField(child=Id(), max_length=100)
    slots = serializers.ListField(child=SlotSerializer(), required=False, max_length=100)


class FileSerializer(Strict):
    name = serializers.RegexField(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,140}\Z")
    size = Size()
    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")


class PublishSerializer(Strict):
    task = Id()
    attempt = serializers.IntegerField(min_value=1)
    files = serializers.ListField(child=FileSerializer(), allow_empty=False, max_length=10)


class AssignmentSerializer(serializers.Serializer[Any]):
    task = Id()
    order = Id()
    kind = serializers.ChoiceField(choices=[k.value for k in Kind])
    attempt = serializers.IntegerField()
    claim_id = Id()
    lease = serializers.IntegerField()
    deadline = serializers.IntegerField()
    report_every = serializers.IntegerField()
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


class GrantSerializer(serializers.Serializer[Any]):
    order = Id()


class EndedAttemptSerializer(serializers.Serializer[Any]):
    task = Id()
    attempt = serializers.IntegerField()


class EndedSerializer(serializers.Serializer[Any]):
    cursor = serializers.CharField()
    ended = EndedAttemptSerializer(many=True)
    removed = serializers.ListField(child=Id())
