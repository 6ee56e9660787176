import pyarrow as pa
import pytest

from manifests.store.hexdigits import digits_of, id_numbers

ID = "0123456789abcdef" * 2


def test_the_digits_of_all_chunks_are_joined() -> None:
    assert digits_of(pa.chunked_array([[ID, ID], [], [ID]], pa.string()), 32) == (ID * 3).encode()


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2]),
        pa.array([0.5]),
        pa.array([True]),
        pa.array([b"a" * 32]),
        pa.array([ID], pa.large_string()),
        pa.array([ID]).dictionary_encode(),
        pa.array([[ID], []]),
        pa.array([{"id": ID}]),
        pa.nulls(2),
        pa.nulls(2, pa.string()),
        pa.array([""]),
        pa.array([ID.upper()]),
        pa.array([ID[:-1] + "é"]),
    ],
    ids=lambda values: str(values.type),
)
def test_values_of_another_type_or_form_are_no_hex_digits(values: pa.Array) -> None:
    assert digits_of(pa.chunked_array([values]), 32) is None
    assert id_numbers(pa.chunked_array([values])) is None
