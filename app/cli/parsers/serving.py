"""What can be typed about the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.parsers.words import command

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

DEFAULT_ADDRESS = "127.0.0.1:8420"
_HELP = """\
Programs log in with what keyturn identities create prints. An address that
other machines can reach needs --public, and TLS; without TLS, behind a proxy
that has it, --without-tls as well. SIGTERM finishes what runs."""
_EXAMPLE = """\
serve --with-scheduler
serve --address 0.0.0.0:8443 --public --tls-cert api.pem \\
    --tls-key api.key"""


def add(commands: Subparsers) -> None:
    about = "answer for rotations, connections and secrets over HTTP"
    serve = command(commands, "serve", about, handler="serve:run", example=_EXAMPLE, epilog=_HELP)
    serve.add_argument(
        "--address", metavar="HOST:PORT", default=DEFAULT_ADDRESS, help=f"where to listen ({DEFAULT_ADDRESS})"
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="the certificate and those above it (PEM)")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key (PEM, without a password)")
    serve.add_argument("--public", action="store_true", help="let other machines reach it")
    serve.add_argument("--without-tls", action="store_true", help="with --public: although nothing is encrypted")
    serve.add_argument("--with-scheduler", action="store_true", help="rotate what is due, too, in the same process")
