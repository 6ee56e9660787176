"""The brush of a Label Studio labelling interface: which names and label a predicted mask must have."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from manifests.errors import UserError
from manifests.files.xml_text import parse_xml


@dataclass(frozen=True, slots=True)
class Brush:
    """A BrushLabels control: its name, its image's name, the key of the image in a task's data, and the label."""

    from_name: str
    to_name: str
    data_key: str
    label: str


def find_brush(config: str, label: str) -> Brush:
    """The first BrushLabels of the XML `config` that has the label, in any case; UserError without one."""
    root = _parsed(config)
    images = {tag.get("name"): tag.get("value") or "" for tag in root.iter("Image")}
    found: list[str] = []
    for control in root.iter("BrushLabels"):
        labels = [tag.get("value") or "" for tag in control.iter("Label")]
        found += labels
        own = next((name for name in labels if name.casefold() == label.casefold()), None)
        name, to_name = control.get("name"), control.get("toName")
        if own is None or not name or not to_name:
            continue
        value = images.get(to_name, "")
        if not value.startswith("$"):
            raise UserError(f"expected an Image called {to_name} with a value such as $image, found {value!r}")
        return Brush(name, to_name, value[1:], own)
    raise UserError(
        f"expected BrushLabels with the label {label} in the labelling interface, found "
        f"{', '.join(found) or 'no BrushLabels'}; add it, or start the backend with --label NAME"
    )


def _parsed(config: str) -> ET.Element:
    """Return the XML's root; UserError for other text, and for a document type."""
    try:
        return parse_xml(config)
    except ValueError as error:
        raise UserError(f"expected a labelling interface in XML, found another text ({error})") from error
