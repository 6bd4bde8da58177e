"""Log-in services that speak OpenID Connect: the code flow with PKCE for people, signed tokens for CI.

OpenID Connect Core 1.0, Discovery 1.0; RFC 7636 (PKCE); RFC 7517 (keys), checked by
joserfc. What a service says is believed only with a signature of its own keys.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from muster.domain.errors import Unauthenticated, Unavailable
from muster.service.identities import Claims, Going

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_TIMEOUT_S: Final = 10.0
_KEPT_S: Final = 600.0
_LEEWAY_S: Final = 60


class Issuers:
    """What log-in services say of themselves, kept for ten minutes. Any thread may call."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Mapping[str, Any], KeySet]] = {}
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._http is not None:
                self._http.close()

    def of(self, issuer: str, *, fresh: bool = False) -> tuple[Mapping[str, Any], KeySet]:
        """Its description and its keys.

        Raises:
            Unavailable: it does not answer, or not as it must.
        """
        with self._lock:
            found = self._known.get(issuer)
        if found is not None and not fresh and time.monotonic() - found[0] < _KEPT_S:
            return found[1], found[2]
        about = self.asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer", "").rstrip("/") != issuer.rstrip("/"):
            raise Unavailable(f"the log-in service at {issuer} says that it is {about.get('issuer')!r}")
        try:
            keys = KeySet.import_key_set(self.asked("GET", about["jwks_uri"]))  # type: ignore[arg-type]
        except (JoseError, KeyError, ValueError) as error:
            raise Unavailable(f"the log-in service at {issuer} has no usable keys: {error}") from error
        with self._lock:
            self._known[issuer] = (time.monotonic(), about, keys)
        return about, keys

    def asked(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """A JSON object from there. Raises Unavailable and Unauthenticated."""
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
            client = self._http
        try:
            answer = client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise Unavailable(f"the log-in service does not answer: {error}") from error
        if answer.status_code in (400, 401, 403):
            raise Unauthenticated(f"the log-in service refused: {answer.text[:200]}")
        try:
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"the log-in service answered otherwise than it must: {error}") from error
        if not isinstance(found, dict):
            raise Unavailable("the log-in service answered otherwise than it must")
        return found

    def verified(self, token: str, issuer: str, audience: str, nonce: str | None = None) -> dict[str, Any]:
        """The claims of a token that `issuer` signed for `audience`, valid now.

        Raises:
            Unauthenticated: it is none such.
            Unavailable: the service does not say its keys.
        """
        wanted: dict[str, Any] = {
            "iss": {"essential": True, "values": [issuer, f"{issuer.rstrip('/')}/"]},
            "aud": {"essential": True, "value": audience},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }
        if nonce is not None:
            wanted["nonce"] = {"essential": True, "value": nonce}
        for fresh in (False, True):  # its keys may have been changed since
            _, keys = self.of(issuer, fresh=fresh)
            try:
                found = jwt.decode(token, keys, algorithms=_ALGORITHMS)
                jwt.JWTClaimsRegistry(leeway=_LEEWAY_S, **wanted).validate(found.claims)
            except (JoseError, ValueError) as error:
                if fresh:
                    raise Unauthenticated(f"the token is not good here: {error}") from error
            else:
                return dict(found.claims)
        raise AssertionError("the second turn gives or raises")


class Provider:
    """The log-in service of an organisation: the port `LogIn`."""

    def __init__(
        self,
        issuers: Issuers,
        issuer: str,
        client_id: str,
        secret: Callable[[], str],
        *,
        account: str,
        groups: str,
    ) -> None:
        """`account` and `groups` are the claims that say which account somebody gets, and their groups."""
        self._issuers = issuers
        self._issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._account = account
        self._groups = groups

    def go(self, back: str) -> Going:
        """Where to send somebody to log in, who comes back to the address `back`."""
        about, _ = self._issuers.of(self._issuer)
        state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
        url = prepare_grant_uri(
            about["authorization_endpoint"],
            self._client_id,
            "code",
            back,
            "openid profile email",
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Going(url, state, nonce, verifier, back)

    def came(self, going: Going, code: str) -> Claims:
        """Who came back with `code`. Raises Unauthenticated and Unavailable."""
        about, _ = self._issuers.of(self._issuer)
        answer = self._issuers.asked(
            "POST",
            about["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": going.back,
                "client_id": self._client_id,
                "code_verifier": going.verifier,
            },
            auth=(self._client_id, self._secret()),
        )
        said = self._issuers.verified(
            str(answer.get("id_token", "")), self._issuer, self._client_id, going.nonce
        )
        groups = said.get(self._groups)
        return Claims(
            issuer=self._issuer,
            subject=str(said["sub"]),
            account=str(said.get(self._account) or said["sub"]),
            groups=tuple(map(str, groups)) if isinstance(groups, list) else (),
            full_name=str(said.get("name", "")),
            email=str(said.get("email", "")),
        )
