"""The local Track API's memory: what Customer.io would know after the entries it took."""

from __future__ import annotations

from typing import Any

import pytest

from tools.local_track_api.world import Event, World

NOW = 1_700_000_000
ACME = {"object_type_id": "1", "object_id": "acme"}


class Account:
    """A world with a clock that stands still, and short ways to tell it things."""

    def __init__(self) -> None:
        self.world = World(lambda: NOW)

    def person(self, action: str, email: str, **members: Any) -> None:
        """Apply an entry about the person with this email."""
        entry = {"type": "person", "action": action, "identifiers": {"email": email}, **members}
        self.world.apply(entry, hash(repr(entry)))

    def apply(self, **entry: Any) -> None:
        """Apply any entry."""
        self.world.apply(entry, hash(repr(entry)))

    def attributes(self, email: str) -> dict[str, Any] | None:
        """A person's attributes, or None when nobody is there."""
        person = self.world.person(email=email)
        return person.attributes if person else None


@pytest.fixture
def account() -> Account:
    """A new account."""
    return Account()


def test_attributes_are_merged_and_null_is_kept(account: Account) -> None:
    """A later identify changes what it names, keeps the rest, and null is a value."""
    account.person("identify", "a@x.org", attributes={"plan": "free", "city": "Oslo"})
    account.person("identify", "a@x.org", attributes={"plan": "pro", "city": None})
    assert account.attributes("a@x.org") == {"plan": "pro", "city": None}


def test_emails_are_compared_without_case_and_ids_with_it(account: Account) -> None:
    """Two spellings of an email are one person; two of an id are two."""
    account.person("identify", "Ada@X.org", attributes={"a": 1})
    account.person("identify", "ada@x.ORG", attributes={"b": 2})
    for name in ("u", "U"):
        account.apply(type="person", action="identify", identifiers={"id": name})
    assert account.attributes("ADA@x.org") == {"a": 1, "b": 2}
    assert len(account.world.profiles()) == 3


def test_update_changes_only_somebody_who_exists(account: Account) -> None:
    """`_update: true` makes nobody, changes somebody, and is never stored."""
    account.person("identify", "a@x.org", attributes={"_update": True, "a": 1})
    assert account.attributes("a@x.org") is None
    assert account.world.ignored.updates_of_nobody == 1
    account.person("identify", "a@x.org", attributes={"_update": False, "a": 1})
    account.person("identify", "a@x.org", attributes={"_update": True, "a": 2})
    assert account.attributes("a@x.org") == {"a": 2}


def test_an_old_update_is_dropped_without_a_word(account: Account) -> None:
    """An identify whose timestamp lies before the last update changes nothing; one without is of now."""
    account.person("identify", "a@x.org", attributes={"a": 1}, timestamp=200)
    account.person("identify", "a@x.org", attributes={"a": 2}, timestamp=199)
    account.person("identify", "a@x.org", attributes={"a": 3}, timestamp=200)
    account.person("identify", "a@x.org", attributes={"a": 4})
    account.person("identify", "a@x.org", attributes={"a": 5}, timestamp=NOW - 1)
    assert account.attributes("a@x.org") == {"a": 4}
    assert account.world.ignored.stale_updates == 2


def test_an_event_makes_its_person_and_a_repeat_is_ignored(account: Account) -> None:
    """An id seen before counts as a repeat in either case of its letters; events without ids never do."""
    ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    account.person("event", "a@x.org", name="bought", id=ulid, timestamp=5, attributes={"n": 1})
    account.person("event", "a@x.org", name="bought", id=ulid, timestamp=5, attributes={"n": 1})
    account.person("event", "a@x.org", name="other", id=ulid.lower())
    account.person("page", "a@x.org", name="/home")
    account.person("page", "a@x.org", name="/home")
    person = account.world.person(email="a@x.org")
    assert person is not None
    assert account.world.events_of(email="a@x.org") == [
        Event(person, "event", "bought", ulid, 5, {"n": 1}),
        Event(person, "page", "/home", None, None, {}),
        Event(person, "page", "/home", None, None, {}),
    ]
    assert account.world.ignored.repeated_events == 2
    assert account.world.ignored.repeated_events_with_other_content == 1


def test_a_deleted_person_is_gone_with_all_that_was_theirs(account: Account) -> None:
    """Delete takes profile, events and relationships; the next identify starts from nothing."""
    account.person("identify", "a@x.org", attributes={"a": 1})
    account.person("event", "a@x.org", name="n")
    account.person("add_relationships", "a@x.org", cio_relationships=[{"identifiers": ACME}])
    account.person("delete", "A@x.org")
    account.person("delete", "nobody@x.org")
    assert (account.world.people, account.world.events, account.world.relationships) == ({}, [], {})
    account.person("identify", "a@x.org", attributes={"b": 2})
    assert account.attributes("a@x.org") == {"b": 2}


