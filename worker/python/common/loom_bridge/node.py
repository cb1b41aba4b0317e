"""The unit's node and its task, as what Fabric calls `env` describes them."""

import os


def enter(unit, env):
    """Lets `env` speak of the unit's node."""
    env.host = unit["host"]
    env.user = unit["user"]
    env.port = str(unit["port"] or 22)
    env.host_string = host_string(unit)
    env.hosts = [env.host_string]
    env.all_hosts = [env.host_string]
    fabfile = _fabfile(unit)
    if fabfile:
        env.fabfile = env.real_fabfile = fabfile
    if unit["bridge"] != "loom":
        _let_in(unit, env)


def begin(unit, env):
    """What `fab` says while a task runs, and not before."""
    env.command = unit["task"].rpartition(".")[2]
    env.tasks = [env.command]


def _fabfile(unit):
    """As `fab` names the one it loads: the module's file, or the directory of a package."""
    name = unit["task"].partition(".")[0]
    for directory in unit["path"]:
        package = os.path.join(directory, name)
        if os.path.isfile(os.path.join(package, "__init__.py")):
            return package
        if os.path.isfile(package + ".py"):
            return package + ".py"
    return None


def host_string(unit):
    """`user@address`, as in the original, and with the port if the node has one of its own."""
    text = "%s@%s" % (unit["user"], unit["host"])
    return "%s:%d" % (text, unit["port"]) if unit["port"] else text


def _let_in(unit, env):
    """What fab-classic needs to log in by itself; nobody is there to be asked."""
    env.abort_on_prompts = True
    if unit["identity"]:
        env.key_filename = unit["identity"]
    if unit["password"]:
        env.password = unit["password"]
