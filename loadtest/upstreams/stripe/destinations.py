"""Event destinations: a corner of the v2 API, whose bodies are JSON and whose lists have another envelope."""

from __future__ import annotations

from loadtest.upstreams.stripe.account import Account, EventDestination
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape, event_destination


def create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Make an event destination.
    """
    made = EventDestination(
        account.mint("ed_test_"),
        account.now(),
        params.metadata({}),
        name=params.required("name"),
        description=params.text("description") or "",
        kind=params.choice("type", "webhook_endpoint", "amazon_eventbridge") or "webhook_endpoint",
        events=tuple(str(name) for name in params.listing("enabled_events")),
        payload=params.choice("event_payload", "thin", "snapshot") or "thin",
    )
    params.mapping("webhook_endpoint")
    params.finish()
    return event_destination(account.add(made, "event_destination.created"))


def update(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Change an event destination's words.
    """
    thing = account.get(EventDestination, "event_destination", ids[0])
    name, description = params.text("name"), params.text("description")
    metadata = params.metadata(thing.metadata)
    params.finish()
    thing.name, thing.description, thing.metadata = name or thing.name, description or thing.description, metadata
    account.changed("event_destination.updated")
    return event_destination(thing)


def retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show an event destination.
    """
    params.finish()
    return event_destination(account.get(EventDestination, "event_destination", ids[0]))


def delete(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Delete an event destination; v2 answers with its id and kind alone.
    """
    params.finish()
    thing = account.get(EventDestination, "event_destination", ids[0])
    del account.things[thing.id]
    account.changed("event_destination.deleted")
    return {"id": thing.id, "object": "v2.core.event_destination"}


def list_(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List event destinations, newest first, on one page.
    """
    limit = params.integer("limit", least=1)
    params.finish()
    things = account.all(EventDestination)[: limit or 10]
    return {"data": [event_destination(thing) for thing in things], "next_page_url": None, "previous_page_url": None}
