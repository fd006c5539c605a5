"""The option table: where a value may come from, which one wins, and what it must be."""

import pytest

from pytest_tfserving.errors import SpecError
from pytest_tfserving.options import BACKENDS, DEFAULT_IMAGE, OPTIONS, Settings

each_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
SINGLE = [option for option in OPTIONS if not option.repeatable]
REPEATABLE = [option for option in OPTIONS if option.repeatable]

# A value of each option, as text, and what it is read as.
VALUES = {
    "backend": [("docker", "docker"), ("binary", "binary"), ("embedded", "embedded")],
    "transport": [("rest", "rest"), ("grpc", "grpc"), ("both", "both")],
    "update": [("new", "new"), ("changed", "changed"), ("all", "all")],
    "update_in_ci": [("true", True), ("0", False), ("ON", True)],
    "remove_unused": [("1", True), ("no", False), ("yes", True)],
    "max_examples": [("1", 1), ("25", 25), ("100000", 100_000)],
    "seed": [("0", 0), ("-3", -3), ("12345678901234567890", 12345678901234567890)],
    "startup_timeout": [("1", 1.0), ("2.5", 2.5), ("1e3", 1000.0)],
    "reuse": [("120", 120.0), ("on", 600.0), ("2.5", 2.5)],
    "request_timeout": [("1", 1.0), ("2.5", 2.5), ("1e3", 1000.0)],
}


def values_of(option):
    return VALUES.get(option.name, [("first", "first"), ("second", "second"), ("third", "third")])


def resolve(flags=None, ini=None, environment=None):
    """Settings from what was given: flags and ini values by option name, variables by their own."""
    flags, ini = flags or {}, ini or {}
    return Settings.resolve(lambda o: flags.get(o.name), lambda o: ini.get(o.name), environment or {})


class TestNames:
    @pytest.mark.parametrize("name", ["name", "flag", "ini", "env"])
    def test_no_two_options_share_a_name(self, name):
        names = [getattr(option, name) for option in OPTIONS]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize(
        ("name", "flag", "ini", "env"),
        [
            ("backend", "--tfserving-backend", "tfserving_backend", "TFSERVING_BACKEND"),
            ("rest_url", "--tfserving-rest-url", "tfserving_rest_url", "TFSERVING_REST_URL"),
            ("server_arg", "--tfserving-server-arg", "tfserving_server_args", "TFSERVING_SERVER_ARGS"),
        ],
    )
    def test_one_name_gives_flag_ini_key_and_variable(self, name, flag, ini, env):
        (option,) = [option for option in OPTIONS if option.name == name]
        assert (option.flag, option.ini, option.env) == (flag, ini, env)

    @each_option
    def test_every_option_says_what_it_is_for(self, option):
        assert option.help
        assert bool(option.choices) != bool(option.metavar) or option.convert is not str

    @each_option
    def test_a_bare_flag_and_a_default_are_values_that_may_be_given(self, option):
        for value in (option.when_bare, option.default):
            assert value is None or option.read(str(value), "itself") == value


class TestPrecedence:
    def test_without_anything_given_the_defaults_hold(self):
        assert resolve() == Settings(
            backend="auto",
            image=DEFAULT_IMAGE,
            binary=None,
            rest_url=None,
            grpc_target=None,
            model=(),
            transport="both",
            update=None,
            update_in_ci=False,
            remove_unused=False,
            report=None,
            json=None,
            max_examples=None,
            seed=None,
            startup_timeout=60.0,
            reuse=None,
            request_timeout=30.0,
            server_arg=(),
        )

    @pytest.mark.parametrize("word", ["0", "off", "false", "No"])
    def test_what_an_ini_file_switched_on_a_flag_switches_off(self, word):
        assert resolve(flags={"reuse": word}, ini={"reuse": "on"}).reuse is None

    def test_the_image_is_pinned(self):
        assert not DEFAULT_IMAGE.endswith((":latest", "/serving"))

    @pytest.mark.parametrize("option", SINGLE, ids=lambda option: option.name)
    def test_flag_before_variable_before_ini_before_default(self, option):
        (flag, from_flag), (variable, from_variable), (ini, from_ini) = values_of(option)
        given = {"flags": {option.name: flag}, "environment": {option.env: variable}, "ini": {option.name: ini}}
        for source, value in (("flags", from_flag), ("environment", from_variable), ("ini", from_ini)):
            assert getattr(resolve(**given), option.name) == value
            del given[source]
        assert getattr(resolve(), option.name) == option.default

    @pytest.mark.parametrize("option", REPEATABLE, ids=lambda option: option.name)
    def test_a_repeatable_option_takes_all_of_the_first_source_that_has_any(self, option):
        given = {
            "flags": {option.name: ["a b", "c"]},
            "environment": {option.env: "d  e"},
            "ini": {option.name: ["f", "g h"]},
        }
        for source, value in (("flags", ("a b", "c")), ("environment", ("d", "e")), ("ini", ("f", "g h"))):
            assert getattr(resolve(**given), option.name) == value
            del given[source]
        assert getattr(resolve(), option.name) == ()

    @each_option
    def test_an_empty_variable_is_none(self, option):
        (text, value), *_ = values_of(option)
        if option.repeatable:
            text, value = [text], (value,)
        assert getattr(resolve(ini={option.name: text}, environment={option.env: ""}), option.name) == value

    @each_option
    def test_the_other_options_are_not_touched(self, option):
        (text, _), *_ = values_of(option)
        changed = resolve(flags={option.name: [text] if option.repeatable else text})
        defaults = resolve()
        for other in OPTIONS:
            if other is not option:
                assert getattr(changed, other.name) == getattr(defaults, other.name)

    def test_the_environment_is_the_process_own_unless_another_is_given(self, monkeypatch):
        monkeypatch.setenv("TFSERVING_BACKEND", "remote")
        assert Settings.resolve(lambda _: None, lambda _: None).backend == "remote"


