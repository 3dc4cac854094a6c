"""`make .env`: print .env.example with a random secret after each empty name. Standard library only."""

import base64
import os
import secrets
import sys
from pathlib import Path


def filled(example: str) -> str:
    """`example` with secrets: hexadecimal, which needs no quoting in a URL; for FERNET_KEY what Fernet wants."""
    lines = []
    for line in example.splitlines():
        name, equals, value = line.partition("=")
        if equals and not value and not line.startswith("#"):
            fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
            line = f"{name}={fernet if name == 'FERNET_KEY' else secrets.token_hex(24)}"
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(filled((Path(__file__).resolve().parents[2] / ".env.example").read_text(encoding="utf-8")))
