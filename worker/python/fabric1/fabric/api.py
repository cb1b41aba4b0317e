"""What a fabfile imports."""

from fabric.context_managers import (  # noqa: F401
    cd, hide, lcd, path, prefix, quiet, remote_tunnel, settings, shell_env, show, warn_only)
from fabric.decorators import (  # noqa: F401
    hosts, parallel, roles, runs_once, serial, task, with_settings)
from fabric.operations import (  # noqa: F401
    get, local, open_shell, prompt, put, reboot, require, run, sudo)
from fabric.state import env, output  # noqa: F401
from fabric.tasks import execute  # noqa: F401
from fabric.utils import abort, fastprint, puts, warn  # noqa: F401
