"""Payloads that prove themselves: a number, a length, words as a page has them, and a checksum."""

import random
import zlib

WORDS = (
    "API Checkout Dashboard Search Payments degraded operational investigating identified monitoring "
    "resolved service status since minutes customers requests errors database region queue latency traffic"
).split()
TAGS = "<li class='service' id='service-%04x'><span class='name'>%s</span> <p class='status'>%s</p></li>"


def mark(number: int, length: int, *, plain: bool = False) -> str:
    """A text of exactly so many characters, the same for the same number; markup in it unless plain."""
    head = f"~bench {number} {{}} "
    room = length - len(head.format(length)) - len(" 01234567~")
    body = _text(number, plain)[:room].ljust(room, ".")
    if len(head.format(room)) < len(head.format(length)):
        body += "." * (len(head.format(length)) - len(head.format(room)))
    made = f"{head.format(len(body))}{body} {zlib.crc32(body.encode()):08x}~"
    assert len(made) == length or room < 100, "the length came out as asked"
    return made


def _text(number: int, plain: bool) -> str:
    chance = random.Random(number)
    if plain:
        return " ".join(chance.choices(WORDS, k=60))
    return "".join(
        TAGS % (chance.randrange(65_536), " ".join(chance.choices(WORDS, k=2)), chance.choice(WORDS))
        for _ in range(200)
    )
