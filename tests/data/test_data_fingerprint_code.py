"""Every number in a piece of code counts for the functions that can reach it, and for no others."""

import re
from types import ModuleType
from typing import Any

import pytest

from graft.data.fingerprint import digest

# Each 1 is made a 2 in turn; the comment behind it names what has to differ then.
SOURCE = """
import abc, contextlib, functools, torch, typing

@torch.no_grad()
def a(x): return x + 1                      # a

@contextlib.contextmanager
def b(): yield 1                            # b j

@functools.singledispatch
def c(x): return 1                          # c

@c.register(int)
def _(x): return 1                          # c

class P(typing.NamedTuple):
    x: int = 1                              # k

class Q(abc.ABC):
    @abc.abstractmethod
    def f(self): return 1                   # r v

class R(Q):
    def f(self): return super().f() + 1     # r v

class S(dict):
    def __missing__(self, k): return 1      # s v

class G(typing.Generic[typing.TypeVar("T")]):
    y: int = 1                              # l

class Meta(type):
    def __call__(cls): return 1             # t v

class H(metaclass=Meta): pass

class Slots:
    __slots__ = ("x",)
    def __init__(self): self.x = 1          # u v

async def d(x): return 1                    # d

def e(x):
    class Inner:
        z = 1                               # e
    return [Inner.z for _ in range(3)]

def g(x, f=lambda y: y + 1): return f(x)    # g

def h(x):
    match x:
        case {"k": 1}: return 0             # h

def i(x): return f"{x:>1}"                  # i

def j(x):
    with b() as y: return y

def k(x): return P
def l(x): return G()
def unused(x): return 1                     #

r, s, t, u = R(), S(k=3), H, Slots()

def v(x): return r.f(), s["q"], t(), u.x
"""

NAMES = "abcdeghijklrstuv"
ONES = [
    (found.start(), set(found[1].split()))
    for found in re.finditer(r"(?<!\w)1(?!\w)[^#\n]*#([^\n]*)$", SOURCE, re.MULTILINE)
]


def loaded(source: str) -> Any:
    module = ModuleType("prepared")
    exec(compile(source, "prepared.py", "exec"), vars(module))
    return module


def digests(source: str) -> dict[str, str]:
    module = loaded(source)
    return {name: digest(getattr(module, name)) for name in NAMES}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return digests(SOURCE)


def test_every_one_is_found() -> None:
    assert len(ONES) == len(re.findall(r"(?<!\w)1(?!\w)", SOURCE))


@pytest.mark.parametrize(("place", "names"), ONES)
def test_a_number_counts_where_it_is_reached(
    before: dict[str, str], place: int, names: set[str]
) -> None:
    after = digests(SOURCE[:place] + "2" + SOURCE[place + 1 :])
    assert {name for name in NAMES if before[name] != after[name]} == names
