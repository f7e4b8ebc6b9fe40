"""Settings reach the processes as they were written, and with the credentials that the process can use."""

from __future__ import annotations

from tests.chart.chart import Rendered, ci, render


def test_numbers_of_a_setting_stay_as_they_were_written() -> None:
    written = {"A": 10_000_000, "B": 0.25, "C": True, "D": "1e3", "E": -3}
    environment = render(ci("compact"), {"settings": written}).environment("standalone")
    assert {name: environment[f"YUNSONG_{name}"] for name in written} == {
        "A": "10000000",
        "B": "0.25",
        "C": "true",
        "D": "1e3",
        "E": "-3",
    }


def test_the_compact_pod_has_the_role_that_may_do_what_all_services_may(compact: Rendered) -> None:
    urls = [name for name in compact.environment("standalone") if name.endswith("DATABASE_URL")]
    assert urls == ["YUNSONG_DATABASE_URL"]
