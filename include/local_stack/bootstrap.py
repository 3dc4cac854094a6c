"""Make the virtual environment, or bring it up to date. Run by the system's Python: standard library only.

    python3 include/local_stack/bootstrap.py setup   # .venv with everything in requirements.txt, and the project itself
    python3 include/local_stack/bootstrap.py lock    # the lock files, anew, from pyproject.toml

It is written so that an older Python can read it, to be told that it is too old.
"""

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
PROJECT = Path(__file__).resolve().parent.parent.parent
VENV = PROJECT / ".venv"
VENV_PYTHON = str(VENV / "bin" / "python")
STAMP = VENV / "installed-from"
STEPS = ("virtual environment", "uv", "packages of requirements.txt, with byte-code (a minute or two)", "the project")
UV = "uv>=0.9,<1"
IMAGE_LOCK = "include/requirements-image.txt"  # what the Dockerfile installs
IMAGE_EXTRAS = ("build", "celery", "keycloak", "simulator", "metrics")
# pip's settings that say where packages come from, and uv's names for them.
UV_NAME_OF_PIP_SETTING = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def fingerprint() -> str:
    """What the environment depends on: two files, this Python, and where the project lies (the install is editable)."""
    digest = hashlib.sha256(f"{PROJECT}\n{sys.version}\n{sys.base_prefix}".encode())
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((PROJECT / name).read_bytes())
    return digest.hexdigest()


def uv_settings(pip_config_list: str, environment: "os._Environ[str] | dict[str, str]") -> "dict[str, str]":
    """Environment variables that make uv use the index, certificate and proxy that pip is configured to use.

    `pip_config_list` is what `pip config list` prints. What the environment says already stays.
    """
    settings = {}
    for line in pip_config_list.splitlines():
        key, _, value = line.partition("=")
        name = UV_NAME_OF_PIP_SETTING.get(key.rpartition(".")[2])
        if name and value and name not in environment:
            # pip separates several values by any white space, uv by one space (find-links: by a comma).
            separator = "," if name == "UV_FIND_LINKS" else " "
            settings[name] = separator.join(ast.literal_eval(value).split())
    if "UV_DEFAULT_INDEX" in settings or "UV_INDEX" in settings:
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: all indexes are equal
    return settings


def run(*command: str, settings: "dict[str, str] | None" = None) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # the byte-code is wanted
    environment.update(settings or {})
    result = subprocess.run(command, check=False, cwd=str(PROJECT), env=environment, stdin=subprocess.DEVNULL)
    if result.returncode:
        sys.exit("\nset-up failed at: {}\n(what it printed stands above)".format(" ".join(command)))


def make_virtual_environment() -> None:
    """`.venv` of this Python with pip in it; made anew where it has another Python, or one that no longer runs."""
    try:
        probe = [VENV_PYTHON, "-c", "import pip, sys; print(sys.version)"]
        version = subprocess.run(probe, check=False, capture_output=True, text=True).stdout.strip()
    except OSError:
        version = ""
    if version != sys.version:
        shutil.rmtree(str(VENV), ignore_errors=True)
        command = [sys.executable, "-m", "venv", str(VENV)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            shutil.rmtree(str(VENV), ignore_errors=True)
            sys.exit("{} failed:\n{}{}".format(" ".join(command), result.stdout, result.stderr))


def uv_environment() -> "dict[str, str]":
    command = [VENV_PYTHON, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=False, cwd=str(PROJECT), capture_output=True, text=True).stdout
    return uv_settings(listed, os.environ)


def install_uv() -> None:
    run(VENV_PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", UV)


def setup() -> None:
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return
    began = time.monotonic()

    def announce(number: int) -> None:
        print(f"[{number}/{len(STEPS)}] {STEPS[number - 1]}", flush=True)

    quiet = [] if sys.stderr.isatty() else ["--quiet"]  # a terminal gets uv's progress bars
    install = [VENV_PYTHON, "-m", "uv", "pip", "install", *quiet, "--python", VENV_PYTHON, "--compile-bytecode"]
    announce(1)
    make_virtual_environment()
    if STAMP.exists():
        STAMP.unlink()
    announce(2)
    install_uv()
    announce(3)
    settings = uv_environment()
    run(*install, "--require-hashes", "-r", "requirements.txt", settings=settings)
    announce(4)
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ".", settings=settings)  # built by what is locked
    STAMP.write_text(fingerprint())
    print(f"set-up done in {time.monotonic() - began:.0f} s", flush=True)


def lock() -> None:
    make_virtual_environment()
    install_uv()
    settings = uv_environment()
    command = [VENV_PYTHON, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--custom-compile-command", "make lock", "pyproject.toml"]
    run(*command, "--upgrade", *extras("local", "dev"), "-o", "requirements.txt", settings=settings)
    versions = ["--constraint", "requirements.txt", *extras(*IMAGE_EXTRAS)]
    run(*command, "--upgrade", *versions, "-o", IMAGE_LOCK, settings=settings)


def extras(*names: str) -> "list[str]":
    return [argument for name in names for argument in ("--extra", name)]


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            "Python {}.{} or newer is needed; {} is {}.{}. Name another: make PYTHON=/path/to/python3.11 ...".format(
                *OLDEST_PYTHON, sys.executable, *sys.version_info[:2]
            )
        )
    with (PROJECT / "pyproject.toml").open("r+") as only_one:  # two at once would spoil each other's work
        try:
            fcntl.flock(only_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is running here; waiting for it", flush=True)
            fcntl.flock(only_one, fcntl.LOCK_EX)
        {"setup": setup, "lock": lock}[sys.argv[1]]()


if __name__ == "__main__":
    main()
