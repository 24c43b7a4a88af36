import pytest
from runtime.settings import InvalidSettings, load, misspelled_settings, variables_of
from runtime.telemetry_settings import TelemetrySettings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> TelemetrySettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load(TelemetrySettings)


def test_without_an_endpoint_tracing_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch).traces_url is None


@pytest.mark.parametrize("base", ["http://collector:4318", "http://collector:4318/"])
def test_the_endpoint_is_the_base_of_the_url(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    assert loaded(monkeypatch, **{ENDPOINT: base}).traces_url == "http://collector:4318/v1/traces"


def test_the_endpoint_of_traces_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {ENDPOINT: "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/spans"}
    assert loaded(monkeypatch, **given).traces_url == "http://b/spans"


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_tracing_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, off: dict[str, str]) -> None:
    assert loaded(monkeypatch, **{ENDPOINT: "http://a"}, **off).traces_url is None


def test_headers_are_read_from_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="Authorization = Basic%20YQ==, x-tenant=a b,")
    assert settings.traces_headers == {"authorization": "Basic YQ==", "x-tenant": "a b"}


@pytest.mark.parametrize(
    "headers", ["Bearer secret", "=secret", "a=b,secret", "na me=secret", "a=secret\u00e9", "a=s\nb"]
)
def test_invalid_headers_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, headers: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        loaded(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS=headers)
    assert str(error.value) == "OTEL_EXPORTER_OTLP_HEADERS: must be headers like name=value, separated by commas"


def test_headers_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "secret" not in repr(loaded(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="a=secret"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), (ENDPOINT, "collector:4318"), ("OTEL_TRACES_EXPORTER", "zipkin")],
)
def test_what_is_not_supported_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"{name}: must"):
        loaded(monkeypatch, **{name: value})


def test_variables_that_the_sdk_reads_are_not_misspelled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_SAMPLER", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_COMPRESSION"):
        monkeypatch.setenv(name, "x")
    assert misspelled_settings(variables_of(TelemetrySettings)) == []
