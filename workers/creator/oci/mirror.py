"""When a mirror gives no image: who was asked, what each answered, and whose fault it is.

A host chose the mirror, so what is wrong with it is the host's. The order is at fault only if the registry
itself, asked as well, says that there is no such image, or none to be used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workers.creator.oci.reference import Reference
from workers.errors import HostError, JobError, WorkError

_SAYS_NO: Final = frozenset({"not_found", "forbidden", "bad_image", "checksum_mismatch"})
_ADVICE: Final = "bring it there, or take the mirror out of this host's registry_mirrors"


def judged(name: Reference, trouble: WorkError, ask_itself: Callable[[], object]) -> WorkError:
    """`trouble`: what asking the mirror came to. `ask_itself` asks the registry, and raises as it did."""
    if not _is_an_answer(trouble):
        return failed(name, trouble)
    here = f"the mirror {name.mirror} of {name.registry} says: {_said(trouble)}"
    try:
        ask_itself()
    except (JobError, HostError) as answer:
        if _is_an_answer(answer):
            return JobError(answer.code, f"{here}; {name.registry} itself says: {answer.message}")
        return HostError(
            "mirror_lacks_image",
            f"{here}; and {name.registry} itself could not be asked for {name}: {_said(answer)}; {_ADVICE}",
        )
    return HostError("mirror_lacks_image", f"{here}; but {name.registry} itself has {name}: {_ADVICE}")


def failed(name: Reference, trouble: WorkError) -> WorkError:
    """The mirror itself, or the way to it; the registry was not asked."""
    return HostError(
        "mirror_failed",
        f"the mirror {name.mirror}, asked for {name} instead of {name.registry}, failed: {_said(trouble)}; "
        "look after it, or take it out of this host's registry_mirrors",
    )


def _is_an_answer(trouble: WorkError) -> bool:
    return isinstance(trouble, JobError) and trouble.code in _SAYS_NO


def _said(trouble: WorkError) -> str:
    """Without the advice that follows: it is for images that have no mirror."""
    return trouble.message.partition(";")[0].rstrip(".")