def test_a_suppressed_person_stays_away_until_unsuppressed(account: Account) -> None:
    """Suppress removes, and all that comes later is dropped silently; unsuppress lets new things in."""
    account.person("identify", "a@x.org", attributes={"a": 1})
    account.person("suppress", "a@x.org")
    account.person("identify", "A@x.org", attributes={"a": 2})
    account.person("event", "a@x.org", name="n")
    account.person("add_device", "a@x.org", device={"token": "t", "platform": "ios"})
    account.person("add_relationships", "a@x.org", cio_relationships=[{"identifiers": ACME}])
    assert (account.world.people, account.world.events, account.world.relationships) == ({}, [], {})
    assert account.world.ignored.suppressed == 4
    account.person("unsuppress", "a@x.org")
    account.person("identify", "a@x.org", attributes={"a": 3})
    assert account.attributes("a@x.org") == {"a": 3}


def test_a_merge_gives_the_primary_what_only_the_secondary_had(account: Account) -> None:
    """Attributes, events, devices, relationships and identifiers move; the primary's own values win."""
    account.person("identify", "a@x.org", attributes={"plan": "pro"})
    account.apply(
        type="person", action="identify", identifiers={"id": "7"}, attributes={"plan": "free", "x": 1}
    )
    account.apply(type="person", action="event", identifiers={"id": "7"}, name="n")
    account.apply(
        type="person",
        action="add_device",
        identifiers={"id": "7"},
        device={"token": "t", "platform": "ios"},
    )
    account.apply(
        type="person",
        action="add_relationships",
        identifiers={"id": "7"},
        cio_relationships=[{"identifiers": ACME}],
    )
    account.apply(type="person", action="merge", primary={"email": "A@x.org"}, secondary={"id": "7"})
    merged = account.world.person(id="7")
    assert merged is not None
    assert merged is account.world.person(email="a@x.org")
    assert merged.attributes == {"plan": "pro", "x": 1}
    assert merged.identifiers == {"email": "a@x.org", "id": "7"}
    assert list(merged.devices) == ["t"]
    assert [event.name for event in account.world.events_of(email="a@x.org")] == ["n"]
    assert list(account.world.relationships) == [("email:a@x.org", ("1", "acme"))]
    account.apply(type="person", action="delete", identifiers={"id": "7"})
    assert account.world.people == {}


def test_a_merge_with_nobody_or_oneself_changes_nothing(account: Account) -> None:
    """A secondary that does not exist, or is the primary, leaves everything as it was."""
    account.person("identify", "a@x.org", attributes={"a": 1})
    account.apply(type="person", action="merge", primary={"id": "1"}, secondary={"email": "b@x.org"})
    account.apply(type="person", action="merge", primary={"email": "a@x.org"}, secondary={"email": "A@x.org"})
    assert list(account.world.people) == ["email:a@x.org"]
    assert account.attributes("a@x.org") == {"a": 1}


def test_a_merge_leaves_the_secondary_no_name_of_a_kind_that_the_primary_has(account: Account) -> None:
    """After a merge of two emails, the second one names nobody."""
    account.person("identify", "a@x.org")
    account.person("identify", "b@x.org")
    account.apply(type="person", action="merge", primary={"email": "a@x.org"}, secondary={"email": "b@x.org"})
    assert account.world.person(email="b@x.org") is None


def test_devices_come_and_go_by_token(account: Account) -> None:
    """The same token is one device; deleting an unknown one is no error."""
    account.person("add_device", "a@x.org", device={"token": "t", "platform": "ios"})
    account.person("add_device", "a@x.org", device={"token": "t", "platform": "ios", "last_used": 5})
    account.person("add_device", "a@x.org", device={"token": "u", "platform": "android"})
    account.person("delete_device", "a@x.org", device={"token": "u"})
    account.person("delete_device", "b@x.org", device={"token": "u"})
    person = account.world.person(email="a@x.org")
    assert person is not None
    assert person.devices == {"t": {"token": "t", "platform": "ios", "last_used": 5}}


def test_relationships_are_one_from_both_sides(account: Account) -> None:
    """Adding from the person or from the object is the same; attributes merge; both ends may end it."""
    account.person(
        "add_relationships",
        "a@x.org",
        cio_relationships=[{"identifiers": ACME, "relationship_attributes": {"role": "x"}}],
    )
    account.apply(
        type="object",
        action="add_relationships",
        identifiers=ACME,
        cio_relationships=[
            {"identifiers": {"email": "A@x.org"}, "relationship_attributes": {"since": 1}},
            {"identifiers": {"email": "b@x.org"}},
        ],
    )
    assert account.world.relationships == {
        ("email:a@x.org", ("1", "acme")): {"role": "x", "since": 1},
        ("email:b@x.org", ("1", "acme")): {},
    }
    account.person("delete_relationships", "b@x.org", cio_relationships=[{"identifiers": ACME}])
    account.apply(
        type="object",
        action="delete_relationships",
        identifiers=ACME,
        cio_relationships=[{"identifiers": {"email": "a@x.org"}}],
    )
    assert account.world.relationships == {}


def test_objects_merge_attributes_and_take_relationships_with_them(account: Account) -> None:
    """Identify merges, delete ends the object and what related to it."""
    for attributes in ({"a": 1, "b": 1}, {"b": None}):
        account.apply(type="object", action="identify", identifiers=ACME, attributes=attributes)
    account.person("add_relationships", "a@x.org", cio_relationships=[{"identifiers": ACME}])
    assert account.world.objects == {("1", "acme"): {"a": 1, "b": None}}
    account.apply(type="object", action="delete", identifiers=ACME)
    assert (account.world.objects, account.world.relationships) == ({}, {})
