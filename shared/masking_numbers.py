"""Which runs of digits identify a person. Pure; works on the plain, shielded view.

lokal-id judges what a number can be (NIK); grouping, typing mistakes and cue words are judged here, because its own
finder reads digits only in unbroken runs or in the usual groups, and takes amounts near the word "transfer" for accounts.
"""

import re
from collections.abc import Iterator
from datetime import date

from lokal import parse_nik

from shared.masking_rules import RULES, Span, cue_before, words

_RUN = re.compile(r"\d(?:[ \t./()_-]{0,5}+\d){5,}+", re.ASCII)
_GROUP = re.compile(r"\d+", re.ASCII)
# A digit more or less than it should have is still somebody's number.
_LENGTHS: dict[str, tuple[int, ...]] = {
    "nik": (16, 15, 17, 14, 18),
    "kk": (16, 15, 17, 14, 18),
    "npwp": (15, 16, 22, 14),
    "nip": (18, 17, 19, 9, 8),
    "bpjs": (13, 11, 16, 12, 14),
    "sim": (12, 14, 13, 16, 15),
    "card": (16, 15, 19, 13, 14, 17, 18),
}
_FAR = {"phone": 30}
_NPWP = [2, 3, 3, 1, 3, 3]
_UNEXPLAINED = 13
_MOBILE = re.compile(r"(?:0|62|0062)(?=8[1-35-9])", re.ASCII)
_YEAR = re.compile(r"(?:19|20)\d\d", re.ASCII)
_BANKS = words(RULES["cues"]["bank"])
_HOLDER_AFTER = re.compile(
    rf"[ \t]{{0,3}}[,(]?[ \t]{{0,2}}(?:a\.? ?n(?![A-Za-z])|a/n|atas nama|(?:rek(?:ening)?|bank|{_BANKS})(?![A-Za-z]))",
    re.ASCII | re.IGNORECASE,
)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _is_card(digits: str) -> bool:
    return digits[0] in "3456" and 13 <= len(digits) <= 19 and _luhn(digits)


