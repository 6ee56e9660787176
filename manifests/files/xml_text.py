"""Parse XML that another program wrote."""

import xml.etree.ElementTree as ET

_PART = 1 << 16  # bytes or characters between two looks at what was found


def parse_xml(text: str | bytes) -> ET.Element:
    """Parse an XML text; ValueError for anything else, and for a document type.

    A document type declares entities, which grow without bound and name other files. Expat reads a part at a time: it
    ends with the part in which the document type begins, in every encoding; until then its own limit on growth holds.
    """
    parser = ET.XMLParser(target=_Refusing())  # noqa: S314 - refuses a document type; see the docstring
    try:
        for place in range(0, len(text), _PART):
            parser.feed(text[place : place + _PART])
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(str(error)) from error
    return root


class _Refusing(ET.TreeBuilder):
    """Builds the elements; ParseError for a document type."""

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise ET.ParseError("a document type, whose entities can grow without bound")
