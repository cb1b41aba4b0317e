"""The command lines that Fabric sends, byte for byte.

Only `"`, `$` and the backtick are escaped, a backslash is not; cd() escapes blanks and nothing
else.
"""

from fabric.state import env


def _shell_escape(string):
    for char in ('"', "$", "`"):
        string = string.replace(char, "\\" + char)
    return string


def _shell_wrap(command, shell_escape, shell=True, sudo_prefix=None):
    """Within the shell that `env.shell` names, behind sudo's prefix."""
    if shell and not env.use_shell:
        shell = False
    if shell:
        command = '%s "%s"' % (env.shell, _shell_escape(command) if shell_escape else command)
    return "%s %s" % (sudo_prefix, command) if sudo_prefix else command


def _prefix_commands(command, which):
    """Behind its directory and the commands that must succeed before."""
    prefixes = list(env.command_prefixes)
    cwd = env.cwd if which == "remote" else env.lcwd
    if cwd:
        prefixes.insert(0, "cd %s >/dev/null" % cwd)
    return " && ".join(prefixes + [command])


def _prefix_env_vars(command, local=False):
    """Behind what it finds in its environment."""
    variables = []
    path = env.path
    if path:
        if env.path_behavior == "append":
            path = '$PATH:"%s"' % path
        elif env.path_behavior == "prepend":
            path = '"%s":$PATH' % path
        elif env.path_behavior == "replace":
            path = '"%s"' % path
        if "PATH" not in env.shell_env:
            variables.append(("PATH", path))
        else:
            # Its place is the first, all the same.
            variables.append(("PATH", env.shell_env["PATH"]))
    for name, value in env.shell_env.items():
        if name != "PATH":
            variables.append((name, _shell_escape(value)))
        elif not path:
            variables.append((name, value))
    if not variables:
        return command
    return "export %s && %s" % (" ".join('%s="%s"' % pair for pair in variables), command)


def _sudo_prefix_argument(argument, value):
    if value is None:
        return ""
    return ' %s "%s"' % (argument, identity(value))


def identity(value):
    """As sudo's -u and -g take it: digits are a number, not a name."""
    text = str(value)
    return "#" + text if text.isdigit() else text


def _sudo_prefix(user, group=None):
    prefix = env.sudo_prefix % env
    if user is not None or group is not None:
        return "%s%s%s " % (prefix, _sudo_prefix_argument("-u", user),
                            _sudo_prefix_argument("-g", group))
    return prefix
