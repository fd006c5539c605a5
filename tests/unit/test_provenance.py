"""What made a golden: the server's software, and the CPU it ran on where that is this machine's."""

import platform

import pytest

from pytest_tfserving.golden.provenance import cpu_features, describe_run

CPUINFO = {
    "x86": "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma avx512f\nprocessor\t: 1\nflags\t\t: fpu\n",
    "Arm": "processor\t: 0\nFeatures\t: fp asimd sve bf16 i8mm\n",
    "neither": "processor\t: 0\n",
}


@pytest.fixture
def cpuinfo(monkeypatch):
    return lambda text: monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: text)


@pytest.mark.parametrize(
    ("text", "features"),
    [
        (CPUINFO["x86"], ["avx", "avx2", "fma", "avx512f"]),
        (CPUINFO["Arm"], ["asimd", "sve", "bf16", "i8mm"]),
        (CPUINFO["neither"], []),
    ],
    ids=CPUINFO,
)
def test_the_features_that_kernels_are_chosen_by_are_named(cpuinfo, text, features):
    cpuinfo(text)
    assert cpu_features() == features


def test_where_the_kernel_lists_none_there_are_none(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert cpu_features() == []


def test_a_server_here_has_this_machines_cpu(cpuinfo, monkeypatch):
    cpuinfo(CPUINFO["x86"])
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert describe_run({"backend": "embedded", "tensorflow": "2.21.0"}) == {
        "backend": "embedded",
        "tensorflow": "2.21.0",
        "cpu": f"{platform.machine()} avx avx2 fma avx512f",
    }


@pytest.mark.parametrize("value", ["0", "1"])
def test_a_switch_that_chooses_kernels_is_kept(monkeypatch, value):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    assert describe_run({"backend": "binary"})["TF_ENABLE_ONEDNN_OPTS"] == value


def test_of_a_server_elsewhere_nothing_is_claimed(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert describe_run({"backend": "remote"}) == {"backend": "remote"}
