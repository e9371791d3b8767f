"""The events of annotators, kept so that nothing acknowledged is ever lost.

    with EventStore(folder / "annotations.sqlite") as store:
        store.open("s1", Item("anna", "valence", "talk.mp4"))
        store.append("s1", [Event("s1", 0, "value", media=0.04, label="valence", value=0.1)])

An event is never changed and never removed. Sending one again does nothing, since session and number name it.
Whoever writes holds the lease of its annotator and task; opening an item takes it, if it is free or asked to.
"""

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from mien.errors import InputError, MienError, OutputError

FORM = "1"
"""Version of the tables."""

LIVELY = 90.0
"""Seconds after which a lease whose holder said nothing is free."""

_TABLES = """
create table if not exists about (key text primary key, value text not null) without rowid;
create table if not exists assignments (
    annotator text not null, task text not null, video text not null, turn integer not null,
    primary key (annotator, task, video, turn)) without rowid;
create table if not exists sessions (
    place integer primary key, session text not null unique, annotator text not null, task text not null,
    video text not null, turn integer not null, wall real not null);
create table if not exists leases (
    annotator text not null, task text not null, session text not null, seen real not null,
    primary key (annotator, task)) without rowid;
create table if not exists events (
    session text not null, sequence integer not null, kind text not null, media real, label text, value real,
    device text, rate real, wall real, detail text,
    primary key (session, sequence)) without rowid;
create index if not exists told on events (session) where kind in ('done', 'prefill');
"""

_COLUMNS = ("session", "sequence", "kind", "media", "label", "value", "device", "rate", "wall", "detail")


class LeaseError(MienError):
    """Somebody else is annotating this task under the same name."""


@dataclass(frozen=True, order=True)
class Item:
    """One piece of work.

    Attributes:
        annotator: a pseudonym.
        task: name of a task.
        video: file name.
        turn: 0 for the first time, 1 for the repeat.
    """

    annotator: str
    task: str
    video: str
    turn: int = 0


@dataclass(frozen=True)
class Event:
    """One thing that an annotator did.

    Attributes:
        session: one opening of one item by one page.
        sequence: number within the session, from 0.
        kind: what was done, see `mien.annotation.replay`.
        media: second of the video; None where it has none.
        label: what it is about; "" for nothing in particular.
        value: from -1 to 1, or the playback rate that was chosen.
        device: mouse, touch, wheel, keys, stick; "" where none.
        rate: playback rate.
        wall: seconds of the browser's clock since 1970.
        detail: what else there is.
    """

    session: str
    sequence: int
    kind: str
    media: float | None = None
    label: str = ""
    value: float | None = None
    device: str = ""
    rate: float | None = None
    wall: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> tuple[Any, ...]:
        """Return the event as a row of the table."""
        detail = json.dumps(dict(self.detail), sort_keys=True) if self.detail else ""
        return (
            *(self.session, self.sequence, self.kind, self.media, self.label),
            *(self.value, self.device, self.rate, self.wall, detail),
        )


