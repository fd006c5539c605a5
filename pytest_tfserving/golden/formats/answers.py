"""Writes recorded answers into a JSON file and the .npz beside it.

An answer that is there already, to the last bit, is left as it is; of a file of which nothing changes not a byte is
written, provenance included. What a person wrote, requests above all, keeps its layout. What is
recorded in another environment than the file's other answers has a provenance of its own (provenance.py, divide).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfserving.errors import GoldenError, TensorError
from pytest_tfserving.files import one_writer, write_text
from pytest_tfserving.golden.case import ANSWER_KEYS, REQUEST_KEYS, where
from pytest_tfserving.golden.formats.document import read_object, read_text, with_stored
from pytest_tfserving.golden.formats.format import Answers, Written
from pytest_tfserving.golden.provenance import divide
from pytest_tfserving.golden.text import dumps, is_exact, loads, npz_keys, with_verbatim

if TYPE_CHECKING:
    from pytest_tfserving.tensors import Array

_VERBATIM = (*REQUEST_KEYS, "description", "expect_error")


def write_answers(
    file: Path,
    answers: Answers,
    provenance: Mapping[str, str],
    marks: Mapping[str, str] | None = None,
    given: Collection[str] = (),
) -> Written:
    """Writes the outputs of some of a file's cases, by key; None is that of a file that is one case.

    With `marks` the file is one of answers alone: its cases are made as they are needed, and each keeps as `request`
    the mark of its request (responses.py); `given` are those that have an answer where their request is. Raises
    OSError, and GoldenError where a case has gone.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(file.parent):  # what another run writes now is read, and kept
        old = read_object(file) if file.exists() else {}
        to_write, answered = {}, 0
        for key, outputs in answers.items():
            case = _case(file, old, key, marks)
            is_of_request = marks is None or case.get("request") == marks[str(key)]
            if not is_of_request or not _has(case, outputs, file):
                to_write[key] = outputs
                answered += (is_of_request and is_answered(case)) or key in given
        if to_write:
            text, arrays = _written(file, to_write, provenance, marks)
            _write_pair(file, text, arrays, frozenset(npz_keys(old)))
    return Written(file, len(to_write) - answered, answered)


def _case(file: Path, document: Mapping[str, Any], key: str | None, marks: object) -> Mapping[str, Any]:
    """The case of a key. Raises GoldenError where the file is not what it was when the run began."""
    case = document if key is None else document.get("cases", {}).get(key, None if marks is None else {})
    if not isinstance(case, Mapping) or (key is None and "cases" in document):
        raise GoldenError(f"{where(file, key)}: the case is not there any more; it was when the run began")
    return case


def _written(
    file: Path, answers: Answers, provenance: Mapping[str, str], marks: Mapping[str, str] | None
) -> tuple[str, dict[str, Array]]:
    """The file's text with the answers, and the arrays by key that it wants in the .npz."""
    document = with_verbatim(read_text(file), _VERBATIM, named="cases") if file.exists() else {}
    arrays: dict[str, Array] = {}
    for key, outputs in answers.items():
        case = document if key is None else document.setdefault("cases", {}).setdefault(key, {})
        for form in ANSWER_KEYS:
            case.pop(form, None)
        if marks is not None:
            case["request"] = marks[str(key)]
        case["outputs"] = {name: as_json(tensor, arrays) for name, tensor in outputs.items()}
    if marks is not None:
        document["cases"] = dict(sorted(document["cases"].items()))
    _note_provenance(document, answers, provenance)
    return dumps(document), arrays


def _note_provenance(document: dict[str, Any], recorded: Answers, provenance: Mapping[str, str]) -> None:
    """Says in the document, and in the cases that need one of their own, what made its answers."""
    cases = document.get("cases", {})
    staying = {key: case for key, case in cases.items() if key not in recorded and is_answered(case)}
    owned = {key: case.get("provenance") for key, case in staying.items()}
    before = document.pop("provenance", None)
    of_file, own = divide(before or {}, owned, [str(key) for key in recorded if key is not None], provenance)
    for key, said in own.items():
        if key in owned and said == owned[key]:
            continue
        cases[key].pop("provenance", None)
        if said is not None:
            cases[key]["provenance"] = dict(said)
    if of_file is not None:
        document["provenance"] = dict(of_file)


def is_answered(case: object) -> bool:
    """Whether an object is a case that has an answer."""
    return isinstance(case, Mapping) and any(form in case for form in ANSWER_KEYS)


def _has(case: Mapping[str, Any], outputs: Mapping[str, Any], file: Path) -> bool:
    """Whether a case has these outputs already, to the last bit and as recorded tensors."""
    old = case.get("outputs")
    if not isinstance(old, dict) or set(old) != set(outputs) or not all(map(is_exact, old.values())):
        return False
    from pytest_tfserving.golden.exact import read_tensor, same_bits
    from pytest_tfserving.golden.formats.npz import from_plain

    try:
        stored = with_stored({"outputs": old}, file, "")["outputs"]
        return all(same_bits(read_tensor(stored[name], "", name), from_plain(outputs[name], name)) for name in outputs)
    except (TensorError, GoldenError):
        return False


def as_json(tensor: Mapping[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    """A tensor as JSON has it; the array of one that is too large for that is added to `arrays`."""
    if "bytes" not in tensor:
        return dict(tensor)
    from pytest_tfserving.golden.exact import write_tensor
    from pytest_tfserving.golden.formats.npz import MOST_IN_JSON, digest, from_plain

    array = from_plain(tensor, "")
    if array.size <= MOST_IN_JSON:
        return write_tensor(array)
    key = digest(array)
    arrays[key] = array
    return {"dtype": tensor["dtype"], "shape": list(tensor["shape"]), "npz": key}


def _write_pair(file: Path, text: str, arrays: Mapping[str, Array], before: frozenset[str]) -> None:
    """The .npz with all that the old text and the new one mention, then the text, then the .npz without the old.

    So whatever ends this between two steps, the JSON that is there finds its arrays.
    """
    now = frozenset(npz_keys(loads(text, str(file)))) if '"npz"' in text else frozenset()
    if not now and not before:
        write_text(file, text)
        return
    from pytest_tfserving.golden.formats.npz import npz_of, write_npz

    write_npz(npz_of(file), arrays, now | before)
    write_text(file, text)
    if before - now:
        write_npz(npz_of(file), {}, now)
