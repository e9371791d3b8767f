"""XML of strangers, read as a plain tree: no document type, so no entities that grow or fetch anything.

The standard library's expat does the work (docs.python.org, "XML vulnerabilities"); a DOCTYPE is refused as
soon as it begins, and with it every declared entity. Each element knows its line, for messages.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from mien.annotation.foreign.source import read_bytes, read_text
from mien.errors import InputError

DEEPEST = 100
"""More elements within each other are refused."""


@dataclass(frozen=True)
class Element:
    """One element.

    Attributes:
        name: of the element.
        said: its attributes.
        where: file and line, for messages.
        inner: the elements in it.
        texts: pieces of the text in it.
    """

    name: str
    said: dict[str, str]
    where: str
    inner: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly in it, stripped."""
        return "".join(self.texts).strip()

    def all(self, name: str) -> list["Element"]:
        """Return the elements of a name directly in this one."""
        return [one for one in self.inner if one.name == name]

    def below(self, name: str) -> Iterator["Element"]:
        """Yield the elements of a name at any depth."""
        for one in self.inner:
            if one.name == name:
                yield one
            yield from one.below(name)

    def attribute(self, name: str) -> str:
        """Return an attribute that must be there.

        Raises:
            InputError: it is not.
        """
        if name not in self.said:
            raise InputError(f"{self.where}: <{self.name}> without {name!r}")
        return self.said[name]


def read_xml(path: Path, encoding: str = "utf-8") -> Element:
    """Return the outermost element of a file.

    Args:
        path: the file.
        encoding: of a file that does not state its own.

    Raises:
        InputError: it cannot be read, is no XML, or has a document type.
    """
    source: bytes | str = read_bytes(path)
    if isinstance(source, bytes) and b"encoding=" not in source[:200] and not source.startswith(_MARKS):
        source = read_text(path, encoding)
    parser = expat.ParserCreate()
    stack = [Element("", {}, str(path))]

    def start(name: str, said: dict[str, str]) -> None:
        element = Element(name, said, f"{path}, line {parser.CurrentLineNumber}")
        if len(stack) > DEEPEST:
            raise InputError(f"{element.where}: more than {DEEPEST} elements within each other")
        stack[-1].inner.append(element)
        stack.append(element)

    def refuse(name: str, *_: object) -> None:
        raise InputError(
            f"{path}, line {parser.CurrentLineNumber}: a document type <!DOCTYPE {name}>, which may hide "
            "harmful entities; take it out"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = lambda text: stack[-1].texts.append(text)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(source, True)
    except expat.ExpatError as error:
        said = expat.errors.messages[error.code]
        raise InputError(f"{path}, line {error.lineno}: no whole XML ({said})") from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise InputError(f"{path}: no XML in the encoding that it states ({error})") from error
    return stack[0].inner[0]


_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""What begins a file of two-byte characters."""
