"""How well a verdict explains what is wrong with a function."""

import re

from tinytrack.lessons.exercise import Exercise, Verdict

_VAGUE = "Your result differs from the expected one"


def helpfulness(exercise: Exercise, verdict: Verdict) -> str:
    """Sort a verdict into "accepted", "named" (a usual mistake), "diagnosed" (in general words), "shown" (in full) or "vague"."""
    if verdict:
        return "accepted"
    if verdict.message in [message for message, *_ in exercise.slips]:
        return "named"
    if not re.search(f"^{_VAGUE}|cases, but wrong( in the others[^.]*)?( when [^.]*)?$|(too large|too small) in every", verdict.message):
        return "diagnosed"
    return "shown" if "an array of shape" not in verdict.details else "vague"


def assert_helpful(exercise: Exercise, function) -> None:
    """Check that a wrong function is rejected, and that the verdict says more than that."""
    verdict = exercise(function)
    assert verdict.status == "wrong", verdict
    assert "\n" not in verdict.message
    assert helpfulness(exercise, verdict) in ("named", "diagnosed", "shown"), verdict
