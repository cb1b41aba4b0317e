"""Context managers: what they change, how they nest, and that all is as before after them."""

from fabric.api import (cd, env, hide, lcd, local, output, path, prefix, quiet, run, settings,
                        shell_env, show, sudo, warn_only)
from fabric.context_managers import char_buffered
from fabric.state import connections

from cases import result


def _keys(*names):
    return [env.get(name) for name in names]


def cd_absolute(place):
    with cd("/usr"):
        return result(run("pwd"))


def cd_nested(place):
    with cd("/usr"):
        with cd("lib"):
            with cd(".."):
                return [str(run("pwd")), env.cwd]


def cd_resets(place):
    with cd("/usr"):
        with cd("/etc"):
            first = str(run("pwd"))
        with cd("~"):
            return [first, env.cwd, str(run("pwd")) == str(run("cd; pwd"))]


def cd_with_blanks(place):
    run("mkdir '%s/a b'" % place.there, quiet=True)
    with cd(place.there):
        with cd("a b"):
            return [result(run("pwd")), env.cwd]


def cd_to_nowhere(place):
    with cd("/nonexistent"):
        return result(run("pwd", warn_only=True))


def cd_ends(place):
    try:
        with cd("/usr"):
            raise ValueError("x")
    except ValueError:
        return [env.cwd, result(run("true"))]


def cd_does_not_matter_here(place):
    with cd("/usr"):
        return result(local("pwd", capture=True)).get("command")


def cd_with_slash_and_nothing(place):
    with cd("/usr/"):
        with cd(""):
            return env.cwd


def lcd_nested(place):
    with lcd("/usr"):
        with lcd("lib"):
            return [result(local("pwd", capture=True)), env.lcwd]


def prefix_nested(place):
    with prefix("echo one"):
        with prefix("echo two"):
            return [result(run("echo three")), list(env.command_prefixes)]


def prefix_fails(place):
    with prefix("false"):
        return result(run("echo never", warn_only=True))


def prefix_and_cd(place):
    with cd("/usr"):
        with prefix("export A=b"):
            with cd("lib"):
                return result(run("echo $A; pwd"))


def prefix_after(place):
    with prefix("true"):
        pass
    return [env.command_prefixes, result(run("true"))["real_command"]]


def variables(place):
    with shell_env(A="1", B="two words"):
        return result(run("echo $A $B"))


def variables_nested(place):
    with shell_env(A="1"):
        with shell_env(B="x $HOME"):
            inner = result(run("echo \"$A $B\""))
        return [inner, dict(env.shell_env), result(run("echo $A $B"))]


def variables_of_numbers(place):
    with shell_env(A=1):
        return result(run("echo $A"))


def variables_within(place):
    with shell_env(A="1"):
        with shell_env(B="2"):
            return [result(run("echo $A $B")), dict(env.shell_env)]


def managers_as_decorators(place):
    @hide("running")
    @cd("/usr")
    def inner():
        """Text."""
        return str(run("pwd"))
    return [inner(), inner(), inner.__name__, inner.__doc__]


def values_of_managers(place):
    said = []
    for manager in (cd("/"), hide("running"), prefix("true"), shell_env(A="1"), path("/x")):
        with manager as value:
            said.append(value)
    return said


def settings_with_managers_that_fail(place):
    try:
        with settings(cd("/usr"), hide("nonsense"), a=1):
            pass
    except KeyError:
        return [env.cwd, "a" in env]


def variables_without_shell(place):
    with shell_env(A="1"):
        return result(run("echo $A", shell=False))


def variables_for_local(place):
    with shell_env(A="1"):
        return result(local("echo $A", capture=True))


def path_appended(place):
    with path("/opt/x"):
        said = run("echo $PATH")
        return [said.endswith(":/opt/x"), said.real_command, env.path, env.path_behavior]


def path_prepended(place):
    with path("/opt/x", behavior="prepend"):
        said = run("echo $PATH")
        return [said.startswith("/opt/x:"), said.real_command, env.path, env.path_behavior]


