"""Passwords that a task sets by itself. The node's own is known to the worker only."""

from fabric.state import env


def get_password(user, host, port, login_only=False):
    """The one for this account, or else the one for any."""
    key = _account(user, host, port)
    kinds = ["password"] if login_only else ["sudo_password", "password"]
    for kind in kinds:
        known = (env.get(kind + "s") or {}).get(key)
        if known:
            return known
    for kind in kinds:
        if env.get(kind):
            return env.get(kind)
    return None


def set_password(user, host, port, password):
    """For this account, and from now on for any."""
    if env.get("passwords") is None:
        env.passwords = {}
    env.password = env.passwords[_account(user, host, port)] = password


def _account(user, host, port):
    from fabric.network import join_host_strings
    return join_host_strings(user, host, port)
