"""Load on a review server, and cycles of work in one process; `make soak` runs more of both."""

import pytest
from soak_scripts import output_of

LOAD = "soak/load.py"


@pytest.mark.slow
def test_ten_seconds_of_load_make_no_error_and_leak_no_handle() -> None:
    printed = output_of(LOAD, "--reviewers", "4", "--seconds", "10", "--publish-seconds", "3")
    assert " 0 errors; " in printed
    assert " 0 decisions" not in printed
    assert " 0 publishes" not in printed


@pytest.mark.slow
def test_cycles_of_generate_and_publish_leave_no_temporary_file_and_no_handle() -> None:
    assert output_of(LOAD, "--cycles", "20").startswith("20 cycles, ")
