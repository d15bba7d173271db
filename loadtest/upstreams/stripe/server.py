"""
The Stripe sandbox: one account behind one secret key, whose every v1 POST is done at most once a key.

What every sandbox does is shared; here is how Stripe authenticates, remembers a result under its key, and fails.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe.account import Account
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.idempotency import IdempotencyKeys
from loadtest.upstreams.stripe.pages import expanded
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.reading import fingerprint, parsed
from loadtest.upstreams.stripe.routes import Handler
from loadtest.upstreams.wiretap import Seen, credential


@dataclass(frozen=True, slots=True)
class _Result:
    """
    What the work came to: the answer to show, and the one to keep under its key, if any.
    """

    shown: Answer
    kept: Answer | None


class StripeSandbox(Sandbox):
    """
    One account behind one secret, listening while entered. `url` is its address, for every base of the API.
    """

    knobs = ("keys_kept_s",)

    @property
    def keys_kept_s(self) -> float:
        """
        Return how long an idempotency key is remembered.
        """
        return self.keys.kept_s

    @keys_kept_s.setter
    def keys_kept_s(self, seconds: float) -> None:
        self.keys.kept_s = seconds

    @property
    def effects(self) -> Counter[str]:
        """
        Return how often each effect happened.
        """
        return self.account.effects

    def counted(self) -> dict[str, object]:
        """
        Return the counters, and those of each idempotency key.
        """
        by_key = {key: dict(effects) for key, effects in self.effects_by_key.items()}
        return super().counted() | {"by_key": by_key}

    def reset(self) -> None:
        """
        Forget every object, effect and key; what was seen and which faults are in force stays.
        """
        self.account = Account(self.clock, self.seed)
        self.keys = IdempotencyKeys(self.clock)
        self.effects_by_key: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._requests = 0

    def failed(self, status: Status) -> Answer:
        """
        Return a failure on command as Stripe's error object.
        """
        error: dict[str, object] = {"message": status.message, "type": status.kind}
        if status.code is not None:
            error["code"] = status.code
        return Answer.of(status.status, {"error": error}, **status.headers)

    async def answer(self, seen: Seen, fault: Fault) -> Answer:
        """
        Authenticate, parse, and do the work: once a key where there is one.
        """
        act = fault.act
        try:
            self.authenticate(seen)
            handler, ids, tree = parsed(seen)
            if isinstance(act, Status) and not fault.applied and not act.stored:
                return self.failed(act)
            key = seen.header("Idempotency-Key") if seen.method == "POST" and seen.path.startswith("/v1/") else None
            work = partial(self._execute, handler, ids, Params(tree), fault, key)
            if key is not None:
                return await self._once(key, fingerprint(seen, tree), work, fault)
            shown = work().shown
            await self.stall_after(fault)
            return shown
        except ApiError as error:
            return error.answer()

    async def _once(self, key: str, print_: str, work: Callable[[], _Result], fault: Fault) -> Answer:
        """
        Do the work if the key is new, replay its result if it is not.
        """
        before = self.keys.begin(key, print_)
        if before is not None:
            return Answer(before.status, before.body, before.headers | {"Idempotent-Replayed": "true"})
        result = work()
        await self.stall_after(fault)
        if result.kept is None:
            self.keys.forget(key)
        else:
            self.keys.keep(key, result.kept)
        return result.shown

    def _execute(
        self, handler: Handler, ids: tuple[str, ...], params: Params, fault: Fault, key: str | None
    ) -> _Result:
        """
        Execute in one step; what did not validate is not kept.
        """
        act = fault.act
        if isinstance(act, Status) and not fault.applied:
            return _Result(self.failed(act), self.failed(act))
        effects = self.account.effects.copy()
        kept: Answer | None
        try:
            kept = done = Answer.of(200, expanded(self.account, handler(self.account, ids, params), params.expand))
        except ApiError as error:
            done = error.answer()
            kept = done if error.stored or self.account.effects != effects else None
        if key is not None and self.account.effects != effects:
            self.effects_by_key[key] += self.account.effects - effects
        if not isinstance(act, Status):
            return _Result(done, kept)
        return _Result(self.failed(act), self.failed(act) if kept is not None and act.stored is not False else kept)

    def authenticate(self, seen: Seen) -> None:
        shown = credential(seen.header("Authorization"))
        if shown is not None:
            self.wiretap.credentials[shown] += 1
        if shown != self.secret:
            message = (
                "You did not provide an API key." if shown is None else f"Invalid API Key provided: {shown[:4]}***"
            )
            raise ApiError(401, message, fields={} if shown is None else {"code": "api_key_invalid"})

    def dressed(self, seen: Seen, answer: Answer) -> Answer:
        """
        Add the headers that every answer of Stripe's has.
        """
        self._requests += 1
        headers = {"Request-Id": f"req_{self._requests:014d}", "Cache-Control": "no-cache, no-store"}
        for name in ("Idempotency-Key", "Stripe-Version"):
            value = seen.header(name)
            if value is not None:
                headers[name] = value
        return Answer(answer.status, answer.body, headers | answer.headers)
