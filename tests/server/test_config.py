"""Flags, model config files and version folders, without a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_tfserving.errors import Code
from pytest_tfserving.server import config, versions
from pytest_tfserving.server.failure import ServingError
from pytest_tfserving.server.flags import Flags, UsageError, parse
from pytest_tfserving.wire import serving_pb2 as serving

Policy = serving.FileSystemStoragePathSourceConfig.ServableVersionPolicy


def test_flags() -> None:
    assert parse([]) == Flags()
    flags = parse(["--port=1", "--rest_api_timeout_in_ms=-5", "--rest_api_enable_cors_support", "--port=2"])
    assert (flags.port, flags.rest_api_timeout_in_ms, flags.rest_api_enable_cors_support) == (2, -5, True)
    assert parse(["--rest_api_enable_cors_support=FALSE"]).rest_api_enable_cors_support is False
    assert parse(["--model_base_path=/a=b"]).model_base_path == "/a=b"
    assert parse(["--enable_batching", "--ssl_config_file=x"]).without_effect == (
        "--enable_batching",
        "--ssl_config_file",
    )


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--prot=8500", "unknown flag: --prot=8500; did you mean --port?"),
        ("--zzz", "unknown flag: --zzz; --help lists the flags"),
        ("-port=1", "unknown argument: -port=1; flags are written --name=value"),
        ("models", "unknown argument: models; flags are written --name=value"),
        ("--port", "--port: a value was expected, as in --port=..."),
        ("--port=1.0", "--port=1.0: a whole number was expected"),
        ("--port=", "--port=: a whole number was expected"),
        ("--enable_batching=1", "--enable_batching=1: true or false was expected"),
        ("--per_process_gpu_memory_fraction=x", "--per_process_gpu_memory_fraction=x: a number was expected"),
    ],
)
def test_flags_that_are_refused(argument: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([argument])
    assert str(caught.value) == reason


def test_one_model_by_flags() -> None:
    found = config.models_of(Flags(model_name="m", model_base_path="/a"))
    assert found == [serving.ModelConfig(name="m", base_path="/a", model_platform="tensorflow")]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (Flags(), "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (Flags(model_base_path="a"), "Expected model default to have an absolute path or URI; got base_path()=a"),
        (Flags(model_config_file="/no/such"), "/no/such; No such file or directory"),
    ],
)
def test_flags_that_name_no_model(flags: Flags, reason: str) -> None:
    with pytest.raises(ServingError) as caught:
        config.models_of(flags)
    assert caught.value.message == reason


A = 'config { name: "a" base_path: "/a" model_platform: "tensorflow" }'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "; Invalid argument"),
        ("model_config_list { confg {} }", "Invalid protobuf file: "),
        (
            'model_config_list { config { name: "a" base_path: "/a" } }',
            "Illegal setting neither ModelServerConfig::model_",
        ),
        ("model_config_list { config { name: 'a' } }", "Expected model a to have an absolute path or URI"),
        (
            "model_config_list { config { name: 'a' base_path: '/a' model_platform: 'torch' } }",
            "Model a requests unsupported platform torch",
        ),
        (f"model_config_list {{ {A} {A} }}", "Illegal to list model a multiple times in config list"),
    ],
)
def test_config_files_that_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(ServingError) as caught:
        config.models_of(Flags(model_config_file=str(file)))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("names", "policy", "chosen"),
    [
        (["1", "2", "10"], Policy(), ["10"]),
        (["1", "2", "10"], Policy(latest=Policy.Latest(num_versions=2)), ["10", "2"]),
        (["1", "2", "10"], Policy(all=Policy.All()), ["10", "2", "1"]),
        (["1", "2", "10"], Policy(specific=Policy.Specific(versions=[2, 3])), ["2"]),
        (["-1", "+5", " 4", "003"], Policy(all=Policy.All()), ["+5", " 4", "003", "-1"]),
        (["1", "01", "001"], Policy(all=Policy.All()), ["1"]),
        (["0", "a", "1.0", "0x10", "7_1", "1a", "9" * 19, "²"], Policy(all=Policy.All()), ["0"]),
    ],
)
def test_versions(tmp_path: Path, names: list[str], policy: Policy, chosen: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    found = versions.aspired(serving.ModelConfig(name="m", base_path=str(tmp_path), model_version_policy=policy))
    assert [folder.name for folder in found.values()] == chosen


@pytest.mark.parametrize("policy", [Policy(), Policy(specific=Policy.Specific(versions=[7])), Policy(specific={})])
def test_no_version_to_serve(tmp_path: Path, policy: Policy) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(ServingError, match="No versions of servable m found under base path"):
        versions.aspired(serving.ModelConfig(name="m", base_path=str(tmp_path), model_version_policy=policy))


def test_version_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="does not appear to contain a SavedModel bundle"):
        versions.check_export("name: m version: 1", tmp_path)
    (tmp_path / "export.meta").touch()
    with pytest.raises(ServingError, match="UNIMPLEMENTED: Session Bundle is deprecated and removed"):
        versions.check_export("name: m version: 1", tmp_path)
    with pytest.raises(ServingError, match=r"servable \{name: m version: 1\}: .*/export.meta; Not a directory"):
        versions.check_export("name: m version: 1", tmp_path / "export.meta")
