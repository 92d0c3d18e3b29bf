"""A picture for every account, drawn from its name: the same name always gets the same one."""

import colorsys
import hashlib
from html import escape

CELLS = 5
"""The picture is a square of so many cells a side, its left half mirrored to the right."""


def draw(name: str) -> str:
    """An SVG picture for a name, in upper or lower case the same."""
    bits = int.from_bytes(hashlib.sha256(name.lower().encode()).digest(), "big")
    ground, ink = _colours(bits & 0xFFFF)
    bits >>= 16
    cells = []
    for column in range((CELLS + 1) // 2):
        for row in range(CELLS):
            if bits & 1:
                cells += [f"M{x} {row + 1}h1v1h-1z" for x in {column + 1, CELLS - column}]
            bits >>= 1
    side = CELLS + 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" '
        f'aria-label="{escape(name)}"><rect width="{side}" height="{side}" fill="{ground}"/>'
        f'<path fill="{ink}" d="{"".join(sorted(cells))}"/></svg>'
    )


def _colours(number: int) -> tuple[str, str]:
    """A pale ground, and an ink of the same hue that stands out from it."""
    hue = number / 0xFFFF
    return _hex(hue, 0.92, 0.45), _hex(hue, 0.36, 0.45)


def _hex(hue: float, lightness: float, saturation: float) -> str:
    parts = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
