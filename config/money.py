"""
Money as integer micro-units of one currency: exact, bounded, never a float.

A currency's exponent says how many decimals its minor unit stands below its unit: an API that counts in minor units
says `500` for 5.00 USD (exponent 2), for 500 JPY (0) and for 0.500 KWD (3). The exponents are those of ISO 4217 unless
a catalogue's own table says otherwise. Inside, one unit of any currency is a million micro-units, so that the exponent
matters only at the edge, where an amount is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.faults import CurrencyMismatch, Unreadable

# One unit of a currency. Six decimals hold every ISO exponent (the largest is 4) and the price of a single token.
MICROS_PER_UNIT = 1_000_000
DECIMALS_MAX = 6

# The largest integer up to which doubles are exact: stores that count in doubles (Lua) must agree with us to the unit.
MICROS_MAX = 2**53

_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_4 = "CLF UYW"
# ANG and BGN were withdrawn in 2025 and 2026; charges made in them can still be refunded.
_EXPONENT_2 = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
    CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
    NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""

ISO_EXPONENTS: Mapping[str, int] = MappingProxyType(
    {
        code: exponent
        for exponent, codes in ((0, _EXPONENT_0), (2, _EXPONENT_2), (3, _EXPONENT_3), (4, _EXPONENT_4))
        for code in codes.split()
    },
)
"""Decimals of the minor unit of every active currency."""

NO_EXPONENTS: Mapping[str, int] = MappingProxyType({})

_CODE = re.compile(r"[A-Z]{3}")
# Sixteen digits hold every amount up to the ceiling; the bound also keeps a hostile number cheap.
_DECIMAL = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,24}))?")


@dataclass(frozen=True, slots=True)
class Money:
    """
    An exact amount of one currency, of either sign, at most 2**53 micro-units.

    Raises `Unreadable` where it would be larger. Amounts of two currencies are unequal and otherwise incomparable.
    """

    micros: int
    currency: str

    def __post_init__(self) -> None:
        """
        Refuse what is no integer, no currency code, or too much.
        """
        if type(self.micros) is not int:
            raise Unreadable("an amount is a whole number of micro-units")
        if self.currency not in ISO_EXPONENTS and not _CODE.fullmatch(self.currency):
            raise Unreadable("a currency is three capital letters", "write it as ISO 4217 does: `USD`")
        if not -MICROS_MAX <= self.micros <= MICROS_MAX:
            raise Unreadable("the amount is beyond 2**53 micro-units", "write at most 9007199254.740992")

    @classmethod
    def parse(cls, text: str) -> Money:
        """
        Read `0.50 USD`: digits, at most six decimals, one space, an ISO 4217 code. Raises `Unreadable`.
        """
        number, space, code = text.partition(" ")
        if not space:
            raise Unreadable(f"`{text[:40]}` has no currency", "write the amount, a space and a currency: `0.50 USD`")
        return cls(read_micros(number), known_currency(code))

    @classmethod
    def from_minor(cls, amount: int, currency: str, exponents: Mapping[str, int] = NO_EXPONENTS) -> Money:
        """
        Read an amount as an API counts it: minor units, a code of either case, the API's exponents before ISO's.

        Raises `Unreadable` for what is no integer, for an unknown currency and beyond the ceiling.
        """
        if type(amount) is not int:
            raise Unreadable("an amount in minor units is a whole number")
        code = currency.upper() if currency.isascii() else currency
        exponent = exponents.get(code, ISO_EXPONENTS.get(code))
        if exponent is None:
            raise Unreadable("the currency is unknown")
        return cls(amount * 10 ** (DECIMALS_MAX - exponent), code)

    def __str__(self) -> str:
        """
        Return the amount as `parse` reads it, with at least the decimals of the currency's minor unit.
        """
        units, micros = divmod(abs(self.micros), MICROS_PER_UNIT)
        shown = f"{micros:06}".rstrip("0").ljust(ISO_EXPONENTS.get(self.currency, 2), "0")
        sign = "-" if self.micros < 0 else ""
        return f"{sign}{units}{'.' if shown else ''}{shown} {self.currency}"

    def __add__(self, other: Money) -> Money:
        """
        Return the sum. Raises `CurrencyMismatch`, and `Unreadable` beyond the ceiling.
        """
        return Money(self.micros + self._like(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """
        Return the difference. Raises as the sum does.
        """
        return Money(self.micros - self._like(other), self.currency)

    def __neg__(self) -> Money:
        """
        Return the same amount with the other sign.
        """
        return Money(-self.micros, self.currency)

    def __lt__(self, other: Money) -> bool:
        """
        Tell whether this is less. Raises `CurrencyMismatch`.
        """
        return self.micros < self._like(other)

    def __le__(self, other: Money) -> bool:
        """
        Tell whether this is no more. Raises `CurrencyMismatch`.
        """
        return self.micros <= self._like(other)

    def __gt__(self, other: Money) -> bool:
        """
        Tell whether this is more. Raises `CurrencyMismatch`.
        """
        return self.micros > self._like(other)

    def __ge__(self, other: Money) -> bool:
        """
        Tell whether this is no less. Raises `CurrencyMismatch`.
        """
        return self.micros >= self._like(other)

    def _like(self, other: Money) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not compare")
        return other.micros


def read_micros(number: str) -> int:
    """
    Read an exact decimal of at most six decimals as micro-units. Raises `Unreadable`.
    """
    match = _DECIMAL.fullmatch(number)
    if match is None:
        raise Unreadable(f"`{number[:40]}` is not an amount", "write digits, a point and decimals: `1250.50 USD`")
    sign, units, decimals = match[1], match[2], match[3] or ""
    if len(decimals) > DECIMALS_MAX:
        raise Unreadable(f"`{number}` has more than six decimals", "round it to six decimals or fewer")
    micros = int(units) * MICROS_PER_UNIT + int(decimals.ljust(DECIMALS_MAX, "0"))
    return -micros if sign else micros


def known_currency(code: str) -> str:
    """
    Return the code if it is one of ISO 4217's. Raises `Unreadable` with the right spelling.
    """
    if code in ISO_EXPONENTS:
        return code
    if code.isascii() and code.upper() in ISO_EXPONENTS:
        raise Unreadable(f"`{code}` is not how a currency is written here", f"write `{code.upper()}`")
    raise Unreadable(f"`{code[:40]}` is no currency of ISO 4217", "write a code such as `USD`, `EUR` or `JPY`")
