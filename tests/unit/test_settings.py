"""Settings come from the closest source that names them, and nothing wrong is passed over."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from muster.domain.errors import Invalid
from muster.settings import Settings, described, load, operating_system_user, variable
from muster.settings.rules import is_loopback


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    return load(flags, environment=environment or {})


def objections(
    flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(Invalid) as refused:
        read(flags, environment)
    return refused.value.message


def test_the_closest_source_decides_and_is_named() -> None:
    Path("muster.toml").write_text('port = 1\nhost = "::1"\nlog_level = "error"\n')
    found = read({"port": 3}, {"MUSTER_PORT": "2", "MUSTER_HOST": "localhost"})
    assert (found.port, found.host, found.log_level, found.log_format) == (3, "localhost", "error", "auto")
    names = ("port", "host", "log_level", "log_format")
    assert [str(found.origins[name]) for name in names] == [
        "--port",
        "MUSTER_HOST",
        "log_level in muster.toml",
        "default",
    ]


def test_a_flag_that_was_not_given_decides_nothing() -> None:
    assert read({"port": None}, {"MUSTER_PORT": "2"}).port == 2


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    assert read(environment={"MUSTER_PORT": ""}).port == 5000


def test_the_file_that_muster_config_names_is_read_and_no_other() -> None:
    Path("muster.toml").write_text("port = 1\n")
    Path("other.toml").write_text("repack_every = 9\n")
    found = read(environment={"MUSTER_CONFIG": "other.toml"})
    assert (found.port, found.repack_every) == (5000, 9)


def test_the_file_in_the_home_is_read_where_the_folder_has_none() -> None:
    Path("registry").mkdir()
    Path("registry/muster.toml").write_text("port = 7\n")
    assert read().port == 7
    Path("muster.toml").write_text("")
    assert read().port == 5000


def test_every_setting_can_be_set_by_its_variable() -> None:
    values = {"home": "h", "url": "http://h:1", "actor": "ada", "host": "127.0.0.2", "port": "1"}
    values |= {"allowed_hosts": "a.example, b.example", "log_format": "json", "log_level": "debug"}
    values |= {name: "2" for name in described() if name.endswith("_s") or name == "repack_every"}
    values |= {name: "3 MiB" for name in described() if name.endswith("_bytes")}
    values |= {"venv": "server", "venv_keep_days": "7", "standby": "no", "crash_at": "deploy-ready:2"}
    values |= {"webhook_hosts": "hooks.internal:8080", "trusted_proxies": "10.0.0.1"}
    values |= {"token": "t", "access": "yes", "tls_cert": "c.pem", "tls_key": "k.pem"}
    values |= {
        "checkpoints": "kept.jsonl",
        "checkpoint_copies": "/mnt/worm/kept.jsonl, git@git.example:proof",
    }
    values |= {
        "mirror_url": "ssh://git@git.example/registry.git",
        "mirror_user": "ada",
        "mirror_password": "env:MIRROR_TOKEN",
    }
    values |= {"oidc_issuer": "https://log-in.example", "oidc_client_id": "m", "oidc_account": "sub"}
    values |= {"oidc_client_secret": "env:S", "oidc_groups": "roles", "oidc_audience": "m"}
    values |= {"oidc_makes_accounts": "no"}
    assert sorted(values) == sorted(described())
    found = read(environment={variable(name): value for name, value in values.items()})
    assert {origin.source for origin in found.origins.values()} == {"environment"}
    assert found.allowed_hosts == ("a.example", "b.example")
    assert found.checkpoint_copies == ("/mnt/worm/kept.jsonl", "git@git.example:proof")
    assert (found.home, found.reserve_bytes, found.standby) == (Path("h"), 3 * 1024 * 1024, False)


def test_every_problem_is_named_with_its_source_its_value_and_its_rule() -> None:
    Path("muster.toml").write_text("repack_every = 1\ncolour = 'red'\n")
    said = objections({"port": 70_000}, {"MUSTER_LOG_LEVEL": "loud", "MUSTER_STANDBY": "perhaps"})
    assert "--port: must be a whole number from 0 to 65,535, not 70000" in said
    assert "MUSTER_LOG_LEVEL: must be one of debug, info, warning, error, not 'loud'" in said
    assert "MUSTER_STANDBY: must be true or false, not 'perhaps'" in said
    assert "repack_every in muster.toml: must be a whole number from 2" in said
    assert "colour in muster.toml: is not a setting" in said


def test_a_bad_value_is_refused_even_where_a_closer_source_decides() -> None:
    assert "MUSTER_PORT" in objections({"port": 1}, {"MUSTER_PORT": "x"})


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant() -> None:
    assert "MUSTER_PROT: is not a setting; perhaps port" in objections(environment={"MUSTER_PROT": "1"})


def test_what_kubernetes_puts_there_for_a_service_of_our_name_is_left_alone() -> None:
    found = read(
        environment={
            "MUSTER_PORT": "tcp://10.0.0.1:5000",
            "MUSTER_PORT_5000_TCP_ADDR": "10.0.0.1",
            "MUSTER_SERVICE_HOST": "10.0.0.1",
            "MUSTER_SERVICE_PORT": "5000",
        }
    )
    assert found.port == 5000


@pytest.mark.parametrize("host", ["a b", "http://h", "h/x", ""])
def test_what_is_no_address_of_a_machine_is_refused(host: str) -> None:
    assert "--host" in objections({"host": host}) if host else read({"host": "::1"}).host == "::1"


@pytest.mark.parametrize(
    ("host", "ours"), [("127.0.0.2", True), ("localhost", True), ("0.0.0.0", False), ("h.example", False)]
)
def test_what_only_this_machine_reaches_is_known(host: str, ours: bool) -> None:
    assert is_loopback(read({"host": host}).host) is ours


def test_https_takes_certificate_and_key() -> None:
    assert "goes with tls_cert" in objections({"tls_cert": "cert.pem"})
    assert read({"tls_cert": "cert.pem", "tls_key": "key.pem"}).tls_key == Path("key.pem")


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "ftp://h", "http://ada:secret@h", "http://h/?q"])
def test_what_is_no_servers_address_is_refused(url: str) -> None:
    assert "--server: must be the address of a server" in objections({"url": url})


def test_amounts_of_bytes_take_units() -> None:
    assert read({"reserve_bytes": "2 GiB"}).reserve_bytes == 2 * 1024**3
    assert read({"reserve_bytes": "5"}).reserve_bytes == 5
    assert "number of bytes" in objections({"reserve_bytes": "2 GB"})


def test_the_limit_of_a_body_never_goes_below_what_the_api_promises() -> None:
    assert "at least 1,048,576" in objections({"max_body_bytes": "1000"})


def test_a_file_that_is_no_toml_is_named() -> None:
    Path("muster.toml").write_text("port = = 1\n")
    assert "muster.toml: must be TOML" in objections()


def test_a_file_that_is_not_there_is_named() -> None:
    assert "no.toml" in objections(environment={"MUSTER_CONFIG": "no.toml"})


def test_without_a_name_the_actor_is_the_operating_systems_user() -> None:
    found = read()
    assert found.actor == operating_system_user()
    assert str(found.origins["actor"]) == "the operating system's user"


def test_the_environment_is_kept_for_those_who_pass_it_on() -> None:
    assert read(environment={"LANG": "C"}).surroundings == {"LANG": "C"}


def test_every_setting_says_what_it_is() -> None:
    assert all(about.text for about in described().values())


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/registry.git",
        "ssh://git@git.example.com:2222/registry.git",
        "git@git.example.com:registry.git",
        "file:///mnt/mirror.git",
        "/mnt/mirror.git",
    ],
)
def test_a_mirror_is_an_address_or_an_absolute_path(url: str) -> None:
    assert read({"mirror_url": url}).mirror_url == url


@pytest.mark.parametrize("url", ["ext::sh -c evil", "--upload-pack=evil", "mirror.git", "https://a b"])
def test_what_git_would_run_or_misread_is_no_mirror(url: str) -> None:
    assert "must be https://" in objections({"mirror_url": url})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mirror_url", "https://ada:hunter2@git.example.com/registry.git"),
        ("mirror_url", "https://hunter2@git.example.com/registry.git"),
        ("mirror_url", "ssh://git:hunter2@git.example.com/registry.git"),
        ("mirror_password", "hunter2"),
    ],
)
def test_a_secret_where_a_reference_belongs_is_refused_and_not_repeated(name: str, value: str) -> None:
    said = objections({name: value})
    assert name in said
    assert "hunter2" not in said
