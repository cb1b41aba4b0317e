"""What Fabric's functions are told by way of globals: `env`, and what of them is shown (`output`)."""

import os

from fabric.network import HostConnectionCache
from fabric.utils import _AliasDict, _AttributeDict
from fabric.version import get_version

win32 = False
default_port = "22"
# In whose place the worker has sudo of its own.
SUDO_PREFIX = "sudo -S -p '%(sudo_prompt)s' "
default_ssh_config_path = os.path.join(os.path.expanduser("~"), ".ssh", "config")


def _rc_path():
    return os.path.join(os.path.expanduser("~"), ".fabricrc")


def _get_system_username():
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    import pwd
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None


# The node's are filled in by the bridge, before the user's modules are imported and after it.
env = _AttributeDict(
    abort_exception=None,
    abort_on_prompts=False,
    again_prompt="Sorry, try again.",
    all_hosts=[],
    always_use_pty=True,
    auth_timeout=30,
    banner_timeout=15,
    colorize_errors=False,
    combine_stderr=True,
    command=None,
    command_prefixes=[],
    command_timeout=None,
    connection_attempts=1,
    cwd="",
    dedupe_hosts=True,
    default_port=default_port,
    disable_known_hosts=False,
    eagerly_disconnect=False,
    echo_stdin=True,
    effective_roles=[],
    exclude_hosts=[],
    fabfile="fabfile",
    forward_agent=False,
    gateway=None,
    gss_auth=None,
    gss_deleg=None,
    gss_kex=None,
    hide=("NO", "DEFAULT"),
    host=None,
    host_string=None,
    hosts=[],
    keepalive=0,
    key_filename=None,
    lcwd="",
    linewise=False,
    local_user=_get_system_username(),
    no_agent=False,
    no_keys=False,
    ok_ret_codes=[0],
    output_prefix=True,
    parallel=False,
    password=None,
    passwords={},
    path="",
    path_behavior="append",
    pool_size=0,
    port=default_port,
    prompts={},
    rcfile=_rc_path(),
    real_fabfile=None,
    reject_unknown_hosts=False,
    remote_interrupt=None,
    roledefs={},
    roles=[],
    shell="/bin/bash -l -c",
    shell_env={},
    show=("NO", "DEFAULT"),
    skip_bad_hosts=False,
    skip_unknown_tasks=False,
    ssh_config_path=default_ssh_config_path,
    sudo_password=None,
    sudo_passwords={},
    sudo_prefix=SUDO_PREFIX,
    sudo_prompt="sudo password:",
    sudo_user=None,
    system_known_hosts=None,
    tasks=[],
    timeout=10,
    use_exceptions_for={"network": False},
    use_shell=True,
    use_ssh_config=False,
    user=_get_system_username(),
    version=get_version("short"),
    warn_only=False,
)

# The tasks of a fabfile, for those who ask; nobody enters any.
commands = {}

connections = HostConnectionCache()

output = _AliasDict(
    {
        "status": True,
        "aborts": True,
        "warnings": True,
        "running": True,
        "stdout": True,
        "stderr": True,
        "exceptions": False,
        "debug": False,
        "user": True,
    },
    aliases={
        "everything": ["warnings", "running", "user", "output", "exceptions"],
        "output": ["stdout", "stderr"],
        "commands": ["stdout", "running"],
    },
)


def default_channel():
    """There is no ssh channel that could be had: the worker has the connection."""
    from fabric import _node
    raise _node.NotPossible("a channel of one's own", "use run(), sudo(), put() or get()")


_open_session = default_channel
