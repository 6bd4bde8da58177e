"""Ed25519 keys (RFC 8032): the registry's own pair, and the public half as people pass it on.

A public key is written `ed25519:` and its 32 bytes in base64, or as PEM (RFC 8410).
The private key is a PEM file (PKCS 8, not encrypted) that only its owner may read.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from muster.domain.errors import Invalid, Unavailable

PREFIX: Final = "ed25519:"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that everybody may have."""

    key: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str, field: str = "key") -> Self:
        """The key that is written so: `ed25519:…`, or PEM. Raises Invalid."""
        try:
            if text.lstrip().startswith("-----BEGIN"):
                found = serialization.load_pem_public_key(text.encode())
            else:
                raw = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
                found = Ed25519PublicKey.from_public_bytes(raw)
        except (ValueError, binascii.Error):
            found = None
        if not isinstance(found, Ed25519PublicKey):
            rule = f"must be an Ed25519 public key: {PREFIX} and 32 bytes in base64, or PEM"
            raise Invalid.one(field, text[:60], rule)
        return cls(found)

    @classmethod
    def found(cls, given: str, field: str = "key") -> Self:
        """The key that is written so, or in the file of that name. Raises Invalid."""
        given = given.strip()
        if given.startswith((PREFIX, "-----BEGIN")):
            return cls.parse(given, field)
        try:
            return cls.parse(Path(given).read_text(), field)
        except (OSError, UnicodeDecodeError) as error:
            rule = f"must be an Ed25519 public key, or a file with one ({error})"
            raise Invalid.one(field, given[:60], rule) from error

    def valid(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's, of `content`."""
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return PREFIX + base64.b64encode(self.key.public_bytes_raw()).decode()

    @property
    def pem(self) -> str:
        """It as OpenSSL reads it."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(encoding, form).decode()


class KeyFile:
    """A registry's own pair of keys, made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def public(self) -> PublicKey:
        """What its signatures are checked with. Raises Unavailable."""
        return PublicKey(self._key().public_key())

    def sign(self, content: bytes) -> bytes:
        """Its signature of `content`: 64 bytes. Raises Unavailable."""
        return self._key().sign(content)

    def _key(self) -> Ed25519PrivateKey:
        try:
            try:
                pem = self._path.read_bytes()
            except FileNotFoundError:
                self._make()
                pem = self._path.read_bytes()
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read or made: {error.strerror}") from error
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Unavailable(f"{self._path} holds no Ed25519 private key in PEM, unencrypted; restore it")
        return key

    def _make(self) -> None:
        """Make the file, unless another process was faster: then its key is the one."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with NamedTemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}-") as file:  # mode 600
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(file.name, self._path)
            except FileExistsError:
                return
