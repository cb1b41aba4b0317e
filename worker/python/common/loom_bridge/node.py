"""The unit's node, as what Fabric calls `env` describes it."""


def enter(unit, env):
    """Lets `env` speak of the unit's node."""
    env.host = unit["host"]
    env.user = unit["user"]
    env.port = str(unit["port"] or 22)
    env.host_string = host_string(unit)
    env.hosts = [env.host_string]
    env.all_hosts = [env.host_string]
    if unit["bridge"] != "loom":
        _let_in(unit, env)


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
