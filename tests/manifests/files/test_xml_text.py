import xml.etree.ElementTree as ET

import pytest
from hostile_files import ENTITY_BOMB

from manifests.files.xml_text import parse_xml

EXTERNAL = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]><x>&secret;</x>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [ENTITY_BOMB, EXTERNAL, '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><x/>'])
def test_a_document_type_is_refused_in_every_encoding(text: str, encoding: str) -> None:
    with pytest.raises(ValueError, match="a document type"):
        parse_xml(text.encode(encoding))


def test_a_document_type_in_text_is_refused() -> None:
    with pytest.raises(ValueError, match="a document type"):
        parse_xml(ENTITY_BOMB)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<x>",
        b"{}",
        "<x>\ud800</x>",
        b'<?xml version="1.0" encoding="none-such"?><x/>',
        b'<?xml version="1.0" encoding="utf-7"?><x/>',
    ],
)
def test_other_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_xml(text)


def test_the_elements_are_those_of_the_standard_library_also_across_parts() -> None:
    rows = "".join(f'<image id="{number}">ä &amp; &#228; &lt;!DOCTYPE</image>' for number in range(3000))
    text = f'<?xml version="1.0" encoding="iso-8859-1"?><images>{rows}</images>'
    expected = ET.tostring(ET.fromstring(text))
    assert len(text) > 2 << 16
    assert ET.tostring(parse_xml(text)) == expected
    assert ET.tostring(parse_xml(text.encode("iso-8859-1"))) == expected


def test_elements_nested_deeply_are_read() -> None:
    root = parse_xml("<x>" * 100_000 + "</x>" * 100_000)
    assert sum(1 for _ in root.iter()) == 100_000
