"""What libraries import besides the public names."""

from fabric import state
from fabric.api import env, settings
from fabric.network import (denormalize, disconnect_all, join_host_strings, needs_host, normalize,
                            parse_host_string, to_dict)
from fabric.operations import (_prefix_commands, _prefix_env_vars, _run_command, _shell_escape,
                               _shell_wrap, _sudo_prefix)
from fabric.version import VERSION, get_version

from cases import result


def escapes(place):
    return [_shell_escape("a \"b\" $c `d` \\ 'e' !")]


def wraps(place):
    return [_shell_wrap("a \"b\" $c", True), _shell_wrap("a \"b\" $c", False),
            _shell_wrap("a \"b\"", True, False), _shell_wrap("a", True, True, "sudo "),
            _shell_wrap("a \"b\"", True, False, "sudo "), _shell_wrap("a \"b\"", None)]


def sudo_prefixes(place):
    return [_sudo_prefix(None), _sudo_prefix("me"), _sudo_prefix("12"), _sudo_prefix("me", "us"),
            _sudo_prefix(None, "7"), _sudo_prefix(12)]


def prefixes(place):
    with settings(cwd="/a b", lcwd="/l", command_prefixes=["x", "y"]):
        return [_prefix_commands("z", "remote"), _prefix_commands("z", "local")]


def variables(place):
    with settings(path="/p", shell_env={"A": "b c"}):
        return [_prefix_env_vars("z"), _prefix_env_vars("z", local=True)]


def runs(place):
    return [result(_run_command("echo hello")), result(_run_command("echo hello", sudo=True)),
            result(_run_command("echo x", pty=False, quiet=True))]


def hosts(place):
    return [normalize("u@h:1"), normalize("h"), normalize("u@h:1", omit_port=True),
            normalize("u@::1"), denormalize("root@h:22"), denormalize("u@h:1"),
            join_host_strings("u", "h", "1"), join_host_strings("u", "h"), join_host_strings("u", "::1", 5),
            sorted((k, v) for k, v in parse_host_string("u@h:1").items()),
            sorted((k, v) for k, v in parse_host_string("h").items()),
            sorted(to_dict("u@h:1").items()), normalize("u@[::1]:5")]


def needing(place):
    @needs_host
    def mine(x):
        """Its text."""
        return x + 1
    return [mine(1), mine.__name__, mine.__doc__]


def disconnecting(place):
    return disconnect_all()


def version(place):
    return [list(VERSION), get_version(), get_version("normal"), get_version("verbose"),
            get_version("all"), env.version]


def states(place):
    return [state.win32, state.default_port, dict(state.commands), type(state.output).__name__,
            type(state.env).__name__, callable(state.default_channel)]
