"""Which of the chart's scenarios the harness can run: all but the one that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.chart import Rendered
from tests.chart.harness.fields import Refused, check

# A gateway belongs to the cluster's own controller; the routes to the services are represented, what the gateway does is not.
REFUSED = {
    "gateway-api-values.yaml": ["Gateway/t-yunsong", "HTTPRoute/t-yunsong-to-https.spec.rules[0].filters"],
}


def test_every_scenario_is_represented_or_refused_by_name(values: Path, rendered: Rendered) -> None:
    expected = REFUSED.get(values.name)
    if expected is None:
        check(list(rendered.objects))
        return
    with pytest.raises(Refused) as refused:
        check(list(rendered.objects))
    assert refused.value.paths == expected
