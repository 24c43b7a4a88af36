import pytest
from runtime.variable_names import is_reserved, runs_code

ORDINARY = ["CI", "GIT_AUTHOR_NAME", "HTTP_PROXY", "LANG", "MALLOC_ARENA_MAX", "NODE_ENV", "PGPASSWORD", "PYTHONUTF8"]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_variables_are_allowed(name: str) -> None:
    assert (runs_code(name), is_reserved(name)) == (False, False)


@pytest.mark.parametrize(
    "name", ["BUN_OPTIONS", "bun_options", "GCONV_PATH", "LD_AUDIT", "LUA_INIT_5_4", "Node_Options"]
)
def test_variables_that_make_programs_run_other_code_are_found_in_any_case(name: str) -> None:
    assert runs_code(name)


@pytest.mark.parametrize("name", ["ANTHROPIC_BASE_URL", "CLAUDE_ENV_FILE", "CLAUDECODE", "HOME", "IS_SANDBOX", "path"])
def test_variables_of_the_service_and_of_the_cli_are_reserved(name: str) -> None:
    assert is_reserved(name)
