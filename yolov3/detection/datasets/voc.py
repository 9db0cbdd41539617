"""Pascal VOC's XML files, one for each picture.

Expat reads them, Python's own parser, as a stream: no tree is built. A document type is refused at
its first character, so that no entity can be declared and none expands; files of more than a
megabyte are refused as other labels are, elements are not nested deeper than ``DEEPEST``.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.parsers import expat

from converter.darknet.data_file import lines_of
from converter.errors import DatasetError, argument, shortened
from converter.files.opening import read_small
from yolov3.detection.dataset import Sample, Truth, pictures_in
from yolov3.detection.datasets.base import Labelled, Request, require_box
from yolov3.detection.datasets.labels import MAX_LABEL_BYTES

DEEPEST = 16  # VOC's own are five deep
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OBJECT = ["annotation", "object"]
# Of an object, by the elements below it; its parts have names and boxes, too.
_FIELDS = {("name",), ("difficult",), *(("bndbox", corner) for corner in _CORNERS)}


def read_folder(request: Request) -> Labelled | None:
    """All XML files in ``Annotations``, with the pictures of ``JPEGImages``; or all in the folder.

    Raises:
        DatasetError: one does not hold together, or its picture is not there.
    """
    root = request.path
    if not os.path.isdir(root):
        return None
    files = sorted(path for f in (root / "Annotations", root) for path in f.glob("*.xml"))
    return _read(files, root, request.images) if files else None


def read_list(request: Request) -> Labelled | None:
    """A list of VOC's, as ``ImageSets/Main/test.txt``: the first word of each line is a picture.

    Raises:
        DatasetError: as ``read_folder``.
    """
    path = request.path
    if [part.name for part in path.absolute().parents][:2] != ["Main", "ImageSets"]:
        return None
    root = path.parent.parent.parent
    files = []
    for number, line in lines_of(path, DatasetError):
        name = line.split()[0]
        file = root / "Annotations" / f"{name}.xml"
        if Path(name).name != name or not os.path.isfile(file):
            raise DatasetError(
                f"{shortened(name)} has no XML file in {root / 'Annotations'}",
                path=path,
                place=f"line {number}",
            )
        files.append(file)
    if not files:
        raise DatasetError("names no pictures", path=path)
    return _read(files, root, request.images)


def _read(files: Iterable[Path], root: Path, images: Path | None) -> Labelled:
    folders = [images] if images else [root / "JPEGImages", root]
    by_stem: dict[str, Path] = {}
    for folder in filter(os.path.isdir, reversed(folders)):
        by_stem |= {Path(name).stem: folder / name for name in pictures_in(folder)}
    samples = []
    for file in files:
        if file.stem not in by_stem:
            raise DatasetError(
                f"the picture {file.stem} is not there",
                path=file,
                remedy=f"give the pictures' folder with {argument('--images')}",
            )
        truths = tuple(_Objects(file).truths)
        samples.append(Sample(path=by_stem[file.stem], truths=truths, relative=False))
    used = sorted({truth.label for sample in samples for truth in sample.truths})
    return Labelled(samples=samples, categories={name: name for name in used})


class _Objects:
    """The objects of an XML file; the id of a category is its name.

    Corners are pixels counted from 1. They become a box as for darknet's own training, which takes
    1 from the centre and ``xmax - xmin`` for the width (AB scripts/voc_label.py:10).

    Raises:
        DatasetError: it does not hold together.
    """

    def __init__(self, path: Path) -> None:
        self.truths: list[Truth] = []
        self._path, self._open = path, list[str]()
        self._fields: defaultdict[str, str] = defaultdict(str)
        self._line = 0
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.EndElementHandler = self._end
        try:
            parser.Parse(read_small(path, MAX_LABEL_BYTES, DatasetError), True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise self._error(f"is not XML: {reason}", error.lineno) from error
        except (ValueError, LookupError) as error:  # an encoding that Expat does not know
            raise self._error(f"is not XML: {error}", 1) from error

    def _error(self, message: str, line: int | None = None) -> DatasetError:
        line = line or self._parser.CurrentLineNumber
        return DatasetError(message, path=self._path, place=f"line {line}")

    def _doctype(self, *_: object) -> None:
        raise self._error("has a document type, as no annotation of VOC's")

    def _start(self, name: str, _: dict[str, str]) -> None:
        if not self._open and name != "annotation":
            raise self._error("is not VOC's annotation format")
        self._open.append(name)
        if len(self._open) > DEEPEST:
            raise self._error(f"is nested deeper than {DEEPEST}")
        if self._open == _OBJECT:
            self._fields, self._line = defaultdict(str), self._parser.CurrentLineNumber

    def _text(self, data: str) -> None:
        if self._open[:2] == _OBJECT and tuple(self._open[2:]) in _FIELDS:
            self._fields[self._open[-1]] += data

    def _end(self, _: str) -> None:
        if self._open == _OBJECT:
            self.truths.append(self._truth())
        self._open.pop()

    def _truth(self) -> Truth:
        fields = {key: value.strip() for key, value in self._fields.items()}
        try:
            left, top, right, bottom = (float(fields[corner]) for corner in _CORNERS)
            box = (left - 1, top - 1, right - left, bottom - top)
            require_box(*box)
            difficult = int(fields.get("difficult") or 0) == 1
            name = fields["name"]
        except (ValueError, KeyError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise self._error(f"is not VOC's object ({what})", self._line) from error
        return Truth(label=name, box=box, difficult=difficult)
