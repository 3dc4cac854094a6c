from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack import bootstrap


def test_uv_gets_what_pip_is_configured_with() -> None:
    listed = (
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://a.example/simple\\nfile:///b/simple'\n"
        "install.find-links='/wheels /more'\n"
        ":env:.cert='/etc/ca.pem'\n"
        "global.proxy='http://proxy.example:3128'\n"
        "global.trusted-host='mirror.example'\n"
        "global.timeout='60'\n"
    )

    assert bootstrap.uv_settings(listed, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple file:///b/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "ALL_PROXY": "http://proxy.example:3128",
        "UV_INSECURE_HOST": "mirror.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_the_environment_says_of_uv_stays() -> None:
    listed = "global.index-url='https://mirror.example/simple'\nglobal.cert='/etc/ca.pem'"

    assert (
        bootstrap.uv_settings(listed, {"UV_DEFAULT_INDEX": "https://mine.example", "SSL_CERT_FILE": "/mine.pem"}) == {}
    )


def test_no_pip_configuration_means_no_settings() -> None:
    assert bootstrap.uv_settings("", {}) == {}


def test_old_python_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))

    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed; .* is 3\.10\. Name another: make PYTHON="):
        bootstrap.main()


def test_set_up_is_done_again_when_the_lock_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PROJECT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "requirements.txt").write_text("a==1")
    before = bootstrap.fingerprint()

    assert bootstrap.fingerprint() == before
    (tmp_path / "requirements.txt").write_text("a==2")
    assert bootstrap.fingerprint() != before


def test_failing_step_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "PROJECT", tmp_path)

    with pytest.raises(SystemExit, match="set-up failed at: false"):
        bootstrap.run("false")


def test_bootstrap_needs_nothing_but_the_standard_library() -> None:
    isolated = [sys.executable, "-I", "-S", str(Path(bootstrap.__file__)), "nonsense"]

    result = subprocess.run(isolated, check=False, capture_output=True, text=True)

    assert "KeyError: 'nonsense'" in result.stderr  # it got as far as reading its argument


LOCKS = ("requirements.txt", bootstrap.IMAGE_LOCK)


def locked(name: str) -> dict[str, str]:
    """Each requirement of a lock file, whole, by the package's name."""
    text = re.sub(r"^ *#.*\n", "", (bootstrap.PROJECT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return {re.split("[=;@ ]", line)[0]: " ".join(line.split()) for line in text.splitlines()}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_name_no_host_and_no_folder_and_each_package_by_version_and_hash(name: str) -> None:
    packages = locked(name)
    assert len(packages) > 100
    exact = re.compile(r"[a-z0-9._-]+==[^ ;]+( ; [^:]+?)?( --hash=sha256:[0-9a-f]{64})+")
    assert [line for line in packages.values() if not exact.fullmatch(line)] == []


def test_the_image_has_the_versions_that_are_tested() -> None:
    assert locked(bootstrap.IMAGE_LOCK).items() <= locked("requirements.txt").items()
