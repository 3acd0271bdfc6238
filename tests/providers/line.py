"""A line to a server that a test can encrypt, listen to and cut: a TCP proxy on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
STATEMENT = b"\0ALTER ROLE"
"""Sets a password. Where that is only tried, it is sent alone, and begins otherwise."""
_COMMITTED = b"Z\0\0\0\5I"


@dataclass
class Line:
    """`cut_on`: as soon as the client sends this, the line is cut, before or after the server gets it. `once`: the
    next one holds.
    """

    port: int
    tls: ssl.SSLContext | None = None
    cut_on: bytes = b""
    deliver_before_cut: bool = True
    once: bool = False
    connections: int = 0
    sent: bytearray = field(default_factory=bytearray)
    """What clients sent, decrypted."""


@contextlib.asynccontextmanager
async def line_to(
    port: int, *, tls: ssl.SSLContext | None = None, directory: Path | None = None
) -> AsyncIterator[Line]:
    """Listen on 127.0.0.1 and forward to a server's port there, decrypting for it if asked to.

    `directory`: listen on a socket in it instead, where a client looks for a server of that port.
    """
    line = Line(0, tls)
    tasks: set[asyncio.Task[None]] = set()
    near: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line.connections += 1
        try:
            if line.tls:
                await _accept_tls(reader, writer, line.tls)
            await _forward(line, reader, writer, port)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the client went away, or was sent away
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near.append(writer)
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    if directory is not None:
        server = await asyncio.start_unix_server(accept, directory / f".s.PGSQL.{port}")
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in near:  # a task that was cancelled before it began closes nothing
            writer.transport.abort()
        await asyncio.sleep(0)  # transports close in the loop's next round


async def _accept_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext) -> None:
    if await reader.readexactly(8) != SSL_REQUEST:
        raise ConnectionError("the client did not ask for TLS")
    writer.write(b"S")
    await writer.start_tls(tls)


async def _forward(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    back = asyncio.ensure_future(_back(far_reader, writer))
    try:
        while data := await reader.read(65536):
            line.sent += data
            if not line.cut_on or line.cut_on not in line.sent:
                far_writer.write(data)
                continue
            if line.once:
                line.cut_on = b""
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            if line.deliver_before_cut:
                far_writer.write(data)
                rest = asyncio.ensure_future(_rest(reader, far_writer))
                while _COMMITTED not in await far_reader.read(65536):
                    pass  # the server hasn't done it yet
                rest.cancel()
            return
    finally:
        far_writer.transport.abort()
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)


async def _rest(reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        far_writer.write(data)


async def _back(far_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await far_reader.read(65536):
        writer.write(data)
    writer.close()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    certificate: str
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def create(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Keyturn tests")])
        built = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        return cls(_pem(built.sign(key, hashes.SHA256())), key, name)

    def server_context(self, directory: Path, host: str) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate for `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        built = _builder(subject, self.name, key).add_extension(x509.SubjectAlternativeName([alternative]), False)
        file = directory / f"{host}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_text(_pem(built.sign(self.key, hashes.SHA256())) + private.decode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
