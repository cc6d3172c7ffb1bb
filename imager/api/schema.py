"""What the description of the API says of every operation: how it refuses."""

from __future__ import annotations

from typing import Any, Final

TYPE: Final = "application/problem+json"
REFUSALS: Final = {
    "400": "Something in the request cannot be accepted; `errors` says what, by field.",
    "401": "Not logged in, or the token is over.",
    "403": "Not for this account.",
    "404": "There is no such thing, or it belongs to somebody else.",
    "406": "Only JSON is given.",
    "409": "Not possible in the present state, or somebody else was first.",
    "412": "`changed`: it is not what `If-Match` names any more. `etag` is what it is now.",
    "413": "The body is too large.",
    "415": "Only JSON is taken.",
    "422": "The Idempotency-Key was used for another request.",
    "426": "The host is too old: upgrade it.",
    "429": "Too many requests; `Retry-After` says for how many seconds to wait.",
    "503": "The database does not answer now.",
}
PROBLEM: Final = {
    "type": "object",
    "description": "A refusal (RFC 9457). `code` is stable, `detail` is a sentence for people.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": True, "description": "By field."},
    },
    "required": ["type", "title", "status", "code", "detail"],
    "additionalProperties": True,
}
CONTENT: Final = {TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def tell_refusals(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: the answers that any operation of its kind can give."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    result["components"]["responses"] = {
        f"Problem{code}": {"description": words, "content": CONTENT} for code, words in REFUSALS.items()
    }
    for path, methods in result["paths"].items():
        for operation in methods.values():
            for code in _codes(path, operation):
                operation["responses"].setdefault(code, {"$ref": f"#/components/responses/Problem{code}"})
            if any(parameter["name"] == "If-None-Match" for parameter in operation.get("parameters", [])):
                operation["responses"]["304"] = {"description": "Nothing has changed since."}
            if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", [])):
                _as_before(operation["responses"])
            _as_problems(operation["responses"])
    return result


def _codes(path: str, operation: dict[str, Any]) -> list[str]:
    parameters = operation.get("parameters", [])
    asks_nobody = {} in operation.get("security", [{}])
    codes = ["400", "406", "429", "503"]
    if not asks_nobody:
        codes += ["401", "403"]
    elif "/auth/" in path or "requestBody" in operation:
        codes += ["401"]
    if "{" in path or path.endswith("/balance/") or any(each["name"] == "page" for each in parameters):
        codes += ["404"]
    if "/tasks/" in path or "/hosts/" in path:
        codes += ["409", "426"]
    if "/warehouse/" in path:
        codes += ["404", "409"]
    named = {parameter["name"] for parameter in parameters}
    codes += [code for name, code in (("If-Match", "412"), ("Idempotency-Key", "422")) if name in named]
    if "requestBody" in operation:
        codes += ["413", "415"]
    return codes


def _as_before(responses: dict[str, Any]) -> None:
    """What is sent again under its key is answered with what was made then, by 200 instead of 201."""
    responses.setdefault("200", {**responses["201"], "description": "It was made before, by the same key."})


def _as_problems(responses: dict[str, Any]) -> None:
    """Every refusal is a problem, also those that a view names itself."""
    for code in sorted(responses):
        response = responses.pop(code)
        if code >= "400" and "$ref" not in response:
            response["content"] = CONTENT
        responses[code] = response