def _is_nip(digits: str) -> bool:
    """Born on, appointed in, sex, serial; appointed at 17 or older."""
    born, appointed, month = int(digits[:4]), int(digits[8:12]), int(digits[12:14])
    try:
        date(born, int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1930 <= born <= 2015 and born + 17 <= appointed <= 2060 and (1 <= month <= 12 or month == 21) and digits[14] in "12"


def _is_nik(digits: str) -> bool:
    # lokal-id's parser costs some 20 µs; no province is numbered below 11, no month above 12.
    return digits[0] != "0" and digits[8:10] <= "12" and parse_nik(digits).valid


class _Run:
    """A run of digits with separators, read group by group from the left."""

    __slots__ = ("digits", "end_of", "groups", "offsets", "seen", "start")

    def __init__(self, seen: str, start: int, end: int) -> None:
        self.seen = seen
        self.start = start
        self.groups = [(found.start(), found.end()) for found in _GROUP.finditer(seen, start, end)]
        self.digits = "".join(seen[left:right] for left, right in self.groups)
        self.offsets: list[int] = []
        self.end_of: dict[int, int] = {}
        total = 0
        for place, (left, right) in enumerate(self.groups):
            self.offsets.append(total)
            total += right - left
            self.end_of[total] = place

    def size(self, group: int) -> int:
        return self.groups[group][1] - self.groups[group][0]

    def between(self, group: int) -> str:
        """What separates a group from the next."""
        return self.seen[self.groups[group][1] : self.groups[group + 1][0]]

    def taken(self, first: int, count: int) -> int | None:
        """The group that ends exactly `count` digits after the start of `first`."""
        return self.end_of.get(self.offsets[first] + count)

    def read(self, first: int, count: int) -> str:
        return self.digits[self.offsets[first] : self.offsets[first] + count]

    def slashed(self, first: int, last: int) -> bool:
        return "/" in self.seen[self.groups[first][0] : self.groups[last][1]]

    def reach(self, first: int, least: int, most: int, *, ends_small: bool = False) -> int | None:
        """The last group of a number that starts at `first` and has so many digits; None where no such number can be.

        A number written in one piece ends there; one written in groups goes on while it may, over a lone digit only
        where all groups are small or, with `ends_small`, where several came before ("0812 3456 7890 2 kali" is no account).
        """
        last, total = first, self.size(first)
        small = total <= 2
        while total < least:
            if last + 1 == len(self.groups) or "/" in self.between(last):
                return None
            last += 1
            total += self.size(last)
            small = small and self.size(last) <= 2
        if total > most:
            return None
        while last + 1 < len(self.groups):
            separator, size = self.between(last), self.size(last + 1)
            tight = separator in ("-", ".", "_")
            goes_on = tight or (last > first and (small or size >= 2)) or (ends_small and last > first + 1)
            if "/" in separator or total + size > most or not goes_on:
                break
            last += 1
            total += size
        return last


def _by_cue(run: _Run, first: int, kind: str, gap: int) -> tuple[str, int] | None:
    """What the word before the number says it is, if its length agrees."""
    if kind in _LENGTHS:
        for count in _LENGTHS[kind]:
            last = run.taken(first, count)
            if last is not None:
                return kind, last
        return None
    if gap > _FAR.get(kind, 60):
        return None
    if kind in ("account", "bank"):
        last = run.reach(first, 8 if kind == "account" else 10, 18, ends_small=True)
        if last is None or _years(run, first, last) or _amount(run, first, last):
            return None
        return "account", last
    if kind == "phone":
        last = run.reach(first, 6, 15)
        if last is None or _years(run, first, last):
            return None
        digits = run.digits[run.offsets[first] : run.offsets[last] + run.size(last)]
        # 1500105, 14045: the state's own lines begin with 1, no subscriber's does; 0800 costs nothing and is nobody's.
        if digits[0] == "1" or digits.startswith("0800"):
            return None
        return ("phone", last) if digits[0] in "0689" or run.size(first) >= 3 else None
    return None


def _letter_for_zero(seen: str, start: int) -> bool:
    """O812-3456-7890."""
    if seen[start] != "8" or seen[start - 1 : start] not in ("O", "o"):
        return False
    before = seen[max(0, start - 2) : start - 1]
    return not (before.isalnum() or before == "]")


def _years(run: _Run, first: int, last: int) -> bool:
    return all(_YEAR.fullmatch(run.seen, *run.groups[group]) for group in range(first, last + 1))


def _amount(run: _Run, first: int, last: int) -> bool:
    """15000000 near the word for account is money."""
    digits = run.seen[run.groups[first][0] : run.groups[first][1]]
    return first == last and digits.endswith("000" if len(digits) < 10 else "000000")


def _by_shape(run: _Run, first: int) -> tuple[str, int] | None:
    """What a number says by itself: the dates inside NIP and NIK, four groups of four."""
    sizes = [run.size(group) for group in range(first, min(first + 4, len(run.groups)))]
    last = run.taken(first, 18)
    if last is not None and last - first < 6 and not run.slashed(first, last) and _is_nip(run.read(first, 18)):
        return "nip", last
    last = run.taken(first, 16)
    if last is not None and last - first < 9 and not run.slashed(first, last):
        digits = run.read(first, 16)
        if _is_nik(digits):
            return "nik", last
        if _is_card(digits) and (last == first or sizes == [4, 4, 4, 4]):
            return "card", last
        if sizes == [4, 4, 4, 4]:
            return "number", last
    return None


def _telephone(run: _Run, first: int, kind: str | None) -> tuple[str, int] | None:
    """Mobile numbers in any grouping, landlines with their area code apart, and whatever begins with +."""
    start = run.groups[first][0]
    before = run.seen[start - 1 : start]
    if before == "+":
        last = run.reach(first, 9, 15)
        return None if last is None else ("phone", last)
    digits = run.read(first, 6)
    if _letter_for_zero(run.seen, start):
        last = run.reach(first, 9, 12)
        return None if last is None else ("phone", last)
    mobile = _MOBILE.match(digits)
    last = None
    if mobile is not None:
        last = run.reach(first, mobile.end() + 9, mobile.end() + 12)
    elif digits[0] == "0" and digits[1:2] in ("2", "3", "4", "5", "6", "7", "9") and run.size(first) in (3, 4) and kind != "other":
        last = run.reach(first, 9, 12) if first + 1 < len(run.groups) and run.size(first + 1) >= 3 else None
    if last is None or (kind == "other" and run.size(first) <= 2):
        return None
    return "phone", last


def _recognised(run: _Run, first: int) -> tuple[str, int] | None:
    """The kind of the number that starts at a group, and its last group."""
    # Only the first group can have a cue: before the others stand digits.
    if [run.size(group) for group in range(first, min(first + 6, len(run.groups)))] == _NPWP and not run.slashed(first, first + 5):
        return "npwp", first + 5
    cue = cue_before(run.seen, run.groups[first][0]) if first == 0 else None
    kind = cue[0] if cue is not None else None
    phone_first = kind in ("sim", "bpjs", "card", "phone", "bank", "plate", "passport", "other")
    found = _telephone(run, first, kind) if phone_first else None
    if found is None and cue is not None:
        found = _by_cue(run, first, *cue)
    if found is None:
        found = _by_shape(run, first)
    if found is None and not phone_first:
        found = _telephone(run, first, kind)
    if found is not None:
        return found
    if 10 <= len(run.digits) - run.offsets[first] <= 18 and _HOLDER_AFTER.match(run.seen, run.groups[-1][1]):
        last = run.reach(first, 10, 18, ends_small=True)
        if last == len(run.groups) - 1 and not _amount(run, first, last):
            return "account", last
    if run.size(first) >= _UNEXPLAINED:
        # Application and billing numbers, and identifiers with a slip: each leads to one person.
        return ("card" if _is_card(run.read(first, run.size(first))) else "number"), first
    return None


def numbers(seen: str) -> Iterator[Span]:
    """The identifiers among the digit runs of a view, in order, never overlapping."""
    for found in _RUN.finditer(seen):
        run = _Run(seen, found.start(), found.end())
        first = 0
        while first < len(run.groups):
            recognised = _recognised(run, first)
            if recognised is None:
                first += 1
                continue
            kind, last = recognised
            start, end = run.groups[first][0], run.groups[last][1]
            before = seen[start - 1 : start]
            if kind == "phone" and (before == "+" or _letter_for_zero(seen, start)):
                start -= 1
                before = seen[start - 1 : start]
            if before == "(" and ")" in seen[start:end]:
                start -= 1
            yield Span(start, end, kind)
            first = last + 1
