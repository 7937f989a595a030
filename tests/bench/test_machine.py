"""What a file of measurements says of the machine."""

from jaxmlp import machine as host
from jaxmlp.bench import machine


def test_the_processor_is_named(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: AMD EPYC: 9B14\nmodel name\t: other\n")
    monkeypatch.setattr(host, "CPUINFO", info)
    assert machine.machine()["processor"] == "AMD EPYC: 9B14"
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "none")
    assert host.processor()


def test_versions_are_of_what_is_installed():
    versions = machine.versions(["scikit-learn", "no-such-package"])
    assert {"jaxmlp", "python", "jax", "jaxlib", "numpy", "scikit-learn"} == versions.keys()