class EventStore:
    """The database file of a project; made where there is none. It may be used from several threads.

    Args:
        path: of the file.
        reading: open it only to read; the file must exist.

    Raises:
        InputError: it is no such file, or of another version.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, reading: bool = False) -> None:
        self._lock = Lock()
        self._path = path
        if reading and not path.is_file():
            raise InputError(f"{path}: not there; nothing has been annotated yet")
        try:
            self._connection = sqlite3.connect(
                path, timeout=20.0, isolation_level=None, check_same_thread=False
            )
            try:
                if not reading:
                    self._connection.execute("pragma journal_mode = wal")
                    self._connection.execute("pragma synchronous = full")
                    self._connection.executescript(_TABLES)
                    self._connection.execute("insert or ignore into about values ('form', ?)", (FORM,))
                found = self._connection.execute("select value from about where key = 'form'").fetchone()
            except sqlite3.Error:
                self._connection.close()
                raise
        except sqlite3.DatabaseError as error:
            kind = OutputError if isinstance(error, sqlite3.OperationalError) else InputError
            raise kind(f"{path}: cannot be used as the project's database ({error})") from error
        if found != (FORM,):
            self._connection.close()
            raise InputError(f"{path}: of version {found}, expected {FORM}; use the mien that made it")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def assign(self, items: Iterable[Item]) -> None:
        """Add items to the assignments; those that are there stay."""
        rows = [(one.annotator, one.task, one.video, one.turn) for one in items]
        with self._change() as change:
            change.executemany("insert or ignore into assignments values (?, ?, ?, ?)", rows)

    def assigned(self) -> tuple[Item, ...]:
        """Return all assignments, sorted."""
        return tuple(Item(*row) for row in self._all("select annotator, task, video, turn from assignments"))

    def open(self, session: str, item: Item, take: bool = False, former: Collection[str] = ()) -> None:
        """Begin a session and take the lease of its annotator and task.

        Args:
            session: a name that no session had, or one of this very item.
            item: what is opened.
            take: take the lease also from one who still holds it.
            former: sessions that are known to be over; a lease of theirs is free.

        Raises:
            LeaseError: somebody holds it.
            InputError: the session belongs to another item.
        """
        now = time.time()
        owner = (item.annotator, item.task)
        with self._change() as change:
            held = change.execute(
                "select session, seen from leases where annotator = ? and task = ?", owner
            ).fetchone()
            if held and held[0] not in {session, *former} and abs(now - held[1]) < LIVELY and not take:
                raise LeaseError(f"{item.annotator} has {item.task} open in another window")
            row = (session, *owner, item.video, item.turn)
            change.execute(
                "insert or ignore into sessions (session, annotator, task, video, turn, wall)"
                " values (?, ?, ?, ?, ?, ?)",
                (*row, now),
            )
            known = change.execute(
                "select session, annotator, task, video, turn from sessions where session = ?", (session,)
            ).fetchone()
            if known != row:
                raise InputError(f"session {session} is of {known[1:]}, not of {row[1:]}")
            change.execute("insert or replace into leases values (?, ?, ?, ?)", (*owner, session, now))

    def append(self, holder: str, events: Sequence[Event]) -> None:
        """Keep events for good; when this returns they are on the disk.

        Args:
            holder: the session that holds the lease.
            events: of this session, or of earlier ones of the same annotator and task that come late.

        Raises:
            LeaseError: `holder` has the lease no more; nothing was kept.
            InputError: a session is unknown, or a number was used for another event; nothing was kept.
        """
        with self._change() as change:
            owner = change.execute(
                "select annotator, task from leases where session = ?", (holder,)
            ).fetchone()
            if owner is None:
                raise LeaseError("another window has taken over")
            for session in {event.session for event in events}:
                found = change.execute(
                    "select annotator, task from sessions where session = ?", (session,)
                ).fetchone()
                if found != owner:
                    raise InputError(f"session {session} is not one of {owner[0]} and {owner[1]}")
            for event in events:
                _insert(change, event)
            change.execute("update leases set seen = ? where session = ?", (time.time(), holder))

    def release(self, holder: str) -> None:
        """Give the lease back, so that another window may open the task at once."""
        with self._change() as change:
            change.execute("update leases set seen = 0 where session = ?", (holder,))

    def task_of(self, session: str) -> tuple[str, str] | None:
        """Return the annotator and the task of a session; None where there is no such session."""
        rows = self._all("select annotator, task from sessions where session = ?", (session,))
        return (rows[0][0], rows[0][1]) if rows else None

    def items(self) -> tuple[Item, ...]:
        """Return all items that were ever opened, sorted."""
        rows = self._all("select distinct annotator, task, video, turn from sessions order by 1, 2, 3, 4")
        return tuple(Item(*row) for row in rows)

    def events(self, item: Item) -> list[Event]:
        """Return the events of an item: sessions in order of their opening, each by number."""
        columns = ", ".join(f"e.{name}" for name in _COLUMNS)
        rows = self._all(
            f"select {columns} from sessions s join events e on e.session = s.session"
            " where s.annotator = ? and s.task = ? and s.video = ? and s.turn = ?"
            " order by s.place, e.sequence",
            (item.annotator, item.task, item.video, item.turn),
        )
        return [_event(row) for row in rows]

    def finished(self) -> set[Item]:
        """Return the items that the annotator has called finished."""
        rows = self._all(
            "select distinct s.annotator, s.task, s.video, s.turn from sessions s join events e"
            " on e.session = s.session where e.kind = 'done'"
        )
        return {Item(*row) for row in rows}

    def shown(self) -> dict[Item, bool]:
        """Return of each item that had a prefill whether it was shown."""
        rows = self._all(
            "select s.annotator, s.task, s.video, s.turn, e.value from sessions s join events e"
            " on e.session = s.session where e.kind = 'prefill' order by s.place desc, e.sequence desc"
        )
        return {Item(*row[:4]): bool(row[4]) for row in rows}

    def reach(self, annotator: str) -> dict[Item, float]:
        """Return the greatest second of the values and segments of each item of an annotator."""
        rows = self._all(
            "select s.annotator, s.task, s.video, s.turn, max(e.media) from sessions s join events e"
            " on e.session = s.session where s.annotator = ? and e.kind in ('value', 'segment')"
            " and e.media is not null group by 1, 2, 3, 4",
            (annotator,),
        )
        return {Item(*row[:4]): float(row[4]) for row in rows}

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise InputError(f"{self._path}: cannot be read ({error})") from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Give the connection within one transaction: all of it is kept, or nothing."""
        with self._lock:
            try:
                self._connection.execute("begin immediate")
                try:
                    yield self._connection
                    self._connection.execute("commit")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("rollback")
                    raise
            except sqlite3.Error as error:
                raise OutputError(f"{self._path}: cannot be written ({error})") from error


def _event(row: tuple[Any, ...]) -> Event:
    """Return the event of a row of the table."""
    session, sequence, kind, media, label, value, device, rate, wall, detail = row
    told = json.loads(detail) if detail else {}
    return Event(session, sequence, kind, media, label, value, device, rate, wall, told)


def _insert(change: sqlite3.Connection, event: Event) -> None:
    """Keep one event, unless it is there."""
    row = event.row()
    marks = ", ".join("?" * len(row))
    if change.execute(f"insert or ignore into events values ({marks})", row).rowcount == 0:
        there = change.execute(
            f"select {', '.join(_COLUMNS)} from events where session = ? and sequence = ?", row[:2]
        ).fetchone()
        if there != row:
            raise InputError(f"session {event.session}: number {event.sequence} is another event already")
