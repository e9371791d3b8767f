"""A protocol run: predictors and a prepared database in, Results out.

One network is tested on every fold whose people it has not seen; several, one trained on each fold
(`mien train --fold`), each on its own. All protocols of a database are counted in one pass over its rows, and
memory does not grow with their number: only statistics by recording are kept.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.benchmark.predicting import check_prepared, said
from mien.benchmark.reporting import described
from mien.benchmark.result import Result
from mien.benchmark.tally import Baselines, Tally, best_thresholds, source_of
from mien.bundle import Bundle, Predictor
from mien.databases import DATABASES
from mien.databases.catalog import OFFICIAL, Fold, Protocol
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.preparation.prepared import Prepared
from mien.records import Predictions

ROWS = 8192
"""Rows that are counted together."""


@dataclass(frozen=True)
class Test:
    """One fold that one predictor is tested on.

    Attributes:
        number: of the fold, from 1.
        predictor: who is tested.
        validation: rows for choosing thresholds; none where the fold has no such part.
        tally: of the tested rows.
    """

    number: int
    predictor: Predictor
    validation: IntArray
    tally: Tally


def evaluate(
    predictors: Sequence[Predictor], data: Prepared, names: Sequence[str] = (), split: str = ""
) -> list[Result]:
    """Return the results of some protocols, in their order.

    Args:
        predictors: one, or one for each fold.
        data: prepared with their preprocessing.
        names: of the database's protocols; none for all whose labels the predictors have and that have rows.
        split: a part to test instead of the one that a protocol with official parts tests.

    Raises:
        DatabaseError: the database was prepared for another kind of network, no protocol can be run, or one
            that is asked for cannot.
    """
    for predictor in predictors:
        check_prepared(predictor, data)
    asked = called(data.index.database, names) if names else runnable(predictors, data, split)
    chosen = [moved(protocol, split) for protocol in asked]
    plans = planned_all(chosen, predictors, data, bool(names))
    chosen = [protocol for protocol in chosen if protocol.name in plans]
    tests = [test for plan in plans.values() for test in plan]
    _find_thresholds(tests, data)
    _run([(test.predictor, test.tally) for test in tests], data)
    return [
        described(
            protocol,
            data,
            [test.tally for test in plans[protocol.name] if test.tally.statistics],
            networks(plans[protocol.name]),
            facts(data, plans[protocol.name]),
            [*notes(protocol, predictors, data, plans[protocol.name]), *unmoved(protocol, split)],
        )
        for protocol in chosen
    ]


def called(database: str, names: Sequence[str]) -> list[Protocol]:
    """Return a database's protocols by their names.

    Raises:
        DatabaseError: it has none of that name.
    """
    known = {protocol.name: protocol for protocol in DATABASES[database].protocols}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DatabaseError(f"{database}: no protocol {unknown[0]!r}; it has {', '.join(map(repr, known))}")
    return [known[name] for name in names]


def moved(protocol: Protocol, split: str) -> Protocol:
    """Return the protocol with another part tested, where it has official parts and one is named."""
    if not split or protocol.by != "split":
        return protocol
    validation = () if split == "validation" else OFFICIAL.validation
    here = f"{protocol.aggregation} (here: the {split} part)"
    return replace(protocol, folds=(Fold(("train",), validation, (split,)),), aggregation=here)


def runnable(predictors: Sequence[Predictor], data: Prepared, split: str) -> list[Protocol]:
    """Return the protocols of a database that can be run.

    Raises:
        DatabaseError: there is none.
    """
    found = []
    for protocol in DATABASES[data.index.database].protocols:
        able = all(source_of(protocol, predictor.tasks) for predictor in predictors)
        rows = [test for _, _, test in moved(protocol, split).parts(data.index)]
        labelled = protocol.task in data.index.labels.values
        if labelled and able and any(len(part) for part in rows):
            found.append(protocol)
    if not found:
        part = f" in the part {split!r}" if split else ""
        raise DatabaseError(
            f"{data.index.database}: no protocol has rows{part} and labels that the network predicts"
        )
    return found


def planned_all(
    protocols: Sequence[Protocol], predictors: Sequence[Predictor], data: Prepared, every: bool
) -> dict[str, list["Test"]]:
    """Return the plans of protocols by name, without those that cannot be run unless every one is wanted.

    Raises:
        DatabaseError: one that is wanted cannot be run, or none can.
    """
    plans: dict[str, list[Test]] = {}
    problems: list[DatabaseError] = []
    for protocol in protocols:
        try:
            plans[protocol.name] = list(planned(protocol, predictors, data))
        except DatabaseError as error:
            problems.append(error)
    if problems and (every or not plans):
        raise problems[0]
    return plans


def unmoved(protocol: Protocol, split: str) -> list[str]:
    """Return a note where another part is asked for of a protocol that has folds of subjects."""
    if not split or protocol.by == "split":
        return []
    return [f"it tests folds of subjects: --split {split} does not apply"]


def seen_folds(predictor: Predictor, database: str) -> set[str] | None:
    """Return the folds of a database that a predictor learned from, "" for all of it; None for nothing."""
    trained = predictor.card.get("trained_on")
    if not isinstance(trained, list):
        return None
    return {str(entry.get("fold", "")) for entry in trained if entry.get("database") == database} or None


def planned(protocol: Protocol, predictors: Sequence[Predictor], data: Prepared) -> Iterator[Test]:
    """Yield the folds that can be tested, each with a predictor that has not seen its people.

    Raises:
        DatabaseError: there is none, or two predictors want the same fold.
    """
    numbers: list[int] = []
    tested = False
    for number, (train, validation, test) in enumerate(protocol.parts(data.index), start=1):
        able = [p for p in predictors if _may_test(p, protocol, number, data.index)]
        tested = tested or len(test) > 0
        if not len(test) or not able:
            continue
        if len(able) > 1:
            names = ", ".join(str(p.card.get("name")) for p in able)
            raise DatabaseError(f"{protocol.name}: {names} could all be tested on fold {number}; give one")
        numbers.append(number)
        baselines = Baselines.of(protocol, data.index, train, test)
        tally = Tally(protocol, data.index, test, baselines, stated=able[0].calibration)
        yield Test(number, able[0], validation, tally)
    if not tested:
        raise DatabaseError(f"{data.index.database}: {protocol.name!r} has no rows in the part it tests")
    if not numbers:
        raise DatabaseError(
            f"{data.index.database}: {protocol.name!r} has no rows to test that the network has not learned "
            "from; train one for each fold (mien train --fold)"
        )


def _may_test(predictor: Predictor, protocol: Protocol, number: int, index: Index) -> bool:
    """Return whether a predictor may be tested on a fold."""
    folds = seen_folds(predictor, index.name)
    if protocol.by == "split":
        return folds is None or folds == {""}
    if folds is None or "" in folds:
        return True
    alike = [
        p.name
        for p in DATABASES[index.database].protocols
        if p.folds == protocol.folds and p.made == protocol.made
    ]
    return folds <= {f"fold {number} of {name}" for name in alike}


def _find_thresholds(tests: Sequence[Test], data: Prepared) -> None:
    """Give tallies of action units the thresholds that serve their validation part best."""
    counted = [
        (test, Tally(test.tally.protocol, data.index, test.validation))
        for test in tests
        if test.tally.protocol.task.kind == "binary" and len(test.validation)
    ]
    _run([(test.predictor, tally) for test, tally in counted], data)
    for test, tally in counted:
        if tally.statistics:
            test.tally.thresholds = best_thresholds(tally.scores)


def _run(pairs: Sequence[tuple[Predictor, Tally]], data: Prepared) -> None:
    """Let each predictor speak once of all rows that its tallies want."""
    for predictor in {id(predictor): predictor for predictor, _ in pairs}.values():
        tallies = [tally for other, tally in pairs if other is predictor]
        wanted = np.zeros(len(data.index), bool)
        for tally in tallies:
            wanted[tally.rows] = True
        for rows, predictions, seen, carried in chunks(predictor, data, np.flatnonzero(wanted)):
            for tally in tallies:
                tally.add(rows, predictions, seen, carried)
    for _, tally in pairs:
        tally.finish()


def chunks(
    predictor: Predictor, data: Prepared, rows: IntArray
) -> Iterator[tuple[IntArray, Predictions, BoolArray, BoolArray]]:
    """Yield what is said of rows, in pieces large enough to be counted quickly."""
    waiting: list[Any] = []
    for piece in said(predictor, data, rows):
        waiting.append(piece)
        if sum(len(one.rows) for one in waiting) >= ROWS:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(pieces: list[Any]) -> tuple[IntArray, Predictions, BoolArray, BoolArray]:
    """Return pieces as one."""
    values: dict[Any, FloatArray] = {
        task: np.concatenate([piece.predictions.values[task] for piece in pieces])
        for task in pieces[0].predictions.values
    }
    rows, seen, carried = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("rows", "seen", "carried")
    )
    return rows, Predictions(values), seen, carried


def networks(plan: Sequence[Test]) -> list[dict[str, Any]]:
    """Return who was tested on which folds."""
    return [
        {
            "name": str(test.predictor.card.get("name", "")),
            "sha256": str(test.predictor.card.get("sha256", "")),
            "trained_on": test.predictor.card.get("trained_on"),
            "tested_on": test.number,
        }
        for test in plan
    ]


def facts(data: Prepared, plan: Sequence[Test]) -> dict[str, Any]:
    """Return what identifies the tested rows."""
    digest = hashlib.sha256()
    index = data.index
    for test in plan:
        for start in range(0, len(test.tally.rows), ROWS):
            for row in test.tally.rows[start : start + ROWS].tolist():
                digest.update(f"{test.number}\t{index.describe(row)}\n".encode())
    return {
        "index_sha256": str(data.manifest.get("sha256", {}).get("index.parquet", "")),
        "rows_sha256": digest.hexdigest(),
        "rows_in_part": sum(len(test.tally.rows) for test in plan),
        "detector": data.manifest.get("detector"),
    }


def notes(
    protocol: Protocol, predictors: Sequence[Predictor], data: Prepared, plan: Sequence[Test]
) -> list[str]:
    """Return what a reader must know before comparing."""
    told = [protocol.note] if protocol.note else []
    total = len(list(protocol.parts(data.index)))
    counted = [test for test in plan if test.tally.statistics]
    if len(counted) < total:
        tested = ", ".join(str(test.number) for test in counted) or "none"
        told.append(f"folds tested: {tested} of {total}; the others were not measured")
    for predictor in predictors:
        folds = seen_folds(predictor, data.index.name)
        if folds is not None and any("validation" in fold.test for fold in protocol.folds):
            told.append(
                f"{predictor.card.get('name')} learned from this database: its epoch may have been chosen by "
                "the validation part, which is tested here"
            )
        if protocol.by == "subject" and folds is not None and "" in folds:
            told.append(
                f"{predictor.card.get('name')} learned from this database without its folds: "
                "it may have seen the tested people"
            )
    told += calibrated_here(data, plan)
    told += silence(data, [test for test in plan if isinstance(test.predictor, Bundle)])
    missing = sorted({label for test in plan for label in test.tally.unpredicted})
    if missing:
        classes = protocol.task.kind == "categorical"
        what = "never predicted, and counted as wrong" if classes else "not predicted and left out"
        told.append(f"{what}: {', '.join(missing)}")
    return told


def calibrated_here(data: Prepared, plan: Sequence[Test]) -> list[str]:
    """Return a note for each predictor that was calibrated on a part that is tested."""
    told = []
    for test in plan:
        calibration = test.predictor.calibration
        parts = set(data.index.split[test.tally.rows].compact().vocabulary)
        told += [
            f"{test.predictor.card.get('name')} was calibrated on the {entry['part']} part, which is tested "
            "here: its calibration error and coverage are flattered"
            for entry in (calibration.fitted_on if calibration is not None else ())
            if entry["database"] == data.index.name and entry["part"] in parts
        ]
    return list(dict.fromkeys(told))


def silence(data: Prepared, plan: Sequence[Test]) -> list[str]:
    """Return a note of how many rows a network that hears was given silence for."""
    rows = [t.tally.rows for t in plan if isinstance(t.predictor, Bundle) and t.predictor.hearing is not None]
    if not rows:
        return []
    heard = np.concatenate(rows)
    sound = data.index.sound
    there = np.array([str(name) in data.sounds for name in sound.vocabulary], bool)[sound.codes[heard]]
    silent = int((~there | ~np.isfinite(data.index.seconds[heard])).sum())
    return [f"{silent} of {len(heard)} rows have no sound or no times: silence was heard"] if silent else []
