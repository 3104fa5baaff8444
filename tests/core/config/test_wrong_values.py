"""Old names of options: refused in every spelling, with the new name."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.config import wrong_values
from core.config.command_line import prepared
from core.config.explain import explain, unknown_option
from core.config.wrong_values import RENAMED
from core.errors import HooklineError
from core.plugins.option_nodes import option_names
from tests.support.runs import plugins

OLD, NEW = "build.former", "build.warmup"


@pytest.fixture
def one_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_values, "RENAMED", {OLD: NEW, "former": "processor"})


@pytest.mark.usefixtures("one_renamed")
@pytest.mark.parametrize("argument", [f"{OLD}=1", f"+{OLD}=1", f"++{OLD}=1", f"~{OLD}", f"~{OLD}=1", f"{OLD}=a,b"])
@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_every_spelling_on_the_command_line(argument: str, sweep: tuple[str, ...]) -> None:
    with pytest.raises(HooklineError) as failed:
        prepared([*sweep, "+stage=build", argument], plugins().registry)
    assert str(failed.value) == f"'{OLD}' is now '{NEW}'; write {NEW}=<value>"


@pytest.mark.usefixtures("one_renamed")
def test_a_top_level_option() -> None:
    with pytest.raises(HooklineError, match="'former' is now 'processor'"):
        prepared(["+former=cupy"], plugins().registry)


@pytest.mark.usefixtures("one_renamed")
@pytest.mark.parametrize("given", [{"build": {"former": 1}}, {"build": {"warmup": f"${{{OLD}}}"}}])
def test_in_a_yaml_file(given: dict[str, object]) -> None:
    """OmegaConf merges a file of --config-dir as it merges these values."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", ["+stage=build"])
    with pytest.raises(OmegaConfBaseException) as failed:
        OmegaConf.to_object(OmegaConf.merge(config, given))
    assert f"'{OLD}' is now '{NEW}'" in str(explain(failed.value, plugins().registry))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"graft": "onnx"}, "'graft' is now 'decode'"),
        ({"predict": 4}, "'predict' is a group of options and has no value; set its options: predict."),
        (
            {"grafts": {"yolo_layer": 3}},
            "'grafts.yolo_layer' is a group of options and has no value; set its",
        ),
        ({"backend": {"name": "x"}}, "'backend' is not a group of options; write backend=<value>"),
        ({"export": {"dynamic": "batch"}}, "export.dynamic takes a list; write export.dynamic=[<value>,<value>]"),
    ],
)
def test_a_word_is_no_group_and_a_group_no_word(given: dict[str, object], expected: str) -> None:
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", ["+stage=[export,build]"])
    with pytest.raises(OmegaConfBaseException) as failed:
        OmegaConf.merge(config, given)
    assert str(explain(failed.value, plugins().registry)).startswith(expected)


def test_a_name_that_was_never_an_option_in_a_yaml_file() -> None:
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", ["+stage=build"])
    with pytest.raises(OmegaConfBaseException) as failed:
        OmegaConf.merge(config, {"build": {"warmupp": 1}})
    mistake = str(explain(failed.value, plugins().registry))
    assert mistake.startswith("unknown option 'build.warmupp'; did you mean build.warmup?")


@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
def test_the_table_names_options_that_exist(old: str, new: str) -> None:
    options = set(option_names(plugins().registry))
    assert old not in options
    assert new in options
    assert f"'{new}'" in str(unknown_option(old, plugins().registry))