def path_replaced(place):
    with path("/bin:/usr/bin", behavior="replace"):
        return result(run("echo $PATH"))


def path_nested(place):
    with path("/a"):
        with path("/b"):
            inner = [run("true").real_command, env.path]
        with path("/c", "prepend"):
            return [inner, run("true").real_command, env.path]


def path_for_sudo(place):
    with path("/a"):
        with shell_env(PATH="/bin:/usr/bin", A="b"):
            return result(sudo("echo $PATH"))


def path_for_local(place):
    with path("/a"):
        return local("echo $PATH", capture=True).endswith(":/a")


def all_together(place):
    with settings(cd("/usr"), prefix("true"), shell_env(A="1"), path("/opt"), warn_only=True):
        return [result(run("echo $A; exit 1")), env.cwd, env.warn_only]


def settings_restore(place):
    env.mine = "before"
    with settings(mine="within", new="made"):
        within = _keys("mine", "new")
        env.mine = "assigned"
    return [within, _keys("mine", "new"), "new" in env]


def settings_restore_after_an_error(place):
    env.mine = "before"
    try:
        with settings(mine="within"):
            raise KeyError("x")
    except KeyError:
        return _keys("mine")


def settings_clean_revert(place):
    env.a, env.b = "before", "before"
    with settings(a="within", b="within", clean_revert=True):
        env.b = "assigned"
    return _keys("a", "b") + ["clean_revert" in env]


def settings_keep_other_changes(place):
    with settings(a="within"):
        env.other = "assigned"
    return [_keys("other"), "a" in env]


def settings_nested(place):
    with settings(hide("running"), a=1):
        with settings(show("running"), a=2):
            inner = [env.a, output.running]
        return [inner, env.a, output.running]


def settings_as_a_decorator(place):
    @settings(warn_only=True)
    def inner():
        return env.warn_only
    return inner()


def settings_with_unknown_group(place):
    with hide("nonsense"):
        return None


def hide_and_show(place):
    with hide("everything"):
        hidden = dict(output)
        with show("stdout", "running"):
            shown = dict(output)
    return [hidden, shown, dict(output)]


def hide_output(place):
    with hide("output"):
        return dict(output)


def hide_commands(place):
    with hide("commands"):
        return dict(output)


def quiet_hides(place):
    with quiet():
        return [dict(output), env.warn_only]


def warn_only_warns(place):
    with warn_only():
        return [env.warn_only, dict(output)]


def levels_are_attributes(place):
    output.running = False
    output["stdout"] = False
    run("echo hello")
    return [output.running, output.stdout, sorted(output), output.aliases]


def levels_by_alias(place):
    output["commands"] = False
    output.everything = True
    return dict(output)


def env_is_a_dict(place):
    env.mine = 1
    env["yours"] = 2
    said = [env.mine, env["yours"], env.get("nobody"), "mine" in env, env.first("nobody", "yours")]
    try:
        env.nobody
    except AttributeError as error:
        said.append(str(error))
    return said


def env_is_called(place):
    with env(warn_only=True):
        return None


def env_defaults(place):
    own = ("host", "host_string", "hosts", "all_hosts", "user", "port", "key_filename",
           "disable_known_hosts", "no_agent", "rcfile", "ssh_config_path", "version",
           "command", "real_fabfile", "tasks", "local_user", "passwords", "effective_roles")
    return dict((key, env[key]) for key in env if key not in own)


def env_of_the_node(place):
    return [sorted(key for key in env if key.startswith("host")), env.user,
            env.hosts == [env.host_string], env.all_hosts == [env.host_string], len(env.port) > 1]


def char_buffered_does_nothing(place):
    with open("/dev/null") as file:
        with char_buffered(file):
            return "here"


def connections_are_there(place):
    run("true", quiet=True)
    return env.host_string is not None and hasattr(connections, "connect")
