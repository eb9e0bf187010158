"""Replace an attribute of the product for a while."""
# ruff: noqa: ANN401 - anything can be replaced by anything

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Patch = Callable[[], AbstractContextManager[None]]


@contextmanager
def replaced(owner: Any, name: str, new: Any) -> Iterator[None]:
    """Put ``new`` in the place of an attribute, as long as the context lasts."""
    bases = owner.__mro__ if isinstance(owner, type) else (owner,)
    holder = next(one for one in bases if name in vars(one))
    old = vars(holder)[name]
    setattr(holder, name, new)
    try:
        yield
    finally:
        setattr(holder, name, old)