class TestBadValues:
    @pytest.mark.parametrize(
        ("source", "given"),
        [
            ("--tfserving-backend", {"flags": {"backend": "dokcer"}}),
            ("TFSERVING_BACKEND", {"environment": {"TFSERVING_BACKEND": "dokcer"}}),
            ("tfserving_backend", {"ini": {"backend": "dokcer"}}),
        ],
    )
    def test_a_value_that_is_no_choice_names_where_it_stood_and_the_choices(self, source, given):
        with pytest.raises(SpecError) as caught:
            resolve(**given)
        assert str(caught.value) == f"{source}: 'dokcer' is none of {', '.join(BACKENDS)}"

    @pytest.mark.parametrize(
        ("name", "text", "expects"),
        [
            ("max_examples", "0", "number of requests"),
            ("max_examples", "some", "number of requests"),
            ("max_examples", "2.5", "number of requests"),
            ("seed", "random", "whole number"),
        ],
    )
    def test_a_count_and_a_seed_are_whole_numbers(self, name, text, expects):
        with pytest.raises(SpecError) as caught:
            resolve(flags={name: text})
        assert str(caught.value) == f"--tfserving-{name.replace('_', '-')}: {text!r} is no {expects}"

    @pytest.mark.parametrize("text", ["soon", "", "-1", "0", "nan", "inf", "1s"])
    @pytest.mark.parametrize("name", ["startup_timeout", "request_timeout"])
    def test_a_time_is_a_number_of_seconds_that_end(self, name, text):
        with pytest.raises(SpecError) as caught:
            resolve(flags={name: text})
        assert str(caught.value) == f"--tfserving-{name.replace('_', '-')}: {text!r} is no number of seconds"

    def test_the_bad_value_of_a_source_that_loses_is_not_looked_at(self):
        assert resolve(flags={"backend": "docker"}, ini={"backend": "dokcer"}).backend == "docker"


class TestTransports:
    @pytest.mark.parametrize(
        ("flags", "transports"),
        [
            ({}, ("rest", "grpc")),
            ({"transport": "rest"}, ("rest",)),
            ({"transport": "grpc"}, ("grpc",)),
            ({"rest_url": "http://h"}, ("rest",)),
            ({"grpc_target": "h:1"}, ("grpc",)),
            ({"rest_url": "http://h", "grpc_target": "h:1"}, ("rest", "grpc")),
            ({"rest_url": "http://h", "grpc_target": "h:1", "transport": "grpc"}, ("grpc",)),
            ({"backend": "remote", "rest_url": "http://h"}, ("rest",)),
            ({"backend": "embedded", "rest_url": "http://h"}, ("rest", "grpc")),
            ({"backend": "remote", "rest_url": "http://h", "transport": "grpc"}, ("grpc",)),
        ],
        ids=str,
    )
    def test_of_a_remote_server_only_those_whose_address_is_known(self, flags, transports):
        assert resolve(flags).transports == transports


class TestCandidate:
    @pytest.mark.parametrize(
        ("given", "name", "candidate"),
        [
            ([], "mnist", (None, False)),
            (["exports/new"], "mnist", ("exports/new", True)),
            (["mnist=exports/new"], "mnist", ("exports/new", False)),
            (["mnist=exports/new"], "other", (None, False)),
            (["mnist=exports/new", "exports/any"], "mnist", ("exports/new", False)),
            (["exports/any", "mnist=exports/new"], "mnist", ("exports/new", False)),
            (["exports/any", "mnist=exports/new"], "other", ("exports/any", True)),
            (["exports/one", "exports/two"], "mnist", ("exports/two", True)),
            (["mnist=exports/one", "mnist=exports/two"], "mnist", ("exports/two", False)),
            (["mnist=exports/a=b"], "mnist", ("exports/a=b", False)),
        ],
        ids=str,
    )
    def test_named_before_bare_and_the_last_of_each(self, given, name, candidate):
        assert resolve(flags={"model": given}).candidate(name) == candidate
