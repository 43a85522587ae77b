"""The steps before the first request to the bucket: what fails in one of them is explained by the step."""

from __future__ import annotations

import contextlib
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Step(Enum):
    """A step before the first request; what is raised in none of them comes from a request or from this machine's disk."""

    SETTINGS = auto()
    CREDENTIALS = auto()
    BUCKET_NAME = auto()


class StepFailedError(Exception):
    """A step failed; the reason is its `__cause__`."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.name)
        self.step = step


@contextlib.contextmanager
def step(of: Step) -> Iterator[None]:
    """Mark whatever fails inside as a failure of this step.

    Raises:
        StepFailedError: something failed.
    """
    try:
        yield
    except StepFailedError:
        raise
    except Exception as error:
        raise StepFailedError(of) from error


def cause_of(error: BaseException) -> BaseException:
    """What failed in a step; an error of no step is returned as it is."""
    return error.__cause__ if isinstance(error, StepFailedError) and error.__cause__ else error
