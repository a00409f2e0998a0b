"""The answer of a check."""

from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Verdict:
    """Result of a check; true if the function is right.

    Attributes:
        exercise: the exercise's name, such as "affinity".
        status: "right", "wrong" or "not attempted yet".
        message: what is wrong and what to do instead, in one or two sentences; empty unless the status is "wrong".
        details: the arguments and results of one case, on several lines, if the mistake has no name.
    """

    exercise: str
    status: str
    message: str = ""
    details: str = ""

    def __bool__(self) -> bool:
        return self.status == "right"

    def __repr__(self) -> str:
        text = f"{self.exercise}: {self.status}" + (f". {self.message}" if self.message else "")
        return f"{text}\n{self.details}" if self.details else text
